//! AF_UNIX. Paths are those of a directory of the case's own (of the kernel's arm), and plain names to us.

mod datagram;
mod names;
mod rights;
mod seqpacket;
mod stream;
mod urgent;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use sockatoo::UnixAddr;
use sockatoo::base::constants::*;
use sockatoo::base::{ControlMessage, Credentials, SocketId};

use crate::arm::Fd;
use crate::dialogue::Dialogue;

/// A directory that its thread works in, and that goes away with it.
pub struct Directory(PathBuf);

impl Directory {
    pub fn enter() -> io::Result<Self> {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sockatoo-parity-{}-{number}", std::process::id()));
        std::fs::create_dir(&path)?;
        std::env::set_current_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The same message with its sockets' other numbers.
pub fn with_sockets(message: &ControlMessage, mut number: impl FnMut(u64) -> u64) -> ControlMessage {
    match message {
        ControlMessage::Rights(all) => {
            ControlMessage::Rights(all.iter().map(|id| SocketId(number(id.0))).collect())
        }
        other => other.clone(),
    }
}

/// SCM_RIGHTS and SCM_CREDENTIALS, and their data.
pub fn encode(message: &ControlMessage) -> (i32, Vec<u8>) {
    match message {
        ControlMessage::Rights(all) => (1, all.iter().flat_map(|id| (id.0 as i32).to_ne_bytes()).collect()),
        ControlMessage::Credentials(it) => {
            (2, [it.pid as u32, it.uid, it.gid].iter().flat_map(|word| word.to_ne_bytes()).collect())
        }
        other => panic!("a case sends {other:?}"),
    }
}

pub fn decode(kind: i32, data: &[u8]) -> Option<ControlMessage> {
    let words: Vec<u32> =
        data.chunks_exact(4).map(|word| u32::from_ne_bytes(word.try_into().expect("4 bytes"))).collect();
    Some(match (kind, words.as_slice()) {
        (1, _) => ControlMessage::Rights(words.iter().map(|fd| SocketId(u64::from(*fd))).collect()),
        (_, [pid, uid, gid]) => {
            ControlMessage::Credentials(Credentials { pid: *pid as i32, uid: *uid, gid: *gid })
        }
        _ => return None,
    })
}

fn credentials_text(it: &Credentials) -> String {
    let own = it.pid == std::process::id() as i32;
    let pid = if own { "own".into() } else { it.pid.to_string() };
    format!("pid {pid} uid {} gid {}", it.uid as i32, it.gid as i32)
}

pub fn control_text(message: &ControlMessage) -> String {
    match message {
        ControlMessage::Rights(all) => {
            let all: Vec<_> = all.iter().map(|id| Dialogue::who(Fd(id.0 as usize))).collect();
            format!("RIGHTS {}", all.join(" "))
        }
        ControlMessage::Credentials(it) => format!("CREDENTIALS {}", credentials_text(it)),
        other => format!("{other:?}"),
    }
}

/// A name in the case's directory.
fn path(name: &str) -> UnixAddr {
    UnixAddr::from_pathname(name).expect("a path")
}

/// An abstract name.
fn hidden(name: &str) -> UnixAddr {
    UnixAddr::from_abstract_name(name).expect("a name")
}

fn carrying(sockets: &[Fd]) -> ControlMessage {
    ControlMessage::Rights(sockets.iter().map(|fd| SocketId(fd.0 as u64)).collect())
}

impl Dialogue {
    /// Names that autobind gives become `@auto1`, `@auto2` ...
    pub(crate) fn show_name(&mut self, name: &UnixAddr) -> String {
        let given =
            name.as_abstract_name().is_some_and(|n| n.len() == 5 && n.iter().all(u8::is_ascii_hexdigit));
        if !given {
            return format!("{name}");
        }
        let at = self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(*name);
            self.names.len() - 1
        });
        format!("@auto{}", at + 1)
    }

    fn unix(&mut self, kind: i32) -> Fd {
        self.socket(AF_UNIX, kind, 0)
    }

    fn couple(&mut self, kind: i32) -> (Fd, Fd) {
        self.pair_of(AF_UNIX, kind, 0)
    }

    fn pair_of(&mut self, domain: i32, kind: i32, protocol: i32) -> (Fd, Fd) {
        let result = self.arm.socketpair(domain, kind, protocol);
        let text = match result {
            Ok((one, other)) => format!("{} {}", Self::who(one), Self::who(other)),
            Err(number) => sockatoo::base::Errno(number).name().into(),
        };
        self.note(format!("socketpair({domain}, {kind:#x}, {protocol}) = {text}"));
        result.unwrap_or((Fd(usize::MAX), Fd(usize::MAX)))
    }

    /// A listener of this name.
    fn server(&mut self, kind: i32, name: UnixAddr, backlog: i32) -> Fd {
        let server = self.unix(kind);
        self.bind(server, name);
        self.listen(server, backlog);
        server
    }

    /// A client and what accept made of it.
    fn meet(&mut self, kind: i32, server: Fd, name: UnixAddr) -> (Fd, Fd) {
        let client = self.unix(kind);
        self.connect(client, name);
        (client, self.accept(server))
    }

    fn peercred(&mut self, fd: Fd) {
        let text = match self.arm.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, 12) {
            Ok(bytes) => match decode(2, &bytes) {
                Some(ControlMessage::Credentials(it)) => credentials_text(&it),
                _ => format!("{bytes:?}"),
            },
            Err(number) => sockatoo::base::Errno(number).name().into(),
        };
        self.note(format!("{}.SO_PEERCRED = {text}", Self::who(fd)));
    }
}
