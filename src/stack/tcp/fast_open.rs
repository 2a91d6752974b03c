//! TCP Fast Open (RFC 7413): data in the SYN, from whoever has a cookie of the server's.
//!
//! The engine knows nothing of it. The SYN gets its option and its data when it leaves (`add_to_syn`); when the answer acknowledges
//! them, the engine is let send them into the void and told that they have come (`opened`). A listener makes the connection at once,
//! with a final ACK of its own making that carries the data; the half-open entry stays and repeats the SYN|ACK until the real one
//! comes (`handshake.rs`).

use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::io::IoSlice;
use std::net::IpAddr;

use super::calls::{part, set_part};
use super::flow::Flow;
use super::flows::FlowId;
use super::output::Cause;
use super::segment::{ACK, Bare, Flag, RST, SYN, Segment, Tuple, before, edit, make_room, set_ack};
use super::{Rest, Tcp, TcpSocket};
use crate::base::constants::{
    MSG_DONTWAIT, TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_KEY, TCP_FASTOPEN_NO_COOKIE,
};
use crate::base::{Errno, Frame, Reason, Result, SockAddr, SocketId, TcpState};
use crate::stack::options::Options;
use crate::stack::{Config, SendTo, Stack, keyed_hash};

/// RFC 7413 4.1.1: "Kind: 1 byte: value = 34".
pub(super) const KIND: u8 = 34;
/// Linux's TFO_*: the bits of net.ipv4.tcp_fastopen.
const CLIENT: u32 = 1;
const SERVER: u32 = 2;
const CLIENT_NO_COOKIE: u32 = 4;
const SERVER_NO_COOKIE: u32 = 0x200;
const SERVER_WITHOUT_OPTION: u32 = 0x400;
/// Linux's MAX_TCP_OPTION_SPACE, which data in a SYN leave to others.
const OPTION_SPACE: usize = 40;
/// Servers whose cookie a host remembers.
const REMEMBERED: usize = 1024;
/// tcpi_fastopen_client_fail: why the data did not go with the SYN (enum tcp_fastopen_client_fail).
const NO_COOKIE: u8 = 1;
const NOT_ACKNOWLEDGED: u8 = 2;
const SYN_AGAIN: u8 = 3;

/// A cookie; an empty one asks for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cookie {
    bytes: [u8; 16],
    len: u8,
}

impl Cookie {
    /// RFC 7413 4.1.1: "Cookie: 0, or 4 to 16 bytes"; an odd number is not one (tcp_parse_fastopen_option).
    pub(super) fn new(value: &[u8]) -> Option<Self> {
        if !matches!(value.len(), 0 | 4..=16) || !value.len().is_multiple_of(2) {
            return None;
        }
        let mut cookie = Self { len: value.len() as u8, ..Self::default() };
        cookie.bytes[..value.len()].copy_from_slice(value);
        Some(cookie)
    }

    fn is_request(&self) -> bool {
        self.len == 0
    }

    /// As an option, filled up to whole words.
    fn option(&self) -> Vec<u8> {
        let mut option = vec![KIND, self.len + 2];
        option.extend(&self.bytes[..usize::from(self.len)]);
        option.resize(option.len().next_multiple_of(4), 1);
        option
    }
}

/// __tcp_fastopen_cookie_gen_cipher: SipHash of both addresses, the client's first.
fn cookie_for(key: &[u8; 16], tuple: &Tuple) -> Cookie {
    struct Ends(IpAddr, IpAddr);
    impl Hash for Ends {
        fn hash<H: Hasher>(&self, state: &mut H) {
            for end in [self.0, self.1] {
                match end {
                    IpAddr::V4(a) => state.write(&a.octets()),
                    IpAddr::V6(a) => state.write(&a.octets()),
                }
            }
        }
    }
    let hash = keyed_hash(key, Ends(tuple.remote, tuple.local)).to_le_bytes();
    Cookie::new(&hash).unwrap_or_default()
}

