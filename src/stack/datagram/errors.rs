//! The error queue of a socket (MSG_ERRQUEUE): what went wrong, when what it sent has left, and that a buffer may be used again.

use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr};

use super::address::mapped;
use super::queue::{charge, scatter};
use crate::base::cmsg::ExtendedError;
use crate::base::constants::{
    AF_CAN, AF_INET6, CAN_J1939, IP_PMTUDISC_DONT, MSG_ERRQUEUE, MSG_TRUNC, SCM_TSTAMP_SCHED, SCM_TSTAMP_SND,
    SO_EE_CODE_ZEROCOPY_COPIED, SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6, SO_EE_ORIGIN_LOCAL,
    SO_EE_ORIGIN_TIMESTAMPING, SO_EE_ORIGIN_ZEROCOPY, SOF_TIMESTAMPING_OPT_ID, SOF_TIMESTAMPING_OPT_TSONLY,
    SOF_TIMESTAMPING_TX_SCHED, SOF_TIMESTAMPING_TX_SOFTWARE,
};
use crate::base::{ControlMessage, Errno, Error, Instant, Reason, Result, SocketId};
use crate::stack::table::Entry;
use crate::stack::{NetError, Received, Stack};

/// An entry of the error queue.
#[derive(Debug)]
struct QueuedError {
    error: ExtendedError,
    reason: Reason,
    /// Where the lost datagram should have gone.
    destination: Option<SocketAddr>,
    /// What is quoted of its data.
    data: Vec<u8>,
    /// Of a time that is told.
    time: Option<Instant>,
}

/// What a socket's error queue has, and the numbers of what may come to stand there.
#[derive(Debug, Default)]
pub(crate) struct ErrorQueue {
    entries: VecDeque<QueuedError>,
    /// Memory charged, in bytes.
    charged: usize,
    /// SOF_TIMESTAMPING_OPT_ID: the number of the next datagram (sk_tskey).
    pub(in crate::stack) stamp_key: u32,
    /// The number of the next call with MSG_ZEROCOPY (sk_zckey).
    zerocopy_key: u32,
}

impl ErrorQueue {
    /// False if there is no room. `limit`: what the other queue of the socket leaves of SO_RCVBUF.
    fn push(&mut self, error: QueuedError, limit: usize) -> bool {
        let cost = charge(error.data.len());
        if self.charged + cost >= limit {
            return false;
        }
        self.charged += cost;
        self.entries.push_back(error);
        true
    }

    /// IP_RECVERR or IPV6_RECVERR is switched off (skb_errqueue_purge): what other options have asked for stays.
    pub(in crate::stack) fn forget(&mut self) {
        let kept = |entry: &QueuedError| i32::from(entry.error.origin) == SO_EE_ORIGIN_ZEROCOPY;
        self.entries.retain(kept);
        self.charged = self.entries.iter().map(|entry| charge(entry.data.len())).sum();
    }

    /// Memory charged, in bytes.
    pub(in crate::stack) fn charged(&self) -> usize {
        self.charged
    }

    pub(in crate::stack) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A local entry without an error's name.
fn notice(origin: i32, errno: Errno) -> ExtendedError {
    ExtendedError {
        errno,
        origin: origin as u8,
        kind: 0,
        code: 0,
        info: 0,
        data: 0,
        offender: None,
        interface: None,
    }
}

/// is_icmp_err_skb: those alone become the pending error.
fn is_icmp(error: &ExtendedError) -> bool {
    matches!(i32::from(error.origin), SO_EE_ORIGIN_ICMP | SO_EE_ORIGIN_ICMP6)
}

impl Entry {
    /// True if errors about this destination go to the error queue.
    fn records_errors(&self, destination: IpAddr) -> bool {
        if destination.is_ipv4() { self.options.recv_error } else { self.options.recv_error6 }
    }

    fn push_error(&mut self, error: QueuedError) -> bool {
        let data = self.queue().map_or(0, super::Queue::charged);
        self.errors.push(error, self.options.recv_buffer.saturating_sub(data))
    }

    /// SO_TIMESTAMPING: what left is told, with its time, `packet` as it left, and its number (__skb_tstamp_tx). True if so.
    pub(super) fn tell_departure(
        &mut self,
        stamps: u32,
        key: Option<u32>,
        at: Instant,
        packet: &[u8],
    ) -> bool {
        let asked = |flag: i32| self.options.timestamping & flag as u32 != 0;
        let key = match key {
            None if asked(SOF_TIMESTAMPING_OPT_ID) => {
                let next = self.errors.stamp_key;
                self.errors.stamp_key = next.wrapping_add(1);
                next
            }
            key => key.unwrap_or(0),
        };
        let data = if asked(SOF_TIMESTAMPING_OPT_TSONLY) { &[][..] } else { packet };
        let mut told = false;
        for (flag, which) in
            [(SOF_TIMESTAMPING_TX_SCHED, SCM_TSTAMP_SCHED), (SOF_TIMESTAMPING_TX_SOFTWARE, SCM_TSTAMP_SND)]
        {
            if stamps & flag as u32 == 0 {
                continue;
            }
            let notice = notice(SO_EE_ORIGIN_TIMESTAMPING, Errno::ENOMSG);
            told |= self.push_error(QueuedError {
                error: ExtendedError { info: which as u32, data: key, ..notice },
                reason: Reason::None,
                destination: None,
                data: data.to_vec(),
                time: Some(at),
            });
        }
        told
    }

