//! Layers with the fields that a person has set.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::kind::{Field, Fill, Kind, Rule, When};
use crate::base::{Errno, Error, Mac};

/// What a field holds, or is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// Of [`super::Shape::Bits`] and [`super::Shape::Flags`].
    Number(u64),
    /// An Ethernet address.
    Mac(Mac),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A domain name, without the dot at its end. For other shapes: what a person would write, an address or a value's name.
    Name(String),
    /// Options or records.
    Layers(Vec<Layer>),
    /// Of [`super::Shape::List`].
    List(Vec<Self>),
}

/// What a person has set a field to: one value, or several, one for each packet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Choice {
    /// This one.
    One(Value),
    /// From one number (or address) to another, both included.
    Range(Value, Value),
    /// Each of these in turn.
    Any(Vec<Self>),
    /// Drawn anew for each packet, from the whole room of the field, or between two numbers.
    Random(Option<(u64, u64)>),
    /// What would be filled in, made wrong (a checksum, a length).
    Bad,
}

/// A layer to be built: its kind, and what has been set of it.
#[derive(Clone, Debug)]
pub struct Layer {
    pub(crate) kind: &'static Kind,
    /// By the field's place in [`Kind::fields`]; each at most once.
    pub(crate) set: Vec<(usize, Choice)>,
    /// Fields that are not set are drawn by chance, where that leaves a packet that travels (Scapy's `fuzz`).
    pub(crate) fuzz: bool,
    /// What a builder was given that the layer can't hold: told by [`Packet::build`].
    pub(crate) wrong: Option<Error>,
}

/// Layers, the outermost first. With ranges or lists in them they stand for many packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// The outermost first.
    pub layers: Vec<Layer>,
}

impl PartialEq for Layer {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.kind, other.kind) && self.set == other.set && self.fuzz == other.fuzz
    }
}

impl Eq for Layer {}

impl Layer {
    /// A layer of which nothing is set.
    pub const fn new(kind: &'static Kind) -> Self {
        Self { kind, set: Vec::new(), fuzz: false, wrong: None }
    }

    /// What kind of layer it is.
    pub const fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// What has been set, in the order of the fields.
    pub fn fields(&self) -> impl Iterator<Item = (&'static Field, &Choice)> {
        self.set.iter().filter_map(|(at, choice)| Some((self.kind.fields.get(*at)?, choice)))
    }

    /// What a field has been set to.
    pub fn get(&self, name: &str) -> Option<&Choice> {
        let at = self.kind.field(name)?;
        self.set.iter().find(|(place, _)| *place == at).map(|(_, choice)| choice)
    }

    /// Sets a field, by its name or one of its other spellings. EINVAL if the layer has no such field.
    pub fn put(&mut self, name: &str, choice: Choice) -> Result<(), Error> {
        let Some(at) = self.kind.field(name) else {
            return Err(Errno::EINVAL.with(format!("{} has no field `{name}`", self.kind.name)));
        };
        self.place(at, choice);
        Ok(())
    }

    /// The number that a field holds or will get, as far as the layer itself tells.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        let field = self.kind.field(name)?;
        match (self.choice(field), self.kind.fields.get(field)?.fill) {
            (Some(Choice::One(Value::Number(number))), _) => Some(*number),
            (None, _) if self.fuzz => None,
            (None, Fill::Number(number) | Fill::Rule(Rule::Next(number) | Rule::Reach(number))) => {
                Some(number)
            }
            _ => None,
        }
    }

    /// Why it has no such field: another field, and what that holds. `None` if it may have it.
    pub(crate) fn lacks(&self, field: &Field) -> Option<(&'static Field, u64)> {
        let (When::Is(name, _) | When::Not(name, _)) = field.when else { return None };
        let number = self.number(name)?;
        let tells = self.kind.fields.get(self.kind.field(name)?)?;
        (!field.when.holds(|_| Some(number))).then_some((tells, number))
    }

    /// Sets a field by its place in [`Kind::fields`].
    pub(crate) fn place(&mut self, at: usize, choice: Choice) {
        match self.set.binary_search_by_key(&at, |(place, _)| *place) {
            Ok(place) => self.set[place].1 = choice,
            Err(place) => self.set.insert(place, (at, choice)),
        }
    }

    /// What the field at this place in [`Kind::fields`] has been set to.
    pub(crate) fn choice(&self, at: usize) -> Option<&Choice> {
        let place = self.set.binary_search_by_key(&at, |(place, _)| *place).ok()?;
        Some(&self.set[place].1)
    }
}

impl From<Layer> for Packet {
    fn from(layer: Layer) -> Self {
        Self { layers: vec![layer] }
    }
}
