//! Files of /proc/sys/net, where a host is told how to behave: read, they hold the host's values; what is written goes to the host,
//! and never to the machine. Files that the host has nothing to say of are the namespace's to read, and nobody's to write.
//!
//! Writing is the kernel's business: the program's descriptor is one end of a pair of sockets, and the supervisor hears at the other
//! what was written. So write(2) can't fail: a value that the host refuses changes nothing.

use std::os::fd::{AsFd, OwnedFd};

use super::calls::may_administer;
use super::supervisor::{Guest, SETTINGS};
use super::trap::{Trap, Verdict};
use crate::base::constants::{MSG_DONTWAIT, SHUT_WR, SOCK_CLOEXEC, SOCK_SEQPACKET};
use crate::base::verb::{Answer, Setting, Verb};
use crate::base::{Errno, Reason, Result};
use crate::socket::remote::connection::unexpected;
use crate::sys::descriptor;

/// O_ACCMODE: what a file is opened for.
pub(super) const ACCESS: i32 = 3;
const WRITE_ONLY: i32 = 1;
/// O_DIRECTORY, O_PATH: it is not about what the file holds.
const OTHERWISE: i32 = if cfg!(target_arch = "aarch64") { 0o40000 } else { 0o200000 } | 0o10000000;

/// Files that are open for writing at once; the kernel's limit of values is a page.
const OPEN_MAX: usize = 64;
const VALUE_MAX: usize = 4096;

/// A file that a program has open for writing.
#[derive(Debug)]
pub(super) struct Opened {
    fd: OwnedFd,
    name: String,
    /// "sysctl_writes_strict": what is written behind the first value is not looked at.
    written: bool,
}

/// True if a file of /proc/sys may have this name.
pub(super) fn may_be(name: &[u8]) -> bool {
    name.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_')
}

/// Opens the file of this name, which begins behind `/proc/sys/`.
pub(super) fn open(guest: &mut Guest, trap: &Trap, name: &[u8], flags: i32) -> Result<Verdict> {
    let Ok(name) = std::str::from_utf8(name) else { return Ok(Verdict::Native) };
    if flags & OTHERWISE != 0 {
        return Ok(Verdict::Native);
    }
    let setting = match guest.setting(name) {
        Ok(setting) => setting,
        Err(error) if error.errno() == Errno::ENOENT => return nothing_to_say(guest, name, flags),
        Err(error) => return Err(error),
    };
    let fd = if flags & ACCESS == 0 {
        descriptor::text(&setting.text)?
    } else {
        // net_ctl_permissions: who administers the namespace may write what can be written.
        if !setting.may_change || !may_administer(guest, trap) {
            return Err(Errno::EACCES.because(Reason::Said));
        }
        guest.open_setting(name, &setting, flags)?
    };
    Ok(Verdict::Give { fd, close_on_exec: flags & SOCK_CLOEXEC != 0, at: None })
}

/// A file that the namespace may have, and the host does not.
fn nothing_to_say(guest: &mut Guest, name: &str, flags: i32) -> Result<Verdict> {
    let of_interfaces = ["net/ipv4/conf/", "net/ipv6/conf/", "net/ipv4/neigh/", "net/ipv6/neigh/"];
    if let Some(rest) = of_interfaces.iter().find_map(|folder| name.strip_prefix(folder)) {
        let interface = rest.split('/').next().unwrap_or_default();
        let of_all = matches!(interface, "all" | "default" | "");
        if !of_all && !guest.interfaces()?.iter().any(|row| row.name == interface) {
            return Err(Errno::ENOENT.because(Reason::Said));
        }
    }
    if flags & ACCESS == 0 {
        return Ok(Verdict::Native);
    }
    // Whatever it is: what the kernel says of what is no file, or is not there, is right.
    let is_file = std::fs::metadata(format!("/proc/sys/{name}")).is_ok_and(|file| file.is_file());
    if is_file { Err(Errno::EACCES.because(Reason::Said)) } else { Ok(Verdict::Native) }
}

impl Guest {
    /// What the host says under this name. ENOENT.
    fn setting(&mut self, name: &str) -> Result<Setting> {
        match self.verb(Verb::Sysctl(name.to_owned()))? {
            Answer::Setting(setting) => Ok(setting),
            _ => Err(unexpected()),
        }
    }

    /// The program's descriptor for a file that it writes.
    fn open_setting(&mut self, name: &str, setting: &Setting, flags: i32) -> Result<OwnedFd> {
        if self.settings.len() >= OPEN_MAX {
            return Err(Errno::ENFILE.because(Reason::Said));
        }
        let (fd, programs) = descriptor::socketpair(SOCK_SEQPACKET)?;
        if flags & ACCESS != WRITE_ONLY {
            descriptor::write(fd.as_fd(), setting.text.as_bytes())?;
        }
        // Behind the text is its end.
        descriptor::shutdown(fd.as_fd(), SHUT_WR)?;
        self.watch(fd.as_fd(), SETTINGS)?;
        self.settings.push(Opened { fd, name: name.to_owned(), written: false });
        Ok(programs)
    }

    /// Hears what programs have written: before every call of theirs, so that each finds what was set before.
    pub(super) fn hear_settings(&mut self) {
        for mut opened in std::mem::take(&mut self.settings) {
            let mut value = [0; VALUE_MAX];
            let open = loop {
                let len = match descriptor::recv(opened.fd.as_fd(), &mut value, MSG_DONTWAIT) {
                    Ok(0) => break false,
                    Ok(len) => len,
                    Err(error) => break error.raw_os_error() == Some(Errno::EAGAIN.0),
                };
                if !std::mem::replace(&mut opened.written, true)
                    && let Ok(text) = std::str::from_utf8(value.get(..len).unwrap_or_default())
                {
                    // The program has been told already that it is done.
                    let _ = self.verb(Verb::SetSysctl(opened.name.clone(), text.to_owned()));
                }
            };
            if open {
                self.settings.push(opened);
            }
        }
    }
}
