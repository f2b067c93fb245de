// SPDX-License-Identifier: Apache-2.0
//! The cases: each starts an adapter afresh, and tells some figures of it.

mod bulk;
mod calls;
mod chunks;
mod instructions;
mod memory;
mod start;
mod warm;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::adapter::{Adapter, AdapterError, Mode, Running, Start};
use crate::event;
use crate::lambda::{Lambda, LambdaError, Outcome, Work};
use crate::origin::{Origin, SMALL};
use crate::reply::response;

pub use instructions::instructions;

/// Values by the keys of their figures.
pub type Values = Vec<(&'static str, f64)>;

/// Why a case came to no figures.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The adapter does not start.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// The adapter does not do its work.
    #[error(transparent)]
    Lambda(#[from] LambdaError),
    /// This machine does not do what the harness needs.
    #[error("the harness fails")]
    Harness(#[from] io::Error),
    /// The client would get something else than the app's response.
    #[error("a wrong reply: {0}")]
    Wrong(String),
    /// A tool's output has another form than is known.
    #[error("{tool} has no count in its output: {output}")]
    Tool {
        /// The tool.
        tool: &'static str,
        /// What it said.
        output: String,
    },
}

/// What to measure, and how often.
#[derive(Debug)]
pub struct Case {
    /// Its name on the command line.
    pub name: &'static str,
    /// Most rounds, where the others have more.
    pub most_rounds: usize,
    /// Whether it is in the quick run.
    pub is_quick: bool,
    /// Takes the measurement.
    pub run: fn(&Stage, &Adapter) -> Result<Values, MeasureError>,
}

const fn case(
    name: &'static str,
    most_rounds: usize,
    is_quick: bool,
    run: fn(&Stage, &Adapter) -> Result<Values, MeasureError>,
) -> Case {
    Case {
        name,
        most_rounds,
        is_quick,
        run,
    }
}

/// All cases, in their order within a round.
pub const CASES: &[Case] = &[
    case("start", usize::MAX, true, start::app_is_up),
    case("streamed", usize::MAX, true, warm::streamed),
    case("buffered", usize::MAX, true, warm::buffered),
    case(
        "streamed-idle",
        usize::MAX,
        false,
        warm::streamed_after_a_pause,
    ),
    case("records", usize::MAX, true, chunks::each_millisecond),
    case("burst", usize::MAX, true, chunks::back_to_back),
    case("stream", usize::MAX, true, bulk::streamed),
    case("binary", usize::MAX, true, bulk::binary),
    case("text", usize::MAX, true, bulk::text),
    case("upload", usize::MAX, true, bulk::upload),
    case("at-once", usize::MAX, false, warm::at_once),
    case("late", 3, false, start::app_is_late),
    case("memory", 2, false, memory::slow_reader),
    case("calls", 2, false, calls::calls),
    case("instructions", 1, false, instructions::both),
];

/// What all cases share.
#[derive(Debug)]
pub struct Stage {
    /// The app.
    pub origin: Origin,
    /// Where the adapters' logs and the tools' results go.
    pub folder: PathBuf,
}

/// An adapter at its first poll.
struct Ready {
    lambda: Lambda,
    running: Running,
}

impl Stage {
    fn start(&self, adapter: &Adapter, mode: Mode) -> Result<Ready, MeasureError> {
        self.start_with(adapter, mode, |start| start)
    }

    fn start_with(
        &self,
        adapter: &Adapter,
        mode: Mode,
        change: impl FnOnce(Start<'_>) -> Start<'_>,
    ) -> Result<Ready, MeasureError> {
        let lambda = Lambda::start(self.origin.marks())?;
        let start = change(adapter.start(lambda.address(), self.origin.port(), mode));
        let running = start.spawn(&self.log(adapter))?;
        lambda.first_poll()?;
        Ok(Ready { lambda, running })
    }

    fn log(&self, adapter: &Adapter) -> PathBuf {
        self.folder.join(&adapter.key).with_extension("log")
    }
}

impl Ready {
    /// Does the work, and looks whether the first reply is what the app sent.
    fn invoke(&self, work: Work, body: &[u8]) -> Result<Outcome, MeasureError> {
        let is_streamed = work.is_streamed;
        let outcome = self.lambda.invoke(work)?;
        let response = response(&outcome.first_reply, is_streamed).map_err(MeasureError::Wrong)?;
        if response.status != 200 || response.body != body {
            let length = response.body.len();
            return Err(MeasureError::Wrong(format!(
                "status {} and {length} bytes for {} bytes",
                response.status,
                body.len(),
            )));
        }
        Ok(outcome)
    }

    /// Streams chunks, and looks whether all of them came.
    fn stream(
        &self,
        chunks: usize,
        size: usize,
        change: impl FnOnce(&mut Work),
    ) -> Result<Outcome, MeasureError> {
        let event = event::get(&format!("/stream/{chunks}/{size}"));
        let mut work = Work::new(event, true, 1, Duration::MAX);
        work.keeps_first = false;
        change(&mut work);
        let outcome = self.lambda.invoke(work)?;
        if outcome.payload != Some(chunks * size) {
            let text = format!("{:?} bytes for {chunks} chunks of {size}", outcome.payload);
            return Err(MeasureError::Wrong(text));
        }
        Ok(outcome)
    }

    /// Small requests, until each part has been used.
    fn warm_up(&self, mode: Mode) -> Result<(), MeasureError> {
        self.invoke(small(mode, 200, Duration::from_millis(150)), SMALL)?;
        Ok(())
    }
}

/// Small requests, as most are.
fn small(mode: Mode, count: usize, time: Duration) -> Work {
    Work::new(event::get("/small"), mode == Mode::Streamed, count, time)
}
