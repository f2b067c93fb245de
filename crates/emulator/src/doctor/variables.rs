// SPDX-License-Identifier: Apache-2.0
//! The function's variables: what Lambda refuses, ports that are taken, settings that contradict each other.
//!
//! Names and values of settings are the adapter's to judge, see `settings`; the names here are data, and a test asks the
//! adapter whether it knows each of them.

use super::finding::{Finding, listed, shown};
use super::function::Function;
use super::package::{Content, Kind};
use super::platform::Language;

/// (source: AWS page "Working with Lambda environment variables")
const RESERVED: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];
/// (source: the same)
const MOST_BYTES: usize = 4 * 1024;
/// In the order in which they count.
const PORTS: [&str; 3] = ["STREAMGATE_PORT", "AWS_LWA_PORT", "PORT"];
const OTHER_PORTS: [&str; 3] = [
    "STREAMGATE_READINESS_PORT",
    "AWS_LWA_READINESS_CHECK_PORT",
    "STREAMGATE_CONTROL_PORT",
];
/// What a launched app without a port of its own finds in `PORT`, if it is free.
const USUAL_PORT: u16 = 8080;
/// Of no effect where replies are sent whole.
const OF_STREAMS: [&str; 4] = [
    "STREAMGATE_STREAM_IDLE_TIMEOUT",
    "STREAMGATE_STREAM_MAX_DURATION",
    "STREAMGATE_STREAM_ERRORS",
    "STREAMGATE_SSE_KEEPALIVE",
];

/// Says what is wrong with the variables.
pub(super) fn check(function: &Function) -> Vec<Finding> {
    let Some(variables) = &function.variables else {
        return vec![
            Finding::note("no-variables", "--env")
                .what("not looked at: the function's variables, and with them the settings")
                .why("they are settings of the function and not in its package")
                .mend("give them: --env NAME=VALUE, or --env-file FILE with a line for each"),
        ];
    };
    let mut findings = Vec::new();
    for name in variables.keys() {
        findings.extend(check_name(name));
    }
    let bytes: usize = variables
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if bytes > MOST_BYTES {
        findings.push(
            Finding::error("variables-size", "--env")
                .what(format!(
                    "the variables have {bytes} bytes, names and values together"
                ))
                .why("Lambda takes at most 4 KB of variables")
                .mend("put long values into a file of the package, or into a parameter store"),
        );
    }
    findings.extend(check_ports(function));
    findings.extend(check_contradictions(function));
    findings
}

fn check_name(name: &str) -> Option<Finding> {
    if RESERVED.contains(&name) {
        return Some(
            Finding::error("variable-reserved", name)
                .what(format!("{name} cannot be set"))
                .why("Lambda sets it, and refuses a function that does")
                .mend("leave it out"),
        );
    }
    let mut letters = name.chars();
    let is_valid = letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && name.len() > 1
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
    (!is_valid).then(|| {
        Finding::error("variable-name", shown(name))
            .what(format!("{} is no name of a variable", shown(name)))
            .why("Lambda takes names of a letter first and then letters, digits and underscores, two of them at least")
            .mend("give it another name")
    })
}

/// What stands in a variable, if it is a port; what is none is for the adapter to refuse.
fn port(function: &Function, name: &str) -> Option<u16> {
    function.variable(name)?.parse().ok()
}

fn check_ports(function: &Function) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in PORTS.iter().chain(&OTHER_PORTS) {
        let Some(port) = port(function, name) else {
            continue;
        };
        let found = match port {
            9001 => Finding::error("port-taken", *name)
                .what(format!("{name} is 9001"))
                .why("the Runtime API of Lambda listens there"),
            3000 => Finding::note("port-taken", *name)
                .what(format!("{name} is 3000"))
                .why("the extension of CloudWatch Lambda Insights listens there, if the function has it"),
            1..1024 => Finding::error("port-privileged", *name)
                .what(format!("{name} is {port}"))
                .why("the app does not run as root on Lambda and cannot listen below 1024"),
            _ => continue,
        };
        findings.push(found.mend(format!(
            "let the app listen on {USUAL_PORT}, or leave {name} out and let it read PORT"
        )));
    }
    findings.extend(check_visible_port(function));
    findings
}

/// A port that stands in the sources at the root, where another one is waited at.
fn check_visible_port(function: &Function) -> Option<Finding> {
    let package = function.package.as_ref()?;
    let expected = PORTS
        .iter()
        .find_map(|name| port(function, name))
        .unwrap_or(USUAL_PORT);
    let mut seen = Vec::new();
    for (path, entry) in &package.entries {
        let Kind::File(Content::Other(text)) = &entry.kind else {
            continue;
        };
        if path.contains('/') {
            continue;
        }
        let text = String::from_utf8_lossy(text);
        if text.contains("PORT") {
            // It reads its port, or at least may.
            return None;
        }
        seen.extend(visible_ports(&text).into_iter().map(|port| (path, port)));
    }
    if seen.is_empty() || seen.iter().any(|(_, port)| *port == expected) {
        return None;
    }
    let (path, port) = seen[0];
    Some(
        Finding::note("port-visible", package.place(path))
            .what(format!(
                "it seems to listen on {port}, the adapter looks at {expected}"
            ))
            .why("an app that is not found on its port never becomes ready")
            .mend(format!("STREAMGATE_PORT={port}, or let the app read PORT")),
    )
}

