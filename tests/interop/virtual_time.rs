//! Two hosts of ours in virtual time: many bytes over a bad link, without waiting for it.

use std::net::Shutdown;

use sockatoo::socket::net::{TcpListener, TcpStream};
use sockatoo::{Instant, World};

use crate::wire::{drink, pour};

/// Sends `total` bytes over a cable that is `link`; gives when that was done. Nothing is lost, doubled or turned around.
fn transfer(seed: u64, link: &str, total: u64, addresses: [&str; 2]) -> Instant {
    let world = World::new(seed);
    let [a, b] = ["a", "b"].map(|name| world.host(name).build().unwrap());
    let networks = addresses.map(|ip| format!("{ip}/{}", if ip.contains(':') { 64 } else { 24 }));
    world.cable(&a, &b, link).unwrap().addresses(&networks[0], &networks[1]).unwrap();
    let to = (addresses[1].to_owned(), 9000);
    let from = to.clone();
    let sink = world.spawn(&b, move |host| {
        let listener = TcpListener::bind(&host, from).unwrap();
        drink(&mut listener.accept().unwrap().0)
    });
    let source = world.spawn(&a, move |host| {
        let mut stream = TcpStream::connect(&host, to).unwrap();
        let hash = pour(&mut stream, total);
        stream.shutdown(Shutdown::Write).unwrap();
        hash
    });
    let hash = source.join();
    assert_eq!(sink.join(), (total, hash));
    world.now()
}

const V4: [&str; 2] = ["192.0.2.1", "192.0.2.2"];
const V6: [&str; 2] = ["2001:db8::1", "2001:db8::2"];
const FAULTS: &str = "loss=1%,reorder=1%,duplicate=1%,delay=1ms";

#[test]
fn many_bytes_with_faults() {
    transfer(1, FAULTS, 1 << 30, V4);
}

#[test]
fn corruption_is_noticed() {
    transfer(2, "corrupt=1%,delay=1ms", 4 << 20, V4);
    transfer(2, "corrupt=1%,delay=1ms", 4 << 20, V6);
}

#[test]
fn the_same_seed_takes_the_same_time() {
    let [once, twice] = [(); 2].map(|()| transfer(3, FAULTS, 4 << 20, V6));
    assert_eq!(once, twice);
}
