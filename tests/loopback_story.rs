//! A beginner's first two programs talk over 127.0.0.1, and want to see it: `lo` is recorded and impaired like any wire.
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use sockatoo::Host;
use sockatoo::base::Reason;
use sockatoo::socket::{AF_INET, SOCK_DGRAM, Server};
use sockatoo::trace::{Ladder, Recording};

#[test]
fn two_programs_on_one_host_are_seen_once_each_way() {
    let recording = Recording::default();
    let host = Host::builder().seed(1).record(recording.clone()).build().unwrap();
    let server = host.create_server(("127.0.0.1", 8088), Server::default()).unwrap();
    let client = host.create_connection(("127.0.0.1", 8088), None, None).unwrap();
    client.sendall(b"hello, server", 0).unwrap();
    let (connection, _) = server.accept().unwrap();
    assert_eq!(connection.recv(1024, 0).unwrap(), b"hello, server");
    connection.sendall(b"hello, client", 0).unwrap();
    assert_eq!(client.recv(1024, 0).unwrap(), b"hello, client");
    let story = Ladder::of(&recording.frames()).to_string();
    assert_eq!(story.matches("13 bytes").count(), 2, "{story}");
    assert_eq!(story.matches("SYN").count(), 2, "{story}");
}

#[test]
fn an_impaired_loopback_is_one_bad_wire_not_two() {
    let host = Host::builder().seed(1).link("delay=50ms").unwrap().build().unwrap();
    let receiver = host.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    receiver.bind(("127.0.0.1", 7000)).unwrap();
    let sender = host.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    let start = host.now();
    sender.sendto(b"late", 0, ("127.0.0.1", 7000)).unwrap();
    assert_eq!(receiver.recv(16, 0).unwrap(), b"late");
    let took = host.now().since(start);
    assert!(took >= Duration::from_millis(50), "{took:?}");

    let host = Host::builder().seed(1).link("loss=100%").unwrap().build().unwrap();
    let sender = host.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    sender.sendto(b"lost", 0, ("127.0.0.1", 7000)).unwrap();
    assert_eq!(host.count(Reason::ImpairLost), 1);
}
