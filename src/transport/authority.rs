// SPDX-License-Identifier: Apache-2.0
//! Hosts and ports, resolved without DNS.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};

use super::socket::Socket;

/// Host and port, resolved. There is no DNS in it: the adapter talks to its own machine only, and a static binary has
/// no resolver that it could rely on.
#[derive(Debug, Clone)]
pub(crate) struct Authority {
    pub(super) text: String,
    addresses: Vec<SocketAddr>,
}

/// A host that is neither an address nor known to this machine.
#[derive(Debug, thiserror::Error)]
#[error("host `{0}` is not an IP address and stands in no line of /etc/hosts")]
pub(crate) struct UnknownHost(String);

impl Authority {
    pub(crate) fn resolve(host: &str, port: u16) -> Result<Self, UnknownHost> {
        let ips: Vec<IpAddr> = match host.parse() {
            Ok(ip) => vec![ip],
            // An app may listen on either; a connection to the other is refused at once.
            Err(_) if host == "localhost" => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            Err(_) => addresses_of(host, &fs::read_to_string("/etc/hosts").unwrap_or_default()),
        };
        if ips.is_empty() {
            return Err(UnknownHost(host.to_owned()));
        }
        let text = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        Ok(Self {
            text,
            addresses: ips
                .into_iter()
                .map(|ip| SocketAddr::new(ip, port))
                .collect(),
        })
    }

    /// Host and port, as they stand in a URL.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) async fn connect(&self) -> io::Result<Socket> {
        let mut refused = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in &self.addresses {
            match begin(address) {
                Ok(stream) => match finish(stream).await {
                    Ok(socket) => return Ok(socket),
                    Err(error) => refused = error,
                },
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// Knocks until it is not refused, at most for so long, and blocks the thread meanwhile.
    pub(super) fn knock(&self, interval: Duration, patience: Duration) -> Option<TcpStream> {
        let until = Instant::now() + patience;
        loop {
            let open = self.addresses.iter().find_map(|at| begin(at).ok());
            if open.is_some() || Instant::now() >= until {
                return open;
            }
            thread::sleep(interval);
        }
    }
}

impl std::fmt::Display for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Begins a connection. The machine itself refuses at once, so a refusal is known here.
fn begin(address: &SocketAddr) -> io::Result<TcpStream> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    match rustix::net::connect(&socket, address) {
        Ok(()) | Err(Errno::INPROGRESS) => sockopt::socket_error(&socket)??,
        Err(error) => return Err(error.into()),
    }
    Ok(socket.into())
}

/// Waits until a connection is there that has begun.
pub(super) async fn finish(stream: TcpStream) -> io::Result<Socket> {
    let stream = tokio::net::TcpStream::from_std(stream)?;
    stream.writable().await?;
    match stream.take_error()? {
        None => Socket::new(stream),
        Some(error) => Err(error),
    }
}

fn addresses_of(host: &str, hosts_file: &str) -> Vec<IpAddr> {
    let lines = hosts_file
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let ip = words.next()?.parse().ok()?;
            words.any(|name| name == host).then_some(ip)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_resolve_without_dns() {
        let hosts = "127.0.0.1 localhost\n# 10.0.0.1 gone\n169.254.79.129 sandbox.localdomain sandbox # the platform\n";
        assert_eq!(
            addresses_of("sandbox", hosts),
            ["169.254.79.129".parse::<IpAddr>().unwrap()]
        );
        assert!(addresses_of("gone", hosts).is_empty());
        assert!(Authority::resolve("no-such-host.invalid", 80).is_err());
        assert_eq!(
            Authority::resolve("::1", 80).unwrap().to_string(),
            "[::1]:80"
        );
        assert_eq!(
            Authority::resolve("localhost", 80).unwrap().addresses.len(),
            2
        );
    }
}
