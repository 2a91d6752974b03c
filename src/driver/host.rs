//! A host's handle: lock, verb, flush, wake.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::builder::HostBuilder;
use super::port::Port;
use super::state::{Shared, State};
use super::{background, wait, world};
use crate::base::verb::{Answer, Verb};
use crate::base::{Cidr, Errno, IfIndex, Instant, Mac, Reason, Result, SocketId};
use crate::device::{Device, Impair, Impairment, Tee};
use crate::stack::{Census, InterfaceConfig, Stack};
use crate::trace::Recorder;

/// A host: one stack and its devices. Cloning shares it.
///
/// It lives as long as a clone or a socket of it. When the last one goes, what was sent still has five seconds to be
/// acknowledged, in the background; [`Host::flush`] waits for that, [`Host::shutdown`] does not.
#[derive(Clone, Debug)]
pub struct Host {
    handle: Arc<Handle>,
}

/// What the clones share; its end is the host's.
#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // A world's hosts live as long as their world.
        if self.shared.seat.is_none() {
            background::orphan(&self.shared);
        }
    }
}

/// An interface of a host.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Interface {
    /// Its number, from 1 (`lo`).
    pub index: IfIndex,
    /// Its name.
    pub name: String,
    /// Its station address; the loopback's is zero.
    pub mac: Mac,
    /// Bytes of an IP packet.
    pub mtu: usize,
    /// The device works, as far as is known.
    pub up: bool,
    /// Its addresses that can be used now, with their networks.
    pub addresses: Vec<Cidr>,
}

/// One more interface's device and what it is given at once.
#[derive(Debug)]
pub(super) struct Plug {
    pub(super) device: Box<dyn Device>,
    pub(super) addresses: Vec<Cidr>,
    pub(super) ipv6: bool,
}

