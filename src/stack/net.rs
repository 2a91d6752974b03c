//! The lower half of the stack as the transports see it: link/ and ip/ behind one struct.
//!
//! Down: [`Net::send`] (a payload gets its IP header here) and [`Net::send_packet`] (the header is there). Up: [`Inbound`].

use std::collections::VecDeque;
use std::net::IpAddr;

use super::{Config, Log};
use crate::base::{Cidr, Errno, Error, Frame, IfIndex, Instant, Mac, Pool, Reason};

/// How a destination address is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cast {
    Unicast,
    Broadcast,
    Multicast,
}

/// A datagram for this host: whole, its IP header checked. `frame.bytes()` begin with the IP header.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) frame: Frame,
    /// Bytes in front of the payload: the IP header, of IPv6 with its extension headers.
    pub(crate) header: usize,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// Of the payload (of IPv6: behind the extension headers).
    pub(crate) protocol: u8,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    pub(crate) interface: IfIndex,
    pub(crate) cast: Cast,
}

impl Datagram {
    /// What is behind the IP header.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.frame.bytes()[self.header..]
    }
}

/// An error about a packet that this host sent: an ICMP message, or a neighbour that does not answer.
#[derive(Clone, Debug)]
pub(crate) struct NetError {
    /// What Linux makes of it (icmp_err_convert in RFC 1122 3.2.2's terms).
    pub(crate) errno: Errno,
    pub(crate) reason: Reason,
    /// The lost packet's source (ours) and destination.
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    /// What is quoted of the lost packet from its transport header on: at least 8 bytes, else the error is dropped.
    pub(crate) quoted: Vec<u8>,
    /// SO_EE_ORIGIN_*: 1 local, 2 ICMP, 3 ICMPv6.
    pub(crate) origin: u8,
    pub(crate) kind: u8,
    pub(crate) code: u8,
    /// The MTU of "too big", else 0. Already clamped: at least 552 (IPv4), 1280 (IPv6).
    pub(crate) info: u32,
    pub(crate) offender: Option<IpAddr>,
    pub(crate) interface: Option<IfIndex>,
    /// False for what RFC 1122 4.2.3.9 calls soft (host and net unreachable, time exceeded, too big).
    pub(crate) hard: bool,
}

/// What the lower half has for the transports.
#[derive(Debug)]
pub(crate) enum Inbound {
    Datagram(Datagram),
    Error(NetError),
    /// This local address was removed: its connections end.
    AddressGone(IpAddr),
}

/// What a socket asks of the way: nothing, an interface (SO_BINDTODEVICE), a source address (bind).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hints {
    pub(crate) interface: Option<IfIndex>,
    pub(crate) source: Option<IpAddr>,
}

/// The way to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// Where it goes out; `lo` for this host's own addresses.
    pub(crate) interface: IfIndex,
    /// The neighbour that gets the frame: the gateway, or the destination itself.
    pub(crate) next_hop: IpAddr,
    /// The source address to use.
    pub(crate) source: IpAddr,
    /// The interface's MTU.
    pub(crate) link_mtu: usize,
    /// The path's MTU, at most `link_mtu`.
    pub(crate) mtu: usize,
    pub(crate) cast: Cast,
}

/// The IP header that [`Net::send`] puts in front of a payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IpHead {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    /// IPv4's DF; with it (or IPv6's own rule) a packet over the path's MTU is EMSGSIZE instead of fragments.
    pub(crate) dont_fragment: bool,
    /// EMSGSIZE only over the interface's MTU, whatever is known of the path (IP_PMTUDISC_PROBE).
    pub(crate) ignore_path_mtu: bool,
    /// A multicast goes back to this host's members too (IP_MULTICAST_LOOP).
    pub(crate) loop_multicast: bool,
}

/// What an interface is told at its birth.
#[derive(Clone, Debug)]
pub(crate) struct InterfaceConfig {
    pub(crate) name: String,
    pub(crate) mac: Mac,
    /// Bytes of an IP packet.
    pub(crate) mtu: usize,
    pub(crate) addresses: Vec<Cidr>,
    /// Give it fe80::/64 from the MAC, do DAD, ask for routers. False for `lo`.
    pub(crate) ipv6: bool,
}

pub(crate) struct Net {
    /// The clock's reading, set by the driver at each entry.
    pub(crate) now: Instant,
    pub(crate) config: Config,
    pub(crate) log: Log,
    pub(crate) pool: Pool,
    inbound: VecDeque<Inbound>,
    outbound: VecDeque<(IfIndex, Frame)>,
}

