//! Where whole packets leave a host, whatever they begin with.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::batch::{Batch, Tally, destination, wait_for_device};
use super::neighbour::Patience;
use crate::base::constants::{AF_INET, AF_INET6, AF_PACKET, IPPROTO_RAW, SO_BROADCAST, SOCK_RAW, SOL_SOCKET};
use crate::base::{Errno, Error, IfIndex, Instant, LinkAddr, LinkType, Result};
use crate::driver::Host;
use crate::socket::{NextHop, Socket, Verbatim};
use crate::wire::packet::Packet;

/// Destinations that are remembered; more are looked up again.
const REMEMBERED: usize = 4096;

/// Through what a packet leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// It begins with an Ethernet header: a packet socket.
    Frame,
    /// It begins with an IPv4 header: a raw socket; the host routes it and finds the next station.
    V4,
    /// The same of IPv6.
    V6,
}

impl Door {
    /// Of a packet to be built.
    ///
    /// # Errors
    /// EINVAL if it begins with none of these.
    pub fn of(packet: &Packet) -> Result<Self> {
        match packet.layers.first().map(|layer| layer.kind().name) {
            Some("ether" | "dot3") => Ok(Self::Frame),
            Some("ip") => Ok(Self::V4),
            Some("ipv6") => Ok(Self::V6),
            Some(other) => Err(Errno::EINVAL
                .with(format!("a packet that is sent begins with ether, ip or ipv6, not with {other}"))),
            None => Err(Errno::EINVAL.with("an empty packet")),
        }
    }

    /// Of bytes. What begins with an IP header and is not of version 6 leaves as IPv4.
    pub fn of_bytes(link: LinkType, bytes: &[u8]) -> Self {
        match (link, bytes.first().map(|byte| byte >> 4)) {
            (LinkType::Ethernet | LinkType::Can, _) => Self::Frame,
            (LinkType::Ip, Some(6)) => Self::V6,
            (LinkType::Ip, _) => Self::V4,
        }
    }

    const fn family(self) -> i32 {
        match self {
            Self::Frame => AF_PACKET,
            Self::V4 => AF_INET,
            Self::V6 => AF_INET6,
        }
    }
}

/// Sends whole packets exactly as they are: frames out on one interface, IP packets wherever the host's routes lead.
///
/// Packets to a neighbour that is not known yet wait until it has answered (for a second, and not more than three for all of
/// them): the host would keep a hundred of them only. While a device is busy it waits, so that nothing is lost there.
#[derive(Debug)]
pub struct Outlet {
    host: Host,
    interface: IfIndex,
    /// Of frames, of IPv4, of IPv6.
    sockets: [Option<Arc<Socket>>; 3],
    door: Door,
    batch: Batch,
    /// Destinations whose next hop is known, or not worth waiting for any more.
    settled: HashSet<IpAddr>,
    /// Next hops that are not known, and to which one packet has gone.
    asked: HashMap<IpAddr, NextHop>,
    last: Option<IpAddr>,
    patience: Patience,
    /// No waiting beyond it.
    until: Instant,
    tally: Tally,
}

impl Outlet {
    /// Of a host; `interface` is where frames leave, `None` = its first wire (`lo` if it has none).
    pub fn new(host: &Host, interface: Option<IfIndex>) -> Self {
        let wire = || host.interfaces().get(1).map_or(IfIndex::LO, |wire| wire.index);
        Self {
            interface: interface.unwrap_or_else(wire),
            host: host.clone(),
            sockets: [const { None }; 3],
            door: Door::Frame,
            batch: Batch::default(),
            settled: HashSet::new(),
            asked: HashMap::new(),
            last: None,
            patience: Patience::default(),
            until: Instant::FAR,
            tally: Tally::default(),
        }
    }

    /// Where frames leave.
    pub const fn interface(&self) -> IfIndex {
        self.interface
    }

