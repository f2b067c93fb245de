// SPDX-License-Identifier: Apache-2.0
//! Request headers as front ends hand them on.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, header};

use super::Arrival;

/// Headers that concern the connection between client and front end alone (source: RFC 9110 section 7.6.1), and
/// `expect`, which the front end answers.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];

/// Whether a header goes past the connection.
fn passes(name: &HeaderName) -> bool {
    !HOP_BY_HOP.contains(name) && !name.as_str().starts_with("proxy-")
}

/// A header value as text: UTF-8 where it is, else byte by byte.
fn text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().copied().map(char::from).collect(),
    }
}

/// The values of one header, a string for each line.
pub(super) fn values(client: &HeaderMap, name: &HeaderName) -> Vec<String> {
    client
        .get_all(name)
        .iter()
        .map(|value| text(value.as_bytes()))
        .collect()
}

/// All headers that pass, with a value for each line.
pub(super) fn lines(client: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    client
        .keys()
        .filter(|name| passes(name))
        .map(|name| (name.as_str().to_owned(), values(client, name)))
        .collect()
}

/// What the client put there stays in front: only the last element is the front end's.
pub(super) fn forwarded_for(client: &HeaderMap, arrival: &Arrival<'_>) -> String {
    let mut elements = values(client, &HeaderName::from_static("x-forwarded-for"));
    elements.push(arrival.source_ip.clone());
    elements.join(", ")
}

/// The headers that every public front end makes itself.
///
/// The emulator speaks http, but the services speak https (an ALB nearly always does), and apps decide by this; so no
/// event says anything else.
pub(super) fn made(client: &HeaderMap, arrival: &Arrival<'_>) -> [(&'static str, String); 4] {
    [
        ("x-amzn-trace-id", arrival.trace_id.clone()),
        ("x-forwarded-for", forwarded_for(client, arrival)),
        ("x-forwarded-port", "443".to_owned()),
        ("x-forwarded-proto", "https".to_owned()),
    ]
}

/// Payload format 2.0: a string for each name, the lines of a repeated one joined with a comma.
pub(super) fn joined(client: &HeaderMap, arrival: &Arrival<'_>) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<_, _> = lines(client)
        .into_iter()
        .map(|(name, values)| {
            let separator = if name == header::COOKIE.as_str() {
                "; "
            } else {
                ","
            };
            let value = values.join(separator);
            (name, value)
        })
        .collect();
    for (name, value) in made(client, arrival) {
        headers.insert(name.to_owned(), value);
    }
    headers
}

/// The cookies of all `cookie` lines, one by one.
pub(super) fn cookies(client: &HeaderMap) -> Vec<String> {
    values(client, &header::COOKIE)
        .iter()
        .flat_map(|line| line.split(';'))
        .map(|cookie| cookie.trim().to_owned())
        .filter(|cookie| !cookie.is_empty())
        .collect()
}
