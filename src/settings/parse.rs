// SPDX-License-Identifier: Apache-2.0
//! Parsers of single values. Pure; each error says what would be accepted and leaves the variable's name to the caller.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use http::{HeaderName, HeaderValue};

use super::{
    AsyncInit, Compression, HeaderRule, InvokeMode, LogFormat, MetricsFormat, Protocol,
    SecretHeader, StatusSet, StreamErrors,
};

/// What a value should have been.
pub(super) type Expected = &'static str;

pub(super) fn port(value: &str) -> Result<u16, Expected> {
    match value.parse() {
        Ok(0) | Err(_) => Err("a port number from 1 to 65535"),
        Ok(port) => Ok(port),
    }
}

/// A host that can be reached without DNS: the app is on this machine.
pub(super) fn host(value: &str) -> Result<String, Expected> {
    let is_name = value
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-.:".contains(&b));
    is_name
        .then(|| value.to_owned())
        .ok_or("an IP address, localhost, or a name from /etc/hosts")
}

/// `host:port`, as in `AWS_LAMBDA_RUNTIME_API`.
pub(crate) fn authority(value: &str) -> Result<(String, u16), Expected> {
    const EXPECTED: Expected = "host:port, without a scheme or a path";
    let (name, number) = value.rsplit_once(':').ok_or(EXPECTED)?;
    let name = name.trim_start_matches('[').trim_end_matches(']');
    if name.is_empty() {
        return Err(EXPECTED);
    }
    Ok((
        host(name).map_err(|_| EXPECTED)?,
        port(number).map_err(|_| EXPECTED)?,
    ))
}

pub(super) fn path(value: &str) -> Result<String, Expected> {
    const EXPECTED: Expected = "a path that starts with `/` and is all ASCII without spaces, such as /healthz; \
                                others are escaped, as in %20";
    let is_path = value.starts_with('/')
        && value.is_ascii()
        && http::uri::PathAndQuery::from_str(value).is_ok()
        && !value.contains('#');
    is_path.then(|| value.to_owned()).ok_or(EXPECTED)
}

/// Seconds (`30`, `2.5`), or a number with its unit (`500ms`, `30s`, `2m`).
pub(super) fn duration(value: &str) -> Result<Duration, Expected> {
    const EXPECTED: Expected =
        "a duration such as 30, 2.5, 500ms, 30s or 2m (plain numbers are seconds)";
    let (number, unit_ms) = if let Some(number) = value.strip_suffix("ms") {
        (number, 1)
    } else if let Some(number) = value.strip_suffix('s') {
        (number, 1_000)
    } else if let Some(number) = value.strip_suffix('m') {
        (number, 60_000)
    } else {
        (value, 1_000)
    };
    let (whole, fraction) = number
        .trim()
        .split_once('.')
        .unwrap_or((number.trim(), "0"));
    let digits = |text: &str| -> Result<u64, Expected> {
        let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        all_digits
            .then(|| text.parse().ok())
            .flatten()
            .ok_or(EXPECTED)
    };
    // Below a thousandth of the unit nothing is told apart.
    let fraction = fraction.get(..3).unwrap_or(fraction);
    let thousandths =
        digits(fraction)? * 10_u64.pow(3 - u32::try_from(fraction.len()).unwrap_or(3));
    let millis = digits(whole)?.checked_mul(unit_ms).ok_or(EXPECTED)?;
    Ok(Duration::from_millis(millis) + Duration::from_micros(thousandths * unit_ms))
}

/// Seconds as AWS Lambda Web Adapter takes them: none, or fewer, are no bound, for which the longest time that Lambda
/// gives to anything stands here.
pub(super) fn seconds_or_unbounded(value: &str) -> Result<Duration, Expected> {
    let (is_negative, digits) = match value.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    match duration(digits)? {
        seconds if is_negative || seconds.is_zero() => Ok(Duration::from_mins(15)),
        seconds => Ok(seconds),
    }
}

/// A duration, or `off`.
pub(super) fn duration_or_off(value: &str) -> Result<Option<Duration>, Expected> {
    if value.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    let duration = duration(value).map_err(
        |_| "off, or a duration such as 30, 2.5, 500ms, 30s or 2m (plain numbers are seconds)",
    )?;
    Ok(Some(duration))
}

