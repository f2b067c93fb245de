// SPDX-License-Identifier: Apache-2.0
//! A local Lambda: a function URL, or another front end, in front, the Runtime API and the Extensions API behind, and an execution
//! environment between them, with the phases, the timings and the signals of the service.
//!
//! It plays the service for any adapter or custom runtime and shares no code with Streamgate's own adapter: a framing
//! mistake must not cancel out. What it claims about Lambda, with the source of each claim, is in
//! `docs/local-lambda.md`.
//!
//! # In tests
//!
//! An app behind its adapter, as a client of the function URL sees it. Features are off: `default-features = false` leaves
//! out what only the program `streamgate-local` needs.
//!
//! ```no_run
//! use streamgate_emulator::{Emulator, Settings, Shape};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let command = vec!["node".into(), "server.js".into()];
//! let mut settings = Settings::new(Shape::Entrypoint { command });
//! settings.adapter = Some("target/release/streamgate".into());
//! settings.port = 0;
//! // The app finds `PATH` and what else it needs of the shell's variables.
//! settings.inherited = std::env::vars_os().collect();
//! let emulator = Emulator::start(settings).await?;
//! println!("ask {} with any HTTP client", emulator.url());
//! emulator.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! A custom runtime by itself, and events past the front end. [`Settings::front`] chooses a front end, [`Settings::freeze`],
//! [`Settings::timeout`] and the others what else there is of Lambda.
//!
//! ```no_run
//! use streamgate_emulator::{Emulator, InvokeMode, Settings, Shape};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut settings = Settings::new(Shape::Entrypoint { command: Vec::new() });
//! settings.adapter = Some("target/debug/my-function".into());
//! settings.port = 0;
//! settings.invoke_mode = InvokeMode::Buffered;
//! let emulator = Emulator::start(settings).await?;
//! let mut reply = emulator.invoke(r#"{"source":"aws.events"}"#).await?;
//! assert_eq!(reply.collect().await?, "null");
//! // The environment is done with it: extensions too, and the freeze may come.
//! reply.settled().await;
//! emulator.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! What happened, as it happens, and calls of the Runtime API that go wrong:
//!
//! ```no_run
//! use std::sync::mpsc;
//!
//! use streamgate_emulator::{Emulator, Entry, Journal, Settings};
//!
//! # async fn example(mut settings: Settings) -> Result<(), Box<dyn std::error::Error>> {
//! let (entries, log) = mpsc::channel();
//! settings.journal = Journal::new(move |entry| {
//!     let _ = entries.send(entry.clone());
//! });
//! settings.faults = "response 1 reset".parse()?;
//! let emulator = Emulator::start(settings).await?;
//! assert!(emulator.invoke("{}").await.is_err());
//! assert!(log.try_iter().any(|entry| matches!(entry, Entry::Faulted { .. })));
//! assert_eq!(emulator.replies().lost, 1);
//! # Ok(())
//! # }
//! ```
//!
//! It takes a tokio runtime, of one thread or several. Processes belong to the emulator: they end with it, also when it is
//! dropped.
//!
//! # How it is built
//!
//! | module | what |
//! |---|---|
//! | `settings` | what is emulated |
//! | `front` | the front end; `event` builds its events, `stream` and `reply` read its answers |
//! | `invoke` | hands events to the function, for the front end and for callers of the library |
//! | `invoke_api` | `Invoke` and `InvokeWithResponseStream`, as SDKs call them; `server` has the connections of clients |
//! | `inspector` | the web page that shows all of it live |
//! | `pool` | environments: which one an invocation gets, when there is a new one, when one goes |
//! | `environment` | init, invoke, shutdown; `state` says which call is allowed when |
//! | `api` | the listener of the two APIs; `faults` lets calls go wrong, `replies` counts what became of them |
//! | `runtime_api`, `extensions_api` | the two APIs; `wire` has their names |
//! | `telemetry` | the Telemetry API: subscriptions, events and their delivery |
//! | `pace` | how fast a stream goes, and how long it may be |
//! | `sandbox` | programs, variables, processes |
//! | `output`, `log_tail` | what the processes write, and the end of it for callers of the Invoke APIs |
//! | `journal` | the emulator's own log |

