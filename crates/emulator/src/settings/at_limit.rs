// SPDX-License-Identifier: Apache-2.0
//! What the function does when all of its environments are busy.

use std::fmt;
use std::str::FromStr;

/// What becomes of a request that finds every environment busy where there may be no more of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtLimit {
    /// It is answered as the service answers, `TooManyRequestsException`.
    #[default]
    Throttle,
    /// It waits for an environment, which the service does not do.
    Wait,
}

/// Neither of the two.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not throttle or wait")]
pub struct UnknownAtLimit(String);

impl FromStr for AtLimit {
    type Err = UnknownAtLimit;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "throttle" => Ok(Self::Throttle),
            "wait" => Ok(Self::Wait),
            _ => Err(UnknownAtLimit(text.to_owned())),
        }
    }
}

impl fmt::Display for AtLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Throttle => "throttle",
            Self::Wait => "wait",
        })
    }
}
