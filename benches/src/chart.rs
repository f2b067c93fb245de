// SPDX-License-Identifier: Apache-2.0
//! The chart of `docs/performance.md`: for each figure, how many times the null adapter's the others' are.

use std::fmt::Write as _;

use crate::figure::{Better, Figure, figure};
use crate::report::digits;
use crate::rounds::{LWA, NULL, OURS, Results};

/// What is shown, from the top.
const SHOWN: &[&str] = &[
    "streamed_p50",
    "streamed_idle_p50",
    "buffered_p50",
    "buffered_p99",
    "buffered_cpu",
    "records_p99",
    "burst_p99",
    "stream_64k",
    "stream_16k",
    "buffered_binary",
    "buffered_text",
    "upload_echo",
    "at_once_16",
    "start",
    "late_200",
    "memory_idle",
    "memory_stream",
];

const WIDTH: f64 = 900.0;
const LEFT: f64 = 330.0;
const RIGHT: f64 = 690.0;
const TOP: f64 = 86.0;
const ROW: f64 = 26.0;
/// Ends of the scale, as powers of ten: from a third to two thousand times.
const SCALE: (f64, f64) = (-0.5, 3.3);

/// How a contestant is drawn.
struct Mark {
    key: &'static str,
    name: &'static str,
    colour: &'static str,
}

const MARKS: [Mark; 2] = [
    Mark {
        key: LWA,
        name: "AWS Lambda Web Adapter",
        colour: "#b45309",
    },
    Mark {
        key: OURS,
        name: "Streamgate",
        colour: "#0f766e",
    },
];

/// The chart as SVG.
#[must_use]
pub fn svg(results: &Results) -> String {
    let rows: Vec<&Figure> = SHOWN
        .iter()
        .filter_map(|key| figure(key))
        .filter(|figure| results.spread(figure, OURS).is_some())
        .collect();
    let bottom = TOP + ROW * f64::from(u32::try_from(rows.len()).unwrap_or(0));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        bottom + 40.0
    );
    legend(&mut svg);
    scale(&mut svg, bottom);
    let mut middle = TOP + ROW / 2.0;
    for figure in rows {
        row(&mut svg, results, figure, middle);
        middle += ROW;
    }
    svg.push_str("</svg>\n");
    svg
}

fn legend(svg: &mut String) {
    let mut left = 20.0;
    for mark in MARKS.iter().rev() {
        let (name, colour) = (mark.name, mark.colour);
        circle(svg, left, 24.0, colour);
        text(svg, left + 12.0, 28.0, "start", name);
        left += 110.0;
    }
    text(
        svg,
        LEFT,
        54.0,
        "start",
        "times the null adapter; further left is better",
    );
    text(
        svg,
        RIGHT + 16.0,
        TOP - 8.0,
        "start",
        "Streamgate / null / LWA",
    );
}

fn scale(svg: &mut String, bottom: f64) {
    for times in [0.5, 1.0, 2.0, 5.0, 10.0, 100.0, 1000.0] {
        let (at, width) = (x(times), if (times - 1.0).abs() < 0.01 { 2 } else { 1 });
        let _ = writeln!(
            svg,
            "<path d=\"M{at:.1} {TOP}V{bottom}\" stroke=\"#ccc\" stroke-width=\"{width}\"/>"
        );
        text(svg, at, TOP - 8.0, "middle", &format!("{times}"));
    }
}

fn row(svg: &mut String, results: &Results, figure: &Figure, middle: f64) {
    text(svg, LEFT - 20.0, middle + 4.0, "end", figure.title.trim());
    let places: Vec<f64> = MARKS
        .iter()
        .filter_map(|mark| times(results, figure, mark.key))
        .map(x)
        .collect();
    if let [first, second] = places[..] {
        let _ = writeln!(
            svg,
            "<path d=\"M{first:.1} {middle}H{second:.1}\" stroke=\"#ddd\" stroke-width=\"4\"/>"
        );
    }
    let mut values = Vec::new();
    for mark in &MARKS {
        if let Some(times) = times(results, figure, mark.key) {
            circle(svg, x(times), middle, mark.colour);
        }
    }
    for key in [OURS, NULL, LWA] {
        let spread = results.spread(figure, key);
        values.push(spread.map_or_else(|| "–".to_owned(), |spread| digits(spread.median)));
    }
    let values = format!("{} {}", values.join(" / "), figure.unit);
    text(svg, RIGHT + 16.0, middle + 4.0, "start", values.trim_end());
}

/// How many times worse than the null adapter.
fn times(results: &Results, figure: &Figure, contestant: &str) -> Option<f64> {
    let ratio = results.ratio(figure, contestant, NULL)?.median;
    Some(match figure.better {
        Better::Lower => ratio,
        Better::Higher => 1.0 / ratio,
    })
}

fn x(times: f64) -> f64 {
    let (least, most) = SCALE;
    let share = (times.log10().clamp(least, most) - least) / (most - least);
    LEFT + (RIGHT - LEFT) * share
}

fn circle(svg: &mut String, x: f64, y: f64, colour: &str) {
    let _ = writeln!(
        svg,
        "<circle cx=\"{x:.1}\" cy=\"{y}\" r=\"6\" fill=\"{colour}\"/>"
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"{anchor}\" fill=\"#222\">{text}</text>"
    );
}
