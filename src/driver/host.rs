//! A host's handle: lock, verb, flush, wake.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::background;
use super::builder::{HostBuilder, Names};
use super::far::Far;
use super::here::{Door, Here};
use super::port::Port;
use super::state::Shared;
use crate::base::verb::{Answer, Patience, Verb};
use crate::base::{Cidr, Errno, IfIndex, Instant, Mac, Reason, Result, SocketId};
use crate::device::{Device, Impair, Impairment, Tee};
use crate::stack::Census;
use crate::trace::Recorder;

/// A host: one stack and its devices. Cloning shares it.
///
/// It lives as long as a clone or a socket of it. When the last one goes, what was sent still has five seconds to be
/// acknowledged, in the background; [`Host::flush`] waits for that, [`Host::shutdown`] does not.
///
/// # Two doors
/// A host that [`Host::builder`] makes is in this process: a call runs on its stack, under its lock. [`Host::join`] gives the
/// handle of a host in another process (`sockatoo up` made it): a call is asked of that process over the host's unix socket. All
/// calls mean the same through both doors, but for what only the host's own process can do, which is EOPNOTSUPP from
/// elsewhere: to attach a device, to record, to drive, to watch events. When this process lets go of the host there, or ends, its
/// sockets are closed; the host goes on.
#[derive(Clone, Debug)]
pub struct Host {
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Here(Arc<Handle>),
    There(Arc<dyn Far>),
}

