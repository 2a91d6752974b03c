//! A filter expression as a tree: what the parser makes and the generator reads.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::token::Span;
use super::words::Keyword;

/// An expression.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    Primitive(Primitive, Span),
    Not(Box<Self>),
    /// `and` and `or` bind equally strong, from the left.
    Chain(Box<Self>, Vec<(Joint, Self)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joint {
    And,
    Or,
}

/// What asks one question.
#[derive(Clone, Debug)]
pub(super) enum Primitive {
    /// `tcp dst port 80`
    Named(Qualifiers, Name),
    /// `tcp`
    Protocol(Keyword),
    /// `ip[8] < 5`
    Relation(Arithmetic, Relation, Arithmetic),
    Broadcast(Option<Keyword>),
    Multicast(Option<Keyword>),
    Less(u32),
    Greater(u32),
    /// `byte 5 = 3`
    Byte(u32, Relation, u32),
    Inbound,
    Outbound,
    Ifindex(u32),
    Vlan(Option<u32>),
    Mpls(Option<u32>),
    Pppoed,
    Pppoes(Option<u32>),
}

/// What stands before a name or a number, and is taken over by those that follow: `host a or b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Qualifiers {
    pub(super) protocol: Option<Keyword>,
    pub(super) direction: Option<Direction>,
    pub(super) kind: Option<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Src,
    Dst,
    SrcOrDst,
    SrcAndDst,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Host,
    Net,
    Port,
    Portrange,
    Proto,
}

#[derive(Clone, Debug)]
pub(super) enum Name {
    Word(String),
    Number(u32),
    /// The address and how many of its bits are written.
    Address(Ipv4Addr, u32),
    /// `192.0.2.0/24`
    Prefix(Ipv4Addr, u32),
    /// `192.0.2.0 mask 255.255.255.0`
    Mask(Ipv4Addr, Ipv4Addr),
    Address6(Ipv6Addr),
    Prefix6(Ipv6Addr, u32),
    Mac([u8; 6]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    /// `byte 5 & 3` alone: a bit of it is set.
    And,
    /// `byte 5 | 3` alone: the bits of both are not all zero.
    Or,
}

/// A number to be computed.
#[derive(Clone, Debug)]
pub(super) enum Arithmetic {
    Number(u32),
    Length,
    /// `tcp[12:1]`
    Load(Keyword, Box<Self>, u32, Span),
    /// An opcode of BPF_ALU.
    Binary(u16, Box<Self>, Box<Self>, Span),
    Negative(Box<Self>),
}
