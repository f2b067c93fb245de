// SPDX-License-Identifier: Apache-2.0
//! What came of the requests.

use std::collections::{BTreeMap, BTreeSet};

use integration_tests::http::Response;

use crate::plan::{Fault, Step};

#[derive(Default)]
pub(crate) struct Tally {
    outcomes: BTreeMap<String, u64>,
    /// Answers to requests without a fault of the app that were neither their own nor an error's.
    crossed: Vec<String>,
    /// Requests without a fault of the app that got an error.
    failed: u64,
    /// Requests with a fault of the app that had a whole answer all the same.
    impossible: u64,
    /// Ids that the app never had.
    lost: u64,
    /// Requests that the app had more than once.
    doubled: Vec<String>,
    /// What the app's faults were answered with, by id.
    told: BTreeMap<u64, String>,
    /// Ids of requests that the app resets without a byte of an answer. The adapter asks once more where that happens on a
    /// kept connection.
    may_be_asked_again: BTreeSet<u64>,
    asked_again: u64,
}

impl Tally {
    pub(crate) fn answered(&mut self, id: u64, step: Step, is_own: bool, response: &Response) {
        if matches!(step, Step::Fault(Fault::Reset)) {
            self.may_be_asked_again.insert(id);
        }
        if matches!(step, Step::Fault(_)) {
            let body = response.body();
            let text = String::from_utf8_lossy(&body);
            let text: String = text.chars().take(200).collect();
            self.told.insert(id, format!("{step:?} {text}"));
        }
        let status = response.status();
        let (kind, is_well) = match step {
            Step::Get(_) => ("GET", true),
            Step::Post(_) => ("POST", true),
            Step::SlowClient(_) => ("slow client", true),
            Step::AfterPause => ("after a pause", true),
            Step::Fault(Fault::Close) => ("app closes behind it", true),
            Step::Fault(fault) => (fault.name(), false),
        };
        let outcome = match (is_own, status) {
            (true, _) => "whole".to_owned(),
            (false, 200) => "broken off".to_owned(),
            (false, status) => status.to_string(),
        };
        *self
            .outcomes
            .entry(format!("{kind}: {outcome}"))
            .or_default() += 1;
        match (is_well, is_own, status) {
            (true, true, _) => {}
            (true, false, 500..) => self.failed += 1,
            (true, false, _) => self.crossed.push(format!("{step:?}: {response:?}")),
            (false, is_own, _) => self.impossible += u64::from(is_own),
        }
    }

    /// Takes what the app wrote down.
    pub(crate) fn counted(&mut self, count: u64, lines: &[String]) {
        let mut times: BTreeMap<u64, u64> = (1..=count).map(|id| (id, 0)).collect();
        let ids = lines
            .iter()
            .filter_map(|line| line.strip_prefix("counted "));
        for id in ids.filter_map(|id| id.parse().ok()) {
            *times.entry(id).or_default() += 1;
        }
        self.lost = times.values().filter(|times| **times == 0).count() as u64;
        for (id, times) in times {
            match times {
                0 | 1 => {}
                2 if self.may_be_asked_again.contains(&id) => self.asked_again += 1,
                _ => {
                    let told = self
                        .told
                        .get(&id)
                        .map_or("no fault of the app", String::as_str);
                    self.doubled.push(format!("{id}, {times} times: {told}"));
                }
            }
        }
    }

    pub(crate) fn print(&self) {
        for (outcome, count) in &self.outcomes {
            println!("  {outcome:<32}{count:>8}");
        }
        println!(
            "lost {}, doubled {}, crossed {}; asked again after a reset {}",
            self.lost,
            self.doubled.len(),
            self.crossed.len(),
            self.asked_again
        );
    }

    /// What must not be. So many replies may have failed because Lambda did not take them.
    pub(crate) fn wrong(&self, lost_replies: u64) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.lost > 0 {
            wrong.push(format!("{} requests never reached the app", self.lost));
        }
        if !self.doubled.is_empty() {
            let which = self.doubled.join("; ");
            wrong.push(format!("requests reached the app more than once: {which}"));
        }
        if let Some(first) = self.crossed.first() {
            wrong.push(format!("an answer is another's, or cut: {first}"));
        }
        if self.failed > lost_replies {
            let failed = self.failed;
            wrong.push(format!(
                "{failed} requests failed, and {lost_replies} replies were not taken"
            ));
        }
        if self.impossible > 0 {
            wrong.push(format!(
                "{} answers are whole that were broken",
                self.impossible
            ));
        }
        wrong
    }
}
