//! The abstract names of AF_UNIX sockets around a host.
//!
//! The descriptor that a program has of a socket bears a name that says which socket it is; the kernel keeps it through dup(2),
//! fork(2), exec(2) and SCM_RIGHTS, so nobody has to follow descriptors around. A datagram's sender bears a name that says
//! everything about the datagram that is not its payload: it travels with it, atomically.
//!
//! ```text
//!   "sockatoo" nonce 's' socket    the program's descriptor
//!   "sockatoo" nonce 'x'           the host's listener, to which descriptors of connections are connected
//!   "sockatoo" nonce 'c' socket    the host's end of a connection that came out of accept(2), or whose descriptor was replaced
//!   "sockatoo" nonce 'p' socket    the host's end of a connected datagram socket
//!   "sockatoo" nonce 'd' facts     the sender of a datagram
//!   "sockatoo" nonce 'e'           the sender of what says only that the socket has an error, where nothing else could wake a program
//! ```
//!
//! A connected descriptor hears only `p`. Of a datagram with control messages, or of somebody else than its peer (packet sockets,
//! which are connected from birth), a descriptor named `d` comes along by SCM_RIGHTS; a native recv(2) drops it.

use std::os::fd::BorrowedFd;

use serde::{Deserialize, Serialize};

use crate::base::constants::MSG_CTRUNC;
use crate::base::{ControlMessage, SockAddr, SocketId};
use crate::sys::unix::{self, NAME_MAX};

/// What makes the names of one host its own, and not to be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Nonce(pub(crate) [u8; 12]);

/// Who an AF_UNIX socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Socket(SocketId),
    Channels,
    Connection(SocketId),
    Peer(SocketId),
    Datagram(Sender),
    Errors,
}

/// What is known of a datagram beside its payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sender {
    pub(crate) address: SockAddr,
    /// MSG_* that recvmsg(2) tells of it.
    pub(crate) flags: i32,
    pub(crate) control: Vec<ControlMessage>,
}

const PREFIX: &[u8] = b"sockatoo";

impl Name {
    /// The name's bytes. Of a datagram, control messages that there is no room for are left out, the last ones first, and MSG_CTRUNC
    /// says so.
    pub(crate) fn encode(&self, nonce: Nonce) -> Vec<u8> {
        let mut bytes = [PREFIX, &nonce.0].concat();
        match self {
            Self::Socket(id) => tagged(&mut bytes, b's', *id),
            Self::Channels => bytes.push(b'x'),
            Self::Errors => bytes.push(b'e'),
            Self::Connection(id) => tagged(&mut bytes, b'c', *id),
            Self::Peer(id) => tagged(&mut bytes, b'p', *id),
            Self::Datagram(sender) => {
                bytes.push(b'd');
                let mut sender = sender.clone();
                loop {
                    // A struct of plain values: it has a form.
                    let form = postcard::to_stdvec(&sender).unwrap_or_default();
                    if bytes.len() + form.len() <= NAME_MAX || sender.control.pop().is_none() {
                        bytes.extend(form);
                        break;
                    }
                    sender.flags |= MSG_CTRUNC;
                }
            }
        }
        bytes
    }

    /// The name that these bytes are; `None` for others' names.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(Nonce, Self)> {
        let (nonce, rest) = bytes.strip_prefix(PREFIX)?.split_first_chunk()?;
        let (tag, rest) = rest.split_first()?;
        let id = || Some(SocketId(u64::from_le_bytes(rest.try_into().ok()?)));
        let name = match tag {
            b's' => Self::Socket(id()?),
            b'x' if rest.is_empty() => Self::Channels,
            b'e' if rest.is_empty() => Self::Errors,
            b'c' => Self::Connection(id()?),
            b'p' => Self::Peer(id()?),
            b'd' => Self::Datagram(postcard::from_bytes(rest).ok()?),
            _ => return None,
        };
        Some((Nonce(*nonce), name))
    }
}

fn tagged(bytes: &mut Vec<u8>, tag: u8, id: SocketId) {
    bytes.push(tag);
    bytes.extend(id.0.to_le_bytes());
}

/// The socket that a descriptor is of: `None` for all others, AF_UNIX or not.
pub(crate) fn identify(fd: BorrowedFd<'_>) -> Option<(Nonce, SocketId)> {
    let own = match unix::name(fd).ok()? {
        Some(name) => match Name::decode(&name)? {
            (nonce, Name::Socket(id)) => Some((nonce, id)),
            _ => return None,
        },
        None => None,
    };
    // What accept(2) made bears its listener's name; its peer's tells which connection it is. So does that of a descriptor which
    // took another's place, and has no name of its own.
    match unix::peer_name(fd).ok().flatten().and_then(|name| Name::decode(&name)) {
        Some((nonce, Name::Connection(id))) if own.is_none_or(|(own, _)| own == nonce) => Some((nonce, id)),
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::constants::MSG_CONFIRM;
    use std::time::Duration;

    #[test]
    fn a_name_comes_back_as_it_was_and_fits() {
        let nonce = Nonce(*b"0123456789ab");
        let sender = Sender {
            address: ("2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap(), 65535).into(),
            flags: MSG_CONFIRM,
            control: vec![
                ControlMessage::TimestampNs(Duration::from_nanos(1_800_000_000_123_456_789)),
                ControlMessage::Ttl(255),
                ControlMessage::Tos(255),
                ControlMessage::PacketInfo {
                    interface: 2,
                    local: "2001:db8::2".parse().unwrap(),
                    destination: "2001:db8::2".parse().unwrap(),
                },
            ],
        };
        for name in [Name::Socket(SocketId(u64::MAX)), Name::Channels, Name::Datagram(sender)] {
            let bytes = name.encode(nonce);
            assert!(bytes.len() <= NAME_MAX, "{}", bytes.len());
            assert_eq!(Name::decode(&bytes), Some((nonce, name)));
        }
        assert_eq!(Name::decode(b"sockatoo"), None);
    }
}
