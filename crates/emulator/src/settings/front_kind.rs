// SPDX-License-Identifier: Apache-2.0
//! The front ends that can stand before the function.

use std::fmt;
use std::str::FromStr;

use super::InvokeMode;

/// Which service turns HTTP requests into events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrontKind {
    /// Function URL, in either invoke mode.
    #[default]
    FunctionUrl,
    /// API Gateway HTTP API, payload format 2.0.
    HttpApi,
    /// API Gateway REST API, Lambda proxy integration.
    Rest,
    /// The same with `responseTransferMode` `STREAM`.
    RestStream,
    /// Application Load Balancer whose target group has `lambda.multi_value_headers.enabled` off.
    Alb,
    /// The same with that attribute on.
    AlbMulti,
    /// VPC Lattice with event structure version V1.
    LatticeV1,
    /// VPC Lattice with event structure version V2.
    LatticeV2,
    /// API Gateway WebSocket API, whose events are made of plain HTTP requests here: `/@connect` is CONNECT,
    /// `/@disconnect` is DISCONNECT, and the body of anything else is a MESSAGE.
    WebSocket,
}

/// Each kind with its name on the command line and the name that people know it by.
const KINDS: [(FrontKind, &str, &str); 9] = [
    (FrontKind::FunctionUrl, "url", "Function URL"),
    (FrontKind::HttpApi, "http-api", "HTTP API"),
    (FrontKind::Rest, "rest", "REST API"),
    (FrontKind::RestStream, "rest-stream", "REST API"),
    (FrontKind::Alb, "alb", "ALB"),
    (FrontKind::AlbMulti, "alb-multi", "ALB multi-value"),
    (FrontKind::LatticeV1, "lattice-v1", "VPC Lattice V1"),
    (FrontKind::LatticeV2, "lattice", "VPC Lattice V2"),
    (FrontKind::WebSocket, "websocket", "WebSocket API"),
];

impl FrontKind {
    fn names(self) -> (&'static str, &'static str) {
        KINDS
            .iter()
            .find(|(kind, ..)| *kind == self)
            .map_or(("", ""), |(_, name, title)| (*name, *title))
    }

    /// The service's name, such as `HTTP API`.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.names().1
    }

    /// How the front end invokes the function; only a function URL has the choice.
    pub(crate) fn mode(self, of_url: InvokeMode) -> InvokeMode {
        match self {
            Self::FunctionUrl => of_url,
            Self::RestStream => InvokeMode::ResponseStream,
            _ => InvokeMode::Buffered,
        }
    }
}

/// A name that no front end has.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown front end {0:?}, expected url, http-api, rest, rest-stream, alb, alb-multi, lattice, lattice-v1 or websocket"
)]
pub struct UnknownFront(String);

impl FromStr for FrontKind {
    type Err = UnknownFront;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        KINDS
            .iter()
            .find(|(_, name, _)| *name == text)
            .map(|(kind, ..)| *kind)
            .ok_or_else(|| UnknownFront(text.to_owned()))
    }
}

impl fmt::Display for FrontKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.names().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_front_end_reads_back_its_name_and_the_error_lists_them() {
        let error = "cloudfront".parse::<FrontKind>().unwrap_err().to_string();
        assert!(error.contains("\"cloudfront\""));
        for (kind, name, title) in KINDS {
            assert_eq!(name.parse(), Ok(kind));
            assert_eq!((kind.to_string().as_str(), kind.title()), (name, title));
            assert!(error.contains(name), "{name}");
        }
    }

    #[test]
    fn only_two_front_ends_stream() {
        for (kind, name, _) in KINDS {
            let streams = ["url", "rest-stream"].contains(&name);
            let mode = kind.mode(InvokeMode::ResponseStream);
            assert_eq!(mode == InvokeMode::ResponseStream, streams, "{name}");
        }
        assert_eq!(
            FrontKind::FunctionUrl.mode(InvokeMode::Buffered),
            InvokeMode::Buffered
        );
    }
}
