//! Addresses, errors, options, loopback.

use super::*;
use crate::base::constants::*;
use crate::base::{ControlMessage, Instant};
use crate::stack::{Census, Config};

fn host() -> Stack {
    let mut stack = Stack::new(Config::default());
    stack.at(Instant::from_secs(1));
    stack
}

fn int(stack: &mut Stack, id: SocketId, name: i32) -> i32 {
    let value = stack.getsockopt(id, SOL_RDS, name, 4).unwrap();
    i32::from_ne_bytes(value.try_into().unwrap())
}

/// rds_create, rds_bind, rds_add_bound.
#[test]
fn sockets_and_their_names() {
    let mut stack = host();
    let other = |stack: &mut Stack, kind, protocol| errno(stack.socket(AF_RDS, kind, protocol));
    assert_eq!(other(&mut stack, SOCK_STREAM, 0), Errno::ESOCKTNOSUPPORT);
    assert_eq!(other(&mut stack, SOCK_SEQPACKET, 1), Errno::ESOCKTNOSUPPORT);
    let id = open(&mut stack);
    assert_eq!(stack.getsockname(id).unwrap(), SockAddr::Unspec);
    for (address, error) in [
        ("0.0.0.0:1", Errno::EINVAL),
        ("255.255.255.255:1", Errno::EINVAL),
        ("224.0.0.1:1", Errno::EINVAL),
        ("[::]:1", Errno::EINVAL),
        ("[fe80::1]:7", Errno::EINVAL),
        // RDS_FLAG_PROBE_PORT
        ("127.0.0.1:1", Errno::EINVAL),
        ("192.0.2.9:4000", Errno::EADDRNOTAVAIL),
    ] {
        assert_eq!(errno(stack.bind(id, at(address))), error, "{address}");
    }
    stack.bind(id, at("127.0.0.1:4000")).unwrap();
    assert_eq!(errno(stack.bind(id, at("127.0.0.1:4001"))), Errno::EINVAL);
    assert_eq!(stack.getsockname(id).unwrap(), at("127.0.0.1:4000"));
    let second = open(&mut stack);
    assert_eq!(errno(stack.bind(second, at("127.0.0.1:4000"))), Errno::EADDRINUSE);
    // "if (ipv6_addr_v4mapped(...))": it is the same address.
    assert_eq!(errno(stack.bind(second, at("[::ffff:127.0.0.1]:4000"))), Errno::EADDRINUSE);
    stack.bind(second, at("127.0.0.2:4000")).unwrap();
    let any = bound(&mut stack, "127.0.0.1:0");
    let port = stack.getsockname(any).unwrap().inet().unwrap().port();
    assert!(port > 1);
    for refused in [
        stack.listen(id, 1),
        stack.shutdown(id, SHUT_RDWR),
        stack.accept(id).map(drop),
        stack.socketpair(AF_RDS, SOCK_SEQPACKET, 0).map(drop),
    ] {
        assert_eq!(errno(refused), Errno::EOPNOTSUPP);
    }
    assert_eq!(errno(stack.readable(id)), Errno::ENOTTY);
    for id in [id, second, any] {
        stack.close(id).unwrap();
    }
    assert_eq!(stack.census(), Census::default());
    bound(&mut stack, "127.0.0.1:4000");
}

/// tcp_listen.c: no transport without its port.
#[test]
fn the_port_of_rds_is_taken() {
    let mut stack = host();
    let listener = stack.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    stack.bind(listener, at("0.0.0.0:16385")).unwrap();
    stack.listen(listener, 1).unwrap();
    let id = open(&mut stack);
    assert_eq!(errno(stack.bind(id, at("127.0.0.1:4000"))), Errno::EADDRNOTAVAIL);
    stack.close(listener).unwrap();
    stack.bind(id, at("127.0.0.1:4000")).unwrap();
}

