//! How packets are sent: each once, over and over, at a pace, or as fast as the wire takes them.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::source::Source;
use crate::base::LinkType;
use crate::cli::args::{CraftArgs, HostArgs};
use crate::cli::exit::Exit;
use crate::cli::host::{self, Station};
use crate::cli::interrupt::on_interrupt;
use crate::cli::progress::{self, Progress};
use crate::cli::say::{self, Trouble};
use crate::driver::Host;
use crate::probe::{Around, Lateness, Pace, Plan, Replay, Sending, Tally};
use crate::trace::Recorded;
use crate::wire::packet::{Dissection, Layer, Packet, kind};

pub(super) fn run(args: &CraftArgs, as_json: bool) -> Result<Exit, Trouble> {
    let (packet, seed) = packet(args)?;
    let (host, station) = wire(args, &packet)?;
    let around = Around::new(&host, &packet);
    let plan = plan(args, seed)?;
    if args.views.any() {
        super::show(&shown(args), Source::Expression(packet.clone(), seed), &around, as_json)?;
    }
    check_flood(args, station)?;
    let mut sending = Sending::new(&host, &packet, &around, &plan)?;
    tell_unknown(&around);
    let mut under_way = UnderWay::new(&host, as_json);
    loop {
        let more = sending.step()?;
        under_way.show(Report::of(&sending));
        if !more {
            break;
        }
    }
    let silent = sending.finish()?;
    let mut report = Report::of(&sending);
    report.silent = silent;
    host.shutdown();
    if let (0, Some((error, _))) = (report.tally.sent, report.tally.errors.first()) {
        return Err(error.clone().into());
    }
    report.tell(as_json);
    Ok(if report.tally.failed == 0 && report.silent.is_empty() { Exit::Ok } else { Exit::No })
}

/// The packet that stands for all that is to be sent, and the seed of what it draws.
pub(super) fn packet(args: &CraftArgs) -> Result<(Packet, u64), Trouble> {
    let (mut packet, seed) = match Source::of(args)? {
        Source::Expression(packet, seed) => (packet, seed),
        Source::Bytes(link, bytes) => (bytes_as_packet(link, &bytes), 0),
        Source::File(..) => {
            return Err(Trouble::new("a capture is sent by another command").hint("`sockatoo replay FILE`"));
        }
    };
    // A question for all stations is what ARP alone can only mean.
    if packet.layers.first().is_some_and(|layer| layer.kind().name == "arp")
        && let Some(ether) = kind("ether")
    {
        packet.layers.insert(0, Layer::new(ether));
    }
    Ok((packet, seed))
}

fn bytes_as_packet(link: LinkType, bytes: &[u8]) -> Packet {
    Dissection::of(link, bytes).packet()
}

/// The host that sends. Its stack does not disturb what is made by hand: no RST, unless that is wanted.
pub(super) fn wire(args: &CraftArgs, packet: &Packet) -> Result<(Host, Station), Trouble> {
    let mut wanted = args.host.clone();
    if !args.sending.rst && wanted.no_rst.is_empty() {
        wanted.no_rst.push(0);
    }
    let (host, station) = host::made(&wanted)?;
    let disturbed = packet.layers.iter().any(|layer| matches!(layer.kind().name, "tcp" | "udp"));
    if station == Station::Kernel && disturbed {
        say::aside(
            "the kernel of this machine gets the answers, too, and may answer them (RST, port unreachable): give an address of \
             our own with --addr",
        );
    }
    Ok((host, station))
}

pub(super) fn plan(args: &CraftArgs, seed: u64) -> Result<Plan, Trouble> {
    let sending = &args.sending;
    Ok(Plan {
        pace: sending.pace.rate.map(Pace::new).transpose()?,
        count: args.count,
        repeat: sending.flood || sending.repeat,
        limit: sending.pace.limit,
        seed,
    })
}

/// The same flags, to show packets and to write nothing.
fn shown(args: &CraftArgs) -> CraftArgs {
    CraftArgs { host: HostArgs { pcap: None, ..args.host.clone() }, ..args.clone() }
}

/// On a wire of others nobody floods by mistake.
fn check_flood(args: &CraftArgs, station: Station) -> Result<(), Trouble> {
    let sending = &args.sending;
    let endless = args.count.is_none() && sending.pace.limit.is_none() && sending.pace.rate.is_none();
    if (sending.flood || sending.repeat) && endless && station != Station::Alone && !sending.unbounded {
        return Err(Trouble::new("that would flood a wire that others use, without end").hint(
            "say how long: `--for 10s`, `--count N`, or `--unbounded`; or how fast: `--loop --rate 100`",
        ));
    }
    Ok(())
}

