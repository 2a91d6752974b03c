//! A packet that stands for many, compiled: built once, then only the bytes that vary are written, and their checksums mended.
//!
//! The packets are those of [`Packet::each`], byte for byte: what a field holds in packet `n` is [`Each`]'s business, where it
//! stands is read in the first packet, as [`Packet::build`] describes it. A packet that can't be patched (something of another
//! length varies, or something that other fields hang on) is built anew each time; so is one whose patched packets are not those
//! that are built: some are compared at the beginning.

use std::fmt;
use std::net::IpAddr;
use std::ops::Range;

use crate::base::Error;
use crate::wire::packet::bits;
use crate::wire::packet::build::{Surroundings, address, station, target};
use crate::wire::packet::dissection::{Dissection, Origin, Section, Seen};
use crate::wire::packet::each::{Each, Place};
use crate::wire::packet::kind::{Field, Fill, Kind, Rule, Shape, When};
use crate::wire::packet::layer::{Choice, Layer, Packet, Value};
use crate::wire::packet::layers::{ARP, IP, IPV6, ROUTING, UDP};
use crate::wire::packet::rules::{Whole, ends_of_built, outer, wrong};
use crate::wire::packet::value::{bytes_of, fit};

/// A packet that stands for many, compiled.
///
/// ```
/// # use sockatoo::wire::packet::{Nowhere, Packet, Template};
/// let packet: Packet = "ip(dst=192.0.2.1, ttl=1..30)/udp(dport=1..60000)/'hello'".parse()?;
/// let mut template = Template::new(&packet, &Nowhere, 0)?;
/// assert_eq!(template.count(), 30 * 60_000);
/// let first = template.next().expect("there is one")?;
/// assert_eq!((first[8], first.len()), (1, 20 + 8 + 5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Template<'a> {
    each: Each,
    around: &'a dyn Surroundings,
    /// The number of the packet that comes next.
    next: u64,
    count: u64,
    /// The packet that came last.
    bytes: Vec<u8>,
    /// `None`: every packet is built anew.
    plan: Option<Plan>,
}

/// What is to be done for the next packet, in this order.
#[derive(Debug)]
struct Plan {
    patches: Vec<Patch>,
    addresses: Vec<Address>,
    /// From the inside out: an outer sum covers the inner one's field.
    sums: Vec<MendedSum>,
}

/// A field that varies.
#[derive(Debug)]
struct Patch {
    place: Place,
    /// `None`: this packet does not have the field (see [`When`]).
    spot: Option<Spot>,
    /// Its value's number; the places are the digits of the packet's number.
    digit: u64,
    /// It is drawn by chance: anew for each packet.
    drawn: bool,
    /// What stands in the bytes is not the next packet's.
    stale: bool,
}

/// Where a field stands.
#[derive(Debug)]
struct Spot {
    kind: &'static Kind,
    field: &'static Field,
    bits: Range<usize>,
}

/// An address that nobody has set, on the way to a destination that varies.
#[derive(Debug)]
struct Address {
    rule: Rule,
    shape: Shape,
    range: Range<usize>,
    /// Where the destination stands.
    destination: Range<usize>,
    /// What the range holds is for this destination.
    known: Option<IpAddr>,
}

/// A checksum over bytes that vary.
#[derive(Debug)]
struct MendedSum {
    bits: Range<usize>,
    /// The sum of all other words, never zero.
    base: u64,
    /// The words that vary: each a place, and whether its second byte counts.
    words: Vec<(usize, bool)>,
    /// RFC 768: a sum of zero is written as all ones.
    is_udp: bool,
    /// It is to be wrong.
    bad: bool,
}

impl<'a> Template<'a> {
    /// Compiles a packet. What is drawn by chance comes from `seed`.
    ///
    /// # Errors
    /// As [`Packet::build`], of the first packet.
    pub fn new(packet: &Packet, around: &'a dyn Surroundings, seed: u64) -> Result<Self, Error> {
        let each = packet.each(seed);
        let first = each.get(0).unwrap_or_default();
        let built = first.build(around)?;
        let plan =
            Plan::of(packet, &each, &built).filter(|plan| plan.holds(packet, seed, around, &built.bytes));
        Ok(Self { each, around, next: 0, count: packet.count(), bytes: built.bytes, plan })
    }

    /// How many packets it gives, at most 2^64 - 1.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// True if only what varies is written; false if each packet is built anew.
    pub const fn is_patched(&self) -> bool {
        self.plan.is_some()
    }

    /// True behind the last packet.
    pub const fn is_done(&self) -> bool {
        self.next >= self.count
    }

