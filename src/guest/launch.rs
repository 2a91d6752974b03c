//! The processes of `run`.
//!
//! ```text
//!   the one in front   started by the user: hands on the signals that it gets, ends as the program ends
//!     the supervisor   answers the calls that stop, in a session of its own; stays while a descendant of the program is left
//!       the program    with the terminal, the descriptors, the directory and the signals of the one in front
//! ```
//! A supervisor must be an ancestor of the processes whose descriptors it borrows (yama's ptrace_scope 1), and one whose program
//! has become a daemon must stay when the user has the prompt again: so it is neither of the others. They speak over pairs of
//! sockets; a pair that ends without a word means that the process at its other end was killed.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::filter;
use super::supervisor::{self, Guest, News};
use crate::base::constants::SOCK_SEQPACKET;
use crate::base::{Errno, Error, Result};
use crate::socket::remote::{Connection, HostFacts, protocol};
use crate::sys::process::{self, Ended, Fork, Signals};
use crate::sys::{PollFd, descriptor, pidfd, poll, seccomp, session};

/// What is to be run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The host whose guest the program is.
    pub(crate) host: Connection,
    /// Its name or path, as execvp(3) takes it.
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
    /// Ports below 1024 and raw sockets need the privilege that they need on Linux.
    pub(crate) strict: bool,
}

/// Why the program does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) cause: String,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// What a shell would end with: 127 for a program that is not there, 126 for one that can't be run.
    pub(crate) code: i32,
}

/// What the processes say to each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Word {
    /// The program's process runs under the filter; its listener has this number there.
    Listening(RawFd),
    /// The listener was taken: it may go on.
    Go,
    /// This did not work, and why (errno).
    Failed(Stage, i32),
    /// The program has ended.
    Ended(Ended),
    /// For the user.
    Say(String),
    /// A signal for the program.
    Signal(i32),
}

/// How far it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// A process, a pair of sockets.
    Begin,
    Filter,
    Borrow,
    Execute,
}

/// The longest word, in bytes.
const LONGEST: usize = 1024;

fn tell(line: BorrowedFd<'_>, word: &Word) -> Result<()> {
    Ok(descriptor::send(line, &protocol::encode(word)?, 0).map(drop)?)
}

