// SPDX-License-Identifier: Apache-2.0
//! The adapter's own log: one subscriber, in Lambda's two formats.
//!
//! Lines go to standard error, which Lambda keeps in the function's log group as it does standard output.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent};
use tracing_subscriber::registry::LookupSpan;

use crate::settings::{Log, LogFormat};

/// Starts the log of this process. A second call has no effect.
pub fn init(log: Log) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(log.level)
        .with_writer(io::stderr);
    let _ = match log.format {
        LogFormat::Json => builder.event_format(JsonLine).try_init().is_ok(),
        // Lambda stamps text lines itself.
        LogFormat::Text => builder
            .without_time()
            .with_ansi(io::stderr().is_terminal())
            .try_init()
            .is_ok(),
    };
}

/// One JSON object a line, with the keys of Lambda's managed runtimes. Lambda files a line under its `level` only if a
/// `timestamp` stands beside it (AWS, "Log-level filtering").
struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> tracing_subscriber::fmt::FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\"", event.metadata().level())?;
        let mut fields = JsonFields {
            line: String::with_capacity(256),
        };
        event.record(&mut fields);
        writer.write_str(&fields.line)?;
        writeln!(writer, ",\"logger\":\"{}\"}}", event.metadata().target())
    }
}

/// Fields as members, behind others.
struct JsonFields {
    line: String,
}

impl JsonFields {
    fn put(&mut self, field: &Field, value: impl fmt::Display) {
        let name = if field.name() == "invocation.id" {
            "requestId"
        } else {
            field.name()
        };
        // Writing to a string does not fail.
        let _ = write!(self.line, ",\"{name}\":{value}");
    }
}

impl Visit for JsonFields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, serde_json::to_string(value).unwrap_or_default());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
}

/// An error with the chain of its causes, for one log field: each error's own text names its own level only.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_json_line_has_what_lambdas_filter_reads_and_the_fields() {
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(JsonLine)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(
                invocation.id = "r-1",
                app.port = 8080,
                error = "a \"quote\"\nline",
                "app is {}",
                "gone"
            );
        });
        let bytes = captured.0.lock().unwrap().clone();
        let line: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "app is gone");
        assert_eq!(
            (&line["requestId"], &line["app.port"]),
            (&"r-1".into(), &8080.into())
        );
        assert_eq!(line["error"], "a \"quote\"\nline");
        let timestamp = line["timestamp"].as_str().unwrap();
        assert!(
            timestamp.ends_with('Z') && timestamp.contains('T'),
            "{timestamp}"
        );
        assert!(bytes.ends_with(b"}\n") && !bytes[..bytes.len() - 1].contains(&b'\n'));
    }
}
