//! Hosts, nets, ports, protocols: the primitives that name something.

use std::net::Ipv6Addr;

use super::blocks::{Fragment, Load, Value};
use super::generator::{ARP, Generator, IPV4, IPV6, RARP, Result};
use super::headers::Outer;
use super::opcode::*;
use super::syntax::{Direction, Kind, Name, Qualifiers};
use super::token::Span;
use super::words::{self, Keyword};

const TCP: u32 = 6;
const UDP: u32 = 17;
const SCTP: u32 = 132;

impl Generator {
    pub(super) fn named(&mut self, qualifiers: Qualifiers, name: &Name, span: Span) -> Result<Fragment> {
        let kind = qualifiers.kind.unwrap_or(Kind::Host);
        match kind {
            Kind::Host | Kind::Net => self.address(qualifiers, name, kind, span),
            Kind::Port | Kind::Portrange => self.ports(qualifiers, name, kind, span),
            Kind::Proto => {
                if qualifiers.direction.is_some() {
                    return Err(span.error("`proto` has no direction"));
                }
                let number = match name {
                    Name::Number(number) => Some(*number),
                    Name::Word(word) => match qualifiers.protocol {
                        Some(Keyword::Ether) => words::ether_protocol(word),
                        Some(Keyword::Ip | Keyword::Ip6) | None => words::protocol(word),
                        _ => None,
                    },
                    _ => return Err(span.error("an address is no protocol")),
                };
                let number = number
                    .ok_or_else(|| span.hint("no protocol of this name is known here", "write its number"))?;
                self.proto(number, qualifiers.protocol, span)
            }
        }
    }

