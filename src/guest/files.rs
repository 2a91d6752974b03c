//! The files that say how names are resolved, those of /proc/net that say what interfaces there are, and those of /proc/sys/net
//! (`proc_sys.rs`): a program that opens one gets the host's, made now. Only a host that was given DNS servers has the former; the programs of others see the
//! machine's own.
//!
//! They are known by their paths: those of /proc/net, /proc/self/net, /proc/thread-self/net and /proc/PID/net of the program itself,
//! from the root or from an open directory. Who comes by a link of his own sees the namespace's.

use std::net::SocketAddr;

use super::supervisor::Guest;
use super::trap::{Trap, Verdict};
use super::{proc_net, proc_sys};
use crate::base::Result;
use crate::base::constants::SOCK_CLOEXEC;
use crate::sys::{descriptor, pidfd};

const HOSTS: &[u8] = b"/etc/hosts";
const RESOLV_CONF: &[u8] = b"/etc/resolv.conf";
const PROC_SYS: &[u8] = b"/proc/sys/";
const PROC_SYS_NET: &[u8] = b"/proc/sys/net/";
const PROC_NET: [&[u8]; 3] = [b"/proc/net/", b"/proc/self/net/", b"/proc/thread-self/net/"];

const O_CREAT: i32 = 0o100;
/// What creat(2) opens with: O_CREAT, O_WRONLY and O_TRUNC.
pub(super) const CREAT: i32 = O_CREAT | 0o1001;

/// The longest of these paths is shorter, with its zero.
const LONGEST: u64 = 128;
/// Memory is there or not in pieces of this size, or of a multiple.
const PAGE: u64 = 4096;

/// openat2(2): its flags are in memory.
pub(super) fn open_how(guest: &mut Guest, trap: &Trap) -> Verdict {
    match trap.read(trap.pointer(2), 4).map(|bytes| bytes.try_into().map(i32::from_ne_bytes)) {
        Ok(Ok(flags)) => open(guest, trap, 1, flags),
        _ => Verdict::Native,
    }
}

/// open(2), creat(2), openat(2): the path is argument `n`.
pub(super) fn open(guest: &mut Guest, trap: &Trap, n: usize, flags: i32) -> Verdict {
    let Some(path) = path(trap, trap.pointer(n)) else { return Verdict::Native };
    // openat(2) has the directory before the path.
    let Some(path) = whole(trap, n.checked_sub(1).map(|n| trap.int(n)), path) else { return Verdict::Native };
    let path = plain(path);
    if path.starts_with(PROC_SYS_NET) {
        let name = path.strip_prefix(PROC_SYS).unwrap_or_default();
        return proc_sys::open(guest, trap, name, flags).unwrap_or_else(|error| Verdict::Fail(error.errno()));
    }
    if flags & (proc_sys::ACCESS | O_CREAT) != 0 {
        return Verdict::Native;
    }
    let made = text(guest, &own(trap, path))
        .and_then(|text| Ok(text.map(|text| descriptor::text(&text)).transpose()?));
    match made {
        Ok(Some(fd)) => {
            // O_CLOEXEC is the same bit.
            let close_on_exec = flags & SOCK_CLOEXEC != 0;
            Verdict::Give { fd, close_on_exec, at: None }
        }
        Ok(None) => Verdict::Native,
        Err(error) => Verdict::Fail(error.errno()),
    }
}

/// A path that is no longer than those that matter. It may be the last thing in its page, and the next be missing.
fn path(trap: &Trap, at: u64) -> Option<Vec<u8>> {
    let here = (PAGE - at % PAGE).min(LONGEST);
    let mut bytes = trap.read(at, here as usize).ok()?;
    if here < LONGEST && !bytes.contains(&0) {
        bytes.extend(trap.read(at.checked_add(here)?, (LONGEST - here) as usize).ok()?);
    }
    bytes.truncate(bytes.iter().position(|byte| *byte == 0)?);
    Some(bytes)
}

