//! A CAN bus in memory, of any number of hosts.
//!
//! Everybody hears every frame. With a bit rate, frames take their time: one is on the bus, the others wait, and of those that
//! wait the one with the lowest identifier goes next (arbitration). What a host has sent comes back to it when it was on the bus.
//!
//! ```text
//!   idle --a frame--> contending --one bit later--> sending --its last bit--> contending (frames wait), or idle
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::{Device, SendError, Tally};
use crate::base::constants::{CAN_EFF_FLAG, CAN_ERR_BUSOFF, CAN_ERR_RESTARTED, CAN_RTR_FLAG, CANFD_BRS};
use crate::base::{Direction, Error, Frame, Instant, LinkType, Mac, Pool, Reason};
use crate::sys::EventFd;
use crate::wire::CanFrame;
use crate::wire::can::{self, CAN_MTU, CANFD_MTU, Kind};

/// What a bus is like.
#[derive(Clone, Debug)]
pub struct CanBusConfig {
    /// CAN FD: frames of up to 64 bytes. Else 8.
    pub fd: bool,
    /// Bits in a second; `None` = frames take no time, and none waits.
    pub bitrate: Option<u32>,
    /// Bits in a second of the data of FD frames that ask for it (CANFD_BRS); `None` = `bitrate`.
    pub data_bitrate: Option<u32>,
    /// Frames that may wait at each port, either way; those that find it full are dropped and counted.
    pub queue: usize,
}

impl Default for CanBusConfig {
    fn default() -> Self {
        Self { fd: true, bitrate: None, data_bitrate: None, queue: 4096 }
    }
}

/// A CAN bus in memory. Cloning shares it.
///
/// ```
/// # use sockatoo::{Host, device::CanBus, socket::*, wire::CanFrame};
/// let bus = CanBus::new();
/// let [ecu, panel] = ["ecu", "panel"].map(|name| Host::builder().hostname(name).can("can0", bus.port()).build());
/// let (ecu, panel) = (ecu?, panel?);
/// let ear = panel.socket(AF_CAN, SOCK_RAW, CAN_RAW)?;
/// ear.bind(("can0",))?;
/// let mouth = ecu.socket(AF_CAN, SOCK_RAW, CAN_RAW)?;
/// mouth.bind(("can0",))?;
/// mouth.send("123#DEADBEEF".parse::<CanFrame>()?.as_bytes(), 0)?;
/// assert_eq!(CanFrame::from_bytes(&ear.recv(16, 0)?)?.to_string(), "123#DEADBEEF");
/// # Ok::<(), sockatoo::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct CanBus(Arc<Bus>);

#[derive(Default)]
struct Bus {
    config: CanBusConfig,
    wire: Mutex<Wire>,
}

/// What the lock guards.
#[derive(Default)]
struct Wire {
    ports: Vec<Port>,
    phase: Phase,
    /// Ports that there were.
    plugged: u64,
}

#[derive(Default)]
enum Phase {
    #[default]
    Idle,
    /// Who has a frame begins at the same time; decided then.
    Contending(Instant),
    /// This frame of this port, until then.
    Sending(u64, Frame, Instant),
}

/// A host's place on the bus.
struct Port {
    number: u64,
    /// What it wants to send.
    out: VecDeque<Frame>,
    /// What it has heard.
    heard: VecDeque<Frame>,
    lost: u64,
    /// It neither sends nor hears.
    off: bool,
    /// Its host is asleep, or about to be; the eventfd is readable.
    asleep: bool,
    signalled: bool,
    /// Made when its host first asks for a descriptor; `None` inside if the system has none to give.
    wake: Arc<OnceLock<Option<EventFd>>>,
}

impl Port {
    fn hear(&mut self, frame: Frame, most: usize) {
        if self.heard.len() >= most {
            self.lost += 1;
        } else {
            self.heard.push_back(frame);
            self.rouse();
        }
    }

    /// There is something to do, now or at another time than it thought.
    fn rouse(&mut self) {
        if self.asleep
            && !self.signalled
            && let Some(Some(wake)) = self.wake.get()
        {
            self.signalled = true;
            wake.signal();
        }
    }

    fn clear(&mut self) {
        if self.signalled
            && let Some(Some(wake)) = self.wake.get()
        {
            self.signalled = false;
            wake.clear();
        }
    }
}

/// How arbitration ranks a frame, the lowest first: the identifier's bits as they are on the wire. Of the same first 11 bits a data
/// frame goes before a remote one, a standard one before an extended one (ISO 11898-1).
pub(super) fn rank(frame: &Frame) -> (u32, bool, u32, bool) {
    let id = can::id(frame.bytes());
    let (extended, remote) = (id & CAN_EFF_FLAG != 0, id & CAN_RTR_FLAG != 0);
    let (base, rest) = if extended { (id >> 18 & 0x7ff, id & 0x3_ffff) } else { (id & 0x7ff, 0) };
    // A standard frame's RTR bit stands where an extended one has its recessive SRR bit.
    (base, extended || remote, u32::from(extended) << 18 | rest, remote)
}

