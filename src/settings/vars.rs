// SPDX-License-Identifier: Apache-2.0
//! The table of settings: one row per variable. `docs/configuration.md` is made from it.

use super::parse::{self, Expected};
use super::{Settings, StatusSet};

type Set = fn(&mut Settings, &str) -> Result<(), Expected>;

/// One setting: the variable `STREAMGATE_<name>`.
#[derive(Debug)]
pub struct Var {
    /// The name without its prefix.
    pub name: &'static str,
    /// Other variables that mean the same, in order; the first that is set counts.
    pub aliases: &'static [Alias],
    /// The default, as text for people.
    pub default: &'static str,
    /// What it does, in one sentence.
    pub help: &'static str,
    /// Whether its value must not be told, in an error for one.
    pub is_secret: bool,
    pub(super) set: Set,
}

/// Another name of a setting, whose value may be written in another way.
#[derive(Debug)]
pub struct Alias {
    /// The whole name.
    pub name: &'static str,
    /// Whether it is a name of AWS Lambda Web Adapter without a prefix, which an app may have for something of its own.
    pub(super) is_bare: bool,
    pub(super) set: Option<Set>,
}

const fn alias(name: &'static str) -> Alias {
    Alias {
        name,
        is_bare: false,
        set: None,
    }
}

const fn bare(name: &'static str) -> Alias {
    Alias {
        name,
        is_bare: true,
        set: None,
    }
}

