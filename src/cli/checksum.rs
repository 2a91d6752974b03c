//! `sockatoo checksum`: the Internet checksum by hand, step by step.

use std::io::Read;
use std::path::Path;

use serde_json::{Value, json};

use super::args::{BeginsWith, ChecksumArgs};
use super::craft::expression;
use super::exit::Exit;
use super::say::{self, Trouble};
use crate::base::LinkType;
use crate::wire::checksum::Steps;
use crate::wire::packet::{Dissection, Nowhere, Packet};
use crate::wire::show::{SummedUp, summed_up, unhex};

/// A sum over more words than this is cut in the middle; so many stay at the beginning, and so many at the end.
const MOST_WORDS: usize = 48;
const FIRST_WORDS: usize = 24;
const LAST_WORDS: usize = 8;
/// Every word is a line: nobody reads more.
const MOST_BYTES: usize = 1 << 20;

pub(super) fn run(args: &ChecksumArgs, as_json: bool) -> Result<Exit, Trouble> {
    let packet = match (read(&args.input)?, args.linktype) {
        (Input::Bytes(bytes), None) => return Ok(plain(&bytes, args.all, as_json)),
        (Input::Bytes(bytes), Some(BeginsWith::Ip)) => Dissection::of(LinkType::Ip, &bytes),
        (Input::Bytes(bytes), Some(BeginsWith::Ether)) => Dissection::of(LinkType::Ethernet, &bytes),
        (Input::Packet(packet), _) => packet.build(&Nowhere)?,
    };
    let checksums = summed_up(&packet);
    let right = checksums.iter().all(SummedUp::is_right);
    if as_json {
        let checksums: Vec<_> = checksums.iter().map(|summed| of_packet(&packet, summed)).collect();
        say::object(json!({ "right": right, "checksums": checksums }));
    } else if checksums.is_empty() {
        say::line("There is no checksum in this packet.");
    } else {
        for (n, summed) in checksums.iter().enumerate() {
            if n > 0 {
                say::line("");
            }
            show_in_packet(&packet, summed, args.all);
        }
    }
    Ok(if right { Exit::Ok } else { Exit::No })
}

/// What a person gave.
enum Input {
    Bytes(Vec<u8>),
    Packet(Packet),
}

/// Hexadecimal if all of it is, else a file if there is one of that name, else an expression.
fn read(input: &[String]) -> Result<Input, Trouble> {
    let text = input.join(" ");
    if let Ok(bytes) = unhex(&text) {
        return Ok(Input::Bytes(bytes));
    }
    if text == "-" {
        return contents(std::io::stdin().lock()).map_err(|e| e.while_("standard input"));
    }
    // A path that is none of a file is said to be so; no expression begins like one.
    if Path::new(&text).is_file() || ["/", "./", "../"].iter().any(|path| text.starts_with(path)) {
        let file = std::fs::File::open(&text).map_err(Trouble::from);
        return file.and_then(contents).map_err(|e| e.while_(&text));
    }
    // "4500 001": meant as hexadecimal.
    if text.chars().all(|c| c.is_ascii_hexdigit() || c.is_whitespace()) {
        let why = unhex(&text).err().unwrap_or_default();
        return Err(
            Trouble::new(why).hint("two hexadecimal digits are a byte: `sockatoo checksum 45 00 00 1c`")
        );
    }
    expression(&text).map(Input::Packet)
}

/// What is in a file: hexadecimal if all of it is, else its bytes as they are.
fn contents(file: impl Read) -> Result<Input, Trouble> {
    let mut bytes = Vec::new();
    file.take(MOST_BYTES as u64 * 4 + 1).read_to_end(&mut bytes)?;
    let bytes = match std::str::from_utf8(&bytes).map(unhex) {
        Ok(Ok(unhexed)) if !unhexed.is_empty() => unhexed,
        _ => bytes,
    };
    if bytes.len() > MOST_BYTES {
        return Err(Trouble::new(format!("more than {MOST_BYTES} bytes, and each word is a line to read"))
            .hint("`head -c 65536 FILE | sockatoo checksum -` takes the beginning"));
    }
    Ok(Input::Bytes(bytes))
}

