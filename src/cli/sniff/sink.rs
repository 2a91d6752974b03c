//! Where frames go: a file, lines, the count.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use super::Sniffed;
use super::line::Printer;
use crate::base::Error;
use crate::cli::args::SniffArgs;
use crate::cli::say::Trouble;
use crate::trace::{PcapWriter, PcapngWriter, Source};

/// Where frames go.
pub(super) struct Sink {
    file: Option<Writer>,
    printer: Option<Printer>,
    /// Interfaces described so far: their numbers in the file.
    described: Vec<Option<u32>>,
    taken: u64,
}

enum Writer {
    /// Made when the link type of the first interface is known.
    Pcap(Option<Box<PcapWriter<Box<dyn Write + Send>>>>, Option<Box<dyn Write + Send>>),
    Pcapng(Box<PcapngWriter<Box<dyn Write + Send>>>),
}

impl Sink {
    pub(super) fn new(args: &SniffArgs, as_json: bool) -> Result<Self, Trouble> {
        let file = args.write.as_deref().map(create).transpose()?;
        let printer = (file.is_none() || args.print).then(|| Printer::new(args, as_json));
        Ok(Self { file, printer, described: Vec::new(), taken: 0 })
    }

    /// Tells of an interface, once, before its first frame.
    pub(super) fn describe(&mut self, number: u32, source: &Source) -> Result<(), Trouble> {
        let at = number as usize;
        if self.described.get(at).is_some_and(Option::is_some) {
            return Ok(());
        }
        let in_file = match &mut self.file {
            Some(Writer::Pcapng(writer)) => writer.add(source)?,
            Some(Writer::Pcap(writer, file)) => {
                if let Some(file) = file.take() {
                    *writer = Some(Box::new(PcapWriter::new(file, source.link, Duration::ZERO)?));
                } else {
                    return Err(Trouble::new("a pcap file has room for one interface")
                        .hint("write a pcapng: `-w FILE.pcapng`"));
                }
                0
            }
            None => number,
        };
        if self.described.len() <= at {
            self.described.resize(at + 1, None);
        }
        self.described[at] = Some(in_file);
        if let Some(printer) = &mut self.printer {
            printer.describe(number, &source.name);
        }
        Ok(())
    }

    /// A frame.
    pub(super) fn take(&mut self, frame: &Sniffed<'_>) -> Result<(), Error> {
        self.taken += 1;
        let number = self.described.get(frame.source as usize).copied().flatten().unwrap_or(0);
        match &mut self.file {
            Some(Writer::Pcapng(writer)) => {
                writer.write(number, frame.time, frame.direction, frame.bytes, frame.len)?;
            }
            Some(Writer::Pcap(Some(writer), _)) => {
                writer.write_cut(frame.time, frame.link, frame.bytes, frame.len)?;
            }
            Some(Writer::Pcap(None, _)) | None => {}
        }
        if let Some(printer) = &mut self.printer {
            printer.print(frame);
        }
        Ok(())
    }

    /// Hands over to the system what is held back.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        match &mut self.file {
            Some(Writer::Pcapng(writer)) => writer.flush_file(),
            Some(Writer::Pcap(Some(writer), _)) => writer.flush_file(),
            _ => Ok(()),
        }
    }

    /// Frames taken.
    pub(super) const fn taken(&self) -> u64 {
        self.taken
    }
}

/// The file of `-w`.
fn create(path: &Path) -> Result<Writer, Trouble> {
    let file: Box<dyn Write + Send> = if path.as_os_str() == "-" {
        Box::new(io::stdout())
    } else {
        let file = File::create(path)
            .map_err(|error| Error::from(error).detail(format!("can't write {}", path.display())))?;
        Box::new(file)
    };
    if path.extension().is_some_and(|suffix| suffix == "pcap" || suffix == "cap") {
        Ok(Writer::Pcap(None, Some(file)))
    } else {
        Ok(Writer::Pcapng(Box::new(PcapngWriter::new(file, Duration::ZERO)?)))
    }
}
