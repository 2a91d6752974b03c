//! `--publish`: the kernel's programs reach ports of the host, over TCP and UDP, IPv4 and IPv6.

use crate::place::{Arm, PYTHON, Place};

const SERVER: &str = r#"
import socket, sys, threading
kind, family, address = sys.argv[1:]
s = socket.socket(getattr(socket, family), getattr(socket, kind))
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((address, 53))
if kind == "SOCK_STREAM":
    s.listen()
print("ready")
while True:
    if kind == "SOCK_STREAM":
        c, peer = s.accept()
        with c, c.makefile("rwb") as f:
            data = f.read()
            f.write(f"{len(data)} bytes from {peer[0]}".encode())
    else:
        data, peer = s.recvfrom(65536)
        s.sendto(f"{len(data)} bytes from {peer[0]}".encode(), peer)
"#;

const CLIENT: &str = r#"
import socket, sys
kind, address, size = sys.argv[1:]
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, getattr(socket, kind))
s.settimeout(20)
s.connect((address, 5353))
s.sendall(bytes(int(size)))
if kind == "SOCK_STREAM":
    s.shutdown(socket.SHUT_WR)
print(s.recv(100).decode())
"#;

/// The kernel's client on the address comes in the family in which the program listens.
#[test]
fn both_protocols_in_both_families() {
    let Some(place) = Place::wire(Arm::Run, "--publish 5353:53 --publish 5353:53/udp") else { return };
    let script = place.work().join("client.py");
    std::fs::write(&script, CLIENT).unwrap();
    for (kind, sizes) in [("SOCK_STREAM", ["1", "3000000"]), ("SOCK_DGRAM", ["0", "60000"])] {
        for (family, bound, seen) in [
            ("AF_INET", "0.0.0.0", ["127.0.0.1", "127.0.0.1"]),
            ("AF_INET", "127.0.0.1", ["127.0.0.1", "127.0.0.1"]),
            ("AF_INET6", "::1", ["::1", "::1"]),
            ("AF_INET6", "::", ["::ffff:127.0.0.1", "::1"]),
        ] {
            let server = place.terminal(PYTHON, &["-c", SERVER, kind, family, bound]);
            server.wait_for("ready");
            for (address, seen) in ["127.0.0.1", "::1"].into_iter().zip(seen) {
                for size in sizes {
                    let line = format!("{PYTHON} {} {kind} {address} {size}", script.display());
                    let told = place.peer_terminal(&line).end().ok();
                    assert_eq!(told, format!("{size} bytes from {seen}\n"), "{kind} {address} -> {bound}");
                }
            }
            server.interrupt();
        }
    }
    place.leave();
}
