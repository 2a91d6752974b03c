//! What the options of SOL_IP and SOL_IPV6 do that are neither about groups nor about extension headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sockatoo::base::constants::*;

use crate::arm::Fd;
use crate::dialogue::{Dialogue, Ip};

/// The option of this name in the case's family.
fn set(t: &mut Dialogue, s: Fd, v4: i32, v6: i32, value: i32) -> bool {
    let (level, name) = if t.ip == Ip::V4 { (SOL_IP, v4) } else { (SOL_IPV6, v6) };
    t.set(s, level, name, value)
}

/// An address that nobody here has.
fn foreign(t: &Dialogue) -> IpAddr {
    match t.ip {
        Ip::V4 => Ipv4Addr::new(198, 51, 100, 9).into(),
        Ip::V6 => Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 9).into(),
    }
}

twins! {
    fn where_it_was_sent_to(t) in Lo {
        let a = t.udp();
        t.bind(a, (t.ip.any(), 5000));
        set(t, a, IP_RECVORIGDSTADDR, IPV6_ORIGDSTADDR, 1);
        let s = t.udp();
        t.sendto(s, b"x", 0, (t.ip.lo(), 5000));
        t.wait(a, POLLIN);
        t.recvmsg(a, 10, 0);
    }

    fn how_large_its_fragments_were(t) in Wire {
        let a = t.socket_on(1, t.ip.af(), SOCK_DGRAM, 0);
        t.bind(a, (t.ip.any(), 5000));
        set(t, a, IP_RECVFRAGSIZE, IPV6_RECVFRAGSIZE, 1);
        let s = t.udp();
        for len in [10, 3000, 10] {
            t.sendto(s, &vec![b'x'; len], 0, (t.ip.on_wire(1), 5000));
            t.wait(a, POLLIN);
            t.recvmsg(a, 4000, 0);
        }
    }

    fn an_address_of_others_is_bound(t) in Lo {
        let address = foreign(t);
        let a = t.udp_at(5000);
        for (v4, v6) in [(IP_FREEBIND, IPV6_FREEBIND), (IP_TRANSPARENT, IPV6_TRANSPARENT)] {
            let (s, c) = (t.udp(), t.tcp());
            t.bind(s, (address, 5001));
            set(t, s, v4, v6, 1);
            set(t, c, v4, v6, 1);
            t.bind(s, (address, 5001));
            t.bind(c, (address, 5001));
            t.getsockname(s);
            if t.sendto(s, b"x", 0, (t.ip.lo(), 5000)).is_some() {
                t.wait(a, POLLIN);
                t.recvmsg(a, 10, 0);
            }
            t.close(s);
            t.close(c);
        }
    }

    fn a_port_is_chosen_late(t) in Lo {
        let listener = t.listener(7000);
        for s in [t.tcp(), t.udp()] {
            t.set(s, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
            t.bind(s, (t.ip.lo(), 0));
            let name = t.getsockname(s);
            t.note(format!("no port: {}", name.and_then(|n| n.inet()).is_some_and(|n| n.port() == 0)));
            t.bind(s, (t.ip.lo(), 0));
            t.connect(s, (t.ip.lo(), 7000));
            let port = t.port_quietly(s);
            t.note(format!("a port: {}", port != 0));
            t.bind(s, (t.ip.lo(), 0));
        }
        t.accept(listener);
        let late = t.tcp();
        t.set(late, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        t.bind(late, (t.ip.lo(), 0));
        t.listen(late, 1);
        t.getsockname(late);
    }

    fn ports_of_a_range(t) in Lo {
        let listener = t.listener(7000);
        let range = |least: u32, most: u32| (most << 16 | least) as i32;
        let u = t.udp();
        t.get(u, SOL_IP, IP_LOCAL_PORT_RANGE);
        for value in [range(40_010, 40_000), range(1, 2), range(0, 40_000), range(40_000, 0), range(40_000, 40_003)] {
            t.set(u, SOL_IP, IP_LOCAL_PORT_RANGE, value);
            t.get(u, SOL_IP, IP_LOCAL_PORT_RANGE);
        }
        for n in 0..5 {
            let (s, c) = (t.silent_udp(), t.silent_tcp());
            for one in [s, c] {
                t.set(one, SOL_IP, IP_LOCAL_PORT_RANGE, range(40_000, 40_003));
            }
            t.bind(s, (t.ip.lo(), 0));
            let port = t.port_quietly(s);
            t.note(format!("{n}: within {}", (40_000..=40_003).contains(&port)));
            t.connect(c, (t.ip.lo(), 7000));
            let port = t.port_quietly(c);
            t.note(format!("{n}: within {}", (40_000..=40_003).contains(&port)));
        }
        t.close(listener);
    }

    fn from_too_far_away(t) in Lo {
        let (client, server, _listener) = t.pair();
        set(t, server, IP_MINTTL, IPV6_MINHOPCOUNT, 64);
        t.send(client, b"near", 0);
        t.wait(server, POLLIN);
        t.recv(server, 10, 0);
        set(t, server, IP_MINTTL, IPV6_MINHOPCOUNT, 65);
        t.send(client, b"far", 0);
        t.recv(server, 10, MSG_DONTWAIT);
        set(t, server, IP_MINTTL, IPV6_MINHOPCOUNT, 0);
        t.wait(server, POLLIN);
        t.recv(server, 10, 0);
        let u = t.udp_at(5000);
        set(t, u, IP_MINTTL, IPV6_MINHOPCOUNT, 255);
        let s = t.udp();
        t.sendto(s, b"datagrams are not asked", 0, (t.ip.lo(), 5000));
        t.wait(u, POLLIN);
        t.recv(u, 30, 0);
    }
}
