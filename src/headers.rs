// SPDX-License-Identifier: Apache-2.0
//! Which headers may not be forwarded. Pure.

use http::header::{self, HeaderMap, HeaderName};

/// Headers that belong to one connection and end there (RFC 9110, section 7.6.1; the `proxy-*` of section 11.7).
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Removes the headers that belong to one connection, those that `Connection` names among them.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // Without it there is no request; no option of a connection can take it away.
        .filter(|name| name != header::HOST)
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn cleaned(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        remove_hop_by_hop(&mut headers);
        headers
    }

    #[test]
    fn headers_of_one_connection_end_there() {
        let headers = cleaned(&[
            ("connection", "close, X-One"),
            ("connection", "x-two"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-three", "3"),
        ]);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-three"]);
    }

    #[test]
    fn connection_cannot_take_the_host_away() {
        assert!(cleaned(&[("connection", "host"), ("host", "a.example")]).contains_key("host"));
    }
}
