// SPDX-License-Identifier: Apache-2.0
//! The sample events of the other front ends. Ids that the emulator does not have are taken over from the sample.

use http::request::Builder;
use serde_json::json;

use super::*;

const NOTE: &str = r#"{"colour":"blue","note":"naïve λ"}"#;

fn request(method: &str, target: &str, host: &str) -> Builder {
    Request::builder()
        .method(method)
        .uri(target)
        .header("accept", "*/*")
        .header("host", host)
        .header("user-agent", "curl/8.7.1")
}

fn probed(builder: Builder) -> Builder {
    builder
        .header("cookie", "session=abc123; theme=dark")
        .header("x-probe", "first")
        .header("x-probe", "second")
}

fn at(api_id: &'static str, domain: &'static str, request_id: &str) -> Arrival<'static> {
    Arrival {
        api_id,
        domain,
        request_id: request_id.into(),
        ..arrival()
    }
}

const HTTP_API: &str = "n4x8k2p0q7.execute-api.eu-central-1.amazonaws.com";
const REST: &str = "w7d1s5h9v3.execute-api.eu-central-1.amazonaws.com";
const ALB: &str = "web-front-1234567890.eu-central-1.elb.amazonaws.com";
const LATTICE: &str = "web-svc-0a40eebed65f8d69c.7d67968.vpc-lattice-svcs.eu-central-1.on.aws";
const WEBSOCKET: &str = "p2f6j0m4r8.execute-api.eu-central-1.amazonaws.com";

/// Asserts equality after the members at these pointers were taken over from the sample, where both have them.
fn assert_golden(mut event: Value, sample: &Value, taken: &[&str]) {
    for pointer in taken {
        let theirs = sample.pointer(pointer).unwrap().clone();
        *event.pointer_mut(pointer).unwrap() = theirs;
    }
    assert_eq!(&event, sample);
}

#[test]
fn http_api() {
    let arrival = at("n4x8k2p0q7", HTTP_API, "");
    let event = with(
        FrontKind::HttpApi,
        probed(request("GET", TARGET, HTTP_API)),
        b"",
        &arrival,
    );
    assert_eq!(event, sample!("http-api-v2-get.json"));
}

#[test]
fn rest() {
    let arrival = Arrival {
        extended_id: "CVr7HhQ2liANm1g=".into(),
        ..at("w7d1s5h9v3", REST, "0f9d2b64-71c8-4a1e-b3a5-6d2e8c40f7a1")
    };
    let taken = ["/requestContext/resourceId", "/requestContext/deploymentId"];
    for kind in [FrontKind::Rest, FrontKind::RestStream] {
        let get = with(kind, probed(request("GET", TARGET, REST)), b"", &arrival);
        assert_golden(get, &sample!("rest-v1-get-multivalue.json"), &taken);
        let png = request("POST", "/upload", REST).header("content-type", "image/png");
        let png = with(kind, png, b"\x89PNG\r\n\x1a\n\x00\xff\xfe\x80", &arrival);
        assert_golden(png, &sample!("rest-v1-post-binary.json"), &taken);
    }
}

#[test]
fn rest_with_text() {
    let arrival = Arrival {
        extended_id: "CVr7HhQ2liANm1g=".into(),
        ..at("w7d1s5h9v3", REST, "0f9d2b64-71c8-4a1e-b3a5-6d2e8c40f7a1")
    };
    let sample = sample!("rest-v1-post-json.json");
    let post =
        request("POST", "/items/blue%20pen", REST).header("content-type", "application/json");
    let body = sample["body"].as_str().unwrap().to_owned();
    let event = with(FrontKind::Rest, post, body.as_bytes(), &arrival);
    let taken = ["/requestContext/resourceId", "/requestContext/deploymentId"];
    assert_golden(event, &sample, &taken);
}

#[test]
fn alb_in_both_modes() {
    let post = || probed(request("POST", TARGET, ALB)).header("content-type", "application/json");
    for (kind, sample) in [
        (FrontKind::Alb, sample!("alb-single-value.json")),
        (FrontKind::AlbMulti, sample!("alb-multi-value.json")),
    ] {
        let event = of(kind, post(), NOTE.as_bytes());
        assert_golden(event, &sample, &["/requestContext/elb/targetGroupArn"]);
    }
}

#[test]
fn vpc_lattice_in_both_versions() {
    let arrival = Arrival {
        source_ip: "10.20.1.17".into(),
        ..at(
            "svc-0a40eebed65f8d69c",
            LATTICE,
            "c3b1e6f0-54d2-4c0b-8f51-9a1d7e2b6c34",
        )
    };
    let post = || {
        request(
            "POST",
            "/items/blue%20pen?tag=one&tag=two&pct=a%2Bb",
            LATTICE,
        )
        .header("content-type", "application/json")
        .header("x-probe", "first")
        .header("x-probe", "second")
    };
    let v1 = with(FrontKind::LatticeV1, post(), NOTE.as_bytes(), &arrival);
    assert_eq!(v1, sample!("vpc-lattice-v1.json"));
    let v2 = with(FrontKind::LatticeV2, post(), NOTE.as_bytes(), &arrival);
    // The sample's caller signed its request.
    let taken = [
        "/requestContext/identity",
        "/requestContext/serviceNetworkArn",
        "/requestContext/targetGroupArn",
        "/requestContext/timeEpoch",
    ];
    let sample = sample!("vpc-lattice-v2.json");
    assert_eq!(v2["requestContext"]["timeEpoch"], "1783670400123000");
    assert_golden(v2, &sample, &taken);
}

#[test]
fn websocket() {
    let arrival = Arrival {
        extended_id: "DXs8JjR3liAFyKQ=".into(),
        ..at("p2f6j0m4r8", WEBSOCKET, "")
    };
    let of_connection = |target: &str| {
        Request::builder()
            .uri(target)
            .header("x-connection-id", "DXs8JfkeliACJkg=")
    };
    let connect = of_connection("/@connect?room=blue")
        .header("host", WEBSOCKET)
        .header("sec-websocket-extensions", "permessage-deflate")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13");
    let message = r#"{"action":"say","text":"hello"}"#;
    for (request, body, mut sample, taken) in [
        (
            connect,
            "",
            sample!("websocket-connect.json"),
            ["/requestContext/connectedAt"].as_slice(),
        ),
        (
            of_connection("/"),
            message,
            sample!("websocket-message.json"),
            &["/requestContext/connectedAt", "/requestContext/messageId"],
        ),
        (
            of_connection("/@disconnect"),
            "",
            sample!("websocket-disconnect.json"),
            &["/requestContext/connectedAt"],
        ),
    ] {
        // Requests have no casing here, and the sample's user agent is in no header.
        for map in ["headers", "multiValueHeaders"] {
            if let Some(headers) = sample.get_mut(map).and_then(Value::as_object_mut) {
                *headers = std::mem::take(headers)
                    .into_iter()
                    .map(|(name, value)| {
                        if name.starts_with("Sec-") {
                            (name.to_ascii_lowercase(), value)
                        } else {
                            (name, value)
                        }
                    })
                    .collect();
            }
        }
        sample["requestContext"]["identity"] = json!({ "sourceIp": "203.0.113.24" });
        let event = with(FrontKind::WebSocket, request, body.as_bytes(), &arrival);
        assert_golden(event, &sample, taken);
    }
}
