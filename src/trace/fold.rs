//! Long runs of the same are told in one line, and silence is shown.

use std::time::Duration;

use super::rows::{Row, Stream, grouped};

/// What is drawn.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Row(Row),
    /// Rows that are not drawn, in these words.
    Folded(String),
    /// Nothing happened for so long.
    Pause(Duration),
}

/// Rows kept at the begin of a run.
const HEAD: usize = 2;
/// Rows kept at its end.
const TAIL: usize = 1;
/// Fewer than this are not worth a fold.
const WORTH: usize = 4;
/// A silence as long as this is shown.
const SILENCE: Duration = Duration::from_millis(300);

/// Folds the runs; `limit` rows at most are drawn, the rest is counted.
pub(crate) fn fold(rows: Vec<Row>, limit: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut before = rows.first().map(|row| row.time);
    let total = rows.len();
    let mut rows = rows.into_iter().peekable();
    let (mut told, mut drawn) = (0, 0);
    while let Some(first) = rows.next() {
        let mut run = vec![first];
        while let Some(next) = rows.next_if(|next| follows(&run, next)) {
            run.push(next);
        }
        told += run.len();
        let folded = if run.len() >= HEAD + TAIL + WORTH {
            run.drain(HEAD..run.len() - TAIL).collect::<Vec<_>>()
        } else {
            Vec::new()
        };
        for (n, row) in run.into_iter().enumerate() {
            if n == HEAD && !folded.is_empty() {
                lines.push(Line::Folded(words(&folded)));
                before = folded.last().map(|row| row.time);
            }
            let silence = before.map_or(Duration::ZERO, |before| row.time.since(before));
            if silence >= SILENCE {
                lines.push(Line::Pause(silence));
            }
            before = Some(row.time);
            lines.push(Line::Row(row));
            drawn += 1;
        }
        if drawn >= limit && told < total {
            lines.push(Line::Folded(format!("… {} more frames …", grouped((total - told) as u64))));
            break;
        }
    }
    lines
}

/// True if `next` belongs to the run: the same stream, and data from the same side; acknowledgments from the other come along.
fn follows(run: &[Row], next: &Row) -> bool {
    let (Some(before), Some(run_next)) = (run.last().and_then(|row| row.run), next.run) else { return false };
    let speaker = run.iter().find_map(|row| row.run.and_then(|r| r.from));
    before.stream == run_next.stream
        && match (speaker, run_next.from) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        }
}

/// `… 42 segments, 61,320 bytes, 20 ACKs, in 1.2 ms …`
fn words(rows: &[Row]) -> String {
    let data = rows.iter().filter(|row| row.run.is_some_and(|r| r.from.is_some()));
    let (count, bytes) = data.fold((0u64, 0u64), |(n, bytes), row| (n + 1, bytes + row.payload as u64));
    let acks = rows.len() as u64 - count;
    let name = match rows.first().and_then(|row| row.run).map(|run| run.stream) {
        Some(Stream::Udp(..)) => "datagram",
        Some(Stream::Fragments(..)) => "fragment",
        _ => "segment",
    };
    let mut parts = Vec::new();
    if count > 0 {
        parts.push(format!("{} · {}", counted(count, name), counted(bytes, "byte")));
    }
    if acks > 0 {
        parts.push(counted(acks, "ACK"));
    }
    if let (Some(first), Some(last)) = (rows.first(), rows.last()) {
        parts.push(span(last.time.since(first.time)));
    }
    format!("… {} …", parts.join(" · "))
}

/// `1 segment`, `42 segments`.
fn counted(n: u64, name: &str) -> String {
    format!("{} {name}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// A duration with the unit that suits it: `12 µs`, `1.20 ms`, `3.00 s`.
pub(crate) fn span(d: Duration) -> String {
    match d.as_nanos() {
        0..1_000_000 => format!("{} µs", d.as_micros()),
        1_000_000..1_000_000_000 => format!("{:.2} ms", d.as_secs_f64() * 1e3),
        _ => format!("{:.2} s", d.as_secs_f64()),
    }
}
