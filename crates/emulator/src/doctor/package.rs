// SPDX-License-Identifier: Apache-2.0
//! A package or a layer as Lambda would unpack it: names, modes, links, and what the heads of files say.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use super::elf::{self, Elf};
use super::finding::{Finding, listed, shown};
use super::{folder, zip};

/// What is kept of a file's content: start scripts are short, and ports of apps stand in short files.
const KEPT: u64 = 64 * 1024;
/// Some editors begin UTF-8 with it.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// How many files are looked at.
pub(super) const MOST_FILES: usize = 100_000;
/// How many bytes are unpacked in all: twice what Lambda takes, so that a package that is somewhat too large is looked at.
pub(super) const MOST_UNPACKED: u64 = 512 * 1024 * 1024;
/// How many bytes of all files' contents are kept, as far as they are text that is looked at later.
const MOST_KEPT: usize = 32 * 1024 * 1024;
/// How much is kept of all others.
const HEAD: usize = 4;
/// Files at the root in which an app's port may stand.
const SOURCES: [&str; 7] = ["js", "mjs", "cjs", "ts", "py", "rb", "sh"];
/// How many links may lead to each other.
const MOST_LINKS: usize = 16;

/// A package or a layer.
#[derive(Debug)]
pub(super) struct Package {
    /// As the user has named it.
    pub(super) label: String,
    /// By path, without `./` and a slash at the end.
    pub(super) entries: BTreeMap<String, Entry>,
    /// Size of the archive; `None`: a folder.
    pub(super) packed: Option<u64>,
    /// Sizes of all files.
    pub(super) unpacked: u64,
    /// What was wrong with archive and names.
    pub(super) findings: Vec<Finding>,
    kept: usize,
}

/// A file, a folder or a link.
#[derive(Debug)]
pub(super) struct Entry {
    /// Permission bits; `None`: the archive has none.
    pub(super) mode: Option<u32>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Folder,
    Link(String),
    File(Content),
}

/// What a file is, by its first bytes.
#[derive(Debug)]
pub(super) enum Content {
    Elf(Elf),
    /// Machine code whose headers lead nowhere.
    Broken,
    /// A program for macOS or Windows.
    Foreign(&'static str),
    /// The beginning of anything else.
    Other(Vec<u8>),
    /// It could not be read, or it was not looked at.
    Unread,
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub(super) enum PackageError {
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        path: std::path::PathBuf,
        source: io::Error,
    },
    #[error("{} is neither a folder nor a zip", .0.display())]
    NoPackage(std::path::PathBuf),
}

impl Package {
    /// Reads a zip or a folder.
    ///
    /// # Errors
    ///
    /// It is not there, or neither of them. What is wrong with a zip is a finding.
    pub(super) fn read(path: &Path) -> Result<Self, PackageError> {
        let unreadable = |source| PackageError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        let label = shown(&path.display().to_string());
        if metadata.is_dir() {
            folder::read(path, label).map_err(unreadable)
        } else if metadata.is_file() {
            let is_zip = path
                .extension()
                .is_some_and(|end| end == "zip" || end == "jar");
            let starts_as_zip = zip::starts_as_one(path).map_err(unreadable)?;
            if is_zip || starts_as_zip {
                zip::read(path, label).map_err(unreadable)
            } else {
                Err(PackageError::NoPackage(path.to_owned()))
            }
        } else {
            Err(PackageError::NoPackage(path.to_owned()))
        }
    }

    pub(super) fn empty(label: String, packed: Option<u64>) -> Self {
        Self {
            label,
            entries: BTreeMap::new(),
            packed,
            unpacked: 0,
            findings: Vec::new(),
            kept: 0,
        }
    }

    /// Takes an entry in, with as much of its content as may be asked for.
    pub(super) fn add(&mut self, path: String, mut entry: Entry) {
        if let Kind::File(Content::Other(text)) = &mut entry.kind {
            let is_script = text.starts_with(b"#!") || text.starts_with(BYTE_ORDER_MARK);
            let end = path.rsplit_once('.').map_or("", |(_, end)| end);
            let is_source = !path.contains('/') && SOURCES.contains(&end);
            if !(is_script || is_source) || self.kept > MOST_KEPT {
                text.truncate(HEAD);
            }
            text.shrink_to_fit();
            self.kept += text.len();
        }
        self.entries.insert(path, entry);
    }

    /// Whether its entries are known.
    pub(super) fn is_readable(&self) -> bool {
        !self.entries.is_empty() || self.findings.is_empty()
    }

    /// How a place in it is told.
    pub(super) fn place(&self, path: &str) -> String {
        format!("{}: {}", self.label, shown(path))
    }

    /// The file of this name, through links within the package, with its own path.
    pub(super) fn file(&self, path: &str) -> Option<(String, &Entry)> {
        let mut path = normal(path)?;
        for _ in 0..MOST_LINKS {
            let entry = self.entries.get(&path)?;
            match &entry.kind {
                Kind::File(_) => return Some((path, entry)),
                Kind::Folder => return None,
                Kind::Link(target) => path = resolve(&path, target)?,
            }
        }
        None
    }