    /// Behind the last packet comes the first one again, without end; what is drawn by chance is drawn anew.
    #[must_use]
    pub const fn repeat(mut self) -> Self {
        self.each.repeat();
        self.count = u64::MAX;
        self
    }

    /// Packet `number`, from 0, with all its fields; `None` behind the last one. It is built anew, and the next one stays the next.
    pub fn build(&self, number: u64) -> Option<Result<Dissection, Error>> {
        Some(self.each.get(number)?.build(self.around))
    }

    /// Begins anew with the first packet.
    pub fn rewind(&mut self) {
        self.next = 0;
        if let Some(plan) = &mut self.plan {
            plan.begin();
        }
    }

    /// The next packet's bytes; `None` after the last one. An error is that of [`Packet::build`]: a value that its field can't
    /// hold; the next one may be fine.
    #[expect(clippy::should_implement_trait)] // an iterator's items can't be borrowed from it
    pub fn next(&mut self) -> Option<Result<&[u8], Error>> {
        let number = self.next;
        if number >= self.count {
            return None;
        }
        self.next += 1;
        let done = match &mut self.plan {
            Some(plan) => {
                let done = plan.write(&self.each, number, self.around, &mut self.bytes);
                plan.advance();
                done
            }
            None => self.each.get(number)?.build(self.around).map(|built| self.bytes = built.bytes),
        };
        Some(done.map(|()| self.bytes.as_slice()))
    }
}

impl fmt::Debug for Template<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template")
            .field("each", &self.each)
            .field("next", &self.next)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

impl Plan {
    /// `None` if it can't be patched.
    fn of(packet: &Packet, each: &Each, built: &Dissection) -> Option<Self> {
        let (sections, layers) = (&built.sections, &packet.layers);
        let ends = ends_of_built(sections, built.bytes.len());
        // RFC 8200 8.1: a routing header chooses what the pseudo header holds.
        let routed = sections.iter().any(|s| std::ptr::eq(s.kind, &ROUTING));
        if sections.len() != layers.len() || routed {
            return None;
        }
        let patches: Vec<Patch> =
            each.places().iter().map(|place| Patch::of(place, layers, sections)).collect::<Option<_>>()?;
        let mut varying: Vec<Range<usize>> =
            patches.iter().filter_map(|patch| Some(patch.spot.as_ref()?.bytes())).collect();
        let mut addresses = Vec::new();
        for (at, section) in sections.iter().enumerate() {
            for seen in section.fields.iter().filter(|seen| seen.origin == Origin::Filled) {
                if let Some(address) = Address::of(&sections[at..], seen, &varying)? {
                    addresses.push(address);
                }
            }
        }
        varying.extend(addresses.iter().map(|address| address.range.clone()));
        let mut sums = Vec::new();
        let whole = Whole { bytes: &built.bytes, sections, ends: &ends };
        for at in (0..sections.len()).rev() {
            for seen in &sections[at].fields {
                let bad = is_bad(layers.get(at)?, seen);
                if seen.origin != Origin::Filled && !bad {
                    continue;
                }
                if let Some(sum) = MendedSum::of(whole, at, seen, bad, &varying)? {
                    varying.push(seen.range());
                    sums.push(sum);
                }
            }
        }
        Some(Self { patches, addresses, sums })
    }

    /// Are the patched packets those that are built? Tried with the first, the last, and one for each field that varies.
    fn holds(&self, packet: &Packet, seed: u64, around: &dyn Surroundings, first: &[u8]) -> bool {
        let each = packet.each(seed);
        let last = packet.count().saturating_sub(1);
        let steps = self.patches.iter().map(|patch| patch.place.stride.min(last));
        let Some(mut trial) = first_build(&each, around).and_then(|built| Self::of(packet, &each, &built))
        else {
            return false;
        };
        let mut bytes = first.to_vec();
        [0, last].into_iter().chain(steps).take(64).all(|number| {
            trial.begin();
            let patched = trial.write(&each, number, around, &mut bytes);
            match each.get(number).map(|packet| packet.build(around)) {
                Some(Ok(built)) => patched.is_ok() && built.bytes == bytes,
                Some(Err(_)) => patched.is_err(),
                None => false,
            }
        })
    }

    /// Everything is to be written.
    fn begin(&mut self) {
        self.patches.iter_mut().for_each(|patch| (patch.digit, patch.stale) = (0, true));
    }

    /// Counts on: the last place is the lowest digit.
    fn advance(&mut self) {
        let mut carry = true;
        for patch in self.patches.iter_mut().rev() {
            if carry && patch.place.count > 1 {
                patch.digit += 1;
                carry = patch.digit >= patch.place.count;
                if carry {
                    patch.digit = 0;
                }
                patch.stale = true;
            }
            patch.stale |= patch.drawn;
        }
    }

