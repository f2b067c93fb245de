// SPDX-License-Identifier: Apache-2.0
//! Which front made an event, and which form of reply it takes. Pure.

use crate::settings::InvokeMode;

/// What made the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// A function URL (payload format 2.0).
    FunctionUrl,
}

/// The form of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Prelude, delimiter, then the app's bytes as they come.
    Streamed,
    /// One JSON document.
    Buffered,
}

impl Front {
    /// The form of reply that this front takes.
    #[must_use]
    pub fn mode(self, setting: InvokeMode) -> Mode {
        match (self, setting) {
            (Self::FunctionUrl, InvokeMode::Auto | InvokeMode::ResponseStream) => Mode::Streamed,
            (Self::FunctionUrl, InvokeMode::Buffered) => Mode::Buffered,
        }
    }
}
