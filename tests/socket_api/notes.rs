//! The courses' own words, call by call: what beginners' notes about Python's socket module promise must hold here.

use super::*;

/// "socket库": bind, listen(5), accept, connect to 127.0.0.1:12345, "Hello, server!", datagrams with their sender.
#[test]
fn the_socket_library() {
    let host = host();
    let s = host.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    s.bind(("127.0.0.1", 12345)).unwrap();
    s.listen(5).unwrap();
    let c = host.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    c.connect(("127.0.0.1", 12345)).unwrap();
    let (conn, address) = s.accept().unwrap();
    assert_eq!(address, c.getsockname().unwrap());
    // send: the number of bytes, perhaps fewer than given; sendall: all, or an error.
    assert_eq!(c.send("Hello, server!".as_bytes(), 0).unwrap(), 14);
    c.sendall(b" And all of it.", 0).unwrap();
    // recv: at most bufsize.
    assert_eq!(conn.recv(5, 0).unwrap(), b"Hello");
    assert_eq!(conn.recv(1024, 0).unwrap(), b", server! And all of it.");
    let (one, other) = pair(&host, SOCK_DGRAM);
    let to = other.getsockname().unwrap();
    let from = host.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    assert_eq!(from.sendto(b"datagram", 0, to).unwrap(), 8);
    assert_eq!(one.sendto(b"datagram", 0, to).unwrap(), 8);
    let (data, address) = other.recvfrom(1024, 0).unwrap();
    assert_eq!((&data[..], address), (&b"datagram"[..], one.getsockname().unwrap()));
}

/// "socket库": IPPROTO_RAW only sends, what is sent has its own header and checksum; IPPROTO_IP receives every IP packet.
#[test]
fn the_two_protocols_of_raw_sockets() {
    let host = host();
    let sender = host.socket(AF_INET, SOCK_RAW, IPPROTO_RAW).unwrap();
    let everything = host.socket(AF_INET, SOCK_RAW, IPPROTO_IP).unwrap();
    everything.settimeout(Some(SOON)).unwrap();
    // A header by hand: version and length 0x45, total length 24, TTL 9, protocol 253, its checksum.
    let mut packet = vec![0x45, 0, 0, 24, 0xbe, 0xef, 0, 0, 9, 253, 0, 0, 127, 0, 0, 9, 127, 0, 0, 1];
    let sum: u32 = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(b"mine");
    sender.sendto(&packet, 0, ("127.0.0.1", 0)).unwrap();
    assert_eq!(everything.recv(65535, 0).unwrap(), packet);
    assert_eq!(errno(sender.recv(65535, MSG_DONTWAIT)), Errno::EAGAIN);
}

/// "Python网络编程之socket": the two programs, with words in Chinese both ways, then a talk in turns until one hangs up.
#[test]
fn network_programming_with_python() {
    let host = host();
    let server = host.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    server.bind(("127.0.0.1", 8089)).unwrap();
    server.listen(5).unwrap();
    let serving = thread::spawn(move || {
        let (client, address) = server.accept()?;
        assert_eq!((client.getpeername()?, client.getsockname()?), (address, server.getsockname()?));
        let mut turns = 0;
        loop {
            let heard = client.recv(1024, 0)?;
            if heard.is_empty() {
                return Ok::<_, sockatoo::Error>(turns);
            }
            client.sendall(&["客户端说：".as_bytes(), &heard].concat(), 0)?;
            turns += 1;
        }
    });
    let client = host.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    // "at most 5 s for connecting": a number of seconds, or None.
    client.settimeout(Some(Duration::from_secs(5))).unwrap();
    client.connect(("127.0.0.1", 8089)).unwrap();
    client.settimeout(None).unwrap();
    for word in ["你好，服务器！", "再见"] {
        client.sendall(word.as_bytes(), 0).unwrap();
        assert_eq!(client.recv(1024, 0).unwrap(), format!("客户端说：{word}").as_bytes());
    }
    client.close().unwrap();
    assert_eq!(serving.join().unwrap().unwrap(), 2);
    // connect_ex gives the number, connect the error, socket() one for what it does not know.
    let again = host.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    assert_eq!(again.connect_ex(("127.0.0.1", 8089)), Errno::ECONNREFUSED.0);
    assert_eq!(
        errno(host.socket(AF_INET, SOCK_STREAM, 0).unwrap().connect(("127.0.0.1", 8089))),
        Errno::ECONNREFUSED
    );
    assert_eq!(errno(host.socket(99, SOCK_STREAM, 0)), Errno::EAFNOSUPPORT);
}

