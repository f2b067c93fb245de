// SPDX-License-Identifier: Apache-2.0
//! The events that are handed out: a function URL's, of a browser's request, with their members in the service's order.

const HTTP_EVENT: &str = include_str!("event.json");

/// A request without a body.
#[must_use]
pub fn get(path: &str) -> Vec<u8> {
    event("GET", path, "").into_bytes()
}

/// A request with a body, in base64 as a function URL has it.
#[must_use]
pub fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let body = base64_simd::STANDARD.encode_to_string(body);
    event("POST", path, &format!("\"body\":\"{body}\","))
        .replace("\"isBase64Encoded\":false", "\"isBase64Encoded\":true")
        .into_bytes()
}

fn event(method: &str, path: &str, body: &str) -> String {
    let compact: String = HTTP_EVENT.lines().map(str::trim_start).collect();
    compact
        .replace("METHOD", method)
        .replace("/PATH", path)
        .replace("\"isBase64Encoded\"", &format!("{body}\"isBase64Encoded\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn events_are_json_with_the_request_in_them() {
        let event: Value = serde_json::from_slice(&get("/small")).unwrap();
        assert_eq!(event["rawPath"], "/small");
        assert_eq!(event["requestContext"]["http"]["method"], "GET");
        assert_eq!(event["isBase64Encoded"], false);
        let event: Value = serde_json::from_slice(&post("/echo", b"\0\xff")).unwrap();
        assert_eq!(event["requestContext"]["http"]["method"], "POST");
        assert_eq!(
            (&event["body"], &event["isBase64Encoded"]),
            (&"AP8=".into(), &true.into())
        );
    }
}