/// rds_connect, rds_getname, rds_sendmsg's errors.
#[test]
fn peers_and_errors_of_sending() {
    let mut stack = host();
    let id = open(&mut stack);
    for (address, error) in [
        ("0.0.0.0:9", Errno::EDESTADDRREQ),
        ("255.255.255.255:9", Errno::EINVAL),
        ("239.0.0.1:9", Errno::EINVAL),
        ("[ff02::1]:9", Errno::EPROTOTYPE),
    ] {
        assert_eq!(errno(stack.connect(id, at(address))), error, "{address}");
    }
    assert_eq!(errno(stack.connect(id, SockAddr::Unspec)), Errno::EAFNOSUPPORT);
    assert_eq!(errno(stack.getpeername(id)), Errno::ENOTCONN);
    assert_eq!(errno(send(&mut stack, id, b"x", "127.0.0.1:9")), Errno::ENOTCONN);
    stack.connect(id, at("127.0.0.1:9")).unwrap();
    assert_eq!(stack.getsockname(id).unwrap(), at("0.0.0.0:0"));
    assert_eq!(stack.getpeername(id).unwrap(), at("127.0.0.1:9"));
    assert_eq!(errno(send_how(&mut stack, id, b"x", None, 0)), Errno::ENOTCONN);
    stack.bind(id, at("127.0.0.1:4000")).unwrap();
    assert_eq!(send_how(&mut stack, id, b"x", None, 0).unwrap(), 1);
    assert_eq!(errno(send(&mut stack, id, b"x", "[::1]:9")), Errno::EOPNOTSUPP);
    assert_eq!(errno(send(&mut stack, id, b"x", "0.0.0.0:9")), Errno::EINVAL);
    for flags in [MSG_NOSIGNAL, MSG_OOB, MSG_MORE] {
        assert_eq!(errno(send_how(&mut stack, id, b"x", None, flags)), Errno::EOPNOTSUPP);
    }
    buffers(&mut stack, id, 10_000);
    assert_eq!(errno(send(&mut stack, id, &[0; 10_001], "127.0.0.1:9")), Errno::EMSGSIZE);
    assert_eq!(send(&mut stack, id, &[0; 10_000], "127.0.0.1:9").unwrap(), 10_000);
    buffers(&mut stack, id, 4 << 20);
    assert_eq!(errno(send(&mut stack, id, &vec![0; (1 << 20) + 1], "127.0.0.1:9")), Errno::EMSGSIZE);
}

/// net/rds/loop.c, rds_recvmsg.
#[test]
fn a_host_talks_to_itself() {
    let mut stack = host();
    let (one, other) = (bound(&mut stack, "127.0.0.1:4000"), bound(&mut stack, "127.0.0.1:4001"));
    assert_eq!(errno(recv(&mut stack, other, 0)), Errno::EAGAIN);
    assert_eq!(stack.poll(other), POLLOUT);
    for text in ["first", "", "the third message"] {
        assert_eq!(send(&mut stack, one, text.as_bytes(), "127.0.0.1:4001").unwrap(), text.len());
    }
    assert_eq!(stack.poll(other), POLLIN | POLLOUT);
    let peeked = recv(&mut stack, other, MSG_PEEK).unwrap();
    assert_eq!((peeked.0.as_slice(), peeked.1.from), (&b"first"[..], Some(at("127.0.0.1:4000"))));
    assert_eq!(recv(&mut stack, other, 0).unwrap().0, b"first");
    assert_eq!(recv(&mut stack, other, 0).unwrap().0, b"");
    let mut short = [0; 3];
    let cut = stack.recv(other, &mut [IoSliceMut::new(&mut short)], MSG_TRUNC | MSG_PEEK).unwrap();
    assert_eq!((cut.len, cut.flags, &short), (17, MSG_TRUNC, b"the"));
    let cut = stack.recv(other, &mut [IoSliceMut::new(&mut short)], 0).unwrap();
    assert_eq!((cut.len, cut.flags), (3, MSG_TRUNC));
    assert_eq!(stack.poll(other), POLLOUT);
    // To itself; to nobody.
    send(&mut stack, one, b"me", "127.0.0.1:4000").unwrap();
    assert_eq!(recv(&mut stack, one, 0).unwrap().0, b"me");
    send(&mut stack, one, b"lost", "127.0.0.1:5000").unwrap();
    // A ping (rds-ping): the answer comes from port 0.
    send(&mut stack, one, b"", "127.0.0.1:0").unwrap();
    assert_eq!(recv(&mut stack, one, 0).unwrap().1.from, Some(at("127.0.0.1:0")));
    assert!(stack.frame_out().is_none(), "nothing leaves the host");
    let (six, v6) = (bound(&mut stack, "[::1]:4000"), "[::1]:4000");
    send(&mut stack, six, b"IPv6", v6).unwrap();
    assert_eq!(recv(&mut stack, six, 0).unwrap().1.from, Some(at(v6)));
}

