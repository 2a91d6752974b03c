//! Where packets come from.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::Crafted;
use crate::base::{Errno, Error, LinkType};
use crate::cli::args::{BeginsWith, CraftArgs};
use crate::cli::say::{self, Trouble};
use crate::trace::Capture;
use crate::wire::expression::{Expression, ExpressionError};
use crate::wire::packet::{Choice, Dissection, Each, Field, Packet, Surroundings};
use crate::wire::show::unhex;

/// Hexadecimal digits that are read: more than the largest packet has.
const DIGITS: u64 = 1 << 20;

/// Where packets come from.
#[derive(Debug)]
pub(super) enum Source {
    /// An expression, and the seed of what it draws.
    Expression(Packet, u64),
    /// A capture.
    File(PathBuf, Capture<BufReader<File>>),
    /// Bytes.
    Bytes(LinkType, Vec<u8>),
}

impl Source {
    pub(super) fn of(args: &CraftArgs) -> Result<Self, Trouble> {
        if let Some(path) = &args.read {
            return Ok(Self::File(path.clone(), file(path)?));
        }
        if !args.from_hex.is_empty() {
            let bytes = hex(&args.from_hex)?;
            let link = match args.linktype {
                Some(BeginsWith::Ether) => LinkType::Ethernet,
                Some(BeginsWith::Ip) => LinkType::Ip,
                None => looks_like(&bytes),
            };
            return Ok(Self::Bytes(link, bytes));
        }
        let mut packet = expression(&args.expression.join(" "))?;
        if args.fuzz.is_some() {
            packet.layers.iter_mut().for_each(|layer| layer.fuzz = true);
        }
        Ok(Self::Expression(packet, args.fuzz.unwrap_or(args.seed)))
    }

    /// How many packets there are; of a file nobody knows before its end.
    pub(super) fn count(&self) -> Option<u64> {
        match self {
            Self::Expression(packet, _) => Some(packet.count()),
            Self::File(..) => None,
            Self::Bytes(..) => Some(1),
        }
    }

    /// Are they to be listed? A file is, even one with a single packet.
    pub(super) fn several(&self) -> bool {
        self.count().is_none_or(|count| count > 1)
    }

    /// The fields that are not the same in all packets: the number of the layer, and the field.
    pub(super) fn varying(&self) -> Vec<(usize, &'static Field)> {
        let Self::Expression(packet, _) = self else { return Vec::new() };
        let layers = packet.layers.iter().enumerate();
        let fields = layers
            .flat_map(|(number, layer)| layer.fields().map(move |(field, choice)| (number, field, choice)));
        let varies = |choice: &Choice| !matches!(choice, Choice::One(_) | Choice::Bad);
        fields.filter(|(.., choice)| varies(choice)).map(|(number, field, _)| (number, field)).collect()
    }

    /// A capture holds packets that begin with Ethernet or IP.
    pub(super) fn can_be_recorded(&self) -> Result<(), Trouble> {
        let Self::Expression(packet, _) = self else { return Ok(()) };
        match packet.layers.first().map(|layer| layer.kind().name) {
            None | Some("ether" | "dot3" | "ip" | "ipv6") => Ok(()),
            Some(other) => Err(Trouble::new(format!("{other} alone is no packet that a capture can hold"))
                .hint("put in front what carries it, up to ip(), ipv6() or ether()")),
        }
    }

    /// The packets, one after the other.
    pub(super) fn packets(self, around: &dyn Surroundings) -> impl Iterator<Item = Result<Crafted, Trouble>> {
        let source = match self {
            Self::Expression(packet, seed) => Begun::Expression(Box::new(packet.each(seed))),
            Self::File(path, reader) => Begun::File(path, reader),
            Self::Bytes(link, bytes) => Begun::Bytes(Some(Dissection::of(link, &bytes))),
        };
        Packets { source, around, number: 0 }
    }
}

