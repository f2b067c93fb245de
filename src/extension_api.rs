// SPDX-License-Identifier: Apache-2.0
//! Edge: Lambda's Extensions API (2020-01-01). Registers, waits for SHUTDOWN, reports a failed start.
//!
//! Source: AWS, "Using the Lambda Extensions API to create extensions". An extension from `/opt/extensions` may take
//! SHUTDOWN; the runtime process may only register without events, which is what makes Lambda send it SIGTERM.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use crate::failure::Failure;
use crate::transport::{Authority, Client, RequestBody, ResponseBody, TransportError};

/// Between tries of a call, doubled each time; in all some 5 s, half of the init phase.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(2_560);

/// How long Lambda may take for a call that it answers at once.
const TRY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long all tries to register may take. After 10 s Lambda ends an extension that has not, without a word of ours.
const REGISTER_TIMEOUT: Duration = Duration::from_secs(7);

const REGISTER: &str = "/2020-01-01/extension/register";
const NEXT_EVENT: &str = "/2020-01-01/extension/event/next";
const INIT_ERROR: &str = "/2020-01-01/extension/init/error";

const NAME: HeaderName = HeaderName::from_static("lambda-extension-name");
const IDENTIFIER: HeaderName = HeaderName::from_static("lambda-extension-identifier");
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-extension-function-error-type");

#[derive(Debug, thiserror::Error)]
pub(crate) enum ExtensionApiError {
    #[error("extensions API {call} failed")]
    Transport {
        call: &'static str,
        source: TransportError,
    },
    #[error("extensions API {call} broke off")]
    Cut {
        call: &'static str,
        source: hyper::Error,
    },
    #[error("extensions API refused {call} with {status}{}: {message}", meaning(*.status))]
    Refused {
        call: &'static str,
        status: StatusCode,
        message: String,
    },
    #[error("extensions API did not answer {0} in time")]
    TimedOut(&'static str),
    #[error("extensions API answered register without an identifier")]
    NoIdentifier,
    #[error("extensions API sent an event that cannot be read")]
    Event(#[source] serde_json::Error),
}

impl ExtensionApiError {
    /// Whether the same call may succeed a moment later.
    fn is_passing(&self) -> bool {
        match self {
            Self::Transport { .. } | Self::Cut { .. } | Self::TimedOut(_) => true,
            Self::Refused { status, .. } => status.is_server_error(),
            Self::NoIdentifier | Self::Event(_) => false,
        }
    }
}

/// Lambda is about to end the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shutdown {
    /// `spindown`, `timeout` or `failure`, in lower case; the documentation writes capitals.
    pub(crate) reason: String,
    /// How much time is left.
    pub(crate) remaining: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "eventType")]
    kind: String,
    #[serde(default)]
    shutdown_reason: String,
    #[serde(default)]
    deadline_ms: u64,
}

/// Which events to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Started by Lambda from `/opt/extensions`.
    External,
    /// Part of the runtime process.
    Internal,
}

/// A registered extension.
#[derive(Debug)]
pub(crate) struct Extension {
    client: Rc<Client>,
    identifier: HeaderValue,
}

impl Extension {
    /// Registers under this name, which for an external extension must be its file's.
    pub(crate) async fn register(
        authority: Authority,
        name: &str,
        kind: Kind,
    ) -> Result<Self, ExtensionApiError> {
        const CALL: &str = "register";
        let client = Client::to_lambda(authority);
        let events: &[u8] = match kind {
            Kind::External => br#"{"events":["SHUTDOWN"]}"#,
            Kind::Internal => br#"{"events":[]}"#,
        };
        let name = HeaderValue::from_str(name).unwrap_or(HeaderValue::from_static("streamgate"));
        let request = || {
            let mut request = Request::new(RequestBody::from(Bytes::from_static(events)));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = REGISTER.parse().expect("a constant path");
            request.headers_mut().insert(NAME, name.clone());
            request
        };
        let registering = persist(&client, CALL, REGISTER_TIMEOUT, &request);
        let (head, _) = registering.await?.into_parts();
        let identifier = head
            .headers
            .get(IDENTIFIER)
            .cloned()
            .ok_or(ExtensionApiError::NoIdentifier)?;
        Ok(Self { client, identifier })
    }

