//! Frames through packet sockets: who sees which, with what address. Frames have an EtherType that nobody else uses.

use sockatoo::IfIndex;
use sockatoo::base::constants::*;
use sockatoo::base::{LinkAddr, Mac};

use crate::link::{OURS, frame, frame_of, mac};

const GROUP: Mac = Mac([1, 0, 0x5e, 0, 0, 0x77]);
const STRANGER: Mac = Mac([2, 0, 0, 0, 0, 0x99]);

case! {
    fn a_frame_arrives_as_it_was_written(t) in Wire {
        let hearer = t.packet_at(1, SOCK_RAW, OURS);
        let s = t.packet_at(0, SOCK_RAW, 0);
        for data in [&b""[..], b"x", b"less than sixty bytes are not padded", &[0xa5; 1500]] {
            t.send(s, &frame(mac(1), data), 0);
            t.next_frame(hearer);
        }
        // A source address of somebody else's.
        let spoofed = [&mac(1).0[..], &STRANGER.0, &OURS.to_be_bytes(), b"spoofed"].concat();
        t.send(s, &spoofed, 0);
        t.next_frame(hearer);
    }

    fn whom_a_frame_is_for(t) in Wire {
        for kind in [SOCK_RAW, SOCK_DGRAM] {
            for protocol in [OURS, ETH_P_ALL] {
                let hearer = t.packet_at(1, kind, protocol);
                let s = t.packet_at(0, SOCK_RAW, 0);
                for to in [mac(1), Mac::BROADCAST, GROUP, STRANGER, Mac::ZERO] {
                    t.send(s, &frame(to, b"for whom?"), 0);
                    t.next_frame(hearer);
                }
                t.close(hearer);
            }
        }
    }

    fn a_cooked_packet_arrives_with_a_header(t) in Wire {
        let hearer = t.packet_at(1, SOCK_RAW, OURS);
        let s = t.packet_on(0, SOCK_DGRAM, 0);
        let to = t.on_w0(0, OURS, mac(1));
        t.sendto(s, b"hello", 0, to);
        t.next_frame(hearer);
        let cooked = t.packet_at(1, SOCK_DGRAM, OURS);
        t.sendto(s, b"hello again", 0, to);
        t.next_frame(cooked);
    }

    fn a_bound_cooked_socket_takes_the_protocol_of_the_address(t) in Wire {
        let hearer = t.packet_at(1, SOCK_RAW, OURS);
        let s = t.packet_at(0, SOCK_DGRAM, ETH_P_IP);
        let to = t.on_w0(0, OURS, mac(1));
        t.sendto(s, b"by the address", 0, to);
        t.next_frame(hearer);
    }

    fn others_see_what_goes_out(t) in Wire {
        let sender = t.packet_at(0, SOCK_RAW, ETH_P_ALL);
        let other = t.packet_at(0, SOCK_RAW, ETH_P_ALL);
        let cooked = t.packet_at(0, SOCK_DGRAM, ETH_P_ALL);
        let everywhere = t.packet_on(0, SOCK_RAW, ETH_P_ALL);
        let hearer = t.packet_at(1, SOCK_RAW, OURS);
        for to in [mac(1), Mac::BROADCAST, STRANGER] {
            t.send(sender, &frame(to, b"out it goes"), 0);
            t.next_frame(other);
            t.next_frame(cooked);
            t.next_frame(everywhere);
            t.next_frame(hearer);
        }
        // Neither the sender nor who wants one protocol has heard of those: the next is the first.
        let only_ours = t.packet_at(0, SOCK_RAW, OURS);
        t.send(other, &frame(mac(1), b"from the other"), 0);
        t.next_frame(sender);
        let back = t.packet_at(1, SOCK_RAW, 0);
        t.send(back, &frame(mac(0), b"back"), 0);
        t.next_frame(only_ours);
        t.next_frame(sender);
    }

    fn outgoing_ones_can_be_ignored(t) in Wire {
        let sender = t.packet_at(0, SOCK_RAW, 0);
        let other = t.packet_at(0, SOCK_RAW, ETH_P_ALL);
        t.set(other, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
        t.send(sender, &frame(mac(1), b"not seen"), 0);
        t.set(other, SOL_PACKET, PACKET_IGNORE_OUTGOING, 0);
        t.send(sender, &frame(mac(1), b"seen"), 0);
        t.next_frame(other);
    }

    fn the_protocol_that_the_sender_says(t) in Wire {
        let sender = t.packet_at(0, SOCK_RAW, 0);
        let other = t.packet_at(0, SOCK_RAW, ETH_P_ALL);
        let hearer = t.packet_at(1, SOCK_RAW, OURS);
        let w0 = IfIndex(t.index_of(0, "w0"));
        for said in [0, ETH_P_ALL, OURS] {
            t.sendto(sender, &frame(mac(1), b"a frame of ours"), 0, LinkAddr::bind(w0, said));
            t.next_frame(other);
            t.next_frame(hearer);
        }
        // What goes out is told by what the sender says, what comes in by the frame.
        t.sendto(sender, &frame_of(mac(1), 0x88b6, b"of another kind"), 0, LinkAddr::bind(w0, OURS));
        t.next_frame(other);
        t.sendto(sender, &frame(mac(1), b"the next one"), 0, LinkAddr::bind(w0, OURS));
        t.next_frame(hearer);
    }

    fn frames_of_the_loopback_come_twice(t) in Lo {
        let all = t.packet_on(0, SOCK_RAW, ETH_P_ALL);
        let incoming = t.packet_on(0, SOCK_RAW, OURS);
        let s = t.packet_on(0, SOCK_RAW, 0);
        for to in [Mac::ZERO, Mac::BROADCAST, GROUP, STRANGER] {
            let bytes = [&to.0[..], &[0; 6], &OURS.to_be_bytes(), b"round"].concat();
            t.sendto(s, &bytes, 0, LinkAddr::bind(IfIndex::LO, 0));
            t.next_frame(all);
            t.next_frame(all);
            t.next_frame(incoming);
        }
    }

    fn the_sender_hears_itself_on_the_loopback(t) in Lo {
        let s = t.packet_on(0, SOCK_RAW, ETH_P_ALL);
        t.bind(s, LinkAddr::bind(IfIndex::LO, 0));
        t.send(s, &frame(Mac::ZERO, b"echo"), 0);
        t.next_frame(s);
        t.recv(s, 100, MSG_DONTWAIT);
    }

    fn a_datagram_is_seen_and_taken(t) in Lo {
        let sniffer = t.packet_on(0, SOCK_DGRAM, ETH_P_IP);
        let udp = t.udp_at(5000);
        let from = t.udp_at(5001);
        t.sendto(from, b"both get it", 0, (t.ip.lo(), 5000));
        t.wait(udp, POLLIN);
        t.recvmsg(udp, 100, 0);
        t.wait(sniffer, POLLIN);
        let len = t.take_quietly(sniffer, 2000).map(|bytes| bytes.len());
        t.note(format!("the sniffer's packet has {len:?} bytes"));
    }

    fn a_datagram_built_by_hand_is_taken(t) in Wire {
        let udp = t.socket_on(1, AF_INET, SOCK_DGRAM, 0);
        t.bind(udp, (t.ip.any(), 5000));
        let s = t.packet_at(0, SOCK_DGRAM, 0);
        // An IPv4 header (its checksum is right), a UDP header without checksum, two bytes.
        let ip = [
            0x45, 0, 0, 30, 0, 7, 0, 0, 64, 17, 0xf6, 0xc4, 192, 0, 2, 1, 192, 0, 2, 2, 0x13, 0x88, 0x13, 0x88, 0, 10,
            0, 0, b'h', b'i',
        ];
        let to = t.on_w0(0, ETH_P_IP, mac(1));
        t.sendto(s, &ip, 0, to);
        t.wait(udp, POLLIN);
        t.recvmsg(udp, 100, MSG_DONTWAIT);
        // For another station it is none of its business.
        t.sendto(s, &ip, 0, LinkAddr { address: [2, 0, 0, 0, 0, 0x99, 0, 0], ..to });
        let hearer = t.packet_at(1, SOCK_RAW, OURS);
        t.sendto(s, b"behind it", 0, LinkAddr { protocol: OURS, ..to });
        t.next_frame(hearer);
        t.recv(udp, 100, MSG_DONTWAIT);
    }

    fn a_question_of_arp_is_heard(t) in Wire {
        let hearer = t.packet_on(1, SOCK_DGRAM, ETH_P_ARP);
        let udp = t.socket_on(0, AF_INET, SOCK_DGRAM, 0);
        t.sendto(udp, b"who has?", 0, (t.ip.on_wire(5), 9));
        t.next_frame_where(hearer, 100, 0, |received| received.data.get(24..28) == Some(&[192, 0, 2, 6]));
    }

    fn lengths_in_the_place_of_a_type(t) in Wire {
        let llc = t.packet_at(1, SOCK_RAW, ETH_P_802_2);
        let novell = t.packet_at(1, SOCK_DGRAM, ETH_P_802_3);
        let s = t.packet_at(0, SOCK_RAW, 0);
        let any = |_: &crate::arm::Received| true;
        t.send(s, &frame_of(mac(1), 8, b"\x42\x42\x03 llc"), 0);
        t.next_frame_where(llc, 100, 0, any);
        t.send(s, &frame_of(mac(1), 8, b"\xff\xffnovell"), 0);
        t.next_frame_where(novell, 100, 0, any);
        t.send(s, &frame_of(mac(1), 0x5ff, b"\x42\x42\x03 llc"), 0);
        t.next_frame_where(llc, 100, 0, any);
        let cooked = t.packet_on(0, SOCK_DGRAM, 0);
        for protocol in [ETH_P_802_2, ETH_P_802_3] {
            let to = t.on_w0(0, protocol, mac(1));
            t.sendto(cooked, b"\x42\x42\x03 cooked", 0, to);
            t.next_frame_where(llc, 100, 0, any);
        }
    }

    fn without_a_protocol_nothing_is_heard(t) in Wire {
        let deaf = t.packet_at(1, SOCK_RAW, 0);
        let hearer = t.packet_at(1, SOCK_RAW, OURS);
        let s = t.packet_at(0, SOCK_RAW, 0);
        t.send(s, &frame(mac(1), b"one"), 0);
        t.next_frame(hearer);
        t.recv(deaf, 100, MSG_DONTWAIT);
        let w0 = IfIndex(t.index_of(1, "w0"));
        t.bind(deaf, LinkAddr::bind(w0, OURS));
        t.send(s, &frame(mac(1), b"two"), 0);
        t.next_frame(deaf);
    }

    fn binding_again_keeps_what_came(t) in Wire {
        let hearer = t.packet_at(1, SOCK_RAW, OURS);
        let other = t.packet_at(1, SOCK_RAW, OURS);
        let s = t.packet_at(0, SOCK_RAW, 0);
        t.send(s, &frame(mac(1), b"before"), 0);
        t.next_frame(other);
        t.bind(hearer, LinkAddr::bind(IfIndex::LO, OURS));
        t.send(s, &frame(mac(1), b"meanwhile"), 0);
        t.next_frame(other);
        let w0 = IfIndex(t.index_of(1, "w0"));
        t.bind(hearer, LinkAddr::bind(w0, OURS));
        t.send(s, &frame(mac(1), b"after"), 0);
        t.next_frame(hearer);
        t.next_frame(hearer);
    }

    fn every_socket_gets_its_copy(t) in Wire {
        let hearers = [ETH_P_ALL, OURS, OURS].map(|protocol| t.packet_at(1, SOCK_RAW, protocol));
        let s = t.packet_at(0, SOCK_RAW, 0);
        for n in 0..3 {
            t.send(s, &frame(mac(1), &[n; 46]), 0);
        }
        for hearer in hearers {
            for _ in 0..3 {
                t.next_frame(hearer);
            }
        }
    }

    fn peeking_and_cutting(t) in Wire {
        let hearer = t.packet_at(1, SOCK_RAW, OURS);
        let s = t.packet_at(0, SOCK_RAW, 0);
        t.send(s, &frame(mac(1), b"twenty bytes of data"), 0);
        let any = |_: &crate::arm::Received| true;
        t.next_frame_where(hearer, 100, MSG_PEEK, any);
        t.ioctl(hearer, FIONREAD);
        t.poll(hearer);
        t.next_frame_where(hearer, 5, MSG_PEEK, any);
        t.next_frame_where(hearer, 5, MSG_PEEK | MSG_TRUNC, any);
        t.next_frame_where(hearer, 0, MSG_PEEK | MSG_TRUNC, any);
        t.next_frame_where(hearer, 5, 0, any);
        t.ioctl(hearer, FIONREAD);
        t.poll(hearer);
        t.recv(hearer, 100, MSG_DONTWAIT);
    }

    fn a_tagged_frame(t) in Wire {
        let hearer = t.packet_at(1, SOCK_RAW, ETH_P_ALL);
        t.set(hearer, SOL_PACKET, PACKET_AUXDATA, 1);
        let s = t.packet_at(0, SOCK_RAW, 0);
        let tagged = [&0x2064_u16.to_be_bytes()[..], &OURS.to_be_bytes(), b"in VLAN 100"].concat();
        t.send(s, &frame_of(mac(1), ETH_P_8021Q, &tagged), 0);
        t.next_frame_where(hearer, 100, 0, |received| received.data.ends_with(b"VLAN 100"));
    }

    fn promiscuity_changes_nothing_on_a_wire_of_two(t) in Wire {
        let hearer = t.packet_at(1, SOCK_RAW, OURS);
        let s = t.packet_at(0, SOCK_RAW, 0);
        let w0 = t.index_of(1, "w0");
        t.send(s, &frame(STRANGER, b"without"), 0);
        t.next_frame(hearer);
        let request = [&w0.to_ne_bytes()[..], &(PACKET_MR_PROMISC as u16).to_ne_bytes(), &[0; 10]].concat();
        for (name, words) in [(PACKET_ADD_MEMBERSHIP, "with"), (PACKET_DROP_MEMBERSHIP, "without again")] {
            t.setsockopt_as(hearer, SOL_PACKET, name, &request, "PROMISC on w0");
            t.send(s, &frame(STRANGER, words.as_bytes()), 0);
            t.next_frame(hearer);
        }
    }

    fn bound_by_option_it_is_not_bound(t) in Wire {
        let hearer = t.packet_on(1, SOCK_RAW, OURS);
        t.setsockopt(hearer, SOL_SOCKET, SO_BINDTODEVICE, b"lo\0");
        t.getsockname(hearer);
        let s = t.packet_at(0, SOCK_RAW, 0);
        t.send(s, &frame(mac(1), b"heard all the same"), 0);
        t.next_frame(hearer);
        t.send(hearer, &frame(Mac::ZERO, b"out of where?"), 0);
    }
}
