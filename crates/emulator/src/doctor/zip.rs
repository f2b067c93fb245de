// SPDX-License-Identifier: Apache-2.0
//! A zip, as it is and not as an unpacker would mend it.
//!
//! Names are taken as they are and never used for a path of this machine. What a bomb would unpack to is bounded: by what
//! the directory may take, by what each entry says of itself, and in all.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use zip::{CompressionMethod, ZipArchive};

use super::finding::{Finding, listed, shown};
use super::folder::too_many;
use super::package::{
    Content, Entry, Kind, MOST_FILES, MOST_UNPACKED, Package, Seekable, look, normal,
};

/// How many bytes may be read to find and read the directory: some 100,000 entries.
const MOST_OF_DIRECTORY: u64 = 16 * 1024 * 1024;
/// Longest target of a link (Linux: `PATH_MAX`).
const LONGEST_TARGET: u64 = 4096;
/// Lambda takes no more than this unpacked, so a zip that is larger is not worth a look.
const LARGEST: u64 = 512 * 1024 * 1024;
const TYPE_MASK: u32 = 0o170_000;
const LINK: u32 = 0o120_000;
const FOLDER: u32 = 0o040_000;

/// Whether a file begins as a zip does, an empty one included.
pub(super) fn starts_as_one(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut head)?;
    Ok(head == b"PK\x03\x04" || head == b"PK\x05\x06")
}

/// Reads a zip. What is wrong with it is among the findings of the result.
pub(super) fn read(path: &Path, label: String) -> io::Result<Package> {
    let file = File::open(path)?;
    let packed = file.metadata()?.len();
    let mut package = Package::empty(label, Some(packed));
    if packed > LARGEST {
        package.findings.push(not_looked_at(
            &package.label,
            &format!("it has {packed} bytes"),
        ));
        return Ok(package);
    }
    let left = Rc::new(Cell::new(MOST_OF_DIRECTORY));
    let metered = Metered {
        inner: BufReader::new(file),
        left: Rc::clone(&left),
    };
    match ZipArchive::new(metered) {
        Ok(mut archive) => {
            left.set(u64::MAX);
            if archive.has_duplicate_names() {
                let start = archive.central_directory_start();
                find_doubles(path, start, &mut package);
            }
            Reader {
                archive: &mut archive,
                package: &mut package,
                budget: MOST_UNPACKED,
                corrupt: Vec::new(),
                without_mode: Vec::new(),
            }
            .read();
        }
        Err(_) if left.get() == 0 => {
            package.findings.push(not_looked_at(
                &package.label,
                &format!("its directory has more than {MOST_OF_DIRECTORY} bytes"),
            ));
        }
        Err(error) => package.findings.push(
            Finding::error("corrupt-zip", package.label.clone())
                .what(format!(
                    "this zip cannot be read: {}",
                    shown(&error.to_string())
                ))
                .why("Lambda cannot unpack it either")
                .mend("pack it again; if it was copied, copy it as binary"),
        ),
    }
    Ok(package)
}

fn not_looked_at(label: &str, because: &str) -> Finding {
    Finding::error("too-large", label)
        .what(format!("too large to be looked at: {because}"))
        .why("Lambda unpacks at most 250 MB of code and layers together")
        .mend("leave out what the app does not need at run time, or deploy it as an image")
}

/// A file of which no more than so many bytes may be read.
struct Metered {
    inner: BufReader<File>,
    left: Rc<Cell<u64>>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let read = u64::try_from(count).unwrap_or(u64::MAX);
        let left = self.left.get().saturating_sub(read);
        self.left.set(left);
        if left == 0 && count > 0 {
            return Err(io::Error::other("the directory is too large"));
        }
        Ok(count)
    }
}

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        // Without throwing the buffer away where the place is in it.
        if let SeekFrom::Start(to) = to {
            let now = self.inner.stream_position()?;
            if let (Ok(to), Ok(now)) = (i64::try_from(to), i64::try_from(now)) {
                self.inner.seek_relative(to - now)?;
                return u64::try_from(to).map_err(io::Error::other);
            }
        }
        self.inner.seek(to)
    }
}