/// Every setting of the adapter.
pub const VARS: &[Var] = &[
    Var {
        name: "PORT",
        aliases: &[alias("AWS_LWA_PORT"), alias("PORT")],
        default: "launched app: 8080 if free, else any free port; attached app: 8080",
        help: "Port on which the app listens. A launched app finds it in `PORT`.",
        is_secret: false,
        set: |s, v| parse::port(v).map(|port| s.port = Some(port)),
    },
    Var {
        name: "HOST",
        aliases: &[alias("AWS_LWA_HOST")],
        default: "127.0.0.1",
        help: "Host at which the app is reached: an IP address, `localhost`, or a name from `/etc/hosts`.",
        is_secret: false,
        set: |s, v| parse::host(v).map(|host| s.host = host),
    },
    Var {
        name: "COMMAND",
        aliases: &[],
        default: "the function's handler",
        help: "Zip functions: command line for `sh -c` that starts the app, in place of the handler.",
        is_secret: false,
        set: |s, v| {
            s.command = Some(v.to_owned());
            Ok(())
        },
    },
    Var {
        name: "WRAPPER_NEXT",
        aliases: &[],
        default: "none",
        help: "Zip functions: another exec wrapper, such as a tracing vendor's `/opt/otel-handler`, that starts the app; \
               `AWS_LAMBDA_EXEC_WRAPPER` has room for one alone.",
        is_secret: false,
        set: |s, v| {
            s.wrapper_next = Some(v.to_owned());
            Ok(())
        },
    },
    Var {
        name: "READINESS_PATH",
        aliases: &[
            alias("AWS_LWA_READINESS_CHECK_PATH"),
            bare("READINESS_CHECK_PATH"),
        ],
        default: "/",
        help: "Path that is fetched until the app answers with a healthy status.",
        is_secret: false,
        set: |s, v| parse::path(v).map(|path| s.readiness.path = path),
    },
    Var {
        name: "READINESS_PORT",
        aliases: &[
            alias("AWS_LWA_READINESS_CHECK_PORT"),
            bare("READINESS_CHECK_PORT"),
        ],
        default: "the app's port",
        help: "Port for the readiness check, where it is not the app's.",
        is_secret: false,
        set: |s, v| parse::port(v).map(|port| s.readiness.port = Some(port)),
    },
    Var {
        name: "READINESS_PROTOCOL",
        aliases: &[
            alias("AWS_LWA_READINESS_CHECK_PROTOCOL"),
            bare("READINESS_CHECK_PROTOCOL"),
        ],
        default: "http",
        help: "`http`: a healthy answer on the path; `tcp`: a connection is enough.",
        is_secret: false,
        set: |s, v| parse::protocol(v).map(|protocol| s.readiness.protocol = protocol),
    },
    Var {
        name: "READINESS_HEALTHY",
        aliases: &[
            alias("AWS_LWA_READINESS_CHECK_HEALTHY_STATUS"),
            Alias {
                name: "AWS_LWA_READINESS_CHECK_MIN_UNHEALTHY_STATUS",
                is_bare: false,
                set: Some(|s, v| parse::min_unhealthy_status(v).map(|set| set_healthy(s, set))),
            },
        ],
        default: "100-499",
        help: "Status codes and ranges that count as ready.",
        is_secret: false,
        set: |s, v| parse::statuses(v).map(|set| set_healthy(s, set)),
    },
    Var {
        name: "READINESS_TIMEOUT",
        aliases: &[Alias {
            name: "AWS_LWA_READINESS_CHECK_TIMEOUT_SECONDS",
            is_bare: false,
            set: Some(|s, v| {
                parse::seconds_or_unbounded(v).map(|timeout| s.readiness.timeout = timeout)
            }),
        }],
        default: "60s",
        help: "How long the app may take to become ready before its start counts as failed.",
        is_secret: false,
        set: |s, v| parse::duration(v).map(|timeout| s.readiness.timeout = timeout),
    },
    Var {
        name: "ASYNC_INIT",
        aliases: &[alias("AWS_LWA_ASYNC_INIT"), bare("ASYNC_INIT")],
        default: "auto",
        help: "Whether an app that is not ready 9 s after the start is waited for by the first invocation and no longer \
               by the init phase, which Lambda ends at 10 s: `true`, `false`, or `auto`: only where there is that limit, \
               so not under provisioned concurrency or SnapStart.",
        is_secret: false,
        set: |s, v| parse::async_init(v).map(|kind| s.async_init = kind),
    },
    Var {
        name: "RESTART_LIMIT",
        aliases: &[],
        default: "5",
        help: "How often in a row an app that ends or hangs is started again before the environment is given up. An \
               invocation that it serves begins the count anew.",
        is_secret: false,
        set: |s, v| parse::count(v).map(|count| s.restart_limit = count),
    },
    Var {
        name: "MAX_CONCURRENCY",
        aliases: &[alias("AWS_LAMBDA_MAX_CONCURRENCY")],
        default: "what Lambda says, else 1",
        help: "How many invocations the environment takes at once. Lambda sets it on Managed Instances.",
        is_secret: false,
        set: |s, v| parse::concurrency(v).map(|count| s.max_concurrency = Some(count)),
    },
    Var {
        name: "INVOKE_MODE",
        aliases: &[alias("AWS_LWA_INVOKE_MODE")],
        default: "auto; buffered where another variable of AWS Lambda Web Adapter is set and no mode is",
        help: "`auto` and `response_stream`: replies to a function URL are streamed, which its invoke mode must be \
               set for; `buffered`: they are sent whole.",
        is_secret: false,
        set: |s, v| parse::invoke_mode(v).map(|mode| s.invoke_mode = mode),
    },
    Var {
        name: "BASE_PATH",
        aliases: &[alias("AWS_LWA_REMOVE_BASE_PATH"), bare("REMOVE_BASE_PATH")],
        default: "none",
        help: "Path that is taken off every request's path, once and at the end of a segment. The app finds it in \
               `X-Forwarded-Prefix`.",
        is_secret: false,
        set: |s, v| parse::base_path(v).map(|path| s.base_path = path),
    },
    Var {
        name: "EVENTS_PATH",
        aliases: &[alias("AWS_LWA_PASS_THROUGH_PATH")],
        default: "/events",
        help: "Path to which events are POSTed that are no HTTP requests.",
        is_secret: false,
        set: |s, v| parse::plain_path(v).map(|path| s.events_path = path),
    },
    Var {
        name: "EVENTS_PATH_PRIVATE",
        aliases: &[],
        default: "false",
        help: "`true`: a request of a client to `EVENTS_PATH` or `WEBSOCKET_PATH` gets 403.",
        is_secret: false,
        set: |s, v| parse::boolean(v).map(|private| s.events_path_private = private),
    },
    Var {
        name: "EVENT_SECRET",
        aliases: &[],
        default: "made anew at each start",
        help: "Secret that events carry in `x-streamgate-event-secret`, so that an app can tell them from a client's \
               request. A launched app finds it in its environment under this name.",
        is_secret: true,
        set: |s, v| parse::secret(v).map(|secret| s.event_secret = Some(secret)),
    },
    Var {
        name: "WEBSOCKET_PATH",
        aliases: &[],
        default: "/websocket",
        help: "Path to which events of a WebSocket API are POSTed.",
        is_secret: false,
        set: |s, v| parse::plain_path(v).map(|path| s.websocket_path = path),
    },
    Var {
        name: "ERROR_STATUS_CODES",
        aliases: &[alias("AWS_LWA_ERROR_STATUS_CODES")],
        default: "none; 500-599 for events that are no HTTP requests",
        help: "Statuses of the app that fail the invocation.",
        is_secret: false,
        set: |s, v| parse::statuses(v).map(|set| s.error_statuses = Some(set)),
    },
    Var {
        name: "AUTHORIZATION_SOURCE",
        aliases: &[alias("AWS_LWA_AUTHORIZATION_SOURCE")],
        default: "none",
        help: "Header whose value becomes `Authorization`, where a front keeps that one for itself.",
        is_secret: false,
        set: |s, v| parse::header_name(v).map(|name| s.authorization_source = Some(name)),
    },
    Var {
        name: "HEADER_MAP",
        aliases: &[],
        default: "none",
        help: "Request headers to change: a list of `rename:from:to`, `copy:from:to` and `drop:name`.",
        is_secret: false,
        set: |s, v| parse::header_map(v).map(|rules| s.header_map = rules),
    },
    Var {
        name: "HOST_FROM",
        aliases: &[],
        default: "none",
        help: "Header whose value becomes `Host`, such as `x-forwarded-host`; only on requests that carry `ORIGIN_SECRET`.",
        is_secret: false,
        set: |s, v| parse::header_name(v).map(|name| s.host_from = Some(name)),
    },
    Var {
        name: "ORIGIN_SECRET",
        aliases: &[],
        default: "none",
        help: "`name:value` of a header that only your own proxy sends. It is taken off before the app.",
        is_secret: true,
        set: |s, v| parse::secret_header(v).map(|header| s.origin_secret = Some(header)),
    },
    Var {
        name: "REQUIRE_HEADER",
        aliases: &[],
        default: "none",
        help: "`name:value` of a header without which a request gets 403 and does not reach the app.",
        is_secret: true,
        set: |s, v| parse::secret_header(v).map(|header| s.require_header = Some(header)),
    },
    Var {
        name: "LOCATION_REPAIR",
        aliases: &[],
        default: "false",
        help: "`true`: a redirect to the app's own internal address is made relative.",
        is_secret: false,
        set: |s, v| parse::boolean(v).map(|repair| s.location_repair = repair),
    },
    Var {
        name: "EMPTY_BODY_PAD",
        aliases: &[],
        default: "false",
        help: "`true`: an empty streamed body gets one space where its status allows one; the last resort for accounts \
               on which it leaves the client waiting.",
        is_secret: false,
        set: |s, v| parse::boolean(v).map(|pad| s.empty_body_pad = pad),
    },
    Var {
        name: "COMPRESSION",
        aliases: &[alias("AWS_LWA_ENABLE_COMPRESSION")],
        default: "off",
        help: "`on`: text, JSON and the like are compressed with zstd, gzip or brotli for clients that ask for it; `sse`: \
               streams of server-sent events too.",
        is_secret: false,
        set: |s, v| parse::compression(v).map(|compression| s.compression = compression),
    },
    Var {
        name: "BACKGROUND_MAX",
        aliases: &[],
        default: "15m; the invocation's deadline bounds it in any case",
        help: "How long an app may go on behind its response, if it says so by `x-streamgate-background: SECONDS` or at \
               `STREAMGATE_CONTROL`.",
        is_secret: false,
        set: |s, v| parse::duration(v).map(|most| s.background_max = most),
    },
    Var {
        name: "CONTROL_PORT",
        aliases: &[],
        default: "launched app: any free port; attached app: none",
        help: "Port on loopback at which the adapter takes an app's word of background work. A launched app finds host \
               and port in `STREAMGATE_CONTROL`.",
        is_secret: false,
        set: |s, v| parse::port(v).map(|port| s.control_port = Some(port)),
    },
    Var {
        name: "SNAPSTART_BEFORE_PATH",
        aliases: &[alias("AWS_LWA_SNAPSTART_BEFORE_CHECKPOINT_PATH")],
        default: "none",
        help: "SnapStart: path that is POSTed to the app before the snapshot, with the secret of events. Any status but \
               2xx fails the init. A client's request to it gets 403.",
        is_secret: false,
        set: |s, v| parse::plain_path(v).map(|path| s.snapstart_before_path = Some(path)),
    },
    Var {
        name: "SNAPSTART_AFTER_PATH",
        aliases: &[alias("AWS_LWA_SNAPSTART_AFTER_RESTORE_PATH")],
        default: "none",
        help: "The same, after each restore. The app then has to be ready within 9 s.",
        is_secret: false,
        set: |s, v| parse::plain_path(v).map(|path| s.snapstart_after_path = Some(path)),
    },
    Var {
        name: "DEADLINE_MARGIN",
        aliases: &[],
        default: "500ms",
        help: "How long before Lambda's deadline the app's time is up: the client gets 504, or a stream its error trailers, \
               and the app's request is cancelled. At most a quarter of the time that Lambda gives. `off`: the \
               deadline is not looked at, and Lambda resets the environment.",
        is_secret: false,
        set: |s, v| parse::duration_or_off(v).map(|margin| s.deadline_margin = margin),
    },
    Var {
        name: "STREAM_IDLE_TIMEOUT",
        aliases: &[],
        default: "off",
        help: "How long nothing may come of a streamed response before it is ended as one that broke off. A client that \
               reads slowly does not count.",
        is_secret: false,
        set: |s, v| parse::time_limit(v).map(|limit| s.stream.idle_timeout = limit),
    },
    Var {
        name: "STREAM_MAX_DURATION",
        aliases: &[],
        default: "off",
        help: "How long a streamed response may take from its head on before it is ended as one that broke off.",
        is_secret: false,
        set: |s, v| parse::time_limit(v).map(|limit| s.stream.max_duration = limit),
    },
    Var {
        name: "STREAM_ERRORS",
        aliases: &[],
        default: "trailers",
        help: "How a streamed reply ends that breaks off. `trailers`: with Lambda's error trailers, which a function URL \
               hides, so that its client sees a complete response; `abort`: the connection to Lambda is cut, and the \
               client sees a broken transfer.",
        is_secret: false,
        set: |s, v| parse::stream_errors(v).map(|errors| s.stream.errors = errors),
    },
    Var {
        name: "SSE_KEEPALIVE",
        aliases: &[],
        default: "off",
        help: "How long a streamed `text/event-stream` that the app has not compressed may be quiet before it gets a comment, \
               which clients pass over. Only between two events, and none of it counts for the limits above.",
        is_secret: false,
        set: |s, v| parse::time_limit(v).map(|interval| s.stream.sse_keep_alive = interval),
    },
    Var {
        name: "RUNTIME_API_PROXY",
        aliases: &[alias("AWS_LWA_LAMBDA_RUNTIME_API_PROXY")],
        default: "none",
        help: "`host:port` of an extension that stands between the adapter and the Runtime API. Registration still \
               goes to Lambda itself.",
        is_secret: false,
        set: |s, v| parse::authority(v).map(|authority| s.runtime_api_proxy = Some(authority)),
    },
    Var {
        name: "SHUTDOWN_TIMEOUT",
        aliases: &[],
        default: "what Lambda grants: 1.9s, or 450ms where the adapter is an image's entry point",
        help: "How long the app may take to stop after SIGTERM before it gets SIGKILL.",
        is_secret: false,
        set: |s, v| parse::duration(v).map(|timeout| s.shutdown_timeout = Some(timeout)),
    },
    Var {
        name: "METRICS",
        aliases: &[],
        default: "off",
        help: "`emf`: for each invocation, start and restart a line of CloudWatch's embedded metric format on standard \
               output.",
        is_secret: false,
        set: |s, v| parse::metrics(v).map(|metrics| s.metrics = metrics),
    },
    Var {
        name: "LOG_LEVEL",
        aliases: &[alias("AWS_LAMBDA_LOG_LEVEL")],
        default: "info",
        help: "Least level of the adapter's own log lines: `trace`, `debug`, `info`, `warn`, `error` or `off`.",
        is_secret: false,
        set: |s, v| parse::log_level(v).map(|level| s.log.level = level),
    },
    Var {
        name: "LOG_FORMAT",
        aliases: &[alias("AWS_LAMBDA_LOG_FORMAT")],
        default: "text",
        help: "`text` or `json`.",
        is_secret: false,
        set: |s, v| parse::log_format(v).map(|format| s.log.format = format),
    },
];

