// SPDX-License-Identifier: Apache-2.0
//! The adapter's own log: one subscriber, in Lambda's two formats.
//!
//! Lines go to standard error, which Lambda keeps in the function's log group as it does standard output.

use std::fmt;
use std::io::{self, IsTerminal};

use tracing::field::{Field, Visit};
use tracing::{Event, Span, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::settings::{Log, LogFormat};

/// Starts the log of this process. A second call has no effect.
pub fn init(log: Log) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(log.level)
        .with_writer(io::stderr);
    let _ = match log.format {
        LogFormat::Json => {
            let builder = builder.fmt_fields(JsonMembers);
            builder.event_format(JsonLine).try_init().is_ok()
        }
        // Lambda stamps text lines itself.
        LogFormat::Text => builder
            .without_time()
            .with_ansi(io::stderr().is_terminal())
            .try_init()
            .is_ok(),
    };
}

/// What is logged within is of the invocation with this request id.
pub(crate) fn invocation(request_id: &str) -> Span {
    // Whatever is logged at all names its invocation.
    tracing::error_span!("invocation", %request_id)
}

/// One JSON object a line, with the keys of Lambda's managed runtimes. Lambda files a line under its `level` only if a
/// `timestamp` stands beside it (AWS, "Log-level filtering").
struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\"", event.metadata().level())?;
        for span in context.event_scope().into_iter().flatten() {
            if let Some(members) = span.extensions().get::<FormattedFields<N>>() {
                writer.write_str(members)?;
            }
        }
        JsonMembers.format_fields(writer.by_ref(), event)?;
        writeln!(writer, ",\"logger\":\"{}\"}}", event.metadata().target())
    }
}

/// Fields as members, behind others.
struct JsonMembers;

impl<'a> FormatFields<'a> for JsonMembers {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'a>, fields: R) -> fmt::Result {
        let mut members = Members {
            writer,
            written: Ok(()),
        };
        fields.record(&mut members);
        members.written
    }
}

struct Members<'a> {
    writer: Writer<'a>,
    written: fmt::Result,
}

impl Members<'_> {
    fn put(&mut self, field: &Field, value: impl fmt::Display) {
        let name = match field.name() {
            "request_id" => "requestId",
            name => name,
        };
        self.written = self
            .written
            .and_then(|()| write!(self.writer, ",\"{name}\":{value}"));
    }
}

impl Visit for Members<'_> {
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
            .fmt_fields(JsonMembers)
            .event_format(JsonLine)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let _entered = invocation("r-1").entered();
            tracing::warn!(
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
