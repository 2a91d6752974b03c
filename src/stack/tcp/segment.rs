//! A TCP segment's header as the flow table and the door need it (RFC 9293 3.1), and the few segments that we write ourselves.

use std::net::{IpAddr, SocketAddr};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpAddress, IpProtocol, IpRepr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};

use super::fast_open::{self, Cookie};
use crate::base::constants::IPPROTO_TCP;
use crate::base::{Frame, Pool};
use crate::wire::{checksum, transport_checksum};

pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const ACK: u8 = 16;
pub(super) const URG: u8 = 32;

/// Both ends of a connection, ours first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tuple {
    pub(crate) local: IpAddr,
    pub(crate) local_port: u16,
    pub(crate) remote: IpAddr,
    pub(crate) remote_port: u16,
}

impl Tuple {
    /// The addresses and ports as few whole words, for the hashes.
    pub(super) fn words(&self) -> [u64; 5] {
        let wide = |ip: IpAddr| match ip {
            IpAddr::V4(a) => (0, u64::from(a.to_bits())),
            IpAddr::V6(a) => ((a.to_bits() >> 64) as u64, a.to_bits() as u64),
        };
        let (l1, l0) = wide(self.local);
        let (r1, r0) = wide(self.remote);
        let family = u64::from(self.local.is_ipv6()) << 32;
        [l1, l0, r1, r0, family | u64::from(self.local_port) << 16 | u64::from(self.remote_port)]
    }

    /// Both ends as socket addresses, ours first.
    pub(super) fn ends(&self) -> (SocketAddr, SocketAddr) {
        (SocketAddr::new(self.local, self.local_port), SocketAddr::new(self.remote, self.remote_port))
    }

    /// Bytes of an IP header and a TCP header without options.
    pub(super) fn headers(&self) -> usize {
        if self.local.is_ipv4() { 40 } else { 60 }
    }
}

impl std::hash::Hash for Tuple {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.words().into_iter().for_each(|word| state.write_u64(word));
    }
}

/// RFC 9293 3.4: sequence numbers compare modulo 2^32.
pub(super) fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// The fixed part of a TCP header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    pub(super) window: u16,
    /// The urgent pointer.
    pub(super) urgent: u16,
    /// Bytes of the TCP header, options included.
    pub(super) header: usize,
    /// Bytes behind the header.
    pub(super) payload: usize,
}

impl Segment {
    /// `None` if it is too short or its data offset is impossible.
    pub(super) fn parse(tcp: &[u8]) -> Option<Self> {
        let head = tcp.first_chunk::<20>()?;
        let header = usize::from(head[12] >> 4) * 4;
        if header < 20 || header > tcp.len() {
            return None;
        }
        Some(Self {
            source_port: u16::from_be_bytes([head[0], head[1]]),
            destination_port: u16::from_be_bytes([head[2], head[3]]),
            seq: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            ack: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
            flags: head[13],
            window: u16::from_be_bytes([head[14], head[15]]),
            urgent: u16::from_be_bytes([head[18], head[19]]),
            header,
            payload: tcp.len() - header,
        })
    }

    /// Where TCP begins in an IP packet without extension headers; the packet's end if it is cut short.
    pub(super) fn offset(packet: &[u8]) -> usize {
        let offset = match packet.first() {
            Some(first) if first >> 4 == 4 => usize::from(first & 15) * 4,
            _ => 40,
        };
        offset.min(packet.len())
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// SEG.LEN: what it takes of the sequence space.
    pub(super) fn len(&self) -> u32 {
        self.payload as u32 + u32::from(self.has(SYN)) + u32::from(self.has(FIN))
    }

    /// The sequence number behind it.
    pub(super) fn end(&self) -> u32 {
        self.seq.wrapping_add(self.len())
    }
}

/// What a SYN's options say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SynOptions {
    pub(super) mss: Option<u16>,
    pub(super) scale: Option<u8>,
    pub(super) sack: bool,
    /// Fast Open's (RFC 7413).
    pub(super) cookie: Option<Cookie>,
}

