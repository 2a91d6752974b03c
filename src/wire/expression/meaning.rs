//! The tree to layers with their fields: names are looked up in the table of layers.

use super::syntax::{Argument, Node, Span, What, Word};
use super::{Expression, ExpressionError, MOST_BYTES, MOST_BYTES_IN_ALL, MOST_LAYERS, suggest};
use crate::base::Error;
use crate::wire::packet::{Choice, Field, Fill, KINDS, Kind, Layer, Packet, Shape, Value, When, kind};

/// Scapy's functions that send, and what does the same here.
const SENDERS: &[(&str, &str)] = &[
    ("send", "--send sends the packets"),
    ("sendp", "--send sends the packets"),
    ("sendpfast", "--send sends the packets"),
    ("sr", "--answers sends and matches the answers"),
    ("sr1", "--answers sends and matches the answers"),
    ("srp", "--answers sends and matches the answers"),
    ("srp1", "--answers sends and matches the answers"),
    ("srloop", "--answers with --loop does the same"),
    ("srploop", "--answers with --loop does the same"),
    ("srflood", "--flood sends without a pause"),
    ("srpflood", "--flood sends without a pause"),
    ("ls", "--show shows the fields"),
    ("hexdump", "--hex shows the bytes"),
    ("bytes", "--hex shows the bytes"),
    ("raw", "--hex shows the bytes"),
    ("list", "--show shows the packets"),
];

/// What a tree means.
pub(super) fn expression(
    tree: &Node,
    files: &mut dyn FnMut(&str) -> Result<Vec<u8>, Error>,
) -> Result<Expression, ExpressionError> {
    let mut reader = Reader { files, notes: Vec::new(), bytes: 0, fuzzing: false };
    let tree = reader.without_senders(tree);
    let mut layers = Vec::new();
    reader.layers(tree, &mut layers)?;
    Ok(Expression { packet: Packet { layers }, notes: reader.notes })
}

pub(super) struct Reader<'a> {
    files: &'a mut dyn FnMut(&str) -> Result<Vec<u8>, Error>,
    notes: Vec<String>,
    /// Bytes read from files.
    bytes: usize,
    /// In `fuzz(...)`.
    fuzzing: bool,
}

