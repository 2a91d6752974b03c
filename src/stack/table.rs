//! Every socket of the host, by its number.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::datagram::ErrorQueue;
use super::options::Options;
use super::ports::{Binding, Claim, Space, Stage};
use crate::base::constants::{AF_INET6, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE};
use crate::base::{Errno, Error, IfIndex, Instant, Reason, Result, SocketId};
use crate::wire::filter::{Facts, Program};

/// What all kinds of sockets have.
#[derive(Debug)]
pub(crate) struct Entry {
    /// AF_*.
    pub(crate) domain: i32,
    /// SOCK_*.
    pub(crate) kind: i32,
    /// IPPROTO_*.
    pub(crate) protocol: i32,
    /// Who made it; SO_REUSEPORT is shared by one user only.
    pub(crate) uid: u32,
    /// The inode of the file that a program has of it, where the host was told of one.
    pub(crate) inode: Option<u32>,
    pub(crate) options: Options,
    /// SO_BINDTODEVICE.
    pub(crate) device: Option<IfIndex>,
    /// SO_ERROR: told once, to the next call that can tell it.
    pub(crate) error: Option<Error>,
    /// getsockname(2). A dual-stack socket's IPv4 peers are kept as plain IPv4 here; the verbs map them.
    pub(crate) local: Option<SocketAddr>,
    /// getpeername(2).
    pub(crate) remote: Option<SocketAddr>,
    /// SHUT_RD and SHUT_WR were done.
    pub(crate) read_shut: bool,
    pub(crate) write_shut: bool,
    /// The port that it holds. A flow that outlives the socket takes it along.
    pub(crate) claim: Option<Claim>,
    /// The program chose the local address itself, by bind (SOCK_BINDADDR_LOCK): dissolving keeps it.
    pub(crate) address_chosen: bool,
    /// The program chose the port itself (SOCK_BINDPORT_LOCK).
    pub(crate) port_chosen: bool,
    /// Multicast groups that it has joined; left at close.
    pub(crate) memberships: Vec<Membership>,
    /// Flow labels that it has asked for (IPV6_FLOWLABEL_MGR).
    pub(crate) flow_labels: Vec<u32>,
    /// What did not fit its path, as IPV6_RECVPATHMTU tells it once: where it was to go, and the MTU.
    pub(crate) path_mtu: Option<(std::net::Ipv6Addr, u32)>,
    /// SO_ATTACH_FILTER.
    pub(crate) filter: Option<Program>,
    /// SO_ATTACH_REUSEPORT_CBPF: which of the group is chosen.
    pub(crate) balance: Option<Program>,
    /// What MSG_ERRQUEUE reads.
    pub(crate) errors: ErrorQueue,
    /// SO_MAX_PACING_RATE: when its next datagram may leave.
    pub(crate) paced_until: Instant,
    /// Handles that programs have of it: one, and another for each time that it came out of a message (SCM_RIGHTS). None while it
    /// waits for accept(2) of AF_UNIX.
    pub(crate) holders: usize,
    /// Messages of AF_UNIX that carry it.
    pub(crate) in_flight: usize,
    pub(crate) protocol_part: Part,
}

/// A multicast group that a socket has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) group: std::net::IpAddr,
    pub(crate) interface: IfIndex,
    /// True: all but `sources` are heard; false: `sources` alone.
    pub(crate) exclude: bool,
    /// `None` = no list has been made yet.
    pub(crate) sources: Option<Vec<std::net::IpAddr>>,
}

impl Entry {
    /// A new socket.
    pub(crate) fn new(domain: i32, kind: i32, protocol: i32, options: Options, protocol_part: Part) -> Self {
        Self {
            domain,
            kind,
            protocol,
            uid: 0,
            inode: None,
            options,
            device: None,
            error: None,
            local: None,
            remote: None,
            read_shut: false,
            write_shut: false,
            claim: None,
            address_chosen: false,
            port_chosen: false,
            memberships: Vec::new(),
            flow_labels: Vec::new(),
            path_mtu: None,
            filter: None,
            balance: None,
            errors: ErrorQueue::default(),
            paced_until: Instant::ZERO,
            holders: 1,
            in_flight: 0,
            protocol_part,
        }
    }

