//! UDP (RFC 768): which socket gets a datagram, and how one is sent.

use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};

use super::datagram::{ByPort, Queue, gather, scoped};
use super::table::{Entry, Part};
use super::{Cast, Datagram, NetError, SendTo, Stack, keyed_hash};
use crate::base::constants::{AF_INET, IPPROTO_UDP, MSG_MORE, MSG_OOB};
use crate::base::{Checksum, ControlMessage, Errno, IfIndex, Reason, Result, SocketId};
use crate::wire::checksum::nonzero;
use crate::wire::transport_checksum;

/// Bytes of a UDP header.
const HEADER: usize = 8;

/// What all UDP sockets share.
#[derive(Debug, Default)]
pub(crate) struct Udp {
    pub(super) bound: ByPort,
}

impl Stack {
    /// The sockets that could hear what this one sends to a port, if it wants to hear that none does (IP_RECVERR).
    #[cfg(feature = "cli")]
    pub(crate) fn hearers(&self, from: SocketId, port: u16) -> Vec<SocketId> {
        let asks = |entry: &Entry| entry.options.recv_error || entry.options.recv_error6;
        match self.sockets.get(from) {
            Ok(entry) if matches!(entry.protocol_part, Part::Udp(_)) && asks(entry) => {
                self.udp.bound.get(port).to_vec()
            }
            _ => Vec::new(),
        }
    }
}

/// What a UDP socket has of its own.
#[derive(Debug, Default)]
pub(crate) struct UdpSocket {
    pub(crate) queue: Queue,
    /// Under MSG_MORE or UDP_CORK: the datagram that grows.
    corked: Option<Corked>,
}

/// A datagram that is not finished.
#[derive(Debug)]
struct Corked {
    to: SocketAddr,
    data: Vec<u8>,
    control: Vec<ControlMessage>,
}

/// The four numbers and the interface by which a datagram finds its socket.
#[derive(Clone, Copy)]
struct Arrival {
    source: SocketAddr,
    destination: SocketAddr,
    interface: IfIndex,
}

/// How well the socket fits (compute_score of Linux): `None` = not at all. Who names an address, a peer or a device gets
/// before those who don't; a bound address counts more than everything else together.
fn score(entry: &Entry, arrival: &Arrival) -> Option<u32> {
    let local = entry.local?;
    let destination = arrival.destination.ip();
    let v4 = destination.is_ipv4();
    if v4 && entry.domain != AF_INET && entry.options.v6only || !v4 && entry.domain == AF_INET {
        return None;
    }
    let mut score = 0;
    if local.ip() == destination {
        score += 100;
    } else if !local.ip().is_unspecified() || (local.is_ipv4() && !v4) {
        return None;
    }
    if entry.domain == AF_INET {
        score += 1;
    }
    if let Some(remote) = entry.remote {
        if remote.ip() != arrival.source.ip()
            || (remote.port() != 0 && remote.port() != arrival.source.port())
        {
            return None;
        }
        score += if remote.port() != 0 { 8 } else { 4 };
    }
    if let Some(device) = entry.device {
        if device != arrival.interface {
            return None;
        }
        score += 4;
    }
    Some(score)
}

impl Stack {
    pub(super) fn udp_input(&mut self, mut datagram: Datagram) {
        let interface = Some(datagram.interface);
        let Some((source_port, destination_port, length)) = self.udp_check(&datagram) else { return };
        let arrival = Arrival {
            source: scoped(datagram.source, source_port, datagram.interface),
            destination: SocketAddr::new(datagram.destination, destination_port),
            interface: datagram.interface,
        };
        let receivers = match datagram.cast {
            Cast::Unicast => self.udp_receiver(&arrival).into_iter().collect(),
            Cast::Broadcast | Cast::Multicast => self.udp_receivers(&arrival),
        };
        if receivers.is_empty() {
            self.net.note(Reason::UdpNoSocket, interface, None);
            if datagram.cast == Cast::Unicast {
                self.net.port_unreachable(&datagram);
            }
            return;
        }
        datagram.frame.truncate(datagram.header + length);
        let front = datagram.header + HEADER;
        let queued = self.queued(datagram, arrival.source, front);
        self.deliver_to_all(receivers, queued);
    }

