// SPDX-License-Identifier: Apache-2.0
//! What can go wrong while the layer is packed.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why the layer was not packed. Each variant names the file or the part that it is about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayerError {
    #[error("{}", .0.display())]
    File(PathBuf, #[source] io::Error),
    #[error("layer/build {0} ended with {1}")]
    Build(&'static str, ExitStatus),
    #[error("{0} does not go into the zip")]
    Zip(&'static str, #[source] zip::result::ZipError),
    #[error("{} does not say {what}", .path.display())]
    Missing { path: PathBuf, what: &'static str },
    #[error("{}", .0.display())]
    Manifest(PathBuf, #[source] toml::de::Error),
    #[error("line {line} of {}", .path.display())]
    Message {
        path: PathBuf,
        line: usize,
        source: serde_json::Error,
    },
    #[error("{0} {1} comes without the text of its licence: name one in crates/layer/src/parts.rs")]
    NoLicence(String, String),
}
