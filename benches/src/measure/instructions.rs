// SPDX-License-Identifier: Apache-2.0
//! Instructions, counted by Valgrind's callgrind where it is installed: those of a run less those of a shorter one.
//! They depend on no clock and hardly on what else the machine does.

use std::time::Duration;

use super::{MeasureError, Stage, Values, small};
use crate::adapter::{Adapter, Mode};
use crate::origin::SMALL;
use crate::tool::{self, Callgrind};

const INVOCATIONS: u32 = 100;

pub(super) fn both(stage: &Stage, adapter: &Adapter) -> Result<Values, MeasureError> {
    if !tool::is_installed("valgrind") {
        return Ok(Values::new());
    }
    Ok(vec![
        (
            "streamed_instructions",
            instructions(stage, adapter, Mode::Streamed)? / 1e3,
        ),
        (
            "buffered_instructions",
            instructions(stage, adapter, Mode::Buffered)? / 1e3,
        ),
    ])
}

/// Instructions of a warm invocation in user space.
pub fn instructions(stage: &Stage, adapter: &Adapter, mode: Mode) -> Result<f64, MeasureError> {
    let few = of_run(stage, adapter, mode, INVOCATIONS)?;
    let many = of_run(stage, adapter, mode, 2 * INVOCATIONS)?;
    let difference = u32::try_from(many.saturating_sub(few)).unwrap_or(u32::MAX);
    Ok(f64::from(difference) / f64::from(INVOCATIONS))
}

fn of_run(stage: &Stage, adapter: &Adapter, mode: Mode, count: u32) -> Result<u64, MeasureError> {
    let callgrind = Callgrind::into(&stage.folder);
    let mut ready = stage.start_with(adapter, mode, |start| start.under(&callgrind.command()))?;
    ready.invoke(small(mode, count as usize, Duration::MAX), SMALL)?;
    tool::end_counting(ready.running.id());
    ready.running.wait()?;
    callgrind.collected()
}
