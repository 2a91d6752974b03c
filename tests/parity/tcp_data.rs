//! send(2) and recv(2) of TCP in every state, and their flags.

use sockatoo::base::Errno;
use sockatoo::base::constants::*;

fn timeval(micros: i64) -> [u8; 16] {
    let mut value = [0; 16];
    value[..8].copy_from_slice(&(micros / 1_000_000).to_ne_bytes());
    value[8..].copy_from_slice(&(micros % 1_000_000).to_ne_bytes());
    value
}

twins! {
    fn there_and_back(t) in Lo {
        let (client, server, _) = t.pair();
        t.send(client, b"hello", 0);
        t.wait(server, POLLIN);
        t.recv(server, 100, 0);
        t.send(server, b"world", 0);
        t.wait(client, POLLIN);
        t.recv(client, 100, 0);
    }

    fn without_a_connection(t) in Lo {
        let s = t.tcp();
        t.send(s, b"x", 0);
        t.send(s, b"", 0);
        t.sendto(s, b"x", 0, (t.ip.lo(), 7000));
        t.recv(s, 1, 0);
        t.recv(s, 0, 0);
        t.recv(s, 1, MSG_PEEK);
        t.shutdown(s, SHUT_WR);
        t.ioctl(s, FIONREAD);
        t.ioctl(s, SIOCOUTQ);
        t.bind(s, (t.ip.lo(), 5000));
        t.send(s, b"x", 0);
        t.recv(s, 1, 0);
    }

    fn nothing_there(t) in Lo {
        let (client, _server, _) = t.pair();
        t.recv(client, 10, MSG_DONTWAIT);
        t.recv(client, 0, MSG_DONTWAIT);
        t.recv(client, 10, MSG_DONTWAIT | MSG_PEEK);
        t.recv(client, 10, MSG_DONTWAIT | MSG_WAITALL);
        t.nonblocking(client);
        t.recv(client, 10, 0);
        t.recvmsg(client, 10, 0);
        t.recvmsg(client, 10, MSG_ERRQUEUE);
    }

    fn zero_length(t) in Lo {
        let (client, server, _) = t.pair();
        t.send(client, b"", 0);
        t.nonblocking(server);
        t.recv(server, 10, 0);
        t.send(client, b"abc", 0);
        t.wait(server, POLLIN);
        t.recv(server, 0, 0);
        t.recv(server, 10, 0);
    }

    fn in_pieces(t) in Lo {
        let (client, server, _) = t.pair();
        t.send(client, b"abcdef", 0);
        t.wait(server, POLLIN);
        t.recv(server, 2, 0);
        t.recv(server, 2, 0);
        t.ioctl(server, FIONREAD);
        t.recv(server, 10, 0);
        t.ioctl(server, FIONREAD);
    }

    fn peek(t) in Lo {
        let (client, server, _) = t.pair();
        t.send(client, b"abcdef", 0);
        t.wait(server, POLLIN);
        t.recv(server, 3, MSG_PEEK);
        t.recv(server, 10, MSG_PEEK);
        t.recv(server, 10, 0);
        t.recv(server, 10, MSG_PEEK | MSG_DONTWAIT);
    }

    fn truncate_throws_away(t) in Lo {
        // tcp(7): MSG_TRUNC discards the bytes that it counts.
        let (client, server, _) = t.pair();
        t.send(client, b"abcdef", 0);
        t.wait(server, POLLIN);
        t.recv(server, 3, MSG_TRUNC | MSG_DONTWAIT);
        t.ioctl(server, FIONREAD);
        t.recv(server, 10, 0);
    }

    fn wait_for_all(t) in Lo {
        let (client, server, _) = t.pair();
        t.send(client, b"abc", 0);
        t.send(client, b"def", 0);
        t.recv(server, 6, MSG_WAITALL);
        t.send(client, b"gh", 0);
        t.shutdown(client, SHUT_WR);
        t.recv(server, 6, MSG_WAITALL);
        t.recv(server, 6, MSG_WAITALL);
    }

    fn wait_for_all_until_the_timeout(t) in Lo {
        let (client, server, _) = t.pair();
        t.setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &timeval(30_000));
        t.send(client, b"abc", 0);
        t.recv(server, 6, MSG_WAITALL);
        t.recv(server, 6, MSG_WAITALL);
    }

    fn wait_for_all_peeking(t) in Lo {
        let (client, server, _) = t.pair();
        t.send(client, b"abcdef", 0);
        t.recv(server, 6, MSG_WAITALL | MSG_PEEK);
        t.recv(server, 6, MSG_WAITALL);
    }

    fn receive_timeout(t) in Lo {
        let (client, _server, _) = t.pair();
        t.setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeval(20_000));
        t.recv(client, 1, 0);
        t.recvmsg(client, 1, 0);
        t.poll(client);
    }

    fn low_water_mark(t) in Lo {
        let (client, server, _) = t.pair();
        t.set(server, SOL_SOCKET, SO_RCVLOWAT, 4);
        t.send(client, b"ab", 0);
        t.setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &timeval(30_000));
        t.poll(server);
        t.recv(server, 10, 0);
        t.send(client, b"abcd", 0);
        t.poll_until(server, POLLIN);
        t.recv(server, 10, 0);
    }

    fn recvmsg_names_nobody(t) in Lo {
        let (client, server, _) = t.pair();
        t.send(client, b"abc", 0);
        t.wait(server, POLLIN);
        t.recvmsg(server, 2, 0);
        t.recvmsg(server, 2, 0);
    }

    fn an_address_given_to_a_connected_send(t) in Lo {
        let (client, server, _) = t.pair();
        t.sendto(client, b"abc", 0, (t.ip.lo(), 9));
        t.wait(server, POLLIN);
        t.recv(server, 10, 0);
    }

    fn after_the_peer_finished(t) in Lo {
        let (client, server, _) = t.pair();
        t.send(client, b"last", 0);
        t.shutdown(client, SHUT_WR);
        t.wait(server, POLLRDHUP);
        t.recv(server, 2, 0);
        t.recv(server, 10, 0);
        t.recv(server, 10, 0);
        t.recv(server, 10, MSG_PEEK);
        t.recv(server, 10, MSG_DONTWAIT);
        t.ioctl(server, FIONREAD);
        t.send(server, b"still", 0);
        t.wait(client, POLLIN);
        t.recv(client, 10, 0);
    }

    fn after_own_shutdown(t) in Lo {
        let (client, server, _) = t.pair();
        t.shutdown(client, SHUT_WR);
        t.send(client, b"x", 0);
        t.send(client, b"", 0);
        t.send(client, b"x", MSG_NOSIGNAL);
        t.so_error(client);
        t.send(server, b"ok", 0);
        t.wait(client, POLLIN);
        t.recv(client, 10, 0);
        t.recv(client, 10, MSG_DONTWAIT);
    }

    fn after_read_shutdown(t) in Lo {
        let (client, server, _) = t.pair();
        t.send(server, b"before", 0);
        t.wait(client, POLLIN);
        t.shutdown(client, SHUT_RD);
        t.recv(client, 3, 0);
        t.recv(client, 10, 0);
        t.recv(client, 10, 0);
        t.send(client, b"out", 0);
        t.wait(server, POLLIN);
        t.recv(server, 10, 0);
        t.send(server, b"after", 0);
        t.wait(client, POLLIN);
        t.recv(client, 10, MSG_DONTWAIT);
        t.recv(client, 10, MSG_DONTWAIT);
    }

    fn after_both_shutdowns(t) in Lo {
        let (client, server, _) = t.pair();
        t.shutdown(client, SHUT_RDWR);
        t.recv(client, 10, 0);
        t.send(client, b"x", 0);
        t.wait(server, POLLRDHUP);
        t.recv(server, 10, 0);
        t.shutdown(client, SHUT_RDWR);
        t.shutdown(client, 3);
        t.shutdown(client, -1);
    }

    fn a_full_pipe(t) in Lo {
        let (client, server, _) = t.pair();
        t.nonblocking(client);
        let chunk = vec![b'z'; 65_536];
        let mut sent = 0;
        let full = loop {
            let before = sent;
            sent += t.send_quietly(client, &chunk).unwrap_or(0);
            if before == sent || sent > 64 << 20 {
                break before == sent;
            }
        };
        t.note(format!("full: {full}"));
        t.send(client, b"x", 0);
        t.send(client, b"x", MSG_DONTWAIT);
        t.poll(client);
        let mut got = 0;
        t.wait(server, POLLIN);
        while got < sent {
            match t.recv_quietly(server, 1 << 20) {
                Some(n) if n > 0 => got += n,
                _ => break,
            }
        }
        t.note(format!("all came: {}", got == sent));
        t.poll_until(client, POLLOUT);
        t.send(client, b"x", 0);
    }

    fn a_send_that_times_out(t) in Lo {
        let (client, _server, _) = t.pair();
        t.setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &timeval(30_000));
        let chunk = vec![b'z'; 1 << 20];
        let mut rounds = 0;
        let ended = loop {
            rounds += 1;
            match t.send_silently(client, &chunk) {
                Ok(_) if rounds < 64 => {}
                outcome => break outcome,
            }
        };
        t.note(format!("in the end: {:?}", ended.map_err(Errno)));
    }

    fn a_lot(t) in Lo {
        let (client, server, _) = t.pair();
        t.nonblocking(client);
        let data: Vec<u8> = (0..300_000u32).map(|n| ((n * 7) >> 3) as u8).collect();
        let (mut sent, mut got) = (0, Vec::new());
        while got.len() < data.len() {
            if sent < data.len() {
                sent += t.send_quietly(client, &data[sent..]).unwrap_or(0);
            }
            t.wait(server, POLLIN);
            match t.take_quietly(server, 100_000) {
                Some(bytes) if !bytes.is_empty() => got.extend(bytes),
                _ => break,
            }
        }
        t.note(format!("equal: {}", got == data));
    }

    fn queues_are_told(t) in Lo {
        let (client, server, _) = t.pair();
        t.send(client, b"hello", 0);
        t.wait(server, POLLIN);
        t.ioctl(server, FIONREAD);
        t.ioctl(client, FIONREAD);
        t.until(|t| t.ioctl_quietly(client, SIOCOUTQ) == Some(0));
        t.ioctl(client, SIOCOUTQ);
    }

    fn out_of_band(t) in Lo {
        let (client, server, _) = t.pair();
        t.recv(server, 1, MSG_OOB | MSG_DONTWAIT);
        t.recv(client, 1, MSG_OOB);
    }

    fn more_is_held_back(t) in Lo {
        let (client, server, _) = t.pair();
        t.send(client, b"head", MSG_MORE);
        t.send(client, b"body", 0);
        t.wait(server, POLLIN);
        t.recv(server, 8, MSG_WAITALL);
    }

    fn cork_and_uncork(t) in Lo {
        let (client, server, _) = t.pair();
        t.set(client, SOL_TCP, TCP_CORK, 1);
        t.send(client, b"head", 0);
        t.send(client, b"body", 0);
        t.poll(server);
        t.set(client, SOL_TCP, TCP_CORK, 0);
        t.wait(server, POLLIN);
        t.recv(server, 10, 0);
    }

    fn corked_data_goes_with_the_fin(t) in Lo {
        let (client, server, _) = t.pair();
        t.set(client, SOL_TCP, TCP_CORK, 1);
        t.send(client, b"held", 0);
        t.shutdown(client, SHUT_WR);
        t.recv(server, 10, MSG_WAITALL);
        t.recv(server, 10, 0);
    }

    fn small_sends_without_delay(t) in Lo {
        let (client, server, _) = t.pair();
        t.set(client, SOL_TCP, TCP_NODELAY, 1);
        for word in [b"a", b"b", b"c", b"d"] {
            t.send(client, word, 0);
        }
        t.recv(server, 4, MSG_WAITALL);
    }

    fn unknown_flags(t) in Lo {
        let (client, server, _) = t.pair();
        t.send(client, b"abc", MSG_EOR | MSG_CONFIRM | MSG_DONTROUTE | MSG_NOSIGNAL);
        t.wait(server, POLLIN);
        t.recv(server, 10, MSG_NOSIGNAL);
        t.send(client, b"abc", MSG_FASTOPEN);
    }

    fn the_error_queue_is_empty(t) in Lo {
        let (client, _server, _) = t.pair();
        t.recv(client, 10, MSG_ERRQUEUE);
        let fresh = t.tcp();
        t.recv(fresh, 10, MSG_ERRQUEUE);
        let listener = t.listener(7001);
        t.recv(listener, 10, MSG_ERRQUEUE);
    }
}
