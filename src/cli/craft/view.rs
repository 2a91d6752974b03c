//! How packets are shown.

use serde_json::json;

use super::Crafted;
use crate::cli::args::{Language, ViewArgs};
use crate::cli::packet_json;
use crate::cli::say::{self, Trouble};
use crate::wire::packet::Dissection;
use crate::wire::show::{as_c, as_python, as_rust, as_scapy, explain, hexdump, tree};
use crate::wire::summary;

/// What the flags ask for.
pub(super) struct View<'a> {
    pub(super) args: &'a ViewArgs,
    /// There may be more than one packet.
    pub(super) several: bool,
    pub(super) as_json: bool,
}

impl View<'_> {
    /// A person has said how packets are to be shown.
    fn chosen(&self) -> bool {
        self.args.show || self.args.hex || self.args.explain || self.args.language.is_some()
    }

    /// Only a program is wanted: nothing else is printed, so that it can be written into a file.
    fn only_program(&self) -> bool {
        self.args.language.is_some() && !(self.args.show || self.args.hex || self.args.explain)
    }

    /// How many packets are shown if nobody says.
    pub(super) fn default_count(&self) -> u64 {
        if self.chosen() && !self.as_json { 3 } else { 10 }
    }

    pub(super) fn show(&self, crafted: &Crafted) -> Result<(), Trouble> {
        let Crafted { number, dissection } = crafted;
        if self.as_json {
            let mut object = packet_json::packet(dissection);
            object["number"] = (*number).into();
            say::object(object);
            return Ok(());
        }
        let line = summary(dissection.link, &dissection.bytes);
        if !self.chosen() && self.several {
            say::line(format!("{number:>4}  {line}"));
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
        let views: [(bool, fn(&Dissection, usize) -> _); 3] = [
            (self.args.show || !self.chosen(), tree),
            (self.args.hex, |packet, _| hexdump(packet)),
            (self.args.explain, explain),
        ];
        for (_, view) in views.into_iter().filter(|(wanted, _)| *wanted) {
            say::line("");
            say::lines(&view(dissection, width));
        }
        if let Some(language) = self.args.language {
            if !self.only_program() {
                say::line("");
            }
            say::line(program(dissection, language).trim_end());
        }
        Ok(())
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

fn program(packet: &Dissection, language: Language) -> String {
    match language {
        Language::Expr => packet.packet().to_string(),
        Language::Scapy => as_scapy(packet),
        Language::Rust => as_rust(packet),
        Language::Python => as_python(packet),
        Language::C => as_c(packet),
    }
}
