//! `sockatoo ls`: the hosts that run.

use std::time::Duration;

use serde_json::json;

use super::exit::Exit;
use super::say::{self, Trouble};
use crate::base::{Cidr, Errno};
use crate::socket::remote::connection::unexpected;
use crate::socket::remote::{Ask, Connection, HostFacts, Reply, Status, place};
use crate::sys::clock;

/// `sockatoo ls`.
pub(super) fn run(json: bool) -> Result<Exit, Trouble> {
    let mut silent = false;
    let mut rows = vec![["NAME", "PID", "UP", "SOCKETS", "ADDRESSES", "FLAGS"].map(str::to_owned)];
    for name in place::hosts()? {
        match look(&name) {
            Ok((facts, status)) if json => object(&facts, &status),
            Ok((facts, status)) => rows.push(row(&facts, &status)),
            // It has died, or has just ended.
            Err(error) if matches!(error.errno, Some(Errno::ENOENT | Errno::EPIPE)) => {}
            Err(error) => {
                silent = true;
                say::aside(format!("{name}: {}", error.cause));
            }
        }
    }
    if !json {
        table(&rows);
    }
    if !json && !silent && rows.len() == 1 {
        say::aside("no host runs: `sockatoo up` starts one, and so does `sockatoo run -- PROGRAM`");
    }
    Ok(Exit::Ok)
}

fn look(name: &str) -> Result<(HostFacts, Status), Trouble> {
    let mut host = Connection::join(name)?;
    match host.call(Ask::Status, &[])? {
        (Reply::Status(status), _) => Ok((host.facts().clone(), status)),
        _ => Err(unexpected().into()),
    }
}

fn uptime(facts: &HostFacts) -> Duration {
    clock::monotonic().saturating_sub(Duration::from_nanos(facts.clock))
}

/// All addresses but the loopback's.
fn addresses(status: &Status) -> Vec<Cidr> {
    let all = status.interfaces.iter().flat_map(|interface| &interface.addresses);
    all.copied().filter(|cidr| !cidr.address().is_loopback()).collect()
}

fn row(facts: &HostFacts, status: &Status) -> [String; 6] {
    let addresses: Vec<String> = addresses(status).iter().map(Cidr::to_string).collect();
    let [addresses, flags] = [addresses, facts.flags.clone()].map(|words| match words.is_empty() {
        true => "-".to_owned(),
        false => words.join(" "),
    });
    let sockets = status.census.sockets.to_string();
    [facts.name.clone(), facts.pid.to_string(), rough(uptime(facts)), sockets, addresses, flags]
}

/// `59s`, `59m`, `23h`, `7d`.
fn rough(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

fn object(facts: &HostFacts, status: &Status) {
    let HostFacts { name, pid, flags, stays, .. } = facts;
    let recording = flags.iter().find_map(|flag| flag.strip_prefix("--pcap="));
    let interfaces: Vec<_> = status.interfaces.iter().map(|interface| {
        let addresses: Vec<String> = interface.addresses.iter().map(Cidr::to_string).collect();
        json!({ "name": interface.name, "mac": interface.mac.to_string(), "mtu": interface.mtu, "up": interface.up, "addresses": addresses })
    }).collect();
    let census = status.census;
    say::object(json!({
        "host": name, "pid": pid, "flags": flags, "stays": stays, "uptime": uptime(facts).as_secs_f64(), "recording": recording,
        "interfaces": interfaces, "clients": status.clients - 1, "sockets": census.sockets, "connections": census.flows,
        "half_open": census.half_open, "time_wait": census.time_wait,
    }));
}

fn table(rows: &[[String; 6]]) {
    let mut widths = [0; 6];
    for row in rows {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = cell.len().max(*width));
    }
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        say::line(cells.join("  ").trim_end());
    }
}
