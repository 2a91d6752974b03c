//! TCP: the flow table, listeners, TIME_WAIT, the causes of errors; smoltcp's engine behind one door.
//!
//! | file | what |
//! |---|---|
//! | `calls.rs` | what verbs.rs asks: listen, accept, send, shutdown, close, options |
//! | `receive.rs` | recv |
//! | `urgent.rs` | urgent data: MSG_OOB, SO_OOBINLINE, SIOCATMARK, POLLPRI |
//! | `connect.rs` | the active open, and its undoing |
//! | `poll.rs` | what poll(2), FIONREAD and SIOCOUTQ say |
//! | `input.rs` | a segment in: found, judged, given to the engine |
//! | `accept.rs` | the judging: RFC 9293's and RFC 5961's acceptance rules |
//! | `handshake.rs`, `listen.rs` | the passive open; listeners, half-open connections, the queue of finished ones |
//! | `output.rs` | a segment out; what a change of state means: ends, error causes, TIME_WAIT |
//! | `timers.rs` | retries, user timeout, keepalive, FIN_WAIT2 |
//! | `recovery.rs` | early retransmission |
//! | `errors.rs` | ICMP errors, path MTU, an address that is removed |
//! | `flow.rs`, `flows.rs` | one connection; the table of all, and their timers |
//! | `time_wait.rs` | TIME_WAIT |
//! | `observe.rs`, `info.rs`, `listing.rs` | what is seen of a connection; TCP_INFO; rows for `ss` |
//! | `engine.rs` | the door to smoltcp |
//! | `fast_open.rs` | Fast Open (RFC 7413): data in the SYN, cookies |
//! | `segment.rs`, `isn.rs` | headers; initial sequence numbers |
//! | `signature.rs` | TCP_MD5SIG: what leaves is signed, what comes is looked at |
//!
//! In: `Stack::dispatch` -> [`Tcp::input`] -> `flow_input` -> `Engine::segment` -> `transmit` -> `settle`.
//! Out: `calls.rs` -> the engine's ring -> `transmit` -> `Engine::egress` -> `emit` -> `Net::send_packet`.
//! Everything ends in `settle`, which alone draws conclusions from a changed state.

mod accept;
mod calls;
mod connect;
mod engine;
mod errors;
mod fast_open;
mod flow;
mod flows;
mod handshake;
mod info;
mod input;
mod isn;
mod listen;
mod listing;
mod observe;
mod output;
mod poll;
mod receive;
mod recovery;
mod segment;
mod signature;
mod time_wait;
mod timers;
mod urgent;

#[cfg(test)]
pub(super) mod tests;

use super::ports::Ports;
use super::ready::ReadyQueue;
use super::table::Table;
use super::{Datagram, Net, NetError, Stack};
use crate::base::{Frame, Reason};
use engine::Engine;
use flows::{FlowId, Flows, Timers};
use isn::Keyed;
pub(super) use signature::Keys;

/// What all TCP sockets share.
#[derive(Debug)]
pub(crate) struct Tcp {
    engine: Engine,
    flows: Flows,
    listeners: listen::Listeners,
    half_open: listen::HalfOpens,
    time_waits: time_wait::TimeWaits,
    timers: Timers,
    /// The hash of RFC 6528, and of the choice among SO_REUSEPORT listeners.
    keyed: Keyed,
    challenges: handshake::Challenges,
    cookies: fast_open::Cookies,
    /// Why what `transmit` sends again is sent again: the engine's own timer, if nobody says otherwise.
    retransmission: Reason,
    /// Some socket has, or had, a filter (SO_ATTACH_FILTER).
    pub(super) filtered: bool,
    /// Some socket has, or had, a key (TCP_MD5SIG).
    signed: bool,
    /// Packets on their way from the engine; kept for its memory.
    out: Vec<Frame>,
}

/// What a TCP socket has of its own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum TcpSocket {
    #[default]
    Fresh,
    Listening,
    Flow {
        id: FlowId,
        /// connect(2) has not told its outcome yet.
        connecting: bool,
    },
}

/// What TCP uses of the rest of the stack.
struct Rest<'a> {
    net: &'a mut Net,
    sockets: &'a mut Table,
    ports: &'a mut Ports,
    ready: &'a mut ReadyQueue,
}

impl Tcp {
    pub(crate) fn new(net: &Net) -> Self {
        let secret = &net.config.secret;
        let table = Keyed::new(secret, u64::from_be_bytes(*b"tcptable"));
        Self {
            engine: Engine::new(),
            flows: Flows::new(table),
            listeners: listen::Listeners::default(),
            half_open: listen::HalfOpens::new(table),
            time_waits: time_wait::TimeWaits::new(table),
            timers: Timers::default(),
            keyed: Keyed::new(secret, u64::from_be_bytes(*b"rfc 6528")),
            challenges: handshake::Challenges::default(),
            cookies: fast_open::Cookies::default(),
            retransmission: Reason::TcpRtoRetransmit,
            filtered: false,
            signed: false,
            out: Vec::new(),
        }
    }

    /// Connections, half-open ones, and those in TIME_WAIT.
    pub(super) fn census(&self) -> (usize, usize, usize) {
        (self.flows.len(), self.half_open.len(), self.time_waits.len())
    }
}

impl Stack {
    fn tcp_and_rest(&mut self) -> (&mut Tcp, Rest<'_>) {
        let rest = Rest {
            net: &mut self.net,
            sockets: &mut self.sockets,
            ports: &mut self.ports,
            ready: &mut self.ready,
        };
        (&mut self.tcp, rest)
    }

    pub(super) fn tcp_input(&mut self, datagram: Datagram) {
        let (tcp, mut rest) = self.tcp_and_rest();
        tcp.input(&mut rest, datagram);
    }

    pub(super) fn tcp_error(&mut self, error: &NetError) {
        let (tcp, mut rest) = self.tcp_and_rest();
        tcp.error(&mut rest, error);
    }

    pub(super) fn tcp_address_gone(&mut self, address: std::net::IpAddr) {
        let (tcp, mut rest) = self.tcp_and_rest();
        tcp.address_gone(&mut rest, address);
    }

    pub(super) fn tcp_tick(&mut self) {
        let (tcp, mut rest) = self.tcp_and_rest();
        tcp.tick(&mut rest);
    }
}
