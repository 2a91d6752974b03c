//! How connections end that don't end well, against the kernel.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use sockatoo::socket::net::{TcpListener, TcpStream};
use sockatoo::socket::{
    AF_INET, IPPROTO_TCP, SO_ERROR, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, TCP_USER_TIMEOUT,
};
use sockatoo::{Errno, Host, Mac, Socket};

use crate::wire::{Ip, Wire, bounded, twins, wire};

/// A connection: ours, the kernel's.
fn pair(wire: &Wire, ip: Ip) -> (TcpStream, std::net::TcpStream) {
    let kernel = ip.kernel();
    let listener = wire.kernel.run(|| std::net::TcpListener::bind((kernel, 7000))).unwrap().unwrap();
    let ours = TcpStream::connect(&wire.host, (kernel, 7000)).unwrap();
    (ours, listener.accept().unwrap().0)
}

/// The station address of the kernel's side.
fn kernels_mac(wire: &Wire) -> Mac {
    let output = wire.kernel.command("ip").args(["-o", "link", "show", "tap0"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut words = text.split_whitespace().skip_while(|w| *w != "link/ether");
    words.nth(1).unwrap().parse().unwrap()
}

/// A host on the wire whose packets nobody answers: the kernel gets them, they are not for it, and it does not forward.
fn filtered(wire: &Wire, ip: Ip) -> std::net::IpAddr {
    let nobody = ip.number(77);
    let interface = wire.host.interfaces()[1].index;
    wire.host.set_neighbour(interface, nobody, Some(kernels_mac(wire))).unwrap();
    nobody
}

fn tcp(host: &Host, ip: Ip) -> Socket {
    host.socket(ip.family(), SOCK_STREAM, 0).unwrap()
}

twins! {
    fn half_close_by_us(ip) {
        bounded(30, wire(), move |wire| {
            let (mut ours, mut kernels) = pair(wire, ip);
            ours.write_all(b"question").unwrap();
            ours.shutdown(Shutdown::Write).unwrap();
            let mut text = String::new();
            kernels.read_to_string(&mut text).unwrap();
            assert_eq!(text, "question");
            kernels.write_all(b"answer").unwrap();
            drop(kernels);
            text.clear();
            ours.read_to_string(&mut text).unwrap();
            assert_eq!(text, "answer");
        });
    }

    fn half_close_by_the_kernel(ip) {
        bounded(30, wire(), move |wire| {
            let (mut ours, mut kernels) = pair(wire, ip);
            kernels.write_all(b"question").unwrap();
            kernels.shutdown(Shutdown::Write).unwrap();
            let mut text = String::new();
            ours.read_to_string(&mut text).unwrap();
            assert_eq!(text, "question");
            ours.write_all(b"answer").unwrap();
            drop(ours);
            text.clear();
            kernels.read_to_string(&mut text).unwrap();
            assert_eq!(text, "answer");
        });
    }

    fn our_close_with_unread_data_resets(ip) {
        bounded(30, wire(), move |wire| {
            let (ours, mut kernels) = pair(wire, ip);
            kernels.write_all(b"unread").unwrap();
            let mut first = [0; 1];
            ours.peek(&mut first).unwrap(); // it has arrived
            drop(ours);
            assert_eq!(kernels.read(&mut [0; 10]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        });
    }

    fn the_kernels_close_with_unread_data_resets(ip) {
        bounded(30, wire(), move |wire| {
            let (mut ours, kernels) = pair(wire, ip);
            ours.write_all(b"unread").unwrap();
            kernels.peek(&mut [0; 1]).unwrap();
            drop(kernels);
            assert_eq!(ours.read(&mut [0; 10]).unwrap_err().kind(), ErrorKind::ConnectionReset);
            assert_eq!(ours.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        });
    }

    fn refused_both_ways(ip) {
        bounded(30, wire(), move |wire| {
            let error = TcpStream::connect(&wire.host, (ip.kernel(), 7000)).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(Errno::ECONNREFUSED.0));
            let ours = ip.ours();
            let error = wire.kernel.run(|| std::net::TcpStream::connect((ours, 7000))).unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        });
    }

    fn filtered_times_out_by_the_user_timeout(ip) {
        bounded(60, wire(), move |wire| {
            let socket = tcp(&wire.host, ip);
            socket.setsockopt(IPPROTO_TCP, TCP_USER_TIMEOUT, 1500).unwrap();
            let start = Instant::now();
            let error = socket.connect((filtered(wire, ip), 7000)).unwrap_err();
            assert_eq!(error.errno(), Errno::ETIMEDOUT, "{error:?}");
            assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        });
    }

    fn an_established_connection_times_out(ip) {
        bounded(60, wire(), move |wire| {
            let (mut ours, _kernels) = pair(wire, ip);
            ours.as_socket().setsockopt(IPPROTO_TCP, TCP_USER_TIMEOUT, 1500).unwrap();
            // The kernel forgets its address, and drops what comes for it.
            filtered(wire, ip);
            let interface = wire.host.interfaces()[1].index;
            wire.host.set_neighbour(interface, ip.kernel(), Some(kernels_mac(wire))).unwrap();
            let address = format!("{}/{}", ip.kernel(), if ip.kernel().is_ipv4() { 24 } else { 64 });
            let gone = wire.kernel.command("ip").args(["addr", "del", &address, "dev", "tap0"]).status().unwrap();
            assert!(gone.success());
            ours.write_all(b"is anybody there?").unwrap();
            let error = ours.read(&mut [0; 10]).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(Errno::ETIMEDOUT.0), "{error:?}");
        });
    }

    fn a_dead_neighbour_is_unreachable(ip) {
        bounded(60, wire(), move |wire| {
            let error = TcpStream::connect(&wire.host, (ip.number(99), 7000)).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(Errno::EHOSTUNREACH.0), "{error:?}");
        });
    }

    fn a_tap_that_disappears(ip) {
        bounded(60, wire(), move |wire| {
            let (mut ours, _kernels) = pair(wire, ip);
            ours.as_socket().setsockopt(IPPROTO_TCP, TCP_USER_TIMEOUT, 1500).unwrap();
            wire.kernel.delete("tap0").unwrap();
            let _ = ours.write_all(b"into the void");
            let error = ours.read(&mut [0; 10]).unwrap_err();
            let number = error.raw_os_error().map(Errno);
            let fitting = [Errno::ETIMEDOUT, Errno::ENETDOWN, Errno::ENETUNREACH, Errno::EHOSTUNREACH];
            assert!(number.is_some_and(|n| fitting.contains(&n)), "{error:?}");
            // The host lives on.
            let listener = TcpListener::bind(&wire.host, ("127.0.0.1", 7000)).unwrap();
            TcpStream::connect(&wire.host, ("127.0.0.1", 7000)).unwrap();
            listener.accept().unwrap();
        });
    }

    fn our_ports_are_told_closed_while_the_listener_is_full(ip) {
        bounded(60, wire(), move |wire| {
            let socket = tcp(&wire.host, ip);
            socket.bind((ip.ours(), 7000)).unwrap();
            socket.listen(1).unwrap();
            // Backlog 1: two are admitted as Linux does; a third's SYN is dropped, not reset.
            let ours = ip.ours();
            let to = std::net::SocketAddr::from((ours, 7000));
            let first = wire.kernel.run(|| {
                [(); 2].map(|()| std::net::TcpStream::connect_timeout(&to, Duration::from_secs(5)).unwrap())
            });
            let third = wire.kernel.run(|| std::net::TcpStream::connect_timeout(&to, Duration::from_millis(300)));
            assert_eq!(third.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
            drop(first);
        });
    }
}

#[test]
fn a_link_that_goes_down_and_comes_back() {
    bounded(60, wire(), |wire| {
        let (mut ours, mut kernels) = pair(wire, Ip::V4);
        wire.kernel.set_down("tap0").unwrap();
        let socket = wire.host.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
        let _ = socket.sendto(b"lost", 0, (Ip::V4.kernel(), 9));
        wire.kernel.set_up("tap0").unwrap();
        ours.write_all(b"again").unwrap();
        let mut word = [0; 5];
        kernels.read_exact(&mut word).unwrap();
        assert_eq!(&word, b"again");
        assert_eq!(ours.as_socket().getsockopt(SOL_SOCKET, SO_ERROR).unwrap(), 0);
    });
}
