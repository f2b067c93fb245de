// SPDX-License-Identifier: Apache-2.0
//! Which command starts the app.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::ExitCode;

use super::refusal;
use crate::settings::Environment;

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    program: OsString,
    arguments: Vec<OsString>,
}

/// A zip function that says nowhere how its app is started.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "no command to start the app: the function has no handler, and STREAMGATE_COMMAND is not set"
)]
pub struct NoCommand;

impl Command {
    /// A command of these words.
    pub fn new(
        program: impl Into<OsString>,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
        }
    }

    /// The command of a zip function: the command line that was set, else the handler, which is a file under
    /// `LAMBDA_TASK_ROOT` or else a command line too. A command line finds the runtime process's own arguments, which
    /// Lambda gave to the exec wrapper, in `"$@"`.
    ///
    /// # Errors
    ///
    /// Neither is set.
    pub fn of_function(
        line: Option<&str>,
        environment: &Environment,
        arguments: Vec<OsString>,
    ) -> Result<Self, NoCommand> {
        if let Some(line) = line {
            return Ok(Self::shell(line.as_ref(), arguments));
        }
        let handler = environment.get("_HANDLER").ok_or(NoCommand)?;
        let root = environment
            .get("LAMBDA_TASK_ROOT")
            .unwrap_or(OsStr::new("."));
        let file = Path::new(root).join(handler);
        if file.is_file() {
            return Ok(Self {
                program: file.into_os_string(),
                arguments: Vec::new(),
            });
        }
        Ok(Self::shell(handler, arguments))
    }

    fn shell(line: &OsStr, arguments: Vec<OsString>) -> Self {
        let mut words = vec!["-c".into(), line.to_owned(), "sh".into()];
        words.extend(arguments);
        Self {
            program: "/bin/sh".into(),
            arguments: words,
        }
    }

    /// This command behind another that ends with `exec "$@"`, as exec wrappers do.
    #[must_use]
    pub fn behind(self, wrapper: Option<&str>) -> Self {
        let Some(wrapper) = wrapper else {
            return self;
        };
        let mut arguments = vec![self.program];
        arguments.extend(self.arguments);
        Self {
            program: wrapper.into(),
            arguments,
        }
    }

    /// Program and arguments, in order.
    pub(super) fn words(&self) -> impl Iterator<Item = &OsStr> {
        std::iter::once(self.program.as_os_str())
            .chain(self.arguments.iter().map(OsString::as_os_str))
    }

    /// Becomes the command. Returns only where that fails, with the reason printed and the exit code of a shell: 127
    /// for a program that is not there, 126 for one that cannot be run.
    pub(crate) fn become_it(&self, prepare: impl FnOnce(&mut std::process::Command)) -> ExitCode {
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.arguments);
        prepare(&mut command);
        if refusal::is_for_another_architecture(Path::new(&self.program)) {
            // The C library would hand it to a shell, which takes its bytes for commands.
            eprintln!(
                "streamgate: cannot start `{}`: it was built for another architecture",
                self.program.display()
            );
            return ExitCode::from(126);
        }
        let error = command.exec();
        let cause = refusal::cause(&error, Path::new(&self.program));
        eprintln!(
            "streamgate: cannot start `{}`: {cause}",
            self.program.display()
        );
        ExitCode::from(if error.kind() == std::io::ErrorKind::NotFound {
            127
        } else {
            126
        })
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.words().map(OsStr::to_string_lossy).collect();
        f.write_str(&words.join(" "))
    }
}

/// Becomes the command as it stands: outside Lambda there is nothing to adapt.
#[must_use]
pub fn exec(command: &Command, environment: &Environment) -> ExitCode {
    command.become_it(|command| {
        command.env_clear().envs(environment.iter());
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(root: &Path, handler: &str) -> Environment {
        [
            ("LAMBDA_TASK_ROOT", root.as_os_str()),
            ("_HANDLER", handler.as_ref()),
        ]
        .into_iter()
        .collect()
    }

    fn of_function(line: Option<&str>, environment: &Environment) -> Result<String, NoCommand> {
        Command::of_function(line, environment, vec!["node".into()])
            .map(|command| command.to_string())
    }

    #[test]
    fn the_handler_is_a_file_of_the_function_or_a_command_line() {
        // The package's own directory stands in for /var/task: a test creates no files for this.
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let file = of_function(None, &environment(root, "Cargo.toml")).unwrap();
        assert_eq!(file, root.join("Cargo.toml").to_string_lossy());
        let line = of_function(None, &environment(root, "node server.js")).unwrap();
        assert_eq!(line, "/bin/sh -c node server.js sh node");
    }

    #[test]
    fn a_command_that_was_set_goes_before_the_handler() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let line = of_function(Some("exec ./serve"), &environment(root, "Cargo.toml")).unwrap();
        assert_eq!(line, "/bin/sh -c exec ./serve sh node");
    }

    #[test]
    fn a_wrapper_gets_the_command_as_its_arguments() {
        let command = Command::new("node", ["server.js"]).behind(Some("/opt/otel-handler"));
        assert_eq!(command.to_string(), "/opt/otel-handler node server.js");
        let command = Command::new("node", ["server.js"]).behind(None);
        assert_eq!(command.to_string(), "node server.js");
    }

    #[test]
    fn without_either_there_is_no_command() {
        assert_eq!(of_function(None, &Environment::default()), Err(NoCommand));
    }
}
