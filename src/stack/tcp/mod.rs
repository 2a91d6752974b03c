//! TCP: the flow table, listeners, TIME_WAIT, the causes of errors; smoltcp's engine behind one door (`engine.rs`).

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use super::{Datagram, Net, NetError, Received, Stack};
use crate::base::{Instant, Result, SockAddr, SocketId};

/// What all TCP sockets share: flows, listeners, half-open entries, TIME_WAIT, timers.
pub(crate) struct Tcp {}

/// What a TCP socket has of its own: nothing yet, a listener, or a flow.
#[derive(Debug, Default)]
pub(crate) struct TcpSocket {}

impl Tcp {
    pub(crate) fn new(net: &Net) -> Self {
        Self {}
    }
    pub(super) fn deadline(&self) -> Option<Instant> {
        todo!()
    }
}

/// What verbs.rs and the dispatch ask of TCP. `Entry` (table.rs) has what all sockets share; verbs.rs has checked the family,
/// the kind and that the socket exists, has bound what must be bound (listen: an ephemeral port if none), and maps addresses.
impl Stack {
    pub(super) fn tcp_input(&mut self, datagram: Datagram) {
        todo!()
    }
    pub(super) fn tcp_error(&mut self, error: &NetError) {
        todo!()
    }
    pub(super) fn tcp_address_gone(&mut self, address: IpAddr) {
        todo!()
    }
    pub(super) fn tcp_tick(&mut self) {
        todo!()
    }
    pub(super) fn tcp_listen(&mut self, id: SocketId, backlog: i32) -> Result<()> {
        todo!()
    }
    pub(super) fn tcp_accept(&mut self, id: SocketId) -> Result<(SocketId, SocketAddr)> {
        todo!()
    }
    /// Chooses source and ephemeral port if not bound; EINPROGRESS.
    pub(super) fn tcp_connect(&mut self, id: SocketId, remote: SocketAddr) -> Result<()> {
        todo!()
    }
    /// connect(2) with AF_UNSPEC: RST, back to a fresh socket.
    pub(super) fn tcp_disconnect(&mut self, id: SocketId) -> Result<()> {
        todo!()
    }
    pub(super) fn tcp_send(&mut self, id: SocketId, data: &[IoSlice<'_>], flags: i32) -> Result<usize> {
        todo!()
    }
    pub(super) fn tcp_recv(
        &mut self,
        id: SocketId,
        data: &mut [IoSliceMut<'_>],
        flags: i32,
    ) -> Result<Received> {
        todo!()
    }
    pub(super) fn tcp_shutdown(&mut self, id: SocketId, how: i32) -> Result<()> {
        todo!()
    }
    /// The entry goes away after this; a flow that has something left to do stays as an orphan.
    pub(super) fn tcp_close(&mut self, id: SocketId) -> Result<()> {
        todo!()
    }
    pub(super) fn tcp_poll(&self, id: SocketId) -> i32 {
        todo!()
    }
    pub(super) fn tcp_readable(&self, id: SocketId) -> Result<usize> {
        todo!()
    }
    pub(super) fn tcp_unsent(&self, id: SocketId) -> Result<usize> {
        todo!()
    }
    /// An option of SOL_TCP or SOL_SOCKET that the engine must hear of has changed in `Entry::options`.
    pub(super) fn tcp_option_changed(&mut self, id: SocketId, level: i32, name: i32) -> Result<()> {
        todo!()
    }
    /// struct tcp_info, as far as it is known truthfully.
    pub(super) fn tcp_info(&self, id: SocketId) -> Result<Vec<u8>> {
        todo!()
    }
    /// TCP_MAXSEG: the segment size in use now.
    pub(super) fn tcp_maxseg(&self, id: SocketId) -> u32 {
        todo!()
    }
}
