//! The flow label of an IPv6 packet (RFC 6437): the one that was asked for, else one by the hash of its flow.

use crate::base::constants::{IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE};
use crate::stack::{Net, keyed_hash};

impl Net {
    /// Writes the label into an IPv6 header (ip6_make_flowlabel). RFC 6437 3: "each unrelated flow [should] be assigned a flow label
    /// [...] chosen from an approximation to a discrete uniform distribution".
    pub(super) fn label(&self, packet: &mut [u8], asked: Option<u32>) {
        let Some(header) = packet.first_chunk::<40>() else { return };
        let ports = match i32::from(header[6]) {
            IPPROTO_TCP | IPPROTO_UDP | IPPROTO_UDPLITE => packet.get(40..44),
            _ => None,
        };
        let by_flow = || keyed_hash(&self.config.secret, (&header[8..], header[6], ports)) as u32;
        let [_, a, b, c] = (asked.unwrap_or_else(by_flow) & 0xf_ffff).to_be_bytes();
        let class = header[1] & 0xf0;
        packet[1..4].copy_from_slice(&[class | a, b, c]);
    }
}