/// A duration that something can take, or `off`.
pub(super) fn time_limit(value: &str) -> Result<Option<Duration>, Expected> {
    duration_or_off(value)
        .ok()
        .filter(|limit| limit.is_none_or(|limit| !limit.is_zero()))
        .ok_or("off, or a duration above 0 such as 30, 2.5, 500ms, 30s or 2m (plain numbers are seconds)")
}

pub(super) fn protocol(value: &str) -> Result<Protocol, Expected> {
    match value.to_ascii_lowercase().as_str() {
        "http" => Ok(Protocol::Http),
        "tcp" => Ok(Protocol::Tcp),
        _ => Err("http or tcp"),
    }
}

pub(super) fn invoke_mode(value: &str) -> Result<InvokeMode, Expected> {
    match value.to_ascii_lowercase().as_str() {
        "auto" => Ok(InvokeMode::Auto),
        "response_stream" => Ok(InvokeMode::ResponseStream),
        "buffered" => Ok(InvokeMode::Buffered),
        _ => Err("auto, response_stream or buffered"),
    }
}

/// As [`boolean`], or `sse`.
pub(super) fn compression(value: &str) -> Result<Compression, Expected> {
    if value.eq_ignore_ascii_case("sse") {
        return Ok(Compression::WithEventStreams);
    }
    match boolean(value) {
        Ok(true) => Ok(Compression::On),
        Ok(false) => Ok(Compression::Off),
        Err(_) => Err("off, on or sse"),
    }
}

pub(super) fn metrics(value: &str) -> Result<MetricsFormat, Expected> {
    match value.to_ascii_lowercase().as_str() {
        "emf" => Ok(MetricsFormat::Emf),
        "off" => Ok(MetricsFormat::Off),
        _ => Err("off or emf"),
    }
}

pub(super) fn stream_errors(value: &str) -> Result<StreamErrors, Expected> {
    match value.to_ascii_lowercase().as_str() {
        "trailers" => Ok(StreamErrors::Trailers),
        "abort" => Ok(StreamErrors::Abort),
        _ => Err("trailers or abort"),
    }
}

/// A list of status codes and ranges: `100-499`, or `200,204,300-399`.
pub(super) fn statuses(value: &str) -> Result<StatusSet, Expected> {
    const EXPECTED: Expected =
        "status codes and ranges from 100 to 599, such as 100-499 or 200,204,300-399";
    let code = |text: &str| match text.trim().parse::<u16>() {
        Ok(code @ 100..=599) => Ok(code),
        _ => Err(EXPECTED),
    };
    let range = |item: &str| -> Result<RangeInclusive<u16>, Expected> {
        let (first, last) = match item.split_once('-') {
            Some((first, last)) => (code(first)?, code(last)?),
            None => (code(item)?, code(item)?),
        };
        if first > last {
            Err(EXPECTED)
        } else {
            Ok(first..=last)
        }
    };
    value
        .split(',')
        .map(range)
        .collect::<Result<_, _>>()
        .map(StatusSet)
}

/// Web Adapter's older way: every status below this one is healthy.
pub(super) fn min_unhealthy_status(value: &str) -> Result<StatusSet, Expected> {
    match value.parse::<u16>() {
        Ok(status @ 101..=600) => Ok(StatusSet(vec![100..=status - 1])),
        _ => Err("a status code from 101 to 600"),
    }
}

/// Lambda's own level names, which know FATAL where we do not.
pub(super) fn log_level(value: &str) -> Result<LevelFilter, Expected> {
    match value.to_ascii_lowercase().as_str() {
        "trace" => Ok(LevelFilter::TRACE),
        "debug" => Ok(LevelFilter::DEBUG),
        "info" => Ok(LevelFilter::INFO),
        "warn" => Ok(LevelFilter::WARN),
        "error" | "fatal" => Ok(LevelFilter::ERROR),
        "off" => Ok(LevelFilter::OFF),
        _ => Err("trace, debug, info, warn, error or off"),
    }
}

pub(super) fn log_format(value: &str) -> Result<LogFormat, Expected> {
    match value.to_ascii_lowercase().as_str() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("text or json"),
    }
}

