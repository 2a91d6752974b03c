//! One connection: the engine's part, what was seen of it, whose it is, and what it has been told.

use std::sync::Arc;
use std::time::Duration;

use super::engine::{Congestion, Connection, Rings, Tuning};
use super::observe::Observed;
use super::segment::{Bare, Flag, Tuple, before};
use super::signature::{self, Key};
use crate::base::{Error, Instant, SocketId, TcpState};
use crate::stack::options::Options;
use crate::stack::ports::Claim;
use crate::stack::{Config, Hints};

/// A connection.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) tuple: Tuple,
    pub(super) connection: Connection,
    pub(super) seen: Observed,
    /// The socket that has it; `None` = it waits in a listener's queue, or its socket is closed (an orphan).
    pub(super) owner: Option<SocketId>,
    /// The listener in whose queue it waits.
    pub(super) listener: Option<SocketId>,
    pub(super) hints: Hints,
    /// The MTU of the first link, and of the path as far as it is known.
    pub(super) link_mtu: usize,
    pub(super) path_mtu: usize,
    pub(super) settings: Settings,
    /// TCP_MD5SIG: the key of its peer.
    pub(super) signature: Option<Arc<Key>>,
    /// The error of a connection that nobody has accepted yet.
    pub(super) error: Option<Error>,
    /// RFC 1122 4.2.3.9: what made no end of it, but tells why if it ends by itself.
    pub(super) soft_error: Option<Error>,
    /// The port of an orphan. (A socket's own is in its entry.)
    pub(super) claim: Option<Claim>,
    /// Bytes that the program has read.
    pub(super) consumed: u64,
    /// It has ended: no segment finds it any more. It stays while its socket has something to read or to be told.
    pub(super) dead: bool,
    /// The peer sent FIN.
    pub(super) eof: bool,
    /// When its socket was closed, and since when it waits in FIN_WAIT2 after that.
    pub(super) orphaned: Option<Instant>,
    pub(super) fin_wait_since: Option<Instant>,
    /// Keepalive probes sent since the peer was last heard, and the last one's time.
    pub(super) probes: u32,
    pub(super) probed: Instant,
    /// Segments with data that are still acknowledged at once, as at every connection's start (Linux's TCP_MAX_QUICKACKS): a
    /// sender in slow start waits for each of them.
    pub(super) quick_acks: u32,
    /// When RFC 5961's next challenge ACK may go.
    pub(super) next_challenge: Instant,
    /// Early retransmissions in a row, and where the present recovery ends.
    pub(super) early: u32,
    pub(super) recover: Option<u32>,
    /// What TCP_CORK or MSG_MORE holds back: less than a segment; and until when.
    pub(super) corked: Vec<u8>,
    pub(super) uncork_at: Option<Instant>,
    /// When its next segment may leave.
    pub(super) paced_until: Instant,
    pub(super) urgent: super::urgent::Urgent,
    pub(super) opening: super::fast_open::Opening,
    /// TCP_SAVED_SYN: the headers of the SYN that began it, until somebody has asked.
    pub(super) saved_syn: Option<Box<[u8]>>,
    /// The timer that is set for it.
    pub(super) armed: Option<Instant>,
    /// The last state that was told.
    pub(super) told: TcpState,
}

/// What a connection has been told by its socket's options.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) tuning: Tuning,
    pub(super) tos: u8,
    /// IPv6's; `None` = by the hash of the flow.
    pub(super) flow_label: Option<u32>,
    pub(super) maxseg: u16,
    pub(super) keepalive: Option<Duration>,
    pub(super) keepintvl: Duration,
    pub(super) keepcnt: u32,
    pub(super) user_timeout: Option<Duration>,
    pub(super) syn_retries: u32,
    /// `None` = an orphan does not wait in FIN_WAIT2 at all.
    pub(super) fin_timeout: Option<Duration>,
    pub(super) rings: Rings,
    /// IP_RECVERR: ICMP errors are told at once.
    pub(super) recv_error: bool,
    pub(super) cork: bool,
    /// TCP_NOTSENT_LOWAT: bytes not sent yet at which no more is taken.
    pub(super) notsent_lowat: Option<usize>,
    /// TCP_WINDOW_CLAMP, in bytes.
    pub(super) window_clamp: Option<u32>,
    pub(super) mark: u32,
    pub(super) priority: u32,
    /// SO_MAX_PACING_RATE, in bytes a second.
    pub(super) pacing_rate: u64,
}

impl Settings {
    pub(super) fn of(options: &Options, config: &Config, remote: std::net::IpAddr) -> Self {
        Self {
            tuning: Tuning {
                nagle: !options.nodelay,
                quick_ack: options.quickack,
                congestion: match options.congestion {
                    "reno" => Congestion::Reno,
                    "none" => Congestion::None,
                    _ => Congestion::Cubic,
                },
                ttl: options.unicast_ttl(config, remote),
            },
            tos: options.service(remote),
            flow_label: options.label(options.flow_info),
            maxseg: options.maxseg,
            keepalive: options.keepalive.then_some(options.keepidle),
            keepintvl: options.keepintvl,
            keepcnt: options.keepcnt,
            user_timeout: options.user_timeout,
            syn_retries: options.syncnt,
            fin_timeout: options.fin_timeout(config),
            rings: Rings {
                receive: options.recv_space().clamp(LEAST_RING, LARGEST_RING),
                send: options.send_space().clamp(LEAST_RING, LARGEST_RING),
            },
            recv_error: if remote.is_ipv4() { options.recv_error } else { options.recv_error6 },
            cork: options.cork,
            notsent_lowat: Some(options.tcp.notsent_lowat as usize).filter(|lowat| *lowat != 0),
            window_clamp: Some(options.tcp.window_clamp).filter(|clamp| *clamp != 0),
            mark: options.mark,
            priority: options.priority as u32,
            pacing_rate: options.pacing_rate,
        }
    }
}

