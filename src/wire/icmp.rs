//! ICMP, ICMPv6 with NDP and MLD, and IGMP: what a message says, in words.

use std::net::IpAddr;

use super::cursor::Cursor;

/// A message of ICMP, ICMPv6 or IGMP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// Of an echo request or reply.
    pub echo: Option<Echo>,
    /// Bytes of the message, as IP counts them.
    pub len: usize,
    /// What it says: `echo request, id 1, seq 2`.
    pub text: String,
}

/// The numbers of an echo request or reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// False of a reply.
    pub request: bool,
    /// The asking socket's.
    pub id: u16,
    /// Of the request.
    pub seq: u16,
}

impl Echo {
    fn read(mut at: Cursor<'_>, request: bool) -> Option<Self> {
        Some(Self { request, id: at.u16()?, seq: at.u16()? })
    }

    fn text(self) -> String {
        format!("echo {}, id {}, seq {}", if self.request { "request" } else { "reply" }, self.id, self.seq)
    }
}

impl Icmp {
    /// RFC 792.
    pub(super) fn read(mut at: Cursor<'_>, len: usize) -> Option<Self> {
        let (kind, code, _checksum) = (at.u8()?, at.u8()?, at.u16()?);
        let echo = if matches!(kind, 0 | 8) { Echo::read(at, kind == 8) } else { None };
        let text = match (kind, echo) {
            (_, Some(echo)) => echo.text(),
            (3, _) => {
                let what = match code {
                    0 => "net unreachable",
                    1 => "host unreachable",
                    2 => "protocol unreachable",
                    3 => "port unreachable",
                    // RFC 1191 4: the next hop's MTU is in the last two bytes of the header.
                    4 => return Some(Self::about(kind, code, len, too_big(at), at, 4)),
                    5 => "source route failed",
                    9 | 10 | 13 => "unreachable, prohibited",
                    _ => "unreachable",
                };
                return Some(Self::about(kind, code, len, what.into(), at, 4));
            }
            (4, _) => "source quench".into(),
            (5, _) => {
                let gateway = { at }.ipv4().map(|g| format!(" to {g}")).unwrap_or_default();
                return Some(Self::about(kind, code, len, format!("redirect{gateway}"), at, 4));
            }
            (11, _) => {
                let what = if code == 0 { "time exceeded in transit" } else { "reassembly time exceeded" };
                return Some(Self::about(kind, code, len, what.into(), at, 4));
            }
            (12, _) => return Some(Self::about(kind, code, len, "parameter problem".into(), at, 4)),
            (9, _) => "router advertisement".into(),
            (10, _) => "router solicitation".into(),
            (13, _) => "timestamp request".into(),
            (14, _) => "timestamp reply".into(),
            _ => format!("type {kind}, code {code}"),
        };
        Some(Self { kind, code, echo, len, text })
    }

    /// RFC 4443, RFC 4861, RFC 2710, RFC 3810.
    pub(super) fn read6(mut at: Cursor<'_>, len: usize) -> Option<Self> {
        let (kind, code, _checksum) = (at.u8()?, at.u8()?, at.u16()?);
        let echo = if matches!(kind, 128 | 129) { Echo::read(at, kind == 128) } else { None };
        let text = match (kind, echo) {
            (_, Some(echo)) => echo.text(),
            (1, _) => {
                let what = match code {
                    0 => "no route",
                    1 | 5 | 6 => "unreachable, prohibited",
                    3 => "address unreachable",
                    4 => "port unreachable",
                    _ => "unreachable",
                };
                return Some(Self::about(kind, code, len, what.into(), at, 6));
            }
            (2, _) => {
                let mtu = { at }.u32().unwrap_or(0);
                return Some(Self::about(kind, code, len, format!("packet too big, mtu {mtu}"), at, 6));
            }
            (3, _) => {
                let what = if code == 0 { "time exceeded in transit" } else { "reassembly time exceeded" };
                return Some(Self::about(kind, code, len, what.into(), at, 6));
            }
            (4, _) => return Some(Self::about(kind, code, len, "parameter problem".into(), at, 6)),
            (130..=132 | 143, _) => mld(kind, at).unwrap_or_else(|| "multicast listener message".into()),
            (133..=137, _) => ndp(kind, at).unwrap_or_else(|| "neighbor discovery message".into()),
            _ => format!("type {kind}, code {code}"),
        };
        Some(Self { kind, code, echo, len, text })
    }

