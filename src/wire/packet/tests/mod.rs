//! Packets that Scapy builds, too: `scapy.txt` has its expressions and, below each, the bytes that it makes of them.

use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn scapys() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let lines: Vec<&str> = include_str!("scapy.txt").lines().collect();
    (0..lines.len() / 2).map(move |pair| (lines[pair * 2], hex(lines[pair * 2 + 1])))
}

#[test]
fn the_same_bytes_as_scapy() {
    let mut wrong = Vec::new();
    for (text, bytes) in scapys() {
        match text.parse::<Packet>() {
            Ok(packet) => match packet.build(&Nowhere) {
                Ok(built) if built.bytes == bytes => {}
                Ok(built) => wrong.push(format!("{text}\n  {bytes:02x?}\n  {:02x?}", built.bytes)),
                Err(error) => wrong.push(format!("{text}\n  {error}")),
            },
            Err(error) => wrong.push(format!("{text}\n  {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}
