// SPDX-License-Identifier: Apache-2.0
//! Which front made an event, and which form of reply it takes. Pure.

use crate::settings::InvokeMode;

/// What made the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// A function URL (payload format 2.0).
    FunctionUrl,
    /// An API Gateway HTTP API with payload format 2.0.
    HttpApi,
    /// An API Gateway HTTP API with payload format 1.0.
    HttpApiV1,
    /// An API Gateway REST API.
    Rest,
    /// An Application Load Balancer whose target group has multi-value headers off.
    Alb,
    /// An Application Load Balancer whose target group has multi-value headers on.
    AlbMultiValue,
    /// VPC Lattice, either version.
    Lattice,
    /// An API Gateway WebSocket API.
    WebSocket,
    /// No HTTP: a queue, a stream, a schedule, an agent, or a direct invocation.
    Other(Source),
}

/// What sent an event that stands for no HTTP request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of AWS's services")]
pub enum Source {
    Sqs,
    Sns,
    S3,
    DynamoDb,
    Kinesis,
    EventBridge,
    BedrockAgent,
    /// A direct invocation, or a source that bears no mark.
    Direct,
}

impl Source {
    /// The name that the app is told.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqs => "sqs",
            Self::Sns => "sns",
            Self::S3 => "s3",
            Self::DynamoDb => "dynamodb",
            Self::Kinesis => "kinesis",
            Self::EventBridge => "eventbridge",
            Self::BedrockAgent => "bedrock-agent",
            Self::Direct => "direct",
        }
    }
}

/// The form of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Prelude, delimiter, then the app's bytes as they come.
    Streamed,
    /// One JSON document.
    Buffered,
}

const MB: usize = 1024 * 1024;

impl Front {
    /// The form of reply that this front takes. Only function URLs and REST APIs can stream, and no event tells how
    /// they were set up: a REST API streams only where that was said.
    #[must_use]
    pub fn mode(self, setting: InvokeMode) -> Mode {
        match (self, setting) {
            (Self::FunctionUrl, InvokeMode::Auto | InvokeMode::ResponseStream)
            | (Self::Rest, InvokeMode::ResponseStream) => Mode::Streamed,
            _ => Mode::Buffered,
        }
    }

    /// Whether a request is one of a client that gets the status and headers of the reply: a connected WebSocket gets
    /// the body alone, and what is no HTTP a result.
    #[must_use]
    pub fn is_http(self) -> bool {
        !matches!(self, Self::WebSocket | Self::Other(_))
    }

    /// Most bytes of a buffered reply, as the JSON that is posted (AWS, "Lambda quotas"; "Lambda functions as targets"
    /// of Elastic Load Balancing; "Amazon API Gateway quotas" for WebSocket).
    #[must_use]
    pub fn reply_limit(self) -> usize {
        match self {
            Self::Alb | Self::AlbMultiValue => MB,
            Self::WebSocket => 128 * 1024,
            _ => 6 * MB,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_function_urls_and_rest_apis_stream() {
        use InvokeMode::{Auto, Buffered, ResponseStream};
        for (front, streamed) in [
            (Front::FunctionUrl, [true, true, false]),
            (Front::Rest, [false, true, false]),
            (Front::HttpApi, [false; 3]),
            (Front::Alb, [false; 3]),
            (Front::Lattice, [false; 3]),
            (Front::WebSocket, [false; 3]),
            (Front::Other(Source::Sqs), [false; 3]),
        ] {
            let modes = [Auto, ResponseStream, Buffered]
                .map(|setting| front.mode(setting) == Mode::Streamed);
            assert_eq!(modes, streamed, "{front:?}");
        }
    }
}
