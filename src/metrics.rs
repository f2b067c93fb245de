// SPDX-License-Identifier: Apache-2.0
//! Edge: optional metrics, as lines of `CloudWatch`'s embedded metric format on standard output. `CloudWatch` makes
//! metrics of them in the namespace `Streamgate`; it takes no permission and no call.
//!
//! Source: AWS, "Specification: Embedded metric format".

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use crate::settings::MetricsFormat;

/// How an invocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The app's response reached Lambda, whatever its status.
    Replied,
    /// The request was refused, or could not be read; the app was not asked.
    Refused,
    /// The app gave no response that could be passed on.
    Failed,
    /// The app had not answered in full when its time was up.
    TimedOut,
    /// The app's response began and broke off.
    BrokenOff,
    /// Lambda did not take the reply, or not all of it.
    Lost,
}

/// What is told of an invocation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) outcome: Outcome,
    /// From the event to the end of the reply.
    pub(crate) duration: Duration,
    /// From the event to the first byte of the reply; `None`: none left.
    pub(crate) first_byte: Option<Duration>,
    /// Bytes of the response's body, without what its way to Lambda adds.
    pub(crate) bytes: u64,
}

/// Where metrics go, if they are wanted.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// The dimension of all, as JSON; `None`: they are not wanted.
    function: Option<String>,
}

impl Metrics {
    /// `function`: the function's name.
    pub(crate) fn new(format: MetricsFormat, function: &str) -> Self {
        let function = match format {
            MetricsFormat::Off => None,
            // A string becomes JSON come what may.
            MetricsFormat::Emf => Some(serde_json::to_string(function).unwrap_or_default()),
        };
        Self { function }
    }

    pub(crate) fn served(&self, served: &Served<'_>) {
        const METRICS: &str = r#"{"Name":"Duration","Unit":"Milliseconds"},{"Name":"TimeToFirstByte","Unit":"Milliseconds"},{"Name":"ReplyBytes","Unit":"Bytes"},{"Name":"Invocations","Unit":"Count"}"#;
        const WITHOUT_REPLY: &str =
            r#"{"Name":"Duration","Unit":"Milliseconds"},{"Name":"Invocations","Unit":"Count"}"#;
        let Served {
            request_id,
            outcome,
            duration,
            bytes,
            ..
        } = served;
        let duration = millis(*duration);
        let dimensions = r#"["FunctionName"],["FunctionName","Outcome"]"#;
        let common = format_args!(
            r#""Outcome":"{outcome:?}","requestId":"{request_id}","Invocations":1,"Duration":{duration}"#
        );
        match served.first_byte.map(millis) {
            Some(first) => self.write(
                dimensions,
                METRICS,
                format_args!(r#"{common},"TimeToFirstByte":{first},"ReplyBytes":{bytes}"#),
            ),
            None => self.write(dimensions, WITHOUT_REPLY, common),
        }
    }

    /// The app is ready, so long after the adapter's own start.
    pub(crate) fn ready(&self, after: Duration) {
        let metrics = r#"{"Name":"ReadyTime","Unit":"Milliseconds"}"#;
        let value = format_args!(r#""ReadyTime":{}"#, millis(after));
        self.write(r#"["FunctionName"]"#, metrics, value);
    }

    /// The app is started again.
    pub(crate) fn restarted(&self) {
        let metrics = r#"{"Name":"AppRestarts","Unit":"Count"}"#;
        let value = format_args!(r#""AppRestarts":1"#);
        self.write(r#"["FunctionName"]"#, metrics, value);
    }

    fn write(&self, dimensions: &str, metrics: &str, values: std::fmt::Arguments<'_>) {
        let Some(function) = &self.function else {
            return;
        };
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let line = format!(
            r#"{{"_aws":{{"Timestamp":{},"CloudWatchMetrics":[{{"Namespace":"Streamgate","Dimensions":[{dimensions}],"Metrics":[{metrics}]}}]}},"FunctionName":{function},{values}}}"#,
            now.as_millis()
        ) + "\n";
        // At once, since apps may write there too. Nobody is there to be told if it fails.
        let _ = io::stdout().lock().write_all(line.as_bytes());
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
