//! What a kernel leaves undone in frames that never saw a wire: it trusts the "hardware" to fill in checksums and to cut
//! super-frames to the wire's size. A virtio-net header in front says what is missing; here it is done.

use crate::base::{Checksum, Frame, Pool};
use crate::wire::checksum;
use crate::wire::checksum::{Sum, nonzero};

/// struct virtio_net_hdr (virtio 1.2, 5.1.6), in the byte order of the machine, as AF_PACKET gives it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offload {
    flags: u8,
    gso_type: u8,
    gso_size: u16,
    checksum_start: u16,
    checksum_offset: u16,
}

const NEEDS_CHECKSUM: u8 = 1;
const DATA_VALID: u8 = 2;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5;
/// A bit beside the type: segments of a flow with ECN.
const GSO_ECN: u8 = 0x80;
/// As Linux's TCP_MIN_GSO_SIZE: less would make thousands of frames of one.
const MIN_GSO_SIZE: usize = 8;

impl Offload {
    /// `None` if there are fewer bytes than a header has.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let &[flags, gso_type, _, _, a, b, c, d, e, f, ..] = bytes else { return None };
        let [gso_size, checksum_start, checksum_offset] = [[a, b], [c, d], [e, f]].map(u16::from_ne_bytes);
        Some(Self { flags, gso_type, gso_size, checksum_start, checksum_offset })
    }

    /// True if the frame has to be cut: see [`SuperFrame`].
    pub(super) const fn is_super(self) -> bool {
        self.gso_type & !GSO_ECN != GSO_NONE
    }

    /// Completes the checksum of a frame that is not to be cut, and says what is known of it now; `None` if the header points
    /// outside the frame.
    pub(super) fn complete(self, frame: &mut [u8]) -> Option<Checksum> {
        if self.flags & NEEDS_CHECKSUM == 0 {
            return Some(if self.flags & DATA_VALID != 0 { Checksum::Valid } else { Checksum::Unverified });
        }
        // virtio 1.2, 5.1.6.2: the sum from csum_start to the frame's end goes to csum_offset behind csum_start; the pseudo
        // header's sum stands there already.
        let covered = frame.get_mut(usize::from(self.checksum_start)..)?;
        let at = usize::from(self.checksum_offset);
        let sum = nonzero(checksum(covered));
        covered.get_mut(at..at + 2)?.copy_from_slice(&sum.to_be_bytes());
        Some(Checksum::Valid)
    }
}

/// A TCP or UDP packet longer than the wire takes, being cut into the segments that a wire would have carried.
#[derive(Debug)]
pub(super) struct SuperFrame {
    /// Where the IP header begins, the transport header, and the payload.
    ip: usize,
    transport: usize,
    payload: usize,
    /// Where the payload ends; padding behind it is none.
    end: usize,
    size: usize,
    /// Where the next segment's payload begins.
    next: usize,
    is_tcp: bool,
    is_v4: bool,
}

impl SuperFrame {
    /// Finds the headers; `None` if they are not those that the virtio-net header announces, or not whole.
    pub(super) fn parse(offload: Offload, frame: &[u8]) -> Option<Self> {
        let (is_v4, is_tcp) = match (offload.gso_type & !GSO_ECN, frame.get(12..14)?) {
            (GSO_TCPV4, [0x08, 0x00]) => (true, true),
            (GSO_TCPV6, [0x86, 0xdd]) => (false, true),
            (GSO_UDP_L4, [0x08, 0x00]) => (true, false),
            (GSO_UDP_L4, [0x86, 0xdd]) => (false, false),
            _ => return None,
        };
        let ip = 14;
        let header = frame.get(ip..)?;
        let (transport, end) = if is_v4 {
            let length = usize::from(header.first()? & 0x0f) * 4;
            let total = usize::from(u16::from_be_bytes(header.get(2..4)?.try_into().ok()?));
            (ip + length.max(20), ip + total)
        } else {
            // Behind extension headers only the kernel knows where the transport header is.
            let told = usize::from(offload.checksum_start);
            let transport = if offload.flags & NEEDS_CHECKSUM != 0 { told.max(ip + 40) } else { ip + 40 };
            let length = usize::from(u16::from_be_bytes(header.get(4..6)?.try_into().ok()?));
            (transport, ip + 40 + length)
        };
        // A super-frame of more than 65,535 bytes says 0 in its header.
        let end = if end <= transport { frame.len() } else { end.min(frame.len()) };
        let payload = if is_tcp {
            transport + usize::from(frame.get(transport + 12)? >> 4).max(5) * 4
        } else {
            transport + 8
        };
        let size = usize::from(offload.gso_size);
        (size >= MIN_GSO_SIZE && payload < end).then_some(Self {
            ip,
            transport,
            payload,
            end,
            size,
            next: payload,
            is_tcp,
            is_v4,
        })
    }