/// rds_recv_rcvbuf_delta, rds_cong_wait, rds_poll, rds_notify_cong.
#[test]
fn congestion_at_home() {
    let mut stack = host();
    let (one, other) = (bound(&mut stack, "127.0.0.1:4000"), bound(&mut stack, "127.0.0.1:4097"));
    buffers(&mut stack, other, 10_000);
    let to = "127.0.0.1:4097";
    for _ in 0..11 {
        send(&mut stack, one, &[0; 1000], to).unwrap();
    }
    assert_eq!(errno(send(&mut stack, one, b"", to)), Errno::ENOBUFS);
    // Who waits is told to wait.
    assert_eq!(errno(send_how(&mut stack, one, b"", Some(to), 0)), Errno::EAGAIN);
    // Half of it must be read before more is taken, and then who was refused finds something to do.
    for _ in 0..6 {
        recv(&mut stack, other, 0).unwrap();
    }
    assert_eq!((errno(send(&mut stack, one, b"", to)), stack.poll(one)), (Errno::ENOBUFS, POLLOUT));
    recv(&mut stack, other, 0).unwrap();
    assert_eq!(stack.poll(one), POLLIN | POLLOUT);
    assert_eq!((errno(recv(&mut stack, one, 0)), stack.poll(one)), (Errno::EAGAIN, POLLOUT));
    for _ in 0..7 {
        send(&mut stack, one, &[0; 1000], to).unwrap();
    }
    stack.setsockopt(one, SOL_RDS, RDS_CONG_MONITOR, &1_i32.to_ne_bytes()).unwrap();
    assert_eq!(errno(send(&mut stack, one, b"", to)), Errno::ENOBUFS);
    stack.close(other).unwrap();
    assert_eq!(stack.poll(one), POLLIN | POLLOUT);
    let (data, told) = recv(&mut stack, one, 0).unwrap();
    // 4097 % 64 = 1
    assert_eq!((data.len(), told.from, told.control), (0, None, vec![ControlMessage::RdsCongestion(2)]));
    assert_eq!(stack.poll(one), POLLOUT);
}

