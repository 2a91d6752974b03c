//! Sockets of AF_INET and AF_INET6 as messages (struct inet_diag_msg, inet_sk_diag_fill).

use std::net::{IpAddr, SocketAddr};

use super::SOCK_DIAG_BY_FAMILY;
use super::bytecode::{Bytecode, Subject};
use crate::base::constants::*;
use crate::base::netlink::{Draft, Message, u32_at};
use crate::base::verb::SocketRow;
use crate::base::{Errno, Reason, Result, SocketId, TcpState};
use crate::stack::Stack;
use crate::stack::options::Options;
use crate::stack::table::{Entry, Part};
use crate::stack::tcp::TcpSocket;

/// sizeof(struct inet_diag_req_v2), and of the older struct inet_diag_req.
const REQUEST: usize = 56;
/// TCPF_BOUND_INACTIVE: a bound socket that is neither connected nor listening; it is told as TCP_CLOSE.
const BOUND_INACTIVE: u32 = 13;
/// SS_CLOSE, of sockets without a connection.
const CLOSED: u8 = TcpState::Closed as u8;
const ESTABLISHED: u8 = TcpState::Established as u8;

// INET_DIAG_*
const MEMINFO: u16 = 1;
const INFO: u16 = 2;
const CONG: u16 = 4;
const TOS: u16 = 5;
const TCLASS: u16 = 6;
const SKMEMINFO: u16 = 7;
const SHUTDOWN: u16 = 8;
const PROTOCOL: u16 = 10;
const SKV6ONLY: u16 = 11;
const MARK: u16 = 15;
const CLASS_ID: u16 = 17;
const SOCKOPT: u16 = 22;

/// Which sockets are asked for, and what of them.
#[derive(Clone, Debug)]
pub(in crate::stack::netlink) struct Question {
    /// AF_*; 0 = both.
    family: i32,
    /// IPPROTO_*; IPPROTO_RAW stands for all that are raw.
    protocol: i32,
    /// Bit n - 1 = INET_DIAG_n.
    extensions: u32,
    states: u32,
    local: SocketAddr,
    remote: SocketAddr,
    cookie: u64,
    bytecode: Option<Bytecode>,
}

/// An address as the structures have it: 16 bytes, of AF_INET the first four of them.
pub(super) fn octets(ip: IpAddr, family: i32) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) if family == AF_INET => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V4(ip) if ip.is_unspecified() => [0; 16],
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

fn address(bytes: &[u8], family: i32) -> Option<IpAddr> {
    Some(match family {
        AF_INET => IpAddr::from(<[u8; 4]>::try_from(bytes.get(..4)?).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes.get(..16)?).ok()?).to_canonical(),
    })
}

impl Question {
    /// struct inet_diag_req_v2. EINVAL.
    pub(super) fn new(request: &Message<'_>) -> Result<Self> {
        let [family, protocol, extensions] = [0, 1, 2].map(|at| request.byte(at));
        let states = request.word(4);
        Self::of(request, (family, protocol, extensions), states, 8)
    }

    /// struct inet_diag_req: TCP, both families. EINVAL.
    pub(super) fn old(request: &Message<'_>) -> Result<Self> {
        Self::of(request, (0, IPPROTO_TCP as u8, request.byte(3)), request.word(52), 4)
    }

    fn of(request: &Message<'_>, told: (u8, u8, u8), states: u32, at: usize) -> Result<Self> {
        const REQ_BYTECODE: u16 = 1;
        const REQ_PROTOCOL: u16 = 3;
        let short = || Errno::EINVAL.with("the request is too short");
        // struct inet_diag_sockid: ports in network order, 16 bytes of each address, interface, cookie.
        let id = request.body.get(..REQUEST).and_then(|body| body.get(at..)).ok_or_else(short)?;
        let (family, protocol) = (i32::from(told.0), i32::from(told.1));
        let end = |port: usize, ip: usize| {
            let port = u16::from_be_bytes(id.get(port..port + 2)?.try_into().ok()?);
            Some(SocketAddr::new(address(id.get(ip..)?, family)?, port))
        };
        let (local, remote) = end(0, 4).zip(end(2, 20)).ok_or_else(short)?;
        let cookie = |at| u32_at(id, at).map(u64::from).ok_or_else(short);
        let cookie = cookie(40)? | cookie(44)? << 32;
        // A number that needs more than 8 bits (IPPROTO_MPTCP).
        let protocol = request.number(REQUEST, REQ_PROTOCOL)?.map_or(protocol, |wide| wide as i32);
        let bytecode = request.attribute(REQUEST, REQ_BYTECODE).map(Bytecode::new).transpose()?;
        let extensions = told.2.into();
        Ok(Self { family, protocol, extensions, states, local, remote, cookie, bytecode })
    }

    /// inet_diag_lock_handler. ENOENT: no sockets of this protocol are told of.
    pub(super) fn is_known(&self) -> Result<()> {
        match self.protocol {
            IPPROTO_TCP | IPPROTO_UDP | IPPROTO_UDPLITE | IPPROTO_RAW => Ok(()),
            _ => Err(Errno::ENOENT.because(Reason::WrongProtocol)),
        }
    }

