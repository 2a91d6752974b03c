//! Recordings as pcapng files: several interfaces in one file, each with its name, its link type and its clock's resolution;
//! which way a frame went is kept. (draft-ietf-opsawg-pcapng)

use std::borrow::Cow;
use std::io::{self, BufWriter, Read, Write};
use std::time::Duration;

use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::{Block, PcapNgReader, PcapNgWriter};
use pcap_file::{DataLink, PcapError};

use super::{Recorded, Recorder};
use crate::base::{Direction, Errno, Error, Frame, Instant, LinkType, Result};
use crate::wire::can;

/// The epb_flags of an arriving frame, and of one that leaves (bits 0 and 1).
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;
/// if_tsresol: nanoseconds.
const NANOSECONDS: u8 = 9;

/// An interface of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name; empty if it has none.
    pub name: String,
    /// What its frames begin with.
    pub link: LinkType,
    /// The filter that chose the frames, as text.
    pub filter: String,
}

/// Writes frames into a pcapng file, with nanoseconds. As a [`Recorder`] it writes those of one host's wire.
pub struct PcapngWriter<W: Write> {
    writer: PcapNgWriter<BufWriter<W>>,
    epoch: Duration,
    sources: Vec<LinkType>,
    error: Option<Error>,
}

impl<W: Write> std::fmt::Debug for PcapngWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PcapngWriter").field("sources", &self.sources).finish_non_exhaustive()
    }
}

impl<W: Write> PcapngWriter<W> {
    /// Writes the head of a file; `epoch` is the time since 1970 at which the host's clock began.
    ///
    /// # Errors
    /// Those of write(2).
    pub fn new(writer: W, epoch: Duration) -> Result<Self> {
        let writer = BufWriter::with_capacity(1 << 16, writer);
        let writer = PcapNgWriter::new(writer).map_err(pcapng_error)?;
        Ok(Self { writer, epoch, sources: Vec::new(), error: None })
    }

    /// Adds an interface; gives its number, from 0.
    ///
    /// # Errors
    /// Those of write(2).
    pub fn add(&mut self, source: &Source) -> Result<u32> {
        let mut options = vec![InterfaceDescriptionOption::IfTsResol(NANOSECONDS)];
        if !source.name.is_empty() {
            options.push(InterfaceDescriptionOption::IfName(Cow::Borrowed(&source.name)));
        }
        if !source.filter.is_empty() {
            // if_filter: its first byte says that a filter's text follows.
            let filter = [&[0], source.filter.as_bytes()].concat();
            options.push(InterfaceDescriptionOption::IfFilter(Cow::Owned(filter)));
        }
        let linktype = match source.link {
            LinkType::Ethernet => DataLink::ETHERNET,
            LinkType::Ip => DataLink::RAW,
            LinkType::Can => DataLink::CAN_SOCKETCAN,
        };
        let block = InterfaceDescriptionBlock { linktype, snaplen: 0, options };
        self.writer.write_pcapng_block(block).map_err(pcapng_error)?;
        self.sources.push(source.link);
        Ok(self.sources.len() as u32 - 1)
    }

    /// Adds a frame of an interface; `wire_len` is its length where `bytes` are only its first ones.
    ///
    /// # Errors
    /// Those of write(2); EINVAL without such an interface.
    pub fn write(
        &mut self,
        source: u32,
        time: Instant,
        direction: Direction,
        bytes: &[u8],
        wire_len: usize,
    ) -> Result<()> {
        let can = self.sources.get(source as usize) == Some(&LinkType::Can);
        let bytes = if can { Cow::Owned(can::recorded(bytes)) } else { Cow::Borrowed(bytes) };
        let flags = if direction == Direction::In { INBOUND } else { OUTBOUND };
        let block = EnhancedPacketBlock {
            interface_id: source,
            timestamp: self.epoch.saturating_add(time.since(Instant::ZERO)),
            original_len: u32::try_from(wire_len).unwrap_or(u32::MAX),
            data: bytes,
            options: vec![EnhancedPacketOption::Flags(flags)],
        };
        self.writer.write_pcapng_block(block).map(drop).map_err(pcapng_error)
    }

    /// Hands over to the system what is still held back.
    ///
    /// # Errors
    /// Those of write(2).
    pub fn flush_file(&mut self) -> Result<()> {
        self.writer.get_mut().flush().map_err(Error::from)
    }

    /// The source of the frames of one wire that begin like this one.
    fn source_of(&mut self, link: LinkType) -> Result<u32> {
        match self.sources.iter().position(|known| *known == link) {
            Some(at) => Ok(at as u32),
            None => self.add(&Source { name: String::new(), link, filter: String::new() }),
        }
    }

    fn record_frame(&mut self, time: Instant, direction: Direction, frame: &Frame) -> Result<()> {
        let source = self.source_of(frame.link)?;
        self.write(source, time, direction, frame.bytes(), frame.len())
    }
}

impl<W: Write + Send> Recorder for PcapngWriter<W> {
    fn record(&mut self, time: Instant, direction: Direction, frame: &Frame) {
        if self.error.is_none() {
            self.error = self.record_frame(time, direction, frame).err();
        }
    }

    fn flush(&mut self) {
        if self.error.is_none() {
            self.error = self.flush_file().err();
        }
    }

    fn has_failed(&self) -> bool {
        self.error.is_some()
    }
}

/// Reads a pcapng file: an iterator over its frames, with the number of their interface.
pub struct PcapngReader<R: Read> {
    reader: PcapNgReader<R>,
    /// The interfaces of this section, as far as they have been described.
    sources: Vec<Known>,
    ended: bool,
}

