//! From the tree to questions, primitive by primitive, as libpcap asks them: the same bytes in the same order.
//!
//! Order matters twice. A frame that ends before a byte that is asked for is refused at once, whatever comes later in the
//! expression; and `vlan`, `mpls` and `pppoes` move the headers for all that stands right of them.

use super::FilterError;
use super::blocks::{Blocks, Fragment, Load, Value};
use super::headers::{Headers, Outer};
use super::opcode::*;
use super::syntax::*;
use super::token::Span;
use super::words::Keyword;
use crate::base::LinkType;

pub(super) type Result<T> = std::result::Result<T, FilterError>;

pub(super) struct Generator {
    pub(super) blocks: Blocks,
    pub(super) headers: Headers,
}

pub(super) const IPV4: u32 = 0x0800;
pub(super) const IPV6: u32 = 0x86dd;
pub(super) const ARP: u32 = 0x0806;
pub(super) const RARP: u32 = 0x8035;

impl Generator {
    pub(super) fn new(link: LinkType) -> Self {
        Self { blocks: Blocks::default(), headers: Headers::new(link) }
    }

    pub(super) fn expression(&mut self, expression: &Expression) -> Result<Fragment> {
        match expression {
            Expression::Primitive(primitive, span) => self.primitive(primitive, *span),
            Expression::Not(inner) => Ok(self.expression(inner)?.not()),
            Expression::Chain(first, rest) => {
                let mut all = self.expression(first)?;
                for (joint, next) in rest {
                    let next = self.expression(next)?;
                    all = match joint {
                        Joint::And => self.blocks.and(all, next),
                        Joint::Or => self.blocks.or(all, next),
                    };
                }
                Ok(all)
            }
        }
    }

    fn primitive(&mut self, primitive: &Primitive, span: Span) -> Result<Fragment> {
        match primitive {
            Primitive::Named(qualifiers, name) => self.named(*qualifiers, name, span),
            Primitive::Protocol(protocol) => self.protocol(*protocol, span),
            Primitive::Relation(left, relation, right) => self.relation(left, *relation, right),
            Primitive::Broadcast(protocol) => self.broadcast(*protocol, span),
            Primitive::Multicast(protocol) => self.multicast(*protocol, span),
            Primitive::Less(n) => Ok(self.blocks.test(Value::Length, JGT, Value::Constant(*n)).not()),
            Primitive::Greater(n) => Ok(self.blocks.test(Value::Length, JGE, Value::Constant(*n))),
            Primitive::Byte(at, relation, value) => Ok(self.byte(*at, *relation, *value)),
            // PACKET_OUTGOING
            Primitive::Outbound => Ok(self.fact(SKF_AD_PKTTYPE, H, 4)),
            Primitive::Inbound => Ok(self.fact(SKF_AD_PKTTYPE, H, 4).not()),
            Primitive::Ifindex(index) => Ok(self.fact(SKF_AD_IFINDEX, W, *index)),
            Primitive::Vlan(tag) => self.vlan(*tag, span),
            Primitive::Mpls(label) => self.mpls(*label, span),
            Primitive::Pppoed => self.link_protocol(0x8863, span),
            Primitive::Pppoes(session) => self.pppoes(*session, span),
        }
    }

    fn fact(&mut self, fact: u32, size: u16, value: u32) -> Fragment {
        self.blocks.equal(Value::load(size, SKF_AD_OFF + fact), value)
    }

    /// Both of two, or one of two, in this order.
    pub(super) fn both(&mut self, first: Fragment, second: Fragment) -> Fragment {
        self.blocks.and(first, second)
    }

    pub(super) fn either(&mut self, first: Fragment, second: Fragment) -> Fragment {
        self.blocks.or(first, second)
    }

    /// A word of the link's payload, under a mask.
    pub(super) fn payload(&mut self, size: u16, at: u32, value: u32, mask: u32) -> Fragment {
        let load = Value::load(size, self.headers.network().wrapping_add(at));
        self.blocks.equal(load.and(mask), value)
    }