/// RFC 1071 over bytes of which nothing is known.
fn plain(bytes: &[u8], all: bool, as_json: bool) -> Exit {
    let steps = Steps::of(bytes);
    if as_json {
        let mut answer = of_steps(&steps);
        answer["bytes"] = bytes.len().into();
        say::object(answer);
        return Exit::Ok;
    }
    say::line(format!("{}\n", title(format!("Internet checksum (RFC 1071) over {} bytes", bytes.len()))));
    show(&steps, all);
    say::line("");
    say::line(format!("checksum {}", title(format!("0x{:04x}", steps.checksum))));
    if steps.checksum == 0 {
        say::line("It is 0: these bytes hold a checksum of their own, and it is right.");
    } else {
        say::line("If these bytes held a checksum of their own, and it were right, this would be 0.");
    }
    Exit::Ok
}

fn title(text: String) -> String {
    say::styled("1", text)
}

fn show_in_packet(packet: &Dissection, summed: &SummedUp, all: bool) {
    let name = name(packet, summed);
    say::line(format!("{}\n", title(format!("{name}: {}", summed.about))));
    show(&summed.steps, all);
    say::line("");
    let (found, right) = (summed.found, summed.steps.checksum);
    say::line(if summed.absent {
        format!("{name} is 0: the sender has worked out none, which UDP over IPv4 allows")
    } else if summed.is_right() {
        format!("{name} is 0x{found:04x}: {}", say::styled("32", "right"))
    } else {
        format!("{name} is 0x{found:04x}: {}, it should be 0x{right:04x}", say::styled("1;31", "wrong"))
    });
}

fn name(packet: &Dissection, summed: &SummedUp) -> String {
    let layer = packet.sections.get(summed.section).map_or("", |section| section.kind.name);
    format!("{layer}.{}", summed.field.name)
}

fn show(steps: &Steps, all: bool) {
    let faint = |text: String| say::styled("2", text);
    say::line(faint(format!("{:>6}  {:>4}  {:>8}  {}", "at", "word", "sum", "what it is")));
    let last = steps.words.len().saturating_sub(LAST_WORDS);
    let cut = !all && steps.words.len() > MOST_WORDS;
    for (n, step) in steps.words.iter().enumerate() {
        if cut && n == FIRST_WORDS {
            say::line(faint(format!("{:>6}  {} words more (--all shows them)", "...", last - n)));
        }
        if cut && (FIRST_WORDS..last).contains(&n) {
            continue;
        }
        let at = step.at.map_or_else(String::new, |at| at.to_string());
        let mut what = step.what.clone();
        if step.padded {
            what += if what.is_empty() { "one byte, and a zero behind it" } else { ", and a zero behind it" };
        }
        let line = format!("{at:>6}  {:04x}  {:>8x}  {what}", step.word, step.sum);
        say::line(line.trim_end());
    }
    say::line("");
    for fold in &steps.folds {
        let words = "what is above 16 bits comes in again at the bottom";
        say::line(format!("{:>12}  {:>8x}  {words}: {:x} + {:x}", "", fold.sum, fold.low, fold.carry));
    }
    say::line(format!(
        "{:>12}  {:>8x}  the complement of {:04x}: every bit turned",
        "", steps.checksum, steps.sum
    ));
}

fn of_steps(steps: &Steps) -> Value {
    let word = |n: u16| format!("0x{n:04x}");
    let words: Vec<_> = steps
        .words
        .iter()
        .map(
            |s| json!({ "at": s.at, "word": word(s.word), "what": s.what, "padded": s.padded, "sum": s.sum }),
        )
        .collect();
    let folds: Vec<_> =
        steps.folds.iter().map(|f| json!({ "low": f.low, "carry": f.carry, "sum": f.sum })).collect();
    json!({ "checksum": word(steps.checksum), "sum": word(steps.sum), "words": words, "folds": folds })
}

fn of_packet(packet: &Dissection, summed: &SummedUp) -> Value {
    let mut answer = of_steps(&summed.steps);
    answer["field"] = name(packet, summed).into();
    answer["at"] = summed.at.into();
    answer["found"] = format!("0x{:04x}", summed.found).into();
    answer["right"] = summed.is_right().into();
    answer["absent"] = summed.absent.into();
    answer
}
