//! The host that a command's flags ask for.

use std::fs::File;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::args::{FamilyArgs, HostArgs};
use super::exit::Exit;
use super::look;
use super::say::{self, Trouble};
use crate::base::constants::SOCK_DGRAM;
use crate::base::{Errno, Error};
use crate::daemon;
use crate::device::{CanWire, Impair, Tap};
use crate::driver::{Host, HostBuilder};
use crate::socket::remote::{Connection, place};
use crate::sys::clock;
use crate::trace::{PcapWriter, PcapngWriter, Recorder};

/// A host with the wire of the flags; without one, its loopback only.
pub(super) fn host(args: &HostArgs) -> Result<Host, Trouble> {
    made(args).map(|(host, _)| host)
}

/// The same for a command that speaks TCP: says so if the kernel stands on our addresses too.
pub(super) fn tcp_host(args: &HostArgs) -> Result<Host, Trouble> {
    let (host, station) = made(args)?;
    if station == Station::Kernel {
        say::aside(
            "the kernel of this machine does not know our connection and may answer with RST: give an address of our own with \
             --addr",
        );
    }
    Ok(host)
}

/// The address of a command's target: a name, or an address already.
pub(super) fn address_of(host: &Host, name: &str, family: FamilyArgs) -> Result<IpAddr, Trouble> {
    let found = host.getaddrinfo(Some(name), None, family.number(), SOCK_DGRAM, 0, 0);
    let found = found.map_err(|e| {
        Trouble::from(e)
            .while_(name)
            .hint("give an address, or a name server that knows the name: `--dns IP`")
    })?;
    let address = found.first().and_then(|info| info.address.inet());
    Ok(address.ok_or_else(|| Trouble::new(format!("{name}: no address")))?.ip())
}

/// Whose station the host is on its wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Station {
    /// Its own, on a wire that nobody else uses: a TAP, or the loopback.
    Alone,
    /// Its own, on a wire of others.
    Own,
    /// Shared with the kernel, addresses and all.
    Kernel,
}

/// The host, and whose station it is: a running one (`--on`), or one for this command alone.
pub(super) fn made(args: &HostArgs) -> Result<(Host, Station), Trouble> {
    if let Some(host) = joined(args)? {
        return Ok((host, Station::Alone));
    }
    let (builder, station) = builder(args)?;
    Ok((builder.build()?, station))
}

/// The running host that is meant, if one is: by `--on`, or by SOCKATOO_HOST where no flag speaks of a wire.
pub(super) fn joined(args: &HostArgs) -> Result<Option<Host>, Trouble> {
    let wire = args.interface.is_some()
        || args.tap.is_some()
        || args.link.is_some()
        || !args.can.is_empty()
        || !(args.addr.is_empty() && args.gateway.is_empty() && args.dns.is_empty());
    let environment = || std::env::var("SOCKATOO_HOST").ok().filter(|name| !name.is_empty() && !wire);
    let Some(name) = args.on.clone().or_else(environment).filter(|name| name != daemon::NEW) else {
        return Ok(None);
    };
    let connection = Connection::join(&name).map_err(|error| match error.errno() {
        Errno::ENOENT => Trouble { exit: Exit::Trouble, ..look::missing(&name) },
        _ => error.into(),
    })?;
    if wire {
        let flags = connection.facts().flags.join(" ");
        let own = if flags.is_empty() { "none: it has its loopback only" } else { &flags };
        return Err(Trouble::new(format!("the host `{name}` has its own wire; its flags are {own}"))
            .hint("leave out the flags of the wire, or `--on`"));
    }
    if args.pcap.is_some() {
        return Err(Trouble::new(format!(
            "the host `{name}` runs in another process, which would have to record"
        ))
        .hint(format!(
            "`sockatoo sniff --on {name} -w FILE`, or start it with `sockatoo up {name} --pcap FILE`"
        )));
    }
    Ok(Some(Host::over_connection(connection)))
}

