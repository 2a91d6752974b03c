use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Server;
use crate::base::constants::{AF_INET, MSG_DONTWAIT, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_SEQPACKET, SOCK_STREAM};
use crate::base::verb::{Answer, Letter, Verb};
use crate::base::{Cidr, Errno, IfIndex, Result, SockAddr, SocketId};
use crate::driver::Host;
use crate::socket::remote::{Ask, Connection, HostFacts, Nonce, Patience, Reply, Request, protocol};
use crate::sys::unix::{self, Place};

/// A server in a thread.
struct Served {
    name: Vec<u8>,
    thread: Option<JoinHandle<Result<()>>>,
}

static SERVERS: AtomicU32 = AtomicU32::new(0);

impl Served {
    fn new() -> Self {
        let number = SERVERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("sockatoo-test-{}-{number}", std::process::id()).into_bytes();
        let listener = unix::socket(SOCK_SEQPACKET | SOCK_NONBLOCK).unwrap();
        unix::bind(listener.as_fd(), Place::Abstract(&name)).unwrap();
        unix::listen(listener.as_fd(), 64).unwrap();
        let thread = std::thread::spawn(move || {
            let host = Host::builder().embedded().build()?;
            let facts = HostFacts {
                name: "test".into(),
                hostname: "test".into(),
                pid: 0,
                flags: Vec::new(),
                stays: true,
                clock: 0,
                epoch: Duration::ZERO,
                nonce: Nonce(*b"0123456789ab"),
                cookie: 0,
            };
            Server::new(host, facts, listener)?.run()
        });
        Self { name, thread: Some(thread) }
    }

    fn socket(&self) -> OwnedFd {
        let fd = unix::socket(SOCK_SEQPACKET).unwrap();
        unix::connect(fd.as_fd(), Place::Abstract(&self.name)).unwrap();
        fd
    }

    fn client(&self) -> Client {
        Client(Connection::over(self.socket()).unwrap())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let Ok(mut last) = Connection::over(self.socket()) else { return };
        let _ = last.call(Ask::Down, &[]);
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}

struct Client(Connection);

impl Client {
    fn verb(&mut self, verb: Verb, patience: Patience) -> Result<Answer> {
        match self.0.call(Ask::Do { verb, patience }, &[])? {
            (Reply::Answer(answer), _) => Ok(answer),
            other => panic!("{other:?}"),
        }
    }

    fn now(&mut self, verb: Verb) -> Result<Answer> {
        self.verb(verb, Patience::Now)
    }

    fn socket(&mut self, kind: i32) -> SocketId {
        match self.now(Verb::Socket { domain: AF_INET, kind, protocol: 0 }).unwrap() {
            Answer::Socket(id) => id,
            other => panic!("{other:?}"),
        }
    }

    /// A bound socket, and where.
    fn bound(&mut self, kind: i32) -> (SocketId, SockAddr) {
        let id = self.socket(kind);
        self.now(Verb::Bind(id, ([127, 0, 0, 1], 0).into())).unwrap();
        match self.now(Verb::Name(id)).unwrap() {
            Answer::Address(address) => (id, address),
            other => panic!("{other:?}"),
        }
    }

    fn start(&mut self, verb: Verb, patience: Patience) -> u32 {
        self.0.start(Ask::Do { verb, patience }, &[]).unwrap()
    }

