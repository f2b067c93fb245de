// SPDX-License-Identifier: Apache-2.0
//! Requests of an HTTP archive, so that the function sees what it saw when they were recorded.
//!
//! Source: "HTTP Archive (HAR) format", version 1.2, W3C Web Performance Working Group, 2012. What browsers write beyond
//! it, such as the pseudo-headers of HTTP/2, is left out; of a request's body in another form than text the standard
//! knows nothing, so this program's inspector writes `"_encoding": "base64"`, and others `"encoding": "base64"`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request};
use http_body_util::Full;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::recording::{Action, Item, RecordingError, Skip};

/// Headers of a connection that is no more (source: RFC 9110 section 7.6.1). `host` and `content-length` are made anew.
const NOT_SENT: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
    header::HOST,
    header::CONTENT_LENGTH,
];

/// What the inspector says of a call of the Invoke APIs, whose body is an event.
const INVOKE_API: &str = "Invoke API";

/// Status of an `Invoke` that invoked nothing.
const DRY_RUN: u16 = 204;

/// Why an entry is no record of a request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EntryError {
    #[error("request is missing")]
    NoRequest,
    #[error("request.method is missing")]
    NoMethod,
    #[error("request.url is missing")]
    NoUrl,
    #[error("request.method {0:?} is no method of HTTP")]
    Method(String),
    #[error("request.url {0:?} is not absolute")]
    Relative(String),
    #[error("request.url {0:?} is no URL of HTTP")]
    Url(String),
    #[error("header name {0:?} is none of HTTP")]
    HeaderName(String),
    #[error("value of header {0} cannot be sent")]
    HeaderValue(String),
}

#[derive(Deserialize)]
struct Archive {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    request: Option<Recorded>,
    response: Option<Response>,
    #[serde(rename = "_front")]
    front: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    method: Option<String>,
    url: Option<String>,
    #[serde(default)]
    headers: Vec<Header>,
    post_data: Option<PostData>,
    body_size: Option<f64>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

#[derive(Default, Deserialize)]
struct PostData {
    text: Option<String>,
    params: Option<Vec<IgnoredAny>>,
    #[serde(rename = "_encoding", alias = "encoding")]
    encoding: Option<String>,
}

#[derive(Deserialize)]
struct Response {
    status: Option<i64>,
}

/// The entries of an archive, in its order.
///
/// # Errors
/// Another form than HAR's, with its line, or an entry that cannot be a request, with its number.
pub(super) fn items(archive: &[u8]) -> Result<Vec<Item>, RecordingError> {
    let archive: Archive = serde_json::from_slice(archive).map_err(RecordingError::Archive)?;
    let entries = archive.log.entries.ok_or(RecordingError::NoEntries)?;
    if entries.is_empty() {
        return Err(RecordingError::EmptyArchive);
    }
    let numbered = (1..).zip(entries);
    numbered
        .map(|(number, entry)| {
            item(entry).map_err(|source| RecordingError::Entry { number, source })
        })
        .collect()
}

fn item(entry: Entry) -> Result<Item, EntryError> {
    let status = entry.response.and_then(|response| response.status);
    // 0 and -1 stand for no answer.
    let recorded = status
        .and_then(|status| u16::try_from(status).ok())
        .filter(|status| *status >= 100);
    let request = entry.request.ok_or(EntryError::NoRequest)?;
    let method = request.method.as_deref().ok_or(EntryError::NoMethod)?;
    let method =
        Method::from_bytes(method.as_bytes()).map_err(|_| EntryError::Method(beginning(method)))?;
    let url = request.url.as_deref().ok_or(EntryError::NoUrl)?;
    let (scheme, rest) = url
        .split_once(':')
        .ok_or_else(|| EntryError::Relative(beginning(url)))?;
    let is_http = ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str());
    if !is_http || method == Method::CONNECT {
        return Ok(Item {
            name: format!("{method} {scheme}:"),
            recorded: None,
            action: Action::Skip(Skip::NotForFunction("no request of HTTP".to_owned())),
        });
    }
    let (authority, target) = split(rest).ok_or_else(|| EntryError::Url(beginning(url)))?;
    let name = format!("{method} {target}");
    if entry.front.as_deref() == Some(INVOKE_API) {
        let action = match body(&request, None) {
            _ if recorded == Some(DRY_RUN) => {
                Action::Skip(Skip::NotForFunction("a dry run".to_owned()))
            }
            Ok(event) => Action::Invoke(event),
            Err(skip) => Action::Skip(skip),
        };
        return Ok(Item {
            name,
            // That of the API, not of the function.
            recorded: None,
            action,
        });
    }
    let length = length(&request.headers);
    let action = match body(&request, length) {
        Ok(body) => {
            let mut headers = headers(&request.headers, authority)?;
            if length.is_some() {
                headers.insert(header::CONTENT_LENGTH, body.len().into());
            }
            let mut again = Request::new(Full::new(body));
            *again.method_mut() = method;
            *again.uri_mut() = target.into();
            *again.headers_mut() = headers;
            Action::Send(Box::new(again))
        }
        Err(skip) => Action::Skip(skip),
    };
    Ok(Item {
        name,
        recorded,
        action,
    })
}