impl Reader<'_> {
    /// The packet in `sr1(packet, timeout=2)`.
    fn without_senders<'n>(&mut self, mut tree: &'n Node) -> &'n Node {
        while let What::Call(name, arguments) = &tree.what
            && let Some((sender, instead)) = SENDERS.iter().find(|(sender, _)| *sender == name.text)
            && let Some(Argument { name: None, value }) = arguments.first()
            // raw("...") is a payload, raw(IP()) Scapy's way to the bytes.
            && !(*sender == "raw" && matches!(value.what, What::Text(_) | What::Hex(_) | What::File(_)))
        {
            self.notes.push(format!("`{sender}(...)` is left out: {instead}"));
            tree = value;
        }
        tree
    }

    /// Appends the layers that a part of the tree stands for.
    fn layers(&mut self, node: &Node, into: &mut Vec<Layer>) -> Result<(), ExpressionError> {
        if let What::Stack(items) = &node.what {
            return items.iter().try_for_each(|item| self.layers(item, into));
        }
        if let Some(inner) = fuzzed(node)? {
            let from = into.len();
            let outside = std::mem::replace(&mut self.fuzzing, true);
            self.layers(inner, into)?;
            self.fuzzing = outside;
            into.iter_mut().skip(from).for_each(|layer| layer.fuzz = true);
            return Ok(());
        }
        if into.len() >= MOST_LAYERS {
            return Err(node.span.error(format!("a packet has at most {MOST_LAYERS} layers")));
        }
        let layer = self.layer(node)?;
        let layer = as_option(into, layer);
        into.extend(layer);
        Ok(())
    }

    fn layer(&mut self, node: &Node) -> Result<Layer, ExpressionError> {
        match &node.what {
            What::Word(name) if name != "rand" => {
                Ok(Layer::new(find(&Word { text: name.clone(), span: node.span })?))
            }
            What::Call(name, arguments) if !is_random(&name.text) => {
                let kind = find(name)?;
                self.with(kind, name.span, arguments, kind.positional().count() == 1)
            }
            What::Text(_) | What::Hex(_) | What::File(_) | What::Word(_) | What::Call(..) => {
                let kind = find(&Word { text: "payload".into(), span: node.span })?;
                let mut layer = Layer::new(kind);
                if let Some(field) = kind.positional().next() {
                    self.set(&mut layer, field, node)?;
                }
                Ok(layer)
            }
            What::List(_) => Err(node
                .span
                .error("a list can't stand here")
                .hint("a list is the value of a field: tcp(dport=[22, 80]); layers are joined with /")),
            What::Tuple(_) | What::Range(..) | What::Stack(_) => Err(node
                .span
                .error("a layer is expected here")
                .hint("a range is the value of a field: ip(ttl=1..30)")),
        }
    }

    /// A layer, an option or a record of this kind with what stands between its brackets.
    fn with(
        &mut self,
        kind: &'static Kind,
        span: Span,
        arguments: &[Argument],
        positional: bool,
    ) -> Result<Layer, ExpressionError> {
        let mut layer = Layer::new(kind);
        let mut unnamed = Vec::new();
        for argument in arguments {
            match &argument.name {
                None => unnamed.push(&argument.value),
                Some(name) => {
                    let field = field(kind, name)?;
                    if layer.get(field.name).is_some() {
                        return Err(name.span.error(format!("{} is set twice", field.name)));
                    }
                    self.set(&mut layer, field, &argument.value)?;
                }
            }
        }
        for name in arguments.iter().filter_map(|argument| argument.name.as_ref()) {
            self.has(&layer, field(kind, name)?, name.span)?;
        }
        match unnamed.first() {
            Some(first) if !positional => {
                let some =
                    kind.fields.iter().map(|field| field.name).take(3).collect::<Vec<_>>().join("=..., ");
                Err(first.span.error("which field is this?").hint(format!("write {}({some}=...)", kind.name)))
            }
            _ => {
                self.unnamed(&mut layer, span, &unnamed)?;
                Ok(layer)
            }
        }
    }

    /// An error, if the layer's other fields tell that it has no such field: `icmp has no seq if type is 3`.
    fn has(&self, layer: &Layer, field: &'static Field, span: Span) -> Result<(), ExpressionError> {
        let layer = Layer { fuzz: self.fuzzing, ..layer.clone() };
        let Some((tells, number)) = layer.lacks(field) else { return Ok(()) };
        let (kind, name) = (layer.kind().name, field.name);
        let named = |number: u64| tells.names.iter().find(|(n, _)| *n == number).map(|(_, name)| *name);
        let error = span.error(format!("{kind} has no {name} if {} is {number}", tells.name));
        Err(match field.when {
            When::Is(_, numbers) => {
                let word = |n: &u64| named(*n).map_or_else(|| n.to_string(), str::to_string);
                let words: Vec<_> = numbers.iter().map(word).collect();
                error.hint(format!("it has one if {} is {}", tells.name, words.join(", ")))
            }
            When::Always | When::Not(..) => error,
        })
    }

    /// Values without names, in the order of [`Kind::positional`]; a list at the end takes all that are left.
    fn unnamed(&mut self, layer: &mut Layer, span: Span, values: &[&Node]) -> Result<(), ExpressionError> {
        let kind = layer.kind();
        // ('NOP', None), ('SAckOK', b''): no value.
        let is_value = |node: &&&Node| match &node.what {
            What::Word(word) => word != "None",
            What::Text(bytes) => !bytes.is_empty() || kind.positional().next().is_some(),
            _ => true,
        };
        let mut values = values.iter().filter(is_value).copied().peekable();
        for field in kind.positional() {
            let Some(value) = values.next() else { return Ok(()) };
            if layer.get(field.name).is_some() {
                return Err(value.span.error(format!("{} is set twice", field.name)));
            }
            if matches!(field.shape, Shape::List(_)) && values.peek().is_some() {
                let all: Vec<Node> = std::iter::once(value).chain(values).cloned().collect();
                let span = Span { start: value.span.start, end: all.last().map_or(span, |n| n.span).end };
                return self.set(layer, field, &Node { what: What::List(all), span });
            }
            self.set(layer, field, value)?;
        }
        match values.next() {
            None => Ok(()),
            Some(more) => {
                let fields = suggest::list(kind.positional().map(|field| field.name));
                Err(more
                    .span
                    .error(format!("{} has no more values", kind.name))
                    .hint(fields.map_or_else(|| "it has none".into(), |fields| format!("it has: {fields}"))))
            }
        }
    }

    fn set(&mut self, layer: &mut Layer, field: &'static Field, node: &Node) -> Result<(), ExpressionError> {
        let Some(choice) = self.choice(field, layer.kind(), node)? else { return Ok(()) };
        layer.put(field.name, choice).map_err(|error| node.span.error(error.to_string()))
    }

    /// `[mss(1460), nop]`, `[('MSS', 1460), ('NOP', None)]`, or one option alone.
    pub(super) fn items(
        &mut self,
        kinds: &'static [Kind],
        node: &Node,
    ) -> Result<Vec<Layer>, ExpressionError> {
        match &node.what {
            What::List(nodes) | What::Stack(nodes) => {
                nodes.iter().map(|node| self.entry(kinds, node)).collect()
            }
            // options=b""
            What::Text(text) if text.is_empty() => Ok(Vec::new()),
            _ => Ok(vec![self.entry(kinds, node)?]),
        }
    }

    fn entry(&mut self, kinds: &'static [Kind], node: &Node) -> Result<Layer, ExpressionError> {
        if let Some(inner) = fuzzed(node)? {
            let outside = std::mem::replace(&mut self.fuzzing, true);
            let mut layer = self.entry(kinds, inner)?;
            self.fuzzing = outside;
            layer.fuzz = true;
            return Ok(layer);
        }
        // Where there is but one kind, its values need no name: `texts=["a"]`, `routers=[192.0.2.1]`.
        if let Some(kind) = only(kinds, node) {
            let mut layer = Layer::new(kind);
            self.unnamed(&mut layer, node.span, &[node])?;
            return Ok(layer);
        }
        // Scapy: IPOption(b"\x83\x03\x10") is the option that these bytes are.
        if let What::Call(name, arguments) = &node.what
            && name.text == "IPOption"
            && let [Argument { name: None, value }] = arguments.as_slice()
            && matches!(value.what, What::Text(_) | What::Hex(_))
        {
            return self.layer(value);
        }
        let named = |text: &str| find_entry(kinds, text, node.span);
        match &node.what {
            What::Word(text) => named(text),
            // Bytes among options stand there as they are; no option's name has such bytes in it.
            What::Hex(_) | What::File(_) => self.layer(node),
            What::Text(text) if !is_printable(text) => self.layer(node),
            What::Text(text) => named(&String::from_utf8_lossy(text)),
            What::Call(name, arguments) => {
                let kind = find_entry(kinds, &name.text, name.span)?.kind();
                let kind = self.of_type(kinds, kind, name, arguments)?;
                self.with(kind, name.span, arguments, true)
            }
            What::Tuple(parts) => {
                let Some((name, values)) = parts.split_first() else {
                    return Err(node.span.error("this option has no name"));
                };
                let mut layer = match &name.what {
                    What::Word(text) => find_entry(kinds, text, name.span)?,
                    What::Text(text) => find_entry(kinds, &String::from_utf8_lossy(text), name.span)?,
                    _ => return Err(name.span.error("the name of an option is expected here")),
                };
                // ('Timestamp', (1, 2))
                let values: Vec<&Node> = values
                    .iter()
                    .flat_map(|value| match &value.what {
                        What::Tuple(parts) => parts.as_slice(),
                        _ => std::slice::from_ref(value),
                    })
                    .collect();
                self.unnamed(&mut layer, name.span, &values)?;
                Ok(layer)
            }
            _ => Err(node.span.error("an option or a record is expected here").maybe(known(kinds))),
        }
    }

    /// Scapy has one class for several kinds, and a field that tells which: DNSRR(type="AAAA", rdata="2001:db8::1").
    fn of_type(
        &mut self,
        kinds: &'static [Kind],
        kind: &'static Kind,
        name: &Word,
        arguments: &[Argument],
    ) -> Result<&'static Kind, ExpressionError> {
        let names = || arguments.iter().filter_map(|argument| argument.name.as_ref());
        let is_type = |word: &Word| kind.field(&word.text).is_some() && kind.field(&word.text) == tells(kind);
        let said = arguments.iter().find(|argument| argument.name.as_ref().is_some_and(is_type));
        let (Some(said), Some(place)) = (said, tells(kind)) else { return Ok(kind) };
        if name.text != kind.scapy || kind.scapy == kind.name {
            return Ok(kind);
        }
        let Some(Choice::One(Value::Number(number))) = self.choice(&kind.fields[place], kind, &said.value)?
        else {
            return Ok(kind);
        };
        let fits =
            |kind: &&Kind| told(kind) == Some(number) && names().all(|name| kind.field(&name.text).is_some());
        Ok(kinds.iter().find(fits).or_else(|| kinds.last()).unwrap_or(kind))
    }

    /// The bytes of `file(path)`.
    pub(super) fn file(&mut self, path: &str, span: Span) -> Result<Vec<u8>, ExpressionError> {
        let bytes = (self.files)(path).map_err(|error| span.error(format!("{path}: {error}")))?;
        self.bytes = self.bytes.saturating_add(bytes.len());
        if bytes.len() > MOST_BYTES || self.bytes > MOST_BYTES_IN_ALL {
            return Err(
                span.error(format!("{path} is too long: no packet holds more than {MOST_BYTES} bytes"))
            );
        }
        Ok(bytes)
    }
}

