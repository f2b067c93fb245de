// SPDX-License-Identifier: Apache-2.0
//! Settings: environment variables become typed values once, at the door.
//!
//! [`VARS`] is the one table. All rows are read before failing, so that one start shows every mistake. Parsing
//! touches no clock, file or network. A value that is empty, or blank, counts as not set.

mod parse;
mod vars;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use tracing::level_filters::LevelFilter;

pub(crate) use parse::authority;
pub use vars::{Alias, VARS, Var};

/// What every setting's variable starts with.
pub const PREFIX: &str = "STREAMGATE_";
/// What the variables of AWS Lambda Web Adapter start with; those that we know are aliases.
const WEB_ADAPTER_PREFIX: &str = "AWS_LWA_";
/// How many edits apart a known name may be to be named as the one that was meant.
const NEAR: usize = 4;

/// The adapter's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Host at which the app is reached.
    pub host: String,
    /// The app's port, where the user fixed one.
    pub port: Option<u16>,
    /// Command line that starts the app in place of the handler.
    pub command: Option<String>,
    /// Another exec wrapper, behind which the app is started.
    pub wrapper_next: Option<String>,
    /// When the app counts as ready.
    pub readiness: Readiness,
    /// Whether Lambda is served before the app is ready, when the init phase is about to end.
    pub async_init: AsyncInit,
    /// How often in a row a failed app is started again.
    pub restart_limit: u32,
    /// How many invocations may be open at once; `None`: what Lambda says.
    pub max_concurrency: Option<usize>,
    /// How replies to a function URL are sent.
    pub invoke_mode: InvokeMode,
    /// Path that is taken off every request's path, without a `/` at its end.
    pub base_path: Option<String>,
    /// Path for events that are no HTTP requests.
    pub events_path: String,
    /// Whether clients are kept from the paths of events.
    pub events_path_private: bool,
    /// Secret that events carry; `None`: one is made.
    pub event_secret: Option<HeaderValue>,
    /// Path for events of a WebSocket API.
    pub websocket_path: String,
    /// Statuses that fail an invocation; `None`: 5xx for events that are no HTTP requests.
    pub error_statuses: Option<StatusSet>,
    /// Header that becomes `Authorization`.
    pub authorization_source: Option<HeaderName>,
    /// Changes to request headers, in order.
    pub header_map: Vec<HeaderRule>,
    /// Header that becomes `Host`.
    pub host_from: Option<HeaderName>,
    /// Header that proves that a request came through the user's own proxy.
    pub origin_secret: Option<SecretHeader>,
    /// Header without which a request is refused.
    pub require_header: Option<SecretHeader>,
    /// Whether redirects to the app's internal address are made relative.
    pub location_repair: bool,
    /// Whether an empty streamed body gets a byte.
    pub empty_body_pad: bool,
    /// Which responses are compressed.
    pub compression: Compression,
    /// How long an app may go on behind its response.
    pub background_max: Duration,
    /// Port of the adapter's own address; `None`: any, for an app that it launches.
    pub control_port: Option<u16>,
    /// Path to which a POST goes before a snapshot.
    pub snapstart_before_path: Option<String>,
    /// Path to which a POST goes after a restore.
    pub snapstart_after_path: Option<String>,
    /// How long before Lambda's deadline the app's time is up; `None`: the deadline is not looked at.
    pub deadline_margin: Option<Duration>,
    /// What a streamed response is held to, and what becomes of it then.
    pub stream: Stream,
    /// Host and port of a proxy in front of the Runtime API.
    pub runtime_api_proxy: Option<(String, u16)>,
    /// How long the app may take to stop; `None`: what Lambda grants.
    pub shutdown_timeout: Option<Duration>,
    /// Form in which metrics are written.
    pub metrics: MetricsFormat,
    /// The adapter's own log.
    pub log: Log,
    /// What was odd about the variables, though not wrong; for the log, once there is one.
    pub warnings: Vec<String>,
}

/// When the app counts as ready.
#[derive(Debug, Clone)]
pub struct Readiness {
    /// Path of the check.
    pub path: String,
    /// Port of the check, where it is not the app's.
    pub port: Option<u16>,
    /// Protocol of the check.
    pub protocol: Protocol,
    /// Statuses that count as ready.
    pub healthy: StatusSet,
    /// How long the app may take.
    pub timeout: Duration,
}

/// How readiness is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// GET of a path, and a healthy status.
    Http,
    /// A connection is enough.
    Tcp,
}

/// Whether Lambda is served before the app is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsyncInit {
    /// Where Lambda bounds the init phase: not under provisioned concurrency or SnapStart.
    Auto,
    /// When the init phase is about to end.
    Always,
    /// The app is waited for, come what may.
    Never,
}

/// How replies to a function URL are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvokeMode {
    /// As the kind of event asks for.
    Auto,
    /// Streamed.
    ResponseStream,
    /// Whole.
    Buffered,
}

/// Which responses are compressed, of those that may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// None.
    Off,
    /// All but streams of server-sent events.
    On,
    /// All.
    WithEventStreams,
}

