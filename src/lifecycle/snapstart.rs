// SPDX-License-Identifier: Apache-2.0
//! SnapStart: the environment is started once, frozen into a snapshot, and restored from it many times. The app may be
//! told before and after, so that it can let go of what does not survive and make anew what must be unique.
//!
//! Source: AWS, "Improving startup performance with Lambda SnapStart" and "Lambda SnapStart runtime hooks".

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

use super::Adapter;
use crate::app::AppClient;
use crate::failure::error_type;
use crate::headers::{EVENT_SECRET, EVENT_SOURCE};
use crate::runtime_api::RuntimeApiError;
use crate::transport::{RequestBody, TransportError};

/// Lambda gives the restore 10 s, with everything in it.
const RESTORE_SHARE: Duration = Duration::from_secs(9);
/// As much of a hook's answer as is read.
const ANSWER_LIMIT: usize = 16 * 1024;

/// Why there is no snapshot, or no environment from it.
#[derive(Debug, thiserror::Error)]
pub(super) enum SnapStartError {
    #[error("hook {path} before the snapshot failed")]
    Before { path: String, source: HookError },
    #[error("the snapshot was not taken")]
    Snapshot(#[source] RuntimeApiError),
    #[error("hook {path} after the restore failed")]
    After { path: String, source: HookError },
    #[error("the app was not ready {} s after the restore", RESTORE_SHARE.as_secs())]
    RestoreTimeout,
}

/// What went wrong with a hook.
#[derive(Debug, thiserror::Error)]
pub(super) enum HookError {
    #[error("the app answered with status {0}")]
    Status(StatusCode),
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl SnapStartError {
    /// The error type to report, and whether it is one of the restore.
    pub(super) fn report(&self) -> (&'static str, bool) {
        match self {
            Self::Before { .. } | Self::Snapshot(_) => (error_type::BEFORE_SNAPSHOT, false),
            Self::After { .. } => (error_type::AFTER_RESTORE, true),
            Self::RestoreTimeout => (error_type::RESTORE_TIMEOUT, true),
        }
    }
}

impl Adapter {
    /// Takes an app that is ready through the snapshot; it is ready again when this returns.
    pub(super) async fn through_snapshot(
        &self,
        app: &AppClient,
        ready: impl Future<Output = ()>,
    ) -> Result<(), SnapStartError> {
        let settings = &self.settings;
        if let Some(path) = &settings.snapstart_before_path {
            let hook = self.hook(app, path, "snapstart-before").await;
            hook.map_err(|source| SnapStartError::Before {
                path: path.clone(),
                source,
            })?;
        }
        // No connection survives it.
        app.forget_idle();
        let restored = self.runtime_api.restored().await;
        restored.map_err(SnapStartError::Snapshot)?;
        app.forget_idle();
        tracing::info!("restored from the snapshot");
        let restore = async {
            if let Some(path) = &settings.snapstart_after_path {
                let hook = self.hook(app, path, "snapstart-after").await;
                hook.map_err(|source| SnapStartError::After {
                    path: path.clone(),
                    source,
                })?;
            }
            ready.await;
            Ok(())
        };
        match timeout(RESTORE_SHARE, restore).await {
            Ok(restored) => restored,
            Err(_) => Err(SnapStartError::RestoreTimeout),
        }
    }

    async fn hook(&self, app: &AppClient, path: &str, kind: &'static str) -> Result<(), HookError> {
        let mut request = Request::new(RequestBody::from(Bytes::new()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.parse().expect("the path was checked when it was set");
        let headers = request.headers_mut();
        headers.insert(EVENT_SOURCE, HeaderValue::from_static(kind));
        headers.insert(EVENT_SECRET, self.event_secret.clone());
        let (head, body) = app.send(request).await?.into_parts();
        // To its end, so that the app is done with it.
        let _ = Limited::new(body, ANSWER_LIMIT).collect().await;
        if head.status.is_success() {
            Ok(())
        } else {
            Err(HookError::Status(head.status))
        }
    }
}
