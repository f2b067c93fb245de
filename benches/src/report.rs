// SPDX-License-Identifier: Apache-2.0
//! What came of the rounds: a table, which is the same on a screen and in `docs/performance.md`, and JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::figure::{Better, FIGURES, Figure, Target};
use crate::machine::Machine;
use crate::rounds::{AGAIN, LWA, NULL, OURS, Results};
use crate::statistics::Spread;

const HEADINGS: [&str; 9] = [
    "",
    "unit",
    "Streamgate",
    "null",
    "LWA",
    "× null",
    "× LWA",
    "noise",
    "target",
];

/// A row for each figure that has been measured.
#[must_use]
pub fn table(results: &Results) -> String {
    let mut rows: Vec<[String; 9]> = vec![HEADINGS.map(str::to_owned)];
    let measured = FIGURES
        .iter()
        .filter(|figure| results.spread(figure, OURS).is_some());
    rows.extend(measured.map(|figure| row(results, figure)));
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut table = String::new();
    for (index, row) in rows.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width - cell.chars().count());
            let (before, after) = if column < 2 {
                ("", &*padding)
            } else {
                (&*padding, "")
            };
            let _ = write!(table, "| {before}{cell}{after} ");
        }
        table.push_str("|\n");
        if index == 0 {
            for (column, width) in widths.iter().enumerate() {
                let end = if column < 2 { '-' } else { ':' };
                let _ = write!(table, "|{}{end}", "-".repeat(width + 1));
            }
            table.push_str("|\n");
        }
    }
    table
}

fn row(results: &Results, figure: &Figure) -> [String; 9] {
    let median = |contestant| {
        let spread = results.spread(figure, contestant);
        spread.map_or_else(|| "–".to_owned(), |spread| digits(spread.median))
    };
    [
        // Spaces at the beginning mark a part; Markdown would drop them.
        figure.title.replace("  ", "– "),
        figure.unit.to_owned(),
        median(OURS),
        median(NULL),
        median(LWA),
        ratio(results.ratio(figure, OURS, NULL)),
        ratio(results.ratio(figure, OURS, LWA)),
        noise(results.ratio(figure, AGAIN, OURS)),
        target(results, figure),
    ]
}

/// The median and, behind it, between which two values half of the rounds lie.
fn ratio(spread: Option<Spread>) -> String {
    let Some(Spread {
        lower,
        median,
        upper,
    }) = spread
    else {
        return "–".to_owned();
    };
    let places = if median < 0.1 { 3 } else { 2 };
    format!("{median:.places$} ({lower:.places$}–{upper:.places$})")
}

/// How far the ratio of the adapter to itself is from 1, at the farther quartile.
fn noise(spread: Option<Spread>) -> String {
    spread.map_or_else(
        || "–".to_owned(),
        |spread| {
            let share = (spread.upper - 1.0).abs().max((spread.lower - 1.0).abs());
            format!("±{:.0} %", share * 100.0)
        },
    )
}

fn target(results: &Results, figure: &Figure) -> String {
    let Some(target) = figure.target else {
        return String::new();
    };
    let sign = match figure.better {
        Better::Lower => '≤',
        Better::Higher => '≥',
    };
    let bound = match target {
        Target::OfNull(bound) => format!("{sign} {bound} × null"),
        Target::OfLwa(bound) => format!("{sign} {bound} × LWA"),
        Target::Value(bound) => format!("{sign} {bound}"),
    };
    let verdict = match results.is_reached(figure) {
        Some(true) => "reached",
        Some(false) => "missed",
        None => "not measured",
    };
    format!("{bound}: {verdict}")
}

/// Three digits that count.
#[must_use]
pub fn digits(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Everything, for programs.
#[must_use]
pub fn json(results: &Results, machine: &Machine, rounds: usize) -> Value {
    let figures: Vec<Value> = FIGURES
        .iter()
        .filter(|figure| results.spread(figure, OURS).is_some())
        .map(|figure| {
            let values = |contestant| results.values(figure, contestant);
            json!({
                "key": figure.key,
                "title": figure.title.trim(),
                "unit": figure.unit,
                "values": { OURS: values(OURS), AGAIN: values(AGAIN), NULL: values(NULL), LWA: values(LWA) },
                "ratio_to_null": results.ratio(figure, OURS, NULL),
                "ratio_to_lwa": results.ratio(figure, OURS, LWA),
                "ratio_to_itself": results.ratio(figure, AGAIN, OURS),
                "reached": results.is_reached(figure),
            })
        })
        .collect();
    json!({
        "machine": machine,
        "rounds": rounds,
        "figures": figures,
        "failures": results.failures,
    })
}
