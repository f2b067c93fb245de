// SPDX-License-Identifier: Apache-2.0
//! What a front end answers itself: to requests that make no event, and for answers that are of no use.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::json;

use super::body::Source;
use crate::event::Arrival;
use crate::settings::FrontKind;

/// Why the front end answers itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The request is above the limit.
    TooLarge { limit: usize },
    /// No environment is free, and there may be no more of them.
    Throttled,
    /// The function failed, or its answer is malformed.
    BadAnswer,
    /// A stream that is not prelude, delimiter and payload.
    NoStream,
}

/// The answer of the service, to the WebSocket client of `connection` where there is one.
///
/// | front end | source |
/// |---|---|
/// | function URL | common experience |
/// | API Gateway | AWS page "Handling Lambda errors with an API Gateway API"; texts of the 413 are common experience |
/// | function URL, [`Refusal::Throttled`] | AWS API reference "Invoke", `TooManyRequestsException`; seen in public reports |
/// | API Gateway, [`Refusal::Throttled`] | AWS re:Post "API Gateway proxy integration does not forward Lambda throttling" |
/// | ALB and VPC Lattice, [`Refusal::Throttled`] | assumed |
/// | API Gateway, [`Refusal::NoStream`] | AWS page "Set up a Lambda proxy integration with payload response streaming…" |
/// | ALB | AWS page "Troubleshoot your Application Load Balancers"; the page's markup is common experience |
/// | VPC Lattice | assumed |
pub(super) fn response(
    kind: FrontKind,
    refusal: Refusal,
    arrival: &Arrival<'_>,
    connection: &str,
) -> Response<Source> {
    let status = match refusal {
        Refusal::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::BadAnswer => StatusCode::BAD_GATEWAY,
        Refusal::Throttled => match kind {
            FrontKind::FunctionUrl => StatusCode::TOO_MANY_REQUESTS,
            FrontKind::HttpApi | FrontKind::Rest | FrontKind::RestStream | FrontKind::WebSocket => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            _ => StatusCode::BAD_GATEWAY,
        },
        Refusal::NoStream => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let json = |json: serde_json::Value| ("application/json", json.to_string());
    let (content_type, body) = match (kind, refusal) {
        (FrontKind::FunctionUrl, Refusal::TooLarge { limit }) => json(json!({
            "Message": too_large(limit)
        })),
        (FrontKind::FunctionUrl, Refusal::Throttled) => json(json!({
            "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
            "Type": "User",
            "message": "Rate Exceeded.",
        })),
        (FrontKind::FunctionUrl, _) => ("application/json", "Internal Server Error".to_owned()),
        (FrontKind::HttpApi, Refusal::TooLarge { .. }) => {
            json(json!({ "message": "Request Entity Too Large" }))
        }
        (FrontKind::Rest | FrontKind::RestStream, Refusal::TooLarge { .. }) => {
            json(json!({ "message": "Request Too Long" }))
        }
        (FrontKind::HttpApi | FrontKind::Rest | FrontKind::RestStream, _) => {
            json(json!({ "message": "Internal server error" }))
        }
        (FrontKind::WebSocket, _) => {
            let message = match refusal {
                Refusal::TooLarge { .. } => "Message too long",
                _ => "Internal server error",
            };
            json(json!({
                "message": message,
                "connectionId": connection,
                "requestId": arrival.extended_id,
            }))
        }
        (FrontKind::Alb | FrontKind::AlbMulti, _) => ("text/html", page(status)),
        (FrontKind::LatticeV1 | FrontKind::LatticeV2, _) => ("text/plain", title(status)),
    };
    let mut response = Response::new(Source::full(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    match kind {
        FrontKind::Alb | FrontKind::AlbMulti => {
            headers.insert(header::SERVER, HeaderValue::from_static("awselb/2.0"));
        }
        FrontKind::Rest if refusal == Refusal::BadAnswer => {
            headers.insert(
                HeaderName::from_static("x-amzn-errortype"),
                HeaderValue::from_static("InternalServerErrorException"),
            );
        }
        _ => {}
    }
    response
}

/// The words of the log, and of a function URL.
pub(super) fn too_large(limit: usize) -> String {
    format!("request must be smaller than {limit} bytes for the InvokeFunction operation")
}

fn title(status: StatusCode) -> String {
    let reason = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Request Entity Too Large",
        other => other.canonical_reason().unwrap_or_default(),
    };
    format!("{} {reason}", status.as_u16())
}

fn page(status: StatusCode) -> String {
    let title = title(status);
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
}
