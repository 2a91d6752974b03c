//! Printing. A reader that goes away (`sockatoo ping ... | head -1`) ends the command, quietly.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;

use serde_json::{Value, json};

use super::exit::Exit;
use crate::base::{Errno, Error};
use crate::daemon::NotStarted;
use crate::sys::terminal;
use crate::wire::show::{Ink, Line, Span, caret};

/// The version of every JSON answer: it grows when a field changes its meaning or goes away.
pub(super) const VERSION: u32 = 1;

/// A line to standard output.
pub(super) fn line(text: impl Display) {
    raw(format!("{text}\n").as_bytes());
}

/// Bytes to standard output.
pub(super) fn raw(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    gone(out.write_all(bytes).and_then(|()| out.flush()));
}

/// A line to standard error: progress, warnings.
pub(super) fn aside(text: impl Display) {
    // In one piece: a program under `run` may write there too. Nobody can be told that standard error is closed.
    let _ = io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

/// An object as a line of JSON to standard output, with its version.
pub(super) fn object(mut object: Value) {
    if let Some(map) = object.as_object_mut() {
        map.insert("version".into(), VERSION.into());
    }
    line(object);
}

fn gone(done: io::Result<()>) {
    if let Err(error) = done {
        // 128 and SIGPIPE's number: what `cat` would end with.
        std::process::exit(if error.kind() == ErrorKind::BrokenPipe { 141 } else { Exit::Trouble as i32 });
    }
}

/// True if standard output is a terminal that wants colours (<https://no-color.org>).
pub(super) fn colours() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// How many characters fit in a line of standard output: 100 where it is no terminal.
pub(super) fn width() -> usize {
    terminal::width(io::stdout().as_fd()).unwrap_or(100).min(100)
}

/// `text` in an ANSI style (`1` is bold, `2` faint, `31` red, `32` green), if standard output wants colours.
pub(super) fn styled(style: &str, text: impl Display) -> String {
    if colours() { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_string() }
}

/// Lines whose parts say what they are, in colours if standard output wants them.
pub(super) fn lines(lines: &[Line]) {
    // Neither red nor green, which say wrong and right.
    const LAYERS: [&str; 5] = ["36", "33", "35", "34", "96"];
    let colours = colours();
    let mut text = String::new();
    for line in lines {
        if colours {
            for Span { text: part, ink } in &line.spans {
                let style = match ink {
                    Ink::Plain => {
                        text += part;
                        continue;
                    }
                    Ink::Layer(number) => LAYERS[number % LAYERS.len()],
                    Ink::Faint => "2",
                    Ink::Strong => "1",
                    Ink::Right => "32",
                    Ink::Wrong => "31",
                };
                text += &format!("\x1b[{style}m{part}\x1b[0m");
            }
        } else {
            text += &line.to_string();
        }
        text.push('\n');
    }
    raw(text.as_bytes());
}

/// `1 packet`, `2 packets`.
pub(super) fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Why a command could not go on, and what to type next.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) cause: String,
    pub(super) hint: Option<String>,
    /// The mistake's place in a text that a person wrote: the text, the column from 0, the width, in characters.
    pub(super) place: Option<(String, usize, usize)>,
    pub(super) errno: Option<Errno>,
    pub(super) exit: Exit,
}

impl Trouble {
    pub(super) fn new(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), hint: None, place: None, errno: None, exit: Exit::Trouble }
    }

    /// What to type next.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Where in a text the mistake is: column and width in characters.
    pub(super) fn at(mut self, text: impl Into<String>, column: usize, width: usize) -> Self {
        self.place = Some((text.into(), column, width));
        self
    }

    /// The same with words in front: what was tried.
    pub(super) fn while_(mut self, what: impl Display) -> Self {
        self.cause = format!("{what}: {}", self.cause);
        self
    }

    /// It ran, and the answer is no.
    pub(super) fn answer(mut self) -> Self {
        self.exit = Exit::No;
        self
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let errno = error.errno();
        let mut cause =
            if errno.0 > 0 { format!("{} ({})", errno.text(), errno.name()) } else { errno.text().into() };
        if !error.why().is_empty() {
            cause = format!("{cause}: {}", error.why());
        }
        let hint = match errno {
            Errno::EPERM | Errno::EACCES => {
                Some("run it as root, or see `sockatoo doctor` for what is missing".into())
            }
            Errno::ENETUNREACH => Some(
                "give the host a wire and a way: `-i IF` or `--tap NAME`, `--addr CIDR`, `--gateway IP`"
                    .into(),
            ),
            Errno::ENODEV | Errno::ENOENT => {
                Some("`ip link` lists the interfaces; `sockatoo doctor` looks at the rest".into())
            }
            Errno::EADDRNOTAVAIL => Some("give the host that address: `--addr CIDR`".into()),
            _ => None,
        };
        Self { cause, hint, place: None, errno: Some(errno), exit: Exit::Trouble }
    }
}

impl From<NotStarted> for Trouble {
    fn from(not_started: NotStarted) -> Self {
        match not_started {
            NotStarted::Error(error) => error.into(),
            NotStarted::Said { errno, cause, hint } => Self { errno, hint, ..Self::new(cause) },
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// `error: cause` and `hint: what to type next`, to standard error.
pub(super) fn trouble(trouble: &Trouble, as_json: bool) {
    let Trouble { cause, hint, place, errno, .. } = trouble;
    if as_json {
        let errno = errno.map(|e| json!({ "number": e.0, "name": e.name() }));
        let place = place.as_ref().map(|(_, column, width)| json!({ "column": column, "width": width }));
        aside(json!({ "version": VERSION, "error": cause, "hint": hint, "place": place, "errno": errno }));
        return;
    }
    let (error, hint_word) = if io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        ("\x1b[1;31merror\x1b[0m", "\x1b[1;36mhint\x1b[0m")
    } else {
        ("error", "hint")
    };
    aside(format!("{error}: {cause}"));
    if let Some((text, column, width)) = place {
        let [text, mark] = caret(text, *column, *width, self::width() - 2);
        aside(format!("  {text}\n  {mark}"));
    }
    if let Some(hint) = hint {
        aside(format!("{hint_word}: {hint}"));
    }
}
