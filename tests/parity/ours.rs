//! Our arm: the sockets of Sockatoo's hosts, on `lo`, or on the two ends of a cable in memory.

use std::io::{self, IoSlice, IoSliceMut};
use std::time::Duration;

use sockatoo::base::constants::{POLLERR, POLLHUP, POLLNVAL};
use sockatoo::base::{ControlMessage, Errno, Mac, SocketId};
use sockatoo::device::{Cable, CableConfig};
use sockatoo::socket::{PollFd, Socket, poll};
use sockatoo::{Host, HostBuilder, SockAddr};

use crate::arm::{Arm, Fd, Outcome, Place, Received};
use crate::unix::with_sockets;

/// Our sockets.
pub struct Ours {
    hosts: Vec<Host>,
    /// With the index of their host. A closed one stays, so that calls on it answer EBADF.
    sockets: Vec<(Socket, usize)>,
}

fn number(error: sockatoo::Error) -> i32 {
    error.errno().0
}

impl Ours {
    /// `make` builds a host: in this process, or one that is asked as in another.
    pub fn new(place: Place, make: fn(HostBuilder) -> sockatoo::Result<Host>) -> io::Result<Self> {
        let hosts = match place {
            Place::Lo => vec![make(Host::builder())?],
            Place::Wire => {
                let (a, b) = Cable::pair(CableConfig { name: "w0".into(), ..CableConfig::default() });
                let host = |end: sockatoo::device::CableEnd, last: u8| {
                    let builder = Host::builder()
                        .device(end.with_mac(Mac([2, 0, 0, 0, 0, last])))
                        .address(format!("192.0.2.{last}/24"))?
                        .address(format!("2001:db8::{last}/64"))?
                        .dad_transmits(0)
                        .tcp_fastopen(3);
                    make(builder)
                };
                vec![host(a, 1)?, host(b, 2)?]
            }
        };
        Ok(Self { hosts, sockets: Vec::new() })
    }

    fn add(&mut self, socket: Socket, host: usize) -> Fd {
        self.sockets.push((socket, host));
        Fd(self.sockets.len() - 1)
    }

    fn at(&self, fd: Fd) -> Outcome<&Socket> {
        self.sockets.get(fd.0).map(|s| &s.0).ok_or(Errno::EBADF.0)
    }
}