/// A set of HTTP status codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSet(Vec<RangeInclusive<u16>>);

impl StatusSet {
    /// Whether the set holds this status.
    #[must_use]
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

/// What a streamed response is held to, and what becomes of it then.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stream {
    /// How long nothing may come of it; `None`: for ever.
    pub idle_timeout: Option<Duration>,
    /// How long it may take; `None`: as long as Lambda lets it.
    pub max_duration: Option<Duration>,
    /// How long an event stream may be quiet before it gets a comment; `None`: it gets none.
    pub sse_keep_alive: Option<Duration>,
    /// How a reply ends that is not complete.
    pub errors: StreamErrors,
}

/// How a streamed reply ends that is not complete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StreamErrors {
    /// With Lambda's error trailers.
    #[default]
    Trailers,
    /// The connection to the Runtime API is cut.
    Abort,
}

/// A header and the value that it has to have.
#[derive(Debug, Clone)]
pub struct SecretHeader {
    pub(crate) name: HeaderName,
    pub(crate) value: HeaderValue,
}

/// A change to the headers of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderRule {
    /// All values get another name.
    Rename {
        /// The old name.
        from: HeaderName,
        /// The new name, whose former values go.
        to: HeaderName,
    },
    /// All values stand under another name too.
    Copy {
        /// The name that stays.
        from: HeaderName,
        /// The other name, whose former values go.
        to: HeaderName,
    },
    /// The header goes.
    Drop(HeaderName),
}

/// Form in which metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsFormat {
    /// They are not.
    Off,
    /// `CloudWatch`'s embedded metric format.
    Emf,
}

/// The adapter's own log.
#[derive(Debug, Clone, Copy)]
pub struct Log {
    /// Least level that is written.
    pub level: LevelFilter,
    /// Form of a line.
    pub format: LogFormat,
}

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, with `timestamp` and `level`, which Lambda's log filter reads.
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: None,
            command: None,
            wrapper_next: None,
            readiness: Readiness {
                path: "/".to_owned(),
                port: None,
                protocol: Protocol::Http,
                healthy: StatusSet(vec![100..=499]),
                timeout: Duration::from_mins(1),
            },
            async_init: AsyncInit::Auto,
            restart_limit: 5,
            max_concurrency: None,
            invoke_mode: InvokeMode::Auto,
            base_path: None,
            events_path: "/events".to_owned(),
            events_path_private: false,
            event_secret: None,
            websocket_path: "/websocket".to_owned(),
            error_statuses: None,
            authorization_source: None,
            header_map: Vec::new(),
            host_from: None,
            origin_secret: None,
            require_header: None,
            location_repair: false,
            empty_body_pad: false,
            compression: Compression::Off,
            background_max: Duration::from_mins(15),
            control_port: None,
            snapstart_before_path: None,
            snapstart_after_path: None,
            deadline_margin: Some(Duration::from_millis(500)),
            stream: Stream::default(),
            runtime_api_proxy: None,
            shutdown_timeout: None,
            metrics: MetricsFormat::Off,
            log: Log {
                level: LevelFilter::INFO,
                format: LogFormat::Text,
            },
            warnings: Vec::new(),
        }
    }
}

/// Values that do not parse: every one that was found, each with its variable and what is accepted.
#[derive(Debug, PartialEq, Eq)]
pub struct SettingsError(Vec<BadValue>);

#[derive(Debug, PartialEq, Eq)]
struct BadValue {
    variable: String,
    value: String,
    expected: &'static str,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, bad) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{bad}")?;
        }
        Ok(())
    }
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}=`{}` is not valid: expected {}",
            self.variable,
            self.value.escape_debug(),
            self.expected
        )
    }
}

impl std::error::Error for SettingsError {}

/// All that is wrong with the variables, a text for each thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What keeps the adapter from starting.
    pub errors: Vec<String>,
    /// What it would start with all the same.
    pub warnings: Vec<String>,
}

