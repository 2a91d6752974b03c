//! Layers to bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::bits;
use super::dissection::{Dissection, Origin, Section, Seen, Verdict};
use super::kind::{Field, Fill, Kind, Rule, Shape};
use super::layer::{Choice, Layer, Packet, Value};
use super::layers::{ARP, IP, IPV6};
use super::rules::{Whole, ends_of_built, outer, own, wrong};
use super::value::{bytes_of, fit};
use crate::base::{Errno, Error, LinkType, Mac};

/// Where a packet will set out: what a builder can't know by itself.
pub trait Surroundings {
    /// Our address on the way to `destination`.
    fn source(&self, destination: IpAddr) -> Option<IpAddr>;
    /// Our station address on the way to `destination`, and that of the next hop.
    fn stations(&self, destination: IpAddr) -> (Option<Mac>, Option<Mac>);
}

/// No host: sources are the unspecified address, stations are zero, the next hop's is the broadcast.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl Surroundings for Nowhere {
    fn source(&self, _: IpAddr) -> Option<IpAddr> {
        None
    }
    fn stations(&self, _: IpAddr) -> (Option<Mac>, Option<Mac>) {
        (None, None)
    }
}

/// Options in options in options: more is a mistake, or an attack.
const DEEPEST: usize = 8;
/// Layers of a packet, and options of a layer.
const MOST: usize = 4096;
/// Bytes of a frame: the largest IP packet, and room for what carries it.
const LONGEST: usize = 65_535 + 1024;

impl Packet {
    /// The packet's bytes, with every field in them. Of a packet that stands for many, the first.
    ///
    /// # Errors
    /// EINVAL for a value that its field can't hold, EMSGSIZE over 65,535 bytes of IP.
    pub fn build(&self, around: &dyn Surroundings) -> Result<Dissection, Error> {
        if self.layers.iter().any(varies) {
            let first = self.each(0).next().unwrap_or_default();
            if !first.layers.iter().any(varies) {
                return first.build(around);
            }
        }
        let mut builder = Builder::default();
        for layer in &self.layers {
            let section = builder.layer(layer, 0)?;
            builder.sections.push(section);
        }
        builder.finish(around)
    }
}

/// Does it stand for more than one layer?
fn varies(layer: &Layer) -> bool {
    layer.fuzz
        || layer.set.iter().any(|(_, choice)| match choice {
            Choice::One(Value::Layers(layers)) => layers.iter().any(varies),
            Choice::One(_) | Choice::Bad => false,
            Choice::Range(..) | Choice::Any(_) | Choice::Random(_) => true,
        })
}

/// What a field is to hold, before the rules have been asked.
enum Wish {
    Value(Value),
    Rule(Rule, Bad),
}

/// Is the value to be a wrong one?
type Bad = bool;

#[derive(Default)]
struct Builder {
    bytes: Vec<u8>,
    /// Bits written: the last byte may be half full.
    bits: usize,
    sections: Vec<Section>,
    /// Fields that are to be wrong: layer and place.
    bad: Vec<(usize, usize)>,
}

impl Builder {
    /// Writes a layer (or an option), with all that it tells about itself. What depends on others is left zero.
    fn layer(&mut self, layer: &Layer, depth: usize) -> Result<Section, Error> {
        if let Some(error) = &layer.wrong {
            return Err(error.clone());
        }
        if depth > DEEPEST || self.sections.len() >= MOST {
            return Err(Errno::EINVAL.with("layers within layers, too many of them"));
        }
        let kind = layer.kind;
        let start = self.bytes.len();
        let mut section =
            Section { kind, range: start..start, fields: Vec::with_capacity(kind.fields.len()), note: None };
        let mut rules = Vec::new();
        for (place, field) in kind.fields.iter().enumerate() {
            let choice = layer.set.iter().find(|(at, _)| *at == place).map(|(_, choice)| choice);
            if !section.has(field) {
                match choice {
                    Some(_) if !layer.fuzz => return Err(absent(kind, field, &section)),
                    _ => continue,
                }
            }
            let (wish, origin) = wish(layer, field, choice)?;
            let value = match wish {
                Wish::Value(value) => value,
                Wish::Rule(rule, bad) => {
                    rules.push((section.fields.len(), rule, bad));
                    zero(field.shape)
                }
            };
            let seen = self.field(kind, field, value, origin, depth)?;
            section.fields.push(seen);
        }
        self.align(&mut section);
        section.range.end = self.bytes.len();
        for (place, rule, bad) in rules {
            match own(rule, &section, &section.fields[place]) {
                Some(number) => self.settle(&mut section, place, number, bad)?,
                None if bad => self.bad.push((self.sections.len(), place)),
                None => {}
            }
        }
        Ok(section)
    }