    /// Tells Lambda that the extension is ready and waits, for as long as it takes, until the environment is to end.
    pub(crate) async fn shutdown(&self) -> Result<Shutdown, ExtensionApiError> {
        loop {
            let request = || self.request(Method::GET, NEXT_EVENT, Bytes::new());
            let response = persist(&self.client, "event/next", Duration::MAX, &request).await?;
            let event: Event =
                serde_json::from_slice(response.body()).map_err(ExtensionApiError::Event)?;
            if event.kind == "SHUTDOWN" {
                let deadline = SystemTime::UNIX_EPOCH + Duration::from_millis(event.deadline_ms);
                return Ok(Shutdown {
                    reason: event.shutdown_reason.to_ascii_lowercase(),
                    remaining: deadline
                        .duration_since(SystemTime::now())
                        .unwrap_or_default(),
                });
            }
        }
    }

    /// Reports that the extension cannot start; it then has to exit.
    pub(crate) async fn fail_init(&self, failure: &Failure) -> Result<(), ExtensionApiError> {
        const CALL: &str = "init/error";
        let request = || {
            let mut request = self.request(Method::POST, INIT_ERROR, failure.to_json());
            let error_type = HeaderValue::from_static(failure.error_type());
            request.headers_mut().insert(ERROR_TYPE, error_type);
            request
        };
        let reporting = persist(&self.client, CALL, TRY_TIMEOUT, &request);
        reporting.await.map(drop)
    }

    fn request(&self, method: Method, path: &'static str, body: Bytes) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().expect("a constant path");
        request
            .headers_mut()
            .insert(IDENTIFIER, self.identifier.clone());
        request
    }
}

/// Makes a call without a body of note, again and again where it does not come through: another extension may stand in
/// the way that is slow to start, and Lambda itself may fail for a moment. In all for so long, or, where Lambda may be
/// silent for as long as it likes, without an end.
async fn persist(
    client: &Rc<Client>,
    name: &'static str,
    limit: Duration,
    request: &dyn Fn() -> Request<RequestBody>,
) -> Result<Response<Bytes>, ExtensionApiError> {
    let began_at = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let left = limit.saturating_sub(began_at.elapsed());
        let waited = match limit {
            Duration::MAX => limit,
            _ => left.min(TRY_TIMEOUT),
        };
        let called = timeout(waited, call(client, name, request())).await;
        match called.unwrap_or(Err(ExtensionApiError::TimedOut(name))) {
            Err(error) if error.is_passing() && pause <= LONGEST_PAUSE && pause < left => {
                tracing::warn!(error = crate::logging::chain(&error), "repeating a call");
                sleep(pause).await;
                pause *= 2;
            }
            outcome => return outcome,
        }
    }
}

/// What Lambda means by a refusal, as it stands behind the status. Source: AWS's Runtime Interface Emulator,
/// `rapi/handler/agentregister.go` and `rapi/middleware`.
fn meaning(status: StatusCode) -> &'static str {
    match status.as_u16() {
        403 => " (its name is none in /opt/extensions, or lambda does not expect this call now)",
        500.. => " (lambda says that this environment cannot recover)",
        _ => "",
    }
}

async fn call(
    client: &Rc<Client>,
    call: &'static str,
    request: Request<RequestBody>,
) -> Result<Response<Bytes>, ExtensionApiError> {
    let response: Response<ResponseBody> = client
        .send(request)
        .await
        .map_err(|source| ExtensionApiError::Transport { call, source })?;
    let (head, body) = response.into_parts();
    let body = body
        .collect()
        .await
        .map_err(|source| ExtensionApiError::Cut { call, source })?
        .to_bytes();
    if !head.status.is_success() {
        let message = String::from_utf8_lossy(&body[..body.len().min(512)]).into_owned();
        return Err(ExtensionApiError::Refused {
            call,
            status: head.status,
            message,
        });
    }
    Ok(Response::from_parts(head, body))
}
