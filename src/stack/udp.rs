//! UDP (RFC 768): sockets with a queue of datagrams and what is known of each.

use super::{Datagram, NetError, Stack};

/// What all UDP sockets share.
#[derive(Debug, Default)]
pub(crate) struct Udp {}

/// What a UDP socket has of its own.
#[derive(Debug, Default)]
pub(crate) struct UdpSocket {}

impl Stack {
    pub(super) fn udp_input(&mut self, datagram: Datagram) {
        todo!()
    }
    pub(super) fn udp_error(&mut self, error: &NetError) {
        todo!()
    }
}
