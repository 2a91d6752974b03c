//! netlink(7)'s form: messages as they came, attributes, messages as they go. Numbers are in the host's byte order.

use std::net::IpAddr;

use super::{Errno, Reason, Result};

/// sizeof(struct nlmsghdr).
const HEADER: usize = 16;

// linux/netlink.h
pub(crate) const NLM_F_REQUEST: u16 = 1;
pub(crate) const NLM_F_MULTI: u16 = 2;
pub(crate) const NLM_F_ACK: u16 = 4;
pub(crate) const NLM_F_DUMP: u16 = 0x300;
pub(crate) const NLM_F_REPLACE: u16 = 0x100;
pub(crate) const NLM_F_EXCL: u16 = 0x200;
pub(crate) const NLM_F_CREATE: u16 = 0x400;
pub(crate) const NLM_F_APPEND: u16 = 0x800;
pub(crate) const NLM_F_CAPPED: u16 = 0x100;
pub(crate) const NLM_F_ACK_TLVS: u16 = 0x200;
pub(crate) const NLMSG_ERROR: u16 = 2;
pub(crate) const NLMSG_DONE: u16 = 3;
pub(crate) const NLMSG_MIN_TYPE: u16 = 0x10;

fn aligned(len: usize) -> usize {
    len.next_multiple_of(4)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// Four bytes of a header or a value, where it is so long.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// A message, as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    /// With its header: an error quotes it.
    pub(crate) whole: &'a [u8],
    /// Behind its header.
    pub(crate) body: &'a [u8],
}

/// The messages of one datagram (netlink_rcv_skb): what is cut short ends the reading, silently.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let len = u32_at(bytes, 0)? as usize;
        let whole = bytes.get(..len)?;
        let body = whole.get(HEADER..)?;
        let request = Message {
            kind: u16_at(whole, 4)?,
            flags: u16_at(whole, 6)?,
            sequence: u32_at(whole, 8)?,
            whole,
            body,
        };
        bytes = bytes.get(aligned(len)..).unwrap_or_default();
        Some(request)
    })
}

impl<'a> Message<'a> {
    /// A field of the family's header; 0 where a short one ends before it (glibc sends struct rtgenmsg alone).
    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.body.get(at).copied().unwrap_or(0)
    }

    /// As [`Message::byte`], four bytes.
    pub(crate) fn word(&self, at: usize) -> u32 {
        u32_at(self.body, at).unwrap_or(0)
    }

    /// The last attribute of this number behind a family's header of so many bytes.
    pub(crate) fn attribute(&self, header: usize, wanted: u16) -> Option<&'a [u8]> {
        attributes(self.body.get(aligned(header)..)?)
            .filter(|(kind, _)| *kind == wanted)
            .last()
            .map(|(_, value)| value)
    }

    /// An attribute of four bytes. ERANGE if it is shorter (nla_validate).
    pub(crate) fn number(&self, header: usize, wanted: u16) -> Result<Option<u32>> {
        let number = |value| u32_at(value, 0).ok_or(Errno::ERANGE.because(Reason::OptionLength));
        self.attribute(header, wanted).map(number).transpose()
    }

    /// An attribute that is an address of this family. EINVAL if it is not as long.
    pub(crate) fn address(&self, header: usize, wanted: u16, ipv4: bool) -> Result<Option<IpAddr>> {
        let address = |value: &[u8]| {
            let v4 = || Some(IpAddr::from(<[u8; 4]>::try_from(value.get(..4)?).ok()?));
            let v6 = || Some(IpAddr::from(<[u8; 16]>::try_from(value.get(..16)?).ok()?));
            if ipv4 { v4() } else { v6() }.ok_or(Errno::EINVAL.because(Reason::OptionLength))
        };
        self.attribute(header, wanted).map(address).transpose()
    }
}

/// struct nlattr one after another, until one does not fit. The two bits above the number (nested, byte order) are no part of it.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & 0x3fff;
        let value = bytes.get(..len)?.get(4..)?;
        bytes = bytes.get(aligned(len)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The first attribute of this number.
pub(crate) fn attribute(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

/// A message that grows.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    bytes: Vec<u8>,
}

impl Draft {
    /// RTM_*, and the family's header.
    pub(crate) fn new(kind: u16, header: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes.extend(header);
        bytes.resize(aligned(bytes.len()), 0);
        Self { bytes }
    }

    /// One more attribute.
    pub(crate) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let len = u16::try_from(value.len().saturating_add(4)).unwrap_or(u16::MAX);
        self.bytes.extend(len.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value.iter().take(usize::from(len) - 4));
        self.bytes.resize(aligned(self.bytes.len()), 0);
        self
    }

    /// What is no attribute: the head of a message inside another.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self
    }

    /// An attribute that holds others, which `fill` adds.
    pub(crate) fn nested(mut self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend(kind.to_ne_bytes());
        let mut filled = fill(self);
        let len = u16::try_from(filled.bytes.len() - start).unwrap_or(u16::MAX);
        filled.bytes[start..start + 2].copy_from_slice(&len.to_ne_bytes());
        filled
    }

    /// An attribute of four bytes.
    pub(crate) fn number(self, kind: u16, value: u32) -> Self {
        self.with(kind, &value.to_ne_bytes())
    }

    /// A string, with its end.
    pub(crate) fn string(self, kind: u16, value: &str) -> Self {
        self.with(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// An address.
    pub(crate) fn address(self, kind: u16, value: IpAddr) -> Self {
        match value {
            IpAddr::V4(ip) => self.with(kind, &ip.octets()),
            IpAddr::V6(ip) => self.with(kind, &ip.octets()),
        }
    }

    /// As [`Draft::address`], where there is one.
    pub(crate) fn some_address(self, kind: u16, value: Option<IpAddr>) -> Self {
        match value {
            Some(value) => self.address(kind, value),
            None => self,
        }
    }

    /// Its length, as it stands.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// True if the other one says the same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }

    /// The bytes, to the socket with this number.
    pub(crate) fn finish(mut self, flags: u16, sequence: u32, port: u32) -> Vec<u8> {
        let len = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&len.to_ne_bytes());
        self.bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes[12..16].copy_from_slice(&port.to_ne_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_lie_about_their_length_end_the_list() {
        for bytes in [&[][..], &[0], &[0, 0, 0, 0], &[255, 255, 0, 0, 1, 2], &[3, 0, 1, 0, 9]] {
            assert_eq!((attributes(bytes).count(), messages(bytes).count()), (0, 0), "{bytes:?}");
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let draft =
            Draft::new(20, &[2, 24, 0]).string(3, "lo").nested(18, |inner| inner.with(7, b"a").number(8, 5));
        let bytes = draft.address(1, [192, 0, 2, 1].into()).finish(NLM_F_ACK, 9, 0);
        let message = messages(&bytes).next().unwrap();
        assert_eq!((message.kind, message.flags, message.sequence), (20, NLM_F_ACK, 9));
        assert_eq!((message.byte(1), message.attribute(4, 3)), (24, Some(&b"lo\0"[..])));
        let inner = message.attribute(4, 18).unwrap();
        assert_eq!(
            (attribute(inner, 7), attribute(inner, 8).and_then(|value| u32_at(value, 0))),
            (Some(&b"a"[..]), Some(5))
        );
        assert_eq!(message.address(4, 1, true).unwrap(), Some([192, 0, 2, 1].into()));
        assert_eq!((attribute(inner, 9), messages(&bytes).count()), (None, 1));
    }
}