    /// Whether there is anything of this name, a folder that only its files tell of included.
    pub(super) fn has(&self, path: &str) -> bool {
        let below = format!("{path}/");
        path.is_empty()
            || self.entries.contains_key(path)
            || self
                .entries
                .range(below.clone()..)
                .next()
                .is_some_and(|(name, _)| name.starts_with(&below))
    }

    /// The names at the root.
    pub(super) fn top(&self) -> Vec<&str> {
        let mut names: Vec<_> = self
            .entries
            .keys()
            .map(|path| path.split('/').next().unwrap_or_default())
            .collect();
        names.dedup();
        names
    }

    /// Says what is wrong with links and with files that only their owner may read.
    pub(super) fn check_entries(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut private = Vec::new();
        for (path, entry) in &self.entries {
            match &entry.kind {
                Kind::Link(target) => findings.extend(self.check_link(path, target)),
                Kind::File(_) if entry.mode.is_some_and(|mode| mode & 0o004 == 0) => {
                    private.push(path.clone());
                }
                Kind::File(_) | Kind::Folder => {}
            }
        }
        if !private.is_empty() {
            findings.push(
                Finding::warning("not-readable", self.place(&private[0]))
                    .what(format!("not readable for all users: {}", listed(&private)))
                    .why("the function runs as a user who is not the owner of its files")
                    .mend("`chmod -R a+rX .` before packing"),
            );
        }
        findings
    }

    fn check_link(&self, path: &str, target: &str) -> Option<Finding> {
        // These are there on Lambda, and what is in them is not this package's to know.
        const ON_LAMBDA: [&str; 5] = ["/tmp", "/opt", "/var", "/proc", "/dev"];
        let place = self.place(path);
        let arrow = format!("the link {} points to {}", shown(path), shown(target));
        if target.starts_with('/') {
            let there = ON_LAMBDA
                .iter()
                .any(|root| Path::new(target).starts_with(root));
            return (!there).then(|| {
                Finding::warning("link-absolute", place)
                    .what(format!("{arrow}, outside of the package"))
                    .why("a path of this machine is seldom one of Lambda's")
                    .mend("copy the file into the package, or link to it within the package")
            });
        }
        let Some(resolved) = resolve(path, target) else {
            return Some(
                Finding::error("link-outside", place)
                    .what(format!("{arrow}, outside of the package"))
                    .why("only the package gets to Lambda, so the link leads nowhere")
                    .mend("pack with links followed (`zip -r` without `-y`), or copy the files"),
            );
        };
        (!self.has(&resolved)).then(|| {
            Finding::warning("link-dangling", place)
                .what(format!("{arrow}, which is not in the package"))
                .why("the link leads nowhere")
                .mend("pack what it points to, or remove it")
        })
    }
}

/// A path without `.` and empty parts; `None` if it leaves the package.
pub(super) fn normal(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn resolve(link: &str, target: &str) -> Option<String> {
    if let Some(in_task) = target.strip_prefix("/var/task/") {
        return normal(in_task);
    }
    if target.starts_with('/') {
        return None;
    }
    let folder = link.rsplit_once('/').map_or("", |(folder, _)| folder);
    normal(&format!("{folder}/{target}"))
}

/// Finds out what a file is. Reads its beginning, and all of an ELF file in which one cannot seek.
pub(super) fn look(reader: &mut impl Read, seekable: Seekable) -> io::Result<Content> {
    let mut head = Vec::new();
    reader.by_ref().take(KEPT).read_to_end(&mut head)?;
    if head.starts_with(b"\x7fELF") {
        let file = match seekable {
            Seekable::Itself(file) => file,
            Seekable::No => {
                let mut copy = tempfile::tempfile()?;
                io::copy(&mut head.as_slice().chain(reader), &mut copy)?;
                copy
            }
        };
        return Ok(match elf::read(file) {
            Ok(Some(elf)) => Content::Elf(elf),
            Ok(None) => Content::Other(Vec::new()),
            Err(_) => Content::Broken,
        });
    }
    Ok(match head.get(..4) {
        // Mach-O of both sizes, and several in one; the last is Java's mark too, whose classes have no `.node` or `.so`.
        Some(b"\xcf\xfa\xed\xfe" | b"\xce\xfa\xed\xfe" | b"\xca\xfe\xba\xbe") => {
            Content::Foreign("macOS")
        }
        Some([b'M', b'Z', ..]) => Content::Foreign("Windows"),
        _ => Content::Other(head),
    })
}

/// Whether an ELF file can be read in place.
#[derive(Debug)]
pub(super) enum Seekable {
    Itself(std::fs::File),
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leaves_the_package_is_none() {
        for (path, expected) in [
            ("./a//b/", Some("a/b")),
            ("a/../b", Some("b")),
            ("..", None),
            ("a/../../b", None),
        ] {
            assert_eq!(normal(path).as_deref(), expected, "{path}");
        }
        assert_eq!(
            resolve("bin/tool", "../lib/tool").as_deref(),
            Some("lib/tool")
        );
        assert_eq!(resolve("tool", "../tool"), None);
    }
}
