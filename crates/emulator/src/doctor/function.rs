// SPDX-License-Identifier: Apache-2.0
//! The function that a package is to become: what the user has said of it.

use std::collections::BTreeMap;

use super::package::Package;
use super::platform::{Architecture, Runtime, System};

/// The wrapper that the layer brings.
pub(super) const WRAPPER: &str = "/opt/bootstrap";
/// Where the adapter lies in the layer.
pub(super) const EXTENSION: &str = "extensions/streamgate";

/// A function and all that it is made of.
#[derive(Debug)]
pub(super) struct Function {
    /// `None`: only layers are looked at.
    pub(super) package: Option<Package>,
    pub(super) layers: Vec<Package>,
    pub(super) handler: Option<String>,
    /// `None`: not said.
    pub(super) runtime: Option<Runtime>,
    pub(super) architecture: Architecture,
    /// `None`: not said.
    pub(super) variables: Option<BTreeMap<String, String>>,
}

impl Function {
    /// A variable's value, if it is set and not blank.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let value = self.variables.as_ref()?.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// Where it is not said: what new runtimes have.
    pub(super) fn system(&self) -> System {
        self.runtime
            .as_ref()
            .map_or(System::Al2023, |runtime| runtime.system)
    }

    pub(super) fn is_os_only(&self) -> bool {
        let language = |runtime: &Runtime| runtime.language.is_some();
        self.runtime
            .as_ref()
            .is_some_and(|runtime| !language(runtime))
    }
}
