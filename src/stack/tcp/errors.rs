//! Errors from below: ICMP messages, neighbours that do not answer, an address that is removed.

use std::net::IpAddr;

use super::output::Cause;
use super::segment::{Tuple, before};
use super::{Rest, Tcp};
use crate::base::{Errno, Reason, TcpState};
use crate::stack::NetError;

impl Tcp {
    /// An error about a segment that this host sent.
    pub(super) fn error(&mut self, rest: &mut Rest<'_>, error: &NetError) {
        let Some([a, b, c, d, seq @ ..]) = error.quoted.first_chunk::<8>() else { return };
        let tuple = Tuple {
            local: error.source,
            local_port: u16::from_be_bytes([*a, *b]),
            remote: error.destination,
            remote_port: u16::from_be_bytes([*c, *d]),
        };
        let seq = u32::from_be_bytes([seq[0], seq[1], seq[2], seq[3]]);
        let Some(id) = self.flows.find(&tuple) else {
            // tcp_v4_err on a request socket: a half-open connection whose SYN|ACK can't arrive is given up by its timer.
            if !self.half_open.contains(&tuple) {
                rest.net.note(Reason::IcmpNotOurs, error.interface, None);
            }
            return;
        };
        let Some(flow) = self.flows.get_mut(id) else { return };
        // RFC 5927 4.1: "TCP SHOULD check that the TCP sequence number contained in the payload of the ICMP error message is
        // within the range SND.UNA =< SEG.SEQ < SND.NXT." (A SYN-SENT connection has its SYN there.)
        let seen = &flow.seen;
        if before(seq, seen.snd_una) || !before(seq, seen.snd_max) {
            return rest.net.note(Reason::IcmpNotOurs, error.interface, flow.owner);
        }
        if error.errno == Errno::EMSGSIZE && error.info != 0 {
            return self.too_big(rest, id, error);
        }
        let told = error.errno.because(error.reason);
        let opening = matches!(flow.state(), TcpState::SynSent | TcpState::SynReceived);
        // RFC 1122 4.2.3.9: soft errors do not abort a connection; Linux lets any error end one that is not established yet,
        // and tells the others with IP_RECVERR.
        if opening {
            rest.net.note(error.reason, error.interface, flow.owner);
            return self.end(rest, id, Some(told));
        }
        if flow.settings.recv_error
            && let Some(owner) = flow.owner
            && let Ok(entry) = rest.sockets.get_mut(owner)
        {
            entry.error = Some(told.clone());
            rest.ready.wake(owner);
        }
        flow.soft_error = Some(told);
    }

    /// RFC 1191 6.4, RFC 8201 5.4: the path takes only smaller packets; what was lost goes again at once.
    fn too_big(&mut self, rest: &mut Rest<'_>, id: super::FlowId, error: &NetError) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        let least = if flow.tuple.local.is_ipv4() { 552 } else { 1280 };
        let mtu = (error.info as usize).max(least);
        if mtu >= flow.path_mtu.min(flow.link_mtu) {
            return;
        }
        rest.net.note(error.reason, error.interface, flow.owner);
        flow.path_mtu = mtu;
        rest.net.learn_path_mtu(flow.tuple.remote, mtu);
        let was = flow.snapshot();
        self.retransmit_early(rest, id);
        self.transmit(rest, id, was, Cause::Here);
    }

    /// A local address was removed: without it nothing can be sent or heard any more.
    pub(super) fn address_gone(&mut self, rest: &mut Rest<'_>, address: IpAddr) {
        for tuple in self.half_open.select(|tuple, _| tuple.local == address) {
            self.forget_half_open(&tuple);
        }
        for id in self.flows.select(|flow| flow.tuple.local == address && !flow.dead) {
            self.end(rest, id, Some(Errno::ENETDOWN.because(Reason::TcpAddressGone)));
        }
        let gone: Vec<Tuple> =
            self.time_waits.tuples().filter(|tuple| tuple.local == address).copied().collect();
        for tuple in gone {
            self.end_time_wait(rest, &tuple);
        }
    }
}
