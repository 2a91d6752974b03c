//! What crossed a wire, in memory.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::{Direction, Frame, Instant, LinkType};

/// Who is told of every frame that crosses a wire: a [`Recording`], a pcap file. It must not block for long: the host's lock
/// is held.
pub trait Recorder: Send + fmt::Debug {
    /// `frame` crosses the wire at `time`, in the direction given (seen from the host that records).
    fn record(&mut self, time: Instant, direction: Direction, frame: &Frame);
    /// Writes out what is still held back. Called when nothing is to be done for a while, and at the end.
    fn flush(&mut self) {}
    /// True once something could not be written: what comes after it is not recorded.
    fn has_failed(&self) -> bool {
        false
    }
}

impl<R: Recorder> Recorder for Arc<Mutex<R>> {
    fn record(&mut self, time: Instant, direction: Direction, frame: &Frame) {
        self.lock().unwrap_or_else(PoisonError::into_inner).record(time, direction, frame);
    }
    fn flush(&mut self) {
        self.lock().unwrap_or_else(PoisonError::into_inner).flush();
    }
    fn has_failed(&self) -> bool {
        self.lock().unwrap_or_else(PoisonError::into_inner).has_failed()
    }
}

impl<R: Recorder + ?Sized> Recorder for Box<R> {
    fn record(&mut self, time: Instant, direction: Direction, frame: &Frame) {
        (**self).record(time, direction, frame);
    }
    fn flush(&mut self) {
        (**self).flush();
    }
    fn has_failed(&self) -> bool {
        (**self).has_failed()
    }
}

/// A frame of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// When it crossed the wire, by the clock of the host that recorded it.
    pub time: Instant,
    /// Seen from the host that recorded it.
    pub direction: Direction,
    /// What the bytes begin with.
    pub link: LinkType,
    /// The bytes; of a cut recording only the first ones.
    pub bytes: Vec<u8>,
    /// How long the frame was on the wire.
    pub wire_len: usize,
}

impl Recorded {
    /// A frame as it is now.
    pub fn of(time: Instant, direction: Direction, frame: &Frame) -> Self {
        let bytes = frame.bytes().to_vec();
        Self { time, direction, link: frame.link, wire_len: bytes.len(), bytes }
    }
}

/// A recording in memory, bounded in bytes: the oldest frames make room. Cloning shares it: one clone records, another is
/// looked at.
#[derive(Clone)]
pub struct Recording {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    frames: VecDeque<Recorded>,
    bytes: usize,
    limit: usize,
    forgotten: u64,
}

/// What a frame costs beside its bytes.
const OVERHEAD: usize = size_of::<Recorded>();

impl Recording {
    /// An empty recording that keeps at most `limit` bytes, its own book-keeping included.
    pub fn new(limit: usize) -> Self {
        Self { inner: Arc::new(Mutex::new(Inner { frames: VecDeque::new(), bytes: 0, limit, forgotten: 0 })) }
    }

    /// A copy of the frames that are there, the oldest first.
    pub fn frames(&self) -> Vec<Recorded> {
        self.lock().frames.iter().cloned().collect()
    }

    /// How many frames are there.
    pub fn len(&self) -> usize {
        self.lock().frames.len()
    }

    /// True if there are no frames.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many frames had to make room.
    pub fn forgotten(&self) -> u64 {
        self.lock().forgotten
    }

    /// Forgets all frames, and returns them.
    pub fn take(&self) -> Vec<Recorded> {
        let mut inner = self.lock();
        inner.bytes = 0;
        std::mem::take(&mut inner.frames).into()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Recording {
    /// 16 MiB.
    fn default() -> Self {
        Self::new(16 << 20)
    }
}

impl Recorder for Recording {
    fn record(&mut self, time: Instant, direction: Direction, frame: &Frame) {
        let mut inner = self.lock();
        inner.bytes += frame.len() + OVERHEAD;
        inner.frames.push_back(Recorded::of(time, direction, frame));
        while inner.bytes > inner.limit {
            let Some(oldest) = inner.frames.pop_front() else { break };
            inner.bytes -= oldest.bytes.len() + OVERHEAD;
            inner.forgotten += 1;
        }
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.lock();
        write!(f, "Recording({} frames, {} bytes)", inner.frames.len(), inner.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room() {
        let mut recording = Recording::new(3 * (OVERHEAD + 100));
        for n in 0..5 {
            recording.record(Instant::from_secs(n), Direction::Out, &Frame::copy_of(&[0; 100]));
        }
        let times: Vec<_> = recording.frames().iter().map(|f| f.time).collect();
        assert_eq!(times, [2, 3, 4].map(Instant::from_secs));
        assert_eq!((recording.forgotten(), recording.take().len(), recording.len()), (2, 3, 0));
        recording.record(Instant::ZERO, Direction::In, &Frame::copy_of(&[0; 1000]));
        assert!(recording.is_empty(), "a frame over the limit is not kept");
    }
}
