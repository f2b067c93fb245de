// SPDX-License-Identifier: Apache-2.0
//! A function that is set up as the documentation of AWS Lambda Web Adapter 1.x says, first with that adapter's layer
//! and then with ours: what the app gets and what the caller gets is the same.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use integration_tests::app::free_port;
use integration_tests::http::{self, Request, Response};
use integration_tests::process::{Mark, Program, copy_program};
use integration_tests::{adapter, binaries};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The layer's `bootstrap`, as the crate `lambda_web_adapter` 1.0.0-rc1 has it.
const BOOTSTRAP: &str = "#!/bin/bash\n\nexec -- \"${LAMBDA_TASK_ROOT}/${_HANDLER}\"\n";

/// An app that shows what it got, and is well on another port alone.
const APP: &str = r#"
const http = require("node:http");

const app = http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const asked = new URLSearchParams(request.url.split("?")[1]).get("status");
  const code = asked ?? (body.includes("refuse me") ? "503" : "200");
  response.writeHead(Number(code), { "content-type": "application/json", "x-app": "a, b", "set-cookie": ["a=1", "b=2"] });
  response.end(JSON.stringify({
    method: request.method,
    url: request.url,
    headers: request.headers,
    body: body.toString("base64"),
    // Enough for whoever compresses.
    padding: "word ".repeat(1000),
  }));
});
app.listen(Number(process.env.PORT));
process.on("SIGTERM", () => process.exit(0));

const checks = http.createServer((request, response) => {
  response.statusCode = request.url === "/health" ? 204 : 500;
  response.end();
});
checks.listen(Number(process.env.HEALTH_PORT));
"#;

/// Whose layer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    WebAdapter,
    Ours,
}

const LAYERS: [Layer; 2] = [Layer::WebAdapter, Layer::Ours];