    /// The socket that accept(2) returns: what it inherits of this listener. It has no claim yet: hold one with
    /// [`super::ports::Ports::hold`], made by [`Entry::binding`] for its local address.
    pub(crate) fn accepted(&self, local: SocketAddr, remote: SocketAddr, protocol_part: Part) -> Self {
        Self {
            uid: self.uid,
            device: self.device,
            filter: self.filter.clone(),
            local: Some(local),
            remote: Some(remote),
            address_chosen: true,
            port_chosen: true,
            ..Self::new(self.domain, self.kind, self.protocol, self.options.clone(), protocol_part)
        }
    }

    /// Its number among the files of programs; in the program's own process it has none, and is known by its own number.
    pub(crate) fn shown_inode(&self, id: SocketId) -> u32 {
        self.inode.unwrap_or(id.0 as u32)
    }

    /// Whose ports it uses.
    pub(crate) fn space(&self) -> Space {
        match self.protocol {
            IPPROTO_TCP => Space::Tcp,
            IPPROTO_UDP => Space::Udp,
            IPPROTO_UDPLITE => Space::UdpLite,
            _ => Space::Ping,
        }
    }

    /// What the ports must know of it when its local address is `address`.
    pub(crate) fn binding(&self, address: std::net::IpAddr) -> Binding {
        Binding {
            address: address.to_canonical(),
            v6only: self.options.v6only,
            device: self.device,
            reuse_address: self.options.reuse_address,
            reuse_port: self.options.reuse_port,
            uid: self.uid,
            stage: Stage::Open,
            by_connect: false,
        }
    }

    /// The unspecified address of its family.
    pub(crate) fn any_address(&self) -> std::net::IpAddr {
        if self.domain == AF_INET6 {
            std::net::Ipv6Addr::UNSPECIFIED.into()
        } else {
            std::net::Ipv4Addr::UNSPECIFIED.into()
        }
    }

    /// sk_filter: how many bytes, from `facts.start` on, the socket's filter lets through; `None` = it refuses the packet.
    pub(crate) fn admits(&self, bytes: &[u8], facts: &Facts) -> Option<usize> {
        let len = bytes.len().saturating_sub(facts.start);
        match &self.filter {
            None => Some(len),
            Some(program) => match program.run(bytes, facts) {
                0 => None,
                kept => Some(len.min(kept as usize)),
            },
        }
    }

    /// SO_ERROR: the pending error, told once.
    pub(crate) fn take_error(&mut self) -> Result<()> {
        self.error.take().map_or(Ok(()), Err)
    }
}

/// What a socket has of its protocol.
#[derive(Debug)]
pub(crate) enum Part {
    Tcp(super::tcp::TcpSocket),
    Udp(super::udp::UdpSocket),
    Ping(super::icmp::PingSocket),
    Raw(super::raw::RawSocket),
    Packet(super::packet::PacketSocket),
    Netlink(super::netlink::NetlinkSocket),
    Can(super::can::CanSocket),
    Rds(Box<super::rds::RdsSocket>),
    Unix(Box<super::unix::UnixSocket>),
}

/// The sockets.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: HashMap<SocketId, Entry>,
    last: u64,
}

impl Table {
    /// Takes a socket in and gives it its number.
    pub(crate) fn insert(&mut self, entry: Entry) -> SocketId {
        self.last += 1;
        let id = SocketId(self.last);
        self.entries.insert(id, entry);
        id
    }

    /// EBADF for a number that is no socket.
    pub(crate) fn get(&self, id: SocketId) -> Result<&Entry> {
        self.entries.get(&id).ok_or(Errno::EBADF.because(Reason::Closed))
    }

    /// EBADF for a number that is no socket.
    pub(crate) fn get_mut(&mut self, id: SocketId) -> Result<&mut Entry> {
        self.entries.get_mut(&id).ok_or(Errno::EBADF.because(Reason::Closed))
    }

    pub(crate) fn remove(&mut self, id: SocketId) -> Option<Entry> {
        self.entries.remove(&id)
    }

    /// All, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SocketId, &Entry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}
