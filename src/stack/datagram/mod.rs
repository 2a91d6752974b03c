//! What UDP, ping and raw sockets share.
//!
//! | file | what |
//! |---|---|
//! | `queue.rs` | a socket's queue of datagrams, bounded by SO_RCVBUF; recvmsg(2), poll(2) |
//! | `coalesce.rs` | datagrams that come together (UDP_GRO) |
//! | `extensions.rs` | IPv6 extension headers, sent and told (RFC 3542) |
//! | `flow_label.rs` | flow labels that programs hold (IPV6_FLOWLABEL_MGR) |
//! | `errors.rs` | its queue of errors and notices (MSG_ERRQUEUE) |
//! | `asked.rs` | what a call asks of its own datagram beside the way: mark, priority, times |
//! | `way.rs` | the way of a datagram out: source, interface, header fields, fragments or EMSGSIZE |
//! | `connect.rs` | connect(2): a peer and a source, no packet |
//! | `address.rs` | IPv4-mapped addresses, scopes of link-local ones |
//!
//! Their owners are udp/, icmp.rs and raw/.

mod address;
mod asked;
mod coalesce;
mod connect;
mod errors;
mod extensions;
mod flow_label;
mod queue;
mod way;

use std::collections::HashMap;
use std::io::IoSlice;

use crate::base::{Errno, Reason, Result, SocketId};

pub(crate) use address::{WithScope, needs_scope, scoped};

pub(in crate::stack) use asked::{priority_of, span};
pub(crate) use errors::ErrorQueue;
pub(in crate::stack) use extensions::Extensions;
pub(crate) use flow_label::FlowLabels;
pub(crate) use queue::{Queue, Queued};
pub(in crate::stack) use queue::{charge, facts, scatter};
pub(crate) use way::{Outgoing, gather};

/// Which sockets are bound to a port (or have a ping identifier), in the order of binding.
#[derive(Debug, Default)]
pub(crate) struct ByPort(HashMap<u16, Vec<SocketId>>);

impl ByPort {
    pub(crate) fn insert(&mut self, port: u16, id: SocketId) {
        self.0.entry(port).or_default().push(id);
    }

    pub(crate) fn remove(&mut self, port: u16, id: SocketId) {
        if let Some(sockets) = self.0.get_mut(&port) {
            sockets.retain(|other| *other != id);
            if sockets.is_empty() {
                self.0.remove(&port);
            }
        }
    }

    pub(crate) fn get(&self, port: u16) -> &[SocketId] {
        self.0.get(&port).map_or(&[], Vec::as_slice)
    }
}

/// The length of what one call sends as one datagram. EMSGSIZE for what no IP packet can say.
pub(crate) fn length(data: &[IoSlice<'_>]) -> Result<usize> {
    let length = data.iter().map(|slice| slice.len()).sum();
    if length > 0xffff { Err(Errno::EMSGSIZE.because(Reason::MessageTooLong)) } else { Ok(length) }
}

#[cfg(test)]
mod tests;