fn set_healthy(settings: &mut Settings, healthy: StatusSet) {
    settings.readiness.healthy = healthy;
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;
    use crate::settings::PREFIX;

    const PAGE: &str = "docs/configuration.md";
    const BEGIN: &str = "<!-- settings: begin; `make docs` writes what follows -->\n";
    const END: &str = "<!-- settings: end -->\n";

    fn table() -> String {
        let mut table =
            "| Variable | Default | What it does | Also understood |\n|---|---|---|---|\n"
                .to_owned();
        for var in VARS {
            let aliases: Vec<_> = var
                .aliases
                .iter()
                .map(|alias| format!("`{}`", alias.name))
                .collect();
            let cells =
                [var.default, var.help, &aliases.join(", ")].map(|cell| cell.replace('|', "\\|"));
            writeln!(table, "| `{PREFIX}{}` | {} |", var.name, cells.join(" | ")).unwrap();
        }
        table
    }

    fn page() -> (std::path::PathBuf, String, String) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
        let page = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = page
            .split_once(BEGIN)
            .expect("the page marks where the table begins");
        let (_, after) = rest
            .split_once(END)
            .expect("the page marks where the table ends");
        let expected = format!("{before}{BEGIN}{}{END}{after}", table());
        (path, page, expected)
    }

    #[test]
    fn the_documentation_lists_every_setting() {
        let (_, page, expected) = page();
        assert!(
            page == expected,
            "{PAGE} is not what the table says: run `make docs`"
        );
    }

    #[test]
    #[ignore = "writes the documentation; run by `make docs`"]
    fn rewrite_the_documentation() {
        let (path, _, expected) = page();
        std::fs::write(path, expected).unwrap();
    }

    #[test]
    fn no_two_settings_share_a_name() {
        let mut names: Vec<_> = VARS
            .iter()
            .flat_map(|var| {
                std::iter::once(format!("{PREFIX}{}", var.name))
                    .chain(var.aliases.iter().map(|a| a.name.into()))
            })
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
