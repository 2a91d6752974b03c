//! `sockatoo diff`: two captures, packet by packet and field by field. Exit codes as diff(1): 0 the same, 1 they differ, 2 trouble.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::{Value as Json, json};

use super::args::DiffArgs;
use super::craft;
use super::exit::Exit;
use super::packet_json::hex;
use super::say::{self, Trouble};
use crate::trace::Recorded;
use crate::wire::packet::Dissection;
use crate::wire::show::{Difference, Ignored, Pair, Print, Side, What, align, difference_lines, differences};
use crate::wire::summary;

/// Packets of a file that are compared: they are held in memory.
const MOST: usize = 1_000_000;
/// Packets whose looks are remembered while partners are sought.
const REMEMBERED: usize = 4096;

pub(super) fn run(args: &DiffArgs, as_json: bool) -> Result<Exit, Trouble> {
    let mut ignored = Ignored::default();
    for path in &args.ignore {
        ignored.add(path).map_err(|what| {
            Trouble::new(what).hint("fields are named as in expressions: `--ignore ip.id,tcp.checksum`")
        })?;
    }
    let (a, b) = (Capture::read(&args.a, &ignored)?, Capture::read(&args.b, &ignored)?);
    let mut report = Report { as_json, quiet: args.quiet, ..Report::default() };
    if !as_json && !args.quiet {
        say::line(format!("{} {}: {}", say::styled("31", "---"), args.a.display(), packets(a.frames.len())));
        say::line(format!("{} {}: {}", say::styled("32", "+++"), args.b.display(), packets(b.frames.len())));
    }
    let (mut looks_a, mut looks_b) = (HashMap::new(), HashMap::new());
    let likeness = |i, j| a.look(i, &ignored, &mut looks_a).likeness(b.look(j, &ignored, &mut looks_b));
    for pair in align(&a.prints, &b.prints, likeness) {
        match pair {
            Pair::A(i) => report.only(Side::A, i, &a.frames[i]),
            Pair::B(j) => report.only(Side::B, j, &b.frames[j]),
            Pair::Both(i, j) => {
                let found = differences(&a.dissected(i), &b.dissected(j), &ignored);
                report.pair((i, j), &a.frames[i], &found);
            }
        }
    }
    Ok(report.end())
}

fn packets(count: usize) -> String {
    say::counted(count as u64, "packet")
}

/// A file's packets.
struct Capture {
    frames: Vec<Recorded>,
    /// The same number for the same packet.
    prints: Vec<u64>,
}

impl Capture {
    fn read(path: &Path, ignored: &Ignored) -> Result<Self, Trouble> {
        let mut capture = Self { frames: Vec::new(), prints: Vec::new() };
        for frame in craft::file(path)? {
            let frame = frame.map_err(|error| craft::broken(path, &error))?;
            if capture.frames.len() == MOST {
                return Err(Trouble::new(format!("{} has more than {MOST} packets", path.display()))
                    .hint("compare parts of it: `editcap -c 1000000 FILE PARTS` cuts it"));
            }
            capture.prints.push(Print::of(&Dissection::of(frame.link, &frame.bytes), ignored).whole);
            capture.frames.push(frame);
        }
        Ok(capture)
    }

    fn dissected(&self, at: usize) -> Dissection {
        let frame = &self.frames[at];
        Dissection::of(frame.link, &frame.bytes)
    }

    /// What a packet looks like; asked again and again for those near to each other.
    fn look<'a>(&self, at: usize, ignored: &Ignored, looks: &'a mut HashMap<usize, Print>) -> &'a Print {
        if looks.len() >= REMEMBERED && !looks.contains_key(&at) {
            looks.clear();
        }
        looks.entry(at).or_insert_with(|| Print::of(&self.dissected(at), ignored))
    }
}

/// What has been found, printed as it comes.
#[derive(Default)]
struct Report {
    as_json: bool,
    quiet: bool,
    same: usize,
    differ: usize,
    only_a: usize,
    only_b: usize,
    /// How often each field differs.
    paths: BTreeMap<String, usize>,
}

impl Report {
    fn only(&mut self, side: Side, at: usize, frame: &Recorded) {
        let (sign, style, name) = match side {
            Side::A => ("-", "31", "a"),
            Side::B => ("+", "32", "b"),
        };
        match side {
            Side::A => self.only_a += 1,
            Side::B => self.only_b += 1,
        }
        let line = summary(frame.link, &frame.bytes);
        if self.quiet {
        } else if self.as_json {
            say::object(
                json!({ "type": "only", "in": name, "number": at + 1, "summary": line, "bytes": hex(&frame.bytes) }),
            );
        } else {
            say::line("");
            say::line(say::styled(style, format!("{sign} packet {}: {line}", at + 1)));
        }
    }

    fn pair(&mut self, (i, j): (usize, usize), frame: &Recorded, found: &[Difference]) {
        if found.is_empty() {
            self.same += 1;
            return;
        }
        self.differ += 1;
        for difference in found {
            *self.paths.entry(difference.path.clone()).or_default() += 1;
        }
        let line = summary(frame.link, &frame.bytes);
        if self.quiet {
        } else if self.as_json {
            let found: Vec<_> = found.iter().map(in_json).collect();
            say::object(
                json!({ "type": "differ", "a": i + 1, "b": j + 1, "summary": line, "differences": found }),
            );
        } else {
            let numbers = if i == j { format!("{}", i + 1) } else { format!("{} and {}", i + 1, j + 1) };
            say::line("");
            say::line(say::styled("1", format!("packet {numbers}: {line}")));
            say::lines(&difference_lines(found, say::width()));
        }
    }

    fn end(self) -> Exit {
        let Self { same, differ, only_a, only_b, .. } = self;
        let exit = if differ + only_a + only_b == 0 { Exit::Ok } else { Exit::No };
        if self.quiet {
        } else if self.as_json {
            say::object(json!({
                "type": "summary", "same": same, "differ": differ, "only_in_a": only_a, "only_in_b": only_b, "fields": self.paths
            }));
        } else {
            say::line("");
            say::line(format!(
                "{} the same, {differ} differ, {only_a} only in the first, {only_b} only in the second",
                packets(same)
            ));
            let mut paths: Vec<_> = self.paths.into_iter().collect();
            paths.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
            let words: Vec<_> =
                paths.iter().take(8).map(|(path, times)| format!("{path} ({times})")).collect();
            if !words.is_empty() {
                say::line(format!(
                    "what differs: {}{}",
                    words.join(", "),
                    if paths.len() > 8 { ", …" } else { "" }
                ));
            }
        }
        exit
    }
}

fn in_json(Difference { path, what }: &Difference) -> Json {
    match what {
        What::Value(a, b) => json!({ "path": path, "a": a, "b": b }),
        What::Bytes(a, b) => json!({ "path": path, "a": hex(a), "b": hex(b) }),
        What::Only(Side::A, words) => json!({ "path": path, "a": words, "b": null }),
        What::Only(Side::B, words) => json!({ "path": path, "a": null, "b": words }),
    }
}
