// SPDX-License-Identifier: Apache-2.0
//! Every front end, byte for byte: what the app sees of each event, and what each front gets of the app's answer.
//!
//! Nothing here knows how the adapter reads events or writes replies: the events are samples or built by this folder's
//! own code, and what they must come to is written down or worked out here.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod compression;
mod document;
mod fronts;
mod hostile;
mod properties;
mod real_app;
mod replies;
mod samples;
mod settings;
mod sources;
mod stage;
mod targets;
mod trust;
mod witness;