    /// This protocol is in the link header: an EtherType, or an access point of 802.2.
    pub(super) fn link_protocol(&mut self, protocol: u32, span: Span) -> Result<Fragment> {
        if self.headers.labels > 0 {
            return self.mpls_payload(protocol, span);
        }
        Ok(match self.headers.outer {
            // RFC 791, RFC 8200: the version is in the first four bits.
            Outer::Ip if protocol == IPV4 => self.blocks.equal(Value::load(B, 0).and(0xf0), 0x40),
            Outer::Ip if protocol == IPV6 => self.blocks.equal(Value::load(B, 0).and(0xf0), 0x60),
            Outer::Ip => self.blocks.always(false),
            Outer::Ppp => {
                let protocol = ppp_protocol(protocol);
                self.blocks.equal(Value::load(H, self.headers.protocol), protocol)
            }
            Outer::Ethernet => self.ethernet_protocol(protocol),
        })
    }

    fn ethernet_protocol(&mut self, protocol: u32) -> Fragment {
        let (kind, payload) = (self.headers.protocol, self.headers.payload);
        let ether_type = Value::load(H, kind);
        // IEEE 802.3: up to 1500 it is a length, and an LLC header follows.
        let is_length = |g: &mut Self| g.blocks.test(Value::load(H, kind), JGT, Value::Constant(1500)).not();
        match protocol {
            0xfe | 0xf0 | 0x06 => {
                let length = is_length(self);
                let points = self.blocks.equal(Value::load(H, payload), protocol << 8 | protocol);
                self.both(length, points)
            }
            0xe0 => {
                // IPX: its EtherType, or by LLC, raw behind the length, or by SNAP.
                let own = self.blocks.equal(ether_type, 0x8137);
                let length = is_length(self);
                let snap = self.snap(0, 0x8137);
                let point = self.blocks.equal(Value::load(B, payload), protocol);
                let raw = self.blocks.equal(Value::load(H, payload), 0xffff);
                let inner = self.either(point, raw);
                let inner = self.either(snap, inner);
                let inner = self.both(length, inner);
                self.either(own, inner)
            }
            0x809b | 0x80f3 => {
                let own = self.blocks.equal(ether_type, protocol);
                let length = is_length(self);
                let snap = self.snap(if protocol == 0x809b { 0x08_0007 } else { 0 }, protocol);
                let inner = self.both(length, snap);
                self.either(own, inner)
            }
            ..=1500 => {
                let length = is_length(self);
                let point = self.blocks.equal(Value::load(B, payload), protocol);
                self.both(length, point)
            }
            _ => self.blocks.equal(ether_type, protocol),
        }
    }

    /// An LLC header with SNAP: aa aa 03, three bytes of an organisation, a type.
    fn snap(&mut self, organisation: u32, kind: u32) -> Fragment {
        let at = self.headers.payload;
        let last = self.blocks.equal(Value::load(W, at + 4), organisation << 16 | kind);
        let first = self.blocks.equal(Value::load(W, at), 0xaaaa_0300 | organisation >> 16);
        self.both(last, first)
    }

    fn byte(&mut self, at: u32, relation: Relation, value: u32) -> Fragment {
        let byte = Value::load(B, self.headers.link.wrapping_add(at));
        let constant = Value::Constant(value);
        match relation {
            Relation::Less | Relation::GreaterEqual => {
                let test = self.blocks.test(byte, JGE, constant);
                if relation == Relation::Less { test.not() } else { test }
            }
            Relation::Greater | Relation::LessEqual => {
                let test = self.blocks.test(byte, JGT, constant);
                if relation == Relation::LessEqual { test.not() } else { test }
            }
            Relation::Equal => self.blocks.test(byte, JEQ, constant),
            Relation::NotEqual => self.blocks.test(byte, JEQ, constant).not(),
            Relation::And => self.blocks.test(byte, JSET, constant),
            Relation::Or => {
                let or = Value::Binary(OR, Box::new(byte), Box::new(constant));
                self.blocks.equal(or, 0).not()
            }
        }
    }

    fn relation(&mut self, left: &Arithmetic, relation: Relation, right: &Arithmetic) -> Result<Fragment> {
        let (left_guard, left) = self.compute(left)?;
        let (right_guard, right) = self.compute(right)?;
        let (code, negative) = match relation {
            Relation::NotEqual => (JEQ, true),
            Relation::Greater => (JGT, false),
            Relation::GreaterEqual => (JGE, false),
            Relation::Less => (JGE, true),
            Relation::LessEqual => (JGT, true),
            _ => (JEQ, false),
        };
        let test = self.blocks.test(left, code, right);
        let test = if negative { test.not() } else { test };
        let guards = self.guarded(left_guard, right_guard);
        Ok(match guards {
            Some(guards) => self.both(guards, test),
            None => test,
        })
    }