mod api;
mod clock;
mod environment;
mod event;
mod extensions_api;
mod fault;
mod faults;
mod front;
mod inspector;
mod invocation;
mod invoke;
mod invoke_api;
mod journal;
mod log_tail;
mod output;
mod pace;
mod pool;
mod replies;
mod reply;
mod runtime_api;
mod sandbox;
mod server;
mod settings;
mod state;
mod stream;
mod telemetry;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::OptionFuture;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub use faults::{FaultScript, FaultScriptError};
pub use invocation::{InvocationError, ReportedError};
pub use invoke::Reply;
pub use journal::{
    Access, AccessEnd, Answered, Called, Entry, InitPhase, Journal, LogSource, LogStream,
};
pub use output::ProcessOutput;
pub use replies::Replies;
pub use sandbox::{SandboxError, find_adapter};
pub use settings::{
    AtLimit, Bandwidth, BrokenStreams, FrontKind, InvokeMode, MemoryLimit, Settings, Shape,
    UnknownAtLimit, UnknownBandwidth, UnknownFront, UnknownInvokeMode, ZipRuntime,
};

use front::Front;
use inspector::{About, Inspector, Pages};
use invoke::Invoker;
use invoke_api::InvokeApi;
use pool::{Limits, Orders, Pool};
use replies::Tally;
use sandbox::Sandbox;

/// How long clients may take to read what is left of their responses once the environment is gone.
const CLIENT_GRACE: Duration = Duration::from_millis(500);

