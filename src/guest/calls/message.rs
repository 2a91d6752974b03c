//! struct msghdr and struct iovec: where a message of the program lies, and how long its call may wait.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::base::constants::MSG_DONTWAIT;
use crate::base::{Errno, Error, Reason, Result};
use crate::guest::trap::{Borrowed, MOST, Trap, Verdict};
use crate::socket::remote::Patience;
use crate::sys::descriptor;

/// sizeof(struct msghdr) and sizeof(struct mmsghdr).
const HEADER: usize = 56;
pub(super) const MANY: usize = 64;
/// Where `msg_len` stands in struct mmsghdr.
pub(super) const LENGTH: u64 = 56;
/// UIO_MAXIOV.
pub(super) const SLICES_MAX: usize = 1024;
/// sizeof(struct iovec).
const SLICE: usize = 16;
/// The longest control messages: sysctl_optmem_max on Linux.
const CONTROL_MAX: u64 = 64 * 1024;
/// sizeof(struct sockaddr_storage).
const NAME_MAX: i32 = 128;

/// struct msghdr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Where it stands itself.
    pub(super) at: u64,
    pub(super) name: u64,
    pub(super) name_len: i32,
    slices: u64,
    slice_count: u64,
    pub(super) control: u64,
    pub(super) control_len: u64,
}

impl Header {
    /// EFAULT, EINVAL.
    pub(super) fn read(trap: &Trap, at: u64) -> Result<Self> {
        Self::parse(&trap.read(at, HEADER)?, at)
    }

    /// copy_msghdr_from_user: without a name there is no length, one that is too long is cut, a negative one is EINVAL.
    pub(super) fn parse(bytes: &[u8], at: u64) -> Result<Self> {
        let long = |at: usize| -> Result<u64> {
            let word = bytes.get(at..).and_then(|rest| rest.first_chunk());
            word.copied().map(u64::from_ne_bytes).ok_or_else(|| Errno::EFAULT.into())
        };
        let (name, name_len) = (long(0)?, long(8)?.to_ne_bytes());
        let [a, b, c, d, ..] = name_len;
        let name_len = if name == 0 { 0 } else { i32::from_ne_bytes([a, b, c, d]) };
        if name_len < 0 {
            return Err(Errno::EINVAL.because(Reason::AddressLength));
        }
        Ok(Self {
            at,
            name,
            name_len: name_len.min(NAME_MAX),
            slices: long(16)?,
            slice_count: long(24)?,
            control: long(32)?,
            control_len: long(40)?,
        })
    }

    /// Where the data lies. EMSGSIZE, EINVAL, EFAULT.
    pub(super) fn slices(&self, trap: &Trap) -> Result<Slices> {
        // import_iovec: "if (nr_segs > UIO_MAXIOV) return -EINVAL", which recvmsg and sendmsg have as EMSGSIZE.
        let count = usize::try_from(self.slice_count).unwrap_or(usize::MAX);
        if count > SLICES_MAX {
            return Err(Errno::EMSGSIZE.into());
        }
        let bytes = if count == 0 { Vec::new() } else { trap.read(self.slices, count * SLICE)? };
        Slices::parse(&bytes)
    }

    /// The control messages that the program sends. ENOBUFS, EFAULT.
    pub(super) fn sent_control(&self, trap: &Trap) -> Result<Vec<u8>> {
        match self.control_len {
            0 => Ok(Vec::new()),
            // ____sys_sendmsg: what does not fit into its memory is ENOBUFS.
            len if len > CONTROL_MAX => Err(Errno::ENOBUFS.into()),
            len => trap.read(self.control, len as usize),
        }
    }

    /// The room for control messages that are received.
    pub(super) fn control_room(&self) -> usize {
        if self.control == 0 { 0 } else { self.control_len.min(CONTROL_MAX) as usize }
    }
}

/// The program's memory for one message: addresses and lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slices(Vec<(u64, usize)>);

impl Slices {
    pub(super) fn one(at: u64, len: u64) -> Self {
        // import_ubuf: MAX_RW_COUNT, here of the whole.
        Self(vec![(at, len.min(i32::MAX as u64) as usize)])
    }

    /// iovec_from_user: a length below 0 is EINVAL; what is beyond MAX_RW_COUNT does not count.
    fn parse(bytes: &[u8]) -> Result<Self> {
        let mut left = i32::MAX as usize;
        let mut slices = Vec::new();
        for slice in bytes.as_chunks::<SLICE>().0 {
            let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *slice;
            let at = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
            let len = i64::from_ne_bytes([i, j, k, l, m, n, o, p]);
            let len = usize::try_from(len).map_err(|_| Error::from(Errno::EINVAL))?.min(left);
            left -= len;
            slices.push((at, len));
        }
        Ok(Self(slices))
    }