/// Scapy writes some options as layers, ICMPv6ND_NS()/ICMPv6NDOptMTU(): they become options of the layer in front of them.
/// Gives the layer back if it is none of those.
fn as_option(layers: &mut [Layer], layer: Layer) -> Option<Layer> {
    let is = |kind: &Kind| std::ptr::eq(kind, layer.kind());
    if KINDS.iter().any(|kind| is(kind)) {
        return Some(layer);
    }
    let takes = |field: &Field| matches!(field.shape, Shape::Layers(kinds) if kinds.iter().any(is));
    let under = layers.last_mut().map(|under| (under.kind().fields.iter().position(takes), under));
    let Some((Some(place), under)) = under else { return Some(layer) };
    let mut options = match under.choice(place) {
        Some(Choice::One(Value::Layers(options))) => options.clone(),
        Some(_) => return Some(layer),
        None => Vec::new(),
    };
    options.push(layer);
    under.place(place, Choice::One(Value::Layers(options)));
    None
}

fn is_printable(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// What is in the brackets of `fuzz(...)`.
fn fuzzed(node: &Node) -> Result<Option<&Node>, ExpressionError> {
    match &node.what {
        What::Call(name, arguments) if name.text == "fuzz" => match arguments.as_slice() {
            [Argument { name: None, value }] => Ok(Some(value)),
            _ => Err(node.span.error("fuzz(...) takes a layer or a packet").hint("fuzz(tcp(dport=80))")),
        },
        _ => Ok(None),
    }
}

/// `rand`, and Scapy's functions of chance.
pub(super) fn is_random(name: &str) -> bool {
    name == "rand" || name.starts_with("Rand")
}

fn find(name: &Word) -> Result<&'static Kind, ExpressionError> {
    let loosely = || KINDS.iter().copied().find(|kind| suggest::named(kind, &name.text));
    kind(&name.text).or_else(loosely).ok_or_else(|| {
        let error = name.span.error(format!("there is no layer `{}`", name.text));
        error.maybe(suggest::layer(&name.text))
    })
}

