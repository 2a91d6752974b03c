//! Text to a tree: words, strings, lists, calls, ranges and what is stacked with `/`. What the words mean is not known here.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | the tree, and the parser of all that is not a string |
//! | `strings.rs` | what stands in quotes, in `hex(...)` and in `file(...)` |

mod strings;

use super::{DEEPEST, ExpressionError, LONGEST_TEXT, MOST_BYTES, MOST_BYTES_IN_ALL, MOST_NODES};

/// Where something stands, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    pub(super) fn error(self, what: impl Into<String>) -> ExpressionError {
        ExpressionError {
            column: self.start,
            width: self.end.saturating_sub(self.start),
            what: what.into(),
            hint: None,
        }
    }
}

/// A part of an expression.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) what: What,
    pub(super) span: Span,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// A name, a number, an address, a network: whatever stands without quotes.
    Word(String),
    /// `"text"`, `b'text'`, `"A"*100`.
    Text(Vec<u8>),
    /// `hex(00 ff)`: as it is on the wire, also where text would be read as something else.
    Hex(Vec<u8>),
    /// `file(path)`.
    File(String),
    /// `[a, b]`.
    List(Vec<Node>),
    /// `(a, b)`; `(a)` is a alone.
    Tuple(Vec<Node>),
    /// `name(...)`.
    Call(Word, Vec<Argument>),
    /// `a..b`.
    Range(Box<Node>, Box<Node>),
    /// `a/b/c`.
    Stack(Vec<Node>),
}

/// A name, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) span: Span,
}

/// `value`, or `name=value`.
#[derive(Clone, Debug)]
pub(super) struct Argument {
    pub(super) name: Option<Word>,
    pub(super) value: Node,
}

/// The tree of a whole expression.
pub(super) fn tree(text: &str) -> Result<Node, ExpressionError> {
    let text: Vec<char> = text.chars().take(LONGEST_TEXT + 1).collect();
    let mut parser = Parser { text: &text, at: 0, depth: 0, nodes: 0, bytes: 0 };
    if text.len() > LONGEST_TEXT {
        let end = Span { start: LONGEST_TEXT, end: LONGEST_TEXT + 1 };
        return Err(end.error(format!("an expression has at most {LONGEST_TEXT} characters")));
    }
    parser.preamble();
    parser.space();
    if parser.peek().is_none() {
        return Err(parser
            .here()
            .error("there is no packet")
            .hint("write one: ip(dst=192.0.2.1)/tcp(dport=80)"));
    }
    let tree = parser.stack()?;
    parser.ending();
    match parser.peek() {
        None => Ok(tree),
        Some(')' | ']') => Err(parser.here().error("nothing is open here that this could close")),
        Some(c) => Err(parser
            .here()
            .error(format!("`{c}` can't stand here"))
            .hint("the expression has ended; layers are joined with /")),
    }
}

