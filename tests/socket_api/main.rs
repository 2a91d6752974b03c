//! The socket API as a program sees it: over the loopback of one host, and between two hosts on a cable.
#![allow(unsafe_code, clippy::unwrap_used)]

mod ioctls;
mod notes;
mod waiting;
mod watching;

use std::io::{BufRead, Cursor, IoSlice, Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use sockatoo::base::Reason;
use sockatoo::device::{Cable, CableConfig};
use sockatoo::socket::net::{TcpListener, TcpStream, UdpSocket};
use sockatoo::socket::*;
use sockatoo::{Errno, Host, Result, SockAddr, World};

/// Long enough for anything that happens at all.
const SOON: Duration = Duration::from_secs(20);

fn host() -> Host {
    Host::builder().build().unwrap()
}

/// Two hosts, 192.0.2.1 and 192.0.2.2 (2001:db8::1 and 2001:db8::2), and a cable.
fn neighbours() -> (Host, Host) {
    let (left, right) = Cable::pair(CableConfig::default());
    let host = |name, device, v4, v6| {
        let builder = Host::builder().hostname(name).dad_transmits(0).device(device);
        builder.address(v4).unwrap().address(v6).unwrap().build().unwrap()
    };
    (host("a", left, "192.0.2.1/24", "2001:db8::1/64"), host("b", right, "192.0.2.2/24", "2001:db8::2/64"))
}

fn errno<T: std::fmt::Debug>(result: Result<T>) -> Errno {
    result.unwrap_err().errno()
}

/// A connected pair with a time-out, so that a failing test ends.
fn pair(host: &Host, kind: i32) -> (Socket, Socket) {
    let (one, other) = host.socketpair(AF_INET, kind, 0).unwrap();
    one.settimeout(Some(SOON)).unwrap();
    other.settimeout(Some(SOON)).unwrap();
    (one, other)
}

#[test]
fn the_greeting_of_every_course() {
    let host = host();
    let server = host.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    server.bind(("127.0.0.1", 8088)).unwrap();
    server.listen(5).unwrap();
    let client = {
        let host = host.clone();
        thread::spawn(move || {
            let socket = host.socket(AF_INET, SOCK_STREAM, 0)?;
            socket.connect(("127.0.0.1", 8088))?;
            socket.send("你好".as_bytes(), 0)?;
            socket.recv(1024, 0)
        })
    };
    let (connection, address) = server.accept().unwrap();
    assert_eq!(connection.getpeername().unwrap(), address);
    assert_eq!(connection.recv(1024, 0).unwrap(), "你好".as_bytes());
    connection.send(b"Hello, client!", 0).unwrap();
    connection.close().unwrap();
    assert_eq!(client.join().unwrap().unwrap(), b"Hello, client!");
}

#[test]
fn between_two_hosts_in_both_families() {
    let (a, b) = neighbours();
    for (family, address) in [(AF_INET, "192.0.2.1"), (AF_INET6, "2001:db8::1")] {
        let server = a.create_server((address, 80), Server { family, ..Server::default() }).unwrap();
        let server = thread::spawn(move || {
            let (connection, _) = server.accept()?;
            let heard = connection.recv(5, MSG_WAITALL)?;
            connection.sendall(&heard, 0)?;
            connection.recv(1, 0)
        });
        let client = b.create_connection((address, 80), Some(SOON), None).unwrap();
        client.sendall(b"hello", 0).unwrap();
        assert_eq!(client.recv(5, MSG_WAITALL).unwrap(), b"hello");
        client.close().unwrap();
        assert_eq!(server.join().unwrap().unwrap(), b"");
    }
}

#[test]
fn a_timeout_is_none_zero_or_a_time() {
    let host = host();
    for kind in [SOCK_STREAM, SOCK_DGRAM] {
        let (one, other) = pair(&host, kind);
        one.settimeout(None).unwrap();
        assert!(one.getblocking() && one.gettimeout().is_none());
        one.settimeout(Some(Duration::ZERO)).unwrap();
        assert!(!one.getblocking());
        assert_eq!(errno(one.recv(1, 0)), Errno::EAGAIN);
        one.settimeout(Some(Duration::from_millis(5))).unwrap();
        assert!(one.getblocking());
        let before = Instant::now();
        let error = one.recv(1, 0).unwrap_err();
        assert_eq!((error.errno(), error.reason()), (Errno::ETIMEDOUT, Reason::TimedOut));
        assert!(before.elapsed() >= Duration::from_millis(5));
        assert_eq!(errno(one.recv(1, MSG_DONTWAIT)), Errno::EAGAIN);
        // SO_RCVTIMEO is not Python's time-out: EAGAIN, socket(7).
        one.settimeout(None).unwrap();
        one.setsockopt(SOL_SOCKET, SO_RCVTIMEO, Duration::from_millis(5)).unwrap();
        assert_eq!(errno(one.recv(1, 0)), Errno::EAGAIN);
        assert_eq!(one.read_timeout().unwrap(), Some(Duration::from_millis(5)));
        drop(other);
    }
}

#[test]
fn accept_and_a_new_socket_get_the_default_timeout() {
    // The default is the whole process's: this test leaves it as it was.
    assert_eq!(getdefaulttimeout(), None);
    let host = host();
    let server = host.create_server(("127.0.0.1", 80), Server::default()).unwrap();
    server.setblocking(false).unwrap();
    assert_eq!(errno(server.accept()), Errno::EAGAIN);
    server.settimeout(Some(Duration::from_millis(1))).unwrap();
    assert_eq!(errno(server.accept()), Errno::ETIMEDOUT);
    let _client = host.create_connection(("127.0.0.1", 80), Some(SOON), None).unwrap();
    server.settimeout(Some(SOON)).unwrap();
    let (connection, _) = server.accept().unwrap();
    assert_eq!(connection.gettimeout(), None);
}

#[test]
fn connect_says_why_not() {
    let host = host();
    let socket = host.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    assert_eq!(socket.connect_ex(("127.0.0.1", 9)), Errno::ECONNREFUSED.0);
    let error = host.socket(AF_INET, SOCK_STREAM, 0).unwrap().connect(("127.0.0.1", 9)).unwrap_err();
    assert_eq!(error.reason(), Reason::TcpRefused);
    let socket = host.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    assert_eq!(errno(socket.connect(("198.51.100.1", 9))), Errno::ENETUNREACH);
    let server = host.create_server(("127.0.0.1", 80), Server::default()).unwrap();
    let socket = host.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    assert_eq!(socket.connect_ex(("127.0.0.1", 80)), 0);
    assert_eq!(errno(socket.connect(("127.0.0.1", 80))), Errno::EISCONN);
    assert_eq!(errno(server.connect(("::1", 80))), Errno::EAI_ADDRFAMILY);
}

#[test]
fn a_connect_that_does_not_wait_is_told_by_poll() {
    let host = host();
    let server = host.create_server(("127.0.0.1", 80), Server::default()).unwrap();
    let socket = host.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0).unwrap();
    assert_eq!(errno(socket.connect(("127.0.0.1", 80))), Errno::EINPROGRESS);
    assert_eq!(poll(&mut [PollFd::new(&socket, POLLOUT)], Some(SOON)).unwrap(), 1);
    assert!(socket.take_error().unwrap().is_none());
    server.accept().unwrap();
    let refused = host.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0).unwrap();
    assert_eq!(errno(refused.connect(("127.0.0.1", 9))), Errno::EINPROGRESS);
    poll(&mut [PollFd::new(&refused, POLLOUT)], Some(SOON)).unwrap();
    assert_eq!(refused.take_error().unwrap().unwrap().errno(), Errno::ECONNREFUSED);
}

