//! Names and addresses: getaddrinfo(3) and its like, on the host's own resolver.
//!
//! | file | what |
//! |---|---|
//! | `getaddrinfo.rs` | [`Host::getaddrinfo`](crate::Host::getaddrinfo): hints, numbers, services; then a name's addresses |
//! | `lookup.rs` | a name's addresses: `localhost`, the host's own name, the hosts table, DNS |
//! | `dns.rs` | the stub resolver: DNS over our own UDP, and TCP where an answer is too long |
//! | `facts.rs` | what the host is told: servers, hosts table, addresses |
//! | `order.rs` | which address first: RFC 6724 |
//! | `hostent.rs` | a host's names and addresses together: gethostbyname, gethostbyname_ex, gethostbyaddr, getfqdn |
//! | `nameinfo.rs` | the way back: getnameinfo |
//! | `services.rs` | service names and ports, protocol names and numbers |
//!
//! Errors carry getaddrinfo(3)'s numbers, which are negative: [`Errno::EAI_NONAME`](crate::Errno::EAI_NONAME) is -2.

mod dns;
mod facts;
mod getaddrinfo;
mod hostent;
mod lookup;
mod nameinfo;
mod order;
mod services;

pub use getaddrinfo::AddrInfo;
pub use hostent::HostEntry;
pub use services::{getprotobyname, getservbyname, getservbyport};
