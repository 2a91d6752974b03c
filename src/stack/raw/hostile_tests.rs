//! A forwarding host whose raw and packet sockets are open to hostile frames, and read or not: no panic, bounded memory, and what a
//! queue has no room for is counted.

use std::io::IoSliceMut;

use crate::base::constants::*;
use crate::base::{Frame, IfIndex, Instant, Mac, Reason, SocketId};
use crate::stack::{Config, InterfaceConfig, Stack};
use crate::wire::checksum;

const WIRE: IfIndex = IfIndex(2);
const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);
/// What a socket may hold (SO_RCVBUF is doubled), and the datagram that may go over it.
const ROOM: usize = 2 * 20_000 + 70_000;

/// A router between two wires.
fn router() -> Stack {
    let mut stack =
        Stack::new(Config { forward: true, forward6: true, dad_transmits: 0, ..Config::default() });
    for (name, v4, v6) in
        [("eth0", "192.0.2.1/24", "2001:db8::1/64"), ("eth1", "198.51.100.1/24", "2001:db8:1::1/64")]
    {
        let addresses = [v4, v6].map(|address| address.parse().unwrap()).to_vec();
        let config = InterfaceConfig {
            link: crate::base::LinkType::Ethernet,
            name: name.into(),
            mac: OWN,
            mtu: 1500,
            addresses,
            ipv6: true,
        };
        stack.net.add_interface(config).unwrap();
    }
    stack
}

/// Sockets that hear all there is: half of them is never read.
fn sockets(stack: &mut Stack) -> Vec<SocketId> {
    let all = i32::from(ETH_P_ALL.to_be());
    let kinds = [
        (AF_PACKET, SOCK_RAW, all),
        (AF_PACKET, SOCK_DGRAM, all),
        (AF_INET, SOCK_RAW, IPPROTO_IP),
        (AF_INET, SOCK_RAW, IPPROTO_ICMP),
        (AF_INET, SOCK_RAW, IPPROTO_UDP),
        (AF_INET, SOCK_RAW, IPPROTO_TCP),
        (AF_INET, SOCK_RAW, 253),
        (AF_INET6, SOCK_RAW, IPPROTO_ICMPV6),
        (AF_INET6, SOCK_RAW, IPPROTO_UDP),
        (AF_INET6, SOCK_RAW, 253),
    ];
    let ids: Vec<_> = kinds
        .iter()
        .cycle()
        .take(2 * kinds.len())
        .map(|&(domain, kind, protocol)| stack.socket(domain, kind, protocol).unwrap())
        .collect();
    let on = |value: i32| value.to_ne_bytes();
    for &id in &ids {
        stack.setsockopt(id, SOL_SOCKET, SO_RCVBUF, &on(20_000)).unwrap();
        for (level, name) in [
            (SOL_IP, IP_RECVOPTS),
            (SOL_IP, IP_RETOPTS),
            (SOL_IP, IP_PKTINFO),
            (SOL_IP, IP_CSUM_BAD),
            (SOL_IPV6, IPV6_RECVPKTINFO),
            (SOL_PACKET, PACKET_AUXDATA),
        ] {
            // Not every kind has every one.
            let _ = stack.setsockopt(id, level, name, &on(1));
        }
    }
    // packet(7): struct packet_mreq, PACKET_MR_PROMISC
    let request = [&WIRE.0.to_ne_bytes()[..], &1_u16.to_ne_bytes(), &[0; 10]].concat();
    stack.setsockopt(ids[0], SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request).unwrap();
    ids
}

