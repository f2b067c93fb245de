// SPDX-License-Identifier: Apache-2.0
//! go-httpbin, a real app with many endpoints: what a client gets of it directly and through each front of the local
//! Lambda has to be the same.
//!
//! | exception | front | why |
//! |---|---|---|
//! | `%2F` in a path | HTTP API | the front decodes the path |
//! | repeats of a parameter | ALB without multi-value headers | the front keeps the last |
//! | `www-authenticate` | REST API | the front renames it to `x-amzn-remapped-www-authenticate` |

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use integration_tests::app::free_port;
use integration_tests::http::{Client, End, Request, Response};
use integration_tests::local::Local;
use integration_tests::process::{Mark, Program};
use integration_tests::waiting::eventually;
use serde_json::Value;

/// How much of an answer can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    /// Every byte of the body.
    Bytes,
    /// What the app says that it got: the method, the parameters, the body.
    Reflection,
    /// The length: the bytes name the host or the time.
    Length,
}

use Compare::{Bytes, Length, Reflection};

const GETS: [(&str, Compare); 38] = [
    ("/get", Reflection),
    ("/get?a=1&b=two%20words&c=%C3%A9&d=a%2Bb&empty=", Reflection),
    ("/anything/a%20b/c.d~e;f=g,h", Reflection),
    ("/anything/a%2Fb", Reflection),
    ("/anything?tag=one&tag=two&a=1", Reflection),
    ("/base64/aGVsbG8gd29ybGQ=", Bytes),
    ("/base64/decode/aGVsbG8gd29ybGQ=", Bytes),
    ("/base64/encode/hello", Bytes),
    ("/bytes/0", Bytes),
    ("/bytes/100000?seed=7", Bytes),
    ("/stream-bytes/5000?seed=7&chunk_size=333", Bytes),
    ("/range/100", Bytes),
    ("/status/200", Bytes),
    ("/status/204", Bytes),
    ("/status/304", Bytes),
    ("/status/400", Bytes),
    ("/status/404", Bytes),
    ("/status/418", Bytes),
    ("/status/500", Bytes),
    ("/status/503", Bytes),
    ("/redirect-to?url=%2Fget&status_code=307", Bytes),
    ("/redirect/2", Bytes),
    ("/relative-redirect/2", Bytes),
    ("/cookies", Bytes),
    ("/cookies/set?a=1", Bytes),
    ("/cookies/delete?a", Bytes),
    ("/response-headers?x-one=1&x-two=a%20b", Bytes),
    ("/basic-auth/user/password", Bytes),
    ("/hidden-basic-auth/user/password", Bytes),
    ("/bearer", Bytes),
    ("/html", Bytes),
    ("/json", Bytes),
    ("/xml", Bytes),
    ("/robots.txt", Bytes),
    ("/encoding/utf8", Bytes),
    ("/image/png", Bytes),
    ("/uuid", Length),
    ("/no/such/page", Bytes),
];

fn httpbin() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .with_file_name("tools")
        .join("go-httpbin");
    assert!(
        path.is_file(),
        "there is no {}: integration-tests/setup/install installs it",
        path.display()
    );
    path
}

/// The app alone, on a port of its own.
fn direct() -> (Program, SocketAddr) {
    let port = free_port();
    let mut command = Command::new(httpbin());
    command
        .env("HOST", "127.0.0.1")
        .env("PORT", port.to_string());
    let program = Program::start(command, &Mark::unique());
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    eventually("go-httpbin's port", || TcpStream::connect(address).ok());
    (program, address)
}

/// The app behind the adapter behind this front.
fn behind(front: &str) -> (Program, SocketAddr) {
    let mut local = Local::builder()
        .command(&[&httpbin().display().to_string()])
        .env("HOST", "127.0.0.1")
        .option("--front")
        .option(front);
    if front == "rest-stream" {
        local = local.env("STREAMGATE_INVOKE_MODE", "response_stream");
    }
    let (program, _) = local.spawn();
    let line = program.stdout_line("  http://");
    let (_, rest) = line.split_once("http://").unwrap();
    let address = rest.split('/').next().unwrap().parse();
    (
        program,
        address.unwrap_or_else(|_| panic!("the ready line is {line:?}")),
    )
}

/// What has to be the same of two answers.
#[derive(Debug, PartialEq, Eq)]
struct Essence {
    status: u16,
    headers: BTreeMap<String, String>,
    cookies: Vec<String>,
    body: Vec<u8>,
}

/// Headers that the app did not give, or that belong to one transfer.
fn is_the_fronts_own(name: &str) -> bool {
    let transfer = [
        "date",
        "content-length",
        "transfer-encoding",
        "connection",
        "trailer",
        "server",
    ];
    let aws = [
        "x-amzn-requestid",
        "x-amz-apigw-id",
        "apigw-requestid",
        "x-amzn-trace-id",
        "x-amzn-remapped-date",
        "x-amzn-remapped-content-length",
    ];
    transfer.contains(&name) || aws.contains(&name)
}

