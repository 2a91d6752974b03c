//! NETLINK_SOCK_DIAG (sock_diag(7)): the host's sockets as `ss` asks for them.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | which request asks for which sockets; packet and netlink sockets as messages |
//! | `inet.rs` | AF_INET and AF_INET6: TCP, UDP, raw; SOCK_DESTROY |
//! | `bytecode.rs` | the filter that comes along with a request |

mod bytecode;
mod inet;

use crate::base::constants::{AF_INET, AF_INET6, AF_NETLINK, AF_PACKET};
use crate::base::netlink::{Draft, Message, NLM_F_DUMP};
use crate::base::verb::SocketRow;
use crate::base::{Errno, Reason, Result, SocketId};
use crate::stack::Stack;
use crate::stack::table::{Entry, Part};

pub(super) const TCPDIAG_GETSOCK: u16 = 18;
pub(super) const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;

/// Whose sockets are asked for.
#[derive(Clone, Debug)]
pub(super) enum Question {
    Inet(inet::Question),
    /// PACKET_SHOW_*.
    Packet(u32),
    /// NETLINK_*, and NDIAG_SHOW_*.
    Netlink(u8, u32),
}

/// What may be a row of an answer.
pub(super) enum Candidate {
    Socket(SocketId),
    /// A connection without a socket.
    Bare(Box<SocketRow>),
}

/// True if all of them are asked for, not one by its name: any bit of NLM_F_DUMP means so.
pub(super) fn is_dump(request: &Message<'_>) -> bool {
    matches!(request.kind, SOCK_DIAG_BY_FAMILY | TCPDIAG_GETSOCK) && request.flags & NLM_F_DUMP != 0
}

/// sock_diag_rcv_msg. EINVAL, ENOENT, EOPNOTSUPP.
pub(super) fn question(request: &Message<'_>) -> Result<Question> {
    /// AF_MAX.
    const FAMILIES: i32 = 46;
    /// MAX_LINKS.
    const PROTOCOLS: u8 = 32;
    let at_least = |len: usize| match request.body.len() {
        there if there < len => Err(Errno::EINVAL.with("the request is too short")),
        _ => Ok(()),
    };
    let refused = || Errno::EINVAL.because(Reason::WrongProtocol);
    match request.kind {
        TCPDIAG_GETSOCK => return inet::Question::old(request).map(Question::Inet),
        SOCK_DIAG_BY_FAMILY | SOCK_DESTROY => at_least(2)?,
        _ => return Err(refused()),
    }
    let (family, protocol) = (i32::from(request.byte(0)), request.byte(1));
    match family {
        AF_INET | AF_INET6 => inet::Question::new(request).map(Question::Inet),
        AF_PACKET => {
            at_least(20)?;
            // "Make it possible to support protocol filtering later".
            if protocol == 0 { Ok(Question::Packet(request.word(8))) } else { Err(refused()) }
        }
        AF_NETLINK => {
            at_least(20)?;
            // 255 is NDIAG_PROTO_ALL.
            match protocol {
                PROTOCOLS..=254 => Err(Errno::ENOENT.because(Reason::WrongProtocol)),
                _ => Ok(Question::Netlink(protocol, request.word(8))),
            }
        }
        FAMILIES.. => Err(Errno::EINVAL.because(Reason::WrongFamily)),
        // AF_UNIX among them: `ss` reads /proc/net/unix then.
        _ => Err(Errno::ENOENT.because(Reason::WrongFamily)),
    }
}

impl Question {
    /// What the end of the answer says: 0, or ENOENT as a negative number.
    pub(super) fn end(&self) -> i32 {
        match self {
            Self::Inet(question) => question.is_known().map_or_else(|error| -error.errno().0, |()| 0),
            _ => 0,
        }
    }
}

impl Stack {
    /// All that may be meant, in a lasting order: by numbers, then by ends.
    pub(super) fn diag_candidates(&self, question: &Question) -> Vec<Candidate> {
        let mut ids: Vec<SocketId> = self.sockets.iter().map(|(id, _)| id).collect();
        ids.sort_unstable();
        let mut all: Vec<_> = ids.into_iter().map(Candidate::Socket).collect();
        if matches!(question, Question::Inet(_)) {
            let bare = self.tcp.rows_without_socket(&self.sockets, self.net.now);
            all.extend(bare.into_iter().map(|row| Candidate::Bare(Box::new(row))));
        }
        all
    }