    fn address(&mut self, qualifiers: Qualifiers, name: &Name, kind: Kind, span: Span) -> Result<Fragment> {
        let masks_only_nets = || span.hint("a mask belongs to a net", "write `net` before it");
        let (address, mask) = match name {
            Name::Word(word) => {
                let hint = match words::meant(word) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "write its address: a filter asks no name server".into(),
                };
                return Err(span.hint(format!("`{word}` is no address"), hint));
            }
            Name::Mac(mac) => {
                if qualifiers.protocol != Some(Keyword::Ether) || kind != Kind::Host {
                    return Err(
                        span.hint("a station's address needs its qualifier", "write `ether host` before it")
                    );
                }
                return self.station(*mac, qualifiers.direction, span);
            }
            Name::Number(number) if kind == Kind::Net => {
                // A short net: 10 is 10.0.0.0/8.
                let shift = if *number == 0 { 0 } else { number.leading_zeros() / 8 * 8 };
                (number << shift, u32::MAX << shift)
            }
            Name::Number(number) => (*number, u32::MAX),
            Name::Address(address, bits) => (u32::from(*address), u32::MAX << (32 - bits.clamp(&8, &32))),
            Name::Prefix(..) | Name::Mask(..) | Name::Prefix6(..) if kind != Kind::Net => {
                let whole = matches!(name, Name::Prefix6(_, 128));
                if !whole {
                    return Err(masks_only_nets());
                }
                (0, 0)
            }
            Name::Prefix(address, length) => {
                if *length > 32 {
                    return Err(span.error("an IPv4 prefix length is 0 to 32"));
                }
                (u32::from(*address), u32::MAX.checked_shl(32 - length).unwrap_or(0))
            }
            Name::Mask(address, mask) => (u32::from(*address), u32::from(*mask)),
            Name::Address6(_) | Name::Prefix6(..) => (0, 0),
        };
        if let Name::Address6(address) | Name::Prefix6(address, _) = name {
            let length = if let Name::Prefix6(_, length) = name { *length } else { 128 };
            return self.host6(*address, length, qualifiers, span);
        }
        if address & !mask != 0 {
            return Err(span.error("the address has bits set outside its net"));
        }
        match qualifiers.protocol {
            None => {
                let mut any = self.host4(IPV4, address, mask, qualifiers.direction, span)?;
                if self.headers.labels == 0 {
                    for protocol in [ARP, RARP] {
                        let next = self.host4(protocol, address, mask, qualifiers.direction, span)?;
                        any = self.either(any, next);
                    }
                }
                Ok(any)
            }
            Some(Keyword::Ip) => self.host4(IPV4, address, mask, qualifiers.direction, span),
            Some(Keyword::Arp) => self.host4(ARP, address, mask, qualifiers.direction, span),
            Some(Keyword::Rarp) => self.host4(RARP, address, mask, qualifiers.direction, span),
            Some(Keyword::Ether) => Err(span.error("an IPv4 address is no station's address")),
            Some(other) => Err(span.hint(
                format!("`{}` has no hosts", other.text()),
                format!("write `{} and host`", other.text()),
            )),
        }
    }

    /// An address in a header of IPv4, or in one of ARP's.
    fn host4(
        &mut self,
        protocol: u32,
        address: u32,
        mask: u32,
        direction: Option<Direction>,
        span: Span,
    ) -> Result<Fragment> {
        let (source, destination) = if protocol == IPV4 { (12, 16) } else { (14, 24) };
        self.directed(direction, source, destination, |g, at| {
            let linked = g.link_protocol(protocol, span)?;
            let equal = g.payload(W, at, address, mask);
            Ok(g.both(linked, equal))
        })
    }

    fn host6(
        &mut self,
        address: Ipv6Addr,
        length: u32,
        qualifiers: Qualifiers,
        span: Span,
    ) -> Result<Fragment> {
        if length > 128 {
            return Err(span.error("an IPv6 prefix length is 0 to 128"));
        }
        if !matches!(qualifiers.protocol, None | Some(Keyword::Ip6)) {
            return Err(span.error("an IPv6 address stands where another kind must"));
        }
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        let address = u128::from(address);
        if address & !mask != 0 {
            return Err(span.error("the address has bits set outside its net"));
        }
        self.directed(qualifiers.direction, 8, 24, |g, at| {
            let mut all = g.link_protocol(IPV6, span)?;
            for word in 0..4 {
                let shift = 96 - 32 * word;
                let (value, mask) = ((address >> shift) as u32, (mask >> shift) as u32);
                let equal = g.payload(W, at + 4 * word, value, mask);
                all = g.both(all, equal);
            }
            Ok(all)
        })
    }

    /// Asks about the source, the destination, one of them or both.
    fn directed(
        &mut self,
        direction: Option<Direction>,
        source: u32,
        destination: u32,
        mut ask: impl FnMut(&mut Self, u32) -> Result<Fragment>,
    ) -> Result<Fragment> {
        match direction {
            Some(Direction::Src) => ask(self, source),
            Some(Direction::Dst) => ask(self, destination),
            direction => {
                let source = ask(self, source)?;
                let destination = ask(self, destination)?;
                Ok(match direction {
                    Some(Direction::SrcAndDst) => self.both(source, destination),
                    _ => self.either(source, destination),
                })
            }
        }
    }

    /// `ether host`
    fn station(&mut self, mac: [u8; 6], direction: Option<Direction>, span: Span) -> Result<Fragment> {
        if self.headers.outer != Outer::Ethernet {
            return Err(span.error("this link has no stations"));
        }
        let [a, b, c, d, e, f] = mac;
        self.directed(direction, 6, 0, |g, at| {
            let last = g.blocks.equal(Value::load(W, at + 2), u32::from_be_bytes([c, d, e, f]));
            let first = g.blocks.equal(Value::load(H, at), u32::from_be_bytes([0, 0, a, b]));
            Ok(g.both(last, first))
        })
    }

    fn ports(&mut self, qualifiers: Qualifiers, name: &Name, kind: Kind, span: Span) -> Result<Fragment> {
        let asked = match qualifiers.protocol {
            None => None,
            Some(Keyword::Tcp) => Some(TCP),
            Some(Keyword::Udp) => Some(UDP),
            Some(Keyword::Sctp) => Some(SCTP),
            Some(other) => return Err(span.error(format!("`{}` has no ports", other.text()))),
        };
        let (low, high, protocol) = match name {
            Name::Number(number) => (*number, *number, asked),
            Name::Word(word) if kind == Kind::Port => {
                let (port, protocol) = port(word, asked, span)?;
                (port, port, protocol)
            }
            Name::Word(word) => port_range(word, asked, span)?,
            _ => return Err(span.error("an address is no port")),
        };
        if low > 65_535 || high > 65_535 {
            return Err(span.error("a port is 0 to 65535"));
        }
        let range = (kind == Kind::Portrange, low.min(high), low.max(high));
        let six = self.ports_of(IPV6, protocol, range, qualifiers.direction, span)?;
        let four = self.ports_of(IPV4, protocol, range, qualifiers.direction, span)?;
        Ok(self.either(six, four))
    }

    /// A port of SCTP, TCP or UDP (or of one of them), over one version of IP.
    fn ports_of(
        &mut self,
        version: u32,
        protocol: Option<u32>,
        range: (bool, u32, u32),
        direction: Option<Direction>,
        span: Span,
    ) -> Result<Fragment> {
        let linked = self.link_protocol(version, span)?;
        let mut any: Option<Fragment> = None;
        for protocol in [SCTP, TCP, UDP].into_iter().filter(|p| protocol.is_none_or(|only| only == *p)) {
            let mut carried = self.payload(B, if version == IPV4 { 9 } else { 6 }, protocol, u32::MAX);
            if version == IPV4 {
                let first = self.first_fragment();
                carried = self.both(carried, first);
            }
            let port = self.directed(direction, 0, 2, |g, at| Ok(g.port(version, at, range)))?;
            let one = self.both(carried, port);
            any = Some(match any {
                Some(any) => self.either(any, one),
                None => one,
            });
        }
        let any = any.ok_or_else(|| span.error("no protocol has ports"))?;
        Ok(self.both(linked, any))
    }

    fn port(&mut self, version: u32, at: u32, (is_range, low, high): (bool, u32, u32)) -> Fragment {
        let network = self.headers.network();
        let (behind, at) =
            if version == IPV4 { (Some(network), network + at) } else { (None, network + 40 + at) };
        let load = Value::Load(Load { size: H, behind, at, index: None });
        if !is_range {
            return self.blocks.equal(load, low);
        }
        let least = self.blocks.test(load.clone(), JGE, Value::Constant(low));
        let most = self.blocks.test(load, JGT, Value::Constant(high)).not();
        self.both(least, most)
    }

    /// RFC 791: only the fragment at offset 0 has the transport's header.
    pub(super) fn first_fragment(&mut self) -> Fragment {
        let load = Value::load(H, self.headers.network() + 6);
        self.blocks.test(load, JSET, Value::Constant(0x1fff)).not()
    }

    /// A protocol by its number, in the header of another.
    fn proto(&mut self, number: u32, within: Option<Keyword>, span: Span) -> Result<Fragment> {
        match within {
            None => {
                let four = self.proto(number, Some(Keyword::Ip), span)?;
                let six = self.proto(number, Some(Keyword::Ip6), span)?;
                Ok(self.either(four, six))
            }
            Some(Keyword::Ether) => self.link_protocol(number, span),
            Some(Keyword::Ip) => {
                let four = self.link_protocol(IPV4, span)?;
                let carried = self.payload(B, 9, number, u32::MAX);
                Ok(self.both(four, carried))
            }
            Some(Keyword::Ip6) => {
                let six = self.link_protocol(IPV6, span)?;
                let next = self.payload(B, 6, number, u32::MAX);
                // RFC 8200 4.5: behind a fragment header.
                let fragment = self.payload(B, 6, 44, u32::MAX);
                let behind = self.payload(B, 40, number, u32::MAX);
                let behind = self.both(fragment, behind);
                let carried = self.either(next, behind);
                Ok(self.both(six, carried))
            }
            Some(Keyword::Iso) => {
                let iso = self.link_protocol(0xfe, span)?;
                let carried = self.payload(B, 3, number, u32::MAX);
                Ok(self.both(iso, carried))
            }
            Some(other) => Err(span.error(format!("`{}` names no protocol inside", other.text()))),
        }
    }

    /// A protocol by its name alone.
    pub(super) fn protocol(&mut self, protocol: Keyword, span: Span) -> Result<Fragment> {
        use Keyword::*;
        let (number, within) = match protocol {
            Tcp => (TCP, None),
            Udp => (UDP, None),
            Sctp => (SCTP, None),
            Pim => (103, None),
            Ah => (51, None),
            Esp => (50, None),
            Icmp => (1, Some(Ip)),
            Igmp => (2, Some(Ip)),
            Igrp => (9, Some(Ip)),
            Vrrp | Carp => (112, Some(Ip)),
            Icmp6 => (58, Some(Ip6)),
            Clnp => (0x81, Some(Iso)),
            Esis => (0x82, Some(Iso)),
            Isis => (0x83, Some(Iso)),
            Ether => {
                return Err(span.hint(
                    "every frame has a link header",
                    "write `ether host`, `ether proto` or `ether[0]`",
                ));
            }
            Ip => (IPV4, Some(Ether)),
            Ip6 => (IPV6, Some(Ether)),
            Arp => (ARP, Some(Ether)),
            Rarp => (RARP, Some(Ether)),
            other => (words::ether_protocol(other.text()).unwrap_or(0), Some(Ether)),
        };
        self.proto(number, within, span)
    }

    pub(super) fn broadcast(&mut self, protocol: Option<Keyword>, span: Span) -> Result<Fragment> {
        match protocol {
            None | Some(Keyword::Ether) => self.station([0xff; 6], Some(Direction::Dst), span),
            // No net is known here: all ones and all zeros are broadcasts in every one (RFC 919).
            Some(Keyword::Ip) => {
                let four = self.link_protocol(IPV4, span)?;
                let zeros = self.payload(W, 16, 0, u32::MAX);
                let ones = self.payload(W, 16, u32::MAX, u32::MAX);
                let any = self.either(zeros, ones);
                Ok(self.both(four, any))
            }
            Some(other) => Err(span.error(format!("`{}` has no broadcasts", other.text()))),
        }
    }

    pub(super) fn multicast(&mut self, protocol: Option<Keyword>, span: Span) -> Result<Fragment> {
        match protocol {
            None | Some(Keyword::Ether) if self.headers.outer != Outer::Ethernet => {
                Err(span.hint("this link has no groups", "write `ip multicast` or `ip6 multicast`"))
            }
            // IEEE 802: the group bit is the lowest of the first byte.
            None | Some(Keyword::Ether) => Ok(self.blocks.test(Value::load(B, 0), JSET, Value::Constant(1))),
            Some(Keyword::Ip) => {
                let four = self.link_protocol(IPV4, span)?;
                let first = Value::load(B, self.headers.network() + 16);
                let group = self.blocks.test(first, JGE, Value::Constant(224));
                Ok(self.both(four, group))
            }
            Some(Keyword::Ip6) => {
                let six = self.link_protocol(IPV6, span)?;
                let group = self.payload(B, 24, 0xff, u32::MAX);
                Ok(self.both(six, group))
            }
            Some(other) => Err(span.error(format!("`{}` has no groups", other.text()))),
        }
    }
}

