//! What a host says of itself: its interfaces, routes, neighbours, sockets and counters as rows (base/verb.rs).
//!
//! A listing may be longer than one message: it is asked for in pieces, "from row n on", until one comes back empty.

use std::net::IpAddr;

use super::ip::{Route, RouteOrigin};
use super::link::{Address, AddressState, Interface, Neighbour};
use super::table::{Entry, Part};
use super::{Hints, Stack};
use crate::base::constants::{AF_INET6, AF_PACKET, AF_UNIX};
use crate::base::verb::{AddressRow, InterfaceRow, NeighbourRow, RouteKind, RouteRow, SocketRow};
use crate::base::{Cidr, IfIndex, Instant, Mac, Reason, Result, SocketId};

/// Rows in one piece: less than 100 bytes each, as they are sent.
const PIECE: usize = 1000;

fn seconds(now: Instant, until: Option<Instant>) -> Option<u32> {
    until.map(|until| u32::try_from(until.since(now).as_secs()).unwrap_or(u32::MAX))
}

impl Address {
    fn row(&self, on: &Interface, now: Instant) -> AddressRow {
        AddressRow {
            cidr: self.cidr,
            peer: self.peer,
            broadcast: self.broadcast,
            label: self.label.clone().unwrap_or_else(|| on.name.clone()),
            scope: self.scope,
            secondary: on.primary_of(self).is_some(),
            tentative: self.is_being_verified(),
            duplicate: self.state == AddressState::DadFailed,
            preferred: seconds(now, self.preferred_until),
            valid: seconds(now, self.valid_until),
        }
    }
}

impl Interface {
    fn row(&self, now: Instant) -> InterfaceRow {
        let (index, name, mac, mtu, up) = (self.index, self.name.clone(), self.mac, self.mtu, self.up);
        let addresses = self.addresses.iter().map(|address| address.row(self, now)).collect();
        let traffic = self.counters;
        let (hardware, flags, queue_len) = (self.hardware(), self.flags(), self.queue_len);
        InterfaceRow { index, name, mac, hardware, mtu, up, flags, queue_len, addresses, traffic }
    }
}

impl Stack {
    /// Every interface, `lo` first.
    pub(super) fn interface_rows(&self) -> Vec<InterfaceRow> {
        self.net.interfaces().iter().map(|interface| interface.row(self.net.now)).collect()
    }

    /// The routes, in the order in which `ip route` shows them.
    pub(super) fn route_rows(&self, from: usize) -> Vec<RouteRow> {
        let row = |route: &Route| RouteRow {
            network: route.network,
            via: route.via,
            interface: route.interface,
            source: route.source,
            kernel: matches!(route.origin, RouteOrigin::Connected | RouteOrigin::Prefix),
            advertised: route.origin == RouteOrigin::Router,
            valid: seconds(self.net.now, route.until),
            kind: route.kind,
            metric: route.metric,
        };
        self.net.sorted_routes().into_iter().skip(from).take(PIECE).map(row).collect()
    }

    /// The way to one address.
    pub(super) fn way_to(&self, to: IpAddr, interface: Option<IfIndex>) -> Result<RouteRow> {
        let path = self.net.path(to, Hints { interface, ..Hints::default() })?;
        Ok(RouteRow {
            network: Cidr::new(to, if to.is_ipv4() { 32 } else { 128 })?,
            via: (path.next_hop != to && path.interface != IfIndex::LO).then_some(path.next_hop),
            interface: path.interface,
            source: Some(path.source),
            kernel: false,
            advertised: false,
            valid: None,
            kind: RouteKind::Unicast,
            metric: 0,
        })
    }

    /// The neighbours, by interface and address.
    pub(super) fn neighbour_rows(&self, from: usize) -> Vec<NeighbourRow> {
        let mut entries: Vec<_> = self.net.neighbours().collect();
        entries.sort_by_key(|neighbour| (neighbour.interface, neighbour.address));
        let row = |neighbour: &&Neighbour| NeighbourRow {
            interface: neighbour.interface,
            address: neighbour.address,
            mac: Some(neighbour.mac).filter(|mac| *mac != Mac::ZERO),
            state: neighbour.state(self.net.now),
            router: neighbour.router,
        };
        entries.iter().skip(from).take(PIECE).map(row).collect()
    }

    /// The sockets by their numbers, then the connections without one by their ends.
    pub(super) fn socket_rows(&self, from: usize) -> Vec<SocketRow> {
        // A row has no place for the names of AF_UNIX.
        let mut sockets: Vec<_> = self.sockets.iter().filter(|(_, entry)| entry.domain != AF_UNIX).collect();
        sockets.sort_by_key(|(id, _)| *id);
        let rows = sockets.iter().skip(from).take(PIECE).map(|(id, entry)| self.socket_row(*id, entry));
        let mut rows: Vec<_> = rows.collect();
        if let Some(room @ 1..) = PIECE.checked_sub(rows.len()) {
            let orphans = self.tcp.rows_without_socket(&self.sockets, self.net.now);
            rows.extend(orphans.into_iter().skip(from.saturating_sub(sockets.len())).take(room));
        }
        rows
    }

