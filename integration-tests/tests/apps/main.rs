// SPDX-License-Identifier: Apache-2.0
//! Real applications, unchanged, each taken through a journey of its users: behind the adapter, behind the local Lambda
//! that freezes them between any two requests.
//!
//! Ignored unless asked for, since they need Debian's packages and several registries: `make apps` installs them with
//! `integration-tests/apps/install`, runs this and shows a table. What each needed is in `docs/apps.md`.

mod application;
mod dokuwiki;
mod forms;
mod mariadb;
mod picture;
mod pocketbase;
mod radicale;
mod visitor;
mod wordpress;