#[test]
fn a_dead_neighbour_is_no_route_to_host() {
    let (a, _b) = neighbours();
    let socket = a.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    socket.settimeout(Some(SOON)).unwrap();
    assert_eq!(errno(socket.connect(("192.0.2.77", 80))), Errno::EHOSTUNREACH);
}

#[test]
fn sendall_sends_all_and_send_of_a_blocking_stream_too() {
    let host = host();
    let (one, other) = pair(&host, SOCK_STREAM);
    let data: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
    let copy = data.clone();
    let sender = thread::spawn(move || {
        one.sendall(&copy, 0)?;
        one.settimeout(None)?;
        let sent = one.send(&copy, 0)?;
        one.shutdown(SHUT_WR)?;
        Ok::<_, sockatoo::Error>((sent, one))
    });
    let mut heard = Vec::new();
    loop {
        let piece = other.recv(50_000, 0).unwrap();
        if piece.is_empty() {
            break;
        }
        heard.extend(piece);
    }
    assert_eq!(sender.join().unwrap().unwrap().0, data.len());
    assert_eq!(heard.len(), 2 * data.len());
    assert!(heard.chunks(data.len()).all(|half| half == data));
}

#[test]
fn a_full_stream_takes_what_it_can_and_then_says_later() {
    let host = host();
    let (one, _other) = pair(&host, SOCK_STREAM);
    let much = vec![0; 16_000_000];
    one.setblocking(false).unwrap();
    let sent = one.send(&much, 0).unwrap();
    assert!(sent > 0 && sent < much.len());
    // Until both buffers are full, and the last acknowledgement has made its room.
    one.settimeout(Some(Duration::from_millis(100))).unwrap();
    let error = loop {
        if let Err(error) = one.send(&much, 0) {
            break error;
        }
    };
    assert_eq!(error.errno(), Errno::ETIMEDOUT);
    assert_eq!(errno(one.sendall(b"more", 0)), Errno::ETIMEDOUT);
    one.setblocking(false).unwrap();
    assert_eq!(errno(one.send(b"more", 0)), Errno::EAGAIN);
    // SO_SNDTIMEO: a blocking send says how much it could send, or EAGAIN.
    one.settimeout(None).unwrap();
    one.set_write_timeout(Some(Duration::from_millis(5))).unwrap();
    assert_eq!(errno(one.send(b"more", 0)), Errno::EAGAIN);
}