/// An interface that a section has described.
#[derive(Clone, Debug)]
struct Known {
    source: Option<Source>,
    /// if_tsresol.
    resolution: u8,
}

impl<R: Read> std::fmt::Debug for PcapngReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PcapngReader").field("sources", &self.sources).finish_non_exhaustive()
    }
}

impl<R: Read> PcapngReader<R> {
    /// Reads the head of a file.
    ///
    /// # Errors
    /// EINVAL if it is no pcapng.
    pub fn new(reader: R) -> Result<Self> {
        let reader = PcapNgReader::new(reader).map_err(pcapng_error)?;
        Ok(Self { reader, sources: Vec::new(), ended: false })
    }

    /// The interface of this number, once its description has been read.
    pub fn source(&self, number: u32) -> Option<&Source> {
        self.sources.get(number as usize)?.source.as_ref()
    }

    /// The next frame, with the number of its interface. A frame of a link type that is neither Ethernet nor IP is an error, and
    /// reading goes on behind it; after any other error nothing comes.
    pub fn next_frame(&mut self) -> Option<Result<(u32, Recorded)>> {
        while !self.ended {
            let block = match self.reader.next_block()? {
                Ok(block) => block,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(pcapng_error(error)));
                }
            };
            match block {
                // A new section describes its interfaces anew.
                Block::SectionHeader(_) => self.sources.clear(),
                Block::InterfaceDescription(block) => self.sources.push(known(&block)),
                Block::EnhancedPacket(block) => {
                    let flags = block.options.iter().find_map(|option| match option {
                        EnhancedPacketOption::Flags(flags) => Some(flags & 3),
                        _ => None,
                    });
                    let direction = if flags == Some(OUTBOUND) { Direction::Out } else { Direction::In };
                    // The library hands out the bare count as nanoseconds.
                    let units = u64::try_from(block.timestamp.as_nanos()).unwrap_or(u64::MAX);
                    let (number, len) = (block.interface_id, block.original_len as usize);
                    let bytes = block.data.into_owned();
                    return Some(self.frame(number, units, direction, bytes, len));
                }
                Block::SimplePacket(block) => {
                    let len = block.original_len as usize;
                    // No time of its own; padding is not told from data.
                    let mut bytes = block.data.into_owned();
                    bytes.truncate(len);
                    return Some(self.frame(0, 0, Direction::In, bytes, len));
                }
                Block::Packet(block) => {
                    let (number, len) = (u32::from(block.interface_id), block.original_len as usize);
                    let (units, bytes) = (block.timestamp, block.data.into_owned());
                    return Some(self.frame(number, units, Direction::In, bytes, len));
                }
                _ => {}
            }
        }
        None
    }

    fn frame(
        &self,
        number: u32,
        units: u64,
        direction: Direction,
        bytes: Vec<u8>,
        wire_len: usize,
    ) -> Result<(u32, Recorded)> {
        let Some(known) = self.sources.get(number as usize) else {
            return Err(Errno::EINVAL
                .with(format!("a frame of interface {number}, which the file does not describe")));
        };
        let Some(source) = &known.source else {
            return Err(Errno::EINVAL
                .with(format!("interface {number} has a link type that is neither Ethernet nor IP")));
        };
        let time = Instant::ZERO + span(units, known.resolution);
        let wire_len = wire_len.max(bytes.len());
        let bytes = if source.link == LinkType::Can { can::recorded(&bytes) } else { bytes };
        Ok((number, Recorded { time, direction, link: source.link, bytes, wire_len }))
    }
}

impl<R: Read> Iterator for PcapngReader<R> {
    type Item = Result<Recorded>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.next_frame()?.map(|(_, frame)| frame))
    }
}

fn known(block: &InterfaceDescriptionBlock<'_>) -> Known {
    let link = match block.linktype {
        DataLink::ETHERNET => Some(LinkType::Ethernet),
        DataLink::RAW | DataLink::IPV4 | DataLink::IPV6 => Some(LinkType::Ip),
        DataLink::CAN_SOCKETCAN => Some(LinkType::Can),
        _ => None,
    };
    // if_tsresol: microseconds where it is missing.
    let (mut name, mut filter, mut resolution) = (String::new(), String::new(), 6);
    for option in &block.options {
        match option {
            InterfaceDescriptionOption::IfName(text) => name = text.to_string(),
            InterfaceDescriptionOption::IfTsResol(value) => resolution = *value,
            InterfaceDescriptionOption::IfFilter(bytes) => {
                if let [0, text @ ..] = &**bytes {
                    filter = String::from_utf8_lossy(text).into_owned();
                }
            }
            _ => {}
        }
    }
    Known { source: link.map(|link| Source { name, link, filter }), resolution }
}

/// if_tsresol: a power of ten, or of two if the highest bit is set.
fn span(units: u64, resolution: u8) -> Duration {
    let units = u128::from(units);
    let nanos = match resolution {
        power @ ..=9 => units * 10_u128.pow(9 - u32::from(power)),
        power @ 10..=0x7f => 10_u128.checked_pow(u32::from(power) - 9).map_or(0, |scale| units / scale),
        power => (units * 1_000_000_000).checked_shr(u32::from(power & 0x7f)).unwrap_or(0),
    };
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn pcapng_error(error: PcapError) -> Error {
    match error {
        PcapError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Errno::EINVAL.with("the pcapng file ends within a block")
        }
        PcapError::IoError(error) => error.into(),
        other => Errno::EINVAL.with(format!("not a pcapng file that can be read: {other}")),
    }
}
