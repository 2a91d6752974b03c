//! The lower half of the stack as the transports see it: link/ and ip/ behind one struct.
//!
//! Down: [`Net::send`] (a payload gets its IP header here), [`Net::send_packet`] (the header is there), [`Net::send_whole`] (it is
//! there, and may be anything). Up: [`Inbound`].
//! Here are the words of this seam and the four verbs (frame in, frame out, deadline, tick); the other methods of [`Net`]
//! stand where their matter is:
//!
//! | method | file |
//! |---|---|
//! | `transmit` | link/tap.rs |
//! | `can_send` | link/can.rs |
//! | `add_interface`, `is_local`, `is_broadcast` | link/interface.rs |
//! | `set_link`, `enable`, `set_mtu`, `set_flags` | link/settings.rs |
//! | `add_address`, `remove_address` | link/address.rs |
//! | `set_neighbour` | link/neighbour.rs |
//! | `add_route`, `remove_route` | ip/route_table.rs |
//! | `path` | ip/route.rs |
//! | `send`, `send_packet`, `send_whole` | ip/output.rs |
//! | `port_unreachable`, `protocol_unreachable` | ip/icmp_error.rs |
//! | `learn_path_mtu` | ip/path_mtu.rs |
//! | `join`, `leave` | ip/multicast.rs |
//!
//! Read-only listings: `interfaces`, `neighbours`, `routes`.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::ip::{Departures, ErrorLimit, Identifications, PathMtus, Reassembly, Routes};
use super::link::{Interface, Neighbours, Tap};
use super::packet::Passed;
use super::raw::Wanted;
use super::timers::Timers;
use super::{Config, Log};
use crate::base::verb::Way;
use crate::base::{Cidr, Errno, Frame, IfIndex, Instant, LinkType, Mac, Pool, Reason, SocketId};

/// How a destination address is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cast {
    Unicast,
    Broadcast,
    Multicast,
}

/// A datagram for this host: whole, its IP header checked. `frame.bytes()` begin with the IP header.
#[derive(Clone, Debug)]
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
    /// Bytes of the largest packet that it came in, if it came in several.
    pub(crate) fragment_size: Option<u32>,
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
    /// What is quoted of the lost packet in front of its transport header: the IP header, of IPv6 with its extension headers.
    pub(crate) header: Vec<u8>,
    /// What is quoted of the lost packet from its transport header on: at least 8 bytes, else the error is dropped.
    pub(crate) quoted: Vec<u8>,
    /// SO_EE_ORIGIN_*: 2 ICMP, 3 ICMPv6; a neighbour that fails is told as Linux does, as an ICMP error of our own.
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

impl NetError {
    /// What is quoted of the lost packet, its IP header first.
    pub(crate) fn packet(&self) -> Vec<u8> {
        [self.header.as_slice(), self.quoted.as_slice()].concat()
    }
}

/// What the lower half has for the transports.
#[derive(Debug)]
pub(crate) enum Inbound {
    Datagram(Datagram),
    Error(NetError),
    /// A copy of a datagram for the raw sockets.
    Raw(Datagram),
    /// A copy of an IPv4 packet as it arrived, for the raw sockets of IPPROTO_IP.
    Arrived(IfIndex, Frame),
    /// A copy of a frame for the packet sockets.
    Passed(Passed),
    /// A CAN frame that was on an interface's bus.
    Can(IfIndex, Frame),
    /// This interface's link went down.
    LinkDown(IfIndex),
    /// This local address was removed: its connections end.
    AddressGone(IpAddr),
}

/// What a socket asks of the way: nothing, an interface (SO_BINDTODEVICE), a source address (bind).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hints {
    pub(crate) interface: Option<IfIndex>,
    pub(crate) source: Option<IpAddr>,
    /// IP_TRANSPARENT: the source may be anybody's.
    pub(crate) any_source: bool,
    /// SO_DONTROUTE, MSG_DONTROUTE: over no gateway.
    pub(crate) direct: bool,
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
    /// The interface's MTU, or less if the route says so.
    pub(crate) link_mtu: usize,
    /// The path's MTU, at most `link_mtu`.
    pub(crate) mtu: usize,
    pub(crate) cast: Cast,
}

impl Net {
    /// The way that a packet to `destination` would take now; nobody is asked.
    pub(crate) fn way(&self, destination: IpAddr) -> Option<Way> {
        let path = self.path(destination, Hints::default()).ok()?;
        let Path { interface, next_hop, source, .. } = path;
        let own = self.interface(interface).map(|interface| interface.mac);
        let station = if interface == IfIndex::LO { own } else { self.neighbour_mac(interface, next_hop) };
        Some(Way { interface, source, next_hop, unicast: path.cast == Cast::Unicast, own, station })
    }
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
    /// IPv6's, 20 bits; `None` = by the hash of the flow.
    pub(crate) flow_label: Option<u32>,
}

/// What an interface is told at its birth.
#[derive(Clone, Debug)]
pub(crate) struct InterfaceConfig {
    pub(crate) name: String,
    pub(crate) mac: Mac,
    pub(crate) link: LinkType,
    /// Bytes of an IP packet.
    pub(crate) mtu: usize,
    pub(crate) addresses: Vec<Cidr>,
    /// Give it fe80::/64 from the MAC, do DAD, ask for routers. False for `lo`.
    pub(crate) ipv6: bool,
}

