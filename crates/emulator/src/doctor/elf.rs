// SPDX-License-Identifier: Apache-2.0
//! What a program or library was built for: its machine, its loader, the C library that it needs.

use std::fs::File;

use object::elf::{self, ET_DYN, ET_EXEC, FileHeader64, FileType, VER_FLG_WEAK};
use object::read::elf::{FileHeader, ProgramHeader as _};
use object::{LittleEndian, ReadCache, ReadRef};

use super::platform::Architecture;

/// What an ELF file asks of the system that runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elf {
    pub(super) machine: Machine,
    /// The loader, of a program that is linked dynamically.
    pub(super) loader: Option<String>,
    /// The newest version of glibc's interface that it needs.
    pub(super) glibc: Option<(u32, u32)>,
}

/// The processor that a file was built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Machine {
    Lambda(Architecture),
    Other(String),
}

impl Machine {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Lambda(architecture) => architecture.name(),
            Self::Other(name) => name,
        }
    }
}

/// Reads the parts of a file that say what it needs; its code is not read. `Ok(None)`: it is neither program nor library.
///
/// # Errors
///
/// What cannot be read, or does not hold together.
pub(super) fn read(file: File) -> Result<Option<Elf>, object::read::Error> {
    let data = ReadCache::new(file);
    let ident: &[u8] = (&data).read_bytes_at(0, 20).unwrap_or_default();
    let &[_, _, _, _, class, order, .., kind_low, kind_high, low, high] = ident else {
        return Ok(None);
    };
    let number = |low, high| match order {
        2 => u16::from_be_bytes([low, high]),
        _ => u16::from_le_bytes([low, high]),
    };
    if ![ET_EXEC, ET_DYN].contains(&FileType(number(kind_low, kind_high))) {
        return Ok(None);
    }
    let machine = match (class, order, elf::Machine(number(low, high))) {
        (2, 1, elf::EM_X86_64) => Machine::Lambda(Architecture::X86_64),
        (2, 1, elf::EM_AARCH64) => Machine::Lambda(Architecture::Arm64),
        (_, _, elf::EM_386) => Machine::Other("32-bit x86".to_owned()),
        (_, _, elf::EM_ARM) => Machine::Other("32-bit ARM".to_owned()),
        (_, _, other) => Machine::Other(format!("another processor (ELF machine {})", other.0)),
    };
    let mut elf = Elf {
        machine,
        loader: None,
        glibc: None,
    };
    if matches!(elf.machine, Machine::Lambda(_)) {
        let header = FileHeader64::<LittleEndian>::parse(&data)?;
        elf.loader = loader(header, &data)?;
        // Programs run without sections, and some have been rid of them.
        elf.glibc = glibc(header, &data).unwrap_or_default();
    }
    Ok(Some(elf))
}

type Header = FileHeader64<LittleEndian>;
type Data<'data> = &'data ReadCache<File>;

fn loader(header: &Header, data: Data<'_>) -> Result<Option<String>, object::read::Error> {
    for segment in header.program_headers(LittleEndian, data)? {
        if let Some(path) = segment.interpreter(LittleEndian, data)? {
            return Ok(Some(String::from_utf8_lossy(path).into_owned()));
        }
    }
    Ok(None)
}

/// The newest of the versions that must be there, as the loader checks them (source: the Linux Standard Base, "Symbol
/// Versioning").
fn glibc(header: &Header, data: Data<'_>) -> Result<Option<(u32, u32)>, object::read::Error> {
    let endian = LittleEndian;
    let sections = header.sections(endian, data)?;
    let Some((needs, link)) = sections.gnu_verneed(endian, data)? else {
        return Ok(None);
    };
    let strings = sections.strings(endian, data, link)?;
    let mut newest = None;
    for need in needs {
        let (_, versions) = need?;
        for version in versions {
            let version = version?;
            if version.vna_flags.get(endian).0 & VER_FLG_WEAK.0 == 0 {
                newest = newest.max(glibc_version(version.name(endian, strings)?));
            }
        }
    }
    Ok(newest)
}

fn glibc_version(name: &[u8]) -> Option<(u32, u32)> {
    if name == b"GLIBC_ABI_DT_RELR" {
        // (source: glibc's NEWS for 2.36)
        return Some((2, 36));
    }
    let text = std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?;
    let mut numbers = text.split('.').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        for (name, version) in [
            ("GLIBC_2.2.5", Some((2, 2))),
            ("GLIBC_2.34", Some((2, 34))),
            ("GLIBC_ABI_DT_RELR", Some((2, 36))),
            ("GLIBC_PRIVATE", None),
            ("GLIBCXX_3.4.30", None),
        ] {
            assert_eq!(glibc_version(name.as_bytes()), version, "{name}");
        }
        assert!(glibc_version(b"GLIBC_2.9") < glibc_version(b"GLIBC_2.34"));
    }
}
