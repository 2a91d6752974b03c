//! TCP_MD5SIG and TCP_MD5SIG_EXT: signed segments (RFC 2385).

use std::net::IpAddr;

use sockatoo::base::constants::*;

use crate::arm::Fd;
use crate::dialogue::Dialogue;

/// TCP_MD5SIG_FLAG_PREFIX, TCP_MD5SIG_FLAG_IFINDEX.
const PREFIX: u8 = 1;
const INTERFACE: u8 = 2;

/// struct tcp_md5sig: an address, flags, a prefix, the key's length, an interface, the key.
fn value(peer: IpAddr, flags: u8, prefix: u8, key: &[u8]) -> Vec<u8> {
    let mut value = vec![0; 216];
    let (family, at, octets) = match peer {
        IpAddr::V4(a) => (AF_INET, 4, a.octets().to_vec()),
        IpAddr::V6(a) => (AF_INET6, 8, a.octets().to_vec()),
    };
    value[..2].copy_from_slice(&(family as u16).to_ne_bytes());
    value[at..at + octets.len()].copy_from_slice(&octets);
    (value[128], value[129]) = (flags, prefix);
    value[130..132].copy_from_slice(&(key.len() as u16).to_ne_bytes());
    let end = value.len().min(136 + key.len());
    value[136..end].copy_from_slice(&key[..end - 136]);
    value
}

fn sign(t: &mut Dialogue, s: Fd, peer: IpAddr, key: &[u8]) {
    t.setsockopt_as(s, SOL_TCP, TCP_MD5SIG, &value(peer, 0, 0, key), &String::from_utf8_lossy(key));
}

/// A listener of host 1 and a client of host 0, both with a key, not connected.
fn ends(t: &mut Dialogue, theirs: &[u8], ours: &[u8]) -> (Fd, Fd) {
    let listener = t.socket_on(1, t.ip.af(), SOCK_STREAM, 0);
    t.bind(listener, (t.ip.any(), 7000));
    t.listen(listener, 5);
    let client = t.tcp();
    if !theirs.is_empty() {
        sign(t, listener, t.ip.on_wire(0), theirs);
    }
    if !ours.is_empty() {
        sign(t, client, t.ip.on_wire(1), ours);
    }
    (listener, client)
}

fn accepted(t: &mut Dialogue, listener: Fd) -> Fd {
    t.wait(listener, POLLIN);
    t.accept(listener)
}

