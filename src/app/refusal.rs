// SPDX-License-Identifier: Apache-2.0
//! Why the kernel does not start a program: execve(2) has few error numbers for many causes, and "No such file or
//! directory" about a file that is there has cost many an hour.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Longest first line that the kernel reads.
const FIRST_LINE: u64 = 256;
const ELF: &[u8] = b"\x7fELF";

/// Whether a file is a program for machines other than this one: class and machine of its ELF header differ from those
/// of the program that asks.
pub(super) fn is_for_another_architecture(program: &Path) -> bool {
    let kind = |head: &[u8]| {
        head.get(4)
            .copied()
            .zip(head.get(18..20).map(<[u8]>::to_vec))
    };
    let theirs = head(program);
    theirs.starts_with(ELF) && kind(&theirs) != kind(&head(Path::new("/proc/self/exe")))
}

/// The error, and what causes it where that can be told.
pub(super) fn cause(error: &io::Error, program: &Path) -> String {
    let head = head(program);
    let interpreter = head.strip_prefix(b"#!").map(|line| {
        let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
        String::from_utf8_lossy(line).into_owned()
    });
    let mode = fs::metadata(program).map(|file| file.permissions().mode());
    let cause = match (error.kind(), interpreter) {
        (io::ErrorKind::NotFound, Some(line)) if line.ends_with('\r') => {
            "its lines end with CRLF; save it with LF, as `sed -i 's/\\r$//'` does".to_owned()
        }
        (io::ErrorKind::NotFound, Some(line)) => {
            let name = line.split_whitespace().next().unwrap_or_default();
            format!("its interpreter `{name}` does not exist")
        }
        (io::ErrorKind::NotFound, None) if head.starts_with(ELF) => {
            "the loader that it was linked for does not exist here; link it statically, or for this system".to_owned()
        }
        (io::ErrorKind::PermissionDenied, _) if mode.is_ok_and(|mode| mode & 0o111 == 0) => {
            "it is not executable; `chmod +x` it before it is packed".to_owned()
        }
        _ => return error.to_string(),
    };
    format!("{cause} ({error})")
}

/// What an app that ended may not know of Lambda, by the words of the system in what it wrote last.
pub(crate) fn hint(stderr: &str) -> Option<&'static str> {
    let hints = [
        (
            "ead-only file system",
            "on lambda only /tmp can be written to",
        ),
        (
            "ddress already in use",
            "another program listens on its PORT",
        ),
        (
            "ermission denied",
            "its files have to be readable for all users",
        ),
    ];
    // Not `contains`, whose searcher is 2 KB of code for once in a life.
    let says = |words: &str| {
        let mut parts = stderr.as_bytes().windows(words.len());
        parts.any(|part| part == words.as_bytes())
    };
    hints
        .into_iter()
        .find_map(|(words, hint)| says(words).then_some(hint))
}

fn head(program: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    if let Ok(file) = fs::File::open(program) {
        // What cannot be read is not told.
        let _ = file.take(FIRST_LINE).read_to_end(&mut head);
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a file, looks at it, and takes it away.
    fn with_file<T>(name: &str, content: &[u8], mode: u32, look: impl FnOnce(&Path) -> T) -> T {
        let program =
            std::env::temp_dir().join(format!("streamgate-{}-{name}", std::process::id()));
        fs::write(&program, content).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
        let seen = look(&program);
        fs::remove_file(&program).unwrap();
        seen
    }

    #[test]
    fn the_cause_is_named_and_not_only_the_errors_number() {
        for (name, content, mode, expected) in [
            (
                "crlf",
                &b"#!/bin/sh\r\ntrue\r\n"[..],
                0o755,
                "its lines end with CRLF",
            ),
            (
                "interpreter",
                b"#!/no/such/interpreter -x\n",
                0o755,
                "its interpreter `/no/such/interpreter` does not exist",
            ),
            ("mode", b"#!/bin/sh\ntrue\n", 0o644, "it is not executable"),
        ] {
            let cause = with_file(name, content, mode, |program| {
                cause(
                    &std::process::Command::new(program).spawn().unwrap_err(),
                    program,
                )
            });
            assert!(cause.starts_with(expected), "{name}: {cause}");
        }
        let missing = Path::new("/no/such/program");
        let error = std::process::Command::new(missing).spawn().unwrap_err();
        assert_eq!(cause(&error, missing), error.to_string());
    }

    #[test]
    fn what_the_system_refused_an_app_is_explained() {
        for (stderr, expected) in [
            ("Error: EROFS: read-only file system, mkdir 'cache'", "/tmp"),
            ("OSError: [Errno 30] Read-only file system: 'x'", "/tmp"),
            (
                "Error: listen EADDRINUSE: address already in use :::8080",
                "PORT",
            ),
            ("bind: address already in use", "PORT"),
            (
                "PermissionError: [Errno 13] Permission denied: 'app.db'",
                "readable",
            ),
            (
                "Error: EACCES: permission denied, open 'key.pem'",
                "readable",
            ),
        ] {
            let hint = hint(stderr).unwrap_or_default();
            assert!(hint.contains(expected), "{stderr}: {hint}");
        }
        assert_eq!(hint("Error: no such table"), None);
    }

    #[test]
    fn a_program_of_another_machine_is_told_from_our_own() {
        let mut foreign = fs::read("/proc/self/exe").unwrap();
        foreign.truncate(64);
        let is_foreign =
            |content: &[u8]| with_file("elf", content, 0o755, is_for_another_architecture);
        assert!(!is_foreign(&foreign));
        foreign[18] ^= 0xff;
        assert!(is_foreign(&foreign));
        assert!(!is_foreign(b"#!/bin/sh\n"));
    }
}
