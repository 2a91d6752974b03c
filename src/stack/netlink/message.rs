//! netlink(7)'s form: requests as they came, attributes, messages as they go. Numbers are in the host's byte order.

use std::net::IpAddr;

use crate::base::{Errno, Reason, Result};

/// sizeof(struct nlmsghdr).
const HEADER: usize = 16;

// linux/netlink.h
pub(super) const NLM_F_REQUEST: u16 = 1;
pub(super) const NLM_F_MULTI: u16 = 2;
pub(super) const NLM_F_ACK: u16 = 4;
pub(super) const NLM_F_DUMP: u16 = 0x300;
pub(super) const NLM_F_REPLACE: u16 = 0x100;
pub(super) const NLM_F_EXCL: u16 = 0x200;
pub(super) const NLM_F_CREATE: u16 = 0x400;
pub(super) const NLM_F_CAPPED: u16 = 0x100;
pub(super) const NLM_F_ACK_TLVS: u16 = 0x200;
pub(super) const NLMSG_ERROR: u16 = 2;
pub(super) const NLMSG_DONE: u16 = 3;
pub(super) const NLMSG_MIN_TYPE: u16 = 0x10;

fn aligned(len: usize) -> usize {
    len.next_multiple_of(4)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// A request, as it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    /// With its header: an error quotes it.
    pub(super) whole: &'a [u8],
    /// Behind its header.
    pub(super) body: &'a [u8],
}

/// The messages of one datagram (netlink_rcv_skb): what is cut short ends the reading, silently.
pub(super) fn requests(mut bytes: &[u8]) -> impl Iterator<Item = Request<'_>> {
    std::iter::from_fn(move || {
        let len = u32_at(bytes, 0)? as usize;
        let whole = bytes.get(..len)?;
        let body = whole.get(HEADER..)?;
        let request = Request {
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

impl<'a> Request<'a> {
    /// A field of the family's header; 0 where a short one ends before it (glibc sends struct rtgenmsg alone).
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.body.get(at).copied().unwrap_or(0)
    }

    /// As [`Request::byte`], four bytes.
    pub(super) fn word(&self, at: usize) -> u32 {
        u32_at(self.body, at).unwrap_or(0)
    }

    /// The last attribute of this number behind a family's header of so many bytes.
    pub(super) fn attribute(&self, header: usize, wanted: u16) -> Option<&'a [u8]> {
        attributes(self.body.get(aligned(header)..)?)
            .filter(|(kind, _)| *kind == wanted)
            .last()
            .map(|(_, value)| value)
    }

    /// An attribute of four bytes. ERANGE if it is shorter (nla_validate).
    pub(super) fn number(&self, header: usize, wanted: u16) -> Result<Option<u32>> {
        let number = |value| u32_at(value, 0).ok_or(Errno::ERANGE.because(Reason::OptionLength));
        self.attribute(header, wanted).map(number).transpose()
    }

    /// An attribute that is an address of this family. EINVAL if it is not as long.
    pub(super) fn address(&self, header: usize, wanted: u16, ipv4: bool) -> Result<Option<IpAddr>> {
        let address = |value: &[u8]| {
            let v4 = || Some(IpAddr::from(<[u8; 4]>::try_from(value.get(..4)?).ok()?));
            let v6 = || Some(IpAddr::from(<[u8; 16]>::try_from(value.get(..16)?).ok()?));
            if ipv4 { v4() } else { v6() }.ok_or(Errno::EINVAL.because(Reason::OptionLength))
        };
        self.attribute(header, wanted).map(address).transpose()
    }
}

/// struct nlattr one after another, until one does not fit. The two bits above the number (nested, byte order) are no part of it.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & 0x3fff;
        let value = bytes.get(..len)?.get(4..)?;
        bytes = bytes.get(aligned(len)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// A message that grows.
#[derive(Clone, Debug)]
pub(super) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// RTM_*, and the family's header.
    pub(super) fn new(kind: u16, header: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes.extend(header);
        bytes.resize(aligned(bytes.len()), 0);
        Self { bytes }
    }

    /// One more attribute.
    pub(super) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let len = u16::try_from(value.len().saturating_add(4)).unwrap_or(u16::MAX);
        self.bytes.extend(len.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value.iter().take(usize::from(len) - 4));
        self.bytes.resize(aligned(self.bytes.len()), 0);
        self
    }

    /// An attribute of four bytes.
    pub(super) fn number(self, kind: u16, value: u32) -> Self {
        self.with(kind, &value.to_ne_bytes())
    }

    /// A string, with its end.
    pub(super) fn string(self, kind: u16, value: &str) -> Self {
        self.with(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// An address.
    pub(super) fn address(self, kind: u16, value: IpAddr) -> Self {
        match value {
            IpAddr::V4(ip) => self.with(kind, &ip.octets()),
            IpAddr::V6(ip) => self.with(kind, &ip.octets()),
        }
    }

    /// As [`Message::address`], where there is one.
    pub(super) fn some_address(self, kind: u16, value: Option<IpAddr>) -> Self {
        match value {
            Some(value) => self.address(kind, value),
            None => self,
        }
    }

    /// Its length, as it stands.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes, to the socket with this number.
    pub(super) fn finish(mut self, flags: u16, sequence: u32, port: u32) -> Vec<u8> {
        let len = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&len.to_ne_bytes());
        self.bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes[12..16].copy_from_slice(&port.to_ne_bytes());
        self.bytes
    }
}