pub(super) fn tell_unknown(around: &Around<'_>) {
    if let Some(hop) = around.unknown() {
        say::aside(format!("{hop} does not tell its station: frames for it go to all stations"));
    }
}

/// Sending that goes on: a line tells how far it is, and Ctrl-C ends it with what was done so far.
pub(in crate::cli) struct UnderWay {
    host: Host,
    report: Arc<Mutex<Report>>,
    progress: Progress,
}

impl UnderWay {
    pub(in crate::cli) fn new(host: &Host, as_json: bool) -> Self {
        let report = Arc::new(Mutex::new(Report::default()));
        let (last, at_end) = (report.clone(), host.clone());
        on_interrupt(move || {
            // What is recorded is written out.
            at_end.shutdown();
            last.lock().unwrap_or_else(PoisonError::into_inner).tell(as_json);
            Exit::Interrupted
        });
        Self { host: host.clone(), report, progress: Progress::new(!as_json, host.now()) }
    }

    /// So much is done.
    pub(in crate::cli) fn show(&mut self, now: Report) {
        self.progress.show(self.host.now(), || now.line());
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Report {
    pub(in crate::cli) tally: Tally,
    elapsed: Duration,
    late: Lateness,
    /// Next hops that did not answer.
    pub(in crate::cli) silent: Vec<IpAddr>,
}

impl Report {
    fn of(sending: &Sending<'_>) -> Self {
        let (tally, elapsed, late) = (sending.tally().clone(), sending.elapsed(), sending.lateness());
        Self { tally, elapsed, late, silent: Vec::new() }
    }

    pub(in crate::cli) fn of_replay<I: Iterator<Item = crate::Result<Recorded>>>(replay: &Replay<I>) -> Self {
        let (tally, elapsed, late) = (replay.tally().clone(), replay.elapsed(), replay.lateness());
        Self { tally, elapsed, late, silent: Vec::new() }
    }

    fn line(&self) -> String {
        let Tally { sent, failed, .. } = self.tally;
        let failed = if failed > 0 { format!(", {failed} not sent") } else { String::new() };
        let rate = rate(sent, self.elapsed);
        format!(
            "{} sent in {:.1} s, {rate:.0}/s{failed}",
            say::counted(sent, "packet"),
            self.elapsed.as_secs_f64()
        )
    }

    pub(in crate::cli) fn tell(&self, as_json: bool) {
        progress::clear();
        let Tally { sent, bytes, failed, .. } = &self.tally;
        let seconds = self.elapsed.as_secs_f64();
        if as_json {
            say::object(json!({
                "type": "statistics", "sent": sent, "bytes": bytes, "failed": failed, "seconds": seconds,
                "packets_per_second": rate(*sent, self.elapsed), "errors": errors_json(&self.tally),
                "late_ms": { "mean": ms(self.late.mean()), "max": ms(self.late.most) }, "silent": self.silent,
            }));
            return;
        }
        let mut line = format!("{} sent, {bytes} bytes", say::counted(*sent, "packet"));
        if *sent > 1 && seconds > 0.0 {
            let bits = *bytes as f64 * 8.0 / seconds / 1e6;
            line +=
                &format!(" in {seconds:.3} s: {:.0} packets/s, {bits:.1} Mbit/s", rate(*sent, self.elapsed));
        }
        say::line(line);
        if self.late.most > Duration::ZERO {
            say::line(format!(
                "late by {:.3} ms in the mean, {:.3} ms at most",
                ms(self.late.mean()),
                ms(self.late.most)
            ));
        }
        tell_errors(&self.tally);
        if let [first, rest @ ..] = &self.silent[..] {
            let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            say::line(format!("{first}{more} did not answer ARP or NDP: what was for it did not leave"));
        }
    }
}

/// What could not be sent, and why.
pub(in crate::cli) fn tell_errors(tally: &Tally) {
    if tally.failed > 0 {
        say::line(format!("{} not sent", say::counted(tally.failed, "packet")));
    }
    for (error, times) in &tally.errors {
        say::line(format!("  {times} times {}", Trouble::from(error.clone()).cause));
    }
}

pub(in crate::cli) fn errors_json(tally: &Tally) -> Vec<Json> {
    let error = |(error, times): &(crate::base::Error, u64)| {
        let errno = error.errno();
        json!({ "number": errno.0, "name": errno.name(), "why": error.why(), "times": times })
    };
    tally.errors.iter().map(error).collect()
}

pub(in crate::cli) fn rate(packets: u64, elapsed: Duration) -> f64 {
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 { packets as f64 / seconds } else { 0.0 }
}

pub(in crate::cli) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
