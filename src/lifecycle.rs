// SPDX-License-Identifier: Apache-2.0
//! The phases of an environment: register, start, ready, serve, drain, stop.
//!
//! | Phase | Ends with |
//! |---|---|
//! | registering | Lambda knows us; from then on it starts the runtime process |
//! | starting | the app is ready; or it ended, or time is up: an init error |
//! | serving | a stop: SHUTDOWN, SIGTERM, the stub's word, or the app's end |
//! | draining | the open invocation has ended or used up its share; the app has stopped |
//!
//! Signals are taken before anything is started. Every stop leads to the one drain; the exit code tells them apart.

use std::fmt;
use std::future::{Future, pending};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, timeout};

use crate::app::AppClient;
use crate::app::command::{Command, NoCommand};
use crate::app::port::{Port, PortError, USUAL_PORT, is_free};
use crate::app::process::{Exited, Launch, Process, SpawnError, Stdio};
use crate::app::readiness::{NotReady, until_ready};
use crate::extension_api::{Extension, ExtensionApiError, Kind, Shutdown};
use crate::handover::{Handover, Listener, Stub, StubEvent};
use crate::logging::chain;
use crate::proxy::{Open, Proxy};
use crate::role::Role;
use crate::runtime_api::wire::error_type;
use crate::runtime_api::{Failure, RuntimeApi, RuntimeApiError};
use crate::settings::{Environment, Settings, SettingsError};
use crate::transport::{Authority, Client, UnknownHost};

/// From SIGTERM to SIGKILL, Lambda grants 2 s where an extension is registered from `/opt/extensions`; we keep the
/// last 100 ms for ourselves.
const EXTENSION_BUDGET: Duration = Duration::from_millis(1_900);
/// A runtime process alone gets 500 ms. If Lambda grants less, the app dies with us, which is no worse.
const ENTRYPOINT_BUDGET: Duration = Duration::from_millis(450);
/// Kept back from the deadline of SHUTDOWN for reaping and exit.
const EXIT_RESERVE: Duration = Duration::from_millis(100);
/// How long an invocation may still take whose app is gone: long enough to post what is left to say.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long the stub may take where one is expected, before the app is looked for without it.
const STUB_GRACE: Duration = Duration::from_secs(1);
/// Waits between polls that fail, doubled each time; the sum of all is some 20 s, and then the environment is given up.
const POLL_RETRY: Duration = Duration::from_millis(10);
const POLL_RETRIES: u32 = 11;

/// Why the app could not be made ready.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    NoCommand(#[from] NoCommand),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Host(#[from] UnknownHost),
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    #[error("cannot inherit standard input, output and error")]
    Stdio(#[source] std::io::Error),
    #[error("app {0} before it was ready{tail}", tail = Tail(&.0.stderr))]
    Exited(Exited),
    #[error(transparent)]
    NotReady(#[from] NotReady),
}

impl StartError {
    fn error_type(&self) -> &'static str {
        match self {
            Self::NotReady(_) => error_type::APP_NOT_READY,
            _ => error_type::APP_START,
        }
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
struct Tail<'a>(&'a str);

impl fmt::Display for Tail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("; it wrote nothing to standard error");
        }
        write!(f, "; the end of its standard error:\n{}", self.0)
    }
}

/// Why the environment ends.
#[derive(Debug)]
enum Stop {
    /// Lambda said so to the extension.
    Shutdown(Shutdown),
    /// SIGTERM or SIGINT came to this process.
    Signal,
    /// SIGTERM came to the stub.
    StubTerminated,
    /// The runtime process is gone, so Lambda will end the environment.
    StubGone,
}

/// Where stops come from.
struct Stops {
    shutdown: Pin<Box<dyn Future<Output = Result<Shutdown, ExtensionApiError>>>>,
    terminate: Signal,
    interrupt: Signal,
    stub: Option<Stub>,
}

