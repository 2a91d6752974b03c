use super::*;
use crate::base::constants::{MSG_DONTWAIT, SOCK_DGRAM, SOCK_STREAM};
use crate::base::verb::Letter;
use crate::driver::{Host, Local};
use crate::sys::epoll::Epoll;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// A request to the kernel's port reaches a listener of the stack, and its answer comes back whole, with both ends' ends.
#[test]
fn bytes_are_carried_both_ways_to_the_end() {
    let host = Local::new(Host::builder().embedded().build().unwrap()).unwrap();
    host.take_woken();
    let server = match host.perform(Verb::Socket { domain: AF_INET, kind: SOCK_STREAM, protocol: 0 }) {
        Ok(Answer::Socket(id)) => id,
        other => panic!("{other:?}"),
    };
    host.perform(Verb::Bind(server, ([0, 0, 0, 0], 80).into())).unwrap();
    host.perform(Verb::Listen(server, 4)).unwrap();
    let epoll = Epoll::new().unwrap();
    let tools = |host, epoll| Tools { host, epoll, now: Host::now(host) };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let to = listener.local_addr().unwrap();
    let mut publications =
        Publications::new(vec![Published { door: Door::Tcp(listener), port: 80 }], &tools(&host, &epoll))
            .unwrap();
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    let sent = bytes.clone();
    let client = std::thread::spawn(move || {
        let mut client = TcpStream::connect(to).unwrap();
        client.write_all(&sent).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        answer
    });
    // The program: it answers with what it gets.
    let (mut program, mut unsent, mut ended) = (None, Vec::new(), false);
    let mut ready = Vec::new();
    let mut carried = false;
    while !carried || !publications.pipes.is_empty() {
        let timeout = host.deadline().map_or(Duration::from_secs(1), |due| due.since(host.now()));
        epoll.wait(&mut ready, Some(timeout.min(Duration::from_millis(10)))).unwrap();
        host.drive();
        for found in &ready {
            publications.ready(&tools(&host, &epoll), found.token);
        }
        if let Ok(Answer::Accepted(id, _)) = host.perform(Verb::Accept(server)) {
            (program, carried) = (Some(id), true);
        }
        if let Some(id) = program {
            let verb = Verb::Receive { socket: id, count: 1, size: 1 << 16, flags: MSG_DONTWAIT };
            if let Ok(Answer::Letters(letters)) = host.perform(verb) {
                ended |= letters[0].data.is_empty();
                unsent.extend_from_slice(&letters[0].data);
            }
            let letter = Letter { data: unsent.clone(), flags: MSG_DONTWAIT, ..Letter::default() };
            if let Ok(Answer::Count(sent)) = host.perform(Verb::Send(id, vec![letter])) {
                unsent.drain(..sent);
            }
            if ended && unsent.is_empty() {
                host.perform(Verb::Close(id)).unwrap();
                program = None;
            }
        }
        for socket in host.take_woken() {
            publications.woken(&tools(&host, &epoll), socket);
        }
    }
    assert!(client.join().unwrap() == bytes, "other bytes came back");
}

#[test]
fn what_is_published_is_written_as_people_know_it() {
    for (text, same) in [
        ("8080:80", "8080:80"),
        ("5353:53/udp", "5353:53/udp"),
        ("127.0.0.1:8080:80/tcp", "127.0.0.1:8080:80"),
        ("192.0.2.1:8080:80", "192.0.2.1:8080:80"),
        ("[2001:db8::1]:8080:80", "[2001:db8::1]:8080:80"),
    ] {
        assert_eq!(text.parse::<Publish>().unwrap().to_string(), same);
    }
    for bad in [
        "",
        "80",
        "0:80",
        "80:0",
        "a:80",
        "80:65536",
        "2001:db8::1:80:80",
        "80:80/sctp",
        "80:80/",
        "/udp",
        "80/udp:80",
    ] {
        assert!(bad.parse::<Publish>().is_err(), "{bad}");
    }
}

/// A datagram to the kernel's port reaches a socket of the stack, in whichever family that is, and its answer comes back to who asked.
#[test]
fn datagrams_find_their_way_back() {
    for (domain, any, kernel_at) in [
        (AF_INET, SocketAddr::from(([0, 0, 0, 0], 53)), "127.0.0.1:0"),
        (AF_INET, SocketAddr::from(([127, 0, 0, 1], 53)), "[::1]:0"),
        (AF_INET6, SocketAddr::from(([0; 16], 53)), "127.0.0.1:0"),
        (AF_INET6, SocketAddr::from((Ipv6Addr::LOCALHOST, 53)), "127.0.0.1:0"),
    ] {
        let host = Local::new(Host::builder().embedded().build().unwrap()).unwrap();
        host.take_woken();
        let server = match host.perform(Verb::Socket { domain, kind: SOCK_DGRAM, protocol: 0 }) {
            Ok(Answer::Socket(id)) => id,
            other => panic!("{other:?}"),
        };
        host.perform(Verb::Bind(server, any.into())).unwrap();
        let epoll = Epoll::new().unwrap();
        let tools = |host, epoll| Tools { host, epoll, now: Host::now(host) };
        let socket = UdpSocket::bind(kernel_at).unwrap();
        socket.set_nonblocking(true).unwrap();
        let to = socket.local_addr().unwrap();
        let published = vec![Published { door: Door::Udp(socket), port: 53 }];
        let mut publications = Publications::new(published, &tools(&host, &epoll)).unwrap();
        let clients: Vec<UdpSocket> = (0..3)
            .map(|n: u8| {
                let client = UdpSocket::bind(SocketAddr::new(to.ip(), 0)).unwrap();
                client.set_nonblocking(true).unwrap();
                client.send_to(&[n], to).unwrap();
                client
            })
            .collect();
        let (mut ready, mut answers, end) =
            (Vec::new(), 0, std::time::Instant::now() + Duration::from_secs(20));
        while answers < clients.len() {
            assert!(std::time::Instant::now() < end, "{any} by {kernel_at}: {answers} answers");
            epoll.wait(&mut ready, Some(Duration::from_millis(10))).unwrap();
            host.drive();
            for found in &ready {
                publications.ready(&tools(&host, &epoll), found.token);
            }
            let verb = Verb::Receive { socket: server, count: 8, size: 64, flags: MSG_DONTWAIT };
            if let Ok(Answer::Letters(letters)) = host.perform(verb) {
                for letter in letters {
                    let data = vec![letter.data[0] + 100, 1];
                    let back =
                        Letter { data, address: letter.address, flags: MSG_DONTWAIT, ..Letter::default() };
                    host.perform(Verb::Send(server, vec![back])).unwrap();
                }
            }
            for socket in host.take_woken() {
                publications.woken(&tools(&host, &epoll), socket);
            }
            let mut buffer = [0; 9];
            for (n, client) in clients.iter().enumerate() {
                if let Ok((len, from)) = client.recv_from(&mut buffer) {
                    assert_eq!((&buffer[..len], from), (&[n as u8 + 100, 1][..], to));
                    answers += 1;
                }
            }
        }
    }
}