/// A function in the making: all but the layer.
struct Function {
    package: TempDir,
    variables: Vec<(&'static str, String)>,
    options: Vec<String>,
}

impl Function {
    fn new(variables: &[(&'static str, &str)], options: &[&str]) -> Self {
        let package = tempfile::tempdir().unwrap();
        fs::write(package.path().join("app.js"), APP).unwrap();
        let script = package.path().join("run.sh");
        fs::write(&script, "#!/bin/bash\n\nexec node app.js\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let variables = variables
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        Self {
            package,
            variables: variables.collect(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
        }
    }

    fn command(&self, layer: Layer, opt: &Path) -> Command {
        crate::take_your_time();
        match layer {
            Layer::Ours => drop(adapter::install(opt)),
            Layer::WebAdapter => {
                fs::create_dir(opt.join("extensions")).unwrap();
                let program = binaries::web_adapter(env!("CARGO_TARGET_TMPDIR"));
                copy_program(&program, &opt.join("extensions/lambda-adapter"));
                fs::write(opt.join("bootstrap"), BOOTSTRAP).unwrap();
                fs::set_permissions(opt.join("bootstrap"), fs::Permissions::from_mode(0o755))
                    .unwrap();
            }
        }
        let (port, health) = (free_port().to_string(), free_port().to_string());
        let mut command = Command::new(binaries::streamgate_local());
        command
            .args(&self.options)
            .arg("--zip")
            .arg(self.package.path());
        command.args(["--handler", "run.sh"]).arg("--opt").arg(opt);
        // The ports are those of one environment: in a second one the app would find them taken.
        command.args(["--max-environments", "1", "--at-limit", "wait"]);
        for (name, value) in &self.variables {
            let value = value.replace("{port}", &port).replace("{health}", &health);
            command.arg("--env").arg(format!("{name}={value}"));
        }
        command.arg("--env").arg(format!("HEALTH_PORT={health}"));
        command
    }

    fn start(&self, layer: Layer) -> Running {
        let opt = tempfile::tempdir().unwrap();
        let mut command = self.command(layer, opt.path());
        command.args(["--port", "0"]);
        let program = Program::start(command, &Mark::unique()).keeping([opt]);
        let line = program.stdout_line("http://");
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split('/').next());
        let address = address.unwrap().parse().unwrap();
        Running { program, address }
    }

    /// Sends one event: the result, and whether the invocation was a success.
    fn invoke(&self, layer: Layer, event: &Value) -> (String, bool) {
        let opt = tempfile::tempdir().unwrap();
        let file = opt.path().join("event.json");
        fs::write(&file, event.to_string()).unwrap();
        let mut command = self.command(layer, opt.path());
        command.arg("--event").arg(&file);
        let mut program = Program::start(command, &Mark::unique()).keeping([opt]);
        let status = program.finish();
        // That adapter's log is on standard output too.
        let result = program.stdout().pop().unwrap_or_default();
        (result, status.success())
    }
}

struct Running {
    program: Program,
    address: SocketAddr,
}

/// All that its documentation has, but for those of SnapStart.
const DOCUMENTED: &[(&str, &str)] = &[
    ("PORT", "{port}"),
    ("AWS_LWA_PORT", "{port}"),
    ("AWS_LWA_HOST", "127.0.0.1"),
    ("AWS_LWA_READINESS_CHECK_PORT", "{health}"),
    ("AWS_LWA_READINESS_CHECK_PATH", "/health"),
    ("AWS_LWA_READINESS_CHECK_PROTOCOL", "http"),
    ("AWS_LWA_READINESS_CHECK_HEALTHY_STATUS", "200-399"),
    ("AWS_LWA_READINESS_CHECK_MIN_UNHEALTHY_STATUS", "400"),
    ("AWS_LWA_ASYNC_INIT", "true"),
    ("AWS_LWA_REMOVE_BASE_PATH", "/orders"),
    ("AWS_LWA_PASS_THROUGH_PATH", "/incoming"),
    ("AWS_LWA_AUTHORIZATION_SOURCE", "x-app-authorization"),
    ("AWS_LWA_ERROR_STATUS_CODES", "500,502-504"),
];

/// The names that it had before, which are documented as deprecated.
const DEPRECATED: &[(&str, &str)] = &[
    ("PORT", "{port}"),
    ("HOST", "127.0.0.1"),
    ("READINESS_CHECK_PORT", "{health}"),
    ("READINESS_CHECK_PATH", "/health"),
    ("READINESS_CHECK_PROTOCOL", "http"),
    ("REMOVE_BASE_PATH", "/orders"),
    ("ASYNC_INIT", "true"),
];

fn requests() -> Vec<Request> {
    let text = "text/plain; charset=utf-8";
    vec![
        Request::get("/orders/7?a=1&a=2&b=%20x"),
        Request::get("/elsewhere"),
        Request::get("/orders/7")
            .header("x-app-authorization", "Bearer of-the-app")
            .header("cookie", "c=3; d=4")
            .header("accept-language", "de")
            .header("x-amzn-request-context", "forged"),
        Request::post("/orders", text, "größer als ASCII"),
        Request::post(
            "/orders",
            "application/octet-stream",
            [0, 255, 128, 195, 40],
        ),
        Request::new("DELETE", "/orders/7?status=204"),
        Request::get("/orders/7?status=404"),
        Request::get("/orders/7?status=503"),
    ]
}

/// Headers with JSON, whose values differ from one invocation to the next.
const CONTEXTS: [&str; 2] = ["x-amzn-request-context", "x-amzn-lambda-context"];

/// What is compared of a response.
#[derive(Debug, PartialEq)]
struct Seen {
    status: u16,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Seen {
    fn new(response: &Response) -> Self {
        let of_interest = ["content-type", "x-app", "set-cookie"];
        let mut headers: Vec<(String, String)> = response
            .head
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
            .filter(|(name, _)| of_interest.contains(&name.as_str()))
            .collect();
        headers.sort();
        let text = response.text();
        let body = serde_json::from_str(&text).map_or(Value::String(text), in_common);
        Self {
            status: response.status(),
            headers,
            body,
        }
    }

    /// Without the members of contexts that the other one does not have.
    fn without_additions_to(mut self, other: &Self) -> Self {
        for name in CONTEXTS {
            let theirs = other.body["headers"][name].as_array();
            let ours = self.body.pointer_mut(&format!("/headers/{name}"));
            if let (Some(theirs), Some(ours)) = (theirs, ours.and_then(Value::as_array_mut)) {
                ours.retain(|member| theirs.contains(member));
            }
        }
        self
    }
}

/// What an app saw of a request, without what differs from one invocation to the next and what Streamgate adds.
fn in_common(mut seen: Value) -> Value {
    seen["padding"].take();
    // Where a front end has decoded the query, that adapter writes a blank in the other way, and names in any order.
    if let Some((path, query)) = seen["url"].as_str().and_then(|url| url.split_once('?')) {
        let query = query.replace('+', "%20");
        let mut parameters: Vec<&str> = query.split('&').collect();
        parameters.sort_by_key(|parameter| parameter.split('=').next());
        seen["url"] = json!([path, parameters]);
    }
    if let Some(headers) = seen.get_mut("headers").and_then(Value::as_object_mut) {
        headers.retain(|name, _| !name.starts_with("x-streamgate-"));
        // RFC 6265 wants the space, which that adapter leaves out.
        if let Some(cookies) = headers.get("cookie").and_then(Value::as_str) {
            let cookies = cookies.replace("; ", ";");
            headers.insert("cookie".to_owned(), json!(cookies));
        }
        // A GET without a body has none; that adapter sends `content-length: 0`.
        if headers.get("content-length") == Some(&json!("0")) {
            headers.remove("content-length");
        }
        for name in [
            "traceparent",
            "x-forwarded-prefix",
            "host",
            "x-amzn-trace-id",
        ] {
            headers.remove(name);
        }
        for name in CONTEXTS {
            let context = headers.get(name).and_then(Value::as_str);
            let members =
                context.and_then(|text| serde_json::from_str::<BTreeMap<String, Value>>(text).ok());
            let names: Vec<String> = members
                .into_iter()
                .flatten()
                .map(|(name, _)| name)
                .collect();
            headers.insert(name.to_owned(), json!(names));
        }
    }
    seen
}

fn compare(function: &Function) {
    let [theirs, ours] = LAYERS.map(|layer| {
        let running = function.start(layer);
        let responses = requests().into_iter().map(|request| {
            let response = http::exchange(running.address, &request);
            (format!("{request:?}"), Seen::new(&response))
        });
        let responses = responses.collect::<Vec<_>>();
        (responses, running.program.transcript())
    });
    let [(theirs, _), (ours, log)] = [theirs, ours];
    let differences: Vec<String> = theirs
        .into_iter()
        .zip(ours)
        .map(|((request, theirs), (_, ours))| (request, ours.without_additions_to(&theirs), theirs))
        .filter(|(_, ours, theirs)| ours != theirs)
        .map(|(request, ours, theirs)| format!("{request}\ntheirs: {theirs:?}\nours:   {ours:?}"))
        .collect();
    assert!(
        differences.is_empty(),
        "{:?}:\n{}\n{log}",
        function.options,
        differences.join("\n")
    );
}

#[test]
fn a_function_of_web_adapter_answers_the_same_with_the_layer_swapped() {
    let mode = |mode| [DOCUMENTED, &[("AWS_LWA_INVOKE_MODE", mode)]].concat();
    for (variables, options) in [
        // Buffered is the default there.
        (DOCUMENTED.to_vec(), &["--invoke-mode", "BUFFERED"][..]),
        (mode("buffered"), &["--invoke-mode", "BUFFERED"]),
        (mode("response_stream"), &[]),
        (mode("response_stream"), &["--front", "rest-stream"]),
        (DOCUMENTED.to_vec(), &["--front", "http-api"]),
        (DOCUMENTED.to_vec(), &["--front", "rest"]),
        (DOCUMENTED.to_vec(), &["--front", "alb-multi"]),
        (DEPRECATED.to_vec(), &["--invoke-mode", "BUFFERED"]),
    ] {
        compare(&Function::new(&variables, options));
    }
}

#[test]
fn an_event_for_a_function_of_web_adapter_has_the_same_result_with_the_layer_swapped() {
    let event =
        json!({ "Records": [{ "eventSource": "aws:sqs", "messageId": "1", "body": "größer" }] });
    let function = Function::new(DOCUMENTED, &["--invoke-mode", "BUFFERED"]);
    let [theirs, ours] = LAYERS.map(|layer| {
        let (result, is_success) = function.invoke(layer, &event);
        assert!(is_success, "{layer:?}: {result}");
        in_common(serde_json::from_str(&result).unwrap_or_else(|error| panic!("{result}: {error}")))
    });
    assert_eq!(theirs["url"], "/incoming");
    let of = |seen: &Value| [&seen["method"], &seen["url"], &seen["body"]].map(Value::clone);
    assert_eq!(of(&ours), of(&theirs));

    // A status that fails the invocation, so that Lambda tries again.
    let refused =
        json!({ "Records": [{ "eventSource": "aws:sqs", "messageId": "1", "body": "refuse me" }] });
    for layer in LAYERS {
        let (result, is_success) = function.invoke(layer, &refused);
        assert!(!is_success, "{layer:?}: {result}");
    }
}

#[test]
fn a_function_of_web_adapter_that_compresses_does_so_with_the_layer_swapped() {
    let variables = [DOCUMENTED, &[("AWS_LWA_ENABLE_COMPRESSION", "true")]].concat();
    let function = Function::new(&variables, &["--invoke-mode", "BUFFERED"]);
    let request = Request::get("/orders/7").header("accept-encoding", "gzip");
    for layer in LAYERS {
        let running = function.start(layer);
        let response = http::exchange(running.address, &request);
        assert_eq!(
            response.head.header("content-encoding"),
            Some("gzip"),
            "{layer:?}"
        );
        let text = integration_tests::coding::decoded("gzip", &response.body());
        let body: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(body["url"], "/7");
    }
}

#[test]
fn a_function_of_web_adapter_with_a_proxy_keeps_it_with_the_layer_swapped() {
    for layer in LAYERS {
        let api = free_port();
        let proxy = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = proxy.local_addr().unwrap().to_string();
        let connections = forward(proxy, SocketAddr::from(([127, 0, 0, 1], api)));
        let proxied = ("AWS_LWA_LAMBDA_RUNTIME_API_PROXY", address.as_str());
        let api = api.to_string();
        let mut function = Function::new(
            &[DOCUMENTED, &[proxied]].concat(),
            &["--invoke-mode", "BUFFERED"],
        );
        function
            .options
            .extend(["--runtime-api-port".to_owned(), api]);
        let running = function.start(layer);
        let response = http::get(running.address, "/orders/7");
        assert_eq!(response.status(), 200, "{layer:?}");
        assert!(
            connections.load(Ordering::SeqCst) > 0,
            "{layer:?} went past its proxy"
        );
    }
}

/// Hands on whatever comes, both ways, and counts the connections.
fn forward(listener: TcpListener, to: SocketAddr) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(to) else {
                continue;
            };
            counter.fetch_add(1, Ordering::SeqCst);
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    count
}
