// SPDX-License-Identifier: Apache-2.0
//! How long a chunk is under way, and whether it arrives alone.

use std::time::Duration;

use super::{MeasureError, Ready, Stage, Values};
use crate::adapter::{Adapter, Mode};
use crate::event;
use crate::lambda::{Outcome, Work};
use crate::origin::RECORD;
use crate::statistics::quantile;
use crate::timeline::micros;

pub(super) fn each_millisecond(stage: &Stage, adapter: &Adapter) -> Result<Values, MeasureError> {
    let ready = stage.start(adapter, Mode::Streamed)?;
    let outcome = records(&ready, 200, 1000)?;
    Ok(vec![
        ("records_p50", delay(&outcome, 0.5)),
        ("records_p99", delay(&outcome, 0.99)),
        ("records_joined", joined(&outcome)),
    ])
}

pub(super) fn back_to_back(stage: &Stage, adapter: &Adapter) -> Result<Values, MeasureError> {
    let ready = stage.start(adapter, Mode::Streamed)?;
    records(&ready, 100, 0)?;
    let outcome = records(&ready, 2000, 0)?;
    Ok(vec![
        ("burst_p99", delay(&outcome, 0.99)),
        ("burst_joined", joined(&outcome)),
    ])
}

fn records(ready: &Ready, count: usize, micros: usize) -> Result<Outcome, MeasureError> {
    let event = event::get(&format!("/records/{count}/{micros}"));
    let mut work = Work::new(event, true, 1, Duration::MAX);
    work.keeps_first = false;
    work.has_records = true;
    let outcome = ready.lambda.invoke(work)?;
    if outcome.payload != Some(count * RECORD) || outcome.delays.len() != count {
        let (delays, payload) = (outcome.delays.len(), outcome.payload);
        let text = format!("{delays} of {count} records, in {payload:?} bytes");
        return Err(MeasureError::Wrong(text));
    }
    Ok(outcome)
}

fn delay(outcome: &Outcome, share: f64) -> f64 {
    let delays: Vec<f64> = outcome.delays.iter().map(|nanos| micros(*nanos)).collect();
    quantile(&delays, share).unwrap_or_default()
}

/// Of a hundred chunks of the app, those that came to Lambda in one with another.
#[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn joined(outcome: &Outcome) -> f64 {
    let records = outcome.delays.len();
    records.saturating_sub(outcome.chunks) as f64 / records as f64 * 100.0
}
