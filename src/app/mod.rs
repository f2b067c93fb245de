// SPDX-License-Identifier: Apache-2.0
//! Edge: the app. Which command starts it, its process, its port, whether it is ready; requests go to it through
//! `transport`. An app is *launched*, and then ours to signal and reap, or *attached*: found on its port.

pub mod command;
pub mod exec_step;
mod listening;
pub(crate) mod port;
pub(crate) mod process;
pub(crate) mod readiness;
mod refusal;
mod stderr;

use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use crate::transport::Client;
use port::Port;
use process::{Exited, Process};

/// How requests reach the app.
pub(crate) type AppClient = Rc<Client>;

/// An app that serves.
#[derive(Debug)]
pub(crate) struct App {
    client: AppClient,
    /// `None`: attached, so not ours to signal or to wait for.
    process: Option<Process>,
    _port: Option<Port>,
}

impl App {
    pub(crate) fn launched(client: AppClient, process: Process, port: Port) -> Self {
        Self {
            client,
            process: Some(process),
            _port: Some(port),
        }
    }

    pub(crate) fn attached(client: AppClient) -> Self {
        Self {
            client,
            process: None,
            _port: None,
        }
    }

    pub(crate) fn client(&self) -> &AppClient {
        &self.client
    }

    pub(crate) fn is_launched(&self) -> bool {
        self.process.is_some()
    }

    /// Waits for the end of a launched app; an attached one has none that we could see. May be dropped and called
    /// again.
    pub(crate) async fn exited(&mut self) -> Exited {
        match &mut self.process {
            Some(process) => process.wait().await,
            None => pending().await,
        }
    }

    /// Stops a launched app and whatever is left of its group. `None`: attached.
    pub(crate) async fn stop(&mut self, timeout: Duration) -> Option<Exited> {
        match &mut self.process {
            Some(process) => Some(process.stop(timeout).await),
            None => None,
        }
    }
}