    /// The next segment as a frame of its own, its checksums complete; `None` at the end. `whole` is the frame that was parsed.
    pub(super) fn segment(&mut self, whole: &[u8], pool: &Pool) -> Option<Frame> {
        if self.next >= self.end {
            return None;
        }
        let head = whole.get(..self.payload)?;
        let to = (self.next + self.size).min(self.end);
        let data = whole.get(self.next..to)?;
        let mut frame = pool.frame(head.len() + data.len());
        let bytes = frame.bytes_mut();
        bytes[..head.len()].copy_from_slice(head);
        bytes[head.len()..].copy_from_slice(data);
        let offset = self.next - self.payload;
        let is_last = to == self.end;
        self.next = to;

        let (link, transport) = bytes.split_at_mut(self.transport);
        let header = &mut link[self.ip..];
        self.fix_ip(header, transport.len(), offset / self.size);
        if self.is_tcp {
            fix_tcp(transport, offset, is_last);
        } else {
            let length = transport.len() as u16;
            transport[4..6].copy_from_slice(&length.to_be_bytes());
        }
        let at = if self.is_tcp { 16 } else { 6 };
        transport[at..at + 2].fill(0);
        let sum = self.pseudo_header(header, transport.len()).with(transport).finish();
        transport[at..at + 2].copy_from_slice(&nonzero(sum).to_be_bytes());
        frame.checksum = Checksum::Valid;
        Some(frame)
    }

