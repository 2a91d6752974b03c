//! Our arm: the sockets of Sockatoo's hosts.

use std::io;
use std::time::Duration;

use sockatoo::SockAddr;
use sockatoo::base::ControlMessage;

use crate::arm::{Arm, Fd, Outcome, Place, Received};

/// Our sockets.
pub struct Ours {}

impl Ours {
    pub fn new(_place: Place) -> io::Result<Self> {
        Ok(Self {})
    }
}

#[allow(unused_variables)]
impl Arm for Ours {
    fn name(&self) -> &'static str {
        "sockatoo"
    }
    fn socket(&mut self, host: usize, domain: i32, kind: i32, protocol: i32) -> Outcome<Fd> {
        Err(38)
    }
    fn bind(&mut self, fd: Fd, address: SockAddr) -> Outcome<()> {
        Err(38)
    }
    fn listen(&mut self, fd: Fd, backlog: i32) -> Outcome<()> {
        Err(38)
    }
    fn accept(&mut self, fd: Fd) -> Outcome<(Fd, SockAddr)> {
        Err(38)
    }
    fn connect(&mut self, fd: Fd, address: SockAddr) -> Outcome<()> {
        Err(38)
    }
    fn sendmsg(
        &mut self,
        fd: Fd,
        data: &[u8],
        to: Option<SockAddr>,
        flags: i32,
        control: &[ControlMessage],
    ) -> Outcome<usize> {
        Err(38)
    }
    fn recvmsg(&mut self, fd: Fd, len: usize, flags: i32) -> Outcome<Received> {
        Err(38)
    }
    fn shutdown(&mut self, fd: Fd, how: i32) -> Outcome<()> {
        Err(38)
    }
    fn close(&mut self, fd: Fd) -> Outcome<()> {
        Err(38)
    }
    fn getsockname(&mut self, fd: Fd) -> Outcome<SockAddr> {
        Err(38)
    }
    fn getpeername(&mut self, fd: Fd) -> Outcome<SockAddr> {
        Err(38)
    }
    fn getsockopt(&mut self, fd: Fd, level: i32, name: i32, len: usize) -> Outcome<Vec<u8>> {
        Err(38)
    }
    fn setsockopt(&mut self, fd: Fd, level: i32, name: i32, value: &[u8]) -> Outcome<()> {
        Err(38)
    }
    fn poll(&mut self, fd: Fd, events: i32, timeout: Duration) -> Outcome<i32> {
        Err(38)
    }
    fn set_nonblocking(&mut self, fd: Fd, on: bool) -> Outcome<()> {
        Err(38)
    }
    fn ioctl(&mut self, fd: Fd, request: i32) -> Outcome<i32> {
        Err(38)
    }
    fn interface_name(&mut self, fd: Fd, index: u32) -> String {
        index.to_string()
    }
    fn interface_index(&mut self, host: usize, name: &str) -> u32 {
        0
    }
}
