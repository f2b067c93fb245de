// SPDX-License-Identifier: Apache-2.0
//! What is told of an invocation: log lines with its request id, and metrics where they are asked for.

use std::time::{Duration, SystemTime};

use integration_tests::adapter::Adapter;
use integration_tests::app::App;
use integration_tests::event::Event;
use integration_tests::fake_lambda::{FakeLambda, Fault};
use integration_tests::gate::Gate;
use integration_tests::process::Program;
use serde_json::Value;

fn started(variables: &[(&str, &str)]) -> (FakeLambda, App, Program) {
    started_with(App::start(&[]), variables)
}

fn started_with(app: App, variables: &[(&str, &str)]) -> (FakeLambda, App, Program) {
    let lambda = FakeLambda::bind();
    let adapter = Adapter::extension(&lambda, app.address());
    let adapter = variables
        .iter()
        .fold(adapter, |adapter, (name, value)| adapter.env(name, value));
    let adapter = adapter.start();
    lambda.wait_for_poll();
    (lambda, app, adapter)
}

#[test]
fn every_line_of_an_invocation_names_its_request_id() {
    for format in ["text", "json"] {
        let level = ("STREAMGATE_LOG_LEVEL", "debug");
        let (lambda, _app, adapter) = started(&[level, ("STREAMGATE_LOG_FORMAT", format)]);
        let served = lambda.queue(Event::get("/bytes?n=3"));
        let failed = lambda.queue(Event::get("/garbage"));
        let refused = lambda.queue(Event::raw("no JSON"));
        let _ = lambda.reply(&refused);
        for (id, text) in [
            (&served, "response body ended"),
            (&served, "invocation ended"),
            (&failed, "GET /garbage"),
            (&refused, "invocation failed"),
        ] {
            let _ = adapter.stderr_line(text);
            let lines = adapter.stderr();
            let line = lines
                .iter()
                .find(|line| line.contains(text) && line.contains(id.as_str()));
            let line = line.unwrap_or_else(|| panic!("{format}: {text} of {id}: {lines:#?}"));
            if format == "json" {
                let line: Value = serde_json::from_str(line).unwrap();
                assert_eq!(line["requestId"], **id, "{line}");
            }
        }
    }
}

#[test]
fn a_line_outside_an_invocation_names_none() {
    let (lambda, _app, mut adapter) = started(&[("STREAMGATE_LOG_FORMAT", "json")]);
    lambda.invoke(Event::get("/"));
    lambda.shut_down("spindown");
    let _ = adapter.finish();
    let line = adapter.stderr_line("environment ends");
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line.get("requestId"), None, "{line}");
}

/// The metrics among a program's lines, as `CloudWatch` finds them: lines that are JSON and have `_aws`.
fn metrics(program: &Program) -> Vec<Value> {
    let lines = program.stdout();
    let lines = lines.iter().filter_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        line.get("_aws")?;
        Some(line)
    });
    lines.inspect(is_well_formed).collect()
}

/// AWS, "Specification: Embedded metric format": what is declared has to stand in the line.
fn is_well_formed(line: &Value) {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let timestamp = line["_aws"]["Timestamp"].as_u64().unwrap();
    let age = u64::try_from(now.as_millis()).unwrap() - timestamp;
    assert!(age < 600_000, "{line}");
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
        assert_eq!(directive["Namespace"], "Streamgate");
        for set in directive["Dimensions"].as_array().unwrap() {
            for dimension in set.as_array().unwrap() {
                assert!(line[dimension.as_str().unwrap()].is_string(), "{line}");
            }
        }
        for metric in directive["Metrics"].as_array().unwrap() {
            assert!(
                line[metric["Name"].as_str().unwrap()].is_number(),
                "{metric} of {line}"
            );
        }
    }
}

#[test]
fn metrics_tell_of_each_invocation() {
    let gate = Gate::bind();
    let app = App::start(&[gate.variable()]);
    let variables = [
        ("STREAMGATE_METRICS", "emf"),
        ("AWS_LAMBDA_FUNCTION_NAME", "a-function"),
        ("STREAMGATE_DEADLINE_MARGIN", "100ms"),
    ];
    let (lambda, _app, mut adapter) = started_with(app, &variables);
    let hung = Event::get("/gated").deadline_in(Duration::from_millis(400));
    let cases = [
        (Event::get("/bytes?n=1234"), "Replied"),
        (Event::get("/garbage"), "Failed"),
        (Event::get("/cut"), "BrokenOff"),
        (Event::raw("no JSON"), "Refused"),
        (hung, "TimedOut"),
    ];
    let mut expected = Vec::new();
    for (event, outcome) in cases {
        let id = lambda.queue(event);
        let _ = lambda.reply(&id);
        expected.push((id, outcome));
    }
    let large = Event::get("/bytes?n=3000000");
    expected.push((lambda.queue_with_fault(large, Fault::ResetAfter(0)), "Lost"));
    let last = lambda.queue(Event::get("/bytes?n=1234"));
    let _ = lambda.reply(&last);
    expected.push((last, "Replied"));
    lambda.shut_down("spindown");
    let _ = adapter.finish();
    let all = metrics(&adapter);
    assert!(all[0]["ReadyTime"].as_f64().unwrap() > 0.0, "{}", all[0]);
    assert_eq!(all.len(), 1 + expected.len(), "{all:#?}");
    for (line, (id, outcome)) in all[1..].iter().zip(expected) {
        assert_eq!(line["Outcome"], outcome, "{line}");
        assert_eq!(line["requestId"], id, "{line}");
        assert_eq!(
            (&line["FunctionName"], &line["Invocations"]),
            (&"a-function".into(), &1.into())
        );
        let duration = line["Duration"].as_f64().unwrap();
        if let Some(first) = line["TimeToFirstByte"].as_f64() {
            assert!(0.0 < first && first <= duration, "{line}");
        }
        match outcome {
            "Replied" => assert_eq!(line["ReplyBytes"], 1234, "{line}"),
            "Refused" => assert_eq!(line.get("ReplyBytes"), None, "{line}"),
            _ => {}
        }
    }
}

#[test]
fn metrics_tell_of_a_restart() {
    let lambda = FakeLambda::bind();
    let adapter = Adapter::entrypoint(&lambda).env("STREAMGATE_METRICS", "emf");
    let mut adapter = adapter.start();
    lambda.invoke(Event::get("/exit?code=3"));
    lambda.invoke(Event::get("/"));
    lambda.shut_down("spindown");
    let _ = adapter.finish();
    let restarts = metrics(&adapter);
    let restarts = restarts
        .iter()
        .filter_map(|line| line["AppRestarts"].as_u64());
    assert_eq!(restarts.sum::<u64>(), 1);
}

#[test]
fn without_the_setting_there_are_no_metrics() {
    let (lambda, _app, mut adapter) = started(&[]);
    lambda.invoke(Event::get("/"));
    lambda.shut_down("spindown");
    let _ = adapter.finish();
    assert_eq!(adapter.stdout(), Vec::<String>::new());
}
