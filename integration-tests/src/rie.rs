// SPDX-License-Identifier: Apache-2.0
//! AWS's Runtime Interface Emulator: a Lambda that is not ours.
//!
//! It starts whatever lies in `/opt/extensions`, so it gets a mount namespace with an `/opt` of its own; the machine's
//! is not touched. Not every network hands it out, so its tests are ignored unless they are asked for.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use rustix::process::{Signal, geteuid};
use serde_json::Value;

use crate::app::free_port;
use crate::http::{Client, Request, Response};
use crate::process::{Mark, Program};
use crate::waiting::eventually;
use crate::{adapter, binaries};

/// Fills the new `/opt` from a prepared folder and becomes the emulator.
const ENTER: &str = r#"mount -t tmpfs tmpfs /opt && cp -R "$1/." /opt && shift && exec "$@""#;

/// The emulator: `AWS_LAMBDA_RIE`, else where the setup script puts it below Cargo's target folder.
pub fn installed(tests_folder: &Path) -> PathBuf {
    let below_target = tests_folder.with_file_name("tools").join("aws-lambda-rie");
    let path = env::var_os("AWS_LAMBDA_RIE").map_or(below_target, PathBuf::from);
    assert!(
        path.is_file(),
        "there is no {}: integration-tests/setup/install installs it, or says why not",
        path.display()
    );
    path
}

/// How the adapter gets into the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The adapter is in `/opt/extensions`, the app is the runtime process.
    ImageAttach,
    /// The adapter is in `/opt/extensions`, `/opt/bootstrap` is the runtime process and the handler starts the app.
    Zip,
    /// The adapter is the runtime process; `/opt` is empty.
    ImageEntrypoint,
}

/// All shapes.
pub const SHAPES: [Shape; 3] = [Shape::ImageAttach, Shape::Zip, Shape::ImageEntrypoint];

/// A running emulator. It starts the environment at the first invocation.
#[derive(Debug)]
pub struct Rie {
    /// The process.
    pub program: Program,
    address: SocketAddr,
}

impl Rie {
    /// Starts it for this app, with these variables of the function.
    pub fn start(rie: &Path, shape: Shape, app: &[&str], variables: &[(&str, &str)]) -> Self {
        let opt = tempfile::tempdir().expect("a temporary directory can be made");
        let task = tempfile::tempdir().expect("a temporary directory can be made");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let api = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut command = Command::new("unshare");
        command.arg("--mount");
        if !geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command
            .args(["sh", "-c", ENTER, "sh"])
            .arg(opt.path())
            .arg(rie)
            .args(["--runtime-interface-emulator-address", &address.to_string()])
            .args(["--runtime-api-address", &api.to_string()])
            .current_dir(task.path())
            .env("LAMBDA_TASK_ROOT", task.path());
        match shape {
            Shape::ImageAttach => {
                adapter::install(opt.path());
                command.env("PORT", free_port().to_string()).args(app);
            }
            Shape::Zip => {
                adapter::install(opt.path());
                let script = task.path().join("run.sh");
                fs::write(&script, format!("#!/bin/sh\nexec {}\n", app.join(" ")))
                    .expect("a file can be written");
                fs::set_permissions(&script, fs::Permissions::from_mode(0o755))
                    .expect("a file's mode can be set");
                // The last argument is the handler.
                command.args(["/opt/bootstrap", "run.sh"]);
            }
            Shape::ImageEntrypoint => {
                command.arg(binaries::streamgate()).arg("--").args(app);
            }
        }
        command.envs(variables.iter().copied());
        let program = Program::start(command, &Mark::unique()).keeping([opt, task]);
        eventually("the emulator's port", || TcpStream::connect(address).ok());
        Self { program, address }
    }

    /// Sends an event and returns what the emulator makes of the reply.
    pub fn invoke(&self, event: impl Into<Vec<u8>>) -> Response {
        let path = "/2015-03-31/functions/function/invocations";
        Client::connect(self.address).exchange(&Request::post(path, "application/json", event))
    }

    /// Sends an event whose reply is a document.
    pub fn document(&self, event: &Value) -> Value {
        self.invoke(event.to_string()).json()
    }

    /// Stops it as a container's end does, and waits for its end.
    pub fn stop(&mut self) -> ExitStatus {
        self.program.signal(Signal::TERM);
        self.program.finish()
    }
}
