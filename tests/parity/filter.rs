//! SO_ATTACH_FILTER: what a socket's filter sees, and what becomes of what it cuts. (Which programs are legal, and what they compute,
//! is asked in tests/filter.)

use sockatoo::base::constants::*;

use crate::arm::Fd;
use crate::dialogue::Dialogue;
use crate::link::{OURS, frame, mac};

/// Instructions of classic BPF: code, jt, jf, k.
type Instructions<'a> = &'a [(u16, u8, u8, u32)];

fn bytes(instructions: Instructions<'_>) -> Vec<u8> {
    let bytes = |&(code, jt, jf, k): &(u16, u8, u8, u32)| {
        [&code.to_ne_bytes()[..], &[jt, jf], &k.to_ne_bytes()].concat()
    };
    instructions.iter().flat_map(bytes).collect()
}

fn attach(t: &mut Dialogue, s: Fd, instructions: Instructions<'_>, words: &str) -> bool {
    t.setsockopt_as(s, SOL_SOCKET, SO_ATTACH_FILTER, &bytes(instructions), words)
}

fn keep(n: u32) -> [(u16, u8, u8, u32); 1] {
    [(6, 0, 0, n)]
}

/// Keeps as many bytes as this load says.
fn by_load(code: u16, k: u32) -> [(u16, u8, u8, u32); 2] {
    [(code, 0, 0, k), (0x16, 0, 0, 0)]
}

/// Keeps all if the load gives `value`, else nothing.
fn only_if(code: u16, k: u32, value: u32) -> [(u16, u8, u8, u32); 4] {
    [(code, 0, 0, k), (0x15, 0, 1, value), (6, 0, 0, 0xffff), (6, 0, 0, 0)]
}

fn receiver(t: &mut Dialogue, port: u16) -> Fd {
    let s = t.udp();
    t.bind(s, (t.ip.lo(), port));
    s
}

/// Sends two datagrams, tells what the receiver gets.
fn two(t: &mut Dialogue, s: Fd, port: u16) {
    let sender = t.udp();
    t.bind(sender, (t.ip.lo(), 4000));
    for data in [&b"a datagram of 24 bytes.."[..], b"x"] {
        t.sendto(sender, data, 0, (t.ip.lo(), port));
        t.poll(s);
        t.ioctl(s, FIONREAD);
        t.recvmsg(s, 100, MSG_DONTWAIT);
    }
    t.close(sender);
}

