// SPDX-License-Identifier: Apache-2.0
//! What a binary was made of: each crate that Cargo compiled for it, the C code that a crate brings, and what is
//! Debian's. Read from the two lists that `layer/build` leaves beside the binary, so that features, build scripts and
//! macros are as they were, and nothing is missing or too much.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use toml::Table;

use crate::error::LayerError;

/// Something that went into the binary.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Package URL.
    pub(crate) purl: String,
    /// SPDX expression.
    pub(crate) licence: String,
    /// Texts that have to go along.
    pub(crate) texts: Vec<String>,
    /// The program itself.
    pub(crate) is_subject: bool,
}

/// Part of Debian's, by name: version and the file with its licences.
type System = BTreeMap<String, (String, PathBuf)>;

/// Where Debian has the standard library's source.
const STANDARD_LIBRARY: &str = "rust-web-src";
/// The licence of what is the Rust project's and has none in its manifest (its COPYRIGHT).
const RUST: &str = "MIT OR Apache-2.0";
const SUBJECT: &str = "streamgate";

/// The licence of what comes from Debian; a manifest tells that of everything else.
const SYSTEM_LICENCES: [(&str, &str); 2] = [
    ("libunwind", "Apache-2.0 WITH LLVM-exception"),
    ("musl", "MIT"),
];

/// Texts that a crate's archive should have and has not, from its repository.
const MISSING_TEXTS: [(&str, &str); 3] = [
    ("alloc-stdlib", include_str!("../licenses/alloc-stdlib.txt")),
    ("base64-simd", include_str!("../licenses/simd.txt")),
    ("vsimd", include_str!("../licenses/simd.txt")),
];

/// The parts of this binary, sorted.
pub(crate) fn of(binary: &Path) -> Result<BTreeSet<Part>, LayerError> {
    let system = system(&binary.with_extension("system"))?;
    let mut parts = BTreeSet::new();
    for (name, licence) in SYSTEM_LICENCES {
        let (version, text) = &system
            .get(name)
            .ok_or_else(|| missing(binary.with_extension("system"), name))?;
        parts.insert(Part {
            name: name.to_owned(),
            version: version.clone(),
            purl: format!("pkg:deb/debian/{name}@{}", escaped(version)),
            licence: licence.to_owned(),
            texts: vec![read(text)?],
            is_subject: false,
        });
    }
    for (id, manifest) in crates(binary)? {
        parts.extend(parts_of_crate(&id, &manifest, &system)?);
    }
    Ok(parts)
}

fn system(list: &Path) -> Result<System, LayerError> {
    let mut system = System::new();
    for line in read(list)?.lines() {
        let mut words = line.split(' ');
        let (Some(name), Some(version), Some(path)) = (words.next(), words.next(), words.next())
        else {
            return Err(missing(list.to_owned(), "name, version and path"));
        };
        system.insert(name.to_owned(), (version.to_owned(), path.into()));
    }
    Ok(system)
}

/// Package id and manifest of each crate that was compiled for the binary's target: no build scripts, no macros.
fn crates(binary: &Path) -> Result<BTreeMap<String, PathBuf>, LayerError> {
    let list = binary.with_extension("crates.jsonl");
    let folder = binary.parent().unwrap_or(Path::new("/"));
    let mut crates = BTreeMap::new();
    for (number, line) in (1..).zip(read(&list)?.lines()) {
        let message: Value = serde_json::from_str(line).map_err(|error| LayerError::Message {
            path: list.clone(),
            line: number,
            source: error,
        })?;
        let files = message["filenames"].as_array().into_iter().flatten();
        let kinds = message["target"]["kind"].as_array().into_iter().flatten();
        let is_for_target = files
            .filter_map(Value::as_str)
            .any(|file| Path::new(file).starts_with(folder));
        let is_for_build = kinds
            .filter_map(Value::as_str)
            .any(|kind| ["custom-build", "proc-macro"].contains(&kind));
        if message["reason"] != "compiler-artifact" || !is_for_target || is_for_build {
            continue;
        }
        let text = |key| {
            message[key]
                .as_str()
                .ok_or_else(|| missing(list.clone(), key))
        };
        crates.insert(
            text("package_id")?.to_owned(),
            PathBuf::from(text("manifest_path")?),
        );
    }
    if crates.is_empty() {
        return Err(missing(list, "any crate"));
    }
    Ok(crates)
}

