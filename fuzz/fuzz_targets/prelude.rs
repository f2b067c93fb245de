// SPDX-License-Identifier: Apache-2.0
//! Any head of a response is a prelude that is strict JSON within its limit, or an error.

#![no_main]

use http::{HeaderName, HeaderValue, Response};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use streamgate::reply::{PRELUDE_LIMIT, Prelude};

// Two bytes of status, a byte of flags, then header lines: name, colon, value.
fuzz_target!(|data: &[u8]| {
    let [high, low, flags, lines @ ..] = data else {
        return;
    };
    let mut response = Response::new(());
    let status = 100 + (u16::from(*high) * 256 + u16::from(*low)) % 900;
    *response.status_mut() = status.try_into().expect("three digits");
    for line in lines.split(|&byte| byte == b'\n') {
        let mut parts = line.splitn(2, |&byte| byte == b':');
        let name = HeaderName::from_bytes(parts.next().unwrap_or_default());
        let value = HeaderValue::from_bytes(parts.next().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (name, value) {
            response.headers_mut().append(name, value);
        }
    }
    let is_empty = flags & 1 == 1;
    let Ok(prelude) = Prelude::new(response.into_parts().0) else {
        return;
    };
    let bytes = prelude.finish(is_empty);
    assert!(bytes.len() <= PRELUDE_LIMIT, "{} bytes", bytes.len());
    let json = bytes.strip_suffix(&[0; 8]).expect("the delimiter");
    assert!(!json.contains(&0));
    let object: Value = serde_json::from_slice(json).expect("JSON");
    assert_eq!(object["statusCode"], status);
    let headers = object["headers"].as_object().expect("an object");
    assert!(headers.values().all(Value::is_string));
    assert!(!headers.contains_key("set-cookie") && !headers.contains_key("transfer-encoding"));
    assert_eq!(headers.contains_key("content-length"), is_empty);
});
