//! Options with a type and a plain name, on top of getsockopt and setsockopt.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::{Linger, Socket};
use crate::base::constants::*;
use crate::base::{Credentials, Errno, Reason, Result};

/// A pair of methods for an option that is a switch.
macro_rules! switches {
    ($($(#[$doc:meta])* $alias:literal $get:ident $set:ident = $level:ident $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// ENOPROTOOPT or EOPNOTSUPP if this kind of socket does not have the option.
        #[doc(alias = $alias)]
        pub fn $get(&self) -> Result<bool> {
            Ok(self.getsockopt($level, $name)? != 0)
        }

        #[doc = concat!("Sets what [`Socket::", stringify!($get), "`] tells.")]
        ///
        /// # Errors
        /// ENOPROTOOPT or EOPNOTSUPP if this kind of socket does not have the option.
        #[doc(alias = $alias)]
        pub fn $set(&self, on: bool) -> Result<()> {
            self.setsockopt($level, $name, on)
        }
    )*};
}

/// A pair of methods for an option that is a number.
macro_rules! numbers {
    ($($(#[$doc:meta])* $alias:literal $get:ident $set:ident = $level:ident $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// ENOPROTOOPT or EOPNOTSUPP if this kind of socket does not have the option.
        #[doc(alias = $alias)]
        pub fn $get(&self) -> Result<u32> {
            Ok(u32::try_from(self.getsockopt($level, $name)?).unwrap_or(0))
        }

        #[doc = concat!("Sets what [`Socket::", stringify!($get), "`] tells.")]
        ///
        /// # Errors
        /// ENOPROTOOPT or EOPNOTSUPP if this kind of socket does not have the option; EINVAL out of its range.
        #[doc(alias = $alias)]
        pub fn $set(&self, value: u32) -> Result<()> {
            self.setsockopt($level, $name, value)
        }
    )*};
}

/// Options with a type. Each is one [`Socket::getsockopt`] or [`Socket::setsockopt`].
///
/// ```
/// use sockatoo::{Host, socket::*};
/// use std::time::Duration;
/// let host = Host::builder().build()?;
/// let socket = host.socket(AF_INET, SOCK_STREAM, 0)?;
/// socket.set_keepalive(true)?;
/// socket.set_keepalive_idle(60)?;
/// socket.set_linger(Some(Duration::from_secs(5)))?;
/// assert_eq!((socket.keepalive()?, socket.keepalive_idle()?), (true, 60));
/// # Ok::<(), sockatoo::Error>(())
/// ```
impl Socket {
    switches! {
        /// True if a dead peer is looked for when nothing is said for long, tcp(7).
        "SO_KEEPALIVE" keepalive set_keepalive = SOL_SOCKET SO_KEEPALIVE;
        /// True if the address may be bound while old connections linger on it, socket(7).
        "SO_REUSEADDR" reuse_address set_reuse_address = SOL_SOCKET SO_REUSEADDR;
        /// True if several sockets may share the address, socket(7).
        "SO_REUSEPORT" reuse_port set_reuse_port = SOL_SOCKET SO_REUSEPORT;
        /// True if datagrams may be sent to broadcast addresses, socket(7).
        "SO_BROADCAST" broadcast set_broadcast = SOL_SOCKET SO_BROADCAST;
        /// True if small pieces are sent at once (Nagle's algorithm is off), tcp(7).
        "TCP_NODELAY" nodelay set_nodelay = IPPROTO_TCP TCP_NODELAY;
        /// True if only full segments are sent, tcp(7).
        "TCP_CORK" cork set_cork = IPPROTO_TCP TCP_CORK;
        /// True if an IPv6 socket takes no IPv4 peers, ipv6(7).
        "IPV6_V6ONLY" only_v6 set_only_v6 = IPPROTO_IPV6 IPV6_V6ONLY;
        /// True if this host's members hear what is sent to an IPv4 group, ip(7).
        "IP_MULTICAST_LOOP" multicast_loop_v4 set_multicast_loop_v4 = IPPROTO_IP IP_MULTICAST_LOOP;
        /// True if this host's members hear what is sent to an IPv6 group, ipv6(7).
        "IPV6_MULTICAST_LOOP" multicast_loop_v6 set_multicast_loop_v6 = IPPROTO_IPV6 IPV6_MULTICAST_LOOP;
    }

    numbers! {
        /// The receive buffer in bytes; twice what was set, socket(7).
        "SO_RCVBUF" recv_buffer_size set_recv_buffer_size = SOL_SOCKET SO_RCVBUF;
        /// The send buffer in bytes; twice what was set, socket(7).
        "SO_SNDBUF" send_buffer_size set_send_buffer_size = SOL_SOCKET SO_SNDBUF;
        /// Silent seconds before the first keepalive probe, tcp(7).
        "TCP_KEEPIDLE" keepalive_idle set_keepalive_idle = IPPROTO_TCP TCP_KEEPIDLE;
        /// Seconds between keepalive probes, tcp(7).
        "TCP_KEEPINTVL" keepalive_interval set_keepalive_interval = IPPROTO_TCP TCP_KEEPINTVL;
        /// Unanswered keepalive probes that end the connection, tcp(7).
        "TCP_KEEPCNT" keepalive_count set_keepalive_count = IPPROTO_TCP TCP_KEEPCNT;
        /// Milliseconds for which data may stay unacknowledged; 0 = the retransmissions' own limit. tcp(7).
        "TCP_USER_TIMEOUT" user_timeout set_user_timeout = IPPROTO_TCP TCP_USER_TIMEOUT;
        /// The largest segment in bytes, tcp(7).
        "TCP_MAXSEG" mss set_mss = IPPROTO_TCP TCP_MAXSEG;
        /// The type of service of IPv4, ip(7).
        "IP_TOS" tos set_tos = IPPROTO_IP IP_TOS;
        /// The time to live of what is sent to IPv4 groups, ip(7).
        "IP_MULTICAST_TTL" multicast_ttl_v4 set_multicast_ttl_v4 = IPPROTO_IP IP_MULTICAST_TTL;
        /// The hop limit of what is sent to IPv6 groups, ipv6(7).
        "IPV6_MULTICAST_HOPS" multicast_hops_v6 set_multicast_hops_v6 = IPPROTO_IPV6 IPV6_MULTICAST_HOPS;
    }

    /// The time to live of what is sent, of IPv6 the hop limit: ip(7), ipv6(7).
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "IP_TTL")]
    #[doc(alias = "IPV6_UNICAST_HOPS")]
    pub fn ttl(&self) -> Result<u32> {
        let (level, name) = self.ttl_option();
        Ok(u32::try_from(self.getsockopt(level, name)?).unwrap_or(0))
    }

    /// Sets what [`Socket::ttl`] tells.
    ///
    /// # Errors
    /// EINVAL unless it is 1 to 255.
    #[doc(alias = "IP_TTL")]
    #[doc(alias = "IPV6_UNICAST_HOPS")]
    pub fn set_ttl(&self, ttl: u32) -> Result<()> {
        let (level, name) = self.ttl_option();
        self.setsockopt(level, name, ttl)
    }

    fn ttl_option(&self) -> (i32, i32) {
        if self.family() == AF_INET6 { (IPPROTO_IPV6, IPV6_UNICAST_HOPS) } else { (IPPROTO_IP, IP_TTL) }
    }

    /// How long close waits for what was sent: `None` not at all, zero = it is thrown away and the peer gets RST. socket(7).
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "SO_LINGER")]
    pub fn linger(&self) -> Result<Option<Duration>> {
        let bytes = self.getsockopt_bytes(SOL_SOCKET, SO_LINGER, 8)?;
        let word =
            |range| bytes.get(range).and_then(|b: &[u8]| b.try_into().ok()).map_or(0, i32::from_ne_bytes);
        let seconds = u64::try_from(word(4..8)).unwrap_or(0);
        Ok((word(0..4) != 0).then(|| Duration::from_secs(seconds)))
    }

    /// Sets what [`Socket::linger`] tells; whole seconds count.
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "SO_LINGER")]
    pub fn set_linger(&self, linger: Option<Duration>) -> Result<()> {
        let seconds = linger.map_or(0, |l| i32::try_from(l.as_secs()).unwrap_or(i32::MAX));
        self.setsockopt(SOL_SOCKET, SO_LINGER, Linger { on: linger.is_some(), seconds })
    }

    /// Whose process is at the other end of an AF_UNIX socket: that which called connect, listen or socketpair;
    /// [`Credentials::UNKNOWN`] without another end. unix(7).
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "SO_PEERCRED")]
    pub fn peer_credentials(&self) -> Result<Credentials> {
        let bytes = self.getsockopt_bytes(SOL_SOCKET, SO_PEERCRED, 12)?;
        let mut words = bytes.chunks_exact(4).filter_map(|word| word.try_into().ok());
        let [Some(pid), Some(uid), Some(gid)] = [words.next(), words.next(), words.next()] else {
            return Ok(Credentials::UNKNOWN);
        };
        let (uid, gid) = (u32::from_ne_bytes(uid), u32::from_ne_bytes(gid));
        Ok(Credentials { pid: i32::from_ne_bytes(pid), uid, gid })
    }

    /// How long receiving may wait before EAGAIN; `None` = as long as it takes. socket(7).
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "SO_RCVTIMEO")]
    pub fn read_timeout(&self) -> Result<Option<Duration>> {
        self.timeout_option(SO_RCVTIMEO)
    }

    /// Sets what [`Socket::read_timeout`] tells.
    ///
    /// # Errors
    /// EINVAL for zero.
    #[doc(alias = "SO_RCVTIMEO")]
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.setsockopt(SOL_SOCKET, SO_RCVTIMEO, not_zero(timeout)?)
    }

    /// How long sending (and connecting) may wait before EAGAIN; `None` = as long as it takes. socket(7).
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "SO_SNDTIMEO")]
    pub fn write_timeout(&self) -> Result<Option<Duration>> {
        self.timeout_option(SO_SNDTIMEO)
    }

    /// Sets what [`Socket::write_timeout`] tells.
    ///
    /// # Errors
    /// EINVAL for zero.
    #[doc(alias = "SO_SNDTIMEO")]
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.setsockopt(SOL_SOCKET, SO_SNDTIMEO, not_zero(timeout)?)
    }

    /// Sends and receives through this interface alone; `""` = through any. socket(7).
    ///
    /// # Errors
    /// ENODEV.
    #[doc(alias = "SO_BINDTODEVICE")]
    pub fn bind_device(&self, interface: &str) -> Result<()> {
        self.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, interface)
    }

    /// The congestion control's name: `cubic`, `reno`, `none`. tcp(7).
    ///
    /// # Errors
    /// EOPNOTSUPP if the socket is not TCP's.
    #[doc(alias = "TCP_CONGESTION")]
    pub fn congestion(&self) -> Result<String> {
        let bytes = self.getsockopt_bytes(IPPROTO_TCP, TCP_CONGESTION, 16)?;
        let name = bytes.split(|&b| b == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(name).into_owned())
    }

    /// Sets what [`Socket::congestion`] tells.
    ///
    /// # Errors
    /// ENOENT for a name that Sockatoo does not know.
    #[doc(alias = "TCP_CONGESTION")]
    pub fn set_congestion(&self, name: &str) -> Result<()> {
        self.setsockopt(IPPROTO_TCP, TCP_CONGESTION, name)
    }

    /// On a packet socket: hears what passes an interface for other stations, too, or no longer. packet(7).
    ///
    /// ```
    /// # use sockatoo::{Host, socket::*};
    /// # let host = Host::builder().build()?;
    /// let sniffer = host.socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL))?;
    /// sniffer.set_promiscuous("lo", true)?;
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    ///
    /// # Errors
    /// ENODEV (no such interface), ENOPROTOOPT (not a packet socket), EADDRNOTAVAIL (it did not hear them).
    #[doc(alias = "PACKET_MR_PROMISC")]
    #[doc(alias = "PACKET_ADD_MEMBERSHIP")]
    pub fn set_promiscuous(&self, interface: &str, on: bool) -> Result<()> {
        let index = self.host().if_nametoindex(interface)?;
        // struct packet_mreq: interface, kind, and an address that this kind does without.
        let kind = (PACKET_MR_PROMISC as u16).to_ne_bytes();
        let request = [&index.to_ne_bytes()[..], &kind, &[0; 10]].concat();
        let name = if on { PACKET_ADD_MEMBERSHIP } else { PACKET_DROP_MEMBERSHIP };
        self.setsockopt(SOL_PACKET, name, request)
    }

    /// Joins an IPv4 group on the interface that has this address; 0.0.0.0 = the route's. ip(7).
    ///
    /// # Errors
    /// EINVAL (no group), ENODEV, EADDRINUSE (joined already).
    #[doc(alias = "IP_ADD_MEMBERSHIP")]
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> Result<()> {
        self.setsockopt(IPPROTO_IP, IP_ADD_MEMBERSHIP, (group, interface))
    }

    /// Leaves an IPv4 group. ip(7).
    ///
    /// # Errors
    /// EADDRNOTAVAIL (not joined).
    #[doc(alias = "IP_DROP_MEMBERSHIP")]
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> Result<()> {
        self.setsockopt(IPPROTO_IP, IP_DROP_MEMBERSHIP, (group, interface))
    }

    /// Joins an IPv6 group on the interface of this index; 0 = the route's. ipv6(7).
    ///
    /// # Errors
    /// EINVAL (no group), ENODEV, EADDRINUSE (joined already).
    #[doc(alias = "IPV6_JOIN_GROUP")]
    #[doc(alias = "IPV6_ADD_MEMBERSHIP")]
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> Result<()> {
        self.setsockopt(IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, (group, interface))
    }

    /// Leaves an IPv6 group. ipv6(7).
    ///
    /// # Errors
    /// EADDRNOTAVAIL (not joined).
    #[doc(alias = "IPV6_LEAVE_GROUP")]
    #[doc(alias = "IPV6_DROP_MEMBERSHIP")]
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> Result<()> {
        self.setsockopt(IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, (group, interface))
    }
}

/// A time-out of zero would mean none at all: `std::net` refuses it, and so do we. What is shorter than the option can say
/// becomes the shortest.
fn not_zero(timeout: Option<Duration>) -> Result<Duration> {
    match timeout {
        Some(Duration::ZERO) => Err(Errno::EINVAL.because(Reason::OptionValue)),
        Some(timeout) => Ok(timeout.max(Duration::from_micros(1))),
        None => Ok(Duration::ZERO),
    }
}
