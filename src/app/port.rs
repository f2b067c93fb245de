// SPDX-License-Identifier: Apache-2.0
//! The port of a launched app.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

/// Where apps listen that do not read `PORT`, and the default of AWS Lambda Web Adapter. A free port is as good as
/// another, so this one is taken first and such an app works unchanged.
pub(crate) const USUAL_PORT: u16 = 8080;

/// From here on the kernel gives ports to whoever asks for any, by its default. Between the choice and the app's listening
/// such a port may go to somebody else, whose answers would then pass for the app's.
const EPHEMERAL: u16 = 32_768;

/// A port that is free, and a mark that keeps other adapters on this machine from it. (In Lambda there are none; on a
/// laptop several environments share a network.)
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) number: u16,
    _mark: Option<UnixListener>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum PortError {
    #[error("port {0}, where the app is to listen, is in use by another process")]
    InUse(u16),
    #[error("no free port for the app")]
    None(#[source] io::Error),
}

impl Port {
    /// The port that the user fixed, else a free one.
    pub(crate) fn choose(fixed: Option<u16>) -> Result<Self, PortError> {
        if let Some(number) = fixed {
            return if is_free(number) {
                Ok(Self {
                    number,
                    _mark: None,
                })
            } else {
                Err(PortError::InUse(number))
            };
        }
        let ours = (USUAL_PORT..EPHEMERAL).find_map(|number| {
            let mark = mark(number).filter(|_| is_free(number))?;
            Some(Self {
                number,
                _mark: Some(mark),
            })
        });
        ours.map_or_else(Self::any, Ok)
    }

    /// One of the kernel's.
    fn any() -> Result<Self, PortError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(PortError::None)?;
        let number = listener.local_addr().map_err(PortError::None)?.port();
        Ok(Self {
            number,
            _mark: None,
        })
    }
}

/// Whether nobody listens on this port, at any address: a listener on all of them is in the way of one on loopback.
pub(crate) fn is_free(number: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok()
}

fn mark(number: u16) -> Option<UnixListener> {
    let name = SocketAddr::from_abstract_name(format!("streamgate/port/{number}")).ok()?;
    UnixListener::bind_addr(&name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_chosen_at_once_differ_and_none_is_one_that_the_kernel_gives_away() {
        let ports = [(); 3].map(|()| Port::choose(None).unwrap());
        let mut numbers = ports.each_ref().map(|port| port.number);
        numbers.sort_unstable();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        assert!(numbers[2] < EPHEMERAL, "{numbers:?}");
    }
}
