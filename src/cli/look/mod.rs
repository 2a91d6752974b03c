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

use std::net::IpAddr;

use super::args::{FamilyArgs, OnArgs};
use super::say::Trouble;
use super::up::named;
use crate::base::verb::{Answer, InterfaceRow, NeighbourRow, RouteRow, SocketRow, Verb};
use crate::base::{Errno, IfIndex, Reason};
use crate::socket::remote::connection::unexpected;
use crate::socket::remote::{Ask, Connection, Patience, Reply, place};

/// A host in another process.
struct Looked {
    host: Connection,
    interfaces: Vec<InterfaceRow>,
}

/// Asks until an answer has no rows; each begins where the last one ended.
macro_rules! all {
    ($self:ident, $verb:ident) => {{
        let mut all = Vec::new();
        loop {
            match $self.ask(Verb::$verb(all.len()))? {
                Answer::$verb(rows) if rows.is_empty() => break Ok(all),
                Answer::$verb(rows) => all.extend(rows),
                _ => break Err(unexpected().into()),
            }
        }
    }};
}

impl Looked {
    /// The host that is meant.
    fn on(on: &OnArgs) -> Result<Self, Trouble> {
        let name = named(on.on.as_deref());
        let host = Connection::join(&name).map_err(|error| match error.errno() {
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
        match self.host.call(Ask::Do { verb, patience: Patience::Now }, &[]) {
            Ok((Reply::Answer(answer), _)) => Ok(answer),
            Ok(_) => Err(unexpected().into()),
            Err(error) => Err(Trouble { hint: None, ..error.into() }),
        }
    }

    fn routes(&mut self) -> Result<Vec<RouteRow>, Trouble> {
        all!(self, Routes)
    }

    fn neighbours(&mut self) -> Result<Vec<NeighbourRow>, Trouble> {
        all!(self, Neighbours)
    }

    fn sockets(&mut self) -> Result<Vec<SocketRow>, Trouble> {
        all!(self, Sockets)
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

pub(super) fn missing(name: &str) -> Trouble {
    let running = match place::hosts() {
        Ok(hosts) if !hosts.is_empty() => format!("; these run: {}", hosts.join(", ")),
        _ => String::new(),
    };
    Trouble::new(format!("no host `{name}` runs"))
        .hint(format!("`sockatoo up {name}` starts one{running}"))
        .answer()
}

impl FamilyArgs {
    /// True if addresses of this family are wanted.
    fn wants(&self, address: IpAddr) -> bool {
        if address.is_ipv4() { !self.ipv6 } else { !self.ipv4 }
    }
}
