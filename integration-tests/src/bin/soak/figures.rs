// SPDX-License-Identifier: Apache-2.0
//! The adapter's memory and descriptors over time.

use std::fs;

use integration_tests::local::Local;

/// What the adapter held after so many invocations.
struct Look {
    invocations: u64,
    pid: i32,
    resident_kib: usize,
    descriptors: usize,
}

#[derive(Default)]
pub(crate) struct Figures(Vec<Look>);

impl Figures {
    pub(crate) fn look(&mut self, invocations: u64, local: &Local) {
        let carriers = local.program().mark().carriers();
        // Its guard and the app's first step are the same program with arguments.
        let adapter = carriers.iter().find(|carrier| {
            carrier
                .command
                .trim_end()
                .ends_with("/extensions/streamgate")
        });
        let Some(adapter) = adapter else {
            return;
        };
        let descriptors = fs::read_dir(format!("/proc/{}/fd", adapter.pid));
        self.0.push(Look {
            invocations,
            pid: adapter.pid,
            resident_kib: adapter.status_kib("VmRSS").unwrap_or_default(),
            descriptors: descriptors.map_or(0, Iterator::count),
        });
    }

    /// The last look as a line of a table.
    pub(crate) fn print_last(&self) {
        if self.0.len() == 1 {
            println!("invocations  adapter's pid  resident KiB  descriptors");
        }
        if let Some(look) = self.0.last() {
            println!(
                "{:>11}  {:>13}  {:>12}  {:>11}",
                look.invocations, look.pid, look.resident_kib, look.descriptors
            );
        }
    }

    /// What must not be: growth from the first half to the last quarter, or an adapter that was replaced. The most that was
    /// seen is compared, since pages come and go.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let quarter = self.0.len() / 4;
        if quarter == 0 {
            return vec!["too few invocations to say whether memory is flat".to_owned()];
        }
        let most =
            |looks: &[Look], of: fn(&Look) -> usize| looks.iter().map(of).max().unwrap_or_default();
        let (first, last) = (&self.0[..2 * quarter], &self.0[self.0.len() - quarter..]);
        for (what, of, slack) in [
            (
                "KiB resident",
                (|look| look.resident_kib) as fn(&Look) -> usize,
                // The allocator asks the kernel for 64 KiB and more at a time, and the largest body decides when.
                512,
            ),
            ("descriptors", |look| look.descriptors, 1),
        ] {
            let (before, after) = (most(first, of), most(last, of));
            if after > before + slack {
                wrong.push(format!(
                    "up to {before} {what} in the first half, {after} in the last quarter"
                ));
            }
        }
        if self.0.iter().any(|look| look.pid != self.0[0].pid) {
            wrong.push("the adapter was replaced".to_owned());
        }
        wrong
    }
}
