//! A frame: one packet's bytes in a pooled buffer, with room in front for the headers still to come.
//!
//! ```text
//! buffer:  | headroom ........ | bytes() ........................... | spare |
//!                              ^ start                               ^ end
//! ```
//! Who adds a header calls [`Frame::push`]; who has read one calls [`Frame::pull`]. Nothing is moved.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::{Instant, SocketId};

/// Room in front of a transport header: IPv6 with a fragment header (48), Ethernet (14), virtio-net (12), rounded up.
pub const HEADROOM: usize = 128;

/// Which header a frame's bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// An Ethernet header.
    Ethernet,
    /// An IP header, version in its first nibble (a TUN, a capture of LINKTYPE_RAW).
    Ip,
    /// struct can_frame (16 bytes) or struct canfd_frame (72), linux/can.h, the identifier in the machine's byte order.
    Can,
}

/// Which way a frame goes, seen from its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// It came from the wire.
    In,
    /// It goes to the wire.
    Out,
}

/// What is known of a frame's transport checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum Checksum {
    /// Not looked at: whoever needs it right verifies it.
    #[default]
    Unverified,
    /// Right, as the sender of the same machine vouches (virtio-net's DATA_VALID) or as we verified.
    Valid,
    /// Only the pseudo header is in it; the device completes it (virtio-net's NEEDS_CSUM).
    Partial,
}

/// One packet on its way.
pub struct Frame {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    pool: Option<Pool>,
    /// What the bytes begin with once the link header is there.
    pub link: LinkType,
    /// When it arrived, or was made.
    pub time: Instant,
    /// Seen from its host.
    pub direction: Direction,
    /// Of TCP or UDP inside.
    pub checksum: Checksum,
    /// The socket that sent it and wants to hear that it has left (skb->sk): a CAN bus gives the frame back with it.
    pub(crate) sender: Option<SocketId>,
    /// The size of a segment if this is a super-frame to be cut, else 0.
    pub gso_size: u16,
    /// SO_MARK and SO_PRIORITY of its sender, as far as its host knows them: they do not travel over a wire.
    pub mark: u32,
    /// See `mark`.
    pub priority: u32,
    /// When it may leave (SO_TXTIME, SO_MAX_PACING_RATE); `None` = at once.
    pub leave: Option<Instant>,
}

impl Frame {
    /// A frame outside any pool, with the bytes given (tests, replay).
    pub fn copy_of(bytes: &[u8]) -> Self {
        let mut buffer = vec![0; HEADROOM + bytes.len()];
        buffer[HEADROOM..].copy_from_slice(bytes);
        Self::over(buffer, HEADROOM, None)
    }

    fn over(buffer: Vec<u8>, start: usize, pool: Option<Pool>) -> Self {
        let end = buffer.len();
        Self {
            buffer,
            start,
            end,
            pool,
            link: LinkType::Ethernet,
            time: Instant::ZERO,
            direction: Direction::Out,
            checksum: Checksum::Unverified,
            sender: None,
            gso_size: 0,
            mark: 0,
            priority: 0,
            leave: None,
        }
    }

    /// The packet.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The packet, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..self.end]
    }

    /// The packet's length in bytes.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// True if there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Puts `n` bytes in front and returns them, to be written. They hold whatever was there. Without room the bytes are
    /// moved back; with [`HEADROOM`] kept by whoever made the frame, that does not happen.
    pub fn push(&mut self, n: usize) -> &mut [u8] {
        if n > self.start {
            let more = n - self.start + HEADROOM;
            self.buffer.splice(0..0, std::iter::repeat_n(0, more));
            self.start += more;
            self.end += more;
        }
        self.start -= n;
        &mut self.buffer[self.start..self.start + n]
    }

    /// Takes `n` bytes off the front (at most all).
    pub fn pull(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
    }

    /// Cuts the packet to `n` bytes; longer stays as it is. Of a large buffer that is hardly used any more the rest is given
    /// back: what waits in a socket's queue holds no more memory than it is charged with.
    pub fn truncate(&mut self, n: usize) {
        self.end = self.end.min(self.start + n);
        if self.buffer.len() > USUAL && self.end < self.buffer.len() / 2 {
            self.buffer.truncate(self.end);
            self.buffer.shrink_to_fit();
        }
    }

    /// Bytes of memory that its buffer takes.
    #[cfg(test)]
    pub(crate) fn footprint(&self) -> usize {
        self.buffer.capacity()
    }

    /// Has its mark, its priority and its time of departure from another one, of which it is a part.
    pub(crate) fn belongs_with(&mut self, other: &Self) {
        (self.mark, self.priority, self.leave) = (other.mark, other.priority, other.leave);
    }

    /// Makes the packet `n` bytes long; what comes in addition is zero.
    pub fn resize(&mut self, n: usize) {
        let end = self.start + n;
        if end > self.buffer.len() {
            self.buffer.resize(end, 0);
        }
        if end > self.end {
            self.buffer[self.end..end].fill(0);
        }
        self.end = end;
    }

    /// Adds bytes at the end.
    pub fn extend(&mut self, bytes: &[u8]) {
        let end = self.end;
        self.resize(self.len() + bytes.len());
        let start = end;
        self.buffer[start..start + bytes.len()].copy_from_slice(bytes);
    }
}

