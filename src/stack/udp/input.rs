//! The way of a datagram in: checked, its sockets found, their queues filled; and of the errors about what was sent.

use std::net::SocketAddr;

use super::HEADER;
use crate::base::constants::{AF_INET, IPPROTO_UDPLITE, UDP_ENCAP_ESPINUDP};
use crate::base::{Checksum, IfIndex, Reason, SocketId};
use crate::stack::datagram::scoped;
use crate::stack::table::Entry;
use crate::stack::{Cast, Datagram, NetError, Stack, keyed_hash};
use crate::wire::Sum;
use crate::wire::filter::Facts;

/// What a header says.
#[derive(Clone, Copy, Debug)]
struct Head {
    source_port: u16,
    destination_port: u16,
    /// Header and data, in bytes.
    length: usize,
    /// UDP alone: the sender has computed no checksum.
    without_checksum: bool,
    /// UDP-Lite alone: how many bytes the checksum covers, if it is not all.
    partial: Option<u16>,
}

impl Head {
    /// Reads and checks a datagram's header.
    fn of(datagram: &Datagram) -> Result<Self, Reason> {
        let payload = datagram.payload();
        let Some(&[s0, s1, d0, d1, l0, l1, c0, c1]) = payload.first_chunk::<HEADER>() else {
            return Err(Reason::UdpMalformed);
        };
        let lite = i32::from(datagram.protocol) == IPPROTO_UDPLITE;
        let field = u16::from_be_bytes([l0, l1]);
        // RFC 3828 3.1: UDP-Lite has in the place of the length the "Checksum Coverage": "A Checksum Coverage of zero indicates
        // that the entire UDP-Lite packet is covered by the checksum."
        let covered = if lite && field == 0 { payload.len() } else { usize::from(field) };
        if covered < HEADER || covered > payload.len() {
            return Err(Reason::UdpMalformed);
        }
        let length = if lite { payload.len() } else { covered };
        let without_checksum = [c0, c1] == [0, 0];
        // RFC 3828 3.1: "the checksum MUST NOT be transmitted as zero".
        let wrong = if without_checksum {
            lite
        } else if !lite && datagram.frame.checksum != Checksum::Unverified {
            false
        } else {
            let (from, to) = (datagram.source, datagram.destination);
            Sum::pseudo_header(from, to, datagram.protocol, length).with(&payload[..covered]).finish() != 0
        };
        if wrong {
            return Err(Reason::UdpChecksum);
        }
        Ok(Self {
            source_port: u16::from_be_bytes([s0, s1]),
            destination_port: u16::from_be_bytes([d0, d1]),
            length,
            without_checksum,
            partial: (covered < length).then_some(field),
        })
    }
}

/// Whether this socket takes the datagram that has found it (udp_queue_rcv_one_skb).
fn takes(entry: &Entry, head: &Head, payload: &[u8]) -> Result<(), Reason> {
    let options = &entry.options.udp;
    if let (Some(partial), Some(least)) = (head.partial, options.recv_coverage) {
        // "partial coverage %d while full coverage %d requested", "coverage %d too small, need min %d"
        if least == 0 || partial < least {
            return Err(Reason::UdpCoverage);
        }
    }
    if options.encap == UDP_ENCAP_ESPINUDP {
        // RFC 3948 2.3 and 2.2: a keepalive is one byte 0xff; four zero bytes stand in front of what is no ESP. There are no
        // security associations here that an ESP packet could belong to.
        let esp = payload.len() > 8 && payload.first_chunk::<4>() != Some(&[0; 4]);
        if payload == [0xff] || esp {
            return Err(Reason::UdpEncapsulated);
        }
    }
    Ok(())
}

