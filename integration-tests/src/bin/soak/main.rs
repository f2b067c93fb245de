// SPDX-License-Identifier: Apache-2.0
//! A long life: `soak INVOCATIONS SEED` sends that many requests through the local Lambda to one environment, and a
//! quarter of them to another, which is frozen after each. The app crashes, hangs, resets and closes now and then, and so
//! do Lambda's calls.
//!
//! Each request has an id, and its answer has to bear it. The app writes down each id that it gets. So an answer that is
//! missing, doubled or another's is found, and so is work that is done twice. The adapter's resident memory and open
//! descriptors are read from time to time; at the end they must be what they were. Exits with 1 if anything is wrong.

mod figures;
mod plan;
mod tally;

use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use integration_tests::app::Diary;
use integration_tests::http::{Client, End, Request, Response};
use integration_tests::local::{Builder, Local, Shape};
use integration_tests::pattern::Pattern;
use integration_tests::waiting;

use figures::Figures;
use plan::{Plan, Step};
use tally::Tally;

/// The function's timeout. An app that hangs costs the whole of it, less the margin.
const TIMEOUT: &str = "2";
/// How long a slow client waits before it reads on.
const SLOWNESS: Duration = Duration::from_millis(20);
/// Longer than an idle connection to the app is used again.
const PAUSE: Duration = Duration::from_millis(4_200);
/// How often the adapter's figures are read, and every how many times they are shown.
const LOOKS: u64 = 100;
const LOOKS_PER_LINE: u64 = 5;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let (Some(Ok(count)), Some(Ok(seed)), None) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        eprintln!("usage: soak INVOCATIONS SEED");
        return ExitCode::from(64);
    };
    waiting::without_watchdog();
    let frozen = count / 4;
    let wrong = [
        live(count - frozen, seed, None),
        live(frozen, seed + 1, Some("--freeze")),
    ]
    .concat();
    for what in &wrong {
        println!("WRONG: {what}");
    }
    ExitCode::from(u8::from(!wrong.is_empty()))
}

/// One environment's life; gives what was wrong with it.
fn live(count: u64, seed: u64, option: Option<&str>) -> Vec<String> {
    let how = option.unwrap_or_default();
    println!("{count} invocations with the seed {seed} {how}");
    let began_at = Instant::now();
    let mut plan = Plan::new(seed);
    let faults = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    let script = plan.faults(count);
    std::fs::write(faults.path(), &script.text).expect("a file can be written");
    let diary = Diary::default();
    let (key, value) = diary.variable();
    let zip = Local::shape(Shape::ZipLayer);
    let zip = option.into_iter().fold(zip, Builder::option);
    let mut local = zip
        .option("--timeout")
        .option(TIMEOUT)
        .option("--faults")
        .option(&faults.path().display().to_string())
        .env("STREAMGATE_LOG_LEVEL", "error")
        .env(key, &value)
        .start();

    let mut tally = Tally::default();
    let mut figures = Figures::default();
    let mut client = local.client();
    let mut looks = 0;
    for id in 1..=count {
        let step = plan.step();
        let response = take(step, id, &local, &mut client);
        tally.answered(id, step, is_own(step, id, &response), &response);
        if response.end != End::Complete {
            client = local.client();
        }
        if id % (count / LOOKS).max(1) == 0 {
            figures.look(id, &local);
            if looks % LOOKS_PER_LINE == 0 {
                figures.print_last();
            }
            looks += 1;
        }
    }
    let _ = local.stop();
    let replies = local.program().stderr_line("REPLIES");
    let log = local.program().stderr();
    let environments = log.iter().filter(|line| line.starts_with("INIT_START"));
    let ends = log.iter().filter(|line| line.contains("Sandbox.Timeout"));
    tally.counted(count, &diary.lines());
    // Doubled there: a reply whose acknowledgement was lost is reported as failed as well, and refused.
    println!("{replies}");
    println!("environments: {}", environments.count());
    for end in ends {
        println!("  {end}");
    }
    println!("faults of Lambda's calls, planned: {}", script.faults);
    tally.print();
    println!("took {} s", began_at.elapsed().as_secs());
    [tally.wrong(script.lost_replies), figures.wrong()].concat()
}

/// Takes one step, and gives the response.
fn take(step: Step, id: u64, local: &Local, client: &mut Client) -> Response {
    let request = request(step, id);
    match step {
        Step::SlowClient(_) => {
            // A connection of its own: what is not read must not stand in the way of the next.
            let mut client = local.client();
            client.send(&request);
            sleep(SLOWNESS);
            client.response()
        }
        Step::AfterPause => {
            sleep(PAUSE);
            client.exchange(&request)
        }
        _ => client.exchange(&request),
    }
}

fn request(step: Step, id: u64) -> Request {
    let target = |rest: &str| format!("/counted?id={id}{rest}");
    match step {
        Step::Get(size) | Step::SlowClient(size) => Request::get(target(&format!("&n={size}"))),
        Step::Post(size) => Request::post(
            target(""),
            "application/octet-stream",
            Pattern::bytes(size.max(1)),
        ),
        Step::AfterPause => Request::get(target("&n=100")),
        Step::Fault(fault) => Request::get(target(&format!("&n=5000&fault={}", fault.name()))),
    }
}

/// Whether this is the whole answer to this very request.
fn is_own(step: Step, id: u64, response: &Response) -> bool {
    let size = match step {
        Step::Get(size) | Step::SlowClient(size) => size,
        Step::Post(size) => size.max(1),
        Step::AfterPause => 100,
        Step::Fault(_) => 5000,
    };
    let mut expected = format!("{id} ").into_bytes();
    expected.extend(Pattern::bytes(size));
    response.status() == 200 && response.body() == expected
}