/// The path from the root on; a relative one begins at the directory, or at the current one. `None`: it is not in /proc.
fn whole(trap: &Trap, directory: Option<i32>, path: Vec<u8>) -> Option<Vec<u8>> {
    const AT_FDCWD: i32 = -100;
    if path.first() == Some(&b'/') {
        return Some(path);
    }
    // Programs open many files so: only those of these names are looked at further.
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    if !proc_net::has(name) && !proc_sys::may_be(name) {
        return None;
    }
    let tid = trap.tid;
    let link = match directory.filter(|directory| *directory != AT_FDCWD) {
        Some(directory) => format!("/proc/{tid}/fd/{directory}"),
        None => format!("/proc/{tid}/cwd"),
    };
    let folder = std::fs::read_link(link).ok()?.into_os_string().into_encoded_bytes();
    let path = path.strip_prefix(b"./").unwrap_or(&path);
    folder.starts_with(b"/proc").then(|| [&folder, b"/".as_slice(), path].concat())
}

/// Without `//`, `.` and `..`, as far as that can be seen without looking at links.
fn plain(path: Vec<u8>) -> Vec<u8> {
    if !path.windows(2).any(|two| two == b"//" || two == b"/.") {
        return path;
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    [b"/".as_slice(), &parts.join(&b'/')].concat()
}

/// The process's own folder of /proc, by its number, is /proc/self.
fn own(trap: &Trap, path: Vec<u8>) -> Vec<u8> {
    let Some(rest) = path.strip_prefix(b"/proc/") else { return path };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = rest.split_at(digits);
    // /proc/PID/task/TID/net is the same.
    let rest = match rest.strip_prefix(b"/task/") {
        Some(task) => {
            task.get(task.iter().position(|byte| *byte == b'/').unwrap_or(task.len())..).unwrap_or_default()
        }
        None => rest,
    };
    if digits == 0 || !rest.starts_with(b"/net/") {
        return path;
    }
    let number = std::str::from_utf8(number).ok().and_then(|number| number.parse::<i32>().ok());
    let process = pidfd::status(trap.tid).map(|status| status.process);
    if number.is_some() && (number == process || number == Some(trap.tid)) {
        [b"/proc/self".as_slice(), rest].concat()
    } else {
        path
    }
}

/// What stands in the file; `None` for one that is not the host's.
fn text(guest: &mut Guest, path: &[u8]) -> Result<Option<String>> {
    if let Some(name) = PROC_NET.iter().find_map(|folder| path.strip_prefix(*folder)) {
        return proc_net::text(guest, name);
    }
    if path != HOSTS && path != RESOLV_CONF {
        return Ok(None);
    }
    let (dns, table) = guest.names()?;
    let text = if path == HOSTS { table } else { resolv_conf(&dns) };
    Ok(Some(text).filter(|text| !dns.is_empty() && !text.is_empty()))
}

/// resolv.conf(5). A port is more than it can say: servers on another than 53 are left out.
fn resolv_conf(dns: &[SocketAddr]) -> String {
    dns.iter()
        .filter(|server| server.port() == 53)
        .map(|server| format!("nameserver {}\n", server.ip()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn paths_have_many_forms() {
        for (path, short) in [
            ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/ip_forward"),
            ("//proc/./sys//net/ipv6/../ipv4/ip_forward", "/proc/sys/net/ipv4/ip_forward"),
            ("/../proc/sys/net/", "/proc/sys/net"),
            ("/..", "/"),
        ] {
            assert_eq!(plain(path.into()), short.as_bytes(), "{path}");
        }
    }

    #[test]
    fn the_file_is_read_from_its_beginning_and_cannot_be_written() {
        let dns = ["192.0.2.53:53", "[2001:db8::53]:53", "192.0.2.54:5353"].map(|s| s.parse().unwrap());
        let mut file = std::fs::File::from(descriptor::text(&resolv_conf(&dns)).unwrap());
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "nameserver 192.0.2.53\nnameserver 2001:db8::53\n");
        assert!(std::io::Write::write(&mut file, b"x").is_err());
    }
}
