// SPDX-License-Identifier: Apache-2.0
//! Any payload is a request that can be sent, or an error; nothing that is no JSON is either's.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(payload).is_ok();
    match streamgate::event::decode(&Bytes::copy_from_slice(payload)) {
        Ok(event) => {
            assert!(is_json);
            let target = event.request.uri().to_string();
            assert!(target.starts_with('/'), "{target:?}");
            assert!(
                target.bytes().all(|byte| byte.is_ascii_graphic()),
                "{target:?}"
            );
            for (name, value) in event.request.headers() {
                assert!(
                    !value.as_bytes().iter().any(|byte| b"\r\n\0".contains(byte)),
                    "{name}"
                );
                for dropped in ["connection", "transfer-encoding", "x-amzn-lambda-context"] {
                    assert_ne!(name, dropped);
                }
                // The one that a request without a body gets; a client's own may contradict the body.
                if name == "content-length" {
                    assert!(value == "0" && event.request.body().is_empty());
                }
            }
            if let Some(context) = event.context {
                assert!(
                    context.bytes().all(|byte| matches!(byte, b' '..=b'~')),
                    "{context:?}"
                );
            }
        }
        Err(refused) => assert!(!refused.error.to_string().contains(['\r', '\n', '\0'])),
    }
});