    fn field(
        &mut self,
        kind: &Kind,
        field: &'static Field,
        value: Value,
        origin: Origin,
        depth: usize,
    ) -> Result<Seen, Error> {
        let mut inner = Vec::new();
        let start = self.bits;
        match (field.shape, &value) {
            (Shape::Bits(width) | Shape::Flags(width, _), Value::Number(number)) => {
                let bits = start..start + usize::from(width);
                self.bytes.resize(bits.end.div_ceil(8), 0);
                bits::put(&mut self.bytes, bits.clone(), *number);
                self.bits = bits.end;
            }
            (_, Value::Layers(layers)) => {
                if layers.len() > MOST {
                    return Err(
                        Errno::EINVAL.with(format!("{}.{} has too many items", kind.name, field.name))
                    );
                }
                for layer in layers {
                    inner.push(self.layer(layer, depth + 1)?);
                }
            }
            (shape, value) => {
                self.bytes.extend(bytes_of(value, shape));
                self.bits = self.bytes.len() * 8;
            }
        }
        if self.bytes.len() > LONGEST {
            return Err(Errno::EMSGSIZE.with(format!("a packet of more than {LONGEST} bytes")));
        }
        Ok(Seen { field, bits: start..self.bits, value, inner, origin, verdict: Verdict::Free })
    }

    /// RFC 791 3.1, RFC 9293 3.1: options are padded with zeros to whole words; RFC 8200 4.2: with Pad1 or PadN.
    fn align(&mut self, section: &mut Section) {
        let unit = section.kind.fields.iter().find_map(|field| match field.fill {
            Fill::Rule(Rule::HeaderLength { unit, .. }) => Some(usize::from(unit)),
            _ => None,
        });
        let Some(options) = section.fields.last_mut().filter(|s| matches!(s.field.shape, Shape::Layers(_)))
        else {
            return;
        };
        let length = self.bytes.len() - section.range.start;
        let missing = length.next_multiple_of(unit.unwrap_or(1).max(1)) - length;
        let padding: &[u8] = match (unit, missing) {
            (Some(8), 2..) => &[1, missing as u8 - 2, 0, 0, 0, 0, 0],
            _ => &[0; 7],
        };
        self.bytes.extend(&padding[..missing.min(padding.len())]);
        self.bits = self.bytes.len() * 8;
        options.bits.end = self.bits;
    }

    /// Writes what has been worked out.
    fn settle(&mut self, section: &mut Section, place: usize, number: u64, bad: Bad) -> Result<(), Error> {
        let seen = &mut section.fields[place];
        let number = if bad { wrong(number, seen.bits.len()) } else { number };
        if let Some(largest) = seen.field.largest().filter(|largest| number > *largest) {
            let errno = match seen.field.fill {
                Fill::Rule(Rule::Length { .. }) => Errno::EMSGSIZE,
                _ => Errno::EINVAL,
            };
            let (kind, field) = (section.kind.name, seen.field.name);
            return Err(errno.with(format!("{kind}.{field} would have to be {number}, but is 0..{largest}")));
        }
        bits::put(&mut self.bytes, seen.bits.clone(), number);
        seen.value = Value::Number(number);
        Ok(())
    }

