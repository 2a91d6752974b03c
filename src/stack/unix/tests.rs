//! What can't be compared with the kernel's: limits, and what is left when all is closed.

use std::io::{IoSlice, IoSliceMut};

use crate::base::constants::{AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM};
use crate::base::{ControlMessage, Errno, Result, SocketId, UnixAddr};
use crate::stack::{Config, SendTo, Stack};

fn pass(stack: &mut Stack, by: SocketId, sockets: &[SocketId]) -> Result<usize> {
    let control = [ControlMessage::Rights(sockets.to_vec())];
    stack.send(by, &[IoSlice::new(b"x")], SendTo { control: &control, ..SendTo::default() })
}

#[test]
fn sockets_that_carry_each_other_end_with_their_last_handle() {
    let mut stack = Stack::new(Config::default());
    let (a, b) = stack.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
    let (c, d) = stack.socketpair(AF_UNIX, SOCK_DGRAM, 0).unwrap();
    let tcp = stack.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    // a's queue carries c, d's queue carries b, and a itself.
    pass(&mut stack, b, &[c, tcp]).unwrap();
    pass(&mut stack, c, &[b, a]).unwrap();
    pass(&mut stack, b, &[a]).unwrap();
    for id in [tcp, a, b, c] {
        stack.close(id).unwrap();
    }
    // d can still be read, and with it all.
    assert_eq!(stack.census().sockets, 5);
    stack.close(d).unwrap();
    assert_eq!((stack.census().sockets, stack.unix.in_flight), (0, 0));
}

#[test]
fn what_is_received_is_one_more_handle() {
    let mut stack = Stack::new(Config::default());
    let (a, b) = stack.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
    let udp = stack.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    pass(&mut stack, a, &[udp, udp]).unwrap();
    let received = stack.recv(b, &mut [IoSliceMut::new(&mut [0; 9])], 0).unwrap();
    assert_eq!(received.control, [ControlMessage::Rights(vec![udp, udp])]);
    for _ in 0..2 {
        stack.close(udp).unwrap();
        assert!(stack.getsockname(udp).is_ok());
    }
    stack.close(udp).unwrap();
    assert_eq!(stack.close(udp).unwrap_err().errno(), Errno::EBADF);
}

#[test]
fn sockets_under_way_are_limited() {
    let mut stack = Stack::new(Config::default());
    let (a, b) = stack.socketpair(AF_UNIX, SOCK_DGRAM, 0).unwrap();
    assert_eq!(pass(&mut stack, a, &[b; 254]).unwrap_err().errno(), Errno::EINVAL);
    for _ in 0..4 {
        pass(&mut stack, a, &[b; 253]).unwrap();
    }
    assert_eq!(pass(&mut stack, a, &[b; 13]).unwrap_err().errno(), Errno::ETOOMANYREFS);
    pass(&mut stack, a, &[b; 12]).unwrap();
    stack.close(a).unwrap();
    stack.close(b).unwrap();
    assert_eq!((stack.census().sockets, stack.unix.in_flight), (0, 0));
}

#[test]
fn a_listener_takes_those_along_that_nobody_accepted() {
    let mut stack = Stack::new(Config::default());
    let name = UnixAddr::from_pathname("/server").unwrap().into();
    let server = stack.socket(AF_UNIX, SOCK_STREAM, 0).unwrap();
    stack.bind(server, name).unwrap();
    stack.listen(server, 5).unwrap();
    let client = stack.socket(AF_UNIX, SOCK_STREAM, 0).unwrap();
    stack.connect(client, name).unwrap();
    assert_eq!(stack.census().sockets, 3);
    // The server is under way to itself.
    pass(&mut stack, client, &[server]).unwrap();
    stack.close(server).unwrap();
    assert_eq!((stack.census().sockets, stack.unix.in_flight), (1, 0));
    let error = stack.recv(client, &mut [IoSliceMut::new(&mut [0; 9])], 0).unwrap_err();
    assert_eq!(error.errno(), Errno::ECONNRESET);
    // The name is free again.
    let other = stack.socket(AF_UNIX, SOCK_STREAM, 0).unwrap();
    stack.bind(other, name).unwrap();
}
