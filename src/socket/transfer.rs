//! The send and recv families. `flags` are MSG_*, 0 for none.

use std::borrow::Cow;
use std::io::{IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};

use super::blocking::Patience;
use super::rights::rights;
use super::{Socket, ToSockAddr};
use crate::base::constants::{
    MSG_DONTWAIT, MSG_ERRQUEUE, MSG_FASTOPEN, MSG_OOB, MSG_PEEK, MSG_WAITALL, SO_RCVTIMEO, SO_SNDTIMEO,
    SOCK_STREAM,
};
use crate::base::{ControlMessage, Errno, Reason, Result, SockAddr};
use crate::driver::Door;
use crate::stack::{Received, SendTo};

/// What [`Socket::recvmsg`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The data.
    pub data: Vec<u8>,
    /// What came beside it, see cmsg(3).
    pub control: Vec<ControlMessage>,
    /// `MSG_TRUNC`, `MSG_ERRQUEUE`, ...
    pub flags: i32,
    /// The sender; [`SockAddr::Unspec`] of a stream.
    pub address: SockAddr,
}

/// What [`Socket::recvmsg_into`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageHead {
    /// Bytes written to the buffers.
    pub len: usize,
    /// What came beside them, see cmsg(3).
    pub control: Vec<ControlMessage>,
    /// `MSG_TRUNC`, `MSG_ERRQUEUE`, ...
    pub flags: i32,
    /// The sender; [`SockAddr::Unspec`] of a stream.
    pub address: SockAddr,
}

/// recv(2): Linux's MAX_RW_COUNT, so many bytes at most in one call.
const MOST: usize = 0x7fff_f000;
/// sendfile reads the file in pieces of this many bytes.
const PIECE: u64 = 64 * 1024;

/// Receiving.
impl Socket {
    /// recv(2): waits for data and gives at most `bufsize` bytes of it. Of a stream, none at all is the end of file; of a
    /// datagram socket, what does not fit is lost.
    ///
    /// # Errors
    /// EAGAIN, ETIMEDOUT (time-out), ECONNRESET, ECONNREFUSED, ENOTCONN, EBADF.
    pub fn recv(&self, bufsize: usize, flags: i32) -> Result<Vec<u8>> {
        Ok(self.recvfrom(bufsize, flags)?.0)
    }

    /// recv(2) into a buffer; gives the number of bytes (with `MSG_TRUNC`, the datagram's whole length).
    ///
    /// # Errors
    /// As [`Socket::recv`].
    pub fn recv_into(&self, buffer: &mut [u8], flags: i32) -> Result<usize> {
        let received = self.receive("recv", &mut [IoSliceMut::new(buffer)], flags)?;
        self.refuse_rights(&received.control);
        Ok(received.len)
    }

    /// recvfrom(2): [`Socket::recv`] that also tells the sender ([`SockAddr::Unspec`] of a stream).
    ///
    /// # Errors
    /// As [`Socket::recv`].
    ///
    /// ```
    /// # use sockatoo::{Host, socket::*};
    /// # let host = Host::builder().build()?;
    /// let (one, other) = (host.socket(AF_INET, SOCK_DGRAM, 0)?, host.socket(AF_INET, SOCK_DGRAM, 0)?);
    /// one.bind(("127.0.0.1", 1000))?;
    /// other.bind(("127.0.0.1", 2000))?;
    /// one.sendto(b"hello", 0, ("127.0.0.1", 2000))?;
    /// let (data, address) = other.recvfrom(1024, 0)?;
    /// assert_eq!((data.as_slice(), address), (&b"hello"[..], one.getsockname()?));
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn recvfrom(&self, bufsize: usize, flags: i32) -> Result<(Vec<u8>, SockAddr)> {
        let mut data = vec![0; bufsize.min(MOST)];
        let (len, address) = self.recvfrom_into(&mut data, flags)?;
        data.truncate(len);
        Ok((data, address))
    }

