//! Who has which address on an interface's bus (net/can/j1939/bus.c, address-claim.c): names claim addresses, the lower name wins.
//!
//! Nothing is sent here: claims are programs' messages, heard as they were on the bus, one's own by their echo.

use super::Head;
use crate::base::constants::{J1939_IDLE_ADDR, J1939_NO_ADDR, J1939_PGN_ADDRESS_CLAIMED, J1939_PGN_REQUEST};
use crate::base::{Errno, Result};

pub(super) const IDLE: u8 = J1939_IDLE_ADDR as u8;
pub(super) const ANY: u8 = J1939_NO_ADDR as u8;
pub(super) const CLAIMED: u32 = J1939_PGN_ADDRESS_CLAIMED as u32;
const REQUEST: u32 = J1939_PGN_REQUEST as u32;
/// Names that are known of at once: 254 have an address, others have claimed one a moment ago.
const MOST: usize = 1024;

/// j1939_address_is_unicast.
pub(super) fn is_unicast(address: u8) -> bool {
    address < IDLE
}

/// A controller (struct j1939_ecu).
#[derive(Debug)]
struct Controller {
    name: u64,
    /// What it has claimed last.
    address: u8,
    /// It has the address; else it may still be told that another has it.
    mapped: bool,
    /// Its claim stands in a moment.
    claims: bool,
    /// Sockets of this host that are bound to the name.
    users: usize,
}

/// The controllers of a bus, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Names {
    controllers: Vec<Controller>,
    /// Addresses that sockets of this host are bound to.
    own: Vec<u8>,
}

impl Names {
    fn named(&mut self, name: u64) -> Option<&mut Controller> {
        self.controllers.iter_mut().find(|controller| controller.name == name)
    }

    fn mapped(&self, address: u8) -> Option<&Controller> {
        let mut all = self.controllers.iter();
        all.find(|controller| controller.mapped && controller.address == address && is_unicast(address))
    }

    /// Those that nothing is known of any more.
    fn tidy(&mut self) {
        self.controllers.retain(|controller| controller.users > 0 || controller.mapped || controller.claims);
    }

    fn get_or_make(&mut self, name: u64) -> Option<&mut Controller> {
        if self.named(name).is_none() {
            if self.controllers.len() >= MOST {
                return None;
            }
            let new = Controller { name, address: IDLE, mapped: false, claims: false, users: 0 };
            self.controllers.push(new);
        }
        self.named(name)
    }

    /// j1939_local_ecu_get: a socket is bound to a name, or an address, or both.
    pub(super) fn hold(&mut self, name: u64, address: u8) -> Result<()> {
        if name != 0 {
            let controller = self.get_or_make(name);
            controller.ok_or_else(|| Errno::ENOMEM.with("too many names on the bus"))?.users += 1;
        }
        if is_unicast(address) {
            self.own.push(address);
        }
        Ok(())
    }

    /// j1939_local_ecu_put.
    pub(super) fn release(&mut self, name: u64, address: u8) {
        if let Some(at) = self.own.iter().position(|own| *own == address) {
            self.own.swap_remove(at);
        }
        if let Some(controller) = self.named(name) {
            controller.users = controller.users.saturating_sub(1);
        }
        self.tidy();
    }

    /// An address of this host: a socket has it, or has the name that has it.
    pub(super) fn is_own(&self, address: u8) -> bool {
        self.own.contains(&address) || self.mapped(address).is_some_and(|controller| controller.users > 0)
    }

    /// j1939_name_to_addr.
    pub(super) fn address_of(&self, name: u64) -> u8 {
        let mut all = self.controllers.iter();
        match all.find(|controller| controller.name == name) {
            _ if name == 0 => ANY,
            Some(controller) if controller.mapped => controller.address,
            _ => IDLE,
        }
    }

    /// The name that has an address; 0 = none.
    pub(super) fn name_of(&self, address: u8) -> u64 {
        self.mapped(address).map_or(0, |controller| controller.name)
    }

    fn unmap(&mut self, name: u64) {
        if let Some(controller) = self.named(name) {
            controller.mapped = false;
        }
        self.tidy();
    }