/// rds_setsockopt, rds_getsockopt.
#[test]
fn options() {
    let mut stack = host();
    let id = open(&mut stack);
    let set = |stack: &mut Stack, name, value: &[u8]| stack.setsockopt(id, SOL_RDS, name, value);
    let one = 1_i32.to_ne_bytes();
    assert_eq!(int(&mut stack, id, RDS_RECVERR), 0);
    set(&mut stack, RDS_RECVERR, &one).unwrap();
    assert_eq!(int(&mut stack, id, RDS_RECVERR), 1);
    assert_eq!(errno(set(&mut stack, RDS_RECVERR, &[1])), Errno::EINVAL);
    assert_eq!(errno(stack.getsockopt(id, SOL_RDS, RDS_RECVERR, 3)), Errno::EINVAL);
    assert_eq!(errno(stack.getsockopt(id, SOL_RDS, RDS_CONG_MONITOR, 4)), Errno::ENOPROTOOPT);
    assert_eq!(int(&mut stack, id, SO_RDS_TRANSPORT), RDS_TRANS_NONE);
    assert_eq!(errno(set(&mut stack, SO_RDS_TRANSPORT, &9_i32.to_ne_bytes())), Errno::EINVAL);
    assert_eq!(errno(set(&mut stack, SO_RDS_TRANSPORT, &RDS_TRANS_IB.to_ne_bytes())), Errno::ENOPROTOOPT);
    set(&mut stack, SO_RDS_TRANSPORT, &RDS_TRANS_TCP.to_ne_bytes()).unwrap();
    assert_eq!(errno(set(&mut stack, SO_RDS_TRANSPORT, &RDS_TRANS_TCP.to_ne_bytes())), Errno::EOPNOTSUPP);
    assert_eq!(int(&mut stack, id, SO_RDS_TRANSPORT), RDS_TRANS_TCP);
    assert_eq!(errno(stack.bind(id, at("192.0.2.9:1000"))), Errno::ENOPROTOOPT);
    assert_eq!(errno(set(&mut stack, RDS_CANCEL_SENT_TO, &[0; 16])), Errno::ENOTCONN);
    stack.bind(id, at("127.0.0.1:1000")).unwrap();
    assert_eq!(errno(set(&mut stack, RDS_CANCEL_SENT_TO, &[0; 15])), Errno::EINVAL);
    set(&mut stack, RDS_CANCEL_SENT_TO, &[0; 28]).unwrap();
    assert_eq!(errno(set(&mut stack, RDS_GET_MR, &[0; 64])), Errno::EOPNOTSUPP);
    assert_eq!(errno(set(&mut stack, RDS_FREE_MR, &[0; 3])), Errno::EINVAL);
    assert_eq!(errno(set(&mut stack, 99, &one)), Errno::ENOPROTOOPT);
    assert_eq!(errno(stack.setsockopt(id, SOL_IP, IP_TTL, &one)), Errno::ENOPROTOOPT);
}

/// rds_info_getsockopt and those that it asks.
#[test]
fn what_rds_info_asks() {
    let mut stack = host();
    let id = bound(&mut stack, "127.0.0.1:4000");
    stack.connect(id, at("127.0.0.1:4000")).unwrap();
    send_how(&mut stack, id, b"four", None, 0).unwrap();
    let mut ask = |name| stack.getsockopt(id, SOL_RDS, name, 8192).unwrap();
    let sockets = ask(RDS_INFO_SOCKETS);
    assert_eq!((sockets.len(), &sockets[4..16]), (28, &[127, 0, 0, 1, 127, 0, 0, 1, 15, 160, 15, 160][..]));
    let received = ask(RDS_INFO_RECV_MESSAGES);
    assert_eq!((received.len(), received[0], received[8]), (25, 1, 4));
    let connections = ask(RDS_INFO_CONNECTIONS);
    assert_eq!(
        (connections.len(), connections[0], connections[8], &connections[24..32]),
        (41, 2, 2, &b"loopback"[..])
    );
    assert_eq!(ask(RDS_INFO_SEND_MESSAGES).len() + ask(RDS_INFO_TCP_SOCKETS).len(), 0);
    let counters = ask(RDS_INFO_COUNTERS);
    let queued = counters.as_chunks::<40>().0.iter().find(|row| row.starts_with(b"recv_queued\0")).unwrap();
    assert_eq!(queued[32], 1);
    assert_eq!(errno(stack.getsockopt(id, SOL_RDS, RDS_INFO_SOCKETS, 27)), Errno::ENOSPC);
    assert_eq!(errno(stack.getsockopt(id, SOL_RDS, 10_002, 27)), Errno::ENOPROTOOPT);
}
