//! Fragments by hand, in every order: which datagrams come of them.

use sockatoo::base::constants::*;

use super::{EXPERIMENT, packet, packet6};
use crate::dialogue::Dialogue;

/// A fragment: its place in units of 8 bytes, whether more follow, its data.
type Piece<'a> = (u16, bool, &'a [u8]);

/// Sends the pieces of datagram `id` from one host to the other.
fn send(t: &mut Dialogue, id: u8, pieces: &[Piece<'_>]) {
    let s = t.writer();
    let (from, to) = (t.ip.on_wire(0), t.ip.on_wire(1));
    for &(place, more, data) in pieces {
        let bytes = if t.ip.af() == AF_INET {
            let mut bytes = packet(from, to, EXPERIMENT, data);
            bytes[4..6].copy_from_slice(&[9, id]);
            bytes[6..8].copy_from_slice(&(place | u16::from(more) << 13).to_be_bytes());
            bytes
        } else {
            let [high, low] = (place << 3 | u16::from(more)).to_be_bytes();
            let head = [EXPERIMENT as u8, 0, high, low, 0, 0, 9, id];
            packet6(from, to, IPPROTO_FRAGMENT, &[&head, data].concat())
        };
        t.sendto(s, &bytes, 0, (to, 0));
    }
    t.close(s);
}

twins! {
    fn within_another(t) in Wire {
        let hear = t.socket_on(1, t.ip.af(), SOCK_RAW, EXPERIMENT);
        let (a, b, x) = (&[b'a'; 16][..], &[b'b'; 16][..], &[b'x'; 8][..]);
        // What lies within what is there is passed over, whatever its bytes are.
        send(t, 1, &[(0, true, a), (0, true, a), (2, false, b)]);
        t.packet(hear);
        send(t, 2, &[(0, true, a), (1, true, x), (2, false, b)]);
        t.packet(hear);
        send(t, 3, &[(0, true, a), (0, true, x), (2, false, b)]);
        t.packet(hear);
        send(t, 4, &[(2, false, b), (2, false, &[b'x'; 16]), (0, true, a)]);
        t.packet(hear);
        // Two pieces that came one behind the other are one.
        send(t, 5, &[(0, true, a), (2, true, b), (1, true, &[b'x'; 16]), (4, false, x)]);
        t.packet(hear);
    }

    fn across_another(t) in Wire {
        let hear = t.socket_on(1, t.ip.af(), SOCK_RAW, EXPERIMENT);
        let (a, b, x) = (&[b'a'; 16][..], &[b'b'; 16][..], &[b'x'; 24][..]);
        let no_datagrams: [&[Piece<'_>]; 4] = [
            // Beyond its end, before its beginning, around it, and an end that is another.
            &[(0, true, a), (1, true, b), (3, false, b)],
            &[(2, false, b), (1, true, a), (0, true, &a[..8])],
            &[(2, true, b), (1, true, &[b'x'; 32]), (0, true, x), (4, false, b)],
            &[(2, false, b), (2, false, &b[..8]), (0, true, a)],
        ];
        for (n, pieces) in no_datagrams.into_iter().enumerate() {
            send(t, 20 + n as u8, pieces);
        }
        send(t, 30, &[(0, true, a), (2, false, b)]);
        t.packet(hear);
    }

    fn odd_sizes(t) in Wire {
        let hear = t.socket_on(1, t.ip.af(), SOCK_RAW, EXPERIMENT);
        let (a, b) = (&[b'a'; 16][..], &[b'b'; 3][..]);
        let odd: [&[Piece<'_>]; 3] = [
            &[(0, true, a), (2, true, b"not a unit"), (3, false, b)],
            &[(0, true, a), (2, true, b""), (2, false, b)],
            &[(0, true, a), (2, false, b"")],
        ];
        for (n, pieces) in odd.into_iter().enumerate() {
            send(t, 40 + n as u8, pieces);
        }
        send(t, 50, &[(0, true, b"the last"), (1, false, b".")]);
        let mut last = false;
        while !last {
            t.wait(hear, POLLIN);
            let Some(heard) = t.take_quietly(hear, 100) else { return };
            last = heard.ends_with(b"the last.");
            t.note(format!("{heard:02x?}").split_off(if t.ip.af() == AF_INET { 80 } else { 0 }));
        }
    }
}