fn parts_of_crate(id: &str, manifest: &Path, system: &System) -> Result<Vec<Part>, LayerError> {
    let package = package(manifest)?;
    let text = |key: &'static str| {
        package
            .get(key)
            .and_then(toml::Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| missing(manifest.to_owned(), key))
    };
    let folder = manifest.parent().unwrap_or(Path::new("/"));
    let name = text("name")?;
    if name == SUBJECT {
        return Ok(vec![Part {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            purl: format!("pkg:generic/{name}@{}", env!("CARGO_PKG_VERSION")),
            licence: env!("CARGO_PKG_LICENSE").to_owned(),
            texts: texts(folder)?,
            is_subject: true,
            name,
        }]);
    }
    if !id.starts_with("registry+") {
        let (version, texts) = system
            .get(STANDARD_LIBRARY)
            .ok_or_else(|| missing(manifest.to_owned(), STANDARD_LIBRARY))?;
        return Ok(vec![Part {
            purl: format!(
                "pkg:deb/debian/{STANDARD_LIBRARY}@{}#{name}",
                escaped(version)
            ),
            version: version.clone(),
            licence: text("license").unwrap_or_else(|_| RUST.to_owned()),
            texts: vec![read(texts)?],
            is_subject: false,
            name,
        }]);
    }
    let version = text("version")?;
    let mut own = texts(folder)?;
    if own.is_empty() {
        let known = MISSING_TEXTS.iter().find(|(known, _)| *known == name);
        let (_, text) =
            known.ok_or_else(|| LayerError::NoLicence(name.clone(), version.clone()))?;
        own.push((*text).to_owned());
    }
    let mut parts = Vec::new();
    // A crate around a library in C has that one's version behind its own: `2.1.2+zstd.1.5.7`.
    if let Some((library, its_version)) =
        version.split_once('+').and_then(|(_, c)| c.split_once('.'))
    {
        let texts = texts(&folder.join(library))?;
        if texts.is_empty() {
            return Err(LayerError::NoLicence(library.to_owned(), version));
        }
        parts.push(Part {
            name: library.to_owned(),
            version: its_version.to_owned(),
            purl: format!("pkg:generic/{library}@{its_version}"),
            licence: text("license")?,
            texts,
            is_subject: false,
        });
    }
    parts.push(Part {
        purl: format!("pkg:cargo/{name}@{}", escaped(&version)),
        // The slash of old manifests means "or".
        licence: text("license")?.replace('/', " OR "),
        texts: own,
        is_subject: false,
        version,
        name,
    });
    Ok(parts)
}

fn package(manifest: &Path) -> Result<Table, LayerError> {
    let table: Table = read(manifest)?
        .parse()
        .map_err(|error| LayerError::Manifest(manifest.to_owned(), error))?;
    table
        .get("package")
        .and_then(toml::Value::as_table)
        .cloned()
        .ok_or_else(|| missing(manifest.to_owned(), "package"))
}

/// The licences and notices that lie in a crate's folder.
fn texts(folder: &Path) -> Result<Vec<String>, LayerError> {
    const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYRIGHT", "NOTICE", "UNLICENSE"];
    let failed = |error| LayerError::File(folder.to_owned(), error);
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        if NAMES.iter().any(|known| name.starts_with(known)) && entry.path().is_file() {
            files.insert(entry.path());
        }
    }
    files.iter().map(|file| read(file)).collect()
}

fn read(path: &Path) -> Result<String, LayerError> {
    let bytes = fs::read(path).map_err(|error| LayerError::File(path.to_owned(), error))?;
    Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
}

/// A version as a package URL has it: the characters that Debian's and Cargo's have beside letters and digits.
fn escaped(version: &str) -> String {
    version.replace('+', "%2B").replace(':', "%3A")
}

fn missing(path: impl Into<PathBuf>, what: &'static str) -> LayerError {
    LayerError::Missing {
        path: path.into(),
        what,
    }
}
