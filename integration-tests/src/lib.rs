// SPDX-License-Identifier: Apache-2.0
//! What the black-box tests stand on: the built programs, a raw HTTP client, a scripted Lambda, an app that misbehaves.
//!
//! The tests in `tests/` are grouped by what is promised. They look at bytes, processes and the order of events; no
//! codec of the adapter or of the emulator is used to judge either of them. A helper that cannot do its part panics and
//! says why: that is a failed test.
#![allow(
    clippy::must_use_candidate,
    reason = "a test may start something only for its effect"
)]
#![allow(
    clippy::missing_panics_doc,
    reason = "every helper panics where its test has failed"
)]

pub mod adapter;
pub mod app;
pub mod binaries;
pub mod browser;
pub mod coding;
pub mod event;
pub mod examples;
pub mod fake_lambda;
pub mod gate;
pub mod http;
pub mod local;
pub mod pattern;
pub mod process;
pub mod raw_app;
pub mod rie;
pub mod streams;
pub mod waiting;
pub mod wire;