fn span(bits: u32, rate: u32) -> Duration {
    Duration::from_nanos(u64::from(bits) * 1_000_000_000 / u64::from(rate.max(1)))
}

impl Bus {
    fn lock(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a frame is on the bus, the three bits behind it included, stuff bits not: ISO 11898-1.
    fn time(&self, frame: &Frame) -> Duration {
        let Some(rate) = self.config.bitrate else { return Duration::ZERO };
        let bytes = frame.bytes();
        let (id, len) = (can::id(bytes), u32::from(bytes.get(4).copied().unwrap_or(0)));
        let extended = id & CAN_EFF_FLAG != 0;
        if Kind::of(bytes) == Some(Kind::Fd) {
            let fast = bytes.get(5).is_some_and(|flags| flags & CANFD_BRS != 0);
            let data_rate = self.config.data_bitrate.filter(|_| fast).unwrap_or(rate);
            let check = if len > 16 { 4 + 21 + 7 } else { 4 + 17 + 6 };
            return span(if extended { 49 } else { 30 }, rate) + span(5 + 8 * len + check, data_rate);
        }
        let data = if id & CAN_RTR_FLAG != 0 { 0 } else { 8 * len };
        span(data + if extended { 67 } else { 47 }, rate)
    }

    /// All that has happened on the bus until `now`.
    fn advance(&self, wire: &mut Wire, now: Instant) {
        loop {
            match std::mem::take(&mut wire.phase) {
                Phase::Contending(at) if at <= now => self.arbitrate(wire, at),
                Phase::Sending(port, frame, until) if until <= now => {
                    self.deliver(wire, port, frame, until);
                    self.arbitrate(wire, until);
                }
                phase => {
                    wire.phase = phase;
                    return;
                }
            }
        }
    }

    /// The bus is free: of those that wait, the lowest identifier goes.
    fn arbitrate(&self, wire: &mut Wire, at: Instant) {
        let waiting = wire.ports.iter_mut().filter(|port| !port.out.is_empty());
        let Some(port) = waiting.min_by_key(|port| port.out.front().map(rank)) else { return };
        if let Some(frame) = port.out.pop_front() {
            let until = at + self.time(&frame);
            wire.phase = Phase::Sending(port.number, frame, until);
        }
    }

    /// The frame was on the bus: all hear it, and its sender that it has left.
    fn deliver(&self, wire: &mut Wire, from: u64, frame: Frame, at: Instant) {
        let sender = frame.sender;
        for port in wire.ports.iter_mut().filter(|port| !port.off) {
            let mut copy = frame.clone();
            copy.time = at;
            if port.number != from {
                (copy.direction, copy.sender) = (Direction::In, None);
            } else if sender.is_none() {
                continue;
            }
            port.hear(copy, self.config.queue);
        }
    }
}

impl CanBus {
    /// A bus for CAN FD without a bit rate: frames take no time.
    pub fn new() -> Self {
        Self::default()
    }

    /// A bus as it is told.
    pub fn with(config: CanBusConfig) -> Self {
        Self(Arc::new(Bus { config, wire: Mutex::default() }))
    }

    /// One more place on the bus, for a host: [`HostBuilder::can`](crate::HostBuilder::can). Its interface is called `can0`.
    pub fn port(&self) -> CanPort {
        let mut wire = self.0.lock();
        wire.plugged += 1;
        let (number, wake) = (wire.plugged, Arc::default());
        wire.ports.push(Port {
            number,
            out: VecDeque::new(),
            heard: VecDeque::new(),
            lost: 0,
            off: false,
            asleep: false,
            signalled: false,
            wake: Arc::clone(&wake),
        });
        CanPort {
            bus: Arc::clone(&self.0),
            number,
            name: "can0".into(),
            wake,
            tally: Tally::default(),
            born: Duration::ZERO,
        }
    }
}

impl fmt::Debug for CanBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.0.lock().ports.len();
        f.debug_struct("CanBus").field("config", &self.0.config).field("ports", &ports).finish()
    }
}

/// A host's place on a [`CanBus`].
pub struct CanPort {
    bus: Arc<Bus>,
    number: u64,
    name: String,
    wake: Arc<OnceLock<Option<EventFd>>>,
    tally: Tally,
    /// Its host's clock began then, on the bus's.
    born: Duration,
}

/// What goes wrong with a controller, from anywhere: for teaching.
#[derive(Clone)]
pub struct CanSwitch {
    bus: Arc<Bus>,
    number: u64,
}

impl CanSwitch {
    /// The controller has seen too many errors: what it wanted to send is lost, and it neither sends nor hears until
    /// [`CanSwitch::restart`]. Its host gets an error frame (CAN_ERR_BUSOFF).
    pub fn bus_off(&self) {
        self.with(|port, most| {
            port.off = true;
            port.lost += port.out.len() as u64;
            port.out.clear();
            port.hear(error_frame(CAN_ERR_BUSOFF), most);
        });
    }

    /// Back on the bus. Its host gets an error frame (CAN_ERR_RESTARTED).
    pub fn restart(&self) {
        self.with(|port, most| {
            if std::mem::take(&mut port.off) {
                port.hear(error_frame(CAN_ERR_RESTARTED), most);
            }
        });
    }

