//! Sockets in messages: SCM_RIGHTS.
//!
//! A socket lives as long as a program has a handle of it, or a message carries it that somebody can still receive. Two sockets
//! whose queues carry each other would live for ever: who closes a socket that is under way looks for those that nobody can get
//! at (unix_gc), and ends them.

use std::collections::HashSet;

use super::message::Beside;
use super::{Entry, Stack};
use crate::base::{ControlMessage, Credentials, Errno, Reason, Result, SocketId};

/// SCM_MAX_FD: sockets in one message.
const IN_ONE_MESSAGE: usize = 253;
/// Sockets under way in a host; Linux takes the user's RLIMIT_NOFILE.
const IN_FLIGHT: usize = 1024;

impl Stack {
    /// scm_send: what a call asks to go beside its data. EINVAL, EBADF, EPERM, ETOOMANYREFS.
    pub(super) fn unix_control(&self, control: &[ControlMessage]) -> Result<Beside> {
        let mut beside = Beside::default();
        for message in control {
            match message {
                ControlMessage::Rights(sockets) => beside.rights.extend(sockets),
                ControlMessage::Credentials(credentials) => {
                    self.unix_check_credentials(credentials)?;
                    beside.credentials = Some(*credentials);
                }
                // __scm_send: "if (cmsg->cmsg_level != SOL_SOCKET) continue", else EINVAL: what is sent by others.
                _ => {}
            }
        }
        if beside.rights.len() > IN_ONE_MESSAGE {
            return Err(Errno::EINVAL.because(Reason::ControlMalformed));
        }
        for id in &beside.rights {
            self.sockets.get(*id)?;
        }
        if !beside.rights.is_empty() && self.unix.in_flight + beside.rights.len() > IN_FLIGHT {
            return Err(Errno::ETOOMANYREFS.because(Reason::UnixInFlight));
        }
        Ok(beside)
    }

    /// scm_check_creds: root may say that it is somebody else.
    fn unix_check_credentials(&self, said: &Credentials) -> Result<()> {
        let own = self.net.config.credentials;
        if *said != own && own.uid != 0 {
            return Err(Errno::EPERM.with("a process says who it is, and nobody else"));
        }
        Ok(())
    }

    /// They are under way (unix_inflight).
    pub(super) fn unix_set_out(&mut self, rights: &[SocketId]) {
        for id in rights {
            if let Ok(entry) = self.sockets.get_mut(*id) {
                entry.in_flight += 1;
                self.unix.in_flight += 1;
            }
        }
    }

    /// They have arrived: whoever received them has a handle of each.
    pub(super) fn unix_take_rights(&mut self, rights: &[SocketId]) {
        self.unix_copy_rights(rights);
        self.unix_drop_rights(rights);
    }

    /// MSG_PEEK: the same, and the message still carries them.
    pub(super) fn unix_copy_rights(&mut self, rights: &[SocketId]) {
        for id in rights {
            if let Ok(entry) = self.sockets.get_mut(*id) {
                entry.holders += 1;
            }
        }
    }

    /// No message carries them any more.
    pub(super) fn unix_drop_rights(&mut self, rights: &[SocketId]) {
        for id in rights {
            self.unix.in_flight = self.unix.in_flight.saturating_sub(1);
            let Ok(entry) = self.sockets.get_mut(*id) else { continue };
            entry.in_flight = entry.in_flight.saturating_sub(1);
            match (entry.holders, entry.in_flight) {
                (0, 0) => self.unix.doomed.push(*id),
                (0, _) => self.unix.suspects = true,
                _ => {}
            }
        }
    }

    /// The last handle of a socket that is under way is closed.
    pub(in crate::stack) fn unix_suspect(&mut self) {
        self.unix.suspects = true;
    }

    /// unix_gc: what is under way, and can't be received by anybody, is to end.
    fn unix_collect(&mut self) {
        let mut reached = HashSet::new();
        let mut next: Vec<SocketId> =
            self.sockets.iter().filter(|(_, entry)| entry.holders > 0).map(|(id, _)| id).collect();
        while let Some(id) = next.pop() {
            if reached.insert(id)
                && let Ok(unix) = self.sockets.get(id).and_then(Entry::unix)
            {
                next.extend(&unix.arrivals);
                next.extend(unix.queue.iter().flat_map(|message| &message.beside.rights));
            }
        }
        let lost = |(id, entry): &(SocketId, &Entry)| entry.in_flight > 0 && !reached.contains(id);
        self.unix.doomed.extend(self.sockets.iter().filter(lost).map(|(id, _)| id));
    }

    /// Ends what nobody has any more, one after the other: what their queues carry may follow.
    pub(in crate::stack) fn unix_bury(&mut self) {
        loop {
            while let Some(id) = self.unix.doomed.pop() {
                // One that is named twice is gone the second time.
                let _ = self.end(id);
            }
            if !std::mem::take(&mut self.unix.suspects) {
                return;
            }
            self.unix_collect();
        }
    }
}