/// A ring's bounds: Linux's SOCK_MIN_RCVBUF is about that; smoltcp's window ends at 1 GiB.
const LEAST_RING: usize = 2048;
const LARGEST_RING: usize = 1 << 28;

/// Linux's TCP_MAX_QUICKACKS.
const QUICK_ACKS: u32 = 16;

impl Flow {
    pub(super) fn new(
        tuple: Tuple,
        connection: Connection,
        settings: Settings,
        hints: Hints,
        mtu: (usize, usize),
        now: Instant,
    ) -> Self {
        let told = TcpState::Closed;
        let mut flow = Self {
            tuple,
            connection,
            seen: Observed::new(now),
            owner: None,
            listener: None,
            hints,
            link_mtu: mtu.0,
            path_mtu: mtu.1,
            settings,
            signature: None,
            error: None,
            soft_error: None,
            claim: None,
            consumed: 0,
            dead: false,
            eof: false,
            orphaned: None,
            fin_wait_since: None,
            probes: 0,
            probed: now,
            quick_acks: QUICK_ACKS,
            next_challenge: Instant::ZERO,
            early: 0,
            recover: None,
            corked: Vec::new(),
            uncork_at: None,
            urgent: Default::default(),
            opening: Default::default(),
            saved_syn: None,
            armed: None,
            told,
            paced_until: Instant::ZERO,
        };
        flow.connection.tune(settings.tuning);
        flow
    }

    pub(super) fn state(&self) -> TcpState {
        self.connection.state()
    }

    /// Is it the peer's window that keeps back what there is to send? (TCP_INFO's tcpi_rwnd_limited.)
    pub(super) fn note_limit(&mut self, now: Instant) {
        let limited = self.unsent() > self.corked.len()
            && self.seen.in_flight() as usize + self.mss() > self.seen.snd_wnd as usize;
        self.seen.window_limited.set(now, limited);
    }

    /// A segment with data came in: after the first ones ACKs are delayed.
    pub(super) fn spend_quick_ack(&mut self) {
        if self.quick_acks > 0 {
            self.quick_acks -= 1;
            if self.quick_acks == 0 {
                self.settings.tuning.quick_ack = false;
                self.connection.tune(self.settings.tuning);
            }
        }
    }

    /// The MTU that the engine is to believe in: the SYN announces the link's, data obeys the path's; TCP_MAXSEG lowers both.
    pub(super) fn mtu(&self) -> usize {
        let mtu = match self.state() {
            TcpState::SynSent | TcpState::SynReceived => self.link_mtu,
            _ if self.signature.is_some() => {
                // RFC 6691 2: options that every segment has are the sender's to subtract, from the peer's size too.
                let most = self.path_mtu.min(self.link_mtu);
                most.min(self.peer_mss() + self.tuple.headers()).saturating_sub(signature::ROOM)
            }
            _ => self.path_mtu.min(self.link_mtu),
        };
        match self.settings.maxseg {
            0 => mtu,
            maxseg => mtu.min(usize::from(maxseg) + self.tuple.headers()),
        }
    }

    /// The largest segment that goes out now, in bytes of data.
    pub(super) fn mss(&self) -> usize {
        let ours = self.mtu().min(65_535).saturating_sub(self.tuple.headers());
        ours.min(self.peer_mss())
    }

    /// What TCP_MAXSEG and TCP_INFO call it: tcp_sync_mss takes no signature off.
    pub(super) fn told_mss(&self) -> usize {
        self.mss() + self.signature.as_ref().map_or(0, |_| signature::ROOM)
    }

    /// The largest segment that the peer takes, in bytes of data.
    fn peer_mss(&self) -> usize {
        // RFC 9293 3.7.1: without the option the peer takes 536 (IPv4) or 1220 (IPv6) bytes; the engine always assumes 536.
        self.seen.peer_options.mss.filter(|mss| *mss != 0).map_or(536, |mss| usize::from(mss).max(48))
    }

    /// True once the peer's FIN has been taken.
    pub(super) fn fin_received(&self) -> bool {
        use TcpState::{CloseWait, Closing, LastAck, TimeWait};
        matches!(self.state(), CloseWait | Closing | LastAck | TimeWait)
    }

    /// RCV.NXT: the peer's ISN, its SYN, the bytes that came in order, and its FIN.
    pub(super) fn rcv_nxt(&self) -> u32 {
        let bytes = (self.consumed + self.connection.readable() as u64) as u32;
        self.seen.irs.wrapping_add(1).wrapping_add(bytes).wrapping_add(u32::from(self.fin_received()))
    }

    /// RCV.WND: what the ring still takes.
    pub(super) fn rcv_wnd(&self) -> u32 {
        self.settings.rings.receive.saturating_sub(self.connection.readable()) as u32
    }

    /// The window field that says what the ring still takes.
    pub(super) fn window(&self) -> u16 {
        (self.rcv_wnd() >> self.seen.rcv_scale).min(u32::from(u16::MAX)) as u16
    }

    /// An ACK of our own making: says where we are, moves nothing, not even the window's end, of which the engine must know.
    pub(super) fn ack(&self) -> Bare {
        let (next, edge) = (self.rcv_nxt(), self.seen.told_edge());
        let room = if before(next, edge) { edge.wrapping_sub(next) >> self.seen.rcv_scale } else { 0 };
        let window = self.window().min(u16::try_from(room).unwrap_or(u16::MAX));
        Bare { seq: self.seen.snd_max, ack: Some(self.rcv_nxt()), window, flag: Flag::None }
    }
}
