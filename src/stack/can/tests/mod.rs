//! CAN sockets on a host whose bus is played by the test, in virtual time. No kernel here has CAN: each case names the function of
//! net/can/ that says so.

mod bcm;
mod isotp;
mod j1939;
mod raw;

use std::io::{IoSlice, IoSliceMut};
use std::time::Duration;

use crate::base::constants::{AF_CAN, CAN_RAW, CAN_RAW_FILTER, SOCK_RAW, SOL_CAN_RAW};
use crate::base::{
    CanAddr, Direction, Errno, Frame, IfIndex, Instant, LinkType, Mac, Result, SockAddr, SocketId,
};
use crate::stack::{Config, InterfaceConfig, Received, SendTo, Stack};
use crate::wire::{CanFdFrame, CanFilter, CanFrame};

const BUS: IfIndex = IfIndex(2);
/// One that takes classic frames only.
const OLD: IfIndex = IfIndex(3);

fn host() -> Stack {
    let mut stack = Stack::new(Config::default());
    stack.at(Instant::from_secs(1));
    for (name, mtu) in [("can0", 72), ("can1", 16)] {
        let (mac, link) = (Mac::ZERO, LinkType::Can);
        let config = InterfaceConfig { name: name.into(), mac, link, mtu, addresses: vec![], ipv6: true };
        stack.net.add_interface(config).unwrap();
    }
    stack
}

fn at(interface: IfIndex) -> SockAddr {
    CanAddr::new(interface.0).into()
}

fn raw_on(stack: &mut Stack, interface: IfIndex) -> SocketId {
    let id = stack.socket(AF_CAN, SOCK_RAW, CAN_RAW).unwrap();
    stack.bind(id, at(interface)).unwrap();
    id
}

/// What leaves, as text; what asks for an echo comes back, as from a bus that is free.
fn leaves(stack: &mut Stack) -> Vec<String> {
    let mut all = Vec::new();
    while let Some((interface, frame)) = stack.frame_out() {
        assert_eq!((frame.link, frame.direction), (LinkType::Can, Direction::Out));
        all.push(match CanFrame::from_bytes(frame.bytes()) {
            Ok(classic) => classic.to_string(),
            Err(_) => CanFdFrame::from_bytes(frame.bytes()).unwrap().to_string(),
        });
        if frame.sender.is_some() {
            stack.frame_in(stack.net.now, interface, frame);
        }
    }
    all
}

/// What leaves, and what the clocks bring, for so many milliseconds.
fn until(stack: &mut Stack, millis: u64) -> Vec<String> {
    let end = stack.net.now + Duration::from_millis(millis);
    let mut all = Vec::new();
    loop {
        all.extend(leaves(stack));
        match stack.deadline() {
            Some(due) if due <= end => stack.tick(due),
            _ => break stack.at(end),
        }
    }
    all
}

/// Data of a message, different from place to place.
fn message(len: usize) -> Vec<u8> {
    (0..len).map(|n| n as u8).collect()
}

fn arrives(stack: &mut Stack, text: &str) {
    let mut frame = match text.parse::<CanFrame>() {
        Ok(classic) => Frame::copy_of(classic.as_bytes()),
        Err(_) => Frame::copy_of(text.parse::<CanFdFrame>().unwrap().as_bytes()),
    };
    (frame.time, frame.direction) = (stack.net.now, Direction::In);
    stack.frame_in(stack.net.now, BUS, frame);
}

fn send(stack: &mut Stack, id: SocketId, bytes: &[u8], to: Option<IfIndex>) -> Result<usize> {
    let how = SendTo { to: to.map(at), ..SendTo::default() };
    stack.send(id, &[IoSlice::new(bytes)], how)
}

fn say(stack: &mut Stack, id: SocketId, text: &str) {
    let frame: CanFrame = text.parse().unwrap();
    assert_eq!(send(stack, id, frame.as_bytes(), None).unwrap(), 16);
}

fn recv(stack: &mut Stack, id: SocketId) -> Result<(Vec<u8>, Received)> {
    let mut data = vec![0; 20_000];
    let received = stack.recv(id, &mut [IoSliceMut::new(&mut data)], 0)?;
    data.truncate(received.len);
    Ok((data, received))
}

fn heard(stack: &mut Stack, id: SocketId) -> Vec<String> {
    let frames = std::iter::from_fn(|| recv(stack, id).ok());
    frames.map(|(data, _)| CanFrame::from_bytes(&data).unwrap().to_string()).collect()
}

fn errno<T: std::fmt::Debug>(result: Result<T>) -> Errno {
    result.unwrap_err().errno()
}

fn set(stack: &mut Stack, id: SocketId, name: i32, value: i32) {
    stack.setsockopt(id, SOL_CAN_RAW, name, &value.to_ne_bytes()).unwrap();
}

fn filters(stack: &mut Stack, id: SocketId, texts: &[&str]) {
    let bytes: Vec<u8> =
        texts.iter().flat_map(|text| text.parse::<CanFilter>().unwrap().to_bytes()).collect();
    stack.setsockopt(id, SOL_CAN_RAW, CAN_RAW_FILTER, &bytes).unwrap();
}
