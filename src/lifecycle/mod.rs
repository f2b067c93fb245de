// SPDX-License-Identifier: Apache-2.0
//! The life of an environment: register, find or launch the app, keep it up and serve, drain.
//!
//! | Room | What happens there |
//! |---|---|
//! | here | registration: from then on Lambda starts the runtime process |
//! | `start` | the app is launched, or found on its port |
//! | `phase` | the phases from then on, and what leads from one to the next; pure |
//! | `supervise` | the loop that brings the events and carries out the orders |
//! | `snapstart` | the way through a snapshot, where there is one |
//! | `serve` | the polls |
//! | `stop` | where the word of the end comes from, and the drain |
//!
//! Signals are taken before anything is started. Every stop leads to the one drain; the exit code tells them apart.

mod phase;
mod serve;
mod snapstart;
mod start;
mod stop;
mod supervise;

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use http::HeaderValue;
use tokio::time::Instant;

use crate::background::Background;
use crate::control::Control;
use crate::extension_api::{Extension, ExtensionApiError, Kind};
use crate::failure::{Failure, error_type};
use crate::handover::Listener;
use crate::logging::chain;
use crate::metrics::Metrics;
use crate::role::Role;
use crate::runtime_api::RuntimeApi;
use crate::settings::{Environment, Settings, SettingsError};
use crate::transport::{Authority, UnknownHost};

use start::{Found, StartError};
use stop::{Signals, Stop, Stops};

/// What lasts as long as the environment.
struct Adapter {
    settings: Settings,
    environment: Environment,
    runtime_api: RuntimeApi,
    is_extension: bool,
    /// What tells an event from a client's request to the same path.
    event_secret: HeaderValue,
    background: Rc<Background>,
    metrics: Metrics,
    /// The adapter's own address, where the app can tell of work behind its response.
    control: Option<Control>,
    began_at: Instant,
    /// When the app was launched, after the adapter's own start.
    spawned_ms: Option<u64>,
}

/// Runs the adapter as extension or entry point, until the environment ends.
pub(crate) async fn run(role: Role, settings: Settings, environment: Environment) -> ExitCode {
    match try_run(role, settings, environment).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tracing::error!(error = chain(&*error), "adapter cannot run");
            ExitCode::FAILURE
        }
    }
}

async fn try_run(
    role: Role,
    settings: Settings,
    environment: Environment,
) -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
    let began_at = Instant::now();
    let lambda = runtime_api_authority(&environment)?;
    let mut signals = Signals::take()?;
    let runtime_api = match &settings.runtime_api_proxy {
        Some((host, port)) => Authority::resolve(host, *port)?,
        None => lambda.clone(),
    };
    let event_secret = match &settings.event_secret {
        Some(secret) => secret.clone(),
        None => new_secret()?,
    };
    let function = environment.get("AWS_LAMBDA_FUNCTION_NAME");
    let function = function.unwrap_or_default().to_string_lossy();
    let metrics = Metrics::new(settings.metrics, &function);
    let mut adapter = Adapter {
        settings,
        environment,
        runtime_api: RuntimeApi::new(runtime_api),
        is_extension: matches!(role, Role::Extension),
        event_secret,
        background: Background::new(new_secret()?),
        metrics,
        control: None,
        began_at,
        spawned_ms: None,
    };
    let Role::Entrypoint(command) = role else {
        // Before registration, since the runtime process may come right after it.
        let listener = Listener::bind(&adapter.environment)?;
        let (found, stops) = match register(lambda, Kind::External, &mut signals).await {
            Ok(registered) => {
                let mut stops = Stops::new(Some(registered?), signals);
                let found = adapter.start_extension(&listener, &mut stops).await;
                (found, stops)
            }
            Err(stop) => (Ok(Found::Stopped(stop)), Stops::new(None, signals)),
        };
        return Ok(adapter.live(found, stops).await);
    };
    // The app comes up while Lambda is told of us.
    let registering = register(lambda, Kind::Internal, &mut signals);
    let (registered, found) = tokio::join!(registering, adapter.start_entrypoint(command));
    let stops = match registered {
        Ok(Ok(extension)) => Stops::new(Some(extension), signals),
        Ok(Err(error)) => {
            // Without it there is no SIGTERM, but the app serves.
            tracing::warn!(
                error = chain(&error),
                "not registered, so lambda will not say when it stops"
            );
            Stops::new(None, signals)
        }
        Err(stop) => Stops::after(stop, signals),
    };
    Ok(adapter.live(found, stops).await)
}

