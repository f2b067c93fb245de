// SPDX-License-Identifier: Apache-2.0
//! What the app does with a request, by path.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use std::{env, fs};

use integration_tests::gate::Keeper;
use integration_tests::pattern::Pattern;
use serde_json::json;
use socket2::SockRef;

use crate::life::{self, Events};
use crate::request::{Leftover, Request};

/// What becomes of the connection after an answer.
enum After {
    Keep,
    Close,
}

const SSE_HEADERS: &str = "content-type: text/event-stream\r\ncache-control: no-cache\r\n";

/// Answers the requests of one connection, one after another.
pub(crate) fn serve(mut stream: TcpStream, number: usize, events: &Events) -> io::Result<()> {
    let mut buffer = Leftover::new();
    while let Some(request) = next(&mut stream, &mut buffer)? {
        if life::notes_requests() {
            events.write(&request.note(number));
        }
        if let After::Close = answer(&request, &mut stream, &mut buffer, events)? {
            break;
        }
    }
    Ok(())
}

/// The next request, or `None` when the peer is done or was idle for too long.
fn next(stream: &mut TcpStream, buffer: &mut Leftover) -> io::Result<Option<Request>> {
    stream.set_read_timeout(life::keep_alive())?;
    let request = match Request::read(stream, buffer) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        request => request?,
    };
    stream.set_read_timeout(None)?;
    Ok(request)
}

fn answer(
    request: &Request,
    stream: &mut TcpStream,
    buffer: &mut Leftover,
    events: &Events,
) -> io::Result<After> {
    if request.path() == "/early" {
        // Answers while the request body may still be on its way.
        plain(request, stream, "early")?;
        request.body(stream, buffer)?;
        return Ok(After::Keep);
    }
    let body = request.body(stream, buffer)?;
    if life::refuses(request.path()) {
        whole(stream, "500 As Asked", "", b"refused")?;
        return Ok(After::Keep);
    }
    match request.path() {
        "/" | "/ready" | "/before" | "/after" => plain(request, stream, "ready")?,
        "/echo" => echo(request, stream, &body)?,
        "/counted" => return counted(request, stream, &body, events),
        "/inspect" => whole(
            stream,
            "200 OK",
            "content-type: text/plain\r\n",
            &request.raw,
        )?,
        "/process" => process(stream)?,
        "/bytes" => bytes(request, stream)?,
        "/status" => status(request, stream)?,
        "/empty-chunked" => send(
            stream,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        )?,
        "/empty-length" => send(stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?,
        "/cookies" => cookies(stream)?,
        "/repeated" => repeated(stream)?,
        "/background" => {
            let seconds = request.number("seconds", 60);
            let headers = format!("x-streamgate-background: {seconds}\r\n");
            whole(stream, "200 OK", &headers, b"answered")?;
        }
        "/trailers" => send(
            stream,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n4\r\nbody\r\n0\r\nx-sum: 10\r\n\r\n",
        )?,
        "/binary-headers" => binary_headers(stream)?,
        "/interim" => {
            send(stream, "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n")?;
            send(stream, "HTTP/1.1 102 Processing\r\n\r\n")?;
            plain(request, stream, "final")?;
        }
        "/gated" => gated(request, stream, "content-type: text/plain\r\n")?,
        "/sse" => gated(request, stream, SSE_HEADERS)?,
        "/allocate" => {
            let held = vec![1_u8; request.number("mb", 100) * 1024 * 1024];
            // For as long as it may take to be noticed.
            std::thread::sleep(Duration::from_millis(request.number("for", 20_000) as u64));
            assert!(std::hint::black_box(held).iter().all(|byte| *byte == 1));
            plain(request, stream, "allocated")?;
        }
        "/stderr" => {
            to_stderr(request)?;
            plain(request, stream, "written")?;
        }
        "/slow-head" => {
            pass(&mut gate()?, stream)?;
            plain(request, stream, "at last")?;
        }
        _ => return misbehave(request, stream, events),
    }
    Ok(After::Keep)
}

/// The answers after which there is no connection, or no app.
fn misbehave(request: &Request, stream: &mut TcpStream, events: &Events) -> io::Result<After> {
    match request.path() {
        "/reset" => {
            some_chunks(request, stream)?;
            // Pending output would be dropped by the reset: the test says when everything has arrived.
            wait_at_gate()?;
            SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?;
        }
        "/cut" => {
            some_chunks(request, stream)?;
            stream.shutdown(Shutdown::Both)?;
        }
        "/short" => send(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\nonly this",
        )?,
        "/close-delimited" => send(
            stream,
            "HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\nuntil the end",
        )?,
        "/no-answer" => {}
        "/garbage" => send(stream, "this is no HTTP\r\n\r\n")?,
        "/exit" => {
            events.write("exiting");
            life::exit(i32::try_from(request.number("code", 0)).unwrap_or(1));
        }
        "/exit-in-body" => {
            some_chunks(request, stream)?;
            wait_at_gate()?;
            life::exit(i32::try_from(request.number("code", 0)).unwrap_or(1));
        }
        "/abort" => std::process::abort(),
        _ => {
            whole(
                stream,
                "404 Not Found",
                "content-type: text/plain\r\n",
                b"no such behaviour",
            )?;
            return Ok(After::Keep);
        }
    }
    Ok(After::Close)
}

/// So many KB in one write; the last line says whose they are.
fn to_stderr(request: &Request) -> io::Result<()> {
    let lines = format!("{:1$}|\n", "a long line", 1022).repeat(request.number("kib", 4));
    let text = format!("{lines}written by {}\n", request.number("number", 0));
    io::stderr().write_all(text.as_bytes())
}

fn send(stream: &mut TcpStream, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())
}