impl Stops {
    /// Waits for a stop. May be dropped and called again.
    async fn next(&mut self) -> Stop {
        let stub = async {
            match &mut self.stub {
                Some(stub) => stub.event().await,
                None => pending().await,
            }
        };
        tokio::select! {
            shutdown = &mut self.shutdown => match shutdown {
                Ok(shutdown) => Stop::Shutdown(shutdown),
                Err(error) => {
                    tracing::warn!(error = chain(&error), "no word of a shutdown will come from lambda");
                    self.shutdown = Box::pin(pending());
                    Box::pin(self.next()).await
                }
            },
            _ = self.terminate.recv() => Stop::Signal,
            _ = self.interrupt.recv() => Stop::Signal,
            event = stub => match event {
                StubEvent::Terminated => Stop::StubTerminated,
                StubEvent::Gone => Stop::StubGone,
            },
        }
    }

    /// Waits for the SHUTDOWN event that follows the end of the runtime process.
    async fn shutdown_event(&mut self) {
        let _ = (&mut self.shutdown).await;
    }
}

/// The app, once there is one.
struct App {
    client: AppClient,
    process: Option<Process>,
    _port: Option<Port>,
}

impl App {
    /// Waits for the end of a launched app; an attached one is not ours to wait for.
    async fn exited(&mut self) -> Exited {
        match &mut self.process {
            Some(process) => process.wait().await,
            None => pending().await,
        }
    }
}

/// Everything that lasts as long as the environment.
struct Adapter {
    settings: Settings,
    environment: Environment,
    runtime_api: Rc<RuntimeApi>,
    extension: Option<Rc<Extension>>,
    is_extension: bool,
    began_at: Instant,
}

/// Runs the adapter as extension or entry point.
pub(crate) async fn run(role: Role, settings: Settings, environment: Environment) -> ExitCode {
    match try_run(role, settings, environment).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tracing::error!(error = chain(&*error), "adapter cannot run");
            ExitCode::FAILURE
        }
    }
}

async fn try_run(
    role: Role,
    settings: Settings,
    environment: Environment,
) -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
    let began_at = Instant::now();
    let direct = runtime_api_authority(&environment)?;
    let is_extension = matches!(role, Role::Extension);
    // Before registration, since the runtime process may come right after it.
    let listener = if is_extension {
        Some(Listener::bind(&environment)?)
    } else {
        None
    };
    let (terminate, interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );

    let kind = if is_extension {
        Kind::External
    } else {
        Kind::Internal
    };
    let extension = match Extension::register(direct.clone(), &extension_name(), kind).await {
        Ok(extension) => Some(Rc::new(extension)),
        // Without it an entry point gets no SIGTERM, but serves.
        Err(error) if !is_extension => {
            tracing::warn!(
                error = chain(&error),
                "not registered, so lambda will not say when it stops"
            );
            None
        }
        Err(error) => return Err(error.into()),
    };
    let shutdown: Pin<Box<dyn Future<Output = _>>> = match &extension {
        Some(extension) => {
            let extension = Rc::clone(extension);
            Box::pin(async move { extension.shutdown().await })
        }
        None => Box::pin(pending()),
    };
    let stops = Stops {
        shutdown,
        terminate,
        interrupt,
        stub: None,
    };
    let runtime_api = match &settings.runtime_api_proxy {
        Some((host, port)) => Authority::resolve(host, *port)?,
        None => direct,
    };
    let adapter = Adapter {
        settings,
        environment,
        runtime_api: Rc::new(RuntimeApi::new(runtime_api)),
        extension,
        is_extension,
        began_at,
    };
    Ok(adapter.live(role, listener, stops).await)
}

/// Reports settings that do not parse.
pub(crate) async fn report_settings(role: &Role, environment: &Environment, error: &SettingsError) {
    let Ok(authority) = runtime_api_authority(environment) else {
        return;
    };
    let failure = Failure::new(error_type::SETTINGS, error.to_string());
    if matches!(role, Role::Extension) {
        if let Ok(extension) =
            Extension::register(authority, &extension_name(), Kind::External).await
        {
            let _ = extension.fail_init(&failure).await;
        }
    } else {
        let _ = RuntimeApi::new(authority).fail_init(&failure).await;
    }
}

