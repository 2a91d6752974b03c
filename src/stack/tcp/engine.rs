//! The one door to smoltcp: its `tcp::Socket`, one in a set of its own per connection, and its `Interface`, one per MTU.
//!
//! ```text
//! Engine::segment(connection, packet)  a segment in; the answer it calls for, if any, into `out`
//! Engine::egress(connection)           the next segment that is due
//! Engine::poll_at(connection)          when `egress` has something next
//! ```
//! What is fed in is addressed to this host, of the connection's own two ends, without IPv6 extension
//! headers, and its checksum has been verified. Packets come out as IP packets in pooled frames.

use std::net::IpAddr;

use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet, SocketStorage};
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State};
use smoltcp::time::{Duration as SmolDuration, Instant as SmolInstant};
use smoltcp::wire::{HardwareAddress, IpEndpoint};

use super::isn::seed_for;
use super::segment::Tuple;
use crate::base::{Frame, Instant, Pool, TcpState};

/// The one packet that goes in, and where those that come out are put.
struct Door<'a> {
    inbound: Option<&'a [u8]>,
    out: Out<'a>,
    mtu: usize,
}

struct Out<'a> {
    frames: &'a mut Vec<Frame>,
    pool: &'a Pool,
}

struct In<'a>(&'a [u8]);

impl Device for Door<'_> {
    type RxToken<'t>
        = In<'t>
    where
        Self: 't;
    type TxToken<'t>
        = Out<'t>
    where
        Self: 't;

    fn receive(&mut self, _now: SmolInstant) -> Option<(In<'_>, Out<'_>)> {
        let packet = self.inbound.take()?;
        Some((In(packet), Out { frames: self.out.frames, pool: self.out.pool }))
    }

    fn transmit(&mut self, _now: SmolInstant) -> Option<Out<'_>> {
        Some(Out { frames: self.out.frames, pool: self.out.pool })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ip;
        caps.max_transmission_unit = self.mtu;
        caps.checksum.ipv4 = Checksum::Tx;
        caps.checksum.tcp = Checksum::Tx;
        caps
    }
}

impl RxToken for In<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

impl TxToken for Out<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = self.pool.frame(len);
        let result = f(frame.bytes_mut());
        self.frames.push(frame);
        result
    }
}

fn time(now: Instant) -> SmolInstant {
    SmolInstant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

/// How a connection is to behave, in the engine's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tuning {
    pub(super) nagle: bool,
    /// Acknowledge at once (TCP_QUICKACK).
    pub(super) quick_ack: bool,
    pub(super) congestion: Congestion,
    pub(super) ttl: u8,
}

/// TCP_CONGESTION.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Congestion {
    Cubic,
    Reno,
    None,
}

/// Bytes of a connection's two rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rings {
    pub(super) receive: usize,
    pub(super) send: usize,
}

/// One connection of the engine: one socket in a set of its own, so that nothing is ever searched.
#[derive(Debug)]
pub(super) struct Connection {
    set: SocketSet<'static>,
    handle: SocketHandle,
    /// The engine hears of the close when everything is acknowledged: see [`Connection::close`].
    closing: bool,
}

impl Connection {
    fn new(socket: Socket<'static>) -> Self {
        let mut set = SocketSet::new(Vec::with_capacity(1));
        let handle = set.add(socket);
        Self { set, handle, closing: false }
    }

    fn socket(&self) -> &Socket<'static> {
        self.set.get(self.handle)
    }

    fn socket_mut(&mut self) -> &mut Socket<'static> {
        self.set.get_mut(self.handle)
    }

    pub(super) fn state(&self) -> TcpState {
        match self.socket().state() {
            State::Closed => TcpState::Closed,
            State::Listen => TcpState::Listen,
            State::SynSent => TcpState::SynSent,
            State::SynReceived => TcpState::SynReceived,
            State::Established => TcpState::Established,
            State::FinWait1 => TcpState::FinWait1,
            State::FinWait2 => TcpState::FinWait2,
            State::CloseWait => TcpState::CloseWait,
            State::Closing => TcpState::Closing,
            State::LastAck => TcpState::LastAck,
            State::TimeWait => TcpState::TimeWait,
        }
    }

    pub(super) fn tune(&mut self, tuning: Tuning) {
        let socket = self.socket_mut();
        socket.set_nagle_enabled(tuning.nagle);
        socket.set_ack_delay(if tuning.quick_ack { None } else { Some(ACK_DELAY) });
        socket.set_hop_limit(Some(tuning.ttl.max(1)));
        let wanted = match tuning.congestion {
            Congestion::Cubic => CongestionControl::Cubic,
            Congestion::Reno => CongestionControl::Reno,
            Congestion::None => CongestionControl::None,
        };
        // A new controller forgets what the old one learned: only where it really changes.
        if socket.congestion_control() != wanted {
            socket.set_congestion_control(wanted);
        }
    }

    /// Bytes that may be read.
    pub(super) fn readable(&self) -> usize {
        self.socket().recv_queue()
    }

    /// Bytes written and not acknowledged.
    pub(super) fn unacknowledged(&self) -> usize {
        self.socket().send_queue()
    }

    /// Takes bytes out of the receive ring; 0 if there are none.
    pub(super) fn read(&mut self, into: &mut [u8]) -> usize {
        self.socket_mut().recv_slice(into).unwrap_or(0)
    }

    /// Throws `n` received bytes away (MSG_TRUNC).
    pub(super) fn skip(&mut self, n: usize) -> usize {
        self.socket_mut().recv(|bytes| (bytes.len().min(n), bytes.len().min(n))).unwrap_or(0)
    }

    /// Copies received bytes and leaves them there (MSG_PEEK).
    pub(super) fn peek(&mut self, into: &mut [u8]) -> usize {
        self.socket_mut().peek_slice(into).unwrap_or(0)
    }

    /// Puts bytes into the send ring: as many as fit.
    pub(super) fn write(&mut self, from: &[u8]) -> usize {
        self.socket_mut().send_slice(from).unwrap_or(0)
    }

    /// FIN behind what is in the send ring.
    ///
    /// In LAST-ACK smoltcp takes every ACK without progress for a duplicate of its FIN's, and so never learns that a closed
    /// window has opened: what is left then would never leave. Where that state comes next, the FIN goes alone, after the data.
    pub(super) fn close(&mut self) {
        self.closing = self.socket().state() == State::CloseWait && self.unacknowledged() > 0;
        if !self.closing {
            self.socket_mut().close();
        }
    }

    /// After each segment: the FIN that waited may go.
    fn close_when_acknowledged(&mut self) {
        if self.closing && self.unacknowledged() == 0 {
            self.closing = false;
            self.socket_mut().close();
        }
    }

    /// RST, at the next egress.
    pub(super) fn abort(&mut self) {
        self.socket_mut().abort();
    }
}

