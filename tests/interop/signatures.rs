//! Signed segments (TCP_MD5SIG, RFC 2385) between the kernel and us: each has made the other's digests.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use sockatoo::Socket;
use sockatoo::socket::{SOCK_STREAM, TCP_MD5SIG};

use crate::wire::{Ip, Wire, bounded, twins, wire};

/// IPPROTO_TCP as a level.
const SOL_TCP: i32 = 6;

/// The kernel's end: a socket with a key for us; `{body}` does the rest.
fn kernels(wire: &Wire, ip: Ip, body: &str) -> Child {
    let (ours, family) = (ip.ours(), ip.family());
    let script = format!(
        r#"
import socket, struct
peer = socket.inet_pton({family}, "{ours}")
address = struct.pack("=HH", {family}, 0) + (b"" if {family} == socket.AF_INET else bytes(4)) + peer
key = address.ljust(128, b"\0") + struct.pack("=BBHi", 0, 0, 6, 0) + b"secret".ljust(80, b"\0")
s = socket.socket({family})
s.setsockopt(socket.IPPROTO_TCP, 14, key)
{body}
"#
    );
    let mut python = wire.kernel.command("python3");
    python.args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap()
}

/// A socket of ours with a key for the kernel.
fn ours(wire: &Wire, ip: Ip) -> Socket {
    let socket = wire.host.socket(ip.family(), SOCK_STREAM, 0).unwrap();
    let mut key = vec![0; 216];
    key[..2].copy_from_slice(&(ip.family() as u16).to_ne_bytes());
    match ip.kernel() {
        std::net::IpAddr::V4(a) => key[4..8].copy_from_slice(&a.octets()),
        std::net::IpAddr::V6(a) => key[8..24].copy_from_slice(&a.octets()),
    }
    key[130] = 6;
    key[136..142].copy_from_slice(b"secret");
    socket.setsockopt(SOL_TCP, TCP_MD5SIG, key.as_slice()).unwrap();
    socket
}

const BULK: usize = 300_000;

fn talk(socket: &Socket) {
    socket.sendall(&vec![7; BULK], 0).unwrap();
    socket.shutdown(sockatoo::socket::SHUT_WR).unwrap();
    let mut all = Vec::new();
    let mut stream = socket;
    stream.read_to_end(&mut all).unwrap();
    assert_eq!(all, vec![8; BULK]);
}

/// Reads to the end, then answers.
const TALK: &str = r#"
count = 0
while data := c.recv(65536):
    assert set(data) == {7}
    count += len(data)
c.sendall(bytes([8]) * count)
c.close()
"#;

twins! {
    fn the_kernel_listens(ip) {
        bounded(60, wire(), move |wire| {
            let body = format!("s.bind(('', 7000)); s.listen(); print('ready', flush=True)\nc, _ = s.accept(){TALK}");
            let mut kernels = kernels(wire, ip, &body);
            let mut line = String::new();
            BufReader::new(kernels.stdout.take().unwrap()).read_line(&mut line).unwrap();
            assert_eq!(line, "ready\n");
            let socket = ours(wire, ip);
            socket.connect((ip.kernel(), 7000)).unwrap();
            talk(&socket);
            assert!(kernels.wait().unwrap().success());
        });
    }

    fn we_listen(ip) {
        bounded(60, wire(), move |wire| {
            let listener = ours(wire, ip);
            listener.bind((ip.ours(), 7000)).unwrap();
            listener.listen(1).unwrap();
            let mut kernels = kernels(wire, ip, &format!("s.connect(('{}', 7000)); c = s{TALK}", ip.ours()));
            let (socket, _) = listener.accept().unwrap();
            talk(&socket);
            assert!(kernels.wait().unwrap().success());
        });
    }
}
