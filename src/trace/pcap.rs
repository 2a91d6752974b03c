//! Recordings as pcap files, as Wireshark, tshark and tcpdump write and read them.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pcap_file::pcap::{self, PcapHeader, PcapPacket};
use pcap_file::{DataLink, PcapError, TsResolution};

use super::{Recorded, Recorder};
use crate::base::{Direction, Errno, Error, Frame, Instant, LinkType, Result};
use crate::wire::can;

/// Bytes of a frame that are kept: what Wireshark takes, more than any frame has.
const SNAP_LEN: u32 = 262_144;

/// Writes frames into a pcap file, with nanoseconds. A pcap does not say which way a frame went.
///
/// The file has one link type; frames of another are passed over. Once something can't be written (a full disk), nothing more
/// is: the file ends with its last whole frame, or within one, and [`PcapWriter::error`] says why.
#[derive(Debug)]
pub struct PcapWriter<W: Write> {
    writer: pcap::PcapWriter<Shared<W>>,
    /// The same, to be flushed: pcap-file's writer does not give its own out.
    file: Shared<W>,
    link: LinkType,
    epoch: Duration,
    error: Option<Error>,
}

impl PcapWriter<File> {
    /// Makes a file for Ethernet frames, or makes it anew; `epoch` is the time since 1970 at which the host's clock began.
    ///
    /// # Errors
    /// Those of open(2) and write(2).
    pub fn create(path: impl AsRef<Path>, epoch: Duration) -> Result<Self> {
        Self::create_for(path, LinkType::Ethernet, epoch)
    }

    /// The same for frames of this link type.
    ///
    /// # Errors
    /// Those of open(2) and write(2).
    pub fn create_for(path: impl AsRef<Path>, link: LinkType, epoch: Duration) -> Result<Self> {
        let path = path.as_ref();
        let named = |error: Error| error.detail(format!("can't write {}", path.display()));
        let file = File::create(path).map_err(|error| named(error.into()))?;
        Self::new(file, link, epoch).map_err(named)
    }
}

impl<W: Write> PcapWriter<W> {
    /// Writes the head of a file for frames of this link type.
    pub fn new(writer: W, link: LinkType, epoch: Duration) -> Result<Self> {
        let datalink = match link {
            LinkType::Ethernet => DataLink::ETHERNET,
            LinkType::Ip => DataLink::RAW,
            LinkType::Can => DataLink::CAN_SOCKETCAN,
        };
        let header = PcapHeader {
            datalink,
            ts_resolution: TsResolution::NanoSecond,
            snaplen: SNAP_LEN,
            ..PcapHeader::default()
        };
        let file = Shared(Arc::new(Mutex::new(BufWriter::with_capacity(1 << 16, writer))));
        let writer = pcap::PcapWriter::with_header(file.clone(), header).map_err(pcap_error)?;
        let mut new = Self { writer, file, link, epoch, error: None };
        new.flush_file()?;
        Ok(new)
    }

    /// Why the file ends early, if it does.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// Adds a frame.
    pub fn write(&mut self, time: Instant, link: LinkType, bytes: &[u8]) -> Result<()> {
        self.write_cut(time, link, bytes, bytes.len())
    }

    /// Adds the first bytes of a frame that had `wire_len` of them.
    pub fn write_cut(&mut self, time: Instant, link: LinkType, bytes: &[u8], wire_len: usize) -> Result<()> {
        if link != self.link {
            return Ok(());
        }
        let kept = bytes.get(..SNAP_LEN as usize).unwrap_or(bytes);
        let kept = if link == LinkType::Can { Cow::Owned(can::recorded(kept)) } else { Cow::Borrowed(kept) };
        let stamp = self.epoch.saturating_add(time.since(Instant::ZERO));
        let packet = PcapPacket::new(stamp, u32::try_from(wire_len).unwrap_or(u32::MAX), &kept);
        self.writer.write_packet(&packet).map(drop).map_err(pcap_error)
    }

    /// Hands over to the system what is still held back.
    pub fn flush_file(&mut self) -> Result<()> {
        self.file.lock().flush().map_err(Error::from)
    }
}