/// A port by its service's name, and the protocol that has it if only one has.
fn port(word: &str, asked: Option<u32>, span: Span) -> Result<(u32, Option<u32>)> {
    let found = words::service(word);
    let (port, tcp, udp) = found.ok_or_else(|| {
        let range = word.contains('-') && word.split('-').all(|part| part.parse::<u16>().is_ok());
        let hint = if range { "write `portrange` for several" } else { "write its number" };
        span.hint(format!("no service `{word}` is known here"), hint)
    })?;
    let only = match (tcp, udp) {
        (true, false) => Some(TCP),
        (false, true) => Some(UDP),
        _ => None,
    };
    match (asked, only) {
        (Some(asked), Some(only)) if asked != only => {
            Err(span.error(format!("`{word}` is a port of {}", if only == TCP { "tcp" } else { "udp" })))
        }
        (Some(SCTP), _) => Err(span.error(format!("`{word}` is no port of sctp"))),
        _ => Ok((port, asked.or(only))),
    }
}

/// `20-30`, `ftp-data-ssh` has no meaning: each side is a number or a service.
fn port_range(word: &str, asked: Option<u32>, span: Span) -> Result<(u32, u32, Option<u32>)> {
    let side = |text: &str| match text.parse() {
        Ok(number) => Ok((number, asked)),
        Err(_) => port(text, asked, span),
    };
    let Some((low, high)) = word.split_once('-') else {
        let (port, protocol) = side(word)?;
        return Ok((port, port, protocol));
    };
    let ((low, first), (high, second)) = (side(low)?, side(high)?);
    // Two services of different protocols: both.
    Ok((low, high, if first == second { first } else { asked }))
}
