//! What a run has found, as it is kept in `docs/performance.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lines::{Bound, Figure, LINES, Line};

/// Everything the page is drawn from.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Results {
    /// What it ran on.
    pub(super) machine: BTreeMap<String, String>,
    pub(super) versions: BTreeMap<String, String>,
    /// The configuration files, as they were given to the servers.
    pub(super) configurations: BTreeMap<String, String>,
    pub(super) rounds: usize,
    /// How long each load was measured.
    pub(super) seconds: u64,
    /// Whether it was a short form, with smaller loads.
    pub(super) quick: bool,
    /// Microseconds of one password hash, by name.
    pub(super) password_hash_us: BTreeMap<String, f64>,
    /// What a reader has to know about the runs, by whoever made them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) remarks: Vec<String>,
    pub(super) runs: Vec<Run>,
}

/// One load on one server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) line: String,
    pub(super) server: String,
    pub(super) round: usize,
    /// The generator's report, or why there is none.
    pub(super) report: Value,
}

/// The servers in the order of the page's columns; the keys of [`Run::server`].
pub(super) const SERVERS: [&str; 4] = ["waxwing", "floor", "ejabberd", "prosody"];

impl Results {
    /// The median over the rounds of a figure.
    pub(super) fn figure(&self, line: &Line, figure: &Figure, server: &str) -> Option<f64> {
        median(
            self.of(line.key, server)
                .filter_map(|run| run.report.pointer(figure.pointer)?.as_f64())
                .collect(),
        )
    }

    /// The median of something in the reports of a line.
    pub(super) fn median(&self, line: &str, pointer: &str, server: &str) -> Option<f64> {
        median(self.of(line, server).filter_map(|run| run.report.pointer(pointer)?.as_f64()).collect())
    }

    /// All runs of a line on a server.
    pub(super) fn of<'a>(&'a self, line: &'a str, server: &'a str) -> impl Iterator<Item = &'a Run> + 'a {
        self.runs.iter().filter(move |run| run.line == line && run.server == server)
    }

    /// Whether a bound is kept; nothing when it was not measured.
    pub(super) fn keeps(&self, line: &Line, figure: &Figure, bound: Bound) -> Option<bool> {
        let own = self.figure(line, figure, "waxwing")?;
        let other = |server| self.figure(line, figure, server);
        Some(match bound {
            Bound::AtMost(most) => own <= most,
            Bound::TimesFloor(times) => own <= times * other("floor")?,
            Bound::TimesLine(times, key) => {
                let base = LINES.iter().find(|line| line.key == key)?;
                own <= times * self.figure(base, base.figures.first()?, "waxwing")?
            }
            Bound::LessThanEjabberd(times) => own * times <= other("ejabberd")?,
            Bound::LessThanEither(times) => {
                own * times <= other("ejabberd")? && own * times <= other("prosody")?
            }
        })
    }

    /// Messages that a server lost, sent twice or sent out of order in all runs, and errors.
    pub(super) fn failures(&self, server: &str) -> [u64; 4] {
        let sum = |pointer: &str| {
            let runs = self.runs.iter().filter(|run| run.server == server);
            runs.filter_map(|run| run.report.pointer(pointer)?.as_u64()).sum()
        };
        ["/tally/lost", "/tally/duplicates", "/tally/out_of_order", "/errors"].map(sum)
    }
}

/// The middle one; of an even number, the mean of the two in the middle.
pub(super) fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    let upper = *figures.get(middle)?;
    Some(if figures.len() % 2 == 1 { upper } else { f64::midpoint(figures[middle - 1], upper) })
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// Results in which every CPU figure of a server is the same.
    pub(in super::super) fn results(figures: &[(&str, &[f64])]) -> Results {
        let mut results = Results { rounds: 1, seconds: 5, ..Results::default() };
        for line in LINES {
            for (server, rounds) in figures {
                for (round, cpu) in rounds.iter().enumerate() {
                    let measure = json!({
                        "server_cpu_us": cpu,
                        "latency": { "p50_us": cpu, "p95_us": cpu, "p99_us": cpu, "p999_us": cpu }
                    });
                    results.runs.push(Run {
                        line: line.key.to_owned(),
                        server: (*server).to_owned(),
                        round,
                        report: json!({
                            "measures": [measure, measure],
                            "memory": { "pss_bytes_per_connection": cpu },
                            "tally": { "lost": 1, "duplicates": 0, "out_of_order": 0 },
                            "errors": 2
                        }),
                    });
                }
            }
        }
        results
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn bounds_are_judged_by_medians() {
        let results = results(&[
            ("waxwing", &[10.0, 99.0, 11.0]),
            ("floor", &[6.0]),
            ("ejabberd", &[66.0]),
            ("prosody", &[20.0]),
        ]);
        let line = &LINES[0];
        let keeps = |bound| results.keeps(line, &line.figures[0], bound);
        assert_eq!(results.figure(line, &line.figures[0], "waxwing"), Some(11.0));
        assert_eq!(keeps(Bound::AtMost(11.0)), Some(true));
        assert_eq!(keeps(Bound::AtMost(10.0)), Some(false));
        assert_eq!(keeps(Bound::TimesFloor(2.0)), Some(true));
        assert_eq!(keeps(Bound::TimesFloor(1.8)), Some(false));
        assert_eq!(keeps(Bound::LessThanEjabberd(6.0)), Some(true));
        assert_eq!(keeps(Bound::LessThanEither(6.0)), Some(false));
        assert_eq!(keeps(Bound::TimesLine(1.0, "chat")), Some(true));
        assert_eq!(results.failures("floor"), [LINES.len() as u64, 0, 0, 2 * LINES.len() as u64]);
        let without = tests::results(&[("waxwing", &[1.0])]);
        assert_eq!(without.keeps(line, &line.figures[0], Bound::TimesFloor(2.0)), None);
    }
}
