//! IPv6 extension headers and flow labels: RFC 3542, and what RFC 2292 called so.

use std::net::Ipv6Addr;

use sockatoo::SockAddr;
use sockatoo::base::ControlMessage;
use sockatoo::base::constants::*;

use crate::arm::Fd;
use crate::dialogue::Dialogue;

/// An options header with nothing in it but padding (PadN).
const PADDING: [u8; 8] = [0, 0, 1, 4, 0, 0, 0, 0];
/// One with an option of one's own, which may be passed over (RFC 4727).
const OWN: [u8; 16] = [0, 1, 0x1e, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

const NEW: [i32; 3] = [IPV6_RECVHOPOPTS, IPV6_RECVDSTOPTS, IPV6_RECVRTHDR];
const OLD: [i32; 5] =
    [IPV6_2292HOPOPTS, IPV6_2292DSTOPTS, IPV6_2292RTHDR, IPV6_2292PKTINFO, IPV6_2292HOPLIMIT];

/// A receiver at port 5000 that asks for these, and a sender.
fn pair(t: &mut Dialogue, asked: &[i32]) -> (Fd, Fd) {
    let a = t.socket(AF_INET6, SOCK_DGRAM, 0);
    t.bind(a, (Ipv6Addr::LOCALHOST, 5000));
    for name in asked {
        t.set(a, SOL_IPV6, *name, 1);
    }
    (a, t.socket(AF_INET6, SOCK_DGRAM, 0))
}

fn arrives(t: &mut Dialogue, s: Fd, a: Fd, control: &[ControlMessage]) {
    let to = SockAddr::from((Ipv6Addr::LOCALHOST, 5000));
    if t.sendmsg(s, b"x", Some(to), 0, control).is_some() {
        t.wait(a, POLLIN);
        t.recvmsg(a, 10, 0);
    }
}

fn header(name: i32, bytes: &[u8]) -> ControlMessage {
    ControlMessage::Ipv6 { name, bytes: bytes.to_vec() }
}

case! {
    fn headers_of_every_datagram(t) in Lo {
        let (a, s) = pair(t, &NEW);
        t.setsockopt(s, SOL_IPV6, IPV6_HOPOPTS, &PADDING);
        arrives(t, s, a, &[]);
        t.setsockopt(s, SOL_IPV6, IPV6_DSTOPTS, &OWN);
        arrives(t, s, a, &[]);
        t.setsockopt(s, SOL_IPV6, IPV6_RTHDRDSTOPTS, &PADDING);
        arrives(t, s, a, &[]);
        t.getsockopt(s, SOL_IPV6, IPV6_DSTOPTS, 100);
        t.getsockopt(s, SOL_IPV6, IPV6_HOPOPTS, 4);
        t.setsockopt(s, SOL_IPV6, IPV6_HOPOPTS, &[]);
        arrives(t, s, a, &[]);
        t.getsockopt(s, SOL_IPV6, IPV6_HOPOPTS, 100);
        t.set(a, SOL_IPV6, IPV6_RECVDSTOPTS, 0);
        arrives(t, s, a, &[]);
    }

    fn headers_of_one_datagram(t) in Lo {
        let (a, s) = pair(t, &NEW);
        t.setsockopt(s, SOL_IPV6, IPV6_HOPOPTS, &OWN);
        arrives(t, s, a, &[header(IPV6_DSTOPTS, &PADDING)]);
        arrives(t, s, a, &[header(IPV6_HOPOPTS, &PADDING), header(IPV6_DSTOPTS, &OWN)]);
        arrives(t, s, a, &[header(IPV6_2292HOPOPTS, &PADDING)]);
        arrives(t, s, a, &[header(IPV6_2292DSTOPTS, &PADDING)]);
        arrives(t, s, a, &[]);
        arrives(t, s, a, &[header(IPV6_HOPOPTS, &PADDING), header(IPV6_HOPOPTS, &PADDING)]);
        arrives(t, s, a, &[header(IPV6_DSTOPTS, &PADDING), header(IPV6_DSTOPTS, &OWN)]);
    }

    fn headers_that_are_none(t) in Lo {
        let (a, s) = pair(t, &NEW);
        for value in [&[0u8][..], &[0; 4], &[0, 1, 0, 0, 0, 0, 0, 0], &[0; 12], &[0; 16]] {
            t.setsockopt(s, SOL_IPV6, IPV6_HOPOPTS, value);
            t.setsockopt(s, SOL_IPV6, IPV6_DSTOPTS, value);
            t.getsockopt(s, SOL_IPV6, IPV6_DSTOPTS, 100);
        }
        t.setsockopt(s, SOL_IPV6, IPV6_HOPOPTS, &[]);
        t.setsockopt(s, SOL_IPV6, IPV6_DSTOPTS, &[]);
        arrives(t, s, a, &[header(IPV6_HOPOPTS, &[0])]);
        arrives(t, s, a, &[header(IPV6_HOPOPTS, &OWN[..8])]);
        arrives(t, s, a, &[header(IPV6_RTHDR, &[0; 8])]);
    }

    fn routing_headers(t) in Lo {
        let s = t.socket(AF_INET6, SOCK_DGRAM, 0);
        let home = [&[0, 2, 2, 1, 0, 0, 0, 0][..], &Ipv6Addr::LOCALHOST.octets()].concat();
        t.setsockopt(s, SOL_IPV6, IPV6_RTHDR, &home);
        t.getsockopt(s, SOL_IPV6, IPV6_RTHDR, 100);
        for (at, wrong) in [(2, 0), (2, 3), (3, 0), (3, 2)] {
            let mut value = home.clone();
            value[at] = wrong;
            t.setsockopt(s, SOL_IPV6, IPV6_RTHDR, &value);
        }
        t.setsockopt(s, SOL_IPV6, IPV6_RTHDR, &[]);
        t.getsockopt(s, SOL_IPV6, IPV6_RTHDR, 100);
    }

    fn as_rfc_2292_had_it(t) in Lo {
        let (a, s) = pair(t, &OLD);
        t.setsockopt(s, SOL_IPV6, IPV6_HOPOPTS, &PADDING);
        t.setsockopt(s, SOL_IPV6, IPV6_DSTOPTS, &OWN);
        arrives(t, s, a, &[]);
        t.set(a, SOL_IPV6, IPV6_RECVHOPOPTS, 1);
        arrives(t, s, a, &[]);
        for name in OLD {
            t.set(a, SOL_IPV6, name, 0);
        }
        arrives(t, s, a, &[]);
    }

    fn headers_of_fragments(t) in Wire {
        let a = t.socket_on(1, AF_INET6, SOCK_DGRAM, 0);
        t.bind(a, (Ipv6Addr::UNSPECIFIED, 5000));
        for name in [IPV6_RECVHOPOPTS, IPV6_RECVDSTOPTS, IPV6_RECVFRAGSIZE] {
            t.set(a, SOL_IPV6, name, 1);
        }
        let s = t.socket(AF_INET6, SOCK_DGRAM, 0);
        t.setsockopt(s, SOL_IPV6, IPV6_HOPOPTS, &OWN);
        t.setsockopt(s, SOL_IPV6, IPV6_DSTOPTS, &PADDING);
        for len in [10, 1428, 1429, 3000] {
            t.sendto(s, &vec![b'x'; len], 0, (std::net::IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 2]), 5000));
            t.wait(a, POLLIN);
            t.recvmsg(a, 4000, 0);
        }
        let to = SockAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2), 5000));
        t.sendmsg(s, &[b'x'; 3000], Some(to), 0, &[ControlMessage::DontFragment(true)]);
        t.set(s, SOL_IPV6, IPV6_DONTFRAG, 1);
        t.sendmsg(s, &[b'x'; 3000], Some(to), 0, &[]);
        t.sendmsg(s, &[b'x'; 3000], Some(to), 0, &[ControlMessage::DontFragment(false)]);
        t.wait(a, POLLIN);
        t.recvmsg(a, 4000, 0);
    }

    fn flow_labels(t) in Lo {
        let (a, s) = pair(t, &[IPV6_FLOWINFO]);
        t.sendto_quietly(s, b"x", (Ipv6Addr::LOCALHOST, 5000));
        t.wait(a, POLLIN);
        let label = t.flow_label_quietly(a);
        t.note(format!("labelled: {}", label.is_some()));
        t.set(s, SOL_IPV6, IPV6_AUTOFLOWLABEL, 1);
        let labels: Vec<_> = (0..2)
            .map(|_| {
                t.sendto_quietly(s, b"x", (Ipv6Addr::LOCALHOST, 5000));
                t.wait(a, POLLIN);
                t.flow_label_quietly(a)
            })
            .collect();
        t.note(format!("labelled: {}, alike: {}", labels[0].is_some(), labels[0] == labels[1]));
        t.set(s, SOL_IPV6, IPV6_AUTOFLOWLABEL, 0);
        arrives(t, s, a, &[]);
        arrives(t, s, a, &[ControlMessage::FlowInfo(0x1_2345)]);
        t.set(s, SOL_IPV6, IPV6_TCLASS, 0x20);
        arrives(t, s, a, &[]);
    }
}
