// SPDX-License-Identifier: Apache-2.0
//! Under which name a front end lets a response header through, if at all.

use http::HeaderName;

use crate::settings::FrontKind;

/// Would break the framing of the front end's own connection (RFC 9110 section 7.6.1).
const FRAMING: [&str; 5] = [
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What a function URL renames: the list is what has been seen there and may be longer (source: cargo-lambda issue
/// #862 for content-length). HTTP API is assumed to be alike.
const RENAMED_BY_URL: [&str; 4] = ["connection", "content-length", "date", "server"];

/// What API Gateway renames (source: AWS page "Amazon API Gateway important notes").
const RENAMED_BY_REST: [&str; 8] = [
    "authorization",
    "connection",
    "content-md5",
    "date",
    "max-forwards",
    "server",
    "user-agent",
    "www-authenticate",
];

/// What API Gateway drops, beside the framing (same source).
const DROPPED_BY_REST: [&str; 4] = ["expect", "host", "proxy-authenticate", "via"];

/// What a load balancer drops, beside the framing: the rest of the hop-by-hop headers (source: AWS page "Lambda
/// functions as targets"; assumed for VPC Lattice).
const DROPPED_BY_BALANCER: [&str; 3] = ["connection", "proxy-authenticate", "proxy-connection"];

/// The name under which the client gets a header; `None` if it does not get it.
pub(super) fn outside(kind: FrontKind, name: HeaderName) -> Option<HeaderName> {
    let known = |list: &[&str]| list.contains(&name.as_str());
    if known(&FRAMING) {
        return None;
    }
    let (renamed, dropped): (&[&str], &[&str]) = match kind {
        FrontKind::FunctionUrl | FrontKind::HttpApi => (&RENAMED_BY_URL, &[]),
        FrontKind::Rest | FrontKind::RestStream | FrontKind::WebSocket => {
            (&RENAMED_BY_REST, &DROPPED_BY_REST)
        }
        FrontKind::Alb | FrontKind::AlbMulti | FrontKind::LatticeV1 | FrontKind::LatticeV2 => {
            (&[], &DROPPED_BY_BALANCER)
        }
    };
    if known(dropped) {
        None
    } else if known(renamed) {
        // A valid name with a valid prefix is one, too.
        HeaderName::try_from(format!("x-amzn-remapped-{name}")).ok()
    } else {
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_front_end_renames_and_drops_its_own_headers() {
        use FrontKind::{Alb, FunctionUrl, Rest};
        for (kind, inside, expected) in [
            (FunctionUrl, "vary", Some("vary")),
            (FunctionUrl, "date", Some("x-amzn-remapped-date")),
            (FunctionUrl, "www-authenticate", Some("www-authenticate")),
            (FunctionUrl, "upgrade", None),
            (
                Rest,
                "www-authenticate",
                Some("x-amzn-remapped-www-authenticate"),
            ),
            (Rest, "via", None),
            (Rest, "set-cookie", Some("set-cookie")),
            (Alb, "server", Some("server")),
            (Alb, "connection", None),
            (Alb, "transfer-encoding", None),
        ] {
            let name = outside(kind, HeaderName::from_static(inside));
            let name = name.as_ref().map(HeaderName::as_str);
            assert_eq!(name, expected, "{kind} {inside}");
        }
    }
}
