//! tshark's reading of frames.

use std::fs;
use std::process::Command;

use pcap_file::pcap::{PcapPacket, PcapWriter};

/// What tshark reads: for each frame, the value of each field; empty if the frame has none of that name.
pub fn of(frames: &[Vec<u8>], fields: &[String]) -> Vec<Vec<String>> {
    let path = std::env::temp_dir().join(format!("sockatoo-craft-{}.pcap", std::process::id()));
    let mut writer = PcapWriter::new(fs::File::create(&path).unwrap()).unwrap();
    for frame in frames {
        let packet = PcapPacket::new(std::time::Duration::ZERO, frame.len() as u32, frame);
        writer.write_packet(&packet).unwrap();
    }
    drop(writer);
    let mut tshark = Command::new("tshark");
    tshark.args(["-n", "-r"]).arg(&path);
    // Each packet for itself: nothing reassembled, no numbers relative to an earlier packet; every checksum looked at.
    for preference in [
        "ip.defragment:FALSE",
        "ipv6.defragment:FALSE",
        "ip.check_checksum:TRUE",
        "tcp.check_checksum:TRUE",
        "udp.check_checksum:TRUE",
        "tcp.relative_sequence_numbers:FALSE",
        "tcp.analyze_sequence_numbers:FALSE",
    ] {
        tshark.args(["-o", preference]);
    }
    tshark.args(["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=,"]);
    for field in fields {
        tshark.args(["-e", field]);
    }
    let done = tshark.output();
    let _ = fs::remove_file(&path);
    let done = done.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let rows: Vec<Vec<String>> =
        text.lines().map(|line| line.split('\t').map(str::to_string).collect()).collect();
    assert_eq!(rows.len(), frames.len(), "tshark reads a line for each frame");
    rows
}