impl Net {
    /// Only `lo` (127.0.0.1/8, ::1/128, MTU 65,536), interface 1.
    pub(crate) fn new(config: Config) -> Self {
        Self {
            now: Instant::ZERO,
            config,
            log: Log::default(),
            pool: Pool::new(),
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
        }
    }
    /// A frame from the wire, Ethernet header first.
    pub(crate) fn frame_in(&mut self, interface: IfIndex, frame: Frame) {
        todo!()
    }
    pub(crate) fn frame_out(&mut self) -> Option<(IfIndex, Frame)> {
        self.outbound.pop_front()
    }
    pub(crate) fn take_inbound(&mut self) -> Option<Inbound> {
        self.inbound.pop_front()
    }
    pub(crate) fn deadline(&self) -> Option<Instant> {
        todo!()
    }
    pub(crate) fn tick(&mut self) {
        todo!()
    }

    pub(crate) fn add_interface(&mut self, config: InterfaceConfig) -> Result<IfIndex, Error> {
        todo!()
    }
    /// The link came up or went down (the device failed, or recovered).
    pub(crate) fn set_link(&mut self, interface: IfIndex, up: bool) {
        todo!()
    }
    pub(crate) fn add_address(&mut self, interface: IfIndex, address: Cidr) -> Result<(), Error> {
        todo!()
    }
    pub(crate) fn remove_address(&mut self, interface: IfIndex, address: IpAddr) -> Result<(), Error> {
        todo!()
    }
    /// `via` = a gateway; without one the network is on the link. IPv6 gateways may be link-local.
    pub(crate) fn add_route(
        &mut self,
        network: Cidr,
        via: Option<IpAddr>,
        interface: Option<IfIndex>,
    ) -> Result<(), Error> {
        todo!()
    }
    pub(crate) fn remove_route(&mut self, network: Cidr, via: Option<IpAddr>) -> Result<(), Error> {
        todo!()
    }
    /// A static neighbour entry; `None` removes what is known.
    pub(crate) fn set_neighbour(
        &mut self,
        interface: IfIndex,
        address: IpAddr,
        mac: Option<Mac>,
    ) -> Result<(), Error> {
        todo!()
    }

    /// The way to a destination, or why there is none (ENETUNREACH, ENETDOWN, EADDRNOTAVAIL, EINVAL, EHOSTUNREACH).
    pub(crate) fn path(&self, destination: IpAddr, hints: Hints) -> Result<Path, Error> {
        todo!()
    }
    /// True if the address is one of this host's (a usable unicast address; the whole 127/8).
    pub(crate) fn is_local(&self, address: IpAddr) -> bool {
        todo!()
    }
    /// True if the address is a broadcast address of one of this host's networks, or 255.255.255.255.
    pub(crate) fn is_broadcast(&self, address: IpAddr) -> bool {
        todo!()
    }
    pub(crate) fn interface_by_name(&self, name: &str) -> Option<IfIndex> {
        todo!()
    }
    pub(crate) fn interface_name(&self, interface: IfIndex) -> Option<&str> {
        todo!()
    }

    /// Sends a payload: `frame.bytes()` begin with the transport header, its checksum done. Puts the IP header in front, cuts
    /// into fragments where it may, finds the neighbour. EMSGSIZE, ENETUNREACH, ENETDOWN, ENOBUFS; what a neighbour does not
    /// answer comes back later as [`Inbound::Error`] with EHOSTUNREACH.
    pub(crate) fn send(&mut self, frame: Frame, head: IpHead, hints: Hints) -> Result<(), Error> {
        todo!()
    }
    /// Sends a packet whose IP header is complete (smoltcp's segments, later raw sockets): routed by its destination.
    pub(crate) fn send_packet(&mut self, frame: Frame, hints: Hints) -> Result<(), Error> {
        todo!()
    }

    /// Answers a datagram that no UDP socket takes.
    pub(crate) fn port_unreachable(&mut self, about: &Datagram) {
        todo!()
    }
    /// Answers a datagram of a protocol that nobody here has.
    pub(crate) fn protocol_unreachable(&mut self, about: &Datagram) {
        todo!()
    }

    /// A socket joins a group on an interface (`None` = the route's); counted, the first one is reported by IGMP/MLD.
    pub(crate) fn join(&mut self, group: IpAddr, interface: Option<IfIndex>) -> Result<IfIndex, Error> {
        todo!()
    }
    pub(crate) fn leave(&mut self, group: IpAddr, interface: Option<IfIndex>) -> Result<IfIndex, Error> {
        todo!()
    }

    /// A number drawn from the host's seed.
    pub(crate) fn random(&mut self) -> u64 {
        todo!()
    }
    /// Notes a reason at this moment.
    pub(crate) fn note(
        &mut self,
        reason: Reason,
        interface: Option<IfIndex>,
        socket: Option<crate::base::SocketId>,
    ) {
        let now = self.now;
        self.log.note(now, reason, interface, socket);
    }
}
