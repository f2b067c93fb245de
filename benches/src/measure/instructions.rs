// SPDX-License-Identifier: Apache-2.0
//! Instructions, counted by Valgrind's callgrind where it is installed: those of a run less those of a shorter one.
//! They depend on no clock and hardly on what else the machine does.

use std::fs;
use std::time::Duration;

use super::{MeasureError, Stage, Values, small};
use crate::adapter::{Adapter, Mode};
use crate::origin::SMALL;
use crate::tool;

const INVOCATIONS: u32 = 200;

/// Instructions of an invocation in user space.
#[derive(Clone, Copy, Debug)]
pub struct Instructions(pub f64);

pub(super) fn both(stage: &Stage, adapter: &Adapter) -> Result<Values, MeasureError> {
    if !tool::is_installed("valgrind") {
        return Ok(Values::new());
    }
    let thousands = |mode| Ok::<_, MeasureError>(instructions(stage, adapter, mode)?.0 / 1e3);
    Ok(vec![
        ("streamed_instructions", thousands(Mode::Streamed)?),
        ("buffered_instructions", thousands(Mode::Buffered)?),
    ])
}

/// Instructions of a warm invocation.
pub fn instructions(
    stage: &Stage,
    adapter: &Adapter,
    mode: Mode,
) -> Result<Instructions, MeasureError> {
    let few = of_run(stage, adapter, mode, INVOCATIONS)?;
    let many = of_run(stage, adapter, mode, 2 * INVOCATIONS)?;
    let difference = u32::try_from(many.saturating_sub(few)).unwrap_or(u32::MAX);
    Ok(Instructions(f64::from(difference) / f64::from(INVOCATIONS)))
}

fn of_run(stage: &Stage, adapter: &Adapter, mode: Mode, count: u32) -> Result<u64, MeasureError> {
    let log = stage.folder.join("callgrind.txt");
    let to_log = format!("--log-file={}", log.display());
    let command = tool::callgrind(&to_log);
    let mut ready = stage.start_with(adapter, mode, |start| start.under(&command))?;
    ready.invoke(small(mode, count as usize, Duration::MAX), SMALL)?;
    tool::terminate(ready.running.id());
    ready.running.wait()?;
    let output = fs::read_to_string(log)?;
    tool::collected(&output).ok_or(MeasureError::Tool {
        tool: "callgrind",
        output,
    })
}
