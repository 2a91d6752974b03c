//! `sockatoo up`: a host in a process of its own. The process itself is `up --foreground`.

use std::os::fd::OwnedFd;

use serde_json::json;

use super::args::{Raw, ServedArgs, UpArgs};
use super::exit::Exit;
use super::host;
use super::say::{self, Trouble};
use crate::base::Result as Done;
use crate::daemon::{self, Birth, NotStarted, Published, Seat, Wanted};
use crate::driver::Host;
use crate::socket::Verbatim;
use crate::socket::remote::{Connection, HostFacts, place};
use crate::sys::{session, signal};

/// `sockatoo up`.
pub(super) fn run(args: &UpArgs, json: bool) -> Result<Exit, Trouble> {
    let name = named(args.name.as_deref().or(args.served.wire.on.as_deref()));
    if args.foreground {
        return foreground(args, &name, json);
    }
    let (connection, started) = start(&name, &args.served, true)?;
    tell(connection.facts(), started, json);
    Ok(Exit::Ok)
}

/// Joins the host of this name; starts one with these flags if it does not run. True if it was started. A host that does not stay
/// ends by itself.
pub(super) fn start(name: &str, args: &ServedArgs, stays: bool) -> Result<(Connection, bool), Trouble> {
    let wanted = Wanted { name: name.to_owned(), flags: args.flags(), stays };
    Ok(daemon::start(&wanted)?)
}

/// The host that is meant: by its name, by SOCKATOO_HOST, or the usual one.
pub(super) fn named(name: Option<&str>) -> String {
    let environment = || std::env::var("SOCKATOO_HOST").ok().filter(|name| !name.is_empty());
    name.map(str::to_owned).or_else(environment).unwrap_or_else(|| place::DEFAULT.to_owned())
}

/// The host's process.
fn foreground(args: &UpArgs, name: &str, json: bool) -> Result<Exit, Trouble> {
    let served = serve(args, name, |facts| {
        if args.detached {
            say::raw(&daemon::report(Ok(())));
            std::env::set_current_dir("/")?;
            return Ok(session::close_standard()?);
        }
        tell(facts, true, json);
        Ok(())
    });
    match served {
        // Its starter says it.
        Err(trouble) if args.detached => {
            let Trouble { errno, cause, hint, .. } = trouble;
            say::raw(&daemon::report(Err(NotStarted::Said { errno, cause, hint })));
            Ok(Exit::Trouble)
        }
        served => served.map(|()| Exit::Ok),
    }
}

fn serve(args: &UpArgs, name: &str, ready: impl FnOnce(&HostFacts) -> Done<()>) -> Result<(), Trouble> {
    let seat = Seat::take(name)?;
    let bell: OwnedFd = signal::interrupts()?.into();
    let host = embedded(name, &args.served)?;
    let published: Done<Vec<_>> = args.served.publish.iter().map(Published::open).collect();
    let published = published?.into_iter().flatten().collect();
    let birth = Birth { flags: args.served.flags(), stays: !args.transient, published };
    Ok(seat.serve(host, birth, bell, ready)?)
}

/// The host, driven by its server.
fn embedded(name: &str, args: &ServedArgs) -> Result<Host, Trouble> {
    let (builder, _) = host::builder(&args.wire)?;
    let builder = match args.raw {
        Some(Raw::Linux) => builder.verbatim(Verbatim::Linux),
        Some(Raw::Verbatim) => builder.verbatim(Verbatim::Untouched),
        Some(Raw::Fill) | None => builder,
    };
    Ok(builder.hostname(name).embedded().build()?)
}

fn tell(facts: &HostFacts, started: bool, json: bool) {
    let HostFacts { name, pid, flags, .. } = facts;
    if json {
        say::object(json!({ "host": name, "pid": pid, "flags": flags, "started": started }));
        return;
    }
    let wire =
        if flags.is_empty() { "with its loopback only".into() } else { format!("with {}", flags.join(" ")) };
    let already = if started { "" } else { " already" };
    say::line(format!("{name} is up{already}, process {pid}, {wire}"));
}
