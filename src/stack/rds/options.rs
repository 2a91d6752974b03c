//! SOL_RDS: rds_getsockopt, rds_setsockopt.

use std::net::SocketAddr;

use crate::base::constants::{
    RDS_CANCEL_SENT_TO, RDS_CONG_MONITOR, RDS_RECVERR, RDS_TRANS_NONE, RDS_TRANS_TCP, SO_RDS_TRANSPORT,
};
use crate::base::{Errno, Reason, Result, SocketId};
use crate::stack::Stack;

/// sizeof(struct sockaddr_in), sizeof(struct sockaddr_in6).
const IN: usize = 16;
const IN6: usize = 28;
/// RDS_TRANS_COUNT.
const TRANSPORTS: i32 = 3;

impl Stack {
    /// rds_getsockopt.
    pub(in crate::stack) fn rds_get(&self, id: SocketId, name: i32, len: usize) -> Result<Vec<u8>> {
        let rds = self.sockets.get(id)?.rds()?;
        let number = match name {
            RDS_RECVERR => i32::from(rds.receive_errors),
            SO_RDS_TRANSPORT if rds.transport => RDS_TRANS_TCP,
            SO_RDS_TRANSPORT => RDS_TRANS_NONE,
            _ => return self.rds_info(name, len),
        };
        if len < 4 {
            return Err(Errno::EINVAL.because(Reason::OptionLength));
        }
        Ok(number.to_ne_bytes().to_vec())
    }

    /// rds_setsockopt.
    pub(in crate::stack) fn rds_set(&mut self, id: SocketId, name: i32, value: &[u8]) -> Result<()> {
        let wrong = || Errno::EINVAL.because(Reason::OptionLength);
        let entry = self.sockets.get_mut(id)?;
        if name == RDS_CANCEL_SENT_TO {
            // rds_cancel_sent_to: "not a great errno".
            if entry.local.is_none() {
                return Err(Errno::ENOTCONN.because(Reason::NotConnected));
            }
            let to = address(value).ok_or_else(wrong)?;
            self.rds_drop_to(id, Some(to));
            return Ok(());
        }
        let number = value.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes)).ok_or_else(wrong)?;
        let rds = entry.rds_mut()?;
        match name {
            RDS_RECVERR => rds.receive_errors = number != 0,
            // rds_cong_monitor
            RDS_CONG_MONITOR => {
                rds.monitor = number != 0;
                if !rds.monitor {
                    (rds.mask, rds.notify) = (0, 0);
                }
            }
            // rds_set_transport: "previously attached to transport".
            SO_RDS_TRANSPORT if rds.transport => return Err(Errno::EOPNOTSUPP.because(Reason::AlreadyBound)),
            SO_RDS_TRANSPORT if value.len() != 4 => return Err(wrong()),
            SO_RDS_TRANSPORT => match number {
                RDS_TRANS_TCP => rds.transport = true,
                0..TRANSPORTS => return Err(Errno::ENOPROTOOPT.because(Reason::WrongProtocol)),
                _ => return Err(Errno::EINVAL.because(Reason::OptionValue)),
            },
            _ => return Err(Errno::ENOPROTOOPT.because(Reason::UnknownOption)),
        }
        Ok(())
    }
}

/// The struct sockaddr_in or sockaddr_in6 of RDS_CANCEL_SENT_TO; which of them its length says.
fn address(value: &[u8]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes(*value.get(2..)?.first_chunk()?);
    match value.len() {
        0..IN => None,
        IN..IN6 => Some((*value.get(4..)?.first_chunk::<4>()?, port).into()),
        _ => {
            let ip = std::net::Ipv6Addr::from(*value.get(8..)?.first_chunk::<16>()?);
            Some(SocketAddr::new(ip.to_canonical(), port))
        }
    }
}
