//! Captures of any format that we read: pcap and pcapng, told apart by their first bytes.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use super::{PcapReader, PcapngReader, Recorded, Source};
use crate::base::{Errno, Error, Result};

/// What a capture is read from: the bytes that were looked at first, then the rest.
type Whole<R> = std::io::Chain<Cursor<[u8; 4]>, R>;

/// A capture: an iterator over its frames. Their time is that since 1970.
#[derive(Debug)]
pub enum Capture<R: Read> {
    /// One interface, one link type; it does not know directions.
    Pcap(PcapReader<Whole<R>>),
    /// Several interfaces.
    Pcapng(PcapngReader<Whole<R>>),
}

impl Capture<BufReader<File>> {
    /// Opens a file.
    ///
    /// # Errors
    /// Those of open(2) and read(2); EINVAL if it is neither.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path)
            .map_err(|error| Error::from(error).detail(format!("can't read {}", path.display())))?;
        Self::new(BufReader::with_capacity(1 << 16, file)).map_err(|error| {
            let detail = format!("{}: {}", path.display(), error.why());
            error.detail(detail)
        })
    }
}

impl<R: Read> Capture<R> {
    /// Reads the head of a capture.
    ///
    /// # Errors
    /// Those of read(2); EINVAL if it is neither a pcap nor a pcapng.
    pub fn new(mut reader: R) -> Result<Self> {
        let mut magic = [0; 4];
        reader.read_exact(&mut magic).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Errno::EINVAL.with("too short for a capture"),
            _ => error.into(),
        })?;
        let whole = Cursor::new(magic).chain(reader);
        // The type of pcapng's Section Header Block reads the same from both ends.
        if magic == [0x0a, 0x0d, 0x0d, 0x0a] {
            PcapngReader::new(whole).map(Self::Pcapng)
        } else {
            PcapReader::new(whole).map(Self::Pcap)
        }
    }

    /// The next frame, with the number of its interface (0 of a pcap).
    pub fn next_frame(&mut self) -> Option<Result<(u32, Recorded)>> {
        match self {
            Self::Pcap(reader) => Some(reader.next()?.map(|frame| (0, frame))),
            Self::Pcapng(reader) => reader.next_frame(),
        }
    }

    /// The interface of this number, if the file has said anything of it.
    pub fn source(&self, number: u32) -> Option<&Source> {
        match self {
            Self::Pcap(_) => None,
            Self::Pcapng(reader) => reader.source(number),
        }
    }
}

impl<R: Read> Iterator for Capture<R> {
    type Item = Result<Recorded>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.next_frame()?.map(|(_, frame)| frame))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::{Direction, Instant, LinkType};
    use crate::trace::{PcapWriter, PcapngWriter};

    const EPOCH: Duration = Duration::from_secs(1_700_000_000);

    #[test]
    fn several_interfaces_and_directions_in_one_file() {
        let mut bytes = Vec::new();
        let mut writer = PcapngWriter::new(&mut bytes, EPOCH).unwrap();
        let (one, other) = (
            Source { name: "eth0".into(), link: LinkType::Ethernet, filter: "tcp".into() },
            Source { name: "tun0".into(), link: LinkType::Ip, filter: String::new() },
        );
        assert_eq!((writer.add(&one).unwrap(), writer.add(&other).unwrap()), (0, 1));
        let time = Instant::from_nanos(5_000_000_007);
        writer.write(1, time, Direction::Out, b"a packet", 8).unwrap();
        writer.write(0, time, Direction::In, b"begin of a frame", 1514).unwrap();
        writer.flush_file().unwrap();
        drop(writer);
        let mut capture = Capture::new(&bytes[..]).unwrap();
        let (number, frame) = capture.next_frame().unwrap().unwrap();
        assert_eq!((number, frame.direction, frame.link), (1, Direction::Out, LinkType::Ip));
        assert_eq!((frame.time.as_nanos(), &frame.bytes[..]), (1_700_000_005_000_000_007, &b"a packet"[..]));
        let (number, frame) = capture.next_frame().unwrap().unwrap();
        assert_eq!((number, frame.direction, frame.wire_len), (0, Direction::In, 1514));
        assert_eq!((capture.source(0), capture.source(1)), (Some(&one), Some(&other)));
        assert!(capture.next_frame().is_none());
        // Cut short: what is whole comes, then one error, then nothing.
        let mut capture = Capture::new(&bytes[..bytes.len() - 3]).unwrap();
        assert!(capture.next().unwrap().is_ok());
        assert_eq!(capture.next().unwrap().unwrap_err().errno(), Errno::EINVAL);
        assert!(capture.next().is_none());
    }

    #[test]
    fn told_apart_by_their_first_bytes() {
        let mut bytes = Vec::new();
        let mut writer = PcapWriter::new(&mut bytes, LinkType::Ip, EPOCH).unwrap();
        writer.write(Instant::from_secs(1), LinkType::Ip, b"E...").unwrap();
        writer.flush_file().unwrap();
        drop(writer);
        assert_eq!(Capture::new(&bytes[..]).unwrap().map(Result::unwrap).count(), 1);
        assert_eq!(Capture::new(&b"GIF89a"[..]).unwrap_err().errno(), Errno::EINVAL);
        assert_eq!(Capture::new(&b"GI"[..]).unwrap_err().errno(), Errno::EINVAL);
    }
}
