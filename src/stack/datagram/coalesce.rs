//! UDP_GRO: datagrams of one flow that come together are read together.

use super::queue::{Queue, Queued, charge};

/// UDP_GRO_CNT_MAX is 64; what one UDP_SEGMENT call of this host's own makes, 128, comes as one there, too.
const MOST_SEGMENTS: usize = 128;
/// What one read gives at most: what IP's total length could say.
const MOST_BYTES: usize = 65_535;

impl Queue {
    /// Adds the datagram to the one at the queue's end if both came at the same moment, in the same way, and all but the last are
    /// of one size (udp_gro_receive_segment). The program asks how large each was by a control message.
    pub(super) fn join(&mut self, datagram: &Queued) -> bool {
        let Some(last) = self.datagrams.back_mut() else { return false };
        let (len, add) = (last.data.len(), datagram.data.len());
        let size = if last.segment == 0 { len } else { usize::from(last.segment) };
        let same = last.time == datagram.time
            && last.from == datagram.from
            && (last.destination, last.interface) == (datagram.destination, datagram.interface)
            && (last.ttl, last.tos) == (datagram.ttl, datagram.tos)
            && (last.data.mark, last.data.priority) == (datagram.data.mark, datagram.data.priority)
            && last.options == datagram.options;
        // One that is shorter than the first ends the row.
        let fits = size > 0 && len % size == 0 && (1..=size).contains(&add);
        if !same || !fits || len + add > MOST_BYTES || len / size >= MOST_SEGMENTS {
            return false;
        }
        let Ok(size) = u16::try_from(size) else { return false };
        self.charged = self.charged - charge(len) + charge(len + add);
        last.segment = size;
        last.data.extend(datagram.data.bytes());
        true
    }
}
