//! Probes out, answers in: what traceroute and scan share. Whole packets leave through a raw socket; what comes back is seen by a
//! packet socket, whatever the stack itself does with it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::batch::{Batch, Tally};
use super::sniffer::Sniffer;
use crate::base::constants::*;
use crate::base::{Errno, IfIndex, Instant, LinkAddr, Result};
use crate::driver::Host;
use crate::socket::Socket;
use crate::wire::packet::{Layer, Nowhere, Packet, ipv4, ipv6};
use crate::wire::{checksum, transport_checksum};

/// The two sockets of a probing tool, for one IP version.
#[derive(Debug)]
pub(super) struct Exchange {
    out: Socket,
    batch: Batch,
    back: Sniffer,
}

impl Exchange {
    /// For targets of the IP version of `target`, hearing answers that this filter of pcap-filter(7) lets through.
    pub(super) fn new(host: &Host, target: IpAddr, filter: &str) -> Result<Self> {
        let (family, ethertype) = if target.is_ipv4() { (AF_INET, ETH_P_IP) } else { (AF_INET6, ETH_P_IPV6) };
        let back = Sniffer::new(host, SOCK_DGRAM, LinkAddr::bind(IfIndex(0), ethertype), filter)?;
        Ok(Self { out: host.socket(family, SOCK_RAW, IPPROTO_RAW)?, batch: Batch::default(), back })
    }

    /// The host that probes.
    pub(super) fn host(&self) -> &Host {
        self.out.host()
    }

    /// Takes a packet, to be sent to where its header says with [`Exchange::flush`].
    pub(super) fn queue(&mut self, packet: &[u8]) {
        self.batch.push(packet);
    }

    /// Sends what was taken: how many packets left. What does not (the neighbour is dead, the device full) is as good as lost.
    pub(super) fn flush(&mut self) -> Result<u64> {
        let mut tally = Tally::default();
        self.batch.flush(&self.out, Instant::FAR, &mut tally)?;
        match tally.errors.into_iter().find(|(error, _)| !lost(error.errno())) {
            Some((error, _)) => Err(error),
            None => Ok(tally.sent),
        }
    }

    /// The answers that are there, after waiting for the first one no longer than `patience`. How many packets came, answers or not.
    pub(super) fn hear(
        &self,
        patience: Duration,
        mut each: impl FnMut(Instant, &Heard<'_>),
    ) -> Result<usize> {
        let packets = self.back.hear(patience)?;
        for captured in &packets {
            if let Some(heard) = Heard::read(captured.frame.bytes()).filter(Heard::is_whole) {
                each(captured.frame.time, &heard);
            }
        }
        Ok(packets.len())
    }
}

/// Errors that say no more than that one packet went astray.
const fn lost(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EHOSTUNREACH | Errno::ECONNREFUSED | Errno::ENOBUFS | Errno::EAGAIN | Errno::EHOSTDOWN
    )
}

/// A port of ours for as long as the socket lives: no program on the host gets it meanwhile, and of UDP no answer to it is refused.
pub(super) fn reserve(host: &Host, source: IpAddr, kind: i32) -> Result<(Socket, u16)> {
    let socket = host.socket(if source.is_ipv4() { AF_INET } else { AF_INET6 }, kind, 0)?;
    socket.bind(SocketAddr::new(source, 0))?;
    let port = socket.getsockname()?.inet().map_or(0, |address| address.port());
    Ok((socket, port))
}

/// Our address on the way to `target`, and the largest packet of that way.
///
/// # Errors
/// ENETUNREACH, and what else connect(2) has of UDP.
pub(super) fn way(host: &Host, target: IpAddr) -> Result<(IpAddr, usize)> {
    let (family, level, name) = match target {
        IpAddr::V4(_) => (AF_INET, IPPROTO_IP, IP_MTU),
        IpAddr::V6(_) => (AF_INET6, IPPROTO_IPV6, IPV6_MTU),
    };
    let socket = host.socket(family, SOCK_DGRAM, 0)?;
    socket.connect(SocketAddr::new(target, 9))?;
    let source = socket.getsockname()?.inet().ok_or(Errno::EADDRNOTAVAIL)?.ip();
    Ok((source, usize::try_from(socket.getsockopt(level, name)?).unwrap_or(0)))
}

/// The header of a probe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) ttl: u8,
    pub(super) tos: u8,
    pub(super) dont_fragment: bool,
}

impl Header {
    /// The packet with this in it, as bytes. The stack fills IPv4's identification in.
    pub(super) fn around(&self, inside: impl Into<Packet>) -> Result<Vec<u8>> {
        let Self { source, destination, ttl, tos, dont_fragment } = *self;
        let header: Layer = match destination {
            IpAddr::V4(_) => ipv4().id(0).tos(tos).flags(if dont_fragment { 2 } else { 0 }),
            IpAddr::V6(_) => ipv6().set("tc", tos),
        };
        let packet = Packet::from(header.src(source).dst(destination).set("ttl", ttl)) / inside.into();
        Ok(packet.build(&Nowhere)?.bytes)
    }
}

