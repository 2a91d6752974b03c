//! Ping sockets (SOCK_DGRAM, IPPROTO_ICMP and IPPROTO_ICMPV6; icmp(7)).

use super::{Datagram, NetError, Stack};

/// What all ping sockets share.
#[derive(Debug, Default)]
pub(crate) struct Ping {}

/// What a ping socket has of its own.
#[derive(Debug, Default)]
pub(crate) struct PingSocket {}

impl Stack {
    pub(super) fn ping_input(&mut self, datagram: Datagram) {
        todo!()
    }
    pub(super) fn ping_error(&mut self, error: &NetError) {
        todo!()
    }
}