struct Parser<'a> {
    text: &'a [char],
    at: usize,
    depth: usize,
    nodes: usize,
    bytes: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn ahead(&self, by: usize) -> Option<char> {
        self.text.get(self.at.saturating_add(by)).copied()
    }

    fn here(&self) -> Span {
        Span { start: self.at, end: self.at + 1 }
    }

    fn since(&self, start: usize) -> Span {
        Span { start, end: self.at }
    }

    /// Steps over a character, if it stands here.
    fn eat(&mut self, c: char) -> bool {
        let here = self.peek() == Some(c);
        self.at += usize::from(here);
        here
    }

    /// Steps over blanks, continued lines and Python's comments.
    fn space(&mut self) {
        while let Some(c) = self.peek() {
            match c {
                '#' => self.at += self.text[self.at..].iter().take_while(|c| **c != '\n').count(),
                '\\' if self.ahead(1) == Some('\n') => self.at += 2,
                c if c.is_whitespace() => self.at += 1,
                _ => break,
            }
        }
    }

    /// Steps over what a line pasted from a Python session begins with: `>>> `, `answers, rest = `.
    fn preamble(&mut self) {
        self.space();
        if self.text[self.at..].starts_with(&['>', '>', '>']) {
            self.at += 3;
        }
        let names = |c: &&char| c.is_ascii_alphanumeric() || "_, \t".contains(**c);
        let length = self.text[self.at..].iter().take_while(names).count();
        let assigns = self.text.get(self.at + length) == Some(&'=');
        if assigns && self.text[self.at..self.at + length].iter().any(char::is_ascii_alphabetic) {
            self.at += length + 1;
        }
    }

    /// Steps over what such a line ends with: `.show()`, `;`.
    fn ending(&mut self) {
        self.space();
        let name = self.text[self.at..].iter().skip(1).take_while(|c| c.is_ascii_alphanumeric()).count();
        let call = self.at + 1 + name;
        if self.peek() == Some('.') && name > 0 && self.text[call..].starts_with(&['(', ')']) {
            self.at = call + 2;
            self.space();
        }
        if self.eat(';') {
            self.space();
        }
    }

    fn node(&mut self, start: usize, what: What) -> Result<Node, ExpressionError> {
        let span = self.since(start);
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(span.error(format!("an expression has at most {MOST_NODES} parts")));
        }
        Ok(Node { what, span })
    }

    /// `a/b/c`.
    fn stack(&mut self) -> Result<Node, ExpressionError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.here().error(format!("brackets are nested at most {DEEPEST} deep")));
        }
        let start = self.at;
        let first = self.item()?;
        let mut items = vec![first];
        self.space();
        while self.eat('/') {
            self.space();
            if self.peek().is_none() {
                return Err(self.here().error("a layer is missing behind the /"));
            }
            items.push(self.item()?);
            self.space();
        }
        self.depth -= 1;
        match <[Node; 1]>::try_from(items) {
            Ok([alone]) => Ok(alone),
            Err(items) => self.node(start, What::Stack(items)),
        }
    }

    /// `a`, or `a..b`.
    fn item(&mut self) -> Result<Node, ExpressionError> {
        let start = self.at;
        let first = self.atom()?;
        let end = self.at;
        self.space();
        if self.peek() != Some('.') || self.ahead(1) != Some('.') {
            self.at = end;
            return Ok(first);
        }
        self.at += 2;
        self.space();
        if matches!(self.peek(), None | Some(',' | ')' | ']' | '/')) {
            return Err(self.here().error("a value is missing behind the .."));
        }
        let last = self.atom()?;
        self.node(start, What::Range(Box::new(first), Box::new(last)))
    }

    fn atom(&mut self) -> Result<Node, ExpressionError> {
        let start = self.at;
        match self.peek() {
            Some('[') => {
                self.at += 1;
                let before = (self.nodes, self.bytes);
                let (items, _) = self.nodes_until(start, ']')?;
                let items = self.repeated(start, items, before)?;
                self.node(start, What::List(items))
            }
            Some('(') => {
                self.at += 1;
                let (items, comma) = self.nodes_until(start, ')')?;
                match <[Node; 1]>::try_from(items) {
                    Ok([alone]) if !comma => Ok(alone),
                    Ok(alone) => self.node(start, What::Tuple(alone.into())),
                    Err(items) => self.node(start, What::Tuple(items)),
                }
            }
            _ if self.quote().is_some() => self.string(),
            Some(c) if in_word(c) => self.word(),
            Some(c) => Err(self.here().error(format!("`{c}` can't stand here"))),
            None => Err(self.here().error("the expression ends too early")),
        }
    }

    /// What is between brackets, up to `close`; also, whether a comma stands before it.
    fn nodes_until(&mut self, open: usize, close: char) -> Result<(Vec<Node>, bool), ExpressionError> {
        let mut nodes = Vec::new();
        let mut comma = false;
        loop {
            self.space();
            if self.eat(close) {
                return Ok((nodes, comma));
            }
            self.unless_open(open, close)?;
            nodes.push(self.stack()?);
            comma = self.comma(open, close)?;
        }
    }

    /// `[a]*3`. What was counted `before` the list tells what one of it costs.
    fn repeated(
        &mut self,
        start: usize,
        items: Vec<Node>,
        before: (usize, usize),
    ) -> Result<Vec<Node>, ExpressionError> {
        let end = self.at;
        self.space();
        let Some(times) = self.times()? else {
            self.at = end;
            return Ok(items);
        };
        let (nodes, bytes) = (self.nodes - before.0, self.bytes - before.1);
        self.nodes = before.0.saturating_add(nodes.saturating_mul(times));
        self.bytes = before.1.saturating_add(bytes.saturating_mul(times));
        if self.nodes > MOST_NODES || self.bytes > MOST_BYTES_IN_ALL || times > MOST_NODES {
            return Err(self.since(start).error(format!("an expression has at most {MOST_NODES} parts")));
        }
        Ok(std::iter::repeat_n(items, times).flatten().collect())
    }

    /// `*3`.
    fn times(&mut self) -> Result<Option<usize>, ExpressionError> {
        if !self.eat('*') {
            return Ok(None);
        }
        self.space();
        let digits = self.text[self.at..].iter().take_while(|c| c.is_ascii_digit()).count();
        if digits == 0 {
            return Err(self.here().error("a number is missing behind the *"));
        }
        let number: String = self.text[self.at..self.at + digits].iter().collect();
        self.at += digits;
        Ok(Some(number.parse().unwrap_or(usize::MAX)))
    }

    fn arguments(&mut self, open: usize) -> Result<Vec<Argument>, ExpressionError> {
        let mut arguments: Vec<Argument> = Vec::new();
        loop {
            self.space();
            if self.eat(')') {
                return Ok(arguments);
            }
            self.unless_open(open, ')')?;
            let value = self.stack()?;
            self.space();
            let argument = match value.what {
                What::Word(text) if self.peek() == Some('=') => {
                    self.at += 1;
                    self.space();
                    if matches!(self.peek(), None | Some(',' | ')')) {
                        let here = self.here();
                        return Err(here
                            .error(format!("{text} has no value"))
                            .hint(format!("write {text}=...")));
                    }
                    Argument { name: Some(Word { text, span: value.span }), value: self.stack()? }
                }
                what => Argument { name: None, value: Node { what, span: value.span } },
            };
            arguments.push(argument);
            self.comma(open, ')')?;
        }
    }

    /// Steps over the comma behind an item; false if the bracket closes instead.
    fn comma(&mut self, open: usize, close: char) -> Result<bool, ExpressionError> {
        self.space();
        if self.eat(',') {
            return Ok(true);
        }
        self.unless_open(open, close)?;
        match self.peek() {
            Some(c) if c == close => Ok(false),
            Some(c) => Err(self
                .here()
                .error(format!("`{c}` can't stand here"))
                .hint(format!("a comma or {close} is missing; text is written in quotes"))),
            None => Ok(false),
        }
    }

    /// An error at the bracket that was opened, if the text has ended before it is closed.
    fn unless_open(&self, open: usize, close: char) -> Result<(), ExpressionError> {
        if self.peek().is_some() {
            return Ok(());
        }
        let bracket = Span { start: open, end: open + 1 };
        Err(bracket.error(format!("this bracket is never closed: `{close}` is missing")))
    }

    /// A word, a call, `hex(...)` or `file(...)`.
    fn word(&mut self) -> Result<Node, ExpressionError> {
        let start = self.at;
        self.skip_word();
        // An address in front of a slash and a number is a network, all else in front of a slash a layer.
        let is_address = |text: &[char]| {
            text.contains(&':') || text.contains(&'.') && text.first().is_some_and(char::is_ascii_digit)
        };
        let prefix = self.ahead(1).is_some_and(|c| c.is_ascii_digit());
        if self.peek() == Some('/') && prefix && is_address(&self.text[start..self.at]) {
            self.at += 1;
            self.at += self.text[self.at..].iter().take_while(|c| c.is_ascii_digit()).count();
        }
        let text: String = self.text[start..self.at].iter().collect();
        if text.is_empty() {
            return Err(self.here().error("a value is missing before the .."));
        }
        let span = self.since(start);
        let open = self.at;
        if !self.eat('(') {
            return self.node(start, What::Word(text));
        }
        match text.as_str() {
            "hex" | "bytes.fromhex" | "bytearray.fromhex" => {
                let bytes = self.hex(open)?;
                self.bytes_node(start, What::Hex(bytes))
            }
            "file" => {
                let path = self.raw(open)?;
                if path.is_empty() {
                    return Err(self.since(start).error("which file?").hint("write file(path)"));
                }
                self.node(start, What::File(path))
            }
            _ => {
                let arguments = self.arguments(open)?;
                self.node(start, What::Call(Word { text, span }, arguments))
            }
        }
    }

    /// Steps over letters, digits and what addresses and names have in them, but not over `..`.
    fn skip_word(&mut self) {
        while self.peek().is_some_and(in_word) && (self.peek() != Some('.') || self.ahead(1) != Some('.')) {
            self.at += 1;
        }
    }
}

/// The characters of names, numbers, addresses and flags.
fn in_word(c: char) -> bool {
    c.is_alphanumeric() || "_.:-+|".contains(c)
}
