//! Virtual time: which thread of a world runs, and when the clock jumps.
//!
//! Exactly one thread has the baton. It gives it away when it blocks or ends, and then itself chooses who gets it:
//!
//! 1. a thread that is ready, the first to become so;
//! 2. else the hosts move the frames that are on their way at this moment, until they are at rest;
//! 3. else the threads whose deadline is this moment become ready;
//! 4. else the clock jumps to the next deadline of a host or a thread;
//! 5. else all wait for ever: the visitors are told who waits for what.
//!
//! A *visitor* is a thread that was not spawned here: a test that blocks in `run`, in `join` or in a call on a host. While it is
//! outside, nothing moves.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use super::state::Shared;
use crate::base::{Instant, SocketId};

/// The number of a thread of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TaskId(pub(super) u64);

/// What a thread waits for.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// One of these sockets, of the host at this address.
    Sockets(usize, Vec<SocketId>),
    /// Its deadline.
    Sleep,
    /// The end of another thread.
    End(TaskId),
    /// The end of all threads.
    AllEnd,
}

/// Why a thread goes on.
#[derive(Clone, Debug)]
pub(super) enum Wake {
    /// What it waited for may have happened.
    Woken,
    /// Its deadline came.
    Deadline,
    /// Nothing will ever happen; the words say who waits for what.
    Stuck(String),
    /// The world is gone.
    Ended,
}

#[derive(Debug)]
struct Task {
    thread: Thread,
    spawned: bool,
    state: TaskState,
}

#[derive(Debug)]
enum TaskState {
    Running,
    Ready(Wake),
    Blocked { what: What, until: Option<Instant>, since: Instant },
}

/// The scheduler of a world.
pub(super) struct Scheduler {
    inner: Mutex<Inner>,
    clock: Arc<AtomicU64>,
}

#[derive(Default)]
struct Inner {
    hosts: Vec<Arc<Shared>>,
    tasks: BTreeMap<TaskId, Task>,
    next_task: u64,
    ready: VecDeque<TaskId>,
    /// Who waits for a socket; who waits until when.
    by_socket: HashMap<(usize, SocketId), Vec<TaskId>>,
    by_deadline: BTreeSet<(Instant, TaskId)>,
    baton: Option<TaskId>,
    /// When a thread last ran.
    ran: Instant,
    panics: Vec<(TaskId, String)>,
    ended: bool,
}

/// Timers of hosts may go on for ever (keepalive). If no thread has run for this long, and none has a deadline, none will.
const STALL: Duration = Duration::from_secs(7 * 24 * 3600);
/// Hosts that move frames this often without the clock going on will do so for ever.
const ROUNDS: u32 = 1_000_000;

thread_local! {
    /// The scheduler (its address) and the number of the task that this thread is.
    static CURRENT: Cell<Option<(usize, TaskId)>> = const { Cell::new(None) };
}