    /// recvfrom(2) into a buffer.
    ///
    /// # Errors
    /// As [`Socket::recv`].
    pub fn recvfrom_into(&self, buffer: &mut [u8], flags: i32) -> Result<(usize, SockAddr)> {
        let received = self.receive("recvfrom", &mut [IoSliceMut::new(buffer)], flags)?;
        self.refuse_rights(&received.control);
        Ok((received.len, received.from.unwrap_or(SockAddr::Unspec)))
    }

    /// recvmsg(2): data, control messages, flags, sender. All control messages that were asked for by an option come along.
    ///
    /// # Errors
    /// As [`Socket::recv`].
    pub fn recvmsg(&self, bufsize: usize, flags: i32) -> Result<Message> {
        let mut data = vec![0; bufsize.min(MOST)];
        let MessageHead { len, control, flags, address } =
            self.recvmsg_into(&mut [IoSliceMut::new(&mut data)], flags)?;
        data.truncate(len);
        Ok(Message { data, control, flags, address })
    }

    /// recvmsg(2) into several buffers, filled one after the other.
    ///
    /// # Errors
    /// As [`Socket::recv`].
    pub fn recvmsg_into(&self, buffers: &mut [IoSliceMut<'_>], flags: i32) -> Result<MessageHead> {
        let Received { len, from, flags, control } = self.receive("recvmsg", buffers, flags)?;
        Ok(MessageHead { len, control, flags, address: from.unwrap_or(SockAddr::Unspec) })
    }

    fn receive(&self, name: &'static str, buffers: &mut [IoSliceMut<'_>], flags: i32) -> Result<Received> {
        // ip(7): reading the error queue never waits; neither does reading urgent data.
        let now = flags & (MSG_ERRQUEUE | MSG_OOB) != 0;
        let patience = if now { Patience::Now } else { self.patience(SO_RCVTIMEO, flags) };
        if flags & MSG_WAITALL != 0
            && flags & (MSG_PEEK | MSG_ERRQUEUE | MSG_OOB) == 0
            && self.type_() == SOCK_STREAM
        {
            return self.receive_all(name, buffers, flags, patience);
        }
        let result = self.receive_once(name, buffers, flags, patience);
        match result {
            // Too little when SO_RCVTIMEO ended is still something.
            Err(error) if error.errno() == Errno::EAGAIN && !matches!(patience, Patience::Now) => {
                self.receive_once(name, buffers, flags, Patience::Now).map_err(|_| error)
            }
            result => result,
        }
    }

