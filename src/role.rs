// SPDX-License-Identifier: Apache-2.0
//! What this process was started as. One binary plays every part, so that the layer holds one file.

use std::ffi::OsString;

use crate::app::command::Command;
use crate::app::exec_step::ExecStep;
use crate::app::guard::Watch;

/// The text of `streamgate --help`.
pub const USAGE: &str = "\
Streamgate runs any HTTP web app, unchanged, on AWS Lambda and streams its responses.

Usage:
  streamgate                     the adapter, as Lambda starts it from /opt/extensions
  streamgate stub [ARG...]       the runtime process of a zip function; /opt/bootstrap runs it
  streamgate -- COMMAND [ARG...] the ENTRYPOINT of an image: the adapter, which launches COMMAND;
                                 outside Lambda, COMMAND alone
  streamgate --check-settings    says what is wrong with the settings in its environment
  streamgate --help | --version

Settings are environment variables named STREAMGATE_*; every AWS_LWA_* variable is understood too.
To try an app without AWS: streamgate-local -- COMMAND [ARG...]";

/// What this process was started as.
#[derive(Debug)]
pub enum Role {
    /// Started by Lambda from `/opt/extensions`, without arguments.
    Extension,
    /// The runtime process of a zip function, with the arguments that Lambda gave to the exec wrapper.
    Stub(Vec<OsString>),
    /// The entry point of an image: the runtime process, which launches this command.
    Entrypoint(Command),
    /// The last step before the app, between `fork` and the app's own `exec`.
    AppExec(ExecStep),
    /// The process that outlives the adapter for a moment.
    Guard(Watch),
    /// `--check-settings`.
    CheckSettings,
    /// `--help`.
    Help,
    /// `--version`.
    Version,
}

/// Arguments that name no role.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RoleError {
    /// `--` with nothing behind it.
    #[error("no command after `--`: expected `streamgate -- COMMAND [ARG...]`")]
    MissingCommand,
    /// The first argument is none that we know.
    #[error("unknown argument `{0}`; a command to launch goes behind `--`")]
    Unknown(String),
}

impl Role {
    /// Reads the arguments that follow the program's name.
    pub fn from_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, RoleError> {
        let mut args = args.into_iter();
        let Some(first) = args.next() else {
            return Ok(Self::Extension);
        };
        match first.to_str() {
            Some("--") => {
                let program = args.next().ok_or(RoleError::MissingCommand)?;
                Ok(Self::Entrypoint(Command::new(program, args)))
            }
            Some("stub") => Ok(Self::Stub(args.collect())),
            Some(ExecStep::ARGUMENT) => ExecStep::from_args(args)
                .map(Self::AppExec)
                .ok_or(RoleError::MissingCommand),
            Some(Watch::ARGUMENT) => Watch::from_args(args)
                .map(Self::Guard)
                .ok_or(RoleError::MissingCommand),
            Some("--check-settings") => Ok(Self::CheckSettings),
            Some("--help" | "-h") => Ok(Self::Help),
            Some("--version" | "-V") => Ok(Self::Version),
            _ => Err(RoleError::Unknown(first.to_string_lossy().into_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(args: &[&str]) -> Result<Role, RoleError> {
        Role::from_args(args.iter().map(OsString::from))
    }

    #[test]
    fn each_role_has_its_own_first_argument() {
        assert!(matches!(role(&[]), Ok(Role::Extension)));
        assert!(
            matches!(role(&["stub", "node", "index.mjs"]), Ok(Role::Stub(args)) if args.len() == 2)
        );
        assert!(matches!(
            role(&["--", "node", "server.js"]),
            Ok(Role::Entrypoint(_))
        ));
        assert!(matches!(role(&["--help"]), Ok(Role::Help)));
        assert!(matches!(role(&["-V"]), Ok(Role::Version)));
        assert!(matches!(
            role(&["--check-settings"]),
            Ok(Role::CheckSettings)
        ));
    }

    #[test]
    fn a_missing_or_misplaced_command_is_an_error_that_names_it() {
        assert_eq!(role(&["--"]).unwrap_err(), RoleError::MissingCommand);
        assert_eq!(
            role(&["node", "server.js"]).unwrap_err(),
            RoleError::Unknown("node".into())
        );
    }
}
