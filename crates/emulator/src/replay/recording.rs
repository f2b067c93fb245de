// SPDX-License-Identifier: Apache-2.0
//! What a recording holds: an HTTP archive, or events in JSON. Pure: bytes in, items out.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::har::{self, EntryError};

/// One thing to be played again.
#[derive(Debug)]
pub(super) struct Item {
    /// Method and target, or the number of the event.
    pub(super) name: String,
    /// The status of the answer then.
    pub(super) recorded: Option<u16>,
    pub(super) action: Action,
}

#[derive(Debug)]
pub(super) enum Action {
    /// Through the front end.
    Send(Box<Request<Full<Bytes>>>),
    /// Past the front end.
    Invoke(Bytes),
    Skip(Skip),
}

/// Why an item is not played.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Skip {
    /// It never was a request for the function.
    NotForFunction(String),
    /// The record has no body, or not all of it.
    Body(String),
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::NotForFunction(reason) | Self::Body(reason)) = self;
        f.write_str(reason)
    }
}

/// Why a recording cannot be played at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordingError {
    #[error("there is nothing in it")]
    Empty,
    #[error("neither an HTTP archive nor events, since it is no JSON")]
    Json(#[source] serde_json::Error),
    #[error("no HTTP archive")]
    Archive(#[source] serde_json::Error),
    #[error("no HTTP archive: log.entries is missing")]
    NoEntries,
    #[error("no entry in log.entries: there is nothing to play")]
    EmptyArchive,
    #[error("entry {number}")]
    Entry { number: usize, source: EntryError },
}

/// The items of a recording, in its order.
///
/// # Errors
/// What is neither an HTTP archive nor a sequence of JSON documents, with the line or the entry.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Item>, RecordingError> {
    // Writers of archives may begin with a byte order mark, and readers have to ignore it (HAR 1.2).
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let documents = documents(bytes).map_err(RecordingError::Json)?;
    match documents.first() {
        None => Err(RecordingError::Empty),
        Some(first) if is_archive(first) => har::items(bytes),
        Some(_) => Ok(documents.into_iter().enumerate().map(event).collect()),
    }
}

/// The JSON documents, byte for byte.
fn documents(bytes: &[u8]) -> Result<Vec<&[u8]>, serde_json::Error> {
    let mut stream = serde_json::Deserializer::from_slice(bytes).into_iter::<IgnoredAny>();
    let mut documents = Vec::new();
    let mut begin = 0;
    while let Some(document) = stream.next() {
        document?;
        let end = stream.byte_offset();
        documents.push(bytes.get(begin..end).unwrap_or_default().trim_ascii());
        begin = end;
    }
    Ok(documents)
}

/// An object whose `log` is an object, which no event of AWS has.
fn is_archive(document: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[expect(
        clippy::zero_sized_map_values,
        reason = "the map is there to be no other kind of value"
    )]
    struct Probe {
        #[serde(rename = "log")]
        _log: BTreeMap<String, IgnoredAny>,
    }
    // A list would do for a struct, too.
    document.starts_with(b"{") && serde_json::from_slice::<Probe>(document).is_ok()
}

fn event((index, document): (usize, &[u8])) -> Item {
    Item {
        name: format!("event {}", index + 1),
        recorded: None,
        action: Action::Invoke(Bytes::copy_from_slice(document)),
    }
}
