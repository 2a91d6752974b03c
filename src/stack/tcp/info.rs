//! struct tcp_info (linux/tcp.h), filled as far as something was seen; what is not known is 0.

use std::time::Duration;

use super::Stack;
use super::flow::Flow;
use crate::base::{Instant, Result, SocketId, TcpState};

/// sizeof(struct tcp_info) of Linux 6.x.
const SIZE: usize = 248;
const TCPI_OPT_SACK: u8 = 2;
const TCPI_OPT_WSCALE: u8 = 4;

/// Writes fields at their offsets.
struct Layout(Vec<u8>);

impl Layout {
    fn u8(&mut self, offset: usize, value: u8) {
        self.0[offset] = value;
    }
    fn u32(&mut self, offset: usize, value: u32) {
        self.0[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
    }
    fn u64(&mut self, offset: usize, value: u64) {
        self.0[offset..offset + 8].copy_from_slice(&value.to_ne_bytes());
    }
}

fn micros(d: Duration) -> u32 {
    u32::try_from(d.as_micros()).unwrap_or(u32::MAX)
}

impl Stack {
    /// struct tcp_info, as far as it is known truthfully.
    pub(in crate::stack) fn tcp_info(&self, id: SocketId) -> Result<Vec<u8>> {
        let entry = self.sockets.get(id)?;
        let mut info = Layout(vec![0; SIZE]);
        match self.tcp_flow(id) {
            Some(flow) => fill(&mut info, flow, self.net.now),
            None => match self.tcp.listeners.get(id) {
                Some(listener) => {
                    info.u8(0, TcpState::Listen as u8);
                    // Of a listener: how many wait, and how many may.
                    info.u32(24, listener.queue.len() as u32);
                    info.u32(28, listener.backlog as u32);
                }
                None => info.u8(0, TcpState::Closed as u8),
            },
        }
        if self.tcp_flow(id).is_none() && entry.options.maxseg != 0 {
            info.u32(16, u32::from(entry.options.maxseg));
        }
        Ok(info.0)
    }
}

fn fill(info: &mut Layout, flow: &Flow, now: Instant) {
    let seen = &flow.seen;
    let state = if flow.dead { TcpState::Closed } else { flow.state() };
    info.u8(0, state as u8); // tcpi_state
    info.u8(2, seen.stuck.min(255) as u8); // tcpi_retransmits
    info.u8(3, flow.probes.min(255) as u8); // tcpi_probes
    let sack = if seen.peer_options.sack { TCPI_OPT_SACK } else { 0 };
    let scaled = seen.peer_options.scale.is_some();
    info.u8(5, sack | if scaled { TCPI_OPT_WSCALE } else { 0 }); // tcpi_options
    info.u8(6, seen.snd_scale & 15 | seen.rcv_scale << 4); // tcpi_snd_wscale, tcpi_rcv_wscale
    let rto = (seen.srtt + seen.rttvar * 4).max(Duration::from_millis(200));
    info.u32(8, micros(rto)); // tcpi_rto
    info.u32(16, flow.mss() as u32); // tcpi_snd_mss
    let flight = seen.in_flight().div_ceil(flow.mss().max(1) as u32);
    info.u32(24, flight); // tcpi_unacked
    let ago = |at: Instant| u32::try_from(now.since(at).as_millis()).unwrap_or(u32::MAX);
    info.u32(44, ago(seen.last_data_sent)); // tcpi_last_data_sent
    info.u32(52, ago(seen.last_data_received)); // tcpi_last_data_recv
    info.u32(56, ago(seen.last_ack_received)); // tcpi_last_ack_recv
    info.u32(60, flow.path_mtu as u32); // tcpi_pmtu
    info.u32(68, micros(seen.srtt)); // tcpi_rtt
    info.u32(72, micros(seen.rttvar)); // tcpi_rttvar
    info.u32(84, flow.link_mtu.saturating_sub(flow.tuple.headers()) as u32); // tcpi_advmss
    info.u32(96, flow.settings.rings.receive as u32); // tcpi_rcv_space
    info.u32(100, seen.retransmits); // tcpi_total_retrans
    info.u64(120, seen.bytes_acked); // tcpi_bytes_acked
    info.u64(128, flow.consumed + flow.connection.readable() as u64); // tcpi_bytes_received
    info.u32(136, seen.segments_out); // tcpi_segs_out
    info.u32(140, seen.segments_in); // tcpi_segs_in
    let unsent = (flow.connection.unacknowledged() as u32).saturating_sub(seen.in_flight());
    info.u32(144, unsent); // tcpi_notsent_bytes
    info.u32(148, seen.min_rtt.map_or(0, micros)); // tcpi_min_rtt
    info.u32(152, seen.data_segments_in); // tcpi_data_segs_in
    info.u32(156, seen.data_segments_out); // tcpi_data_segs_out
    info.u64(200, seen.bytes_sent); // tcpi_bytes_sent
    info.u64(208, seen.bytes_retransmitted); // tcpi_bytes_retrans
    info.u32(228, seen.snd_wnd); // tcpi_snd_wnd
    info.u32(232, flow.rcv_wnd()); // tcpi_rcv_wnd
}