    fn asks(&self, extension: u16) -> bool {
        self.extensions & 1 << (extension - 1) != 0
    }

    fn is_protocol(&self, row: &SocketRow) -> bool {
        match (row.kind, row.protocol) {
            (SOCK_RAW, _) => self.protocol == IPPROTO_RAW,
            (_, protocol) => protocol == self.protocol,
        }
    }

    /// The state that is told of it, and the bit by which it is asked for; `None`: the kernel's tables don't have it.
    fn state(row: &SocketRow) -> Option<(u8, u32)> {
        const SYN_RECEIVED: u32 = TcpState::SynReceived as u32;
        let bound = row.local.is_some_and(|local| local.port() != 0);
        match row.state {
            Some(TcpState::Closed) => bound.then_some((CLOSED, BOUND_INACTIVE)),
            Some(TcpState::SynReceived) => Some((SYN_RECEIVED as u8, SYN_RECEIVED)),
            Some(state) => Some((state as u8, state as u32)),
            None if row.remote.is_some() => Some((ESTABLISHED, ESTABLISHED.into())),
            None => (bound || row.kind == SOCK_RAW).then_some((CLOSED, CLOSED.into())),
        }
    }
}

/// The ends of a row: a raw socket's ports are its protocol and 0.
fn ends(row: &SocketRow) -> (SocketAddr, SocketAddr) {
    let any = || match row.domain {
        AF_INET => IpAddr::from([0; 4]),
        _ => IpAddr::from([0; 16]),
    };
    let end = |end: Option<SocketAddr>| end.unwrap_or_else(|| SocketAddr::new(any(), 0));
    let (mut local, mut remote) = (end(row.local), end(row.remote));
    if row.kind == SOCK_RAW {
        local.set_port(u16::try_from(row.protocol).unwrap_or(0));
        remote.set_port(0);
    }
    (local, remote)
}

impl Stack {
    /// The message of one socket; `None` if it is not meant.
    pub(super) fn inet_diag(
        &self,
        question: &Question,
        row: &SocketRow,
        entry: Option<&Entry>,
    ) -> Option<Draft> {
        let (state, bit) = Question::state(row)?;
        let family = question.family == 0 || question.family == row.domain;
        if !family || !question.is_protocol(row) || question.states & 1 << bit == 0 {
            return None;
        }
        let (local, remote) = ends(row);
        let port = |wanted: SocketAddr, own: SocketAddr| wanted.port() == 0 || wanted.port() == own.port();
        // inet_diag_dump_icsk looks at no port of those that are only bound.
        let ports = port(question.local, local) && port(question.remote, remote);
        if !ports && bit != BOUND_INACTIVE {
            return None;
        }
        let subject = Subject {
            family: row.domain,
            source: local,
            destination: remote,
            interface: row.device.map_or(0, |device| device.0),
            mark: entry.map_or(0, |entry| entry.options.mark),
            port_chosen: entry.is_some_and(|entry| entry.port_chosen),
        };
        let wanted = question.bytecode.as_ref().is_none_or(|bytecode| bytecode.wants(&subject));
        wanted.then(|| self.inet_message(question, row, entry, state))
    }

    fn inet_message(&self, question: &Question, row: &SocketRow, entry: Option<&Entry>, state: u8) -> Draft {
        let (local, remote) = ends(row);
        let timer = row.timer.unwrap_or_default();
        let mut head = vec![row.domain as u8, state, timer.kind, timer.tries];
        head.extend([local.port().to_be_bytes(), remote.port().to_be_bytes()].concat());
        head.extend(octets(local.ip(), row.domain));
        head.extend(octets(remote.ip(), row.domain));
        let cookie = row.socket.map_or(0, |id| id.0);
        let left = u32::try_from(timer.left.as_millis()).unwrap_or(u32::MAX);
        let queue = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        for word in [
            row.device.map_or(0, |device| device.0),
            cookie as u32,
            (cookie >> 32) as u32,
            left,
            queue(row.receive_queue),
            queue(row.send_queue),
            row.uid,
            row.inode,
        ] {
            head.extend(word.to_ne_bytes());
        }
        let message = Draft::new(SOCK_DIAG_BY_FAMILY, &head);
        match (row.socket, entry) {
            (Some(id), Some(entry)) => self.inet_attributes(question, message, Some(id), entry, state),
            // inet_twsk_diag_fill, inet_req_diag_fill.
            _ if matches!(row.state, Some(TcpState::TimeWait | TcpState::SynReceived)) => {
                message.number(MARK, 0)
            }
            // Not accepted yet, or closed by its program: as a new socket is.
            _ => {
                let options = Options::new(&self.net.config, row.domain, row.kind, row.protocol);
                let part = Part::Tcp(TcpSocket::Fresh);
                let entry = Entry::new(row.domain, row.kind, row.protocol, options, part);
                self.inet_attributes(question, message, None, &entry, state)
            }
        }
    }