#[derive(Debug, thiserror::Error)]
enum RuntimeApiAddressError {
    #[error(
        "AWS_LAMBDA_RUNTIME_API is not set: this is the part that runs inside Lambda; \
         to try an app here, run `streamgate-local -- COMMAND`"
    )]
    NotSet,
    #[error("AWS_LAMBDA_RUNTIME_API=`{value}` is not valid: expected {expected}")]
    Invalid {
        value: String,
        expected: &'static str,
    },
    #[error(transparent)]
    Unknown(#[from] UnknownHost),
}

fn runtime_api_authority(environment: &Environment) -> Result<Authority, RuntimeApiAddressError> {
    let value = environment
        .get("AWS_LAMBDA_RUNTIME_API")
        .ok_or(RuntimeApiAddressError::NotSet)?;
    let value = value.to_string_lossy();
    let (host, port) =
        crate::settings::authority(&value).map_err(|expected| RuntimeApiAddressError::Invalid {
            value: value.to_string(),
            expected,
        })?;
    Ok(Authority::resolve(&host, port)?)
}

/// Lambda knows an external extension by the name of its file.
fn extension_name() -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    let name = std::path::Path::new(&program)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    if name.is_empty() {
        "streamgate".to_owned()
    } else {
        name.into_owned()
    }
}

impl Adapter {
    async fn live(self, role: Role, listener: Option<Listener>, mut stops: Stops) -> u8 {
        let started = match (role, &listener) {
            (Role::Entrypoint(command), _) => self.start_entrypoint(command, &mut stops).await,
            (_, Some(listener)) => self.start_extension(listener, &mut stops).await,
            (_, None) => return 1,
        };
        match started {
            Ok(Started::Ready(app)) => self.serve(app, stops).await,
            Ok(Started::Stopped(app, stop)) => self.drain(stop, app, stops).await,
            Err(error) => self.give_up_start(&error, stops).await,
        }
    }

    // ---- starting ----------------------------------------------------------------------------------------------

    async fn start_entrypoint(
        &self,
        command: Command,
        stops: &mut Stops,
    ) -> Result<Started, StartError> {
        let directory = std::env::current_dir().unwrap_or_else(|_| "/".into());
        let environment = self.environment.clone();
        let stdio = Stdio::inherited().map_err(StartError::Stdio)?;
        self.launch(
            Launch {
                command,
                environment,
                directory,
                stdio,
            },
            stops,
        )
        .await
    }

