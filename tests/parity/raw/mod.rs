//! Raw sockets, raw(7).
//!
//! | file | what |
//! |---|---|
//! | `name.rs` | socket(2), bind(2), connect(2), names |
//! | `receive.rs` | who gets which datagram, filters |
//! | `send.rs` | payloads: the header that is made for them |
//! | `header.rs` | whole packets (IP_HDRINCL), as Linux takes them: SO_VERBATIM 0 |
//! | `six.rs` | what IPv6 alone has |
//! | `fragment.rs` | fragments by hand |
//! | `option.rs` | IPv4's options that others write into |
//! | `error.rs` | ICMP errors come back |

mod error;
mod fragment;
mod header;
mod name;
mod option;
mod receive;
mod send;
mod six;

use std::net::{IpAddr, Ipv4Addr};

pub(crate) use option::option_text;

use sockatoo::base::constants::*;
use sockatoo::wire::checksum;

use crate::arm::Fd;
use crate::dialogue::Dialogue;

/// RFC 3692: for experiments.
const EXPERIMENT: i32 = 253;

impl Dialogue {
    /// A raw socket of the case's family.
    pub fn raw(&mut self, protocol: i32) -> Fd {
        self.socket(self.ip.af(), SOCK_RAW, protocol)
    }

    /// A raw socket of IPPROTO_RAW that follows Linux's rule.
    pub fn writer(&mut self) -> Fd {
        let s = self.raw(IPPROTO_RAW);
        self.as_linux(s);
        s
    }

    /// Ours follows Linux's rule (SO_VERBATIM 0, which the kernel does not know); without a line.
    pub fn as_linux(&mut self, s: Fd) {
        if self.arm.name() == "sockatoo" {
            self.arm.setsockopt(s, SOL_SOCKET, SO_VERBATIM, &0_i32.to_ne_bytes()).expect("SO_VERBATIM");
        }
    }

    /// ICMP or ICMPv6.
    pub fn icmp(&self) -> i32 {
        if self.ip.af() == AF_INET { IPPROTO_ICMP } else { IPPROTO_ICMPV6 }
    }

    /// An echo request whose checksum is right over IPv4; over IPv6 the socket fills it in.
    pub fn echo(&self, sequence: u8) -> Vec<u8> {
        let kind = if self.ip.af() == AF_INET { 8 } else { 128 };
        let mut message = [kind, 0, 0, 0, 0x12, 0x34, 0, sequence, b'p', b'i', b'n', b'g'];
        let sum = checksum(&message).to_be_bytes();
        message[2..4].copy_from_slice(&sum);
        message.to_vec()
    }

    /// Waits for the next datagram, and tells all of it but the identification, which is each side's own.
    pub fn packet(&mut self, s: Fd) {
        self.told_packet(s, false);
    }

    /// The same, and whether the identification is zero.
    pub fn packet_and_id(&mut self, s: Fd) {
        self.told_packet(s, true);
    }

    fn told_packet(&mut self, s: Fd, with_id: bool) {
        self.wait(s, POLLIN);
        let got = self.arm.recvmsg(s, 70_000, MSG_DONTWAIT);
        let text = match got {
            Err(number) => sockatoo::Errno(number).name().to_string(),
            Ok(got) if self.ip.af() == AF_INET => {
                format!(
                    "{} from {}",
                    header_text(&got.data, with_id),
                    got.from.map_or_else(|| "nobody".into(), |a| a.to_string())
                )
            }
            Ok(got) => {
                format!(
                    "{:02x?} from {}",
                    got.data,
                    got.from.map_or_else(|| "nobody".into(), |a| a.to_string())
                )
            }
        };
        self.note(format!("s{} gets {text}", s.0.wrapping_add(1)));
    }

    /// Tells that nothing waits.
    pub fn nothing(&mut self, s: Fd) {
        self.recv(s, 100, MSG_DONTWAIT);
    }
}

/// The fields of an IPv4 packet.
fn header_text(packet: &[u8], with_id: bool) -> String {
    let word = |at: usize| packet.get(at..at + 2).map_or(0, |b| u16::from_be_bytes([b[0], b[1]]));
    let ip = |at: usize| {
        packet.get(at..at + 4).map_or(Ipv4Addr::UNSPECIFIED, |b| Ipv4Addr::new(b[0], b[1], b[2], b[3]))
    };
    let [first, tos, ..] = packet else { return format!("{packet:02x?}") };
    let length = usize::from(first & 15) * 4;
    let Some(header) = packet.get(..length.max(20)) else { return format!("{packet:02x?}") };
    let data = &packet[length.max(20)..];
    let shown = if data.len() > 40 { format!("{} bytes", data.len()) } else { format!("{data:02x?}") };
    let right = if checksum(header) == 0 { "right" } else { "wrong" };
    let id = match (with_id, word(4)) {
        (false, _) => "",
        (true, 0) => " id zero",
        (true, _) => " id set",
    };
    format!(
        "{first:02x} tos {tos:02x} length {} of {}{id} fragment {:04x} ttl {} protocol {} {} > {} checksum {right} options {:02x?} data {shown}",
        word(2),
        packet.len(),
        word(6),
        packet[8],
        packet[9],
        ip(12),
        ip(16),
        &header[20..],
    )
}

/// An IPv4 packet between two hosts, everything but the addresses and the protocol left zero.
fn packet(from: IpAddr, to: IpAddr, protocol: i32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 20];
    packet[0] = 0x45;
    packet[8] = 64;
    packet[9] = protocol as u8;
    for (at, address) in [(12, from), (16, to)] {
        if let IpAddr::V4(v4) = address {
            packet[at..at + 4].copy_from_slice(&v4.octets());
        }
    }
    packet.extend(payload);
    packet
}

/// An IPv6 packet.
fn packet6(from: IpAddr, to: IpAddr, protocol: i32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 40];
    packet[0] = 0x60;
    packet[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
    packet[6] = protocol as u8;
    packet[7] = 64;
    for (at, address) in [(8, from), (24, to)] {
        if let IpAddr::V6(v6) = address {
            packet[at..at + 16].copy_from_slice(&v6.octets());
        }
    }
    packet.extend(payload);
    packet
}