pub(super) fn boolean(value: &str) -> Result<bool, Expected> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Ok(true),
        "false" | "0" | "off" | "no" => Ok(false),
        _ => Err("true or false"),
    }
}

pub(super) fn async_init(value: &str) -> Result<AsyncInit, Expected> {
    if value.eq_ignore_ascii_case("auto") {
        return Ok(AsyncInit::Auto);
    }
    match boolean(value) {
        Ok(true) => Ok(AsyncInit::Always),
        Ok(false) => Ok(AsyncInit::Never),
        Err(_) => Err("auto, true or false"),
    }
}

pub(super) fn count(value: &str) -> Result<u32, Expected> {
    value.parse().map_err(|_| "a number of times, 0 or more")
}

/// Lambda allows 64 for each virtual CPU; no environment has a thousand of those.
pub(super) fn concurrency(value: &str) -> Result<usize, Expected> {
    match value.parse() {
        Ok(count @ 1..=10_000) => Ok(count),
        _ => Err("a number from 1 to 10000"),
    }
}

/// A path that is put before others: no query, and no `/` at its end. `/` alone is none.
pub(super) fn base_path(value: &str) -> Result<Option<String>, Expected> {
    const EXPECTED: Expected =
        "a path that starts with `/`, is all ASCII and has no query, such as /api";
    let base = path(value).map_err(|_| EXPECTED)?;
    if base.contains('?') {
        return Err(EXPECTED);
    }
    let base = base.trim_end_matches('/');
    Ok((!base.is_empty()).then(|| base.to_owned()))
}

/// A path of the app that events go to.
pub(super) fn plain_path(value: &str) -> Result<String, Expected> {
    path(value)
        .ok()
        .filter(|path| !path.contains('?'))
        .ok_or("a path that starts with `/`, is all ASCII and has no query")
}

pub(super) fn header_name(value: &str) -> Result<HeaderName, Expected> {
    value
        .parse()
        .map_err(|_| "a header name such as x-forwarded-authorization")
}

/// `name:value`.
pub(super) fn secret_header(value: &str) -> Result<SecretHeader, Expected> {
    const EXPECTED: Expected = "name:value, a header and what it has to be";
    let (name, value) = value.split_once(':').ok_or(EXPECTED)?;
    let name = header_name(name.trim()).map_err(|_| EXPECTED)?;
    let mut value = HeaderValue::try_from(value.trim()).map_err(|_| EXPECTED)?;
    if value.is_empty() {
        return Err(EXPECTED);
    }
    value.set_sensitive(true);
    Ok(SecretHeader { name, value })
}

/// A value that can stand in a header and is too long to be guessed.
pub(super) fn secret(value: &str) -> Result<HeaderValue, Expected> {
    let value = HeaderValue::try_from(value)
        .ok()
        .filter(|value| value.len() >= 16);
    let mut value = value.ok_or("at least 16 printable characters")?;
    value.set_sensitive(true);
    Ok(value)
}

/// Headers that a rule may not write: they frame the message, or are the adapter's own to set.
fn may_be_written(name: &HeaderName) -> bool {
    !matches!(
        name.as_str(),
        "host" | "content-length" | "transfer-encoding" | "connection"
    ) && !crate::headers::is_reserved(name)
}

