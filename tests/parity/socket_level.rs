//! What the options of SOL_SOCKET do, beside being kept: marks, priorities, peeks, times, buffers that are free again, who is chosen.

use sockatoo::SockAddr;
use sockatoo::base::ControlMessage;
use sockatoo::base::constants::*;

use crate::arm::Fd;
use crate::dialogue::Dialogue;

/// A receiver at port 5000 that is told marks and priorities, and a sender.
fn marked(t: &mut Dialogue) -> (Fd, Fd) {
    let a = t.udp_at(5000);
    t.set(a, SOL_SOCKET, SO_RCVMARK, 1);
    t.set(a, SOL_SOCKET, SO_RCVPRIORITY, 1);
    (a, t.udp())
}

fn arrives(t: &mut Dialogue, from: Fd, to: Fd, control: &[ControlMessage]) {
    let address = SockAddr::from((t.ip.lo(), 5000));
    if t.sendmsg(from, b"x", Some(address), 0, control).is_some() {
        t.wait(to, POLLIN);
        t.recvmsg(to, 10, 0);
    }
}

/// One instruction of a classic BPF program.
fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> Vec<u8> {
    [&code.to_ne_bytes()[..], &[jt, jf], &k.to_ne_bytes()].concat()
}

/// Sockets at port 5000 that share it.
fn sharers(t: &mut Dialogue, n: usize) -> Vec<Fd> {
    (0..n)
        .map(|_| {
            let s = t.udp();
            t.set(s, SOL_SOCKET, SO_REUSEPORT, 1);
            t.bind(s, (t.ip.lo(), 5000));
            s
        })
        .collect()
}

fn clock(nanos: u64) -> Vec<ControlMessage> {
    vec![ControlMessage::TransmitTime(nanos)]
}

