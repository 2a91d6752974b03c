//! What comes in, as probes see it: the one place where answers are waited for.

use std::time::Duration;

use crate::base::constants::*;
use crate::base::{Errno, LinkAddr, Result};
use crate::driver::Host;
use crate::socket::{Captured, Socket};

/// Frames taken in one call.
const BATCH: usize = 256;
/// Memory for frames that have come and are not looked at yet, in bytes.
const ROOM: i32 = 64 << 20;

/// A packet socket that hears what a filter lets through, whatever the stack itself does with it.
#[derive(Debug)]
pub(super) struct Sniffer(Socket);

impl Sniffer {
    /// Of this kind (SOCK_RAW: frames, SOCK_DGRAM: packets), interface and type, and this filter of pcap-filter(7), "" for none.
    ///
    /// # Errors
    /// EPERM, ENODEV.
    pub(super) fn new(host: &Host, kind: i32, from: LinkAddr, filter: &str) -> Result<Self> {
        // Deaf until the filter is there.
        let socket = host.socket(AF_PACKET, kind, 0)?;
        socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, true)?;
        if !filter.is_empty() {
            socket.attach_filter(filter)?;
        }
        socket.setsockopt(SOL_SOCKET, SO_RCVBUFFORCE, ROOM)?;
        socket.bind(from)?;
        Ok(Self(socket))
    }

    /// What is there, after waiting for the first frame no longer than `patience`.
    ///
    /// # Errors
    /// EINTR or ENETDOWN if the host was shut down.
    pub(super) fn hear(&self, patience: Duration) -> Result<Vec<Captured>> {
        self.0.settimeout(Some(patience))?;
        match self.0.capture(BATCH) {
            // A wire that goes down and comes back is no reason to stop.
            Err(e)
                if !e.is_shutdown()
                    && matches!(e.errno(), Errno::ETIMEDOUT | Errno::EAGAIN | Errno::ENETDOWN) =>
            {
                Ok(Vec::new())
            }
            heard => heard,
        }
    }

    /// Its socket, which sends frames, too.
    pub(super) const fn socket(&self) -> &Socket {
        &self.0
    }

    /// Frames that came faster than they could be looked at, since this was last asked.
    pub(super) fn lost(&self) -> u64 {
        // packet(7): struct tpacket_stats, packets and drops.
        let stats = self.0.getsockopt_bytes(SOL_PACKET, PACKET_STATISTICS, 8).unwrap_or_default();
        let drops = stats.get(4..8).and_then(|drops| drops.try_into().ok());
        drops.map_or(0, u32::from_ne_bytes).into()
    }
}
