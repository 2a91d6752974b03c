//! What is sent and received through a host in another process: in pieces that fit a message to it. What waits, waits there.

use std::io::{IoSlice, IoSliceMut};

use super::connection::unexpected;
use crate::base::constants::{MSG_FASTOPEN, MSG_WAITFORONE, PACKET_OUTGOING, SOCK_STREAM};
use crate::base::verb::{Answer, CapturedFrame, Letter, Verb};
use crate::base::{ControlMessage, Direction, Frame, Result, SockAddr};
use crate::driver::Far;
use crate::socket::blocking::Patience;
use crate::socket::{Message, Outgoing, Socket};
use crate::stack::{Captured, Received, SendTo};

/// Bytes of data in one message: three pieces of an AF_UNIX stream as Linux makes them.
const PIECE: usize = 3 * 36_544;
/// What a datagram takes of them beside its data, at least.
const OVERHEAD: usize = 64;

impl Socket {
    /// One recvmsg(2). More than fits in a message comes by the next call; of a datagram all fits.
    pub(in crate::socket) fn receive_there(
        &self,
        far: &dyn Far,
        patience: Patience,
        buffers: &mut [IoSliceMut<'_>],
        flags: i32,
    ) -> Result<Received> {
        let size = buffers.iter().map(|buffer| buffer.len()).sum();
        let letter = self.letters(far, patience, 1, size, flags)?.pop().ok_or_else(unexpected)?;
        let mut rest = letter.data.as_slice();
        for buffer in buffers {
            let here = rest.len().min(buffer.len());
            let (now, later) = rest.split_at(here);
            buffer[..here].copy_from_slice(now);
            rest = later;
        }
        let Letter { address, control, flags, len, .. } = letter;
        Ok(Received { len, from: address, flags, control })
    }

    fn letters(
        &self,
        far: &dyn Far,
        patience: Patience,
        count: usize,
        size: usize,
        flags: i32,
    ) -> Result<Vec<Letter>> {
        let socket = self.open()?.id;
        match self.ask(far, patience, Verb::Receive { socket, count, size, flags })? {
            Answer::Letters(letters) => Ok(letters),
            _ => Err(unexpected()),
        }
    }

    fn send_letters(&self, far: &dyn Far, patience: Patience, letters: Vec<Letter>) -> Result<usize> {
        match self.ask(far, patience, Verb::Send(self.open()?.id, letters))? {
            Answer::Count(count) => Ok(count),
            _ => Err(unexpected()),
        }
    }

    /// One sendmsg(2). A blocking stream goes on until all is taken; else what there is room for is.
    pub(in crate::socket) fn transmit_there(
        &self,
        far: &dyn Far,
        patience: Patience,
        data: &[IoSlice<'_>],
        how: SendTo<'_>,
    ) -> Result<usize> {
        let total = data.iter().map(|slice| slice.len()).sum();
        let stream = self.type_() == SOCK_STREAM;
        let to_the_end = stream && matches!(patience, Patience::Blocking(_));
        let mut sent = 0;
        loop {
            let piece = gather(data, sent, if stream { PIECE } else { usize::MAX });
            let len = piece.len();
            let how = if sent == 0 { how } else { (how.flags & !MSG_FASTOPEN).into() };
            let letter = letter(piece, how.to, how.control, how.flags);
            let patience = if sent == 0 || to_the_end { patience } else { Patience::Now };
            match self.send_letters(far, patience, vec![letter]) {
                Ok(_) if !stream => return Ok(total),
                Ok(taken) => {
                    sent += taken;
                    if sent >= total || (taken < len && !to_the_end) {
                        return Ok(sent);
                    }
                }
                Err(error) if sent == 0 => return Err(error),
                // send(2): what was taken before the error is the result.
                Err(_) => return Ok(sent),
            }
        }
    }

    /// sendmmsg(2): as many datagrams in a message as fit.
    pub(in crate::socket) fn sendmmsg_there(
        &self,
        far: &dyn Far,
        patience: Patience,
        messages: &[Outgoing<'_>],
        flags: i32,
    ) -> Result<usize> {
        let mut sent = 0;
        while let Some(rest @ [_, ..]) = messages.get(sent..) {
            let mut letters = Vec::with_capacity(rest.len());
            let mut bytes = 0;
            for message in rest {
                let data = gather(message.data, 0, usize::MAX);
                bytes += data.len() + OVERHEAD * (1 + message.control.len());
                if bytes > PIECE && !letters.is_empty() {
                    break;
                }
                letters.push(letter(data, message.address, message.control, flags));
            }
            match self.send_letters(far, patience, letters) {
                Ok(taken) => sent += taken,
                Err(error) if sent == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(sent)
    }

    /// recvmmsg(2). With MSG_WAITFORONE what came in one message is what was there.
    pub(in crate::socket) fn recvmmsg_there(
        &self,
        far: &dyn Far,
        patience: Patience,
        count: usize,
        size: usize,
        flags: i32,
    ) -> Result<Vec<Message>> {
        let mut messages = Vec::new();
        while messages.len() < count {
            let letters =
                match self.letters(far, patience, count - messages.len(), size, flags & !MSG_WAITFORONE) {
                    Ok(letters) => letters,
                    Err(error) if messages.is_empty() => return Err(error),
                    Err(_) => break,
                };
            messages.extend(letters.into_iter().map(|letter| {
                let Letter { data, address, control, flags, .. } = letter;
                Message { data, control, flags, address: address.unwrap_or(SockAddr::Unspec) }
            }));
            if flags & MSG_WAITFORONE != 0 {
                break;
            }
        }
        Ok(messages)
    }

    /// Frames of a packet socket, those that fit in a message.
    pub(in crate::socket) fn capture_there(
        &self,
        far: &dyn Far,
        patience: Patience,
        most: usize,
    ) -> Result<Vec<Captured>> {
        let Answer::Frames(frames) = self.ask(far, patience, Verb::Capture(self.open()?.id, most))? else {
            return Err(unexpected());
        };
        let captured = |one: CapturedFrame| {
            let mut frame = Frame::copy_of(&one.data);
            (frame.time, frame.checksum) = (one.time, one.checksum);
            frame.direction = match one.address.packet_type {
                PACKET_OUTGOING => Direction::Out,
                _ => Direction::In,
            };
            Captured { frame, address: one.address, len: one.len }
        };
        Ok(frames.into_iter().map(captured).collect())
    }
}

/// At most `most` bytes behind the first `skip`.
fn gather(data: &[IoSlice<'_>], mut skip: usize, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for slice in data {
        let rest = slice.get(skip..).unwrap_or_default();
        skip = skip.saturating_sub(slice.len());
        let room = most - bytes.len();
        bytes.extend_from_slice(rest.get(..room).unwrap_or(rest));
    }
    bytes
}

fn letter(data: Vec<u8>, address: Option<SockAddr>, control: &[ControlMessage], flags: i32) -> Letter {
    Letter { data, address, control: control.to_vec(), flags, len: 0 }
}
