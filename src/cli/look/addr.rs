//! `sockatoo addr`: the interfaces of a host and their addresses, as `ip addr` shows and changes them.

use serde_json::json;

use super::Looked;
use super::words::Words;
use crate::base::constants::{AF_UNSPEC, ARPHRD_CAN};
use crate::base::verb::{AddressRow, InterfaceRow, RT_SCOPE_HOST, RT_SCOPE_LINK, Verb};
use crate::base::{Cidr, IfIndex};
use crate::cli::args::WordsArgs;
use crate::cli::exit::Exit;
use crate::cli::say::{self, Trouble};

/// `sockatoo addr`.
pub(in crate::cli) fn run(args: &WordsArgs, json: bool) -> Result<Exit, Trouble> {
    let mut words = Words::new("addr", &args.words);
    let command = words.command(&[&["show", "list", "ls", "lst"], &["add"], &["delete"], &["flush"]])?;
    let mut host = Looked::on(&args.on)?;
    if command == "show" {
        let only = interface(&host, &mut words)?;
        for row in host.interfaces.iter().filter(|row| only.is_none_or(|only| only == row.index)) {
            show(row, args, json);
        }
        return Ok(Exit::Ok);
    }
    if command == "flush" {
        let interface = interface(&host, &mut words)?;
        let interface = interface.ok_or_else(|| Trouble::new("Flush requires arguments: dev IF"))?;
        let all = host.interfaces.iter().find(|row| row.index == interface).map(|row| row.addresses.clone());
        for row in all.unwrap_or_default().iter().filter(|row| args.family.wants(row.cidr.address())) {
            host.ask(Verb::RemoveAddress(interface, row.cidr.address()))?;
        }
        return Ok(Exit::Ok);
    }
    let cidr: Cidr = words.value("an address with prefix (as 192.0.2.5/24)")?;
    let mut interface = None;
    while let Some(key) = words.next() {
        match key {
            "dev" => interface = Some(host.index(words.want("an interface")?)?),
            // What we work out by ourselves: the network's last address, global.
            "brd" | "broadcast" | "scope" | "label" => drop(words.want("a value")?),
            "nodad" => {}
            _ => return Err(words.unknown(key)),
        }
    }
    let interface =
        interface.ok_or_else(|| Trouble::new("Not enough information: \"dev\" argument is required."))?;
    host.ask(match command {
        "add" => Verb::AddAddress(interface, cidr),
        _ => Verb::RemoveAddress(interface, cidr.address()),
    })?;
    Ok(Exit::Ok)
}

/// `[dev] IF`, or nothing.
fn interface(host: &Looked, words: &mut Words<'_>) -> Result<Option<IfIndex>, Trouble> {
    let mut interface = None;
    while let Some(word) = words.next() {
        let name = if word == "dev" { words.want("an interface")? } else { word };
        interface = Some(host.index(name)?);
    }
    Ok(interface)
}

fn scope(own: &AddressRow) -> &'static str {
    match own.scope {
        RT_SCOPE_HOST => "host",
        RT_SCOPE_LINK => "link",
        _ => "global",
    }
}

/// IFF_*, as `ip link` names them, in its order.
fn flags(flags: u32) -> Vec<&'static str> {
    const NAMES: [(u32, &str); 14] = [
        (0x8, "LOOPBACK"),
        (0x2, "BROADCAST"),
        (0x1000, "MULTICAST"),
        (0x80, "NOARP"),
        (0x200, "ALLMULTI"),
        (0x100, "PROMISC"),
        (0x4, "DEBUG"),
        (0x8000, "DYNAMIC"),
        (0x4000, "AUTOMEDIA"),
        (0x2000, "PORTSEL"),
        (0x20, "NOTRAILERS"),
        (0x1, "UP"),
        (0x10000, "LOWER_UP"),
        (0x40000, "ECHO"),
    ];
    // IFF_UP without IFF_RUNNING.
    let no_carrier = (flags & 0x41 == 1).then_some("NO-CARRIER");
    no_carrier
        .into_iter()
        .chain(NAMES.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| name))
        .collect()
}

