//! CAN_RAW (net/can/raw.c): frames as they are, in through filters.

use std::io::IoSlice;

use super::{CanSocket, Protocol};
use crate::base::constants::{
    CAN_ERR_FLAG, CAN_ERR_MASK, CAN_RAW_ERR_FILTER, CAN_RAW_FD_FRAMES, CAN_RAW_FILTER, CAN_RAW_JOIN_FILTERS,
    CAN_RAW_LOOPBACK, CAN_RAW_RECV_OWN_MSGS,
};
use crate::base::{Errno, Frame, IfIndex, Reason, Result, SockAddr, SocketId};
use crate::stack::datagram::gather;
use crate::stack::family::not_supported;
use crate::stack::{SendTo, Stack};
use crate::wire::CanFilter;
use crate::wire::can::{self, Kind};

/// What no frame is shorter or longer than: CANXL_HDR_SIZE + CANXL_MIN_DLEN, CANXL_MTU.
const CANXL_LEAST: usize = 13;
const CANXL_MTU: usize = 2060;
/// CAN_RAW_FILTER_MAX.
const FILTERS: usize = 512;

/// What a CAN_RAW socket has of its own.
#[derive(Debug)]
pub(super) struct Raw {
    filters: Vec<CanFilter>,
    /// CAN_RAW_ERR_FILTER: the classes of error frames that it wants.
    errors: u32,
    loopback: bool,
    own: bool,
    fd: bool,
    join: bool,
}

impl Default for Raw {
    /// raw_init: "set default filter to single entry dfilter", which passes everything; "set default loopback behaviour".
    fn default() -> Self {
        let filters = vec![CanFilter::default()];
        Self { filters, errors: 0, loopback: true, own: false, fd: false, join: false }
    }
}

impl Raw {
    /// raw_rcv.
    pub(super) fn wants(&self, frame: &Frame, receiver: SocketId) -> bool {
        // "check the received tx sock reference"
        if !self.own && frame.sender == Some(receiver) {
            return false;
        }
        // "make sure to not pass oversized frames to the socket"
        if !self.fd && Kind::of(frame.bytes()) == Some(Kind::Fd) {
            return false;
        }
        let id = can::id(frame.bytes());
        let errors = CanFilter { id: 0, mask: self.errors | CAN_ERR_FLAG };
        let matches = self.filters.iter().filter(|filter| filter.passes(id)).count();
        let matches = matches + usize::from(self.errors != 0 && errors.passes(id));
        // "drop frame until all enabled filters matched"
        matches >= if self.join { self.filters.len().max(1) } else { 1 }
    }
}

impl CanSocket {
    fn raw(&self) -> Result<&Raw> {
        match &self.protocol {
            Protocol::Raw(raw) => Ok(raw),
            _ => Err(not_supported()),
        }
    }

    fn raw_mut(&mut self) -> Result<&mut Raw> {
        match &mut self.protocol {
            Protocol::Raw(raw) => Ok(raw),
            _ => Err(not_supported()),
        }
    }
}

impl Stack {
    /// raw_bind.
    pub(super) fn can_raw_bind(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        let interface = self.can_interface(address)?;
        let up = interface.and_then(|index| self.net.interface(index)).is_none_or(|link| link.up);
        let entry = self.sockets.get_mut(id)?;
        let can = entry.can_mut()?;
        if can.bound && can.interface == interface {
            return Ok(());
        }
        (can.bound, can.interface) = (true, interface);
        if !up {
            // Bound all the same: frames come when the link is back.
            entry.error = Some(Errno::ENETDOWN.because(Reason::LinkDown));
            self.ready.wake(id);
        }
        Ok(())
    }

