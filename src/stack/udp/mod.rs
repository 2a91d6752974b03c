//! UDP (RFC 768) and UDP-Lite (RFC 3828), which differs in what its checksum covers.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | what the sockets have, and who is bound where |
//! | `input.rs` | which socket gets a datagram, or an error |
//! | `output.rs` | how a datagram is sent, in pieces (MSG_MORE, UDP_CORK) or as many (UDP_SEGMENT) |

mod input;
mod output;

use std::net::SocketAddr;

use super::datagram::{ByPort, Queue};
use super::ports::Space;
#[cfg(feature = "cli")]
use super::table::{Entry, Part};
use crate::base::ControlMessage;
#[cfg(feature = "cli")]
use crate::base::SocketId;
use crate::base::constants::IPPROTO_UDPLITE;

/// Bytes of a header.
const HEADER: usize = 8;

/// What all UDP sockets share.
#[derive(Debug, Default)]
pub(crate) struct Udp {
    plain: ByPort,
    lite: ByPort,
}

impl Udp {
    /// Who is bound where: the ports of UDP-Lite are its own.
    pub(super) fn bound(&self, protocol: i32) -> &ByPort {
        if protocol == IPPROTO_UDPLITE { &self.lite } else { &self.plain }
    }

    /// The same by the ports' space.
    pub(super) fn bound_mut(&mut self, space: Space) -> &mut ByPort {
        if space == Space::UdpLite { &mut self.lite } else { &mut self.plain }
    }
}

/// What a UDP socket has of its own.
#[derive(Debug, Default)]
pub(crate) struct UdpSocket {
    pub(crate) queue: Queue,
    /// Under MSG_MORE or UDP_CORK: the datagram that grows.
    corked: Option<Corked>,
}

/// A datagram that is not finished.
#[derive(Debug)]
struct Corked {
    to: SocketAddr,
    data: Vec<u8>,
    control: Vec<ControlMessage>,
    /// MSG_* of the first call.
    flags: i32,
    /// UDP_SEGMENT as it was at the first piece.
    segment: u16,
}

#[cfg(feature = "cli")]
impl super::Stack {
    /// The sockets that could hear what this one sends to a port, if it wants to hear that none does (IP_RECVERR).
    pub(crate) fn hearers(&self, from: SocketId, port: u16) -> Vec<SocketId> {
        let asks = |entry: &Entry| entry.options.recv_error || entry.options.recv_error6;
        match self.sockets.get(from) {
            Ok(entry) if matches!(entry.protocol_part, Part::Udp(_)) && asks(entry) => {
                self.udp.bound(entry.protocol).get(port).to_vec()
            }
            _ => Vec::new(),
        }
    }
}
