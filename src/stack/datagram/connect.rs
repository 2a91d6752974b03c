//! connect(2) of UDP and ping sockets, and its undoing: no packet leaves.

use std::net::SocketAddr;

use crate::base::{Result, SocketId};
use crate::stack::{SendTo, Stack};

impl Stack {
    /// connect(2) of UDP and ping sockets: the peer is noted, and the source that leads to it.
    pub(in crate::stack) fn datagram_connect(&mut self, id: SocketId, remote: SocketAddr) -> Result<()> {
        let way = self.datagram_way(id, remote, &SendTo::default())?;
        let entry = self.sockets.get_mut(id)?;
        if let Some(local) = &mut entry.local
            && local.ip().is_unspecified()
        {
            *local = SocketAddr::new(way.path.source, local.port());
        }
        entry.remote = Some(way.destination);
        self.rebind(id);
        self.ready.wake(id);
        Ok(())
    }

    /// connect(2) with AF_UNSPEC (__udp_disconnect): what bind has not chosen is given back.
    pub(in crate::stack) fn datagram_disconnect(&mut self, id: SocketId) -> Result<()> {
        let entry = self.sockets.get_mut(id)?;
        entry.remote = None;
        entry.device = None;
        let port_chosen = entry.port_chosen;
        if !entry.address_chosen {
            let any = entry.any_address();
            entry.local = entry.local.map(|local| SocketAddr::new(any, local.port()));
        }
        if port_chosen {
            self.rebind(id);
            return Ok(());
        }
        self.release_port(id);
        let entry = self.sockets.get_mut(id)?;
        entry.local =
            entry.local.filter(|_| entry.address_chosen).map(|local| SocketAddr::new(local.ip(), 0));
        Ok(())
    }
}