    /// CAN_J1939: what has become of a message, with its numbers (__j1939_sk_errqueue).
    pub(in crate::stack) fn tell_transfer(&mut self, error: ExtendedError, numbers: Vec<u8>, at: Instant) {
        let (reason, destination) = (Reason::None, None);
        self.push_error(QueuedError { error, reason, destination, data: numbers, time: Some(at) });
    }

    /// MSG_ZEROCOPY: the call's buffer may be used again, since its data were copied (msg_zerocopy_callback). Calls that follow each
    /// other share an entry.
    pub(in crate::stack) fn tell_zerocopy(&mut self) {
        let key = self.errors.zerocopy_key;
        self.errors.zerocopy_key = key.wrapping_add(1);
        // skb_zerocopy_notify_extend
        if let Some(last) = self.errors.entries.back_mut()
            && i32::from(last.error.origin) == SO_EE_ORIGIN_ZEROCOPY
            && last.error.data.wrapping_add(1) == key
        {
            last.error.data = key;
            return;
        }
        let notice = notice(SO_EE_ORIGIN_ZEROCOPY, Errno(0));
        self.push_error(QueuedError {
            error: ExtendedError { code: SO_EE_CODE_ZEROCOPY_COPIED as u8, info: key, data: key, ..notice },
            reason: Reason::None,
            destination: None,
            data: Vec::new(),
            time: None,
        });
    }
}

impl Stack {
    /// What POLLERR of a datagram socket stands for: the pending error, and those in the queue of errors.
    #[cfg(feature = "cli")]
    pub(crate) fn errors_waiting(&self, id: SocketId) -> usize {
        self.sockets
            .get(id)
            .map_or(0, |entry| usize::from(entry.error.is_some()) + entry.errors.entries.len())
    }

    /// MSG_ERRQUEUE, ip(7): the quoted data, where it should have gone, and what happened (ip_recv_error).
    pub(in crate::stack) fn recv_error(
        &mut self,
        id: SocketId,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Result<Received> {
        let epoch = self.net.config.epoch;
        let entry = self.sockets.get_mut(id)?;
        let error = entry.errors.entries.pop_front().ok_or(Errno::EAGAIN.because(Reason::NoData))?;
        entry.errors.charged -= charge(error.data.len());
        // sock_dequeue_err_skb: the next one becomes the pending error.
        let next = entry.errors.entries.front().filter(|next| is_icmp(&next.error));
        match next.map(|next| next.error.errno.because(next.reason)) {
            Some(next) => entry.error = Some(next),
            None if is_icmp(&error.error) => entry.error = None,
            None => {}
        }
        let copied = scatter(buffers, &error.data);
        let stamps = error.time.map(|time| entry.options.timestamp_messages(epoch, time, true));
        let mut control: Vec<_> = stamps.into_iter().flatten().collect();
        match entry.protocol {
            // __sock_recv_timestamp, sock_recv_errqueue.
            CAN_J1939 if entry.domain == AF_CAN => control.extend([
                ControlMessage::Statistics(error.data.clone()),
                ControlMessage::J1939Error(error.error),
            ]),
            _ => control.push(ControlMessage::ExtendedError(error.error)),
        }
        Ok(Received {
            len: copied,
            from: error.destination.map(|destination| entry.shown(destination)),
            flags: MSG_ERRQUEUE | if copied < error.data.len() { MSG_TRUNC } else { 0 },
            control,
        })
    }

    /// An error about a datagram that this socket sent (__udp4_lib_err, ping_err). `data` is what the error queue keeps.
    pub(in crate::stack) fn datagram_error(
        &mut self,
        id: SocketId,
        error: &NetError,
        destination: SocketAddr,
        data: &[u8],
    ) {
        let Ok(entry) = self.sockets.get_mut(id) else { return };
        let too_big = error.errno == Errno::EMSGSIZE;
        let discovers = entry.mtu_discover(error.destination) != IP_PMTUDISC_DONT;
        if too_big && !discovers {
            return;
        }
        let records = entry.records_errors(error.destination);
        if !records && (!(error.hard || too_big) || entry.remote.is_none()) {
            return;
        }
        let six = entry.domain == AF_INET6;
        entry.error = Some(error.errno.because(error.reason));
        if records {
            let queued = QueuedError {
                error: ExtendedError {
                    errno: error.errno,
                    origin: error.origin,
                    kind: error.kind,
                    code: error.code,
                    info: error.info,
                    data: 0,
                    offender: error
                        .offender
                        .map(|offender| SocketAddr::new(if six { mapped(offender) } else { offender }, 0)),
                    interface: error.interface,
                },
                reason: error.reason,
                destination: Some(destination),
                data: data.to_vec(),
                time: None,
            };
            if !entry.push_error(queued) {
                self.net.note(Reason::ErrorQueueFull, error.interface, Some(id));
            }
        }
        self.ready.wake(id);
    }

    /// EMSGSIZE at once, and in the error queue if the program wants it (ip_local_error).
    pub(in crate::stack) fn too_long(&mut self, id: SocketId, to: SocketAddr, mtu: usize) -> Error {
        let error = Errno::EMSGSIZE.because(Reason::MessageTooLong);
        if let Ok(entry) = self.sockets.get_mut(id)
            && entry.records_errors(to.ip())
        {
            let info = u32::try_from(mtu).unwrap_or(u32::MAX);
            entry.push_error(QueuedError {
                error: ExtendedError { info, ..notice(SO_EE_ORIGIN_LOCAL, Errno::EMSGSIZE) },
                reason: Reason::MessageTooLong,
                destination: Some(to),
                data: Vec::new(),
                time: None,
            });
        }
        error
    }
}