/// Why an [`Emulator`] did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The function's programs are not where the settings say.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// An address cannot be listened on.
    #[error("{what} cannot listen on {address}")]
    Bind {
        /// The front end, such as `function URL`, or the Runtime API.
        what: &'static str,
        /// Host and port as given.
        address: String,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// A running local Lambda with one function.
///
/// Dropping it stops everything at once; [`Emulator::shutdown`] does it in order.
#[derive(Debug)]
pub struct Emulator {
    address: SocketAddr,
    runtime_api: SocketAddr,
    invoke_api: SocketAddr,
    inspector: Option<SocketAddr>,
    front_kind: FrontKind,
    invoker: Invoker,
    mode: InvokeMode,
    restart: mpsc::Sender<String>,
    stop_function: Option<oneshot::Sender<()>>,
    stop_front: watch::Sender<bool>,
    tally: Arc<Tally>,
    function: JoinHandle<()>,
    front: JoinHandle<()>,
}

impl Emulator {
    /// Checks the settings, opens the ports and begins init. The front end answers when this returns; requests wait for
    /// init. Provisioned environments are done with it.
    ///
    /// # Errors
    /// Programs that are missing, or an address that is taken.
    pub async fn start(mut settings: Settings) -> Result<Self, StartError> {
        let inspector = settings.inspector_port.map(|port| {
            let inspector = Inspector::new();
            settings.journal = inspector.reads(&settings.journal);
            (inspector, port)
        });
        let sandbox = Arc::new(Sandbox::prepare(settings.clone())?);
        let host = &settings.host;
        // The one that everybody asks for is the first to be missed.
        let (url, address) = bind(settings.front.title(), host, settings.port).await?;
        let (api, api_address) =
            bind("Runtime API", "127.0.0.1", settings.runtime_api_port).await?;
        let (api_listener, invoke_api) =
            bind("Invoke API (--api-port)", host, settings.invoke_api_port).await?;
        let inspector = match inspector {
            Some((inspector, port)) => {
                let (listener, address) =
                    bind("inspector (--inspector-port)", "127.0.0.1", port).await?;
                Some((inspector, listener, address))
            }
            None => None,
        };

        let (sender, invocations) = mpsc::channel(pool::QUEUE);
        let (is_ready, ready) = oneshot::channel();
        let (stop_front, front_stopped) = watch::channel(false);
        let (stop_function, function_stopped) = oneshot::channel();
        let (restart, restarts) = mpsc::channel(1);
        let invoker = Invoker {
            invocations: sender,
        };
        let front = Arc::new(Front::new(&settings, invoker.clone()));
        let api_front = InvokeApi::new(&settings, invoker.clone());
        let inspector_address = inspector.as_ref().map(|(.., address)| *address);
        let inspecting = inspector.map(|(inspector, listener, _)| {
            let pages = Pages {
                inspector,
                about: About {
                    function_name: settings.function_name.clone(),
                    front: settings.front.title(),
                    url: format!("http://{address}/"),
                },
                invoker: invoker.clone(),
                kind: settings.front,
                mode: settings.front.mode(settings.invoke_mode),
                journal: settings.journal.clone(),
                stop: front_stopped.clone(),
            };
            server::serve(pages, listener, front_stopped.clone())
        });
        let tally = Arc::clone(&sandbox.tally);
        let pool = Pool {
            sandbox,
            listener: Arc::new(api),
            limits: Limits {
                environments: settings.max_environments.get().into(),
                at_limit: settings.at_limit,
                provisioned: settings.provisioned.into(),
                idle_timeout: settings.idle_timeout,
                cold_start_delay: settings.cold_start_delay,
            },
        };
        let orders = Orders {
            invocations,
            restarts,
            stop: function_stopped,
        };
        let emulator = Self {
            address,
            runtime_api: api_address,
            front_kind: settings.front,
            invoke_api,
            inspector: inspector_address,
            invoker,
            mode: settings.front.mode(settings.invoke_mode),
            restart,
            stop_function: Some(stop_function),
            stop_front,
            tally,
            function: tokio::spawn(pool.run(orders, is_ready)),
            front: tokio::spawn(async move {
                tokio::join!(
                    server::serve(front, url, front_stopped.clone()),
                    server::serve(api_front, api_listener, front_stopped),
                    OptionFuture::from(inspecting)
                );
            }),
        };
        // Nobody to say so has nothing left to wait for.
        let _ = ready.await;
        Ok(emulator)
    }

    /// Where the front end listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the Runtime API and the Extensions API of the first environment listen, its `AWS_LAMBDA_RUNTIME_API`.
    #[must_use]
    pub fn runtime_api(&self) -> SocketAddr {
        self.runtime_api
    }

    /// Where `Invoke` and `InvokeWithResponseStream` are, with a slash at its end: the `endpoint_url` of an SDK.
    #[must_use]
    pub fn invoke_api_url(&self) -> String {
        format!("http://{}/", self.invoke_api)
    }

    /// The inspector's page, where there is one.
    #[must_use]
    pub fn inspector_url(&self) -> Option<String> {
        let address = self.inspector?;
        Some(format!("http://{address}/"))
    }

    /// The front end's URL, with a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The front end.
    #[must_use]
    pub fn front(&self) -> FrontKind {
        self.front_kind
    }

    /// How the front end invokes the function: as the settings say for a function URL, in the one way that others have.
    #[must_use]
    pub fn invoke_mode(&self) -> InvokeMode {
        self.mode
    }

    /// Sends any bytes as one event, past the front end, as `Invoke` or `InvokeWithResponseStream` would, whichever
    /// [`Emulator::invoke_mode`] says. Resolves when the reply begins; waits for init and for the invocations before.
    ///
    /// The bytes are sent as they are, even if they are no JSON, which the service would refuse.
    ///
    /// # Errors
    /// An event above 6 MB, a function error, a timeout, or an environment that came to an end.
    ///
    /// # Cancel safety
    /// Dropping the future does not take the invocation back.
    pub async fn invoke(&self, event: impl Into<Bytes>) -> Result<Reply, InvocationError> {
        self.invoker.reply(event.into(), self.mode).await
    }

    /// Ends all environments in order and begins again as at the start, with code as it is now; the log tells `reason`.
    /// Settings are those of [`Emulator::start`], and the ports stay open.
    ///
    /// What is open is cut, as by a shutdown. What comes from now on, and what no environment has begun with, waits for
    /// the new ones. One that is asked for before the last has begun is that one.
    pub fn restart(&self, reason: impl Into<String>) {
        // One is asked for already, or the function has ended.
        let _ = self.restart.try_send(reason.into());
    }

    /// What became of the invocations so far.
    #[must_use]
    pub fn replies(&self) -> Replies {
        self.tally.replies()
    }

    /// Takes no more requests, shuts the environments down in order (SIGTERM, SHUTDOWN event, SIGKILL) and resolves
    /// when all their processes are gone.
    pub async fn shutdown(mut self) {
        self.stop_front.send_replace(true);
        if let Some(stop) = self.stop_function.take() {
            // A function that has ended already has nothing left to stop.
            let _ = stop.send(());
        }
        let _ = (&mut self.function).await;
        // A client that does not read must not hold up the end.
        let _ = tokio::time::timeout(CLIENT_GRACE, &mut self.front).await;
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.function.abort();
        self.front.abort();
    }
}

async fn bind(
    what: &'static str,
    host: &str,
    port: u16,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Bind {
        what,
        address: format!("{host}:{port}"),
        source,
    };
    let listener = TcpListener::bind((host, port)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
