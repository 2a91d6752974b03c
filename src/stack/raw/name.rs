//! bind(2) and connect(2): addresses without ports. The port that getsockname(2) shows is the protocol.

use std::net::SocketAddr;

use crate::base::constants::AF_INET;
use crate::base::{Errno, IfIndex, Reason, Result, SockAddr, SocketId};
use crate::stack::Stack;
use crate::stack::datagram::{WithScope, needs_scope};

impl Stack {
    /// bind(2) (raw_bind, rawv6_bind): as often as one likes, until the socket is connected.
    pub(in crate::stack) fn raw_bind(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        let entry = self.sockets.get(id)?;
        let not_ours = || Errno::EADDRNOTAVAIL.because(Reason::IpAddressNotOurs);
        let protocol = entry.local.map_or(0, |local| local.port());
        let mut device = entry.device;
        let connected = entry.remote.is_some();
        let local = match address {
            _ if connected && entry.domain == AF_INET => {
                return Err(Errno::EINVAL.because(Reason::AlreadyBound));
            }
            // raw_bind does not look at the family.
            SockAddr::Unspec if entry.domain == AF_INET => SocketAddr::new(entry.any_address(), protocol),
            SockAddr::V4(v4) if entry.domain == AF_INET => {
                if !self.bindable_v4(entry, *v4.ip()) {
                    return Err(not_ours());
                }
                SocketAddr::new((*v4.ip()).into(), protocol)
            }
            SockAddr::V6(v6) if entry.domain != AF_INET => {
                let ip = *v6.ip();
                // "Raw sockets are IPv6 only"
                if ip.to_ipv4_mapped().is_some() {
                    return Err(not_ours());
                }
                if connected {
                    return Err(Errno::EINVAL.because(Reason::AlreadyBound));
                }
                if needs_scope(&ip) {
                    device = if v6.scope_id() == 0 { device } else { Some(IfIndex(v6.scope_id())) };
                    let device = device.ok_or(Errno::EINVAL.because(Reason::NoInterface))?;
                    self.net.interface_name(device).ok_or(Errno::ENODEV.because(Reason::NoInterface))?;
                }
                let ours = ip.is_unspecified()
                    || ip.is_multicast()
                    || entry.options.freebind
                    || self.net.is_local(ip.into());
                if !ours {
                    return Err(not_ours());
                }
                SocketAddr::new(ip.into(), protocol).with_scope_of(v6.into())
            }
            // inet6_bind: an address of another family is shorter than its own; of IPv4's the kernel reads whatever is there.
            _ => return Err(Errno::EINVAL.because(Reason::WrongFamily)),
        };
        let entry = self.sockets.get_mut(id)?;
        (entry.local, entry.device) = (Some(local), device);
        entry.address_chosen = !local.ip().is_unspecified();
        Ok(())
    }

    /// connect(2) with AF_UNSPEC (__udp_disconnect): peer and device go, and the address, chosen by bind or not.
    pub(in crate::stack) fn raw_disconnect(&mut self, id: SocketId) -> Result<()> {
        let entry = self.sockets.get_mut(id)?;
        (entry.remote, entry.device) = (None, None);
        let any = entry.any_address();
        entry.local = entry.local.map(|local| SocketAddr::new(any, local.port()));
        self.ready.wake(id);
        Ok(())
    }
}
