//! IPV6_FLOWLABEL_MGR, and what a label is asked for before it is sent (RFC 6437; Linux's ip6_flowlabel.c); IPV6_PKTINFO for all datagrams
//! of a socket, IPV6_RECVPATHMTU.

use std::net::{Ipv6Addr, SocketAddrV6};

use sockatoo::SockAddr;
use sockatoo::base::ControlMessage;
use sockatoo::base::constants::*;

use crate::arm::Fd;
use crate::dialogue::Dialogue;

const GET: u8 = 0;
const PUT: u8 = 1;
const RENEW: u8 = 2;
const CREATE: u16 = 1;
const EXCLUSIVELY: u16 = 2;
const EXCLUSIVE: u8 = 1;
const PROCESS: u8 = 2;
const USER: u8 = 3;
const ANYBODY: u8 = 255;

/// struct in6_flowlabel_req.
fn request(to: Ipv6Addr, label: u32, action: u8, share: u8, flags: u16, times: [u16; 2]) -> Vec<u8> {
    let [expires, linger] = times.map(u16::to_ne_bytes);
    let (label, flags) = (label.to_be_bytes(), flags.to_ne_bytes());
    [&to.octets()[..], &label, &[action, share], &flags, &expires, &linger, &[0; 4]].concat()
}

fn manage(t: &mut Dialogue, s: Fd, label: u32, action: u8, share: u8, flags: u16) {
    let value = request(Ipv6Addr::LOCALHOST, label, action, share, flags, [0, 0]);
    let what = format!("{label:#x} action {action} share {share} flags {flags}");
    t.setsockopt_as(s, SOL_IPV6, IPV6_FLOWLABEL_MGR, &value, &what);
}

fn six(t: &mut Dialogue) -> Fd {
    t.socket(AF_INET6, SOCK_DGRAM, 0)
}

/// A receiver at port 5000 that is told the label.
fn receiver(t: &mut Dialogue) -> Fd {
    let a = six(t);
    t.bind(a, (Ipv6Addr::LOCALHOST, 5000));
    t.set(a, SOL_IPV6, IPV6_FLOWINFO, 1);
    a
}

fn at(label: u32) -> SockAddr {
    SocketAddrV6::new(Ipv6Addr::LOCALHOST, 5000, label, 0).into()
}

fn arrives(t: &mut Dialogue, s: Fd, a: Fd, label: u32, control: &[ControlMessage]) {
    if t.sendmsg(s, b"x", Some(at(label)), 0, control).is_some() {
        t.wait(a, POLLIN);
        t.recvmsg(a, 10, 0);
    }
}

