//! A cable in memory between two hosts.
//!
//! Each end owns a queue of frames that have arrived. Who sends puts the frame into the other end's queue and, only if that
//! end's host sleeps, signals the eventfd it sleeps on. A host in virtual time never asks for the descriptor: none is made.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::{Device, Impair, Impairment, SendError, Tally, local_mac, splitmix64};
use crate::base::{Direction, Errno, Error, Frame, Instant, Mac, Pool, Reason};
use crate::sys::EventFd;

/// What a cable is like.
#[derive(Clone, Debug)]
pub struct CableConfig {
    /// The interface's name at both ends.
    pub name: String,
    /// In bytes, without the Ethernet header.
    pub mtu: usize,
    /// Frames that may wait at each end; those that find it full are dropped and counted.
    pub queue: usize,
    /// The station addresses of both ends are drawn from it.
    pub seed: u64,
}

impl Default for CableConfig {
    fn default() -> Self {
        Self { name: "eth0".into(), mtu: 1500, queue: 4096, seed: 0 }
    }
}

/// A cable in memory. See [`Cable::pair`].
#[derive(Debug)]
pub struct Cable(());

impl Cable {
    /// Both ends of a new cable, each to be plugged into a host. When one is dropped, the other's link is down.
    pub fn pair(config: CableConfig) -> (CableEnd, CableEnd) {
        let mut state = config.seed;
        let macs = [local_mac(splitmix64(&mut state)), local_mac(splitmix64(&mut state))];
        let [a, b] = [(); 2].map(|()| Arc::new(Inbox::default()));
        let end = |mac, inbox: &Arc<Inbox>, peer: &Arc<Inbox>| CableEnd {
            config: config.clone(),
            mac,
            inbox: inbox.clone(),
            peer: peer.clone(),
            was_up: true,
            tally: Tally::default(),
        };
        (end(macs[0], &a, &b), end(macs[1], &b, &a))
    }

    /// The same, with a fault for each direction: what the first end sends meets `impairment`'s, what the second sends
    /// another draw of the same.
    pub fn impaired(config: CableConfig, impairment: &Impairment) -> (Impair<CableEnd>, Impair<CableEnd>) {
        Self::impair(Self::pair(config), impairment)
    }

    /// The same for a cable that is there.
    pub fn impair(
        (a, b): (CableEnd, CableEnd),
        impairment: &Impairment,
    ) -> (Impair<CableEnd>, Impair<CableEnd>) {
        let back = Impairment { seed: impairment.seed ^ 0x6261_636b, ..impairment.clone() };
        (Impair::outgoing(a, impairment.clone()), Impair::outgoing(b, back))
    }
}

/// One end of a cable.
#[derive(Debug)]
pub struct CableEnd {
    config: CableConfig,
    mac: Mac,
    inbox: Arc<Inbox>,
    peer: Arc<Inbox>,
    was_up: bool,
    tally: Tally,
}

/// What has arrived at one end.
#[derive(Debug, Default)]
struct Inbox {
    queue: Mutex<Queue>,
    /// Made when its host first asks for a descriptor; `None` inside if the system has none to give.
    wake: OnceLock<Option<EventFd>>,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Frame>,
    /// Its host is asleep, or about to be.
    asleep: bool,
    /// The eventfd is readable.
    signalled: bool,
    /// The end that reads this queue, or the one that fills it, is gone.
    closed: bool,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, queue: &mut Queue) {
        if let Some(Some(wake)) = self.wake.get()
            && !queue.signalled
        {
            queue.signalled = true;
            wake.signal();
        }
    }

    fn clear(&self, queue: &mut Queue) {
        if queue.signalled
            && let Some(Some(wake)) = self.wake.get()
        {
            queue.signalled = false;
            wake.clear();
        }
    }

    fn close(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        self.signal(&mut queue);
    }
}

impl CableEnd {
    /// With another station address than the one drawn from the cable's seed.
    #[must_use]
    pub fn with_mac(mut self, mac: Mac) -> Self {
        self.mac = mac;
        self
    }

    /// With another name of the interface than the cable's.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.config.name = name.into();
        self
    }

    fn unplugged(&self) -> Error {
        Errno::ENETDOWN
            .because(Reason::LinkDown)
            .detail(format!("{}: nobody is at the other end of the cable", self.config.name))
    }
}

impl Device for CableEnd {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn mac(&self) -> Mac {
        self.mac
    }

    fn mtu(&self) -> usize {
        self.config.mtu
    }

    fn recv(&mut self, now: Instant, _pool: &Pool) -> Result<Option<Frame>, Error> {
        let mut queue = self.inbox.lock();
        if let Some(mut frame) = queue.frames.pop_front() {
            (frame.time, frame.direction) = (now, Direction::In);
            return Ok(Some(frame));
        }
        self.inbox.clear(&mut queue);
        if queue.closed && self.was_up {
            self.was_up = false;
            drop(queue);
            return Err(self.unplugged());
        }
        Ok(None)
    }

    fn send(&mut self, _now: Instant, frame: Frame) -> Result<(), SendError> {
        let mut queue = self.peer.lock();
        if queue.closed {
            drop(queue);
            return Err(SendError::Failed(self.unplugged()));
        }
        if queue.frames.len() >= self.config.queue {
            self.tally.count(Reason::DeviceQueueFull);
            return Ok(());
        }
        queue.frames.push_back(frame);
        if queue.asleep {
            self.peer.signal(&mut queue);
        }
        Ok(())
    }

    fn fd(&self) -> Option<RawFd> {
        let wake = self.inbox.wake.get_or_init(|| EventFd::new().ok());
        wake.as_ref().map(AsRawFd::as_raw_fd)
    }

    fn sleeping(&mut self, asleep: bool) {
        let mut queue = self.inbox.lock();
        queue.asleep = asleep;
        if !asleep {
            self.inbox.clear(&mut queue);
        } else if !queue.frames.is_empty() || (queue.closed && self.was_up) {
            // It came after the host's last look: the sleep must end at once.
            self.inbox.signal(&mut queue);
        }
    }

    fn is_up(&self) -> bool {
        !self.inbox.lock().closed
    }

    fn notes(&mut self, tell: &mut dyn FnMut(Reason, u64)) {
        self.tally.tell(tell);
    }
}

impl Drop for CableEnd {
    fn drop(&mut self) {
        self.inbox.lock().frames.clear();
        self.inbox.close();
        self.peer.close();
    }
}
