//! `sockatoo craft`: packets from an expression (or from bytes), shown in every way. It sends nothing.
//!
//! | file | what |
//! |---|---|
//! | `source.rs` | where packets come from: an expression, a pcap file, hexadecimal digits |
//! | `view.rs` | how they are shown: line, tree, hex, explanation, program, JSON |
//!
//! What an expression's mistake looks like is [`expression`]'s business, for every command that takes one.

mod source;
mod view;

pub(super) use source::{expression, file};

use std::fs::File;

use super::args::CraftArgs;
use super::exit::Exit;
use super::say::Trouble;
use crate::base::Instant;
use crate::sys::clock;
use crate::trace::PcapWriter;
use crate::wire::packet::Nowhere;
use source::Source;
use view::View;

/// Packets that are written into a file without being counted out by hand.
const MANY: u64 = 1_000_000;

/// A packet, and which one it is.
#[derive(Debug)]
struct Crafted {
    /// From 1.
    number: u64,
    dissection: crate::wire::packet::Dissection,
}

pub(super) fn run(args: &CraftArgs, as_json: bool) -> Result<Exit, Trouble> {
    // Sending begins here: with a host in the place of `Nowhere`, and with send.rs in the place of what follows.
    let source = Source::of(args)?;
    let several = source.several();
    let view = View { args: &args.views, several, as_json };
    let shown = args.count.unwrap_or_else(|| view.default_count());
    let mut file = None;
    let written = args.count.unwrap_or(MANY);
    if args.pcap.is_some() && args.count.is_none() && source.count().is_some_and(|count| count > MANY) {
        return Err(Trouble::new(format!("that would be a file of {} packets", source.count().unwrap_or(0)))
            .hint("say how many: `--count N`"));
    }
    let total = source.count();
    let mut number = 0;
    for dissection in source.packets(&Nowhere) {
        let dissection = dissection?;
        number += 1;
        if let Some(path) = args.pcap.as_ref().filter(|_| number <= written) {
            let writer = match &mut file {
                Some(writer) => writer,
                none => none.insert(Pcap::create(path, dissection.link)?),
            };
            writer.write(&dissection)?;
        }
        let crafted = Crafted { number, dissection };
        if number <= shown {
            view.show(&crafted)?;
        } else if number > written || (args.pcap.is_none() && total.is_some()) {
            break;
        }
    }
    if let Some(mut file) = file {
        file.writer.flush_file()?;
    }
    view.rest(number.min(shown), total.unwrap_or(number));
    Ok(Exit::Ok)
}

/// The file of `--pcap`.
struct Pcap {
    writer: PcapWriter<File>,
    link: crate::base::LinkType,
}

impl Pcap {
    fn create(path: &std::path::Path, link: crate::base::LinkType) -> Result<Self, Trouble> {
        let file = File::create(path).map_err(|e| {
            Trouble::new(format!("can't write {}: {e}", path.display()))
                .hint("name a file that can be written: `--pcap FILE`")
        })?;
        Ok(Self { writer: PcapWriter::new(file, link, clock::realtime())?, link })
    }

    fn write(&mut self, packet: &crate::wire::packet::Dissection) -> Result<(), Trouble> {
        if packet.link != self.link {
            return Err(Trouble::new(
                "a pcap file has one link type: all packets begin with Ethernet, or none",
            ));
        }
        Ok(self.writer.write(Instant::ZERO, packet.link, &packet.bytes)?)
    }
}
