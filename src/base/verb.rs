//! The verbs of a host as data: what can be asked of it from another process, and what it answers.
//!
//! In the process itself a verb is a call on the stack. [`Verb`] is the same call written down: `Host::perform` does it, be the
//! host here or in another process, so both have one meaning.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Checksum, Cidr, ControlMessage, Errno, IfIndex, Instant, LinkAddr, Mac, Reason, Result, SockAddr,
    SocketId, TcpState,
};

/// Something to do at once. None waits: what can't be done yet is EAGAIN (or EINPROGRESS).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Verb {
    /// socket(2), without SOCK_NONBLOCK and SOCK_CLOEXEC. Answers [`Answer::Socket`].
    Socket { domain: i32, kind: i32, protocol: i32 },
    /// socketpair(2), in the same terms. Answers [`Answer::Pair`].
    Pair { domain: i32, kind: i32, protocol: i32 },
    /// bind(2).
    Bind(SocketId, SockAddr),
    /// listen(2).
    Listen(SocketId, i32),
    /// accept(2). Answers [`Answer::Accepted`].
    Accept(SocketId),
    /// connect(2).
    Connect(SocketId, SockAddr),
    /// sendmsg(2), sendmmsg(2): so many of them as can be; of a stream one. Answers [`Answer::Count`]: of a stream bytes, else
    /// datagrams.
    Send(SocketId, Vec<Letter>),
    /// recvmsg(2), recvmmsg(2): at most `count` of at most `size` bytes each, with these MSG_*. Answers [`Answer::Letters`].
    Receive { socket: SocketId, count: usize, size: usize, flags: i32 },
    /// Frames of a packet socket, at most so many. Answers [`Answer::Frames`].
    Capture(SocketId, usize),
    /// shutdown(2).
    Shutdown(SocketId, i32),
    /// close(2); without patience it does not linger.
    Close(SocketId),
    /// What close(2) begins with that lingers (SO_LINGER): no more is sent, EAGAIN until all is acknowledged.
    Linger(SocketId),
    /// getsockname(2). Answers [`Answer::Address`].
    Name(SocketId),
    /// getpeername(2). Answers [`Answer::Address`].
    Peer(SocketId),
    /// getsockopt(2): socket, level, name, room, and what stands there. Answers [`Answer::Bytes`].
    GetOption(SocketId, i32, i32, usize, #[serde(with = "serde_bytes")] Vec<u8>),
    /// setsockopt(2): socket, level, name, value. Answers [`Answer::Bytes`] where something is written back into it.
    SetOption(SocketId, i32, i32, #[serde(with = "serde_bytes")] Vec<u8>),
    /// poll(2). Answers [`Answer::Events`].
    Poll(SocketId),
    /// FIONREAD. Answers [`Answer::Count`].
    Readable(SocketId),
    /// SIOCATMARK. Answers [`Answer::Count`], 0 or 1.
    AtMark(SocketId),
    /// SIOCOUTQ. Answers [`Answer::Count`].
    Unsent(SocketId),

    /// Answers [`Answer::Interfaces`].
    Interfaces,
    /// One more address of an interface.
    AddAddress(IfIndex, Cidr),
    /// One address less; its connections end.
    RemoveAddress(IfIndex, IpAddr),
    /// From this row on, until an answer has none. Answers [`Answer::Routes`].
    Routes(usize),
    /// The way to an address, over this interface or any. Answers [`Answer::Routes`] with one row: the address alone, with the source
    /// that packets to it get.
    WayTo(IpAddr, Option<IfIndex>),
    /// A route.
    AddRoute(Cidr, Option<IpAddr>, Option<IfIndex>),
    /// A route less.
    RemoveRoute(Cidr, Option<IpAddr>),
    /// From this row on, until an answer has none. Answers [`Answer::Neighbours`].
    Neighbours(usize),
    /// A neighbour's station address, fixed; `None` forgets it.
    SetNeighbour(IfIndex, IpAddr, Option<Mac>),
    /// A neighbour's station address, which may change and be forgotten.
    LearnNeighbour(IfIndex, IpAddr, Mac),
    /// Sets an interface up or down, and its MTU (bytes); `None` leaves it.
    SetLink { interface: IfIndex, up: Option<bool>, mtu: Option<usize> },
    /// The way that a packet would take. Answers [`Answer::Way`].
    Way(IpAddr),
    /// Asks for a neighbour's station address, if it is not known. Answers [`Answer::Known`].
    FindNeighbour(IfIndex, IpAddr),
    /// Every socket and connection, for `ss`; from this row on, until an answer has none. Answers [`Answer::Sockets`].
    Sockets(usize),
    /// How often each thing happened that has a reason. Answers [`Answer::Counters`].
    Counters,
    /// gethostname(2). Answers [`Answer::Text`].
    Hostname,
    /// sethostname(2).
    SetHostname(String),
    /// Reads a file of /proc/sys, named from there on. Answers [`Answer::Setting`].
    Sysctl(String),
    /// Writes one.
    SetSysctl(String, String),
}

/// What a verb gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    Done,
    Socket(SocketId),
    Pair(SocketId, SocketId),
    Accepted(SocketId, SockAddr),
    Count(usize),
    Address(SockAddr),
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    Events(i32),
    Letters(Vec<Letter>),
    Frames(Vec<CapturedFrame>),
    Way(Option<Way>),
    Known(bool),
    Interfaces(Vec<InterfaceRow>),
    Routes(Vec<RouteRow>),
    Neighbours(Vec<NeighbourRow>),
    Sockets(Vec<SocketRow>),
    Counters(Vec<(Reason, u64)>),
    Text(String),
    Setting(Setting),
    /// To a supervisor of programs: these sockets' descriptors are to be given a byte.
    Errands(Vec<SocketId>),
}