/// "Python成长笔记": fileno=, socketpair, create_connection with a time-out and a source, getaddrinfo, setblocking, sendfile.
#[test]
fn notes_of_growing_up_with_python() {
    let host = host();
    // "fileno will return the same socket and not a duplicate": closing it closes the socket.
    let socket = host.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    let fd = socket.detach().unwrap();
    assert!(socket.is_closed());
    take_fileno(fd).unwrap().close().unwrap();
    assert_eq!(host.census().sockets, 0);

    let server =
        host.create_server(("127.0.0.1", 8001), Server { backlog: Some(5), ..Server::default() }).unwrap();
    // "False: accept and recv fail when there is nothing."
    server.setblocking(false).unwrap();
    assert_eq!(errno(server.accept()), Errno::EAGAIN);
    server.setblocking(true).unwrap();
    let source = Some(([127, 0, 0, 1], 4444).into());
    let client = host.create_connection(("localhost", 8001), Some(SOON), source).unwrap();
    assert_eq!(
        (client.getsockname().unwrap().to_string(), client.gettimeout()),
        ("127.0.0.1:4444".into(), Some(SOON))
    );
    let (connection, address) = server.accept().unwrap();
    assert_eq!(address, client.getsockname().unwrap());
    let found = host.getaddrinfo(Some("localhost"), Some("8001"), AF_UNSPEC, SOCK_STREAM, 0, 0).unwrap();
    assert!(found.iter().any(|info| info.address == server.getsockname().unwrap()));
    // sendfile(file, offset, count): the position stands behind what was sent.
    let mut file = Cursor::new(b"0123456789".to_vec());
    assert_eq!(client.sendfile(&mut file, 2, Some(5)).unwrap(), 5);
    assert_eq!((connection.recv(1024, 0).unwrap(), file.position()), (b"23456".to_vec(), 7));
    assert!(client.fileno().unwrap() >= 0);
}

/// "Socket模块": a server that says Hello World to everybody; AF_ROUTE is a family like others.
#[test]
fn the_socket_module() {
    let host = host();
    let s1 = host.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    s1.bind(("127.0.0.1", 2345)).unwrap();
    s1.listen(5).unwrap();
    for _ in 0..3 {
        let s2 = host.socket(AF_INET, SOCK_STREAM, 0).unwrap();
        s2.connect(("127.0.0.1", 2345)).unwrap();
        let (conn, _) = s1.accept().unwrap();
        conn.send("Hello World".as_bytes(), 0).unwrap();
        conn.close().unwrap();
        assert_eq!(s2.recv(1024, 0).unwrap(), b"Hello World");
        assert_eq!(s2.recv(1024, 0).unwrap(), b"");
    }
    assert_eq!(host.socket(AF_ROUTE, SOCK_RAW, NETLINK_ROUTE).unwrap().family(), AF_NETLINK);
}

/// "网络编程(一)": the table of methods and attributes.
#[test]
fn the_table_of_methods() {
    let host = host();
    let (one, other) = pair(&host, SOCK_STREAM);
    assert_eq!((one.family(), one.type_(), one.proto()), (AF_INET, SOCK_STREAM, 0));
    one.sendall(b"into a buffer", 0).unwrap();
    let mut buffer = [0; 20];
    assert_eq!(other.recv_into(&mut buffer, 0).unwrap(), 13);
    assert_eq!(&buffer[..13], b"into a buffer");
    let (ours, theirs) = pair(&host, SOCK_DGRAM);
    ours.send(b"datagram", 0).unwrap();
    let (length, from) = theirs.recvfrom_into(&mut buffer, 0).unwrap();
    assert_eq!((length, from), (8, ours.getsockname().unwrap()));
    other.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1).unwrap();
    assert_eq!(other.getsockopt(IPPROTO_TCP, TCP_NODELAY).unwrap(), 1);
    one.shutdown(SHUT_WR).unwrap();
    assert_eq!(other.recv(1, 0).unwrap(), b"");
    // "ioctl: Windows only" there; here it has both systems' requests.
    assert_eq!(other.ioctl(SIO_KEEPALIVE_VALS, (1, 10_000, 3_000)).unwrap(), 0);
    let mut file = other.makefile("w").unwrap();
    file.write_all(b"a line\n").unwrap();
    file.flush().unwrap();
    assert_eq!(one.recv(100, 0).unwrap(), b"a line\n");
    let fd = one.fileno().unwrap();
    assert_eq!(one.detach().unwrap(), fd);
    assert_eq!(errno(one.send(b"x", 0)), Errno::EBADF);
    close(fd).unwrap();
    drop(file);
    assert_eq!(errno(other.sendall(b"x", 0).and_then(|()| other.sendall(b"x", 0))), Errno::EPIPE);
}
