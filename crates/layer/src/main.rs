// SPDX-License-Identifier: Apache-2.0
//! Packs the adapter as it ships: for each architecture a zip of the layer, its SBOM and its licence notices, then the
//! checksums of all, and the same files laid out for `layer/Dockerfile`.
//!
//! The binaries come from `layer/build`. The same commit gives the same bytes: nothing here asks for the time, the
//! user or the machine.

mod archive;
mod error;
mod notices;
mod parts;
mod sbom;

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::{error::Error, fs};

use clap::{Parser, ValueEnum};
use sha2::{Digest, Sha256};

use crate::archive::Entry;
use crate::error::LayerError;

/// What may be executed, as every file of the layer is.
const EXECUTABLE: u32 = 0o755;

/// Builds the layer and what is published beside it.
#[derive(Debug, Parser)]
#[command(name = "streamgate-layer")]
struct Arguments {
    /// Architectures to build for, each once.
    #[arg(required = true)]
    architectures: Vec<Architecture>,
    /// Folder for zips, SBOMs, notices and checksums.
    #[arg(long, default_value = "dist")]
    out: PathBuf,
    /// Folder in which the layer of each architecture is laid out as an image has it.
    #[arg(long)]
    images: Option<PathBuf>,
}

/// An architecture that Lambda has.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Architecture {
    #[value(name = "x86_64")]
    X86,
    Arm64,
}

impl Architecture {
    /// As Lambda calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    /// As images call it (`TARGETARCH` of a Dockerfile).
    const fn of_images(self) -> &'static str {
        match self {
            Self::X86 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("streamgate-layer: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprint!(": {error}");
                cause = error.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), LayerError> {
    let mut sums = String::new();
    for &architecture in &arguments.architectures {
        for (name, bytes) in files_of(architecture, arguments.images.as_deref())? {
            write(&arguments.out.join(&name), &bytes)?;
            // Writing to a string does not fail.
            let _ = writeln!(sums, "{}  {name}", hex(&Sha256::digest(&bytes)));
        }
    }
    write(&arguments.out.join("SHA256SUMS"), sums.as_bytes())
}

/// Builds for this architecture; returns the files that are published for it, by name.
fn files_of(
    architecture: Architecture,
    images: Option<&Path>,
) -> Result<[(String, Vec<u8>); 3], LayerError> {
    let binary = build(architecture)?;
    let entries = [
        Entry {
            name: "bootstrap",
            mode: EXECUTABLE,
            bytes: read(Path::new("layer/bootstrap"))?,
        },
        Entry {
            name: "extensions/streamgate",
            mode: EXECUTABLE,
            bytes: read(&binary)?,
        },
    ];
    if let Some(images) = images {
        lay_out(&images.join(architecture.of_images()).join("opt"), &entries)?;
    }
    let parts = parts::of(&binary)?;
    let digest = hex(&Sha256::digest(&entries[1].bytes));
    let name = format!("streamgate-layer-{}", architecture.name());
    Ok([
        (format!("{name}.zip"), archive::of(&entries)?),
        (
            format!("{name}.cdx.json"),
            sbom::document(&parts, architecture.name(), &digest).into_bytes(),
        ),
        (
            format!("{name}.licenses.txt"),
            notices::text(&parts).into_bytes(),
        ),
    ])
}

fn build(architecture: Architecture) -> Result<PathBuf, LayerError> {
    let output = Command::new("layer/build")
        .arg(architecture.name())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| LayerError::File("layer/build".into(), error))?;
    if !output.status.success() {
        return Err(LayerError::Build(architecture.name(), output.status));
    }
    let path = String::from_utf8_lossy(&output.stdout);
    Ok(PathBuf::from(path.trim_end()))
}

fn lay_out(root: &Path, entries: &[Entry]) -> Result<(), LayerError> {
    for entry in entries {
        let path = root.join(entry.name);
        write(&path, &entry.bytes)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(entry.mode))
            .map_err(|error| LayerError::File(path, error))?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, LayerError> {
    fs::read(path).map_err(|error| LayerError::File(path.to_owned(), error))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), LayerError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, bytes))
        .map_err(|error| LayerError::File(path.to_owned(), error))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
