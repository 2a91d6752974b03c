//! The client of the demo: HTTP by hand, over our own sockets.

use std::net::SocketAddr;
use std::time::Duration;

use crate::base::constants::SHUT_WR;
use crate::base::{Errno, Result};
use crate::driver::Host;

/// A page that came.
pub(super) struct Fetched {
    /// `200 OK`.
    pub(super) status: String,
    pub(super) body: Vec<u8>,
    /// Until the handshake was done.
    pub(super) connected: Duration,
    /// Until the last byte was there.
    pub(super) total: Duration,
}

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// A longer answer is not the page.
const LONGEST: usize = 1 << 20;

/// `GET /`, as a browser does it.
pub(super) fn page(host: &Host, server: SocketAddr) -> Result<Fetched> {
    let begin = host.now();
    let socket = host.create_connection(server, Some(PATIENCE), None)?;
    let connected = host.now().since(begin);
    socket.sendall(format!("GET / HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n").as_bytes(), 0)?;
    let mut answer = Vec::new();
    loop {
        let piece = socket.recv(64 * 1024, 0)?;
        if piece.is_empty() {
            break;
        }
        answer.extend(piece);
        if answer.len() > LONGEST {
            return Err(Errno::EMSGSIZE.with("the answer is too long"));
        }
    }
    let total = host.now().since(begin);
    // The server has said all; so have we.
    let _ = socket.shutdown(SHUT_WR);
    socket.close()?;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    let body = answer.split_off(end);
    let head = String::from_utf8_lossy(&answer);
    let status =
        head.lines().next().and_then(|line| line.split_once(' ')).map(|(_, status)| status.trim().to_owned());
    let status = status.ok_or_else(|| Errno::EPROTO.with("the answer is not HTTP"))?;
    Ok(Fetched { status, body, connected, total })
}
