//! Hosts, cables and threads that together make a small world, in virtual or in real time.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::builder::HostBuilder;
use super::clock::Clock;
use super::host::Host;
use super::schedule::{Scheduler, TaskId, Wake, What};
use super::state::{Shared, State};
use crate::base::{Errno, IfIndex, Instant, Result, SocketId};
use crate::device::{Cable, CableConfig, Impairment, splitmix64};
use crate::stack::Stack;

/// Hosts, cables and threads.
///
/// In virtual time ([`World::new`]) nothing waits: the clock jumps to the next thing that happens. [`World::spawn`] gives each
/// closure a thread of its own, of which exactly one runs at a time; it runs until it blocks in a call on its host (or ends),
/// then the next one does, in a fixed order. So the same seed gives the same bytes at the same times. A closure that never
/// blocks stops the clock: wait by [`Host::sleep`], never by the OS.
///
/// ```
/// # use sockatoo::World;
/// use std::time::Duration;
/// let world = World::new(7);
/// let host = world.host("a").build()?;
/// let sleeper = world.spawn(&host, |host| {
///     host.sleep(Duration::from_secs(7200))?;
///     Ok::<_, sockatoo::Error>(host.now().as_millis())
/// });
/// world.run()?;
/// assert_eq!(sleeper.join()?, 7_200_000);
/// # Ok::<(), sockatoo::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct World {
    inner: Arc<Inner>,
}

struct Inner {
    time: Time,
    seed: AtomicU64,
}

#[derive(Clone)]
enum Time {
    Virtual(Arc<Scheduler>),
    Real(Arc<RealTime>),
}

impl Time {
    fn note_panic(&self, task: TaskId, words: String) {
        match self {
            Self::Virtual(scheduler) => scheduler.note_panic(task, words),
            Self::Real(real) => real.lock().panics.push((task, words)),
        }
    }

    /// The words of a panic that nobody has heard yet: the task's, or the first one.
    fn take_panic(&self, task: Option<TaskId>) -> Option<String> {
        let take = |panics: &mut Vec<(TaskId, String)>| {
            let at = panics.iter().position(|(id, _)| task.is_none_or(|task| task == *id))?;
            Some(panics.remove(at).1)
        };
        match self {
            Self::Virtual(scheduler) => scheduler.with_panics(take),
            Self::Real(real) => take(&mut real.lock().panics),
        }
    }
}

/// What `run` waits for in real time.
#[derive(Debug)]
struct RealTime {
    clock: Clock,
    state: Mutex<Threads>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Threads {
    running: usize,
    next: u64,
    panics: Vec<(TaskId, String)>,
}

impl World {
    /// An empty world in virtual time, which begins at zero. Everything in it that is drawn by lot comes from `seed`.
    pub fn new(seed: u64) -> Self {
        Self::with(Time::Virtual(Scheduler::new()), seed)
    }

    /// An empty world in real time: its threads run side by side, as the machine likes.
    pub fn real_time(seed: u64) -> Self {
        let real =
            RealTime { clock: Clock::real(), state: Mutex::new(Threads::default()), ended: Condvar::new() };
        Self::with(Time::Real(Arc::new(real)), seed)
    }

    fn with(time: Time, seed: u64) -> Self {
        Self { inner: Arc::new(Inner { time, seed: AtomicU64::new(seed) }) }
    }

    fn draw(&self) -> u64 {
        let mut state = self.inner.seed.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        splitmix64(&mut state)
    }

    /// A host to be of this world, with its seed from the world's. It uses its IPv6 addresses at once, without duplicate address
    /// detection: see [`HostBuilder::dad_transmits`]. It lives as long as the world.
    pub fn host(&self, name: &str) -> HostBuilder {
        let builder = Host::builder().hostname(name).seed(self.draw()).dad_transmits(0);
        match &self.inner.time {
            Time::Virtual(scheduler) => {
                let seat = Seat { scheduler: scheduler.clone() };
                builder.seated(seat, Clock::Virtual(scheduler.clock()))
            }
            Time::Real(_) => builder,
        }
    }

    /// Lays a cable between two hosts: one more interface on each, `eth0` first. `link` says how bad it is, each way
    /// (`loss=1%,delay=20ms`); the empty text is a perfect one, without delay.
    ///
    /// ```
    /// # use sockatoo::World;
    /// # let world = World::new(7);
    /// # let (a, b) = (world.host("a").build()?, world.host("b").build()?);
    /// world.cable(&a, &b, "delay=10ms")?.addresses("192.0.2.1/24", "192.0.2.2/24")?;
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn cable(&self, a: &Host, b: &Host, link: impl ToString) -> Result<Wire> {
        let impairment: Impairment = link.to_string().parse()?;
        self.cable_with(a, b, CableConfig::default(), impairment)
    }

