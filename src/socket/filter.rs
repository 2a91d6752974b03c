//! SO_ATTACH_FILTER with a type: a program, or the text of one.

use super::Socket;
use crate::base::constants::{
    AF_INET, AF_PACKET, SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_LOCK_FILTER, SOCK_RAW, SOL_SOCKET,
};
use crate::base::{Errno, LinkType, Result};
use crate::wire::filter::{Program, compile};

/// What can be a socket's filter: a [`Program`], or an expression of pcap-filter(7).
pub trait AsFilter {
    /// The program, for packets that begin with this header; `None`: with a transport header, or less.
    ///
    /// # Errors
    /// EINVAL.
    fn program(&self, link: Option<LinkType>) -> Result<Program>;
}

impl AsFilter for Program {
    fn program(&self, _: Option<LinkType>) -> Result<Program> {
        Ok(self.clone())
    }
}

impl AsFilter for str {
    fn program(&self, link: Option<LinkType>) -> Result<Program> {
        let link = link.ok_or_else(|| {
            Errno::EINVAL.with(
                "an expression asks for IP headers, and this socket's filter sees none: attach a Program",
            )
        })?;
        compile(self, link).map_err(|error| match &error.hint {
            Some(hint) => Errno::EINVAL.with(format!("{error}; {hint}")),
            None => Errno::EINVAL.with(error.to_string()),
        })
    }
}

impl<T: AsFilter + ?Sized> AsFilter for &T {
    fn program(&self, link: Option<LinkType>) -> Result<Program> {
        (**self).program(link)
    }
}

impl Socket {
    /// Takes in only what the filter lets through, cut to the length that it says, socket(7). What the filter sees begins with the
    /// Ethernet header (packet sockets; SOCK_DGRAM: with what is behind it), the IPv4 header (raw sockets; of IPv6 with
    /// what is behind the header), the UDP header or the ICMP message. A TCP socket keeps its filter and takes everything in.
    ///
    /// `setsockopt(SOL_SOCKET, SO_ATTACH_FILTER, bytes)` takes the instructions themselves ([`Program::to_bytes`]), where Linux
    /// takes a struct sock_fprog that points to them.
    ///
    /// # Errors
    /// EINVAL (an expression that is wrong, or a socket whose packets have no IP header), EPERM (locked).
    ///
    /// ```
    /// # use sockatoo::{Host, socket::*};
    /// # let host = Host::builder().build()?;
    /// let socket = host.socket(AF_PACKET, SOCK_RAW, i32::from(htons(ETH_P_ALL)))?;
    /// socket.attach_filter("udp port 53 and not ip6")?;
    /// assert!(socket.attach_filter("udp prot 53").unwrap_err().to_string().contains("did you mean `port`?"));
    /// socket.detach_filter()?;
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    #[doc(alias = "SO_ATTACH_FILTER")]
    pub fn attach_filter(&self, filter: impl AsFilter) -> Result<()> {
        let link = match (self.family(), self.type_()) {
            (AF_PACKET, SOCK_RAW) => Some(LinkType::Ethernet),
            (AF_PACKET, _) | (AF_INET, SOCK_RAW) => Some(LinkType::Ip),
            _ => None,
        };
        self.setsockopt(SOL_SOCKET, SO_ATTACH_FILTER, filter.program(link)?.to_bytes())
    }

    /// Takes everything in again, socket(7).
    ///
    /// # Errors
    /// ENOENT (there is no filter), EPERM (locked).
    #[doc(alias = "SO_DETACH_FILTER")]
    pub fn detach_filter(&self) -> Result<()> {
        self.setsockopt(SOL_SOCKET, SO_DETACH_FILTER, 0)
    }

    /// Keeps the filter (or that there is none) as it is, for good, socket(7).
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "SO_LOCK_FILTER")]
    pub fn lock_filter(&self) -> Result<()> {
        self.setsockopt(SOL_SOCKET, SO_LOCK_FILTER, 1)
    }
}