/// A list of `rename:from:to`, `copy:from:to` and `drop:name`.
pub(super) fn header_map(value: &str) -> Result<Vec<HeaderRule>, Expected> {
    const EXPECTED: Expected = "a list of rename:from:to, copy:from:to and drop:name, separated by commas; \
                                `to` may not be host, a header of the connection, or one that the adapter sets";
    let name = |text: &str| header_name(text.trim()).map_err(|_| EXPECTED);
    value
        .split(',')
        .map(|rule| {
            let words: Vec<&str> = rule.trim().split(':').collect();
            let rule = match words[..] {
                ["rename", from, to] => HeaderRule::Rename {
                    from: name(from)?,
                    to: name(to)?,
                },
                ["copy", from, to] => HeaderRule::Copy {
                    from: name(from)?,
                    to: name(to)?,
                },
                ["drop", header] => HeaderRule::Drop(name(header)?),
                _ => return Err(EXPECTED),
            };
            match &rule {
                HeaderRule::Rename { to, .. } | HeaderRule::Copy { to, .. }
                    if !may_be_written(to) =>
                {
                    Err(EXPECTED)
                }
                _ => Ok(rule),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_a_number_from_1_to_65535() {
        assert_eq!(port("8080"), Ok(8080));
        for bad in ["0", "65536", "-1", "http", "80 80", ""] {
            assert!(port(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn an_authority_is_a_host_and_a_port() {
        assert_eq!(authority("127.0.0.1:9001"), Ok(("127.0.0.1".into(), 9001)));
        assert_eq!(
            authority("sandbox.localdomain:9001"),
            Ok(("sandbox.localdomain".into(), 9001))
        );
        assert_eq!(authority("[::1]:9001"), Ok(("::1".into(), 9001)));
        for bad in [
            "127.0.0.1",
            "http://127.0.0.1:9001",
            ":9001",
            "127.0.0.1:0",
            "127.0.0.1:9001/x",
        ] {
            assert!(authority(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn durations_carry_their_unit_or_are_seconds() {
        for (text, millis) in [
            ("30", 30_000),
            ("2.5", 2_500),
            ("500ms", 500),
            ("30s", 30_000),
            ("2m", 120_000),
            ("0.0625", 62),
            ("1.5m", 90_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in [
            "",
            "ms",
            "-1",
            "+1",
            "1h",
            "1.",
            ".5",
            "1.x",
            "NaN",
            "1e4",
            "99999999999999999999",
            "999999999999999999m",
        ] {
            assert!(duration(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn some_durations_may_be_off() {
        assert_eq!(duration_or_off("Off"), Ok(None));
        assert_eq!(duration_or_off("15s"), Ok(Some(Duration::from_secs(15))));
        for bad in ["", "no", "-1"] {
            assert!(duration_or_off(bad).is_err(), "{bad:?} was accepted");
        }
        assert_eq!(duration_or_off("0"), Ok(Some(Duration::ZERO)));
        assert_eq!(time_limit("1ms"), Ok(Some(Duration::from_millis(1))));
        assert_eq!(time_limit("off"), Ok(None));
        assert!(time_limit("0ms").is_err(), "a stream of no length");
    }

    #[test]
    fn statuses_are_codes_and_ranges() {
        let set = statuses("200, 204,300-399").unwrap();
        for (status, within) in [
            (200, true),
            (201, false),
            (204, true),
            (300, true),
            (399, true),
            (400, false),
        ] {
            assert_eq!(set.contains(status), within, "{status}");
        }
        assert!(min_unhealthy_status("400").unwrap().contains(399));
        assert!(!min_unhealthy_status("400").unwrap().contains(400));
        for bad in ["", "99", "600", "300-200", "200-", "2xx"] {
            assert!(statuses(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn header_rules_cannot_write_what_is_not_theirs() {
        assert_eq!(
            header_map("rename:x-a:x-b, copy:x-c:authorization,drop:x-d")
                .unwrap()
                .len(),
            3
        );
        for bad in [
            "",
            "rename:x-a",
            "move:a:b",
            "copy:x-a:host",
            "copy:x-a:x-streamgate-event",
            "rename:x-a:x-amzn-request-context",
            "copy:x-a:content-length",
            "drop:x y",
        ] {
            assert!(header_map(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_base_path_has_no_slash_at_its_end() {
        assert_eq!(base_path("/api/"), Ok(Some("/api".into())));
        assert_eq!(base_path("/"), Ok(None));
        assert!(base_path("api").is_err() && base_path("/a?b").is_err());
    }

    #[test]
    fn a_secret_header_has_a_name_and_a_value() {
        assert!(secret_header("x-origin-verify: s3cret:with:colons").is_ok());
        for bad in ["x-origin-verify", "x-origin-verify:", ":secret", "x y:z"] {
            assert!(secret_header(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_readiness_path_is_a_path() {
        assert_eq!(path("/healthz?deep=1"), Ok("/healthz?deep=1".into()));
        for bad in ["healthz", "", "/a b", "/a#b", "/caf\u{e9}", "http://x/"] {
            assert!(path(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
