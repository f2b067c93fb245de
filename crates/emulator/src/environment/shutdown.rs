// SPDX-License-Identifier: Apache-2.0
//! The end of an environment: SIGTERM, the SHUTDOWN event, SIGKILL, in this order and within a budget.
//!
//! Budget (source: AWS page "Understanding the Lambda execution environment lifecycle"; the runtime's share of 300 ms
//! is from the 2022 edition of AWS page "Lambda Extensions API"):
//!
//! | registered | SIGTERM to the runtime | until |
//! |---|---|---|
//! | nothing | no, SIGKILL at once | 0 ms |
//! | internal extensions only | yes | 500 ms |
//! | an external extension | yes, 300 ms | 2,000 ms, the rest for SHUTDOWN |

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::Environment;
use crate::clock::epoch_millis;
use crate::invocation::InvocationError;
use crate::journal::Entry;
use crate::sandbox::ProcessName;
use crate::state::{ExtensionKind, Shutdown, State};

const TOTAL_BUDGET: Duration = Duration::from_secs(2);
const RUNTIME_BUDGET: Duration = Duration::from_millis(300);
const INTERNAL_ONLY_BUDGET: Duration = Duration::from_millis(500);
/// How long killed processes are waited for (source: RIE `internal/lambda/rapid/shutdown.go`).
const EXIT_WAIT: Duration = Duration::from_secs(2);

impl Environment {
    /// Shuts the environment down in order and resolves when all its processes are gone.
    ///
    /// A response that is still under way may use the runtime's share; what is left of it is then cut.
    pub(crate) async fn stop(&self, reason: &'static str) {
        let began = Instant::now();
        self.shared.apply_always(State::stop);
        self.thaw();
        self.shared.telemetry.hurry();
        let (external, internal) = self.shared.peek(|state| {
            let count = |kind| {
                state
                    .registered()
                    .filter(|extension| extension.kind == kind)
                    .count()
            };
            (
                count(ExtensionKind::External),
                count(ExtensionKind::Internal),
            )
        });
        match (external, internal) {
            (0, 0) => self.generation.kill(&ProcessName::Runtime),
            (0, _) => self.stop_runtime(began + INTERNAL_ONLY_BUDGET).await,
            _ => {
                self.stop_runtime(began + RUNTIME_BUDGET).await;
                self.stop_extensions(reason, began + TOTAL_BUDGET).await;
            }
        }
        self.shared.abort_all(&InvocationError::sandbox_failure(
            "environment was shut down",
        ));
        self.generation.kill_groups();
        let _ = tokio::time::timeout(EXIT_WAIT, self.generation.all_exited()).await;
        self.shared.output.drain();
    }

    async fn stop_runtime(&self, until: Instant) {
        let name = ProcessName::Runtime;
        if !self.generation.terminate(&name) {
            return;
        }
        if tokio::time::timeout_at(until, self.generation.exited(&name))
            .await
            .is_err()
        {
            self.killed(
                &name,
                "did not exit on SIGTERM within its share of the shutdown",
            );
        }
    }

    async fn stop_extensions(&self, reason: &'static str, until: Instant) {
        let left = until.saturating_duration_since(Instant::now());
        let deadline_ms = epoch_millis(SystemTime::now() + left);
        let shutdown = Shutdown {
            reason,
            deadline_ms,
        };
        self.shared
            .apply_always(|state| state.shutdown = Some(shutdown));
        let mut awaited = Vec::new();
        for program in &self.sandbox.extensions {
            let name = ProcessName::Extension(program.name.clone());
            if self
                .shared
                .peek(|state| state.takes_shutdown(&program.name))
            {
                awaited.push(name);
            } else {
                self.generation.kill(&name);
            }
        }
        for name in awaited {
            if tokio::time::timeout_at(until, self.generation.exited(&name))
                .await
                .is_err()
            {
                self.killed(&name, "did not exit before the deadline of SHUTDOWN");
            }
        }
    }

    fn killed(&self, name: &ProcessName, reason: &str) {
        self.generation.kill(name);
        self.journal().write(&Entry::Killed {
            process: name.to_string(),
            reason: reason.to_owned(),
        });
    }
}
