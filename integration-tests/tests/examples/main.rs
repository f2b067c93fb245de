// SPDX-License-Identifier: Apache-2.0
//! Every example, with its real runtime and framework, behind the adapter on a function URL.
//!
//! What must come of each is in its `example.toml`; a new folder of `examples/` is walked without a line here.

mod papers;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use integration_tests::examples::{self, Example, Probe, Running, Shape, Streams};
use integration_tests::http::{self, Client, Next, Request};
use integration_tests::waiting;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Arrivals closer than this are one arrival. Far below the pace of the examples, 60 ms and more, and far above the time
/// between two chunks that came in one read.
const APART: Duration = Duration::from_millis(15);

/// How often a stream may be asked for until one comes in pieces: a machine that is busy for a moment lets an app stall,
/// and what it then sends comes together. What is buffered never comes in pieces.
const STREAM_TRIES: usize = 10;

/// How long an answer may take to begin: with a start of Java on a busy machine. Longer than the function's timeout.
const ANSWER_LIMIT: Duration = Duration::from_secs(90);

/// How many examples run at the same time in each shape: most of it is waiting for paced words, but each begins with a start
/// that takes a core.
const AT_A_TIME: usize = 2;

#[test]
fn every_example_does_its_part_as_an_image() {
    expect_success(&walk(&light(), &[Shape::Image]));
}

#[test]
fn every_example_does_its_part_as_a_zip() {
    expect_success(&walk(&light(), &[Shape::Zip]));
}

/// `make examples`: those that are too heavy for every run among them, or the one that `EXAMPLE` names.
#[test]
#[ignore = "heavy ones take minutes to build: make examples"]
fn every_example_even_the_heavy_ones_does_its_part_in_both_shapes() {
    waiting::without_watchdog();
    let mut examples = examples::all();
    if let Some(name) = env::var("EXAMPLE").ok().filter(|name| !name.is_empty()) {
        examples.retain(|example| example.name == name);
        assert!(!examples.is_empty(), "EXAMPLE={name}: no such example");
    }
    let outcomes = walk(&examples, &[Shape::Image, Shape::Zip]);
    print_table(&outcomes);
    expect_success(&outcomes);
}

fn light() -> Vec<Example> {
    let mut examples = examples::all();
    examples.retain(|example| !example.plan.heavy);
    examples
}

/// What came of an example in a shape.
struct Outcome {
    example: String,
    shape: &'static str,
    /// How many probes went well.
    passed: usize,
    probes: usize,
    /// From the start of the local Lambda to the head of the first answer.
    started_in: Option<Duration>,
    /// From a streamed request to the first byte of its body, of the quickest.
    first_byte_in: Option<Duration>,
    failures: Vec<String>,
}