    /// The stub comes, and the app is ours to launch; or an app is found on its port, and we attach to it.
    async fn start_extension(
        &self,
        listener: &Listener,
        stops: &mut Stops,
    ) -> Result<Started, StartError> {
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
        let attached = async {
            if stub_is_expected {
                sleep(STUB_GRACE).await;
            }
            self.until_ready(&client).await
        };
        tokio::select! {
            biased;
            stop = stops.next() => Ok(Started::Stopped(None, stop)),
            (handover, stub) = listener.accept() => {
                stops.stub = Some(stub);
                self.launch(self.launch_of(handover)?, stops).await
            }
            ready = attached => {
                ready?;
                tracing::info!(app.port = port, ready_ms = self.elapsed_ms(), "app is ready; attached to it");
                Ok(Started::Ready(App { client, process: None, _port: None }))
            }
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
            Command::of_function(self.settings.command.as_deref(), &environment, arguments)?;
        Ok(Launch {
            command,
            environment,
            directory,
            stdio,
        })
    }

    async fn launch(&self, mut launch: Launch, stops: &mut Stops) -> Result<Started, StartError> {
        let port = Port::choose(self.settings.port)?;
        let is_fixed_by_app =
            launch.environment.get("PORT").is_some() && self.settings.port.is_some();
        if !is_fixed_by_app {
            launch.environment.set("PORT", port.number.to_string());
        }
        let client = self.client(port.number)?;
        let spawned_ms = self.elapsed_ms();
        let number = port.number;
        let mut app = App {
            client,
            process: Some(Process::spawn(launch)?),
            _port: Some(port),
        };
        let client = Rc::clone(&app.client);
        tokio::select! {
            biased;
            stop = stops.next() => return Ok(Started::Stopped(Some(app), stop)),
            exited = app.exited() => return Err(StartError::Exited(exited)),
            ready = self.until_ready(&client) => ready?,
        }
        tracing::info!(
            app.port = number,
            spawned_ms,
            ready_ms = self.elapsed_ms(),
            "app is ready"
        );
        Ok(Started::Ready(app))
    }

    async fn until_ready(&self, client: &AppClient) -> Result<(), StartError> {
        let check = &self.settings.readiness;
        match check.port {
            Some(port) => until_ready(&self.client(port)?, check).await?,
            None => until_ready(client, check).await?,
        }
        Ok(())
    }

    fn client(&self, port: u16) -> Result<AppClient, UnknownHost> {
        Authority::resolve(&self.settings.host, port).map(Client::new)
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began_at.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn give_up_start(&self, error: &StartError, stops: Stops) -> u8 {
        let message = chain(error);
        tracing::error!("{message}");
        let failure = Failure::new(error.error_type(), message);
        if let Err(error) = self.runtime_api.fail_init(&failure).await {
            tracing::warn!(
                error = chain(&error),
                "init error could not be reported as the runtime's"
            );
        }
        if let (true, Some(extension)) = (self.is_extension, &self.extension) {
            let _ = extension.fail_init(&failure).await;
        }
        let code = error.exit_code();
        if let Some(stub) = stops.stub {
            stub.release(code).await;
        }
        code
    }

    // ---- serving -----------------------------------------------------------------------------------------------

    async fn serve(self, mut app: App, mut stops: Stops) -> u8 {
        let open = Open::default();
        let proxy = Proxy {
            runtime_api: Rc::clone(&self.runtime_api),
            app: Rc::clone(&app.client),
            invoke_mode: self.settings.invoke_mode,
            streamed_once: std::cell::OnceCell::new(),
        };
        let mut polling = pin!(poll(&proxy, &open));
        let why = tokio::select! {
            biased;
            stop = stops.next() => Ending::Stop(stop),
            exited = app.exited() => Ending::AppExited(exited),
            error = &mut polling => Ending::LambdaLost(error),
        };
        let share = match &why {
            Ending::Stop(stop) => self.budget(stop) / 2,
            Ending::AppExited(_) | Ending::LambdaLost(_) => LAST_WORDS,
        };
        // An invocation that is open ends first; the loop is dropped before it polls again.
        let began_at = Instant::now();
        if open.is_any()
            && timeout(share, closed(&open, polling.as_mut()))
                .await
                .is_err()
        {
            tracing::warn!("invocation is cut: the environment ends");
        }
        match why {
            Ending::Stop(stop) => {
                self.drain(stop.after(began_at.elapsed()), Some(app), stops)
                    .await
            }
            Ending::AppExited(exited) => {
                tracing::error!("app {exited}{}", Tail(&exited.stderr));
                self.end(exited.code().max(1), stops).await
            }
            Ending::LambdaLost(error) => {
                tracing::error!(error = chain(&error), "runtime API is lost");
                self.end(1, stops).await
            }
        }
    }

    // ---- draining ----------------------------------------------------------------------------------------------

    /// How long everything may take from this stop on.
    fn budget(&self, stop: &Stop) -> Duration {
        let granted = match stop {
            Stop::Shutdown(shutdown) => shutdown.remaining.saturating_sub(EXIT_RESERVE),
            Stop::Signal if !self.is_extension => ENTRYPOINT_BUDGET,
            Stop::Signal | Stop::StubTerminated | Stop::StubGone => EXTENSION_BUDGET,
        };
        self.settings.shutdown_timeout.unwrap_or(granted)
    }

    async fn drain(&self, stop: Stop, app: Option<App>, mut stops: Stops) -> u8 {
        let until = Instant::now() + self.budget(&stop);
        tracing::info!(reason = %stop, "environment ends");
        let process = app.and_then(|app| app.process);
        let mut code = 0;
        if let Some(mut process) = process {
            let exited = process.stop(until - Instant::now()).await;
            tracing::info!("app {exited}");
            code = exited.code();
        }
        if let Some(stub) = stops.stub.take() {
            stub.release(code).await;
        }
        // Lambda tells the extension last. It counts one that has gone before as crashed.
        if self.is_extension && !matches!(stop, Stop::Shutdown(_)) {
            let _ = timeout(EXTENSION_BUDGET, stops.shutdown_event()).await;
        }
        if self.is_extension { 0 } else { code }
    }

    async fn end(&self, code: u8, stops: Stops) -> u8 {
        if let Some(stub) = stops.stub {
            stub.release(code).await;
        }
        code
    }
}

/// What became of the start.
enum Started {
    Ready(App),
    Stopped(Option<App>, Stop),
}

/// Why serving ended.
enum Ending {
    Stop(Stop),
    AppExited(Exited),
    LambdaLost(RuntimeApiError),
}

impl Stop {
    fn after(self, elapsed: Duration) -> Self {
        match self {
            Self::Shutdown(Shutdown { reason, remaining }) => Self::Shutdown(Shutdown {
                reason,
                remaining: remaining.saturating_sub(elapsed),
            }),
            other => other,
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shutdown(shutdown) => write!(f, "shutdown ({})", shutdown.reason),
            Self::Signal => f.write_str("signal"),
            Self::StubTerminated => f.write_str("signal to the runtime process"),
            Self::StubGone => f.write_str("runtime process is gone"),
        }
    }
}

/// Polls for invocations and answers each. Ends only when Lambda cannot be reached.
async fn poll(proxy: &Proxy, open: &Open) -> RuntimeApiError {
    let mut failures = 0;
    loop {
        let invocation = match proxy.runtime_api.next().await {
            Ok(invocation) => invocation,
            Err(error) if failures == POLL_RETRIES => return error,
            Err(error) => {
                tracing::warn!(error = chain(&error), "repeating a poll");
                sleep(POLL_RETRY * 2_u32.pow(failures)).await;
                failures += 1;
                continue;
            }
        };
        failures = 0;
        let _entered = open.enter();
        // Whatever it borrows is per invocation, but for connections, and those are dropped with it.
        match AssertUnwindSafe(proxy.answer(&invocation))
            .catch_unwind()
            .await
        {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(invocation.id, error = chain(&error), "reply was not taken");
            }
            Err(_) => {
                tracing::error!(invocation.id, "adapter panicked");
                let failure = Failure::new(
                    error_type::ADAPTER,
                    "the adapter panicked; its log says where",
                );
                let _ = proxy.runtime_api.fail(&invocation, &failure).await;
            }
        }
    }
}

/// Drives the loop until no invocation is open.
async fn closed(open: &Open, mut polling: Pin<&mut impl Future<Output = RuntimeApiError>>) {
    std::future::poll_fn(|context| {
        if polling.as_mut().poll(context).is_ready() || !open.is_any() {
            return std::task::Poll::Ready(());
        }
        std::task::Poll::Pending
    })
    .await;
}

/// The layer brings a `bootstrap` beside `extensions/`; an image that is attached to brings the one file.
fn layer_has_bootstrap() -> bool {
    let program = std::env::current_exe().unwrap_or_default();
    let invoked = std::env::args_os()
        .next()
        .map(std::path::PathBuf::from)
        .unwrap_or_default();
    [program, invoked]
        .iter()
        .filter_map(|path| path.parent()?.parent())
        .any(|opt| opt.join("bootstrap").is_file())
}
