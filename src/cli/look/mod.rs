//! Looking into a host, and changing it: `ss`, `addr`, `route`, `neigh`, `stat`. Output and words are iproute2's.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | [`Looked`]: the host that is looked into, by its verbs |
//! | `words.rs` | iproute2's words, one after another |
//! | `ss.rs` | `sockatoo ss` |
//! | `addr.rs` | `sockatoo addr` |
//! | `route.rs` | `sockatoo route` |
//! | `neigh.rs` | `sockatoo neigh` |
//! | `stat.rs` | `sockatoo stat` |

pub(super) mod addr;
pub(super) mod neigh;
pub(super) mod route;
pub(super) mod ss;
pub(super) mod stat;
mod words;

use serde_json::Value;

use super::args::OnArgs;
use super::say::{self, Trouble};
use super::up::named;
use crate::base::verb::{Answer, InterfaceRow, NeighbourRow, RouteRow, SocketRow, Verb};
use crate::base::{Errno, Error, IfIndex, Reason};
use crate::daemon;
use crate::driver::Host;
use crate::socket::remote::connection::unexpected;
use crate::socket::remote::place;

/// A host in another process.
struct Looked {
    host: Host,
    interfaces: Vec<InterfaceRow>,
}

impl Looked {
    /// The host that is meant.
    fn on(on: &OnArgs) -> Result<Self, Trouble> {
        let name = named(on.on.as_deref());
        let host = Host::join(&name).map_err(|error| match error.errno() {
            Errno::ENOENT => missing(&name),
            _ => error.into(),
        })?;
        let mut looked = Self { host, interfaces: Vec::new() };
        looked.interfaces = match looked.ask(Verb::Interfaces)? {
            Answer::Interfaces(rows) => rows,
            _ => return Err(unexpected().into()),
        };
        Ok(looked)
    }

    /// What the host says, as an error of the command without a hint: the host's sentence is the cause.
    fn ask(&mut self, verb: Verb) -> Result<Answer, Trouble> {
        self.host.perform(verb).map_err(unhinted)
    }

    fn routes(&mut self) -> Result<Vec<RouteRow>, Trouble> {
        self.host.routes().map_err(unhinted)
    }

    fn neighbours(&mut self) -> Result<Vec<NeighbourRow>, Trouble> {
        self.host.neighbours().map_err(unhinted)
    }

    fn sockets(&mut self) -> Result<Vec<SocketRow>, Trouble> {
        self.host.sockets().map_err(unhinted)
    }

    fn counters(&mut self) -> Result<Vec<(Reason, u64)>, Trouble> {
        match self.ask(Verb::Counters)? {
            Answer::Counters(rows) => Ok(rows),
            _ => Err(unexpected().into()),
        }
    }

    /// The number of an interface.
    fn index(&self, name: &str) -> Result<IfIndex, Trouble> {
        let named = self.interfaces.iter().find(|interface| interface.name == name);
        named.map(|interface| interface.index).ok_or_else(|| {
            let names: Vec<_> = self.interfaces.iter().map(|interface| interface.name.as_str()).collect();
            Trouble::new(format!("Device \"{name}\" does not exist."))
                .hint(format!("the host has {}", names.join(", ")))
        })
    }

    /// Its name.
    fn name(&self, index: IfIndex) -> String {
        let there = self.interfaces.iter().find(|interface| interface.index == index);
        there.map_or_else(|| format!("if{index}"), |interface| interface.name.clone())
    }
}

/// As `ip -j`: what a row does not have is left out.
fn tell(mut row: Value) {
    if let Some(fields) = row.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    say::object(row);
}

fn unhinted(error: Error) -> Trouble {
    Trouble { hint: None, ..error.into() }
}

pub(super) fn missing(name: &str) -> Trouble {
    let running = match place::hosts() {
        Ok(hosts) if !hosts.is_empty() => format!("; these run: {}", hosts.join(", ")),
        _ => String::new(),
    };
    let hint = match name {
        daemon::NEW => {
            format!("`new` is never one that runs already; `sockatoo up NAME` starts one{running}")
        }
        _ => format!("`sockatoo up {name}` starts one{running}"),
    };
    Trouble::new(format!("no host `{name}` runs")).hint(hint).answer()
}