/// RFC 9293 3.8.6.3: an ACK is delayed by less than 0.5 s; smoltcp's default, well below Linux's 40 ms.
const ACK_DELAY: SmolDuration = SmolDuration::from_micros(ACK_DELAY_MICROS as u64);
pub(super) const ACK_DELAY_MICROS: u32 = 10_000;
/// Interfaces kept; path MTUs beyond that many make new ones.
const KEPT: usize = 16;
/// smoltcp subtracts headers from the MTU without looking; a segment needs room.
const LEAST_MTU: usize = 128;
/// What IPv4's total length can say; a larger MTU (lo) must not lead to longer packets.
const LARGEST_MTU: usize = 65_535;

/// smoltcp, and what it needs.
pub(super) struct Engine {
    interfaces: Vec<(usize, Interface)>,
    /// A receive ring for the handshakes of connections that have none yet.
    scratch: Vec<u8>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({} MTUs)", self.interfaces.len())
    }
}

fn interface(door: &mut Door<'_>, seed: u64, now: Instant) -> Interface {
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = seed;
    let mut interface = Interface::new(config, door, time(now));
    // Which addresses are ours was decided before a packet comes here.
    interface.set_any_ip(true);
    interface
}

impl Engine {
    pub(super) fn new() -> Self {
        Self { interfaces: Vec::new(), scratch: Vec::new() }
    }