impl Clone for Frame {
    fn clone(&self) -> Self {
        let mut copy = match &self.pool {
            Some(pool) => pool.frame(self.len()),
            None => Self::copy_of(self.bytes()),
        };
        copy.bytes_mut().copy_from_slice(self.bytes());
        (copy.link, copy.time, copy.direction) = (self.link, self.time, self.direction);
        (copy.checksum, copy.gso_size) = (self.checksum, self.gso_size);
        copy.sender = self.sender;
        copy.belongs_with(self);
        copy
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.take_back(std::mem::take(&mut self.buffer));
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({:?} {} bytes at {}:", self.direction, self.len(), self.time)?;
        for byte in self.bytes().iter().take(64) {
            write!(f, " {byte:02x}")?;
        }
        write!(f, ")")
    }
}

/// A store of buffers for frames: no allocation per packet. Cloning shares it.
#[derive(Clone, Default)]
pub struct Pool {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// Buffers kept for reuse; more are given back to the allocator.
const KEPT: usize = 512;
/// A buffer holds an Ethernet frame of MTU 1500 and its headroom; larger ones are made on demand and not kept.
const USUAL: usize = HEADROOM + 1536;

impl Pool {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A frame of `len` bytes behind [`HEADROOM`]. The bytes hold whatever was there before: write them all.
    pub fn frame(&self, len: usize) -> Frame {
        let wanted = HEADROOM + len;
        let mut buffer = if wanted <= USUAL { self.lock().pop().unwrap_or_default() } else { Vec::new() };
        if buffer.len() < wanted.min(USUAL) || wanted > USUAL {
            buffer.resize(wanted.max(USUAL), 0);
        }
        let mut frame = Frame::over(buffer, HEADROOM, Some(self.clone()));
        frame.end = wanted;
        frame
    }

    fn take_back(&self, buffer: Vec<u8>) {
        if buffer.len() == USUAL {
            let mut free = self.lock();
            if free.len() < KEPT {
                free.push(buffer);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.free.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({} free)", self.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_pushed_and_pulled_in_place() {
        let pool = Pool::new();
        let mut frame = pool.frame(4);
        frame.bytes_mut().copy_from_slice(b"data");
        frame.push(2).copy_from_slice(b"hd");
        assert_eq!(frame.bytes(), b"hddata");
        frame.pull(3);
        assert_eq!(frame.bytes(), b"ata");
        frame.push(HEADROOM + 40).fill(b'x');
        assert!(frame.bytes().ends_with(b"xata") && frame.len() == HEADROOM + 43);
        frame.truncate(1);
        frame.extend(b"yz");
        assert_eq!(frame.bytes(), b"xyz");
    }

    #[test]
    fn what_is_left_of_a_large_frame_takes_little_memory() {
        let mut frame = Pool::new().frame(65_535);
        frame.bytes_mut().fill(7);
        frame.pull(14);
        frame.truncate(40);
        assert_eq!(frame.bytes(), [7; 40]);
        assert!(frame.footprint() < 1000, "{}", frame.footprint());
        frame.extend(&[8; 60]);
        assert_eq!((frame.len(), &frame.bytes()[40..]), (100, &[8; 60][..]));
    }

    #[test]
    fn buffers_come_back() {
        let pool = Pool::new();
        drop(pool.frame(1500));
        assert_eq!(pool.lock().len(), 1);
        let frame = pool.frame(60);
        assert_eq!((frame.len(), pool.lock().len()), (60, 0));
        drop(pool.frame(65_535));
        assert_eq!(pool.lock().len(), 0);
        assert_eq!(pool.frame(65_535).len(), 65_535);
    }
}
