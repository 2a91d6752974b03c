//! What a host is told at its birth.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::background;
use super::clock::Clock;
use super::host::{Host, Plug};
use super::port::Port;
use super::shadow::Surroundings;
use super::state::{Shared, State};
use super::world::Seat;
use crate::base::{Cidr, Credentials, Errno, IfIndex, LinkType, Mac, Result};
use crate::device::{CanBus, CanPort, Device, Impair, Impairment, Loopback, Packet, Tap, Tee};
use crate::stack::{Config, NoRst, Stack, Verbatim};
use crate::sys::{memory, privilege, random};
use crate::trace::{PcapWriter, Recorder};

/// Builds a [`Host`]. What concerns a device (`address`, `neighbour`, `record`, `link`) concerns the last one that was
/// given, and `lo` before there is one.
///
/// ```
/// # use sockatoo::Host;
/// let host = Host::builder().hostname("parrot").seed(7).dns("192.0.2.53")?.build()?;
/// assert_eq!(host.hostname(), "parrot");
/// assert_eq!(host.interfaces()[0].name, "lo");
/// # Ok::<(), sockatoo::Error>(())
/// ```
#[derive(Debug)]
pub struct HostBuilder {
    config: Config,
    seed: Option<u64>,
    lo: Box<dyn Device>,
    plugs: Vec<Plug>,
    routes: Vec<(Cidr, IpAddr)>,
    shadows: Vec<Surroundings>,
    neighbours: Vec<(IfIndex, IpAddr, Mac)>,
    names: Names,
    background: bool,
    clock: Clock,
    seat: Option<Seat>,
}

/// Names and addresses for the resolver.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(super) dns: Vec<SocketAddr>,
    hosts: Vec<(String, IpAddr)>,
}

impl Names {
    pub(crate) fn of(dns: Vec<SocketAddr>, hosts: &str) -> Self {
        let mut names = Self { dns, ..Self::default() };
        names.read(hosts);
        names
    }

    /// More names, as hosts(5) writes them; what is malformed is passed over.
    fn read(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split('#').next().unwrap_or("").split_whitespace();
            let Some(Ok(ip)) = words.next().map(str::parse) else { continue };
            self.hosts.extend(words.map(|name| (name.to_owned(), ip)));
        }
    }

    #[cfg(feature = "cli")]
    /// As hosts(5) writes it.
    pub(super) fn text(&self) -> String {
        self.hosts.iter().map(|(name, address)| format!("{address}\t{name}\n")).collect()
    }

    pub(super) fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let same = |(known, _): &&(String, IpAddr)| known.eq_ignore_ascii_case(name);
        self.hosts.iter().filter(same).map(|(_, address)| *address).collect()
    }

    pub(super) fn name(&self, address: IpAddr) -> Option<String> {
        self.hosts.iter().find(|(_, known)| *known == address).map(|(name, _)| name.clone())
    }
}

impl Default for HostBuilder {
    fn default() -> Self {
        let clock = Clock::real();
        Self {
            config: Config { epoch: clock.epoch(), born: clock.born(), ..Config::default() },
            seed: None,
            lo: Box::new(Loopback::new()),
            plugs: Vec::new(),
            routes: Vec::new(),
            shadows: Vec::new(),
            neighbours: Vec::new(),
            names: Names::default(),
            background: true,
            clock,
            seat: None,
        }
    }
}

impl HostBuilder {
    /// What gethostname(2) says.
    #[must_use]
    pub fn hostname(mut self, name: impl Into<String>) -> Self {
        self.config.hostname = name.into();
        self
    }

    /// Everything that the host draws by lot comes from this number (sequence numbers, ports, identifiers): the same frames at
    /// the same times give the same answers. Without a seed, the system's randomness is used. A seeded host is guessable: for
    /// tests only.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Plugs in a device: one more interface, with an IPv6 link-local address.
    #[must_use]
    pub fn device(mut self, device: impl Device + 'static) -> Self {
        self.plug(Plug { device: Box::new(device), addresses: Vec::new(), ipv6: true });
        self
    }

    /// One more interface; its number to be.
    pub(super) fn plug(&mut self, plug: Plug) -> IfIndex {
        self.plugs.push(plug);
        IfIndex(1 + self.plugs.len() as u32)
    }

    /// The last device is the kernel's shadow.
    pub(super) fn shadow_of(&mut self, surroundings: Surroundings) {
        self.shadows.push(surroundings);
        // The kernel has verified its addresses.
        (self.config.shadow, self.config.dad_transmits) = (true, 0);
    }

    /// Plugs in the TAP of this name, made if need be and set up. IPv6 addresses are used at once: at its other end is only
    /// this machine.
    pub fn tap(self, name: &str) -> Result<Self> {
        let mut tap = Tap::open(name)?;
        tap.bring_up()?;
        Ok(self.dad_transmits(0).device(tap))
    }

    /// Plugs into an interface that exists, through AF_PACKET, with a station address beside the kernel's.
    pub fn packet(self, interface: &str) -> Result<Self> {
        Ok(self.device(Packet::open(interface)?))
    }

