//! Many datagrams or frames in one call: sendmmsg, recvmmsg, capture. One lock and one flush for all of them.

use std::io::{IoSlice, IoSliceMut};

use super::{Message, Socket};
use crate::base::constants::{MSG_ERRQUEUE, MSG_WAITFORONE, SO_RCVTIMEO, SO_SNDTIMEO, SOCK_STREAM};
use crate::base::{ControlMessage, Errno, Reason, Result, SockAddr, SocketId};
use crate::driver::Door;
use crate::stack::{Captured, SendTo, Stack};

use super::blocking::Patience;

/// One datagram of [`Socket::sendmmsg`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Outgoing<'a> {
    /// Its data, one slice behind the other.
    pub data: &'a [IoSlice<'a>],
    /// What is asked beside it, see cmsg(3).
    pub control: &'a [ControlMessage],
    /// Where it goes; `None` = to the peer, or (AF_PACKET) out on the interface that the socket is bound to.
    pub address: Option<SockAddr>,
}

/// UIO_MAXIOV: datagrams in one call; Linux does no more either, and says how many it did.
const MOST: usize = 1024;

impl Socket {
    /// sendmmsg(2): sends many datagrams (or frames, of AF_PACKET) in one call, at most 1,024; gives how many were taken. For
    /// all kinds but streams.
    ///
    /// # Errors
    /// As [`Socket::sendmsg`], if the first datagram fails; EOPNOTSUPP (a stream).
    ///
    /// ```
    /// # use sockatoo::{Host, socket::*};
    /// # use std::io::IoSlice;
    /// # let host = Host::builder().build()?;
    /// let socket = host.socket(AF_INET, SOCK_DGRAM, 0)?;
    /// let to = Some(([127, 0, 0, 1], 2345).into());
    /// let data = [[IoSlice::new(b"one")], [IoSlice::new(b"two")]];
    /// let messages: Vec<_> = data.iter().map(|data| Outgoing { data, control: &[], address: to }).collect();
    /// assert_eq!(socket.sendmmsg(&messages, 0)?, 2);
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn sendmmsg(&self, messages: &[Outgoing<'_>], flags: i32) -> Result<usize> {
        self.no_stream()?;
        let patience = self.patience(SO_SNDTIMEO, flags);
        let here = match self.open()?.host.door() {
            Door::Here(here) => here,
            Door::There(far) => {
                let messages = messages.get(..MOST).unwrap_or(messages);
                return self.sendmmsg_there(far, patience, messages, flags);
            }
        };
        let mut sent = 0;
        let result = self.block(here, "sendmmsg", patience, |stack, id| {
            for message in messages.iter().take(MOST).skip(sent) {
                let how = SendTo { to: message.address, flags, control: message.control };
                stack.send(id, message.data, how)?;
                sent += 1;
            }
            Ok(sent)
        });
        // sendmmsg(2): "If an error occurs after at least one message has been sent, the call succeeds, and returns the number
        // of messages sent."
        if sent > 0 { Ok(sent) } else { result }
    }

    /// recvmmsg(2): receives `count` datagrams (or frames, of AF_PACKET) in one call, at most 1,024, of at most `bufsize` bytes
    /// each. With `MSG_WAITFORONE` it waits for the first one only and gives what is there. For all kinds but streams.
    ///
    /// # Errors
    /// As [`Socket::recvmsg`], if nothing was received; EOPNOTSUPP (a stream).
    pub fn recvmmsg(&self, count: usize, bufsize: usize, flags: i32) -> Result<Vec<Message>> {
        self.no_stream()?;
        let count = count.min(MOST);
        let now = flags & MSG_ERRQUEUE != 0;
        let patience = if now { Patience::Now } else { self.patience(SO_RCVTIMEO, flags) };
        let here = match self.open()?.host.door() {
            Door::Here(here) => here,
            Door::There(far) => return self.recvmmsg_there(far, patience, count, bufsize, flags),
        };
        let (for_one, flags) = (flags & MSG_WAITFORONE != 0, flags & !MSG_WAITFORONE);
        let mut buffer = vec![0; bufsize.min(0xffff + 128)];
        let mut messages = Vec::new();
        let result = self.block(here, "recvmmsg", patience, |stack, id| {
            while messages.len() < count {
                match receive(stack, id, &mut buffer, flags) {
                    Ok(message) => messages.push(message),
                    Err(error) if error.errno() != Errno::EAGAIN && !messages.is_empty() => {
                        // do_recvmmsg: what was received is the result, the error (sk_err) is the next call's.
                        stack.set_pending_error(id, error);
                        break;
                    }
                    Err(_) if for_one && !messages.is_empty() => break,
                    Err(error) => return Err(error),
                }
            }
            Ok(messages.len())
        });
        if messages.is_empty() { result.map(|_| messages) } else { Ok(messages) }
    }

    /// Takes up to `most` frames out of a packet socket's queue, without copying a byte: waits for the first one, then gives
    /// what is there. Ours; what a sniffer at full speed wants in place of [`Socket::recvfrom`].
    ///
    /// # Errors
    /// As [`Socket::recv`]; EOPNOTSUPP (not a packet socket).
    ///
    /// ```
    /// # use sockatoo::{Host, socket::*};
    /// # let host = Host::builder().build()?;
    /// let sniffer = host.socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL))?;
    /// host.socket(AF_INET, SOCK_DGRAM, 0)?.sendto(b"hello", 0, ("127.0.0.1", 9))?;
    /// let captured = sniffer.capture(64)?;
    /// assert_eq!(captured[0].address.packet_type, PACKET_OUTGOING);
    /// assert!(captured[0].frame.bytes().ends_with(b"hello"));
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn capture(&self, most: usize) -> Result<Vec<Captured>> {
        let patience = self.patience(SO_RCVTIMEO, 0);
        match self.open()?.host.door() {
            Door::Here(here) => {
                self.block(here, "capture", patience, |stack, id| stack.packet_capture(id, most))
            }
            Door::There(far) => self.capture_there(far, patience, most),
        }
    }

    fn no_stream(&self) -> Result<()> {
        match self.type_() {
            SOCK_STREAM => Err(Errno::EOPNOTSUPP.because(Reason::WrongKind)),
            _ => Ok(()),
        }
    }
}

/// One recvmsg(2).
fn receive(stack: &mut Stack, id: SocketId, buffer: &mut [u8], flags: i32) -> Result<Message> {
    let room = buffer.len();
    let received = stack.recv(id, &mut [IoSliceMut::new(buffer)], flags)?;
    Ok(Message {
        data: buffer.get(..received.len.min(room)).unwrap_or_default().to_vec(),
        control: received.control,
        flags: received.flags,
        address: received.from.unwrap_or(SockAddr::Unspec),
    })
}
