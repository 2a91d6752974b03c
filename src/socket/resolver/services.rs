//! Service names and ports, services(5); protocol names and numbers, protocols(5).

use crate::base::services::{port_of, protocol_called, service_at};
use crate::base::{Errno, Result};

/// getservbyname(3): the port of a service; `protocol` is `"tcp"`, `"udp"` or `""` for any.
///
/// # Errors
/// EAI_SERVICE.
///
/// ```
/// use sockatoo::socket::*;
/// assert_eq!(getservbyname("http", "tcp")?, 80);
/// assert_eq!(getservbyport(53, "udp")?, "domain");
/// # Ok::<(), sockatoo::Error>(())
/// ```
pub fn getservbyname(name: &str, protocol: &str) -> Result<u16> {
    port_of(name, protocol).ok_or_else(|| {
        Errno::EAI_SERVICE.with(format!("no service is called `{name}` here: write its number"))
    })
}

/// getservbyport(3): the service at a port.
///
/// # Errors
/// EAI_SERVICE.
pub fn getservbyport(port: u16, protocol: &str) -> Result<&'static str> {
    service_at(port, protocol)
        .ok_or_else(|| Errno::EAI_SERVICE.with(format!("no service is known at port {port}")))
}

/// getprotobyname(3): the number of a protocol, as [`Host::socket`](crate::Host::socket) takes it.
///
/// # Errors
/// EPROTONOSUPPORT.
///
/// ```
/// use sockatoo::socket::*;
/// assert_eq!(getprotobyname("icmp")?, IPPROTO_ICMP);
/// # Ok::<(), sockatoo::Error>(())
/// ```
pub fn getprotobyname(name: &str) -> Result<i32> {
    protocol_called(name).ok_or_else(|| {
        Errno::EPROTONOSUPPORT.with(format!("no protocol is called `{name}` here: write its number"))
    })
}
