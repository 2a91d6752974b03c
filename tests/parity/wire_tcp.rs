//! TCP between two hosts: what the wire adds to what the loopback shows.

use sockatoo::base::constants::*;

use crate::arm::Fd;
use crate::dialogue::Dialogue;

/// A connection from host 0 to host 1: both ends, and the listener.
fn pair(t: &mut Dialogue) -> (Fd, Fd, Fd) {
    let listener = t.socket_on(1, t.ip.af(), SOCK_STREAM, 0);
    t.bind(listener, (t.ip.any(), 7000));
    t.listen(listener, 5);
    let client = t.tcp();
    t.connect(client, (t.ip.on_wire(1), 7000));
    t.wait(listener, POLLIN);
    let server = t.accept(listener);
    (client, server, listener)
}

twins! {
    fn refused(t) in Wire {
        let s = t.tcp();
        t.connect(s, (t.ip.on_wire(1), 7000));
        t.so_error(s);
    }

    fn there_and_back(t) in Wire {
        let (client, server, _) = pair(t);
        t.send(client, b"question", 0);
        t.recv(server, 8, MSG_WAITALL);
        t.send(server, b"answer", 0);
        t.recv(client, 6, MSG_WAITALL);
        t.close(client);
        t.poll_until(server, POLLRDHUP);
        t.recv(server, 1, 0);
    }

    fn reset(t) in Wire {
        let (client, server, _) = pair(t);
        t.setsockopt(client, SOL_SOCKET, SO_LINGER, &[1, 0, 0, 0, 0, 0, 0, 0]);
        t.close(client);
        t.poll_until(server, POLLERR);
        t.recv(server, 1, 0);
        t.recv(server, 1, 0);
        t.send(server, b"x", 0);
    }

    fn unread_data_resets(t) in Wire {
        let (client, server, _) = pair(t);
        t.send(client, b"unread", 0);
        t.wait(server, POLLIN);
        t.close(server);
        t.poll_until(client, POLLERR);
        t.so_error(client);
    }

    fn data_after_the_peer_closed(t) in Wire {
        let (client, server, _) = pair(t);
        t.close(server);
        t.wait(client, POLLRDHUP);
        t.send(client, b"late", 0);
        t.poll_until(client, POLLERR);
        t.recv(client, 1, 0);
        t.send(client, b"later", 0);
    }

    fn the_segment_size(t) in Wire {
        let (client, server, _) = pair(t);
        t.send(client, b"x", 0);
        t.recv(server, 1, 0);
        t.get(client, SOL_TCP, TCP_MAXSEG);
        t.get(server, SOL_TCP, TCP_MAXSEG);
        let fresh = t.tcp();
        t.get(fresh, SOL_TCP, TCP_MAXSEG);
    }

    fn a_smaller_segment_size(t) in Wire {
        let listener = t.socket_on(1, t.ip.af(), SOCK_STREAM, 0);
        t.bind(listener, (t.ip.any(), 7000));
        t.listen(listener, 5);
        let client = t.tcp();
        t.set(client, SOL_TCP, TCP_MAXSEG, 600);
        t.connect(client, (t.ip.on_wire(1), 7000));
        t.wait(listener, POLLIN);
        let server = t.accept(listener);
        t.send(server, &vec![7; 5000], 0);
        t.recv(client, 5000, MSG_WAITALL);
        t.send(client, &vec![8; 5000], 0);
        t.recv(server, 5000, MSG_WAITALL);
    }

    fn the_path_s_mtu(t) in Wire {
        let (client, _server, _) = pair(t);
        let (level, name) = if t.ip.af() == AF_INET { (SOL_IP, IP_MTU) } else { (SOL_IPV6, IPV6_MTU) };
        t.get(client, level, name);
    }

    fn a_thousand_small_sends(t) in Wire {
        let (client, server, _) = pair(t);
        t.set(client, SOL_TCP, TCP_NODELAY, 1);
        let mut sent = 0;
        for n in 0..1000u32 {
            sent += t.send_quietly(client, &n.to_be_bytes()).unwrap_or(0);
        }
        t.note(format!("sent {sent}"));
        t.recv(server, 4000, MSG_WAITALL);
    }

    fn the_user_timeout_ends_a_connect(t) in Wire {
        let s = t.tcp();
        t.set(s, SOL_TCP, TCP_SYNCNT, 1);
        t.nonblocking(s);
        t.connect(s, (t.ip.on_wire(8), 7000));
        t.poll_until(s, POLLERR);
        t.so_error(s);
        t.connect(s, (t.ip.on_wire(8), 7000));
    }

    fn a_closed_window_opens_again(t) in Wire {
        let (client, server, _) = pair(t);
        t.set(server, SOL_SOCKET, SO_RCVBUF, 4096);
        t.nonblocking(client);
        let chunk = vec![b'w'; 100_000];
        let mut sent = 0;
        // Until EAGAIN. A moment later there may be room again: acknowledgements are still under way.
        while let Some(n) = t.send_quietly(client, &chunk) {
            sent += n;
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
        t.poll_until(client, POLLOUT);
    }
}
