//! What a host consists of, behind its one lock.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::Thread;
use std::time::Duration;

use super::builder::Names;
use super::clock::Clock;
use super::host::Plug;
use super::port::{BATCH, Port};
use super::readiness::Readiness;
use super::role::{Nudge, Role};
use super::world::Seat;
use crate::base::{Errno, Error, IfIndex, Instant, Reason, Result, SocketId};
use crate::stack::{InterfaceConfig, Stack};
use crate::sys::{EventFd, PollFd};

/// How often what goes to `lo` comes straight back within one call; the rest is left to whoever drives.
const LOOPBACK_ROUNDS: usize = 64;

/// The shortest time between two ticks.
const REST: Duration = Duration::from_micros(20);

/// A host without its handles.
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) clock: Clock,
    /// Wakes a caller that drives, asleep in poll(2).
    pub(super) caller_bell: EventFd,
    /// Wakes the background thread when it drives, asleep in poll(2).
    pub(super) background_bell: EventFd,
    /// False for an embedder's host: nobody drives it but calls and `Host::drive`.
    pub(super) background: bool,
    /// Its place in a world of virtual time.
    pub(super) seat: Option<Seat>,
    /// The host is shut down: what a call asks before it takes the lock.
    pub(super) closed: AtomicBool,
    pub(super) itself: Weak<Self>,
}

/// What the lock guards.
pub(super) struct State {
    pub(super) stack: Stack,
    /// Interface n is at n - 1.
    pub(super) ports: Vec<Port>,
    pub(super) role: Role<Thread>,
    pub(super) readiness: Readiness,
    /// Sockets that may have changed, kept for an event loop that asked for them.
    pub(super) woken: Option<Vec<SocketId>>,
    /// Names and addresses for the resolver.
    pub(super) names: Names,
    /// The host is shut down, and its devices are closed.
    pub(super) closed: bool,
    /// The last handle is gone; the background thread goes on until then at the latest.
    pub(super) orphan_until: Option<Instant>,
    /// Frames of `lo` were left over.
    unsettled: bool,
    /// The stack was asked before this what is due, and did it.
    rested: Instant,
}

impl State {
    pub(super) fn new(stack: Stack, names: Names) -> Self {
        Self {
            stack,
            ports: Vec::new(),
            role: Role::default(),
            readiness: Readiness::default(),
            woken: None,
            names,
            closed: false,
            orphan_until: None,
            unsettled: false,
            rested: Instant::ZERO,
        }
    }

    /// One more interface.
    pub(super) fn plug(&mut self, plug: Plug, clock: &Clock) -> Result<IfIndex> {
        let Plug { mut device, addresses, ipv6 } = plug;
        device.set_clock(clock.born());
        if self.closed {
            return Err(Self::shut_down());
        }
        let config = InterfaceConfig {
            name: device.name().to_owned(),
            mac: device.mac(),
            link: device.link(),
            mtu: device.mtu(),
            addresses,
            ipv6,
        };
        let interface = self.stack.net.add_interface(config)?;
        self.ports.push(Port::new(interface, device));
        Ok(interface)
    }

    /// Puts what the stack has made on the wires. What goes to `lo`, or to a CAN bus that is free, comes straight back.
    pub(super) fn flush(&mut self, now: Instant) {
        if self.stack.net.take_promiscuity_changed() {
            self.ports.iter_mut().for_each(|port| port.follow_promiscuity(&self.stack));
        }
        for _ in 0..LOOPBACK_ROUNDS {
            let mut looped = self.unsettled;
            while let Some((interface, frame)) = self.stack.frame_out() {
                let index = (interface.0 as usize).wrapping_sub(1);
                let Some(port) = self.ports.get_mut(index) else {
                    // The host was shut down.
                    self.stack.net.note(Reason::LinkDown, Some(interface), None);
                    continue;
                };
                port.queue(frame, &mut self.stack);
                looped |= interface == IfIndex::LO;
            }
            self.ports.iter_mut().for_each(|port| port.transmit(now, &mut self.stack));
            self.unsettled = looped && self.ports[0].turn(now, 4 * BATCH, &mut self.stack);
            for port in self.ports.iter_mut().filter(|port| port.has_echo(now)) {
                self.unsettled |= port.turn(now, 4 * BATCH, &mut self.stack);
            }
            if !self.unsettled {
                return;
            }
        }
    }

    /// Counts what the devices dropped by themselves since they were last asked.
    pub(super) fn note_drops(&mut self) {
        self.ports.iter_mut().for_each(|port| port.note(&mut self.stack));
    }

    /// Wakes whoever waits for a socket that has changed, and keeps the readiness descriptors in step.
    pub(super) fn wake(&mut self) {
        while let Some(socket) = self.stack.take_woken() {
            self.role.wake(socket);
            if let Some(woken) = &mut self.woken {
                woken.push(socket);
            }
            self.readiness.refresh_woken(socket, &mut self.stack);
        }
    }

    /// Keeps these sockets' readiness descriptors in step after a verb.
    pub(super) fn show(&mut self, sockets: &[SocketId]) {
        sockets.iter().for_each(|socket| self.readiness.refresh(*socket, &self.stack));
    }

