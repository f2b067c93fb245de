// SPDX-License-Identifier: Apache-2.0
//! Extensions of one environment: who may register, and where each is in its loop.

use uuid::Uuid;

use super::{Open, Shutdown, State};

/// Most extensions that one function may have (source: AWS page "Lambda quotas").
pub(crate) const MAX_EXTENSIONS: usize = 10;

/// Where an extension is in its loop; names as in the service's error messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExtensionState {
    Started,
    Registered,
    Ready,
    Running,
    InitError,
    ExitError,
}

/// A call of an extension, or its completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExtensionCall {
    Register,
    Next,
    Delivered,
    InitError,
    ExitError,
}

impl ExtensionState {
    fn after(self, call: ExtensionCall) -> Option<Self> {
        match (self, call) {
            (Self::Started, ExtensionCall::Register) => Some(Self::Registered),
            (Self::Registered | Self::Running, ExtensionCall::Next) => Some(Self::Ready),
            (Self::Ready, ExtensionCall::Delivered) => Some(Self::Running),
            (Self::Registered | Self::InitError, ExtensionCall::InitError) => Some(Self::InitError),
            (
                Self::Registered | Self::Ready | Self::Running | Self::ExitError,
                ExtensionCall::ExitError,
            ) => Some(Self::ExitError),
            _ => None,
        }
    }
}

/// Whether Lambda started the extension, or code inside the runtime process registered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExtensionKind {
    External,
    Internal,
}

/// What an extension can subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    Invoke,
    Shutdown,
}

/// One extension.
#[derive(Debug)]
pub(crate) struct Extension {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(crate) kind: ExtensionKind,
    state: ExtensionState,
    events: Vec<EventKind>,
    seen: u64,
}

impl Extension {
    pub(super) fn is_ready(&self) -> bool {
        self.state == ExtensionState::Ready
    }

    pub(super) fn wants_invoke(&self) -> bool {
        self.events.contains(&EventKind::Invoke)
    }

    pub(super) fn done_with(&self, sequence: u64) -> bool {
        self.seen == sequence && self.is_ready()
    }

    fn call(&mut self, call: ExtensionCall) -> Result<(), RegisterError> {
        let state = self.state;
        self.state = state.after(call).ok_or_else(|| RegisterError::State {
            name: self.name.clone(),
            state,
        })?;
        Ok(())
    }
}

/// Why a call to the Extensions API was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RegisterError {
    #[error("extension {name:?} in state {state:?} does not take this call")]
    State { name: String, state: ExtensionState },
    #[error("extension registration is closed already")]
    Closed,
    #[error("extension limit ({MAX_EXTENSIONS}) reached")]
    TooMany,
    #[error("internal extension {0:?} cannot subscribe to SHUTDOWN")]
    InternalShutdown(String),
    /// Managed instances only.
    #[error("extension {0:?} cannot subscribe to INVOKE where invocations overlap")]
    ManagedEvent(String),
    #[error("extension {0:?} is registered already")]
    Taken(String),
    #[error("unknown extension identifier {0}")]
    Unknown(Uuid),
}

/// An event handed to an extension.
#[derive(Debug)]
pub(crate) enum ExtensionEvent<'a> {
    Invoke(&'a Open),
    Shutdown(Shutdown),
}

impl State {
    /// Lambda started this external extension; it is expected to register under `name`.
    pub(crate) fn expect_extension(&mut self, name: &str) {
        self.extensions.push(Extension {
            name: name.to_owned(),
            id: Uuid::new_v4(),
            kind: ExtensionKind::External,
            state: ExtensionState::Started,
            events: Vec::new(),
            seen: 0,
        });
    }