    /// The host that it belongs to.
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// What was sent until now, what waits in [`Outlet::queue`] not counted.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// A packet that could not even be built.
    pub(super) fn fail(&mut self, error: Error) {
        self.tally.fail(error);
    }

    /// Does not wait for a busy device, nor for a neighbour, beyond this time.
    pub(super) fn stop_at(&mut self, until: Instant) {
        self.until = until;
    }

    /// Takes a packet, to be sent together with others: at the latest with [`Outlet::flush`].
    ///
    /// # Errors
    /// EINTR or ENETDOWN if the host was shut down. What goes wrong with a packet is counted in [`Outlet::tally`].
    pub fn queue(&mut self, door: Door, packet: &[u8]) -> Result<()> {
        if door != self.door || self.batch.is_full() {
            self.flush()?;
            self.door = door;
        }
        if let Some(to) = destination(door.family(), packet)
            && self.last != Some(to)
        {
            self.settle(to)?;
        }
        self.batch.push(packet);
        Ok(())
    }

    /// Waits for a neighbour to which one packet has gone already and who has not answered yet.
    fn settle(&mut self, to: IpAddr) -> Result<()> {
        if self.settled.contains(&to) {
            self.last = Some(to);
            return Ok(());
        }
        if let Some(hop) = self.host.next_hop(to).filter(|hop| !hop.known) {
            if self.asked.len() >= REMEMBERED {
                self.asked.clear();
            }
            if self.asked.insert(hop.address, hop).is_none() {
                return Ok(());
            }
            self.flush()?;
            // That nobody answers is no reason not to send.
            self.patience.find(&self.host, hop, self.until)?;
        }
        if self.settled.len() >= REMEMBERED {
            self.settled.clear();
        }
        self.settled.insert(to);
        self.last = Some(to);
        Ok(())
    }

    /// Sends what was taken.
    ///
    /// # Errors
    /// EINTR or ENETDOWN if the host was shut down.
    pub fn flush(&mut self) -> Result<()> {
        if self.batch.len() == 0 {
            return Ok(());
        }
        let socket = match self.socket() {
            Ok(socket) => socket,
            Err(error) if error.is_shutdown() => return Err(error),
            Err(error) => {
                (0..self.batch.len()).for_each(|_| self.tally.fail(error.clone()));
                self.batch.clear();
                return Ok(());
            }
        };
        self.batch.flush(&socket, self.until, &mut self.tally)
    }

    /// Waits, as long as patience lasts, until all has left that still waits for a neighbour or for a busy device. Gives the next
    /// hops that did not answer: what was for them is lost.
    ///
    /// # Errors
    /// EINTR or ENETDOWN if the host was shut down.
    pub fn finish(&mut self) -> Result<Vec<IpAddr>> {
        self.flush()?;
        let mut silent = Vec::new();
        for (address, hop) in std::mem::take(&mut self.asked) {
            if !self.patience.find(&self.host, hop, Instant::FAR)? {
                silent.push(address);
            }
        }
        wait_for_device(&self.host, self.host.now() + self.patience.left())?;
        silent.sort_unstable();
        Ok(silent)
    }

    /// The door's socket, made at its first packet.
    fn socket(&mut self) -> Result<Arc<Socket>> {
        let Some(place) = self.sockets.get_mut(self.door as usize) else {
            return Err(Errno::EINVAL.with("no such door"));
        };
        if let Some(socket) = place {
            return Ok(socket.clone());
        }
        let protocol = if self.door == Door::Frame { 0 } else { IPPROTO_RAW };
        let socket = Arc::new(self.host.socket(self.door.family(), SOCK_RAW, protocol)?);
        match self.door {
            Door::Frame => socket.bind(LinkAddr::bind(self.interface, 0))?,
            Door::V4 => {
                socket.set_verbatim(Verbatim::Untouched)?;
                socket.setsockopt(SOL_SOCKET, SO_BROADCAST, true)?;
            }
            Door::V6 => {}
        }
        *place = Some(socket.clone());
        Ok(socket)
    }
}
