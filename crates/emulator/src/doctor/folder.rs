// SPDX-License-Identifier: Apache-2.0
//! A folder that is to be packed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::finding::Finding;
use super::package::{Content, Entry, Kind, MOST_FILES, Package, Seekable, look};

/// Reads a folder. Links are not followed: they are kept as what they are.
pub(super) fn read(root: &Path, label: String) -> io::Result<Package> {
    let mut package = Package::empty(label, None);
    let mut open = vec![String::new()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() {
                name
            } else {
                format!("{folder}/{name}")
            };
            if package.entries.len() == MOST_FILES {
                package.findings.push(too_many(&package.label));
                return Ok(package);
            }
            let metadata = entry.metadata()?;
            let kind = if metadata.is_dir() {
                open.push(path.clone());
                Kind::Folder
            } else if metadata.is_symlink() {
                let target = fs::read_link(entry.path())?;
                Kind::Link(target.to_string_lossy().into_owned())
            } else if metadata.is_file() {
                package.unpacked += metadata.len();
                Kind::File(content(&entry.path()))
            } else {
                // Sockets and the like are not packed.
                continue;
            };
            let mode = Some(metadata.permissions().mode());
            package.add(path, Entry { mode, kind });
        }
    }
    Ok(package)
}

/// A file that may not be read is told by its mode.
fn content(path: &Path) -> Content {
    let opened = File::open(path).and_then(|file| Ok((file.try_clone()?, file)));
    opened
        .and_then(|(mut file, again)| look(&mut file, Seekable::Itself(again)))
        .unwrap_or(Content::Unread)
}

pub(super) fn too_many(label: &str) -> Finding {
    Finding::warning("too-many-files", label)
        .what(format!(
            "more than {MOST_FILES} files; the others were not looked at"
        ))
        .why("what they would do on Lambda is not known")
        .mend("leave out what the app does not need at run time, such as development dependencies")
}
