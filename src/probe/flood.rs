//! Packets of a template through a socket, as fast as the wire takes them.

use super::batch::{BATCH, Batch, Tally};
use crate::base::{Instant, Result};
use crate::socket::Socket;
use crate::wire::packet::Template;

/// Sends a template's packets through a socket, many in one call.
///
/// The socket takes them whole: a packet socket frames ([`crate::socket::SOCK_RAW`], bound to its interface), a raw socket with
/// the header included packets, each to the destination that stands in it.
#[derive(Debug)]
pub struct Flood<'s> {
    socket: &'s Socket,
    batch: Batch,
    tally: Tally,
}

impl<'s> Flood<'s> {
    /// Through this socket.
    pub fn new(socket: &'s Socket) -> Self {
        Self { socket, batch: Batch::default(), tally: Tally::default() }
    }

    /// Packets sent so far.
    pub const fn sent(&self) -> u64 {
        self.tally.sent
    }

    /// Their bytes.
    pub const fn sent_bytes(&self) -> u64 {
        self.tally.bytes
    }

    /// The template's next packets, at most `most`: how many were sent; 0 behind the last one. While a device is busy it waits,
    /// so that nothing is lost on the way.
    ///
    /// # Errors
    /// The template's, and the socket's.
    pub fn burst(&mut self, template: &mut Template<'_>, most: usize) -> Result<usize> {
        self.batch.clear();
        while self.batch.len() < most.min(BATCH) {
            let Some(packet) = template.next() else { break };
            self.batch.push(packet?);
        }
        let before = self.tally.sent;
        self.batch.flush(self.socket, Instant::FAR, &mut self.tally)?;
        match self.tally.errors.pop() {
            Some((error, _)) => Err(error),
            None => Ok((self.tally.sent - before) as usize),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::constants::{AF_INET, ETH_P_ALL, ETH_P_IP, IPPROTO_RAW, PACKET_HOST, SOCK_RAW};
    use crate::base::{IfIndex, LinkAddr};
    use crate::device::{Cable, CableConfig, Fault, Faulty};
    use crate::driver::Host;
    use crate::socket::{AF_PACKET, htons};
    use crate::wire::packet::{Nowhere, Packet};

    /// More than wait for a busy device, and more than one call takes.
    const PACKETS: u16 = 1000;

    /// The IP identifications that arrive, in their order.
    fn arrivals(sniffer: &Socket, count: usize) -> Vec<u16> {
        sniffer.settimeout(Some(Duration::from_secs(20))).unwrap();
        let mut seen = Vec::new();
        while seen.len() < count {
            for captured in sniffer.capture(64).unwrap() {
                let bytes = captured.frame.bytes();
                assert_eq!((captured.address.packet_type, &bytes[12..14]), (PACKET_HOST, &[8, 0][..]));
                seen.push(u16::from_be_bytes([bytes[18], bytes[19]]));
            }
        }
        seen
    }

    fn template(packet: &str) -> Template<'static> {
        Template::new(&packet.parse::<Packet>().unwrap(), &Nowhere, 0).unwrap()
    }

    #[test]
    fn nothing_is_lost_on_a_device_that_is_busy() {
        let (ours, theirs) = Cable::pair(CableConfig::default());
        let (ours, fault) = Faulty::new(ours);
        let host = Host::builder().device(ours).ipv4_only().build().unwrap();
        let peer = Host::builder().recv_buffer(4 << 20).device(theirs).ipv4_only().build().unwrap();
        let station = peer.interfaces()[1].mac;
        let sniffer = peer.socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP)).unwrap();
        let socket = host.socket(AF_PACKET, SOCK_RAW, 0).unwrap();
        socket.bind(LinkAddr::bind(IfIndex(2), ETH_P_ALL)).unwrap();
        let text =
            format!("ether(dst={station})/ip(src=192.0.2.1, dst=192.0.2.2, id=0..{})/udp", PACKETS - 1);
        let (flood_host, fault_of_flood) = (host.clone(), fault.clone());
        let flooding = std::thread::spawn(move || {
            let (mut flood, mut template) = (Flood::new(&socket), template(&text));
            assert!(flood.burst(&mut template, 100).unwrap() == 100 && !flood_host.is_congested());
            fault_of_flood.set(Fault::Busy);
            while flood.burst(&mut template, usize::MAX).unwrap() > 0 {}
            (flood.sent(), flood.sent_bytes())
        });
        while !host.is_congested() {
            std::thread::yield_now();
        }
        fault.set(Fault::None);
        assert_eq!(flooding.join().unwrap(), (PACKETS.into(), u64::from(PACKETS) * 42));
        assert_eq!(arrivals(&sniffer, PACKETS.into()), (0..PACKETS).collect::<Vec<_>>());
    }

    #[test]
    fn packets_go_where_they_say() {
        let (ours, theirs) = Cable::pair(CableConfig::default());
        let peer = Host::builder().device(theirs).ipv4_only().build().unwrap();
        let station = peer.interfaces()[1].mac;
        let host = Host::builder().device(ours).ipv4_only().address("192.0.2.1/24").unwrap();
        let host = host.neighbour("192.0.2.2", station).unwrap().neighbour("192.0.2.3", station).unwrap();
        let sniffer = peer.socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP)).unwrap();
        let socket = host.build().unwrap().socket(AF_INET, SOCK_RAW, IPPROTO_RAW).unwrap();
        let mut template = template("ip(src=192.0.2.9, dst=192.0.2.2..192.0.2.3, id=[7, 8])/udp");
        let mut flood = Flood::new(&socket);
        assert_eq!((flood.burst(&mut template, 3).unwrap(), flood.burst(&mut template, 3).unwrap()), (3, 1));
        assert_eq!(flood.burst(&mut template, 3).unwrap(), 0);
        assert_eq!(arrivals(&sniffer, 4), [7, 7, 8, 8], "the last field varies fastest");
    }
}
