//! The event loop: stopped calls come, verdicts go.

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::calls;
use super::proc_sys::Opened;
use super::trap::{Borrowed, Trap, Verdict};
use super::waits::Waits;
use crate::base::constants::{POLLIN, SO_DOMAIN, SO_TYPE, SOL_SOCKET};
use crate::base::verb::{Answer, InterfaceRow, NeighbourRow, RouteRow, SocketRow, Verb, listing};
use crate::base::{Errno, Reason, Result, SocketId};
use crate::socket::remote::connection::unexpected;
use crate::socket::remote::{Ask, Connection, Native, Patience, Reply, names};
use crate::sys::epoll::{Epoll, Ready};
use crate::sys::seccomp::{self, NATIVE};
use crate::sys::{descriptor, pidfd};

/// A program's family of processes, and the host that they are guests of.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(super) host: Connection,
    /// Ports below 1024 and raw sockets need the privilege that they need on Linux.
    pub(super) strict: bool,
    listener: OwnedFd,
    pub(super) epoll: Epoll,
    pub(super) waits: Waits,
    host_ended: bool,
    /// Some socket was told TCP_INQ.
    pub(super) asks_inq: bool,
    /// The request by which the host tells its errands.
    pub(super) errands: Option<u32>,
    /// What the user is to be told next, and what has been told: each once.
    saying: Option<&'static str>,
    said: Vec<&'static str>,
    /// Files of /proc/sys/net that programs have open for writing.
    pub(super) settings: Vec<Opened>,
}

/// What the supervisor learns beside the stopped calls.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// A descriptor of [`Guest::watch`] is ready.
    Ready(u64),
    /// Nobody runs under the filter any more.
    Empty,
    /// To be told to the user.
    Say(&'static str),
}

const LISTENER: u64 = 0;
const HOST: u64 = 1;
/// [`Guest::hear_settings`]'s.
pub(super) const SETTINGS: u64 = 15;

const HOST_ENDED: &str = "the host has ended, and the program's sockets with it";
const NARROW_PROGRAM: &str =
    "a 32-bit program asks for sockets: its calls can't be taken; use the 64-bit program";
const UNTOUCHABLE: &str = "a program lets no other process look into it (PR_SET_DUMPABLE): its sockets don't work so; as root they do";

/// True if the host has a CAN interface of its own.
pub(super) fn has_can(host: &Connection) -> bool {
    host.facts().flags.iter().any(|flag| flag.starts_with("--can="))
}

impl Guest {
    /// Answers the calls that stop at `listener`.
    pub(super) fn new(host: Connection, listener: OwnedFd, strict: bool) -> Result<Self> {
        let epoll = Epoll::new()?;
        epoll.add(listener.as_fd(), LISTENER, POLLIN)?;
        epoll.add(host.as_fd(), HOST, POLLIN)?;
        // Linux 6.6; without it calls take a little longer.
        let _ = seccomp::wake_in_place(listener.as_fd());
        let mut guest = Self {
            host,
            strict,
            listener,
            epoll,
            waits: Waits::new(),
            host_ended: false,
            asks_inq: false,
            errands: None,
            saying: None,
            said: Vec::new(),
            settings: Vec::new(),
        };
        guest.wait_for_errands(Vec::new());
        Ok(guest)
    }

    /// Waits for a descriptor of somebody else's too; `token` from 2 to 14, or [`SETTINGS`].
    pub(super) fn watch(&self, fd: BorrowedFd<'_>, token: u64) -> Result<()> {
        Ok(self.epoll.add(fd, token, POLLIN)?)
    }

    /// No more of that.
    pub(super) fn unwatch(&self, fd: BorrowedFd<'_>) {
        let _ = self.epoll.remove(fd);
    }

    /// Serves until something else is to be known.
    pub(super) fn serve(&mut self) -> Result<Vec<News>> {
        let (mut ready, mut news) = (Vec::new(), Vec::new());
        while news.is_empty() {
            self.epoll.wait(&mut ready, self.waits.next())?;
            for Ready { token, events } in ready.drain(..) {
                match token {
                    LISTENER if events & POLLIN != 0 => news.extend(self.calls()),
                    LISTENER => {
                        self.unwatch(self.listener.as_fd());
                        news.push(News::Empty);
                    }
                    HOST => {}
                    SETTINGS => self.hear_settings(),
                    token if token > Waits::TOKEN => self.wait_is_ready(token),
                    token => news.push(News::Ready(token)),
                }
                if token == HOST || self.waits.is_for_host() || self.host.has_early() {
                    news.extend(self.hear());
                }
            }
            self.look_at_waits();
        }
        Ok(news)
    }

