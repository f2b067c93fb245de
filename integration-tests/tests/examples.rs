// SPDX-License-Identifier: Apache-2.0
//! Every example, with its real runtime and framework, behind the adapter on a function URL.
//!
//! What must come of each is in its `example.toml`; a new folder of `examples/` is walked without a line here.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use integration_tests::examples::{self, Example, Probe, Running, Shape, Streams};
use integration_tests::http::{Client, Next, Request};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Arrivals closer than this are one arrival. Far below the pace of the examples, 60 ms and more, and far above the time
/// between two chunks that came in one read.
const APART: Duration = Duration::from_millis(15);

/// How often a stream is looked at until its pieces come apart: on a busy machine they may meet on the way, however they
/// were sent. What is held back until its end never comes apart.
const TRIES: usize = 10;

#[test]
fn every_example_does_its_part_as_an_image() {
    walk(Shape::Image);
}

#[test]
fn every_example_does_its_part_as_a_zip() {
    walk(Shape::Zip);
}

/// All examples at the same time: nearly all of it is waiting, for a registry at first and for the paced words later.
fn walk(shape: Shape) {
    let examples = examples::all();
    assert!(!examples.is_empty());
    let failures: Vec<String> = thread::scope(|scope| {
        let walks: Vec<_> = examples
            .iter()
            .map(|example| (example, scope.spawn(|| failures_of(example, shape))))
            .collect();
        walks
            .into_iter()
            .flat_map(|(example, walk)| {
                walk.join()
                    .unwrap_or_else(|_| vec![format!("{}: did not start, see above", example.name)])
            })
            .collect()
    });
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn failures_of(example: &Example, shape: Shape) -> Vec<String> {
    let package = example.package(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let probes = &example.plan.probes;
    let (events, requests): (Vec<_>, Vec<_>) =
        probes.iter().partition(|probe| probe.event.is_some());
    let mut failures: Vec<String> = events
        .into_iter()
        .filter_map(|probe| check_event(example, shape, &package, probe).err())
        .map(|failure| format!("{}: {failure}", example.name))
        .collect();
    let running = example.start(shape, &package);
    for probe in requests {
        if let Err(failure) = check(&running, probe, &package) {
            let (method, path) = (&probe.method, &probe.path);
            failures.push(format!("{}: {method} {path}: {failure}", example.name));
        }
    }
    if !failures.is_empty() {
        eprintln!("{}: {}", example.name, running.program.transcript());
    }
    running.stop();
    failures
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

fn check(running: &Running, probe: &Probe, package: &Path) -> Result<(), String> {
    let Some(expected) = probe.streams else {
        return ask(running, probe, package).map(drop);
    };
    let mut failure = String::new();
    for _ in 0..TRIES {
        match check_arrivals(&ask(running, probe, package)?, expected) {
            Ok(()) => return Ok(()),
            Err(why) => failure = why,
        }
    }
    Err(failure)
}

/// When the pieces of the answer came, counted from its head.
fn ask(running: &Running, probe: &Probe, package: &Path) -> Result<Vec<Duration>, String> {
    let mut client = Client::connect(running.address);
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
        let _ = running.program.any_line(part);
    }
    Ok(arrivals)
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
