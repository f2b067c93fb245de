// SPDX-License-Identifier: Apache-2.0
//! Streamgate runs any HTTP web app, unchanged, on AWS Lambda and streams its responses.
//!
//! The life of a request: `runtime_api` fetches an event, [`event`] makes it an HTTP request, `app` gets it,
//! [`reply`] makes the app's response what Lambda takes, and `runtime_api` posts it while it is still being made.
//! `proxy` joins these for one invocation; `lifecycle` begins and ends everything around them.
//!
//! [`event`] and [`reply`] are pure; only the edges (`runtime_api`, `extension_api`, `app`, `transport`, `handover`,
//! `control`) touch the world.

mod alarm;
pub mod app;
mod background;
mod body;
mod compression;
mod control;
mod deadline;
pub mod event;
mod extension_api;
mod failure;
pub mod front;
mod handover;
mod headers;
mod lifecycle;
pub mod logging;
mod metrics;
mod policy;
mod proxy;
pub mod reply;
pub mod role;
pub mod route;
mod runtime_api;
pub mod settings;
pub mod stub;
mod trace;
mod transport;
mod wakes;

use std::future::Future;
use std::process::ExitCode;

use role::Role;
use settings::{Environment, Settings, SettingsError};

/// Exit code for arguments or settings that cannot be used (`EX_USAGE` of `sysexits.h`).
pub const EXIT_USAGE: u8 = 64;

/// Runs the adapter until the environment ends.
#[must_use]
pub fn run(role: Role, settings: Settings, environment: Environment) -> ExitCode {
    block_on(lifecycle::run(role, settings, environment))
}

/// Reports settings that cannot be used, to the log and to Lambda, so that the function's init fails with them.
#[must_use]
pub fn refuse_to_start(role: &Role, environment: &Environment, error: &SettingsError) -> ExitCode {
    eprintln!("streamgate: {error}");
    block_on(async {
        lifecycle::report_settings(role, environment, error).await;
        ExitCode::from(EXIT_USAGE)
    })
}

/// One thread: an environment serves one request at a time, and a hand-over between threads costs more than it gives.
fn block_on(future: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(wakes::eagerly(future)),
        Err(error) => {
            eprintln!("streamgate: cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}
