// SPDX-License-Identifier: Apache-2.0
//! What the stub hands to the adapter, and the wire between them.
//!
//! Lambda gives the runtime process what it withholds from extensions: the handler, the task root, the log names, the
//! stdio that ends in the function's log stream, and whatever other wrappers have set. The stub sends all of it over
//! an abstract Unix socket, whose name is of this environment alone. Each side makes sure that the other runs as the
//! same user. Then the stub waits: one byte from it says that it was asked to stop, one byte to it is its exit code.

use std::ffi::{OsStr, OsString};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::net::{self as blocking, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg, sockopt,
};
use rustix::process::geteuid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::{UnixListener, UnixStream};

use crate::app::process::Stdio;
use crate::settings::Environment;

/// The first thing that the adapter says: it has everything, and the app is its own.
const TAKEN: u8 = b'A';
/// The stub was asked to stop.
const TERMINATE: u8 = b'T';
/// Largest message. Lambda allows 4 KB of variables; images may bring more.
const LARGEST: usize = 4 * 1024 * 1024;
/// How long either side waits for the other to go on.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(2);
/// Standard input, output and error.
const FDS: usize = 3;

/// All that the runtime process was started with.
#[derive(Debug)]
pub(crate) struct Handover {
    pub(crate) directory: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Environment,
    pub(crate) stdio: Stdio,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum HandoverError {
    #[error("the adapter does not listen for the stub")]
    Connect(#[source] io::Error),
    #[error("the other end of the hand-over runs as another user")]
    Peer,
    #[error("the hand-over broke off")]
    Broken(#[from] io::Error),
    #[error("the hand-over cannot be read")]
    Malformed,
}

fn name(environment: &Environment) -> io::Result<SocketAddr> {
    let runtime_api = environment
        .get("AWS_LAMBDA_RUNTIME_API")
        .unwrap_or_default();
    let mut name = b"streamgate/".to_vec();
    name.extend_from_slice(runtime_api.as_bytes());
    SocketAddr::from_abstract_name(name)
}

/// The adapter's end, before a stub has come.
#[derive(Debug)]
pub(crate) struct Listener(UnixListener);

impl Listener {
    pub(crate) fn bind(environment: &Environment) -> io::Result<Self> {
        let listener = blocking::UnixListener::bind_addr(&name(environment)?)?;
        listener.set_nonblocking(true)?;
        UnixListener::from_std(listener).map(Self)
    }

    /// Waits for the stub. Whatever else connects is turned away.
    pub(crate) async fn accept(&self) -> (Handover, Stub) {
        loop {
            match self.try_accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    tracing::warn!(error = %crate::logging::chain(&error), "hand-over refused");
                }
            }
        }
    }

    async fn try_accept(&self) -> Result<(Handover, Stub), HandoverError> {
        let (mut stream, _) = self.0.accept().await?;
        if stream.peer_cred()?.uid() != geteuid().as_raw() {
            return Err(HandoverError::Peer);
        }
        let exchange = async {
            let handover = receive(&mut stream).await?;
            stream.write_all(&[TAKEN]).await?;
            Ok(handover)
        };
        match tokio::time::timeout(EXCHANGE_TIMEOUT, exchange).await {
            Ok(handover) => handover.map(|handover| (handover, Stub(stream))),
            Err(_) => Err(HandoverError::Broken(io::ErrorKind::TimedOut.into())),
        }
    }
}

/// The runtime process, as the adapter sees it.
#[derive(Debug)]
pub(crate) struct Stub(UnixStream);

/// What the runtime process tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StubEvent {
    /// It got SIGTERM.
    Terminated,
    /// It is gone.
    Gone,
}

impl Stub {
    /// Waits for news. May be dropped and called again.
    pub(crate) async fn event(&mut self) -> StubEvent {
        let mut byte = [0];
        match self.0.read(&mut byte).await {
            Ok(1) if byte == [TERMINATE] => StubEvent::Terminated,
            _ => StubEvent::Gone,
        }
    }

    /// Lets the runtime process exit, which ends the environment. Returns when it has gone, or after a moment.
    pub(crate) async fn release(mut self, code: u8) {
        let exit = async {
            if self.0.write_all(&[code]).await.is_ok() {
                while self.event().await != StubEvent::Gone {}
            }
        };
        let _ = tokio::time::timeout(EXCHANGE_TIMEOUT, exit).await;
    }
}

/// The stub's end, once the adapter has taken everything.
#[derive(Debug)]
pub(crate) struct Adapter(UnixStream);

impl Adapter {
    /// Hands over all that this process was started with. Must run within a runtime.
    pub(crate) fn hand_over(
        environment: &Environment,
        arguments: &[OsString],
    ) -> Result<Self, HandoverError> {
        let mut stream = blocking::UnixStream::connect_addr(&name(environment)?)
            .map_err(HandoverError::Connect)?;
        if sockopt::socket_peercred(&stream)
            .map_err(io::Error::from)?
            .uid
            != geteuid()
        {
            return Err(HandoverError::Peer);
        }
        stream.set_read_timeout(Some(EXCHANGE_TIMEOUT))?;
        stream.set_write_timeout(Some(EXCHANGE_TIMEOUT))?;
        send(
            &mut stream,
            &encode(&std::env::current_dir()?, arguments, environment),
        )?;
        let mut answer = [0];
        stream.read_exact(&mut answer)?;
        if answer != [TAKEN] {
            return Err(HandoverError::Malformed);
        }
        stream.set_nonblocking(true)?;
        Ok(Self(UnixStream::from_std(stream)?))
    }