/// An IP packet that came, or the beginning of one that an ICMP error quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) protocol: u8,
    pub(super) ttl: u8,
    /// What is behind the header, as far as it is there.
    pub(super) inside: &'a [u8],
    /// Its length as the header tells it.
    len: usize,
}

impl<'a> Heard<'a> {
    /// IPv6 extension headers are not looked behind: probes have none, and answers of hosts neither.
    pub(super) fn read(packet: &'a [u8]) -> Option<Self> {
        let word =
            |at: usize| Some(usize::from(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?])));
        if packet.first()? >> 4 == 6 {
            let address = |at: usize| Some(Ipv6Addr::from(*packet.get(at..)?.first_chunk::<16>()?));
            let (source, destination) = (address(8)?.into(), address(24)?.into());
            let (inside, len) = (packet.get(40..)?, word(4)?);
            return Some(Self { source, destination, protocol: packet[6], ttl: packet[7], inside, len });
        }
        let address = |at: usize| Some(Ipv4Addr::from(*packet.get(at..)?.first_chunk::<4>()?));
        let (source, destination) = (address(12)?.into(), address(16)?.into());
        let header = usize::from(packet[0] & 0xf) * 4;
        let (inside, len) = (packet.get(header..)?, word(2)?.checked_sub(header)?);
        Some(Self { source, destination, protocol: packet[9], ttl: packet[8], inside, len })
    }

    /// Every byte is there, and the transport's checksum is right (UDP over IPv4 may have none).
    pub(super) fn is_whole(&self) -> bool {
        let Some(inside) = self.inside.get(..self.len) else { return false };
        match i32::from(self.protocol) {
            IPPROTO_UDP if self.source.is_ipv4() && inside.get(6..8) == Some(&[0, 0]) => true,
            IPPROTO_ICMP => checksum(inside) == 0,
            _ => transport_checksum(self.source, self.destination, self.protocol, inside) == 0,
        }
    }

    /// Two bytes behind the header as a number.
    pub(super) fn u16(&self, at: usize) -> Option<u16> {
        self.inside.get(at..)?.first_chunk().map(|two| u16::from_be_bytes(*two))
    }

    /// Four bytes behind the header as a number.
    pub(super) fn u32(&self, at: usize) -> Option<u32> {
        self.inside.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
    }

    /// It is ICMP of its IP version.
    pub(super) fn is_icmp(&self) -> bool {
        let icmp = if self.source.is_ipv4() { IPPROTO_ICMP } else { IPPROTO_ICMPV6 };
        i32::from(self.protocol) == icmp
    }

    /// The echo reply that it is: identifier and sequence number.
    pub(super) fn echo_reply(&self) -> Option<(u16, u16)> {
        let reply = if self.source.is_ipv4() { 0 } else { 129 };
        (self.is_icmp() && self.inside.first() == Some(&reply)).then_some((self.u16(4)?, self.u16(6)?))
    }

    /// The ICMP error that it is, with the packet that it is about.
    pub(super) fn error(&self) -> Option<(Refusal, Self)> {
        if !self.is_icmp() {
            return None;
        }
        let (kind, code) = (*self.inside.first()?, *self.inside.get(1)?);
        // RFC 1191 4, RFC 4443 3.2: where the next hop's MTU stands.
        let refusal = match (self.source, kind, code) {
            (IpAddr::V4(_), 11, 0) | (IpAddr::V6(_), 3, 0) => Refusal::TimeExceeded,
            (IpAddr::V4(_), 3, 4) => Refusal::TooBig(self.u16(6)?.into()),
            (IpAddr::V6(_), 2, _) => Refusal::TooBig(self.u32(4)? as usize),
            (IpAddr::V4(_), 3, 3) | (IpAddr::V6(_), 1, 4) => Refusal::Port,
            (IpAddr::V4(_), 3, 0 | 6 | 11) | (IpAddr::V6(_), 1, 0) => Refusal::Network,
            (IpAddr::V4(_), 3, 1 | 7 | 8 | 12) | (IpAddr::V6(_), 1, 3) => Refusal::Host,
            (IpAddr::V4(_), 3, 2) | (IpAddr::V6(_), 4, 1) => Refusal::Protocol,
            (IpAddr::V4(_), 3, 5) => Refusal::SourceRoute,
            (IpAddr::V4(_), 3, 9 | 10 | 13) | (IpAddr::V6(_), 1, 1 | 5 | 6) => Refusal::Prohibited,
            (IpAddr::V4(_), 3, _) | (IpAddr::V6(_), 1, _) => Refusal::Other(code),
            _ => return None,
        };
        Some((refusal, Self::read(self.inside.get(8..)?)?))
    }
}

/// What an ICMP error says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It met as many routers as its time to live allows.
    TimeExceeded,
    /// It is larger than the next link takes: that many bytes (0: an old router that does not say).
    TooBig(usize),
    /// No program listens at the port.
    Port,
    /// No way to the network.
    Network,
    /// No way to the host.
    Host,
    /// The host does not speak the protocol.
    Protocol,
    /// The source route failed.
    SourceRoute,
    /// A filter forbids it.
    Prohibited,
    /// Another code of "unreachable".
    Other(u8),
}
