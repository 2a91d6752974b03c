//! The API used as nobody should: no panic, no hang, nothing left behind.
#![allow(clippy::unwrap_used)]

use std::io::IoSlice;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sockatoo::socket::*;
use sockatoo::{Errno, Host};

const SOON: Duration = Duration::from_secs(20);

fn host() -> Host {
    Host::builder().build().unwrap()
}

/// Sockets of all kinds, in all states that need no second thread.
fn menagerie(host: &Host) -> Vec<Socket> {
    let mut all = Vec::new();
    for family in [AF_INET, AF_INET6] {
        let any = if family == AF_INET { "127.0.0.1" } else { "::1" };
        for (kind, protocol) in [
            (SOCK_STREAM, 0),
            (SOCK_DGRAM, 0),
            (SOCK_DGRAM, if family == AF_INET { IPPROTO_ICMP } else { IPPROTO_ICMPV6 }),
        ] {
            all.push(host.socket(family, kind, protocol).unwrap());
            let bound = host.socket(family, kind, protocol).unwrap();
            bound.bind((any, 0)).unwrap();
            all.push(bound);
        }
        let server = host.socket(family, SOCK_STREAM, 0).unwrap();
        server.bind((any, 0)).unwrap();
        server.listen(5).unwrap();
        let client = host.socket(family, SOCK_STREAM, 0).unwrap();
        client.connect(server.getsockname().unwrap()).unwrap();
        all.extend([server.accept().unwrap().0, client, server]);
        let (one, other) = host.socketpair(family, SOCK_DGRAM, 0).unwrap();
        all.extend([one, other]);
    }
    for socket in &all {
        socket.setblocking(false).unwrap();
    }
    all
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: usize) -> usize {
        (self.roll() % n as u64) as usize
    }
}

#[test]
fn every_option_of_every_level_survives_garbage() {
    let host = host();
    let sockets = menagerie(&host);
    let mut dice = Dice(1);
    for level in (-1..300).chain([i32::MIN, i32::MAX]) {
        for name in (-1..300).chain([i32::MIN, i32::MAX]) {
            // Most levels are nobody's.
            let times = if matches!(level, 0 | 1 | 6 | 17 | 41 | 58 | 255) { 12 } else { 1 };
            for _ in 0..times {
                let socket = &sockets[dice.below(sockets.len())];
                let len = [0, 1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 20, 24, 40, 136, 300][dice.below(16)];
                let mut value: Vec<u8> = (0..len).map(|_| dice.roll() as u8).collect();
                match dice.below(5) {
                    0 => value.fill(0),
                    1 => value.fill(0xff),
                    2 => value.iter_mut().skip(1).for_each(|b| *b = 0),
                    3 => value.iter_mut().skip(2).for_each(|b| *b = 0),
                    _ => {}
                }
                let _ = socket.setsockopt(level, name, &value[..]);
                let _ = socket.getsockopt_bytes(level, name, len);
            }
        }
    }
    // With whatever is set now, they are still used.
    for socket in &sockets {
        let _ = (socket.send(&[1; 3000], MSG_DONTWAIT), socket.recv(3000, MSG_DONTWAIT), socket.poll());
        let _ = socket.sendto(&[1; 3000], MSG_DONTWAIT, ("127.0.0.1", 9));
    }
    let again = menagerie(&host);
    drop((sockets, again));
}