struct Reader<'a> {
    archive: &'a mut ZipArchive<Metered>,
    package: &'a mut Package,
    /// How many bytes may still be unpacked.
    budget: u64,
    /// Names, and what is wrong.
    corrupt: Vec<(String, String)>,
    without_mode: Vec<String>,
}

impl Reader<'_> {
    fn read(mut self) {
        for index in 0..self.archive.len() {
            if index == MOST_FILES {
                self.package.findings.push(too_many(&self.package.label));
                break;
            }
            if let Some((path, entry)) = self.entry(index) {
                self.package.add(path, entry);
            }
        }
        self.tell();
    }

    fn entry(&mut self, index: usize) -> Option<(String, Entry)> {
        let data = self.archive.by_index_data(index).ok()?;
        let raw = String::from_utf8_lossy(data.name_raw()).into_owned();
        let attributes = data.external_attributes() >> 16;
        let size = data.size();
        let (encrypted, method) = (data.encrypted(), data.compression());
        let is_folder = raw.ends_with('/') || attributes & TYPE_MASK == FOLDER;
        self.package.unpacked = self.package.unpacked.saturating_add(size);

        let path = self.name(&raw)?;
        let mode = (attributes != 0).then_some(attributes);
        if is_folder {
            let kind = Kind::Folder;
            return (!path.is_empty()).then_some((path, Entry { mode, kind }));
        }
        if mode.is_none() {
            self.without_mode.push(path.clone());
        }
        if encrypted {
            self.package.findings.push(
                Finding::error("encrypted", self.package.place(&path))
                    .what(format!("{} is encrypted", shown(&path)))
                    .why("Lambda has no password to unpack it with")
                    .mend("pack without a password"),
            );
            let kind = Kind::File(Content::Unread);
            return Some((path, Entry { mode, kind }));
        }
        if !matches!(
            method,
            CompressionMethod::Stored | CompressionMethod::Deflated
        ) {
            self.package.findings.push(
                Finding::warning("compression", self.package.place(&path))
                    .what(format!("{} is compressed with {method}, not with Deflate", shown(&path)))
                    .why("what zip tools write by default is Deflate; whether Lambda unpacks others is not documented")
                    .mend("pack with `zip`, or with the tool's method set to Deflate"),
            );
            let kind = Kind::File(Content::Unread);
            return Some((path, Entry { mode, kind }));
        }
        let is_link = attributes & TYPE_MASK == LINK;
        let kind = match self.content(index, size, is_link) {
            Ok(kind) => kind,
            Err(error) => {
                self.corrupt.push((path.clone(), error.to_string()));
                Kind::File(Content::Unread)
            }
        };
        Some((path, Entry { mode, kind }))
    }

    /// The path that an entry is unpacked to, if it is one.
    fn name(&mut self, raw: &str) -> Option<String> {
        let place = self.package.place(raw);
        let bad = |what: &str| {
            Finding::error("bad-name", place.clone())
                .what(format!("{} is {what}", shown(raw)))
                .why("a file can be unpacked below the package's folder alone")
                .mend("pack from within the folder: `cd FOLDER && zip -r ../function.zip .`")
        };
        if raw.starts_with('/') {
            self.package.findings.push(bad("an absolute path"));
            return None;
        }
        if raw.contains('\0') {
            self.package.findings.push(bad("no name: it has a NUL"));
            return None;
        }
        if raw.contains('\\') {
            self.package.findings.push(
                Finding::error("backslash", place)
                    .what(format!("{} has a backslash in its name", shown(raw)))
                    .why("on Linux that is a letter of the name and not a folder, so the file is not found where it is looked for")
                    .mend("pack with a tool that writes `/`, such as `zip`, or .NET Framework 4.6.1 and later"),
            );
            // Otherwise as the user means it, so that not everything else is missing too.
            return normal(&raw.replace('\\', "/"));
        }
        let path = normal(raw);
        if path.is_none() || raw.split('/').any(|part| part == "..") {
            self.package
                .findings
                .push(bad("a path that leads out of its folder"));
            return None;
        }
        path
    }

    /// Reads all of an entry, since its checksum is known only then.
    fn content(&mut self, index: usize, size: u64, is_link: bool) -> io::Result<Kind> {
        if size > self.budget {
            self.budget = 0;
            return Ok(Kind::File(Content::Unread));
        }
        self.budget -= size;
        let entry = self.archive.by_index(index).map_err(io::Error::other)?;
        // One more than it says, so that more is seen.
        let mut entry = Counted {
            inner: entry.take(size.saturating_add(1)),
            count: 0,
        };
        let kind = if is_link {
            let mut target = Vec::new();
            entry
                .by_ref()
                .take(LONGEST_TARGET)
                .read_to_end(&mut target)?;
            Kind::Link(String::from_utf8_lossy(&target).into_owned())
        } else {
            Kind::File(look(&mut entry, Seekable::No)?)
        };
        io::copy(&mut entry, &mut io::sink())?;
        if entry.count == size {
            Ok(kind)
        } else {
            Err(io::Error::other(format!(
                "it says that it has {size} bytes, and has another number"
            )))
        }
    }

    fn tell(self) {
        let package = self.package;
        if let Some((path, error)) = self.corrupt.first() {
            let names: Vec<_> = self.corrupt.iter().map(|(path, _)| path.clone()).collect();
            package.findings.push(
                Finding::error("corrupt-entry", package.place(path))
                    .what(format!(
                        "cannot be unpacked: {} ({})",
                        listed(&names),
                        shown(error)
                    ))
                    .why("Lambda cannot unpack it either")
                    .mend("pack it again; if it was copied, copy it as binary"),
            );
        }
        if self.budget == 0 {
            package.findings.push(
                Finding::note("not-all-read", package.label.clone())
                    .what(format!("no more than {MOST_UNPACKED} bytes were unpacked; what lies behind them was not looked at"))
                    .why("Lambda takes half of that")
                    .mend("make the package smaller first"),
            );
        }
        if let Some(path) = self.without_mode.first() {
            package.findings.push(
                Finding::warning("no-modes", package.place(path))
                    .what(format!("no permission bits: {}", listed(&self.without_mode)))
                    .why("zips made on Windows have none, so nothing says that a file is executable")
                    .mend("pack on Linux, macOS or WSL, or with a tool that sets modes, such as `build-lambda-zip` for Go"),
            );
        }
    }
}

struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += u64::try_from(count).unwrap_or(u64::MAX);
        Ok(count)
    }
}

/// Names that are there twice, of which the archive's reader keeps one.
fn find_doubles(path: &Path, start: u64, package: &mut Package) {
    let mut count: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    let mut scan = || -> io::Result<()> {
        let mut file = BufReader::new(File::open(path)?);
        file.seek(SeekFrom::Start(start))?;
        for _ in 0..=MOST_FILES {
            // The entry of a directory (source: PKWARE's APPNOTE, 4.3.12).
            let mut header = [0; 46];
            file.read_exact(&mut header)?;
            if header[..4] != *b"PK\x01\x02" {
                break;
            }
            let length = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
            let mut name = vec![0; usize::from(length(28))];
            file.read_exact(&mut name)?;
            file.seek_relative(i64::from(length(30)) + i64::from(length(32)))?;
            *count.entry(name).or_default() += 1;
        }
        Ok(())
    };
    // An end before the end is the archive's reader's to tell.
    let _ = scan();
    let names: Vec<String> = count
        .into_iter()
        .filter(|(_, count)| *count > 1)
        .map(|(name, _)| String::from_utf8_lossy(&name).into_owned())
        .collect();
    let first = names.first().map_or("", String::as_str);
    package.findings.push(
        Finding::warning("duplicate", package.place(first))
            .what(format!("twice in the archive: {}", listed(&names)))
            .why("which of them is unpacked depends on the tool, so what runs on Lambda may not be what was tested")
            .mend("make the archive anew; `zip` and others add to one that is there"),
    );
}