    /// Runs `f` with the Interface of an MTU and the door.
    fn with<R>(
        &mut self,
        mtu: usize,
        now: Instant,
        inbound: Option<&[u8]>,
        frames: &mut Vec<Frame>,
        pool: &Pool,
        f: impl FnOnce(&mut Interface, &mut Door<'_>) -> R,
    ) -> R {
        let mtu = mtu.clamp(LEAST_MTU, LARGEST_MTU);
        let mut door = Door { inbound, out: Out { frames, pool }, mtu };
        let index = match self.interfaces.iter().position(|(m, _)| *m == mtu) {
            Some(index) => index,
            None => {
                if self.interfaces.len() == KEPT {
                    self.interfaces.remove(0);
                }
                self.interfaces.push((mtu, interface(&mut door, 0, now)));
                self.interfaces.len() - 1
            }
        };
        f(&mut self.interfaces[index].1, &mut door)
    }

    /// A segment for a connection.
    pub(super) fn segment(
        &mut self,
        connection: &mut Connection,
        mtu: usize,
        now: Instant,
        packet: &[u8],
        out: &mut Vec<Frame>,
        pool: &Pool,
    ) {
        self.with(mtu, now, Some(packet), out, pool, |interface, door| {
            interface.poll_ingress_single(time(now), door, &mut connection.set);
        });
        connection.close_when_acknowledged();
    }

    /// Puts the next segment that is due into `out`; false if there is none.
    pub(super) fn egress(
        &mut self,
        connection: &mut Connection,
        mtu: usize,
        now: Instant,
        out: &mut Vec<Frame>,
        pool: &Pool,
    ) -> bool {
        self.with(mtu, now, None, out, pool, |interface, door| {
            interface.poll_egress(time(now), door, &mut connection.set) != PollResult::None
        })
    }

    /// When [`Engine::egress`] has something next.
    pub(super) fn poll_at(
        &mut self,
        connection: &Connection,
        mtu: usize,
        now: Instant,
        pool: &Pool,
    ) -> Option<Instant> {
        self.with(mtu, now, None, &mut Vec::new(), pool, |interface, _| {
            let at = interface.poll_at(time(now), &connection.set)?;
            // Rounded up to smoltcp's microsecond: before it nothing would happen.
            Some(Instant::from_micros(u64::try_from(at.total_micros()).unwrap_or(0)).max(now))
        })
    }

    /// A connection whose first egress is the SYN with this ISN. `None` if an end is unusable (port 0, no address).
    pub(super) fn connect(
        &mut self,
        tuple: &Tuple,
        isn: u32,
        rings: Rings,
        now: Instant,
        pool: &Pool,
    ) -> Option<Connection> {
        let mut socket = Socket::new(ring(rings.receive), ring(rings.send));
        let mut frames = Vec::new();
        let mut door = Door { inbound: None, out: Out { frames: &mut frames, pool }, mtu: 1500 };
        // smoltcp draws its ISN from the Interface: this one lives for one draw, which we know beforehand.
        let mut once = interface(&mut door, seed_for(isn), now);
        let remote = IpEndpoint::new(tuple.remote.into(), tuple.remote_port);
        let local = IpEndpoint::new(tuple.local.into(), tuple.local_port);
        socket.connect(once.context(), remote, local).ok()?;
        Some(Connection::new(socket))
    }

    /// The SYN|ACK that answers `syn` (an IP packet), from a socket that does not stay. `None` if the SYN is malformed.
    pub(super) fn syn_ack(
        &mut self,
        syn: &[u8],
        isn: u32,
        receive: usize,
        mtu: usize,
        now: Instant,
        pool: &Pool,
    ) -> Option<Frame> {
        if self.scratch.len() < receive {
            self.scratch = vec![0; receive];
        }
        let socket =
            Socket::new(SocketBuffer::new(&mut self.scratch[..receive]), SocketBuffer::new(&mut [][..]));
        let mut storage = [SocketStorage::EMPTY];
        let mut set = SocketSet::new(&mut storage[..]);
        let handle = set.add(socket);
        answer_syn(&mut set, handle, syn, isn, mtu, now, pool)
    }

    /// The connection that `syn` began and whose SYN|ACK has been sent already: the same again, in real rings.
    pub(super) fn accept(
        &mut self,
        syn: &[u8],
        isn: u32,
        rings: Rings,
        mtu: usize,
        now: Instant,
        pool: &Pool,
    ) -> Option<Connection> {
        let mut connection = Connection::new(Socket::new(ring(rings.receive), ring(rings.send)));
        answer_syn(&mut connection.set, connection.handle, syn, isn, mtu, now, pool)?;
        Some(connection)
    }
}

fn ring(bytes: usize) -> SocketBuffer<'static> {
    // Zeroed memory of this size comes lazily from the OS: an idle connection touches none of it.
    SocketBuffer::new(vec![0; bytes])
}

/// Lets the one socket in `set` listen, gives it the SYN, and takes its SYN|ACK.
fn answer_syn(
    set: &mut SocketSet<'_>,
    handle: SocketHandle,
    syn: &[u8],
    isn: u32,
    mtu: usize,
    now: Instant,
    pool: &Pool,
) -> Option<Frame> {
    let mut frames = Vec::new();
    let mtu = mtu.clamp(LEAST_MTU, LARGEST_MTU);
    let mut door = Door { inbound: Some(syn), out: Out { frames: &mut frames, pool }, mtu };
    let mut once = interface(&mut door, seed_for(isn), now);
    let port = super::segment::Segment::parse(&syn[super::segment::Segment::offset(syn)..])?.destination_port;
    set.get_mut::<Socket<'_>>(handle).listen(port).ok()?;
    once.poll_ingress_single(time(now), &mut door, set);
    once.poll_egress(time(now), &mut door, set);
    if set.get_mut::<Socket<'_>>(handle).state() != State::SynReceived {
        return None;
    }
    frames.pop()
}

/// True if the engine can have this end of a connection.
pub(super) fn usable(address: IpAddr, port: u16) -> bool {
    port != 0 && !address.is_unspecified() && !address.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::super::segment::Segment;
    use super::*;

    #[test]
    fn the_syn_has_the_isn_that_was_asked_for() {
        let pool = Pool::new();
        let ip = |n| IpAddr::from([192, 0, 2, n]);
        let tuple = Tuple { local: ip(1), local_port: 1, remote: ip(2), remote_port: 2 };
        let rings = Rings { receive: 4096, send: 4096 };
        let mut engine = Engine::new();
        for isn in (0..2000u32).map(|n| n.wrapping_mul(0x9e37_79b9)).chain([0, 1, u32::MAX, 1 << 31]) {
            let mut connection = engine.connect(&tuple, isn, rings, Instant::ZERO, &pool).unwrap();
            let mut out = Vec::new();
            assert!(engine.egress(&mut connection, 1500, Instant::ZERO, &mut out, &pool));
            let syn = Segment::parse(&out[0].bytes()[20..]).unwrap();
            assert_eq!(syn.seq, isn);
        }
    }
}
