//! Options of raw sockets with a type and a plain name. What raw sockets do stands here, at [`Socket::set_verbatim`].

use super::Socket;
use crate::base::Result;
use crate::base::constants::*;

pub use crate::stack::Verbatim;

/// Raw sockets: raw(7). `host.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)` and the like.
///
/// | protocol | receives | sends |
/// |---|---|---|
/// | 1 to 254 | every datagram of the protocol that comes for this host, whole, with its IPv4 header (of IPv6 without) | a payload under a header that the stack makes; a whole packet with [`Socket::set_header_included`] |
/// | `IPPROTO_RAW` (255) | nothing | whole packets |
/// | `IPPROTO_IP` (0; IPv4, not in Linux) | every packet that an interface hears, as it arrived: other hosts', fragments, wrong checksums | whole packets |
///
/// ```
/// # use sockatoo::{Host, socket::*};
/// # let host = Host::builder().build()?;
/// let socket = host.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)?;
/// socket.sendto(b"\x08\x00\xf7\xfd\x00\x01\x00\x01", 0, ("127.0.0.1", 0))?;
/// let (packet, from) = socket.recvfrom(100, 0)?;
/// assert_eq!((packet[0], packet[9], packet.len()), (0x45, 1, 28));
/// assert_eq!(from.to_string(), "127.0.0.1:0");
/// # Ok::<(), sockatoo::Error>(())
/// ```
impl Socket {
    /// True if the program writes the IP header itself. raw(7), ipv6(7).
    ///
    /// # Errors
    /// ENOPROTOOPT if it is no raw socket of IPv6.
    #[doc(alias = "IP_HDRINCL")]
    #[doc(alias = "IPV6_HDRINCL")]
    pub fn header_included(&self) -> Result<bool> {
        let (level, name) = self.header_option();
        Ok(self.getsockopt(level, name)? != 0)
    }

    /// Sets what [`Socket::header_included`] tells. `IPPROTO_RAW` and `IPPROTO_IP` begin with it.
    ///
    /// # Errors
    /// ENOPROTOOPT if it is no raw socket.
    #[doc(alias = "IP_HDRINCL")]
    #[doc(alias = "IPV6_HDRINCL")]
    pub fn set_header_included(&self, on: bool) -> Result<()> {
        let (level, name) = self.header_option();
        self.setsockopt(level, name, on)
    }

    fn header_option(&self) -> (i32, i32) {
        if self.family() == AF_INET6 { (IPPROTO_IPV6, IPV6_HDRINCL) } else { (IPPROTO_IP, IP_HDRINCL) }
    }

    /// How literally an IPv4 header is taken that the program wrote.
    ///
    /// # Errors
    /// ENOPROTOOPT if it is no raw socket.
    #[doc(alias = "SO_VERBATIM")]
    pub fn verbatim(&self) -> Result<Verbatim> {
        Ok(Verbatim::from_number(self.getsockopt(SOL_SOCKET, SO_VERBATIM)?).unwrap_or_default())
    }

    /// Sets what [`Socket::verbatim`] tells: `SO_VERBATIM`, which is ours (level `SOL_SOCKET`, number 0x5001). Linux, which does not
    /// know it, does as with 0.
    ///
    /// | | 0 [`Verbatim::Linux`] | 1 [`Verbatim::FillZeros`], the default | 2 [`Verbatim::Untouched`] |
    /// |---|---|---|---|
    /// | total length, checksum | always overwritten | filled in if zero | as written |
    /// | source, identification | filled in if zero | filled in if zero | as written |
    /// | version, IHL, TOS, flags, fragment offset, TTL, protocol, options | as written | as written | as written |
    /// | under 20 bytes, IHL under 5, header longer than the packet | EINVAL | as written | as written |
    /// | version other than 4 | the header is treated as IPv4's | as written | as written |
    /// | longer than the MTU | EMSGSIZE | EMSGSIZE | EMSGSIZE |
    ///
    /// With 1 a checksum that is right for the header as it was written is kept right when zeros beside it are filled in; a wrong one
    /// stays wrong. A packet that leaves with a length or checksum that Linux would have overwritten is counted as `raw.verbatim`. Of
    /// IPv6 headers nothing is ever changed, here as there. Where a packet goes is said by `sendto` (or `connect`) alone.
    ///
    /// From Python, in a program on this host: `s.setsockopt(socket.SOL_SOCKET, 0x5001, 2)`.
    ///
    /// ```
    /// # use sockatoo::{Host, socket::*};
    /// # let host = Host::builder().build()?;
    /// let socket = host.socket(AF_INET, SOCK_RAW, IPPROTO_RAW)?;
    /// assert_eq!(socket.verbatim()?, Verbatim::FillZeros);
    /// socket.set_verbatim(Verbatim::Untouched)?;
    /// assert_eq!(socket.getsockopt(SOL_SOCKET, SO_VERBATIM)?, 2);
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    ///
    /// # Errors
    /// ENOPROTOOPT if it is no raw socket.
    #[doc(alias = "SO_VERBATIM")]
    pub fn set_verbatim(&self, rule: Verbatim) -> Result<()> {
        self.setsockopt(SOL_SOCKET, SO_VERBATIM, rule.number())
    }

