//! The files that say how names are resolved: a program that opens one for reading gets the host's, made now. Only a host that
//! was given DNS servers has them; the programs of others see the machine's own.
//!
//! /proc/net is not among them: those files belong to the namespace in which they are opened, and are read by path, by link and by
//! directory (/proc/self/net, /proc/PID/net); netlink and SIOCGIF*, which answer for the host, are what programs of today ask.

use std::net::SocketAddr;

use super::supervisor::Guest;
use super::trap::{Trap, Verdict};
use crate::base::Result;
use crate::base::constants::SOCK_CLOEXEC;
use crate::sys::descriptor;

/// With the zero at its end: what is as long and the same is the whole path.
const HOSTS: &[u8] = b"/etc/hosts\0";
const RESOLV_CONF: &[u8] = b"/etc/resolv.conf\0";

/// open(2), openat(2): the path is argument `n`, the flags are the next one.
pub(super) fn open(guest: &mut Guest, trap: &Trap, n: usize) -> Verdict {
    // A path that ends before as many bytes may be the last thing in its page (EFAULT): it is another one.
    let is = |path: &[u8]| trap.read(trap.pointer(n), path.len()).is_ok_and(|bytes| bytes == path);
    let hosts = is(HOSTS);
    if !hosts && !is(RESOLV_CONF) {
        return Verdict::Native;
    }
    let made = guest.names().and_then(|(dns, table)| made(hosts, &dns, table));
    match made {
        Ok(Some(fd)) => {
            // O_CLOEXEC is the same bit.
            let close_on_exec = trap.int(n + 1) & SOCK_CLOEXEC != 0;
            Verdict::Give { fd, close_on_exec, at: None }
        }
        Ok(None) => Verdict::Native,
        Err(error) => Verdict::Fail(error.errno()),
    }
}

fn made(hosts: bool, dns: &[SocketAddr], table: String) -> Result<Option<std::os::fd::OwnedFd>> {
    let text = if hosts { table } else { resolv_conf(dns) };
    if text.is_empty() {
        return Ok(None);
    }
    Ok(Some(descriptor::text(&text)?))
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
    fn the_file_is_read_from_its_beginning_and_cannot_be_written() {
        let dns = ["192.0.2.53:53", "[2001:db8::53]:53", "192.0.2.54:5353"].map(|s| s.parse().unwrap());
        let fd = made(false, &dns, String::new()).unwrap().unwrap();
        let mut file = std::fs::File::from(fd);
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "nameserver 192.0.2.53\nnameserver 2001:db8::53\n");
        assert!(std::io::Write::write(&mut file, b"x").is_err());
        assert!(made(false, &[], String::new()).unwrap().is_none());
        assert!(made(true, &dns, "192.0.2.1\twww\n".into()).unwrap().is_some());
    }
}
