// SPDX-License-Identifier: Apache-2.0
//! Builds the event that a front end makes of an HTTP request.
//!
//! Pure. Each front end has its own rules of what is decoded, joined, repeated or lost; they are kept to the letter,
//! as an adapter has to undo them.

mod alb;
mod body;
mod headers;
mod lattice;
mod payload_v2;
mod query;
mod rest;
mod websocket;

use http::request::Parts;

pub(crate) use rest::is_binary;
pub(crate) use websocket::{CONNECT, connection_id};

use crate::settings::FrontKind;

/// Undoes the percent encoding of a path's segment, in which `+` is itself.
pub(crate) fn percent_decoded(segment: &str) -> String {
    query::decode(segment, query::Plus::Literal)
}

/// What the front end knows about a request beyond the request itself.
#[derive(Clone, Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) request_id: String,
    /// The short id that API Gateway gives to a request.
    pub(crate) extended_id: String,
    pub(crate) trace_id: String,
    pub(crate) source_ip: String,
    /// Id of the function URL, the API, the target group or the service.
    pub(crate) api_id: &'a str,
    pub(crate) domain: &'a str,
    pub(crate) region: &'a str,
    pub(crate) epoch_millis: u64,
}

/// The event for a request whose body has been read; `binary` are the `binaryMediaTypes` of a REST API.
///
/// # Errors
/// None in practice: all keys are strings.
pub(crate) fn build(
    kind: FrontKind,
    binary: &[String],
    head: &Parts,
    body: &[u8],
    arrival: &Arrival<'_>,
) -> Result<Vec<u8>, serde_json::Error> {
    use alb::Values;
    use payload_v2::Flavour;
    match kind {
        FrontKind::FunctionUrl => payload_v2::build(Flavour::FunctionUrl, head, body, arrival),
        FrontKind::HttpApi => payload_v2::build(Flavour::HttpApi, head, body, arrival),
        // Nothing in the event tells the transfer mode (source: AWS page "Set up a Lambda proxy integration with
        // payload response streaming in API Gateway").
        FrontKind::Rest | FrontKind::RestStream => rest::build(binary, head, body, arrival),
        FrontKind::Alb => alb::build(Values::Last, head, body, arrival),
        FrontKind::AlbMulti => alb::build(Values::All, head, body, arrival),
        FrontKind::LatticeV1 => lattice::v1(head, body, arrival),
        FrontKind::LatticeV2 => lattice::v2(head, body, arrival),
        FrontKind::WebSocket => websocket::build(head, body, arrival),
    }
}

#[cfg(test)]
mod tests;
