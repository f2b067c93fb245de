// SPDX-License-Identifier: Apache-2.0
//! What the adapter does with a request and with an answer, in each shape, with good input and with bad.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod buffered;
mod events;
mod replies;
mod requests;
mod settings;
mod shapes;
mod telemetry;
