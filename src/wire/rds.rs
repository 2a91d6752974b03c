//! RDS messages (net/rds/rds.h): the header that stands before each message on the TCP connection of two hosts.
//!
//! ```text
//!   0          8     16    20      22      24      25       26          30     32                48
//!   | sequence | ack | len | sport | dport | flags | credit | - - - -   | csum | extensions (16) | data (len) ...
//! ```
//! Everything in network byte order. Over TCP `ack`, `credit` and `csum` are 0: TCP does that work.

/// sizeof(struct rds_header).
pub(crate) const HEADER: usize = 48;
/// RDS_CONG_MAP_BYTES: a bit for each port, the lowest bit of a byte first.
pub(crate) const MAP: usize = 8192;
/// RDS_MAX_MSG_SIZE.
pub(crate) const MAX_MESSAGE: usize = 1 << 20;
/// RDS_TCP_PORT.
pub(crate) const PORT: u16 = 16_385;
/// RDS_FLAG_PROBE_PORT: from here the hosts of a pair ask each other what they can.
pub(crate) const PROBE_PORT: u16 = 1;

/// RDS_FLAG_*.
pub(crate) const CONGESTION_MAP: u8 = 1;
pub(crate) const RETRANSMITTED: u8 = 4;

/// RDS_EXTHDR_GEN_NUM: a number that changes when the host is born again.
const GENERATION: u8 = 6;

/// struct rds_header, as far as TCP's half of RDS reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) sequence: u64,
    /// Bytes of the message behind the header.
    pub(crate) len: u32,
    pub(crate) source: u16,
    pub(crate) destination: u16,
    pub(crate) flags: u8,
    pub(crate) extensions: [u8; 16],
}

impl Header {
    pub(crate) fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.len.to_be_bytes());
        bytes[20..22].copy_from_slice(&self.source.to_be_bytes());
        bytes[22..24].copy_from_slice(&self.destination.to_be_bytes());
        bytes[24] = self.flags;
        bytes[32..].copy_from_slice(&self.extensions);
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; HEADER]) -> Self {
        let [s0, s1, s2, s3, s4, s5, s6, s7, _, _, _, _, _, _, _, _, l0, l1, l2, l3, a, b, c, d, flags, ..] =
            *bytes;
        let mut extensions = [0; 16];
        extensions.copy_from_slice(&bytes[32..]);
        Self {
            sequence: u64::from_be_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
            len: u32::from_be_bytes([l0, l1, l2, l3]),
            source: u16::from_be_bytes([a, b]),
            destination: u16::from_be_bytes([c, d]),
            flags,
            extensions,
        }
    }

    /// rds_message_add_extension: this host's generation.
    pub(crate) fn with_generation(mut self, generation: u32) -> Self {
        self.extensions[0] = GENERATION;
        self.extensions[1..5].copy_from_slice(&generation.to_be_bytes());
        self
    }

    /// rds_message_next_extension: the peer's generation, if it tells one. What is unknown ends the list, as there is no length.
    pub(crate) fn generation(&self) -> Option<u32> {
        let mut rest = &self.extensions[..];
        loop {
            let (&kind, behind) = rest.split_first()?;
            // VERSION, RDMA, RDMA_DEST, NPATHS, GEN_NUM; the others have none.
            let len = match kind {
                1 | 2 | 6 => 4,
                3 => 8,
                5 => 2,
                4 | 7..=15 => 0,
                _ => return None,
            };
            let (data, behind) = behind.split_at_checked(len)?;
            if kind == GENERATION {
                return data.try_into().ok().map(u32::from_be_bytes);
            }
            rest = behind;
        }
    }

    /// RDS_HS_PROBE: not for a socket, but between the hosts.
    pub(crate) fn is_probe(&self) -> bool {
        matches!((self.source, self.destination), (PROBE_PORT, 0) | (0, PROBE_PORT))
    }
}

/// rds_cong_test_bit.
pub(crate) fn is_congested(map: &[u8], port: u16) -> bool {
    map.get(usize::from(port / 8)).is_some_and(|byte| byte & 1 << (port % 8) != 0)
}

/// rds_cong_set_bit.
pub(crate) fn set_congested(map: &mut [u8], port: u16) {
    if let Some(byte) = map.get_mut(usize::from(port / 8)) {
        *byte |= 1 << (port % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_laid_out_as_linux_has_it() {
        let header = Header {
            sequence: 0x0102_0304_0506_0708,
            len: 0x0a0b_0c0d,
            source: 0x1112,
            destination: 0x2122,
            flags: 5,
            ..Header::default()
        };
        let bytes = header.with_generation(0x3132_3334).to_bytes();
        assert_eq!(bytes[..8], [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(bytes[8..16], [0; 8]);
        assert_eq!(bytes[16..26], [0x0a, 0x0b, 0x0c, 0x0d, 0x11, 0x12, 0x21, 0x22, 5, 0]);
        assert_eq!(bytes[26..38], [0, 0, 0, 0, 0, 0, 6, 0x31, 0x32, 0x33, 0x34, 0]);
        assert_eq!(Header::from_bytes(&bytes), header.with_generation(0x3132_3334));
    }

    #[test]
    fn extensions_of_any_kind_are_read_or_end_the_list() {
        let generation = |extensions: &[u8]| {
            let mut bytes = [0; HEADER];
            bytes[32..32 + extensions.len()].copy_from_slice(extensions);
            Header::from_bytes(&bytes).generation()
        };
        assert_eq!(generation(&[]), None);
        assert_eq!(generation(&[6, 0, 0, 1, 0]), Some(256));
        // As a kernel with several paths tells it: NPATHS first.
        assert_eq!(generation(&[5, 0, 8, 6, 0, 0, 0, 9]), Some(9));
        assert_eq!(generation(&[3, 1, 2, 3, 4, 5, 6, 7, 8, 6, 0, 0, 0, 7]), Some(7));
        // Cut off, unknown, nothing but kinds without data.
        assert_eq!(generation(&[3, 1, 2, 3, 4, 5, 6, 7, 8, 3, 1, 2, 3, 4, 6, 6]), None);
        assert_eq!(generation(&[255; 16]), None);
        assert_eq!(generation(&[4; 16]), None);
        assert_eq!(generation(&[4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 6, 0, 0, 0]), None);
    }

    #[test]
    fn a_bit_for_each_port() {
        let mut map = vec![0; MAP];
        for port in [0, 1, 9, 0x7fff, 0x8000, 0xffff] {
            assert!(!is_congested(&map, port));
            set_congested(&mut map, port);
            assert!(is_congested(&map, port));
        }
        assert_eq!((map[0], map[1], map[0xfff], map[0x1000], map[MAP - 1]), (3, 2, 0x80, 1, 0x80));
    }
}
