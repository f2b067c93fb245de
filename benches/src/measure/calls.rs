// SPDX-License-Identifier: Apache-2.0
//! System calls, counted by `strace` where it is installed: those of a run less those of a shorter one.

use std::fs;
use std::time::Duration;

use super::{MeasureError, Stage, Values, small};
use crate::adapter::{Adapter, Mode};
use crate::origin::SMALL;
use crate::tool;

const INVOCATIONS: usize = 30;

pub(super) fn calls(stage: &Stage, adapter: &Adapter) -> Result<Values, MeasureError> {
    if !tool::is_installed("strace") {
        return Ok(Values::new());
    }
    Ok(vec![
        ("streamed_calls", of_each(stage, adapter, Mode::Streamed)?),
        ("buffered_calls", of_each(stage, adapter, Mode::Buffered)?),
    ])
}

fn of_each(stage: &Stage, adapter: &Adapter, mode: Mode) -> Result<f64, MeasureError> {
    let few = of_run(stage, adapter, mode, INVOCATIONS)?;
    let many = of_run(stage, adapter, mode, 2 * INVOCATIONS)?;
    Ok(f64::from(many.saturating_sub(few)) / f64::from(u32::try_from(INVOCATIONS).unwrap_or(1)))
}

fn of_run(stage: &Stage, adapter: &Adapter, mode: Mode, count: usize) -> Result<u32, MeasureError> {
    let counts = stage.folder.join("strace.txt");
    let path = counts.display().to_string();
    let command = ["strace", "-f", "-c", "-U", "calls,name", "-o", &path].map(str::to_owned);
    let mut ready = stage.start_with(adapter, mode, |start| start.under(&command))?;
    ready.invoke(small(mode, count, Duration::MAX), SMALL)?;
    // `strace` writes its counts when there is nothing left to trace.
    tool::kill_children(ready.running.id());
    ready.running.wait()?;
    let output = fs::read_to_string(counts)?;
    let total = output
        .lines()
        .find_map(|line| line.trim().strip_suffix(" total")?.trim().parse().ok());
    total.ok_or(MeasureError::Tool {
        tool: "strace",
        output,
    })
}
