//! Every socket of the host, by its number.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use super::options::Options;
use crate::base::{Error, IfIndex, SocketId};

/// What all kinds of sockets have.
#[derive(Debug)]
pub(crate) struct Entry {
    /// AF_*.
    pub(crate) domain: i32,
    /// SOCK_*.
    pub(crate) kind: i32,
    /// IPPROTO_*.
    pub(crate) protocol: i32,
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
    pub(crate) protocol_part: Part,
}

/// What a socket has of its protocol.
#[derive(Debug)]
pub(crate) enum Part {
    Tcp(super::tcp::TcpSocket),
    Udp(super::udp::UdpSocket),
    Ping(super::icmp::PingSocket),
}

/// The sockets.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: HashMap<SocketId, Entry>,
    next: u64,
}
