//! What a host tells those who watch it. Made in stack/ and socket/, drained by driver/, shown by trace/.
//!
//! Events cost nothing while nobody watches; the counters of [`Reason`] are always kept.

use std::net::SocketAddr;

use super::{Errno, IfIndex, Instant, Reason};

/// The number of a socket on its host, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct SocketId(pub u64);

/// Something worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A packet did not go its way, an answer was special, a call was refused: why.
    Noted {
        /// When.
        time: Instant,
        /// Why.
        reason: Reason,
        /// On which interface, where there is one.
        interface: Option<IfIndex>,
        /// Which socket it concerns, where there is one.
        socket: Option<SocketId>,
    },
    /// A TCP connection changed its state.
    TcpState {
        /// When.
        time: Instant,
        /// Whose.
        socket: Option<SocketId>,
        /// The connection's own address.
        local: SocketAddr,
        /// The connection's other end.
        remote: SocketAddr,
        /// Before.
        from: TcpState,
        /// After.
        to: TcpState,
    },
    /// What a TCP connection looks like now: a point of the plots.
    Tcp(TcpSample),
    /// A socket call and its result.
    Call(SocketCall),
}

/// A socket call that a program made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketCall {
    /// When it returned.
    pub time: Instant,
    /// On which socket.
    pub socket: SocketId,
    /// The call's name in the man page: `connect`, `sendto`.
    pub name: &'static str,
    /// What it returned: a count (0 where it counts nothing), or the error's number.
    pub result: Result<usize, Errno>,
}

/// A connection's numbers at one moment. Sequence numbers count from the ISN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSample {
    /// When.
    pub time: Instant,
    /// Whose.
    pub socket: Option<SocketId>,
    /// First byte that is not acknowledged yet.
    pub snd_una: u32,
    /// Next byte to send.
    pub snd_nxt: u32,
    /// The peer's window, in bytes.
    pub snd_wnd: u32,
    /// Next byte expected.
    pub rcv_nxt: u32,
    /// Smoothed round trip, in microseconds; 0 = not measured yet.
    pub srtt_us: u32,
    /// Segments sent again so far.
    pub retransmits: u32,
}

/// The states of RFC 9293 3.3.2, with Linux's numbers (tcpi_state).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[repr(u8)]
#[allow(missing_docs)] // the RFC's own words
pub enum TcpState {
    Established = 1,
    SynSent = 2,
    SynReceived = 3,
    FinWait1 = 4,
    FinWait2 = 5,
    TimeWait = 6,
    Closed = 7,
    CloseWait = 8,
    LastAck = 9,
    Listen = 10,
    Closing = 11,
}

impl TcpState {
    /// As ss(8) prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Established => "ESTAB",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECV",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::TimeWait => "TIME-WAIT",
            Self::Closed => "UNCONN",
            Self::CloseWait => "CLOSE-WAIT",
            Self::LastAck => "LAST-ACK",
            Self::Listen => "LISTEN",
            Self::Closing => "CLOSING",
        }
    }
}