/// A complete answer with a length, in one write.
fn whole(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> io::Result<()> {
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    stream.write_all(&bytes)
}

fn plain(request: &Request, stream: &mut TcpStream, text: &str) -> io::Result<()> {
    if request.head.method() == "HEAD" {
        let length = text.len();
        return send(
            stream,
            &format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n"
            ),
        );
    }
    whole(
        stream,
        "200 OK",
        "content-type: text/plain\r\n",
        text.as_bytes(),
    )
}

fn chunk(stream: &mut TcpStream, data: &[u8]) -> io::Result<()> {
    let mut bytes = format!("{:x}\r\n", data.len()).into_bytes();
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(b"\r\n");
    stream.write_all(&bytes)
}

fn echo(request: &Request, stream: &mut TcpStream, body: &[u8]) -> io::Result<()> {
    let content_type = request
        .head
        .header("content-type")
        .unwrap_or("application/octet-stream");
    whole(
        stream,
        "200 OK",
        &format!("content-type: {content_type}\r\n"),
        body,
    )
}

/// Counts the request by its `id`, and answers with that and the request's body or `n` bytes of the pattern, unless a
/// `fault` is asked for.
fn counted(
    request: &Request,
    stream: &mut TcpStream,
    body: &[u8],
    events: &Events,
) -> io::Result<After> {
    let id = request.query("id").unwrap_or_default();
    events.count(&format!("counted {id}"));
    let mut answer = format!("{id} ").into_bytes();
    if body.is_empty() {
        answer.extend(Pattern::bytes(request.number("n", 0)));
    } else {
        answer.extend_from_slice(body);
    }
    let fault = request.query("fault");
    let connection = match fault {
        Some("close") => "connection: close\r\n",
        _ => "",
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n{connection}content-length: {}\r\n\r\n",
        answer.len()
    );
    match fault {
        Some("exit") => life::exit(3),
        Some("hang") => loop {
            std::thread::park();
        },
        Some("exit-in-body") => {
            stream.write_all(head.as_bytes())?;
            stream.write_all(&answer[..answer.len() / 2])?;
            life::exit(3);
        }
        Some("reset") => {
            SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?;
            Ok(After::Close)
        }
        Some("close") => {
            stream.write_all(&[head.as_bytes(), &answer].concat())?;
            Ok(After::Close)
        }
        _ => {
            stream.write_all(&[head.as_bytes(), &answer].concat())?;
            Ok(After::Keep)
        }
    }
}

/// What kind of process the app is: what it was given by whoever started it.
fn process(stream: &mut TcpStream) -> io::Result<()> {
    let pid = rustix::process::getpid();
    let group = rustix::process::getpgid(None)?;
    let parent = rustix::process::getppid();
    let files: Vec<_> = (0..3)
        .map(|fd| {
            fs::read_link(format!("/proc/self/fd/{fd}"))
                .map(|path| path.display().to_string())
                .ok()
        })
        .collect();
    let environment: serde_json::Map<_, _> = env::vars()
        .map(|(key, value)| (key, value.into()))
        .collect();
    let facts = json!({
        "argv": env::args().collect::<Vec<_>>(),
        "cwd": env::current_dir()?.display().to_string(),
        "pid": pid.as_raw_nonzero().get(),
        "pgid": group.as_raw_nonzero().get(),
        "ppid": parent.map(|pid| pid.as_raw_nonzero().get()),
        "fds": files,
        "env": environment,
    });
    // Seen in the log of whoever owns these streams.
    println!("app writes to its stdout");
    eprintln!("app writes to its stderr");
    whole(
        stream,
        "200 OK",
        "content-type: application/json\r\n",
        facts.to_string().as_bytes(),
    )
}

/// `n` bytes of the pattern in chunks of `chunk` bytes.
fn bytes(request: &Request, stream: &mut TcpStream) -> io::Result<()> {
    let mut left = request.number("n", 1024);
    // A multiple of eight, so that the pattern continues seamlessly from chunk to chunk.
    let size = request.number("chunk", 64 * 1024).max(8) / 8 * 8;
    send(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    )?;
    let mut pattern = Pattern::default();
    let mut block = vec![0; size];
    while left > 0 {
        let count = size.min(left);
        pattern.fill(&mut block[..count]);
        chunk(stream, &block[..count])?;
        left -= count;
    }
    send(stream, "0\r\n\r\n")
}

