// SPDX-License-Identifier: Apache-2.0
//! From the start to the first poll.

use std::thread;
use std::time::{Duration, Instant};

use super::{MeasureError, Stage, Values};
use crate::adapter::{Adapter, Mode};
use crate::lambda::Lambda;
use crate::origin::Origin;
use crate::statistics::quantile;

const STARTS: usize = 5;

/// The app listens already.
pub(super) fn app_is_up(stage: &Stage, adapter: &Adapter) -> Result<Values, MeasureError> {
    let mut times = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..STARTS {
        let lambda = Lambda::start(stage.origin.marks())?;
        let start = adapter.start(lambda.address(), stage.origin.port(), Mode::Buffered);
        let log = stage.log(adapter);
        let began_at = Instant::now();
        let running = start.spawn(&log)?;
        let poll_at = lambda.first_poll()?;
        times.push(millis(poll_at.saturating_duration_since(began_at)));
        memory.push(running.peak_memory());
    }
    let middle = |values: &[f64]| quantile(values, 0.5).unwrap_or_default();
    let size = adapter.program.metadata()?.len();
    Ok(vec![
        ("start", middle(&times)),
        ("memory_idle", middle(&memory)),
        (
            "size",
            f64::from(u32::try_from(size).unwrap_or(u32::MAX)) / 1e6,
        ),
    ])
}

/// The app listens some time after the adapter was started.
pub(super) fn app_is_late(stage: &Stage, adapter: &Adapter) -> Result<Values, MeasureError> {
    let mut values = Values::new();
    for (key, delay) in [
        ("late_0", 0),
        ("late_50", 50),
        ("late_200", 200),
        ("late_1000", 1000),
    ] {
        let port = Origin::reserve_port()?;
        let lambda = Lambda::start(stage.origin.marks())?;
        let start = adapter.start(lambda.address(), port, Mode::Buffered);
        let running = start.spawn(&stage.log(adapter))?;
        thread::sleep(Duration::from_millis(delay));
        let listening_at = Instant::now();
        let _origin = Origin::start_on(port)?;
        let poll_at = lambda.first_poll()?;
        values.push((key, millis(poll_at.saturating_duration_since(listening_at))));
        if delay == 1000 {
            values.push(("late_cpu", millis(running.usage().cpu)));
        }
    }
    Ok(values)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
