// SPDX-License-Identifier: Apache-2.0
//! Edge: the app. Which command starts it, its process, its port, whether it is ready; requests go to it through
//! `transport`. An app is *launched*, and then ours to signal and reap, or *attached*: found on its port.

pub mod command;
pub mod exec_step;
pub mod guard;
pub(crate) mod health;
mod listening;
pub(crate) mod port;
pub(crate) mod process;
pub(crate) mod readiness;
pub(crate) mod refusal;
pub(crate) mod stderr;

use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use crate::transport::Client;
use port::Port;
use process::{Exited, Group, Launch, Process, SpawnError};
use stderr::AppStderr;

/// How requests reach the app.
pub(crate) type AppClient = Rc<Client>;

/// The app of an environment, be it up or down.
#[derive(Debug)]
pub(crate) struct App {
    client: AppClient,
    stderr: Rc<AppStderr>,
    /// `None`: attached, so not ours to start, to signal or to wait for.
    owned: Option<Owned>,
}

#[derive(Debug)]
struct Owned {
    launch: Launch,
    process: Option<Process>,
    _port: Port,
}

impl App {
    /// Starts an app that listens on `port` and is reached by `client`.
    pub(crate) fn launch(
        client: AppClient,
        launch: Launch,
        port: Port,
    ) -> Result<Self, SpawnError> {
        let stderr = Rc::<AppStderr>::default();
        let process = Process::spawn(&launch, &stderr)?;
        Ok(Self {
            client,
            stderr,
            owned: Some(Owned {
                launch,
                process: Some(process),
                _port: port,
            }),
        })
    }

    pub(crate) fn attached(client: AppClient) -> Self {
        Self {
            client,
            stderr: Rc::default(),
            owned: None,
        }
    }

    pub(crate) fn client(&self) -> &AppClient {
        &self.client
    }

    /// What the app writes to standard error, from one process of it to the next.
    pub(crate) fn stderr(&self) -> &Rc<AppStderr> {
        &self.stderr
    }

    pub(crate) fn is_launched(&self) -> bool {
        self.owned.is_some()
    }

    /// The process group of a launched app that runs.
    pub(crate) fn group(&self) -> Option<Group> {
        let process = self.owned.as_ref()?.process.as_ref()?;
        Some(process.group())
    }

    /// Waits for the end of a launched app; an attached one has none that we could see. May be dropped and called
    /// again.
    pub(crate) async fn exited(&mut self) -> Exited {
        match self.process() {
            Some(process) => process.wait().await,
            None => pending().await,
        }
    }

    /// Starts a launched app again, in place of what is left of it. An attached one is left to whoever started it.
    pub(crate) fn restart(&mut self) -> Result<(), SpawnError> {
        if let Some(owned) = &mut self.owned {
            self.client.forget_idle();
            owned.process = Some(Process::spawn(&owned.launch, &self.stderr)?);
        }
        Ok(())
    }

    /// Stops a launched app and whatever is left of its group. `None`: there is no process.
    pub(crate) async fn stop(&mut self, timeout: Duration) -> Option<Exited> {
        let exited = self.process()?.stop(timeout).await;
        if let Some(owned) = &mut self.owned {
            owned.process = None;
        }
        Some(exited)
    }

    fn process(&mut self) -> Option<&mut Process> {
        self.owned.as_mut()?.process.as_mut()
    }
}
