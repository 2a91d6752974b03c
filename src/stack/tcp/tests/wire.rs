//! The test's wire: two hosts, A (192.0.2.1, 2001:db8::1) and B (.2, ::2), virtual time, loss, delay, reordering, duplicates.

use std::collections::BTreeMap;
use std::io::{IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::time::Duration;

use crate::base::constants::{AF_INET, AF_INET6, POLLIN, SOCK_STREAM};
use crate::base::{Errno, Frame, IfIndex, Instant, Mac, Result, SocketId};
use crate::stack::{Config, InterfaceConfig, SendTo, Stack};

pub(in crate::stack) const A: usize = 0;
pub(in crate::stack) const B: usize = 1;

/// Faults, in thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::stack) struct Faults {
    pub(in crate::stack) loss: u64,
    pub(in crate::stack) duplicate: u64,
    pub(in crate::stack) reorder: u64,
}

/// Looks at a frame (from which host, when) and says whether it may pass; may change it.
pub(in crate::stack) type Tap = Box<dyn FnMut(usize, Instant, &mut Frame) -> bool>;

pub(in crate::stack) struct Wire {
    pub(in crate::stack) hosts: [Stack; 2],
    pub(in crate::stack) now: Instant,
    pub(in crate::stack) delay: Duration,
    pub(in crate::stack) faults: Faults,
    pub(in crate::stack) tap: Option<Tap>,
    /// TCP segments that the hosts have sent.
    pub(in crate::stack) frames: u64,
    interfaces: [IfIndex; 2],
    flying: BTreeMap<(Instant, u64), (usize, IfIndex, Frame)>,
    random: u64,
    count: u64,
}

impl Wire {
    pub(in crate::stack) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(in crate::stack) fn with(change: impl Fn(&mut Config)) -> Self {
        Self::mtu(1500, change)
    }

    pub(in crate::stack) fn mtu(mtu: usize, change: impl Fn(&mut Config)) -> Self {
        let mut interfaces = [IfIndex(0); 2];
        let mut host = |n: u8| {
            let mut config = Config { secret: [n; 16], dad_transmits: 0, ..Config::default() };
            change(&mut config);
            let mut stack = Stack::new(config);
            let addresses = [format!("192.0.2.{n}/24"), format!("2001:db8::{n}/64")];
            let interface = stack
                .net
                .add_interface(InterfaceConfig {
                    link: crate::base::LinkType::Ethernet,
                    name: "wire0".into(),
                    mac: Mac([2, 0, 0, 0, 0, n]),
                    mtu,
                    addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
                    ipv6: true,
                })
                .unwrap();
            interfaces[usize::from(n) - 1] = interface;
            stack
        };
        let hosts = [host(1), host(2)];
        let mut wire = Self {
            hosts,
            now: Instant::ZERO,
            delay: Duration::from_millis(1),
            faults: Faults::default(),
            tap: None,
            frames: 0,
            interfaces,
            flying: BTreeMap::new(),
            random: 0x1234_5678_9abc_def1,
            count: 0,
        };
        // Neighbours, groups and addresses settle first.
        wire.run_for(Duration::from_secs(5));
        wire
    }

    pub(in crate::stack) fn dice(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn thousandth(&mut self, chance: u64) -> bool {
        chance > 0 && self.dice() % 1000 < chance
    }

    /// Takes what the hosts have sent onto the wire.
    fn collect(&mut self) {
        for host in [A, B] {
            while let Some((interface, mut frame)) = self.hosts[host].frame_out() {
                self.count += 1;
                if interface == IfIndex::LO {
                    self.flying.insert((self.now, self.count), (host, IfIndex::LO, frame));
                    continue;
                }
                self.frames += u64::from(is_tcp(&frame));
                if let Some(tap) = &mut self.tap
                    && !tap(host, self.now, &mut frame)
                {
                    continue;
                }
                if self.thousandth(self.faults.loss) {
                    continue;
                }
                let mut at = self.now + self.delay;
                if self.thousandth(self.faults.reorder) {
                    at += self.delay * 3;
                }
                let other = 1 - host;
                if self.thousandth(self.faults.duplicate) {
                    self.flying.insert((at, self.count), (other, self.interfaces[other], frame.clone()));
                    self.count += 1;
                }
                self.flying.insert((at, self.count), (other, self.interfaces[other], frame));
            }
        }
    }

    /// One step: the next frame or timer, whichever comes first, but not after `end`. False if nothing was left to do.
    fn step(&mut self, end: Instant) -> bool {
        for host in &mut self.hosts {
            host.at(self.now);
        }
        self.collect();
        let frame = self.flying.first_key_value().map(|((at, _), _)| *at);
        let timer = self.hosts.iter().filter_map(Stack::deadline).min();
        let Some(next) = frame.into_iter().chain(timer).min().filter(|next| *next <= end) else {
            self.now = self.now.max(end);
            return false;
        };
        self.now = self.now.max(next);
        while let Some(entry) = self.flying.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let (host, interface, frame) = entry.remove();
            self.hosts[host].frame_in(self.now, interface, frame);
        }
        for host in &mut self.hosts {
            host.at(self.now);
            if host.deadline().is_some_and(|at| at <= self.now) {
                host.tick(self.now);
            }
        }
        true
    }

