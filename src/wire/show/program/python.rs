//! Python alone: the bytes, and a raw socket.

use std::fmt::Write;
use std::net::IpAddr;

use super::bytes::{Row, rows};
use super::destination;
use crate::base::LinkType;
use crate::wire::packet::Dissection;

/// The packet as a Python program without libraries: its bytes with a comment on each field, and a raw socket that sends them
/// (on Linux, as root).
pub fn as_python(packet: &Dissection) -> String {
    let mut text = String::from(
        "#!/usr/bin/env python3\n\
         # Sends one packet. It needs Linux and the rights of root (CAP_NET_RAW).\n\
         import socket\nimport sys\n\npacket = bytes.fromhex(\n",
    );
    if packet.bytes.is_empty() {
        text.push_str("    \"\"\n");
    }
    for row in rows(packet) {
        let _ = match row {
            Row::Layer(title) => writeln!(text, "    # {title}"),
            Row::Bytes(bytes, comment) => {
                let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                let line = format!("    {:<40}# {comment}", format!("\"{}\"", hex.join(" ")));
                writeln!(text, "{}", line.trim_end_matches(['#', ' ']))
            }
        };
    }
    text.push_str(")\n\n");
    let sends = match (packet.link, destination(packet)) {
        (LinkType::Ethernet | LinkType::Can, _) => "\
if len(sys.argv) != 2:
    sys.exit(f\"usage: {sys.argv[0]} INTERFACE\")
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
    s.bind((sys.argv[1], 0))
    s.send(packet)
"
        .to_string(),
        (LinkType::Ip, Some(IpAddr::V6(address))) => format!(
            "\
# The header is part of the packet: IPPROTO_RAW says so.
with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
    s.sendto(packet, (\"{address}\", 0))
"
        ),
        (LinkType::Ip, address) => {
            let address = address.map_or_else(|| "sys.argv[1]".into(), |address| format!("\"{address}\""));
            format!(
                "\
# The header is part of the packet: IPPROTO_RAW says so. Linux writes its total length and its checksum anew, and fills in
# id and source where they are 0.
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
    s.sendto(packet, ({address}, 0))
"
            )
        }
    };
    text + &sends
}
