//! A packet with ranges, lists and chance in it: the packets that it stands for.
//!
//! **Order.** The places that vary are numbered in reading order: layer by layer, in each layer by the order of [`Kind::fields`].
//! Packet `n` is a number whose digits are those places, the last one the lowest digit: the first field varies slowest, as nested
//! loops do. Nothing is kept from one packet to the next, so that packet `n` costs the same as packet 0.
//!
//! **Chance.** What is drawn is a pure function of (seed, number of the packet, number of the layer, number of the field in its
//! [`Kind`]): [`Chance::new`]. [`super::Template`] draws from the same function, and so gives the same packets.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::bits::mask;
use super::kind::{Field, Fill, Kind, Rule, Shape};
use super::layer::{Choice, Layer, Packet, Value};
use crate::base::Mac;

/// How many bytes are drawn for a field that may hold any number of them.
const BYTES: (u64, u64) = (0, 64);
/// More than this is never drawn for one field.
const MOST_BYTES: u64 = 65_535;

/// The packets that one stands for: the first field varies slowest, as nested loops in reading order. See [`Packet::each`].
#[derive(Clone, Debug)]
pub struct Each {
    packet: Packet,
    places: Vec<Place>,
    seed: u64,
    next: u64,
    count: u64,
}

/// A field that is not the same in all packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The number of its layer.
    pub(super) layer: usize,
    /// Its number in [`Kind::fields`].
    pub(super) field: usize,
    /// How many packets pass before it takes its next value.
    pub(super) stride: u64,
    /// How many values it takes.
    pub(super) count: u64,
}

impl Packet {
    /// How many packets it stands for, at most 2^64 - 1. What is drawn by chance counts once.
    pub fn count(&self) -> u64 {
        count_layers(&self.layers)
    }

    /// Each packet that it stands for, every field set to one value. What is drawn by chance comes from `seed`: the same seed
    /// gives the same packets.
    pub fn each(&self, seed: u64) -> Each {
        let mut places = Vec::new();
        let mut stride = 1u64;
        for (number, layer) in self.layers.iter().enumerate().rev() {
            let last = number + 1 == self.layers.len();
            for field in (0..layer.kind.fields.len()).rev() {
                let Some(choice) = varying(layer, field, last) else { continue };
                let count = choice.map_or(1, count);
                places.push(Place { layer: number, field, stride, count });
                stride = stride.saturating_mul(count);
            }
        }
        places.reverse();
        Each { packet: self.clone(), places, seed, next: 0, count: self.count() }
    }
}

impl Each {
    /// Packet `number`, from 0; `None` behind the last one.
    pub fn get(&self, number: u64) -> Option<Packet> {
        if number >= self.count {
            return None;
        }
        let mut packet = self.packet.clone();
        for place in &self.places {
            let choice = self.value(place, number);
            packet.layers[place.layer].place(place.field, choice);
        }
        for (layer, described) in packet.layers.iter_mut().zip(&self.packet.layers) {
            settle(layer, described);
        }
        Some(packet)
    }

    /// Behind the last packet comes the first one again, with what is drawn by chance drawn anew.
    pub(super) const fn repeat(&mut self) {
        self.count = u64::MAX;
    }

    /// The fields that are not the same in all packets, in reading order.
    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    /// What a field is in packet `number`: [`Choice::One`] or [`Choice::Bad`]. (A field that chance has given to a layer which
    /// does not have it in this packet, [`When`], is missing in [`Self::get`].)
    pub(super) fn value(&self, place: &Place, number: u64) -> Choice {
        let layer = &self.packet.layers[place.layer];
        let digit = number / place.stride % place.count;
        let chance = Chance::new(self.seed, number, place.layer, place.field);
        value(layer, place.field, digit, chance)
    }
}

impl Iterator for Each {
    type Item = Packet;

    fn next(&mut self) -> Option<Packet> {
        let packet = self.get(self.next)?;
        self.next += 1;
        Some(packet)
    }

    fn nth(&mut self, skip: usize) -> Option<Packet> {
        self.next = self.next.saturating_add(skip as u64);
        self.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.count.saturating_sub(self.next);
        (usize::try_from(left).unwrap_or(usize::MAX), usize::try_from(left).ok())
    }
}

/// The choice of a field that isn't the same in all packets; `Some(None)`: it isn't set, and drawn by [`Layer::fuzz`].
fn varying(layer: &Layer, field: usize, last: bool) -> Option<Option<&Choice>> {
    match layer.choice(field) {
        Some(choice) => (!constant(choice)).then_some(Some(choice)),
        None => (layer.fuzz && is_fuzzed(layer.kind, field, last)).then_some(None),
    }
}

