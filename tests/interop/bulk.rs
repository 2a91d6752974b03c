//! Many bytes: what goes in comes out.

use std::net::{IpAddr, Shutdown};
use std::time::Instant;

use sockatoo::device::Packet;
use sockatoo::socket::net::{TcpListener, TcpStream};
use sockatoo::{Host, Mac};

use crate::wire::{Ip, Wire, bounded, drink, full, netns, pour, twins, wire, wire_with};

const MIB: u64 = 1 << 20;

/// From us to the kernel.
fn upload(wire: &Wire, ip: IpAddr, total: u64) {
    let listener = wire.kernel.run(|| std::net::TcpListener::bind((ip, 9000))).unwrap().unwrap();
    let sink = std::thread::spawn(move || drink(&mut listener.accept().unwrap().0));
    let start = Instant::now();
    let mut stream = TcpStream::connect(&wire.host, (ip, 9000)).unwrap();
    let hash = pour(&mut stream, total);
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(sink.join().unwrap(), (total, hash));
    told("up", total, start);
}

/// From the kernel to us.
fn download(wire: &Wire, ip: IpAddr, total: u64) {
    let listener = wire.kernel.run(|| std::net::TcpListener::bind((ip, 9001))).unwrap().unwrap();
    let source = std::thread::spawn(move || pour(&mut listener.accept().unwrap().0, total));
    let start = Instant::now();
    let mut stream = TcpStream::connect(&wire.host, (ip, 9001)).unwrap();
    let (came, hash) = drink(&mut stream);
    assert_eq!((came, hash), (total, source.join().unwrap()));
    told("down", total, start);
}

fn told(way: &str, total: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    eprintln!("{way}: {} MiB in {seconds:.2} s, {:.0} Mbit/s", total / MIB, total as f64 * 8e-6 / seconds);
}

/// Both directions of one connection at once: the kernel sends back what comes.
fn both_ways(wire: &Wire, ip: IpAddr, total: u64) {
    let listener = TcpListener::bind(&wire.host, (ip, 9002)).unwrap();
    let echo = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::copy(&mut stream.try_clone().unwrap(), &mut stream).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
    });
    let stream = wire.kernel.run(|| std::net::TcpStream::connect((ip, 9002))).unwrap().unwrap();
    let mut writer = stream.try_clone().unwrap();
    let source = std::thread::spawn(move || {
        let hash = pour(&mut writer, total);
        writer.shutdown(Shutdown::Write).unwrap();
        hash
    });
    let mut reader = stream;
    let (came, hash) = drink(&mut reader);
    assert_eq!((came, hash), (total, source.join().unwrap()));
    echo.join().unwrap();
}

twins! {
    fn clean(ip) {
        bounded(300, wire(), move |wire| {
            upload(wire, ip.kernel(), 1024 * MIB);
            download(wire, ip.kernel(), 1024 * MIB);
        });
    }

    fn an_echo(ip) {
        bounded(120, wire(), move |wire| both_ways(wire, ip.ours(), 16 * MIB));
    }

    fn with_loss_reordering_and_duplicates(ip) {
        let faulty = wire_with(|host| host.link("loss=1%,reorder=1%,duplicate=1%,seed=1").unwrap());
        let total = if full() { 1024 * MIB } else { 32 * MIB };
        bounded(600, faulty, move |wire| {
            upload(wire, ip.kernel(), total);
            download(wire, ip.kernel(), total);
        });
    }

    /// A veth peer leaves checksums and segments to a card that isn't there.
    fn from_a_veth_with_offloads(ip) {
        let Some(kernel) = netns() else { return };
        let Some(other) = netns() else { return };
        kernel.veth("veth0", &other, "veth1").unwrap();
        kernel.add_address("veth0", "192.0.2.1/24").unwrap();
        kernel.add_address("veth0", "2001:db8::1/64").unwrap();
        let device = other.run(|| Packet::open("veth1")).unwrap().unwrap();
        let device = device.with_mac(Mac([2, 0, 0, 0, 9, 9])).unwrap();
        let host = Host::builder().device(device).address("192.0.2.2/24").unwrap();
        let host = host.address("2001:db8::2/64").unwrap().dad_transmits(0).build().unwrap();
        bounded(300, Some(Wire { kernel, host }), move |wire| {
            download(wire, ip.kernel(), 100 * MIB);
            upload(wire, ip.kernel(), 100 * MIB);
            drop(other); // alive until here
        });
    }
}

#[test]
fn a_path_with_a_delay() {
    let slow = wire_with(|host| host.link("delay=10ms").unwrap());
    bounded(120, slow, |wire| {
        upload(wire, Ip::V4.kernel(), 4 * MIB);
        download(wire, Ip::V4.kernel(), 4 * MIB);
    });
}
