//! Programs' descriptors, worked natively as a program would; the trapped calls are asked for over the host's unix socket.

mod datagrams;
mod streams;

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::thread::JoinHandle;
use std::time::Duration;

use super::super::Server;
use crate::Host;
use crate::base::constants::{SOCK_NONBLOCK, SOCK_SEQPACKET, SOCK_STREAM};
use crate::base::verb::{Answer, Verb};
use crate::base::{Errno, Result, SocketId};
use crate::socket::remote::{Ask, Connection, HostFacts, Name, Native, Nonce, Patience, Reply};
use crate::sys::epoll::Epoll;
use crate::sys::unix::{self, Place};

/// A host, and a client of it that stands for `run`.
struct Bed {
    connection: Option<Connection>,
    server: Option<JoinHandle<()>>,
    place: Vec<u8>,
}

/// A program's socket.
struct Sock {
    id: SocketId,
    fd: OwnedFd,
}

impl Bed {
    fn new() -> Self {
        let mut nonce = [0; 12];
        crate::sys::random::getrandom(&mut nonce).unwrap();
        let place = [b"bed".as_slice(), &nonce].concat();
        let listener = unix::socket(SOCK_SEQPACKET | SOCK_NONBLOCK).unwrap();
        unix::bind(listener.as_fd(), Place::Abstract(&place)).unwrap();
        unix::listen(listener.as_fd(), 8).unwrap();
        let facts = HostFacts {
            hostname: "test".into(),
            name: "bed".into(),
            pid: 0,
            flags: Vec::new(),
            stays: true,
            clock: 0,
            epoch: Duration::ZERO,
            nonce: Nonce(nonce),
            cookie: 0,
        };
        let server = std::thread::spawn(move || {
            let host = Host::builder().embedded().build().unwrap();
            Server::new(host, facts, listener).unwrap().run().unwrap();
        });
        let mut bed = Self { connection: None, server: Some(server), place };
        bed.connection = Some(bed.client());
        bed
    }

    /// One more client.
    fn client(&self) -> Connection {
        let fd = unix::socket(SOCK_SEQPACKET).unwrap();
        unix::connect(fd.as_fd(), Place::Abstract(&self.place)).unwrap();
        Connection::over(fd).unwrap()
    }

    fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().unwrap()
    }

    fn socket(&mut self, domain: i32, kind: i32, protocol: i32) -> Sock {
        match self.connection().call(Ask::Native(Native::Socket { domain, kind, protocol }), &[]).unwrap() {
            (Reply::Answer(Answer::Socket(id)), mut fds) => Sock { id, fd: fds.pop().unwrap() },
            other => panic!("{other:?}"),
        }
    }

    fn stream(&mut self) -> Sock {
        self.socket(crate::base::constants::AF_INET, SOCK_STREAM, 0)
    }

    fn native(&mut self, native: Native, sock: &Sock) -> Result<Answer> {
        match self.connection().call(Ask::Native(native), &[sock.fd.as_fd()])? {
            (Reply::Answer(answer), _) => Ok(answer),
            other => panic!("{other:?}"),
        }
    }

    fn native_sweep(&mut self) {
        self.connection().call(Ask::Native(Native::Sweep), &[]).unwrap();
    }

    fn until_no_socket_is_left(&mut self) {
        let end = std::time::Instant::now() + Duration::from_secs(10);
        loop {
            self.native_sweep();
            let Answer::Sockets(left) = self.verb(Verb::Sockets(0)).unwrap() else { panic!() };
            if left.iter().all(|row| row.socket.is_none()) {
                return;
            }
            assert!(std::time::Instant::now() < end, "{left:?}");
        }
    }

    fn verb(&mut self, verb: Verb) -> Result<Answer> {
        match self.connection().call(Ask::Do { verb, patience: Patience::Now }, &[])? {
            (Reply::Answer(answer), _) => Ok(answer),
            other => panic!("{other:?}"),
        }
    }

    fn connect(&mut self, sock: &Sock, to: SocketAddr, nonblocking: bool) -> Result<Answer> {
        let patience = Patience::For(Duration::from_secs(20));
        self.native(Native::Connect { socket: sock.id, address: to.into(), nonblocking, patience }, sock)
    }

    /// A listener on the loopback, and where.
    fn listener(&mut self, backlog: i32) -> (Sock, SocketAddr) {
        let sock = self.stream();
        self.verb(Verb::Bind(sock.id, ([127, 0, 0, 1], 0).into())).unwrap();
        self.native(Native::Listen { socket: sock.id, backlog }, &sock).unwrap();
        let Answer::Address(address) = self.verb(Verb::Name(sock.id)).unwrap() else { panic!() };
        let crate::SockAddr::V4(address) = address else { panic!() };
        (sock, address.into())
    }

    /// Two ends of a connection: who connected, who accepted.
    fn pair(&mut self) -> (Sock, Sock) {
        let (listener, to) = self.listener(8);
        let one = self.stream();
        self.connect(&one, to, false).unwrap();
        (one, self.accept(&listener))
    }

    fn accept(&mut self, listener: &Sock) -> Sock {
        wait(&listener.fd, libc::POLLIN);
        let fd = unix::accept(listener.fd.as_fd(), 0).unwrap();
        let peer = unix::peer_name(fd.as_fd()).unwrap().unwrap();
        let Some((_, Name::Connection(id))) = Name::decode(&peer) else { panic!("{peer:?}") };
        Sock { id, fd }
    }

    fn so_error(&mut self, sock: &Sock) -> Errno {
        match self.verb(Verb::GetOption(sock.id, libc::SOL_SOCKET, libc::SO_ERROR, 4, Vec::new())).unwrap() {
            Answer::Bytes(bytes) => Errno(i32::from_ne_bytes(bytes.try_into().unwrap())),
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        // A test that fails shall say why itself.
        let _ = self.connection.as_mut().map(|c| c.start(Ask::Down, &[]));
        if let Some(server) = self.server.take().filter(|_| !std::thread::panicking()) {
            server.join().unwrap();
        }
    }
}

/// What poll(2) says now.
fn bits(fd: &impl AsFd) -> i16 {
    poll(fd, ALL, Duration::ZERO)
}

/// Waits until poll(2) says all of this, at most ten seconds. Returns all that it says.
fn wait(fd: &impl AsFd, wanted: i16) -> i16 {
    let end = std::time::Instant::now() + Duration::from_secs(10);
    loop {
        let found = poll(fd, wanted, Duration::from_millis(100));
        if found & wanted == wanted {
            return bits(fd);
        }
        assert!(std::time::Instant::now() < end, "poll says {found:#x}, not {wanted:#x}");
    }
}

const ALL: i16 = libc::POLLIN | libc::POLLOUT | libc::POLLRDHUP;

fn poll(fd: &impl AsFd, events: i16, timeout: Duration) -> i16 {
    // epoll(7) asks the same file operation.
    let epoll = Epoll::new().unwrap();
    epoll.add(fd.as_fd(), 0, events.into()).unwrap();
    let mut ready = Vec::new();
    epoll.wait(&mut ready, Some(timeout)).unwrap();
    ready.first().map_or(0, |found| found.events as i16)
}