    /// Makes the bytes of one packet those of packet `number`.
    fn write(
        &mut self,
        each: &Each,
        number: u64,
        around: &dyn Surroundings,
        bytes: &mut [u8],
    ) -> Result<(), Error> {
        for patch in self.patches.iter_mut().filter(|patch| patch.stale) {
            if let Some(spot) = &patch.spot {
                spot.write(each.value(&patch.place, number), bytes)?;
            }
            patch.stale = false;
        }
        self.addresses.iter_mut().for_each(|address| address.write(around, bytes));
        self.sums.iter().for_each(|sum| sum.write(bytes));
        Ok(())
    }
}

fn first_build(each: &Each, around: &dyn Surroundings) -> Option<Dissection> {
    each.get(0)?.build(around).ok()
}

impl Patch {
    /// `None`: it can't be patched, because its length may vary, or what others hold hangs on it.
    fn of(place: &Place, layers: &[Layer], sections: &[Section]) -> Option<Self> {
        let (layer, section) = (layers.get(place.layer)?, sections.get(place.layer)?);
        let field = layer.kind.fields.get(place.field)?;
        let fixed = matches!(
            field.shape,
            Shape::Bits(_) | Shape::Flags(..) | Shape::Mac | Shape::V4 | Shape::V6 | Shape::Fixed(_)
        );
        let tells = |other: &Field| match other.when {
            When::Always => false,
            When::Is(name, _) | When::Not(name, _) => layer.kind.field(name) == Some(place.field),
        };
        if !fixed || layer.kind.fields.iter().any(tells) {
            return None;
        }
        let choice = layer.choice(place.field);
        // A wrong value in some packets only.
        if choice.is_some_and(has_bad) {
            return None;
        }
        let seen = section.fields.iter().find(|seen| std::ptr::eq(seen.field, field));
        let spot = seen.map(|seen| Spot { kind: layer.kind, field, bits: seen.bits.clone() });
        let drawn = choice.is_none_or(has_chance);
        Some(Self { place: *place, spot, digit: 0, drawn, stale: true })
    }
}

impl Spot {
    fn bytes(&self) -> Range<usize> {
        self.bits.start / 8..self.bits.end.div_ceil(8)
    }

    fn write(&self, choice: Choice, bytes: &mut [u8]) -> Result<(), Error> {
        // All others are somebody else's: see [`Patch::of`].
        let Choice::One(value) = choice else { return Ok(()) };
        match (self.field.shape, value) {
            (Shape::Bits(_) | Shape::Flags(..), Value::Number(number))
                if number <= bits::mask(self.bits.len()) =>
            {
                bits::put(bytes, self.bits.clone(), number);
            }
            (Shape::V4, Value::V4(address)) => copy(bytes, self.bytes(), &address.octets()),
            (shape, value) => match fit(self.kind, self.field, &value)? {
                Value::Number(number) => bits::put(bytes, self.bits.clone(), number),
                value => copy(bytes, self.bytes(), &bytes_of(&value, shape)),
            },
        }
        Ok(())
    }
}

impl Address {
    /// `None`: it can't be patched; `Some(None)`: it is always the same.
    fn of(behind: &[Section], seen: &Seen, varying: &[Range<usize>]) -> Option<Option<Self>> {
        let Fill::Rule(rule @ (Rule::Source | Rule::SourceMac | Rule::DestinationMac)) = seen.field.fill
        else {
            return Some(None);
        };
        if rule == Rule::DestinationMac
            && let Some(arp) = behind.iter().find(|s| station(s).is_some())
        {
            let tells = [arp.seen("op"), arp.seen("tha")];
            return (!tells.iter().flatten().any(|seen| overlaps(&seen.range(), varying))).then_some(None);
        }
        let Some(section) = behind.iter().find(|s| target(s).is_some()) else { return Some(None) };
        let name = if std::ptr::eq(section.kind, &ARP) { "tpa" } else { "dst" };
        let destination = section.seen(name)?.range();
        if !overlaps(&destination, varying) {
            return Some(None);
        }
        let (shape, range) = (seen.field.shape, seen.range());
        Some(Some(Self { rule, shape, range, destination, known: None }))
    }

    fn write(&mut self, around: &dyn Surroundings, bytes: &mut [u8]) {
        let Some(destination) = bytes.get(self.destination.clone()).and_then(ip) else { return };
        if self.known == Some(destination) {
            return;
        }
        self.known = Some(destination);
        match address(self.rule, self.shape, Some(destination), None, around) {
            Some(value) => copy(bytes, self.range.clone(), &bytes_of(&value, self.shape)),
            None => bytes.get_mut(self.range.clone()).unwrap_or_default().fill(0),
        }
    }
}

