//! UDP and ping sockets of two hosts on a wire, in virtual time.

mod delivery;
mod ways;

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::constants::*;
use crate::base::{ControlMessage, Errno, IfIndex, Instant, Mac, Reason, Result, SockAddr, SocketId};
use crate::stack::{Config, InterfaceConfig, Received, SendTo, Stack};

/// Two hosts, `.0` = 192.0.2.1 and 2001:db8::1, `.1` = 192.0.2.2 and 2001:db8::2, on interface 2.
struct Pair([Stack; 2]);

const WIRE: IfIndex = IfIndex(2);

impl Pair {
    fn new() -> Self {
        let hosts = [1, 2].map(|n| {
            let config = Config { dad_transmits: 0, secret: [n; 16], ..Config::default() };
            let mut stack = Stack::new(config);
            stack.at(Instant::from_secs(1));
            let addresses =
                [format!("192.0.2.{n}/24"), format!("2001:db8::{n}/64")].map(|a| a.parse().unwrap());
            let interface = InterfaceConfig {
                link: crate::base::LinkType::Ethernet,
                name: "eth0".into(),
                mac: Mac([2, 0, 0, 0, 0, n]),
                mtu: 1500,
                addresses: addresses.to_vec(),
                ipv6: true,
            };
            assert_eq!(stack.net.add_interface(interface).unwrap(), WIRE);
            stack
        });
        let mut pair = Self(hosts);
        pair.run();
        pair
    }

    /// Carries frames until there are none.
    fn run(&mut self) {
        for _ in 0..10_000 {
            let mut moved = false;
            for from in 0..2 {
                while let Some((interface, frame)) = self.0[from].frame_out() {
                    let to = if interface == IfIndex::LO { from } else { 1 - from };
                    let now = self.0[from].net.now;
                    self.0[to].frame_in(now, interface, frame);
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
        panic!("the frames never end");
    }

    /// Lets time pass, a second at a time.
    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            for host in &mut self.0 {
                let now = host.net.now + Duration::from_secs(1);
                host.tick(now);
            }
            self.run();
        }
    }

    fn udp(&mut self, host: usize, address: &str) -> SocketId {
        let address: SocketAddr = address.parse().unwrap();
        let domain = if address.is_ipv4() { AF_INET } else { AF_INET6 };
        let id = self.0[host].socket(domain, SOCK_DGRAM, 0).unwrap();
        self.0[host].bind(id, address.into()).unwrap();
        id
    }

    fn set(&mut self, host: usize, id: SocketId, level: i32, name: i32, value: i32) {
        self.0[host].setsockopt(id, level, name, &value.to_ne_bytes()).unwrap();
    }

    fn connect(&mut self, host: usize, id: SocketId, to: &str) -> Result<()> {
        self.0[host].connect(id, addr(to))
    }

    fn send(&mut self, host: usize, id: SocketId, data: &[u8], to: Option<&str>) -> Result<usize> {
        self.send_with(host, id, data, to, &[])
    }

    fn send_with(
        &mut self,
        host: usize,
        id: SocketId,
        data: &[u8],
        to: Option<&str>,
        control: &[ControlMessage],
    ) -> Result<usize> {
        let how = SendTo { to: to.map(addr), flags: 0, control };
        let result = self.0[host].send(id, &[IoSlice::new(data)], how);
        self.run();
        result
    }

    fn recv(&mut self, host: usize, id: SocketId) -> Result<(Vec<u8>, Received)> {
        self.recv_flags(host, id, MSG_DONTWAIT, 65_536)
    }

    fn recv_flags(
        &mut self,
        host: usize,
        id: SocketId,
        flags: i32,
        room: usize,
    ) -> Result<(Vec<u8>, Received)> {
        let mut buffer = vec![0; room];
        let received = self.0[host].recv(id, &mut [IoSliceMut::new(&mut buffer)], flags)?;
        buffer.truncate(received.len);
        Ok((buffer, received))
    }

    fn count(&self, host: usize, reason: Reason) -> u64 {
        self.0[host].net.log.count(reason)
    }
}

fn addr(text: &str) -> SockAddr {
    text.parse::<SocketAddr>().unwrap().into()
}

fn errno<T: std::fmt::Debug>(result: Result<T>) -> Errno {
    result.unwrap_err().errno()
}
