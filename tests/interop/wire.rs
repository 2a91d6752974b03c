//! The place of a test: the kernel in a namespace, a TAP, our host at its other end.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use sockatoo::lab::Netns;
use sockatoo::{Host, HostBuilder};

/// Which of the twins a test runs as.
#[derive(Clone, Copy, Debug)]
pub enum Ip {
    V4,
    V6,
}

impl Ip {
    /// The kernel's address on the wire.
    pub fn kernel(self) -> IpAddr {
        self.number(1)
    }
    /// Our host's.
    pub fn ours(self) -> IpAddr {
        self.number(2)
    }
    /// The address of somebody on that network.
    pub fn number(self, n: u8) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(192, 0, 2, n).into(),
            Self::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n.into()).into(),
        }
    }
    /// AF_INET or AF_INET6.
    pub fn family(self) -> i32 {
        match self {
            Self::V4 => sockatoo::socket::AF_INET,
            Self::V6 => sockatoo::socket::AF_INET6,
        }
    }
    /// `http://`'s way to write the address.
    pub fn in_url(self, ip: IpAddr) -> String {
        SocketAddr::new(ip, 0).to_string().trim_end_matches(":0").to_owned()
    }
}

/// The kernel and our host on one wire.
pub struct Wire {
    pub kernel: Netns,
    pub host: Host,
}

/// A namespace, or a word why there is none; where tests must not be skipped (CI=true), none is a failure.
pub fn netns() -> Option<Netns> {
    match Netns::new() {
        Ok(netns) => Some(netns),
        Err(error) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("{error}"),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// The wire; `more` may add to the host.
pub fn wire_with(more: impl FnOnce(HostBuilder) -> HostBuilder) -> Option<Wire> {
    let kernel = netns()?;
    let tap = kernel.tap("tap0", &["192.0.2.1/24", "2001:db8::1/64"]).unwrap();
    let host =
        Host::builder().device(tap).address("192.0.2.2/24").unwrap().address("2001:db8::2/64").unwrap();
    let host = more(host.dad_transmits(0)).build().unwrap();
    Some(Wire { kernel, host })
}

pub fn wire() -> Option<Wire> {
    wire_with(|host| host)
}

/// Runs a test on a wire, on a thread of its own, for `seconds` at most. A test that fails tells what the host counted.
pub fn bounded(seconds: u64, wire: Option<Wire>, body: impl FnOnce(&Wire) + Send + 'static) {
    let Some(wire) = wire else { return };
    let host = wire.host.clone();
    let (done, finished) = mpsc::channel();
    std::thread::spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(|| body(&wire)));
        let _ = done.send(result);
    });
    let result = finished.recv_timeout(Duration::from_secs(seconds));
    if !matches!(result, Ok(Ok(()))) {
        eprintln!("census {:?}\ncounters {:?}", host.census(), host.counters());
    }
    match result {
        Ok(Ok(())) => {}
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => panic!("not done after {seconds} s"),
    }
}

/// True if everything is wanted, however long it takes.
pub fn full() -> bool {
    std::env::var_os("SOCKATOO_FULL").is_some()
}

/// The n-th piece of a stream that has no period that a stack could hide an error behind.
pub fn piece(n: u64) -> Vec<u8> {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(PIECE);
    while bytes.len() < PIECE {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_ne_bytes());
    }
    bytes
}

/// Bytes of a piece.
pub const PIECE: usize = 64 * 1024;

/// Writes `total` bytes and gives their hash.
pub fn pour(to: &mut impl Write, total: u64) -> String {
    let mut hash = Sha256::new();
    for n in 0..total / PIECE as u64 {
        let bytes = piece(n);
        to.write_all(&bytes).unwrap();
        hash.update(&bytes);
    }
    hex(hash)
}

/// Reads to the end, and gives how many bytes came and their hash.
pub fn drink(from: &mut impl Read) -> (u64, String) {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut total = 0;
    loop {
        let n = from.read(&mut buffer).unwrap();
        if n == 0 {
            return (total, hex(hash));
        }
        total += n as u64;
        hash.update(&buffer[..n]);
    }
}

pub fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// Declares tests that run over IPv4 and over IPv6.
macro_rules! twins {
    ($($(#[$doc:meta])* fn $name:ident($ip:ident) $body:block)*) => {$(
        $(#[$doc])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            fn body($ip: $crate::wire::Ip) $body
            #[test]
            fn v4() {
                body($crate::wire::Ip::V4);
            }
            #[test]
            fn v6() {
                body($crate::wire::Ip::V6);
            }
        }
    )*};
}
pub(crate) use twins;