    fn fix_ip(&self, header: &mut [u8], transport_len: usize, number: usize) {
        if !self.is_v4 {
            let length = (header.len() - 40 + transport_len) as u16;
            header[4..6].copy_from_slice(&length.to_be_bytes());
            return;
        }
        let total = (header.len() + transport_len) as u16;
        header[2..4].copy_from_slice(&total.to_be_bytes());
        // As Linux's inet_gso_segment: each segment has the next identification.
        let id = u16::from_be_bytes([header[4], header[5]]).wrapping_add(number as u16);
        header[4..6].copy_from_slice(&id.to_be_bytes());
        header[10..12].fill(0);
        let sum = checksum(header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
    }

    /// RFC 9293 3.1, RFC 8200 8.1: addresses, length and protocol are part of the checksum.
    fn pseudo_header(&self, header: &[u8], transport_len: usize) -> Sum {
        let addresses = if self.is_v4 { &header[12..20] } else { &header[8..40] };
        let protocol = if self.is_tcp { 6 } else { 17 };
        Sum::default().with(addresses).with(&[0, protocol]).with(&(transport_len as u32).to_be_bytes())
    }
}

/// A segment's own sequence number; FIN and PSH belong to the last one, CWR (RFC 3168 6.1.2) to the first.
fn fix_tcp(header: &mut [u8], offset: usize, is_last: bool) {
    const FIN: u8 = 0x01;
    const PSH: u8 = 0x08;
    const CWR: u8 = 0x80;
    let sequence =
        u32::from_be_bytes([header[4], header[5], header[6], header[7]]).wrapping_add(offset as u32);
    header[4..8].copy_from_slice(&sequence.to_be_bytes());
    if !is_last {
        header[13] &= !(FIN | PSH);
    }
    if offset > 0 {
        header[13] &= !CWR;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(flags: u8, gso_type: u8, gso_size: u16, start: u16, offset: u16) -> Offload {
        let mut bytes = vec![flags, gso_type, 0, 0];
        [gso_size, start, offset].iter().for_each(|field| bytes.extend(field.to_ne_bytes()));
        Offload::parse(&bytes).unwrap()
    }

    /// An IPv4 or IPv6 super-frame with `len` bytes of payload.
    fn whole(v4: bool, tcp: bool, len: usize) -> Vec<u8> {
        let mut bytes = vec![0x11; 12];
        let transport_len = if tcp { 32 } else { 8 } + len;
        if v4 {
            bytes.extend([0x08, 0x00, 0x45, 0]);
            bytes.extend(((20 + transport_len) as u16).to_be_bytes());
            bytes.extend([
                0xff,
                0xff,
                0x40,
                0,
                64,
                if tcp { 6 } else { 17 },
                0,
                0,
                192,
                0,
                2,
                1,
                192,
                0,
                2,
                2,
            ]);
        } else {
            bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            bytes.extend((transport_len as u16).to_be_bytes());
            bytes.extend([if tcp { 6 } else { 17 }, 64]);
            bytes.extend([0x20; 32]);
        }
        bytes.extend([0, 80, 1, 0]);
        if tcp {
            bytes.extend([0xff, 0xff, 0xff, 0xf0, 0, 0, 0, 1, 0x80, 0x99, 1, 0, 0, 0, 0, 0]);
            bytes.extend([1; 12]);
        } else {
            bytes.extend([0, 0, 0, 0]);
        }
        bytes.extend((0..len).map(|n| n as u8));
        bytes
    }

    fn cut(v4: bool, tcp: bool, len: usize, size: u16) -> Vec<Frame> {
        let bytes = whole(v4, tcp, len);
        let kind = if !tcp {
            GSO_UDP_L4
        } else if v4 {
            GSO_TCPV4
        } else {
            GSO_TCPV6
        };
        let offload = header(1, kind, size, if v4 { 34 } else { 54 }, if tcp { 16 } else { 6 });
        let mut parts = SuperFrame::parse(offload, &bytes).unwrap();
        let pool = Pool::new();
        std::iter::from_fn(|| parts.segment(&bytes, &pool)).collect()
    }

    #[test]
    fn super_frames_are_cut_to_size_with_right_headers() {
        for (v4, tcp) in [(true, true), (false, true), (true, false), (false, false)] {
            let parts = cut(v4, tcp, 3500, 1400);
            let ip_len = if v4 { 20 } else { 40 };
            let head = 14 + ip_len + if tcp { 32 } else { 8 };
            let lengths: Vec<_> = parts.iter().map(|part| part.len() - head).collect();
            assert_eq!(lengths, [1400, 1400, 700]);
            let payload: Vec<u8> = parts.iter().flat_map(|part| part.bytes()[head..].to_vec()).collect();
            assert_eq!(payload, whole(v4, tcp, 3500)[head..]);
            for (n, part) in parts.iter().enumerate() {
                let (ip, transport) = part.bytes()[14..].split_at(ip_len);
                let length = transport.len() as u64;
                let addresses = if v4 { &ip[12..20] } else { &ip[8..40] };
                let numbers = [0, if tcp { 6 } else { 17 }, 0, 0, (length >> 8) as u8, length as u8];
                let sum = Sum::default().with(addresses).with(&numbers).with(transport);
                assert_eq!(sum.finish(), 0, "the transport checksum");
                if v4 {
                    assert_eq!(checksum(ip), 0, "the header checksum");
                    assert_eq!(u16::from_be_bytes([ip[2], ip[3]]) as usize, ip.len() + transport.len());
                    assert_eq!(u16::from_be_bytes([ip[4], ip[5]]), 0xffff_u16.wrapping_add(n as u16));
                } else {
                    assert_eq!(u16::from_be_bytes([ip[4], ip[5]]) as usize, transport.len());
                }
                if tcp {
                    let sequence = u32::from_be_bytes(transport[4..8].try_into().unwrap());
                    assert_eq!(sequence, 0xffff_fff0_u32.wrapping_add(1400 * n as u32));
                    assert_eq!(transport[13], [0x90, 0x10, 0x19][n], "CWR first, FIN and PSH last");
                } else {
                    assert_eq!(u16::from_be_bytes([transport[4], transport[5]]) as u64, length);
                }
            }
        }
    }

    #[test]
    fn a_partial_checksum_is_completed() {
        let mut bytes = whole(true, false, 101);
        let length = (bytes.len() - 34) as u64;
        let pseudo = Sum::default().with(&bytes[26..34]).with(&(17 + length).to_be_bytes());
        bytes[40..42].copy_from_slice(&(!pseudo.finish()).to_be_bytes());
        assert_eq!(header(1, 0, 0, 34, 6).complete(&mut bytes), Some(Checksum::Valid));
        assert_eq!(pseudo.with(&bytes[34..]).finish(), 0);
        assert_eq!(header(0, 0, 0, 0, 0).complete(&mut bytes), Some(Checksum::Unverified));
        assert_eq!(header(2, 0, 0, 0, 0).complete(&mut bytes), Some(Checksum::Valid));
    }

    proptest::proptest! {
        #[test]
        fn no_header_and_no_frame_does_harm(
            head in proptest::collection::vec(0_u8.., 0..12),
            mut bytes in proptest::collection::vec(0_u8.., 0..200),
            kind in 0_usize..3,
        ) {
            if let (Some(kind), true) = ([[0x08, 0x00], [0x86, 0xdd]].get(kind), bytes.len() > 14) {
                bytes[12..14].copy_from_slice(kind);
            }
            if let Some(offload) = Offload::parse(&head) {
                offload.complete(&mut bytes);
                for gso_type in [offload.gso_type, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4] {
                    let offload = Offload { gso_type, gso_size: offload.gso_size % 64, ..offload };
                    let Some(mut parts) = SuperFrame::parse(offload, &bytes) else { continue };
                    let pool = Pool::new();
                    while parts.segment(&bytes, &pool).is_some() {}
                }
            }
        }
    }
}
