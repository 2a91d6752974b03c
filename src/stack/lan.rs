//! For tests: the lower halves of several hosts, on wires, in virtual time.

use std::net::IpAddr;
use std::time::Duration;

use super::Config;
use super::net::{Hints, Inbound, InterfaceConfig, IpHead, Net};
use crate::base::constants::IPPROTO_UDP;
use crate::base::{Cidr, Errno, Error, Frame, IfIndex, Instant, Mac, Reason};

/// The first wire of a host.
pub(super) const WIRE: IfIndex = IfIndex(2);

/// Hosts and what connects their interfaces.
pub(super) struct Lan {
    pub(super) hosts: Vec<Net>,
    /// Each wire: the (host, interface) pairs on it.
    pub(super) wires: Vec<Vec<(usize, IfIndex)>>,
    /// Every frame that left an interface, `lo` included: (host, interface, bytes).
    pub(super) seen: Vec<(usize, IfIndex, Vec<u8>)>,
    /// What the transports of each host got.
    pub(super) inbound: Vec<Vec<Inbound>>,
    pub(super) now: Instant,
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

/// The MAC of a host's n-th interface.
pub(super) fn mac(host: usize, interface: IfIndex) -> Mac {
    Mac([2, 0, 0, 0, interface.0 as u8, host as u8 + 1])
}

impl Lan {
    /// Hosts with one interface each on one wire, with these addresses, IPv6 on. Their duplicate address detection is over.
    pub(super) fn new(addresses: &[&[&str]]) -> Self {
        let mut lan = Self::empty();
        for addresses in addresses {
            let host = lan.host(Config::default());
            lan.attach(host, 0, addresses);
        }
        lan.run(Duration::from_secs(3));
        lan.seen.clear();
        lan
    }

    pub(super) fn empty() -> Self {
        Self { hosts: vec![], wires: vec![], seen: vec![], inbound: vec![], now: Instant::from_secs(1) }
    }

    pub(super) fn host(&mut self, config: Config) -> usize {
        let host = self.hosts.len();
        let mut net = Net::new(Config { secret: [host as u8; 16], ..config });
        net.now = self.now;
        self.hosts.push(net);
        self.inbound.push(vec![]);
        host
    }

    /// A new interface of a host, on the wire of this number.
    pub(super) fn attach(&mut self, host: usize, wire: usize, addresses: &[&str]) -> IfIndex {
        self.attach_with(host, wire, addresses, 1500)
    }

    pub(super) fn attach_with(
        &mut self,
        host: usize,
        wire: usize,
        addresses: &[&str],
        mtu: usize,
    ) -> IfIndex {
        let index = IfIndex(self.hosts[host].interfaces().len() as u32 + 1);
        let config = InterfaceConfig {
            link: crate::base::LinkType::Ethernet,
            name: format!("eth{}", index.0),
            mac: mac(host, index),
            mtu,
            addresses: addresses.iter().map(|a| cidr(a)).collect(),
            ipv6: true,
        };
        assert_eq!(self.hosts[host].add_interface(config).unwrap(), index);
        while self.wires.len() <= wire {
            self.wires.push(vec![]);
        }
        self.wires[wire].push((host, index));
        index
    }

    /// Carries what is under way, without letting time pass.
    pub(super) fn settle(&mut self) {
        for _ in 0..100_000 {
            let mut quiet = true;
            for host in 0..self.hosts.len() {
                while let Some(inbound) = self.hosts[host].take_inbound() {
                    self.inbound[host].push(inbound);
                }
                let Some((interface, frame)) = self.hosts[host].frame_out() else { continue };
                quiet = false;
                self.seen.push((host, interface, frame.bytes().to_vec()));
                if interface == IfIndex::LO {
                    self.hosts[host].frame_in(IfIndex::LO, frame);
                    continue;
                }
                let wire = self.wires.iter().find(|w| w.contains(&(host, interface))).cloned();
                for (peer, at) in wire.into_iter().flatten().filter(|p| *p != (host, interface)) {
                    self.hosts[peer].frame_in(at, Frame::copy_of(frame.bytes()));
                }
            }
            if quiet {
                return;
            }
        }
        panic!("the hosts never fall silent");
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        for _ in 0..100_000 {
            self.settle();
            let next = self.hosts.iter().filter_map(Net::deadline).min().filter(|at| *at <= end);
            self.now = next.unwrap_or(end).max(self.now);
            for host in &mut self.hosts {
                host.now = self.now;
                host.tick();
            }
            if next.is_none() {
                return self.settle();
            }
        }
        panic!("the timers never end");
    }

    /// Sends bytes under a UDP header's place: 8 bytes at least.
    pub(super) fn send(&mut self, host: usize, to: &str, payload: &[u8]) -> Result<(), Error> {
        self.send_as(host, to, payload, IPPROTO_UDP, |_| {})
    }

    pub(super) fn send_as(
        &mut self,
        host: usize,
        to: &str,
        payload: &[u8],
        protocol: i32,
        change: impl FnOnce(&mut IpHead),
    ) -> Result<(), Error> {
        let net = &mut self.hosts[host];
        let path = net.path(ip(to), Hints::default())?;
        let mut frame = net.pool.frame(payload.len());
        frame.bytes_mut().copy_from_slice(payload);
        let mut head = IpHead {
            flow_label: None,
            source: path.source,
            destination: ip(to),
            protocol: protocol as u8,
            ttl: 64,
            tos: 0,
            dont_fragment: false,
            ignore_path_mtu: false,
            loop_multicast: true,
        };
        change(&mut head);
        net.send(frame, head, Hints::default())
    }

    /// The payloads that a host's transports got since the last call.
    pub(super) fn received(&mut self, host: usize) -> Vec<Vec<u8>> {
        let taken = std::mem::take(&mut self.inbound[host]);
        let payload = |inbound| match inbound {
            Inbound::Datagram(datagram) => Some(datagram.payload().to_vec()),
            _ => None,
        };
        taken.into_iter().filter_map(payload).collect()
    }

    /// The errors that a host's transports got since the last call: number, reason, hard.
    pub(super) fn errors(&mut self, host: usize) -> Vec<(Errno, Reason, bool)> {
        let taken = std::mem::take(&mut self.inbound[host]);
        let error = |inbound| match inbound {
            Inbound::Error(error) => Some((error.errno, error.reason, error.hard)),
            _ => None,
        };
        taken.into_iter().filter_map(error).collect()
    }

    pub(super) fn count(&self, host: usize, reason: Reason) -> u64 {
        self.hosts[host].log.count(reason)
    }
}
