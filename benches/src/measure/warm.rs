// SPDX-License-Identifier: Apache-2.0
//! Small requests, one after the other and several at once.

use std::time::Duration;

use super::{MeasureError, Ready, Stage, Values, small};
use crate::adapter::{Adapter, Mode};
use crate::lambda::Outcome;
use crate::origin::SMALL;
use crate::statistics::quantile;
use crate::timeline::{Sample, micros};

/// Short, so that the others have their turn soon: what else the machine does changes from second to second.
const TIME: Duration = Duration::from_millis(250);
const MOST: usize = 10_000;

pub(super) fn streamed(stage: &Stage, adapter: &Adapter) -> Result<Values, MeasureError> {
    let ready = stage.start(adapter, Mode::Streamed)?;
    let (outcome, cpu, _) = used(&ready, Mode::Streamed, TIME)?;
    Ok(vec![
        ("streamed_p50", of(&outcome, |sample| sample.total, 0.5)),
        ("streamed_p99", of(&outcome, |sample| sample.total, 0.99)),
        (
            "streamed_inbound",
            of(&outcome, |sample| sample.inbound, 0.5),
        ),
        (
            "streamed_first_byte",
            of(&outcome, |sample| sample.first_byte, 0.5),
        ),
        ("streamed_cpu", cpu),
    ])
}

pub(super) fn buffered(stage: &Stage, adapter: &Adapter) -> Result<Values, MeasureError> {
    let ready = stage.start(adapter, Mode::Buffered)?;
    let (outcome, cpu, switches) = used(&ready, Mode::Buffered, TIME)?;
    Ok(vec![
        ("buffered_p50", of(&outcome, |sample| sample.total, 0.5)),
        ("buffered_p99", of(&outcome, |sample| sample.total, 0.99)),
        (
            "buffered_inbound",
            of(&outcome, |sample| sample.inbound, 0.5),
        ),
        (
            "buffered_first_byte",
            of(&outcome, |sample| sample.first_byte, 0.5),
        ),
        ("buffered_cpu", cpu),
        ("buffered_switches", switches),
    ])
}

/// The outcome, and processor time in microseconds and context switches for each invocation.
#[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn used(ready: &Ready, mode: Mode, time: Duration) -> Result<(Outcome, f64, f64), MeasureError> {
    ready.warm_up(mode)?;
    let before = ready.running.usage();
    let outcome = ready.invoke(small(mode, MOST, time), SMALL)?;
    let usage = ready.running.usage().since(before);
    let count = outcome.samples.len() as f64;
    let cpu = usage.cpu.as_secs_f64() * 1e6 / count;
    Ok((outcome, cpu, usage.switches as f64 / count))
}

/// As on a function that has little to do: the poll has been waiting for a while.
pub(super) fn streamed_after_a_pause(
    stage: &Stage,
    adapter: &Adapter,
) -> Result<Values, MeasureError> {
    let ready = stage.start(adapter, Mode::Streamed)?;
    ready.warm_up(Mode::Streamed)?;
    let mut work = small(Mode::Streamed, MOST, TIME);
    work.pause = Duration::from_millis(2);
    let outcome = ready.invoke(work, SMALL)?;
    Ok(vec![(
        "streamed_idle_p50",
        of(&outcome, |sample| sample.total, 0.5),
    )])
}

pub(super) fn at_once(stage: &Stage, adapter: &Adapter) -> Result<Values, MeasureError> {
    let mut values = Values::new();
    for (key, count) in [("at_once_1", 1), ("at_once_16", 16), ("at_once_64", 64)] {
        let ready = stage.start_with(adapter, Mode::Buffered, |start| start.concurrency(count))?;
        ready.warm_up(Mode::Buffered)?;
        let outcome = ready.invoke(small(Mode::Buffered, usize::MAX, TIME), SMALL)?;
        values.push((key, rate(&outcome)));
    }
    Ok(values)
}

#[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn rate(outcome: &Outcome) -> f64 {
    outcome.samples.len() as f64 / outcome.elapsed.as_secs_f64()
}

/// A quantile of a part of the invocations, in microseconds.
fn of(outcome: &Outcome, part: fn(&Sample) -> u64, share: f64) -> f64 {
    let values: Vec<f64> = outcome
        .samples
        .iter()
        .map(|sample| micros(part(sample)))
        .collect();
    quantile(&values, share).unwrap_or_default()
}