    /// What the host has answered; also what came early, while another answer was waited for.
    fn hear(&mut self) -> Option<News> {
        if self.host_ended {
            return None;
        }
        loop {
            match self.host.finished() {
                Ok(Some((response, _))) if Some(response.tag) == self.errands => self.run_errands(response),
                Ok(Some((response, fds))) => self.wait_is_answered(response, fds),
                Ok(None) => return None,
                Err(_) => {
                    self.host_ended = true;
                    self.unwatch(self.host.as_fd());
                    self.waits_are_over();
                    return Some(News::Say(HOST_ENDED));
                }
            }
        }
    }

    fn calls(&mut self) -> Option<News> {
        // ENOENT: its thread was killed.
        let Ok(told) = seccomp::receive(self.listener.as_fd()) else { return None };
        let trap = Trap::new(self.listener.as_raw_fd(), &told);
        if told.arch != NATIVE {
            self.deliver(&trap, Verdict::Fail(Errno::ENOSYS));
            self.say_once(NARROW_PROGRAM);
        } else {
            self.hear_settings();
            let verdict = calls::perform(self, &trap);
            self.deliver(&trap, verdict);
        }
        self.saying.take().map(News::Say)
    }

    /// Tells the user, unless he knows already.
    pub(super) fn say_once(&mut self, what: &'static str) {
        if !self.said.contains(&what) {
            self.said.push(what);
            self.saying = Some(what);
        }
    }

    /// Tells the kernel what becomes of a call. A call that has gone (ENOENT) is forgotten.
    pub(super) fn deliver(&mut self, trap: &Trap, verdict: Verdict) {
        let listener = self.listener.as_fd();
        let done = match verdict {
            Verdict::Return(value) => seccomp::answer(listener, trap.id, value),
            Verdict::Fail(errno) => seccomp::fail(listener, trap.id, errno.0),
            Verdict::Native => seccomp::pass(listener, trap.id),
            Verdict::Restart => seccomp::fail(listener, trap.id, seccomp::RESTART),
            Verdict::Give { fd, close_on_exec, at: None } => {
                seccomp::give(listener, trap.id, fd.as_fd(), close_on_exec).map(drop)
            }
            Verdict::Give { fd, close_on_exec, at: Some(at) } => {
                seccomp::replace(listener, trap.id, fd.as_fd(), close_on_exec, at)
                    .and_then(|new| seccomp::answer(listener, trap.id, i64::from(new)))
            }
            Verdict::Later => Ok(()),
        };
        if let Err(error) = done
            && let Some(errno) = error.raw_os_error()
        {
            // EMFILE: the program has no room for a descriptor.
            let _ = seccomp::fail(listener, trap.id, errno);
        }
    }

    /// The program's descriptor number `at` is this one from now on; its call goes on.
    pub(super) fn replace(&self, trap: &Trap, at: RawFd, fd: BorrowedFd<'_>) -> Result<()> {
        let close_on_exec = pidfd::is_close_on_exec(trap.tid, at);
        seccomp::replace(self.listener.as_fd(), trap.id, fd, close_on_exec, at)?;
        Ok(())
    }

    /// The descriptor, if it is one of our sockets; `None` if it is anything else (the kernel does the call). EBADF.
    pub(super) fn ours(&mut self, trap: &Trap, fd: RawFd) -> Result<Option<Borrowed>> {
        let fd = match trap.borrow(fd) {
            // A program that has made itself untouchable: its other sockets work as ever.
            Err(error) if error.errno() == Errno::EPERM => {
                self.say_once(UNTOUCHABLE);
                return Ok(None);
            }
            fd => fd?,
        };
        match names::identify(fd.as_fd()) {
            Some((nonce, socket)) if nonce == self.host.facts().nonce => {
                let kind = descriptor::option(fd.as_fd(), SOL_SOCKET, SO_TYPE)?;
                let nonblocking = descriptor::is_nonblocking(fd.as_fd())?;
                Ok(Some(Borrowed { fd, socket, kind, nonblocking }))
            }
            _ => Ok(None),
        }
    }