    fn guarded(&mut self, first: Option<Fragment>, second: Option<Fragment>) -> Option<Fragment> {
        match (first, second) {
            (Some(first), Some(second)) => Some(self.both(first, second)),
            (first, second) => first.or(second),
        }
    }

    /// A number, and what must hold of a frame so that it has it. (Of an operator's right side libpcap does not ask that.)
    fn compute(&mut self, arithmetic: &Arithmetic) -> Result<(Option<Fragment>, Value)> {
        Ok(match arithmetic {
            Arithmetic::Number(number) => (None, Value::Constant(*number)),
            Arithmetic::Length => (None, Value::Length),
            Arithmetic::Negative(inner) => match self.compute(inner)? {
                (guard, Value::Constant(number)) => (guard, Value::Constant(number.wrapping_neg())),
                (guard, value) => (guard, Value::Negative(Box::new(value))),
            },
            Arithmetic::Binary(code, left, right, span) => {
                let (guard, left) = self.compute(left)?;
                let (_, right) = self.compute(right)?;
                if let Value::Constant(number) = right
                    && matches!(*code, LSH | RSH)
                    && number > 31
                {
                    return Err(span.error("a shift by more than 31 bits"));
                }
                if right == Value::Constant(0) && matches!(*code, DIV | MOD) {
                    return Err(span.error("a division by zero"));
                }
                let value = Value::binary(*code, left, right);
                (guard, value.ok_or_else(|| span.error("a division by zero"))?)
            }
            Arithmetic::Load(protocol, index, size, span) => {
                let (inner, index) = self.compute(index)?;
                let size = match size {
                    1 => B,
                    2 => H,
                    _ => W,
                };
                self.indexed(*protocol, inner, index, size, *span)?
            }
        })
    }

    /// `protocol[index:size]`, and that the frame is of this protocol.
    fn indexed(
        &mut self,
        protocol: Keyword,
        inner: Option<Fragment>,
        index: Value,
        size: u16,
        span: Span,
    ) -> Result<(Option<Fragment>, Value)> {
        use Keyword::*;
        let network = self.headers.network();
        let load = |behind, base: u32, index: Value| match index {
            // Beyond this, an offset has another meaning for a load that is not computed.
            Value::Constant(index) if base.checked_add(index).is_some_and(|at| at < 1 << 31) => {
                Value::Load(Load { size, behind, at: base + index, index: None })
            }
            index => Value::Load(Load { size, behind, at: base, index: Some(Box::new(index)) }),
        };
        Ok(match protocol {
            Ether => (inner, load(None, self.headers.link, index)),
            Ip | Ip6 | Arp | Rarp | Atalk | Decnet | Lat | Sca | Moprc | Mopdl => {
                let guard = self.protocol(protocol, span)?;
                (self.guarded(inner, Some(guard)), load(None, network, index))
            }
            Sctp | Tcp | Udp | Icmp | Igmp | Igrp | Pim | Vrrp | Carp => {
                let four = self.link_protocol(IPV4, span)?;
                let guard = self.guarded(Some(four), inner);
                let protocol = self.protocol(protocol, span)?;
                let first = self.first_fragment();
                let own = self.both(protocol, first);
                (self.guarded(guard, Some(own)), load(Some(network), network, index))
            }
            Icmp6 => {
                let six = self.link_protocol(IPV6, span)?;
                let guard = self.guarded(inner, Some(six));
                let next = self.payload(B, 6, 58, u32::MAX);
                (self.guarded(guard, Some(next)), load(None, network.wrapping_add(40), index))
            }
            _ => {
                let hint = "ether, arp, ip, ip6, icmp, icmp6, igmp, tcp, udp and sctp can be looked into";
                return Err(span.hint(format!("`{}` cannot be looked into", protocol.text()), hint));
            }
        })
    }
}

/// An EtherType as RFC 1661's protocol field has it.
fn ppp_protocol(ether_type: u32) -> u32 {
    match ether_type {
        IPV4 => 0x21,
        IPV6 => 0x57,
        0x6003 => 0x27,
        0x809b => 0x29,
        0x0600 => 0x25,
        0xfe => 0x23,
        0x42 => 0x31,
        0xe0 => 0x2b,
        0x8847 => 0x281,
        other => other,
    }
}
