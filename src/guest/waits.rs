//! Calls that wait: for the host, for a descriptor, until a time; and signals meanwhile.
//!
//! A stopped call is deaf: the kernel wakes its thread for death alone. So whoever waits is looked at now and then, in
//! /proc/TID/status, whether a signal waits for it.

use std::collections::{BTreeSet, HashMap};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use super::supervisor::Guest;
use super::trap::{Trap, Verdict};
use crate::base::{Errno, Error, Result};
use crate::socket::remote::{Ask, Reply, Response};
use crate::sys::epoll::Epoll;
use crate::sys::pidfd;

/// What a call waits for.
#[derive(Debug)]
pub(crate) enum For {
    /// The host's answer to the request of this tag (`Connection::start`).
    Host(u32),
    /// A descriptor, for these events (POLLIN, POLLOUT).
    Descriptor(OwnedFd, i32),
}

/// Why a wait has ended.
#[derive(Debug)]
pub(crate) enum Wake {
    /// The host has answered; ENETDOWN, whatever was waited for, if it has ended.
    Answered(Result<Reply>, Vec<OwnedFd>),
    /// The descriptor is ready; it is given back.
    Ready(OwnedFd),
    /// The time has come. A request to the host has been taken back.
    TimedOut,
    /// A signal waits for the thread. The verdict is what the interrupted call gives (`Verdict::Restart`, or EINTR). A request to
    /// the host has been taken back.
    Interrupted,
}

/// What goes on when a wait has ended. It may wait again.
pub(crate) type Then = Box<dyn FnOnce(&mut Guest, &Trap, Wake) -> Verdict>;

/// All of them.
#[derive(Debug)]
pub(super) struct Waits {
    all: HashMap<u64, Wait>,
    /// Which wait an answer is for.
    tags: HashMap<u32, u64>,
    /// When each is looked at next.
    due: BTreeSet<(Instant, u64)>,
    last: u64,
}

struct Wait {
    trap: Trap,
    what: For,
    began: Instant,
    deadline: Option<Instant>,
    /// In `due`; `None` once the host was asked to give the request back: its answer will come soon.
    look: Option<Instant>,
    /// Why the request was taken back.
    taken_back: Option<Why>,
    then: Then,
}

impl std::fmt::Debug for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wait").field("trap", &self.trap).field("what", &self.what).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Time,
    Signal { restarts: bool },
}

/// What there is to see of a thread that waits.
enum Look {
    Nothing,
    /// A signal waits. `restarts`: its thread is sure to be told by the kernel when it leaves its call.
    Signal {
        restarts: bool,
    },
    Gone,
}

/// Between two looks at a thread: at first, and later.
const SOON: Duration = Duration::from_millis(20);
const LATER: Duration = Duration::from_millis(50);
/// The time between looks grows with the number of those that wait, by this for each: looks take a few percent of a processor.
const SHARE: Duration = Duration::from_micros(500);

impl Waits {
    /// Tokens of epoll from here on are those of waits.
    pub(super) const TOKEN: u64 = 16;

    pub(super) fn new() -> Self {
        Self { all: HashMap::new(), tags: HashMap::new(), due: BTreeSet::new(), last: Self::TOKEN }
    }

    /// The time until somebody is to be looked at.
    pub(super) fn next(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| at.saturating_duration_since(Instant::now()))
    }

    /// True if somebody waits for the host.
    pub(super) fn is_for_host(&self) -> bool {
        !self.tags.is_empty()
    }

    fn begin(&mut self, wait: Wait) {
        self.last += 1;
        if let For::Host(tag) = wait.what {
            self.tags.insert(tag, self.last);
        }
        self.due.extend(wait.look.map(|look| (look, self.last)));
        self.all.insert(self.last, wait);
    }

    fn end(&mut self, number: u64, epoll: &Epoll) -> Option<Wait> {
        let wait = self.all.remove(&number)?;
        if let Some(look) = wait.look {
            self.due.remove(&(look, number));
        }
        match &wait.what {
            For::Host(tag) => drop(self.tags.remove(tag)),
            // Closing it is not enough: other copies of it keep it in the set.
            For::Descriptor(fd, _) => drop(epoll.remove(fd.as_fd())),
        }
        Some(wait)
    }
}

impl Guest {
    /// Leaves a call until what it waits for is there, at most for `limit` (`None` = for ever). Gives `Verdict::Later`.
    pub(crate) fn wait(&mut self, trap: &Trap, what: For, limit: Option<Duration>, then: Then) -> Verdict {
        let now = Instant::now();
        let deadline = limit.and_then(|limit| now.checked_add(limit));
        let look = Some(deadline.map_or(now + SOON, |deadline| deadline.min(now + SOON)));
        if let For::Descriptor(fd, events) = &what
            && let Err(error) = self.epoll.add(fd.as_fd(), self.waits.last + 1, *events)
        {
            return Verdict::Fail(Error::from(error).errno());
        }
        self.waits.begin(Wait { trap: *trap, what, began: now, deadline, look, taken_back: None, then });
        Verdict::Later
    }