impl Host {
    /// A host to be: loopback only, until told otherwise.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    pub(super) fn over(shared: Arc<Shared>) -> Self {
        Self { handle: Arc::new(Handle { shared }) }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    /// True if both are handles of the same host.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.shared(), other.shared())
    }

    /// The reading of the host's clock.
    pub fn now(&self) -> Instant {
        self.shared().now()
    }

    /// The wall-clock time, since 1970: that of `now`, as the host's clock began with it.
    pub fn wall_clock(&self) -> Duration {
        let epoch = self.shared().lock().stack.net.config.epoch;
        epoch + self.now().since(Instant::ZERO)
    }

    /// A verb: takes the host's lock, sets the stack's clock, calls `verb`, transmits what it made, wakes whom it concerns.
    pub(crate) fn call<T>(&self, verb: impl FnOnce(&mut Stack) -> T) -> T {
        self.enter(verb, |state| {
            if state.readiness.is_out() {
                state.readiness.refresh_every(&state.stack);
            }
        })
    }

    /// The same for a verb that changes the readiness of this socket only: cheaper where many have a descriptor out.
    pub(crate) fn call_on<T>(&self, socket: SocketId, verb: impl FnOnce(&mut Stack) -> T) -> T {
        self.enter(verb, |state| state.readiness.refresh(socket, &state.stack))
    }

    /// Does a verb that came as data.
    #[allow(dead_code)]
    pub(crate) fn perform(&self, verb: Verb) -> Result<Answer> {
        if verb == Verb::Counters {
            self.shared().lock().note_drops();
        }
        match verb.socket() {
            Some(socket) => self.call_on(socket, |stack| stack.perform(verb)),
            None => self.call(|stack| stack.perform(verb)),
        }
    }

    /// For a foreign event loop: the sockets that may have changed since the last call. The first call begins to keep them.
    #[allow(dead_code)]
    pub(crate) fn take_woken(&self) -> Vec<SocketId> {
        let mut woken = self.shared().lock().woken.replace(Vec::new()).unwrap_or_default();
        woken.sort_unstable();
        woken.dedup();
        woken
    }

    /// ENETDOWN once the host is shut down.
    pub(crate) fn alive(&self) -> Result<()> {
        if self.shared().closed.load(Ordering::Acquire) { Err(State::shut_down()) } else { Ok(()) }
    }

    fn enter<T>(&self, verb: impl FnOnce(&mut Stack) -> T, refresh: impl FnOnce(&mut State)) -> T {
        let shared = self.shared();
        let mut state = shared.lock();
        let now = shared.now();
        state.stack.at(now);
        let result = verb(&mut state.stack);
        if shared.seat.is_some() {
            state.flush(now);
        } else {
            state.settle(now);
            if shared.background && !state.role.has_background() && state.deadline().is_some() {
                background::start(shared, &mut state);
            }
        }
        refresh(&mut state);
        result
    }

    /// The one place where a call waits. Calls `attempt` (under the lock, as [`Host::call`]) at once and again whenever one of
    /// `sockets` may have changed, until it gives `Some`; `None` = `deadline` came first. While it waits it drives the host.
    /// An empty `sockets` and a deadline is a sleep. A host that is shut down answers EINTR's place: `Err`.
    pub(crate) fn wait<T>(
        &self,
        sockets: &[SocketId],
        deadline: Option<Instant>,
        attempt: impl FnMut(&mut Stack) -> Option<T>,
    ) -> Result<Option<T>> {
        match &self.shared().seat {
            None => wait::wait(self.shared(), sockets, deadline, attempt),
            Some(seat) => world::wait(self.shared(), seat, sockets, deadline, attempt),
        }
    }

    /// The descriptor of a socket that poll(2) and epoll(7) can wait on: it carries readiness, not data.
    pub(crate) fn readiness_fd(&self, socket: SocketId) -> Result<Arc<OwnedFd>> {
        let shared = self.shared();
        let mut guard = shared.lock();
        let state = &mut *guard;
        let first = !state.readiness.is_out();
        let fd = state.readiness.open(socket, &state.stack)?;
        if first {
            background::start(shared, state);
            state.role.rouse_background();
        }
        Ok(fd)
    }

    /// Sleeps on the host's clock, and drives the host meanwhile. In a world this takes no real time.
    pub fn sleep(&self, time: Duration) -> Result<()> {
        let until = self.now() + time;
        self.wait::<()>(&[], Some(until), |_| None).map(drop)
    }

    /// Waits until everything that was sent is acknowledged and every connection without a socket has ended, at most `limit`.
    /// True if so.
    pub fn flush(&self, limit: Duration) -> Result<bool> {
        let end = self.now() + limit;
        let mut pause = Duration::from_micros(100);
        loop {
            if self.census().flows == 0 {
                return Ok(true);
            }
            let now = self.now();
            if now >= end {
                return Ok(false);
            }
            self.sleep(pause.min(end.since(now)))?;
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Ends the host at once: its devices are closed, calls that wait answer EINTR, later ones ENETDOWN, but for
    /// those that only tell (options, names, counters) and close(2). See [`Host::flush`].
    pub fn shutdown(&self) {
        self.shared().closed.store(true, Ordering::Release);
        self.shared().lock().close();
    }

    /// What gethostname(2) says.
    pub fn hostname(&self) -> String {
        self.shared().lock().stack.net.config.hostname.clone()
    }

    /// The host's interfaces, `lo` first.
    pub fn interfaces(&self) -> Vec<Interface> {
        let state = self.shared().lock();
        let known = state.stack.net.interfaces().iter();
        known
            .map(|known| Interface {
                index: known.index,
                name: known.name.clone(),
                mac: known.mac,
                mtu: known.mtu,
                up: known.up,
                addresses: known.usable().map(|address| address.cidr).collect(),
            })
            .collect()
    }

    /// The DNS servers that the host asks, in this order.
    pub fn dns_servers(&self) -> Vec<SocketAddr> {
        self.shared().lock().names.dns.clone()
    }

    /// The addresses that the host's own table (hosts(5)) has for a name, without regard to case.
    pub fn hosts_lookup(&self, name: &str) -> Vec<IpAddr> {
        self.shared().lock().names.addresses(name)
    }

    /// The first name that the host's own table has for an address.
    pub fn hosts_name(&self, address: IpAddr) -> Option<String> {
        self.shared().lock().names.name(address)
    }

    /// The host's own table of names, as hosts(5) writes it.
    pub(crate) fn hosts_text(&self) -> String {
        self.shared().lock().names.text()
    }

    /// How often each thing happened that has a reason; only what happened at all.
    pub fn counters(&self) -> Vec<(Reason, u64)> {
        let mut state = self.shared().lock();
        state.note_drops();
        let log = &state.stack.net.log;
        Reason::ALL.iter().map(|reason| (*reason, log.count(*reason))).filter(|(_, n)| *n > 0).collect()
    }

    /// How often this happened.
    pub fn count(&self, reason: Reason) -> u64 {
        let mut state = self.shared().lock();
        state.note_drops();
        state.stack.net.log.count(reason)
    }

    /// True while a device is busy and frames wait for it. 256 of them may, the next ones are dropped (and counted): who sends
    /// without end looks here before the next batch.
    pub fn is_congested(&self) -> bool {
        self.shared().lock().ports.iter().any(Port::is_congested)
    }

    /// Sockets, connections and TIME_WAIT entries that exist now.
    pub fn census(&self) -> Census {
        self.shared().lock().stack.census()
    }

    /// Begins or ends the keeping of events for [`Host::events`].
    pub fn watch(&self, on: bool) {
        self.shared().lock().stack.net.log.watch(on);
    }

    /// What happened since the last call, as far as it was watched and is still kept.
    pub fn events(&self) -> Vec<crate::base::Event> {
        let mut state = self.shared().lock();
        std::iter::from_fn(|| state.stack.take_event()).collect()
    }

    /// Plugs in one more device, and gives its interface.
    pub fn attach(&self, device: impl Device + 'static) -> Result<IfIndex> {
        let plug = Plug { device: Box::new(device), addresses: Vec::new(), ipv6: true };
        let shared = self.shared();
        let mut state = shared.lock();
        let now = shared.now();
        state.stack.at(now);
        let interface = state.plug(plug)?;
        state.settle(now);
        background::start(shared, &mut state);
        // A driver that sleeps does so without the new descriptor.
        state.role.due(Instant::ZERO);
        Ok(interface)
    }

    /// Records every frame of an interface from now on; of `lo` too ([`IfIndex::LO`]).
    pub fn record(&self, interface: IfIndex, recorder: impl Recorder + 'static) -> Result<()> {
        self.wrap(interface, |device| Tee::new(device, recorder))
    }

    /// Makes an interface's link bad from now on, each way: `loss=1%,delay=20ms`.
    pub fn impair(&self, interface: IfIndex, impairment: impl ToString) -> Result<()> {
        let impairment: Impairment = impairment.to_string().parse()?;
        self.wrap(interface, |device| Impair::new(device, impairment))
    }

    fn wrap<D: Device + 'static>(
        &self,
        interface: IfIndex,
        wrap: impl FnOnce(Box<dyn Device>) -> D,
    ) -> Result<()> {
        let mut state = self.shared().lock();
        let port = state.ports.get_mut((interface.0 as usize).wrapping_sub(1));
        port.ok_or_else(|| Errno::ENODEV.because(Reason::NoInterface))?.wrap(wrap);
        Ok(())
    }

    /// Gives an interface one more address.
    pub fn add_address(&self, interface: IfIndex, address: impl ToString) -> Result<()> {
        let address = address.to_string().parse()?;
        self.call(|stack| stack.net.add_address(interface, address))
    }

    /// Takes an address away; its connections end.
    pub fn remove_address(&self, interface: IfIndex, address: IpAddr) -> Result<()> {
        self.call(|stack| stack.net.remove_address(interface, address))
    }

    /// A route: `via` a gateway, or (`None`) on the link of `interface`.
    pub fn add_route(
        &self,
        network: impl ToString,
        via: Option<IpAddr>,
        interface: Option<IfIndex>,
    ) -> Result<()> {
        let network = network.to_string().parse()?;
        self.call(|stack| stack.net.add_route(network, via, interface))
    }

    /// Takes a route away.
    pub fn remove_route(&self, network: impl ToString, via: Option<IpAddr>) -> Result<()> {
        let network = network.to_string().parse()?;
        self.call(|stack| stack.net.remove_route(network, via))
    }

    /// A neighbour's station address, fixed; `None` forgets what is known of it.
    pub fn set_neighbour(&self, interface: IfIndex, address: IpAddr, mac: Option<Mac>) -> Result<()> {
        self.call(|stack| stack.net.set_neighbour(interface, address, mac))
    }

    /// For a foreign event loop (see [`HostBuilder::embedded`]): the descriptors to poll for reading before [`Host::drive`].
    pub fn poll_fds(&self) -> Vec<RawFd> {
        let mut fds = Vec::new();
        self.before_sleep(|fd, _| fds.push(fd));
        fds
    }

    /// The same for an event loop that keeps its set: each descriptor, and whether frames wait for room on it (POLLOUT). Tells the
    /// devices that the host will sleep.
    pub(crate) fn before_sleep(&self, mut each: impl FnMut(RawFd, bool)) {
        let mut state = self.shared().lock();
        state.ports.iter_mut().for_each(|port| port.sleeping(true));
        state
            .ports
            .iter()
            .filter_map(|port| Some((port.fd()?, port.is_congested())))
            .for_each(|(fd, full)| each(fd, full));
    }

    /// For a foreign event loop: when to call [`Host::drive`] though no descriptor is ready. `None` = never.
    pub fn deadline(&self) -> Option<Instant> {
        self.shared().lock().deadline()
    }

    /// For a foreign event loop: takes what arrived, does what is due, sends what follows.
    pub fn drive(&self) {
        let shared = self.shared();
        let mut state = shared.lock();
        let now = shared.now();
        state.ports.iter_mut().for_each(|port| port.sleeping(false));
        state.turn(now, |_| true);
        state.settle(now);
    }
}

impl State {
    /// One more interface.
    pub(super) fn plug(&mut self, plug: Plug) -> Result<IfIndex> {
        let Plug { device, addresses, ipv6 } = plug;
        if self.closed {
            return Err(Self::shut_down());
        }
        let config = InterfaceConfig {
            name: device.name().to_owned(),
            mac: device.mac(),
            mtu: device.mtu(),
            addresses,
            ipv6,
        };
        let interface = self.stack.net.add_interface(config)?;
        self.ports.push(Port::new(interface, device));
        Ok(interface)
    }
}
