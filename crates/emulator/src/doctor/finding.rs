// SPDX-License-Identifier: Apache-2.0
//! What the doctor has found, and how it is told.

use std::fmt;

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// It fails on Lambda.
    Error,
    /// It fails on Lambda under a condition that cannot be seen from here.
    Warning,
    /// Worth to know; or what could not be looked at.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// A name that stays the same, for programs.
    pub(super) id: &'static str,
    /// File, variable or option.
    #[serde(rename = "where")]
    pub(super) place: String,
    pub(super) what: String,
    /// Why it fails on Lambda.
    pub(super) why: String,
    /// How it is put right.
    pub(super) mend: String,
}

impl Finding {
    pub(super) fn error(id: &'static str, place: impl Into<String>) -> Self {
        Self::new(Severity::Error, id, place)
    }

    pub(super) fn warning(id: &'static str, place: impl Into<String>) -> Self {
        Self::new(Severity::Warning, id, place)
    }

    pub(super) fn note(id: &'static str, place: impl Into<String>) -> Self {
        Self::new(Severity::Note, id, place)
    }

    pub(super) fn new(severity: Severity, id: &'static str, place: impl Into<String>) -> Self {
        Self {
            severity,
            id,
            place: place.into(),
            what: String::new(),
            why: String::new(),
            mend: String::new(),
        }
    }

    pub(super) fn what(mut self, text: impl Into<String>) -> Self {
        self.what = text.into();
        self
    }

    pub(super) fn why(mut self, text: impl Into<String>) -> Self {
        self.why = text.into();
        self
    }

    pub(super) fn mend(mut self, text: impl Into<String>) -> Self {
        self.mend = text.into();
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} [{}]", self.severity, self.what, self.id)?;
        writeln!(f, "  where: {}", self.place)?;
        writeln!(f, "  why:   {}", self.why)?;
        writeln!(f, "  mend:  {}", self.mend)
    }
}

/// All findings, the worst first.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    errors: usize,
    warnings: usize,
    notes: usize,
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.severity);
        let count = |severity| {
            let like = findings
                .iter()
                .filter(|finding| finding.severity == severity);
            like.count()
        };
        Self {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
            findings,
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        self.errors > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        write!(
            f,
            "{} error{}, {} warning{}, {} note{}",
            self.errors,
            plural(self.errors),
            self.warnings,
            plural(self.warnings),
            self.notes,
            plural(self.notes)
        )
    }
}

/// A name of a package's, or of a variable's, on one line and without what a terminal obeys.
pub(super) fn shown(name: &str) -> String {
    const LONGEST: usize = 200;
    let mut text: String = name
        .chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect();
    if name.chars().nth(LONGEST).is_some() {
        text.push('…');
    }
    text.replace("\\\\", "\\")
        .replace("\\'", "'")
        .replace("\\\"", "\"")
}

/// The first few names of many.
pub(super) fn listed(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let first: Vec<_> = names.iter().take(SHOWN).map(|name| shown(name)).collect();
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => first.join(", "),
        Some(more) => format!("{} and {more} more", first.join(", ")),
    }
}
