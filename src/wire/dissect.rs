//! A frame taken apart, from Ethernet up. Whatever the bytes are, it gives what could be read and a [`Note`] about the rest.

use std::net::IpAddr;

use super::can::{CanFdFrame, CanFrame};
use super::checksum::{checksum, transport_checksum};
use super::cursor::Cursor;
use super::icmp::Icmp;
use super::transport::{Tcp, Udp};
use crate::base::{LinkType, Mac};

/// What a frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dissected {
    /// The Ethernet header, if the link has one.
    pub ethernet: Option<Ethernet>,
    /// What is behind it.
    pub network: Network,
    /// What is wrong with the frame.
    pub notes: Vec<Note>,
}

/// An Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ethernet {
    /// The station that sent the frame.
    pub source: Mac,
    /// The station, or group, that it is for.
    pub destination: Mac,
    /// The type behind VLAN tags.
    pub ethertype: u16,
    /// The outermost 802.1Q tag's VLAN.
    pub vlan: Option<u16>,
}

/// What a frame carries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Network {
    /// Nothing that could be read.
    Nothing,
    /// RFC 826.
    Arp(Arp),
    /// IPv4 or IPv6.
    Ip(Ip),
    /// A frame of a CAN bus.
    Can(CanFrame),
    /// A frame of CAN FD.
    CanFd(CanFdFrame),
    /// Another type; `len` bytes.
    Other {
        /// The ethertype, or the length of an 802.3 frame.
        ethertype: u16,
        /// Bytes behind the header.
        len: usize,
    },
}

/// An ARP packet for IPv4 over Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// 1 request, 2 reply.
    pub operation: u16,
    /// Who sends it.
    pub sender: (Mac, std::net::Ipv4Addr),
    /// Who is asked for, or answered.
    pub target: (Mac, std::net::Ipv4Addr),
}

/// An IP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Who sent it.
    pub source: IpAddr,
    /// Whom it is for.
    pub destination: IpAddr,
    /// IPPROTO_*, of IPv6 behind the extension headers.
    pub protocol: u8,
    /// Time to live, hop limit.
    pub ttl: u8,
    /// Type of service, traffic class.
    pub tos: u8,
    /// Of a fragment: which one.
    pub fragment: Option<Fragment>,
    /// The extension headers of IPv6 in their order; `options` of IPv4.
    pub extensions: Vec<&'static str>,
    /// Bytes behind the headers, as the header counts them.
    pub len: usize,
    /// What they are.
    pub transport: Transport,
}

/// A fragment's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The same number in all fragments of a datagram.
    pub id: u32,
    /// Of its first byte in the datagram.
    pub offset: usize,
    /// Others follow.
    pub more: bool,
}

