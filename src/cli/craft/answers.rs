//! Each probe with its answer, or without one: Scapy's sr.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::send::{errors_json, ms, packet, plan, rate, tell_errors, tell_unknown, wire};
use crate::cli::args::CraftArgs;
use crate::cli::exit::Exit;
use crate::cli::interrupt::on_interrupt;
use crate::cli::packet_json::hex;
use crate::cli::progress::{self, Progress};
use crate::cli::say::{self, Trouble};
use crate::probe::{Answers, Around, Outcome, Patience, Tally};
use crate::wire::summary;

/// Probes without an answer that are shown.
const SHOWN: u64 = 10;

pub(super) fn run(args: &CraftArgs, as_json: bool) -> Result<Exit, Trouble> {
    let (packet, seed) = packet(args)?;
    let (host, _) = wire(args, &packet)?;
    let around = Around::new(&host, &packet);
    let timeout = args.sending.timeout.unwrap_or_else(|| Patience::default().timeout);
    let patience = Patience { timeout, retry: args.sending.retry };
    let mut answers = Answers::new(&host, &packet, &around, &plan(args, seed)?, patience)?;
    tell_unknown(&around);
    let report = Arc::new(Mutex::new(Report::default()));
    let (last, at_end) = (report.clone(), host.clone());
    on_interrupt(move || {
        at_end.shutdown();
        lock(&last).tell(as_json);
        Exit::Interrupted
    });
    let mut progress = Progress::new(!as_json, host.now());
    while let Some(outcome) = answers.next() {
        let mut report = lock(&report);
        (report.tally, report.elapsed) = (answers.tally().clone(), answers.elapsed());
        let (number, answer) = match outcome? {
            Outcome::Answered { number, time, answer } => {
                report.times.add(time);
                (number, Some((time, answer)))
            }
            Outcome::Unanswered { number } => {
                report.unanswered += 1;
                (number, None)
            }
        };
        progress.show(host.now(), || format!("{} sent, {} answered", report.tally.sent, report.times.count));
        let hidden = answer.is_none() && report.unanswered > SHOWN && !as_json;
        drop(report);
        // What could not even be built has no bytes; the statistics tell why.
        let Some((link, probe)) = (!hidden).then(|| answers.probe(number).ok()).flatten() else { continue };
        let asked = summary(link, &probe);
        progress::clear();
        match answer {
            Some((time, frame)) if as_json => say::object(json!({
                "type": "answer", "number": number + 1, "probe": asked, "probe_bytes": hex(&probe),
                "answer": summary(frame.link, frame.bytes()), "answer_bytes": hex(frame.bytes()), "ms": ms(time),
            })),
            Some((time, frame)) => {
                // A probe that began with IP is shown beside an answer that does.
                let told = summary(frame.link, frame.bytes());
                say::line(format!("{asked}  ⇒  {told}  {:.3} ms", ms(time)));
            }
            None if as_json => say::object(json!({
                "type": "unanswered", "number": number + 1, "probe": asked, "probe_bytes": hex(&probe),
            })),
            None => say::line(format!("{asked}  ⇒  no answer")),
        }
    }
    let mut report = lock(&report).clone();
    (report.tally, report.lost) = (answers.tally().clone(), answers.lost());
    host.shutdown();
    if let (0, Some((error, _))) = (report.tally.sent, report.tally.errors.first()) {
        return Err(error.clone().into());
    }
    report.tell(as_json);
    Ok(if report.times.count > 0 { Exit::Ok } else { Exit::No })
}

fn lock(report: &Mutex<Report>) -> MutexGuard<'_, Report> {
    report.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was done.
#[derive(Clone, Debug, Default)]
struct Report {
    tally: Tally,
    elapsed: Duration,
    times: Times,
    unanswered: u64,
    /// Frames that came faster than they were looked at.
    lost: u64,
}

/// How long answers took.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    count: u64,
    least: Duration,
    most: Duration,
    sum: Duration,
}

impl Times {
    fn add(&mut self, time: Duration) {
        self.least = if self.count == 0 { time } else { self.least.min(time) };
        self.most = self.most.max(time);
        self.sum = self.sum.saturating_add(time);
        self.count += 1;
    }

    fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { ms(self.sum) / self.count as f64 }
    }
}

impl Report {
    fn tell(&self, as_json: bool) {
        progress::clear();
        let Times { count, least, most, .. } = self.times;
        if as_json {
            let times =
                (count > 0).then(|| json!({ "min": ms(least), "avg": self.times.mean(), "max": ms(most) }));
            say::object(json!({
                "type": "statistics", "sent": self.tally.sent, "failed": self.tally.failed, "answered": count,
                "unanswered": self.unanswered, "seconds": self.elapsed.as_secs_f64(), "ms": times, "lost": self.lost,
                "errors": errors_json(&self.tally),
            }));
            return;
        }
        if self.unanswered > SHOWN {
            say::line(format!("… and {} more without an answer", self.unanswered - SHOWN));
        }
        let seconds = self.elapsed.as_secs_f64();
        let per_second = rate(self.tally.sent, self.elapsed);
        say::line(format!(
            "{} sent in {seconds:.3} s ({per_second:.0}/s), {count} answered, {} not",
            say::counted(self.tally.sent, "packet"),
            self.unanswered
        ));
        if count > 0 {
            let (least, mean, most) = (ms(least), self.times.mean(), ms(most));
            say::line(format!("time min/avg/max = {least:.3}/{mean:.3}/{most:.3} ms"));
        }
        if self.lost > 0 {
            say::line(format!(
                "{} came too fast to be looked at: try --rate",
                say::counted(self.lost, "frame")
            ));
        }
        tell_errors(&self.tally);
    }
}
