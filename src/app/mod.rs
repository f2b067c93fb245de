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

use std::rc::Rc;

use crate::transport::Client;

/// How requests reach the app.
pub(crate) type AppClient = Rc<Client>;