    /// The same with an MTU, a queue length and faults given as values. Seeds that are 0 are drawn from the world's; each end
    /// gets the next free name of its host.
    pub fn cable_with(
        &self,
        a: &Host,
        b: &Host,
        mut config: CableConfig,
        mut impairment: Impairment,
    ) -> Result<Wire> {
        let (cable_seed, fault_seed) = (self.draw(), self.draw());
        config.seed = if config.seed == 0 { cable_seed } else { config.seed };
        impairment.seed = if impairment.seed == 0 { fault_seed } else { impairment.seed };
        let name = |host: &Host| format!("eth{}", host.interfaces().len() - 1);
        let (name_a, name_b) = (name(a), name(b));
        let (end_a, end_b) = Cable::pair(config);
        let (end_a, end_b) = (end_a.with_name(name_a), end_b.with_name(name_b));
        let (a_index, b_index) = if impairment.is_none() {
            (a.attach(end_a)?, b.attach(end_b)?)
        } else {
            let (end_a, end_b) = Cable::impair((end_a, end_b), &impairment);
            (a.attach(end_a)?, b.attach(end_b)?)
        };
        Ok(Wire { ends: [(a.clone(), a_index), (b.clone(), b_index)] })
    }

    /// Runs a closure on a thread of its own, as a program on `host`. In virtual time it first runs when somebody waits for it:
    /// [`World::run`], [`JoinHandle::join`], or any call that blocks.
    pub fn spawn<T, F>(&self, host: &Host, program: F) -> JoinHandle<T>
    where
        T: Send + 'static,
        F: FnOnce(Host) -> T + Send + 'static,
    {
        let slot = Arc::new(Slot { result: Mutex::new(None), filled: Condvar::new() });
        let (given, host, time) = (slot.clone(), host.clone(), self.inner.time.clone());
        let work = move |task| {
            let result = catch_unwind(AssertUnwindSafe(move || program(host)));
            if let Err(panic) = &result {
                time.note_panic(task, words(&**panic));
            }
            given.fill(result);
        };
        let task = match &self.inner.time {
            Time::Virtual(scheduler) => scheduler.spawn(work),
            Time::Real(real) => RealTime::spawn(real, work),
        };
        JoinHandle { world: self.clone(), task, slot }
    }

    /// The world's time. In virtual time its hosts' clocks show the same.
    pub fn now(&self) -> Instant {
        match &self.inner.time {
            Time::Virtual(scheduler) => scheduler.now(),
            Time::Real(real) => real.clock.now(),
        }
    }

    /// Sleeps on the world's clock.
    pub fn sleep(&self, time: Duration) -> Result<()> {
        match &self.inner.time {
            Time::Virtual(scheduler) => match scheduler.block(What::Sleep, Some(scheduler.now() + time)) {
                Wake::Ended => Err(State::interrupted()),
                _ => Ok(()),
            },
            Time::Real(_) => {
                thread::sleep(time);
                Ok(())
            }
        }
    }

    /// Runs until every spawned closure has ended. EDEADLK: all wait, and nothing will ever happen; the error says who waits
    /// for what.
    ///
    /// # Panics
    /// If a closure did, and nobody joined it.
    pub fn run(&self) -> Result<()> {
        let wake = match &self.inner.time {
            Time::Virtual(scheduler) => scheduler.block(What::AllEnd, None),
            Time::Real(real) => real.wait_all(),
        };
        self.raise();
        match wake {
            Wake::Stuck(report) => Err(Errno::EDEADLK.with(report)),
            Wake::Ended => Err(State::interrupted()),
            Wake::Woken | Wake::Deadline => Ok(()),
        }
    }

    /// Runs for this long, whatever happens.
    ///
    /// # Panics
    /// If a closure did, and nobody joined it.
    pub fn run_for(&self, time: Duration) -> Result<()> {
        let result = self.sleep(time);
        self.raise();
        result
    }