#[test]
fn sizes_that_make_no_sense() {
    let host = host();
    let (one, other) = host.socketpair(AF_INET, SOCK_STREAM, 0).unwrap();
    other.settimeout(Some(SOON)).unwrap();
    let parts = vec![b"ab".to_vec(); 1000];
    let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
    assert_eq!(one.sendmsg(&slices, &[], 0, None).unwrap(), 2000);
    assert_eq!(one.sendmsg(&[], &[], 0, None).unwrap(), 0);
    assert_eq!(other.recv(usize::MAX, 0).unwrap().len(), 2000);
    assert_eq!(one.send(b"", 0).unwrap(), 0);
    assert_eq!(other.recv(0, MSG_DONTWAIT).map(|data| data.len()).unwrap_or(0), 0);
    one.settimeout(Some(Duration::MAX)).unwrap();
    other.settimeout(Some(Duration::from_nanos(1))).unwrap();
    assert_eq!(other.recv(1, 0).unwrap_err().errno(), Errno::ETIMEDOUT);
    other.send(b"x", 0).unwrap();
    assert_eq!(one.recv(1, 0).unwrap(), b"x");
    other.settimeout(Some(Duration::from_secs(u64::MAX / 1_000_000_000 - 1))).unwrap();
    one.send(b"y", 0).unwrap();
    assert_eq!(other.recv(1, 0).unwrap(), b"y");
    for option in [SO_RCVBUF, SO_SNDBUF] {
        for size in [i32::MIN, -1, 0, 1, i32::MAX] {
            one.setsockopt(SOL_SOCKET, option, size).unwrap();
            let fresh = host.socket(AF_INET, SOCK_STREAM, 0).unwrap();
            fresh.setsockopt(SOL_SOCKET, option, size).unwrap();
            fresh.bind(("127.0.0.1", 0)).unwrap();
            fresh.listen(1).unwrap();
            let client = host.socket(AF_INET, SOCK_STREAM, 0).unwrap();
            client.setsockopt(SOL_SOCKET, option, size).unwrap();
            client.settimeout(Some(SOON)).unwrap();
            client.connect(fresh.getsockname().unwrap()).unwrap();
            let (server, _) = fresh.accept().unwrap();
            let sender = thread::spawn(move || client.sendall(&[7; 100_000], 0));
            server.settimeout(Some(SOON)).unwrap();
            assert_eq!(server.recv(100_000, MSG_WAITALL).unwrap().len(), 100_000, "{option} {size}");
            sender.join().unwrap().unwrap();
        }
    }
}

/// Waits until a thread sleeps: it waits in its call.
fn until_asleep(thread: &std::path::Path) {
    let stat = std::path::Path::new("/proc").join(thread).join("stat");
    let sleeps = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") S "));
    let end = Instant::now() + SOON;
    while !sleeps() && Instant::now() < end {
        thread::yield_now();
    }
}

/// What a thread waits in while another one closes the socket, shuts it down, or the host.
#[test]
fn nobody_waits_on_what_is_gone() {
    type Call = fn(&Socket) -> Option<Errno>;
    fn errno<T>(result: sockatoo::Result<T>) -> Option<Errno> {
        result.err().map(|error| error.errno())
    }
    let calls: [(&str, Call); 6] = [
        ("recv", |s| errno(s.recv(1, 0))),
        ("recvmsg", |s| errno(s.recvmsg(1, MSG_WAITALL))),
        ("accept", |s| errno(s.accept())),
        ("send", |s| errno(s.sendall(&vec![0; 30_000_000], 0))),
        ("connect", |s| errno(s.connect(("192.0.2.77", 9)))),
        ("datagram", |s| errno(s.recvfrom(1, 0))),
    ];
    for (name, call) in calls {
        for end in ["close", "shutdown", "host"] {
            let (left, _right) = sockatoo::device::Cable::pair(sockatoo::device::CableConfig::default());
            let host = Host::builder().device(left).address("192.0.2.1/24").unwrap().build().unwrap();
            let (one, _other) = match name {
                "datagram" => host.socketpair(AF_INET, SOCK_DGRAM, 0).unwrap(),
                _ => host.socketpair(AF_INET, SOCK_STREAM, 0).unwrap(),
            };
            let socket = match name {
                "accept" => host.create_server(("127.0.0.1", 0), Server::default()).unwrap(),
                "connect" => host.socket(AF_INET, SOCK_STREAM, 0).unwrap(),
                _ => one,
            };
            socket.settimeout(Some(SOON)).unwrap();
            let socket = Arc::new(socket);
            let waiter = socket.clone();
            let begun = Instant::now();
            let (tell, told) = std::sync::mpsc::channel();
            let ended = thread::spawn(move || {
                tell.send(std::fs::read_link("/proc/thread-self").unwrap()).unwrap();
                call(&waiter)
            });
            until_asleep(&told.recv().unwrap());
            match end {
                "close" => drop(socket.close()),
                "shutdown" => drop(socket.shutdown(SHUT_RDWR)),
                _ => host.shutdown(),
            }
            let errno = ended.join().unwrap();
            let passed = begun.elapsed();
            assert!(passed < Duration::from_secs(6), "{name} {end}: {errno:?} after {passed:?}");
        }
    }
}