    /// After a verb: what it made leaves, whom it concerns is woken, a driver that sleeps too long is told.
    pub(super) fn settle(&mut self, now: Instant) {
        self.flush(now);
        self.wake();
        if self.role.is_asleep()
            && let Some(deadline) = self.deadline()
        {
            self.role.due(deadline);
        }
    }

    /// A driver's turn: takes what arrived on the ports that `ready` names, does what is due, sends what follows. True if there
    /// was anything.
    pub(super) fn turn(&mut self, now: Instant, ready: impl Fn(usize) -> bool) -> bool {
        self.stack.at(now);
        let mut moved = false;
        for (index, port) in self.ports.iter_mut().enumerate() {
            let due = port.deadline().is_some_and(|due| due <= now);
            if due || ready(index) {
                // What was due may have left: another host must look.
                moved |= port.turn(now, BATCH, &mut self.stack) || due;
            }
        }
        if self.stack_deadline().is_some_and(|due| due <= now) {
            self.stack.tick(now);
            self.rested = now + REST;
            moved = true;
        }
        self.flush(now);
        moved
    }

    /// When there is something to do though nothing arrives.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let ports = self.ports.iter().filter_map(Port::deadline).min();
        let rest = self.unsettled.then_some(Instant::ZERO);
        [self.stack_deadline(), ports, rest].into_iter().flatten().min()
    }

    /// The stack's deadline, if it has one that a tick just now has not met already: a timer that is always due must not keep
    /// the machine (or a world's clock) from going on.
    fn stack_deadline(&self) -> Option<Instant> {
        self.stack.deadline().map(|due| due.max(self.rested))
    }

    /// The host ends: its devices are closed, everybody who waits is told.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.ports.truncate(1);
        self.readiness.hang_up();
        self.role.wake_all();
    }

    /// What a call says that waited when the host was shut down.
    pub(super) fn interrupted() -> Error {
        Errno::EINTR.because(Reason::Interrupted)
    }

    /// What a call says that begins after that. Not EINTR: who is told that, tries again (PEP 475, `std::io::Read`).
    pub(super) fn shut_down() -> Error {
        Errno::ENETDOWN.because(Reason::HostShutDown)
    }
}

impl Shared {
    pub(super) fn new(state: State, clock: Clock, background: bool, seat: Option<Seat>) -> Result<Arc<Self>> {
        let bell = || EventFd::new().map_err(Error::from);
        let (caller_bell, background_bell) = (bell()?, bell()?);
        Ok(Arc::new_cyclic(|itself| Self {
            state: Mutex::new(state),
            clock,
            caller_bell,
            background_bell,
            background,
            seat,
            closed: AtomicBool::new(false),
            itself: itself.clone(),
        }))
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(super) fn lock(&self) -> Locked<'_> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Locked { shared: self, state: Some(state) }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// The host's lock, taken. When it is given back, those whom the holder's doings concern are woken: not before, so that they
/// don't run into the lock.
pub(super) struct Locked<'a> {
    shared: &'a Shared,
    state: Option<MutexGuard<'a, State>>,
}

impl Deref for Locked<'_> {
    type Target = State;
    fn deref(&self) -> &State {
        self.state.as_ref().expect("held until dropped")
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.state.as_mut().expect("held until dropped")
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let nudges = std::mem::take(&mut self.role.nudges);
        self.state = None;
        for nudge in nudges {
            match nudge {
                Nudge::Thread(thread) => thread.unpark(),
                Nudge::CallerBell => self.shared.caller_bell.signal(),
                Nudge::BackgroundBell => self.shared.background_bell.signal(),
            }
        }
    }
}

/// What a driver polls: its bell, then the ports that have a descriptor.
#[derive(Debug, Default)]
pub(super) struct PollSet {
    fds: Vec<PollFd>,
    /// The place of each port in `fds`; 0 = it has none.
    places: Vec<usize>,
}

impl PollSet {
    /// Looks at the host's ports anew.
    pub(super) fn fill(&mut self, bell: PollFd, ports: &[Port]) {
        self.fds.clear();
        self.places.clear();
        self.fds.push(bell);
        for port in ports {
            self.places.push(port.fd().map_or(0, |fd| {
                self.fds.push(PollFd::new(fd, true, port.is_congested()));
                self.fds.len() - 1
            }));
        }
    }

    pub(super) fn fds(&mut self) -> &mut [PollFd] {
        &mut self.fds
    }

    /// True if there is more to poll than the bell.
    pub(super) fn has_ports(&self) -> bool {
        self.fds.len() > 1
    }

    /// True if the bell was rung.
    pub(super) fn rung(&self) -> bool {
        self.fds.first().is_some_and(PollFd::is_ready)
    }

    /// True if the port must be looked at: its descriptor is ready, or it has none.
    pub(super) fn is_ready(&self, port: usize) -> bool {
        match self.places.get(port) {
            None | Some(0) => true,
            Some(place) => self.fds[*place].is_ready(),
        }
    }
}