    /// A descriptor is ready.
    pub(super) fn wait_is_ready(&mut self, number: u64) {
        let Some(wait) = self.waits.end(number, &self.epoll) else { return };
        // A thread that was killed takes nothing from those who live.
        if let For::Descriptor(fd, _) = wait.what
            && wait.trap.is_there().is_ok()
        {
            self.go_on(wait.trap, wait.then, Wake::Ready(fd));
        }
    }

    /// The host has answered a request that somebody waits for.
    pub(super) fn wait_is_answered(&mut self, response: Response, fds: Vec<OwnedFd>) {
        let number = self.waits.tags.get(&response.tag).copied();
        let Some(wait) = number.and_then(|number| self.waits.end(number, &self.epoll)) else { return };
        // What was done before it could be taken back is done.
        let given_back = response.result.as_ref().is_err_and(|error| error.errno() == Errno::EINTR);
        match wait.taken_back {
            Some(why) if given_back => self.give_up(wait.trap, wait.then, why),
            _ => self.go_on(wait.trap, wait.then, Wake::Answered(response.result, fds)),
        }
    }

    /// The host has ended: nothing that anybody waits for will come.
    pub(super) fn waits_are_over(&mut self) {
        let all: Vec<u64> = self.waits.all.keys().copied().collect();
        for number in all {
            if let Some(wait) = self.waits.end(number, &self.epoll) {
                let wake = Wake::Answered(Err(Errno::ENETDOWN.with("the host has ended")), Vec::new());
                self.go_on(wait.trap, wait.then, wake);
            }
        }
    }

    /// Looks at those who are due.
    pub(super) fn look_at_waits(&mut self) {
        let now = Instant::now();
        let later = LATER.max(SHARE.saturating_mul(self.waits.all.len() as u32));
        while let Some((at, number)) = self.waits.due.first().copied()
            && at <= now
        {
            self.waits.due.pop_first();
            let Some(wait) = self.waits.all.get_mut(&number) else { continue };
            wait.look = None;
            if wait.deadline.is_some_and(|deadline| deadline <= now) {
                self.take_back(number, Why::Time);
                continue;
            }
            match look(&wait.trap) {
                Look::Nothing => {
                    let pause =
                        if now - wait.began < Duration::from_secs(1) { SOON.max(later / 4) } else { later };
                    let next = wait.deadline.map_or(now + pause, |deadline| deadline.min(now + pause));
                    wait.look = Some(next);
                    self.waits.due.insert((next, number));
                }
                Look::Signal { restarts } => self.take_back(number, Why::Signal { restarts }),
                Look::Gone => {
                    let gone = self.waits.end(number, &self.epoll);
                    if let Some(For::Host(tag)) = gone.map(|wait| wait.what) {
                        let _ = self.host.start(Ask::Cancel(tag), &[]);
                    }
                }
            }
        }
    }

    /// Nobody wants to wait for it any longer.
    fn take_back(&mut self, number: u64, why: Why) {
        let Some(wait) = self.waits.all.get_mut(&number) else { return };
        if let For::Host(tag) = wait.what {
            wait.taken_back = Some(why);
            // If the host has ended, that is told to all who wait.
            let _ = self.host.start(Ask::Cancel(tag), &[]);
        } else if let Some(wait) = self.waits.end(number, &self.epoll)
            && matches!(wait.what, For::Descriptor(..))
        {
            self.give_up(wait.trap, wait.then, why);
        }
    }

    fn give_up(&mut self, trap: Trap, then: Then, why: Why) {
        match why {
            Why::Time => self.go_on(trap, then, Wake::TimedOut),
            Why::Signal { restarts } => {
                let mut verdict = then(self, &trap, Wake::Interrupted);
                if matches!(verdict, Verdict::Restart) && !restarts {
                    verdict = Verdict::Fail(Errno::EINTR);
                }
                self.deliver(&trap, verdict);
            }
        }
    }

    fn go_on(&mut self, trap: Trap, then: Then, wake: Wake) {
        let verdict = then(self, &trap, wake);
        self.deliver(&trap, verdict);
    }
}

fn look(trap: &Trap) -> Look {
    let Some(status) = pidfd::status(trap.tid).filter(|_| trap.is_there().is_ok()) else { return Look::Gone };
    if status.pending & !status.blocked != 0 {
        return Look::Signal { restarts: true };
    }
    let shared = status.shared & !status.blocked;
    if shared == 0 {
        return Look::Nothing;
    }
    // complete_signal(): a process's signal is the main thread's, if that does not block it. Another thread may be meant or not,
    // and one that is not must never see the kernel's own number.
    if status.process == trap.tid {
        return Look::Signal { restarts: true };
    }
    match pidfd::status(status.process) {
        Some(main) if shared & main.blocked == 0 => Look::Nothing,
        _ => Look::Signal { restarts: false },
    }
}
