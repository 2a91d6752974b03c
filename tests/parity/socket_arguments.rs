//! socket(2): what may be made.

use sockatoo::base::constants::*;

twins! {
    fn the_plain_kinds(t) in Lo {
        let af = t.ip.af();
        for (kind, protocol) in [(SOCK_STREAM, 0), (SOCK_STREAM, 6), (SOCK_DGRAM, 0), (SOCK_DGRAM, 17)] {
            let s = t.socket(af, kind, protocol);
            t.get(s, SOL_SOCKET, SO_TYPE);
            t.get(s, SOL_SOCKET, SO_DOMAIN);
            t.get(s, SOL_SOCKET, SO_PROTOCOL);
            t.close(s);
        }
    }

    fn a_protocol_that_is_not_the_kinds(t) in Lo {
        let af = t.ip.af();
        for (kind, protocol) in [(SOCK_STREAM, 17), (SOCK_DGRAM, 6), (SOCK_STREAM, 1), (SOCK_STREAM, 58), (SOCK_DGRAM, 255)] {
            t.socket(af, kind, protocol);
        }
    }
}