impl<W: Write + Send + std::fmt::Debug> Recorder for PcapWriter<W> {
    fn record(&mut self, time: Instant, _direction: Direction, frame: &Frame) {
        if self.error.is_none() {
            self.error = self.write(time, frame.link, frame.bytes()).err();
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

/// A writer with two owners.
#[derive(Debug)]
struct Shared<W: Write>(Arc<Mutex<BufWriter<W>>>);

impl<W: Write> Shared<W> {
    fn lock(&self) -> MutexGuard<'_, BufWriter<W>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write> Clone for Shared<W> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<W: Write> Write for Shared<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().flush()
    }
}

/// Reads a pcap file: an iterator over its frames. Their time is that since 1970, and their direction, which the file does not
/// know, is [`Direction::In`].
#[derive(Debug)]
pub struct PcapReader<R: Read> {
    reader: pcap::PcapReader<R>,
    link: LinkType,
    nanos_per_unit: u32,
    ended: bool,
}

impl PcapReader<File> {
    /// Opens a file.
    ///
    /// # Errors
    /// Those of open(2); EINVAL if it is not a pcap file, or one of another link type than Ethernet and IP.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path)
            .map_err(|error| Error::from(error).detail(format!("can't read {}", path.display())))?;
        Self::new(file).map_err(|error| {
            let detail = format!("{}: {}", path.display(), error.why());
            error.detail(detail)
        })
    }
}

impl<R: Read> PcapReader<R> {
    /// Reads the head of a file.
    pub fn new(reader: R) -> Result<Self> {
        let reader = pcap::PcapReader::new(reader).map_err(pcap_error)?;
        let header = reader.header();
        let link = match header.datalink {
            DataLink::ETHERNET => LinkType::Ethernet,
            DataLink::RAW | DataLink::IPV4 | DataLink::IPV6 => LinkType::Ip,
            DataLink::CAN_SOCKETCAN => LinkType::Can,
            other => {
                return Err(
                    Errno::EINVAL.with(format!("link type {other:?} is neither Ethernet, IP nor CAN"))
                );
            }
        };
        let nanos_per_unit = if header.ts_resolution == TsResolution::NanoSecond { 1 } else { 1000 };
        Ok(Self { reader, link, nanos_per_unit, ended: false })
    }

    /// What the frames begin with.
    pub const fn link(&self) -> LinkType {
        self.link
    }
}

impl<R: Read> Iterator for PcapReader<R> {
    type Item = Result<Recorded>;

    /// The next frame; an error (a file that is cut short) is the last item.
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        // The raw packet: pcap-file's own check refuses the frames of a capture that was cut short by its snap length.
        match self.reader.next_raw_packet()? {
            Ok(raw) => {
                let nanos = u64::from(raw.ts_frac).saturating_mul(u64::from(self.nanos_per_unit));
                let time = Instant::from_secs(u64::from(raw.ts_sec)) + Duration::from_nanos(nanos);
                let mut bytes = raw.data.into_owned();
                if self.link == LinkType::Can {
                    bytes = can::recorded(&bytes);
                }
                let wire_len = bytes.len().max(raw.orig_len as usize);
                Some(Ok(Recorded { time, direction: Direction::In, link: self.link, bytes, wire_len }))
            }
            Err(error) => {
                self.ended = true;
                Some(Err(pcap_error(error)))
            }
        }
    }
}

fn pcap_error(error: PcapError) -> Error {
    match error {
        PcapError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Errno::EINVAL.with("the pcap file ends within a frame")
        }
        PcapError::IoError(error) => error.into(),
        other => Errno::EINVAL.with(format!("not a pcap file that can be read: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file in memory that its writer shares.
    #[derive(Clone, Debug, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const EPOCH: Duration = Duration::from_secs(1_700_000_000);

    #[test]
    fn what_is_written_is_read() {
        let memory = Memory::default();
        let mut pcap = PcapWriter::new(memory.clone(), LinkType::Ethernet, EPOCH).unwrap();
        pcap.record(Instant::from_nanos(1_000_000_007), Direction::Out, &Frame::copy_of(b"first frame"));
        let mut other = Frame::copy_of(b"of another link type");
        other.link = LinkType::Ip;
        pcap.record(Instant::from_secs(2), Direction::Out, &other);
        pcap.record(Instant::from_secs(3), Direction::In, &Frame::copy_of(&[7; 65_550]));
        pcap.flush();
        assert!(!pcap.has_failed());
        let bytes = memory.0.lock().unwrap().clone();
        let frames: Vec<_> = PcapReader::new(&bytes[..]).unwrap().map(Result::unwrap).collect();
        assert_eq!(frames.len(), 2);
        assert_eq!((&frames[0].bytes[..], frames[0].wire_len), (&b"first frame"[..], 11));
        assert_eq!(frames[0].time.as_nanos(), 1_700_000_001_000_000_007);
        assert_eq!(frames[1].bytes, [7; 65_550]);

        let cut = &bytes[..bytes.len() - 1];
        let mut reader = PcapReader::new(cut).unwrap();
        assert!(reader.next().unwrap().is_ok());
        assert_eq!(reader.next().unwrap().unwrap_err().errno(), Errno::EINVAL);
        assert!(reader.next().is_none());
        assert_eq!(PcapReader::new(&b"no pcap at all, just words"[..]).unwrap_err().errno(), Errno::EINVAL);
    }

    /// A disk with room for so many bytes.
    #[derive(Debug)]
    struct Disk(usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = bytes.len().min(self.0);
            self.0 -= n;
            if n == 0 { Err(io::Error::from_raw_os_error(28)) } else { Ok(n) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_ends_the_recording_and_nothing_else() {
        let mut pcap = PcapWriter::new(Disk(100), LinkType::Ethernet, EPOCH).unwrap();
        for _ in 0..3 {
            pcap.record(Instant::ZERO, Direction::Out, &Frame::copy_of(&[0; 60]));
            pcap.flush();
        }
        assert_eq!((pcap.has_failed(), pcap.error().map(Error::errno)), (true, Some(Errno::ENOSPC)));
        assert!(PcapWriter::new(Disk(10), LinkType::Ethernet, EPOCH).is_err());
    }
}
