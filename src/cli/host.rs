//! The host that a command's flags ask for.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use super::args::HostArgs;
use super::say::Trouble;
use crate::device::{Impair, Packet, Tap};
use crate::driver::{Host, HostBuilder};
use crate::sys::clock;
use crate::trace::PcapWriter;

/// A host with the wire of the flags; without one, its loopback only.
pub(super) fn host(args: &HostArgs) -> Result<Host, Trouble> {
    let epoch = clock::realtime();
    let mut builder = plug(Host::builder().hosts_text(&system_hosts()), args)?;
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
    for gateway in &args.gateway {
        builder = builder.gateway(gateway)?;
    }
    builder = builder.no_rst(args.no_rst);
    for server in &args.dns {
        builder = builder.dns(server)?;
    }
    Ok(builder.build()?)
}

/// The file of `--pcap`, new.
pub(super) fn pcap(path: &Path, epoch: Duration) -> Result<PcapWriter<File>, Trouble> {
    PcapWriter::create(path, epoch)
        .map_err(|e| Trouble::from(e).hint("name a file that can be written: `--pcap FILE`"))
}

fn plug(builder: HostBuilder, args: &HostArgs) -> Result<HostBuilder, Trouble> {
    match (&args.tap, &args.interface) {
        (Some(name), _) => {
            let mut tap = Tap::open(name)?;
            tap.bring_up()?;
            Ok(builder.dad_transmits(0).device(tap))
        }
        // At the other end of a TAP is this machine: nobody else can have our addresses.
        (None, Some(name)) if Tap::exists(name) => Ok(builder.dad_transmits(0).device(Tap::open(name)?)),
        (None, Some(name)) => Ok(builder.device(Packet::open(name)?)),
        (None, None) => Ok(builder),
    }
}

/// The machine's own table of names: a host answers to the same ones.
fn system_hosts() -> String {
    std::fs::read_to_string("/etc/hosts").unwrap_or_default()
}