twins! {
    fn a_datagram_is_cut(t) in Lo {
        let s = receiver(t, 5001);
        for n in [0, 1, 7, 8, 9, 20, 31, 32, 33, 1000, u32::MAX] {
            attach(t, s, &keep(n), "keep n");
            two(t, s, 5001);
        }
        t.set(s, SOL_SOCKET, SO_DETACH_FILTER, 0);
        two(t, s, 5001);
    }

    fn a_datagram_is_seen_from_its_udp_header_on(t) in Lo {
        let s = receiver(t, 5002);
        let questions = [
            ("len", only_if(0x80, 0, 32)),
            ("source port", only_if(0x28, 0, 4000)),
            ("destination port", only_if(0x28, 2, 5002)),
            ("length", only_if(0x28, 4, 9)),
            ("data", only_if(0x30, 8, b'x'.into())),
            ("beyond the end", only_if(0x20, 6, 0)),
            ("IP version", only_if(0x30, 0xfff0_0000, if t.ip.af() == AF_INET { 0x45 } else { 0x60 })),
            ("protocol in the IP header", only_if(0x30, if t.ip.af() == AF_INET { 0xfff0_0009 } else { 0xfff0_0006 }, 17)),
            ("EtherType", only_if(0x20, 0xffff_f000, if t.ip.af() == AF_INET { 0x800 } else { 0x86dd })),
            ("packet type", only_if(0x20, 0xffff_f004, 0)),
            ("interface", only_if(0x20, 0xffff_f008, 1)),
            ("hardware", only_if(0x20, 0xffff_f01c, 772)),
            ("VLAN tag", only_if(0x20, 0xffff_f030, 0)),
        ];
        for (words, program) in questions {
            attach(t, s, &program, words);
            two(t, s, 5002);
        }
        attach(t, s, &by_load(0x30, 8), "as many as the first byte says");
        two(t, s, 5002);
    }

    fn a_segment_is_seen_from_its_tcp_header_on(t) in Lo {
        let listener = t.tcp();
        t.bind(listener, (t.ip.lo(), 7004));
        t.listen(listener, 4);
        attach(t, listener, &only_if(0x28, 2, 7004), "destination port");
        let client = t.tcp();
        t.connect(client, (t.ip.lo(), 7004));
        let server = t.accept(listener);
        attach(t, server, &only_if(0x30, if t.ip.af() == AF_INET { 0xfff0_0009 } else { 0xfff0_0006 }, 6), "protocol");
        t.send(client, b"passes", 0);
        t.wait(server, POLLIN);
        t.recv(server, 100, 0);
        attach(t, server, &keep(0), "nothing");
        t.send(client, b"later", 0);
        t.recv(server, 10, MSG_DONTWAIT);
        t.set(server, SOL_SOCKET, SO_DETACH_FILTER, 0);
        t.wait(server, POLLIN);
        t.recv(server, 100, 0);
        // The header always passes, the data must come again.
        attach(t, server, &keep(1), "the header only");
        t.send(client, b"cut", 0);
        t.recv(server, 10, MSG_DONTWAIT);
        t.set(server, SOL_SOCKET, SO_DETACH_FILTER, 0);
        t.wait(server, POLLIN);
        t.recv(server, 100, 0);
    }

    fn a_listener_hears_no_syn(t) in Lo {
        let listener = t.tcp();
        t.bind(listener, (t.ip.lo(), 7005));
        t.listen(listener, 4);
        attach(t, listener, &keep(0), "nothing");
        let client = t.tcp();
        t.arm.set_nonblocking(client, true).expect("nonblocking");
        t.connect(client, (t.ip.lo(), 7005));
        t.poll(client);
        t.poll(listener);
        t.set(listener, SOL_SOCKET, SO_DETACH_FILTER, 0);
        t.wait(client, POLLOUT);
        t.wait(listener, POLLIN);
        t.so_error(client);
    }

    fn an_echo_reply_is_seen_from_its_icmp_header_on(t) in Lo {
        let v4 = t.ip.af() == AF_INET;
        let s = t.socket(t.ip.af(), SOCK_DGRAM, if v4 { IPPROTO_ICMP } else { IPPROTO_ICMPV6 });
        let reply = if v4 { 0 } else { 129 };
        for (words, program) in [
            ("type", only_if(0x30, 0, reply)),
            ("sequence 7", only_if(0x28, 6, 7)),
            ("no such type", only_if(0x30, 0, 77)),
            ("as many as byte 9 says", [(0x30, 0, 0, 9), (0x16, 0, 0, 0), (6, 0, 0, 0), (6, 0, 0, 0)]),
        ] {
            attach(t, s, &program, words);
            t.sendto(s, &[if v4 { 8 } else { 128 }, 0, 0, 0, 0, 0, 0, 7, 1, 10, 3, 4, 5], 0, (t.ip.lo(), 0));
            t.poll(s);
            // Its identifier and its checksum are each side's own.
            let reply = t.take_quietly(s, 100).map(|mut bytes| {
                bytes.iter_mut().skip(2).take(4).for_each(|byte| *byte = 0);
                bytes
            });
            t.note(format!("reply {reply:?}"));
        }
    }
}