    /// Source port, destination port, length with header; `None` if the datagram is not well-formed.
    fn udp_check(&mut self, datagram: &Datagram) -> Option<(u16, u16, usize)> {
        let payload = datagram.payload();
        let verdict = match *payload {
            [s0, s1, d0, d1, l0, l1, c0, c1, ..] => {
                let length = usize::from(u16::from_be_bytes([l0, l1]));
                let sum = u16::from_be_bytes([c0, c1]);
                if length < HEADER || length > payload.len() {
                    Err(Reason::UdpMalformed)
                } else if sum == 0 && datagram.source.is_ipv6() {
                    // RFC 8200 8.1: "IPv6 receivers must discard UDP packets containing a zero checksum".
                    Err(Reason::UdpChecksum)
                } else if sum != 0
                    && datagram.frame.checksum == Checksum::Unverified
                    && transport_checksum(
                        datagram.source,
                        datagram.destination,
                        IPPROTO_UDP as u8,
                        &payload[..length],
                    ) != 0
                {
                    Err(Reason::UdpChecksum)
                } else {
                    Ok((u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]), length))
                }
            }
            _ => Err(Reason::UdpMalformed),
        };
        verdict.map_err(|reason| self.net.note(reason, Some(datagram.interface), None)).ok()
    }

    /// The one socket for a unicast datagram: the best fit, of equals the one bound last, of a SO_REUSEPORT group the one
    /// that the hash of the four numbers says.
    fn udp_receiver(&self, arrival: &Arrival) -> Option<SocketId> {
        let fits = self.udp.bound.get(arrival.destination.port()).iter().filter_map(|id| {
            let entry = self.sockets.get(*id).ok()?;
            let balanced = entry.options.reuse_port && entry.remote.is_none();
            Some((score(entry, arrival)?, *id, balanced))
        });
        // Of equals `max_by_key` gives the last.
        let (best, last, balanced) = fits.clone().max_by_key(|(score, ..)| *score)?;
        if !balanced {
            return Some(last);
        }
        let mut group = fits.filter(|(score, _, balanced)| *score == best && *balanced).map(|(_, id, _)| id);
        let hash = keyed_hash(&self.net.config.secret, (arrival.source, arrival.destination));
        let members = group.clone().count() as u64;
        group.nth(usize::try_from(hash % members.max(1)).ok()?)
    }

    /// Everybody who hears this broadcast or multicast (__udp_is_mcast_sock).
    fn udp_receivers(&self, arrival: &Arrival) -> Vec<SocketId> {
        let group = arrival.destination.ip();
        let hears = |id: &&SocketId| {
            self.sockets.get(**id).is_ok_and(|entry| {
                score(entry, arrival).is_some()
                    && (!group.is_multicast() || entry.hears_group(group, arrival.interface))
            })
        };
        self.udp.bound.get(arrival.destination.port()).iter().filter(hears).copied().collect()
    }

    pub(super) fn udp_error(&mut self, error: &NetError) {
        let [s0, s1, d0, d1, ..] = *error.quoted else { return };
        // The lost datagram's source is us: it finds its socket as if its answer had come.
        let arrival = Arrival {
            source: SocketAddr::new(error.destination, u16::from_be_bytes([d0, d1])),
            destination: SocketAddr::new(error.source, u16::from_be_bytes([s0, s1])),
            interface: error.interface.unwrap_or(IfIndex::LO),
        };
        match self.udp_receiver(&arrival) {
            Some(id) => {
                let data = error.quoted.get(HEADER..).unwrap_or_default();
                self.datagram_error(id, error, arrival.source, data);
            }
            None => self.net.note(Reason::IcmpNotOurs, error.interface, None),
        }
    }

    /// sendmsg(2). The destination is one of the socket's family, IPv4-mapped ones as IPv4.
    pub(super) fn udp_send(
        &mut self,
        id: SocketId,
        data: &[IoSlice<'_>],
        to: Option<SocketAddr>,
        how: &SendTo<'_>,
    ) -> Result<usize> {
        let length = super::datagram::length(data)?;
        let entry = self.sockets.get_mut(id)?;
        let more = how.flags & MSG_MORE != 0 || entry.options.udp_cork;
        if entry.corked()?.is_some() {
            return self.udp_append(id, data, more).map(|()| length);
        }
        let to = match to {
            Some(to) if to.port() == 0 => return Err(Errno::EINVAL.because(Reason::NoDestination)),
            Some(to) => to,
            None => entry.remote.ok_or(Errno::EDESTADDRREQ.because(Reason::NoDestination))?,
        };
        if how.flags & MSG_OOB != 0 && to.is_ipv4() {
            // udp_sendmsg refuses it; udpv6_sendmsg does not look.
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        if more {
            *entry.corked()? = Some(Corked { to, data: Vec::new(), control: how.control.to_vec() });
            return self.udp_append(id, data, true).map(|()| length);
        }
        self.udp_out(id, data, length, to, how.control)?;
        Ok(length)
    }

    /// Adds to the datagram that is not finished; sends it unless more is to come.
    fn udp_append(&mut self, id: SocketId, data: &[IoSlice<'_>], more: bool) -> Result<()> {
        let Some(corked) = self.sockets.get_mut(id)?.corked()? else { return Ok(()) };
        let length = corked.data.len() + data.iter().map(|slice| slice.len()).sum::<usize>();
        if length + HEADER > 0xffff {
            // ip_append_data: the whole of it is lost.
            *self.sockets.get_mut(id)?.corked()? = None;
            return Err(Errno::EMSGSIZE.because(Reason::MessageTooLong));
        }
        for slice in data {
            corked.data.extend_from_slice(slice);
        }
        if more { Ok(()) } else { self.udp_push(id) }
    }

    /// UDP_CORK has changed: switched off, what was kept leaves.
    pub(super) fn udp_uncork(&mut self, id: SocketId) -> Result<()> {
        if self.sockets.get(id)?.options.udp_cork { Ok(()) } else { self.udp_push(id) }
    }

    fn udp_push(&mut self, id: SocketId) -> Result<()> {
        let Some(corked) = self.sockets.get_mut(id)?.corked()?.take() else { return Ok(()) };
        let length = corked.data.len();
        self.udp_out(id, &[IoSlice::new(&corked.data)], length, corked.to, &corked.control)
    }

    /// Makes the datagram and sends it.
    fn udp_out(
        &mut self,
        id: SocketId,
        data: &[IoSlice<'_>],
        length: usize,
        to: SocketAddr,
        control: &[ControlMessage],
    ) -> Result<()> {
        let way = self.datagram_way(id, to, control)?;
        self.may_send(id)?;
        let source_port = self.sockets.get(id)?.local.map_or(0, |local| local.port());
        let total = HEADER + length;
        let mut frame = self.net.pool.frame(total);
        let Ok(wire_length) = u16::try_from(total) else {
            // datagram_out refuses it, with an entry in the error queue.
            return self.datagram_out(id, frame, way);
        };
        let bytes = frame.bytes_mut();
        bytes[0..2].copy_from_slice(&source_port.to_be_bytes());
        bytes[2..4].copy_from_slice(&to.port().to_be_bytes());
        bytes[4..6].copy_from_slice(&wire_length.to_be_bytes());
        bytes[6..8].fill(0);
        gather(&mut bytes[HEADER..], data);
        let sum = transport_checksum(way.head.source, way.head.destination, IPPROTO_UDP as u8, bytes);
        bytes[6..8].copy_from_slice(&nonzero(sum).to_be_bytes());
        self.datagram_out(id, frame, way)
    }
}

impl Entry {
    /// The unfinished datagram of a UDP socket.
    fn corked(&mut self) -> Result<&mut Option<Corked>> {
        match &mut self.protocol_part {
            Part::Udp(udp) => Ok(&mut udp.corked),
            _ => Err(Errno::EOPNOTSUPP.because(Reason::WrongKind)),
        }
    }

    /// True if a datagram to this group reaches the socket: it has joined, or hears all (IP_MULTICAST_ALL).
    pub(super) fn hears_group(&self, group: IpAddr, interface: IfIndex) -> bool {
        let joined = |m: &&super::table::Membership| m.group == group;
        match group {
            // ip_mc_sf_allow
            IpAddr::V4(_) => {
                self.memberships.iter().filter(joined).any(|m| m.interface == interface)
                    || self.options.multicast_all
            }
            // inet6_mc_check
            IpAddr::V6(_) => self.memberships.iter().any(|m| m.group == group) || self.options.multicast_all6,
        }
    }
}
