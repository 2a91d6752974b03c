//! A descriptor kept for the day when there is no other: whoever connects then is hung up on, instead of waiting at a door that is
//! ready for ever.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::base::Errno;

/// The descriptor, of one listener.
#[derive(Debug, Default)]
pub(super) struct Spare(Option<OwnedFd>);

impl Spare {
    /// What `accept` gives, which is to accept at `listener` without waiting. EMFILE: one who had come has been hung up on.
    pub(super) fn accept<T>(
        &mut self,
        listener: impl AsFd,
        accept: impl Fn() -> io::Result<T>,
    ) -> io::Result<T> {
        if self.0.is_none() {
            self.0 = listener.as_fd().try_clone_to_owned().ok();
        }
        let accepted = accept();
        let errno = accepted.as_ref().err().and_then(io::Error::raw_os_error).map(Errno);
        if errno == Some(Errno::EMFILE) {
            self.0 = None;
            let _ = accept();
            self.0 = listener.as_fd().try_clone_to_owned().ok();
        }
        accepted
    }
}
