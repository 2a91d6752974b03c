//! struct tcp_info (linux/tcp.h), filled as far as something was seen; what is not known is 0.

use std::time::Duration;

use super::Stack;
use super::flow::Flow;
use crate::base::{Errno, Instant, Reason, Result, SocketId, TcpState};

/// sizeof(struct tcp_info) of Linux 6.x.
const SIZE: usize = 248;
const TCPI_OPT_SACK: u8 = 2;
const TCPI_OPT_WSCALE: u8 = 4;
const TCPI_OPT_SYN_DATA: u8 = 32;

/// Writes fields at their offsets.
struct Layout(Vec<u8>);

impl Layout {
    fn u8(&mut self, offset: usize, value: u8) {
        self.0[offset] = value;
    }
    fn u16(&mut self, offset: usize, value: u16) {
        self.0[offset..offset + 2].copy_from_slice(&value.to_ne_bytes());
    }
    fn u32(&mut self, offset: usize, value: u32) {
        self.0[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
    }
    fn u64(&mut self, offset: usize, value: u64) {
        self.0[offset..offset + 8].copy_from_slice(&value.to_ne_bytes());
    }
}

/// Rounded up: what was measured is not 0.
fn micros(d: Duration) -> u32 {
    u32::try_from(d.as_nanos().div_ceil(1000)).unwrap_or(u32::MAX)
}

impl Stack {
    /// TCP_SAVED_SYN: told once. EINVAL if there is too little room for it.
    pub(in crate::stack) fn tcp_saved_syn(&mut self, id: SocketId, room: usize) -> Result<Vec<u8>> {
        let flow_id = self.tcp_flow_id(id)?;
        let saved = flow_id.and_then(|id| self.tcp.flows.get_mut(id)).map(|flow| &mut flow.saved_syn);
        match saved {
            Some(Some(syn)) if syn.len() > room => Err(Errno::EINVAL.because(Reason::OptionLength)),
            Some(saved) => Ok(saved.take().unwrap_or_default().into_vec()),
            None => Ok(Vec::new()),
        }
    }

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
    info.u8(0, flow.shown_state() as u8); // tcpi_state
    // TCP_CA_Recovery, TCP_CA_Loss.
    let mending = if flow.recover.is_some() { 3 } else { 4 * u8::from(seen.stuck > 0) };
    info.u8(1, mending); // tcpi_ca_state
    info.u8(4, flow.early.min(255) as u8); // tcpi_backoff
    info.u8(7, u8::from(flow.unsent() == 0) | flow.opening.failure << 1); // tcpi_delivery_rate_app_limited, tcpi_fastopen_client_fail
    info.u8(2, seen.stuck.min(255) as u8); // tcpi_retransmits
    info.u8(3, flow.probes.min(255) as u8); // tcpi_probes
    let sack = if seen.peer_options.sack { TCPI_OPT_SACK } else { 0 };
    let scaled = seen.peer_options.scale.is_some();
    let carried = if flow.opening.carried { TCPI_OPT_SYN_DATA } else { 0 };
    info.u8(5, sack | carried | if scaled { TCPI_OPT_WSCALE } else { 0 }); // tcpi_options
    info.u8(6, seen.snd_scale & 15 | seen.rcv_scale << 4); // tcpi_snd_wscale, tcpi_rcv_wscale
    let rto = (seen.srtt + seen.rttvar * 4).max(Duration::from_millis(200));
    info.u32(8, micros(rto)); // tcpi_rto
    info.u32(12, if flow.settings.tuning.quick_ack { 0 } else { super::engine::ACK_DELAY_MICROS }); // tcpi_ato
    info.u32(16, flow.told_mss() as u32); // tcpi_snd_mss
    info.u32(20, seen.largest_in.max(536) as u32); // tcpi_rcv_mss
    let flight = seen.in_flight().div_ceil(flow.mss().max(1) as u32);
    info.u32(24, flight); // tcpi_unacked
    info.u32(36, seen.stuck); // tcpi_retrans
    let ago = |at: Instant| u32::try_from(now.since(at).as_millis()).unwrap_or(u32::MAX);
    info.u32(44, ago(seen.last_data_sent)); // tcpi_last_data_sent
    info.u32(52, ago(seen.last_data_received)); // tcpi_last_data_recv
    info.u32(56, ago(seen.last_ack_received)); // tcpi_last_ack_recv
    info.u32(60, flow.path_mtu as u32); // tcpi_pmtu
    info.u32(64, flow.settings.rings.receive as u32); // tcpi_rcv_ssthresh
    info.u32(68, micros(seen.srtt)); // tcpi_rtt
    info.u32(72, micros(seen.rttvar)); // tcpi_rttvar
    info.u32(84, flow.link_mtu.saturating_sub(flow.tuple.headers()) as u32); // tcpi_advmss
    info.u32(88, 3); // tcpi_reordering: RFC 5681 3.2's three duplicate ACKs
    info.u32(96, flow.settings.rings.receive as u32); // tcpi_rcv_space
    info.u32(100, seen.retransmits); // tcpi_total_retrans
    // Nothing is paced but by SO_MAX_PACING_RATE.
    info.u64(104, flow.settings.pacing_rate); // tcpi_pacing_rate
    info.u64(112, flow.settings.pacing_rate); // tcpi_max_pacing_rate
    info.u64(120, seen.bytes_acked); // tcpi_bytes_acked
    info.u64(128, flow.consumed + flow.connection.readable() as u64); // tcpi_bytes_received
    info.u32(136, seen.segments_out); // tcpi_segs_out
    info.u32(140, seen.segments_in); // tcpi_segs_in
    info.u32(144, flow.unsent() as u32); // tcpi_notsent_bytes
    info.u32(148, seen.min_rtt.map_or(0, micros)); // tcpi_min_rtt
    info.u32(152, seen.data_segments_in); // tcpi_data_segs_in
    info.u32(156, seen.data_segments_out); // tcpi_data_segs_out
    info.u64(160, seen.delivery_rate); // tcpi_delivery_rate
    info.u64(168, u64::from(micros(seen.busy.read(now)))); // tcpi_busy_time
    info.u64(176, u64::from(micros(seen.window_limited.read(now)))); // tcpi_rwnd_limited
    // The SYN counts, what was sent twice does not.
    let delivered = (seen.data_segments_out + 1).saturating_sub(seen.retransmits).saturating_sub(flight);
    info.u32(192, delivered); // tcpi_delivered
    info.u64(200, seen.bytes_sent); // tcpi_bytes_sent
    info.u64(208, seen.bytes_retransmitted); // tcpi_bytes_retrans
    info.u32(224, seen.out_of_order); // tcpi_rcv_ooopack
    info.u32(228, seen.snd_wnd); // tcpi_snd_wnd
    info.u32(232, flow.rcv_wnd()); // tcpi_rcv_wnd
    info.u16(240, seen.timeouts.min(u32::from(u16::MAX)) as u16); // tcpi_total_rto
}