    /// One recvmsg(2) that may wait.
    fn receive_once(
        &self,
        name: &'static str,
        buffers: &mut [IoSliceMut<'_>],
        flags: i32,
        patience: Patience,
    ) -> Result<Received> {
        let here = match self.open()?.host.door() {
            Door::Here(here) => here,
            Door::There(far) => return self.receive_there(far, patience, buffers, flags),
        };
        let wanted = buffers.iter().map(|b| b.len()).sum();
        let waits = self.type_() == SOCK_STREAM && !matches!(patience, Patience::Now);
        self.block(here, name, patience, |stack, id| {
            if waits && !stack.has_enough(id, wanted, flags) {
                return Err(Errno::EAGAIN.because(Reason::NoData));
            }
            stack.recv(id, buffers, flags)
        })
    }

    /// recv(2), MSG_WAITALL: until the buffers are full; less only at the end of file, an error or the end of patience.
    fn receive_all(
        &self,
        name: &'static str,
        buffers: &mut [IoSliceMut<'_>],
        flags: i32,
        patience: Patience,
    ) -> Result<Received> {
        let wanted: usize = buffers.iter().map(|b| b.len()).sum();
        let mut rest = buffers;
        let mut all = Received::default();
        loop {
            match self.receive_once(name, rest, flags, patience) {
                Ok(piece) => {
                    let len = piece.len;
                    let mut control = std::mem::take(&mut all.control);
                    let sockets = piece.control.iter().any(|message| !rights(message).is_empty());
                    control.retain(|message| !piece.control.contains(message));
                    control.extend_from_slice(&piece.control);
                    all = Received { len: all.len + len, control, ..piece };
                    // unix_stream_read_generic stops where sockets come along.
                    if len == 0 || all.len >= wanted || sockets {
                        return Ok(all);
                    }
                    IoSliceMut::advance_slices(&mut rest, len);
                }
                Err(_) if all.len > 0 => return Ok(all),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Sending.
impl Socket {
    /// send(2): gives the number of bytes taken. A blocking stream takes all; a non-blocking one, or one with a time-out,
    /// what there is room for.
    ///
    /// # Errors
    /// EAGAIN, ETIMEDOUT (time-out), EPIPE (never a signal), ECONNRESET, ENOTCONN, EDESTADDRREQ, EMSGSIZE.
    pub fn send(&self, data: &[u8], flags: i32) -> Result<usize> {
        let patience = self.patience(SO_SNDTIMEO, flags);
        self.transmit("send", &[IoSlice::new(data)], flags.into(), patience)
    }

    /// Sends all of `data`. The time-out counts for the whole. After an error nobody knows how much was sent.
    ///
    /// # Errors
    /// As [`Socket::send`].
    pub fn sendall(&self, data: &[u8], flags: i32) -> Result<()> {
        let patience = self.patience(SO_SNDTIMEO, flags);
        let mut rest = data;
        loop {
            let how = flags.into();
            let sent = self.transmit("send", &[IoSlice::new(rest)], how, patience)?;
            rest = rest.get(sent..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// sendto(2): sends a datagram to `address`; gives its length.
    ///
    /// # Errors
    /// As [`Socket::send`], and EACCES (broadcast without SO_BROADCAST), EISCONN (a connected stream).
    pub fn sendto(&self, data: &[u8], flags: i32, address: impl ToSockAddr) -> Result<usize> {
        let to = Some(self.address(&address, false)?);
        let patience = self.patience(SO_SNDTIMEO, flags);
        self.transmit("sendto", &[IoSlice::new(data)], SendTo { to, flags, control: &[] }, patience)
    }

    /// sendmsg(2): sends several buffers as one, with control messages, to `address` or the peer.
    ///
    /// # Errors
    /// As [`Socket::sendto`].
    ///
    /// ```
    /// # use sockatoo::{Host, socket::*};
    /// # use std::io::IoSlice;
    /// # let host = Host::builder().build()?;
    /// # let socket = host.socket(AF_INET, SOCK_DGRAM, 0)?;
    /// let parts = [IoSlice::new(b"two "), IoSlice::new(b"parts")];
    /// let sent = socket.sendmsg(&parts, &[ControlMessage::Ttl(3)], 0, Some(([127, 0, 0, 1], 2345).into()))?;
    /// assert_eq!(sent, 9);
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn sendmsg(
        &self,
        buffers: &[IoSlice<'_>],
        control: &[ControlMessage],
        flags: i32,
        address: Option<SockAddr>,
    ) -> Result<usize> {
        let patience = self.patience(SO_SNDTIMEO, flags);
        self.transmit("sendmsg", buffers, SendTo { to: address, flags, control }, patience)
    }

    /// sendfile(2): sends `file` from byte `offset` on, `count` bytes or to its end, and gives how many were sent; the file's
    /// position stands behind them. For streams that block or have a time-out.
    ///
    /// # Errors
    /// EINVAL (not a stream, non-blocking, or a count of 0), those of the file, those of [`Socket::send`].
    pub fn sendfile<F: Read + Seek>(&self, file: &mut F, offset: u64, count: Option<u64>) -> Result<u64> {
        if self.type_() != SOCK_STREAM || count == Some(0) || !self.getblocking() {
            return Err(Errno::EINVAL.with("sendfile wants a stream that may wait, and a count above 0"));
        }
        file.seek(SeekFrom::Start(offset))?;
        let patience = self.patience(SO_SNDTIMEO, 0);
        let mut piece = Vec::new();
        let mut total = 0;
        loop {
            let left = count.map_or(PIECE, |c| (c - total).min(PIECE));
            piece.clear();
            let read = Read::by_ref(file).take(left).read_to_end(&mut piece)?;
            if read == 0 {
                return Ok(total);
            }
            let mut sent = 0;
            while sent < read {
                let rest = IoSlice::new(&piece[sent..]);
                match self.transmit("sendfile", &[rest], SendTo::default(), patience) {
                    Ok(n) => sent += n,
                    Err(error) => {
                        file.seek(SeekFrom::Start(offset + total + sent as u64))?;
                        return Err(error);
                    }
                }
            }
            total += read as u64;
        }
    }

    /// One send call. A blocking stream goes on until all is taken, as Linux's does.
    fn transmit(
        &self,
        name: &'static str,
        data: &[IoSlice<'_>],
        how: SendTo<'_>,
        patience: Patience,
    ) -> Result<usize> {
        // __sys_sendto: "if (sock->file->f_flags & O_NONBLOCK) flags |= MSG_DONTWAIT".
        let now = matches!(patience, Patience::Now);
        let how = SendTo { flags: how.flags | if now { MSG_DONTWAIT } else { 0 }, ..how };
        let here = match self.open()?.host.door() {
            Door::Here(here) => here,
            Door::There(far) => return self.transmit_there(far, patience, data, how),
        };
        let total: usize = data.iter().map(|d| d.len()).sum();
        let to_the_end = self.type_() == SOCK_STREAM && matches!(patience, Patience::Blocking(_));
        let mut sent = 0;
        let result = self.block(here, name, patience, |stack, id| {
            loop {
                // What goes beside the data goes once; only the first of them open a connection.
                let how = if sent == 0 { how } else { (how.flags & !MSG_FASTOPEN).into() };
                sent += stack.send(id, &behind(data, sent), how)?;
                if sent >= total || !to_the_end {
                    return Ok(sent);
                }
            }
        });
        // send(2): what was taken before the error is the result; the error waits for the next call.
        match result {
            Err(error) if sent == 0 => Err(error),
            _ => Ok(sent),
        }
    }
}

/// What is behind the first `skip` bytes.
fn behind<'a, 'b>(data: &'a [IoSlice<'b>], mut skip: usize) -> Cow<'a, [IoSlice<'a>]>
where
    'b: 'a,
{
    if skip == 0 {
        return Cow::Borrowed(data);
    }
    let mut rest = Vec::with_capacity(data.len());
    for slice in data {
        let here = skip.min(slice.len());
        skip -= here;
        if here < slice.len() {
            rest.push(IoSlice::new(&slice[here..]));
        }
    }
    Cow::Owned(rest)
}

impl Read for &Socket {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        Ok(self.recv_into(buffer, 0)?)
    }
    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> std::io::Result<usize> {
        Ok(self.recvmsg_into(buffers, 0)?.len)
    }
}

impl Write for &Socket {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        Ok(self.send(data, 0)?)
    }
    fn write_vectored(&mut self, data: &[IoSlice<'_>]) -> std::io::Result<usize> {
        Ok(self.sendmsg(data, &[], 0, None)?)
    }
    /// What was sent is on its way.
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        (&*self).read(buffer)
    }
    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> std::io::Result<usize> {
        (&*self).read_vectored(buffers)
    }
}

impl Write for Socket {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        (&*self).write(data)
    }
    fn write_vectored(&mut self, data: &[IoSlice<'_>]) -> std::io::Result<usize> {
        (&*self).write_vectored(data)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
