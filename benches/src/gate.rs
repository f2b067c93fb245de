// SPDX-License-Identifier: Apache-2.0
//! Instructions against those of the baseline.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

/// Counts above the baseline's by more than this fail. Two runs of one program differ by a tenth of that.
pub const TOLERANCE: f64 = 0.03;

/// Counts by name, and what they depend on beside the code.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// What compiled it, and for which processor.
    pub made_by: MadeBy,
    /// Instructions by the name of what was counted.
    pub instructions: BTreeMap<String, f64>,
}

/// What instruction counts depend on, beside the code.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct MadeBy {
    /// The compiler of the pure part.
    pub compiler: String,
    /// The compiler of the layer.
    pub layer_compiler: String,
    /// The processor's architecture, and whether it has the vector instructions that libraries look for.
    pub processor: String,
}

impl MadeBy {
    /// The compilers and the processor of this machine.
    #[must_use]
    pub fn here(repository: &Path) -> Self {
        let version = |compiler: &str| {
            let mut command = Command::new(compiler);
            command
                .arg("--version")
                .current_dir(repository)
                .env_remove("RUSTUP_TOOLCHAIN");
            let output = command
                .output()
                .map(|output| output.stdout)
                .unwrap_or_default();
            String::from_utf8_lossy(&output).trim().to_owned()
        };
        let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let has_avx2 = cpus.split_whitespace().any(|word| word == "avx2");
        Self {
            compiler: version("rustc"),
            layer_compiler: version("/usr/bin/rustc"),
            processor: format!(
                "{}{}",
                std::env::consts::ARCH,
                if has_avx2 { ", avx2" } else { "" }
            ),
        }
    }
}

impl fmt::Display for MadeBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            compiler,
            layer_compiler,
            processor,
        } = self;
        write!(f, "{compiler}; layer: {layer_compiler}; {processor}")
    }
}

/// What a comparison found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing takes more than it may.
    Kept,
    /// Something does, or is not in the baseline.
    Broken,
    /// The counts cannot be compared: another compiler or processor.
    NotComparable,
}

impl Baseline {
    /// Reads what was kept.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Compares with what is now, and tells of each count in a line.
    #[must_use]
    pub fn compare(&self, now: &Self) -> (Verdict, String) {
        let mut report = String::new();
        let mut verdict = Verdict::Kept;
        for (name, count) in &now.instructions {
            let Some(kept) = self.instructions.get(name) else {
                let _ = writeln!(report, "{name:24} {count:10.0}  not in the baseline");
                verdict = Verdict::Broken;
                continue;
            };
            let change = count / kept - 1.0;
            let remark = if change > TOLERANCE {
                verdict = Verdict::Broken;
                "  too many"
            } else if change < -TOLERANCE {
                "  fewer: `make bench-baseline` keeps it so"
            } else {
                ""
            };
            let _ = writeln!(
                report,
                "{name:24} {count:10.0}  {:+6.1} %{remark}",
                change * 100.0
            );
        }
        if self.made_by != now.made_by {
            verdict = Verdict::NotComparable;
        }
        (verdict, report)
    }

    /// As it is kept.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let MadeBy {
            compiler,
            layer_compiler,
            processor,
        } = &self.made_by;
        let mut text = format!(
            "# Instructions of one invocation, and of the pure parts of one, in user space; written by `make bench-baseline`.\n\
             # They are compared only where these are the same.\n\
             [made_by]\ncompiler = \"{compiler}\"\nlayer_compiler = \"{layer_compiler}\"\nprocessor = \"{processor}\"\n\n\
             [instructions]\n"
        );
        for (name, count) in &self.instructions {
            let _ = writeln!(text, "{name} = {count:.1}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(compiler: &str, counts: &[(&str, f64)]) -> Baseline {
        Baseline {
            made_by: MadeBy {
                compiler: compiler.to_owned(),
                layer_compiler: "rustc 1.95.0".to_owned(),
                processor: "x86_64, avx2".to_owned(),
            },
            instructions: counts
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect(),
        }
    }

    #[test]
    fn what_takes_more_than_it_may_breaks_the_gate() {
        let kept = baseline("a", &[("x", 1000.0), ("y", 500.0)]);
        for (count, verdict) in [
            (900.0, Verdict::Kept),
            (1029.0, Verdict::Kept),
            (1031.0, Verdict::Broken),
        ] {
            let now = baseline("a", &[("x", count), ("y", 500.0)]);
            assert_eq!(kept.compare(&now).0, verdict, "{count}");
        }
        let with_another = baseline("a", &[("x", 1000.0), ("z", 1.0)]);
        assert_eq!(kept.compare(&with_another).0, Verdict::Broken);
    }

    #[test]
    fn counts_of_another_compiler_are_not_judged() {
        let kept = baseline("a", &[("x", 1000.0)]);
        let now = baseline("b", &[("x", 5000.0)]);
        assert_eq!(kept.compare(&now).0, Verdict::NotComparable);
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let kept = baseline("rustc 1.95.0 (x)", &[("x", 1000.5), ("y", 2.0)]);
        assert_eq!(Baseline::parse(&kept.to_toml()).unwrap(), kept);
    }
}