    /// Registers an extension: an expected name is external, any other internal
    /// (source: RIE `internal/lambda/rapi/handler/agentregister.go`).
    pub(crate) fn register(
        &mut self,
        name: &str,
        events: Vec<EventKind>,
    ) -> Result<Uuid, RegisterError> {
        // Source: RIE-LMI `rapi/handler/agentregister.go`.
        if self.is_managed() && events.contains(&EventKind::Invoke) {
            return Err(RegisterError::ManagedEvent(name.to_owned()));
        }
        if let Some(known) = self
            .extensions
            .iter_mut()
            .find(|extension| extension.name == name)
        {
            if known.kind == ExtensionKind::Internal {
                return Err(RegisterError::Taken(name.to_owned()));
            }
            known.call(ExtensionCall::Register)?;
            known.events = events;
            return Ok(known.id);
        }
        if events.contains(&EventKind::Shutdown) {
            return Err(RegisterError::InternalShutdown(name.to_owned()));
        }
        if !self.registration_open {
            return Err(RegisterError::Closed);
        }
        if self.extensions.len() >= MAX_EXTENSIONS {
            return Err(RegisterError::TooMany);
        }
        let id = Uuid::new_v4();
        self.extensions.push(Extension {
            name: name.to_owned(),
            id,
            kind: ExtensionKind::Internal,
            state: ExtensionState::Registered,
            events,
            seen: 0,
        });
        Ok(id)
    }

    fn extension(&mut self, id: Uuid) -> Result<&mut Extension, RegisterError> {
        self.extensions
            .iter_mut()
            .find(|extension| extension.id == id)
            .ok_or(RegisterError::Unknown(id))
    }

    /// An extension asks for an event; it waits with [`State::deliver_to`].
    pub(crate) fn extension_next(&mut self, id: Uuid) -> Result<(), RegisterError> {
        self.extension(id)?.call(ExtensionCall::Next)
    }

    /// Hands an event to a waiting extension, if there is one that it subscribed to and has not seen.
    pub(crate) fn deliver_to(&mut self, id: Uuid) -> Option<ExtensionEvent<'_>> {
        let (shutdown, sequence) = (self.shutdown, self.sequence);
        // Several are open only where no extension hears of them.
        let open = self.open.first().filter(|open| open.aborted.is_none());
        let extension = self
            .extensions
            .iter_mut()
            .find(|extension| extension.id == id)?;
        if !extension.is_ready() {
            return None;
        }
        if let Some(shutdown) = shutdown.filter(|_| extension.events.contains(&EventKind::Shutdown))
        {
            extension.call(ExtensionCall::Delivered).ok()?;
            return Some(ExtensionEvent::Shutdown(shutdown));
        }
        let open = open.filter(|_| extension.wants_invoke() && extension.seen < sequence)?;
        extension.call(ExtensionCall::Delivered).ok()?;
        extension.seen = sequence;
        Some(ExtensionEvent::Invoke(open))
    }

    /// `POST /init/error`; returns the extension's name.
    pub(crate) fn extension_init_error(&mut self, id: Uuid) -> Result<String, RegisterError> {
        let extension = self.extension(id)?;
        extension.call(ExtensionCall::InitError)?;
        Ok(extension.name.clone())
    }

    /// `POST /exit/error`; returns the extension's name.
    pub(crate) fn extension_exit_error(&mut self, id: Uuid) -> Result<String, RegisterError> {
        let extension = self.extension(id)?;
        extension.call(ExtensionCall::ExitError)?;
        Ok(extension.name.clone())
    }

    /// External extensions that were started and did not register yet.
    pub(crate) fn unregistered(&self) -> impl Iterator<Item = &Extension> {
        self.extensions
            .iter()
            .filter(|extension| extension.state == ExtensionState::Started)
    }

    /// Extensions that registered, whatever became of them.
    pub(crate) fn registered(&self) -> impl Iterator<Item = &Extension> {
        self.extensions
            .iter()
            .filter(|extension| extension.state != ExtensionState::Started)
    }

    /// Whether an external extension of this name takes the SHUTDOWN event.
    pub(crate) fn takes_shutdown(&self, name: &str) -> bool {
        self.registered().any(|extension| {
            extension.name == name && extension.events.contains(&EventKind::Shutdown)
        })
    }
}
