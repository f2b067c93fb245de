// SPDX-License-Identifier: Apache-2.0
//! What a front end is called and how much it takes.

use crate::invoke::EVENT_LIMIT;
use crate::settings::FrontKind;

/// Facts about the front end of this emulator.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) kind: FrontKind,
    /// Id of the function URL, the API, the target group or the service.
    pub(super) api_id: &'static str,
    pub(super) domain: String,
    pub(super) region: String,
}

impl Profile {
    pub(super) fn new(kind: FrontKind, region: &str) -> Self {
        let api_id = match kind {
            // On the service 32 random letters and digits.
            FrontKind::FunctionUrl => "local0streamgate0function0url000",
            FrontKind::Alb | FrontKind::AlbMulti => "0000000000000000",
            FrontKind::LatticeV1 | FrontKind::LatticeV2 => "svc-00000000000000000",
            FrontKind::HttpApi | FrontKind::Rest | FrontKind::RestStream | FrontKind::WebSocket => {
                "local00000"
            }
        };
        let domain = match kind {
            FrontKind::FunctionUrl => format!("{api_id}.lambda-url.{region}.on.aws"),
            FrontKind::Alb | FrontKind::AlbMulti => format!("local.{region}.elb.amazonaws.com"),
            FrontKind::LatticeV1 | FrontKind::LatticeV2 => {
                format!("local-{api_id}.0000000.vpc-lattice-svcs.{region}.on.aws")
            }
            FrontKind::HttpApi | FrontKind::Rest | FrontKind::RestStream | FrontKind::WebSocket => {
                format!("{api_id}.execute-api.{region}.amazonaws.com")
            }
        };
        Self {
            kind,
            api_id,
            domain,
            region: region.to_owned(),
        }
    }

    /// Largest body of a request (sources: AWS pages "Lambda functions as targets", "Quotas for configuring and running
    /// a WebSocket API in API Gateway", "Lambda quotas"). API Gateway's 10 MB cannot be used up, as the event is the
    /// smaller limit; it is checked on its own.
    pub(super) fn body_limit(&self) -> usize {
        match self.kind {
            FrontKind::Alb | FrontKind::AlbMulti => 1024 * 1024,
            FrontKind::WebSocket => 128 * 1024,
            _ => EVENT_LIMIT,
        }
    }

    /// Largest buffered answer; Lambda's own limit of 6 MB is checked before.
    pub(super) fn payload_limit(&self) -> usize {
        match self.kind {
            // Of the whole JSON (source: AWS page "Lambda functions as targets").
            FrontKind::Alb | FrontKind::AlbMulti => 1024 * 1024,
            FrontKind::WebSocket => 128 * 1024,
            _ => usize::MAX,
        }
    }
}