    fn raise(&self) {
        if let Some(words) = self.inner.time.take_panic(None) {
            resume_unwind(Box::new(format!("a spawned thread panicked: {words}")));
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Time::Virtual(scheduler) = &self.time {
            scheduler.end();
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.time {
            Time::Virtual(scheduler) => write!(f, "virtual, at {}", scheduler.now()),
            Time::Real(real) => write!(f, "real, at {}", real.clock.now()),
        }
    }
}

/// A cable that lies between two hosts.
#[derive(Clone, Debug)]
pub struct Wire {
    ends: [(Host, IfIndex); 2],
}

impl Wire {
    /// Gives each end an address with its network.
    pub fn addresses(&self, a: impl ToString, b: impl ToString) -> Result<&Self> {
        let [(first, first_index), (second, second_index)] = &self.ends;
        first.add_address(*first_index, a)?;
        second.add_address(*second_index, b)?;
        Ok(self)
    }

    /// The interfaces that it is on its two hosts.
    pub fn interfaces(&self) -> [IfIndex; 2] {
        [self.ends[0].1, self.ends[1].1]
    }
}

/// A spawned closure, to be waited for.
#[derive(Debug)]
pub struct JoinHandle<T> {
    world: World,
    task: TaskId,
    slot: Arc<Slot<T>>,
}

#[derive(Debug)]
struct Slot<T> {
    result: Mutex<Option<thread::Result<T>>>,
    filled: Condvar,
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, Option<thread::Result<T>>> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(&self, result: thread::Result<T>) {
        *self.lock() = Some(result);
        self.filled.notify_all();
    }
}

impl<T> JoinHandle<T> {
    /// Waits for the closure's end, and gives what it returned.
    ///
    /// # Panics
    /// If the closure did, with the same words; if it can't ever end, with the report of [`World::run`].
    pub fn join(self) -> T {
        let wake = match &self.world.inner.time {
            Time::Virtual(_) if self.is_finished() => Wake::Woken,
            Time::Virtual(scheduler) => scheduler.block(What::End(self.task), None),
            Time::Real(_) => {
                let mut slot = self.slot.lock();
                while slot.is_none() {
                    slot = self.slot.filled.wait(slot).unwrap_or_else(PoisonError::into_inner);
                }
                Wake::Woken
            }
        };
        let result = self.slot.lock().take();
        self.world.inner.time.take_panic(Some(self.task));
        match (result, wake) {
            (Some(Ok(value)), _) => value,
            (Some(Err(panic)), _) => resume_unwind(panic),
            (None, Wake::Stuck(report)) => resume_unwind(Box::new(report)),
            (None, _) => resume_unwind(Box::new("the world ended before the thread did")),
        }
    }

    /// True once the closure has ended.
    pub fn is_finished(&self) -> bool {
        self.slot.lock().is_some()
    }
}

impl RealTime {
    fn lock(&self) -> MutexGuard<'_, Threads> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(real: &Arc<Self>, work: impl FnOnce(TaskId) + Send + 'static) -> TaskId {
        let mut threads = real.lock();
        let task = TaskId(threads.next);
        threads.next += 1;
        threads.running += 1;
        drop(threads);
        let real = real.clone();
        thread::spawn(move || {
            work(task);
            real.lock().running -= 1;
            real.ended.notify_all();
        });
        task
    }

    fn wait_all(&self) -> Wake {
        let mut threads = self.lock();
        while threads.running > 0 {
            threads = self.ended.wait(threads).unwrap_or_else(PoisonError::into_inner);
        }
        Wake::Woken
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "(no words)".into())
}

/// A host's place in a world of virtual time.
#[derive(Clone)]
pub(super) struct Seat {
    scheduler: Arc<Scheduler>,
}

impl Seat {
    pub(super) fn take(&self, host: &Arc<Shared>) {
        self.scheduler.add(host.clone());
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seat")
    }
}

/// [`Host::wait`] in virtual time: the thread gives way in its world's scheduler.
pub(super) fn wait<T>(
    shared: &Shared,
    seat: &Seat,
    sockets: &[SocketId],
    deadline: Option<Instant>,
    mut attempt: impl FnMut(&mut Stack) -> Option<T>,
) -> Result<Option<T>> {
    loop {
        let mut state = shared.lock();
        let now = shared.now();
        state.stack.at(now);
        if state.closed {
            return Err(State::interrupted());
        }
        let value = attempt(&mut state.stack);
        state.flush(now);
        state.show(sockets);
        if value.is_some() || deadline.is_some_and(|deadline| deadline <= now) {
            return Ok(value);
        }
        drop(state);
        let host = std::ptr::from_ref(shared).addr();
        match seat.scheduler.block(What::Sockets(host, sockets.to_vec()), deadline) {
            Wake::Woken | Wake::Deadline => {}
            Wake::Stuck(report) => return Err(Errno::EDEADLK.with(report)),
            Wake::Ended => return Err(State::interrupted()),
        }
    }
}

#[cfg(test)]
#[path = "tests/world.rs"]
mod tests;
