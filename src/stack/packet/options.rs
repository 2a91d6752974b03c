//! Options of SOL_PACKET that are more than an int.

use super::Stack;
use crate::base::constants::*;
use crate::base::{Errno, Error, IfIndex, Reason, Result, SocketId};

/// Memberships of one socket; each is counted, so that only different ones take room.
const MOST_MEMBERSHIPS: usize = 1024;

/// struct packet_mreq: what a socket asked an interface to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Membership {
    interface: IfIndex,
    /// PACKET_MR_*.
    kind: i32,
    address: [u8; 8],
    length: u8,
    count: u32,
}

impl Membership {
    /// EINVAL if there are too few bytes.
    fn parse(value: &[u8]) -> Result<Self> {
        let short = || Errno::EINVAL.because(Reason::OptionLength);
        let &[i0, i1, i2, i3, k0, k1, l0, l1, ref rest @ ..] = value else { return Err(short()) };
        let address: [u8; 8] = *rest.first_chunk().ok_or_else(short)?;
        let length = u16::from_ne_bytes([l0, l1]);
        if usize::from(length) > rest.len() {
            return Err(short());
        }
        Ok(Self {
            interface: IfIndex(u32::from_ne_bytes([i0, i1, i2, i3])),
            kind: i32::from(u16::from_ne_bytes([k0, k1])),
            address,
            length: u8::try_from(length).unwrap_or(u8::MAX),
            count: 1,
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        let length = usize::from(self.length).min(self.address.len());
        (self.interface, self.kind, self.length) == (other.interface, other.kind, other.length)
            && self.address[..length] == other.address[..length]
    }
}

impl Stack {
    /// PACKET_ADD_MEMBERSHIP, PACKET_DROP_MEMBERSHIP and what else is no plain int.
    pub(in crate::stack) fn packet_set_option(
        &mut self,
        id: SocketId,
        name: i32,
        value: &[u8],
    ) -> Result<()> {
        match name {
            PACKET_ADD_MEMBERSHIP => self.packet_add_membership(id, Membership::parse(value)?),
            PACKET_DROP_MEMBERSHIP => self.packet_drop_membership(id, &Membership::parse(value)?),
            PACKET_IGNORE_OUTGOING => {
                let ignore = match *value {
                    [a, b, c, d] => i32::from_ne_bytes([a, b, c, d]),
                    _ => return Err(Errno::EINVAL.because(Reason::OptionLength)),
                };
                if !matches!(ignore, 0 | 1) {
                    return Err(Errno::EINVAL.because(Reason::OptionValue));
                }
                self.sockets.get_mut(id)?.options.ignore_outgoing = ignore == 1;
                self.packet_listen(id)
            }
            PACKET_FANOUT => self.packet_fanout(id, value),
            PACKET_FANOUT_DATA => self.packet_fanout_data(id, value),
            PACKET_RX_RING | PACKET_TX_RING => Err(refused(
                "a ring is memory shared with a kernel: read and write frames by recv and send here",
            )),
            _ => Err(Errno::ENOPROTOOPT.because(Reason::UnknownOption)),
        }
    }

    /// The value's bytes as Linux lays them out.
    pub(in crate::stack) fn packet_get_option(
        &mut self,
        id: SocketId,
        name: i32,
        len: usize,
        given: &[u8],
    ) -> Result<Vec<u8>> {
        match name {
            PACKET_FANOUT => return Ok(self.packet_fanout_of(id)?.to_ne_bytes().to_vec()),
            PACKET_ROLLOVER_STATS => return self.packet_rollover_stats(id),
            _ => {}
        }
        let entry = self.sockets.get_mut(id)?;
        match name {
            PACKET_STATISTICS => {
                let (packets, drops) = entry.packet_mut()?.queue.take_statistics();
                Ok([packets.to_ne_bytes(), drops.to_ne_bytes()].concat())
            }
            PACKET_IGNORE_OUTGOING => Ok(i32::from(entry.options.ignore_outgoing).to_ne_bytes().to_vec()),
            PACKET_HDRLEN if len < 4 => Err(Errno::EINVAL.because(Reason::OptionLength)),
            // sizeof(struct tpacket_hdr), tpacket2_hdr, tpacket3_hdr: of the version that stands in the value's place.
            PACKET_HDRLEN => match given.first_chunk().map_or(0, |version| i32::from_ne_bytes(*version)) {
                0 | 1 => Ok(32_i32.to_ne_bytes().to_vec()),
                2 => Ok(48_i32.to_ne_bytes().to_vec()),
                _ => Err(Errno::EINVAL.because(Reason::OptionValue)),
            },
            _ => Err(Errno::ENOPROTOOPT.because(Reason::UnknownOption)),
        }
    }

    /// packet_mc_add.
    fn packet_add_membership(&mut self, id: SocketId, wanted: Membership) -> Result<()> {
        self.net.interface(wanted.interface).ok_or(Errno::ENODEV.because(Reason::NoInterface))?;
        // An address is as long as the interface's, or (of PACKET_MR_PROMISC and PACKET_MR_ALLMULTI) shorter.
        let exact = matches!(wanted.kind, PACKET_MR_MULTICAST | PACKET_MR_UNICAST);
        if wanted.length > 6 || (exact && wanted.length != 6) {
            return Err(Errno::EINVAL.because(Reason::OptionValue));
        }
        let memberships = &mut self.sockets.get_mut(id)?.packet_mut()?.memberships;
        if let Some(known) = memberships.iter_mut().find(|known| known.is_same(&wanted)) {
            known.count = known.count.saturating_add(1);
            return Ok(());
        }
        if memberships.len() >= MOST_MEMBERSHIPS {
            return Err(Errno::ENOBUFS.because(Reason::TooManyMemberships));
        }
        memberships.push(wanted);
        self.packet_hear(&wanted, true);
        Ok(())
    }

    /// packet_mc_drop: what was never added is no error.
    fn packet_drop_membership(&mut self, id: SocketId, unwanted: &Membership) -> Result<()> {
        let memberships = &mut self.sockets.get_mut(id)?.packet_mut()?.memberships;
        let Some(at) = memberships.iter().position(|known| known.is_same(unwanted)) else { return Ok(()) };
        if let Some(known) = memberships.get_mut(at).filter(|known| known.count > 1) {
            known.count -= 1;
            return Ok(());
        }
        let gone = memberships.swap_remove(at);
        self.packet_hear(&gone, false);
        Ok(())
    }

    /// packet_flush_mclist: a closed socket asks for nothing more.
    pub(super) fn packet_drop_memberships(&mut self, id: SocketId) {
        let Ok(packet) = self.sockets.get_mut(id).and_then(|entry| entry.packet_mut()) else { return };
        for membership in std::mem::take(&mut packet.memberships) {
            self.packet_hear(&membership, false);
        }
    }

    /// packet_dev_mc. Packet sockets see every frame that a device hands up (as on a kernel's TAP or veth), groups and
    /// other stations included: only to be promiscuous is something that a device may have to be told.
    fn packet_hear(&mut self, membership: &Membership, on: bool) {
        if membership.kind == PACKET_MR_PROMISC {
            self.net.promiscuous(membership.interface, on);
        }
    }
}

fn refused(why: &'static str) -> Error {
    Errno::EINVAL.because(Reason::OptionValue).detail(why)
}
