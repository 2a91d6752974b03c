//! From bytes back to the packet that builds them: what would be filled in the same way is left out.

use super::build::{Nowhere, constant};
use super::dissection::{Dissection, Section, Seen};
use super::kind::{Fill, Rule, Shape};
use super::layer::{Choice, Layer, Packet, Value};
use super::rules::{Whole, ends_of_built, outer, own};
use super::value::{bytes_of, raw};

impl Dissection {
    /// The packet that builds these bytes: what would be filled in the same way is left out.
    pub fn packet(&self) -> Packet {
        let exact = Packet { layers: self.sections.iter().map(|s| s.exact(&self.bytes)).collect() };
        let Ok(built) = exact.build(&Nowhere) else { return exact };
        let ends = ends_of_built(&built.sections, built.bytes.len());
        let whole = Whole { bytes: &built.bytes, sections: &built.sections, ends: &ends };
        let mut short = exact.clone();
        for (at, layer) in short.layers.iter_mut().enumerate() {
            built.sections[at].shorten(layer, &|rule, seen| outer(rule, whole, at, seen));
        }
        match short.build(&Nowhere) {
            Ok(again) if again.bytes == self.bytes => short,
            _ => exact,
        }
    }
}

impl Section {
    /// The layer that builds exactly the bytes of this one: every field is set. If there is none (the bytes end within it), they
    /// are a payload.
    fn exact(&self, packet: &[u8]) -> Layer {
        let bytes = packet.get(self.range.clone()).unwrap_or_default();
        let layer = self.layer(packet);
        match Packet::from(layer.clone()).build(&Nowhere) {
            Ok(built) if built.bytes == bytes => layer,
            _ => raw(bytes.to_vec()),
        }
    }

    /// The layer in which every field is set to what is in this one.
    pub(super) fn layer(&self, packet: &[u8]) -> Layer {
        let mut layer = Layer::new(self.kind);
        for seen in &self.fields {
            let Some(place) = self.kind.fields.iter().position(|field| std::ptr::eq(field, seen.field))
            else {
                continue;
            };
            layer.set.push((place, Choice::One(seen.exact(packet))));
        }
        layer
    }

    /// Takes out of a layer that builds this one what would be filled in, too. `outer` is what a rule gives that looks at other
    /// layers.
    fn shorten(&self, layer: &mut Layer, outer: &dyn Fn(Rule, &Seen) -> Option<u64>) {
        let fields = layer.kind.fields;
        // Of a field and the flag that says that it is there one must stay: the field, unless it is worked out.
        let flagged =
            |name: &str| fields.iter().any(|f| matches!(f.fill, Fill::Rule(Rule::Present(n)) if n == name));
        let worked_out =
            |name: &str| fields.iter().any(|f| f.name == name && matches!(f.fill, Fill::Rule(_)));
        layer.set.retain_mut(|(place, choice)| {
            let Some(seen) = fields.get(*place).and_then(|f| self.seen(f.name)) else { return true };
            if let Choice::One(Value::Layers(layers)) = choice {
                for (layer, section) in layers.iter_mut().zip(&seen.inner) {
                    section.shorten(layer, &|_, _| None);
                }
                return !layers.is_empty();
            }
            let Choice::One(value) = choice else { return true };
            let filled = match seen.field.fill {
                Fill::Rule(Rule::Present(name)) => return worked_out(name),
                Fill::Rule(rule) => own(rule, self, seen).or_else(|| outer(rule, seen)).map(Value::Number),
                _ if flagged(seen.field.name) => None,
                fill => Some(constant(fill, seen.field.shape)),
            };
            filled.as_ref() != Some(value)
        });
    }
}

impl Seen {
    /// The value that builds exactly the bytes of this one.
    fn exact(&self, packet: &[u8]) -> Value {
        match &self.value {
            Value::Layers(_) => {
                Value::Layers(self.inner.iter().map(|section| section.layer(packet)).collect())
            }
            // RFC 1035 4.1.4: a name with a pointer in it, or in capitals.
            name @ Value::Name(_) => match packet.get(self.range()) {
                Some(bytes) if bytes_of(name, Shape::Name) != bytes => Value::Bytes(bytes.to_vec()),
                _ => name.clone(),
            },
            value => value.clone(),
        }
    }
}