#[test]
fn flags_of_recv() {
    let host = host();
    let (one, other) = pair(&host, SOCK_STREAM);
    one.sendall(b"abc", 0).unwrap();
    assert_eq!(other.recv(10, MSG_PEEK).unwrap(), b"abc");
    assert_eq!(other.recv(2, 0).unwrap(), b"ab");
    let waiting = thread::spawn(move || other.recv(5, MSG_WAITALL).map(|data| (data, other)));
    one.sendall(b"de", 0).unwrap();
    one.sendall(b"fg", 0).unwrap();
    let (data, other) = waiting.join().unwrap().unwrap();
    assert_eq!(data, b"cdefg");
    // MSG_WAITALL gives less at the end of file, and at the end of patience.
    one.sendall(b"xy", 0).unwrap();
    other.settimeout(Some(Duration::from_millis(20))).unwrap();
    assert_eq!(other.recv(5, MSG_WAITALL).unwrap(), b"xy");
    one.close().unwrap();
    assert_eq!(other.recv(5, MSG_WAITALL).unwrap(), b"");
}

#[test]
fn a_blocking_recv_waits_for_the_low_water_mark() {
    let host = host();
    let (one, other) = pair(&host, SOCK_STREAM);
    other.settimeout(None).unwrap();
    other.setsockopt(SOL_SOCKET, SO_RCVLOWAT, 4).unwrap();
    other.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    assert_eq!(errno(other.recv(10, 0)), Errno::EAGAIN);
    one.sendall(b"abc", 0).unwrap();
    assert_eq!(other.recv(2, 0).unwrap(), b"ab"); // no more than asked for
    assert_eq!(other.recv(10, 0).unwrap(), b"c"); // what is there when the time is over
    other.set_read_timeout(None).unwrap();
    let waiting = thread::spawn(move || {
        let peeked = other.recv(6, MSG_PEEK | MSG_WAITALL)?;
        Ok::<_, sockatoo::Error>((peeked, other.recv(10, 0)?))
    });
    one.sendall(b"de", 0).unwrap();
    one.sendall(b"fghi", 0).unwrap();
    assert_eq!(waiting.join().unwrap().unwrap(), (b"defghi".to_vec(), b"defghi".to_vec()));
}

#[test]
fn datagrams_keep_their_bounds() {
    let host = host();
    let (one, other) = pair(&host, SOCK_DGRAM);
    one.send(b"first", 0).unwrap();
    one.send(b"", 0).unwrap();
    one.sendmsg(&[IoSlice::new(b"th"), IoSlice::new(b"ird")], &[], 0, None).unwrap();
    let message = other.recvmsg(2, 0).unwrap();
    assert_eq!((message.data.as_slice(), message.flags & MSG_TRUNC), (&b"fi"[..], MSG_TRUNC));
    assert_eq!(message.address, one.getsockname().unwrap());
    assert_eq!(other.recv(10, 0).unwrap(), b"");
    let mut small = [0; 3];
    assert_eq!(other.recv_into(&mut small, MSG_TRUNC).unwrap(), 5);
    assert_eq!(&small, b"thi");
}

