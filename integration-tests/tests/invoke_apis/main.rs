// SPDX-License-Identifier: Apache-2.0
//! The local Lambda as SDKs, extensions, other adapters and scripts see it.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod adapters;
mod function;
mod invoke;
mod scripts;
mod sdk;
mod streams;
mod telemetry;
mod wire;