/// xorshift64*
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n.max(1)
    }

    /// A frame that was right before it was changed.
    fn frame(&mut self) -> Vec<u8> {
        let to = [OWN.0, [0xff; 6], [2, 0, 0, 0, 0, 9], [0x33, 0x33, 0, 0, 0, 1]][self.below(8).min(3) % 4];
        let mut frame = [&to[..], &[2, 0, 0, 0, 0, 2]].concat();
        let protocol = [1, 2, 6, 17, 44, 58, 253, 0][self.below(8)];
        let data: Vec<u8> = (0..self.below(600)).map(|_| self.below(256) as u8).collect();
        if self.below(3) > 0 {
            let options = [
                &[][..],
                &[7, 7, 4, 0, 0, 0, 0, 0],
                &[68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0],
                &[148, 4, 0, 0],
            ][self.below(4)];
            let mut header = vec![
                0x45 + (options.len() / 4) as u8,
                0,
                0,
                0,
                0,
                self.below(4) as u8,
                0,
                0,
                1 + self.below(3) as u8,
                protocol,
                0,
                0,
            ];
            if self.below(3) == 0 {
                (header[6], header[7]) = ((self.below(2) * 0x20) as u8, self.below(8) as u8);
            }
            header.extend([192, 0, 2, 2]);
            header.extend([[192, 0, 2, 1], [198, 51, 100, 7], [203, 0, 113, 1], [255; 4]][self.below(4)]);
            header.extend(options);
            self.change(&mut header);
            let total = ((header.len() + data.len()) as u16).to_be_bytes();
            if let Some(length) = header.get_mut(2..4) {
                length.copy_from_slice(&total);
            }
            if let Some(field) = header.get_mut(10..12) {
                field.fill(0);
                let sum = checksum(&header).to_be_bytes();
                header[10..12].copy_from_slice(&sum);
            }
            frame.extend([8, 0]);
            frame.extend(header);
        } else {
            let [high, low] = (data.len() as u16).to_be_bytes();
            let mut header = vec![0x60, 0, 0, 0, high, low, protocol, 2];
            header.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
            header.extend([0x20, 1, 0x0d, 0xb8, 0, self.below(2) as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
            self.change(&mut header);
            frame.extend([0x86, 0xdd]);
            frame.extend(header);
        }
        frame.extend(data);
        if self.below(4) == 0 {
            self.change(&mut frame);
        }
        frame
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.below(3) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.below(256) as u8),
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = self.below(256) as u8;
                    }
                }
            }
        }
    }
}

#[test]
fn hostile_frames_are_survived_and_counted() {
    let mut stack = router();
    let ids = sockets(&mut stack);
    let (read, unread) = ids.split_at(ids.len() / 2);
    let mut draw = Draw(0x5eed);
    let (mut data, mut heard, mut now) = (vec![0; 2048], 0, Instant::from_secs(1));
    for n in 0..60_000_u64 {
        if n % 16 == 0 {
            now = Instant::from_secs(1 + n / 160);
            stack.tick(now);
        }
        stack.frame_in(now, WIRE, Frame::copy_of(&draw.frame()));
        while let Some((interface, frame)) = stack.frame_out() {
            if interface == IfIndex::LO {
                stack.frame_in(now, interface, frame);
            }
        }
        for &id in read {
            while stack.recv(id, &mut [IoSliceMut::new(&mut data)], MSG_DONTWAIT | MSG_TRUNC).is_ok() {
                heard += 1;
            }
        }
        for &id in &ids {
            let memory = stack.getsockopt(id, SOL_SOCKET, SO_MEMINFO, 36).unwrap();
            let word = |at: usize| u32::from_ne_bytes(memory[at..at + 4].try_into().unwrap()) as usize;
            assert!(word(0) <= ROOM, "{id:?} holds {} bytes", word(0));
        }
    }
    let dropped = |id: SocketId, stack: &mut Stack| {
        let of_raw = stack.getsockopt(id, SOL_SOCKET, SO_MEMINFO, 36).map(|memory| memory[32..].to_vec());
        let of_packet = stack.getsockopt(id, SOL_PACKET, PACKET_STATISTICS, 8).map(|told| told[4..].to_vec());
        u64::from(u32::from_ne_bytes(of_packet.or(of_raw).unwrap().try_into().unwrap()))
    };
    let of_raw: u64 = unread[2..].iter().map(|id| dropped(*id, &mut stack)).sum();
    assert!(heard > 100_000, "{heard}");
    // Of ICMPv6 nothing gets by whose checksum is wrong.
    let each: Vec<_> = unread.iter().map(|id| dropped(*id, &mut stack)).collect();
    assert!(each.iter().enumerate().all(|(n, drops)| *drops > 0 || n == 7), "{each:?}");
    assert!(stack.net.log.count(Reason::ReceiveQueueFull) >= of_raw && of_raw > 0);
    assert!(stack.net.log.count(Reason::IpTtlExpired) > 100, "some were forwarded, and died");
    assert!(stack.net.log.count(Reason::IpOption) > 10);
}
