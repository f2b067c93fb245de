// SPDX-License-Identifier: Apache-2.0
//! What one environment has of its own: the address of its APIs, its variables, its part of the log.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use uuid::Uuid;

use super::{Credentials, Sandbox, variables};
use crate::journal::Journal;
use crate::telemetry::About;

/// Why an environment is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Initialization {
    OnDemand,
    /// Ahead of any request, and kept (source: AWS page "Configuring provisioned concurrency for a function").
    Provisioned,
}

/// One environment among those of the function.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    pub(crate) initialization: Initialization,
    pub(crate) journal: Journal,
    pub(crate) about: About,
    /// Of a function with a snapshot.
    pub(crate) credentials: Option<Credentials>,
    pub(super) runtime_variables: BTreeMap<OsString, OsString>,
    pub(super) extension_variables: BTreeMap<OsString, OsString>,
}

impl Sandbox {
    /// The environment of this number, from 1, whose APIs listen at `address`.
    ///
    /// On the service each has a network of its own. Here they share the machine's, so each but the first gets a
    /// `PORT` of its own: their apps could not all listen on one.
    pub(crate) fn place(
        &self,
        number: u32,
        address: SocketAddr,
        initialization: Initialization,
    ) -> Place {
        let api = address.to_string();
        let own = variables::Own {
            number,
            api: &api,
            initialization,
            port: if number > 1 { self.ports.take() } else { None },
        };
        let mut runtime_variables =
            variables::of_runtime(&self.settings, &own, self.opt.as_deref());
        let credentials = self
            .settings
            .snapstart
            .then(|| Credentials::instead_of_keys(&mut runtime_variables, &api));
        Place {
            address,
            initialization,
            journal: self.journal.of(number),
            about: About {
                function_name: self.function_name.clone(),
                initialization_type: variables::initialization_type(&self.settings, initialization),
                json_logs: runtime_variables
                    .get(OsStr::new("AWS_LAMBDA_LOG_FORMAT"))
                    .is_some_and(|format| format.eq_ignore_ascii_case("json")),
                memory_mb: self.memory_mb,
            },
            credentials,
            extension_variables: variables::of_extension(&runtime_variables),
            runtime_variables,
        }
    }
}

/// Hands out ports for apps, each once around.
#[derive(Debug)]
pub(super) struct Ports(AtomicU16);

impl Ports {
    const FIRST: u16 = 20_000;
    /// Up to where Linux takes ports for outgoing connections from, by default.
    const COUNT: u16 = 12_768;

    /// Begins somewhere, so that two programs seldom hand out the same.
    pub(super) fn new() -> Self {
        let [one, two, ..] = *Uuid::new_v4().as_bytes();
        Self(AtomicU16::new(u16::from_be_bytes([one, two]) % Self::COUNT))
    }

    /// A port that nobody listens on now.
    fn take(&self) -> Option<u16> {
        (0..Self::COUNT)
            .map(|_| Self::FIRST + self.0.fetch_add(1, Ordering::Relaxed) % Self::COUNT)
            .find(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok())
    }
}