/// Puts the option, and data behind all, into a SYN or SYN|ACK that the engine has made.
pub(super) fn add(frame: &mut Frame, tuple: &Tuple, cookie: Option<&Cookie>, data: &[u8]) {
    let end = frame.len();
    frame.resize(end + data.len());
    frame.bytes_mut()[end..].copy_from_slice(data);
    let option = cookie.map(Cookie::option).unwrap_or_default();
    // Before the other options: those may end with the list's end.
    if let Some(offset) = make_room(frame, option.len()) {
        frame.bytes_mut()[offset + 20..][..option.len()].copy_from_slice(&option);
    }
    edit(frame.bytes_mut(), tuple, |_| {});
}

/// What a connection has of it.
#[derive(Debug, Default)]
pub(super) struct Opening {
    /// Its SYN waits for data (TCP_FASTOPEN_CONNECT).
    pub(super) held: bool,
    /// What the first SYN says, and carries.
    cookie: Option<Cookie>,
    data: Vec<u8>,
    /// A call that waits for the handshake has given so many bytes to the SYN.
    given: Option<usize>,
    /// Data of a SYN have come through: TCPI_OPT_SYN_DATA.
    pub(super) carried: bool,
    /// tcpi_fastopen_client_fail.
    pub(super) failure: u8,
    /// The other side: what the SYN|ACK has acknowledged, until its own ACK comes.
    pub(super) answered: Option<u32>,
}

impl Opening {
    fn begin(&mut self, may: bool, cookie: Option<Cookie>, data: Vec<u8>) {
        (self.held, self.cookie, self.data) = (false, cookie, data);
        if !may {
            self.failure = NO_COOKIE;
        }
    }

    /// True if what the program sends next has to do with it.
    pub(super) fn takes_data(&self) -> bool {
        self.held || self.given.is_some()
    }
}

/// The cookies that servers have given, with the segment size that they announced: by both addresses, as Linux keeps them.
#[derive(Debug, Default)]
pub(super) struct Cookies {
    known: HashMap<(IpAddr, IpAddr), (Cookie, Option<u16>)>,
    /// The oldest first.
    order: VecDeque<(IpAddr, IpAddr)>,
}

impl Cookies {
    fn get(&self, tuple: &Tuple) -> Option<(Cookie, Option<u16>)> {
        self.known.get(&(tuple.local, tuple.remote)).copied()
    }

