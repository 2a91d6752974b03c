//! Where a frame's headers begin, and the primitives that move them: `vlan`, `mpls`, `pppoes`.

use super::blocks::{Fragment, Value};
use super::generator::{Generator, IPV4, IPV6, Result};
use super::opcode::*;
use super::token::Span;
use crate::base::LinkType;

/// Which header the rest of a frame stands behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outer {
    Ethernet,
    Ip,
    /// Behind `pppoes`.
    Ppp,
}

/// Offsets in bytes from the beginning of the frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Headers {
    pub(super) outer: Outer,
    /// The link header.
    pub(super) link: u32,
    /// The field that names the protocol inside.
    pub(super) protocol: u32,
    /// Behind the link header.
    pub(super) payload: u32,
    /// Labels of MPLS between it and the network header.
    pub(super) labels: u32,
}

impl Headers {
    pub(super) fn new(link: LinkType) -> Self {
        match link {
            LinkType::Ethernet => {
                Self { outer: Outer::Ethernet, link: 0, protocol: 12, payload: 14, labels: 0 }
            }
            LinkType::Ip | LinkType::Can => {
                Self { outer: Outer::Ip, link: 0, protocol: 0, payload: 0, labels: 0 }
            }
        }
    }

    /// The network header.
    pub(super) fn network(&self) -> u32 {
        self.payload + 4 * self.labels
    }
}

impl Generator {
    /// IEEE 802.1Q: one tag, of any kind; what stands right of it is behind the tag.
    pub(super) fn vlan(&mut self, tag: Option<u32>, span: Span) -> Result<Fragment> {
        if self.headers.labels > 0 {
            return Err(span.error("a VLAN tag cannot stand behind an MPLS label"));
        }
        if self.headers.outer != Outer::Ethernet {
            return Err(span.error("only Ethernet has VLAN tags"));
        }
        let mut kinds = [0x8100, 0x88a8, 0x9100]
            .map(|kind| self.blocks.equal(Value::load(H, self.headers.protocol), kind))
            .into_iter();
        let first = kinds.next().ok_or_else(|| span.error("no tag"))?;
        let mut tagged = kinds.fold(first, |all, kind| self.either(all, kind));
        if let Some(tag) = tag {
            if tag > 0xfff {
                return Err(span.error("a VLAN is 0 to 4095"));
            }
            let number = self.blocks.equal(Value::load(H, self.headers.payload).and(0xfff), tag);
            tagged = self.both(tagged, number);
        }
        self.headers.protocol += 4;
        self.headers.payload += 4;
        Ok(tagged)
    }

    /// RFC 3032: one label; what stands right of it is behind the label.
    pub(super) fn mpls(&mut self, label: Option<u32>, span: Span) -> Result<Fragment> {
        let mut labelled = if self.headers.labels > 0 {
            // Not the bottom of the stack.
            let bottom = Value::load(B, self.headers.network() - 2).and(1);
            self.blocks.equal(bottom, 0)
        } else if self.headers.outer == Outer::Ip {
            return Err(span.error("a link without a header has no MPLS labels"));
        } else {
            self.link_protocol(0x8847, span)?
        };
        if let Some(label) = label {
            if label > 0xf_ffff {
                return Err(span.error("an MPLS label is 0 to 1048575"));
            }
            let number = self.payload(W, 0, label << 12, 0xffff_f000);
            labelled = self.both(labelled, number);
        }
        self.headers.labels += 1;
        Ok(labelled)
    }

    /// A protocol behind labels: the last of them is the bottom, and the version says which IP it is.
    pub(super) fn mpls_payload(&mut self, protocol: u32, span: Span) -> Result<Fragment> {
        let version = match protocol {
            IPV4 => 0x40,
            IPV6 => 0x60,
            _ => return Err(span.error("behind an MPLS label only ip and ip6 can be told")),
        };
        let bottom = Value::load(B, self.headers.network() - 2).and(1);
        let bottom = self.blocks.equal(bottom, 1);
        let version = self.payload(B, 0, version, 0xf0);
        Ok(self.both(bottom, version))
    }

    /// RFC 2516: a session; what stands right of it is PPP's.
    pub(super) fn pppoes(&mut self, session: Option<u32>, span: Span) -> Result<Fragment> {
        let mut inside = self.link_protocol(0x8864, span)?;
        if let Some(session) = session {
            if session > 0xffff {
                return Err(span.error("a PPPoE session is 0 to 65535"));
            }
            let number = self.payload(W, 0, session, 0xffff);
            inside = self.both(inside, number);
        }
        let link = self.headers.network() + 6;
        self.headers = Headers { outer: Outer::Ppp, link, protocol: link, payload: link + 2, labels: 0 };
        Ok(inside)
    }
}