    /// The file that a program has of a socket.
    #[cfg(feature = "cli")]
    pub(crate) fn set_inode(&mut self, id: SocketId, inode: u32) {
        if let Ok(entry) = self.sockets.get_mut(id) {
            entry.inode = Some(inode);
        }
    }

    /// True if it was told.
    #[cfg(feature = "cli")]
    pub(crate) fn has_inode(&self, id: SocketId) -> bool {
        self.sockets.get(id).is_ok_and(|entry| entry.inode.is_some())
    }

    pub(super) fn socket_row(&self, id: SocketId, entry: &Entry) -> SocketRow {
        let mut row = SocketRow {
            socket: Some(id),
            domain: entry.domain,
            kind: entry.kind,
            protocol: entry.protocol,
            state: None,
            local: entry.local,
            remote: entry.remote,
            receive_queue: entry.queue().map_or(0, |queue| queue.charged()),
            send_queue: 0,
            device: entry.device,
            v6only: entry.domain == AF_INET6 && entry.options.v6only,
            inode: entry.shown_inode(id),
            uid: entry.uid,
            timer: None,
        };
        match &entry.protocol_part {
            Part::Tcp(_) => self.tcp_row(id, &mut row),
            Part::Netlink(netlink) => row.receive_queue = netlink.charged(),
            Part::Can(can) => (row.receive_queue, row.device) = (can.memory().0, can.interface()),
            Part::Rds(rds) => (row.receive_queue, row.send_queue) = rds.bytes(),
            Part::Packet(packet) => {
                (row.domain, row.receive_queue) = (AF_PACKET, packet.charged());
                (row.protocol, row.device) = (i32::from(packet.listens_to().0), packet.listens_to().1);
            }
            _ => {}
        }
        row
    }

    /// What has happened at least once.
    pub(super) fn counter_rows(&self) -> Vec<(Reason, u64)> {
        let counted = Reason::ALL.iter().map(|reason| (*reason, self.net.log.count(*reason)));
        counted.filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::constants::{AF_INET, AF_INET6, SHUT_WR, SOCK_DGRAM, SOCK_STREAM};
    use crate::base::{SockAddr, TcpState};
    use crate::stack::Config;

    fn settle(stack: &mut Stack) {
        while let Some((interface, frame)) = stack.frame_out() {
            stack.frame_in(stack.net.now, interface, frame);
        }
    }

    #[test]
    fn every_connection_is_a_row_with_or_without_a_socket() {
        let mut stack = Stack::new(Config::default());
        let address = |port: u16| SockAddr::from(([127, 0, 0, 1], port));
        let states = |stack: &Stack| {
            let rows = stack.socket_rows(0);
            let mut states: Vec<_> = rows.iter().map(|r| (r.socket.is_some(), r.state.unwrap())).collect();
            states.sort_by_key(|(socket, state)| (*socket, state.name()));
            states
        };
        let listener = stack.socket(AF_INET, SOCK_STREAM, 0).unwrap();
        stack.bind(listener, address(80)).unwrap();
        stack.listen(listener, 5).unwrap();
        let client = stack.socket(AF_INET, SOCK_STREAM, 0).unwrap();
        let _ = stack.connect(client, address(80));
        let (interface, syn) = stack.frame_out().unwrap();
        stack.frame_in(stack.net.now, interface, syn);
        use TcpState::*;
        assert_eq!(states(&stack), [(false, SynReceived), (true, Listen), (true, SynSent)]);
        settle(&mut stack);
        let rows = stack.socket_rows(0);
        assert_eq!(states(&stack), [(false, Established), (true, Established), (true, Listen)]);
        assert_eq!((rows[0].receive_queue, rows[0].send_queue), (1, 5));
        assert_eq!(rows[2].remote, rows[1].local);

        let (server, _) = stack.accept(listener).unwrap();
        stack.shutdown(client, SHUT_WR).unwrap();
        settle(&mut stack);
        stack.close(server).unwrap();
        settle(&mut stack);
        assert_eq!(states(&stack), [(false, TimeWait), (true, Listen), (true, Closed)]);
        assert_eq!(stack.socket_rows(3).len() + stack.socket_rows(2).len(), 1);
        assert_eq!(stack.socket_rows(usize::MAX), []);
    }

    #[test]
    fn a_datagram_socket_shows_what_waits() {
        let mut stack = Stack::new(Config::default());
        let id = stack.socket(AF_INET6, SOCK_DGRAM, 0).unwrap();
        let own = SockAddr::from((std::net::Ipv6Addr::LOCALHOST, 53));
        stack.bind(id, own).unwrap();
        stack
            .send(
                id,
                &[std::io::IoSlice::new(b"hello")],
                crate::stack::SendTo { to: Some(own), ..Default::default() },
            )
            .unwrap();
        settle(&mut stack);
        let rows = stack.socket_rows(0);
        assert_eq!((rows.len(), rows[0].state, rows[0].local), (1, None, own.inet()));
        // A small datagram's truesize on Linux.
        assert_eq!(rows[0].receive_queue, 768);
        assert!(stack.counter_rows().iter().all(|(_, count)| *count > 0));
    }
}