#[test]
fn many_threads_do_everything_to_the_same_sockets() {
    let host = host();
    for round in 0..8 {
        let sockets: Arc<Vec<Socket>> = Arc::new(menagerie(&host));
        let threads: Vec<_> = (0..6_u64)
            .map(|n| {
                let (sockets, host) = (sockets.clone(), host.clone());
                thread::spawn(move || {
                    let mut dice = Dice(round * 100 + n + 1);
                    for _ in 0..4000 {
                        let s = &sockets[dice.below(sockets.len())];
                        let other = &sockets[dice.below(sockets.len())];
                        match dice.below(24) {
                            0 => drop(s.recv(100, 0)),
                            1 => drop(s.send(&[1; 2000], 0)),
                            2 => drop(s.accept()),
                            3 => drop(other.getsockname().and_then(|to| s.connect(to))),
                            4 => drop(s.listen(3)),
                            5 => drop(s.shutdown((dice.roll() % 3) as i32)),
                            6 => drop(s.poll()),
                            7 => drop(s.dup().and_then(|d| d.recv(1, MSG_DONTWAIT))),
                            8 => drop(s.fileno()),
                            9 => drop(s.bind(("", 0))),
                            10 => drop(s.connect(sockatoo::SockAddr::Unspec)),
                            11 => drop(other.getsockname().and_then(|to| s.sendto(&[2; 10], 0, to))),
                            12 => drop(s.settimeout(Some(Duration::from_micros(dice.roll() % 300)))),
                            13 => drop(format!("{s:?}")),
                            14 => drop(s.ioctl(FIONREAD, 0)),
                            15 => drop(s.take_error()),
                            16 if dice.below(200) == 0 => drop(s.close()),
                            17 => drop(s.recvmsg(10, MSG_ERRQUEUE)),
                            18 => drop(s.recv(100, MSG_PEEK)),
                            19 => drop(s.getpeername()),
                            20 => drop(host.socket(AF_INET, SOCK_STREAM, 0)),
                            21 => drop(s.setsockopt(
                                SOL_SOCKET,
                                SO_LINGER,
                                Linger { on: dice.below(2) == 0, seconds: 0 },
                            )),
                            _ => drop(s.sendmsg(&[IoSlice::new(&[1; 100])], &[], MSG_DONTWAIT, None)),
                        }
                    }
                })
            })
            .collect();
        let begun = Instant::now();
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(begun.elapsed() < SOON);
    }
    assert_eq!(host.census().sockets, 0);
}

