// SPDX-License-Identifier: Apache-2.0
//! The local Lambda's environments: when there is a new one, when one goes, what each may use; traffic that is
//! played again.

mod environments;
mod limits;
mod provisioned;
mod replay;
mod streams;
mod watch;
