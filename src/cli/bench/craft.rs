//! `sockatoo bench craft`: packets built, and packets sent into a TAP and into a veth pair.

use tun_tap::{Iface, Mode};

use super::{Row, Table, Work, race, scapy};
use crate::base::{IfIndex, LinkAddr, Mac};
use crate::cli::say::{self, Trouble};
use crate::driver::Host;
use crate::lab::Netns;
use crate::probe::Flood;
use crate::socket::{AF_INET, AF_PACKET, IPPROTO_RAW, SOCK_RAW, Socket};
use crate::sys::interface::Control;
use crate::sys::packet::PacketSocket;
use crate::wire::packet::{Nowhere, Packet, Template};

/// What is sent: 60 bytes with its Ethernet header, to a station that nobody is: the other side drops it at once, whoever sent
/// it.
const PACKET: &str =
    "ip(src=192.0.2.2, dst=192.0.2.1, ttl=1..30)/udp(sport=1024, dport=1..60000)/\"sockatoo's packet!\"";
const STATION: Mac = Mac([2, 0, 0, 0, 0, 0x99]);
/// Prebuilt frames of the loops that build nothing.
const FRAMES: usize = 1024;
/// Packets of one piece of work.
const PIECE: usize = 256;
const VETH: &str = "veth0";

/// Every table.
pub(super) fn tables(rounds: u32, quiet: bool) -> Result<Vec<Table>, Trouble> {
    let tell = |what: &str| {
        if !quiet {
            say::aside(format!("measuring {what} ..."));
        }
    };
    tell("what is built");
    let mut tables = vec![built(rounds)?];
    tell("what goes into a TAP");
    tables.push(tap(rounds)?);
    tell("what goes into a veth pair");
    tables.push(veth(rounds)?);
    Ok(tables)
}

/// The packet, and the same in its Ethernet header.
fn packet(ether: bool) -> Result<Packet, Trouble> {
    let text =
        if ether { format!("ether(src={STATION}, dst={STATION})/{PACKET}") } else { PACKET.to_owned() };
    text.parse().map_err(|error| Trouble::new(format!("{text}: {error}")))
}

fn built(rounds: u32) -> Result<Table, Trouble> {
    let packet = packet(false)?;
    let mut template = Template::new(&packet, &Nowhere, 0)?;
    let mut each = packet.each(0);
    let mut runners: Vec<Work<'_>> = vec![
        Box::new(move || {
            let mut bytes = 0;
            for _ in 0..PIECE {
                bytes += next(&mut template)?.len();
            }
            std::hint::black_box(bytes);
            Ok(PIECE as u64)
        }),
        Box::new(|| {
            let Some(packet) = each.next() else {
                each = packet.each(0);
                return Ok(0);
            };
            std::hint::black_box(packet.build(&Nowhere)?.bytes.len());
            Ok(1)
        }),
    ];
    let best = race(rounds, &mut runners)?;
    let rows = vec![
        Row::new("template", "from a template", Some("anew")),
        Row::new("anew", "each one built anew", None),
    ];
    Ok(table("built, nothing sent", rows, &best))
}

fn tap(rounds: u32) -> Result<Table, Trouble> {
    let netns = Netns::new()?;
    let bare = netns.run(|| Iface::without_packet_info("bare0", Mode::Tap))??;
    netns.set_up("bare0")?;
    let ours = netns.tap("ours0", &[])?;
    let frames = frames()?;
    let packets = Sender::packet(Host::builder().device(ours).build()?)?;
    let raw = netns.tap("ours1", &[])?;
    let raw = Host::builder().device(raw).address("192.0.2.2/24")?.neighbour("192.0.2.1", STATION)?;
    let raw = Sender::raw(raw.build()?)?;
    let mut at = 0;
    let mut runners: Vec<Work<'_>> = vec![
        Box::new(|| {
            for _ in 0..PIECE {
                bare.send(&frames[at % FRAMES])?;
                at += 1;
            }
            Ok(PIECE as u64)
        }),
        packets.work(&packet(true)?)?,
        raw.work(&packet(false)?)?,
    ];
    let best = race(rounds, &mut runners)?;
    let rows = vec![
        Row::new("write", "bare loop of write(2), frames prebuilt", None),
        Row::new("packet", "sockatoo, packet socket, from a template", Some("write")),
        Row::new("raw", "sockatoo, raw socket, from a template", Some("write")),
    ];
    Ok(table("into a TAP", rows, &best))
}

