//! Requests that change the host, as far as its verbs go. What they can't do is EOPNOTSUPP with a sentence.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | which request is which change |
//! | `link.rs` | interfaces |
//! | `address.rs` | addresses |
//! | `route.rs` | routes |
//! | `neighbour.rs` | neighbours |

mod address;
mod link;
mod neighbour;
mod route;

use super::request::{
    RTM_DELADDR, RTM_DELNEIGH, RTM_DELROUTE, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWNEIGH, RTM_NEWROUTE,
    RTM_SETLINK,
};
use crate::base::constants::{AF_INET, AF_INET6};
use crate::base::netlink::Message;
use crate::base::{Errno, Reason, Result};
use crate::stack::Net;

/// sizeof(struct ifinfomsg), ifaddrmsg, rtmsg, ndmsg.
pub(super) const LINK: usize = 16;
pub(super) const ADDRESS: usize = 8;
pub(super) const ROUTE: usize = 12;
pub(super) const NEIGHBOUR: usize = 12;

fn short(request: &Message<'_>, header: usize) -> Result<()> {
    if request.body.len() < header { Err(Errno::EINVAL.with("the request is too short")) } else { Ok(()) }
}

/// True for AF_INET. EAFNOSUPPORT for what is no IP family.
pub(super) fn is_ipv4(request: &Message<'_>) -> Result<bool> {
    match i32::from(request.byte(0)) {
        AF_INET => Ok(true),
        AF_INET6 => Ok(false),
        _ => Err(Errno::EAFNOSUPPORT.because(Reason::WrongFamily)),
    }
}

impl Net {
    /// Does it; `None` if the request is none that changes anything.
    pub(super) fn change(&mut self, request: &Message<'_>) -> Option<Result<()>> {
        Some(match request.kind {
            RTM_NEWLINK | RTM_SETLINK => self.set_link_by(request),
            RTM_NEWADDR => self.add_address_by(request),
            RTM_DELADDR => self.remove_address_by(request),
            RTM_NEWROUTE => self.add_route_by(request),
            RTM_DELROUTE => self.remove_route_by(request),
            RTM_NEWNEIGH => self.add_neighbour_by(request),
            RTM_DELNEIGH => self.remove_neighbour_by(request),
            _ => return None,
        })
    }
}
