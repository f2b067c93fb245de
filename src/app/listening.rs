// SPDX-License-Identifier: Apache-2.0
//! On which ports the app's processes listen, for the diagnosis of one that is not found on its own.
//!
//! Source: proc(5), `/proc/PID/stat`, `/proc/PID/fd`, `/proc/net/tcp` and `tcp6`.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::process::Pid;

/// State of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// Where the processes of a group listen, sorted. Whatever cannot be read is left out.
pub(super) fn addresses(group: Pid) -> Vec<SocketAddr> {
    let sockets = sockets_of(group.as_raw_pid());
    let mut addresses: Vec<SocketAddr> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().filter_map(listener).collect::<Vec<_>>())
        .filter_map(|(address, inode)| sockets.contains(&inode).then_some(address))
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

fn sockets_of(group: i32) -> Vec<u64> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let members = processes.filter(|entry| {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        group_in_stat(&stat) == Some(group)
    });
    members
        .flat_map(|entry| {
            fs::read_dir(entry.path().join("fd"))
                .into_iter()
                .flatten()
                .flatten()
        })
        .filter_map(|fd| fs::read_link(fd.path()).ok())
        .filter_map(|target| {
            target
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?
                .parse()
                .ok()
        })
        .collect()
}

/// The process group: the third field behind the name, which stands in parentheses and may hold anything.
fn group_in_stat(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(2)?
        .parse()
        .ok()
}

/// Local address and inode, of a line that stands for a listening socket.
fn listener(line: &str) -> Option<(SocketAddr, u64)> {
    let mut fields = line.split_whitespace();
    let (ip, port) = fields.nth(1)?.split_once(':')?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?.parse().ok()?;
    let address = SocketAddr::new(ip_address(ip)?, u16::from_str_radix(port, 16).ok()?);
    (state == LISTEN).then_some((address, inode))
}

/// Words of 32 bits, each printed as a number of the machine's own byte order.
fn ip_address(hex: &str) -> Option<IpAddr> {
    let mut bytes = [0; 16];
    let words = hex.len() / 8;
    for word in 0..words.min(4) {
        let digits = hex.get(word * 8..word * 8 + 8)?;
        let number = u32::from_str_radix(digits, 16).ok()?;
        bytes[word * 4..word * 4 + 4].copy_from_slice(&number.to_ne_bytes());
    }
    match words {
        1 => Some(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into()),
        4 => Some(Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_found_behind_any_name() {
        assert_eq!(group_in_stat("12 (a) b) S 1 77 77 0 -1 4194304"), Some(77));
        assert_eq!(group_in_stat(""), None);
    }

    #[test]
    fn listening_sockets_alone_are_read_from_the_table() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1";
        assert_eq!(listener(line), Some((([127, 0, 0, 1], 8080).into(), 4242)));
        assert_eq!(listener(&line.replace(" 0A ", " 01 ")), None);
        assert_eq!(
            listener("  sl  local_address rem_address   st tx_queue rx_queue"),
            None
        );
        let six = line.replace("0100007F", "00000000000000000000000001000000");
        assert_eq!(
            listener(&six).map(|(address, _)| address.to_string()),
            Some("[::1]:8080".to_owned())
        );
    }

    #[test]
    fn a_listener_of_this_process_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let group = rustix::process::getpgrp();
        assert!(addresses(group).contains(&listener.local_addr().unwrap()));
    }
}
