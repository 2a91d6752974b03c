//! Addresses and frames of packet sockets, in the words of the transcripts.

use std::mem::{size_of, zeroed};

use sockatoo::base::constants::*;
use sockatoo::base::{ControlMessage, LinkAddr, Mac, PacketAuxiliary};
use sockatoo::{IfIndex, SockAddr};

use crate::arm::{Fd, Received};
use crate::dialogue::{Dialogue, PATIENCE};

/// An EtherType that nobody else's frames have (IEEE 802, local experiments).
pub const OURS: u16 = 0x88b5;

/// struct sockaddr_ll's bytes.
pub fn encode(address: &LinkAddr) -> (libc::sockaddr_storage, usize) {
    let mut storage: libc::sockaddr_storage = unsafe { zeroed() };
    let ll = libc::sockaddr_ll {
        sll_family: AF_PACKET as u16,
        sll_protocol: address.protocol.to_be(),
        sll_ifindex: address.interface as i32,
        sll_hatype: address.hardware,
        sll_pkttype: address.packet_type,
        sll_halen: address.length,
        sll_addr: address.address,
    };
    unsafe { std::ptr::write((&raw mut storage).cast(), ll) };
    (storage, size_of::<libc::sockaddr_ll>())
}

pub fn decode(storage: &libc::sockaddr_storage) -> SockAddr {
    let ll: libc::sockaddr_ll = unsafe { std::ptr::read((&raw const *storage).cast()) };
    LinkAddr {
        protocol: u16::from_be(ll.sll_protocol),
        interface: ll.sll_ifindex as u32,
        hardware: ll.sll_hatype,
        packet_type: ll.sll_pkttype,
        address: ll.sll_addr,
        length: ll.sll_halen,
    }
    .into()
}

/// struct tpacket_auxdata.
pub fn auxiliary(data: &[u8]) -> ControlMessage {
    let long = |at: usize| u32::from_ne_bytes(data[at..at + 4].try_into().expect("4 bytes"));
    let short = |at: usize| u16::from_ne_bytes(data[at..at + 2].try_into().expect("2 bytes"));
    ControlMessage::PacketAuxiliary(PacketAuxiliary {
        status: long(0),
        len: long(4),
        snaplen: long(8),
        mac: short(12),
        net: short(14),
        vlan_tci: short(16),
        vlan_tpid: short(18),
    })
}

/// The station address of a host of [`crate::arm::Place::Wire`].
pub const fn mac(host: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, host + 1])
}

/// A frame of [`OURS`] from host 0.
pub fn frame(to: Mac, data: &[u8]) -> Vec<u8> {
    frame_of(to, OURS, data)
}

pub fn frame_of(to: Mac, protocol: u16, data: &[u8]) -> Vec<u8> {
    [&to.0[..], &mac(0).0, &protocol.to_be_bytes(), data].concat()
}

impl Dialogue {
    /// `w0 0x88b5 type 1 HOST 02:00:00:00:00:01`.
    pub(crate) fn show_link(&mut self, fd: Fd, address: &LinkAddr) -> String {
        let interface = match address.interface {
            0 => "any".into(),
            index => self.arm.interface_name(fd, index),
        };
        let kinds = ["HOST", "BROADCAST", "MULTICAST", "OTHERHOST", "OUTGOING"];
        let kind = kinds.get(usize::from(address.packet_type)).copied().unwrap_or("?");
        let station: Vec<String> =
            address.address.iter().take(address.length.into()).map(|byte| format!("{byte:02x}")).collect();
        format!(
            "{interface} {:#06x} type {} {kind} {}",
            address.protocol,
            address.hardware,
            station.join(":")
        )
    }

    /// An AF_PACKET socket of a host; `protocol` is a plain number.
    pub fn packet_on(&mut self, host: usize, kind: i32, protocol: u16) -> Fd {
        self.socket_on(host, AF_PACKET, kind, protocol.to_be().into())
    }

    /// On a host of two: a packet socket bound to `w0`.
    pub fn packet_at(&mut self, host: usize, kind: i32, protocol: u16) -> Fd {
        let fd = self.packet_on(host, kind, 0);
        let index = IfIndex(self.index_of(host, "w0"));
        self.bind(fd, LinkAddr::bind(index, protocol));
        fd
    }

    /// The address of `w0` of a host.
    pub fn on_w0(&mut self, host: usize, protocol: u16, to: Mac) -> LinkAddr {
        LinkAddr::station(IfIndex(self.index_of(host, "w0")), protocol, to)
    }

    /// Takes the next frame of [`OURS`] and tells all of it; what the hosts themselves say is passed over.
    pub fn next_frame(&mut self, fd: Fd) {
        self.next_frame_where(fd, 2000, 0, |received| protocol(received) == Some(OURS));
    }

    /// The same with another buffer, other flags, other frames.
    pub fn next_frame_where(&mut self, fd: Fd, len: usize, flags: i32, wanted: fn(&Received) -> bool) {
        loop {
            if self.arm.poll(fd, POLLIN, PATIENCE).unwrap_or(0) == 0 {
                return self.note(format!("{}: no frame came", Self::who(fd)));
            }
            let result = self.arm.recvmsg(fd, len, flags | MSG_DONTWAIT);
            if result.as_ref().map_or(true, wanted) {
                self.tell_received(fd, len, flags, result);
                return;
            }
        }
    }
}

fn protocol(received: &Received) -> Option<u16> {
    received.from?.link().map(|link| link.protocol)
}
