// SPDX-License-Identifier: Apache-2.0
//! Memory where Lambda takes the reply more slowly than the app makes it.

use std::time::Duration;

use super::{MeasureError, Stage, Values};
use crate::adapter::{Adapter, Mode};

const CHUNK: usize = 64 * 1024;
/// Of these are a gigabyte.
const CHUNKS: usize = 1_000_000_000 / CHUNK;

pub(super) fn slow_reader(stage: &Stage, adapter: &Adapter) -> Result<Values, MeasureError> {
    let ready = stage.start(adapter, Mode::Streamed)?;
    ready.stream(CHUNKS, CHUNK, |work| {
        work.reading_pause = Duration::from_micros(50);
    })?;
    Ok(vec![("memory_stream", ready.running.peak_memory())])
}