    /// The controller tells its host of an error: CAN_ERR_CRTL, CAN_ERR_PROT ... (linux/can/error.h).
    pub fn error(&self, class: u32) {
        self.with(|port, most| port.hear(error_frame(class), most));
    }

    fn with(&self, act: impl FnOnce(&mut Port, usize)) {
        let mut wire = self.bus.lock();
        if let Some(port) = wire.ports.iter_mut().find(|port| port.number == self.number) {
            act(port, self.bus.config.queue);
        }
    }
}

impl fmt::Debug for CanSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CanSwitch({})", self.number)
    }
}

fn error_frame(class: u32) -> Frame {
    let mut frame = Frame::copy_of(CanFrame::error(class).as_bytes());
    (frame.link, frame.direction) = (LinkType::Can, Direction::In);
    frame
}

impl CanPort {
    /// With another name of the interface than `can0`.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The switch for what goes wrong here.
    pub fn switch(&self) -> CanSwitch {
        CanSwitch { bus: Arc::clone(&self.bus), number: self.number }
    }

    /// A moment of the bus on the host's clock.
    fn here(&self, at: Instant) -> Instant {
        Instant::ZERO + at.since(Instant::ZERO + self.born)
    }

    fn own<T: Default>(&self, wire: &mut Wire, act: impl FnOnce(&mut Port) -> T) -> T {
        wire.ports.iter_mut().find(|port| port.number == self.number).map(act).unwrap_or_default()
    }
}

impl Device for CanPort {
    fn name(&self) -> &str {
        &self.name
    }

    fn mac(&self) -> Mac {
        Mac::ZERO
    }

    fn link(&self) -> LinkType {
        LinkType::Can
    }

    fn mtu(&self) -> usize {
        if self.bus.config.fd { CANFD_MTU } else { CAN_MTU }
    }

    fn set_clock(&mut self, born: Duration) {
        self.born = born;
    }

    fn recv(&mut self, now: Instant, _pool: &Pool) -> Result<Option<Frame>, Error> {
        let mut wire = self.bus.lock();
        self.bus.advance(&mut wire, now + self.born);
        Ok(self.own(&mut wire, |port| {
            let frame = port.heard.pop_front().map(|mut frame| {
                // Errors know no time of their own.
                frame.time = if frame.time == Instant::ZERO { now } else { self.here(frame.time) };
                frame
            });
            if frame.is_none() {
                port.clear();
            }
            frame
        }))
    }

    fn send(&mut self, now: Instant, frame: Frame) -> Result<(), SendError> {
        let now = now + self.born;
        let mut wire = self.bus.lock();
        self.bus.advance(&mut wire, now);
        // can_dropped_invalid_skb
        if Kind::of(frame.bytes()).is_none() {
            self.tally.count(Reason::CanMalformed);
            return Ok(());
        }
        let most = self.bus.config.queue;
        let refused = self.own(&mut wire, |port| match (port.off, port.out.len() >= most) {
            (true, _) => Some(Reason::CanBusOff),
            (_, true) => Some(Reason::DeviceQueueFull),
            _ => {
                port.out.push_back(frame);
                None
            }
        });
        if let Some(reason) = refused {
            self.tally.count(reason);
            return Ok(());
        }
        if matches!(wire.phase, Phase::Idle) {
            let bit = self.bus.config.bitrate.map_or(Duration::ZERO, |rate| span(1, rate));
            wire.phase = Phase::Contending(now + bit);
            self.bus.advance(&mut wire, now);
            wire.ports.iter_mut().for_each(Port::rouse);
        }
        Ok(())
    }

    fn fd(&self) -> Option<RawFd> {
        let wake = self.wake.get_or_init(|| EventFd::new().ok());
        wake.as_ref().map(AsRawFd::as_raw_fd)
    }

    fn deadline(&self) -> Option<Instant> {
        let mut wire = self.bus.lock();
        let due = match wire.phase {
            Phase::Idle => None,
            Phase::Contending(at) | Phase::Sending(_, _, at) => Some(at),
        };
        let heard = self.own(&mut wire, |port| port.heard.front().map(|frame| frame.time));
        super::earlier(due, heard).map(|at| self.here(at))
    }

    fn sleeping(&mut self, asleep: bool) {
        let mut wire = self.bus.lock();
        self.own(&mut wire, |port| {
            port.asleep = asleep;
            if !asleep {
                port.clear();
            } else if !port.heard.is_empty() {
                // It came after the host's last look: the sleep must end at once.
                port.rouse();
            }
        });
    }

    fn notes(&mut self, tell: &mut dyn FnMut(Reason, u64)) {
        let lost = {
            let mut wire = self.bus.lock();
            self.own(&mut wire, |port| std::mem::take(&mut port.lost))
        };
        self.tally.add(Reason::DeviceQueueFull, lost);
        self.tally.tell(tell);
    }
}

impl fmt::Debug for CanPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CanPort")
            .field("name", &self.name)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Drop for CanPort {
    fn drop(&mut self) {
        self.bus.lock().ports.retain(|port| port.number != self.number);
    }
}