impl Answer {
    pub(crate) fn routes(self) -> Option<Vec<RouteRow>> {
        if let Self::Routes(rows) = self { Some(rows) } else { None }
    }

    pub(crate) fn neighbours(self) -> Option<Vec<NeighbourRow>> {
        if let Self::Neighbours(rows) = self { Some(rows) } else { None }
    }

    pub(crate) fn sockets(self) -> Option<Vec<SocketRow>> {
        if let Self::Sockets(rows) = self { Some(rows) } else { None }
    }
}

/// A listing comes in pieces: asks until an answer has no rows; each begins where the last one ended. EPROTO for an answer to
/// something else.
pub(crate) fn listing<T>(
    mut ask: impl FnMut(usize) -> Result<Answer>,
    rows: impl Fn(Answer) -> Option<Vec<T>>,
) -> Result<Vec<T>> {
    let mut all = Vec::new();
    loop {
        match rows(ask(all.len())?) {
            Some(more) if more.is_empty() => return Ok(all),
            Some(more) => all.extend(more),
            None => return Err(Errno::EPROTO.with("the host answered something else than was asked")),
        }
    }
}

/// One message of sendmsg(2) or recvmsg(2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Letter {
    #[serde(with = "serde_bytes")]
    pub(crate) data: Vec<u8>,
    /// Sent: where it goes (`None` = to the peer). Received: who sent it.
    pub(crate) address: Option<SockAddr>,
    pub(crate) control: Vec<ControlMessage>,
    /// MSG_*.
    pub(crate) flags: i32,
    /// Received with MSG_TRUNC: the datagram's whole length; else that of `data`.
    pub(crate) len: usize,
}

/// How long a verb may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Patience {
    /// Not at all.
    Now,
    For(Duration),
    Forever,
    /// As long as its socket's options say: SO_RCVTIMEO, SO_SNDTIMEO; of close(2) SO_LINGER.
    Own,
}

/// A frame as a packet socket has received it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CapturedFrame {
    #[serde(with = "serde_bytes")]
    pub(crate) data: Vec<u8>,
    pub(crate) time: Instant,
    pub(crate) checksum: Checksum,
    pub(crate) address: LinkAddr,
    /// Bytes that it had before the socket's filter cut it.
    pub(crate) len: usize,
}

/// The way that a packet takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Way {
    /// Where it goes out; `lo` for the host's own addresses.
    pub(crate) interface: IfIndex,
    /// The source address that it gets.
    pub(crate) source: IpAddr,
    /// The neighbour that gets it: the gateway, or the destination itself.
    pub(crate) next_hop: IpAddr,
    /// To one neighbour; not to a group or to all.
    pub(crate) unicast: bool,
    /// The station addresses of the interface and of the neighbour, as far as they are known.
    pub(crate) own: Option<Mac>,
    pub(crate) station: Option<Mac>,
}

/// A file of /proc/sys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Setting {
    /// What stands in it, with its newline.
    pub(crate) text: String,
    /// It can be written.
    pub(crate) may_change: bool,
}

/// An interface, as `ip addr` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InterfaceRow {
    pub(crate) index: IfIndex,
    pub(crate) name: String,
    pub(crate) mac: Mac,
    /// ARPHRD_*.
    pub(crate) hardware: u16,
    pub(crate) mtu: usize,
    /// It works: nobody has set it down, and its link is there.
    pub(crate) up: bool,
    /// IFF_*.
    pub(crate) flags: u32,
    /// What `ip link` shows as its qlen.
    pub(crate) queue_len: u32,
    /// With those that duplicate address detection is still busy with.
    pub(crate) addresses: Vec<AddressRow>,
    pub(crate) traffic: Traffic,
}

/// What an interface has carried: IP packets and ARP with their Ethernet headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Traffic {
    pub(crate) rx_packets: u64,
    pub(crate) rx_bytes: u64,
    pub(crate) rx_drops: u64,
    pub(crate) tx_packets: u64,
    pub(crate) tx_bytes: u64,
    pub(crate) tx_drops: u64,
}