/// A source of which some have been taken.
enum Begun {
    Expression(Box<Each>),
    File(PathBuf, Capture<BufReader<File>>),
    Bytes(Option<Dissection>),
}

struct Packets<'a> {
    source: Begun,
    around: &'a dyn Surroundings,
    number: u64,
}

impl Iterator for Packets<'_> {
    type Item = Result<Crafted, Trouble>;

    fn next(&mut self) -> Option<Self::Item> {
        self.number += 1;
        let number = self.number;
        let read = |dissection: Dissection| Crafted { number, packet: dissection.packet(), dissection };
        match &mut self.source {
            Begun::Expression(each) => {
                let packet = each.next()?;
                let built = packet.build(self.around).map_err(|error| Trouble::new(error.why()));
                Some(built.map(|dissection| Crafted { number, packet, dissection }))
            }
            Begun::File(path, reader) => Some(match reader.next()? {
                Ok(frame) => Ok(read(Dissection::of(frame.link, &frame.bytes))),
                Err(error) => Err(broken(path, &error)),
            }),
            Begun::Bytes(bytes) => bytes.take().map(|dissection| Ok(read(dissection))),
        }
    }
}

/// The packet that an expression says; a mistake in it is pointed at. What the person should know is said beside it.
pub(in crate::cli) fn expression(text: &str) -> Result<Packet, Trouble> {
    // One byte more than a packet can have: the reader of expressions says that it is too much.
    let mut read = |path: &str| {
        let mut bytes = Vec::new();
        File::open(path)?.take(u64::from(u16::MAX) + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let Expression { packet, notes } =
        Expression::read(text, &mut read).map_err(|ExpressionError { column, width, what, hint }| {
            let trouble = Trouble::new(what).at(text, column, width);
            match hint {
                Some(hint) => trouble.hint(hint),
                None => trouble,
            }
        })?;
    notes.iter().for_each(|note| say::aside(format!("note: {note}")));
    Ok(packet)
}

/// A capture, pcap or pcapng, that can be read.
pub(in crate::cli) fn file(path: &Path) -> Result<Capture<BufReader<File>>, Trouble> {
    Capture::open(path).map_err(|error| {
        let what = match error.errno() {
            Errno::EINVAL => error.why().to_string(),
            errno => format!("{}: {}", path.display(), errno.text()),
        };
        Trouble::new(what).hint("name a pcap or pcapng file of Ethernet or IP packets")
    })
}

/// What is wrong within a capture.
pub(in crate::cli) fn broken(path: &Path, error: &Error) -> Trouble {
    Trouble::new(format!("{}: {}", path.display(), error.why()))
}

fn hex(words: &[String]) -> Result<Vec<u8>, Trouble> {
    let mut text = words.join(" ");
    if text == "-" {
        text.clear();
        std::io::stdin().take(DIGITS).read_to_string(&mut text)?;
    }
    let bytes = unhex(&text).map_err(|what| {
        Trouble::new(what)
            .hint("two digits are a byte: `--from-hex '45 00 00 14 ...'`; `-` reads standard input")
    })?;
    if bytes.is_empty() || bytes.len() > usize::from(u16::MAX) + 18 {
        return Err(Trouble::new(format!("{} bytes are no packet", bytes.len())).hint("1 to 65553 bytes are"));
    }
    Ok(bytes)
}

/// An IP header says its version first, and its length fits; all else is taken for Ethernet.
fn looks_like(bytes: &[u8]) -> LinkType {
    let word = |at: usize| Some(usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?])));
    let ip = match bytes.first().map(|byte| (byte >> 4, byte & 15)) {
        // RFC 791 3.1: total length; a header has 5 words or more.
        Some((4, 5..)) => word(2).is_some_and(|total| total == bytes.len()) || bytes.len() == 20,
        // RFC 8200 3: payload length.
        Some((6, _)) => word(4).is_some_and(|len| len + 40 == bytes.len()),
        _ => false,
    };
    if ip { LinkType::Ip } else { LinkType::Ethernet }
}