twins! {
    fn a_mark_and_a_priority_stay_with_the_datagram(t) in Lo {
        let (a, s) = marked(t);
        arrives(t, s, a, &[]);
        t.set(s, SOL_SOCKET, SO_MARK, 7);
        t.set(s, SOL_SOCKET, SO_PRIORITY, 3);
        arrives(t, s, a, &[]);
        arrives(t, s, a, &[ControlMessage::Mark(9), ControlMessage::Priority(5)]);
        arrives(t, s, a, &[]);
        t.set(a, SOL_SOCKET, SO_RCVMARK, 0);
        arrives(t, s, a, &[]);
    }

    fn a_type_of_service_brings_its_priority(t) in Lo {
        let (a, s) = marked(t);
        let (level, name) = if t.ip.af() == AF_INET { (SOL_IP, IP_TOS) } else { (SOL_IPV6, IPV6_TCLASS) };
        for tos in [0x08, 0x10, 0x18, 0x02, 0xb8, 0] {
            t.set(s, level, name, tos);
            t.get(s, SOL_SOCKET, SO_PRIORITY);
            arrives(t, s, a, &[]);
        }
        t.set(s, SOL_SOCKET, SO_PRIORITY, 1);
        t.set(s, level, name, 0);
        t.get(s, SOL_SOCKET, SO_PRIORITY);
        arrives(t, s, a, &[ControlMessage::Tos(0x10)]);
        arrives(t, s, a, &[ControlMessage::Priority(2), ControlMessage::Tos(0x08)]);
    }

    fn a_mark_does_not_travel(t) in Wire {
        let a = t.socket_on(1, t.ip.af(), SOCK_DGRAM, 0);
        t.bind(a, (t.ip.any(), 5000));
        t.set(a, SOL_SOCKET, SO_RCVMARK, 1);
        t.set(a, SOL_SOCKET, SO_RCVPRIORITY, 1);
        let s = t.udp();
        t.set(s, SOL_SOCKET, SO_MARK, 7);
        t.set(s, SOL_SOCKET, SO_PRIORITY, 3);
        t.sendto(s, b"x", 0, (t.ip.on_wire(1), 5000));
        t.wait(a, POLLIN);
        t.recvmsg(a, 10, 0);
    }

    fn a_peek_goes_on_where_the_last_one_ended(t) in Lo {
        let a = t.udp_at(5000);
        let s = t.udp();
        for data in [&b"first"[..], b"second", b"third"] {
            t.sendto(s, data, 0, (t.ip.lo(), 5000));
        }
        t.wait(a, POLLIN);
        t.set(a, SOL_SOCKET, SO_PEEK_OFF, 0);
        for len in [2, 2, 10, 10, 3, 3] {
            t.recvmsg(a, len, MSG_PEEK);
            t.get(a, SOL_SOCKET, SO_PEEK_OFF);
        }
        t.recvmsg(a, 10, 0);
        t.get(a, SOL_SOCKET, SO_PEEK_OFF);
        t.recvmsg(a, 10, MSG_PEEK | MSG_DONTWAIT);
        t.recvmsg(a, 10, MSG_PEEK | MSG_DONTWAIT);
        t.set(a, SOL_SOCKET, SO_PEEK_OFF, -1);
        t.recvmsg(a, 3, MSG_PEEK);
        t.recvmsg(a, 3, MSG_PEEK);
        t.recvmsg(a, 10, 0);
        t.get(a, SOL_SOCKET, SO_PEEK_OFF);
    }

    fn a_peek_into_a_stream(t) in Lo {
        let (client, server, _listener) = t.pair();
        t.send(client, b"0123456789", 0);
        t.wait(server, POLLIN);
        t.set(server, SOL_SOCKET, SO_PEEK_OFF, 2);
        t.recv(server, 3, MSG_PEEK);
        t.get(server, SOL_SOCKET, SO_PEEK_OFF);
        t.recv(server, 3, MSG_PEEK);
        t.recv(server, 4, 0);
        t.get(server, SOL_SOCKET, SO_PEEK_OFF);
        t.recv(server, 10, MSG_PEEK);
        t.recv(server, 10, MSG_PEEK | MSG_DONTWAIT);
        t.recv(server, 10, 0);
        t.get(server, SOL_SOCKET, SO_PEEK_OFF);
    }

    fn times_of_arrival(t) in Lo {
        let a = t.udp_at(5000);
        let s = t.udp();
        // With this one, what came before the kernel's clock ran is stamped when it is read.
        t.set(a, SOL_SOCKET, SO_TIMESTAMPNS, 1);
        for flags in [SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE, SOF_TIMESTAMPING_RX_SOFTWARE, 0] {
            t.set(a, SOL_SOCKET, SO_TIMESTAMPING, flags);
            arrives(t, s, a, &[]);
            t.getsockopt(a, SOL_SOCKET, SO_TIMESTAMPING, 8);
            t.getsockopt(a, SOL_SOCKET, SO_TIMESTAMPING_NEW, 8);
        }
    }

    fn times_that_make_no_sense(t) in Lo {
        let (s, tcp) = (t.udp(), t.tcp());
        for flags in [1 << 19, -1, 0x1000, 0x1800, 0x1_0000, 0x1_0080, 0x80, 0x7_7fff & !0x1000] {
            t.set(s, SOL_SOCKET, SO_TIMESTAMPING, flags);
            t.getsockopt(s, SOL_SOCKET, SO_TIMESTAMPING, 8);
        }
        t.set(tcp, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_OPT_ID);
        t.set(tcp, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_SOFTWARE);
        t.setsockopt(s, SOL_SOCKET, SO_TIMESTAMPING_NEW, &[16, 0, 0, 0, 0, 0, 0, 0]);
        t.getsockopt(s, SOL_SOCKET, SO_TIMESTAMPING_NEW, 8);
    }

    fn times_of_departure(t) in Lo {
        let a = t.udp_at(5000);
        let s = t.udp();
        t.bind(s, (t.ip.lo(), 5001));
        let flags = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID
            | SOF_TIMESTAMPING_OPT_TSONLY;
        t.set(s, SOL_SOCKET, SO_TIMESTAMPING, flags);
        for _ in 0..2 {
            t.sendto(s, b"hello", 0, (t.ip.lo(), 5000));
            t.poll_until(s, POLLERR);
            t.recvmsg(s, 100, MSG_ERRQUEUE);
            t.recvmsg(s, 100, MSG_ERRQUEUE);
            t.so_error(s);
            t.poll(s);
        }
        t.set(s, SOL_SOCKET, SO_TIMESTAMPING, flags | SOF_TIMESTAMPING_TX_SCHED);
        t.sendto(s, b"hello", 0, (t.ip.lo(), 5000));
        t.recvmsg(s, 100, MSG_ERRQUEUE);
        t.recvmsg(s, 100, MSG_ERRQUEUE);
        t.recvmsg(a, 100, 0);
    }

    fn times_asked_for_one_datagram(t) in Lo {
        let _a = t.udp_at(5000);
        let s = t.udp();
        t.set(s, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY);
        let to = SockAddr::from((t.ip.lo(), 5000));
        let ask = |flags| [ControlMessage::TimestampingAsked(flags)];
        t.sendmsg(s, b"x", Some(to), 0, &ask(SOF_TIMESTAMPING_TX_SOFTWARE as u32));
        t.recvmsg(s, 100, MSG_ERRQUEUE);
        t.sendmsg(s, b"x", Some(to), 0, &ask(SOF_TIMESTAMPING_RX_SOFTWARE as u32));
        t.sendmsg(s, b"x", Some(to), 0, &[ControlMessage::TimestampKey(77)]);
        t.set(s, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY);
        let both = [ControlMessage::TimestampingAsked(2), ControlMessage::TimestampKey(77)];
        t.sendmsg(s, b"x", Some(to), 0, &both);
        t.recvmsg(s, 100, MSG_ERRQUEUE);
        t.recvmsg(s, 100, MSG_ERRQUEUE);
    }

    fn a_time_of_departure_with_the_frame(t) in Lo {
        let _a = t.udp_at(5000);
        let s = t.udp();
        t.set(s, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE);
        t.set(s, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1);
        t.sendto(s, b"hello", 0, (t.ip.lo(), 5000));
        t.poll_until(s, POLLERR);
        // The frame has each side's own identification and checksum.
        let len = t.recv_error_quietly(s, 100).map(|data| (data.len(), data.ends_with(b"hello")));
        t.note(format!("the frame: {len:?}"));
        t.poll(s);
    }

    fn buffers_that_are_free_again(t) in Lo {
        let a = t.udp_at(5000);
        let s = t.udp();
        t.sendto(s, b"x", MSG_ZEROCOPY, (t.ip.lo(), 5000));
        t.recvmsg(s, 10, MSG_ERRQUEUE);
        t.set(s, SOL_SOCKET, SO_ZEROCOPY, 1);
        t.sendto(s, b"one", MSG_ZEROCOPY, (t.ip.lo(), 5000));
        t.poll_until(s, POLLERR);
        t.recvmsg(s, 10, MSG_ERRQUEUE);
        t.so_error(s);
        for _ in 0..3 {
            t.sendto(s, b"more", MSG_ZEROCOPY, (t.ip.lo(), 5000));
        }
        t.sendto(s, b"", MSG_ZEROCOPY, (t.ip.lo(), 5000));
        t.sendto(s, b"without", 0, (t.ip.lo(), 5000));
        t.recvmsg(s, 10, MSG_ERRQUEUE);
        t.recvmsg(s, 10, MSG_ERRQUEUE);
        t.recvmsg(a, 10, 0);
    }

    fn buffers_of_a_stream_that_are_free_again(t) in Lo {
        let (client, server, _listener) = t.pair();
        t.set(client, SOL_SOCKET, SO_ZEROCOPY, 1);
        t.send(client, b"one", MSG_ZEROCOPY);
        t.wait(server, POLLIN);
        t.recv(server, 10, 0);
        t.poll_until(client, POLLERR);
        t.recvmsg(client, 10, MSG_ERRQUEUE);
        t.recvmsg(client, 10, MSG_ERRQUEUE);
        t.poll(client);
    }

    fn a_program_says_who_gets_a_datagram(t) in Lo {
        let all = sharers(t, 3);
        // A <- the first byte; return A.
        let program = [instruction(0x30, 0, 0, 0), instruction(0x16, 0, 0, 0)].concat();
        t.setsockopt_as(all[1], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, "the first byte");
        let s = t.udp();
        for chosen in [2u8, 0, 1, 1, 0, 2] {
            t.sendto(s, &[chosen, b'x'], 0, (t.ip.lo(), 5000));
            t.wait(all[usize::from(chosen)], POLLIN);
            for one in &all {
                t.recv(*one, 10, MSG_DONTWAIT);
            }
        }
        let late = sharers(t, 1)[0];
        t.sendto(s, &[3, b'x'], 0, (t.ip.lo(), 5000));
        t.wait(late, POLLIN);
        t.recv(late, 10, MSG_DONTWAIT);
        t.set(late, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0);
        t.set(all[0], SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0);
    }

    fn programs_for_those_who_share_nothing(t) in Lo {
        let program = instruction(0x06, 0, 0, 0);
        let s = t.udp();
        t.setsockopt_as(s, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, "the first");
        t.set(s, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0);
        t.set(s, SOL_SOCKET, SO_REUSEPORT, 1);
        t.set(s, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0);
        t.setsockopt_as(s, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, "the first");
        t.set(s, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0);
        t.bind(s, (t.ip.lo(), 5000));
        t.setsockopt_as(s, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, "the first");
    }

    fn a_program_says_who_gets_a_connection(t) in Lo {
        let listeners: Vec<Fd> = (0..3)
            .map(|_| {
                let s = t.tcp();
                t.set(s, SOL_SOCKET, SO_REUSEPORT, 1);
                t.bind(s, (t.ip.lo(), 7000));
                t.listen(s, 5);
                t.nonblocking(s);
                s
            })
            .collect();
        t.setsockopt_as(listeners[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &instruction(6, 0, 0, 1), "the second");
        for _ in 0..3 {
            let client = t.tcp();
            t.connect(client, (t.ip.lo(), 7000));
            t.wait(listeners[1], POLLIN);
            for listener in &listeners {
                t.accept(*listener);
            }
        }
    }

    fn over_no_gateway(t) in Wire {
        let a = t.socket_on(1, t.ip.af(), SOCK_DGRAM, 0);
        t.bind(a, (t.ip.any(), 5000));
        let s = t.udp();
        t.sendto(s, b"by the call", MSG_DONTROUTE, (t.ip.on_wire(1), 5000));
        t.wait(a, POLLIN);
        t.recv(a, 20, 0);
        t.set(s, SOL_SOCKET, SO_DONTROUTE, 1);
        t.sendto(s, b"by the option", 0, (t.ip.on_wire(1), 5000));
        t.wait(a, POLLIN);
        t.recv(a, 20, 0);
        t.sendto(s, b"to oneself", 0, (t.ip.lo(), 5000));
        let c = t.tcp();
        t.set(c, SOL_SOCKET, SO_DONTROUTE, 1);
        t.connect(c, (t.ip.on_wire(1), 7000));
    }

    fn a_time_to_leave(t) in Lo {
        let a = t.udp_at(5000);
        let s = t.udp();
        let to = SockAddr::from((t.ip.lo(), 5000));
        t.getsockopt(s, SOL_SOCKET, SO_TXTIME, 8);
        t.sendmsg(s, b"x", Some(to), 0, &clock(1));
        for value in [&[1u8, 0, 0, 0, 0, 0, 0, 0][..], &[1, 0, 0, 0], &[1, 0, 0, 0, 4, 0, 0, 0], &[1, 0, 0, 0, 1, 0, 0, 0]] {
            t.setsockopt(s, SOL_SOCKET, SO_TXTIME, value);
        }
        t.getsockopt(s, SOL_SOCKET, SO_TXTIME, 8);
        t.sendmsg(s, b"long since", Some(to), 0, &clock(1));
        t.wait(a, POLLIN);
        t.recv(a, 20, 0);
        let later = crate::beginnings::monotonic() + 3_000_000_000;
        t.sendmsg_as(s, b"later", to, &clock(later), "in 3 s");
        t.recv(a, 20, MSG_DONTWAIT);
        t.sendmsg(s, b"now", Some(to), 0, &[]);
        t.wait(a, POLLIN);
        t.recv(a, 20, 0);
    }

    fn a_pace(t) in Lo {
        let s = t.udp();
        t.getsockopt(s, SOL_SOCKET, SO_MAX_PACING_RATE, 8);
        t.getsockopt(s, SOL_SOCKET, SO_MAX_PACING_RATE, 4);
        t.setsockopt(s, SOL_SOCKET, SO_MAX_PACING_RATE, &(1u64 << 33).to_ne_bytes());
        t.getsockopt(s, SOL_SOCKET, SO_MAX_PACING_RATE, 8);
        t.getsockopt(s, SOL_SOCKET, SO_MAX_PACING_RATE, 4);
        for value in [1_000_000, -1] {
            t.set(s, SOL_SOCKET, SO_MAX_PACING_RATE, value);
            t.getsockopt(s, SOL_SOCKET, SO_MAX_PACING_RATE, 8);
        }
    }

    fn enough_to_be_worth_a_wakening(t) in Lo {
        let (client, server, _listener) = t.pair();
        t.set(server, SOL_SOCKET, SO_RCVLOWAT, 5);
        t.send(client, b"abc", 0);
        t.until(|t| t.ioctl_quietly(server, FIONREAD) == Some(3));
        t.poll(server);
        t.send(client, b"def", 0);
        t.poll_until(server, POLLIN);
        t.recv(server, 2, 0);
        t.poll(server);
        t.set(server, SOL_SOCKET, SO_RCVLOWAT, 1);
        t.poll(server);
    }
}

case! {
    fn no_checksum(t) in Lo {
        let seen = t.socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
        let s = t.udp();
        for off in [1, 0] {
            t.set(s, SOL_SOCKET, SO_NO_CHECK, off);
            t.sendto_quietly(s, b"x", (t.ip.lo(), 5000));
            t.wait(seen, POLLIN);
            let sum = t.take_quietly(seen, 100).and_then(|packet| Some(packet.get(26..28)? == [0, 0]));
            t.note(format!("the checksum is 0: {sum:?}"));
        }
    }
}