    /// inet_diag_msg_attrs_fill, and what inet_sk_diag_fill puts behind it.
    fn inet_attributes(
        &self,
        question: &Question,
        message: Draft,
        id: Option<SocketId>,
        entry: &Entry,
        state: u8,
    ) -> Draft {
        let options = &entry.options;
        let shut = u8::from(entry.read_shut) | u8::from(entry.write_shut) << 1;
        let mut message = message.with(SHUTDOWN, &[shut]);
        if question.asks(TOS) {
            message = message.with(TOS, &[options.tos]);
        }
        if entry.domain == AF_INET6 {
            if question.asks(TCLASS) {
                message = message.with(TCLASS, &[options.tclass]);
            }
            if matches!(state, CLOSED) || state == TcpState::Listen as u8 {
                message = message.with(SKV6ONLY, &[options.v6only.into()]);
            }
        }
        message = message.number(MARK, options.mark);
        if question.asks(TCLASS) {
            message = message.number(CLASS_ID, options.priority as u32);
        }
        // struct inet_diag_sockopt: recverr, is_icsk, freebind, hdrincl, mc_loop, transparent, mc_all, nodefrag.
        let tcp = entry.kind == SOCK_STREAM;
        let bits = [options.recv_error, tcp, options.freebind, false, options.multicast_loop, false];
        let bits = bits.into_iter().chain([options.multicast_all]);
        let bits = bits.enumerate().fold(0_u8, |all, (n, bit)| all | u8::from(bit) << n);
        message = message.with(SOCKOPT, &[bits, 0]);
        let memory = self.memory(id, entry);
        if question.asks(MEMINFO) {
            let words = [0, 20, 16, 8].map(|at| u32_at(&memory, at).unwrap_or(0).to_ne_bytes());
            message = message.with(MEMINFO, &words.concat());
        }
        if question.asks(SKMEMINFO) {
            message = message.with(SKMEMINFO, &memory);
        }
        if entry.kind == SOCK_RAW {
            message = message.with(PROTOCOL, &[entry.protocol as u8]);
        }
        if !tcp || state == CLOSED {
            return message;
        }
        if question.asks(INFO)
            && let Some(Ok(info)) = id.map(|id| self.tcp_info(id))
        {
            message = message.with(INFO, &info);
        }
        if question.asks(CONG) { message.string(CONG, options.congestion) } else { message }
    }

    /// The one socket that a request names by its ends and its cookie (inet_diag_find_one_icsk, udp_dump_one). ENOENT.
    pub(super) fn inet_named(&self, question: &Question, destroy: bool) -> Result<(SocketId, SocketRow)> {
        question.is_known()?;
        // "src and dst are swapped for historical reasons", of datagrams that are shown alone.
        let swapped = !destroy && matches!(question.protocol, IPPROTO_UDP | IPPROTO_UDPLITE);
        let (local, remote) =
            if swapped { (question.remote, question.local) } else { (question.local, question.remote) };
        let known = |wanted: SocketAddr, own: SocketAddr| {
            wanted.port() == own.port()
                && (wanted.ip() == own.ip().to_canonical() || own.ip().is_unspecified())
        };
        let found = self.sockets.iter().filter_map(|(id, entry)| {
            let row = self.socket_row(id, entry);
            let (own, peer) = ends(&row);
            let open = row.remote.is_none();
            let meant = question.is_protocol(&row)
                && Question::state(&row).is_some_and(|(_, bit)| bit != BOUND_INACTIVE)
                && (row.domain == question.family || row.domain == AF_INET6 && !row.v6only)
                && known(local, own)
                && (open || known(remote, peer));
            meant.then_some((open, id, row))
        });
        // A connection before a socket that takes everybody's.
        let (_, id, row) =
            found.min_by_key(|(open, id, _)| (*open, *id)).ok_or(Errno::ENOENT.because(Reason::NoData))?;
        // INET_DIAG_NOCOOKIE.
        if question.cookie != u64::MAX && question.cookie != id.0 {
            return Err(Errno::ENOENT.because(Reason::NoData));
        }
        Ok((id, row))
    }

    /// The message of one socket that was named, whatever its state.
    pub(super) fn inet_one(&self, question: &Question) -> Result<Draft> {
        let (id, row) = self.inet_named(question, false)?;
        let (state, _) = Question::state(&row).ok_or(Errno::ENOENT.because(Reason::NoData))?;
        Ok(self.inet_message(question, &row, self.sockets.get(id).ok(), state))
    }

    /// SOCK_DESTROY: tcp_abort, udp_abort. The program finds ECONNABORTED; a peer is told by RST.
    pub(super) fn inet_destroy(&mut self, question: &Question) -> Result<()> {
        let (id, row) = self.inet_named(question, true)?;
        match (row.kind, row.state) {
            (SOCK_RAW, _) => Err(Errno::EOPNOTSUPP.because(Reason::WrongKind)),
            (SOCK_STREAM, _) => self.tcp_abort(id),
            _ => {
                self.connect(id, crate::base::SockAddr::Unspec)?;
                self.set_pending_error(id, Errno::ECONNABORTED.because(Reason::UdpDestroyed));
                Ok(())
            }
        }
    }
}