    pub(in crate::stack) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        let mut steps = 0u64;
        while self.step(end) {
            steps += 1;
            assert!(steps < 20_000_000, "virtual time does not pass: {}", self.now);
        }
        for host in &mut self.hosts {
            host.at(self.now);
        }
    }

    /// Runs until `done`, at most for `time`. True if it came.
    pub(in crate::stack) fn run_until(
        &mut self,
        time: Duration,
        mut done: impl FnMut(&mut Self) -> bool,
    ) -> bool {
        let end = self.now + time;
        while !done(self) {
            if !self.step(end) {
                return done(self);
            }
        }
        true
    }

    pub(in crate::stack) fn millis(&mut self, ms: u64) {
        self.run_for(Duration::from_millis(ms));
    }

    /// Puts a hand-made IP packet into a host, past the wire.
    pub(in crate::stack) fn socket(&mut self, host: usize) -> SocketId {
        self.hosts[host].socket(AF_INET, SOCK_STREAM, 0).unwrap()
    }

    pub(in crate::stack) fn listen(&mut self, host: usize, address: &str, backlog: i32) -> SocketId {
        let address: SocketAddr = address.parse().unwrap();
        let family = if address.is_ipv4() { AF_INET } else { AF_INET6 };
        let id = self.hosts[host].socket(family, SOCK_STREAM, 0).unwrap();
        self.hosts[host].bind(id, address.into()).unwrap();
        self.hosts[host].listen(id, backlog).unwrap();
        id
    }

    /// Begins to connect.
    pub(in crate::stack) fn connect(&mut self, host: usize, address: &str) -> SocketId {
        let address: SocketAddr = address.parse().unwrap();
        let family = if address.is_ipv4() { AF_INET } else { AF_INET6 };
        let id = self.hosts[host].socket(family, SOCK_STREAM, 0).unwrap();
        let errno = self.hosts[host].connect(id, address.into()).unwrap_err().errno();
        assert_eq!(errno, Errno::EINPROGRESS);
        id
    }

    pub(in crate::stack) fn accept(&mut self, host: usize, listener: SocketId) -> SocketId {
        assert!(
            self.run_until(Duration::from_secs(60), |wire| wire.hosts[host].poll(listener) & POLLIN != 0),
            "nobody came"
        );
        self.hosts[host].accept(listener).unwrap().0
    }

    /// A connection from A to B: its two sockets.
    pub(in crate::stack) fn pair(&mut self) -> (SocketId, SocketId) {
        let listener = self.listen(B, "192.0.2.2:80", 8);
        let client = self.connect(A, "192.0.2.2:80");
        let server = self.accept(B, listener);
        self.hosts[B].close(listener).unwrap();
        self.run_for(self.delay * 2);
        (client, server)
    }

    pub(in crate::stack) fn send(&mut self, host: usize, id: SocketId, data: &[u8]) -> Result<usize> {
        self.hosts[host].at(self.now);
        self.hosts[host].send(id, &[IoSlice::new(data)], SendTo::default())
    }

    pub(in crate::stack) fn recv(&mut self, host: usize, id: SocketId, len: usize) -> Result<Vec<u8>> {
        self.hosts[host].at(self.now);
        let mut data = vec![0; len];
        let got = self.hosts[host].recv(id, &mut [IoSliceMut::new(&mut data)], 0)?;
        data.truncate(got.len);
        Ok(data)
    }

    pub(in crate::stack) fn errno<T: std::fmt::Debug>(result: Result<T>) -> Errno {
        result.unwrap_err().errno()
    }

    pub(in crate::stack) fn close(&mut self, host: usize, id: SocketId) {
        self.hosts[host].at(self.now);
        self.hosts[host].close(id).unwrap();
    }

    /// SO_ERROR.
    pub(in crate::stack) fn error(&mut self, host: usize, id: SocketId) -> Option<Errno> {
        self.hosts[host].sockets.get_mut(id).unwrap().take_error().err().map(|error| error.errno())
    }

    /// Sends `data` from one side while the other reads, until the reader has all. How long it took; panics after `limit`.
    pub(in crate::stack) fn transfer(
        &mut self,
        (from, sender): (usize, SocketId),
        (to, receiver): (usize, SocketId),
        data: &[u8],
        limit: Duration,
    ) -> Duration {
        let began = self.now;
        let (mut sent, mut got) = (0, Vec::new());
        let done = self.run_until(limit, |wire| {
            while sent < data.len() {
                match wire.send(from, sender, &data[sent..]) {
                    Ok(n) => sent += n,
                    Err(error) if error.would_block() => break,
                    Err(error) => panic!("send: {error:?} after {sent} bytes at {}", wire.now),
                }
            }
            loop {
                match wire.recv(to, receiver, 65_536) {
                    Ok(bytes) if bytes.is_empty() => panic!("end after {} bytes at {}", got.len(), wire.now),
                    Ok(bytes) => got.extend(bytes),
                    Err(error) if error.would_block() => break,
                    Err(error) => panic!("recv: {error:?} after {} bytes at {}", got.len(), wire.now),
                }
            }
            got.len() >= data.len()
        });
        assert!(done, "only {} of {} bytes came, {sent} were taken, by {}", got.len(), data.len(), self.now);
        assert!(got == data, "the bytes differ");
        self.now.since(began)
    }
}

/// True for Ethernet frames that carry TCP in IPv4 or IPv6.
pub(in crate::stack) fn is_tcp(frame: &Frame) -> bool {
    let protocol = |at: usize| frame.bytes().get(at) == Some(&6);
    match frame.bytes().get(12..14) {
        Some([0x08, 0x00]) => protocol(23),
        Some([0x86, 0xdd]) => protocol(20),
        _ => false,
    }
}

/// Bytes that differ from place to place.
pub(in crate::stack) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i ^ i >> 8 ^ i >> 16) as u8).collect()
}