/// What an IP packet carries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// RFC 9293.
    Tcp(Tcp),
    /// RFC 768.
    Udp(Udp),
    /// ICMP, ICMPv6 (NDP and MLD with it), IGMP.
    Icmp(Icmp),
    /// Another protocol, a later fragment, or too few bytes.
    Other,
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// The bytes end before this header or payload does.
    Truncated(&'static str),
    /// The checksum of this layer.
    BadChecksum(&'static str),
    /// A field has a value that it can't have.
    Malformed(&'static str),
}

const ARP: u16 = 0x0806;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: [u16; 2] = [0x8100, 0x88a8];

impl Dissected {
    /// Takes a frame apart.
    pub fn of(link: LinkType, bytes: &[u8]) -> Self {
        let mut this = Self { ethernet: None, network: Network::Nothing, notes: Vec::new() };
        let mut at = Cursor::new(bytes);
        if link == LinkType::Ethernet {
            match ethernet(&mut at) {
                Some(header) => this.ethernet = Some(header),
                None => {
                    this.notes.push(Note::Truncated("Ethernet"));
                    return this;
                }
            }
        }
        if link == LinkType::Can {
            let classic = CanFrame::from_bytes(bytes).map(Network::Can);
            match classic.or_else(|_| CanFdFrame::from_bytes(bytes).map(Network::CanFd)) {
                Ok(network) => this.network = network,
                Err(_) => this.notes.push(Note::Truncated("CAN")),
            }
            return this;
        }
        let ethertype = match (this.ethernet, bytes.first().map(|b| b >> 4)) {
            (Some(header), _) => header.ethertype,
            (None, Some(4)) => IPV4,
            (None, Some(6)) => IPV6,
            (None, _) => 0,
        };
        let notes = &mut this.notes;
        let (network, name) = match ethertype {
            ARP => (arp(at), "ARP"),
            IPV4 => (ipv4(at, notes).map(Network::Ip), "IP"),
            IPV6 => (ipv6(at, notes).map(Network::Ip), "IP6"),
            _ => (Some(Network::Other { ethertype, len: at.rest().len() }), ""),
        };
        match network {
            Some(network) => this.network = network,
            None if notes.is_empty() => notes.push(Note::Truncated(name)),
            None => {}
        }
        this
    }

    /// The IP packet, if there is one.
    pub fn ip(&self) -> Option<&Ip> {
        if let Network::Ip(ip) = &self.network { Some(ip) } else { None }
    }

    /// The IP packet and its TCP segment, if there is one.
    pub fn tcp(&self) -> Option<(&Ip, &Tcp)> {
        let ip = self.ip()?;
        if let Transport::Tcp(tcp) = &ip.transport { Some((ip, tcp)) } else { None }
    }
}

impl Ip {
    /// True of IPv4.
    pub const fn is_ipv4(&self) -> bool {
        self.source.is_ipv4()
    }

    /// True if this is a fragment other than the first.
    pub fn is_later_fragment(&self) -> bool {
        self.fragment.is_some_and(|f| f.offset > 0)
    }

    /// The ports of TCP or UDP, source first.
    pub const fn ports(&self) -> Option<(u16, u16)> {
        match &self.transport {
            Transport::Tcp(tcp) => Some((tcp.source_port, tcp.destination_port)),
            Transport::Udp(udp) => Some((udp.source_port, udp.destination_port)),
            _ => None,
        }
    }
}

fn ethernet(at: &mut Cursor<'_>) -> Option<Ethernet> {
    let (destination, source, mut ethertype) = (at.mac()?, at.mac()?, at.u16()?);
    let mut vlan = None;
    while VLAN.contains(&ethertype) {
        let tag = at.u16()?;
        vlan = vlan.or(Some(tag & 0xfff));
        ethertype = at.u16()?;
    }
    Some(Ethernet { source, destination, ethertype, vlan })
}

fn arp(mut at: Cursor<'_>) -> Option<Network> {
    let len = at.rest().len();
    // RFC 826: hardware 1 (Ethernet) and protocol 0x0800, with addresses of six and four bytes.
    if (at.u16()?, at.u16()?, at.u8()?, at.u8()?) != (1, IPV4, 6, 4) {
        return Some(Network::Other { ethertype: ARP, len });
    }
    let operation = at.u16()?;
    let sender = (at.mac()?, at.ipv4()?);
    Some(Network::Arp(Arp { operation, sender, target: (at.mac()?, at.ipv4()?) }))
}

fn ipv4(mut at: Cursor<'_>, notes: &mut Vec<Note>) -> Option<Ip> {
    let packet = at.rest();
    let first = at.u8()?;
    let header_len = usize::from(first & 0xf) * 4;
    if first >> 4 != 4 || header_len < 20 {
        notes.push(Note::Malformed("IP version or header length"));
        return None;
    }
    let tos = at.u8()?;
    let total = usize::from(at.u16()?);
    let id = u32::from(at.u16()?);
    let place = at.u16()?;
    let (ttl, protocol, _checksum) = (at.u8()?, at.u8()?, at.u16()?);
    let (source, destination) = (at.ipv4()?.into(), at.ipv4()?.into());
    let header = packet.get(..header_len)?;
    if checksum(header) != 0 {
        notes.push(Note::BadChecksum("IP"));
    }
    let (offset, more) = (usize::from(place & 0x1fff) * 8, place & 0x2000 != 0);
    let mut ip = Ip {
        source,
        destination,
        protocol,
        ttl,
        tos,
        fragment: (offset > 0 || more).then_some(Fragment { id, offset, more }),
        extensions: if header_len > 20 { vec!["options"] } else { Vec::new() },
        len: total.saturating_sub(header_len),
        transport: Transport::Other,
    };
    if total < header_len {
        notes.push(Note::Malformed("IP length"));
        return Some(ip);
    }
    transport(&mut ip, &packet[header_len..], notes);
    Some(ip)
}

fn ipv6(mut at: Cursor<'_>, notes: &mut Vec<Note>) -> Option<Ip> {
    let first = at.u32()?;
    if first >> 28 != 6 {
        notes.push(Note::Malformed("IP6 version"));
        return None;
    }
    let mut len = usize::from(at.u16()?);
    let (mut protocol, ttl) = (at.u8()?, at.u8()?);
    let (source, destination) = (at.ipv6()?.into(), at.ipv6()?.into());
    let (mut extensions, mut fragment) = (Vec::new(), None);
    // RFC 8200 4.1: extension headers follow one another, each naming the next.
    while let Some(name) = extension(protocol) {
        if fragment.is_some_and(|f: Fragment| f.offset > 0) {
            break;
        }
        let mut header = at;
        let (Some(next), Some(units)) = (header.u8(), header.u8()) else {
            notes.push(Note::Truncated(name));
            break;
        };
        let size = match protocol {
            44 => 8,
            51 => (usize::from(units) + 2) * 4,
            _ => (usize::from(units) + 1) * 8,
        };
        if protocol == 44
            && let (Some(place), Some(id)) = (header.u16(), header.u32())
        {
            let (offset, more) = (usize::from(place & !7), place & 1 != 0);
            // RFC 6946: a datagram in one "atomic" fragment is whole.
            fragment = (offset > 0 || more).then_some(Fragment { id, offset, more });
        } else {
            extensions.push(name);
        }
        if at.take(size).is_none() {
            notes.push(Note::Truncated(name));
            break;
        }
        (protocol, len) = (next, len.saturating_sub(size));
    }
    let mut ip = Ip {
        source,
        destination,
        protocol,
        ttl,
        tos: (first >> 20) as u8,
        fragment,
        extensions,
        len,
        transport: Transport::Other,
    };
    if notes.is_empty() {
        transport(&mut ip, at.rest(), notes);
    }
    Some(ip)
}

const fn extension(protocol: u8) -> Option<&'static str> {
    Some(match protocol {
        0 => "hop-by-hop",
        43 => "routing",
        44 => "fragment",
        51 => "AH",
        60 => "destination options",
        _ => return None,
    })
}

/// Reads what is behind the IP headers; `bytes` may be longer (Ethernet's padding) or shorter (a cut capture) than `ip.len`.
fn transport(ip: &mut Ip, bytes: &[u8], notes: &mut Vec<Note>) {
    if ip.is_later_fragment() {
        return;
    }
    let payload = bytes.get(..ip.len);
    let at = Cursor::new(payload.unwrap_or(bytes));
    let (transport, name) = match (ip.protocol, ip.is_ipv4()) {
        (6, _) => (Tcp::read(at, ip.len).map(Transport::Tcp), "TCP"),
        (17, _) => (Udp::read(at).map(Transport::Udp), "UDP"),
        (1, true) => (Icmp::read(at, ip.len).map(Transport::Icmp), "ICMP"),
        (58, false) => (Icmp::read6(at, ip.len).map(Transport::Icmp), "ICMP6"),
        (2, true) => (Icmp::read_igmp(at, ip.len).map(Transport::Icmp), "IGMP"),
        _ => (Some(Transport::Other), "data"),
    };
    match (transport, payload) {
        (None, _) => notes.push(Note::Truncated(name)),
        (Some(transport), None) => {
            ip.transport = transport;
            notes.push(Note::Truncated(name));
        }
        (Some(transport), Some(payload)) => {
            ip.transport = transport;
            if ip.fragment.is_none() && !sum_is_right(ip, payload) {
                notes.push(Note::BadChecksum(name));
            }
        }
    }
}

fn sum_is_right(ip: &Ip, payload: &[u8]) -> bool {
    match &ip.transport {
        // RFC 768: an all zero checksum means that the sender made none (IPv4 only, RFC 8200 8.1).
        Transport::Udp(udp) if udp.checksum == 0 => ip.is_ipv4(),
        Transport::Udp(udp) => {
            // RFC 768: the length includes the header; what is behind it is not UDP's.
            let payload = payload.get(..usize::from(udp.length)).unwrap_or(payload);
            transport_checksum(ip.source, ip.destination, ip.protocol, payload) == 0
        }
        Transport::Icmp(_) if ip.is_ipv4() => checksum(payload) == 0,
        Transport::Tcp(_) | Transport::Icmp(_) => {
            transport_checksum(ip.source, ip.destination, ip.protocol, payload) == 0
        }
        Transport::Other => true,
    }
}