    /// The ICMP types that a raw socket of `IPPROTO_ICMP` (0 to 31) or `IPPROTO_ICMPV6` (0 to 255) receives. icmp(7), RFC 3542 3.2.
    ///
    /// # Errors
    /// EOPNOTSUPP if the socket is of another protocol.
    #[doc(alias = "ICMP_FILTER")]
    #[doc(alias = "ICMP6_FILTER")]
    pub fn icmp_filter(&self) -> Result<Vec<u8>> {
        let (level, name, length) = self.filter_option();
        let blocked = self.getsockopt_bytes(level, name, length)?;
        let bit = |kind: &u8| blocked.get(place(*kind)).is_some_and(|byte| byte >> (kind & 7) & 1 == 0);
        Ok((0..=255).filter(bit).collect())
    }

    /// Lets only messages of these ICMP types through to the socket. IPv4's types from 32 on always pass.
    ///
    /// ```
    /// # use sockatoo::{Host, socket::*};
    /// # let host = Host::builder().build()?;
    /// let socket = host.socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)?;
    /// assert_eq!(socket.icmp_filter()?.len(), 256);
    /// socket.set_icmp_filter(&[129, 3])?; // echo replies, time exceeded
    /// assert_eq!(socket.icmp_filter()?, [3, 129]);
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    ///
    /// # Errors
    /// EOPNOTSUPP if the socket is of another protocol.
    #[doc(alias = "ICMP_FILTER")]
    #[doc(alias = "ICMP6_FILTER")]
    pub fn set_icmp_filter(&self, types: &[u8]) -> Result<()> {
        let (level, name, length) = self.filter_option();
        let mut blocked = vec![0xff_u8; length];
        for kind in types {
            if let Some(byte) = blocked.get_mut(place(*kind)) {
                *byte &= !(1 << (kind & 7));
            }
        }
        self.setsockopt(level, name, blocked)
    }

    fn filter_option(&self) -> (i32, i32, usize) {
        if self.family() == AF_INET6 { (SOL_ICMPV6, ICMP6_FILTER, 32) } else { (SOL_RAW, ICMP_FILTER, 4) }
    }

    /// Where in the payload of a raw IPv6 socket a checksum stands, in bytes (even): it is written when sending, and what arrives with
    /// a wrong one is dropped. `None` = there is none. RFC 3542 3.1.
    ///
    /// # Errors
    /// EINVAL if it is odd, or if the socket is `IPPROTO_ICMPV6`'s (there it is always 2); ENOPROTOOPT if it is no raw IPv6 socket.
    #[doc(alias = "IPV6_CHECKSUM")]
    pub fn set_checksum_offset(&self, offset: Option<u16>) -> Result<()> {
        self.setsockopt(IPPROTO_IPV6, IPV6_CHECKSUM, offset.map_or(-1, i32::from))
    }

    /// Has a raw socket of `IPPROTO_IP` told of wrong checksums, by [`ControlMessage::ChecksumBad`](super::ControlMessage) beside the
    /// packet: `IP_CSUM_BAD`, which is ours (level `IPPROTO_IP`, number 0x5002).
    ///
    /// # Errors
    /// ENOPROTOOPT if it is no raw IPv4 socket.
    #[doc(alias = "IP_CSUM_BAD")]
    pub fn set_tell_bad_checksums(&self, on: bool) -> Result<()> {
        self.setsockopt(IPPROTO_IP, IP_CSUM_BAD, on)
    }
}

/// The byte of a filter's words, in the byte order of the machine, that has the type's bit.
fn place(kind: u8) -> usize {
    let byte = usize::from(kind >> 3);
    if cfg!(target_endian = "big") { byte ^ 3 } else { byte }
}
