// SPDX-License-Identifier: Apache-2.0
//! Any target reaches the app as it was sent, less the base path, and no spelling of a private path passes for another.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::json;
use streamgate::route::{may_be, with_path, without_base};
use streamgate::settings::Environment;

// A line each: base path, private path, then the target.
fuzz_target!(|data: &str| {
    let mut lines = data.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (base, own, target) = (line(), line(), line());
    let variables = [
        ("STREAMGATE_BASE_PATH", base),
        ("STREAMGATE_EVENTS_PATH", own),
    ];
    let environment: Environment = variables.into_iter().collect();
    let Ok(settings) = environment.settings() else {
        return;
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let event = json!({
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": query,
        "headers": { "host": "example.com" },
        // A function URL's, whose paths come as the client sent them.
        "requestContext": { "domainName": "x.lambda-url.eu-central-1.on.aws", "http": { "method": "GET", "path": path } },
        "isBase64Encoded": false,
    });
    let Ok(event) = streamgate::event::decode(&Bytes::from(event.to_string())) else {
        return;
    };
    let uri = event.request.uri();
    let sent = uri.to_string();
    assert!(
        sent.starts_with('/') && sent.bytes().all(|byte| byte.is_ascii_graphic()),
        "{sent:?}"
    );
    let is_legal =
        |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&byte);
    if path.starts_with('/') && target.bytes().all(|byte| is_legal(byte) || byte == b'?') {
        assert_eq!(sent.trim_end_matches('?'), target.trim_end_matches('?'));
    }

    if let Some(base) = &settings.base_path {
        let below = sent.strip_prefix(base.as_str());
        let is_below = below.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
        let rest = without_base(uri, base).map(|rest| rest.to_string());
        assert_eq!(rest.is_some(), is_below, "{sent:?} below {base:?}");
        if let (Some(rest), Some(below)) = (rest, below) {
            let expected = if below.starts_with('/') {
                below.to_owned()
            } else {
                format!("/{below}")
            };
            assert_eq!(rest, expected);
        }
    }

    let own = &settings.events_path;
    if let Some(moved) = with_path(uri, own) {
        assert_eq!((moved.path(), moved.query()), (own.as_str(), uri.query()));
    }
    assert!(may_be(own, own));
    let escaped: String = own.bytes().map(|byte| format!("%{byte:02x}")).collect();
    assert!(
        may_be(&escaped, own) && may_be(&format!("//{own}/."), own),
        "{own:?}"
    );
    let _ = may_be(uri.path(), own);
});
