//! What is said to a host in another process, and its form on the unix socket: SOCK_SEQPACKET, one message in postcard's form
//! for each request and each response; descriptors come beside it (SCM_RIGHTS).
//!
//! A client may have many requests under way; responses come in any order, each with its request's tag. The first request is
//! [`Ask::Hello`]. What a client has made and not closed is closed when its connection ends.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(crate) use crate::base::verb::Patience;
use crate::base::verb::{Answer, Verb};
use crate::base::{Errno, Error, Result, SockAddr, SocketId};
use crate::driver::{Census, Interface};
use crate::sys::unix;

use super::Nonce;

/// Both sides must be of the same build: the words of `base/` travel as their numbers.
pub(crate) const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "/3");

/// The longest message, in bytes: what the kernel's usual send buffer takes at once.
pub(crate) const LONGEST: usize = 160 * 1024;

/// One message to a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Comes back with the response.
    pub(crate) tag: u32,
    pub(crate) ask: Ask,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Who are you? Answers [`Reply::Welcome`]. EPROTO if the versions differ.
    Hello { version: String },
    /// The host ends. The answer comes at once; the connection ends with the host's process. Needs no Hello, and has the same form in
    /// every version.
    Down,
    /// A verb; where it would answer EAGAIN, or a connect EINPROGRESS, it waits as long as `patience` says. Connect then answers
    /// the connection's outcome. Answers [`Reply::Answer`].
    Do { verb: Verb, patience: Patience },
    /// The request of this tag is answered EINTR if it still waits. Has no answer of its own.
    Cancel(u32),
    /// What a program's own descriptor needs.
    Native(Native),
    /// The descriptor that poll(2) can wait on for a socket: [`Reply::Answer`] with [`Answer::Done`] and one descriptor.
    Readiness(SocketId),
    /// Names that the host knows: DNS servers, the hosts table. Answers [`Reply::Names`].
    Names,
    /// A packet socket of the kernel's that hears and sends what this one of ours would, for tools that map packet rings:
    /// [`Reply::Answer`] with [`Answer::Done`] and one descriptor, bound as ours is. EPERM without the rights to make it.
    Mirror(SocketId),
    /// What there is now. Answers [`Reply::Status`].
    Status,
    /// The client ends as it should: what its programs have sent still arrives, and their connections end by themselves. A
    /// connection that ends without this word was a client's that was killed: its programs' connections are reset.
    Goodbye,
    /// The host stays until [`Ask::Down`], whoever started it.
    Stay,
}

/// What a program's own descriptor needs. A descriptor that is spoken of comes along, borrowed: an AF_UNIX socket that was made
/// by [`Native::Socket`], or that accept(2) made of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Native {
    /// socket(2). Answers [`Answer::Socket`] and one descriptor, which the program shall have. The socket lives as long as any
    /// copy of the descriptor, and at most as long as the connection on which it was asked for.
    Socket { domain: i32, kind: i32, protocol: i32 },
    /// connect(2). `nonblocking`: the descriptor is connected at once and not writable until the connection stands, and the answer
    /// is EINPROGRESS; else it is touched only when the connection stands. Datagram sockets: the program's own sends and
    /// receives go through the descriptor from now on. A descriptor that comes with the answer takes the place of the program's
    /// (its connection had failed); if it does not block, the call then says EINPROGRESS.
    Connect { socket: SocketId, address: SockAddr, nonblocking: bool, patience: Patience },
    /// listen(2): connections come out of the descriptor by accept(2).
    Listen { socket: SocketId, backlog: i32 },
    /// shutdown(2).
    Shutdown { socket: SocketId, how: i32 },
    /// SIOCOUTQ: bytes that the peer has not acknowledged, those that still wait in the descriptor included.
    Unsent(SocketId),
    /// Answers [`Answer::Errands`] when connections have failed that no program can see failed, because
    /// nothing that it sent is unread: then a byte is to be sent through each one's descriptor by whoever may borrow it. Asking
    /// again says that this is done, and of which sockets a descriptor was found.
    Errands { found: Vec<SocketId> },
    /// accept(2) of a connection that had failed while it waited: its peer's address all the same. Something was sent through its
    /// descriptor, as for an errand.
    Accepted(SocketId),
    /// What told a program of errors of a datagram socket has been read. `again`: it shall be told of those that are left; else of
    /// those that come.
    Told { socket: SocketId, again: bool },
    /// Sockets are about to be listed: the files that programs have of them get their numbers ([`SocketRow::inode`]).
    ///
    /// [`SocketRow::inode`]: crate::base::SocketRow::inode
    Inodes,
    /// A process has ended: sockets whose last descriptor went with it are closed now, not at the next look.
    Sweep,
}

