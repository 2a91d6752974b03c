//! A socket as a file.

use std::io::{BufRead, BufReader, BufWriter, Read, Write};

use super::Socket;
use crate::base::{Errno, Result};

/// What [`Socket::makefile`] makes: a buffered file on a socket. It holds a handle of its own: the socket closes when this
/// and the others have. Text is UTF-8; lines are read by [`BufRead`].
#[derive(Debug)]
pub struct SocketFile {
    reader: Option<BufReader<Socket>>,
    writer: Option<BufWriter<Socket>>,
}

impl Socket {
    /// A file on this socket. `mode` is `"r"`, `"w"` or `"rw"`, with `"b"` if you like: bytes and text are the same here.
    /// The socket must block or have a time-out.
    ///
    /// # Errors
    /// EINVAL for another mode; EBADF.
    ///
    /// ```
    /// use std::io::{BufRead, Write};
    /// use sockatoo::{Host, socket::*};
    /// let host = Host::builder().build()?;
    /// let (one, other) = host.socketpair(AF_INET, SOCK_STREAM, 0)?;
    /// let mut file = one.makefile("rw")?;
    /// writeln!(file, "hello")?;
    /// file.flush()?;
    /// let mut line = String::new();
    /// other.makefile("r")?.read_line(&mut line)?;
    /// assert_eq!(line, "hello\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn makefile(&self, mode: &str) -> Result<SocketFile> {
        if mode.is_empty() || mode.chars().any(|c| !matches!(c, 'r' | 'w' | 'b')) {
            return Err(Errno::EINVAL.with(format!("`{mode}` is no mode: only r, w and b are allowed")));
        }
        let writes = mode.contains('w');
        let reads = mode.contains('r') || !writes;
        Ok(SocketFile {
            reader: if reads { Some(BufReader::new(self.dup()?)) } else { None },
            writer: if writes { Some(BufWriter::new(self.dup()?)) } else { None },
        })
    }
}

impl SocketFile {
    fn reader(&mut self) -> std::io::Result<&mut BufReader<Socket>> {
        self.reader.as_mut().ok_or_else(|| Errno::EBADF.with("the file is not open for reading").into())
    }

    fn writer(&mut self) -> std::io::Result<&mut BufWriter<Socket>> {
        self.writer.as_mut().ok_or_else(|| Errno::EBADF.with("the file is not open for writing").into())
    }
}

impl Read for SocketFile {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.reader()?.read(buffer)
    }
}

impl BufRead for SocketFile {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.reader()?.fill_buf()
    }
    fn consume(&mut self, amount: usize) {
        if let Some(reader) = &mut self.reader {
            reader.consume(amount);
        }
    }
}

impl Write for SocketFile {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.writer()?.write(data)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.writer()?.flush()
    }
}