    /// The next answer: waits for it.
    fn answer(&mut self) -> (u32, Result<Answer>) {
        loop {
            if let Some((response, _)) = self.0.finished().unwrap() {
                let answer = response.result.map(|reply| match reply {
                    Reply::Answer(answer) => answer,
                    other => panic!("{other:?}"),
                });
                return (response.tag, answer);
            }
            let fd = std::os::fd::AsRawFd::as_raw_fd(&self.0.as_fd());
            let mut fds = [crate::sys::PollFd::new(fd, true, false)];
            assert_eq!(crate::sys::poll(&mut fds, Some(Duration::from_secs(20))).unwrap(), 1, "no answer");
        }
    }
}

fn receive(socket: SocketId) -> Verb {
    Verb::Receive { socket, count: 1, size: 2048, flags: 0 }
}

fn send(socket: SocketId, to: SockAddr, data: &[u8]) -> Verb {
    Verb::Send(socket, vec![Letter { data: data.to_vec(), address: Some(to), ..Letter::default() }])
}

#[test]
fn what_waits_is_answered_when_it_can_be_done() {
    let served = Served::new();
    let (mut one, mut two) = (served.client(), served.client());
    let (listener, address) = one.bound(SOCK_STREAM);
    one.now(Verb::Listen(listener, 4)).unwrap();
    let accepting = one.start(Verb::Accept(listener), Patience::Forever);
    let stream = two.socket(SOCK_STREAM);
    assert_eq!(two.verb(Verb::Connect(stream, address), Patience::Forever).unwrap(), Answer::Done);
    let (tag, accepted) = one.answer();
    let Answer::Accepted(accepted, _) = accepted.unwrap() else { panic!() };
    assert_eq!(tag, accepting);
    let receiving = one.start(receive(accepted), Patience::For(Duration::from_secs(20)));
    two.now(Verb::Send(stream, vec![Letter { data: b"hello".to_vec(), ..Letter::default() }])).unwrap();
    let (tag, letters) = one.answer();
    let Answer::Letters(letters) = letters.unwrap() else { panic!() };
    assert_eq!((tag, &letters[0].data[..]), (receiving, &b"hello"[..]));
    // A client that goes takes its sockets along.
    drop(two);
    assert_eq!(
        one.verb(receive(accepted), Patience::Forever).unwrap(),
        Answer::Letters(vec![Letter { address: None, ..Letter::default() }])
    );
}

#[test]
fn connect_that_waits_says_how_it_ended() {
    let served = Served::new();
    let mut client = served.client();
    let (_, address) = client.bound(SOCK_STREAM);
    let stream = client.socket(SOCK_STREAM);
    let refused = client.verb(Verb::Connect(stream, address), Patience::Forever).unwrap_err();
    assert_eq!(refused.errno(), Errno::ECONNREFUSED);
    let now = client.socket(SOCK_STREAM);
    assert_eq!(client.now(Verb::Connect(now, address)).unwrap_err().errno(), Errno::EINPROGRESS);
}

#[test]
fn waits_end_by_time_by_cancel_and_by_close() {
    let served = Served::new();
    let mut client = served.client();
    let (socket, _) = client.bound(SOCK_DGRAM);
    let short = Patience::For(Duration::from_millis(1));
    assert_eq!(client.verb(receive(socket), short).unwrap_err().errno(), Errno::EAGAIN);
    let tag = client.start(receive(socket), Patience::Forever);
    client.0.start(Ask::Cancel(tag), &[]).unwrap();
    let (answered, result) = client.answer();
    assert_eq!((answered, result.unwrap_err().errno()), (tag, Errno::EINTR));
    let tag = client.start(receive(socket), Patience::Forever);
    client.now(Verb::Close(socket)).unwrap();
    let (answered, result) = client.answer();
    assert_eq!((answered, result.unwrap_err().errno()), (tag, Errno::EBADF));
}

#[test]
fn a_client_has_only_its_own_sockets() {
    let served = Served::new();
    let (mut one, mut two) = (served.client(), served.client());
    let (socket, _) = one.bound(SOCK_DGRAM);
    for verb in [Verb::Name(socket), Verb::Close(socket), Verb::Name(SocketId(u64::MAX))] {
        assert_eq!(two.now(verb).unwrap_err().errno(), Errno::EBADF);
    }
    assert_eq!(two.0.call(Ask::Readiness(socket), &[]).unwrap_err().errno(), Errno::EBADF);
    let (_, fds) = one.0.call(Ask::Readiness(socket), &[]).unwrap();
    assert_eq!(fds.len(), 1);
}

/// A hundred thousand requests wait on one socket and cost nothing until it changes; each datagram is for the first of them.
#[test]
fn many_may_wait() {
    let served = Served::new();
    let (mut one, mut two) = (served.client(), served.client());
    let (socket, address) = one.bound(SOCK_DGRAM);
    let tags: Vec<u32> =
        (0..100_000).map(|_| one.start(receive(socket), Patience::For(Duration::from_secs(3600)))).collect();
    let sender = two.socket(SOCK_DGRAM);
    for tag in &tags[..200] {
        two.now(send(sender, address, &tag.to_le_bytes())).unwrap();
        let (answered, result) = one.answer();
        let Answer::Letters(letters) = result.unwrap() else { panic!() };
        assert_eq!((answered, &letters[0].data[..]), (*tag, &tag.to_le_bytes()[..]));
    }
    one.now(Verb::Close(socket)).unwrap();
    for tag in &tags[200..] {
        let (answered, result) = one.answer();
        assert_eq!((answered, result.unwrap_err().errno()), (*tag, Errno::EBADF));
    }
}

/// Requests without end from one that reads no answers do not keep others from theirs.
#[test]
fn one_that_floods_and_does_not_read_is_left_alone() {
    let served = Served::new();
    let mut flooder = served.client();
    let (socket, address) = flooder.bound(SOCK_DGRAM);
    let bytes = protocol::encode(&Request {
        tag: 1,
        ask: Ask::Do { verb: Verb::Name(socket), patience: Patience::Now },
    })
    .unwrap();
    // As many as the kernel and the server take.
    while protocol::send(flooder.0.as_fd(), &bytes, &[], MSG_DONTWAIT).is_ok() {}
    let mut other = served.client();
    let sender = other.socket(SOCK_DGRAM);
    for _ in 0..100 {
        other.now(send(sender, address, b"hello")).unwrap();
    }
    // It reads again, and is answered to the last.
    let mut unanswered = true;
    while unanswered {
        unanswered = flooder.answer().0 == 1;
        if protocol::send(flooder.0.as_fd(), &bytes, &[], MSG_DONTWAIT).is_ok() {
            let _ = flooder.answer();
            break;
        }
    }
}

/// Bytes that are no request end the connection that they came on, and nothing else.
#[test]
fn hostile_messages_do_no_harm() {
    let served = Served::new();
    let mut lot = 7_u64;
    // Knuth's MMIX generator.
    let mut draw = move || {
        lot = lot.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        lot >> 33
    };
    let mut requests = Vec::new();
    let mut honest = served.client();
    let (socket, address) = honest.bound(SOCK_DGRAM);
    let cidr: Cidr = "192.0.2.1/24".parse().unwrap();
    for verb in [
        Verb::Socket { domain: AF_INET, kind: SOCK_STREAM, protocol: 0 },
        Verb::Bind(socket, address),
        Verb::Listen(socket, -1),
        Verb::Connect(socket, address),
        send(socket, address, b"data"),
        Verb::Receive { socket, count: usize::MAX, size: usize::MAX, flags: -1 },
        Verb::GetOption(socket, 1, 2, usize::MAX, Vec::new()),
        Verb::SetOption(socket, 1, 2, vec![0; 4]),
        Verb::AddAddress(IfIndex(0), cidr),
        Verb::RemoveAddress(IfIndex(u32::MAX), cidr.address()),
        Verb::AddRoute(cidr, None, Some(IfIndex(0))),
        Verb::SetNeighbour(IfIndex(0), cidr.address(), None),
        Verb::Shutdown(socket, 77),
        Verb::Readable(socket),
        Verb::AtMark(socket),
    ] {
        for patience in [Patience::Now, Patience::For(Duration::MAX)] {
            requests.push(Ask::Do { verb: verb.clone(), patience });
        }
    }
    requests.extend([Ask::Cancel(1), Ask::Names, Ask::Status, Ask::Readiness(socket), Ask::Goodbye]);
    let hello =
        protocol::encode(&Request { tag: 0, ask: Ask::Hello { version: protocol::VERSION.into() } }).unwrap();
    for round in 0..4000 {
        let fd = served.socket();
        protocol::send(fd.as_fd(), &hello, &[], 0).unwrap();
        for _ in 0..4 {
            let ask = requests[draw() as usize % requests.len()].clone();
            let mut bytes = protocol::encode(&Request { tag: round, ask }).unwrap();
            for _ in 0..draw() % 3 {
                let place = 1 + draw() as usize % (bytes.len() - 1);
                bytes[place] = draw() as u8;
            }
            // The one request that this test does not want to be understood.
            if !matches!(protocol::decode(&bytes), Ok(Request { ask: Ask::Down, .. })) {
                let _ = protocol::send(fd.as_fd(), &bytes, &[fd.as_fd()], MSG_DONTWAIT);
            }
        }
    }
    assert!(matches!(honest.now(Verb::Name(socket)), Ok(Answer::Address(_))));
    assert!(postcard::from_bytes::<Cidr>(&postcard::to_stdvec(&(cidr.address(), 33_u8)).unwrap()).is_err());
}
