//! IPv6 extension headers and flow labels of a program's own (RFC 3542, RFC 2292): what a datagram is sent with, what is told of one that
//! came.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::base::constants::*;
use crate::base::{ControlMessage, Errno, Error, Reason, Result};
use crate::stack::Received;
use crate::stack::options::Options;

/// The headers that a datagram is sent with, each as the program wrote it; empty = none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::stack) struct Extensions {
    hop_by_hop: Vec<u8>,
    /// IPV6_RTHDRDSTOPTS: for every hop that a routing header names. Without one it is not sent (RFC 3542 9.2), and there is none.
    before_routing: Vec<u8>,
    destination: Vec<u8>,
}

fn malformed() -> Error {
    Errno::EINVAL.because(Reason::OptionValue)
}

/// The header that the bytes begin with, without what is behind it.
fn header(bytes: &[u8]) -> Option<&[u8]> {
    let length = (usize::from(*bytes.get(1)?) + 1) * 8;
    bytes.get(..length)
}

impl Extensions {
    /// ipv6_set_opt_hdr: a header for every datagram of a socket; nothing = no longer.
    pub(in crate::stack) fn set(&mut self, name: i32, value: &[u8]) -> Result<()> {
        // "if (optlen < sizeof(struct ipv6_opt_hdr) || optlen & 0x7 || optlen > 8 * 255)"
        let fits = value.len().is_multiple_of(8) && value.len() <= 8 * 255;
        let header = if value.is_empty() { Some(value) } else { header(value).filter(|_| fits) };
        let header = header.ok_or_else(malformed)?;
        if name == IPV6_RTHDR {
            // RFC 5095 has ended type 0, type 2 is mobile IPv6's, and of segment routing (type 4) nothing is here.
            return if header.is_empty() { Ok(()) } else { Err(malformed()) };
        }
        *self.field(name).ok_or_else(malformed)? = header.to_vec();
        Ok(())
    }

    fn field(&mut self, name: i32) -> Option<&mut Vec<u8>> {
        Some(match name {
            IPV6_HOPOPTS | IPV6_2292HOPOPTS => &mut self.hop_by_hop,
            IPV6_RTHDRDSTOPTS => &mut self.before_routing,
            IPV6_DSTOPTS | IPV6_2292DSTOPTS => &mut self.destination,
            _ => return None,
        })
    }

    pub(in crate::stack) fn get(&self, name: i32) -> Vec<u8> {
        self.clone().field(name).cloned().unwrap_or_default()
    }

    /// ip6_datagram_send_ctl: a header for one datagram.
    pub(super) fn take(&mut self, name: i32, bytes: &[u8]) -> Result<()> {
        let header = header(bytes).ok_or_else(malformed)?;
        let once = matches!(name, IPV6_HOPOPTS | IPV6_2292HOPOPTS | IPV6_2292DSTOPTS);
        let field = self.field(name).ok_or_else(malformed)?;
        if once && !field.is_empty() {
            return Err(malformed());
        }
        *field = header.to_vec();
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hop_by_hop.is_empty() && self.destination.is_empty()
    }

    /// The headers as they stand between the IPv6 header and `protocol`, and what the IPv6 header names: RFC 8200 4.1's order.
    pub(super) fn chain(&self, protocol: u8) -> (u8, Vec<u8>) {
        let in_order = [(IPPROTO_HOPOPTS, &self.hop_by_hop), (IPPROTO_DSTOPTS, &self.destination)];
        let (mut next, mut bytes) = (protocol, Vec::new());
        for (own, header) in in_order.into_iter().rev().filter(|(_, header)| !header.is_empty()) {
            let mut header = header.clone();
            header[0] = next;
            (next, bytes) = (own as u8, [header, bytes].concat());
        }
        (next, bytes)
    }

    pub(super) fn len(&self) -> usize {
        self.hop_by_hop.len() + self.destination.len()
    }
}

