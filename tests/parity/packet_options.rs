//! Options of packet sockets: each asked the same questions, and what some of them do.

use sockatoo::base::constants::*;
use sockatoo::base::{IfIndex, LinkAddr};

use crate::arm::Fd;
use crate::dialogue::Dialogue;
use crate::link::{OURS, frame, mac};

/// Default, then each value and what comes back, each on a socket of its own.
fn ask(t: &mut Dialogue, name: i32) {
    for kind in [SOCK_RAW, SOCK_DGRAM] {
        let s = t.packet_on(0, kind, 0);
        for len in [0, 1, 3, 4, 8, 64] {
            t.getsockopt(s, SOL_PACKET, name, len);
        }
        for value in [&[][..], &[1], &[1, 0, 0], &[1, 0, 0, 0, 0, 0, 0, 0]] {
            t.setsockopt(s, SOL_PACKET, name, value);
        }
        for value in [0, 1, 2, 3, 5, -1, 65_536] {
            t.set(s, SOL_PACKET, name, value);
            t.get(s, SOL_PACKET, name);
        }
    }
}

macro_rules! options {
    ($($case:ident: $name:expr;)*) => { case! {
        $(fn $case(t) in Lo { ask(t, $name); })*
    } };
}

options! {
    recv_output: PACKET_RECV_OUTPUT;
    copy_thresh: PACKET_COPY_THRESH;
    auxdata: PACKET_AUXDATA;
    origdev: PACKET_ORIGDEV;
    version: PACKET_VERSION;
    reserve: PACKET_RESERVE;
    loss: PACKET_LOSS;
    timestamp: PACKET_TIMESTAMP;
    tx_has_off: PACKET_TX_HAS_OFF;
    qdisc_bypass: PACKET_QDISC_BYPASS;
    rollover_stats: PACKET_ROLLOVER_STATS;
    ignore_outgoing: PACKET_IGNORE_OUTGOING;
    statistics: PACKET_STATISTICS;
    rx_ring: PACKET_RX_RING;
    tx_ring: PACKET_TX_RING;
    fanout: PACKET_FANOUT;
    unknown: 99;
}

/// struct packet_mreq.
fn request(interface: u32, kind: i32, length: u16) -> Vec<u8> {
    let (kind, length) = ((kind as u16).to_ne_bytes(), length.to_ne_bytes());
    [&interface.to_ne_bytes()[..], &kind, &length, &[3; 8]].concat()
}

impl Dialogue {
    /// PACKET_FANOUT.
    fn share(&mut self, fd: Fd, group: u16, kind: i32, flags: i32) {
        let value = [group.to_ne_bytes(), ((kind | flags) as u16).to_ne_bytes()].concat();
        self.setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value);
    }

    /// PACKET_FANOUT_DATA: `ldb [0]; ret a`.
    fn set_bytes_of_a_program(&mut self, fd: Fd) {
        let program = [[0x30, 0, 0, 0, 0, 0, 0, 0], [0x16, 0, 0, 0, 0, 0, 0, 0]].concat();
        self.setsockopt(fd, SOL_PACKET, PACKET_FANOUT_DATA, &program);
    }
}

fn packets_and_drops(t: &mut Dialogue, fd: Fd) -> Option<[u32; 2]> {
    let bytes = t.arm.getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, 8).ok()?;
    Some([0, 4].map(|at| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))))
}

