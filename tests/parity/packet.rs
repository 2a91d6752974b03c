//! Packet sockets, packet(7): made, bound, named; what they refuse. Frames are in packet_frames.rs.

use sockatoo::base::constants::*;
use sockatoo::base::{LinkAddr, Mac};
use sockatoo::{IfIndex, SockAddr};

use crate::link::{OURS, frame, mac};

case! {
    fn kinds_and_protocols(t) in Lo {
        for kind in [SOCK_RAW, SOCK_DGRAM, SOCK_STREAM, SOCK_RDM, SOCK_SEQPACKET, 0, 11] {
            t.socket(AF_PACKET, kind, 0);
        }
        for protocol in [0, 1, 0x0300, 0x0008, 0xffff, 0x1_0300, -1] {
            let s = t.socket(AF_PACKET, SOCK_RAW, protocol);
            t.getsockname(s);
        }
    }

    fn what_a_new_socket_says_of_itself(t) in Lo {
        let s = t.packet_on(0, SOCK_DGRAM, ETH_P_IP);
        for name in [SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ERROR, SO_ACCEPTCONN, SO_REUSEADDR, SO_BROADCAST] {
            t.get(s, SOL_SOCKET, name);
        }
        t.getsockname(s);
        t.getpeername(s);
        t.poll(s);
        t.ioctl(s, FIONREAD);
        t.ioctl(s, SIOCOUTQ);
        t.recv(s, 10, MSG_DONTWAIT);
    }

    fn calls_that_it_does_not_have(t) in Lo {
        let s = t.packet_on(0, SOCK_RAW, ETH_P_ALL);
        t.listen(s, 1);
        t.accept(s);
        t.connect(s, LinkAddr::bind(IfIndex::LO, ETH_P_IP));
        t.connect(s, SockAddr::Unspec);
        t.connect(s, (t.ip.lo(), 1));
        t.shutdown(s, SHUT_RD);
        t.shutdown(s, 7);
        t.getpeername(s);
    }

    fn bind_and_its_names(t) in Wire {
        let w0 = IfIndex(t.index_of(0, "w0"));
        let s = t.packet_on(0, SOCK_RAW, 0);
        t.getsockname(s);
        t.bind(s, LinkAddr::bind(w0, ETH_P_IP));
        t.getsockname(s);
        t.bind(s, LinkAddr::bind(IfIndex(0), 0));
        t.getsockname(s);
        t.bind(s, LinkAddr::bind(IfIndex::LO, OURS));
        t.getsockname(s);
        t.bind(s, LinkAddr::bind(IfIndex::LO, OURS));
        t.bind(s, LinkAddr::station(w0, ETH_P_ALL, Mac::BROADCAST));
        t.getsockname(s);
        t.so_error(s);
    }

    fn bind_to_what_is_not_there(t) in Lo {
        let s = t.packet_on(0, SOCK_RAW, ETH_P_ARP);
        t.bind(s, LinkAddr::bind(IfIndex(77), ETH_P_IP));
        t.bind(s, (t.ip.lo(), 1));
        t.bind(s, SockAddr::Unspec);
        t.getsockname(s);
    }

    fn send_needs_an_interface(t) in Wire {
        let s = t.packet_on(0, SOCK_RAW, ETH_P_ALL);
        let bytes = frame(mac(1), b"to nowhere in particular");
        t.send(s, &bytes, 0);
        t.sendto(s, &bytes, 0, LinkAddr::bind(IfIndex(0), OURS));
        t.sendto(s, &bytes, 0, LinkAddr::bind(IfIndex(77), OURS));
        t.sendto(s, &bytes, 0, (t.ip.lo(), 9));
        let w0 = t.on_w0(0, OURS, mac(1));
        t.sendto(s, &bytes, 0, w0);
        t.bind(s, LinkAddr::bind(IfIndex(w0.interface), 0));
        t.send(s, &bytes, 0);
        t.bind(s, LinkAddr::bind(IfIndex(0), 0));
        t.send(s, &bytes, 0);
    }

    fn how_long_a_frame_may_be(t) in Wire {
        let s = t.packet_at(0, SOCK_RAW, OURS);
        for len in [0, 1, 13, 14, 15, 1514, 1515, 1518, 1519, 3000, 70_000] {
            let mut bytes = frame(mac(1), &vec![7; len]);
            bytes.truncate(len);
            t.send(s, &bytes, 0);
        }
    }

    fn a_tag_makes_room_for_itself(t) in Wire {
        let s = t.packet_at(0, SOCK_RAW, OURS);
        for protocol in [ETH_P_8021Q, ETH_P_8021AD, OURS] {
            for len in [1514, 1515, 1518, 1519] {
                let mut bytes = crate::link::frame_of(mac(1), protocol, &vec![0; len]);
                bytes.truncate(len);
                t.send(s, &bytes, 0);
            }
        }
    }

    fn how_long_a_cooked_packet_may_be(t) in Wire {
        let s = t.packet_on(0, SOCK_DGRAM, 0);
        let to = t.on_w0(0, OURS, mac(1));
        for len in [0, 1, 1499, 1500, 1501, 1504, 1505] {
            t.sendto(s, &vec![7; len], 0, to);
        }
        let tagged = LinkAddr { protocol: ETH_P_8021Q, ..to };
        for len in [1500, 1501, 1504, 1505] {
            t.sendto(s, &vec![7; len], 0, tagged);
        }
    }

    fn a_cooked_packet_needs_a_destination(t) in Wire {
        let s = t.packet_at(0, SOCK_DGRAM, OURS);
        t.send(s, b"to whom?", 0);
        t.bind(s, LinkAddr::bind(IfIndex::LO, OURS));
        t.send(s, b"lo knows", 0);
        t.next_frame(s);
        let to = LinkAddr { length: 0, ..t.on_w0(0, OURS, mac(1)) };
        let hearer = t.packet_at(1, SOCK_RAW, OURS);
        t.sendto(s, b"the bytes count, not their number", 0, to);
        t.next_frame(hearer);
    }

    fn flags_of_recv(t) in Lo {
        let s = t.packet_on(0, SOCK_RAW, OURS);
        t.bind(s, LinkAddr::bind(IfIndex::LO, OURS));
        for flags in [MSG_OOB, MSG_WAITALL, MSG_NOSIGNAL, MSG_DONTROUTE, MSG_ERRQUEUE, MSG_DONTWAIT, MSG_PEEK] {
            t.recv(s, 100, flags | MSG_DONTWAIT);
        }
        for flags in [MSG_OOB, MSG_DONTROUTE, MSG_NOSIGNAL, MSG_MORE, MSG_CONFIRM] {
            t.send(s, &frame(Mac::ZERO, b"flags of send"), flags);
            t.next_frame(s);
        }
    }

    fn calls_on_a_closed_one(t) in Lo {
        let s = t.packet_on(0, SOCK_RAW, ETH_P_ALL);
        t.close(s);
        t.recv(s, 10, MSG_DONTWAIT);
        t.send(s, b"x", 0);
        t.getsockname(s);
        t.bind(s, LinkAddr::bind(IfIndex::LO, 0));
    }

    fn waiting_has_an_end(t) in Lo {
        let s = t.packet_on(0, SOCK_RAW, OURS);
        let timeval = [0_i64.to_ne_bytes(), 20_000_i64.to_ne_bytes()].concat();
        t.setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &timeval);
        t.recv(s, 10, 0);
        t.nonblocking(s);
        t.recv(s, 10, 0);
    }
}
