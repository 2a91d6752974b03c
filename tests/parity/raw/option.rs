//! Options of IPv4 that the hosts on a packet's way write into: record route, timestamps (RFC 791 3.1).

use sockatoo::base::constants::*;

use super::{EXPERIMENT, packet};
use crate::arm::Fd;
use crate::dialogue::Dialogue;

/// Options without the times that are in them.
pub(crate) fn option_text(options: &[u8]) -> String {
    let mut options = options.to_vec();
    if let Some(start) = options.iter().position(|byte| *byte == 68)
        && let [_, _, pointer, flags, ..] = options[start..]
    {
        let (first, step) = if flags & 15 == 0 { (4, 4) } else { (8, 8) };
        for time in (first..usize::from(pointer).saturating_sub(4)).step_by(step) {
            let field = &mut options[start + time..start + time + 4];
            assert_ne!(field, [0; 4], "a time");
            field.copy_from_slice(b"time");
        }
    }
    format!("{options:02x?}").replace("74, 69, 6d, 65", "time")
}

/// An option with room for so many bytes.
fn option(head: &[u8], room: usize) -> Vec<u8> {
    let mut option = [head, &vec![0; room]].concat();
    option[1] = option.len() as u8;
    option
}

/// Whoever gets a datagram tells its options.
fn tells(t: &mut Dialogue, s: Fd) -> Fd {
    t.set(s, SOL_IP, IP_RECVOPTS, 1);
    t.set(s, SOL_IP, IP_RETOPTS, 1);
    s
}

fn receiver(t: &mut Dialogue) -> Fd {
    let s = t.socket_on(1, AF_INET, SOCK_DGRAM, 0);
    t.bind(s, (t.ip.on_wire(1), 7000));
    tells(t, s)
}

/// Options that are right, and asked of both hosts.
fn asked(t: &Dialogue) -> Vec<Vec<u8>> {
    let octets = |host| match t.ip.on_wire(host) {
        std::net::IpAddr::V4(ip) => ip.octets(),
        std::net::IpAddr::V6(_) => [0; 4],
    };
    let two =
        |first, second| [&[68, 20, 5, 3][..], &octets(first), &[0; 4], &octets(second), &[0; 4]].concat();
    vec![
        option(&[7, 0, 4], 36),
        option(&[7, 0, 4], 4),
        option(&[7, 0, 4], 8),
        option(&[7, 0, 8], 4),
        [vec![1, 1], option(&[7, 0, 4], 12), vec![0, 0, 0]].concat(),
        option(&[68, 0, 5, 0], 36),
        option(&[68, 0, 5, 0], 4),
        option(&[68, 0, 5, 1], 32),
        option(&[68, 0, 5, 1], 8),
        two(1, 0),
        two(0, 1),
        two(7, 1),
        two(1, 1),
        [option(&[68, 0, 5, 1], 8), option(&[7, 0, 4], 16), vec![148, 4, 0, 0]].concat(),
    ]
}

case! {
    fn are_told_beside_a_datagram(t) in Wire {
        let (s, other) = (t.udp(), receiver(t));
        for options in asked(t) {
            t.setsockopt(s, SOL_IP, IP_OPTIONS, &options);
            t.sendto(s, b"x", 0, (t.ip.on_wire(1), 7000));
            t.wait(other, POLLIN);
            t.recvmsg(other, 10, 0);
        }
        t.set(s, SOL_IP, IP_OPTIONS, 0);
        t.setsockopt(s, SOL_IP, IP_OPTIONS, &[]);
        t.sendto(s, b"x", 0, (t.ip.on_wire(1), 7000));
        t.wait(other, POLLIN);
        t.recvmsg(other, 10, 0);
    }

    fn come_back_with_an_echo(t) in Wire {
        let s = t.raw(IPPROTO_ICMP);
        tells(t, s);
        for options in asked(t) {
            t.setsockopt(s, SOL_IP, IP_OPTIONS, &options);
            t.sendto(s, &t.echo(1), 0, (t.ip.on_wire(1), 0));
            t.wait(s, POLLIN);
            t.recvmsg(s, 0, 0);
        }
    }

    fn of_one_s_own_echo(t) in Lo {
        let s = t.raw(IPPROTO_ICMP);
        tells(t, s);
        t.setsockopt(s, SOL_IP, IP_OPTIONS, &option(&[7, 0, 4], 36));
        t.sendto(s, &t.echo(1), 0, (t.ip.lo(), 0));
        for _ in 0..2 {
            t.wait(s, POLLIN);
            t.recvmsg(s, 0, 0);
        }
    }

    fn come_back_with_an_error(t) in Wire {
        let (s, hear) = (t.udp(), t.raw(IPPROTO_ICMP));
        tells(t, hear);
        for options in [option(&[7, 0, 4], 36), option(&[68, 0, 5, 1], 32)] {
            t.setsockopt(s, SOL_IP, IP_OPTIONS, &options);
            t.sendto(s, b"x", 0, (t.ip.on_wire(1), 7000));
            t.wait(hear, POLLIN);
            t.recvmsg(hear, 0, 0);
            t.so_error(s);
        }
    }

    fn without_room_they_count(t) in Wire {
        let (s, other) = (t.writer(), t.socket_on(1, AF_INET, SOCK_RAW, EXPERIMENT));
        tells(t, other);
        let full = [[68, 8, 9, 0x00], [68, 8, 9, 0x21], [68, 8, 9, 0xe0], [68, 8, 9, 0x23], [7, 8, 9, 9]];
        for option in full {
            send(t, s, &[&option[..], &[1, 2, 3, 4]].concat());
            t.wait(other, POLLIN);
            t.recvmsg(other, 0, 0);
        }
    }

    fn a_wrong_option_is_answered(t) in Wire {
        let wrong: [&[u8]; 6] =
            [&[7, 2, 0, 0], &[7, 4, 3, 0], &[1, 7, 6, 4, 0, 0, 0, 0], &[7, 0, 4, 0], &[130, 9, 0, 0], &[1, 1, 1, 148]];
        answers(t, &wrong);
    }

    fn a_wrong_timestamp_is_answered(t) in Wire {
        let wrong: [&[u8]; 6] = [
            &[68, 3, 5, 0],
            &[68, 8, 4, 0, 0, 0, 0, 0],
            &[68, 8, 9, 0xf1, 0, 0, 0, 0],
            &[68, 8, 5, 1, 0, 0, 0, 0],
            &[68, 8, 6, 0, 0, 0, 0, 0],
            &[7, 3, 4, 7, 3, 4, 0, 0],
        ];
        answers(t, &wrong);
    }
}

/// Sends a packet with these options from one host to the other.
fn send(t: &mut Dialogue, s: Fd, options: &[u8]) {
    let to = t.ip.on_wire(1);
    let mut bytes = packet(t.ip.any(), to, EXPERIMENT, options);
    bytes[0] += (options.len() / 4) as u8;
    t.sendto(s, &bytes, 0, (to, 0));
}

/// What is said of each.
fn answers(t: &mut Dialogue, wrong: &[&[u8]]) {
    let (s, hear) = (t.writer(), t.raw(IPPROTO_ICMP));
    for options in wrong {
        send(t, s, options);
        t.wait(hear, POLLIN);
        let answer = t.take_quietly(hear, 100).unwrap_or_default();
        let length = answer.first().map_or(0, |first| usize::from(first & 15) * 4);
        t.note(format!(
            "{options:02x?}: {:?}",
            answer.get(length..length + 8).map(|head| (head[0], head[1], head[4]))
        ));
    }
}
