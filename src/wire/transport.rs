//! TCP and UDP headers, read.

use std::fmt;

use super::cursor::Cursor;

/// A TCP segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Who sent it.
    pub source_port: u16,
    /// Whom it is for.
    pub destination_port: u16,
    /// The sequence number of its first byte (or of SYN).
    pub seq: u32,
    /// The sequence number that is expected next, if ACK is set.
    pub ack: u32,
    /// SYN, ACK ...
    pub flags: TcpFlags,
    /// As it stands in the header, without the scale.
    pub window: u16,
    /// The urgent pointer.
    pub urgent: u16,
    /// In their order.
    pub options: Vec<TcpOption>,
    /// Bytes of data.
    pub len: usize,
    /// The first bytes of the data, at most 64: to recognise it.
    pub start: Vec<u8>,
}

/// The flags of a TCP header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TcpFlags(pub u16);

/// An option of a TCP header.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TcpOption {
    /// Kind 0.
    End,
    /// Kind 1.
    Nop,
    /// The largest segment that the sender wants to get.
    Mss(u16),
    /// RFC 7323: windows are shifted by this.
    WindowScale(u8),
    /// RFC 2018.
    SackPermitted,
    /// RFC 2018: what arrived beyond the acknowledged.
    Sack(Vec<(u32, u32)>),
    /// RFC 7323: value and echo.
    Timestamps(u32, u32),
    /// Another one.
    Other(u8),
}

/// How much of a payload is kept to recognise it.
const START: usize = 64;

impl Tcp {
    /// `len`: bytes of the segment as IP counts them; fewer may be there.
    pub(super) fn read(mut at: Cursor<'_>, len: usize) -> Option<Self> {
        let segment = at.rest();
        let (source_port, destination_port) = (at.u16()?, at.u16()?);
        let (seq, ack) = (at.u32()?, at.u32()?);
        let bits = at.u16()?;
        let (window, _checksum, urgent) = (at.u16()?, at.u16()?, at.u16()?);
        // RFC 9293 3.1: the data offset counts 32-bit words. Less than the fixed header is read as no options.
        let header = usize::from(bits >> 12) * 4;
        let options = options(segment.get(20..header).unwrap_or_default());
        let data = segment.get(header.max(20)..).unwrap_or_default();
        Some(Self {
            source_port,
            destination_port,
            seq,
            ack,
            flags: TcpFlags(bits & 0xfff),
            window,
            urgent,
            options,
            len: len.saturating_sub(header.max(20)),
            start: data.iter().take(START).copied().collect(),
        })
    }

    /// The sequence numbers that the segment uses: its data, and one each for SYN and FIN.
    pub fn span(&self) -> u32 {
        let flags = [TcpFlags::SYN, TcpFlags::FIN].iter().filter(|f| self.flags.has(**f)).count();
        u32::try_from(self.len + flags).unwrap_or(u32::MAX)
    }
}

/// RFC 9293 3.1: kinds 0 and 1 are one byte; all others have a length that counts kind and length too.
fn options(bytes: &[u8]) -> Vec<TcpOption> {
    let (mut at, mut options) = (Cursor::new(bytes), Vec::new());
    while let Some(kind) = at.u8() {
        match kind {
            0 => {
                options.push(TcpOption::End);
                break;
            }
            1 => options.push(TcpOption::Nop),
            _ => {
                let Some(body) = at.u8().and_then(|len| at.take(usize::from(len).checked_sub(2)?)) else {
                    options.push(TcpOption::Other(kind));
                    break;
                };
                options.push(option(kind, body).unwrap_or(TcpOption::Other(kind)));
            }
        }
    }
    options
}

fn option(kind: u8, body: &[u8]) -> Option<TcpOption> {
    let mut at = Cursor::new(body);
    Some(match (kind, body.len()) {
        (2, 2) => TcpOption::Mss(at.u16()?),
        (3, 1) => TcpOption::WindowScale(at.u8()?),
        (4, 0) => TcpOption::SackPermitted,
        (5, n) if n.is_multiple_of(8) => {
            let mut blocks = Vec::new();
            while let (Some(from), Some(to)) = (at.u32(), at.u32()) {
                blocks.push((from, to));
            }
            TcpOption::Sack(blocks)
        }
        (8, 8) => TcpOption::Timestamps(at.u32()?, at.u32()?),
        _ => return None,
    })
}

impl fmt::Display for TcpOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End => write!(f, "eol"),
            Self::Nop => write!(f, "nop"),
            Self::Mss(mss) => write!(f, "mss {mss}"),
            Self::WindowScale(shift) => write!(f, "wscale {shift}"),
            Self::SackPermitted => write!(f, "sackOK"),
            Self::Sack(blocks) => {
                write!(f, "sack {}", blocks.len())?;
                blocks.iter().try_for_each(|(from, to)| write!(f, " {{{from}:{to}}}"))
            }
            Self::Timestamps(value, echo) => write!(f, "TS val {value} ecr {echo}"),
            Self::Other(kind) => write!(f, "kind {kind}"),
        }
    }
}

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// The first segment of a direction.
    pub const SYN: Self = Self(0x02);
    /// The connection is over, now.
    pub const RST: Self = Self(0x04);
    /// Hand it to the program.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgment number counts.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer counts.
    pub const URG: Self = Self(0x20);

    const NAMES: [(Self, &'static str, char); 9] = [
        (Self::SYN, "SYN", 'S'),
        (Self::FIN, "FIN", 'F'),
        (Self::RST, "RST", 'R'),
        (Self::PSH, "PSH", 'P'),
        (Self::ACK, "ACK", '.'),
        (Self::URG, "URG", 'U'),
        (Self(0x40), "ECE", 'E'),
        (Self(0x80), "CWR", 'W'),
        (Self(0x100), "AE", 'e'),
    ];

    /// True if all of `flags` are set.
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    fn set(self) -> impl Iterator<Item = (&'static str, char)> {
        Self::NAMES
            .into_iter()
            .filter(move |(flag, ..)| self.has(*flag))
            .map(|(_, name, letter)| (name, letter))
    }

    /// tcpdump's letters: `S.` is SYN and ACK, `none` is none.
    pub fn letters(self) -> String {
        let letters: String = self.set().map(|(_, letter)| letter).collect();
        if letters.is_empty() { "none".into() } else { letters }
    }
}

impl fmt::Display for TcpFlags {
    /// `SYN ACK`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.set().map(|(name, _)| name).collect();
        write!(f, "{}", if names.is_empty() { "no flags".into() } else { names.join(" ") })
    }
}

impl fmt::Debug for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

/// A UDP datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Udp {
    /// Who sent it.
    pub source_port: u16,
    /// Whom it is for.
    pub destination_port: u16,
    /// As it stands in the header, which it counts.
    pub length: u16,
    /// As it stands in the header.
    pub checksum: u16,
    /// Bytes of data.
    pub len: usize,
    /// The first bytes of the data, at most 300: to recognise it (a DNS question fits).
    pub start: Vec<u8>,
}

impl Udp {
    pub(super) fn read(mut at: Cursor<'_>) -> Option<Self> {
        let (source_port, destination_port, length, checksum) = (at.u16()?, at.u16()?, at.u16()?, at.u16()?);
        Some(Self {
            source_port,
            destination_port,
            length,
            checksum,
            len: usize::from(length).saturating_sub(8),
            start: at.rest().iter().take(300).copied().collect(),
        })
    }
}