twins! {
    fn the_values_of_a_key(t) in Lo {
        let s = t.tcp();
        let peer = t.ip.on_wire(1);
        sign(t, s, peer, b"key");
        sign(t, s, peer, b"another");
        sign(t, s, peer, b"");
        sign(t, s, peer, b"");
        sign(t, s, peer, &[b'k'; 80]);
        sign(t, s, peer, &[b'k'; 81]);
        t.setsockopt(s, SOL_TCP, TCP_MD5SIG, &[0; 8]);
        t.setsockopt_as(s, SOL_TCP, TCP_MD5SIG, &[0; 216], "no family");
        t.getsockopt(s, SOL_TCP, TCP_MD5SIG, 216);
        t.getsockopt(s, SOL_TCP, TCP_MD5SIG_EXT, 216);
        // The flags are TCP_MD5SIG_EXT's alone.
        t.setsockopt_as(s, SOL_TCP, TCP_MD5SIG, &value(peer, PREFIX, 200, b"x"), "a prefix");
        for prefix in [0, 24, 32, 33, 64, 128, 129] {
            t.setsockopt_as(s, SOL_TCP, TCP_MD5SIG_EXT, &value(peer, PREFIX, prefix, b"x"), &format!("/{prefix}"));
        }
        t.setsockopt_as(s, SOL_TCP, TCP_MD5SIG_EXT, &value(peer, PREFIX, 24, b""), "/24 no more");
        t.setsockopt_as(s, SOL_TCP, TCP_MD5SIG_EXT, &value(peer, PREFIX, 24, b""), "/24 no more");
        let mut device = value(peer, INTERFACE, 0, b"x");
        t.setsockopt_as(s, SOL_TCP, TCP_MD5SIG_EXT, &device, "interface 0");
        device[132] = 1;
        t.setsockopt_as(s, SOL_TCP, TCP_MD5SIG_EXT, &device, "interface 1");
        t.setsockopt_as(s, SOL_TCP, TCP_MD5SIG, &device, "interface 1");
        let udp = t.udp();
        t.setsockopt_as(udp, SOL_TCP, TCP_MD5SIG, &value(peer, 0, 0, b"key"), "key");
    }

    fn both_have_the_key(t) in Wire {
        let (listener, client) = ends(t, b"secret", b"secret");
        t.connect(client, (t.ip.on_wire(1), 7000));
        let server = accepted(t, listener);
        t.send(client, b"question", 0);
        t.recv(server, 8, MSG_WAITALL);
        t.send(server, &[7; 10_000], 0);
        t.recv(client, 10_000, MSG_WAITALL);
        // The signature takes 20 bytes of that, which are not told.
        t.get(client, SOL_TCP, TCP_MAXSEG);
        t.get(server, SOL_TCP, TCP_MAXSEG);
        t.close(client);
        t.poll_until(server, POLLRDHUP);
        t.recv(server, 1, 0);
        t.close(server);
    }

    fn a_smaller_segment_of_the_peer_s(t) in Wire {
        let (listener, client) = ends(t, b"secret", b"secret");
        t.set(client, SOL_TCP, TCP_MAXSEG, 600);
        t.connect(client, (t.ip.on_wire(1), 7000));
        let server = accepted(t, listener);
        t.get(server, SOL_TCP, TCP_MAXSEG);
        t.send(server, &[7; 5000], 0);
        t.recv(client, 5000, MSG_WAITALL);
    }

    fn the_right_key_comes_later(t) in Wire {
        let (listener, client) = ends(t, b"secret", b"guessed");
        t.nonblocking(client);
        t.connect(client, (t.ip.on_wire(1), 7000));
        sign(t, client, t.ip.on_wire(1), b"secret");
        t.poll_until(client, POLLOUT);
        t.so_error(client);
        let server = accepted(t, listener);
        t.send(client, b"in", 0);
        t.recv(server, 2, MSG_WAITALL);
    }

    fn a_stranger_is_not_heard(t) in Wire {
        let (listener, client) = ends(t, b"secret", b"");
        t.nonblocking(client);
        t.connect(client, (t.ip.on_wire(1), 7000));
        sign(t, listener, t.ip.on_wire(0), b"");
        t.poll_until(client, POLLOUT);
        t.so_error(client);
        t.poll_until(listener, POLLIN);
    }

    fn a_signature_that_nobody_asked_for(t) in Wire {
        let (listener, client) = ends(t, b"", b"secret");
        t.nonblocking(client);
        t.connect(client, (t.ip.on_wire(1), 7000));
        sign(t, client, t.ip.on_wire(1), b"");
        t.poll_until(client, POLLOUT);
        t.so_error(client);
        t.poll_until(listener, POLLIN);
    }

    fn nobody_listens(t) in Wire {
        let client = t.tcp();
        sign(t, client, t.ip.on_wire(1), b"secret");
        t.nonblocking(client);
        t.connect(client, (t.ip.on_wire(1), 7001));
        // No answer, as nobody there has the key; without it the next SYN is refused.
        sign(t, client, t.ip.on_wire(1), b"");
        t.poll_until(client, POLLERR);
        t.so_error(client);
    }

    fn resets_are_signed(t) in Wire {
        let (listener, client) = ends(t, b"secret", b"secret");
        t.connect(client, (t.ip.on_wire(1), 7000));
        let server = accepted(t, listener);
        t.send(client, b"unread", 0);
        t.wait(server, POLLIN);
        t.close(server);
        t.poll_until(client, POLLERR);
        t.so_error(client);
    }

    fn one_key_for_a_network(t) in Wire {
        let listener = t.socket_on(1, t.ip.af(), SOCK_STREAM, 0);
        t.bind(listener, (t.ip.any(), 7000));
        t.listen(listener, 5);
        let network = t.ip.on_wire(0);
        let prefix = if t.ip.af() == AF_INET { 24 } else { 64 };
        t.setsockopt_as(listener, SOL_TCP, TCP_MD5SIG_EXT, &value(network, PREFIX, prefix, b"net"), "a network");
        let client = t.tcp();
        let everybody = value(network, PREFIX, 0, b"net");
        t.setsockopt_as(client, SOL_TCP, TCP_MD5SIG_EXT, &everybody, "everybody");
        t.connect(client, (t.ip.on_wire(1), 7000));
        let server = accepted(t, listener);
        t.send(server, b"welcome", 0);
        t.recv(client, 7, MSG_WAITALL);
    }

    fn a_connection_changes_its_key(t) in Wire {
        let (listener, client) = ends(t, b"old", b"old");
        t.connect(client, (t.ip.on_wire(1), 7000));
        let server = accepted(t, listener);
        sign(t, client, t.ip.on_wire(1), b"new");
        t.send(client, b"waits", 0);
        t.recv(server, 5, MSG_DONTWAIT);
        sign(t, server, t.ip.on_wire(0), b"new");
        t.recv(server, 5, MSG_WAITALL);
    }
}