    /// Works out what depends on other layers: numbers and lengths, then addresses, then checksums from the inside out.
    fn finish(mut self, around: &dyn Surroundings) -> Result<Dissection, Error> {
        let ends = ends_of_built(&self.sections, self.bytes.len());
        let layers = self.sections.len();
        let is_checksum =
            |rule| matches!(rule, Rule::HeaderChecksum | Rule::Checksum | Rule::TransportChecksum);
        for at in 0..layers {
            self.rules(at, &ends, |rule| !is_checksum(rule))?;
        }
        for at in (0..layers).rev() {
            self.addresses(at, around);
        }
        for at in (0..layers).rev() {
            self.rules(at, &ends, is_checksum)?;
        }
        let link = match self.sections.first().map(|s| s.kind) {
            Some(kind) if std::ptr::eq(kind, &IP) || std::ptr::eq(kind, &IPV6) => LinkType::Ip,
            _ => LinkType::Ethernet,
        };
        let mut built = Dissection { link, bytes: self.bytes, sections: self.sections };
        built.judge(&ends);
        Ok(built)
    }

    fn rules(&mut self, at: usize, ends: &[usize], wanted: impl Fn(Rule) -> bool) -> Result<(), Error> {
        for place in 0..self.sections[at].fields.len() {
            let seen = &self.sections[at].fields[place];
            let bad = self.bad.contains(&(at, place));
            let Fill::Rule(rule) = seen.field.fill else { continue };
            if !wanted(rule) || (seen.origin == Origin::Set && !bad) {
                continue;
            }
            let whole = Whole { bytes: &self.bytes, sections: &self.sections, ends };
            if let Some(number) = outer(rule, whole, at, seen) {
                let mut section = std::mem::replace(&mut self.sections[at], Section::empty());
                self.settle(&mut section, place, number, bad)?;
                self.sections[at] = section;
            }
        }
        Ok(())
    }

    /// Addresses that nobody has set.
    fn addresses(&mut self, at: usize, around: &dyn Surroundings) {
        for place in 0..self.sections[at].fields.len() {
            let seen = &self.sections[at].fields[place];
            let Fill::Rule(rule) = seen.field.fill else { continue };
            if seen.origin == Origin::Set {
                continue;
            }
            let Some(value) = self.address(rule, at, seen.field.shape, around) else { continue };
            let bytes = bytes_of(&value, seen.field.shape);
            let range = seen.range();
            if let Some(room) = self.bytes.get_mut(range).filter(|room| room.len() == bytes.len()) {
                room.copy_from_slice(&bytes);
                self.sections[at].fields[place].value = value;
            }
        }
    }

    fn address(&self, rule: Rule, at: usize, shape: Shape, around: &dyn Surroundings) -> Option<Value> {
        let next = &self.sections[at..];
        address(rule, shape, next.iter().find_map(target), next.iter().find_map(station), around)
    }
}

/// An address that nobody has set, on the way to a destination. `station`: whose station address the next hop is, if a layer
/// behind says so.
pub(super) fn address(
    rule: Rule,
    shape: Shape,
    destination: Option<IpAddr>,
    station: Option<Mac>,
    around: &dyn Surroundings,
) -> Option<Value> {
    let stations = || destination.map(|to| around.stations(to)).unwrap_or_default();
    Some(match (rule, shape) {
        (Rule::Source, Shape::V4) => match around.source(destination?)? {
            IpAddr::V4(address) => Value::V4(address),
            IpAddr::V6(_) => return None,
        },
        (Rule::Source, Shape::V6) => match around.source(destination?)? {
            IpAddr::V6(address) => Value::V6(address),
            IpAddr::V4(_) => return None,
        },
        (Rule::SourceMac, Shape::Mac) => Value::Mac(stations().0.unwrap_or(Mac::ZERO)),
        (Rule::DestinationMac, Shape::Mac) => Value::Mac(match (destination, station) {
            (_, Some(mac)) => mac,
            (Some(IpAddr::V4(Ipv4Addr::BROADCAST)), _) => Mac::BROADCAST,
            (Some(to), _) if to.is_multicast() => Mac::of_group(to),
            _ => stations().1.unwrap_or(Mac::BROADCAST),
        }),
        _ => return None,
    })
}

/// Where a packet with this layer is to go.
pub(super) fn target(section: &Section) -> Option<IpAddr> {
    section.destination().or_else(|| section.address("tpa").filter(|_| std::ptr::eq(section.kind, &ARP)))
}

