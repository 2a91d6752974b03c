//! `sockatoo ss`: the sockets of a host and its connections, those without a socket too, as ss(8) shows them.

use std::net::{IpAddr, SocketAddr};

use serde_json::json;

use super::Looked;
use crate::base::constants::{
    AF_CAN, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_RDS, CAN_BCM, CAN_ISOTP, CAN_J1939, CAN_RAW,
    ETH_P_ALL, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_UDP, IPPROTO_UDPLITE, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM,
};
use crate::base::verb::SocketRow;
use crate::base::{TcpState, services};
use crate::cli::args::SsArgs;
use crate::cli::exit::Exit;
use crate::cli::say::{self, Trouble};
use crate::wire::filter::protocol_name;

/// `sockatoo ss`.
pub(in crate::cli) fn run(args: &SsArgs, json: bool) -> Result<Exit, Trouble> {
    let mut host = Looked::on(&args.on)?;
    let mut rows: Vec<_> = host.sockets()?.into_iter().filter(|row| wanted(args, row)).collect();
    rows.sort_by_key(|row| (order(row), row.state != Some(TcpState::Listen), row.socket.is_none()));
    if json {
        rows.iter().for_each(|row| object(&host, row));
        return Ok(Exit::Ok);
    }
    let kinds = [args.tcp, args.udp, args.raw, args.packet];
    // ss(8): packet sockets are of two kinds.
    let several = args.packet || kinds.iter().filter(|kind| **kind).count() != 1;
    print(args, &host, &rows, several);
    Ok(Exit::Ok)
}

/// ss(8)'s netids.
fn netid(row: &SocketRow) -> &'static str {
    match (row.domain, row.kind) {
        (AF_PACKET, SOCK_DGRAM) => "p_dgr",
        (AF_PACKET, _) => "p_raw",
        (AF_NETLINK, _) => "nl",
        (AF_CAN, _) => "can",
        (AF_RDS, _) => "rds",
        (_, SOCK_STREAM) => "tcp",
        (_, SOCK_RAW) => "raw",
        _ if row.protocol == IPPROTO_UDP => "udp",
        _ if row.protocol == IPPROTO_UDPLITE => "udpl",
        (AF_INET6, _) if row.protocol == IPPROTO_ICMPV6 => "icmp6",
        _ if row.protocol == IPPROTO_ICMP => "icmp",
        _ => "???",
    }
}

fn order(row: &SocketRow) -> u8 {
    match netid(row) {
        "nl" => 0,
        "p_raw" | "p_dgr" => 1,
        "icmp" | "icmp6" => 2,
        "raw" => 3,
        "udp" | "udpl" => 4,
        _ => 5,
    }
}

/// A datagram socket with a peer is "ESTAB".
fn state(row: &SocketRow) -> TcpState {
    let other = if row.remote.is_some() { TcpState::Established } else { TcpState::Closed };
    row.state.unwrap_or(other)
}

fn wanted(args: &SsArgs, row: &SocketRow) -> bool {
    let kinds = args.tcp || args.udp || args.raw || args.packet;
    let kind = match netid(row) {
        "tcp" => args.tcp,
        "raw" => args.raw,
        "p_raw" | "p_dgr" => args.packet,
        "nl" | "can" => false,
        _ => args.udp,
    };
    let family = match row.domain {
        AF_INET => !args.family.ipv6,
        AF_INET6 => !args.family.ipv4,
        _ => !args.family.ipv4 && !args.family.ipv6,
    };
    let state = state(row);
    // ss(8): -l shows what listens, and of datagram sockets what waits for anybody.
    let listens = state == TcpState::Listen || row.state.is_none() && state == TcpState::Closed;
    let idle = listens || state == TcpState::Closed;
    let shown = if args.listening { listens } else { args.all || !idle };
    // A TCP socket that is neither bound nor connected is in no table of Linux's.
    let there = row.kind != SOCK_STREAM || state != TcpState::Closed || row.local.is_some();
    (kind || !kinds) && family && shown && there
}

/// `*` stands for every address of both families.
fn shown_ip(row: &SocketRow, ip: IpAddr) -> String {
    match ip {
        IpAddr::V6(ip) if ip.is_unspecified() && !row.v6only => "*".into(),
        IpAddr::V6(ip) => format!("[{ip}]"),
        IpAddr::V4(ip) => ip.to_string(),
    }
}

