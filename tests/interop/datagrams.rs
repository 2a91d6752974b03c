//! UDP and ping of all sizes, both ways, and their errors.

use std::io::ErrorKind;
use std::time::Duration;

use sockatoo::Errno;
use sockatoo::socket::net::UdpSocket;
use sockatoo::socket::{IPPROTO_ICMP, IPPROTO_ICMPV6, SOCK_DGRAM};

use crate::wire::{Ip, bounded, twins, wire};

fn datagram(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n * 7 + size) as u8).collect()
}

const SIZES: [usize; 9] = [0, 1, 1452, 1453, 1472, 1473, 9000, 65_000, 65_507];

fn ping(wire: &crate::wire::Wire, ip: Ip, size: &str) {
    let mut ping = wire.kernel.command("ping");
    ping.args(["-c", "2", "-i", "0.2", "-W", "5", "-s", size, &ip.ours().to_string()]);
    let output = ping.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("2 received"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

twins! {
    fn udp_of_all_sizes_to_the_kernel(ip) {
        bounded(60, wire(), move |wire| {
            let to = ip.kernel();
            let kernels = wire.kernel.run(|| std::net::UdpSocket::bind((to, 5000))).unwrap().unwrap();
            kernels.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let ours = UdpSocket::bind(&wire.host, (ip.ours(), 5001)).unwrap();
            for size in SIZES {
                assert_eq!(ours.send_to(&datagram(size), (to, 5000)).unwrap(), size);
                let mut buffer = vec![0; 70_000];
                let (n, from) = kernels.recv_from(&mut buffer).unwrap();
                assert_eq!(from, (ip.ours(), 5001).into());
                assert!(buffer[..n] == datagram(size), "{n} bytes of {size}");
            }
        });
    }

    fn udp_of_all_sizes_from_the_kernel(ip) {
        bounded(60, wire(), move |wire| {
            let from = ip.kernel();
            let kernels = wire.kernel.run(|| std::net::UdpSocket::bind((from, 5000))).unwrap().unwrap();
            let ours = UdpSocket::bind(&wire.host, (ip.ours(), 5001)).unwrap();
            ours.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            for size in SIZES {
                assert_eq!(kernels.send_to(&datagram(size), (ip.ours(), 5001)).unwrap(), size);
                let mut buffer = vec![0; 70_000];
                let (n, from) = ours.recv_from(&mut buffer).unwrap();
                assert_eq!(from, (ip.kernel(), 5000).into());
                assert!(buffer[..n] == datagram(size), "{n} bytes of {size}");
            }
        });
    }

    fn port_unreachable_both_ways(ip) {
        bounded(30, wire(), move |wire| {
            let ours = UdpSocket::bind(&wire.host, (ip.ours(), 5001)).unwrap();
            ours.connect((ip.kernel(), 5000)).unwrap();
            ours.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            ours.send(b"anybody?").unwrap();
            let error = ours.recv(&mut [0; 10]).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(Errno::ECONNREFUSED.0), "{error:?}");
            let from = ip.kernel();
            let kernels = wire.kernel.run(|| std::net::UdpSocket::bind((from, 5002))).unwrap().unwrap();
            kernels.connect((ip.ours(), 5003)).unwrap();
            kernels.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            kernels.send(b"anybody?").unwrap();
            assert_eq!(kernels.recv(&mut [0; 10]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        });
    }

    fn the_kernel_pings_us(ip) {
        bounded(60, wire(), move |wire| {
            for size in ["0", "56", "1472", "1473", "65507"] {
                ping(wire, ip, size);
            }
        });
    }

    fn we_ping_the_kernel(ip) {
        bounded(60, wire(), move |wire| {
            let (protocol, kind) = match ip {
                Ip::V4 => (IPPROTO_ICMP, 8),
                Ip::V6 => (IPPROTO_ICMPV6, 128),
            };
            let socket = wire.host.socket(ip.family(), SOCK_DGRAM, protocol).unwrap();
            socket.settimeout(Some(Duration::from_secs(5))).unwrap();
            for size in [0, 56, 1472, 1473, 65_507] {
                let request = [&[kind, 0, 0, 0, 0, 0, 0, 7][..], &datagram(size)].concat();
                assert_eq!(socket.sendto(&request, 0, (ip.kernel(), 0)).unwrap(), size + 8);
                let (reply, from) = socket.recvfrom(70_000, 0).unwrap();
                assert_eq!(from.inet().map(|a| a.ip()), Some(ip.kernel()));
                assert!(reply[8..] == datagram(size), "{} bytes of {size}", reply.len() - 8);
            }
        });
    }
}
