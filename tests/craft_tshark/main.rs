//! Packets that were written, legal and not, as the kernel's side of a TAP sees them: byte for byte what was built, and read by
//! tshark field by field as what was set. Needs root (or `unshare -rn`), tcpdump and tshark.
//!
//! | file | what |
//! |---|---|
//! | `packets.txt` | the packets as expressions, and what tshark must read in them |
//! | `table.rs` | that file, read |
//! | `place.rs` | a namespace, a TAP, our host; packets sent by its raw and packet sockets, captured by tcpdump |
//! | `reading.rs` | tshark's reading of a capture |
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::print_stderr)]

mod place;
mod reading;
mod table;

use sockatoo::wire::packet::Packet;

use place::Place;

/// What the goal asks for.
const AT_LEAST: usize = 60;

#[test]
fn what_is_written_is_what_leaves_and_what_tshark_reads() {
    let rows = table::rows(include_str!("packets.txt"));
    assert!(rows.len() >= AT_LEAST, "{} packets", rows.len());
    let Some(place) = Place::new() else { return };
    let mut wrong = Vec::new();
    let mut built = Vec::new();
    for row in &rows {
        let packet: Result<Packet, _> = row.expression.parse();
        match packet.map_err(|e| e.to_string()).and_then(|p| p.build(&place).map_err(|e| e.to_string())) {
            Ok(packet) => built.push(packet),
            Err(error) => wrong.push(format!("line {}: {}\n  {error}", row.line, row.expression)),
        }
    }
    assert!(wrong.is_empty(), "not built:\n\n{}", wrong.join("\n\n"));
    let frames = place.send_and_capture(&built);
    for ((row, built), frame) in rows.iter().zip(&built).zip(&frames) {
        if let Err(difference) = place::compare(built, frame) {
            wrong.push(format!("line {}: {}\n{difference}", row.line, row.expression));
        }
    }
    assert!(wrong.is_empty(), "not the bytes that were written:\n\n{}", wrong.join("\n\n"));

    let fields = table::fields(&rows);
    let read = reading::of(&frames, &fields);
    for (row, read) in rows.iter().zip(&read) {
        for (field, wanted) in &row.wanted {
            let found = fields.iter().position(|f| f == field).map_or("", |at| &read[at]);
            if found != wanted {
                wrong.push(format!(
                    "line {}: {}\n  {field}: tshark reads `{found}`, not `{wanted}`",
                    row.line, row.expression
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "tshark reads something else:\n\n{}", wrong.join("\n\n"));
}