    /// Tells that this process was asked to stop.
    pub(crate) async fn tell_terminated(&mut self) -> io::Result<()> {
        self.0.write_all(&[TERMINATE]).await
    }

    /// Waits for the code to exit with. May be dropped and called again.
    pub(crate) async fn exit_code(&mut self) -> io::Result<u8> {
        self.0.read_u8().await
    }
}

fn send(stream: &mut blocking::UnixStream, message: &[u8]) -> io::Result<()> {
    let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
    let fds = [input.as_fd(), output.as_fd(), error.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    let length = u32::try_from(message.len())
        .map_err(io::Error::other)?
        .to_be_bytes();
    let sent = sendmsg(
        &*stream,
        &[IoSlice::new(&length)],
        &mut control,
        SendFlags::empty(),
    )?;
    stream.write_all(&length[sent..])?;
    stream.write_all(message)
}

async fn receive(stream: &mut UnixStream) -> Result<Handover, HandoverError> {
    let mut length = [0; 4];
    let (read, fds) = loop {
        stream.readable().await?;
        match stream.try_io(Interest::READABLE, || receive_fds(&*stream, &mut length)) {
            Ok(received) => break received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    };
    stream.read_exact(&mut length[read..]).await?;
    let [input, output, error] =
        <[OwnedFd; FDS]>::try_from(fds).map_err(|_| HandoverError::Malformed)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > LARGEST {
        return Err(HandoverError::Malformed);
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await?;
    let (directory, arguments, environment) = decode(&message).ok_or(HandoverError::Malformed)?;
    Ok(Handover {
        directory,
        arguments,
        environment,
        stdio: Stdio {
            input,
            output,
            error,
        },
    })
}

fn receive_fds(socket: impl AsFd, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(bytes)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let fds = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    });
    Ok((received.bytes, fds.flatten().collect()))
}

/// Three lists of strings, each with its count before it and each string with its length: the directory, the
/// arguments, names and values of the variables in turn.
fn encode(
    directory: &std::path::Path,
    arguments: &[OsString],
    environment: &Environment,
) -> Vec<u8> {
    let mut message = Vec::with_capacity(8 * 1024);
    put_list(&mut message, &[directory.as_os_str()]);
    put_list(
        &mut message,
        &arguments
            .iter()
            .map(OsString::as_os_str)
            .collect::<Vec<_>>(),
    );
    put_list(
        &mut message,
        &environment
            .iter()
            .flat_map(<[&OsStr; 2]>::from)
            .collect::<Vec<_>>(),
    );
    message
}

fn put_list(message: &mut Vec<u8>, strings: &[&OsStr]) {
    let put_length = |message: &mut Vec<u8>, length: usize| {
        message.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    };
    put_length(message, strings.len());
    for string in strings {
        put_length(message, string.len());
        message.extend_from_slice(string.as_bytes());
    }
}

fn decode(mut message: &[u8]) -> Option<(PathBuf, Vec<OsString>, Environment)> {
    let [directory] = <[OsString; 1]>::try_from(take_list(&mut message)?).ok()?;
    let arguments = take_list(&mut message)?;
    let variables = take_list(&mut message)?;
    if !message.is_empty() || variables.len() % 2 != 0 {
        return None;
    }
    let mut variables = variables.into_iter();
    let pairs = std::iter::from_fn(|| Some((variables.next()?, variables.next()?)));
    Some((directory.into(), arguments, pairs.collect()))
}

fn take_list(message: &mut &[u8]) -> Option<Vec<OsString>> {
    let count = take_length(message)?;
    (0..count)
        .map(|_| {
            let length = take_length(message)?;
            let (string, rest) = message.split_at_checked(length)?;
            *message = rest;
            Some(OsString::from_vec(string.to_vec()))
        })
        .collect()
}

fn take_length(message: &mut &[u8]) -> Option<usize> {
    let (length, rest) = message.split_first_chunk()?;
    *message = rest;
    usize::try_from(u32::from_be_bytes(*length)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn sample() -> Vec<u8> {
        let environment = [("_HANDLER", "run.sh"), ("EMPTY", ""), ("LINES", "a\nb=c")]
            .into_iter()
            .collect();
        encode(
            Path::new("/var/task"),
            &["node".into(), OsString::from_vec(vec![0xff, 0xfe])],
            &environment,
        )
    }

    #[test]
    fn what_is_handed_over_arrives_as_it_was() {
        let (directory, arguments, environment) = decode(&sample()).unwrap();
        assert_eq!(directory, Path::new("/var/task"));
        assert_eq!(
            arguments,
            [OsString::from("node"), OsString::from_vec(vec![0xff, 0xfe])]
        );
        assert_eq!(environment.iter().count(), 3);
        assert_eq!(environment.get("LINES"), Some(OsStr::new("a\nb=c")));
    }

    #[test]
    fn a_message_cut_or_grown_anywhere_is_refused() {
        let message = sample();
        for end in 0..message.len() {
            assert!(decode(&message[..end]).is_none(), "cut at {end}");
        }
        assert!(decode(&[message.as_slice(), b"x"].concat()).is_none());
    }
}