fn essence(response: &Response, compare: Compare) -> Essence {
    assert_eq!(response.end, End::Complete, "{response:?}");
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in &response.head.headers {
        let name = name.to_ascii_lowercase();
        let name = name
            .strip_prefix("x-amzn-remapped-")
            .filter(|rest| *rest == "www-authenticate")
            .unwrap_or(&name);
        if name == "set-cookie" || is_the_fronts_own(name) {
            continue;
        }
        let so_far = headers.entry(name.to_owned()).or_default();
        if !so_far.is_empty() {
            so_far.push_str(", ");
        }
        so_far.push_str(value);
    }
    // API Gateway gives an answer a type where the app gave none.
    if response.body().is_empty() {
        headers.remove("content-type");
    }
    let mut cookies: Vec<String> = response
        .head
        .all("set-cookie")
        .into_iter()
        .map(str::to_owned)
        .collect();
    cookies.sort();
    let body = match compare {
        Bytes => response.body(),
        Length => vec![0; response.body().len()],
        Reflection => {
            let said: Value = response.json();
            let url = said["url"].as_str().unwrap_or_default();
            // Behind the host; fronts that lose the order of parameters keep them as they are in `args`.
            let path = url
                .splitn(4, '/')
                .nth(3)
                .unwrap_or_default()
                .split('?')
                .next()
                .unwrap_or_default();
            let probe = &said["headers"]["X-Probe"];
            let parts = [
                &said["method"],
                &said["args"],
                &said["data"],
                &said["form"],
                &said["files"],
                &said["json"],
                probe,
            ];
            format!("{path} {parts:?}").into_bytes()
        }
    };
    Essence {
        status: response.status(),
        headers,
        cookies,
        body,
    }
}

fn is_excepted(front: &str, target: &str) -> bool {
    (front == "http-api" && target.contains("%2F") && !target.contains('?'))
        || (front == "alb" && target.matches("tag=").count() > 1)
}

fn requests() -> Vec<(Request, String, Compare)> {
    let mut requests = Vec::new();
    let mut add = |request: Request, what: String, compare| {
        // The fronts say this of every request; the app makes its cookies and addresses of it.
        requests.push((
            request
                .header("x-forwarded-proto", "https")
                .header("x-probe", "one; two"),
            what,
            compare,
        ));
    };
    for (target, compare) in GETS {
        add(Request::get(target), format!("GET {target}"), compare);
    }
    for target in ["/get", "/status/200", "/bytes/100?seed=1"] {
        add(
            Request::new("HEAD", target),
            format!("HEAD {target}"),
            Bytes,
        );
    }
    let every_byte: Vec<u8> = (0..=255).cycle().take(5_000).collect();
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let target = format!("/{}", method.to_ascii_lowercase());
        add(
            Request::new(method, &target),
            format!("{method} without a body"),
            Reflection,
        );
    }
    for (content_type, body) in [
        (
            "application/json",
            b"{\"n\": 1, \"t\": \"na\xc3\xafve\"}".to_vec(),
        ),
        (
            "application/x-www-form-urlencoded",
            b"a=1&b=two+words&b=%C3%A9".to_vec(),
        ),
        ("text/plain", b"plain \xc3\xa9".to_vec()),
        ("application/octet-stream", every_byte),
        (
            "multipart/form-data; boundary=xx",
            b"--xx\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\nv\xff\r\n--xx--\r\n"
                .to_vec(),
        ),
    ] {
        add(
            Request::post("/post", content_type, body),
            format!("POST of {content_type}"),
            Reflection,
        );
    }
    add(
        Request::get("/cookies").header("cookie", "a=1; b=two"),
        "GET with cookies".to_owned(),
        Bytes,
    );
    add(
        Request::get("/range/100").header("range", "bytes=10-19"),
        "GET of a range".to_owned(),
        Bytes,
    );
    add(
        Request::get("/basic-auth/u/p").header("authorization", "Basic dTpw"),
        "GET with a password".to_owned(),
        Bytes,
    );
    add(
        Request::get("/gzip").header("accept-encoding", "gzip"),
        "GET of gzip".to_owned(),
        Compare::Length,
    );
    requests
}

#[test]
fn a_real_app_answers_the_same_directly_and_through_each_front() {
    let (_app, app) = direct();
    for front in [
        "url",
        "http-api",
        "rest",
        "rest-stream",
        "alb",
        "alb-multi",
        "lattice",
        "lattice-v1",
    ] {
        let (_local, address) = behind(front);
        for (request, what, compare) in requests() {
            if is_excepted(front, &what) {
                continue;
            }
            let wanted = essence(&Client::connect(app).exchange(&request), compare);
            let mut got = essence(&Client::connect(address).exchange(&request), compare);
            if what == "GET of gzip" {
                // Its body tells the headers of the request, which the fronts add to.
                assert!(!got.body.is_empty(), "{front}: {what}");
                got.body.clone_from(&wanted.body);
            }
            assert_eq!(got, wanted, "{front}: {what}");
        }
    }
}