impl SynOptions {
    /// Reads the options of `tcp` (a segment that [`Segment::parse`] took). Stops at what is malformed.
    pub(super) fn parse(tcp: &[u8], header: usize) -> Self {
        let mut found = Self::default();
        let mut rest = tcp.get(20..header).unwrap_or_default();
        while let [kind, tail @ ..] = rest {
            rest = match kind {
                0 => break,
                1 => tail,
                _ => {
                    let len = usize::from(tail.first().copied().unwrap_or(0));
                    let Some(value) = rest.get(2..len) else { break };
                    match (kind, value) {
                        (2, [a, b]) => found.mss = Some(u16::from_be_bytes([*a, *b])),
                        // RFC 7323 2.3: a shift count above 14 is taken as 14.
                        (3, [shift]) => found.scale = Some((*shift).min(14)),
                        (4, []) => found.sack = true,
                        (&fast_open::KIND, cookie) => found.cookie = Cookie::new(cookie),
                        _ => {}
                    }
                    &rest[len..]
                }
            };
        }
        found
    }
}

/// True if the checksum of `tcp` is right.
pub(super) fn checksum_ok(tcp: &[u8], source: IpAddr, destination: IpAddr) -> bool {
    transport_checksum(source, destination, IPPROTO_TCP as u8, tcp) == 0
}

/// The one flag that a [`Bare`] segment may have beside ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    None,
    Fin,
    Rst,
}

/// A segment without data that we write ourselves: challenge ACKs, keepalive probes, TIME_WAIT's answers, resets, a FIN again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bare {
    pub(super) seq: u32,
    /// With it, the ACK flag.
    pub(super) ack: Option<u32>,
    pub(super) window: u16,
    pub(super) flag: Flag,
}

impl Bare {
    /// As a packet from `tuple.local` to `tuple.remote`.
    pub(super) fn frame(self, tuple: &Tuple, ttl: u8, pool: &Pool) -> Frame {
        self.write(&[], tuple.ends(), ttl, pool)
    }

    /// As a packet that seems to come from `tuple.remote`: what the door tells the engine.
    pub(super) fn as_if_from_remote(self, tuple: &Tuple, pool: &Pool) -> Frame {
        self.as_if_from_remote_with(tuple, &[], pool)
    }

    /// The same with data.
    pub(super) fn as_if_from_remote_with(self, tuple: &Tuple, payload: &[u8], pool: &Pool) -> Frame {
        let (local, remote) = tuple.ends();
        self.write(payload, (remote, local), 64, pool)
    }

    fn write(
        self,
        payload: &[u8],
        (source, destination): (SocketAddr, SocketAddr),
        ttl: u8,
        pool: &Pool,
    ) -> Frame {
        let tcp = TcpRepr {
            src_port: source.port(),
            dst_port: destination.port(),
            control: match self.flag {
                Flag::None => TcpControl::None,
                Flag::Fin => TcpControl::Fin,
                Flag::Rst => TcpControl::Rst,
            },
            seq_number: TcpSeqNumber(self.seq as i32),
            ack_number: self.ack.map(|ack| TcpSeqNumber(ack as i32)),
            window_len: self.window,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload,
        };
        let (source, destination): (IpAddress, IpAddress) = (source.ip().into(), destination.ip().into());
        let ip = IpRepr::new(source, destination, IpProtocol::Tcp, tcp.buffer_len(), ttl.max(1));
        let mut frame = pool.frame(ip.buffer_len());
        let caps = ChecksumCapabilities::default();
        ip.emit(&mut *frame.bytes_mut(), &caps);
        let body = &mut frame.bytes_mut()[ip.header_len()..];
        tcp.emit(&mut TcpPacket::new_unchecked(body), &source, &destination, &caps);
        frame
    }
}

/// A TCP header without options, and the largest one.
const FIXED: usize = 20;
const LARGEST: usize = 60;

