//! `sockatoo neigh`: the neighbours of a host, as `ip neigh` shows and changes them.

use std::net::IpAddr;

use serde_json::json;

use super::words::Words;
use super::{Looked, tell};
use crate::base::verb::{NeighbourRow, NeighbourState, Verb};
use crate::base::{IfIndex, Mac};
use crate::cli::args::WordsArgs;
use crate::cli::exit::Exit;
use crate::cli::say::{self, Trouble};

/// `sockatoo neigh`.
pub(in crate::cli) fn run(args: &WordsArgs, json: bool) -> Result<Exit, Trouble> {
    let mut words = Words::new("neigh", &args.words);
    let commands: &[&[&str]] = &[
        &["show", "list", "ls", "lst"],
        &["add"],
        &["delete"],
        &["replace", "change"],
        &["flush"],
        &["get"],
    ];
    let command = words.command(commands)?;
    let mut host = Looked::on(&args.on)?;
    let asked = asked(&host, &mut words)?;
    let fits = |row: &NeighbourRow| {
        asked.interface.is_none_or(|interface| interface == row.interface)
            && asked.address.is_none_or(|address| address == row.address)
            && asked.state.is_none_or(|state| state == row.state)
            && args.family.wants(row.address)
    };
    match command {
        "show" => host.neighbours()?.iter().filter(|row| fits(row)).for_each(|row| show(&host, row, json)),
        "flush" => {
            // As `ip neigh flush`: what a person has set stays.
            for row in
                host.neighbours()?.iter().filter(|row| fits(row) && row.state != NeighbourState::Permanent)
            {
                host.ask(Verb::SetNeighbour(row.interface, row.address, None))?;
            }
        }
        _ => {
            let (Some(address), Some(interface)) = (asked.address, asked.interface) else {
                return Err(Trouble::new("Device and destination are required arguments.")
                    .hint("as `neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev eth0`"));
            };
            if let Some(state) = asked.state.filter(|state| *state != NeighbourState::Permanent) {
                return Err(Trouble::new(format!(
                    "a neighbour can be set to `permanent` only, not to {state:?}"
                )));
            }
            let known = host.neighbours()?.into_iter().find(fits);
            match (command, known, asked.mac) {
                ("get", Some(row), _) => show(&host, &row, json),
                ("delete", Some(_), _) => drop(host.ask(Verb::SetNeighbour(interface, address, None))?),
                ("get" | "delete", None, _) => {
                    return Err(Trouble::new(format!("{address} is not in the table")).answer());
                }
                ("add", Some(_), _) => {
                    return Err(Trouble::new(format!("{address} is in the table already"))
                        .hint("`neigh replace` changes it"));
                }
                (_, _, None) => return Err(Trouble::new("a station's address is missing: lladdr MAC")),
                (_, _, mac) => drop(host.ask(Verb::SetNeighbour(interface, address, mac))?),
            }
        }
    }
    Ok(Exit::Ok)
}

#[derive(Default)]
struct Asked {
    address: Option<IpAddr>,
    interface: Option<IfIndex>,
    mac: Option<Mac>,
    state: Option<NeighbourState>,
}

fn asked(host: &Looked, words: &mut Words<'_>) -> Result<Asked, Trouble> {
    let mut asked = Asked::default();
    while let Some(key) = words.next() {
        match key {
            "dev" => asked.interface = Some(host.index(words.want("an interface")?)?),
            "lladdr" => asked.mac = Some(words.value("a station's address (as 02:00:00:00:00:01)")?),
            "to" | "all" => {}
            "nud" => {
                asked.state = match words.want("a state")? {
                    "all" => None,
                    word => Some(state(word).ok_or_else(|| words.wrong(format!("`{word}` is not a state")))?),
                }
            }
            _ if asked.address.is_none() => {
                let address = key.parse().map_err(|_| words.wrong(format!("`{key}` is not an address")))?;
                asked.address = Some(address);
            }
            _ => return Err(words.unknown(key)),
        }
    }
    Ok(asked)
}

/// neighbour(8)'s words for the states.
const STATES: [(NeighbourState, &str); 8] = [
    (NeighbourState::Incomplete, "INCOMPLETE"),
    (NeighbourState::Reachable, "REACHABLE"),
    (NeighbourState::Stale, "STALE"),
    (NeighbourState::Delay, "DELAY"),
    (NeighbourState::Probe, "PROBE"),
    (NeighbourState::Failed, "FAILED"),
    (NeighbourState::Noarp, "NOARP"),
    (NeighbourState::Permanent, "PERMANENT"),
];

fn state(word: &str) -> Option<NeighbourState> {
    STATES.iter().find(|(_, name)| name.eq_ignore_ascii_case(word)).map(|(state, _)| *state)
}

fn show(host: &Looked, row: &NeighbourRow, json: bool) {
    let state = STATES.iter().find(|(state, _)| *state == row.state).map_or("", |(_, name)| *name);
    let (address, dev) = (row.address, host.name(row.interface));
    if json {
        let lladdr = row.mac.map(|mac| mac.to_string());
        let router = row.router.then_some(true);
        tell(json!({ "dst": address, "dev": dev, "lladdr": lladdr, "router": router, "state": [state] }));
        return;
    }
    let mac = row.mac.map_or(String::new(), |mac| format!(" lladdr {mac}"));
    let router = if row.router { " router" } else { "" };
    say::line(format!("{address} dev {dev}{mac}{router} {state} "));
}
