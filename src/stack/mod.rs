//! The engine without input and output: frames in, frames out, the next deadline, and the socket verbs.
//!
//! No thread, no descriptor, no clock: time is an argument. Its callers are driver/ and socket/.
//!
//! ```text
//!   verbs.rs   socket bind listen accept connect send recv shutdown close getsockopt setsockopt poll
//!      |            bind.rs (addresses)  table.rs (the sockets)  options/ (the one table)  ports/ (who may bind what)  ready.rs
//!   family.rs  (what a family does at each verb)
//!      |            inet.rs (AF_INET, AF_INET6)   packet/ (AF_PACKET)   netlink/ (AF_NETLINK)   can/ (AF_CAN)   rds/ (AF_RDS)   unix/ (AF_UNIX)
//!   tcp/   udp/     icmp.rs (ping sockets)   raw/ (SOCK_RAW)
//!      |       |        |     datagram/ (what these share: queues, errors, the way out)
//!   ip/        input, output, routes, sources, fragments, ICMP errors, multicast groups        } together: Net
//!   link/      interfaces, Ethernet, ARP, NDP: the neighbour table with its waiting queue      } (net.rs)
//!      |
//!   frame_in / frame_out
//! ```
//! Beside the way: `perform.rs` (the verbs as data), `listing.rs` (what there is, as rows), `config.rs` (what a stack is told at its birth), `sysctl.rs` (what can be told later), `counters.rs` (a counter for each reason; the events),
//! `keyed_hash.rs` (ports and sequence numbers that nobody guesses), `timers.rs` (what is due when, for the lower half).
//!
//! Every layer hands on to the one below by a call on [`Net`]; what arrives is handed up through `Net::take_inbound`.

mod bind;
mod can;
mod config;
mod counters;
mod datagram;
mod family;
mod icmp;
mod inet;
mod ip;
mod keyed_hash;
#[cfg(test)]
mod lan;
mod link;
mod listing;
mod net;
mod netlink;
mod options;
mod packet;
mod perform;
mod ports;
mod raw;
mod rds;
mod ready;
mod sysctl;
mod table;
mod tcp;
mod timers;
mod udp;
mod unix;
mod verbs;

use crate::base::{Event, Frame, IfIndex, Instant, SocketId};

pub(crate) use config::{Config, NoRst};
pub(crate) use counters::Log;
pub(crate) use keyed_hash::keyed_hash;
pub(crate) use net::{Cast, Datagram, Hints, Inbound, InterfaceConfig, IpHead, Net, NetError, Path};
pub use packet::Captured;
pub use raw::Verbatim;
pub use verbs::Census;
pub(crate) use verbs::{Received, SendTo};

/// A host's protocols and sockets.
pub(crate) struct Stack {
    /// What is below the transports: interfaces, neighbours, routes; also the clock's reading, the counters, the buffers.
    pub(crate) net: Net,
    /// Every socket, by its number.
    sockets: table::Table,
    /// Who has which port.
    ports: ports::Ports,
    /// Sockets whose readiness may have changed.
    ready: ready::ReadyQueue,
    tcp: tcp::Tcp,
    udp: udp::Udp,
    ping: icmp::Ping,
    raw: raw::Raw,
    flow_labels: datagram::FlowLabels,
    fanouts: packet::Fanouts,
    can: can::Registry,
    rds: rds::Registry,
    unix: unix::Space,
    /// Who listens to changes.
    monitor: netlink::Monitor,
}

impl Stack {
    /// A host without a wire: it has its loopback.
    pub(crate) fn new(config: Config) -> Self {
        let net = Net::new(config);
        Self {
            sockets: table::Table::default(),
            ports: ports::Ports::default(),
            ready: ready::ReadyQueue::default(),
            tcp: tcp::Tcp::new(&net),
            udp: udp::Udp::default(),
            ping: icmp::Ping::default(),
            raw: raw::Raw::default(),
            flow_labels: datagram::FlowLabels::default(),
            fanouts: packet::Fanouts::default(),
            can: can::Registry::default(),
            rds: rds::Registry::default(),
            unix: unix::Space::default(),
            monitor: netlink::Monitor::default(),
            net,
        }
    }

    /// A frame came in on an interface. All that follows from it happens in this call; fetch what goes out with
    /// [`Stack::frame_out`]. `frame.time` is its arrival; `now` may be later (a batch).
    pub(crate) fn frame_in(&mut self, now: Instant, interface: IfIndex, frame: Frame) {
        self.net.now = now;
        self.net.frame_in(interface, frame);
        self.dispatch();
    }

    /// The next frame to put on a wire. What a verb made is seen by the packet sockets before it leaves.
    pub(crate) fn frame_out(&mut self) -> Option<(IfIndex, Frame)> {
        self.dispatch();
        self.net.frame_out()
    }

    /// When [`Stack::tick`] has something to do next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let own = [self.tcp.deadline(), self.can.deadline(), self.rds.deadline(), self.monitor.deadline()];
        own.into_iter().chain([self.net.deadline()]).flatten().min()
    }

    /// Does what is due: retransmissions, probes, expiries.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.net.now = now;
        self.net.tick();
        self.tcp_tick();
        self.can_tick();
        self.rds_tick();
        self.dispatch();
    }

    /// Sets the clock's reading for the verbs that follow. The driver calls it when it has taken the host's lock.
    pub(crate) fn at(&mut self, now: Instant) {
        self.net.now = now;
    }

    /// Sockets whose readiness may have changed since the last call: whoever waits for them looks again.
    pub(crate) fn take_woken(&mut self) -> Option<SocketId> {
        self.ready.pop()
    }

    /// True once if there is new room for what this socket sends, though it has been writable all the time.
    pub(crate) fn take_room(&mut self, id: SocketId) -> bool {
        self.ready.take_room(id)
    }

    /// What happened, for those who watch.
    pub(crate) fn take_event(&mut self) -> Option<Event> {
        self.net.log.take_event()
    }

    /// Hands what the lower half has for us to the transports.
    fn dispatch(&mut self) {
        use crate::base::constants::{
            IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE,
        };
        while let Some(inbound) = self.net.take_inbound() {
            match inbound {
                Inbound::Datagram(datagram) => match i32::from(datagram.protocol) {
                    IPPROTO_TCP => self.tcp_input(datagram),
                    IPPROTO_UDP | IPPROTO_UDPLITE => self.udp_input(datagram),
                    IPPROTO_ICMP if datagram.destination.is_ipv4() => self.ping_input(datagram),
                    IPPROTO_ICMPV6 if datagram.destination.is_ipv6() => self.ping_input(datagram),
                    _ => self.raw_alone(datagram),
                },
                Inbound::Error(error) => {
                    self.raw_error(&error);
                    match i32::from(error.protocol) {
                        IPPROTO_TCP => self.tcp_error(&error),
                        IPPROTO_UDP | IPPROTO_UDPLITE => self.udp_error(&error),
                        IPPROTO_ICMP | IPPROTO_ICMPV6 => self.ping_error(&error),
                        _ => {}
                    }
                }
                Inbound::Raw(datagram) => {
                    self.raw_input(datagram);
                }
                Inbound::Arrived(interface, frame) => self.raw_arrived(interface, frame),
                Inbound::Passed(passed) => self.packet_input(passed),
                Inbound::Can(interface, frame) => self.can_input(interface, &frame),
                Inbound::LinkDown(interface) => {
                    self.packet_link_down(interface);
                    self.can_link_down(interface);
                }
                Inbound::AddressGone(address) => self.tcp_address_gone(address),
            }
        }
        self.rds_work();
        self.netlink_tell((0, 0));
    }
}
