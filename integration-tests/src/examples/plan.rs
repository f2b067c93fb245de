// SPDX-License-Identifier: Apache-2.0
//! What `example.toml` says.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// What `example.toml` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Commands that turn the folder's copy into what is deployed.
    #[serde(default)]
    pub setup: Vec<Vec<String>>,
    /// The folder of the copy that is deployed, if it is not the whole.
    pub output: Option<PathBuf>,
    /// Packages of Debian without which it neither builds nor runs; the setup script installs them.
    #[serde(default)]
    pub packages: Vec<String>,
    /// A program of this workspace to be put into the package.
    pub workspace_binary: Option<String>,
    /// Whether setup and run take so long that only `make examples` runs it, and not `make test`.
    #[serde(default)]
    pub heavy: bool,
    /// What starts the app in an image.
    pub start: Vec<String>,
    /// The handler setting of the zip.
    pub handler: String,
    /// Variables of the setup commands, and of the app in an image.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// What stands before the function (`--front`): a function URL unless it says so.
    pub front: Option<String>,
    /// Requests and events, and what must come of them.
    #[serde(rename = "probe")]
    pub probes: Vec<Probe>,
}

/// One request, or one event, and what must come of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// A file of the example with an event, which is sent as a direct invocation, to an environment of its own. `result`,
    /// `body_contains` and `log` are what may be asked of it.
    pub event: Option<String>,
    /// The JSON that the invocation of the event must return.
    pub result: Option<serde_json::Value>,
    /// A program of the example and its arguments, to which the address of the front and `path` are added. It has to end
    /// well; `body_contains` is what it must print.
    pub client: Option<Vec<String>>,
    /// The request target.
    #[serde(default)]
    pub path: String,
    /// The method.
    #[serde(default = "get")]
    pub method: String,
    /// Headers to be sent.
    #[serde(default)]
    pub request_header: BTreeMap<String, String>,
    /// A text to be sent.
    pub body: Option<String>,
    /// Bytes to be sent, in hex.
    pub body_hex: Option<String>,
    /// A file of the example whose bytes are to be sent.
    pub body_file: Option<String>,
    /// The type of what is sent.
    pub content_type: Option<String>,
    /// The status of the answer.
    #[serde(default = "ok")]
    pub status: u16,
    /// Headers that the answer must have.
    #[serde(default)]
    pub header: BTreeMap<String, String>,
    /// A part of the answer's body.
    pub body_contains: Option<String>,
    /// The digest of the answer's whole body, in hex.
    pub sha256: Option<String>,
    /// A part of a line that the app writes, behind its answer it may be.
    pub log: Option<String>,
    /// Whether the answer is a stream.
    pub streams: Option<Streams>,
}

/// What makes an answer a stream.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Streams {
    /// How many pieces must arrive apart from each other.
    pub chunks: usize,
}

fn get() -> String {
    "GET".to_owned()
}

fn ok() -> u16 {
    200
}
