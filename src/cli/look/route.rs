//! `sockatoo route`: the routes of a host, as `ip route` shows and changes them.

use std::net::IpAddr;

use serde_json::json;

use super::words::Words;
use super::{Looked, tell};
use crate::base::verb::{Answer, RouteRow, Verb};
use crate::base::{Cidr, IfIndex};
use crate::cli::args::WordsArgs;
use crate::cli::exit::Exit;
use crate::cli::say::{self, Trouble};
use crate::socket::remote::connection::unexpected;

/// `sockatoo route`.
pub(in crate::cli) fn run(args: &WordsArgs, json: bool) -> Result<Exit, Trouble> {
    let mut words = Words::new("route", &args.words);
    let commands: &[&[&str]] =
        &[&["show", "list", "ls", "lst"], &["add", "append", "prepend"], &["delete"], &["get"], &["replace"]];
    let command = words.command(commands)?;
    let mut host = Looked::on(&args.on)?;
    match command {
        "show" => {
            let (network, _, interface) = way(&host, &mut words, args, false)?;
            for row in host.routes()? {
                let fits = network.is_none_or(|network| network == row.network)
                    && interface.is_none_or(|interface| interface == row.interface)
                    // As `ip route`: IPv4 unless IPv6 is asked for.
                    && row.network.address().is_ipv4() != args.family.ipv6;
                if fits {
                    show(&host, &row, json, interface.is_none());
                }
            }
        }
        "get" => {
            let to: IpAddr = words.value("an address")?;
            let mut interface = None;
            while let Some(key) = words.next() {
                match key {
                    "dev" | "oif" => interface = Some(host.index(words.want("an interface")?)?),
                    _ => return Err(words.unknown(key)),
                }
            }
            match host.ask(Verb::WayTo(to, interface))? {
                Answer::Routes(rows) => rows.iter().for_each(|row| got(&host, to, row, json)),
                _ => return Err(unexpected().into()),
            }
        }
        _ => {
            let (network, via, interface) = way(&host, &mut words, args, true)?;
            let network = network
                .ok_or_else(|| Trouble::new("a network is missing: `default`, or as 203.0.113.0/24"))?;
            let old = host.routes()?.into_iter().find(|row| row.network == network && !row.kernel);
            let same = |row: &RouteRow| {
                row.via == via && interface.is_none_or(|interface| interface == row.interface)
            };
            match command {
                "delete" => drop(host.ask(Verb::RemoveRoute(network, via))?),
                // The new one comes first: if it can't be, the old one stays.
                "replace" if old.as_ref().is_none_or(|old| !same(old)) => {
                    host.ask(Verb::AddRoute(network, via, interface))?;
                    if let Some(old) = old {
                        host.ask(Verb::RemoveRoute(network, old.via))?;
                    }
                }
                "replace" => {}
                _ => drop(host.ask(Verb::AddRoute(network, via, interface))?),
            }
        }
    }
    Ok(Exit::Ok)
}

type Way = (Option<Cidr>, Option<IpAddr>, Option<IfIndex>);

/// `NETWORK via GATEWAY dev IF`, all of it or some.
fn way(host: &Looked, words: &mut Words<'_>, args: &WordsArgs, changes: bool) -> Result<Way, Trouble> {
    let (mut to, mut via, mut interface) = (None, None, None);
    while let Some(key) = words.next() {
        match key {
            "via" => via = Some(words.value::<IpAddr>("an address")?),
            "dev" => interface = Some(host.index(words.want("an interface")?)?),
            // One table, and routes that a person adds: nothing to tell.
            "proto" | "scope" | "table" if !changes => drop(words.want("a value")?),
            "to" | "exact" | "root" | "unicast" => {}
            _ if to.is_none() => to = Some(key),
            _ => return Err(words.unknown(key)),
        }
    }
    let v6 = args.family.ipv6 || via.is_some_and(|via| via.is_ipv6());
    let network = match to {
        None => None,
        Some("default" | "all" | "any") => {
            let any: IpAddr = if v6 { [0_u8; 16].into() } else { [0; 4].into() };
            Some(Cidr::new(any, 0)?)
        }
        Some(text) => Some(text.parse::<Cidr>().map_err(|_| {
            Trouble::new(format!("`{text}` is not a network (as 203.0.113.0/24, or default)"))
        })?),
    };
    Ok((network, via, interface))
}

/// `default`, an address, or a network.
fn destination(network: Cidr) -> String {
    let whole = if network.address().is_ipv4() { 32 } else { 128 };
    match network.prefix() {
        0 => "default".into(),
        prefix if prefix == whole => network.address().to_string(),
        _ => network.to_string(),
    }
}

/// Words and values, as `ip route` prints them for both families.
fn show(host: &Looked, row: &RouteRow, json: bool, with_interface: bool) {
    let v4 = row.network.address().is_ipv4();
    let protocol = if row.kernel { Some("kernel") } else { row.advertised.then_some("ra") };
    let scope = (v4 && row.via.is_none()).then_some("link");
    let metric = (!v4 || row.metric != 0).then_some(row.metric);
    let scope = scope.filter(|_| row.kind.name().is_none());
    if json {
        let (dst, dev) = (destination(row.network), host.name(row.interface));
        tell(json!({
            "type": row.kind.name(), "dst": dst, "gateway": row.via, "dev": dev, "protocol": protocol, "scope": scope, "prefsrc": row.source,
            "metric": metric, "expires": row.valid,
        }));
        return;
    }
    let mut line =
        row.kind.name().map_or(String::new(), |kind| format!("{kind} ")) + &destination(row.network);
    // What is no way has no device; of IPv6 it is the loopback's.
    let with_interface = with_interface && (row.kind.name().is_none() || !v4);
    let mut add = |word: &str, value: Option<String>| {
        if let Some(value) = value {
            line += &format!(" {word} {value}");
        }
    };
    add("via", row.via.map(|via| via.to_string()));
    add("dev", with_interface.then(|| host.name(row.interface)));
    add("proto", protocol.map(str::to_owned));
    add("scope", scope.map(str::to_owned));
    add("src", row.source.map(|source| source.to_string()));
    add("metric", metric.map(|metric| metric.to_string()));
    add("expires", row.valid.map(|seconds| format!("{seconds}sec")));
    add("pref", (!v4).then(|| "medium".to_owned()));
    // Its blanks at the ends of lines are kept, too.
    say::line(line + if v4 { " " } else { "" });
}

/// The way to one address.
fn got(host: &Looked, to: IpAddr, row: &RouteRow, json: bool) {
    let dev = host.name(row.interface);
    if json {
        tell(json!({ "dst": to, "gateway": row.via, "dev": dev, "prefsrc": row.source }));
        return;
    }
    let local = if row.interface == IfIndex::LO { "local " } else { "" };
    let via = row.via.map_or(String::new(), |via| format!(" via {via}"));
    let source = row.source.map_or(String::new(), |source| format!(" src {source}"));
    say::line(format!("{local}{to}{via} dev {dev}{source} "));
}
