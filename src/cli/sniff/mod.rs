//! `sockatoo sniff`: frames of wires or files, chosen by libpcap's filter language, printed and written, as tcpdump does.
//!
//! | file | what |
//! |---|---|
//! | `wire.rs` | the wires: a host and a packet socket for each, read by a thread of its own |
//! | `sink.rs` | where frames go: file, lines, statistics |
//! | `line.rs` | a frame in print: time, link header, line, bytes |
//!
//! A thread for each wire takes batches out of its packet socket and hands them over a bounded queue; who is too slow loses
//! frames at the socket, where they are counted.

mod line;
mod sink;
mod wire;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::args::{SniffArgs, Way};
use super::craft;
use super::exit::Exit;
use super::interrupt::on_interrupt;
use super::say::{self, Trouble};
use crate::base::constants::{PACKET_HOST, PACKET_OUTGOING};
use crate::base::{Direction, Instant, LinkType};
use crate::trace::Source;
use crate::wire::filter::{Facts, Program, compile};

use sink::Sink;

/// A frame on its way to the sink.
struct Sniffed<'a> {
    /// The number of its interface.
    source: u32,
    /// Since 1970.
    time: Instant,
    direction: Direction,
    link: LinkType,
    bytes: &'a [u8],
    /// Bytes that it had on the wire.
    len: usize,
}

pub(super) fn run(args: &SniffArgs, as_json: bool) -> Result<Exit, Trouble> {
    let filter = args.filter.join(" ");
    if args.dump > 0 {
        return dump(&filter, args.dump);
    }
    match &args.read {
        Some(path) => read(path, &filter, args, as_json),
        None => listen(&filter, args, as_json),
    }
}

/// The program of the filter, or its picture with a caret under what is wrong.
fn program(filter: &str, link: LinkType) -> Result<Program, Trouble> {
    compile(filter, link).map_err(|error| {
        let hint = error.hint.unwrap_or_else(|| "`man pcap-filter` has the language".into());
        Trouble::new(error.what).hint(hint).at(filter, error.column, error.width)
    })
}

fn dump(filter: &str, how: u8) -> Result<Exit, Trouble> {
    let program = program(filter, LinkType::Ethernet)?;
    match how {
        1 => say::line(program.to_string().trim_end()),
        2 => say::line(program.c_rows().trim_end()),
        _ => say::line(program.decimal().trim_end()),
    }
    Ok(Exit::Ok)
}

/// Frames of a file.
fn read(path: &Path, filter: &str, args: &SniffArgs, as_json: bool) -> Result<Exit, Trouble> {
    let mut capture = craft::file(path)?;
    let links = [LinkType::Ethernet, LinkType::Ip, LinkType::Can];
    let programs = links.map(|link| (link, program(filter, link)));
    if programs.iter().all(|(_, program)| program.is_err()) {
        let [(_, ethernet), ..] = programs;
        return ethernet.map(|_| Exit::Ok);
    }
    // A question about Ethernet passes frames without it by; of a file that has no others, that is to be said.
    let (mut asked, mut unfit) = (false, None);
    let mut sink = Sink::new(args, as_json)?;
    let (mut left, mut wrong) = (args.count.unwrap_or(u64::MAX), None);
    while left > 0 {
        let Some(next) = capture.next_frame() else { break };
        let (number, frame) = match next {
            Ok(next) => next,
            Err(error) => {
                wrong = Some(error);
                continue;
            }
        };
        let packet_type = if frame.direction == Direction::Out { PACKET_OUTGOING } else { PACKET_HOST };
        let facts = Facts { packet_type, interface: number, ..Facts::of_len(frame.wire_len) };
        let keep = match programs.iter().find(|(link, _)| *link == frame.link) {
            Some((_, Ok(program))) => {
                asked = true;
                program.run(&frame.bytes, &facts)
            }
            Some((link, Err(_))) => {
                unfit = Some(*link);
                0
            }
            None => 0,
        };
        if keep == 0 || !wanted(args.direction, frame.direction) {
            continue;
        }
        let unnamed = Source { name: String::new(), link: frame.link, filter: String::new() };
        sink.describe(number, capture.source(number).unwrap_or(&unnamed))?;
        let kept = frame.bytes.len().min(args.snaplen as usize);
        sink.take(&Sniffed {
            source: number,
            time: frame.time,
            direction: frame.direction,
            link: frame.link,
            bytes: &frame.bytes[..kept],
            len: frame.wire_len,
        })?;
        left -= 1;
    }
    sink.flush()?;
    if let (false, Some(link)) = (asked, unfit) {
        program(filter, link)?;
    }
    wrong.map_or(Ok(Exit::Ok), |error| Err(craft::broken(path, &error)))
}

