// SPDX-License-Identifier: Apache-2.0
//! Bytes pass as they come, in order, and each end of a stream looks like what it was.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod breaks;
mod chunks;
mod compressed;
mod limits;
mod wire;