    /// raw_sendmsg.
    pub(super) fn can_raw_send(
        &mut self,
        id: SocketId,
        data: &[IoSlice<'_>],
        how: &SendTo<'_>,
    ) -> Result<usize> {
        let can = self.sockets.get(id)?.can()?;
        let raw = can.raw()?;
        let len: usize = data.iter().map(|slice| slice.len()).sum();
        // "check for valid CAN CC/FD/XL frame size"
        if !(CANXL_LEAST..=CANXL_MTU).contains(&len) {
            return Err(Errno::EINVAL.because(Reason::CanMalformed));
        }
        let interface = match how.to {
            Some(SockAddr::Can(address)) => Some(IfIndex(address.interface())),
            Some(_) => return Err(Errno::EINVAL.because(Reason::WrongFamily)),
            None => can.interface,
        };
        let link = interface.and_then(|interface| self.net.interface(interface));
        let link = link.ok_or(Errno::ENXIO.because(Reason::NoInterface))?;
        let mut bytes = vec![0; len];
        gather(&mut bytes, data);
        // raw_check_txframe: "CAN FD -> needs to be enabled and a CAN FD or CAN XL device".
        match Kind::of(&bytes) {
            Some(Kind::Classic) => {}
            Some(Kind::Fd) if raw.fd && link.mtu >= Kind::Fd.size() => {}
            Some(Kind::Fd) => return Err(Errno::EINVAL.because(Reason::CanFrameTooLong)),
            None => return Err(Errno::EINVAL.because(Reason::CanMalformed)),
        }
        let (index, loopback) = (link.index, raw.loopback);
        self.net.can_send(index, &bytes, id, loopback)?;
        Ok(len)
    }

    /// raw_getsockopt.
    pub(in crate::stack) fn can_raw_get(&self, id: SocketId, name: i32, len: usize) -> Result<Vec<u8>> {
        let raw = self.sockets.get(id)?.can()?.raw()?;
        let number = match name {
            CAN_RAW_FILTER => {
                let filters: Vec<u8> = raw.filters.iter().flat_map(|filter| filter.to_bytes()).collect();
                // "user space buffer to small for filter list?"
                if filters.len() > len {
                    return Err(Errno::ERANGE.because(Reason::OptionLength));
                }
                return Ok(filters);
            }
            CAN_RAW_ERR_FILTER => raw.errors,
            CAN_RAW_LOOPBACK => u32::from(raw.loopback),
            CAN_RAW_RECV_OWN_MSGS => u32::from(raw.own),
            CAN_RAW_FD_FRAMES => u32::from(raw.fd),
            CAN_RAW_JOIN_FILTERS => u32::from(raw.join),
            _ => return Err(Errno::ENOPROTOOPT.because(Reason::UnknownOption)),
        };
        Ok(number.to_ne_bytes().to_vec())
    }

    /// raw_setsockopt.
    pub(in crate::stack) fn can_raw_set(&mut self, id: SocketId, name: i32, value: &[u8]) -> Result<()> {
        let wrong = || Errno::EINVAL.because(Reason::OptionLength);
        let raw = self.sockets.get_mut(id)?.can_mut()?.raw_mut()?;
        if name == CAN_RAW_FILTER {
            let (filters, rest) = value.as_chunks();
            if !rest.is_empty() || filters.len() > FILTERS {
                return Err(wrong());
            }
            raw.filters = filters.iter().map(|filter| CanFilter::from_bytes(*filter)).collect();
            return Ok(());
        }
        let number = value.try_into().map(u32::from_ne_bytes).map_err(|_| wrong())?;
        let on = number != 0;
        match name {
            CAN_RAW_ERR_FILTER => raw.errors = number & CAN_ERR_MASK,
            CAN_RAW_LOOPBACK => raw.loopback = on,
            CAN_RAW_RECV_OWN_MSGS => raw.own = on,
            CAN_RAW_FD_FRAMES => raw.fd = on,
            CAN_RAW_JOIN_FILTERS => raw.join = on,
            _ => return Err(Errno::ENOPROTOOPT.because(Reason::UnknownOption)),
        }
        Ok(())
    }
}