/// Interfaces, neighbours, routes and what IP needs beside them.
pub(crate) struct Net {
    /// The clock's reading, set by the driver at each entry.
    pub(crate) now: Instant,
    pub(crate) config: Config,
    pub(crate) log: Log,
    pub(crate) pool: Pool,
    pub(super) inbound: VecDeque<Inbound>,
    pub(super) outbound: VecDeque<(IfIndex, Frame)>,
    /// Interface n at place n - 1.
    pub(super) interfaces: Vec<Interface>,
    /// What the packet sockets listen to.
    pub(super) taps: Vec<Tap>,
    /// Some interface has become promiscuous, or is so no more.
    pub(super) promiscuity_changed: bool,
    pub(super) neighbours: Neighbours,
    pub(super) routes: Routes,
    pub(super) path_mtus: PathMtus,
    pub(super) reassembly: Reassembly,
    pub(super) error_limit: ErrorLimit,
    pub(super) identifications: Identifications,
    pub(super) timers: Timers<Timer>,
    /// What raw sockets want copies of.
    pub(super) raw_wanted: Wanted,
    /// Packets that wait for their time.
    pub(super) departures: Departures,
    /// What has changed since the listeners were told.
    pub(super) changed: [bool; Matter::ALL.len()],
    /// Numbers drawn so far.
    drawn: u64,
}

/// What a change is about, for those who listen (netlink(7)'s groups); in the order in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matter {
    Links,
    Addresses,
    Routes,
    Neighbours,
}

impl Matter {
    pub(super) const ALL: [Self; 4] = [Self::Links, Self::Addresses, Self::Routes, Self::Neighbours];
}

/// What can become due below the transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The next solicitation of a neighbour, or its failure.
    Neighbour(IfIndex, IpAddr),
    /// The next probe of a tentative address, or its success.
    DuplicateDetection(IfIndex, Ipv6Addr),
    /// The next router solicitation.
    RouterSolicitation(IfIndex),
    /// Some address, prefix or default router ends.
    Lifetimes,
    /// An unfinished datagram, by its serial number.
    Reassembly(u64),
    /// A report of this group.
    Group(IfIndex, IpAddr),
    /// A packet that has waited for its time, by its serial number.
    Departure(u64),
}

impl Net {
    /// Only `lo` (127.0.0.1/8, ::1/128, MTU 65,536), interface 1.
    pub(crate) fn new(config: Config) -> Self {
        Self {
            now: Instant::ZERO,
            identifications: Identifications::new(&config.secret),
            error_limit: ErrorLimit::default(),
            config,
            log: Log::default(),
            pool: Pool::new(),
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
            interfaces: vec![Interface::loopback()],
            taps: Vec::new(),
            promiscuity_changed: false,
            neighbours: Neighbours::default(),
            routes: Routes::default(),
            path_mtus: PathMtus::default(),
            reassembly: Reassembly::default(),
            timers: Timers::default(),
            raw_wanted: Wanted::default(),
            departures: Departures::default(),
            changed: Default::default(),
            drawn: 0,
        }
    }

    /// True on a wire that is shared with the kernel, addresses and all: the kernel answers ARP, NDP, echo requests and what no
    /// socket takes, and reports groups. We ask, and our sockets talk; nothing else leaves.
    pub(crate) fn is_shadow(&self, interface: IfIndex) -> bool {
        self.config.shadow && interface != IfIndex::LO
    }

    /// A frame from the wire, Ethernet header first; of a CAN bus struct can_frame.
    pub(crate) fn frame_in(&mut self, interface: IfIndex, mut frame: Frame) {
        if interface != IfIndex::LO {
            // skb_scrub_packet: marks are a host's own.
            (frame.mark, frame.priority) = (0, 0);
        }
        frame.leave = None;
        if self.interface(interface).is_some_and(Interface::is_can) {
            return self.can_in(interface, frame);
        }
        self.ethernet_in(interface, frame);
    }

    /// The next frame to put on a wire.
    pub(crate) fn frame_out(&mut self) -> Option<(IfIndex, Frame)> {
        self.outbound.pop_front()
    }

    /// What arrived for the transports.
    pub(crate) fn take_inbound(&mut self) -> Option<Inbound> {
        self.inbound.pop_front()
    }

    /// When [`Net::tick`] has something to do. At once if something waits for the transports: a send may loop a multicast back.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.inbound.is_empty() { self.timers.next() } else { Some(self.now) }
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self) {
        while let Some(timer) = self.timers.pop(self.now) {
            match timer {
                Timer::Neighbour(interface, address) => self.neighbour_due(interface, address),
                Timer::DuplicateDetection(interface, address) => self.probe_due(interface, address),
                Timer::RouterSolicitation(interface) => self.router_solicitation_due(interface),
                Timer::Lifetimes => self.lifetimes_due(),
                Timer::Reassembly(serial) => self.reassembly_due(serial),
                Timer::Group(interface, group) => self.group_due(interface, group),
                Timer::Departure(serial) => self.departure_due(serial),
            }
        }
    }

    /// Something of this kind is different: whoever listens is told.
    pub(super) fn changed(&mut self, matter: Matter) {
        self.changed[matter as usize] = true;
    }

    /// A number drawn from the host's seed: a keyed hash of a counter.
    pub(crate) fn random(&mut self) -> u64 {
        self.drawn += 1;
        let mut hasher = DefaultHasher::new();
        (self.config.secret, self.drawn).hash(&mut hasher);
        hasher.finish()
    }

    /// A span drawn from the host's seed, from zero up to `most`.
    pub(super) fn random_span(&mut self, most: Duration) -> Duration {
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX).max(1);
        Duration::from_nanos(self.random() % nanos)
    }

    /// Notes a reason at this moment.
    pub(crate) fn note(&mut self, reason: Reason, interface: Option<IfIndex>, socket: Option<SocketId>) {
        let now = self.now;
        self.log.note(now, reason, interface, socket);
    }
}