/// Is it the same in all packets, and written as one value?
fn constant(choice: &Choice) -> bool {
    match choice {
        Choice::One(Value::Layers(layers)) => {
            layers.iter().all(|l| !l.fuzz && l.set.iter().all(|(_, choice)| constant(choice)))
        }
        Choice::One(_) | Choice::Bad => true,
        Choice::Range(..) | Choice::Any(_) | Choice::Random(_) => false,
    }
}

/// Is a field that nobody has set drawn by chance in a layer that is fuzzed? As with Scapy's fuzz(), what is worked out
/// (lengths, checksums, addresses, the number of the next layer) stays right; without a next layer its number is free.
fn is_fuzzed(kind: &Kind, field: usize, last: bool) -> bool {
    kind.fields.get(field).is_some_and(|field| match (field.fill, field.shape) {
        (_, Shape::Layers(_) | Shape::List(_)) => false,
        (Fill::Rule(rule), _) => matches!(rule, Rule::Next(_)) && last || matches!(rule, Rule::Reach(_)),
        _ => true,
    })
}

/// A layer whose fields all have their values: nothing is left to chance, and what chance has given to fields that such a layer
/// does not have is taken back.
fn settle(layer: &mut Layer, described: &Layer) {
    if !std::mem::take(&mut layer.fuzz) {
        return;
    }
    // In the order of the fields: the one that tells comes before the one that it tells about.
    for (place, field) in layer.kind.fields.iter().enumerate() {
        if described.choice(place).is_none() && !field.when.holds(|name| layer.number(name)) {
            layer.set.retain(|(set, _)| *set != place);
        }
    }
}

fn count_layers(layers: &[Layer]) -> u64 {
    let choices = layers.iter().flat_map(|layer| &layer.set);
    choices.fold(1, |product, (_, choice)| product.saturating_mul(count(choice)))
}

/// How many values a choice stands for.
fn count(choice: &Choice) -> u64 {
    match choice {
        Choice::One(Value::Layers(layers)) => count_layers(layers),
        Choice::One(_) | Choice::Random(_) | Choice::Bad => 1,
        Choice::Range(first, last) => match (ordinal(first), ordinal(last)) {
            (Some(first), Some(last)) => {
                let more = u64::try_from(last.saturating_sub(first)).unwrap_or(u64::MAX);
                more.saturating_add(1)
            }
            _ => 1,
        },
        Choice::Any(choices) => choices.iter().fold(0, |sum: u64, c| sum.saturating_add(count(c))).max(1),
    }
}

/// Field `field` of a layer as its value number `digit`.
fn value(layer: &Layer, field: usize, digit: u64, chance: Chance) -> Choice {
    let Some(row) = layer.kind.fields.get(field) else { return Choice::Any(Vec::new()) };
    match layer.choice(field) {
        Some(choice) => pick(row, choice, digit, chance),
        None => Choice::One(draw(row, None, chance)),
    }
}

/// The value number `digit` of a choice.
fn pick(field: &Field, choice: &Choice, mut digit: u64, chance: Chance) -> Choice {
    match choice {
        Choice::One(Value::Layers(layers)) => Choice::One(Value::Layers(pick_layers(layers, digit, chance))),
        Choice::One(value) => Choice::One(value.clone()),
        Choice::Bad => Choice::Bad,
        Choice::Random(limits) => Choice::One(draw(field, *limits, chance)),
        Choice::Range(first, _) => {
            let at = ordinal(first).map(|first| first.saturating_add(u128::from(digit)));
            Choice::One(at.map_or_else(|| first.clone(), |at| like(first, at)))
        }
        Choice::Any(choices) => {
            for choice in choices {
                let count = count(choice);
                if digit < count {
                    return pick(field, choice, digit, chance);
                }
                digit -= count;
            }
            Choice::Any(Vec::new())
        }
    }
}

/// Options and records: the same again, one floor down.
fn pick_layers(layers: &[Layer], mut digit: u64, chance: Chance) -> Vec<Layer> {
    let mut picked = layers.to_vec();
    for (number, layer) in picked.iter_mut().enumerate().rev() {
        for field in (0..layer.kind.fields.len()).rev() {
            let Some(choice) = varying(&layers[number], field, true) else { continue };
            let count = choice.map_or(1, count);
            let inner = chance.within(number, field);
            let choice = value(&layers[number], field, digit % count, inner);
            digit /= count;
            layer.place(field, choice);
        }
        settle(layer, &layers[number]);
    }
    picked
}