/// Makes room for so many bytes of options (whole words) in a packet that the engine has made, before the other options: those may
/// end with the list's end. Where there is no room for both, the others go. Gives where TCP begins. Its checksum is to be computed.
pub(super) fn make_room(frame: &mut Frame, room: usize) -> Option<usize> {
    let offset = Segment::offset(frame.bytes());
    let segment = frame.bytes().get(offset..).and_then(Segment::parse)?;
    let kept = if segment.header + room > LARGEST { FIXED } else { segment.header };
    let (old, new) = (offset + FIXED + segment.header - kept, offset + FIXED + room);
    let len = frame.len();
    let whole = len - old + new;
    frame.resize(whole.max(len));
    frame.bytes_mut().copy_within(old..len, new);
    frame.truncate(whole);
    let packet = frame.bytes_mut();
    if packet[0] >> 4 == 4 {
        packet[2..4].copy_from_slice(&(whole as u16).to_be_bytes());
        packet[10..12].fill(0);
        let sum = checksum(&packet[..offset]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    } else {
        packet[4..6].copy_from_slice(&((whole - offset) as u16).to_be_bytes());
    }
    packet[offset + 12] = (((kept + room) / 4) << 4) as u8 | packet[offset + 12] & 15;
    Some(offset)
}

/// Writes the type of service into a packet that the engine has made (it always writes 0).
pub(super) fn set_tos(packet: &mut [u8], tos: u8) {
    match packet {
        [version, byte, rest @ ..] if *version >> 4 == 4 && rest.len() >= 18 => {
            *byte = tos;
            rest[8..10].fill(0);
            let sum = checksum(&packet[..20]);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        [version, byte, ..] if *version >> 4 == 6 => {
            *version = 0x60 | tos >> 4;
            *byte = tos << 4 | *byte & 15;
        }
        _ => {}
    }
}

/// Changes the TCP header of a packet that the engine has made, and computes its checksum again.
pub(super) fn edit(packet: &mut [u8], tuple: &Tuple, change: impl FnOnce(&mut [u8; 20])) {
    let Some(tcp) = packet.get_mut(Segment::offset(packet)..) else { return };
    let Some(head) = tcp.first_chunk_mut::<20>() else { return };
    change(head);
    head[16..18].fill(0);
    let sum = transport_checksum(tuple.local, tuple.remote, IPPROTO_TCP as u8, tcp);
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
}

/// Overwrites acknowledgement number and window of a segment whose checksum nobody looks at any more.
pub(super) fn set_ack(tcp: &mut [u8], ack: u32, window: u16) {
    if let Some(head) = tcp.first_chunk_mut::<20>() {
        head[8..12].copy_from_slice(&ack.to_be_bytes());
        head[14..16].copy_from_slice(&window.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_segment_is_what_it_says() {
        for (local, remote) in [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")] {
            let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
            let tuple = Tuple { local, local_port: 80, remote, remote_port: 4000 };
            let bare = Bare { seq: 7, ack: Some(u32::MAX), window: 9, flag: Flag::Rst };
            let mut frame = bare.frame(&tuple, 64, &Pool::new());
            set_tos(frame.bytes_mut(), 0xb8);
            let tcp = &frame.bytes()[Segment::offset(frame.bytes())..];
            let segment = Segment::parse(tcp).unwrap();
            assert_eq!((segment.source_port, segment.destination_port, segment.seq), (80, 4000, 7));
            assert_eq!((segment.ack, segment.flags, segment.window), (u32::MAX, RST | ACK, 9));
            assert!(checksum_ok(tcp, local, remote));
            if local.is_ipv4() {
                assert_eq!(checksum(&frame.bytes()[..20]), 0);
            }
        }
    }

    #[test]
    fn options_are_read_and_nonsense_is_survived() {
        let mut tcp = vec![0; 20];
        tcp.extend([2, 4, 5, 180, 1, 3, 3, 200, 4, 2, 99, 0, 1]);
        let found = SynOptions::parse(&tcp, tcp.len());
        assert_eq!(found, SynOptions { mss: Some(1460), scale: Some(14), sack: true, cookie: None });
        assert_eq!(SynOptions::parse(&[0; 10], 60), SynOptions::default());
        assert_eq!(SynOptions::parse(&[2; 22], 22), SynOptions::default());
    }
}