/// Numbers behind what servers are told their port with.
fn visible_ports(text: &str) -> Vec<u16> {
    const BEFORE: [&str; 7] = [
        ".listen(", "port=", "port: ", "--port ", "--port=", "-p ", "port = ",
    ];
    let mut ports = Vec::new();
    for before in BEFORE {
        for (at, _) in text.match_indices(before) {
            let digits: String = text[at + before.len()..]
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            ports.extend(digits.parse::<u16>().ok().filter(|port| *port >= 80));
        }
    }
    ports
}

fn check_contradictions(function: &Function) -> Vec<Finding> {
    let mut findings = Vec::new();
    let set = |names: &[&str]| -> Vec<String> {
        let set = names
            .iter()
            .filter(|name| function.variable(name).is_some());
        set.map(|name| (*name).to_owned()).collect()
    };
    let is = |names: [&str; 2], value: &str| {
        let first = names.iter().find_map(|name| function.variable(name));
        first.is_some_and(|first| first.eq_ignore_ascii_case(value))
    };
    let contradiction = |place: &str| Finding::warning("settings-contradict", place);
    let of_streams = set(&OF_STREAMS);
    if is(
        ["STREAMGATE_INVOKE_MODE", "AWS_LWA_INVOKE_MODE"],
        "buffered",
    ) && !of_streams.is_empty()
    {
        findings.push(
            contradiction(&of_streams[0])
                .what(format!("{} of no effect: the invoke mode is buffered", listed(&of_streams)))
                .why("they are about replies that are streamed, and a buffered one is sent whole")
                .mend("stream (STREAMGATE_INVOKE_MODE=response_stream, and the URL's invoke mode too), or leave them out"),
        );
    }
    let of_http = set(&[
        "STREAMGATE_READINESS_PATH",
        "STREAMGATE_READINESS_HEALTHY",
        "AWS_LWA_READINESS_CHECK_PATH",
        "AWS_LWA_READINESS_CHECK_HEALTHY_STATUS",
    ]);
    if is(
        [
            "STREAMGATE_READINESS_PROTOCOL",
            "AWS_LWA_READINESS_CHECK_PROTOCOL",
        ],
        "tcp",
    ) && !of_http.is_empty()
    {
        findings.push(
            contradiction(&of_http[0])
                .what(format!(
                    "{} of no effect: readiness is checked by tcp",
                    listed(&of_http)
                ))
                .why("a connection is enough then, and nothing is fetched")
                .mend("STREAMGATE_READINESS_PROTOCOL=http, or leave them out"),
        );
    }
    let app = PORTS.iter().find_map(|name| port(function, name));
    if app.is_some() && app == port(function, "STREAMGATE_CONTROL_PORT") {
        findings.push(
            Finding::error("settings-contradict", "STREAMGATE_CONTROL_PORT")
                .what("the app and the adapter's own address have the same port")
                .why("only one of them can listen there")
                .mend("leave STREAMGATE_CONTROL_PORT out: the app finds the address in STREAMGATE_CONTROL"),
        );
    }
    if function.variable("STREAMGATE_WRAPPER_NEXT") == Some(super::function::WRAPPER) {
        findings.push(
            Finding::error("settings-contradict", "STREAMGATE_WRAPPER_NEXT")
                .what("STREAMGATE_WRAPPER_NEXT is the layer's own bootstrap")
                .why("the app would be started behind the adapter's stub, which waits for the adapter again")
                .mend("name the other wrapper there, and the layer's in AWS_LAMBDA_EXEC_WRAPPER"),
        );
    }
    let hooks = set(&[
        "STREAMGATE_SNAPSTART_BEFORE_PATH",
        "STREAMGATE_SNAPSTART_AFTER_PATH",
    ]);
    let has_snapstart = function.runtime.as_ref().is_none_or(|runtime| {
        matches!(
            runtime.language,
            Some(Language::Java | Language::Python | Language::Dotnet)
        )
    });
    if !hooks.is_empty() && !has_snapstart {
        findings.push(
            contradiction(&hooks[0])
                .what(format!(
                    "{} of no effect: this runtime has no SnapStart",
                    listed(&hooks)
                ))
                .why("SnapStart is for Java, Python and .NET runtimes")
                .mend("leave them out, or take another runtime"),
        );
    }
    findings
}
