// SPDX-License-Identifier: Apache-2.0
//! One look at all processes for all who ask at the same time: many environments end at once, and each has to know
//! that nothing of it is left.

use std::collections::HashMap;
use std::sync::Arc;

use rustix::process::Pid;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::census::{self, Seen};

/// All processes of the system, and to which environment's variables they have.
#[derive(Debug)]
pub(super) struct Survey {
    began: Instant,
    pub(super) all: Vec<Seen>,
    markers: HashMap<Pid, Vec<u8>>,
}

impl Survey {
    fn take() -> Self {
        let began = Instant::now();
        let all = census::all();
        let marker = |seen: &Seen| Some((seen.pid, census::variable(seen.pid, MARKER)?));
        Self {
            began,
            markers: all.iter().filter_map(marker).collect(),
            all,
        }
    }

    pub(super) fn has(&self, pid: Pid, marker: &[u8]) -> bool {
        self.markers.get(&pid).is_some_and(|found| found == marker)
    }
}

/// The start of the variable by which environments are told apart.
pub(super) const MARKER: &[u8] = b"AWS_LAMBDA_RUNTIME_API=";

/// Takes surveys.
#[derive(Debug, Default)]
pub(crate) struct Surveyor(Mutex<Option<Arc<Survey>>>);

impl Surveyor {
    /// A survey that begins after this call.
    pub(super) async fn survey(&self) -> Option<Arc<Survey>> {
        let asked = Instant::now();
        let mut last = self.0.lock().await;
        // Whoever waited here may find that another took it meanwhile.
        if last.as_ref().is_none_or(|survey| survey.began < asked) {
            *last = tokio::task::spawn_blocking(Survey::take)
                .await
                .ok()
                .map(Arc::new);
        }
        last.clone()
    }
}
