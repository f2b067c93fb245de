// SPDX-License-Identifier: Apache-2.0
//! The runtime process of a zip function: hands its environment and stdio to the adapter and waits.
//!
//! Any exit of this process ends the environment, so it exits only when the adapter says so, or is gone. Where no
//! adapter can be reached it becomes the app itself, so that the function still has one; an adapter may then attach.

use std::ffi::OsString;
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::command::Command;
use crate::app::port::USUAL_PORT;
use crate::handover::{Adapter, HandoverError};
use crate::settings::Environment;

/// Runs the stub with the arguments that Lambda gave to the exec wrapper.
#[must_use]
pub fn run(environment: &Environment, arguments: Vec<OsString>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("streamgate: cannot start the stub: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        // Before the hand-over: from then on a SIGTERM has someone to be told to.
        let terminate = signal(SignalKind::terminate())?;
        let adapter = Adapter::hand_over(environment, &arguments)?;
        Ok::<_, HandoverError>(wait(adapter, terminate).await)
    });
    drop(runtime);
    match outcome {
        Ok(code) => code,
        Err(error) => become_the_app(environment, arguments, &error),
    }
}

async fn wait(mut adapter: Adapter, mut terminate: Signal) -> ExitCode {
    loop {
        tokio::select! {
            biased;
            code = adapter.exit_code() => return code.map_or_else(
                |_| {
                    eprintln!("streamgate: the adapter is gone, and the app with it");
                    ExitCode::FAILURE
                },
                ExitCode::from,
            ),
            _ = terminate.recv() => {
                // If this fails the adapter is gone, which the other branch tells.
                let _ = adapter.tell_terminated().await;
            }
        }
    }
}

fn become_the_app(
    environment: &Environment,
    arguments: Vec<OsString>,
    error: &HandoverError,
) -> ExitCode {
    eprintln!(
        "streamgate: warning: {}; starting the app in this process instead",
        crate::logging::chain(error)
    );
    let settings = match environment.settings() {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("streamgate: {error}");
            return ExitCode::from(crate::EXIT_USAGE);
        }
    };
    match Command::of_function(settings.command.as_deref(), environment, arguments) {
        Ok(command) => {
            // An adapter that attaches looks for the app where it would without the stub.
            let mut environment = environment.clone();
            if environment.get("PORT").is_none() {
                environment.set("PORT", settings.port.unwrap_or(USUAL_PORT).to_string());
            }
            let command = command.behind(settings.wrapper_next.as_deref());
            crate::app::command::exec(&command, &environment)
        }
        Err(error) => {
            eprintln!("streamgate: {error}");
            ExitCode::from(crate::EXIT_USAGE)
        }
    }
}