/// A value as a number that ranges can count through.
fn ordinal(value: &Value) -> Option<u128> {
    match value {
        Value::Number(number) => Some(u128::from(*number)),
        Value::V4(address) => Some(u128::from(address.to_bits())),
        Value::V6(address) => Some(address.to_bits()),
        Value::Mac(Mac(bytes)) => Some(bytes.iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte))),
        Value::Bytes(_) | Value::Name(_) | Value::Layers(_) | Value::List(_) => None,
    }
}

/// The value of this number, of the same kind as `of`.
fn like(of: &Value, number: u128) -> Value {
    match of {
        Value::V4(_) => Value::V4(Ipv4Addr::from_bits(number as u32)),
        Value::V6(_) => Value::V6(Ipv6Addr::from_bits(number)),
        Value::Mac(_) => Value::Mac(mac(number as u64)),
        _ => Value::Number(number as u64),
    }
}

fn mac(number: u64) -> Mac {
    let [_, _, bytes @ ..] = number.to_be_bytes();
    Mac(bytes)
}

/// A value by chance: from the whole room of the field, or between two numbers, both included. Of bytes and names the limits
/// say how many.
fn draw(field: &Field, limits: Option<(u64, u64)>, chance: Chance) -> Value {
    let within = |bits: u8| {
        let (low, high) = limits.unwrap_or_else(|| (0, mask(bits.into())));
        chance.between(low, high)
    };
    match field.shape {
        Shape::Bits(bits) | Shape::Flags(bits, _) => Value::Number(within(bits)),
        Shape::Mac => Value::Mac(mac(within(48))),
        Shape::V4 => Value::V4(Ipv4Addr::from_bits(within(32) as u32)),
        Shape::V6 => {
            let high = u128::from(chance.number()) << 64;
            Value::V6(Ipv6Addr::from_bits(high | u128::from(chance.within(0, 0).number())))
        }
        Shape::Fixed(bytes) => Value::Bytes(chance.bytes(bytes as u64)),
        Shape::Bytes => {
            let (low, high) = limits.unwrap_or(BYTES);
            Value::Bytes(chance.within(0, 0).bytes(chance.between(low, high)))
        }
        Shape::Name => {
            let (low, high) = limits.unwrap_or((1, 20));
            let letters = chance.within(0, 0).bytes(chance.between(low, high).min(63));
            Value::Name(letters.iter().map(|byte| char::from(b'a' + byte % 26)).collect())
        }
        Shape::Layers(_) => Value::Layers(Vec::new()),
        Shape::List(_) => Value::List(Vec::new()),
    }
}

/// Numbers that look like chance (splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    /// What is drawn for a field of a packet, out of nothing but these four numbers.
    pub(super) const fn new(seed: u64, packet: u64, layer: usize, field: usize) -> Self {
        Self(mix(seed).wrapping_add(packet)).within(layer, field)
    }

    /// The same, one floor down: for a field of an option.
    const fn within(self, layer: usize, field: usize) -> Self {
        Self(mix(self.0).wrapping_add((layer as u64) << 32 | field as u64))
    }

    /// Any number.
    pub(super) const fn number(self) -> u64 {
        mix(self.0)
    }

    /// A number between two, both included; the lower one if they are the wrong way round.
    pub(super) const fn between(self, low: u64, high: u64) -> u64 {
        let room = high.saturating_sub(low) as u128 + 1;
        low + ((self.number() as u128 * room) >> 64) as u64
    }

    /// So many bytes, but never more than a packet holds.
    fn bytes(self, count: u64) -> Vec<u8> {
        let count = usize::try_from(count.min(MOST_BYTES)).unwrap_or(0);
        let words = (1..).map(|word| mix(self.0.wrapping_add(mix(word))));
        words.flat_map(u64::to_be_bytes).take(count).collect()
    }
}

const fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::kind::When;
    use super::*;
    use proptest::prelude::*;

    static OPTION: Kind = Kind::new("option", "", "", &[Field::bits("size", 16)]);

    static THING: Kind = Kind::new(
        "thing",
        "",
        "",
        &[
            Field::bits("a", 8).or(7),
            Field::v4("to").rule(Rule::Source),
            Field::bits("b", 16),
            Field::bits("c", 8).when(When::Is("b", &[6])),
            Field::bits("next", 8).rule(Rule::Next(0)),
            Field::layers("options", std::slice::from_ref(&OPTION)),
            Field::bytes("data"),
        ],
    );

    fn thing(set: &[(&str, Choice)]) -> Layer {
        let mut layer = Layer::new(&THING);
        set.iter().for_each(|(name, choice)| layer.put(name, choice.clone()).unwrap());
        layer
    }

    fn number(layer: &Layer, name: &str) -> u64 {
        layer.number(name).unwrap()
    }

    fn one(number: u64) -> Choice {
        Choice::One(Value::Number(number))
    }

    #[test]
    fn the_first_field_varies_slowest() {
        let range = Choice::Range(Value::Number(1), Value::Number(2));
        let list = Choice::Any(vec![one(9), Choice::Range(Value::Number(4), Value::Number(5))]);
        let packet = Packet { layers: vec![thing(&[("a", range), ("b", one(3))]), thing(&[("b", list)])] };
        assert_eq!(packet.count(), 6);
        let all: Vec<_> =
            packet.each(0).map(|p| (number(&p.layers[0], "a"), number(&p.layers[1], "b"))).collect();
        assert_eq!(all, [(1, 9), (1, 4), (1, 5), (2, 9), (2, 4), (2, 5)]);
        assert_eq!(packet.each(0).nth(4), packet.each(0).get(4));
        assert_eq!(packet.each(0).get(6), None);
    }

    #[test]
    fn options_vary_too_and_a_net_counts_through() {
        let size = |choice| {
            let mut option = Layer::new(&OPTION);
            option.put("size", choice).unwrap();
            Choice::One(Value::Layers(vec![option]))
        };
        let two = size(Choice::Range(Value::Number(10), Value::Number(11)));
        let options = Choice::Any(vec![Choice::One(Value::Layers(Vec::new())), two]);
        let v4 = |text: &str| Value::V4(text.parse().unwrap());
        let net = Choice::Range(v4("192.0.2.254"), v4("192.0.3.1"));
        let packet = Packet::from(thing(&[("to", net), ("options", options)]));
        assert_eq!(packet.count(), 12);
        let last = packet.each(0).last().unwrap();
        assert_eq!(last.layers[0].get("to"), Some(&Choice::One(v4("192.0.3.1"))));
        assert_eq!(last.layers[0].get("options"), Some(&size(one(11))));
    }

    #[test]
    fn more_packets_than_can_be_counted() {
        let all = Choice::Range(Value::Number(0), Value::Number(u64::MAX));
        let packet = Packet::from(thing(&[("a", all.clone()), ("b", all)]));
        assert_eq!(packet.count(), u64::MAX);
        assert_eq!(number(&packet.each(0).get(u64::MAX - 1).unwrap().layers[0], "b"), u64::MAX - 1);
    }

    #[test]
    fn chance_comes_from_the_seed_alone() {
        let packet = Packet::from(thing(&[
            ("a", Choice::Random(Some((3, 5)))),
            ("b", Choice::Range(Value::Number(1), Value::Number(1000))),
            ("data", Choice::Random(Some((4, 4)))),
        ]));
        let draws = |seed| packet.each(seed).collect::<Vec<_>>();
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
        let seen: std::collections::BTreeSet<_> =
            draws(1).iter().map(|p| number(&p.layers[0], "a")).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [3, 4, 5]);
    }

    #[test]
    fn fuzz_leaves_what_is_worked_out() {
        let mut layer = thing(&[("b", one(5))]);
        layer.fuzz = true;
        let packet = Packet { layers: vec![layer.clone(), layer] };
        let drawn = packet.each(1).next().unwrap();
        let set = |layer: &Layer| layer.fields().map(|(field, _)| field.name).collect::<Vec<_>>();
        assert_eq!(set(&drawn.layers[0]), ["a", "b", "data"]);
        assert_eq!(set(&drawn.layers[1]), ["a", "b", "next", "data"], "nothing follows the last one");
        assert_eq!(number(&drawn.layers[0], "b"), 5, "a layer without c, then");
    }

    /// What is drawn has a place in the layer that it is drawn for.
    #[test]
    fn every_layer_can_be_fuzzed() {
        for kind in crate::wire::packet::KINDS {
            let mut layer = Layer::new(kind);
            layer.fuzz = true;
            let packet = Packet::from(layer);
            for number in 0..50 {
                let drawn = packet.each(number).next().unwrap();
                drawn.build(&crate::wire::packet::Nowhere).unwrap_or_else(|error| panic!("{drawn}: {error}"));
            }
        }
    }

    proptest! {
        #[test]
        fn draws_stay_within_their_limits(seed: u64, packet: u64, low: u64, high: u64) {
            let (low, high) = (low.min(high), low.max(high));
            prop_assert!((low..=high).contains(&Chance::new(seed, packet, 1, 2).between(low, high)));
        }
    }
}