    /// Bytes in all.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|(_, len)| len).sum()
    }

    /// The pieces from byte `skip` on, at most `most` bytes of them.
    fn pieces(&self, mut skip: usize, mut most: usize) -> impl Iterator<Item = (u64, usize)> {
        self.0.iter().filter_map(move |(at, len)| {
            let passed = skip.min(*len);
            let take = (len - passed).min(most);
            (skip, most) = (skip - passed, most - take);
            (take > 0).then_some((at.wrapping_add(passed as u64), take))
        })
    }

    /// The program's bytes from `skip` on, at most [`MOST`]. EFAULT.
    pub(super) fn gather(&self, trap: &Trap, skip: usize) -> Result<Vec<u8>> {
        let mut pieces = self.pieces(skip, MOST);
        let Some((at, len)) = pieces.next() else { return Ok(Vec::new()) };
        let mut bytes = trap.read(at, len)?;
        for (at, len) in pieces {
            bytes.extend(trap.read(at, len)?);
        }
        Ok(bytes)
    }

    /// Writes bytes to the program's memory, from byte `skip` of it on. EFAULT.
    pub(super) fn scatter(&self, trap: &Trap, skip: usize, mut bytes: &[u8]) -> Result<()> {
        for (at, len) in self.pieces(skip, bytes.len()) {
            let (now, rest) = bytes.split_at(len.min(bytes.len()));
            trap.write(at, now)?;
            bytes = rest;
        }
        Ok(())
    }
}

/// How long a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocking {
    No,
    Forever,
    Until(Instant),
}

impl Blocking {
    /// What the descriptor, the call's flags and `option` (SO_RCVTIMEO, SO_SNDTIMEO: the kernel keeps them) say.
    pub(super) fn of(ours: &Borrowed, flags: i32, option: i32) -> Self {
        if ours.nonblocking || flags & MSG_DONTWAIT != 0 {
            return Self::No;
        }
        match descriptor::timeout(ours.fd.as_fd(), option).ok().flatten() {
            Some(timeout) => Instant::now().checked_add(timeout).map_or(Self::Forever, Self::Until),
            None => Self::Forever,
        }
    }

    /// The time that is left; `None` = for ever.
    pub(super) fn left(self) -> Option<Duration> {
        match self {
            Self::No => Some(Duration::ZERO),
            Self::Forever => None,
            Self::Until(end) => Some(end.saturating_duration_since(Instant::now())),
        }
    }

    pub(super) fn patience(self) -> Patience {
        match self {
            Self::No => Patience::Now,
            Self::Forever => Patience::Forever,
            Self::Until(_) => self.left().map_or(Patience::Forever, Patience::For),
        }
    }

    /// What a call gives that a signal interrupts, when it has done `done`.
    pub(super) fn interrupted(self, done: usize) -> Verdict {
        match self {
            _ if done > 0 => Verdict::Return(done as i64),
            // sock_intr_errno: -ERESTARTSYS, with a timeout -EINTR.
            Self::Forever => Verdict::Restart,
            _ => Verdict::Fail(Errno::EINTR),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(words: [u64; 7]) -> Vec<u8> {
        words.into_iter().flat_map(u64::to_ne_bytes).collect()
    }

    #[test]
    fn a_header_is_read_as_the_kernel_reads_it() {
        let read = Header::parse(&header([9, 28, 100, 2, 200, 64, 0]), 7).unwrap();
        assert_eq!((read.at, read.name, read.name_len, read.control, read.control_len), (7, 9, 28, 200, 64));
        assert_eq!(Header::parse(&header([9, 4000, 0, 0, 0, 0, 0]), 0).unwrap().name_len, 128);
        assert_eq!(Header::parse(&header([0, u64::MAX, 0, 0, 0, 0, 0]), 0).unwrap().name_len, 0);
        let negative = Header::parse(&header([9, 0xffff_ffff, 0, 0, 0, 0, 0]), 0);
        assert_eq!(negative.unwrap_err().errno(), Errno::EINVAL);
        assert_eq!(Header::parse(&[0; 47], 0).unwrap_err().errno(), Errno::EFAULT);
        assert_eq!(Header::parse(&header([0, 0, 0, 0, 0, u64::MAX, 0]), 0).unwrap().control_room(), 0);
    }

    #[test]
    fn slices_are_bounded_and_cut_where_asked() {
        let bytes = |slices: &[(u64, i64)]| -> Vec<u8> {
            slices.iter().flat_map(|(at, len)| [at.to_ne_bytes(), len.to_ne_bytes()].concat()).collect()
        };
        assert_eq!(Slices::parse(&bytes(&[(1, -1)])).unwrap_err().errno(), Errno::EINVAL);
        let huge = Slices::parse(&bytes(&[(1, i64::MAX), (u64::MAX, i64::MAX)])).unwrap();
        assert_eq!(huge.len(), i32::MAX as usize);
        let slices = Slices::parse(&bytes(&[(100, 4), (0, 0), (200, 8)])).unwrap();
        let pieces = |skip, most| slices.pieces(skip, most).collect::<Vec<_>>();
        assert_eq!(pieces(0, 99), [(100, 4), (200, 8)]);
        assert_eq!(pieces(3, 3), [(103, 1), (200, 2)]);
        assert_eq!(pieces(4, 3), [(200, 3)]);
        assert_eq!(pieces(12, 3), []);
    }
}
