//! Servers and clients of the trade over a TAP, with the kernel on its other side: curl, nginx, redis, iperf3, nc, socat, ssh,
//! a static Go program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::place::{over_a_wire, static_go};

/// A file that is nowhere like itself; its hash.
fn file(path: &Path, megabytes: u32) -> String {
    let bytes: Vec<u8> = (0..megabytes << 18)
        .flat_map(|i| i.wrapping_mul(2_654_435_761).rotate_left(i % 31).to_le_bytes())
        .collect();
    fs::write(path, &bytes).unwrap();
    hash_of(&bytes)
}

fn hash_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn hash(path: PathBuf) -> String {
    hash_of(&fs::read(path).unwrap())
}

/// Over IPv4 and IPv6, and a port where nobody is.
#[test]
fn curl() {
    over_a_wire(&["curl"], |place| {
        let sent = file(&place.work().join("big.bin"), 10);
        for (bind, url) in [("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "[2001:db8::1]")] {
            let server = place.peer_terminal(&format!("/usr/bin/python3 -m http.server 8000 --bind {bind}"));
            server.wait_for("Serving HTTP");
            place.line(&format!("curl -sS -o got.bin http://{url}:8000/big.bin")).end().ok();
            assert_eq!(hash(place.work().join("got.bin")), sent);
            server.interrupt();
        }
        assert_eq!(place.line("curl -sS http://192.0.2.1:9/").end().status, 7);
    });
}

/// Two workers, sendfile, a hundred megabytes to four clients at once.
#[test]
fn nginx() {
    over_a_wire(&["nginx", "curl"], |place| {
        let work = place.work();
        let sent = file(&work.join("big.bin"), 100);
        let at = work.to_str().unwrap();
        let configuration = format!(
            "daemon off; user root; worker_processes 2; pid {at}/pid; error_log stderr notice;
             events {{ worker_connections 100; }}
             http {{ access_log off; sendfile on; tcp_nopush on;
                     client_body_temp_path {at}; proxy_temp_path {at}; fastcgi_temp_path {at};
                     uwsgi_temp_path {at}; scgi_temp_path {at};
                     server {{ listen 80; listen [::]:80; root {at}; }} }}"
        );
        fs::write(work.join("nginx.conf"), configuration).unwrap();
        let server = place.line(&format!("nginx -e stderr -p {at} -c {at}/nginx.conf"));
        server.wait_for("start worker process ");
        let clients: Vec<_> = (0..4)
            .map(|n| {
                let host = if n == 3 { "[2001:db8::2]" } else { "192.0.2.2" };
                place.peer_terminal(&format!(
                    "curl -sS --retry 20 --retry-connrefused -o got{n} http://{host}/big.bin"
                ))
            })
            .collect();
        for (n, client) in clients.into_iter().enumerate() {
            client.end().ok();
            assert_eq!(hash(work.join(format!("got{n}"))), sent);
        }
        let missing = place.peer_terminal("curl -s -o /dev/null -w %{http_code} http://192.0.2.2/none").end();
        assert_eq!(missing.ok(), "404");
        let pid = fs::read_to_string(work.join("pid")).unwrap();
        place.peer_terminal(&format!("kill -QUIT {pid}")).end().ok();
        assert_eq!(server.end().status, 0);
    });
}

const REDIS: &str = "redis-server --save --appendonly no --protected-mode no --bind";

/// The server under `run`, then the benchmark.
#[test]
fn redis() {
    over_a_wire(&["redis-server", "redis-benchmark"], |place| {
        let benchmark = |address: &str| {
            format!("redis-benchmark -h {address} -n 5000 -c 20 -t set,get,lrange_100 -P 4 --csv")
        };
        let server = place.line(&format!("{REDIS} 192.0.2.2"));
        server.wait_for("Ready to accept connections");
        let told = place.peer_terminal(&benchmark("192.0.2.2")).end().ok();
        assert!(told.contains("\"SET\",") && told.contains("\"LRANGE_100 (first 100 elements)\","), "{told}");
        assert_eq!(server.interrupt().status, 0);

        let server = place.peer_terminal(&format!("{REDIS} 192.0.2.1"));
        server.wait_for("Ready to accept connections");
        let told = place.line(&benchmark("192.0.2.1")).end().ok();
        assert!(told.contains("\"SET\",") && told.contains("\"LRANGE_100 (first 100 elements)\","), "{told}");
        assert_eq!(server.interrupt().status, 0);
    });
}

/// Both ways, four streams, UDP; the server under `run`, then the client.
#[test]
fn iperf3() {
    over_a_wire(&["iperf3"], |place| {
        for more in ["", "-R", "-P 4", "-u -b 20M", "-u -b 20M -R"] {
            for ours_serves in [true, false] {
                let (server, client) = if ours_serves {
                    let server = place.line("iperf3 --forceflush -s -1");
                    server.wait_for("Server listening");
                    (server, place.peer_terminal(&format!("iperf3 -c 192.0.2.2 -t 1 {more}")))
                } else {
                    let server = place.peer_terminal("iperf3 --forceflush -s -1");
                    server.wait_for("Server listening");
                    (server, place.line(&format!("iperf3 -c 192.0.2.1 -t 1 {more}")))
                };
                let told = client.end();
                assert_eq!(told.status, 0, "{more} {told:?}");
                assert!(told.out.contains("iperf Done."), "{more} {told:?}");
                let moved = told.out.lines().filter(|l| l.contains("receiver")).collect::<Vec<_>>();
                assert!(
                    !moved.is_empty() && moved.iter().all(|l| !l.contains(" 0.00 Bytes ")),
                    "{more} {told:?}"
                );
                assert_eq!(server.end().status, 0, "{more}");
            }
        }
    });
}

/// OpenBSD's nc: there and back, half close, refused ports, datagrams.
#[test]
fn nc() {
    over_a_wire(&["nc"], |place| {
        let listener = place.line("nc -v -n -l -N 192.0.2.2 7");
        listener.wait_for("Listening");
        let client = place.peer_terminal("nc -n -N 192.0.2.2 7");
        client.types("from the kernel");
        listener.wait_for("from the kernel").types("from ours");
        client.wait_for("from ours");
        client.end().ok();
        listener.end().ok();

        let listener = place.peer_terminal("nc -v -n -6 -l -N 2001:db8::1 7");
        listener.wait_for("Listening");
        let client = place.line("nc -n -N 2001:db8::1 7");
        client.types("from ours");
        listener.wait_for("from ours");
        client.end();
        listener.end().ok();

        let scan = place.line("nc -n -z -v -w 5 192.0.2.1 8-9").end();
        assert!(scan.status == 1 && scan.err.matches("Connection refused").count() == 2, "{scan:?}");

        let listener = place.line("nc -n -u -l -W 2 192.0.2.2 7");
        // UDP tells nobody that it is listened to: lines until one is heard. A client that was refused has ended.
        let mut heard = false;
        for _ in 0..200 {
            let client = place.peer_terminal("nc -n -u -W 1 192.0.2.2 7");
            client.types("datagram");
            heard = listener.waits_for("datagram", std::time::Duration::from_millis(50));
            if heard {
                break;
            }
        }
        assert!(heard);
    });
}

/// A child program per connection, and per datagram.
#[test]
fn socat() {
    over_a_wire(&["socat"], |place| {
        let server = place.line("socat -d -d TCP-LISTEN:7000,fork,reuseaddr EXEC:rev");
        server.wait_for("listening on");
        for word in ["abc", "desserts"] {
            let client = place.peer_terminal("socat - TCP:192.0.2.2:7000");
            client.types(word);
            assert_eq!(client.end().ok().trim(), word.chars().rev().collect::<String>());
        }
        server.interrupt();

        let server = place.line("socat -d -d UDP-RECVFROM:7000,fork EXEC:cat");
        server.wait_for("receiving on");
        let client = place.peer_terminal("socat -t 20 - UDP:192.0.2.2:7000,shut-null");
        client.types("datagram");
        client.wait_for("datagram");
        drop(client);
        server.interrupt();
    });
}

/// A command on the other side, by key; the client under `run`, then the server.
#[test]
fn ssh() {
    over_a_wire(&["ssh", "sshd", "ssh-keygen"], |place| {
        let at = place.work();
        let at = at.to_str().unwrap();
        for key in ["host", "mine"] {
            let path = format!("{at}/{key}");
            let made =
                Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &path]).output();
            let made = made.unwrap();
            assert!(made.status.success(), "{made:?}");
        }
        // sshd wants it, and only its service makes it.
        fs::create_dir_all("/run/sshd").unwrap();
        let server = format!(
            "/usr/sbin/sshd -D -e -f /dev/null -p 2222 -h {at}/host -o PidFile=none -o StrictModes=no -o UsePAM=no \
             -o AuthorizedKeysFile={at}/mine.pub -o PermitRootLogin=yes"
        );
        let client = |address: &str| {
            format!(
                "ssh -F none -p 2222 -i {at}/mine -o StrictHostKeyChecking=no -o UserKnownHostsFile={at}/known \
                 -o BatchMode=yes root@{address} echo hello from the other side"
            )
        };
        for ours_serves in [false, true] {
            let (server, client) = if ours_serves {
                let listening = place.line(&server);
                listening.wait_for("Server listening on 0.0.0.0");
                (listening, place.peer_terminal(&client("192.0.2.2")))
            } else {
                let listening = place.peer_terminal(&server);
                listening.wait_for("Server listening on 0.0.0.0");
                (listening, place.line(&client("192.0.2.1")))
            };
            assert_eq!(client.end().ok(), "hello from the other side\n");
            server.signal(libc::SIGTERM);
            server.end();
        }
    });
}

/// A static Go program, which makes its system calls by itself: an HTTP server, a hundred clients at once, deadlines, UDP.
#[test]
fn go() {
    over_a_wire(&["go"], |place| {
        let program = static_go();
        let program = program.to_str().unwrap();

        let server = place.terminal(program, &["serve", "192.0.2.2:8080"]);
        server.wait_for("serving");
        let told = place.peer_terminal(&format!("{program} fetch 192.0.2.2:8080 100")).end().ok();
        assert_eq!(told, "100 answers, 100 right\nrefused: true\ntimeout: true\ndatagram: HELLO\n");
        server.interrupt();

        let server = place.peer_terminal(&format!("{program} serve 192.0.2.1:8080"));
        server.wait_for("serving");
        let told = place.terminal(program, &["fetch", "192.0.2.1:8080", "100"]).end().ok();
        assert_eq!(told, "100 answers, 100 right\nrefused: true\ntimeout: true\ndatagram: HELLO\n");
        server.interrupt();
    });
}