fn walk(examples: &[Example], shapes: &[Shape]) -> Vec<Outcome> {
    assert!(!examples.is_empty());
    let next = Mutex::new(examples.iter());
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(example) = take(&next) {
                    let found = visit_all(example, shapes);
                    outcomes.lock().expect("no thread panics").extend(found);
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().expect("no thread panics");
    outcomes.sort_by(|a, b| (&a.example, a.shape).cmp(&(&b.example, b.shape)));
    outcomes
}

fn take<T>(items: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    items.lock().expect("no iterator panics").next()
}

fn visit_all(example: &Example, shapes: &[Shape]) -> Vec<Outcome> {
    let visits = shapes.iter().map(|&shape| {
        // In a thread of its own, so that one that panics ends no other.
        let visit = thread::scope(|scope| scope.spawn(|| visit(example, shape)).join());
        visit.unwrap_or_else(|_| Outcome {
            failures: vec![format!("{}: did not start, see above", example.name)],
            ..Outcome::before(example, shape)
        })
    });
    visits.collect()
}

fn visit(example: &Example, shape: Shape) -> Outcome {
    let package = example.package(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let mut outcome = Outcome::before(example, shape);
    let probes = &example.plan.probes;
    let (events, requests): (Vec<_>, Vec<_>) =
        probes.iter().partition(|probe| probe.event.is_some());
    for probe in events {
        outcome.note(check_event(example, shape, &package, probe));
    }
    let started_at = Instant::now();
    let running = example.start(shape, &package);
    for probe in requests {
        if probe.client.is_some() {
            outcome.note(check_client(example, &package, &running, probe));
            continue;
        }
        let checked = check(&running, probe, &package).map(|answer| {
            outcome
                .started_in
                .get_or_insert(answer.head_at - started_at);
            if probe.streams.is_some() {
                let earlier = outcome.first_byte_in.into_iter();
                outcome.first_byte_in = earlier.chain(answer.first_byte_in).min();
            }
        });
        let (method, path) = (&probe.method, &probe.path);
        outcome.note(checked.map_err(|failure| format!("{method} {path}: {failure}")));
    }
    if !outcome.failures.is_empty() {
        eprintln!("{}: {}", example.name, running.program.transcript());
    }
    running.stop();
    outcome
}

impl Outcome {
    fn before(example: &Example, shape: Shape) -> Self {
        Self {
            example: example.name.clone(),
            shape: shape.name(),
            passed: 0,
            probes: example.plan.probes.len(),
            started_in: None,
            first_byte_in: None,
            failures: Vec::new(),
        }
    }

    fn note(&mut self, checked: Result<(), String>) {
        match checked {
            Ok(()) => self.passed += 1,
            Err(failure) => self.failures.push(format!("{}: {failure}", self.example)),
        }
    }
}

fn expect_success(outcomes: &[Outcome]) {
    let failures: Vec<&str> = outcomes
        .iter()
        .flat_map(|outcome| &outcome.failures)
        .map(String::as_str)
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn print_table(outcomes: &[Outcome]) {
    let milliseconds = |time: Option<Duration>| {
        time.map_or("-".to_owned(), |time| format!("{} ms", time.as_millis()))
    };
    println!(
        "\n| Example | Shape | Probes | Start to first answer | First byte of a stream | Result |"
    );
    println!("|---|---|--:|--:|--:|---|");
    for outcome in outcomes {
        println!(
            "| {} | {} | {}/{} | {} | {} | {} |",
            outcome.example,
            outcome.shape,
            outcome.passed,
            outcome.probes,
            milliseconds(outcome.started_in),
            milliseconds(outcome.first_byte_in),
            if outcome.failures.is_empty() {
                "passed"
            } else {
                "FAILED"
            }
        );
    }
    let names: BTreeSet<&str> = outcomes.iter().map(|o| o.example.as_str()).collect();
    println!("\n{} examples, {} runs\n", names.len(), outcomes.len());
}

/// When the parts of an answer came.
struct Answer {
    head_at: Instant,
    /// From the request to the first byte of its body, if it has any.
    first_byte_in: Option<Duration>,
    /// Those of its body, from the head on.
    arrivals: Vec<Duration>,
}

fn check_event(
    example: &Example,
    shape: Shape,
    package: &Path,
    probe: &Probe,
) -> Result<(), String> {
    let event = probe.event.as_deref().unwrap_or_default();
    let (text, program) = example
        .invoke(shape, package, event)
        .map_err(|failure| format!("{event}: {failure}"))?;
    if let Some(expected) = &probe.result
        && serde_json::from_str::<Value>(&text).ok().as_ref() != Some(expected)
    {
        return Err(format!("{event}: the result is {text:?}"));
    }
    if let Some(part) = &probe.body_contains
        && !text.contains(part)
    {
        return Err(format!("{event}: {part:?} is not in the result {text:?}"));
    }
    if let Some(part) = &probe.log {
        let _ = program.any_line(part);
    }
    Ok(())
}

fn check_client(
    example: &Example,
    package: &Path,
    running: &Running,
    probe: &Probe,
) -> Result<(), String> {
    let words = probe.client.as_deref().unwrap_or_default();
    let printed = example.ask_with(words, package, running.address, &probe.path)?;
    let expected = probe.body_contains.as_deref().unwrap_or_default();
    if printed.contains(expected) {
        Ok(())
    } else {
        Err(format!("{words:?} printed {printed:?}, not {expected:?}"))
    }
}

fn check(running: &Running, probe: &Probe, package: &Path) -> Result<Answer, String> {
    let answer = check_answer(running, probe, package)?;
    let Some(expected) = probe.streams else {
        return Ok(answer);
    };
    let mut failure = match check_arrivals(&answer.arrivals, expected) {
        Ok(()) => return Ok(answer),
        Err(failure) => failure,
    };
    for _ in 1..STREAM_TRIES {
        let again = check_answer(running, probe, package)?;
        match check_arrivals(&again.arrivals, expected) {
            Ok(()) => {
                return Ok(Answer {
                    head_at: answer.head_at,
                    ..again
                });
            }
            Err(again) => failure = again,
        }
    }
    Err(failure)
}

/// All of the answer but its pace.
fn check_answer(running: &Running, probe: &Probe, package: &Path) -> Result<Answer, String> {
    let asked_at = Instant::now();
    let mut client = Client::connect(running.address).patient_for(ANSWER_LIMIT);
    client.send(&request(probe, package));
    let head = client.head();
    let answered_at = Instant::now();
    let mut body = Vec::new();
    let mut arrivals = Vec::new();
    loop {
        match client.step() {
            Next::Data(data) => {
                arrivals.push(answered_at.elapsed());
                body.extend(data);
            }
            Next::Complete(_) => break,
            Next::Cut(why) => return Err(format!("cut after {} bytes: {why}", body.len())),
        }
    }
    let text = String::from_utf8_lossy(&body);
    if head.status() != probe.status {
        return Err(format!("status {}, body {text:?}", head.status()));
    }
    for (name, value) in &probe.header {
        if head.header(name) != Some(value) {
            return Err(format!("header {name} is {:?}", head.header(name)));
        }
    }
    if let Some(part) = &probe.body_contains
        && !text.contains(part)
    {
        return Err(format!("{part:?} is not in the body {text:?}"));
    }
    if let Some(expected) = &probe.sha256
        && Sha256::digest(&body)[..] != bytes(expected)
    {
        return Err(format!("other bytes than expected, {} of them", body.len()));
    }
    if let Some(part) = &probe.log {
        // What an app writes through another process of its own, as php-fpm does, may be on its way when the environment
        // freezes. Then it comes with the next invocation.
        waiting::eventually(format!("the line {part:?}"), || {
            if running.program.has_line(part) {
                return Some(());
            }
            http::get(running.address, "/");
            None
        });
    }
    let first = arrivals.first().copied();
    Ok(Answer {
        head_at: answered_at,
        first_byte_in: first.map(|first| answered_at - asked_at + first),
        arrivals,
    })
}

/// Pieces that came apart, the first of them early: within the first quarter of the answer's time.
fn check_arrivals(arrivals: &[Duration], expected: Streams) -> Result<(), String> {
    let apart = 1 + arrivals
        .windows(2)
        .filter(|pair| pair[1].saturating_sub(pair[0]) >= APART)
        .count();
    let early = matches!(arrivals, [first, .., last] if *first * 4 < *last);
    if apart >= expected.chunks && early {
        Ok(())
    } else {
        Err(format!(
            "{apart} pieces came apart, arrivals after the head: {arrivals:?}"
        ))
    }
}

fn request(probe: &Probe, package: &Path) -> Request {
    let (method, path) = (&probe.method, &probe.path);
    let body = match (&probe.body, &probe.body_hex, &probe.body_file) {
        (Some(text), None, None) => Some(text.clone().into_bytes()),
        (None, Some(hex), None) => Some(bytes(hex)),
        (None, None, Some(file)) => {
            Some(fs::read(package.join(file)).expect("an example's file can be read"))
        }
        (None, None, None) => None,
        _ => panic!("{path}: one body is enough"),
    };
    let request = match body {
        None => Request::new(method, path),
        Some(body) => {
            assert_eq!(method, "POST", "{path}: only a POST has a body");
            let content_type = probe.content_type.as_deref().unwrap_or("text/plain");
            Request::post(path, content_type, body)
        }
    };
    let headers = probe.request_header.iter();
    headers.fold(request, |request, (name, value)| {
        request.header(name, value)
    })
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    let digits = pairs.map(|pair| std::str::from_utf8(pair).expect("hex is ASCII"));
    digits
        .map(|pair| u8::from_str_radix(pair, 16).expect("a byte in hex"))
        .collect()
}