/// The next word; `None` if the process at the other end is gone. By recv(2): the program's process listens too, when the filter
/// stops its recvmsg(2) already.
fn hear(line: BorrowedFd<'_>) -> Option<Word> {
    let mut buffer = [0; LONGEST];
    loop {
        match descriptor::recv(line, &mut buffer, 0) {
            Ok(0) => return None,
            Ok(len) => return protocol::decode(buffer.get(..len)?).ok(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

/// Signals that end or steer programs, told to this process by others: they are meant for the program.
const HANDED_ON: [i32; 7] = [
    process::SIGHUP,
    process::SIGINT,
    process::SIGQUIT,
    process::SIGTERM,
    process::SIGUSR1,
    process::SIGUSR2,
    process::SIGCONT,
];

impl Plan {
    /// execvp(3): comes back only with an error.
    fn execute(&self) -> Error {
        let mut program = Command::new(&self.program);
        // What it runs of us means the same host.
        program.args(&self.args).env("SOCKATOO_HOST", &self.host.facts().name);
        program.exec().into()
    }
}

/// Runs a program, and gives how it ended. What the user should know meanwhile goes to `say`. For a process of one thread; the
/// signals that were handed on stay blocked.
pub(crate) fn run(plan: Plan, say: &dyn Fn(&str)) -> std::result::Result<Ended, Trouble> {
    let name = plan.program.to_string_lossy().into_owned();
    if is_guest_of(plan.host.facts()) {
        // One supervisor does for all.
        return Err(Trouble::of(Stage::Execute, plan.execute().errno().0, &name));
    }
    let begin = |error: io::Error| Trouble::of(Stage::Begin, error.raw_os_error().unwrap_or(0), "");
    let signals = Signals::take(&HANDED_ON).map_err(begin)?;
    let (line, theirs) = descriptor::socketpair(SOCK_SEQPACKET).map_err(begin)?;
    if let Fork::Child = process::fork().map_err(begin)? {
        drop(line);
        supervise(plan, &theirs, &signals);
        process::exit_now(0);
    }
    drop((plan, theirs));
    loop {
        let mut polled = [
            PollFd::new(line.as_raw_fd(), true, false),
            PollFd::new(signals.as_fd().as_raw_fd(), true, false),
        ];
        poll(&mut polled, None).map_err(begin)?;
        while let Some(signal) = signals.next() {
            // The terminal's keys have reached the program by themselves.
            if !signal.from_kernel {
                let _ = tell(line.as_fd(), &Word::Signal(signal.number));
            }
        }
        if !polled.first().is_some_and(PollFd::is_ready) {
            continue;
        }
        match hear(line.as_fd()) {
            Some(Word::Ended(ended)) => return Ok(ended),
            Some(Word::Failed(stage, errno)) => return Err(Trouble::of(stage, errno, &name)),
            Some(Word::Say(text)) => say(&text),
            Some(_) => {}
            None => return Err(Trouble::new("the process that answered the program's calls was killed")),
        }
    }
}

/// The supervisor's life.
fn supervise(plan: Plan, front: &OwnedFd, signals: &Signals) {
    let failed = |stage, error: Error| drop(tell(front.as_fd(), &Word::Failed(stage, error.errno().0)));
    let begun = process::adopt_orphans()
        .and_then(|()| Ok((Signals::take(&[process::SIGCHLD])?, descriptor::socketpair(SOCK_SEQPACKET)?)));
    let (children, (line, theirs)) = match begun {
        Ok(begun) => begun,
        Err(error) => return failed(Stage::Begin, error.into()),
    };
    let child = match process::fork() {
        Ok(Fork::Parent { child }) => child,
        Ok(Fork::Child) => become_program(&plan, &theirs, signals),
        Err(error) => return failed(Stage::Begin, error.into()),
    };
    drop(theirs);
    let listener = match hear(line.as_fd()) {
        Some(Word::Listening(number)) => {
            pidfd::open_thread(child).and_then(|it| pidfd::borrow(it.as_fd(), number))
        }
        Some(Word::Failed(stage, errno)) => return failed(stage, Errno(errno).into()),
        _ => return failed(Stage::Begin, Errno::ESRCH.into()),
    };
    let guest = match listener {
        Ok(listener) => Guest::new(plan.host, listener, plan.strict),
        // The program's process ends with the line.
        Err(error) => return failed(Stage::Borrow, error.into()),
    };
    let family = guest.and_then(|guest| {
        // From here on the user's terminal, directory and standard descriptors are the program's alone.
        process::new_session()?;
        session::close_standard()?;
        std::env::set_current_dir("/")?;
        // A call that stops costs two switches: where that is allowed, they come soon.
        let _ = process::set_nice(-10);
        tell(line.as_fd(), &Word::Go)?;
        Ok(Family { guest, child, front: Some(front), line: Some(line), children, deserted: false })
    });
    match family {
        Ok(family) => family.live(),
        Err(error) => failed(Stage::Begin, error),
    }
}

/// The program's process, from fork(2) to execve(2).
fn become_program(plan: &Plan, line: &OwnedFd, signals: &Signals) -> ! {
    signals.give_back();
    let (stage, error) = match under_filter(plan, line) {
        Ok(()) => (Stage::Execute, plan.execute()),
        Err(error) => (Stage::Filter, error),
    };
    let _ = tell(line.as_fd(), &Word::Failed(stage, error.errno().0));
    process::exit_now(127);
}

/// True if this process is a guest of the host already: its sockets are the host's.
fn is_guest_of(host: &HostFacts) -> bool {
    descriptor::netns_cookie().is_ok_and(|cookie| cookie == host.cookie)
}

/// From now on the calls of this thread stop, and those of the programs that it becomes. Gives where they are told.
/// `can`: the host has a CAN interface.
pub(crate) fn listen(can: bool) -> Result<OwnedFd> {
    let program = filter::program(can);
    match seccomp::listen(&program) {
        // Without privilege the kernel wants the promise that no setuid program will be fooled.
        Err(error) if error.raw_os_error() == Some(Errno::EACCES.0) => {
            process::no_new_privileges()?;
            Ok(seccomp::listen(&program)?)
        }
        listener => Ok(listener?),
    }
}

fn under_filter(plan: &Plan, line: &OwnedFd) -> Result<()> {
    let listener = listen(supervisor::has_can(&plan.host))?;
    tell(line.as_fd(), &Word::Listening(listener.as_raw_fd()))?;
    match hear(line.as_fd()) {
        Some(Word::Go) => Ok(()),
        // The supervisor has said why.
        _ => process::exit_now(126),
    }
}

/// The program and its descendants, as their supervisor sees them.
struct Family<'a> {
    guest: Guest,
    child: i32,
    /// The process in front; `None` once it knows how the program ended.
    front: Option<&'a OwnedFd>,
    /// The program's process; `None` once it executes the program.
    line: Option<OwnedFd>,
    children: Signals,
    /// The process in front was killed.
    deserted: bool,
}

const FRONT: u64 = 2;
const LINE: u64 = 3;
const CHILDREN: u64 = 4;

impl Family<'_> {
    fn live(mut self) {
        let watched = [(self.front.map(AsFd::as_fd), FRONT), (self.line.as_ref().map(AsFd::as_fd), LINE)];
        for (fd, token) in watched {
            if fd.is_some_and(|fd| self.guest.watch(fd, token).is_err()) {
                return;
            }
        }
        if self.guest.watch(self.children.as_fd(), CHILDREN).is_err() {
            return;
        }
        let mut empty = false;
        // The last one may have ended, and its end not been told yet.
        while !(self.deserted || empty && self.front.is_none()) {
            let Ok(news) = self.guest.serve() else { return };
            for news in news {
                match news {
                    News::Ready(FRONT) => self.front_speaks(),
                    News::Ready(LINE) => self.line_speaks(),
                    News::Ready(_) => self.bury(),
                    News::Say(text) => self.tell(&Word::Say(text.into())),
                    News::Empty => empty = true,
                }
            }
        }
        // A run that was killed takes its programs' sockets with it; the others' data still arrives.
        if !self.deserted {
            self.guest.goodbye();
        }
    }

    fn tell(&self, word: &Word) {
        if let Some(front) = self.front {
            let _ = tell(front.as_fd(), word);
        }
    }

    fn front_speaks(&mut self) {
        let Some(front) = self.front else { return };
        match hear(front.as_fd()) {
            Some(Word::Signal(signal)) => drop(process::kill(self.child, signal)),
            Some(_) => {}
            None => self.deserted = true,
        }
    }

    fn line_speaks(&mut self) {
        let Some(line) = self.line.take() else { return };
        // A word is bad news; the line's end means that the program runs.
        if let Some(word) = hear(line.as_fd()) {
            self.tell(&word);
        }
        self.guest.unwatch(line.as_fd());
    }

    /// Children have ended, adopted ones too.
    fn bury(&mut self) {
        while self.children.next().is_some() {}
        while let Some((pid, ended)) = process::reap() {
            if pid == self.child {
                // What it could not execute it says itself.
                self.line_speaks();
                self.tell(&Word::Ended(ended));
                if let Some(front) = self.front.take() {
                    self.guest.unwatch(front.as_fd());
                }
            }
        }
        self.guest.sweep();
    }
}

impl Trouble {
    fn new(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), hint: None, code: 126 }
    }

    /// Why `program` came no further than this.
    pub(crate) fn of(stage: Stage, errno: i32, program: &str) -> Self {
        let errno = Errno(errno);
        let said = format!("{} ({})", errno.text(), errno.name());
        let (cause, hint) = match (stage, errno) {
            (Stage::Execute, Errno::ENOENT) => {
                // execve(2): "or a script interpreter or the ELF interpreter does not exist".
                let cause = match program.contains('/') && Path::new(program).exists() {
                    true => format!(
                        "{program} is there, but not what runs it: the interpreter of its #! line, or its loader"
                    ),
                    false => format!("{program}: there is no such program"),
                };
                return Self { cause, hint: None, code: 127 };
            }
            (Stage::Execute, _) => (format!("{program} can't be executed: {said}"), None),
            (Stage::Filter, Errno::EBUSY) => (
                "another supervisor answers this process's calls already, and there can be one only"
                    .to_string(),
                Some(
                    "a program that `sockatoo run` runs is a guest already, and of one host (SOCKATOO_HOST): leave --on out; in WSL2 \
                     set networkingMode=nat",
                ),
            ),
            (Stage::Filter, Errno::EINVAL | Errno::ENOSYS) => (
                format!("this kernel can't hand a program's calls to another process as it must: {said}"),
                Some("Linux 5.19 or later can; `sockatoo doctor` looks at the rest"),
            ),
            (Stage::Filter, _) => (format!("the program's calls can't be taken: {said}"), None),
            (Stage::Borrow, _) => (
                format!("the kernel does not let us work on the program's descriptors (pidfd_getfd): {said}"),
                Some(
                    "in Docker add `--cap-add SYS_PTRACE`; elsewhere kernel.yama.ptrace_scope must be 0 or 1",
                ),
            ),
            (Stage::Begin, _) => (format!("the program's process can't be made: {said}"), None),
        };
        Self { hint: hint.map(str::to_owned), ..Self::new(cause) }
    }
}
