//! A host's process: its place among the user's hosts, its surroundings, its end.
//!
//! ```text
//!   Seat::take   nobody else serves this name; clients may connect, and wait
//!      |         the caller makes the host: devices and listeners of the kernel are opened in the namespace it was started in
//!   Seat::serve  descriptors without limit, a namespace for the names of unix sockets, the event loop
//!      |         the socket's file is removed, connections end, devices are closed
//!   (the end)
//! ```

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::publish::Published;
use super::server::Server;
use super::start::{NotStarted, Report};
use crate::base::constants::{SOCK_NONBLOCK, SOCK_SEQPACKET};
use crate::base::{Errno, Error, Instant, Result};
use crate::driver::Host;
use crate::socket::remote::place::{self, Lock};
use crate::socket::remote::{HostFacts, Nonce, protocol};
use crate::sys::unix::{self, Place};
use crate::sys::{clock, namespace, random, session};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 4096;
/// Descriptors that a host's process may have: three for each of 300,000 connections.
const DESCRIPTORS: u64 = 1 << 20;
/// Datagrams that wait in a program's descriptor; the stack's own queue is what has a limit (SO_RCVBUF).
const DATAGRAMS: &str = "4096";

/// A name among this user's hosts, with the unix socket that belongs to it: this process's alone, for as long as it is kept.
#[derive(Debug)]
pub(crate) struct Seat {
    name: String,
    path: PathBuf,
    /// The file's device and inode.
    file: (u64, u64),
    listener: OwnedFd,
    left: bool,
}

/// How a host was made.
#[derive(Debug)]
pub(crate) struct Birth {
    /// The flags of its wire, normalised ([`super::Wanted`]).
    pub(crate) flags: Vec<String>,
    /// It stays until `down`.
    pub(crate) stays: bool,
    /// What is published, open already.
    pub(crate) published: Vec<Published>,
}

impl Seat {
    /// Takes the name. From now on clients connect to it; their first requests wait for [`Seat::serve`].
    ///
    /// # Errors
    /// EADDRINUSE: a host of this name runs, or is being started. EINVAL, EACCES: as [`place::socket_of`].
    pub(crate) fn take(name: &str) -> Result<Self> {
        let _lock = Lock::take()?;
        let path = place::socket_of(name)?;
        let probe = unix::socket(SOCK_SEQPACKET | SOCK_NONBLOCK)?;
        match unix::connect(probe.as_fd(), Place::File(&path)).map_err(Error::from) {
            Err(error) if error.errno() == Errno::ENOENT => {}
            // Nobody listens there any more: what a host has left that was killed.
            Err(error) if error.errno() == Errno::ECONNREFUSED => fs::remove_file(&path)?,
            Err(error) if error.errno() != Errno::EAGAIN => {
                return Err(error.detail(path.display().to_string()));
            }
            _ => return Err(Errno::EADDRINUSE.with(format!("a host `{name}` runs already"))),
        }
        let listener = unix::socket(SOCK_SEQPACKET | SOCK_NONBLOCK)?;
        let named = |error: std::io::Error| Error::from(error).detail(path.display().to_string());
        unix::bind(listener.as_fd(), Place::File(&path)).map_err(named)?;
        let file = identity(&path).unwrap_or_default();
        unix::listen(listener.as_fd(), BACKLOG).map_err(named)?;
        Ok(Self { name: name.to_owned(), path, file, listener, left: false })
    }

    /// Serves `host`, made with `HostBuilder::embedded`, until it is told to end, nobody needs it any more, or `bell` is readable
    /// (a signal has come). `ready` is called when clients are answered.
    pub(crate) fn serve(
        self,
        host: Host,
        mut birth: Birth,
        bell: OwnedFd,
        ready: impl FnOnce(&HostFacts) -> Result<()>,
    ) -> Result<()> {
        // As it is, if it can't be more.
        let _ = session::raise_descriptor_limit(DESCRIPTORS);
        own_names();
        let published = std::mem::take(&mut birth.published);
        let facts = facts(&self.name, &host, birth)?;
        ready(&facts)?;
        let listener = self.listener.try_clone()?;
        Server::new(host, facts, listener)?.publishing(published)?.seated(self, bell)?.run()
    }

    /// Gives the name up, unless `needed` says at the last moment that somebody has come. True if it is given up.
    pub(super) fn leave(&mut self, needed: impl FnOnce() -> bool) -> bool {
        // Without the lock (its folder is gone, or is another's by now) there is no file of ours either.
        let _lock = Lock::take();
        if needed() {
            return false;
        }
        self.left = true;
        if identity(&self.path).is_some_and(|file| file == self.file) {
            let _ = fs::remove_file(&self.path);
        }
        true
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.left {
            self.leave(|| false);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// A namespace of its own for the abstract names of unix sockets: nobody else can reach them, and their queues may be long. Where
/// that is not allowed, the names are in the namespace of whoever started the host, and can't be guessed.
fn own_names() {
    let own = namespace::unshare_network().or_else(|_| namespace::unshare_user_and_network());
    if own.is_ok() {
        // unix(7): net.unix.max_dgram_qlen, 10 at first.
        let _ = fs::write("/proc/sys/net/unix/max_dgram_qlen", DATAGRAMS);
    }
}

/// What clients are told of the host.
pub(crate) fn facts(name: &str, host: &Host, birth: Birth) -> Result<HostFacts> {
    let mut nonce = [0; 12];
    random::getrandom(&mut nonce)?;
    let age = host.now().since(Instant::ZERO);
    let clock = clock::monotonic().saturating_sub(age);
    Ok(HostFacts {
        name: name.to_owned(),
        hostname: host.hostname(),
        pid: std::process::id(),
        flags: birth.flags,
        stays: birth.stays,
        clock: u64::try_from(clock.as_nanos()).unwrap_or(u64::MAX),
        epoch: host.wall_clock().saturating_sub(age),
        nonce: Nonce(nonce),
        cookie: host.netns_cookie(),
    })
}

/// The report to who started this process ([`super::start`]), in its form.
pub(crate) fn report(result: std::result::Result<(), NotStarted>) -> Vec<u8> {
    let report: Report = result;
    // A struct of plain words: it has a form.
    protocol::encode(&report).unwrap_or_default()
}