impl Arm for Ours {
    fn name(&self) -> &'static str {
        "sockatoo"
    }

    fn socket(&mut self, host: usize, domain: i32, kind: i32, protocol: i32) -> Outcome<Fd> {
        let socket = self.hosts[host].socket(domain, kind, protocol).map_err(number)?;
        Ok(self.add(socket, host))
    }

    fn socketpair(&mut self, domain: i32, kind: i32, protocol: i32) -> Outcome<(Fd, Fd)> {
        let (one, other) = self.hosts[0].socketpair(domain, kind, protocol).map_err(number)?;
        Ok((self.add(one, 0), self.add(other, 0)))
    }

    fn bind(&mut self, fd: Fd, address: SockAddr) -> Outcome<()> {
        self.at(fd)?.bind(address).map_err(number)
    }

    fn listen(&mut self, fd: Fd, backlog: i32) -> Outcome<()> {
        self.at(fd)?.listen(backlog).map_err(number)
    }

    fn accept(&mut self, fd: Fd) -> Outcome<(Fd, SockAddr)> {
        let (new, from) = self.at(fd)?.accept().map_err(number)?;
        let host = self.sockets[fd.0].1;
        Ok((self.add(new, host), from))
    }

    fn connect(&mut self, fd: Fd, address: SockAddr) -> Outcome<()> {
        self.at(fd)?.connect(address).map_err(number)
    }

    fn sendmsg(
        &mut self,
        fd: Fd,
        data: &[u8],
        to: Option<SockAddr>,
        flags: i32,
        control: &[ControlMessage],
    ) -> Outcome<usize> {
        let id = |n: u64| self.sockets.get(n as usize).map_or(u64::MAX, |(socket, _)| socket.id().0);
        let control: Vec<_> = control.iter().map(|message| with_sockets(message, id)).collect();
        self.at(fd)?.sendmsg(&[IoSlice::new(data)], &control, flags, to).map_err(number)
    }

    fn recvmsg(&mut self, fd: Fd, len: usize, flags: i32) -> Outcome<Received> {
        let mut data = vec![0; len];
        let head = self.at(fd)?.recvmsg_into(&mut [IoSliceMut::new(&mut data)], flags).map_err(number)?;
        data.truncate(head.len);
        let from = (head.address != SockAddr::Unspec).then_some(head.address);
        let host = self.sockets[fd.0].1;
        let mut take = |n: u64| {
            let socket = self.hosts[host].take_socket(SocketId(n)).expect("a socket that was received");
            self.add(socket, host).0 as u64
        };
        let control = head.control.iter().map(|message| with_sockets(message, &mut take)).collect();
        Ok(Received { len: head.len, data, from, flags: head.flags, control })
    }

    fn shutdown(&mut self, fd: Fd, how: i32) -> Outcome<()> {
        self.at(fd)?.shutdown(how).map_err(number)
    }

    fn close(&mut self, fd: Fd) -> Outcome<()> {
        self.at(fd)?.close().map_err(number)
    }

    fn getsockname(&mut self, fd: Fd) -> Outcome<SockAddr> {
        self.at(fd)?.getsockname().map_err(number)
    }

    fn getpeername(&mut self, fd: Fd) -> Outcome<SockAddr> {
        self.at(fd)?.getpeername().map_err(number)
    }

    fn getsockopt(&mut self, fd: Fd, level: i32, name: i32, len: usize) -> Outcome<Vec<u8>> {
        self.at(fd)?.getsockopt_bytes(level, name, len).map_err(number)
    }

    fn getsockopt_of(&mut self, fd: Fd, level: i32, name: i32, value: &[u8]) -> Outcome<Vec<u8>> {
        self.at(fd)?.getsockopt_of(level, name, value).map_err(number)
    }

    fn setsockopt(&mut self, fd: Fd, level: i32, name: i32, value: &[u8]) -> Outcome<()> {
        self.at(fd)?.setsockopt(level, name, value).map_err(number)
    }

    fn poll(&mut self, fd: Fd, events: i32, timeout: Duration) -> Outcome<i32> {
        let Ok(socket) = self.at(fd) else { return Ok(POLLNVAL) };
        if timeout.is_zero() {
            return Ok(socket.poll() & (events | POLLERR | POLLHUP | POLLNVAL));
        }
        let mut watched = [PollFd::new(socket, events)];
        poll(&mut watched, Some(timeout)).map_err(number)?;
        Ok(watched[0].revents)
    }

    fn set_nonblocking(&mut self, fd: Fd, on: bool) -> Outcome<()> {
        self.at(fd)?.setblocking(!on).map_err(number)
    }

    fn ioctl(&mut self, fd: Fd, request: i32) -> Outcome<i32> {
        self.at(fd)?.ioctl(request, 0).map_err(number)
    }

    fn ioctl_bytes(&mut self, fd: Fd, request: i32, value: &[u8]) -> Outcome<Vec<u8>> {
        self.at(fd)?.ioctl(request, value).map_err(number)
    }

    fn interface_name(&mut self, fd: Fd, index: u32) -> String {
        let host = self.sockets.get(fd.0).map_or(0, |s| s.1);
        let all = self.hosts[host].interfaces();
        all.into_iter().find(|i| i.index.0 == index).map_or_else(|| index.to_string(), |i| i.name)
    }

    fn interface_index(&mut self, host: usize, name: &str) -> u32 {
        let all = self.hosts[host].interfaces();
        all.into_iter().find(|i| i.name == name).map_or(0, |i| i.index.0)
    }
}