/// What the clones share; its end is the host's.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) shared: Arc<Shared>,
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
        Self { place: Place::Here(Arc::new(Handle { shared })) }
    }

    /// The handle of a host in another process.
    pub(crate) fn there(far: Arc<dyn Far>) -> Self {
        Self { place: Place::There(far) }
    }

    /// True if both are handles of the same host.
    pub fn is(&self, other: &Self) -> bool {
        match (&self.place, &other.place) {
            (Place::Here(one), Place::Here(other)) => Arc::ptr_eq(one, other),
            (Place::There(one), Place::There(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// The reading of the host's clock.
    pub fn now(&self) -> Instant {
        match self.door() {
            Door::Here(here) => here.shared.now(),
            Door::There(far) => far.now(),
        }
    }

    /// The wall-clock time, since 1970: that of `now`, as the host's clock began with it.
    pub fn wall_clock(&self) -> Duration {
        let epoch = match self.door() {
            Door::Here(here) => here.shared.lock().stack.net.config.epoch,
            Door::There(far) => far.epoch(),
        };
        epoch + self.now().since(Instant::ZERO)
    }

    /// The way to the stack.
    #[inline]
    pub(crate) fn door(&self) -> Door<'_> {
        match &self.place {
            Place::Here(handle) => Door::Here(Here { shared: &handle.shared }),
            Place::There(far) => Door::There(far.as_ref()),
        }
    }

    /// Of a host in another process EOPNOTSUPP: there are things that only its own process can do.
    pub(super) fn handle(&self) -> Result<&Arc<Handle>> {
        match &self.place {
            Place::Here(handle) => Ok(handle),
            Place::There(_) => {
                Err(Errno::EOPNOTSUPP.with("only the process in which the host lives can do that"))
            }
        }
    }

    fn shared(&self) -> Result<&Arc<Shared>> {
        self.handle().map(|handle| &handle.shared)
    }

    /// Does a verb that came as data, once, now.
    pub(crate) fn perform(&self, verb: Verb) -> Result<Answer> {
        match self.door() {
            Door::Here(here) => here.perform(&verb),
            Door::There(far) => far.perform(verb, Patience::Now),
        }
    }

    /// ENETDOWN once the host is shut down.
    pub(crate) fn alive(&self) -> Result<()> {
        match self.door() {
            Door::Here(here) => here.alive(),
            // A call finds out by itself.
            Door::There(_) => Ok(()),
        }
    }

    /// The descriptor of a socket that poll(2) and epoll(7) can wait on: it carries readiness, not data.
    pub(crate) fn readiness_fd(&self, socket: SocketId) -> Result<Arc<OwnedFd>> {
        let shared = match self.door() {
            Door::Here(here) => here.shared,
            Door::There(far) => return far.readiness(socket).map(Arc::new),
        };
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
        match self.door() {
            Door::Here(here) => here.wait::<()>(&[], Some(self.now() + time), |_| None).map(drop),
            Door::There(_) => {
                std::thread::sleep(time);
                Ok(())
            }
        }
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
    ///
    /// Of a host in another process it is this process that leaves: its sockets are closed, and calls that wait answer EINTR, all
    /// later ones ENETDOWN. The host goes on (`sockatoo down` ends it).
    pub fn shutdown(&self) {
        match self.door() {
            Door::Here(here) => {
                here.shared.closed.store(true, Ordering::Release);
                here.shared.lock().close();
            }
            Door::There(far) => far.leave(),
        }
    }

    /// What gethostname(2) says.
    pub fn hostname(&self) -> String {
        match self.door() {
            Door::Here(here) => here.shared.lock().stack.net.config.hostname.clone(),
            Door::There(far) => far.hostname(),
        }
    }

    /// SO_NETNS_COOKIE of the sockets of a host in this process.
    #[cfg(feature = "cli")]
    pub(crate) fn netns_cookie(&self) -> u64 {
        match self.door() {
            Door::Here(here) => here.shared.lock().stack.net.config.cookie,
            Door::There(_) => 0,
        }
    }

    /// The host's interfaces, `lo` first. None if it was in another process, which has ended.
    pub fn interfaces(&self) -> Vec<Interface> {
        let state = match self.door() {
            Door::Here(here) => here.shared.lock(),
            Door::There(far) => return far.interfaces().unwrap_or_default(),
        };
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
        self.names(|names| names.dns.clone())
    }

    /// The addresses that the host's own table (hosts(5)) has for a name, without regard to case.
    pub fn hosts_lookup(&self, name: &str) -> Vec<IpAddr> {
        self.names(|names| names.addresses(name))
    }

    /// The first name that the host's own table has for an address.
    pub fn hosts_name(&self, address: IpAddr) -> Option<String> {
        self.names(|names| names.name(address))
    }

    #[cfg(feature = "cli")]
    /// The host's own table of names, as hosts(5) writes it.
    pub(crate) fn hosts_text(&self) -> String {
        self.names(Names::text)
    }

    fn names<T>(&self, look: impl FnOnce(&Names) -> T) -> T {
        match self.door() {
            Door::Here(here) => look(&here.shared.lock().names),
            Door::There(far) => look(&far.names().unwrap_or_default()),
        }
    }

    /// How often each thing happened that has a reason; only what happened at all.
    pub fn counters(&self) -> Vec<(Reason, u64)> {
        match self.perform(Verb::Counters) {
            Ok(Answer::Counters(rows)) => rows,
            _ => Vec::new(),
        }
    }

    /// How often this happened.
    pub fn count(&self, reason: Reason) -> u64 {
        let Door::Here(here) = self.door() else {
            return self.counters().into_iter().find(|(known, _)| *known == reason).map_or(0, |(_, n)| n);
        };
        let mut state = here.shared.lock();
        state.note_drops();
        state.stack.net.log.count(reason)
    }

    /// True while a device is busy and frames wait for it. 256 of them may, the next ones are dropped (and counted): who sends
    /// without end looks here before the next batch.
    pub fn is_congested(&self) -> bool {
        match self.door() {
            Door::Here(here) => here.shared.lock().ports.iter().any(Port::is_congested),
            Door::There(far) => far.is_congested().unwrap_or(false),
        }
    }

    /// Sockets, connections and TIME_WAIT entries that exist now.
    pub fn census(&self) -> Census {
        match self.door() {
            Door::Here(here) => here.shared.lock().stack.census(),
            Door::There(far) => far.census().unwrap_or_default(),
        }
    }

    /// A number that nobody guesses.
    pub(crate) fn random(&self) -> u64 {
        match self.door() {
            Door::Here(here) => here.call(|stack| stack.net.random()),
            Door::There(far) => far.random(),
        }
    }

    /// Begins or ends the keeping of events for [`Host::events`]. Of a host in another process nothing is kept.
    pub fn watch(&self, on: bool) {
        if let Door::Here(here) = self.door() {
            here.shared.lock().stack.net.log.watch(on);
        }
    }

    /// What happened since the last call, as far as it was watched and is still kept.
    pub fn events(&self) -> Vec<crate::base::Event> {
        let Door::Here(here) = self.door() else { return Vec::new() };
        let mut state = here.shared.lock();
        std::iter::from_fn(|| state.stack.take_event()).collect()
    }

    /// Plugs in one more device, and gives its interface.
    pub fn attach(&self, device: impl Device + 'static) -> Result<IfIndex> {
        let plug = Plug { device: Box::new(device), addresses: Vec::new(), ipv6: true };
        let shared = self.shared()?;
        let mut state = shared.lock();
        let now = shared.now();
        state.stack.at(now);
        let interface = state.plug(plug, &shared.clock)?;
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
        let mut state = self.shared()?.lock();
        let port = state.ports.get_mut((interface.0 as usize).wrapping_sub(1));
        port.ok_or_else(|| Errno::ENODEV.because(Reason::NoInterface))?.wrap(wrap);
        Ok(())
    }

    /// Gives an interface one more address.
    pub fn add_address(&self, interface: IfIndex, address: impl ToString) -> Result<()> {
        let address = address.to_string().parse()?;
        self.perform(Verb::AddAddress(interface, address)).map(drop)
    }

    /// Takes an address away; its connections end.
    pub fn remove_address(&self, interface: IfIndex, address: IpAddr) -> Result<()> {
        self.perform(Verb::RemoveAddress(interface, address)).map(drop)
    }

    /// A route: `via` a gateway, or (`None`) on the link of `interface`.
    pub fn add_route(
        &self,
        network: impl ToString,
        via: Option<IpAddr>,
        interface: Option<IfIndex>,
    ) -> Result<()> {
        let network = network.to_string().parse()?;
        self.perform(Verb::AddRoute(network, via, interface)).map(drop)
    }

    /// Takes a route away.
    pub fn remove_route(&self, network: impl ToString, via: Option<IpAddr>) -> Result<()> {
        let network = network.to_string().parse()?;
        self.perform(Verb::RemoveRoute(network, via)).map(drop)
    }

    /// A neighbour's station address, fixed; `None` forgets what is known of it.
    pub fn set_neighbour(&self, interface: IfIndex, address: IpAddr, mac: Option<Mac>) -> Result<()> {
        self.perform(Verb::SetNeighbour(interface, address, mac)).map(drop)
    }

    /// A value that sysctl(8) shows: `net.ipv4.ip_forward`, also with slashes; without its newline. ENOENT for what the host has
    /// nothing to say of.
    pub fn sysctl(&self, name: &str) -> Result<String> {
        match self.perform(Verb::Sysctl(sysctl_path(name)))? {
            Answer::Setting(setting) => Ok(setting.text.trim_end().to_owned()),
            _ => Err(Errno::EPROTO.with("the host answered something else than was asked")),
        }
    }

    /// Sets one: `net.ipv4.ip_default_ttl` to `32`. ENOENT, EACCES for what can only be read, EINVAL.
    pub fn set_sysctl(&self, name: &str, value: &str) -> Result<()> {
        self.perform(Verb::SetSysctl(sysctl_path(name), value.to_owned())).map(drop)
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
        let Ok(shared) = self.shared() else { return };
        let mut state = shared.lock();
        state.ports.iter_mut().for_each(|port| port.sleeping(true));
        state
            .ports
            .iter()
            .filter_map(|port| Some((port.fd()?, port.is_congested())))
            .for_each(|(fd, full)| each(fd, full));
    }

    /// For a foreign event loop: when to call [`Host::drive`] though no descriptor is ready. `None` = never.
    pub fn deadline(&self) -> Option<Instant> {
        self.shared().ok()?.lock().deadline()
    }

    /// For a foreign event loop: takes what arrived, does what is due, sends what follows.
    pub fn drive(&self) {
        let Ok(shared) = self.shared() else { return };
        let mut state = shared.lock();
        let now = shared.now();
        state.ports.iter_mut().for_each(|port| port.sleeping(false));
        state.turn(now, |_| true);
        state.settle(now);
    }
}

/// The name of a file below /proc/sys.
fn sysctl_path(name: &str) -> String {
    if name.contains('/') { name.to_owned() } else { name.replace('.', "/") }
}