impl MendedSum {
    /// `None`: it can't be mended; `Some(None)`: it is always the same, or no checksum.
    fn of(
        whole: Whole<'_>,
        at: usize,
        seen: &Seen,
        bad: bool,
        varying: &[Range<usize>],
    ) -> Option<Option<Self>> {
        let section = whole.sections.get(at)?;
        let Fill::Rule(rule) = seen.field.fill else { return Some(None) };
        let covered = match rule {
            Rule::HeaderChecksum => section.range.clone(),
            Rule::Checksum | Rule::TransportChecksum => section.range.start..*whole.ends.get(at)?,
            _ => return Some(None),
        };
        let own = seen.range();
        let mut words = words(&covered, varying);
        words.retain(|(at, _)| !own.contains(at));
        let pseudo = rule == Rule::TransportChecksum;
        if pseudo {
            let outside = whole.sections.get(..at)?;
            let ip = outside.iter().rfind(|s| std::ptr::eq(s.kind, &IP) || std::ptr::eq(s.kind, &IPV6))?;
            for name in ["src", "dst"] {
                words.extend(self::words(&ip.seen(name)?.range(), varying));
            }
        }
        if words.is_empty() {
            return Some(None);
        }
        // RFC 1071: the sum is zero only if every word is, which a pseudo header never is.
        let is_word = |at: usize| words.iter().any(|(word, two)| at == *word || (*two && at == *word + 1));
        let mut others = covered.filter(|at| !own.contains(at) && !is_word(*at));
        if !pseudo && !others.any(|at| whole.bytes.get(at).is_some_and(|byte| *byte != 0)) {
            return None;
        }
        let sum = u64::from(!u16::try_from(outer(rule, whole, at, seen)?).ok()?);
        // Congruent to the sum of all other words (65,535 is zero to it), and above zero.
        let vary: u64 = words.iter().map(|word| word_at(whole.bytes, *word)).sum();
        let base = sum + 65_535 * (words.len() as u64 + 1) - vary;
        let is_udp = std::ptr::eq(section.kind, &UDP);
        Some(Some(Self { bits: seen.bits.clone(), base, words, is_udp, bad }))
    }

    fn write(&self, bytes: &mut [u8]) {
        let mut sum = self.base;
        for word in &self.words {
            sum += word_at(bytes, *word);
        }
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        let right = match !sum & 0xffff {
            0 if self.is_udp => 0xffff,
            right => right,
        };
        let written = if self.bad { wrong(right, self.bits.len()) } else { right };
        bits::put(bytes, self.bits.clone(), written);
    }
}

/// The 16-bit words of a range that hold bytes of the others.
fn words(range: &Range<usize>, varying: &[Range<usize>]) -> Vec<(usize, bool)> {
    let is_in = |at: usize| varying.iter().any(|other| other.contains(&at));
    let all = range.clone().step_by(2).map(|at| (at, at + 1 < range.end));
    all.filter(|(at, two)| is_in(*at) || (*two && is_in(at + 1))).collect()
}

/// A word of a sum; the last byte of an odd number of them has a zero behind it.
fn word_at(bytes: &[u8], (at, two): (usize, bool)) -> u64 {
    let byte = |at: usize| u64::from(bytes.get(at).copied().unwrap_or(0));
    byte(at) << 8 | if two { byte(at + 1) } else { 0 }
}

fn overlaps(range: &Range<usize>, others: &[Range<usize>]) -> bool {
    others.iter().any(|other| other.start < range.end && range.start < other.end)
}

fn copy(bytes: &mut [u8], range: Range<usize>, from: &[u8]) {
    if let Some(room) = bytes.get_mut(range).filter(|room| room.len() == from.len()) {
        room.copy_from_slice(from);
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(Into::into),
        _ => <[u8; 16]>::try_from(bytes).ok().map(Into::into),
    }
}

/// Has it been set to what is wrong?
fn is_bad(layer: &Layer, seen: &Seen) -> bool {
    let at = layer.kind.fields.iter().position(|field| std::ptr::eq(field, seen.field));
    matches!(at.and_then(|at| layer.choice(at)), Some(Choice::Bad))
}

fn has_bad(choice: &Choice) -> bool {
    match choice {
        Choice::Bad => true,
        Choice::Any(choices) => choices.iter().any(has_bad),
        _ => false,
    }
}

fn has_chance(choice: &Choice) -> bool {
    match choice {
        Choice::Random(_) => true,
        Choice::Any(choices) => choices.iter().any(has_chance),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
