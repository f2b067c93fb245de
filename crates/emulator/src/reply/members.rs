// SPDX-License-Identifier: Apache-2.0
//! The members of an answer, read strictly: what a front end would refuse is an error here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

use super::{ReplyError, names};
use crate::settings::FrontKind;

pub(super) type Object = Map<String, Value>;

/// What happens to a body that is marked as base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base64 {
    Decoded,
    /// The client gets the base64 text: a REST API whose `binaryMediaTypes` do not match.
    Verbatim,
}

pub(super) fn object(what: &'static str, json: &[u8]) -> Result<Object, ReplyError> {
    match serde_json::from_slice(json) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(not_an_object(what, json)),
    }
}

pub(super) fn not_an_object(what: &'static str, bytes: &[u8]) -> ReplyError {
    const SHOWN: usize = 80;
    let start = bytes.get(..SHOWN).unwrap_or(bytes);
    ReplyError::NotAnObject {
        what,
        start: String::from_utf8_lossy(start).into_owned(),
    }
}

/// Refuses members that the front end does not know.
pub(super) fn only(object: &Object, known: &[&str]) -> Result<(), ReplyError> {
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(ReplyError::UnknownMember(name.clone())),
        None => Ok(()),
    }
}

/// The status, if there is one. A final 1xx cannot be written; what the services do with one is not known.
pub(super) fn status(object: &Object) -> Result<Option<StatusCode>, ReplyError> {
    object
        .get("statusCode")
        .map(|status| {
            status
                .as_u64()
                .and_then(|status| u16::try_from(status).ok())
                .filter(|status| (200..=599).contains(status))
                .and_then(|status| StatusCode::from_u16(status).ok())
                .ok_or_else(|| ReplyError::StatusCode(status.to_string()))
        })
        .transpose()
}

pub(super) fn required_status(object: &Object) -> Result<StatusCode, ReplyError> {
    status(object)?.ok_or(ReplyError::Member {
        member: "statusCode",
        expected: "there",
    })
}

/// A member that is there and not null, as what it has to be.
fn typed<'a, T>(
    object: &'a Object,
    member: &'static str,
    expected: &'static str,
    read: impl FnOnce(&'a Value) -> Option<T>,
) -> Result<Option<T>, ReplyError> {
    match object.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => read(value)
            .map(Some)
            .ok_or(ReplyError::Member { member, expected }),
    }
}

/// `headers`: one string for each name.
pub(super) fn single(object: &Object) -> Result<Vec<(&str, &str)>, ReplyError> {
    let headers = typed(object, "headers", "an object", Value::as_object)?;
    headers
        .into_iter()
        .flatten()
        .map(|(name, value)| Ok((name.as_str(), string(name, value)?)))
        .collect()
}

/// `multiValueHeaders`: a list of strings for each name.
pub(super) fn multi(object: &Object) -> Result<Vec<(&str, &str)>, ReplyError> {
    let headers = typed(object, "multiValueHeaders", "an object", Value::as_object)?;
    let mut pairs = Vec::new();
    for (name, values) in headers.into_iter().flatten() {
        let values = values.as_array().ok_or(ReplyError::Member {
            member: "multiValueHeaders",
            expected: "an object of lists",
        })?;
        for value in values {
            pairs.push((name.as_str(), string(name, value)?));
        }
    }
    Ok(pairs)
}

/// Both maps as API Gateway merges them: a pair that is in both counts once (source: AWS page "Lambda proxy
/// integrations in API Gateway").
pub(super) fn merged(object: &Object) -> Result<Vec<(&str, &str)>, ReplyError> {
    let mut pairs = multi(object)?;
    let of_multi = pairs.len();
    for (name, value) in single(object)? {
        let twice = pairs
            .iter()
            .take(of_multi)
            .any(|pair| pair.0.eq_ignore_ascii_case(name) && pair.1 == value);
        if !twice {
            pairs.push((name, value));
        }
    }
    Ok(pairs)
}

/// `cookies`, as `set-cookie` headers.
pub(super) fn cookies(object: &Object) -> Result<Vec<(&str, &str)>, ReplyError> {
    let strings = |value: &'_ Value| {
        value
            .as_array()
            .is_some_and(|c| c.iter().all(Value::is_string))
    };
    let cookies = typed(object, "cookies", "a list of strings", |value| {
        value.as_array().filter(|_| strings(value))
    })?;
    Ok(cookies
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|cookie| (header::SET_COOKIE.as_str(), cookie))
        .collect())
}

fn string<'a>(name: &str, value: &'a Value) -> Result<&'a str, ReplyError> {
    value.as_str().ok_or_else(|| ReplyError::HeaderNotAString {
        name: name.to_owned(),
        value: value.to_string(),
    })
}

/// Header lines as the client gets them.
pub(super) fn headers<'a>(
    kind: FrontKind,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<HeaderMap, ReplyError> {
    let mut headers = HeaderMap::new();
    for (text, value) in pairs {
        let unfit = || ReplyError::Header(text.to_owned());
        let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| unfit())?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| unfit())?;
        if let Some(name) = names::outside(kind, name) {
            headers.append(name, value);
        }
    }
    Ok(headers)
}

pub(super) fn body(object: &Object, base64: Base64) -> Result<Bytes, ReplyError> {
    let text = typed(object, "body", "a string", Value::as_str)?.unwrap_or_default();
    let marked = typed(object, "isBase64Encoded", "a boolean", Value::as_bool)?;
    if marked == Some(true) && base64 == Base64::Decoded {
        let bytes = STANDARD.decode(text).map_err(|_| ReplyError::Base64)?;
        Ok(bytes.into())
    } else {
        Ok(Bytes::copy_from_slice(text.as_bytes()))
    }
}