case! {
    fn other_levels(t) in Lo {
        let s = t.packet_on(0, SOCK_RAW, 0);
        for (level, name) in [(SOL_IP, IP_TTL), (SOL_IPV6, IPV6_V6ONLY), (SOL_TCP, TCP_NODELAY), (SOL_RAW, 1), (77, 1)] {
            t.get(s, level, name);
            t.set(s, level, name, 1);
        }
        let udp = t.udp();
        t.get(udp, SOL_PACKET, PACKET_AUXDATA);
        t.set(udp, SOL_PACKET, PACKET_AUXDATA, 1);
    }

    fn offload_headers(t) in Lo {
        let cooked = t.packet_on(0, SOCK_DGRAM, 0);
        t.set(cooked, SOL_PACKET, PACKET_VNET_HDR, 1);
        let s = t.packet_on(0, SOCK_RAW, 0);
        t.get(s, SOL_PACKET, PACKET_VNET_HDR);
        t.get(s, SOL_PACKET, PACKET_VNET_HDR_SZ);
        t.set(s, SOL_PACKET, PACKET_VNET_HDR_SZ, 11);
        t.set(s, SOL_PACKET, PACKET_VNET_HDR, 1);
    }

    fn sharing_the_load(t) in Lo {
        let s = t.packet_on(0, SOCK_RAW, OURS);
        t.get(s, SOL_PACKET, PACKET_FANOUT);
        let deaf = t.packet_on(0, SOCK_RAW, 0);
        t.set(deaf, SOL_PACKET, PACKET_FANOUT, 1);
        for (kind, flags, group) in [
            (8, 0, 1),
            (255, 0, 1),
            (PACKET_FANOUT_ROLLOVER, PACKET_FANOUT_FLAG_ROLLOVER, 1),
            (PACKET_FANOUT_LB, PACKET_FANOUT_FLAG_UNIQUEID, 1),
        ] {
            t.share(s, group, kind, flags);
        }
        t.set_bytes_of_a_program(s);
        t.share(s, 7, PACKET_FANOUT_LB, 0);
        t.get(s, SOL_PACKET, PACKET_FANOUT);
        t.getsockopt(s, SOL_PACKET, PACKET_ROLLOVER_STATS, 24);
        t.set_bytes_of_a_program(s);
        t.share(s, 7, PACKET_FANOUT_LB, 0);
        t.share(s, 8, PACKET_FANOUT_LB, 0);
        t.bind(s, LinkAddr::bind(IfIndex(1), OURS));
        let other = t.packet_on(0, SOCK_DGRAM, OURS);
        t.share(other, 7, PACKET_FANOUT_HASH, 0);
        t.share(other, 7, PACKET_FANOUT_LB, PACKET_FANOUT_FLAG_ROLLOVER);
        t.setsockopt(other, SOL_PACKET, PACKET_FANOUT, &[7, 0, 1, 0, 3, 0, 0, 0]);
        t.setsockopt(other, SOL_PACKET, PACKET_FANOUT, &[7, 0, 1, 0, 0, 1, 0, 0]);
        t.get(other, SOL_PACKET, PACKET_FANOUT);
        let another = t.packet_on(0, SOCK_RAW, OURS + 1);
        t.share(another, 7, PACKET_FANOUT_LB, 0);
        t.setsockopt(another, SOL_PACKET, PACKET_FANOUT, &[9, 0, 0, 0, 1, 0, 2, 0]);
        t.setsockopt(another, SOL_PACKET, PACKET_FANOUT, &[9, 0, 3, 0, 1, 0, 0, 0]);
        t.getsockopt(another, SOL_PACKET, PACKET_ROLLOVER_STATS, 24);
        let late = t.packet_on(0, SOCK_RAW, OURS + 1);
        t.share(late, 9, PACKET_FANOUT_ROLLOVER, 0);
        t.close(another);
        t.share(late, 9, PACKET_FANOUT_ROLLOVER, 0);
    }

    fn fragments_put_together_for_a_group(t) in Lo {
        let s = t.packet_on(0, SOCK_RAW, OURS);
        t.share(s, 1, PACKET_FANOUT_HASH, PACKET_FANOUT_FLAG_DEFRAG);
    }

    fn frames_take_turns(t) in Wire {
        let (one, two) = (t.packet_at(1, SOCK_RAW, OURS), t.packet_at(1, SOCK_RAW, OURS));
        let beside = t.packet_at(1, SOCK_RAW, OURS);
        t.share(one, 1, PACKET_FANOUT_LB, 0);
        t.share(two, 1, PACKET_FANOUT_LB, 0);
        let s = t.packet_at(0, SOCK_RAW, 0);
        for n in 0..4 {
            t.send(s, &frame(mac(1), &[n; 46]), 0);
            t.next_frame(beside);
        }
        for member in [one, two, one, two] {
            t.next_frame(member);
        }
        t.close(one);
        t.send(s, &frame(mac(1), &[5; 46]), 0);
        t.next_frame(two);
    }

    fn a_program_chooses(t) in Wire {
        let members = [0; 3].map(|_| t.packet_at(1, SOCK_RAW, OURS));
        for member in members {
            t.share(member, 1, PACKET_FANOUT_CBPF, 0);
        }
        let s = t.packet_at(0, SOCK_RAW, 0);
        t.send(s, &frame(mac(1), &[2; 46]), 0);
        t.next_frame(members[0]);
        t.set_bytes_of_a_program(members[0]);
        for n in [1, 2, 3, 4] {
            t.send(s, &frame(mac(1), &[n; 46]), 0);
            t.next_frame(members[usize::from(n) % 3]);
        }
    }

    fn who_has_room(t) in Wire {
        let (one, two) = (t.packet_at(1, SOCK_RAW, OURS), t.packet_at(1, SOCK_RAW, OURS));
        for member in [one, two] {
            t.share(member, 1, PACKET_FANOUT_ROLLOVER, 0);
        }
        let s = t.packet_at(0, SOCK_RAW, 0);
        for n in 0..3 {
            t.send(s, &frame(mac(1), &[n; 46]), 0);
            t.next_frame(one);
        }
        t.getsockopt(one, SOL_PACKET, PACKET_ROLLOVER_STATS, 24);
        t.getsockopt(two, SOL_PACKET, PACKET_ROLLOVER_STATS, 24);
    }

    /// A flow stays with one socket, and so do its answers.
    fn a_flow_stays_together(t) in Wire {
        let members = [0; 2].map(|_| t.packet_at(1, SOCK_RAW, OURS));
        for member in members {
            t.share(member, 1, PACKET_FANOUT_HASH, PACKET_FANOUT_FLAG_IGNORE_OUTGOING);
        }
        let counter = t.packet_at(1, SOCK_RAW, OURS);
        let s = t.packet_at(0, SOCK_RAW, 0);
        for n in 0..6 {
            t.send(s, &frame(mac(1), &[n; 46]), 0);
            t.next_frame(counter);
        }
        let mut heard = members.map(|member| {
            let mut count = 0;
            while t.take_quietly(member, 100).is_some() {
                count += 1;
            }
            count
        });
        heard.sort();
        t.note(format!("{heard:?}"));
    }

    fn header_lengths(t) in Lo {
        let s = t.packet_on(0, SOCK_RAW, 0);
        for len in [4, 8] {
            t.getsockopt(s, SOL_PACKET, PACKET_HDRLEN, len);
        }
        for version in [0_i32, 1, 2, 3, -1] {
            t.getsockopt_of(s, SOL_PACKET, PACKET_HDRLEN, &version.to_ne_bytes());
        }
        t.set(s, SOL_PACKET, PACKET_HDRLEN, 1);
    }

    fn memberships(t) in Lo {
        let s = t.packet_on(0, SOCK_RAW, 0);
        for kind in [PACKET_MR_MULTICAST, PACKET_MR_PROMISC, PACKET_MR_ALLMULTI, PACKET_MR_UNICAST, 9] {
            for length in [0, 6, 7, 9] {
                let lo = request(1, kind, length);
                for name in [PACKET_ADD_MEMBERSHIP, PACKET_ADD_MEMBERSHIP, PACKET_DROP_MEMBERSHIP, PACKET_DROP_MEMBERSHIP,
                    PACKET_DROP_MEMBERSHIP] {
                    t.setsockopt(s, SOL_PACKET, name, &lo);
                }
            }
        }
        for name in [PACKET_ADD_MEMBERSHIP, PACKET_DROP_MEMBERSHIP] {
            t.setsockopt(s, SOL_PACKET, name, &request(77, PACKET_MR_PROMISC, 0));
            t.setsockopt(s, SOL_PACKET, name, &request(1, PACKET_MR_PROMISC, 0)[..15]);
            t.setsockopt(s, SOL_PACKET, name, &[]);
            t.getsockopt(s, SOL_PACKET, name, 16);
        }
    }

    fn counting(t) in Wire {
        let hearer = t.packet_at(1, SOCK_RAW, OURS);
        let s = t.packet_at(0, SOCK_RAW, 0);
        for n in 0..5 {
            t.send(s, &frame(mac(1), &[n; 46]), 0);
        }
        for _ in 0..5 {
            t.next_frame(hearer);
        }
        t.getsockopt(hearer, SOL_PACKET, PACKET_STATISTICS, 8);
        t.getsockopt(hearer, SOL_PACKET, PACKET_STATISTICS, 8);
    }

    fn what_does_not_fit_is_counted(t) in Wire {
        let hearer = t.packet_at(1, SOCK_RAW, OURS);
        t.set(hearer, SOL_SOCKET, SO_RCVBUF, 10_000);
        let s = t.packet_at(0, SOCK_RAW, 0);
        for _ in 0..100 {
            t.send_quietly(s, &frame(mac(1), &[1; 46]));
        }
        let mut counted = 0;
        let mut lost = 0;
        t.until(|t| {
            let [packets, drops] = packets_and_drops(t, hearer).unwrap_or_default();
            (counted, lost) = (counted + packets, lost + drops);
            counted >= 100
        });
        let memory = t.arm.getsockopt(hearer, SOL_SOCKET, SO_MEMINFO, 36).unwrap_or_default();
        t.note(format!("SO_MEMINFO tells as many: {}", lost > 0 && memory.ends_with(&lost.to_ne_bytes())));
        let mut kept = 0;
        while t.take_quietly(hearer, 100).is_some() {
            kept += 1;
        }
        t.note(format!("{counted} counted; some lost: {}; all accounted for: {}", lost > 0, kept + lost == counted));
    }

    fn auxiliary_data(t) in Wire {
        for kind in [SOCK_RAW, SOCK_DGRAM] {
            let hearer = t.packet_at(1, kind, OURS);
            t.set(hearer, SOL_PACKET, PACKET_AUXDATA, 1);
            let s = t.packet_at(0, SOCK_RAW, 0);
            t.send(s, &frame(mac(1), b"with auxiliary data"), 0);
            t.next_frame(hearer);
            t.send(s, &frame(mac(1), b"with auxiliary data"), 0);
            t.next_frame_where(hearer, 10, 0, |_| true);
            t.close(hearer);
        }
    }

    fn auxiliary_data_of_what_goes_out(t) in Wire {
        let other = t.packet_at(0, SOCK_RAW, ETH_P_ALL);
        t.set(other, SOL_PACKET, PACKET_AUXDATA, 1);
        let s = t.packet_at(0, SOCK_RAW, 0);
        t.send(s, &frame(mac(1), b"with auxiliary data"), 0);
        t.next_frame(other);
    }

    fn timestamps(t) in Wire {
        let hearer = t.packet_at(1, SOCK_RAW, OURS);
        let s = t.packet_at(0, SOCK_RAW, 0);
        for (name, on) in [(SO_TIMESTAMP, 1), (SO_TIMESTAMPNS, 1), (SO_TIMESTAMPNS, 0)] {
            t.set(hearer, SOL_SOCKET, name, on);
            t.send(s, &frame(mac(1), b"when?"), 0);
            t.next_frame(hearer);
        }
    }
}
