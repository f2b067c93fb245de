// SPDX-License-Identifier: Apache-2.0
//! Memory where Lambda takes the reply more slowly than the app makes it.

use std::time::Duration;

use super::{MeasureError, Stage, Values};
use crate::adapter::{Adapter, Mode};
use crate::event;
use crate::lambda::Work;
use crate::origin::streamed_size;

const STREAM: usize = 1_000_000_000;

pub(super) fn slow_reader(stage: &Stage, adapter: &Adapter) -> Result<Values, MeasureError> {
    let ready = stage.start(adapter, Mode::Streamed)?;
    let event = event::get(&format!("/stream/{STREAM}"));
    let mut work = Work::new(event, true, 1, Duration::MAX);
    work.reading_pause = Duration::from_micros(50);
    let outcome = ready.lambda.invoke(work)?;
    if outcome.payload != Some(streamed_size(STREAM)) {
        let text = format!("{:?} bytes for {}", outcome.payload, streamed_size(STREAM));
        return Err(MeasureError::Wrong(text));
    }
    Ok(vec![("memory_stream", ready.running.peak_memory())])
}