/// The four numbers and the interface by which a datagram finds its socket.
#[derive(Clone, Copy)]
struct Arrival {
    source: SocketAddr,
    destination: SocketAddr,
    interface: IfIndex,
    /// IPPROTO_UDP or IPPROTO_UDPLITE.
    protocol: i32,
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
    pub(in crate::stack) fn udp_input(&mut self, mut datagram: Datagram) {
        let interface = Some(datagram.interface);
        let head = match Head::of(&datagram) {
            Ok(head) => head,
            Err(reason) => return self.net.note(reason, interface, None),
        };
        let arrival = Arrival {
            source: scoped(datagram.source, head.source_port, datagram.interface),
            destination: SocketAddr::new(datagram.destination, head.destination_port),
            interface: datagram.interface,
            protocol: datagram.protocol.into(),
        };
        let mut receivers = match datagram.cast {
            Cast::Unicast => {
                let payload = datagram.payload().get(HEADER..head.length).unwrap_or_default();
                self.udp_receiver(&arrival, payload).into_iter().collect()
            }
            Cast::Broadcast | Cast::Multicast => self.udp_receivers(&arrival),
        };
        if head.without_checksum && datagram.destination.is_ipv6() {
            // RFC 6936 4: a zero checksum is taken by sockets that have been told so (UDP_NO_CHECK6_RX) alone.
            receivers.retain(|id| self.sockets.get(*id).is_ok_and(|entry| entry.options.udp.no_check6_rx));
            if receivers.is_empty() {
                return self.net.note(Reason::UdpChecksum, interface, None);
            }
        }
        if receivers.is_empty() {
            self.net.note(Reason::UdpNoSocket, interface, None);
            if datagram.cast == Cast::Unicast {
                self.net.port_unreachable(&datagram);
            }
            return;
        }
        datagram.frame.truncate(datagram.header + head.length);
        let payload = datagram.payload().get(HEADER..).unwrap_or_default();
        receivers.retain(|id| match self.sockets.get(*id).map(|entry| takes(entry, &head, payload)) {
            Ok(Ok(())) => true,
            Ok(Err(reason)) => {
                self.net.note(reason, interface, Some(*id));
                false
            }
            Err(_) => false,
        });
        let front = datagram.header + HEADER;
        let queued = self.queued(datagram, arrival.source, front);
        self.deliver_to_all(receivers, queued);
    }

    /// The one socket for a unicast datagram: the best fit, of equals the one bound last, of a SO_REUSEPORT group the one
    /// that its program (SO_ATTACH_REUSEPORT_CBPF) says, else the hash of the four numbers.
    fn udp_receiver(&self, arrival: &Arrival, payload: &[u8]) -> Option<SocketId> {
        let fits = self.udp.bound(arrival.protocol).get(arrival.destination.port()).iter().filter_map(|id| {
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
        let program = |id| self.sockets.get(id).ok()?.balance.as_ref();
        if let Some(program) = group.clone().find_map(program) {
            // run_bpf_filter: "temporarily advance data past protocol header".
            let facts = Facts { interface: arrival.interface.0, ..Facts::of_len(payload.len()) };
            let chosen = usize::try_from(program.run(payload, &facts)).ok()?;
            if let Some(id) = group.clone().nth(chosen) {
                return Some(id);
            }
        }
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
                    && (!group.is_multicast()
                        || entry.hears_group(group, arrival.source.ip(), arrival.interface))
            })
        };
        self.udp
            .bound(arrival.protocol)
            .get(arrival.destination.port())
            .iter()
            .filter(hears)
            .copied()
            .collect()
    }

    pub(in crate::stack) fn udp_error(&mut self, error: &NetError) {
        let [s0, s1, d0, d1, ..] = *error.quoted else { return };
        // The lost datagram's source is us: it finds its socket as if its answer had come.
        let arrival = Arrival {
            source: SocketAddr::new(error.destination, u16::from_be_bytes([d0, d1])),
            destination: SocketAddr::new(error.source, u16::from_be_bytes([s0, s1])),
            interface: error.interface.unwrap_or(IfIndex::LO),
            protocol: error.protocol.into(),
        };
        match self.udp_receiver(&arrival, &[]) {
            Some(id) => {
                let data = error.quoted.get(HEADER..).unwrap_or_default();
                self.datagram_error(id, error, arrival.source, data);
            }
            None => self.net.note(Reason::IcmpNotOurs, error.interface, None),
        }
    }
}
