// SPDX-License-Identifier: Apache-2.0
//! Large bodies.

use std::time::Duration;

use super::{MeasureError, Ready, Stage, Values, small};
use crate::adapter::{Adapter, Mode};
use crate::event;
use crate::lambda::{Outcome, Work};
use crate::origin::{self, SMALL};
use crate::statistics::quantile;

const WHOLE: usize = 4_000_000;
const STREAM: usize = 200_000_000;

pub(super) fn streamed(stage: &Stage, adapter: &Adapter) -> Result<Values, MeasureError> {
    let ready = stage.start(adapter, Mode::Streamed)?;
    ready.invoke(small(Mode::Streamed, 5, Duration::MAX), SMALL)?;
    let mut values = Values::new();
    for (key, chunk) in [("stream_64k", 64 * 1024), ("stream_16k", 16 * 1024)] {
        let size = STREAM.next_multiple_of(chunk);
        let outcome = ready.stream(size / chunk, chunk, |_| ())?;
        values.push((key, speed(&outcome, size)));
    }
    Ok(values)
}

pub(super) fn binary(stage: &Stage, adapter: &Adapter) -> Result<Values, MeasureError> {
    let event = event::get(&format!("/binary/{WHOLE}"));
    whole(
        stage,
        adapter,
        "buffered_binary",
        event,
        &origin::binary(WHOLE),
    )
}

pub(super) fn text(stage: &Stage, adapter: &Adapter) -> Result<Values, MeasureError> {
    let event = event::get(&format!("/text/{WHOLE}"));
    whole(stage, adapter, "buffered_text", event, &origin::text(WHOLE))
}

pub(super) fn upload(stage: &Stage, adapter: &Adapter) -> Result<Values, MeasureError> {
    let body = origin::binary(WHOLE);
    whole(
        stage,
        adapter,
        "upload_echo",
        event::post("/echo", &body),
        &body,
    )
}

fn whole(
    stage: &Stage,
    adapter: &Adapter,
    key: &'static str,
    event: Vec<u8>,
    body: &[u8],
) -> Result<Values, MeasureError> {
    let ready: Ready = stage.start(adapter, Mode::Buffered)?;
    // Once so that the buffers have grown; a first large body on a fresh heap is another question.
    ready.invoke(Work::new(event.clone(), false, 2, Duration::MAX), body)?;
    let outcome = ready.invoke(
        Work::new(event, false, 30, Duration::from_millis(150)),
        body,
    )?;
    Ok(vec![(key, speed(&outcome, body.len()))])
}

/// Megabytes each second, of the median invocation.
#[allow(clippy::cast_precision_loss, reason = "sizes and times far below 2^52")]
fn speed(outcome: &Outcome, size: usize) -> f64 {
    let times: Vec<f64> = outcome
        .samples
        .iter()
        .map(|sample| sample.total as f64 / 1e9)
        .collect();
    size as f64 / 1e6 / quantile(&times, 0.5).unwrap_or(f64::INFINITY)
}
