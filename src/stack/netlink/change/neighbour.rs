//! RTM_NEWNEIGH and RTM_DELNEIGH (neigh_add, neigh_delete).

use std::net::IpAddr;

use super::{NEIGHBOUR, is_ipv4, short};
use crate::base::netlink::{Message, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use crate::base::{Errno, IfIndex, Mac, Reason, Result};
use crate::stack::Net;
use crate::stack::link::NeighbourState;

const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NTF_USE: u8 = 1;
const NTF_PROXY: u8 = 8;
const NTF_ROUTER: u8 = 0x80;

impl Net {
    /// Whom a request is about.
    fn neighbour_of(&self, request: &Message<'_>) -> Result<(IfIndex, IpAddr)> {
        short(request, NEIGHBOUR)?;
        let address = request.address(NEIGHBOUR, NDA_DST, is_ipv4(request)?)?;
        let address = address.ok_or_else(|| Errno::EINVAL.with("Network address not specified"))?;
        if request.byte(10) & NTF_PROXY != 0 {
            return Err(Errno::EOPNOTSUPP.with("a sockatoo host answers for its own addresses only"));
        }
        let index = IfIndex(request.word(4));
        self.interface(index).ok_or(Errno::ENODEV.because(Reason::NoInterface))?;
        Ok((index, address))
    }

    pub(super) fn add_neighbour_by(&mut self, request: &Message<'_>) -> Result<()> {
        let (interface, address) = self.neighbour_of(request)?;
        let known = self.neighbours().find(|n| (n.interface, n.address) == (interface, address));
        let has_mac = known.is_some_and(|known| known.mac != Mac::ZERO);
        let mac = match request.attribute(NEIGHBOUR, NDA_LLADDR) {
            None => None,
            Some(mac) => Some(Mac(mac.try_into().map_err(|_| Errno::EINVAL.with("Invalid link address"))?)),
        };
        match known.is_some() {
            false if request.flags & NLM_F_CREATE == 0 => return Err(Errno::ENOENT.because(Reason::NoData)),
            true if request.flags & NLM_F_EXCL != 0 => {
                return Err(Errno::EEXIST.with(format!("{address} is known already")));
            }
            // "if (!(nlh->nlmsg_flags & NLM_F_REPLACE)) flags &= ~NEIGH_UPDATE_F_OVERRIDE": what is known stays.
            true if request.flags & NLM_F_REPLACE == 0 => return Ok(()),
            _ => {}
        }
        // neigh_event_send.
        if request.byte(10) & NTF_USE != 0 {
            return self.ask_neighbour(interface, address);
        }
        let state = match u16::from_ne_bytes([request.byte(8), request.byte(9)]) {
            1 => NeighbourState::Incomplete,
            2 => NeighbourState::Reachable,
            4 => NeighbourState::Stale,
            8 => NeighbourState::Delay,
            0x10 => NeighbourState::Probe,
            0 | 0x20 => NeighbourState::Failed,
            0x40 => NeighbourState::Noarp,
            0x80 => NeighbourState::Permanent,
            _ => return Err(Errno::EINVAL.with("there is no such state of a neighbour")),
        };
        let complete = !matches!(state, NeighbourState::Incomplete | NeighbourState::Failed);
        // __neigh_update: "if (!lladdr && !(old & NUD_VALID)) NL_SET_ERR_MSG(extack, "No link layer address given")".
        if complete && mac.is_none() && !has_mac {
            return Err(Errno::EINVAL.with("No link layer address given"));
        }
        self.put_neighbour(interface, address, mac, state)?;
        self.set_router(interface, address, request.byte(10) & NTF_ROUTER != 0);
        Ok(())
    }

    pub(super) fn remove_neighbour_by(&mut self, request: &Message<'_>) -> Result<()> {
        let (interface, address) = self.neighbour_of(request)?;
        if !self.neighbours().any(|n| (n.interface, n.address) == (interface, address)) {
            return Err(Errno::ENOENT.because(Reason::NoData));
        }
        self.set_neighbour(interface, address, None)
    }
}
