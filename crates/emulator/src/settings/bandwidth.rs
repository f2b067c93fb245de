// SPDX-License-Identifier: Apache-2.0
//! How fast streams are.

use std::fmt;
use std::str::FromStr;

/// How fast a streamed response may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bandwidth {
    /// As on the service: 6 MB at full speed, then 2 MB/s.
    #[default]
    Real,
    /// As fast as the machine.
    Off,
}

/// Neither of the two.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not real or off")]
pub struct UnknownBandwidth(String);

impl FromStr for Bandwidth {
    type Err = UnknownBandwidth;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "real" => Ok(Self::Real),
            "off" => Ok(Self::Off),
            _ => Err(UnknownBandwidth(text.to_owned())),
        }
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Real => "real",
            Self::Off => "off",
        })
    }
}