fn wanted(way: Way, direction: Direction) -> bool {
    match way {
        Way::Inout => true,
        Way::In => direction == Direction::In,
        Way::Out => direction == Direction::Out,
    }
}

/// Frames of wires.
fn listen(filter: &str, args: &SniffArgs, as_json: bool) -> Result<Exit, Trouble> {
    let program = program(filter, LinkType::Ethernet)?;
    let wires = Arc::new(wire::open(args, &program)?);
    let mut sink = Sink::new(args, as_json)?;
    for (number, wire) in wires.iter().enumerate() {
        let source = Source { name: wire.name.clone(), link: LinkType::Ethernet, filter: filter.to_string() };
        sink.describe(number as u32, &source)?;
    }
    sink.flush()?;
    let names: Vec<_> = wires.iter().map(|wire| wire.name.as_str()).collect();
    say::aside(format!("listening on {}, snapshot length {} bytes", names.join(", "), args.snaplen));
    let sink = Arc::new(Mutex::new(sink));
    let last = {
        let (sink, wires) = (sink.clone(), wires.clone());
        move || {
            let mut sink = lock(&sink);
            let flushed = sink.flush();
            statistics(&sink, &wires, as_json);
            if flushed.is_ok() { Exit::Ok } else { Exit::Trouble }
        }
    };
    // tcpdump ends with 0 after Ctrl-C, too: that is how a capture ends.
    on_interrupt(last.clone());
    let batches = wire::batches(&wires);
    let deadline = args.timeout.map(|timeout| std::time::Instant::now() + timeout);
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        let Some((number, batch)) = batches.next(deadline)? else { break };
        let mut sink = lock(&sink);
        for captured in batch {
            let direction = wire::direction(&captured);
            if left == 0 || !wanted(args.direction, direction) {
                continue;
            }
            left -= 1;
            let bytes = captured.frame.bytes();
            sink.take(&Sniffed {
                source: number as u32,
                time: wires[number].wall_clock(captured.frame.time),
                direction,
                link: LinkType::Ethernet,
                bytes: &bytes[..bytes.len().min(args.snaplen as usize)],
                len: captured.len,
            })?;
        }
        // Whoever reads the stream sees each batch at once.
        sink.flush()?;
    }
    Ok(last())
}

fn lock(sink: &Mutex<Sink>) -> MutexGuard<'_, Sink> {
    sink.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What tcpdump tells at its end, to standard error.
fn statistics(sink: &Sink, wires: &[wire::Wire], as_json: bool) {
    let (mut received, mut dropped, mut by_device) = (0, 0, 0);
    for wire in wires {
        let (packets, drops) = wire.statistics();
        received += packets;
        dropped += drops;
        by_device += wire.device_drops();
    }
    if as_json {
        let object = serde_json::json!({
            "version": say::VERSION, "captured": sink.taken(), "received": received, "dropped": dropped,
            "dropped_by_device": by_device,
        });
        return say::aside(object);
    }
    let s = |n: u64| if n == 1 { "" } else { "s" };
    say::aside(format!("{} packet{} captured", sink.taken(), s(sink.taken())));
    say::aside(format!("{received} packet{} received by filter", s(received)));
    say::aside(format!("{dropped} packet{} dropped by our socket", s(dropped)));
    if by_device > 0 {
        say::aside(format!("{by_device} packet{} dropped by the kernel in front of us", s(by_device)));
    }
}