fn status(request: &Request, stream: &mut TcpStream) -> io::Result<()> {
    let code = request.number("code", 200);
    let headers = match code {
        204 => "",
        304 => "etag: \"v1\"\r\n",
        301 | 302 | 303 | 307 | 308 => "location: /elsewhere\r\ncontent-length: 0\r\n",
        _ => {
            return whole(
                stream,
                &format!("{code} As Asked"),
                "content-type: text/plain\r\n",
                b"as asked",
            );
        }
    };
    send(
        stream,
        &format!("HTTP/1.1 {code} As Asked\r\n{headers}\r\n"),
    )
}

fn cookies(stream: &mut TcpStream) -> io::Result<()> {
    let headers = "content-type: text/plain\r\n\
        set-cookie: id=1; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT\r\n\
        set-cookie: theme=dark; HttpOnly\r\n\
        Set-Cookie: empty=\r\n";
    whole(stream, "200 OK", headers, b"three cookies")
}

fn repeated(stream: &mut TcpStream) -> io::Result<()> {
    let headers = "content-type: text/plain\r\n\
        vary: accept-encoding\r\n\
        link: </a.css>; rel=preload\r\n\
        vary: origin\r\n\
        link: </b.js>; rel=preload\r\n\
        x-number: 5\r\n\
        connection: keep-alive, x-hop\r\n\
        x-hop: one connection only\r\n\
        keep-alive: timeout=5\r\n\
        proxy-authenticate: Basic\r\n";
    whole(stream, "200 OK", headers, b"repeated")
}

/// Header values with bytes that JSON or Lambda's header rules make trouble with.
fn binary_headers(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nx-quoted: say \"hi\" \\ there\r\n",
    )?;
    stream.write_all(
        b"x-latin: caf\xe9\r\nx-utf8: na\xc3\xafve\r\nx-tab: a\tb\r\ncontent-length: 2\r\n\r\nok",
    )
}

fn some_chunks(request: &Request, stream: &mut TcpStream) -> io::Result<()> {
    send(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n",
    )?;
    for number in 0..request.number("chunks", 2) {
        chunk(stream, format!("chunk {number}\n").as_bytes())?;
    }
    Ok(())
}

/// A chunk each time the test lets one through; the head goes out at once, with `head=late` only with the first.
fn gated(request: &Request, stream: &mut TcpStream, headers: &str) -> io::Result<()> {
    let mut gate = gate()?;
    let head = format!("HTTP/1.1 200 OK\r\n{headers}transfer-encoding: chunked\r\n\r\n");
    let mut first = Vec::new();
    if request.query("head") == Some("late") {
        first = head.into_bytes();
    } else {
        send(stream, &head)?;
    }
    for number in 0..request.number("chunks", 3) {
        pass(&mut gate, stream)?;
        let data = if request.path() == "/sse" {
            format!("id: {number}\ndata: token {number}\n\n")
        } else {
            let name = request.query("name").unwrap_or_default();
            format!("{name}chunk {number}\n") + &" ".repeat(request.number("pad", 0))
        };
        let mut bytes = std::mem::take(&mut first);
        bytes.extend_from_slice(format!("{:x}\r\n{data}\r\n", data.len()).as_bytes());
        stream.write_all(&bytes)?;
    }
    if request.query("end") == Some("gated") {
        pass(&mut gate, stream)?;
    }
    send(stream, "0\r\n\r\n")
}

fn gate() -> io::Result<UnixStream> {
    let path = env::var("GATE_SOCKET").map_err(io::Error::other)?;
    UnixStream::connect(path)
}

fn wait_at_gate() -> io::Result<()> {
    gate()?.read_exact(&mut [0])
}

/// Waits for a byte at the gate, unless the client goes away before; some bytes ask for the end of the connection.
fn pass(gate: &mut UnixStream, stream: &mut TcpStream) -> io::Result<()> {
    let interval = Duration::from_millis(10);
    gate.set_read_timeout(Some(interval))?;
    let mut byte = [0];
    loop {
        match gate.read_exact(&mut byte) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
            Ok(()) => match byte {
                [Keeper::CLOSE] => return Err(io::Error::other("closed as asked")),
                [Keeper::RESET] => {
                    SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?;
                    return Err(io::Error::other("reset as asked"));
                }
                [Keeper::GARBAGE] => {
                    send(stream, "this is no HTTP\r\n\r\n")?;
                    return Err(io::Error::other("nonsense as asked"));
                }
                _ => return Ok(()),
            },
        }
        stream.set_read_timeout(Some(Duration::from_millis(1)))?;
        let seen = stream.peek(&mut [0]);
        stream.set_read_timeout(None)?;
        match seen {
            Ok(0) => return Err(io::Error::other("the client went away")),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
    }
}