fn lifetime(seconds: Option<u32>) -> String {
    seconds.map_or_else(|| "forever".into(), |seconds| format!("{seconds}sec"))
}

fn show(row: &InterfaceRow, args: &WordsArgs, json: bool) {
    let lo = row.index == IfIndex::LO;
    let can = row.hardware == ARPHRD_CAN;
    let flags = flags(row.flags);
    let state = if lo && row.up {
        "UNKNOWN"
    } else if row.up {
        "UP"
    } else {
        "DOWN"
    };
    let kind = match row.hardware {
        ARPHRD_CAN => "can",
        _ if lo => "loopback",
        _ => "ether",
    };
    let broadcast = if lo { "00:00:00:00:00:00" } else { "ff:ff:ff:ff:ff:ff" };
    let mut wanted: Vec<_> =
        row.addresses.iter().filter(|own| args.family.wants(own.cidr.address())).collect();
    wanted.sort_by_key(|own| own.cidr.address().is_ipv6());
    // As `ip -4 addr`: who asks for a family asks for addresses.
    let whole = args.family.number() == AF_UNSPEC;
    if wanted.is_empty() && !whole {
        return;
    }
    if json {
        let addresses: Vec<_> = wanted.iter().map(|own| object(own)).collect();
        say::object(json!({
            "ifindex": row.index.0, "ifname": row.name, "flags": flags, "mtu": row.mtu,
            "operstate": state, "link_type": kind, "address": row.mac.to_string(), "broadcast": broadcast,
            "addr_info": addresses,
        }));
        return;
    }
    let (index, name, mtu) = (row.index, &row.name, row.mtu);
    say::line(format!(
        "{index}: {name}: <{}> mtu {mtu} qdisc noqueue state {state} group default qlen {}",
        flags.join(","),
        row.queue_len
    ));
    if whole {
        // "addr_len" of a CAN interface is 0.
        let station = if can { String::new() } else { format!("{} brd {broadcast}", row.mac) };
        say::line(format!("    link/{kind} {station}"));
    }
    for own in wanted {
        let address = own.cidr.address();
        let family = if address.is_ipv4() { "inet" } else { "inet6" };
        let mut line = match own.peer {
            None => format!("    {family} {}", own.cidr),
            Some(peer) => format!("    {family} {address} peer {peer}/{}", own.cidr.prefix()),
        };
        if let Some(broadcast) = own.broadcast {
            line += &format!(" brd {broadcast}");
        }
        line += &format!(" scope {}", scope(own));
        for (is, word) in marks(own) {
            line += if is { word } else { "" };
        }
        line += if address.is_ipv4() { " " } else { "" };
        line += if address.is_ipv4() { &own.label } else { " " };
        say::line(line);
        let [valid, preferred] = [own.valid, own.preferred].map(lifetime);
        say::line(format!("       valid_lft {valid} preferred_lft {preferred}"));
    }
}

fn marks(own: &AddressRow) -> [(bool, &'static str); 5] {
    [
        (own.secondary, " secondary"),
        (own.preferred == Some(0), " deprecated"),
        (own.valid.is_some(), " dynamic"),
        (own.tentative, " tentative"),
        (own.duplicate, " dadfailed"),
    ]
}

fn object(own: &AddressRow) -> serde_json::Value {
    let address = own.cidr.address();
    let mut object = json!({
        "family": if address.is_ipv4() { "inet" } else { "inet6" }, "local": address, "prefixlen": own.cidr.prefix(),
        "scope": scope(own), "valid_life_time": own.valid.unwrap_or(u32::MAX),
        "preferred_life_time": own.preferred.unwrap_or(u32::MAX),
    });
    if let Some(map) = object.as_object_mut() {
        if let Some(broadcast) = own.broadcast {
            map.insert("broadcast".into(), json!(broadcast));
        }
        for (is, word) in marks(own).into_iter().filter(|(is, _)| *is) {
            map.insert(word.trim().into(), is.into());
        }
    }
    object
}
