// SPDX-License-Identifier: Apache-2.0
//! Takes the cases in rounds, in each of which every adapter has its turn, so that what else the machine does meets all
//! alike. Ratios are of values of one round.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::adapter::Adapter;
use crate::figure::{Better, Figure, Target};
use crate::measure::{Case, Stage};
use crate::statistics::{Spread, spread};

/// The adapter that the figures are about.
pub const OURS: &str = "streamgate";
/// The same once more, for what two runs of one adapter differ by.
pub const AGAIN: &str = "again";
/// The floor.
pub const NULL: &str = "null";
/// The peer that targets name.
pub const LWA: &str = "lwa";

/// What takes part in each round.
#[derive(Debug)]
pub struct Contestant<'a> {
    /// Its name in the results.
    pub key: &'a str,
    /// What is started.
    pub adapter: &'a Adapter,
}

/// Values by figure and contestant, one for each round.
#[derive(Debug, Default)]
pub struct Results {
    values: BTreeMap<(&'static str, String), Vec<Option<f64>>>,
    /// What could not be measured, and why.
    pub failures: Vec<String>,
}

impl Results {
    /// Takes so many rounds. `progress` is told of each case.
    pub fn take(
        &mut self,
        stage: &Stage,
        cases: &[&Case],
        contestants: &[Contestant<'_>],
        rounds: usize,
        mut progress: impl FnMut(usize, &str),
    ) {
        for round in 0..rounds {
            for case in cases.iter().filter(|case| round < case.most_rounds) {
                progress(round, case.name);
                // Another one first in each round, so that none profits from its place.
                for index in 0..contestants.len() {
                    let contestant = &contestants[(index + round) % contestants.len()];
                    self.measure(stage, case, contestant, round);
                }
            }
        }
    }

    fn measure(&mut self, stage: &Stage, case: &Case, contestant: &Contestant<'_>, round: usize) {
        match (case.run)(stage, contestant.adapter) {
            Ok(values) => {
                for (key, value) in values {
                    let row = self
                        .values
                        .entry((key, contestant.key.to_owned()))
                        .or_default();
                    row.resize(round, None);
                    row.push(Some(value));
                }
            }
            Err(error) => {
                let mut text = format!("{}, {}: {error}", case.name, contestant.key);
                let mut source = std::error::Error::source(&error);
                while let Some(error) = source {
                    let _ = write!(text, ": {error}");
                    source = error.source();
                }
                self.failures.push(text);
            }
        }
    }

    /// The values of a contestant, one for each round that has one.
    #[must_use]
    pub fn values(&self, figure: &Figure, contestant: &str) -> Vec<f64> {
        let row = self.row(figure, contestant);
        row.iter().flatten().copied().collect()
    }

    /// Their spread.
    #[must_use]
    pub fn spread(&self, figure: &Figure, contestant: &str) -> Option<Spread> {
        spread(&self.values(figure, contestant))
    }

    /// The spread of one contestant's values over another's, round by round.
    #[must_use]
    pub fn ratio(&self, figure: &Figure, of: &str, to: &str) -> Option<Spread> {
        let pairs = self.row(figure, of).iter().zip(self.row(figure, to));
        let ratios: Vec<f64> = pairs
            .filter_map(|(of, to)| Some((*of)? / (*to)?))
            .filter(|ratio| ratio.is_finite())
            .collect();
        spread(&ratios)
    }

    /// Whether a figure's target is reached. `None`: there is no target, or no value.
    #[must_use]
    pub fn is_reached(&self, figure: &Figure) -> Option<bool> {
        let (value, bound) = match figure.target? {
            Target::OfNull(bound) => (self.ratio(figure, OURS, NULL)?, bound),
            Target::OfLwa(bound) => (self.ratio(figure, OURS, LWA)?, bound),
            Target::Value(bound) => (self.spread(figure, OURS)?, bound),
        };
        Some(match figure.better {
            Better::Lower => value.median <= bound,
            Better::Higher => value.median >= bound,
        })
    }

    fn row(&self, figure: &Figure, contestant: &str) -> &[Option<f64>] {
        let row = self.values.get(&(figure.key, contestant.to_owned()));
        row.map_or(&[], Vec::as_slice)
    }
}