    /// A request, done now. ENETDOWN if the host has ended.
    fn ask(&mut self, ask: Ask, fds: &[BorrowedFd<'_>]) -> Result<(Reply, Vec<OwnedFd>)> {
        self.is_served()?;
        self.host.call(ask, fds)
    }

    /// A request that may wait: its answer comes by `Guest::wait` for [`For::Host`](super::waits::For). ENETDOWN.
    pub(super) fn start(&mut self, ask: Ask, fds: &[BorrowedFd<'_>]) -> Result<u32> {
        self.is_served()?;
        self.host.start(ask, fds)
    }

    fn is_served(&self) -> Result<()> {
        if self.host_ended { Err(Errno::ENETDOWN.with("the host has ended")) } else { Ok(()) }
    }

    /// A process has ended: sockets whose last descriptor went with it are closed.
    pub(super) fn sweep(&mut self) {
        let _ = self.native(Native::Sweep, &[]);
    }

    /// The family has ended as it should: what its programs have sent still arrives.
    pub(super) fn goodbye(&mut self) {
        self.hear_settings();
        let _ = self.start(Ask::Goodbye, &[]);
    }

    /// A verb, done now.
    pub(super) fn verb(&mut self, verb: Verb) -> Result<Answer> {
        match self.ask(Ask::Do { verb, patience: Patience::Now }, &[])? {
            (Reply::Answer(answer), _) => Ok(answer),
            _ => Err(unexpected()),
        }
    }

    /// The host's DNS servers and its table of names.
    pub(super) fn names(&mut self) -> Result<(Vec<SocketAddr>, String)> {
        match self.ask(Ask::Names, &[])? {
            (Reply::Names { dns, hosts }, _) => Ok((dns, hosts)),
            _ => Err(unexpected()),
        }
    }

    /// The host's interfaces.
    pub(super) fn interfaces(&mut self) -> Result<Vec<InterfaceRow>> {
        match self.verb(Verb::Interfaces)? {
            Answer::Interfaces(rows) => Ok(rows),
            _ => Err(unexpected()),
        }
    }

    /// Its routes.
    pub(super) fn routes(&mut self) -> Result<Vec<RouteRow>> {
        listing(|from| self.verb(Verb::Routes(from)), Answer::routes)
    }

    /// Its neighbours.
    pub(super) fn neighbours(&mut self) -> Result<Vec<NeighbourRow>> {
        listing(|from| self.verb(Verb::Neighbours(from)), Answer::neighbours)
    }

    /// Its sockets and connections, with the files that programs have of them.
    pub(super) fn sockets(&mut self) -> Result<Vec<SocketRow>> {
        self.native(Native::Inodes, &[])?;
        listing(|from| self.verb(Verb::Sockets(from)), Answer::sockets)
    }

    /// How often what has a reason has happened.
    pub(super) fn counters(&mut self) -> Result<Vec<(Reason, u64)>> {
        match self.verb(Verb::Counters)? {
            Answer::Counters(rows) => Ok(rows),
            _ => Err(unexpected()),
        }
    }

    /// A packet socket of the kernel's on the mirror of the host's interfaces, for one of ours.
    pub(super) fn mirror(&mut self, socket: SocketId) -> Result<OwnedFd> {
        self.ask(Ask::Mirror(socket), &[])?.1.pop().ok_or_else(unexpected)
    }

    /// A request about a program's descriptor, done now.
    pub(super) fn native(&mut self, ask: Native, fds: &[BorrowedFd<'_>]) -> Result<(Answer, Vec<OwnedFd>)> {
        match self.ask(Ask::Native(ask), fds)? {
            (Reply::Answer(answer), fds) => Ok((answer, fds)),
            _ => Err(unexpected()),
        }
    }

    /// SO_DOMAIN: AF_*.
    pub(super) fn domain(&mut self, socket: SocketId) -> Result<i32> {
        let value = self.option(socket, SOL_SOCKET, SO_DOMAIN, 4)?;
        value.try_into().map(i32::from_ne_bytes).map_err(|_| unexpected())
    }

    /// An option's value.
    pub(super) fn option(&mut self, socket: SocketId, level: i32, name: i32, room: usize) -> Result<Vec<u8>> {
        self.option_of(socket, level, name, room, Vec::new())
    }

    /// The same of one that is given what it is asked about.
    pub(super) fn option_of(
        &mut self,
        socket: SocketId,
        level: i32,
        name: i32,
        room: usize,
        given: Vec<u8>,
    ) -> Result<Vec<u8>> {
        match self.verb(Verb::GetOption(socket, level, name, room, given))? {
            Answer::Bytes(bytes) => Ok(bytes),
            _ => Err(unexpected()),
        }
    }
}
