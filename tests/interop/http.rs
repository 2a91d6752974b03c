//! HTTP both ways, with programs that everybody has.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Stdio};

use sha2::{Digest, Sha256};
use sockatoo::socket::net::{TcpListener, TcpStream};

use crate::wire::{Ip, Wire, bounded, hex, piece, twins, wire};

/// A program that is ended with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A directory that goes away with the test.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Self {
        let stamp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        let path = std::env::temp_dir().join(format!("sockatoo-http-{}-{stamp}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn content() -> Vec<u8> {
    (0..100).flat_map(piece).collect()
}

fn hash(bytes: &[u8]) -> String {
    hex(Sha256::new().chain_update(bytes))
}

/// python3 -m http.server, once it says that it serves.
fn python(wire: &Wire, ip: Ip, folder: &Folder) -> Program {
    let mut child = wire
        .kernel
        .command("python3")
        .args(["-u", "-m", "http.server", "8000", "--bind", &ip.kernel().to_string()])
        .current_dir(&folder.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("Serving HTTP"), "{line}");
    Program(child)
}

/// Serves one request: tells its head and body, and answers with `answer`.
fn serve_once(listener: &TcpListener, answer: &[u8]) -> (String, Vec<u8>) {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "the request ends in its head");
    }
    let length = head
        .lines()
        .find_map(|l| {
            l.to_ascii_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse().unwrap())
        })
        .unwrap_or(0);
    if head.to_ascii_lowercase().contains("expect: 100-continue") {
        (&stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let head_of_answer =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
    (&stream).write_all(head_of_answer.as_bytes()).unwrap();
    (&stream).write_all(answer).unwrap();
    (head, body)
}

twins! {
    fn we_fetch_from_python(ip) {
        bounded(60, wire(), move |wire| {
            let folder = Folder::new();
            let file = content();
            std::fs::write(folder.0.join("file"), &file).unwrap();
            let _server = python(wire, ip, &folder);
            let mut stream = TcpStream::connect(&wire.host, (ip.kernel(), 8000)).unwrap();
            stream.write_all(b"GET /file HTTP/1.0\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            let head = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
            assert!(answer.starts_with(b"HTTP/1.0 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer[..head]));
            assert_eq!(hash(&answer[head..]), hash(&file));
        });
    }

    fn curl_fetches_from_us(ip) {
        bounded(60, wire(), move |wire| {
            let folder = Folder::new();
            let listener = TcpListener::bind(&wire.host, (ip.ours(), 8000)).unwrap();
            let file = content();
            let url = format!("http://{}:8000/file", ip.in_url(ip.ours()));
            let mut curl = wire.kernel.command("curl");
            let curl = curl.args(["-sS", "-m", "50", "-g", "-o", "copy", &url]).current_dir(&folder.0).spawn();
            let (head, _) = serve_once(&listener, &file);
            assert!(head.starts_with("GET /file HTTP/1.1"), "{head}");
            assert!(curl.unwrap().wait().unwrap().success());
            assert_eq!(hash(&std::fs::read(folder.0.join("copy")).unwrap()), hash(&file));
        });
    }

    fn curl_sends_to_us(ip) {
        bounded(60, wire(), move |wire| {
            let folder = Folder::new();
            let file = content();
            std::fs::write(folder.0.join("file"), &file).unwrap();
            let listener = TcpListener::bind(&wire.host, (ip.ours(), 8000)).unwrap();
            let url = format!("http://{}:8000/", ip.in_url(ip.ours()));
            let mut curl = wire.kernel.command("curl");
            curl.args(["-sS", "-m", "50", "-g", "-T"]).arg(folder.0.join("file")).arg(&url).stdout(Stdio::piped());
            let curl = curl.spawn().unwrap();
            let (head, body) = serve_once(&listener, b"thank you");
            assert!(head.starts_with("PUT /file HTTP/1.1"), "{head}");
            let output = curl.wait_with_output().unwrap();
            assert_eq!(output.stdout, b"thank you");
            assert_eq!(hash(&body), hash(&file));
        });
    }
}
