//! `sockatoo replay`: a capture is sent.

use std::time::Duration;

use super::args::{HostArgs, ReplayArgs};
use super::craft::{Report, UnderWay};
use super::exit::Exit;
use super::host;
use super::say::{self, Trouble};
use crate::base::{Instant, Result};
use crate::probe::{Changes, Pace, Replay, Tempo};
use crate::trace::{Capture, Recorded};

pub(super) fn run(args: &ReplayArgs, as_json: bool) -> std::result::Result<Exit, Trouble> {
    let first = Capture::open(&args.file).map_err(|error| {
        Trouble::new(error.why()).hint("name a pcap or pcapng file of Ethernet frames or IP packets")
    })?;
    // Nobody's connections are taken up: what comes back is not answered with RST.
    let mut wanted: HostArgs = args.host.clone();
    if wanted.no_rst.is_empty() {
        wanted.no_rst.push(0);
    }
    let host = host::host(&wanted)?;
    let tempo = match (args.pace.rate, args.fast) {
        (Some(rate), _) => Tempo::Even(Pace::new(rate)?),
        (None, true) => Tempo::Fast,
        (None, false) => Tempo::Recorded(args.speed.unwrap_or(1.0)),
    };
    let changes = Changes {
        tempo,
        mappings: args.mappings.clone(),
        to_wire: args.to_wire,
        count: args.count,
        limit: args.pace.limit,
    };
    let file = args.file.clone();
    let passes = Passes {
        open: move || Capture::open(&file),
        now: first,
        left: args.times - 1,
        base: None,
        last: None,
    };
    let mut replay = Replay::new(&host, passes, changes);
    let mut under_way = UnderWay::new(&host, as_json);
    let ended = loop {
        let more = replay.step();
        under_way.show(Report::of_replay(&replay));
        match more {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let silent = replay.finish()?;
    let mut report = Report::of_replay(&replay);
    report.silent = silent;
    host.shutdown();
    ended?;
    report.tell(as_json);
    let (cut, foreign) = replay.skipped();
    for (frames, why) in
        [(cut, "not whole in the capture"), (foreign, "Ethernet, and this host has no such wire: -i IF")]
    {
        if frames > 0 {
            say::aside(format!("{} passed over: {why}", say::counted(frames, "frame")));
        }
    }
    let all = report.tally.failed == 0 && report.silent.is_empty() && cut + foreign == 0;
    Ok(if all { Exit::Ok } else { Exit::No })
}

/// The frames of a file, from its beginning again so many times: each pass begins when the one before has ended.
struct Passes<F, C> {
    open: F,
    now: C,
    left: u64,
    /// What is added to the times of this pass; its first time.
    base: Option<(Duration, Instant)>,
    last: Option<Instant>,
}

impl<F: FnMut() -> Result<C>, C: Iterator<Item = Result<Recorded>>> Iterator for Passes<F, C> {
    type Item = Result<Recorded>;

    fn next(&mut self) -> Option<Result<Recorded>> {
        loop {
            match self.now.next() {
                Some(Ok(mut frame)) => {
                    if let Some((offset, first)) = self.base {
                        frame.time = first + offset + frame.time.since(first);
                    } else {
                        self.base = Some((Duration::ZERO, frame.time));
                    }
                    self.last = self.last.max(Some(frame.time));
                    return Some(Ok(frame));
                }
                // A file without frames has no second pass.
                None if self.left > 0 && self.last.is_some() => {
                    self.left -= 1;
                    match (self.open)() {
                        Ok(again) => self.now = again,
                        Err(error) => return Some(Err(error)),
                    }
                    if let (Some((offset, first)), Some(last)) = (&mut self.base, self.last) {
                        *offset = last.since(*first);
                    }
                }
                end => return end,
            }
        }
    }
}