    /// RFC 2236, RFC 3376.
    pub(super) fn read_igmp(mut at: Cursor<'_>, len: usize) -> Option<Self> {
        let (kind, code, _checksum) = (at.u8()?, at.u8()?, at.u16()?);
        let group = { at }.ipv4().map_or_else(|| "?".into(), |g| g.to_string());
        let text = match kind {
            0x11 if group == "0.0.0.0" => "query".into(),
            0x11 => format!("query {group}"),
            0x12 => format!("v1 report {group}"),
            0x16 => format!("v2 report {group}"),
            0x17 => format!("leave {group}"),
            0x22 => format!("v3 report, {} group record(s)", { at }.u32().unwrap_or(0) & 0xffff),
            _ => format!("type {kind}"),
        };
        Some(Self { kind, code, echo: None, len, text })
    }

    /// An error with the packet that it is about. `at` stands behind the checksum, in front of the four bytes of the kind's own.
    fn about(kind: u8, code: u8, len: usize, what: String, mut at: Cursor<'_>, version: u8) -> Self {
        let quoted = at.u32().and_then(|_| quoted(at, version));
        let text = match quoted {
            Some(quoted) => format!("{what} ({quoted})"),
            None => what,
        };
        Self { kind, code, echo: None, len, text }
    }
}

fn too_big(mut at: Cursor<'_>) -> String {
    match at.u32().map_or(0, |word| word & 0xffff) {
        0 => "fragmentation needed".into(),
        mtu => format!("fragmentation needed, mtu {mtu}"),
    }
}

/// `UDP 192.0.2.1.4000 > 192.0.2.2.9`: of the packet that an error quotes, its addresses and ports.
fn quoted(mut at: Cursor<'_>, version: u8) -> Option<String> {
    let (protocol, source, destination): (u8, IpAddr, IpAddr);
    if version == 4 {
        let options = usize::from(at.rest().first()? & 0xf).checked_sub(5)? * 4;
        at.take(9)?;
        protocol = at.u8()?;
        at.take(2)?;
        (source, destination) = (at.ipv4()?.into(), at.ipv4()?.into());
        at.take(options)?;
    } else {
        at.take(6)?;
        protocol = at.u8()?;
        at.take(1)?;
        (source, destination) = (at.ipv6()?.into(), at.ipv6()?.into());
    }
    let name = protocol_name(protocol);
    Some(match (protocol, at.u16(), at.u16()) {
        (6 | 17, Some(from), Some(to)) => format!("{name} {source}.{from} > {destination}.{to}"),
        _ => format!("{name} {source} > {destination}"),
    })
}

/// `TCP`, `UDP` ...; the number of a protocol that is not known.
pub(super) fn protocol_name(protocol: u8) -> String {
    match protocol {
        1 => "ICMP".into(),
        2 => "IGMP".into(),
        6 => "TCP".into(),
        17 => "UDP".into(),
        50 => "ESP".into(),
        58 => "ICMP6".into(),
        59 => "no next header".into(),
        132 => "SCTP".into(),
        other => format!("protocol {other}"),
    }
}

/// RFC 4861 4: the messages of neighbor discovery.
fn ndp(kind: u8, mut at: Cursor<'_>) -> Option<String> {
    Some(match kind {
        133 => "router solicitation".into(),
        134 => {
            let _limit_and_flags = at.u16()?;
            let lifetime = at.u16()?;
            at.take(8)?;
            let mut text = format!("router advertisement, lifetime {lifetime} s");
            // RFC 4861 4.6: options; length 0 would never end.
            while let (Some(option), Some(units @ 1..)) = (at.u8(), at.u8()) {
                let mut body = Cursor::new(at.take(usize::from(units) * 8 - 2)?);
                if option == 3 {
                    let len = body.u8()?;
                    body.take(13)?;
                    text += &format!(", prefix {}/{len}", body.ipv6()?);
                }
            }
            text
        }
        135 => {
            at.take(4)?;
            format!("neighbor solicitation, who has {}", at.ipv6()?)
        }
        136 => {
            let flags = at.u32()? >> 29;
            let target = at.ipv6()?;
            let mut text = format!("neighbor advertisement, {target}");
            if (at.u8(), at.u8()) == (Some(2), Some(1))
                && let Some(mac) = at.mac()
            {
                text += &format!(" is at {mac}");
            }
            for (bit, name) in [(4, "router"), (2, "solicited"), (1, "override")] {
                if flags & bit != 0 {
                    text += &format!(", {name}");
                }
            }
            text
        }
        _ => {
            at.take(4)?;
            let (via, destination) = (at.ipv6()?, at.ipv6()?);
            format!("redirect, {destination} via {via}")
        }
    })
}

fn mld(kind: u8, mut at: Cursor<'_>) -> Option<String> {
    if kind == 143 {
        let records = at.u32()? & 0xffff;
        return Some(format!("multicast listener report v2, {records} group record(s)"));
    }
    at.take(4)?;
    let group = at.ipv6()?;
    Some(match kind {
        130 if group.is_unspecified() => "multicast listener query".into(),
        130 => format!("multicast listener query {group}"),
        131 => format!("multicast listener report {group}"),
        _ => format!("multicast listener done {group}"),
    })
}