/// RFC 826: a question goes to all, an answer to the one who asked.
pub(super) fn station(section: &Section) -> Option<Mac> {
    if !std::ptr::eq(section.kind, &ARP) {
        return None;
    }
    match (section.number("op"), section.seen("tha").map(|seen| &seen.value)) {
        (Some(2), Some(Value::Mac(mac))) => Some(*mac),
        _ => Some(Mac::BROADCAST),
    }
}

/// What a field is to hold.
fn wish(layer: &Layer, field: &Field, choice: Option<&Choice>) -> Result<(Wish, Origin), Error> {
    let filled = match field.fill {
        Fill::Rule(Rule::Present(name)) => {
            let set =
                layer.kind.field(name).is_some_and(|at| layer.set.iter().any(|(place, _)| *place == at));
            Wish::Value(Value::Number(set.into()))
        }
        Fill::Rule(rule) => Wish::Rule(rule, false),
        fill => Wish::Value(constant(fill, field.shape)),
    };
    Ok(match (choice, filled) {
        (None, filled) => (filled, Origin::Filled),
        (Some(Choice::Bad), Wish::Rule(rule, _)) => (Wish::Rule(rule, true), Origin::Set),
        (Some(Choice::Bad), Wish::Value(Value::Number(number))) => {
            let bits = field.largest().map_or(64, u64::count_ones) as usize;
            (Wish::Value(Value::Number(wrong(number, bits))), Origin::Set)
        }
        (Some(Choice::Bad), _) => {
            return Err(Errno::EINVAL.with(format!(
                "{}.{} can't be bad: only numbers have a right value",
                layer.kind.name, field.name
            )));
        }
        (Some(choice), _) => {
            (Wish::Value(fit(layer.kind, field, first(layer, field, choice)?)?), Origin::Set)
        }
    })
}

/// The first value that a choice stands for.
fn first<'a>(layer: &Layer, field: &Field, mut choice: &'a Choice) -> Result<&'a Value, Error> {
    loop {
        choice = match choice {
            Choice::One(value) | Choice::Range(value, _) => return Ok(value),
            Choice::Any(choices) if !choices.is_empty() => &choices[0],
            Choice::Any(_) | Choice::Random(_) | Choice::Bad => {
                return Err(Errno::EINVAL.with(format!("{}.{} has no value", layer.kind.name, field.name)));
            }
        }
    }
}

/// The value that a field always has if nobody sets it.
pub(super) fn constant(fill: Fill, shape: Shape) -> Value {
    match fill {
        Fill::Number(number) => Value::Number(number),
        Fill::Mac(mac) => Value::Mac(mac),
        Fill::V4(address) => Value::V4(address),
        Fill::V6(address) => Value::V6(address),
        Fill::Bytes(bytes) => match shape {
            Shape::Fixed(n) => {
                let mut bytes = bytes.to_vec();
                bytes.resize(n, 0);
                Value::Bytes(bytes)
            }
            _ => Value::Bytes(bytes.to_vec()),
        },
        Fill::Empty | Fill::Rule(_) => zero(shape),
    }
}

/// Nothing, in this shape.
fn zero(shape: Shape) -> Value {
    match shape {
        Shape::Bits(_) | Shape::Flags(..) => Value::Number(0),
        Shape::Mac => Value::Mac(Mac::ZERO),
        Shape::V4 => Value::V4(Ipv4Addr::UNSPECIFIED),
        Shape::V6 => Value::V6(Ipv6Addr::UNSPECIFIED),
        Shape::Fixed(n) => Value::Bytes(vec![0; n]),
        Shape::Bytes => Value::Bytes(Vec::new()),
        Shape::Name => Value::Name(String::new()),
        Shape::Layers(_) => Value::Layers(Vec::new()),
        Shape::List(_) => Value::List(Vec::new()),
    }
}

/// A field was set that the layer has not: `icmp has no seq if type is 3`.
fn absent(kind: &Kind, field: &Field, section: &Section) -> Error {
    use super::kind::When;
    let (When::Is(name, _) | When::Not(name, _)) = field.when else {
        return Errno::EINVAL.with(format!("{} has no {}", kind.name, field.name));
    };
    let value = section.number(name).map_or_else(|| "missing".into(), |n| n.to_string());
    Errno::EINVAL.with(format!("{} has no {} if {name} is {value}", kind.name, field.name))
}