/// What RFC 3542 and RFC 2292 tell of an IPv6 datagram whose headers are `headers`, the fixed one first (ip6_datagram_recv_specific_ctl).
pub(super) fn told(options: &Options, headers: &[u8], control: &mut Vec<ControlMessage>) {
    let wanted = &options.headers6;
    let Some(&[a, b, c, d, _, _, first, ..]) = headers.first_chunk::<40>() else { return };
    let flow = u32::from_be_bytes([a, b, c, d]) & 0x0fff_ffff;
    if wanted.flow_info && flow != 0 {
        control.push(ControlMessage::FlowInfo(flow));
    }
    let (mut protocol, mut at) = (first, 40);
    let mut found = Vec::new();
    while let IPPROTO_HOPOPTS | IPPROTO_DSTOPTS | IPPROTO_ROUTING = i32::from(protocol) {
        let Some(bytes) = headers.get(at..).and_then(header) else { break };
        found.push((i32::from(protocol), bytes));
        (protocol, at) = (bytes[0], at + bytes.len());
    }
    let new = [
        (IPPROTO_HOPOPTS, wanted.hop_by_hop, IPV6_HOPOPTS),
        (IPPROTO_DSTOPTS, wanted.destination, IPV6_DSTOPTS),
        (IPPROTO_ROUTING, wanted.routing, IPV6_RTHDR),
    ];
    let old = [
        (IPPROTO_HOPOPTS, wanted.old_hop_by_hop, IPV6_2292HOPOPTS),
        (IPPROTO_DSTOPTS, wanted.old_destination, IPV6_2292DSTOPTS),
        (IPPROTO_ROUTING, wanted.old_routing, IPV6_2292RTHDR),
    ];
    for row in [new, old] {
        for (protocol, bytes) in &found {
            let asked = row.iter().filter(|(own, on, _)| own == protocol && *on);
            control.extend(
                asked.map(|(_, _, name)| ControlMessage::Ipv6 { name: *name, bytes: bytes.to_vec() }),
            );
        }
    }
}

/// ipv6_recv_rxpmtu: no data, and a struct ip6_mtuinfo about what did not fit.
pub(super) fn path_mtu(to: Ipv6Addr, mtu: u32) -> Received {
    let family = (AF_INET6 as u16).to_ne_bytes();
    let bytes = [&family[..], &[0; 6], &to.octets(), &[0; 4], &mtu.to_ne_bytes()].concat();
    Received {
        from: Some(SocketAddr::new(to.into(), 0).into()),
        control: vec![ControlMessage::Ipv6 { name: IPV6_PATHMTU, bytes }],
        ..Received::default()
    }
}

/// What RFC 2292 asks for of a datagram beside its headers.
pub(super) fn told_formerly(
    options: &Options,
    destination: IpAddr,
    interface: u32,
    hops: u8,
    control: &mut Vec<ControlMessage>,
) {
    let IpAddr::V6(destination) = super::address::mapped(destination) else { return };
    if options.headers6.old_packet_info {
        let bytes = [&destination.octets()[..], &interface.to_ne_bytes()].concat();
        control.push(ControlMessage::Ipv6 { name: IPV6_2292PKTINFO, bytes });
    }
    if options.headers6.old_hop_limit {
        let bytes = i32::from(hops).to_ne_bytes().to_vec();
        control.push(ControlMessage::Ipv6 { name: IPV6_2292HOPLIMIT, bytes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_stand_in_rfc_8200s_order_and_name_each_other() {
        let mut all = Extensions::default();
        let pad = [0, 0, 1, 4, 0, 0, 0, 0];
        all.set(IPV6_DSTOPTS, &pad).unwrap();
        all.set(IPV6_RTHDRDSTOPTS, &pad).unwrap();
        all.set(IPV6_HOPOPTS, &pad).unwrap();
        assert_eq!(all.chain(17), (0, [&[60][..], &pad[1..], &[17], &pad[1..]].concat()));
        assert_eq!(all.len(), 16);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let mut all = Extensions::default();
        for value in [&[0][..], &[0; 7], &[0, 1, 0, 0, 0, 0, 0, 0], &[0; 12], &[0; 2048]] {
            assert!(all.set(IPV6_HOPOPTS, value).is_err(), "{value:?}");
        }
        assert!(all.set(IPV6_RTHDR, &[0; 8]).is_err());
        assert!(all.take(IPV6_HOPOPTS, &[0; 8]).is_ok() && all.take(IPV6_HOPOPTS, &[0; 8]).is_err());
        assert!(all.take(IPV6_DSTOPTS, &[0]).is_err() && all.take(IPV6_DSTOPTS, &[0, 9]).is_err());
    }
}