impl Scheduler {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), clock: Arc::default() })
    }

    /// Where the hosts read the time.
    pub(super) fn clock(&self) -> Arc<AtomicU64> {
        self.clock.clone()
    }

    pub(super) fn now(&self) -> Instant {
        Instant::from_nanos(self.clock.load(Ordering::Relaxed))
    }

    pub(super) fn add(&self, host: Arc<Shared>) {
        let mut inner = self.lock();
        if !inner.ended {
            inner.hosts.push(host);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// A new thread, which runs `work` when its turn comes. `work` catches its panics.
    pub(super) fn spawn(self: &Arc<Self>, work: impl FnOnce(TaskId) + Send + 'static) -> TaskId {
        let mut inner = self.lock();
        let id = inner.number();
        let scheduler = self.clone();
        let thread = thread::spawn(move || {
            CURRENT.set(Some((scheduler.address(), id)));
            let wake = scheduler.await_baton(scheduler.lock(), id);
            if !matches!(wake, Wake::Ended) {
                work(id);
            }
            scheduler.finish(id);
        });
        let task =
            Task { thread: thread.thread().clone(), spawned: true, state: TaskState::Ready(Wake::Woken) };
        inner.tasks.insert(id, task);
        inner.ready.push_back(id);
        id
    }

    /// Blocks the calling thread until something it waits for happens, or its deadline comes.
    pub(super) fn block(&self, what: What, until: Option<Instant>) -> Wake {
        let mut inner = self.lock();
        let current = CURRENT.get().filter(|(address, _)| *address == self.address());
        let id = current.map_or_else(|| inner.number(), |(_, id)| id);
        if inner.ended {
            return Wake::Ended;
        }
        if inner.has_happened(&what) {
            return Wake::Woken;
        }
        if current.is_none() {
            let task = Task { thread: thread::current(), spawned: false, state: TaskState::Running };
            inner.tasks.insert(id, task);
        }
        inner.block(id, what, until, self.now());
        if inner.baton.is_none() || inner.baton == Some(id) {
            self.pass_on(&mut inner);
        }
        let wake = self.await_baton(inner, id);
        if current.is_none() {
            let mut inner = self.lock();
            inner.tasks.remove(&id);
            if inner.baton == Some(id) {
                inner.baton = None;
                // Another visitor waits inside: it can't rely on our coming back.
                if inner.tasks.values().any(|task| !task.spawned) {
                    self.pass_on(&mut inner);
                }
            }
        }
        wake
    }

    /// Parks until the task has the baton.
    fn await_baton<'a>(&'a self, mut inner: MutexGuard<'a, Inner>, id: TaskId) -> Wake {
        loop {
            if inner.ended {
                return Wake::Ended;
            }
            if inner.baton == Some(id)
                && let Some(task) = inner.tasks.get_mut(&id)
                && let TaskState::Ready(wake) = std::mem::replace(&mut task.state, TaskState::Running)
            {
                return wake;
            }
            drop(inner);
            thread::park();
            inner = self.lock();
        }
    }

    /// A spawned thread has ended.
    fn finish(&self, id: TaskId) {
        let mut inner = self.lock();
        inner.tasks.remove(&id);
        let happened = |(waiter, task): (&TaskId, &Task)| match &task.state {
            TaskState::Blocked { what, .. } if inner.has_happened(what) => Some(*waiter),
            _ => None,
        };
        let waiting: Vec<_> = inner.tasks.iter().filter_map(happened).collect();
        waiting.into_iter().for_each(|waiter| inner.wake(waiter, Wake::Woken));
        if inner.baton == Some(id) {
            self.pass_on(&mut inner);
        }
    }

    /// Gives the baton to the next thread, and moves the world until there is one.
    fn pass_on(&self, inner: &mut Inner) {
        inner.baton = None;
        let mut rounds = 0;
        loop {
            inner.collect_woken();
            let now = self.now();
            if let Some(next) = inner.ready.pop_front() {
                let Some(task) = inner.tasks.get(&next) else { continue };
                task.thread.unpark();
                inner.baton = Some(next);
                inner.ran = now;
                return;
            }
            if inner.move_frames(now) {
                rounds += 1;
                if rounds > ROUNDS && !inner.stuck(now, "the hosts never come to rest") {
                    return;
                }
                continue;
            }
            rounds = 0;
            if inner.expire(now) {
                continue;
            }
            let due = inner.hosts.iter().filter_map(|host| host.lock().deadline()).min();
            let next = [due, inner.by_deadline.first().map(|(at, _)| *at)].into_iter().flatten().min();
            match next {
                Some(next) if !inner.by_deadline.is_empty() || next.since(inner.ran) < STALL => {
                    self.clock.store(next.max(now + Duration::from_nanos(1)).as_nanos(), Ordering::Relaxed);
                }
                _ if inner.stuck(now, "all wait, and nothing will ever happen") => {}
                _ => return,
            }
        }
    }

    pub(super) fn note_panic(&self, task: TaskId, words: String) {
        self.lock().panics.push((task, words));
    }

    /// The panics that nobody has heard of yet.
    pub(super) fn with_panics<R>(&self, look: impl FnOnce(&mut Vec<(TaskId, String)>) -> R) -> R {
        look(&mut self.lock().panics)
    }

    /// The world is gone: whoever still waits is told.
    pub(super) fn end(&self) {
        let hosts = {
            let mut inner = self.lock();
            inner.ended = true;
            inner.tasks.values().for_each(|task| task.thread.unpark());
            std::mem::take(&mut inner.hosts)
        };
        hosts.iter().for_each(|host| host.lock().close());
    }
}

impl Inner {
    fn number(&mut self) -> TaskId {
        self.next_task += 1;
        TaskId(self.next_task)
    }