    /// Plugs into a CAN bus: one more interface, of this name.
    #[must_use]
    pub fn can(self, name: &str, port: CanPort) -> Self {
        self.device(port.with_name(name))
    }

    /// A CAN bus of this host alone (`vcan0`): what a socket sends, the host's other sockets hear.
    #[must_use]
    pub fn vcan(self, name: &str) -> Self {
        self.can(name, CanBus::new().port())
    }

    /// Without IPv6 on the last device: no link-local address, no router solicitation.
    #[must_use]
    pub fn ipv4_only(mut self) -> Self {
        if let Some(plug) = self.plugs.last_mut() {
            plug.ipv6 = false;
        }
        self
    }

    /// Wraps the last device (or `lo`): `.wrap(|device| Tee::new(device, recorder))`.
    #[must_use]
    pub fn wrap<D: Device + 'static>(mut self, wrap: impl FnOnce(Box<dyn Device>) -> D) -> Self {
        let device = match self.plugs.last_mut() {
            Some(plug) => &mut plug.device,
            None => &mut self.lo,
        };
        let inner = std::mem::replace(device, Box::new(Loopback::new()));
        *device = Box::new(wrap(inner));
        self
    }

    /// Records every frame of the last device (or `lo`).
    #[must_use]
    pub fn record(self, recorder: impl Recorder + 'static) -> Self {
        self.wrap(|device| Tee::new(device, recorder))
    }

    /// Records every frame of the last device (or `lo`) in a pcap file.
    pub fn pcap(self, path: impl AsRef<Path>) -> Result<Self> {
        let link = self.plugs.last().map_or(LinkType::Ethernet, |plug| plug.device.link());
        let file = PcapWriter::create_for(path, link, self.config.epoch)?;
        Ok(self.record(file))
    }

    /// Impairs the last device (or `lo`), each way alike: `loss=1%,delay=20ms`.
    pub fn link(self, impairment: impl ToString) -> Result<Self> {
        let impairment: Impairment = impairment.to_string().parse()?;
        Ok(self.wrap(|device| Impair::new(device, impairment)))
    }

    /// An address of the last device, with its network: `192.0.2.2/24`, `2001:db8::2/64`.
    pub fn address(mut self, address: impl ToString) -> Result<Self> {
        let address = address.to_string().parse()?;
        match self.plugs.last_mut() {
            Some(plug) => plug.addresses.push(address),
            None => return Err(Errno::ENODEV.with("an address needs a device: give the device first")),
        }
        Ok(self)
    }

    /// The gateway for everything that no other route leads to. One for each family.
    pub fn gateway(mut self, gateway: impl ToString) -> Result<Self> {
        let via = address(&gateway.to_string())?;
        let all = if via.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        self.routes.push((Cidr::new(all, 0)?, via));
        Ok(self)
    }

    /// A route through a gateway: `.route("198.51.100.0/24", "192.0.2.1")`.
    pub fn route(mut self, network: impl ToString, via: impl ToString) -> Result<Self> {
        self.routes.push((network.to_string().parse()?, address(&via.to_string())?));
        Ok(self)
    }

    /// A neighbour of the last device whose station address is fixed.
    pub fn neighbour(mut self, ip: impl ToString, mac: impl ToString) -> Result<Self> {
        let interface = IfIndex(1 + self.plugs.len() as u32);
        self.neighbours.push((interface, address(&ip.to_string())?, mac.to_string().parse()?));
        Ok(self)
    }

    /// A DNS server, `192.0.2.53` or `192.0.2.53:5353`. They are asked in the order given.
    pub fn dns(mut self, server: impl ToString) -> Result<Self> {
        let server = server.to_string();
        let parsed = server.parse().or_else(|_| address(&server).map(|ip| SocketAddr::new(ip, 53)))?;
        self.names.dns.push(parsed);
        Ok(self)
    }

    /// A line of the host's own table of names.
    pub fn hosts_entry(mut self, name: impl Into<String>, ip: impl ToString) -> Result<Self> {
        self.names.hosts.push((name.into(), address(&ip.to_string())?));
        Ok(self)
    }

    /// The host's own table of names as hosts(5) writes it. Lines that are not understood are passed over, as there.
    #[must_use]
    pub fn hosts_text(mut self, text: &str) -> Self {
        self.names.read(text);
        self
    }

    /// The receive buffer that a socket begins with, in bytes: TCP's and the datagram sockets'.
    #[must_use]
    pub fn recv_buffer(mut self, bytes: usize) -> Self {
        (self.config.tcp_recv_buffer, self.config.recv_buffer) = (bytes, bytes);
        self
    }

    /// The send buffer that a socket begins with, in bytes.
    #[must_use]
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        (self.config.tcp_send_buffer, self.config.send_buffer) = (bytes, bytes);
        self
    }

    /// TCP's congestion control: `cubic`, `reno`, `none`.
    pub fn congestion(mut self, name: &str) -> Result<Self> {
        self.config.congestion = match name {
            "cubic" => "cubic",
            "reno" => "reno",
            "none" => "none",
            _ => return Err(Errno::ENOENT.with(format!("`{name}`: cubic, reno and none are there"))),
        };
        Ok(self)
    }

    /// TCP Fast Open (RFC 7413) as net.ipv4.tcp_fastopen says: 1 = for those who connect (the default), 2 = for those who listen, with
    /// TCP_FASTOPEN; 4 and 0x200: both without cookies; 0x400: listeners without TCP_FASTOPEN too.
    #[must_use]
    pub fn tcp_fastopen(mut self, value: u32) -> Self {
        self.config.tcp_fastopen = value;
        self
    }

    /// Never answers a segment without a socket by RST: for handshakes made by hand.
    #[must_use]
    pub fn no_rst(mut self, on: bool) -> Self {
        self.config.no_rst = if on { NoRst::All } else { NoRst::None };
        self
    }

    /// Never answers a segment from or to this port by RST if no socket takes it: a handshake made by hand, while the rest of the
    /// host goes on as usual. May be repeated.
    #[must_use]
    pub fn no_rst_port(mut self, port: u16) -> Self {
        self.config.no_rst.add(port);
        self
    }

    /// What raw sockets begin with as SO_VERBATIM: how literally an IPv4 header is taken that a program writes itself.
    #[must_use]
    pub fn verbatim(mut self, rule: Verbatim) -> Self {
        self.config.verbatim = rule;
        self
    }

    /// Forwards packets that are for others: a router.
    #[must_use]
    pub fn forward(mut self, on: bool) -> Self {
        (self.config.forward, self.config.forward6) = (on, on);
        self
    }

    /// Answers echo requests (it does unless told not to).
    #[must_use]
    pub fn echo(mut self, on: bool) -> Self {
        (self.config.echo, self.config.echo6) = (on, on);
        self
    }

    /// How many times duplicate address detection asks before an IPv6 address is used; 0 = use it at once.
    #[must_use]
    pub fn dad_transmits(mut self, n: u8) -> Self {
        self.config.dad_transmits = n;
        self
    }

    /// How long a closed connection stays in TIME_WAIT.
    #[must_use]
    pub fn time_wait(mut self, time: Duration) -> Self {
        self.config.time_wait = time;
        self
    }

    /// No background thread: only waiting calls and [`Host::drive`] move packets.
    #[must_use]
    pub fn embedded(mut self) -> Self {
        self.background = false;
        self
    }

    /// Takes a seat in a world of virtual time.
    pub(super) fn seated(mut self, seat: Seat, clock: Clock) -> Self {
        (self.config.epoch, self.config.born) = (clock.epoch(), clock.born());
        (self.seat, self.clock, self.background) = (Some(seat), clock, false);
        self
    }

    /// The host. From now on it answers on its devices.
    pub fn build(mut self) -> Result<Host> {
        self.config.secret = match self.seed {
            Some(seed) => secret_from(seed),
            None => {
                let mut secret = [0; 16];
                random::getrandom(&mut secret)?;
                secret
            }
        };
        let mut cookie = [0; 8];
        random::getrandom(&mut cookie)?;
        self.config.cookie = u64::from_ne_bytes(cookie);
        self.config.credentials = Credentials {
            pid: i32::try_from(std::process::id()).unwrap_or(0),
            uid: privilege::geteuid(),
            gid: privilege::getegid(),
        };
        // Before the first ring of a connection is made.
        memory::map_large_buffers();
        let mut state = State::new(Stack::new(self.config), self.names);
        state.stack.at(self.clock.now());
        state.ports.push(Port::new(IfIndex::LO, self.lo));
        for plug in self.plugs {
            state.plug(plug, &self.clock)?;
        }
        for (network, via) in self.routes {
            state.stack.net.add_route(network, Some(via), None)?;
        }
        self.shadows.iter().for_each(|surroundings| state.copy(surroundings));
        for (interface, address, mac) in self.neighbours {
            state.stack.net.set_neighbour(interface, address, Some(mac))?;
        }
        let seat = self.seat.clone();
        let shared = Shared::new(state, self.clock, self.background, self.seat)?;
        {
            let mut state = shared.lock();
            state.flush(shared.now());
            if state.ports.len() > 1 {
                background::start(&shared, &mut state);
            }
        }
        if let Some(seat) = seat {
            seat.take(&shared);
        }
        Ok(Host::over(shared))
    }
}

fn secret_from(seed: u64) -> [u8; 16] {
    let mut state = seed;
    let halves = [(); 2].map(|()| crate::device::splitmix64(&mut state).to_be_bytes());
    let mut secret = [0; 16];
    secret[..8].copy_from_slice(&halves[0]);
    secret[8..].copy_from_slice(&halves[1]);
    secret
}

fn address(text: &str) -> Result<IpAddr> {
    text.parse()
        .map_err(|_| Errno::EINVAL.with(format!("`{text}` is not an address (192.0.2.1, 2001:db8::1)")))
}