    fn set(&mut self, tuple: &Tuple, cookie: Cookie, mss: Option<u16>) {
        let ends = (tuple.local, tuple.remote);
        if self.known.insert(ends, (cookie, mss)).is_none() {
            self.order.push_back(ends);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// The keys of a listener's cookies, the active one first: its own, or the host's.
fn keys(options: &Options, config: &Config) -> Vec<[u8; 16]> {
    let own: Vec<[u8; 16]> =
        options.fast_open.key.chunks_exact(16).filter_map(|key| key.first_chunk().copied()).collect();
    if !own.is_empty() {
        return own;
    }
    let half = |n: u64| keyed_hash(&config.secret, (u64::from_be_bytes(*b"fastopen"), n)).to_le_bytes();
    let mut key = [0; 16];
    key[..8].copy_from_slice(&half(0));
    key[8..].copy_from_slice(&half(1));
    vec![key]
}

/// What a listener makes of a SYN.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answer {
    /// The connection stands at once.
    pub(super) opens: bool,
    /// The SYN|ACK brings this cookie.
    pub(super) cookie: Option<Cookie>,
}

/// tcp_try_fastopen. `waiting`: connections of this listener that stand without their final ACK.
pub(super) fn answer(
    options: &Options,
    config: &Config,
    waiting: usize,
    tuple: &Tuple,
    asked: Option<Cookie>,
    has_data: bool,
) -> Answer {
    let on = config.tcp_fastopen & SERVER != 0 && waiting < options.fast_open.queue as usize;
    if !on || asked.is_none() && !has_data {
        return Answer::default();
    }
    if options.fast_open.no_cookie || config.tcp_fastopen & SERVER_NO_COOKIE != 0 {
        return Answer { opens: true, cookie: None };
    }
    let Some(asked) = asked else { return Answer::default() };
    let ours: Vec<Cookie> = keys(options, config).iter().map(|key| cookie_for(key, tuple)).collect();
    // Who comes with the old key's cookie gets the new one's.
    match ours.iter().position(|cookie| *cookie == asked) {
        Some(0) => Answer { opens: true, cookie: None },
        found => Answer { opens: found.is_some(), cookie: ours.first().copied() },
    }
}

/// inet_listen: with this bit of the sysctl a listener needs no TCP_FASTOPEN.
pub(super) fn default_queue(config: &Config, backlog: usize) -> Option<u32> {
    let wanted = SERVER | SERVER_WITHOUT_OPTION;
    (config.tcp_fastopen & wanted == wanted).then(|| u32::try_from(backlog).unwrap_or(u32::MAX))
}

impl Flow {
    /// The first SYN leaves: with what Fast Open has to say.
    pub(super) fn add_to_syn(&self, frame: &mut Frame) {
        let opening = &self.opening;
        if self.state() == TcpState::SynSent && (opening.cookie.is_some() || !opening.data.is_empty()) {
            add(frame, &self.tuple, opening.cookie.as_ref(), &opening.data);
        }
    }

    /// The SYN|ACK to data in a SYN: the engine, which has sent a bare one, is told of that alone.
    pub(super) fn hide_acknowledged(&self, tcp: &mut [u8], segment: &Segment) {
        let carried = self.opening.data.len();
        let first = self.seen.iss.wrapping_add(1);
        let beyond = segment.ack.wrapping_sub(first) as usize;
        if segment.has(SYN) && segment.has(ACK) && (1..=carried).contains(&beyond) {
            let room = u16::try_from(carried).unwrap_or(u16::MAX);
            set_ack(tcp, first, segment.window.max(room));
        }
    }
}

impl Tcp {
    /// tcp_fastopen_cookie_check: may this connection's SYN carry data, and what does it say?
    fn cookie_check(&self, config: &Config, no_cookie: bool, flow: &Flow) -> (bool, Option<Cookie>) {
        if flow.signature.is_some() {
            // There is no room for both options, and a signature must be.
            return (false, None);
        }
        if no_cookie || config.tcp_fastopen & CLIENT_NO_COOKIE != 0 {
            return (true, None);
        }
        let known = self.cookies.get(&flow.tuple).map(|(cookie, _)| cookie);
        (known.is_some(), Some(known.unwrap_or_default()))
    }

    /// tcp_fastopen_defer_connect: with a cookie the SYN waits for data, without one it asks for it.
    pub(super) fn put_off(&self, config: &Config, no_cookie: bool, flow: &mut Flow) {
        let (may, cookie) = self.cookie_check(config, no_cookie, flow);
        flow.opening.held = may;
        if !may {
            flow.opening.begin(may, cookie, Vec::new());
        }
    }

    /// How much of the data a SYN takes (tcp_send_syn_data).
    fn room_in_syn(&self, flow: &Flow) -> usize {
        let announced = self.cookies.get(&flow.tuple).and_then(|(_, mss)| mss).map(usize::from);
        let ours = flow.mtu().min(flow.path_mtu).min(65_535).saturating_sub(flow.tuple.headers());
        let most = announced.filter(|mss| *mss != 0).unwrap_or(ours).min(ours);
        most.saturating_sub(OPTION_SPACE).min(flow.settings.rings.send)
    }

    /// tcp_rcv_fastopen_synack: the handshake is done. What the SYN|ACK has acknowledged, the engine takes for sent; the rest it
    /// sends now.
    pub(super) fn opened(&mut self, rest: &mut Rest<'_>, id: FlowId, acknowledged: u32) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        if matches!(flow.state(), TcpState::SynSent | TcpState::SynReceived) {
            return;
        }
        let asked = flow.opening.cookie.take();
        let data = std::mem::take(&mut flow.opening.data);
        if let (Some(_), Some(cookie)) = (asked, flow.seen.peer_options.cookie)
            && !cookie.is_request()
        {
            self.cookies.set(&flow.tuple, cookie, flow.seen.peer_options.mss);
        }
        if data.is_empty() {
            return;
        }
        let first = flow.seen.iss.wrapping_add(1);
        let carried = data.len().min(acknowledged.wrapping_sub(first) as usize);
        let (carried, rest_of_it) = data.split_at(if before(acknowledged, first) { 0 } else { carried });
        if carried.is_empty() {
            flow.opening.failure = if flow.seen.retransmits > 0 { SYN_AGAIN } else { NOT_ACKNOWLEDGED };
            flow.connection.write(rest_of_it);
            return;
        }
        flow.opening.carried = true;
        flow.connection.write(carried);
        let (now, mtu, pool) = (rest.net.now, flow.mtu(), &rest.net.pool);
        let (mut told, mut void) = (0, Vec::new());
        while told < carried.len() {
            self.engine.egress(&mut flow.connection, mtu, now, &mut void, pool);
            let sent: usize = void.drain(..).map(|frame| payload(frame.bytes())).sum();
            if sent == 0 {
                break;
            }
            told += sent;
            let ack = Some(first.wrapping_add(told as u32));
            let (seq, window) = (flow.seen.irs.wrapping_add(1), flow.seen.window_field);
            let frame = Bare { seq, ack, window, flag: Flag::None }.as_if_from_remote(&flow.tuple, pool);
            self.engine.segment(&mut flow.connection, mtu, now, frame.bytes(), &mut void, pool);
            void.clear();
        }
        flow.connection.write(rest_of_it);
        // The engine's own ACK has gone into the void as well.
        let frame = flow.ack().frame(&flow.tuple, flow.settings.tuning.ttl, pool);
        self.emit(rest, id, &mut vec![frame]);
    }

    /// A connection that stands without its final ACK gets a segment. True if that is all there is to do about it.
    pub(super) fn is_repeated_syn(&mut self, id: FlowId, tuple: &Tuple, segment: &Segment) -> bool {
        let Some(flow) = self.flows.get_mut(id) else { return false };
        if segment.has(SYN) {
            return !segment.has(RST);
        }
        let first = flow.seen.iss.wrapping_add(1);
        let final_ack = !before(segment.ack, first) && !before(flow.seen.snd_max, segment.ack);
        if segment.has(ACK) && !segment.has(RST) && final_ack {
            flow.opening.answered = None;
            self.forget_half_open(tuple);
        }
        false
    }
}

/// Bytes of data in a packet of the engine's.
fn payload(packet: &[u8]) -> usize {
    packet.get(Segment::offset(packet)..).and_then(Segment::parse).map_or(0, |segment| segment.payload)
}

/// Puts the first `most` bytes of `data` together.
fn first_bytes(data: &[IoSlice<'_>], most: usize) -> Vec<u8> {
    data.iter().flat_map(|slice| slice.iter()).take(most).copied().collect()
}

impl Stack {
    /// tcp_sendmsg_fastopen: what is sent with MSG_FASTOPEN, or first after a connect(2) that TCP_FASTOPEN_CONNECT has put off. `None`:
    /// the connection stands, and the data go the usual way.
    pub(super) fn tcp_send_open(
        &mut self,
        id: SocketId,
        data: &[IoSlice<'_>],
        how: &SendTo<'_>,
    ) -> Result<Option<usize>> {
        let waits = how.flags & MSG_DONTWAIT == 0;
        let flow_id = self.tcp_flow_id(id)?;
        let flow = flow_id.and_then(|id| self.tcp.flows.get_mut(id));
        let (held, dead, state, given) = flow.map_or((false, true, TcpState::Closed, None), |flow| {
            (flow.opening.held, flow.dead, flow.state(), flow.opening.given)
        });
        if let Some(given) = given {
            // The same call, which has waited.
            if !dead && matches!(state, TcpState::SynSent | TcpState::SynReceived) {
                return Err(Errno::EAGAIN.because(Reason::ConnectUnderWay));
            }
            if let Some(flow) = flow_id.and_then(|id| self.tcp.flows.get_mut(id)) {
                flow.opening.given = None;
            }
            self.sockets.get_mut(id)?.take_error()?;
            let Some(flow_id) = flow_id.filter(|_| !dead) else { return Ok(None) };
            set_part(&mut self.sockets, id, TcpSocket::Flow { id: flow_id, connecting: false });
            return Ok(Some(given).filter(|given| *given > 0 || data.iter().all(|slice| slice.is_empty())));
        }
        if self.net.config.tcp_fastopen & CLIENT == 0 || how.to == Some(SockAddr::Unspec) {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        if !held {
            if let TcpSocket::Listening = part(&self.sockets, id)? {
                return Err(Errno::EISCONN.because(Reason::AlreadyConnected));
            }
            let connected = self.sockets.get(id)?.remote.map(SockAddr::from);
            // __inet_stream_connect looks at the state first, then tcp_v4_connect at the address.
            let to = how.to.or(connected).ok_or(Errno::EINVAL.because(Reason::NoDestination))?;
            match self.inet_connect(id, to, true) {
                Err(error) if error.errno() == Errno::EINPROGRESS => {}
                outcome => return outcome.map(|()| None),
            }
        }
        let Some(flow_id) = self.tcp_flow_id(id)? else { return Ok(None) };
        let no_cookie = self.sockets.get(id)?.options.fast_open.no_cookie;
        let (tcp, mut rest) = self.tcp_and_rest();
        let Some(flow) = tcp.flows.get(flow_id) else { return Ok(None) };
        let (may, cookie) = tcp.cookie_check(&rest.net.config, no_cookie, flow);
        let first = first_bytes(data, if may { tcp.room_in_syn(flow) } else { 0 });
        let given = first.len();
        let Some(flow) = tcp.flows.get_mut(flow_id) else { return Ok(None) };
        let was = flow.snapshot();
        flow.opening.begin(may, cookie, first);
        flow.opening.given = waits.then_some(given);
        tcp.transmit(&mut rest, flow_id, was, Cause::Here);
        match given {
            _ if waits => Err(Errno::EAGAIN.because(Reason::ConnectUnderWay)),
            0 => Err(Errno::EINPROGRESS.because(Reason::ConnectStarted)),
            given => Ok(Some(given)),
        }
    }

    /// TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_KEY, TCP_FASTOPEN_NO_COOKIE.
    pub(in crate::stack) fn tcp_set_fast_open(
        &mut self,
        id: SocketId,
        name: i32,
        number: i32,
        value: &[u8],
    ) -> Result<()> {
        let wrong = || Errno::EINVAL.because(Reason::OptionValue);
        let part = part(&self.sockets, id)?;
        let alive = self.tcp_flow(id).is_some_and(|flow| !flow.dead);
        let listening = matches!(part, TcpSocket::Listening);
        let (client, most) = (self.net.config.tcp_fastopen & CLIENT != 0, self.net.config.somaxconn);
        let options = &mut self.sockets.get_mut(id)?.options.fast_open;
        let bit = matches!(number, 0 | 1);
        match name {
            // fastopen_queue_tune
            TCP_FASTOPEN if number >= 0 && !alive => options.queue = (number as u32).min(most as u32),
            TCP_FASTOPEN_NO_COOKIE if bit && !alive => options.no_cookie = number == 1,
            TCP_FASTOPEN_CONNECT if bit && !client => {
                return Err(Errno::EOPNOTSUPP.because(Reason::OptionValue));
            }
            TCP_FASTOPEN_CONNECT if bit && !alive && !listening => options.connect = number == 1,
            TCP_FASTOPEN_KEY if matches!(value.len(), 16 | 32) => options.key = value.to_vec(),
            _ => return Err(wrong()),
        }
        Ok(())
    }
}

impl Options {
    /// The number of one of these options.
    pub(in crate::stack) fn fast_open_number(&self, name: i32) -> i32 {
        match name {
            TCP_FASTOPEN => self.fast_open.queue as i32,
            TCP_FASTOPEN_CONNECT => self.fast_open.connect.into(),
            _ => self.fast_open.no_cookie.into(),
        }
    }
}
