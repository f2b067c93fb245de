// SPDX-License-Identifier: Apache-2.0
//! The `streamgate` binary: which role was asked for, then settings, logging, runtime, run, exit code.

use std::env;
use std::process::ExitCode;

use dlmalloc::GlobalDlmalloc;
use streamgate::role::{Role, USAGE};
use streamgate::settings::Environment;
use streamgate::{app, logging, stub};

/// musl's own returns memory to the kernel with each request, and takes it again: five system calls.
#[global_allocator]
static ALLOCATOR: GlobalDlmalloc = GlobalDlmalloc;

fn main() -> ExitCode {
    let environment = Environment::from_process();
    let role = match Role::from_args(env::args_os().skip(1)) {
        Ok(role) => role,
        Err(error) => {
            eprintln!("streamgate: {error}\n\n{USAGE}");
            return ExitCode::from(streamgate::EXIT_USAGE);
        }
    };
    match role {
        Role::Help => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        Role::Version => {
            println!("streamgate {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Role::CheckSettings => check_settings(&environment),
        Role::AppExec(step) => step.exec(),
        Role::Guard(watch) => watch.run(),
        Role::Stub(arguments) => stub::run(&environment, arguments),
        Role::Entrypoint(command) if !environment.is_lambda() => {
            app::command::exec(&command, &environment)
        }
        Role::Extension | Role::Entrypoint(_) => {
            let settings = match environment.settings() {
                Ok(settings) => settings,
                Err(error) => return streamgate::refuse_to_start(&role, &environment, &error),
            };
            logging::init(settings.log);
            for warning in &settings.warnings {
                tracing::warn!("{warning}");
            }
            streamgate::run(role, settings, environment)
        }
    }
}

/// A line for each thing that is wrong with the settings, `error: ` where it keeps the adapter from starting.
fn check_settings(environment: &Environment) -> ExitCode {
    let check = environment.check();
    for error in &check.errors {
        println!("error: {error}");
    }
    for warning in &check.warnings {
        println!("warning: {warning}");
    }
    if check.errors.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(streamgate::EXIT_USAGE)
    }
}
