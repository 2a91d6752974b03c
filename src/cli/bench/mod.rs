//! `sockatoo bench`: our figures beside others', measured in the same run.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | rounds in which those that are compared take turns; the table |
//! | `craft.rs` | `bench craft`: packets built and sent |
//! | `scapy.rs` | the same by Scapy |
//! | `guest.rs` | `bench run`: programs on the kernel's loopback and under `run` |
//! | `worker.rs` | the program that is measured there |

mod craft;
mod guest;
mod scapy;
mod worker;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::args::{Bench, BenchArgs};
use crate::cli::exit::Exit;
use crate::cli::say::{self, Trouble};

/// How long one of those that are compared goes on before it is another's turn. The best round counts: on a machine that has
/// other work, the others are slower by chance.
const ROUND: Duration = Duration::from_millis(100);

pub(super) fn run(args: &BenchArgs, as_json: bool) -> Result<Exit, Trouble> {
    let (name, tables) = match &args.what {
        Bench::Craft(args) => ("craft", craft::tables(args.rounds, as_json)?),
        Bench::Run(args) => ("run", guest::tables(args.rounds, as_json)?),
        Bench::Work(args) => return worker::run(args),
    };
    if as_json {
        say::object(
            json!({ "bench": name, "release": !cfg!(debug_assertions), "tables": tables.iter().map(Table::json).collect::<Vec<_>>() }),
        );
    } else {
        tables.iter().for_each(Table::show);
        if cfg!(debug_assertions) {
            say::line("\nThis program was built without --release: ours are slower here than they need be.");
        }
    }
    Ok(Exit::Ok)
}

/// Several that do the same.
struct Table {
    title: String,
    /// What `Row::per_second` counts.
    unit: &'static str,
    rows: Vec<Row>,
}

/// One of them.
struct Row {
    key: &'static str,
    what: &'static str,
    /// `None`: it could not be measured.
    per_second: Option<f64>,
    /// Why it could not be, and what to do about it.
    note: Option<String>,
    /// To which row of the table it is compared.
    to: Option<&'static str>,
}

impl Row {
    const fn new(key: &'static str, what: &'static str, to: Option<&'static str>) -> Self {
        Self { key, what, per_second: None, note: None, to }
    }
}

impl Table {
    /// What a row is of the one that it is compared to.
    fn ratio(&self, row: &Row) -> Option<f64> {
        let other = self.rows.iter().find(|other| Some(other.key) == row.to)?.per_second?;
        (other > 0.0).then_some(row.per_second? / other)
    }

    fn json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "key": row.key, "what": row.what, "per_second": row.per_second.map(f64::round), "note": row.note,
                "compared_to": row.to, "ratio": self.ratio(row),
            })
        };
        json!({ "title": self.title, "unit": self.unit, "rows": self.rows.iter().map(row).collect::<Vec<_>>() })
    }

    fn show(&self) {
        say::line(format!("\n{:<46} {:>12}   ratio", say::styled("1", &self.title), self.unit));
        for row in &self.rows {
            let figure = row.per_second.map_or_else(|| "-".into(), grouped);
            let ratio = match (self.ratio(row), row.to) {
                (Some(ratio), Some(_)) if ratio >= 10.0 => format!("{ratio:>7.0}"),
                (Some(ratio), Some(_)) => format!("{ratio:>7.2}"),
                _ => String::new(),
            };
            let of = self.rows.iter().find(|other| Some(other.key) == row.to && !ratio.is_empty());
            let of = of.map_or_else(String::new, |other| format!(" of {}", other.what));
            say::line(format!("  {:<44} {figure:>12} {ratio}{}", row.what, say::styled("2", of)));
            if let Some(note) = &row.note {
                say::line(format!("    {}", say::styled("33", note)));
            }
        }
    }
}

/// One of those that are compared: does some of its work, and says how many packets that were.
type Work<'a> = Box<dyn FnMut() -> Result<u64, Trouble> + 'a>;

/// Lets them take turns; packets in a second of each, in its best round.
fn race(rounds: u32, runners: &mut [Work<'_>]) -> Result<Vec<f64>, Trouble> {
    let mut best = vec![0.0_f64; runners.len()];
    for _ in 0..rounds {
        for (runner, best) in runners.iter_mut().zip(&mut best) {
            let (begin, mut done) = (Instant::now(), 0);
            while begin.elapsed() < ROUND {
                done += runner()?;
            }
            *best = best.max(done as f64 / begin.elapsed().as_secs_f64());
        }
    }
    Ok(best)
}

/// 1,234,567.
fn grouped(figure: f64) -> String {
    let digits = (figure.round() as u64).to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_grouped() {
        assert_eq!([0.0, 999.4, 1000.0, 1_234_567.0].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
