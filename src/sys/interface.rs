//! What an interface is like: the SIOCGIF* requests of netdevice(7), and the two settings that need no more.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use crate::base::Mac;

/// A socket to ask with. It asks in the network namespace in which it was made, wherever it is used.
#[derive(Debug)]
pub(crate) struct Control(OwnedFd);

impl Control {
    pub(crate) fn new() -> io::Result<Self> {
        // AF_UNIX answers these requests too, and is there in a kernel without IPv4.
        let socket = super::descriptor::socket(libc::AF_INET, libc::SOCK_DGRAM, 0)
            .or_else(|_| super::descriptor::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0))?;
        Ok(Self(socket))
    }

    /// SIOCGIFINDEX. ENODEV if there is no interface of that name.
    pub(crate) fn index(&self, name: &str) -> io::Result<u32> {
        let answer = self.ask(libc::SIOCGIFINDEX as libc::Ioctl, name, |_| ())?;
        // SAFETY: SIOCGIFINDEX fills `ifru_ifindex`; every bit pattern of it is a number.
        Ok(unsafe { answer.ifr_ifru.ifru_ifindex } as u32)
    }

    /// SIOCGIFMTU, in bytes.
    pub(crate) fn mtu(&self, name: &str) -> io::Result<usize> {
        let answer = self.ask(libc::SIOCGIFMTU as libc::Ioctl, name, |_| ())?;
        // SAFETY: SIOCGIFMTU fills `ifru_mtu`.
        Ok(usize::try_from(unsafe { answer.ifr_ifru.ifru_mtu }).unwrap_or(0))
    }

    /// SIOCGIFFLAGS: IFF_*.
    pub(crate) fn flags(&self, name: &str) -> io::Result<i32> {
        let answer = self.ask(libc::SIOCGIFFLAGS as libc::Ioctl, name, |_| ())?;
        // SAFETY: SIOCGIFFLAGS fills `ifru_flags`.
        Ok(i32::from(unsafe { answer.ifr_ifru.ifru_flags }))
    }

    /// True if the interface is there and set up (IFF_UP).
    pub(crate) fn is_up(&self, name: &str) -> bool {
        self.flags(name).is_ok_and(|flags| flags & libc::IFF_UP != 0)
    }

    /// True if it is set up, has a carrier, and the kernel has opened its queue.
    pub(crate) fn is_running(&self, name: &str) -> bool {
        self.flags(name).is_ok_and(|flags| flags & libc::IFF_RUNNING != 0)
    }

    /// SIOCGIFHWADDR: the kernel's own station address; `None` if the interface is not an Ethernet.
    pub(crate) fn mac(&self, name: &str) -> io::Result<Option<Mac>> {
        let answer = self.ask(libc::SIOCGIFHWADDR as libc::Ioctl, name, |_| ())?;
        // SAFETY: SIOCGIFHWADDR fills `ifru_hwaddr`.
        let address = unsafe { answer.ifr_ifru.ifru_hwaddr };
        let [a, b, c, d, e, f, ..] = address.sa_data.map(|byte| byte as u8);
        Ok((address.sa_family == libc::ARPHRD_ETHER).then_some(Mac([a, b, c, d, e, f])))
    }

    /// True if it is the kernel's loopback (IFF_LOOPBACK).
    pub(crate) fn is_loopback(&self, name: &str) -> bool {
        self.flags(name).is_ok_and(|flags| flags & libc::IFF_LOOPBACK != 0)
    }

    /// SIOCETHTOOL, ETHTOOL_GDRVINFO: true if the interface is a TAP (its driver `tun` says so as its bus).
    pub(crate) fn is_tap(&self, name: &str) -> bool {
        // struct ethtool_drvinfo: command, driver[32], version[32], firmware[32], bus[32], and more; 196 bytes.
        #[repr(C, align(8))]
        struct DriverInfo([u8; 196]);
        const ETHTOOL_GDRVINFO: u32 = 3;
        const SIOCETHTOOL: libc::Ioctl = 0x8946;
        let mut info = DriverInfo([0; 196]);
        info.0[..4].copy_from_slice(&ETHTOOL_GDRVINFO.to_ne_bytes());
        let pointer = std::ptr::from_mut(&mut info).cast();
        let asked = self.ask(SIOCETHTOOL, name, |request| request.ifr_ifru.ifru_data = pointer);
        asked.is_ok() && info.0[4..].starts_with(b"tun\0") && info.0[100..].starts_with(b"tap\0")
    }

    /// SIOCSIFFLAGS: sets or clears IFF_UP.
    pub(crate) fn set_up(&self, name: &str, up: bool) -> io::Result<()> {
        let flags = self.flags(name)?;
        let wanted = if up { flags | libc::IFF_UP } else { flags & !libc::IFF_UP };
        self.ask(libc::SIOCSIFFLAGS as libc::Ioctl, name, |request| {
            request.ifr_ifru.ifru_flags = wanted as libc::c_short;
        })
        .map(drop)
    }

    /// SIOCSIFMTU, in bytes.
    pub(crate) fn set_mtu(&self, name: &str, mtu: usize) -> io::Result<()> {
        let mtu = i32::try_from(mtu).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        self.ask(libc::SIOCSIFMTU as libc::Ioctl, name, |request| request.ifr_ifru.ifru_mtu = mtu).map(drop)
    }

    pub(super) fn ask(
        &self,
        what: libc::Ioctl,
        name: &str,
        fill: impl FnOnce(&mut libc::ifreq),
    ) -> io::Result<libc::ifreq> {
        // SAFETY: ifreq is plain data; all zeros is a value of it.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        if name.len() >= request.ifr_name.len() || name.contains('\0') {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        fill(&mut request);
        // SAFETY: `request` is an ifreq that outlives the call; the requests used here read and write within it, and
        // SIOCETHTOOL within the buffer that its pointer leads to, which its caller keeps alive.
        super::check(unsafe { libc::ioctl(self.0.as_raw_fd(), what, &mut request) })?;
        Ok(request)
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_and_nonsense_is_not() {
        let control = Control::new().unwrap();
        assert_eq!(control.index("lo").unwrap(), 1);
        assert!(control.mtu("lo").unwrap() >= 1280);
        assert_eq!(control.mac("lo").unwrap(), None);
        assert!(!control.is_tap("lo"));
        assert_eq!(control.index("no-such-if").unwrap_err().raw_os_error(), Some(libc::ENODEV));
        assert!(control.index("a-name-longer-than-fifteen").is_err());
    }
}
