//! How packets are shown.

use serde_json::json;

use super::Crafted;
use crate::cli::args::{Language, ViewArgs};
use crate::cli::packet_json;
use crate::cli::say::{self, Trouble};
use crate::wire::packet::{Dissection, Field};
use crate::wire::show::{as_c, as_python, as_rust, as_scapy, explain, hexdump, tree, value};
use crate::wire::summary;

/// What the flags ask for.
pub(super) struct View<'a> {
    pub(super) args: &'a ViewArgs,
    /// There may be more than one packet.
    pub(super) several: bool,
    /// The fields that are not the same in all packets: the number of the layer, and the field.
    pub(super) varying: Vec<(usize, &'static Field)>,
    pub(super) as_json: bool,
}

impl View<'_> {
    /// Only a program is wanted: nothing else is printed, so that it can be written into a file.
    fn only_program(&self) -> bool {
        self.args.language.is_some() && !(self.args.show || self.args.hex || self.args.explain)
    }

    /// How many packets are shown if nobody says.
    pub(super) fn default_count(&self) -> u64 {
        if self.args.any() && !self.as_json { 3 } else { 10 }
    }

    pub(super) fn show(&self, crafted: &Crafted) -> Result<(), Trouble> {
        let Crafted { number, packet, dissection } = crafted;
        if self.as_json {
            let mut object = packet_json::packet(dissection);
            object["number"] = (*number).into();
            object["expression"] = packet.to_string().into();
            say::object(object);
            return Ok(());
        }
        let line = line(dissection);
        if !self.args.any() && self.several {
            say::line(format!("{number:>4}  {line}{}", say::styled("2", self.varied(dissection))));
            return Ok(());
        }
        if !self.only_program() {
            if *number > 1 {
                say::line("");
            }
            let counted = if self.several { format!("packet {number}: ") } else { String::new() };
            say::line(say::styled("1", format!("{counted}{line}")));
        }
        let width = say::width();
        let views = [
            (self.args.show || !self.args.any()).then(|| tree(dissection, width)),
            self.args.hex.then(|| hexdump(dissection)),
            self.args.explain.then(|| explain(dissection, width)),
        ];
        for lines in views.into_iter().flatten() {
            say::line("");
            say::lines(&lines);
        }
        if let Some(language) = self.args.language {
            if !self.only_program() {
                say::line("");
            }
            say::line(program(crafted, language).trim_end());
        }
        Ok(())
    }

    /// The values of the fields that are not the same in all packets: `  (ttl=1, dport=22)`.
    fn varied(&self, dissection: &Dissection) -> String {
        let said = |(number, field): &(usize, &'static Field)| {
            let seen = dissection
                .sections
                .get(*number)?
                .fields
                .iter()
                .find(|seen| std::ptr::eq(seen.field, *field))?;
            Some(format!("{}={}", field.name, value(field, &seen.value)))
        };
        let words: Vec<_> = self.varying.iter().filter_map(said).collect();
        if words.is_empty() { String::new() } else { format!("  ({})", words.join(", ")) }
    }

    /// What is not shown.
    pub(super) fn rest(&self, shown: u64, total: u64) {
        let left = total - shown.min(total);
        if self.as_json {
            if self.several {
                say::object(json!({ "shown": shown, "of": total }));
            }
            return;
        }
        if left > 0 {
            let words = format!("… {left} more of {total}; --count N shows more");
            if self.only_program() { say::aside(words) } else { say::line(say::styled("2", words)) }
        }
    }
}

/// The packet in a line, as tcpdump has it; of one that begins in the middle, its layers.
fn line(packet: &Dissection) -> String {
    if packet.is_whole() {
        return summary(packet.link, &packet.bytes);
    }
    let layers: Vec<_> = packet.sections.iter().map(|section| section.kind.title).collect();
    format!("{}, length {}", layers.join(" / "), packet.bytes.len())
}

fn program(crafted: &Crafted, language: Language) -> String {
    match language {
        Language::Expr => crafted.packet.to_string(),
        Language::Scapy => as_scapy(&crafted.dissection),
        Language::Rust => as_rust(&crafted.dissection),
        Language::Python => as_python(&crafted.dissection),
        Language::C => as_c(&crafted.dissection),
    }
}