fn field(kind: &'static Kind, name: &Word) -> Result<&'static Field, ExpressionError> {
    let loosely = || {
        kind.fields.iter().position(|f| {
            suggest::same(f.name, &name.text)
                || f.aliases.iter().any(|alias| suggest::same(alias, &name.text))
        })
    };
    let place = kind.field(&name.text).or_else(loosely);
    place.and_then(|place| kind.fields.get(place)).ok_or_else(|| {
        let error = name.span.error(format!("{} has no field `{}`", kind.name, name.text));
        error.maybe(suggest::field(kind, &name.text))
    })
}

/// The place of the field that tells which option or record it is.
fn tells(kind: &Kind) -> Option<usize> {
    kind.fields.iter().position(|field| matches!(field.fill, Fill::Number(_)))
}

/// What that field holds in options of this kind.
fn told(kind: &Kind) -> Option<u64> {
    match kind.fields.get(tells(kind)?)?.fill {
        Fill::Number(number) => Some(number),
        _ => None,
    }
}

/// The kind of what stands here without a name: the only one that there is.
fn only(kinds: &'static [Kind], node: &Node) -> Option<&'static Kind> {
    let ([kind], What::Word(_) | What::Text(_)) = (kinds, &node.what) else { return None };
    let is_name = matches!(&node.what, What::Word(word) if suggest::named(kind, word));
    (!is_name && kind.positional().next().is_some()).then_some(kind)
}

/// The option of this name; of a number, the one that it stands for, or one that nobody knows.
fn find_entry(kinds: &'static [Kind], name: &str, span: Span) -> Result<Layer, ExpressionError> {
    let exactly = || kinds.iter().find(|kind| kind.is_called(name));
    if let Some(kind) = exactly().or_else(|| kinds.iter().find(|kind| suggest::named(kind, name))) {
        return Ok(Layer::new(kind));
    }
    if let (Ok(number), Some((unknown, known))) = (name.parse::<u64>(), kinds.split_last()) {
        let known = known.iter().find(|kind| told(kind) == Some(number));
        let mut layer = Layer::new(known.unwrap_or(unknown));
        if let (None, Some(at)) = (known, tells(unknown)) {
            let field = &unknown.fields[at];
            if let Some(most) = field.largest().filter(|most| number > *most) {
                return Err(span.error(format!("{} is 0..{most}", field.name)));
            }
            layer.place(at, Choice::One(Value::Number(number)));
        }
        return Ok(layer);
    }
    let hint = suggest::nearest(name, kinds.iter().map(|kind| kind.name)).or_else(|| known(kinds));
    Err(span.error(format!("`{name}` is not known here")).maybe(hint))
}

fn known(kinds: &'static [Kind]) -> Option<String> {
    suggest::list(kinds.iter().map(|kind| kind.name)).map(|names| format!("known are: {names}"))
}
