// SPDX-License-Identifier: Apache-2.0
//! The figures: what each is called, and what it is to reach.

/// Which of two values is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The lower.
    Lower,
    /// The higher.
    Higher,
}

/// What a figure of the adapter is to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// So many times the null adapter's, or better.
    OfNull(f64),
    /// So many times the Lambda Web Adapter's, or better.
    OfLwa(f64),
    /// This value, or better.
    Value(f64),
}

/// A kind of value that is measured.
#[derive(Debug)]
pub struct Figure {
    /// Its name in the results.
    pub key: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Which way is good.
    pub better: Better,
    /// What it is to reach, if anything was asked.
    pub target: Option<Target>,
}

use Better::{Higher, Lower};
use Target::{OfLwa, OfNull, Value};

macro_rules! figures {
    ($($key:literal $title:literal $unit:literal $better:ident $target:expr;)*) => {
        /// All figures, in the order in which they are shown.
        pub const FIGURES: &[Figure] = &[$(Figure {
            key: $key, title: $title, unit: $unit, better: $better, target: $target,
        }),*];
    };
}

figures! {
    "streamed_p50" "warm streamed request, p50" "µs" Lower Some(OfNull(1.2));
    "streamed_p99" "warm streamed request, p99" "µs" Lower None;
    "streamed_inbound" "  event written → request at app, p50" "µs" Lower None;
    "streamed_first_byte" "  app wrote → first byte at Lambda, p50" "µs" Lower None;
    "streamed_idle_p50" "streamed request 2 ms after the poll, p50" "µs" Lower None;
    "buffered_p50" "warm buffered request, p50" "µs" Lower Some(OfNull(1.2));
    "buffered_p99" "warm buffered request, p99" "µs" Lower Some(OfNull(1.2));
    "buffered_inbound" "  event written → request at app, p50" "µs" Lower None;
    "buffered_first_byte" "  app wrote → first byte at Lambda, p50" "µs" Lower None;
    "streamed_cpu" "CPU of a streamed request" "µs" Lower None;
    "buffered_cpu" "CPU of a buffered request" "µs" Lower Some(OfLwa(0.25));
    "buffered_switches" "context switches of a buffered request" "" Lower None;
    "streamed_calls" "system calls of a streamed request" "" Lower None;
    "buffered_calls" "system calls of a buffered request" "" Lower None;
    "streamed_instructions" "instructions of a streamed request" "×1000" Lower None;
    "buffered_instructions" "instructions of a buffered request" "×1000" Lower None;
    "records_p50" "delay of a chunk, 64 B each ms, p50" "µs" Lower None;
    "records_p99" "delay of a chunk, 64 B each ms, p99" "µs" Lower None;
    "records_joined" "  chunks that came joined" "%" Lower None;
    "burst_p99" "delay of a chunk, back to back, p99" "µs" Lower Some(OfNull(1.5));
    "burst_joined" "  chunks that came joined" "%" Lower None;
    "stream_64k" "200 MB streamed, in chunks of 64 KB" "MB/s" Higher Some(OfNull(0.95));
    "stream_16k" "200 MB streamed, in chunks of 16 KB" "MB/s" Higher None;
    "buffered_binary" "4 MB buffered, binary" "MB/s" Higher Some(OfNull(0.8));
    "buffered_text" "4 MB buffered, text" "MB/s" Higher Some(OfNull(0.8));
    "upload_echo" "4 MB base64 upload and echo" "MB/s" Higher Some(OfNull(0.8));
    "start" "start → first poll, app up" "ms" Lower Some(Value(1.2));
    "late_0" "app listening → first poll, app up at the start" "ms" Lower None;
    "late_50" "app listening → first poll, app up after 50 ms" "ms" Lower Some(Value(1.5));
    "late_200" "app listening → first poll, app up after 200 ms" "ms" Lower Some(Value(1.5));
    "late_1000" "app listening → first poll, app up after 1 s" "ms" Lower Some(Value(1.5));
    "late_cpu" "CPU from the start to the first poll, app up after 1 s" "ms" Lower Some(OfLwa(1.0));
    "at_once_1" "buffered requests, 1 at once" "/s" Higher None;
    "at_once_16" "buffered requests, 16 at once" "/s" Higher Some(OfLwa(3.0));
    "at_once_64" "buffered requests, 64 at once" "/s" Higher None;
    "memory_idle" "peak memory at rest" "MiB" Lower Some(Value(3.0));
    "memory_stream" "peak memory after 1 GB to a slow reader" "MiB" Lower Some(Value(3.5));
    "size" "binary" "MB" Lower Some(Value(1.5));
}

/// The figure of that key.
#[must_use]
pub fn figure(key: &str) -> Option<&'static Figure> {
    FIGURES.iter().find(|figure| figure.key == key)
}
