//! Many connections: at once, and one after the other; nothing stays behind.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use sockatoo::Host;
use sockatoo::socket::net::{TcpListener, TcpStream};

use crate::wire::{bounded, twins, wire, wire_with};

/// The process may hold some thousand descriptors (the kernel's sockets are).
fn many_descriptors() {
    let limit = libc::rlimit { rlim_cur: 65_536, rlim_max: 65_536 };
    // SAFETY: one rlimit, read by the call.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
}

/// Resident memory of this process, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Waits until no connection is left, TIME_WAIT included.
fn until_idle(host: &Host) {
    for _ in 0..500 {
        let census = host.census();
        if census.flows == 0 && census.half_open == 0 && census.time_wait == 0 {
            return;
        }
        host.sleep(Duration::from_millis(20)).unwrap();
    }
    panic!("left behind: {:?}", host.census());
}

const AT_ONCE: usize = 1000;

twins! {
    fn a_thousand_to_us(ip) {
        many_descriptors();
        bounded(120, wire(), move |wire| {
            let listener = TcpListener::bind(&wire.host, (ip.ours(), 7000)).unwrap();
            let server = std::thread::spawn(move || {
                let all: Vec<TcpStream> = (0..AT_ONCE).map(|_| listener.accept().unwrap().0).collect();
                for mut stream in &all {
                    let mut word = [0; 8];
                    stream.read_exact(&mut word).unwrap();
                    stream.write_all(&word).unwrap();
                }
                all
            });
            let ours = ip.ours();
            let clients = wire.kernel.run(|| {
                (0..AT_ONCE).map(|_| std::net::TcpStream::connect((ours, 7000)).unwrap()).collect::<Vec<_>>()
            });
            let clients = clients.unwrap();
            for (n, mut client) in clients.iter().enumerate().rev() {
                client.write_all(&(n as u64).to_be_bytes()).unwrap();
            }
            for (n, mut client) in clients.iter().enumerate() {
                let mut word = [0; 8];
                client.read_exact(&mut word).unwrap();
                assert_eq!(u64::from_be_bytes(word), n as u64);
            }
            let all = server.join().unwrap();
            assert!(wire.host.census().flows >= AT_ONCE);
            drop(clients);
            drop(all);
        });
    }

    fn a_thousand_from_us(ip) {
        many_descriptors();
        bounded(120, wire(), move |wire| {
            let kernel = ip.kernel();
            let listener = wire.kernel.run(|| std::net::TcpListener::bind((kernel, 7000))).unwrap().unwrap();
            let server = std::thread::spawn(move || {
                let all: Vec<_> = (0..AT_ONCE).map(|_| listener.accept().unwrap().0).collect();
                for mut stream in &all {
                    let mut word = [0; 8];
                    stream.read_exact(&mut word).unwrap();
                    stream.write_all(&word).unwrap();
                }
                all
            });
            let clients: Vec<TcpStream> =
                (0..AT_ONCE).map(|_| TcpStream::connect(&wire.host, (kernel, 7000)).unwrap()).collect();
            for (n, mut client) in clients.iter().enumerate() {
                client.write_all(&(n as u64).to_be_bytes()).unwrap();
            }
            for (n, mut client) in clients.iter().enumerate() {
                let mut word = [0; 8];
                client.read_exact(&mut word).unwrap();
                assert_eq!(u64::from_be_bytes(word), n as u64);
            }
            drop(server.join().unwrap());
        });
    }

    fn one_after_the_other(ip) {
        let rounds = 10_000; // of two connections each
        let short = wire_with(|host| host.time_wait(Duration::from_millis(50)));
        bounded(600, short, move |wire| {
            let listener = TcpListener::bind(&wire.host, (ip.ours(), 7000)).unwrap();
            let kernel_ip = ip.kernel();
            let far = wire.kernel.run(|| std::net::TcpListener::bind((kernel_ip, 7001))).unwrap().unwrap();
            let mut after_warming_up = 0;
            let idle = wire.host.census();
            for round in 0..rounds {
                // One of the kernel's to us, closed by us first; one of ours to the kernel, closed by us first.
                let ours = ip.ours();
                let mut client = wire.kernel.run(|| std::net::TcpStream::connect((ours, 7000))).unwrap().unwrap();
                let (server, _) = listener.accept().unwrap();
                (&server).write_all(b"hello").unwrap();
                drop(server);
                let mut text = String::new();
                client.read_to_string(&mut text).unwrap();
                assert_eq!(text, "hello");
                drop(client);

                let mut client = TcpStream::connect(&wire.host, (kernel_ip, 7001)).unwrap();
                let mut server = far.accept().unwrap().0;
                client.write_all(b"hello").unwrap();
                client.shutdown(Shutdown::Write).unwrap();
                let mut text = String::new();
                server.read_to_string(&mut text).unwrap();
                assert_eq!(text, "hello");
                drop(server);
                assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
                if round == rounds / 4 {
                    after_warming_up = resident();
                }
            }
            let grown = resident().saturating_sub(after_warming_up);
            assert!(grown < 16 * 1024, "memory grew by {grown} KiB");
            until_idle(&wire.host);
            assert_eq!(wire.host.census(), idle, "something stayed behind");
        });
    }
}