    fn has_happened(&self, what: &What) -> bool {
        match what {
            What::End(task) => !self.tasks.contains_key(task),
            What::AllEnd => !self.tasks.values().any(|task| task.spawned),
            What::Sockets(..) | What::Sleep => false,
        }
    }

    fn block(&mut self, id: TaskId, what: What, until: Option<Instant>, now: Instant) {
        if let What::Sockets(host, sockets) = &what {
            sockets.iter().for_each(|socket| self.by_socket.entry((*host, *socket)).or_default().push(id));
        }
        self.by_deadline.extend(until.map(|until| (until, id)));
        if let Some(task) = self.tasks.get_mut(&id) {
            task.state = TaskState::Blocked { what, until, since: now };
        }
    }

    /// A blocked task becomes ready.
    fn wake(&mut self, id: TaskId, wake: Wake) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if !matches!(task.state, TaskState::Blocked { .. }) {
            return;
        }
        let TaskState::Blocked { what, until, .. } =
            std::mem::replace(&mut task.state, TaskState::Ready(wake))
        else {
            return;
        };
        if let What::Sockets(host, sockets) = what {
            for socket in sockets {
                if let Some(waiting) = self.by_socket.get_mut(&(host, socket)) {
                    waiting.retain(|waiter| *waiter != id);
                    if waiting.is_empty() {
                        self.by_socket.remove(&(host, socket));
                    }
                }
            }
        }
        if let Some(until) = until {
            self.by_deadline.remove(&(until, id));
        }
        self.ready.push_back(id);
    }

    /// Threads whose sockets were woken become ready, in the order of the hosts and of the wake-ups.
    fn collect_woken(&mut self) {
        for index in 0..self.hosts.len() {
            let host = self.hosts[index].clone();
            let address = Arc::as_ptr(&host).addr();
            let mut guard = host.lock();
            let state = &mut *guard;
            while let Some(socket) = state.stack.take_woken() {
                state.readiness.refresh_woken(socket, &mut state.stack);
                for id in self.by_socket.get(&(address, socket)).cloned().unwrap_or_default() {
                    self.wake(id, Wake::Woken);
                }
            }
        }
    }

    /// Every host has its turn. True if any had something to do.
    fn move_frames(&self, now: Instant) -> bool {
        let mut moved = false;
        for host in &self.hosts {
            moved |= host.lock().turn(now, |_| true);
        }
        moved
    }

    /// Threads whose deadline has come become ready. True if there are any.
    fn expire(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some((at, id)) = self.by_deadline.first().copied()
            && at <= now
        {
            self.by_deadline.pop_first();
            self.wake(id, Wake::Deadline);
            any = true;
        }
        any
    }

    /// Tells the visitors that nothing goes on. False = there are none.
    fn stuck(&mut self, now: Instant, what: &str) -> bool {
        let mut report = format!("at {now}: {what}");
        for (id, task) in &self.tasks {
            if let TaskState::Blocked { what, since, .. } = &task.state {
                let who = if task.spawned { format!("thread {}", id.0) } else { "the caller".into() };
                let _ = write!(report, "\n  {who} waits since {since} {}", self.describe(what));
            }
        }
        let visitors: Vec<_> =
            self.tasks.iter().filter(|(_, task)| !task.spawned).map(|(id, _)| *id).collect();
        visitors.iter().for_each(|id| self.wake(*id, Wake::Stuck(report.clone())));
        !visitors.is_empty()
    }

    fn describe(&self, what: &What) -> String {
        match what {
            What::Sleep => "for a time to come".into(),
            What::End(task) => format!("for the end of thread {}", task.0),
            What::AllEnd => "for the end of all threads".into(),
            What::Sockets(address, sockets) => {
                let Some(host) = self.hosts.iter().find(|host| Arc::as_ptr(host).addr() == *address) else {
                    return "on a host that is gone".into();
                };
                let state = host.lock();
                let mut text = format!("on host {}", state.stack.net.config.hostname);
                for socket in sockets {
                    let _ = write!(text, ", for socket {}", socket.0);
                    if let Ok(local) = state.stack.getsockname(*socket) {
                        let _ = write!(text, " ({local}");
                        if let Ok(remote) = state.stack.getpeername(*socket) {
                            let _ = write!(text, " to {remote}");
                        }
                        text.push(')');
                    }
                }
                text
            }
        }
    }
}