/// The variables of one process, read once. The stub hands its own over, so there may be two of these.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// This process's variables.
    #[must_use]
    pub fn from_process() -> Self {
        std::env::vars_os().collect()
    }

    /// A variable's value, if it is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// Sets a variable for the process that will be started with this environment.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    /// All variables, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Whether this process runs in Lambda, or in an emulator of it.
    #[must_use]
    pub fn is_lambda(&self) -> bool {
        self.get("AWS_LAMBDA_RUNTIME_API").is_some()
    }

    /// Reads every row of [`VARS`].
    ///
    /// # Errors
    ///
    /// All values that do not parse, together.
    pub fn settings(&self) -> Result<Settings, SettingsError> {
        let (settings, bad) = self.read();
        if bad.is_empty() {
            Ok(settings)
        } else {
            Err(SettingsError(bad))
        }
    }

    /// Looks at the variables as [`Environment::settings`] does, and for those of which another name of the same setting
    /// goes first.
    #[must_use]
    pub fn check(&self) -> Check {
        let (Settings { mut warnings, .. }, bad) = self.read();
        for var in VARS {
            let own = format!("{PREFIX}{}", var.name);
            let Some(first) = self.setting(&own) else {
                continue;
            };
            // Others may differ with reason: Lambda sets its own, and the app keeps its own `PORT`.
            let moved = var.aliases.iter().map(|alias| alias.name);
            warnings.extend(
                moved
                    .filter(|name| name.starts_with(WEB_ADAPTER_PREFIX))
                    .filter(|name| self.setting(name).is_some_and(|value| value != first))
                    .map(|name| {
                        format!("{name} has no effect: {own} is the same setting, and goes first")
                    }),
            );
        }
        Check {
            errors: bad.iter().map(ToString::to_string).collect(),
            warnings,
        }
    }

    fn read(&self) -> (Settings, Vec<BadValue>) {
        let mut settings = Settings::default();
        let mut bad = Vec::new();
        for var in VARS {
            let own = format!("{PREFIX}{}", var.name);
            let mut names = std::iter::once((own.as_str(), false, var.set)).chain(
                var.aliases
                    .iter()
                    .map(|alias| (alias.name, alias.is_bare, alias.set.unwrap_or(var.set))),
            );
            let found = names
                .find_map(|(name, is_bare, set)| Some((name, is_bare, set, self.setting(name)?)));
            let Some((variable, is_bare, set, value)) = found else {
                continue;
            };
            let Err(expected) = set(&mut settings, value.trim()) else {
                continue;
            };
            let value = if var.is_secret {
                "…".to_owned()
            } else {
                value.into_owned()
            };
            let value = BadValue {
                variable: variable.to_owned(),
                value,
                expected,
            };
            if is_bare {
                settings.warnings.push(format!(
                    "{value}; it may be the app's own, and counts as not set: {}",
                    var.default
                ));
            } else {
                bad.push(value);
            }
        }
        if settings.host_from.is_some() && settings.origin_secret.is_none() {
            bad.push(BadValue {
                variable: format!("{PREFIX}HOST_FROM"),
                value: settings.host_from.as_ref().map(ToString::to_string).unwrap_or_default(),
                expected: "STREAMGATE_ORIGIN_SECRET beside it, without which any client could choose the host",
            });
        }
        self.keep_web_adapter_default(&mut settings);
        settings.warnings.extend(self.unknown_names());
        (settings, bad)
    }

    /// A setting's value, as text that is not blank.
    fn setting(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name)
            .map(OsStr::to_string_lossy)
            .filter(|value| !value.trim().is_empty())
    }

    /// A function that was set up for Web Adapter and names no mode sits behind a buffered URL, which is that
    /// adapter's default; swapping the layer must not change its replies.
    fn keep_web_adapter_default(&self, settings: &mut Settings) {
        let set = |name: &str| self.setting(name).is_some();
        if set("STREAMGATE_INVOKE_MODE") || set("AWS_LWA_INVOKE_MODE") {
            return;
        }
        let has_prefix = self
            .iter()
            .any(|(name, _)| name.to_string_lossy().starts_with(WEB_ADAPTER_PREFIX));
        if has_prefix {
            settings.invoke_mode = InvokeMode::Buffered;
        } else if let Some(name) = self.bare_name() {
            settings.invoke_mode = InvokeMode::Buffered;
            settings.warnings.push(format!(
                "{name} is taken for AWS Lambda Web Adapter's, so replies to a function URL are buffered as there; \
                 if it is the app's own, set {PREFIX}INVOKE_MODE"
            ));
        }
    }

    /// The first of Web Adapter's names without a prefix that has a value as it has there; any other is the app's own.
    fn bare_name(&self) -> Option<&'static str> {
        let names = VARS
            .iter()
            .flat_map(|var| var.aliases.iter().map(|alias| (alias, var.set)));
        names
            .filter(|(alias, _)| alias.is_bare)
            .find(|(alias, set)| {
                let set = alias.set.unwrap_or(*set);
                self.setting(alias.name)
                    .is_some_and(|value| set(&mut Settings::default(), value.trim()).is_ok())
            })
            .map(|(alias, _)| alias.name)
    }

    fn unknown_names(&self) -> Vec<String> {
        let known: Vec<String> = VARS
            .iter()
            .flat_map(|var| {
                std::iter::once(format!("{PREFIX}{}", var.name))
                    .chain(var.aliases.iter().map(|a| a.name.to_owned()))
            })
            .collect();
        let ours = |name: &str| name.starts_with(PREFIX) || name.starts_with(WEB_ADAPTER_PREFIX);
        let names = self.iter().map(|(name, _)| name.to_string_lossy());
        names
            .filter(|name| ours(name) && !known.iter().any(|known| known == name))
            .map(|name| {
                let shown = name.escape_debug();
                let nearest = known
                    .iter()
                    .min_by_key(|known| strsim::levenshtein(known, &name));
                match nearest.filter(|nearest| strsim::levenshtein(nearest, &name) <= NEAR) {
                    Some(nearest) => {
                        format!("unknown setting {shown} has no effect; did you mean {nearest}?")
                    }
                    None => format!("unknown setting {shown} has no effect"),
                }
            })
            .collect()
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests;