/// Authority and target of what is behind the scheme's colon.
fn split(rest: &str) -> Option<(&str, PathAndQuery)> {
    let rest = rest.strip_prefix("//")?;
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let target = if target.starts_with('/') {
        target.parse()
    } else {
        format!("/{target}").parse()
    };
    // A user's name and password are no part of `host`.
    let host = authority.rsplit('@').next().unwrap_or_default();
    Some((host, target.ok()?))
}

/// As they were, with the host that the function was told then.
fn headers(recorded: &[Header], authority: &str) -> Result<HeaderMap, EntryError> {
    let value_of = |name: &str, value: &str| {
        HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| EntryError::HeaderValue(beginning(name)))
    };
    let host = find(recorded, "host").or_else(|| find(recorded, ":authority"));
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, value_of("host", host.unwrap_or(authority))?);
    for Header { name, value } in recorded {
        if name.starts_with(':') {
            continue;
        }
        let parsed: HeaderName = name
            .parse()
            .map_err(|_| EntryError::HeaderName(beginning(name)))?;
        if !NOT_SENT.contains(&parsed) && !parsed.as_str().starts_with("proxy-") {
            headers.append(parsed, value_of(name, value)?);
        }
    }
    Ok(headers)
}

fn find<'a>(headers: &'a [Header], wanted: &str) -> Option<&'a str> {
    let found = headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(wanted));
    found.map(|header| header.value.as_str())
}

/// What the request's head said of its body.
fn length(headers: &[Header]) -> Option<u64> {
    find(headers, "content-length")?.trim().parse().ok()
}

/// The whole body, which has this length if it is known, or why there is none.
fn body(request: &Recorded, length: Option<u64>) -> Result<Bytes, Skip> {
    let lacks = |reason: String| Err(Skip::Body(reason));
    let none = PostData::default();
    let kept = request.post_data.as_ref().unwrap_or(&none);
    let text = kept.text.as_deref().unwrap_or_default();
    if text.is_empty() {
        let had_one = length.map_or_else(
            || request.body_size.is_some_and(|size| size > 0.0),
            |length| length > 0,
        );
        let has_parameters = kept
            .params
            .as_ref()
            .is_some_and(|params| !params.is_empty());
        return match (has_parameters, had_one) {
            (true, _) => lacks("of its body there are only parameters".to_owned()),
            (false, true) => lacks("its body was not kept".to_owned()),
            (false, false) => Ok(Bytes::new()),
        };
    }
    let body = match kept.encoding.as_deref() {
        None | Some("") => Bytes::copy_from_slice(text.as_bytes()),
        Some("base64") => match STANDARD.decode(text) {
            Ok(body) => body.into(),
            Err(error) => return lacks(format!("its body is no base64: {error}")),
        },
        Some(other) => {
            return lacks(format!("its body has the encoding {:?}", beginning(other)));
        }
    };
    match length {
        // Browsers keep bytes that are no text as something else.
        Some(length) if length != u64::try_from(body.len()).unwrap_or(u64::MAX) => {
            let kept = body.len();
            lacks(format!("its body had {length} bytes, and {kept} were kept"))
        }
        _ => Ok(body),
    }
}

/// As much of a value as fits into a message.
fn beginning(text: &str) -> String {
    const SHOWN: usize = 100;
    text.chars().take(SHOWN).collect()
}
