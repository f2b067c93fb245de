// SPDX-License-Identifier: Apache-2.0
//! How fast a stream may go and how long it may be. Pure: whoever asks says what time it is.
//!
//! A bucket that is full at first and is filled up while the stream goes on, in portions (source: RIE
//! `internal/lambda/core/bandwidthlimiter/`; the figures: `interop/model.go`, and AWS page "Response streaming for
//! Lambda functions").

use std::time::Duration;

use tokio::time::Instant;

use crate::settings::{Bandwidth, FrontKind};

/// Largest streamed response (source: AWS page "Lambda quotas", where MB = 1,024 KB), and room for its prelude, which is
/// assumed not to count.
pub(crate) const STREAM_LIMIT: usize = 200 * 1024 * 1024 + 16 * 1024;

/// What goes through at full speed.
const BURST: usize = 6 * 1024 * 1024;
/// The same through API Gateway (source: AWS page "Stream the integration response for your proxy integrations in API
/// Gateway").
const API_GATEWAY_BURST: usize = 10 * 1024 * 1024;
/// 2 MB in a second.
const PORTION: usize = 256 * 1024;
const INTERVAL: Duration = Duration::from_millis(125);

/// The pace of one stream.
#[derive(Debug)]
pub(crate) struct Pace {
    burst: Option<usize>,
    left: usize,
    filled_at: Instant,
}

impl Pace {
    pub(crate) fn new(bandwidth: Bandwidth, front: FrontKind, now: Instant) -> Self {
        let burst = match (bandwidth, front) {
            (Bandwidth::Off, _) => None,
            (Bandwidth::Real, FrontKind::RestStream) => Some(API_GATEWAY_BURST),
            (Bandwidth::Real, _) => Some(BURST),
        };
        Self {
            burst,
            left: burst.unwrap_or_default(),
            filled_at: now,
        }
    }

    /// How many of so many bytes may go now.
    ///
    /// # Errors
    /// When to ask again, if none may.
    pub(crate) fn take(&mut self, wanted: usize, now: Instant) -> Result<usize, Instant> {
        let Some(burst) = self.burst else {
            return Ok(wanted);
        };
        while self.filled_at + INTERVAL <= now {
            self.filled_at += INTERVAL;
            self.left = (self.left + PORTION).min(burst);
        }
        if self.left == 0 {
            return Err(self.filled_at + INTERVAL);
        }
        let taken = wanted.min(self.left);
        self.left -= taken;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    /// Bytes that go through within this time if there are always more.
    fn through(mut pace: Pace, began: Instant, time: Duration) -> usize {
        let (mut now, mut bytes) = (began, 0);
        while now <= began + time {
            match pace.take(64 * 1024, now) {
                Ok(taken) => bytes += taken,
                Err(later) => now = later,
            }
        }
        bytes
    }

    #[test]
    fn the_first_part_goes_at_once_and_the_rest_at_two_megabytes_a_second() {
        let began = Instant::now();
        for (front, seconds, bytes) in [
            (FrontKind::FunctionUrl, 0, 6 * MIB),
            (FrontKind::FunctionUrl, 1, 8 * MIB),
            (FrontKind::FunctionUrl, 97, 200 * MIB),
            (FrontKind::RestStream, 1, 12 * MIB),
        ] {
            let pace = Pace::new(Bandwidth::Real, front, began);
            assert_eq!(
                through(pace, began, Duration::from_secs(seconds)),
                bytes,
                "{front} {seconds}"
            );
        }
    }

    #[test]
    fn what_was_not_used_may_be_made_up_for_as_far_as_the_bucket_goes() {
        let began = Instant::now();
        let mut pace = Pace::new(Bandwidth::Real, FrontKind::FunctionUrl, began);
        assert_eq!(pace.take(6 * MIB, began), Ok(6 * MIB));
        assert_eq!(pace.take(1, began), Err(began + INTERVAL));
        let later = began + Duration::from_hours(1);
        assert_eq!(pace.take(100 * MIB, later), Ok(6 * MIB));
    }

    #[test]
    fn without_a_limit_all_goes_at_once() {
        let now = Instant::now();
        let mut pace = Pace::new(Bandwidth::Off, FrontKind::FunctionUrl, now);
        assert_eq!(pace.take(1000 * MIB, now), Ok(1000 * MIB));
    }
}