/// Each round is one byte to and fro; a wake-up that is lost shows as a time-out.
#[test]
fn no_wake_up_is_lost_between_many_threads() {
    let cable = || {
        let (left, right) = sockatoo::device::Cable::pair(sockatoo::device::CableConfig::default());
        let host = |device, address| {
            Host::builder().device(device).address(address).unwrap().dad_transmits(0).build().unwrap()
        };
        (host(left, "192.0.2.1/24"), host(right, "192.0.2.2/24"))
    };
    let lone = host();
    for (a, b, address) in [(lone.clone(), lone, "127.0.0.1"), {
        let (a, b) = cable();
        (a, b, "192.0.2.1")
    }] {
        let mut threads = Vec::new();
        for n in 0..8_u16 {
            let server = a.create_server((address, 1000 + n), Server::default()).unwrap();
            let client = b.create_connection((address, 1000 + n), Some(SOON), None).unwrap();
            let (connection, _) = server.accept().unwrap();
            connection.settimeout(Some(SOON)).unwrap();
            let rounds = 1500;
            threads.push(thread::spawn(move || {
                for _ in 0..rounds {
                    let byte = connection.recv(1, 0).unwrap();
                    connection.send(&byte, 0).unwrap();
                }
            }));
            threads.push(thread::spawn(move || {
                let mut dice = Dice(u64::from(n) + 5);
                for round in 0..rounds {
                    client.send(&[round as u8], 0).unwrap();
                    match dice.below(3) {
                        0 => {
                            let mut watched = [PollFd::new(&client, POLLIN)];
                            assert_eq!(poll(&mut watched, Some(SOON)).unwrap(), 1, "poll, round {round}");
                        }
                        1 if n % 2 == 0 => drop(client.fileno().unwrap()),
                        _ => {}
                    }
                    assert_eq!(client.recv(1, 0).unwrap(), [round as u8], "round {round}");
                }
            }));
        }
        for thread in threads {
            thread.join().unwrap();
        }
    }
}

#[test]
fn raw_and_packet_sockets_in_a_flood_that_ends_in_a_shutdown() {
    let host = host();
    let raw = || host.socket(AF_INET, SOCK_RAW, IPPROTO_UDP).unwrap();
    let frames = || host.socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)).unwrap();
    // Nobody reads these: what does not fit is counted.
    let (unread, many) = (frames(), (0..500).map(|_| (raw(), frames())).collect::<Vec<_>>());
    let read: Vec<Arc<Socket>> =
        [raw(), host.socket(AF_INET, SOCK_RAW, IPPROTO_IP).unwrap(), frames()].map(Arc::new).into();
    for socket in &read {
        socket.settimeout(Some(SOON)).unwrap();
    }
    let mut threads: Vec<_> = (0..6)
        .map(|n| {
            let socket = Arc::clone(&read[n % 3]);
            thread::spawn(move || {
                while socket.recv(70_000, 0).is_ok_and(|_| socket.capture(64).is_ok() || n % 3 != 2) {}
            })
        })
        .collect();
    let changed = Arc::clone(&read[2]);
    threads.push(thread::spawn(move || {
        let membership = [1_i32.to_ne_bytes(), (PACKET_MR_PROMISC).to_ne_bytes(), [0; 4], [0; 4]].concat();
        for n in 0..2000 {
            let filter = if n % 2 == 0 { "udp" } else { "len < 100" };
            let name = if n % 3 == 0 { PACKET_DROP_MEMBERSHIP } else { PACKET_ADD_MEMBERSHIP };
            if changed.attach_filter(filter).is_err()
                || changed.setsockopt(SOL_PACKET, name, membership.clone()).is_err()
            {
                return;
            }
            let _ = changed.detach_filter();
        }
    }));
    let sender = host.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    const SENT: u32 = 40;
    for n in 0..SENT {
        let data = vec![7; if n % 2 == 0 { 60_000 } else { 1 }];
        sender.sendto(&data, 0, ("127.0.0.1", 9)).unwrap();
    }
    let told = unread.getsockopt_bytes(SOL_PACKET, PACKET_STATISTICS, 8).unwrap();
    let word = |at: usize| u32::from_ne_bytes(told[at..at + 4].try_into().unwrap());
    // Out and in, and the answer "port unreachable", as far as answers are not limited.
    assert!(word(0) >= 2 * SENT && word(4) > 0, "{} {}", word(0), word(4));
    drop(many);
    host.shutdown();
    for thread in threads {
        thread.join().unwrap();
    }
}