case! {
    fn labels_of_ones_own(t) in Lo {
        let (s, other) = (six(t), six(t));
        manage(t, s, 0x1_2345, GET, EXCLUSIVE, 0);
        manage(t, s, 0x1_2345, GET, EXCLUSIVE, CREATE);
        manage(t, s, 0x1_2345, GET, EXCLUSIVE, CREATE);
        manage(t, other, 0x1_2345, GET, EXCLUSIVE, CREATE);
        manage(t, other, 0x1_2345, GET, ANYBODY, CREATE);
        manage(t, other, 0x1_2345, PUT, 0, 0);
        manage(t, s, 0x1_2345, PUT, 0, 0);
        manage(t, s, 0x1_2345, PUT, 0, 0);
        // It stays for a while.
        manage(t, other, 0x1_2345, GET, EXCLUSIVE, CREATE);
    }

    fn labels_that_are_shared(t) in Lo {
        let (s, other) = (six(t), six(t));
        for (label, share) in [(0x4_4444, ANYBODY), (0x2_2222, USER), (0x2_2223, PROCESS)] {
            manage(t, s, label, GET, share, CREATE);
            manage(t, other, label, GET, share, CREATE);
            manage(t, other, label, GET, share, CREATE | EXCLUSIVELY);
            manage(t, s, label, GET, EXCLUSIVE, CREATE);
            manage(t, s, label, GET, share, 0);
            for _ in 0..3 {
                manage(t, s, label, PUT, 0, 0);
            }
            manage(t, other, label, PUT, 0, 0);
        }
    }

    fn requests_that_are_none(t) in Lo {
        let s = six(t);
        for (label, action, share, flags) in [(1, 9, 0, 0), (1, GET, 7, CREATE), (1, GET, 0, CREATE), (0, GET, EXCLUSIVE, 0),
            (0x10_0000, GET, EXCLUSIVE, CREATE), (0xf_ffff, GET, EXCLUSIVE, CREATE), (7, RENEW, 0, 0), (0, GET, 0, 4), (0, PUT, 0, 4)] {
            manage(t, s, label, action, share, flags);
        }
        let mapped = Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0201);
        for to in [Ipv6Addr::UNSPECIFIED, mapped, Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)] {
            let value = request(to, 0x33, GET, EXCLUSIVE, CREATE, [0, 0]);
            t.setsockopt_as(s, SOL_IPV6, IPV6_FLOWLABEL_MGR, &value, &format!("to {to}"));
            t.setsockopt_as(s, SOL_IPV6, IPV6_FLOWLABEL_MGR, &value[..31], "short");
        }
        let tcp = t.socket(AF_INET6, SOCK_STREAM, 0);
        for action in [GET, PUT] {
            manage(t, tcp, 0, action, 0, 4);
        }
    }

    fn a_label_is_asked_for(t) in Lo {
        let (a, s, other) = (receiver(t), six(t), six(t));
        t.set(s, SOL_IPV6, IPV6_FLOWINFO_SEND, 1);
        // While nobody has one for himself, any will do.
        manage(t, other, 0x4_4444, GET, ANYBODY, CREATE);
        arrives(t, s, a, 0x1_1111, &[]);
        arrives(t, s, a, 0, &[ControlMessage::FlowInfo(0x1_1112)]);
        arrives(t, s, a, 0x1_1111, &[ControlMessage::FlowInfo(0x1_1112)]);
        arrives(t, s, a, 0x1_1111, &[ControlMessage::FlowInfo(0x1_1111)]);
        manage(t, other, 0x5_5555, GET, EXCLUSIVE, CREATE);
        arrives(t, s, a, 0x1_1111, &[]);
        arrives(t, s, a, 0, &[ControlMessage::FlowInfo(0x1_1112)]);
        manage(t, s, 0x4_4444, GET, ANYBODY, 0);
        arrives(t, s, a, 0x4_4444, &[]);
        t.set(s, SOL_IPV6, IPV6_FLOWINFO_SEND, 0);
        t.set(s, SOL_IPV6, IPV6_AUTOFLOWLABEL, 0);
        arrives(t, s, a, 0x1_1111, &[]);
    }

    fn the_label_of_a_connection(t) in Lo {
        let (a, s) = (receiver(t), six(t));
        let mine = request(Ipv6Addr::UNSPECIFIED, 0, GET, 0, 0, [0, 0]);
        t.getsockopt_of(s, SOL_IPV6, IPV6_FLOWLABEL_MGR, &mine);
        t.set(s, SOL_IPV6, IPV6_FLOWINFO_SEND, 1);
        let value = request(Ipv6Addr::LOCALHOST, 0x5_5555, GET, EXCLUSIVE, CREATE, [30, 20]);
        t.setsockopt(s, SOL_IPV6, IPV6_FLOWLABEL_MGR, &value);
        t.connect(s, at(0x5_5556));
        t.connect(s, at(0x5_5555));
        t.getpeername(s);
        t.send(s, b"x", 0);
        t.wait(a, POLLIN);
        t.recvmsg(a, 10, 0);
        let told = t.arm.getsockopt_of(s, SOL_IPV6, IPV6_FLOWLABEL_MGR, &mine).unwrap_or_default();
        t.note(format!("{:?}", told.iter().enumerate().filter(|(at, _)| *at != 24).collect::<Vec<_>>()));
        let put = request(Ipv6Addr::LOCALHOST, 0x5_5555, PUT, 0, 0, [0, 0]);
        t.getsockopt_of(s, SOL_IPV6, IPV6_FLOWLABEL_MGR, &put);
        t.getsockopt_of(s, SOL_IPV6, IPV6_FLOWLABEL_MGR, &mine[..31]);
        t.setsockopt(s, SOL_IPV6, IPV6_FLOWLABEL_MGR, &put);
        t.getsockopt_of(s, SOL_IPV6, IPV6_FLOWLABEL_MGR, &mine);
        t.getpeername(s);
    }

    fn labels_of_segments(t) in Lo {
        let server = t.socket(AF_INET6, SOCK_STREAM, 0);
        t.bind(server, (Ipv6Addr::LOCALHOST, 5001));
        t.listen(server, 5);
        let sniffer = t.packet_on(0, SOCK_DGRAM, ETH_P_IPV6);
        let s = t.socket(AF_INET6, SOCK_STREAM, 0);
        t.set(s, SOL_IPV6, IPV6_FLOWINFO_SEND, 1);
        t.connect(s, SocketAddrV6::new(Ipv6Addr::LOCALHOST, 5001, 0x1234, 0));
        let mut labels = Vec::new();
        for _ in 0..6 {
            let Some(bytes) = t.take_quietly(sniffer, 60) else { continue };
            let label = u32::from_be_bytes([0, bytes[1] & 15, bytes[2], bytes[3]]);
            labels.push((bytes.get(53).copied(), if label == 0x1234 { "asked" } else if label != 0 { "by hash" } else { "none" }));
        }
        labels.dedup();
        t.note(format!("{labels:x?}"));
    }

    fn the_interface_of_all_datagrams(t) in Wire {
        let s = six(t);
        let w0 = t.index_of(0, "w0");
        let info = |index: u32| [&[0; 16][..], &index.to_ne_bytes()].concat();
        let there = SockAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2), 5000));
        let all = SockAddr::from((Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1), 5000));
        for (index, name) in [(1, "lo"), (w0, "w0"), (99, "none"), (0, "any")] {
            t.setsockopt_as(s, SOL_IPV6, IPV6_PKTINFO, &info(index), name);
            t.sendmsg(s, b"x", Some(there), 0, &[]);
            if index != 1 {
                t.sendmsg(s, b"x", Some(all), 0, &[]);
            }
            t.getsockopt(s, SOL_IPV6, IPV6_PKTINFO, 20);
        }
        t.setsockopt_as(s, SOL_IPV6, IPV6_PKTINFO, &info(w0)[..19], "short");
        t.setsockopt_as(s, SOL_IPV6, IPV6_PKTINFO, &[], "nothing");
        t.setsockopt_as(s, SOL_IPV6, IPV6_PKTINFO, &info(w0), "w0");
        let other = ControlMessage::PacketInfo { interface: 1, local: Ipv6Addr::UNSPECIFIED.into(), destination: Ipv6Addr::UNSPECIFIED.into() };
        t.sendmsg(s, b"x", Some(there), 0, &[other]);
        t.setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, b"w0");
        for (index, name) in [(1, "lo"), (w0, "w0"), (0, "any")] {
            t.setsockopt_as(s, SOL_IPV6, IPV6_PKTINFO, &info(index), name);
        }
        let tcp = t.socket(AF_INET6, SOCK_STREAM, 0);
        t.setsockopt_as(tcp, SOL_IPV6, IPV6_PKTINFO, &info(1), "lo");
    }

    fn what_did_not_fit_is_told(t) in Wire {
        let there = SockAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2), 5000));
        for connects in [false, true] {
            let s = six(t);
            t.get(s, SOL_IPV6, IPV6_RECVPATHMTU);
            if connects {
                t.connect(s, there);
            }
            let to = (!connects).then_some(there);
            t.set(s, SOL_IPV6, IPV6_DONTFRAG, 1);
            t.sendmsg(s, &[b'x'; 3000], to, 0, &[]);
            t.recvmsg(s, 10, MSG_DONTWAIT);
            t.set(s, SOL_IPV6, IPV6_RECVPATHMTU, 1);
            t.sendmsg(s, &[b'x'; 3000], to, 0, &[]);
            t.sendmsg(s, &[b'x'; 3000], to, 0, &[]);
            t.poll(s);
            t.recvmsg(s, 10, MSG_DONTWAIT);
            t.recvmsg(s, 10, MSG_DONTWAIT);
            t.set(s, SOL_IPV6, IPV6_DONTFRAG, 0);
            t.set(s, SOL_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_DO);
            t.sendmsg(s, &[b'x'; 3000], to, 0, &[]);
            t.recvmsg(s, 10, MSG_DONTWAIT);
        }
    }
}