// linux/rtnetlink.h
pub(crate) const RT_SCOPE_UNIVERSE: u8 = 0;
pub(crate) const RT_SCOPE_LINK: u8 = 253;
pub(crate) const RT_SCOPE_HOST: u8 = 254;

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AddressRow {
    pub(crate) cidr: Cidr,
    /// The other end of a point-to-point link.
    pub(crate) peer: Option<IpAddr>,
    pub(crate) broadcast: Option<Ipv4Addr>,
    /// Of IPv4: the interface's name, or one that begins with it (`eth0:1`).
    pub(crate) label: String,
    /// RT_SCOPE_*.
    pub(crate) scope: u8,
    /// Another one of the same network was there before it.
    pub(crate) secondary: bool,
    /// Duplicate address detection has not ended.
    pub(crate) tentative: bool,
    /// It has, and another station has the address.
    pub(crate) duplicate: bool,
    /// Seconds until it is deprecated, and until it ends; `None` = never.
    pub(crate) preferred: Option<u32>,
    pub(crate) valid: Option<u32>,
}

/// A route, as `ip route` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RouteRow {
    /// The destinations.
    pub network: Cidr,
    /// The gateway; `None` = they are on the link.
    pub via: Option<IpAddr>,
    /// Where packets go out.
    pub interface: IfIndex,
    /// The source address that packets get which have none, where it is fixed.
    pub source: Option<IpAddr>,
    /// It follows from an address of the interface, or a router says that the network is on the link.
    pub kernel: bool,
    /// A router has advertised itself.
    pub advertised: bool,
    /// Seconds until it ends; `None` = never.
    pub valid: Option<u32>,
    /// A way, or why there is none.
    pub kind: RouteKind,
    /// Among routes to the same network the one with the smallest wins.
    pub metric: u32,
}

/// RTN_*: what becomes of packets. Of what is not a way the gateway, the interface and the source mean nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RouteKind {
    /// They go that way.
    #[default]
    Unicast,
    /// They vanish; the host's own programs get EINVAL.
    Blackhole,
    /// They are answered by "host unreachable": EHOSTUNREACH.
    Unreachable,
    /// They are answered by "administratively prohibited": EACCES.
    Prohibit,
    /// As if there were no route: ENETUNREACH.
    Throw,
}

impl RouteKind {
    /// The word in front of the network in `ip route`; of a way none.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Unicast => None,
            Self::Blackhole => Some("blackhole"),
            Self::Unreachable => Some("unreachable"),
            Self::Prohibit => Some("prohibit"),
            Self::Throw => Some("throw"),
        }
    }
}

/// A neighbour, as `ip neigh` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NeighbourRow {
    /// On whose link it is.
    pub interface: IfIndex,
    /// Its IP address.
    pub address: IpAddr,
    /// Its station address, if it is known.
    pub mac: Option<Mac>,
    /// NUD_*: the name that `ip neigh` prints.
    pub state: NeighbourState,
    /// RFC 4861's IsRouter flag.
    pub router: bool,
}

/// NUD_*, RFC 4861 7.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // the RFC's own words
pub enum NeighbourState {
    Incomplete,
    Reachable,
    Stale,
    Delay,
    Probe,
    Failed,
    Noarp,
    Permanent,
}

/// A socket, or a connection that has outlived its socket, as `ss` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SocketRow {
    /// `None`: closed by its program, or not accepted yet.
    pub socket: Option<SocketId>,
    /// AF_*.
    pub domain: i32,
    /// SOCK_*.
    pub kind: i32,
    /// IPPROTO_*; of a packet socket ETH_P_*.
    pub protocol: i32,
    /// Its state; of TCP only.
    pub state: Option<TcpState>,
    /// Its own address.
    pub local: Option<SocketAddr>,
    /// That of its peer.
    pub remote: Option<SocketAddr>,
    /// Of TCP bytes to read, of a listener connections to accept; of others the memory that what waits is charged with.
    pub receive_queue: usize,
    /// Bytes not acknowledged; of a listener its backlog.
    pub send_queue: usize,
    /// The interface that it is bound to.
    pub device: Option<IfIndex>,
    /// IPV6_V6ONLY: its IPv6 address stands for no IPv4 one.
    pub v6only: bool,
    /// Its number among the files of programs; 0 = it has none.
    pub inode: u32,
    /// Who made it.
    pub uid: u32,
    /// What its connection waits for.
    pub timer: Option<SocketTimer>,
}

/// A connection's timer, as `ss -o` shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SocketTimer {
    /// 1 retransmission, 2 keepalive, 3 the end of TIME_WAIT, 4 a probe of a closed window.
    pub kind: u8,
    /// Until it runs out.
    pub left: Duration,
    /// How often it has run out in a row.
    pub tries: u8,
}
