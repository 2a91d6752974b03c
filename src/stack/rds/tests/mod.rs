//! RDS in virtual time. No kernel here has RDS: each case names the function of net/rds/ that says so.

mod names;
mod pair;
mod peer;

use std::io::{IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::time::Duration;

use crate::base::constants::{AF_RDS, MSG_DONTWAIT, SO_RCVBUF, SO_SNDBUF, SOCK_SEQPACKET, SOL_SOCKET};
use crate::base::{Errno, Result, SockAddr, SocketId};
use crate::stack::tcp::tests::wire::{A, B, Wire};
use crate::stack::{Received, SendTo, Stack};

fn at(text: &str) -> SockAddr {
    text.parse::<SocketAddr>().unwrap().into()
}

fn open(stack: &mut Stack) -> SocketId {
    stack.socket(AF_RDS, SOCK_SEQPACKET, 0).unwrap()
}

fn bound(stack: &mut Stack, address: &str) -> SocketId {
    let id = open(stack);
    stack.bind(id, at(address)).unwrap();
    id
}

fn send_how(stack: &mut Stack, id: SocketId, bytes: &[u8], to: Option<&str>, flags: i32) -> Result<usize> {
    let how = SendTo { to: to.map(at), flags, ..SendTo::default() };
    stack.send(id, &[IoSlice::new(bytes)], how)
}

fn send(stack: &mut Stack, id: SocketId, bytes: &[u8], to: &str) -> Result<usize> {
    send_how(stack, id, bytes, Some(to), MSG_DONTWAIT)
}

fn recv(stack: &mut Stack, id: SocketId, flags: i32) -> Result<(Vec<u8>, Received)> {
    let mut data = vec![0; 200_000];
    let received = stack.recv(id, &mut [IoSliceMut::new(&mut data)], flags)?;
    data.truncate(received.len);
    Ok((data, received))
}

/// Everything that waits, as numbers.
fn numbers(stack: &mut Stack, id: SocketId) -> Vec<u32> {
    let all = std::iter::from_fn(|| recv(stack, id, MSG_DONTWAIT).ok());
    all.map(|(data, _)| u32::from_be_bytes(*data.first_chunk().unwrap())).collect()
}

fn errno<T: std::fmt::Debug>(result: Result<T>) -> Errno {
    result.unwrap_err().errno()
}

fn buffers(stack: &mut Stack, id: SocketId, bytes: i32) {
    for name in [SO_RCVBUF, SO_SNDBUF] {
        stack.setsockopt(id, SOL_SOCKET, name, &bytes.to_ne_bytes()).unwrap();
    }
}

/// Sockets on both hosts, port 4000 of each.
fn two(wire: &mut Wire) -> (SocketId, SocketId) {
    (bound(&mut wire.hosts[A], "192.0.2.1:4000"), bound(&mut wire.hosts[B], "192.0.2.2:4000"))
}

const SECOND: Duration = Duration::from_secs(1);