    /// The message of one of them; `None` if it is not meant.
    pub(super) fn diag_message(&self, question: &Question, candidate: &Candidate) -> Option<Draft> {
        let (id, entry) = match candidate {
            Candidate::Bare(row) => {
                let Question::Inet(question) = question else { return None };
                return self.inet_diag(question, row, None);
            }
            Candidate::Socket(id) => (*id, self.sockets.get(*id).ok()?),
        };
        match (question, &entry.protocol_part) {
            (Question::Inet(_), Part::Packet(_) | Part::Netlink(_)) => None,
            (Question::Inet(question), _) => {
                self.inet_diag(question, &self.socket_row(id, entry), Some(entry))
            }
            (Question::Packet(show), Part::Packet(_)) => Some(self.packet_message(*show, id, entry)),
            (Question::Netlink(protocol, show), Part::Netlink(_)) => {
                let meant = *protocol == u8::MAX || i32::from(*protocol) == entry.protocol;
                meant.then(|| self.netlink_message(*show, id, entry))
            }
            _ => None,
        }
    }

    /// A request that names one socket. ENOENT, EOPNOTSUPP.
    pub(super) fn diag_one(&mut self, request: &Message<'_>) -> Result<Option<Draft>> {
        match (question(request)?, request.kind) {
            (Question::Inet(question), SOCK_DESTROY) => self.inet_destroy(&question).map(|()| None),
            (Question::Inet(question), _) => self.inet_one(&question).map(Some),
            _ => Err(Errno::EOPNOTSUPP.because(Reason::WrongKind)),
        }
    }

    /// struct packet_diag_msg (sk_diag_fill of net/packet/diag.c).
    fn packet_message(&self, show: u32, id: SocketId, entry: &Entry) -> Draft {
        const SHOW_INFO: u32 = 1;
        const SHOW_MCLIST: u32 = 2;
        const SHOW_MEMINFO: u32 = 0x10;
        const SHOW_FILTER: u32 = 0x20;
        let row = self.socket_row(id, entry);
        let mut head = vec![AF_PACKET as u8, row.kind as u8];
        head.extend((row.protocol as u16).to_ne_bytes());
        head.extend([row.inode, id.0 as u32, (id.0 >> 32) as u32].map(u32::to_ne_bytes).concat());
        let mut message = Draft::new(SOCK_DIAG_BY_FAMILY, &head);
        if show & SHOW_INFO != 0 {
            // struct packet_diag_info: index, version, reserve, copy threshold, time stamp, flags.
            let index = row.device.map_or(0, |device| device.0);
            // PDI_RUNNING, PDI_AUXDATA.
            let flags = u32::from(row.protocol != 0) | u32::from(entry.options.packet_auxdata) << 1;
            let words = [index, 0, 0, 0, 0, flags];
            message = message.with(0, &words.map(u32::to_ne_bytes).concat()).number(5, row.uid);
        }
        if show & SHOW_MCLIST != 0 {
            message = message.with(1, &[]);
        }
        if show & SHOW_MEMINFO != 0 {
            message = message.with(6, &self.memory(Some(id), entry));
        }
        match &entry.filter {
            Some(filter) if show & SHOW_FILTER != 0 => message.with(7, &filter.to_bytes()),
            _ => message,
        }
    }

    /// struct netlink_diag_msg (sk_diag_fill of net/netlink/diag.c).
    fn netlink_message(&self, show: u32, id: SocketId, entry: &Entry) -> Draft {
        const SHOW_MEMINFO: u32 = 1;
        const SHOW_GROUPS: u32 = 2;
        const SHOW_FLAGS: u32 = 8;
        /// NETLINK_UNCONNECTED is SS_CLOSE.
        const CLOSE: u8 = 7;
        let (port, groups, asking) = entry
            .netlink()
            .map_or((0, 0, false), |netlink| (netlink.port, netlink.groups, netlink.dump.is_some()));
        let mut head = vec![AF_NETLINK as u8, entry.kind as u8, entry.protocol as u8, CLOSE];
        let words = [port, 0, 0, entry.shown_inode(id), id.0 as u32, (id.0 >> 32) as u32];
        head.extend(words.map(u32::to_ne_bytes).concat());
        let mut message = Draft::new(SOCK_DIAG_BY_FAMILY, &head);
        if show & SHOW_GROUPS != 0 && groups != 0 {
            message = message.with(1, &groups.to_ne_bytes());
        }
        if show & SHOW_MEMINFO != 0 {
            message = message.with(0, &self.memory(Some(id), entry));
        }
        if show & SHOW_FLAGS != 0 {
            // NDIAG_FLAG_CB_RUNNING, NDIAG_FLAG_CAP_ACK.
            let flags = u32::from(asking) | u32::from(entry.options.netlink_cap_ack) << 5;
            message = message.number(4, flags);
        }
        message
    }
}