fn veth(rounds: u32) -> Result<Table, Trouble> {
    let (netns, peer) = (Netns::new()?, Netns::new()?);
    netns.veth(VETH, &peer, "veth1")?;
    let frames = frames()?;
    let kernel = |bypass| {
        netns.run(|| PacketSocket::sender(Control::new()?.index(VETH)?, bypass))?.map_err(Trouble::from)
    };
    let (plain, bypass) = (kernel(false)?, kernel(true)?);
    let ours = Sender::packet(netns.run(|| Host::builder().packet(VETH))??.build()?)?;
    let mut runners: Vec<Work<'_>> =
        vec![sendmmsg(&plain, &frames), sendmmsg(&bypass, &frames), ours.work(&packet(true)?)?];
    let mut best = race(rounds, &mut runners)?;
    drop(runners);
    let mut rows = vec![
        Row::new("sendmmsg", "the kernel's AF_PACKET, sendmmsg(2), prebuilt", None),
        Row::new("bypass", "the same, PACKET_QDISC_BYPASS", Some("sendmmsg")),
        Row::new("packet", "sockatoo, packet socket, from a template", Some("sendmmsg")),
        Row::new("packet_to_scapy", "the same", Some("scapy")),
        Row::new("scapy", "Scapy's sendp", None),
    ];
    best.push(best.last().copied().unwrap_or_default());
    match scapy::sendp(&netns, VETH) {
        Ok(figure) => best.push(figure),
        Err(why) => {
            if let Some(row) = rows.last_mut() {
                row.note = Some(why);
            }
        }
    }
    Ok(table("into a veth pair", rows, &best))
}

/// A host, and a socket of it that takes whole packets.
struct Sender {
    socket: Socket,
}

impl Sender {
    fn packet(host: Host) -> Result<Self, Trouble> {
        let socket = host.socket(AF_PACKET, SOCK_RAW, 0)?;
        socket.bind(LinkAddr::bind(IfIndex(2), 0))?;
        Ok(Self { socket })
    }

    fn raw(host: Host) -> Result<Self, Trouble> {
        Ok(Self { socket: host.socket(AF_INET, SOCK_RAW, IPPROTO_RAW)? })
    }

    fn work(&self, packet: &Packet) -> Result<Work<'_>, Trouble> {
        let mut template = Template::new(packet, &Nowhere, 0)?;
        let mut flood = Flood::new(&self.socket);
        Ok(Box::new(move || match flood.burst(&mut template, PIECE)? {
            0 => {
                template.rewind();
                Ok(0)
            }
            sent => Ok(sent as u64),
        }))
    }
}

/// The kernel's own loop: frames by the piece.
fn sendmmsg<'a>(socket: &'a PacketSocket, frames: &'a [Vec<u8>]) -> Work<'a> {
    let mut at = 0;
    Box::new(move || {
        let sent = socket.send_many(frames.iter().cycle().skip(at % FRAMES).map(Vec::as_slice))?;
        at += sent;
        Ok(sent as u64)
    })
}

fn frames() -> Result<Vec<Vec<u8>>, Trouble> {
    let packet = packet(true)?;
    let mut template = Template::new(&packet, &Nowhere, 0)?;
    (0..FRAMES).map(|_| next(&mut template).map(<[u8]>::to_vec)).collect()
}

/// The next packet, without end.
fn next<'a>(template: &'a mut Template<'_>) -> Result<&'a [u8], Trouble> {
    if template.is_done() {
        template.rewind();
    }
    match template.next() {
        Some(bytes) => Ok(bytes?),
        None => Err(Trouble::new("a template without packets")),
    }
}

/// A table whose first rows have these figures.
fn table(title: &str, mut rows: Vec<Row>, figures: &[f64]) -> Table {
    for (row, figure) in rows.iter_mut().zip(figures) {
        row.per_second = Some(*figure);
    }
    Table { unit: "packets/s", title: title.into(), rows }
}