#[test]
fn a_big_datagram_travels_in_fragments() {
    let (a, b) = neighbours();
    let server = a.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    server.bind(("", 7)).unwrap();
    server.settimeout(Some(SOON)).unwrap();
    let client = b.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    let data: Vec<u8> = (0..65_507u32).map(|i| i as u8).collect();
    assert_eq!(client.sendto(&data, 0, ("192.0.2.1", 7)).unwrap(), data.len());
    assert_eq!(server.recv(65_535, 0).unwrap(), data);
    assert_eq!(errno(client.sendto(&[0; 65_508], 0, ("192.0.2.1", 7))), Errno::EMSGSIZE);
}

#[test]
fn half_close_reset_and_pipe() {
    let host = host();
    let (one, other) = pair(&host, SOCK_STREAM);
    one.shutdown(SHUT_WR).unwrap();
    assert_eq!(errno(one.send(b"x", 0)), Errno::EPIPE);
    assert_eq!(other.recv(1, 0).unwrap(), b"");
    other.sendall(b"still", 0).unwrap();
    assert_eq!(one.recv(5, MSG_WAITALL).unwrap(), b"still");
    // Closing with unread data resets.
    let (one, other) = pair(&host, SOCK_STREAM);
    one.sendall(b"unread", 0).unwrap();
    other.recv(1, 0).unwrap();
    drop(other);
    assert_eq!(errno(one.recv(1, 0)), Errno::ECONNRESET);
}

#[test]
fn close_lingers_until_all_is_sent() {
    let (a, b) = neighbours();
    let server = a.create_server(("", 80), Server::default()).unwrap();
    let client = b.create_connection(("192.0.2.1", 80), Some(SOON), None).unwrap();
    let (connection, _) = server.accept().unwrap();
    client.set_linger(Some(Duration::from_secs(20))).unwrap();
    client.sendall(&[7; 100_000], 0).unwrap();
    client.close().unwrap();
    // Nothing of the connection is left to be acknowledged on b.
    assert_eq!(b.census().sockets, 0);
    connection.settimeout(Some(SOON)).unwrap();
    assert_eq!(connection.recv(100_000, MSG_WAITALL).unwrap().len(), 100_000);
}

#[test]
fn files_and_sendfile() {
    let host = host();
    let (one, other) = pair(&host, SOCK_STREAM);
    let mut writer = one.makefile("w").unwrap();
    writeln!(writer, "a line").unwrap();
    writer.flush().unwrap();
    let mut reader = other.makefile("r").unwrap();
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "a line\n");
    assert!(reader.write(b"x").is_err() && one.makefile("a").is_err());
    let mut file = Cursor::new((0..200_000u32).map(|i| i as u8).collect::<Vec<_>>());
    let sender = thread::spawn(move || {
        let sent = one.sendfile(&mut file, 10, Some(150_000)).unwrap();
        (sent, file.position())
    });
    drop(writer);
    let mut heard = Vec::new();
    reader.read_to_end(&mut heard).unwrap();
    assert_eq!(sender.join().unwrap(), (150_000, 150_010));
    assert!(heard.len() == 150_000 && heard[0] == 10);
}

#[test]
fn servers_of_both_families() {
    let host = host();
    assert!(host.has_dualstack_ipv6());
    let both = Server { family: AF_INET6, dualstack_ipv6: true, ..Server::default() };
    let server = host.create_server(("", 80), both).unwrap();
    let client = host.create_connection(("127.0.0.1", 80), Some(SOON), None).unwrap();
    let (_, peer) = server.accept().unwrap();
    let SockAddr::V6(peer) = peer else { panic!("{peer}") };
    assert_eq!(peer.ip().to_ipv4_mapped().unwrap().to_string(), "127.0.0.1");
    // "localhost" is ::1 first; nobody is there, so the second address is tried.
    let only = host.create_server(("127.0.0.1", 81), Server::default()).unwrap();
    host.create_connection(("localhost", 81), Some(SOON), None).unwrap();
    only.accept().unwrap();
    assert_eq!(errno(host.create_server(("", 80), both)), Errno::EADDRINUSE);
    drop(client);
}

#[test]
fn a_source_address_is_bound() {
    let host = host();
    let server = host.create_server(("127.0.0.1", 80), Server::default()).unwrap();
    let source = Some(([127, 0, 0, 5], 5555).into());
    let client = host.create_connection(("127.0.0.1", 80), Some(SOON), source).unwrap();
    assert_eq!(client.getsockname().unwrap().to_string(), "127.0.0.5:5555");
    assert_eq!(server.accept().unwrap().1.to_string(), "127.0.0.5:5555");
}