/// Registers, unless a signal comes before Lambda has answered.
async fn register(
    lambda: Authority,
    kind: Kind,
    signals: &mut Signals,
) -> Result<Result<Extension, ExtensionApiError>, Stop> {
    let name = extension_name();
    tokio::select! {
        biased;
        () = signals.next() => Err(Stop::Signal),
        registered = Extension::register(lambda, &name, kind) => Ok(registered),
    }
}

impl Adapter {
    /// From an app that was found or launched to the code to exit with.
    async fn live(&self, found: Result<Found, StartError>, stops: Stops) -> u8 {
        match found {
            Ok(Found::App(app, ready)) => Box::pin(self.supervise(*app, ready, stops)).await,
            Ok(Found::Stopped(stop)) => {
                tracing::info!(reason = %stop, "environment ends");
                self.leave(&stop, 0, stops).await
            }
            Err(error) => self.give_up_start(&error, stops).await,
        }
    }
}

/// Reports settings that do not parse.
pub(crate) async fn report_settings(role: &Role, environment: &Environment, error: &SettingsError) {
    let Ok(authority) = runtime_api_authority(environment) else {
        return;
    };
    let failure = Failure::new(error_type::SETTINGS, error.to_string());
    // What Lambda makes of it is seen in its own log; ours has the error already.
    if matches!(role, Role::Extension) {
        if let Ok(extension) =
            Extension::register(authority, &extension_name(), Kind::External).await
        {
            let _ = extension.fail_init(&failure).await;
        }
    } else {
        let _ = RuntimeApi::new(authority).fail_init(&failure).await;
    }
}

#[derive(Debug, thiserror::Error)]
enum RuntimeApiAddressError {
    #[error(
        "AWS_LAMBDA_RUNTIME_API is not set: this is the part that runs inside Lambda; \
         to try an app here, run `streamgate-local -- COMMAND`"
    )]
    NotSet,
    #[error("AWS_LAMBDA_RUNTIME_API=`{value}` is not valid: expected {expected}")]
    Invalid {
        value: String,
        expected: &'static str,
    },
    #[error(transparent)]
    Unknown(#[from] UnknownHost),
}

fn runtime_api_authority(environment: &Environment) -> Result<Authority, RuntimeApiAddressError> {
    let value = environment
        .get("AWS_LAMBDA_RUNTIME_API")
        .ok_or(RuntimeApiAddressError::NotSet)?;
    let value = value.to_string_lossy();
    let (host, port) =
        crate::settings::authority(&value).map_err(|expected| RuntimeApiAddressError::Invalid {
            value: value.to_string(),
            expected,
        })?;
    Ok(Authority::resolve(&host, port)?)
}

/// 256 random bits.
fn new_secret() -> io::Result<HeaderValue> {
    let mut bytes = [0_u8; 32];
    io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes)?;
    let mut hex = String::with_capacity(64);
    for byte in bytes {
        let _ = write!(hex, "{byte:02x}");
    }
    let mut secret = HeaderValue::try_from(hex).map_err(io::Error::other)?;
    secret.set_sensitive(true);
    Ok(secret)
}

/// Lambda knows an external extension by the name of its file.
fn extension_name() -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&program)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    if name.is_empty() {
        "streamgate".to_owned()
    } else {
        name.into_owned()
    }
}
