//! `sockatoo craft`: packets from an expression (or from bytes), shown in every way. It sends nothing unless it is told to.
//!
//! | file | what |
//! |---|---|
//! | `source.rs` | where packets come from: an expression, a capture, hexadecimal digits |
//! | `view.rs` | how they are shown: line, tree, hex, explanation, program, JSON |
//! | `send.rs` | how they are sent |
//! | `answers.rs` | how they are sent and answered |
//!
//! What an expression's mistake looks like is [`expression`]'s business, for every command that takes one.

mod answers;
mod send;
mod source;
mod view;

pub(super) use send::{Report, UnderWay};
pub(super) use source::{broken, expression, file};

use std::fs::File;
use std::path::Path;

use super::args::{CraftArgs, HostArgs};
use super::exit::Exit;
use super::host;
use super::say::{self, Trouble};
use crate::base::{Instant, LinkType};
use crate::sys::clock;
use crate::trace::PcapWriter;
use crate::wire::packet::{Dissection, Nowhere, Packet, Surroundings};
use source::Source;
use view::View;

/// Packets that are written into a file without being counted out by hand.
const MANY: u64 = 1_000_000;

/// A packet, and which one it is.
#[derive(Debug)]
struct Crafted {
    /// From 1.
    number: u64,
    /// What was asked for, without ranges and lists; of a packet that was read, what builds it.
    packet: Packet,
    dissection: Dissection,
}

pub(super) fn run(args: &CraftArgs, as_json: bool) -> Result<Exit, Trouble> {
    if args.sending.answers {
        return answers::run(args, as_json);
    }
    if args.sending.any() {
        return send::run(args, as_json);
    }
    let source = Source::of(args)?;
    if args.host.interface.is_none() && args.host.tap.is_none() {
        return show(args, source, &Nowhere, as_json);
    }
    // What the host knows of its surroundings is filled in; it is not to ask anybody.
    let host = host::host(&HostArgs { pcap: None, ..args.host.clone() })?;
    show(args, source, &host, as_json)
}

/// Shows the packets, and writes them into a file if that is wanted.
fn show(args: &CraftArgs, source: Source, around: &dyn Surroundings, as_json: bool) -> Result<Exit, Trouble> {
    let pcap = args.host.pcap.as_ref();
    let total = source.count();
    if let Some(total) = total.filter(|total| pcap.is_some() && args.count.is_none() && *total > MANY) {
        return Err(Trouble::new(format!("that would be a file of {total} packets"))
            .hint("say how many: `--count N`"));
    }
    let view = View { args: &args.views, several: source.several(), varying: source.varying(), as_json };
    // What is written into a file is not all shown.
    let shown = args.count.filter(|_| pcap.is_none()).unwrap_or_else(|| view.default_count());
    if pcap.is_some() {
        source.can_be_recorded()?;
    }
    let mut file = None;
    let mut number = 0;
    for crafted in source.packets(around) {
        let crafted = crafted?;
        number = crafted.number;
        if let Some(path) = pcap.filter(|_| args.count.is_none_or(|count| number <= count)) {
            let writer = match &mut file {
                Some(writer) => writer,
                none => none.insert(Pcap::create(path, crafted.dissection.link)?),
            };
            writer.write(&crafted.dissection)?;
        }
        if number <= shown {
            view.show(&crafted)?;
        } else if total.is_some() && (pcap.is_none() || args.count.is_some_and(|count| number >= count)) {
            break;
        }
    }
    view.rest(number.min(shown), total.unwrap_or(number));
    if let (Some(file), Some(path)) = (file, pcap) {
        say::aside(format!("{} written to {}", say::counted(file.end()?, "packet"), path.display()));
    }
    Ok(Exit::Ok)
}

/// The file of `--pcap`.
struct Pcap {
    writer: PcapWriter<File>,
    written: u64,
    link: LinkType,
}

impl Pcap {
    fn create(path: &Path, link: LinkType) -> Result<Self, Trouble> {
        let file = File::create(path).map_err(|e| {
            Trouble::new(format!("can't write {}: {e}", path.display()))
                .hint("name a file that can be written: `--pcap FILE`")
        })?;
        Ok(Self { writer: PcapWriter::new(file, link, clock::realtime())?, written: 0, link })
    }

    fn write(&mut self, packet: &Dissection) -> Result<(), Trouble> {
        if packet.link != self.link {
            return Err(Trouble::new(
                "a pcap file has one link type: all packets begin with Ethernet, or none",
            ));
        }
        self.written += 1;
        Ok(self.writer.write(Instant::ZERO, packet.link, &packet.bytes)?)
    }

    /// How many packets are in the file, all of them really.
    fn end(mut self) -> Result<u64, Trouble> {
        self.writer.flush_file()?;
        Ok(self.written)
    }
}