#[test]
fn ioctls() {
    let host = host();
    let (one, other) = pair(&host, SOCK_STREAM);
    one.sendall(b"12345", 0).unwrap();
    assert_eq!(other.recv(2, 0).unwrap(), b"12");
    assert_eq!(other.ioctl(FIONREAD, 0).unwrap(), 3);
    assert!(one.ioctl(SIOCOUTQ, 0).unwrap() <= 5);
    other.ioctl(FIONBIO, 1).unwrap();
    assert!(!other.getblocking());
    assert_eq!(errno(other.ioctl(0x1234, 0)), Errno::ENOTTY);
}

#[test]
fn the_types_of_std_net() {
    let host = host();
    let listener = TcpListener::bind(&host, "127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let mut stream = listener.incoming().next().unwrap()?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        stream.write_all(text.to_uppercase().as_bytes())
    });
    let mut stream = TcpStream::connect_timeout(&host, &address, SOON).unwrap();
    stream.set_nodelay(true).unwrap();
    assert!(stream.nodelay().unwrap() && stream.peer_addr().unwrap() == address);
    stream.write_all(b"hello").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    (&stream).read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "HELLO");
    server.join().unwrap().unwrap();

    let socket = UdpSocket::bind(&host, ("127.0.0.1", 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
    assert_eq!(socket.recv(&mut [0; 10]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    assert!(socket.set_read_timeout(Some(Duration::ZERO)).is_err());
    socket.connect(socket.local_addr().unwrap()).unwrap();
    socket.send(b"to myself").unwrap();
    let mut buffer = [0; 100];
    assert_eq!((socket.peek(&mut buffer).unwrap(), socket.recv(&mut buffer).unwrap()), (9, 9));
    let refused = TcpStream::connect(&host, "127.0.0.1:9").unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn errors_of_an_icmp_message_reach_a_connected_socket() {
    let (a, b) = neighbours();
    let _alive = a;
    let socket = b.socket(AF_INET6, SOCK_DGRAM, 0).unwrap();
    socket.settimeout(Some(SOON)).unwrap();
    socket.connect(("2001:db8::1", 9)).unwrap();
    socket.send(b"anybody?", 0).unwrap();
    assert_eq!(errno(socket.recv(10, 0)), Errno::ECONNREFUSED);
}

#[test]
fn many_threads_at_once() {
    let (a, b) = neighbours();
    let server = a.create_server(("", 80), Server::default()).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..16 {
                let (connection, _) = server.accept().unwrap();
                scope.spawn(move || {
                    connection.settimeout(Some(SOON)).unwrap();
                    loop {
                        let data = connection.recv(8192, 0).unwrap();
                        if data.is_empty() {
                            break;
                        }
                        connection.sendall(&data, 0).unwrap();
                    }
                });
            }
        });
        for number in 0..16u8 {
            let b = &b;
            scope.spawn(move || {
                let socket = b.create_connection(("192.0.2.1", 80), Some(SOON), None).unwrap();
                for turn in 0..50u8 {
                    let data = vec![number ^ turn; 1 + 37 * usize::from(turn)];
                    socket.sendall(&data, 0).unwrap();
                    assert_eq!(socket.recv(data.len(), MSG_WAITALL).unwrap(), data);
                }
            });
        }
    });
}

#[test]
fn a_timeout_of_two_hours_takes_no_time_in_a_world() {
    let world = World::new(1);
    let (a, b) = (world.host("a").build().unwrap(), world.host("b").build().unwrap());
    world.cable(&a, &b, "delay=50ms").unwrap().addresses("192.0.2.1/24", "192.0.2.2/24").unwrap();
    let hours = Duration::from_secs(7200);
    let server = world.spawn(&a, move |host| {
        let server = host.create_server(("", 80), Server::default()).unwrap();
        let (connection, _) = server.accept().unwrap();
        connection.settimeout(Some(hours)).unwrap();
        let before = host.now();
        let error = connection.recv(1, 0).unwrap_err();
        (error.errno(), host.now().since(before))
    });
    let client = world.spawn(&b, move |host| {
        let before = host.now();
        let socket = host.create_connection(("192.0.2.1", 80), None, None).unwrap();
        let took = host.now().since(before);
        host.sleep(2 * hours).unwrap();
        drop(socket);
        took
    });
    world.run().unwrap();
    assert_eq!(server.join(), (Errno::ETIMEDOUT, hours));
    // ARP (or the other's announcement, half way), then SYN and SYN|ACK.
    assert_eq!(client.join(), Duration::from_millis(150));
}
