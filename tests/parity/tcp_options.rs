//! What TCP's own options do.

use sockatoo::base::constants::*;

use crate::arm::Fd;
use crate::dialogue::Dialogue;

/// A connection whose listener has been told an option before.
fn pair_with(t: &mut Dialogue, name: i32, value: i32) -> (Fd, Fd, Fd) {
    let listener = t.tcp();
    t.set(listener, SOL_TCP, name, value);
    t.bind(listener, (t.ip.lo(), 7000));
    t.listen(listener, 5);
    let client = t.tcp();
    t.connect(client, (t.ip.lo(), 7000));
    t.wait(listener, POLLIN);
    let server = t.accept(listener);
    (client, server, listener)
}

/// A number of TCP_INFO.
fn info(t: &mut Dialogue, s: Fd, offset: usize, size: usize) -> u64 {
    let bytes = t.arm.getsockopt(s, SOL_TCP, TCP_INFO, 248).unwrap_or_default();
    let mut value = [0; 8];
    if let Some(field) = bytes.get(offset..offset + size) {
        value[..size].copy_from_slice(field);
    }
    u64::from_ne_bytes(value)
}

twins! {
    fn how_much_is_left(t) in Lo {
        let (client, server, _) = t.pair();
        for value in [0, 1, 2, -1] {
            t.set(server, SOL_TCP, TCP_INQ, value);
            t.get(server, SOL_TCP, TCP_INQ);
        }
        t.send(client, b"0123456789", 0);
        t.wait(server, POLLIN);
        t.recvmsg(server, 4, MSG_PEEK);
        t.recvmsg(server, 4, 0);
        t.close(client);
        t.wait(server, POLLRDHUP);
        t.recvmsg(server, 4, 0);
        t.recvmsg(server, 10, 0);
        t.recvmsg(server, 10, 0);
        t.recvmsg(server, 10, 0);
    }

    fn how_much_is_left_of_the_listener(t) in Lo {
        let (client, server, _) = pair_with(t, TCP_INQ, 1);
        t.send(client, b"0123456789", 0);
        t.wait(server, POLLIN);
        t.recvmsg(server, 10, 0);
        t.recvmsg(server, 10, MSG_DONTWAIT);
    }

    fn the_syn_is_kept(t) in Lo {
        let (client, server, listener) = pair_with(t, TCP_SAVE_SYN, 1);
        t.get(server, SOL_TCP, TCP_SAVE_SYN);
        t.getsockopt(client, SOL_TCP, TCP_SAVED_SYN, 200);
        t.getsockopt(listener, SOL_TCP, TCP_SAVED_SYN, 200);
        t.getsockopt(server, SOL_TCP, TCP_SAVED_SYN, 10);
        t.set(server, SOL_TCP, TCP_SAVED_SYN, 0);
        let syn = t.arm.getsockopt(server, SOL_TCP, TCP_SAVED_SYN, 200).unwrap_or_default();
        let header = if t.ip.af() == AF_INET { 20 } else { 40 };
        let version = syn.first().map(|first| first >> 4);
        let flags = syn.get(header + 13).copied();
        let port = syn.get(header + 2..header + 4).map(<[u8]>::to_vec);
        let whole = syn.get(header + 12).is_some_and(|offset| syn.len() == header + usize::from(offset >> 4) * 4);
        t.note(format!("version {version:?}, flags {flags:?}, port {port:?}, to the header's end: {whole}"));
        t.getsockopt(server, SOL_TCP, TCP_SAVED_SYN, 200);
    }

    fn the_link_header_of_a_syn(t) in Lo {
        let (_, server, _) = pair_with(t, TCP_SAVE_SYN, 2);
        let syn = t.arm.getsockopt(server, SOL_TCP, TCP_SAVED_SYN, 200).unwrap_or_default();
        let version = if t.ip.af() == AF_INET { 4 } else { 6 };
        t.note(format!("begins with the IP header: {}", syn.first().is_some_and(|first| first >> 4 == version)));
    }

    fn the_syn_is_not_kept(t) in Lo {
        let (client, server, _) = t.pair();
        t.getsockopt(server, SOL_TCP, TCP_SAVED_SYN, 200);
        t.set(server, SOL_TCP, TCP_SAVE_SYN, 1);
        t.getsockopt(server, SOL_TCP, TCP_SAVED_SYN, 200);
        t.getsockopt(client, SOL_TCP, TCP_SAVED_SYN, 200);
        for value in [2, 3, -1, 0] {
            t.set(server, SOL_TCP, TCP_SAVE_SYN, value);
            t.get(server, SOL_TCP, TCP_SAVE_SYN);
        }
    }

    fn accept_waits_for_data(t) in Lo {
        let listener = t.tcp();
        t.set(listener, SOL_TCP, TCP_DEFER_ACCEPT, 5);
        t.get(listener, SOL_TCP, TCP_DEFER_ACCEPT);
        t.bind(listener, (t.ip.lo(), 7000));
        t.listen(listener, 5);
        t.nonblocking(listener);
        let client = t.tcp();
        t.connect(client, (t.ip.lo(), 7000));
        t.poll(client);
        t.poll(listener);
        t.accept(listener);
        t.send(client, b"request", 0);
        t.wait(listener, POLLIN);
        let server = t.accept(listener);
        t.wait(server, POLLIN);
        t.recv(server, 100, 0);
        t.get(server, SOL_TCP, TCP_DEFER_ACCEPT);
        let silent = t.tcp();
        t.connect(silent, (t.ip.lo(), 7000));
        t.close(silent);
        t.wait(listener, POLLIN);
        let server = t.accept(listener);
        t.recv(server, 100, 0);
    }

    fn little_unsent(t) in Lo {
        let (client, server, _) = t.pair();
        t.set(client, SOL_TCP, TCP_NOTSENT_LOWAT, 20_000);
        t.get(client, SOL_TCP, TCP_NOTSENT_LOWAT);
        t.set(client, SOL_SOCKET, SO_SNDBUF, 4_000_000);
        t.nonblocking(client);
        t.poll(client);
        let mut sent = 0;
        while let Some(n) = t.send_quietly(client, &[7; 1000]) {
            sent += n;
        }
        let unsent = info(t, client, 144, 4);
        t.note(format!("about as little as was asked: {}", (10_000..100_000).contains(&unsent)));
        t.poll(client);
        let mut got = 0;
        while got < sent {
            t.wait(server, POLLIN);
            match t.take_quietly(server, 1 << 20) {
                Some(bytes) if !bytes.is_empty() => got += bytes.len(),
                _ => break,
            }
        }
        t.poll_until(client, POLLOUT);
        t.send(client, b"again", 0);
    }

    fn a_window_no_larger(t) in Lo {
        let (client, server, _) = pair_with(t, TCP_WINDOW_CLAMP, 5000);
        t.get(server, SOL_TCP, TCP_WINDOW_CLAMP);
        t.nonblocking(client);
        let window = info(t, client, 228, 4);
        // Linux raises it again where it finds that the receive buffer should grow.
        t.note(format!("so large at first: {}", window <= 5000));
        let mut sent = 0;
        for _ in 0..20 {
            sent += t.send_quietly(client, &[7; 1000]).unwrap_or(0);
        }
        let mut got = 0;
        while got < sent {
            t.wait(server, POLLIN);
            match t.take_quietly(server, 1 << 20) {
                Some(bytes) if !bytes.is_empty() => got += bytes.len(),
                _ => break,
            }
        }
        t.note(format!("all came: {}", got == sent));
    }

    fn the_values_of_a_window(t) in Lo {
        let s = t.tcp();
        for value in [0, 1, 1151, 1152, 1153, 100_000, -1, 0] {
            t.set(s, SOL_TCP, TCP_WINDOW_CLAMP, value);
            t.get(s, SOL_TCP, TCP_WINDOW_CLAMP);
        }
        let (client, _, _) = t.pair();
        t.set(client, SOL_TCP, TCP_WINDOW_CLAMP, 0);
        t.set(client, SOL_TCP, TCP_WINDOW_CLAMP, 2000);
        t.get(client, SOL_TCP, TCP_WINDOW_CLAMP);
    }

    fn what_tcp_info_knows(t) in Wire {
        let listener = t.socket_on(1, t.ip.af(), SOCK_STREAM, 0);
        t.bind(listener, (t.ip.any(), 7000));
        t.listen(listener, 5);
        let client = t.tcp();
        t.connect(client, (t.ip.on_wire(1), 7000));
        t.wait(listener, POLLIN);
        let server = t.accept(listener);
        t.send(client, &[7; 5000], 0);
        t.recv(server, 5000, MSG_WAITALL);
        t.send(server, b"answer", 0);
        t.recv(client, 6, MSG_WAITALL);
        t.until(|t| t.tcp_unacked(client) == Some(0) && t.tcp_unacked(server) == Some(0));
        for (s, sent, received) in [(client, 5000, 6), (server, 6, 5000)] {
            let exact = [
                ("state", 0, 1), ("ca_state", 1, 1), ("retransmits", 2, 1), ("probes", 3, 1), ("backoff", 4, 1),
                ("unacked", 24, 4), ("sacked", 28, 4), ("lost", 32, 4), ("retrans", 36, 4), ("fackets", 40, 4),
                ("reordering", 88, 4), ("total_retrans", 100, 4), ("bytes_received", 128, 8), ("notsent", 144, 4),
                ("bytes_sent", 200, 8), ("bytes_retrans", 208, 8), ("dsack_dups", 216, 4), ("reord_seen", 220, 4),
                ("rcv_ooopack", 224, 4), ("rwnd_limited", 176, 8), ("sndbuf_limited", 184, 8), ("total_rto", 240, 2),
                ("delivered_ce", 196, 4), ("max_pacing_rate", 112, 8),
            ];
            for (name, offset, size) in exact {
                let value = info(t, s, offset, size);
                t.note(format!("{name} {value}"));
            }
            let positive = [
                ("rto", 8, 4), ("snd_mss", 16, 4), ("rcv_mss", 20, 4), ("pmtu", 60, 4), ("rcv_ssthresh", 64, 4),
                ("rtt", 68, 4), ("rttvar", 72, 4), ("advmss", 84, 4), ("rcv_space", 96, 4), ("segs_out", 136, 4),
                ("segs_in", 140, 4), ("min_rtt", 148, 4), ("data_segs_in", 152, 4), ("data_segs_out", 156, 4),
                ("delivery_rate", 160, 8), ("delivered", 192, 4), ("snd_wnd", 228, 4), ("rcv_wnd", 232, 4),
            ];
            for (name, offset, size) in positive {
                let value = info(t, s, offset, size);
                t.note(format!("{name} is known: {}", value > 0));
            }
            let window = info(t, s, 80, 4);
            t.note(format!("snd_cwnd is known: {}", window > 0));
            let acked = info(t, s, 120, 8);
            t.note(format!("acknowledged: {}", acked == sent || acked == sent + 1));
            let got = info(t, s, 128, 8);
            t.note(format!("received: {}", got == received));
        }
    }

    fn nobody_repairs(t) in Lo {
        let s = t.tcp();
        t.get(s, SOL_TCP, TCP_REPAIR);
        t.set(s, SOL_TCP, TCP_REPAIR, 1);
    }

    fn upper_layers(t) in Lo {
        let (client, _, _) = t.pair();
        t.setsockopt(client, SOL_TCP, TCP_ULP, b"nosuch");
        t.setsockopt(client, SOL_TCP, TCP_ULP, b"");
        t.getsockopt(client, SOL_TCP, TCP_ULP, 16);
        t.getsockopt(client, SOL_TCP, TCP_CC_INFO, 0);
    }
}