/// The host to be, with its wire.
pub(super) fn builder(args: &HostArgs) -> Result<(HostBuilder, Station), Trouble> {
    let epoch = clock::realtime();
    let (mut builder, station) = plug(Host::builder().hosts_text(&system_hosts()), args)?;
    if args.interface.is_none() && args.tap.is_none() && !(args.addr.is_empty() && args.gateway.is_empty()) {
        return Err(Trouble::new("--addr and --gateway need a wire")
            .hint("name one: `-i IF` for an existing interface, `--tap NAME` for a new TAP"));
    }
    // The recorder stands nearer to the host than the faults: it records what the host sends and gets.
    if let Some(link) = &args.link {
        builder = builder.wrap(|device| Impair::new(device, link.clone()));
    }
    if let Some(path) = &args.pcap {
        builder = builder.record(pcap(path, epoch)?);
    }
    for address in &args.addr {
        builder = builder.address(address)?;
    }
    for name in &args.can {
        builder = match name.split_once('=') {
            None => builder.vcan(name),
            Some((name, bus)) => {
                let (folder, _lock) = place::bus_of(bus)?;
                builder.device(CanWire::join(&folder, name)?)
            }
        };
    }
    for gateway in &args.gateway {
        builder = builder.gateway(gateway)?;
    }
    for port in &args.no_rst {
        builder = match port {
            0 => builder.no_rst(true),
            port => builder.no_rst_port(*port),
        };
    }
    for server in &args.dns {
        builder = builder.dns(server)?;
    }
    Ok((builder, station))
}

/// The file of `--pcap`, new: a pcapng if its name ends so, else a pcap.
pub(super) fn pcap(path: &Path, epoch: Duration) -> Result<Box<dyn Recorder>, Trouble> {
    let hint = |error: Error| Trouble::from(error).hint("name a file that can be written: `--pcap FILE`");
    if path.extension().is_some_and(|suffix| suffix == "pcapng") {
        let named = |error: Error| error.detail(format!("can't write {}", path.display()));
        let file = File::create(path).map_err(|error| hint(named(error.into())))?;
        return Ok(Box::new(PcapngWriter::new(file, epoch).map_err(|error| hint(named(error)))?));
    }
    Ok(Box::new(PcapWriter::create(path, epoch).map_err(hint)?))
}

/// `--tap NAME` makes one. `-i IF` is a TAP as a TAP; any other interface with `--addr` has a station of our own beside the
/// kernel's, and without it we stand on the kernel's own.
fn plug(builder: HostBuilder, args: &HostArgs) -> Result<(HostBuilder, Station), Trouble> {
    let (name, own) = match (&args.tap, &args.interface) {
        (Some(name), _) => return Ok((builder.tap(name)?, Station::Alone)),
        (None, Some(name)) => (name, !args.addr.is_empty()),
        (None, None) => return Ok((builder, Station::Alone)),
    };
    if Tap::exists(name) {
        match Tap::open(name) {
            // At the other end of a TAP is this machine: nobody else can have our addresses.
            Ok(tap) => return Ok((builder.dad_transmits(0).device(tap), Station::Alone)),
            // Another program is at that end: here is the kernel's, as of any interface.
            Err(error) if error.errno() == Errno::EBUSY => {}
            Err(error) => return Err(error.into()),
        }
    }
    if own {
        Ok((builder.packet(name)?, Station::Own))
    } else {
        Ok((shadow(builder, name, args)?, Station::Kernel))
    }
}

/// On the kernel's own station.
fn shadow(builder: HostBuilder, name: &str, args: &HostArgs) -> Result<HostBuilder, Trouble> {
    let mut builder = builder.shadow(name)?;
    if name == "lo" {
        say::aside(
            "lo: the kernel's loopback can be watched, and frames put on it, but the kernel takes nothing for 127.0.0.1 from \
             there; without -i we have a loopback of our own",
        );
    }
    if args.dns.is_empty() {
        for server in system_name_servers() {
            builder = builder.dns(server)?;
        }
    }
    Ok(builder)
}

/// The name servers of resolv.conf(5) that are not on this machine itself: those hear only the kernel.
fn system_name_servers() -> Vec<IpAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse().ok());
    servers.filter(|server: &IpAddr| !server.is_loopback()).collect()
}

/// The machine's own table of names: a host answers to the same ones.
fn system_hosts() -> String {
    std::fs::read_to_string("/etc/hosts").unwrap_or_default()
}