    /// j1939_ecu_unmap_all.
    pub(super) fn unmap_all(&mut self) {
        self.controllers.iter_mut().for_each(|controller| controller.mapped = false);
        self.tidy();
    }

    /// j1939_ac_fixup: addresses in place of the names of what is to be sent.
    pub(super) fn fill(&mut self, head: &mut Head, data: &[u8]) -> Result<()> {
        let none = || Errno::EADDRNOTAVAIL.with("the name has no address: it must be claimed first");
        if head.pgn == CLAIMED {
            // j1939_ac_verify_outgoing
            let wrong =
                data != head.src_name.to_le_bytes() || head.sa == ANY || head.dst_name != 0 || head.da != ANY;
            if wrong {
                return Err(Errno::EPROTO.with("a claim says the socket's own name, from an address, to all"));
            }
            let Some(controller) = self.named(head.src_name) else { return Err(Errno::ENODEV.into()) };
            if controller.address != head.sa {
                // "hold further traffic for ecu, remove from parent"
                self.unmap(head.src_name);
            }
        } else if head.src_name != 0 {
            let address = self.address_of(head.src_name);
            // j1939_ac_msg_is_request: who has no address may ask for the others'.
            let asks = head.pgn == REQUEST
                && data.first_chunk().is_some_and(|[a, b, c]| u32::from_le_bytes([*a, *b, *c, 0]) == CLAIMED);
            if !is_unicast(address) && !asks {
                return Err(none());
            }
            head.sa = address;
        }
        if head.dst_name != 0 {
            let address = self.address_of(head.dst_name);
            if !is_unicast(address) {
                return Err(none());
            }
            head.da = address;
        }
        Ok(())
    }

    /// j1939_ac_recv: names of the addresses of what was heard. Gives the name whose claim will stand in 250 ms, and the one whose
    /// claim was heard.
    pub(super) fn hear(&mut self, head: &mut Head, data: &[u8]) -> Claim {
        let claim = if head.pgn == CLAIMED { self.claim(head, data) } else { Claim::default() };
        if head.pgn != CLAIMED && is_unicast(head.sa) {
            head.src_name = self.name_of(head.sa);
        }
        head.dst_name = self.name_of(head.da);
        claim
    }

    /// j1939_ac_process.
    fn claim(&mut self, head: &mut Head, data: &[u8]) -> Claim {
        let Ok(name) = data.try_into().map(u64::from_le_bytes) else { return Claim::default() };
        head.src_name = name;
        if name == 0 || head.sa == ANY || (self.named(name).is_none() && !is_unicast(head.sa)) {
            return Claim::default();
        }
        let address = head.sa;
        let Some(controller) = self.get_or_make(name) else { return Claim::default() };
        let heard = Claim { ends: Some(name), begins: None };
        controller.claims = false;
        if address == IDLE || controller.address != address {
            controller.mapped = false;
        }
        if address == IDLE {
            self.tidy();
            return heard;
        }
        controller.address = address;
        let before = self.mapped(address).map(|before| before.name);
        match before {
            Some(before) if name > before => {
                self.unmap(name);
                return heard;
            }
            // "kick prev if less or equal"
            Some(before) => {
                if let Some(before) = self.named(before) {
                    before.mapped = false;
                }
            }
            None => {}
        }
        if let Some(controller) = self.named(name) {
            controller.claims = true;
        }
        self.tidy();
        Claim { ends: Some(name), begins: Some(name) }
    }

    /// j1939_ecu_timer_handler: nobody has objected.
    pub(super) fn settle(&mut self, name: u64) {
        let Some((address, claims)) = self.named(name).map(|c| (c.address, c.claims)) else { return };
        // j1939_ecu_map_locked: "Trying to map already mapped ECU".
        let free = is_unicast(address) && self.mapped(address).is_none();
        if let Some(controller) = self.named(name) {
            controller.claims = false;
            controller.mapped |= claims && free;
        }
        self.tidy();
    }
}

/// What becomes of the clocks of claims.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Claim {
    pub(super) ends: Option<u64>,
    pub(super) begins: Option<u64>,
}
