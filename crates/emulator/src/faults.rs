// SPDX-License-Identifier: Apache-2.0
//! Faults of the Runtime API and the Extensions API, by a script: which call goes wrong, and how.
//!
//! Each line of a script names a kind of call, which calls of that kind, and what becomes of them; see
//! `docs/local-lambda.md` for the format, [`parse`] for reading it, [`act`] for doing it. Calls are counted per
//! environment and from 1. Without a script nothing of this is in the way.

mod act;
mod body;
mod line;
mod parse;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};

pub(crate) use act::{SizeRefused, carry_out};
pub(crate) use body::CallBody;
pub(crate) use line::{Ending, Line, Pieces};
pub use parse::FaultScriptError;

/// Which calls of the Runtime API and the Extensions API go wrong, and how; by default none does.
///
/// ```
/// use streamgate_emulator::FaultScript;
///
/// let script: FaultScript = "response 2-5 status 500  # four times".parse()?;
/// let error = "response 2 explode".parse::<FaultScript>().unwrap_err();
/// assert!(error.to_string().starts_with(r#"line 1: "explode" is not known here"#));
/// # Ok::<_, streamgate_emulator::FaultScriptError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultScript {
    rules: Vec<Rule>,
}

/// A line of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    call: Call,
    first: u64,
    last: u64,
    act: Act,
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Act {
    /// Before anything else happens.
    delay: Duration,
    what: What,
    /// As the script has it, for the log.
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Instead(Instead, Timing),
    Answer(Change),
}

/// What there is instead of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Instead {
    Stall,
    Close,
    Reset,
    /// Bytes of the request's body.
    ResetAfter(u64),
    Status(StatusCode),
    Malformed,
}

/// What differs in the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    /// Nothing but a delay before it.
    Late(Duration),
    /// Bytes for each write.
    Split(usize),
    Half,
    Without(HeaderName),
    With(HeaderName, HeaderValue),
    /// The body of a response counts as too large.
    SizeRefused,
}

/// When a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timing {
    /// Before its body is read.
    Early,
    /// When its body was read, but without effect.
    Untaken,
    /// When it had its effect.
    Taken,
}

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Register,
    ExtensionNext,
    ExtensionInitError,
    ExtensionExitError,
    InitError,
    Next,
    Response,
    Error,
    RestoreNext,
    RestoreError,
}

/// All kinds, with their names in a script.
const CALLS: [(&str, Call); 10] = [
    ("register", Call::Register),
    ("extension-next", Call::ExtensionNext),
    ("extension-init-error", Call::ExtensionInitError),
    ("extension-exit-error", Call::ExtensionExitError),
    ("init-error", Call::InitError),
    ("next", Call::Next),
    ("response", Call::Response),
    ("error", Call::Error),
    ("restore-next", Call::RestoreNext),
    ("restore-error", Call::RestoreError),
];

impl Call {
    fn of(path: &str) -> Option<Self> {
        let (_version, rest) = path.strip_prefix('/')?.split_once('/')?;
        match rest.split('/').collect::<Vec<_>>().as_slice() {
            ["extension", "register"] => Some(Self::Register),
            ["extension", "event", "next"] => Some(Self::ExtensionNext),
            ["extension", "init", "error"] => Some(Self::ExtensionInitError),
            ["extension", "exit", "error"] => Some(Self::ExtensionExitError),
            ["runtime", "init", "error"] => Some(Self::InitError),
            ["runtime", "invocation", "next"] => Some(Self::Next),
            ["runtime", "invocation", _, "response"] => Some(Self::Response),
            ["runtime", "invocation", _, "error"] => Some(Self::Error),
            ["runtime", "restore", "next"] => Some(Self::RestoreNext),
            ["runtime", "restore", "error"] => Some(Self::RestoreError),
            _ => None,
        }
    }

    fn index(self) -> usize {
        CALLS
            .iter()
            .position(|(_, call)| *call == self)
            .unwrap_or_default()
    }
}

/// A script, and how far one environment has come in it.
#[derive(Debug)]
pub(crate) struct Faults {
    script: FaultScript,
    calls: [AtomicU64; CALLS.len()],
}

/// A call that is to go wrong.
#[derive(Debug)]
pub(crate) struct Planned<'a> {
    pub(crate) act: &'a Act,
    /// Such as `response 2`.
    pub(crate) call: String,
    /// Such as `reset taken`.
    pub(crate) fault: &'a str,
}

impl Faults {
    pub(crate) fn new(script: &FaultScript) -> Self {
        Self {
            script: script.clone(),
            calls: Default::default(),
        }
    }

    /// Counts a call of this path; gives what becomes of it, unless all is well. The first line that names it decides.
    pub(crate) fn plan(&self, path: &str) -> Option<Planned<'_>> {
        if self.script.rules.is_empty() {
            return None;
        }
        let call = Call::of(path)?;
        let (name, count) = (CALLS.get(call.index())?.0, self.calls.get(call.index())?);
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        let rule = self
            .script
            .rules
            .iter()
            .find(|rule| rule.call == call && (rule.first..=rule.last).contains(&number))?;
        Some(Planned {
            act: &rule.act,
            call: format!("{name} {number}"),
            fault: &rule.act.text,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_call_is_counted_by_itself_and_the_first_line_decides() {
        let script = "response 2-3 status 500\nresponse * reset\nnext 2 close";
        let faults = Faults::new(&script.parse().unwrap());
        let planned = |path: &str| {
            faults
                .plan(path)
                .map(|planned| (planned.call, planned.fault))
        };
        let response = "/2018-06-01/runtime/invocation/8476a536/response";
        let next = "/2018-06-01/runtime/invocation/next";
        assert_eq!(planned(response), Some(("response 1".into(), "reset")));
        assert_eq!(planned(next), None);
        assert_eq!(planned(response), Some(("response 2".into(), "status 500")));
        assert_eq!(planned(next), Some(("next 2".into(), "close")));
        assert_eq!(planned("/2020-01-01/extension/event/next"), None);
        assert_eq!(planned(next), None);
    }

    #[test]
    fn every_kind_of_call_has_its_path() {
        for (path, name) in [
            ("/2020-01-01/extension/register", "register"),
            ("/2020-01-01/extension/event/next", "extension-next"),
            ("/2020-01-01/extension/init/error", "extension-init-error"),
            ("/2020-01-01/extension/exit/error", "extension-exit-error"),
            ("/2018-06-01/runtime/init/error", "init-error"),
            ("/2018-06-01/runtime/invocation/next", "next"),
            ("/2018-06-01/runtime/invocation/x/response", "response"),
            ("/2018-06-01/runtime/invocation/x/error", "error"),
            ("/2018-06-01/runtime/restore/next", "restore-next"),
            ("/2018-06-01/runtime/restore/error", "restore-error"),
        ] {
            let call = Call::of(path).map(|call| CALLS[call.index()].0);
            assert_eq!(call, Some(name), "{path}");
        }
        for path in ["/", "", "/2018-06-01/ping", "/2021-04-23/credentials"] {
            assert_eq!(Call::of(path), None, "{path}");
        }
    }
}
