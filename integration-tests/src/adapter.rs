// SPDX-License-Identifier: Apache-2.0
//! The adapter's binary in each of its roles, in front of a [`FakeLambda`].

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binaries;
use crate::fake_lambda::FakeLambda;
use crate::process::{Mark, Program, copy_program};

/// An adapter to be started.
#[derive(Debug)]
pub struct Adapter {
    command: Command,
    mark: Mark,
    belongings: Vec<tempfile::TempDir>,
}

impl Adapter {
    /// As Lambda starts `/opt/extensions/streamgate` of an image: no arguments, none of the runtime's variables. The
    /// image's own app is at `app`.
    #[must_use]
    pub fn extension(lambda: &FakeLambda, app: SocketAddr) -> Self {
        let opt = tempfile::tempdir().expect("a temporary directory can be made");
        let program = install_extension(opt.path());
        Self::from_opt(lambda, opt, &program).env("STREAMGATE_PORT", &app.port().to_string())
    }

    /// As Lambda starts the extension of the layer, without a word on where the app is.
    #[must_use]
    pub fn layer_extension(lambda: &FakeLambda) -> Self {
        let opt = tempfile::tempdir().expect("a temporary directory can be made");
        let program = install(opt.path());
        Self::from_opt(lambda, opt, &program)
    }

    /// As [`Adapter::extension`], but this binary, which an emulator of another processor has to run.
    #[must_use]
    pub fn emulated_extension(
        lambda: &FakeLambda,
        app: SocketAddr,
        emulator: &str,
        adapter: &[u8],
    ) -> Self {
        let opt = tempfile::tempdir().expect("a temporary directory can be made");
        let extensions = opt.path().join("extensions");
        fs::create_dir_all(&extensions).expect("a directory can be made");
        let program = extensions.join("streamgate");
        fs::write(&program, adapter).expect("a temporary directory can be written to");
        // The emulator runs what may be executed, and says nothing where it refuses.
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
            .expect("a new file's mode can be set");
        let mut command = Command::new(emulator);
        command.arg(program);
        let mut emulated = Self::new(command).in_lambda(lambda);
        emulated.belongings.push(opt);
        emulated.env("STREAMGATE_PORT", &app.port().to_string())
    }

    fn from_opt(lambda: &FakeLambda, opt: tempfile::TempDir, program: &Path) -> Self {
        let mut adapter = Self::new(Command::new(program)).in_lambda(lambda);
        adapter.belongings.push(opt);
        adapter
    }

    /// As the layer's bootstrap starts it in the runtime process.
    #[must_use]
    pub fn stub(lambda: &FakeLambda, arguments: &[&str]) -> Self {
        let mut command = Command::new(binaries::streamgate());
        command.arg("stub").args(arguments);
        Self::new(command).in_lambda(lambda)
    }

    /// As an image's entrypoint, which launches the misbehaving app.
    #[must_use]
    pub fn entrypoint(lambda: &FakeLambda) -> Self {
        let app = binaries::misbehave().display().to_string();
        Self::entrypoint_of(lambda, &[&app])
    }

    /// As an image's entrypoint, which launches this command.
    #[must_use]
    pub fn entrypoint_of(lambda: &FakeLambda, app: &[&str]) -> Self {
        Self::with_arguments(&[&["--"], app].concat()).in_lambda(lambda)
    }

    /// With these arguments, outside Lambda.
    #[must_use]
    pub fn with_arguments(arguments: &[&str]) -> Self {
        let mut command = Command::new(binaries::streamgate());
        command.args(arguments);
        Self::new(command)
    }

    fn new(mut command: Command) -> Self {
        // Whatever the caller of the tests has set must not reach the program under test.
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin");
        Self {
            command,
            mark: Mark::unique(),
            belongings: Vec::new(),
        }
    }

    fn in_lambda(self, lambda: &FakeLambda) -> Self {
        self.env("AWS_LAMBDA_RUNTIME_API", &lambda.address().to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "itest")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
            .env("AWS_REGION", "eu-central-1")
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Its standard error, and so its app's, goes to a file that a shell can open, and not to the test's own log of it.
    #[must_use]
    pub fn stderr_to(mut self, file: &str) -> Self {
        let mut shell = Command::new("/bin/sh");
        shell.env_clear();
        for (name, value) in self.command.get_envs() {
            shell.env(name, value.unwrap_or_default());
        }
        shell
            .args(["-c", &format!(r#"exec "$0" "$@" 2>{file}"#)])
            .arg(self.command.get_program())
            .args(self.command.get_args());
        self.command = shell;
        self
    }

    /// Sets its working directory.
    #[must_use]
    pub fn in_directory(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Starts it.
    #[must_use]
    pub fn start(self) -> Program {
        Program::start(self.command, &self.mark).keeping(self.belongings)
    }
}

/// Lays out a directory like `/opt` after the layer was attached; returns the extension's path.
pub fn install(opt: &Path) -> PathBuf {
    let program = install_extension(opt);
    let bootstrap = binaries::repository().join("layer/bootstrap");
    copy_program(&bootstrap, &opt.join("bootstrap"));
    program
}

/// Lays out a directory like `/opt` of an image into which the adapter was copied; returns its path.
fn install_extension(opt: &Path) -> PathBuf {
    let extensions = opt.join("extensions");
    let program = extensions.join("streamgate");
    fs::create_dir_all(&extensions).expect("a directory can be made");
    copy_program(binaries::streamgate(), &program);
    program
}
