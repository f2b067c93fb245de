// SPDX-License-Identifier: Apache-2.0
//! Measures adapters beside each other: a Lambda on one side ([`lambda`]), an app on the other ([`origin`]), both in
//! this process, and an adapter between them ([`adapter`]). [`measure`] holds the cases, [`rounds`] takes them in turns,
//! [`report`] tells what came of it. [`gate`] compares what is the same on every machine, the instructions, with what
//! was kept.

pub mod adapter;
pub mod chart;
pub mod document;
pub mod event;
pub mod figure;
pub mod gate;
pub mod lambda;
pub mod machine;
pub mod measure;
pub mod origin;
pub mod process;
pub mod pure;
pub mod reply;
pub mod report;
pub mod rounds;
pub mod statistics;
pub mod timeline;
pub mod tool;
pub mod wire;