fn shown_port(args: &SsArgs, row: &SocketRow, port: u16) -> String {
    if row.kind == SOCK_RAW {
        let name = (!args.numeric).then(|| protocol_name(row.protocol)).flatten();
        return name.map_or_else(|| row.protocol.to_string(), str::to_owned);
    }
    let protocol = if row.kind == SOCK_STREAM { "tcp" } else { "udp" };
    let name = (!args.numeric).then(|| services::service_at(port, protocol)).flatten();
    name.map_or_else(|| port.to_string(), str::to_owned)
}

/// Address and port, for the columns.
fn ends(args: &SsArgs, host: &Looked, row: &SocketRow) -> [(String, String); 2] {
    if row.domain == AF_PACKET {
        let protocol = match row.protocol {
            all if all == i32::from(ETH_P_ALL) => "*".into(),
            // ll_proto_n2a.
            0x0800 if !args.numeric => "ip".into(),
            0x0806 if !args.numeric => "arp".into(),
            0x86dd if !args.numeric => "ipv6".into(),
            protocol => format!("[{protocol}]"),
        };
        let device = row.device.map_or_else(|| "*".into(), |device| host.name(device));
        return [(protocol, device), ("*".into(), String::new())];
    }
    if row.domain == AF_CAN {
        let protocol = match row.protocol {
            CAN_RAW => "raw".into(),
            CAN_BCM => "bcm".into(),
            CAN_ISOTP => "isotp".into(),
            CAN_J1939 => "j1939".into(),
            protocol => format!("[{protocol}]"),
        };
        let device = row.device.map_or_else(|| "*".into(), |device| host.name(device));
        return [(protocol, device), ("*".into(), String::new())];
    }
    let any: IpAddr = if row.domain == AF_INET { [0; 4].into() } else { [0_u8; 16].into() };
    let local = row.local.unwrap_or_else(|| SocketAddr::new(any, 0));
    let device = row.device.map_or_else(String::new, |device| format!("%{}", host.name(device)));
    let here = (shown_ip(row, local.ip()) + &device, shown_port(args, row, local.port()));
    let there = match row.remote {
        Some(remote) => (shown_ip(row, remote.ip()), shown_port(args, row, remote.port())),
        None => (shown_ip(row, any), "*".into()),
    };
    [here, there]
}

fn number(row: &SocketRow) -> String {
    row.socket.map_or_else(String::new, |id| format!("socket:{}", id.0))
}

fn print(args: &SsArgs, host: &Looked, rows: &[SocketRow], several: bool) {
    let head =
        ["Netid", "State", "Recv-Q", "Send-Q", "Local Address", "Port", "Peer Address", "Port", "Process"];
    let mut lines = vec![head.map(str::to_owned)];
    for row in rows {
        let [here, there] = ends(args, host, row);
        let process = if args.processes { number(row) } else { String::new() };
        let (receive, send) = (row.receive_queue.to_string(), row.send_queue.to_string());
        let (netid, state) = (netid(row).to_owned(), state(row).name().to_owned());
        lines.push([netid, state, receive, send, here.0, here.1, there.0, there.1, process]);
    }
    let mut widths = [0; 9];
    for line in &lines {
        widths.iter_mut().zip(line).for_each(|(width, cell)| *width = cell.chars().count().max(*width));
    }
    for [netid, state, receive, send, here, port, there, peer, process] in
        lines.iter().skip(usize::from(args.no_header))
    {
        let [a, b, c, d, e, f, g, h, _] = widths;
        let netid = if several { format!("{netid:a$} ") } else { String::new() };
        let separator = |port: &str| if port.is_empty() { ' ' } else { ':' };
        let (colon, peer_colon) = (separator(port), separator(peer));
        let line = format!(
            "{netid}{state:b$} {receive:c$} {send:d$} {here:>e$}{colon}{port:f$} {there:>g$}{peer_colon}{peer:h$} {process}"
        );
        say::line(line.trim_end());
    }
}

fn object(host: &Looked, row: &SocketRow) {
    say::object(json!({
        "netid": netid(row), "state": state(row).name(), "family": row.domain, "type": row.kind, "protocol": row.protocol,
        "recv_q": row.receive_queue, "send_q": row.send_queue, "local": row.local, "peer": row.remote,
        "dev": row.device.map(|device| host.name(device)), "v6only": row.v6only, "socket": row.socket.map(|id| id.0),
    }));
}
