// SPDX-License-Identifier: Apache-2.0
//! Wall-clock forms that Lambda writes: epoch milliseconds and the access-log time of an event.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch; a clock before 1970 counts as 1970.
pub(crate) fn epoch_millis(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// `requestContext.time` of payload 2.0, such as `10/Jul/2026:08:00:00 +0000`.
pub(crate) fn access_log_time(epoch_millis: u64) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let seconds = epoch_millis / 1000;
    let (year, month, day) = civil_date(seconds / 86_400);
    let month = MONTHS.get(month).copied().unwrap_or("Jan");
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
}

/// A time such as `2026-07-10T08:00:00Z`.
pub(crate) fn rfc3339(epoch_millis: u64) -> String {
    let seconds = epoch_millis / 1000;
    let (year, month, day) = civil_date(seconds / 86_400);
    let month = month + 1;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The same with milliseconds, such as `2026-07-10T08:00:00.123Z`.
pub(crate) fn rfc3339_millis(epoch_millis: u64) -> String {
    let seconds = rfc3339(epoch_millis);
    format!(
        "{}.{:03}Z",
        seconds.trim_end_matches('Z'),
        epoch_millis % 1000
    )
}

/// Year, month from zero, and day of the month of a count of days since 1970-01-01.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil_date(days: u64) -> (u64, usize, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    let year = year_of_era + era * 400 + u64::from(month < 2);
    (year, usize::try_from(month).unwrap_or(0), day)
}

/// Milliseconds with up to three decimals.
pub(crate) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

/// Milliseconds with two decimals, as Lambda's REPORT line has them.
pub(crate) fn report_millis(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_for_machines_counts_months_from_one() {
        assert_eq!(rfc3339(1_783_670_400_123), "2026-07-10T08:00:00Z");
        assert_eq!(rfc3339(1_735_689_599_000), "2024-12-31T23:59:59Z");
        assert_eq!(
            rfc3339_millis(1_783_670_400_023),
            "2026-07-10T08:00:00.023Z"
        );
    }

    #[test]
    fn the_time_of_an_event_reads_as_lambda_writes_it() {
        assert_eq!(
            access_log_time(1_783_670_400_123),
            "10/Jul/2026:08:00:00 +0000"
        );
        assert_eq!(access_log_time(0), "01/Jan/1970:00:00:00 +0000");
        assert_eq!(
            access_log_time(1_709_208_000_000),
            "29/Feb/2024:12:00:00 +0000"
        );
        assert_eq!(
            access_log_time(1_735_689_599_000),
            "31/Dec/2024:23:59:59 +0000"
        );
    }
}