/// One message from a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Response {
    pub(crate) tag: u32,
    pub(crate) result: Result<Reply>,
}

/// What a request gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    Welcome(HostFacts),
    Answer(Answer),
    Names { dns: Vec<std::net::SocketAddr>, hosts: String },
    Status(Status),
}

/// How a host is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) census: Census,
    pub(crate) interfaces: Vec<Interface>,
    /// Processes that speak with it, the one that asks included.
    pub(crate) clients: usize,
    /// A device is busy, and frames wait for it.
    pub(crate) congested: bool,
}

/// What is to be known of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostFacts {
    pub(crate) name: String,
    /// What gethostname(2) says there.
    pub(crate) hostname: String,
    pub(crate) pid: u32,
    /// The flags that made it, as they would be typed: `--tap sk0 --addr 192.0.2.2/24`.
    pub(crate) flags: Vec<String>,
    /// It was made by `up`, and ends by `down` alone.
    pub(crate) stays: bool,
    /// CLOCK_MONOTONIC, in nanoseconds, at the beginning of the host's clock.
    pub(crate) clock: u64,
    /// The wall clock then, since 1970.
    pub(crate) epoch: Duration,
    /// The beginning of its descriptors' names.
    pub(crate) nonce: Nonce,
    /// SO_NETNS_COOKIE of its sockets.
    pub(crate) cookie: u64,
}

/// A message's form. EMSGSIZE.
pub(crate) fn encode(message: &impl Serialize) -> Result<Vec<u8>> {
    let bytes = postcard::to_stdvec(message).map_err(|e| Errno::EPROTO.with(e.to_string()))?;
    if bytes.len() > LONGEST {
        return Err(Errno::EMSGSIZE.with("the request is too long for one message to the host"));
    }
    Ok(bytes)
}

/// A message of that form. EPROTO for anything else.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let (message, rest) = postcard::take_from_bytes(bytes).map_err(|e| Errno::EPROTO.with(e.to_string()))?;
    if rest.is_empty() { Ok(message) } else { Err(Errno::EPROTO.with("bytes behind the message")) }
}

/// Sends one message. EAGAIN (MSG_DONTWAIT in `flags`), EPIPE.
pub(crate) fn send(fd: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>], flags: i32) -> Result<()> {
    unix::send_with(fd, bytes, fds, flags).map(drop).map_err(Error::from)
}

/// Receives one message; `None` at the end. EAGAIN (MSG_DONTWAIT in `flags`), EINTR, EPROTO.
pub(crate) fn receive<T: DeserializeOwned>(
    fd: BorrowedFd<'_>,
    buffer: &mut Vec<u8>,
    flags: i32,
) -> Result<Option<(T, Vec<OwnedFd>)>> {
    buffer.resize(LONGEST, 0);
    let received = unix::receive(fd, buffer, flags)?;
    if received.len == 0 {
        return Ok(None);
    }
    let message = decode(buffer.get(..received.len).unwrap_or_default())?;
    Ok(Some((message, received.fds)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Reason;

    #[test]
    fn a_request_and_its_response_come_back_as_they_were() {
        let ask = Ask::Do {
            // With its scope.
            verb: Verb::Bind(
                SocketId(7),
                std::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 80, 1, 2).into(),
            ),
            patience: Patience::For(Duration::from_millis(20)),
        };
        let request = Request { tag: 9, ask };
        assert_eq!(decode::<Request>(&encode(&request).unwrap()).unwrap(), request);
        let error = Errno::EADDRINUSE.because(Reason::Said).detail("port 80");
        let response = Response { tag: 9, result: Err(error) };
        assert_eq!(decode::<Response>(&encode(&response).unwrap()).unwrap(), response);
        assert_eq!(decode::<Request>(b"\xff\xff\xff").unwrap_err().errno(), Errno::EPROTO);
    }
}
