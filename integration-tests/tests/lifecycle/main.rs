// SPDX-License-Identifier: Apache-2.0
//! How an environment begins, ends, and goes on where it should.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod background;
mod concurrency;
mod extensions;
mod lambda_faults;
mod restart;
mod shutdown;
mod snapstart;
mod snapstart_locally;
mod start;
mod stderr;
mod trouble;
