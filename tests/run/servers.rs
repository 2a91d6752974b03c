//! Python's own servers and clients: socketserver, http.server and urllib, asyncio, SMTP, ssl, XML-RPC.

use std::fs;
use std::process::Command;

use crate::place::{PYTHON, Place, User, has, same, users};

/// Lines in an order that threads can't change.
fn sorted(told: &str) -> String {
    let mut lines: Vec<_> = told.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn socketserver(place: &Place, kind: &str) -> String {
    let server = place.python(&format!("socketserver_server.py {kind}"));
    server.wait_for("serving on");
    let client = place.python(&format!("socketserver_client.py {kind}")).end().ok();
    if kind != "udp" {
        server.wait_for("served by another: True");
    }
    client + &sorted(&server.interrupt().ok())
}

users! {
    fn threading_server(place) {
        socketserver(place, "threading")
    }

    fn forking_server(place) {
        socketserver(place, "forking")
    }

    fn threading_datagram_server(place) {
        socketserver(place, "udp")
    }

    /// `python3 -m http.server`, and urllib: a page, three megabytes, a page that is not there, a port where nobody is.
    fn http_server_and_urllib(place) {
        fs::write(place.work().join("page.html"), "<h1>Hello</h1>").unwrap();
        let big: Vec<u8> = (0..3_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        fs::write(place.work().join("big.bin"), big).unwrap();
        let server = place.terminal(PYTHON, &["-m", "http.server", "8000", "--bind", "127.0.0.1"]);
        server.wait_for("Serving HTTP on");
        let told = place.python("fetch.py http://127.0.0.1:8000").end().ok();
        assert!(told.contains("/big.bin 200 3000000") && told.contains("/none 404"), "{told}");
        server.interrupt();
        told
    }

    /// Fifty clients at once, 200 KB each way.
    fn asyncio_streams(place) {
        let server = place.python("asyncio_server.py 50");
        server.wait_for("serving on");
        let told = place.python("asyncio_client.py 50").end().ok();
        assert!(told.contains("50 clients, all right: True\nConnectionRefusedError"), "{told}");
        told + &server.end().ok()
    }

    fn mail(place) {
        let server = place.python("smtp_server.py");
        server.wait_for("ready");
        let client = place.python("smtp_client.py").end().ok();
        let server = server.end().ok();
        assert!(server.contains("| Subject: Greetings"), "{server}");
        client + &server
    }

    fn xmlrpc(place) {
        place.python("remote_calls.py").end().ok()
    }
}

/// A certificate made for the test, TLS both ways.
fn tls(place: &Place) -> String {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(place.work())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let key = place.work().join("key.pem");
    fs::set_permissions(key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let server = place.python("ssl_server.py");
    server.wait_for("ready");
    let client = place.python("ssl_client.py").end().ok();
    assert!(client.contains("same: True"), "{client}");
    client + &server.end().ok()
}

#[test]
fn tls_as_root() {
    if has("openssl") {
        same(User::Root, tls);
    }
}

#[test]
fn tls_as_nobody() {
    if has("openssl") {
        same(User::Nobody, tls);
    }
}