case! {
    fn attached_detached_locked(t) in Lo {
        let s = t.udp();
        t.set(s, SOL_SOCKET, SO_DETACH_FILTER, 0);
        t.get(s, SOL_SOCKET, SO_LOCK_FILTER);
        attach(t, s, &keep(1), "keep 1");
        attach(t, s, &keep(2), "keep 2");
        t.set(s, SOL_SOCKET, SO_DETACH_FILTER, 0);
        t.set(s, SOL_SOCKET, SO_DETACH_FILTER, 0);
        attach(t, s, &[], "nothing");
        attach(t, s, &[(0, 0, 0, 0)], "no ret");
        attach(t, s, &[(5, 0, 0, 0xffff_ffff), (6, 0, 0, 0)], "a loop");
        t.set(s, SOL_SOCKET, SO_DETACH_FILTER, 0);
        t.set(s, SOL_SOCKET, SO_LOCK_FILTER, 0);
        t.set(s, SOL_SOCKET, SO_LOCK_FILTER, 5);
        t.get(s, SOL_SOCKET, SO_LOCK_FILTER);
        attach(t, s, &keep(1), "keep 1");
        attach(t, s, &[(0, 0, 0, 0)], "no ret");
        t.set(s, SOL_SOCKET, SO_DETACH_FILTER, 0);
        t.set(s, SOL_SOCKET, SO_LOCK_FILTER, 0);
        t.set(s, SOL_SOCKET, SO_LOCK_FILTER, 1);
        t.get(s, SOL_SOCKET, SO_BPF_EXTENSIONS);
    }

    fn a_stream_socket_takes_one_too(t) in Lo {
        let s = t.tcp();
        attach(t, s, &keep(u32::MAX), "keep all");
        attach(t, s, &[(0, 0, 0, 0)], "no ret");
        t.set(s, SOL_SOCKET, SO_LOCK_FILTER, 1);
        t.set(s, SOL_SOCKET, SO_DETACH_FILTER, 0);
    }

    fn a_raw_socket_sees_the_ip_header(t) in Lo {
        let s = t.socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
        let sender = t.udp();
        t.bind(sender, (t.ip.lo(), 4001));
        let sink = receiver(t, 5003);
        for (words, program) in [
            ("version", only_if(0x30, 0, 0x45)),
            ("source port", only_if(0x28, 20, 4001)),
            ("network offset", only_if(0x30, 0xfff0_0009, 17)),
            ("no such protocol", only_if(0x30, 9, 6)),
            ("20 bytes", only_if(0x80, 0, 33)),
        ] {
            attach(t, s, &program, words);
            t.sendto(sender, b"hello", 0, (t.ip.lo(), 5003));
            t.recvmsg(sink, 10, MSG_DONTWAIT);
            t.ioctl(s, FIONREAD);
            t.recv(s, 1, MSG_DONTWAIT | MSG_TRUNC);
        }
        for n in [1, 19, 24, 100] {
            attach(t, s, &keep(n), "keep n");
            t.sendto(sender, b"hello", 0, (t.ip.lo(), 5003));
            t.recvmsg(sink, 10, MSG_DONTWAIT);
            t.recv(s, 1, MSG_DONTWAIT | MSG_TRUNC);
        }
    }

    fn a_packet_socket_sees_the_frame_or_what_is_behind_its_header(t) in Wire {
        let raw = t.packet_at(1, SOCK_RAW, OURS);
        let cooked = t.packet_at(1, SOCK_DGRAM, OURS);
        for s in [raw, cooked] {
            t.set(s, SOL_PACKET, PACKET_AUXDATA, 1);
        }
        attach(t, raw, &[(0x28, 0, 0, 12), (0x15, 0, 3, OURS.into()), (0x30, 0, 0, 14), (0x15, 1, 0, b'n'.into()), (6, 0, 0, 20), (6, 0, 0, 0)], "ours, no n");
        attach(t, cooked, &[(0x30, 0, 0, 0), (0x15, 3, 0, b'n'.into()), (0x28, 0, 0, 0xffe0_000c), (0x15, 0, 1, OURS.into()), (6, 0, 0, 4), (6, 0, 0, 0)], "no n, by the link header");
        let s = t.packet_at(0, SOCK_RAW, 0);
        for data in [&b"not this one"[..], b"yes, this one", b"no", b"y"] {
            t.send(s, &frame(mac(1), data), 0);
        }
        for s in [raw, raw, cooked, cooked] {
            t.next_frame(s);
        }
        t.recv(raw, 10, MSG_DONTWAIT);
        t.recv(cooked, 10, MSG_DONTWAIT);
        for s in [raw, cooked] {
            t.getsockopt(s, SOL_PACKET, PACKET_STATISTICS, 8);
        }
    }
}
