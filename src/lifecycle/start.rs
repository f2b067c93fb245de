// SPDX-License-Identifier: Apache-2.0
//! Starting: from registration to an app of whose readiness `supervise` takes care, or to an init error that says why
//! there is none.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::Adapter;
use super::snapstart::SnapStartError;
use super::stop::{Stop, Stops};
use crate::app::command::{Command, NoCommand};
use crate::app::port::{Port, PortError, USUAL_PORT, is_free};
use crate::app::process::{Exited, Launch, SpawnError, Stdio};
use crate::app::readiness::NotReady;
use crate::app::refusal;
use crate::app::{App, AppClient};
use crate::control::Control;
use crate::failure::{Failure, error_type};
use crate::handover::{Handover, Listener};
use crate::logging::chain;
use crate::transport::{Authority, Client, UnknownHost};

/// How long the stub may take where one is expected, before the app is looked for without it.
const STUB_GRACE: Duration = Duration::from_secs(1);

/// Why the app could not be made ready.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error(transparent)]
    NoCommand(#[from] NoCommand),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(
        "cannot listen for the app's word of background work; is STREAMGATE_CONTROL_PORT in use?"
    )]
    Control(#[source] io::Error),
    #[error(transparent)]
    Host(#[from] UnknownHost),
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    #[error("cannot inherit standard input, output and error")]
    Stdio(#[source] io::Error),
    #[error("app {0} before it was ready{tail}", tail = Tail(&.0.stderr))]
    Exited(Exited),
    #[error(transparent)]
    NotReady(#[from] NotReady),
    #[error(transparent)]
    SnapStart(SnapStartError),
}

impl StartError {
    fn error_type(&self) -> &'static str {
        match self {
            Self::NotReady(_) => error_type::APP_NOT_READY,
            Self::SnapStart(error) => error.report().0,
            _ => error_type::APP_START,
        }
    }

    fn is_of_restore(&self) -> bool {
        matches!(self, Self::SnapStart(error) if error.report().1)
    }

    fn exit_code(&self) -> u8 {
        match self {
            // A start that ends well has failed all the same: no one is left to serve.
            Self::Exited(exited) => exited.code().max(1),
            _ => 1,
        }
    }
}

/// The last lines of an app's standard error, behind a message.
pub(super) struct Tail<'a>(pub(super) &'a str);

impl fmt::Display for Tail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("; it wrote nothing to standard error");
        }
        if let Some(hint) = refusal::hint(self.0) {
            write!(f, "; {hint}")?;
        }
        write!(f, "; the end of its standard error:\n{}", self.0)
    }
}

/// What became of the start.
pub(super) enum Found {
    /// The app, and since when it was found listening if it is ready already.
    App(Box<App>, Option<Instant>),
    Stopped(Stop),
}

impl Adapter {
    pub(super) async fn start_entrypoint(&mut self, command: Command) -> Result<Found, StartError> {
        let directory = std::env::current_dir().unwrap_or_else(|_| "/".into());
        let environment = self.environment.clone();
        let stdio = Stdio::inherited().map_err(StartError::Stdio)?;
        self.launch(Launch {
            command,
            environment,
            directory,
            stdio,
        })
        .await
    }

    /// The stub comes, and the app is ours to launch; or an app is found on its port, and we attach to it.
    pub(super) async fn start_extension(
        &mut self,
        listener: &Listener,
        stops: &mut Stops,
    ) -> Result<Found, StartError> {
        let port = self.settings.port.unwrap_or(USUAL_PORT);
        let client = self.client(port)?;
        let stub_is_expected =
            self.environment.get("AWS_LAMBDA_EXEC_WRAPPER").is_some() || layer_has_bootstrap();
        if !stub_is_expected && !is_free(port) {
            tracing::warn!(
                app.port = port,
                "port is in use before the runtime process has been started"
            );
        }
        let attached = App::attached(client);
        if let Some(port) = self.settings.control_port {
            let control = Control::bind(port).await.map_err(StartError::Control)?;
            self.control = Some(control);
        }
        let listens = async {
            if stub_is_expected {
                sleep(STUB_GRACE).await;
            }
            // It goes on to wait where this ends: at a listener that is no app.
            self.until_ready(Rc::clone(attached.client()), None).await
        };
        let init_ends = async {
            match self.init_ends_at() {
                // Lambda starts the stub before it ends the init phase.
                Some(at) if !stub_is_expected => sleep_until(at).await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            stop = stops.next() => Ok(Found::Stopped(stop)),
            (handover, stub) = listener.accept() => {
                stops.set_stub(stub);
                self.launch(self.launch_of(handover)?).await
            }
            ready = listens => {
                let listens_since = ready?;
                tracing::info!(app.port = port, "attached to the app");
                Ok(Found::App(Box::new(attached), Some(listens_since)))
            }
            () = init_ends => Ok(Found::App(Box::new(attached), None)),
        }
    }

    fn launch_of(&self, handover: Handover) -> Result<Launch, StartError> {
        let Handover {
            directory,
            arguments,
            environment,
            stdio,
        } = handover;
        let command =
            Command::of_function(self.settings.command.as_deref(), &environment, arguments)?
                .behind(self.settings.wrapper_next.as_deref());
        Ok(Launch {
            command,
            environment,
            directory,
            stdio,
        })
    }

    async fn launch(&mut self, mut launch: Launch) -> Result<Found, StartError> {
        // What Lambda withholds from extensions, such as how many invocations may come at once.
        self.environment = launch.environment.clone();
        let port = Port::choose(self.settings.port)?;
        // A `PORT` of the user's own is kept, even where another variable says where to look.
        if self.settings.port.is_none() || launch.environment.get("PORT").is_none() {
            launch.environment.set("PORT", port.number.to_string());
        }
        if let Ok(secret) = self.event_secret.to_str() {
            launch.environment.set("STREAMGATE_EVENT_SECRET", secret);
        }
        let control = Control::bind(self.settings.control_port.unwrap_or(0));
        let control = control.await.map_err(StartError::Control)?;
        let address = control.address().to_string();
        launch.environment.set("STREAMGATE_CONTROL", address);
        self.control = Some(control);
        let client = self.client(port.number)?;
        self.spawned_ms = Some(self.elapsed_ms());
        let app = App::launch(client, launch, port)?;
        Ok(Found::App(Box::new(app), None))
    }

    /// How the app is reached on this port.
    pub(super) fn client(&self, port: u16) -> Result<AppClient, UnknownHost> {
        Authority::resolve(&self.settings.host, port).map(Client::to_app)
    }

    pub(super) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began_at.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Reports a failed start, and lets the runtime process exit with the code that it returns.
    pub(super) async fn give_up_start(&self, error: &StartError, stops: Stops) -> u8 {
        let message = chain(error);
        tracing::error!("{message}");
        let failure = Failure::new(error.error_type(), message);
        let told = if error.is_of_restore() {
            self.runtime_api.fail_restore(&failure).await
        } else {
            self.runtime_api.fail_init(&failure).await
        };
        if let Err(error) = told {
            tracing::warn!(
                error = chain(&error),
                "the failed start could not be reported"
            );
        }
        let code = error.exit_code();
        stops.release_stub(code).await;
        code
    }
}

/// The layer brings a `bootstrap` beside `extensions/`; an image that is attached to brings the one file.
fn layer_has_bootstrap() -> bool {
    let invoked = std::env::args_os()
        .next()
        .map(PathBuf::from)
        .unwrap_or_default();
    let opt = invoked.parent().and_then(std::path::Path::parent);
    opt.is_some_and(|opt| opt.join("bootstrap").is_file())
}
