//! `sockatoo doctor -i IF`: do frames for a station of our own come back on this interface?
//!
//! A neighbour is asked for its station address (ARP, or IPv6's neighbour solicitation), once as a station of our own and once
//! as the kernel's. Nothing else is sent, and nobody's tables change: the ARP question is RFC 5227's probe, from 0.0.0.0.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::Finding;
use crate::base::{Frame, Instant, Mac, Pool};
use crate::device::{Device, Packet};
use crate::sys::interface::Control;
use crate::sys::netlink::Rtnetlink;
use crate::sys::{PollFd, clock, poll};
use crate::wire::transport_checksum;

/// How often a neighbour is asked, and how long each answer may take.
const TRIES: u32 = 3;
const PATIENCE: Duration = Duration::from_millis(500);
/// Neighbours that are asked, at most.
const MOST: usize = 4;

const MEND: &str = "without --addr, tools use the kernel's own station on it: `sockatoo ping -I IF HOST`";

pub(super) fn look(name: &str) -> Vec<Finding> {
    let finding = |ok, detail: String, mend: String| Finding {
        key: "own_station",
        what: "own station",
        needed: true,
        ok,
        detail,
        mend,
    };
    let opened = Packet::open(name).and_then(|own| Ok((own, Packet::shadow(name)?)));
    let (mut own, mut kernels) = match opened {
        Ok(both) => both,
        Err(error) => return vec![finding(false, error.to_string(), "see CAP_NET_RAW above".into())],
    };
    let targets = neighbours(name);
    if targets.is_empty() {
        let mend = format!("let the kernel meet somebody there, then ask again: `ping -I {name} HOST`");
        return vec![finding(
            false,
            format!("{name}: the kernel knows nobody there who could be asked"),
            mend,
        )];
    }
    let mut reached = None;
    for target in targets {
        if asks(&mut own, target) {
            return vec![finding(
                true,
                format!("{name}: {target} answers a station of our own ({})", own.mac()),
                String::new(),
            )];
        }
        if reached.is_none() && asks(&mut kernels, target) {
            reached = Some(target);
        }
    }
    vec![match reached {
        Some(target) => finding(
            false,
            format!(
                "{name}: {target} answers the kernel's station and not one of our own: something between passes only station \
                 addresses that it knows (a Wi-Fi access point, a hypervisor's switch, a cloud)"
            ),
            format!(
                "{MEND}; on a hypervisor allow other MAC addresses (VMware: forged transmits and promiscuous mode, \
                 VirtualBox: promiscuous mode)"
            ),
        ),
        None => finding(
            false,
            format!(
                "{name}: nobody answers, the kernel's own station neither: this says nothing of a station of ours"
            ),
            format!("see whether the link works at all: `ping -I {name} HOST`"),
        ),
    }]
}

/// Routers first, then whoever the kernel knows, IPv4 first.
fn neighbours(name: &str) -> Vec<IpAddr> {
    let found = Control::new().and_then(|control| control.index(name)).and_then(|index| {
        let kernel = Rtnetlink::new()?;
        let routers = kernel.routes(index)?.into_iter().filter_map(|route| route.via);
        Ok(routers.chain(kernel.neighbours(index)?.into_iter().map(|n| n.address)).collect())
    });
    let mut found: Vec<IpAddr> = found.unwrap_or_default();
    // The stable sort keeps the routers in front of the others of their version.
    found.sort_by_key(IpAddr::is_ipv6);
    found.dedup();
    found.truncate(MOST);
    found
}

/// True if the neighbour answers the device's station.
fn asks(device: &mut Packet, target: IpAddr) -> bool {
    let question = question(device.mac(), target);
    let pool = Pool::new();
    (0..TRIES).any(|_| {
        let now = || Instant::ZERO + clock::monotonic();
        let end = now() + PATIENCE;
        let _ = device.send(now(), Frame::copy_of(&question));
        while now() < end {
            match device.recv(now(), &pool) {
                Ok(Some(frame)) if is_answer(frame.bytes(), device.mac(), target) => return true,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => {
                    let mut wait: Vec<_> =
                        device.fd().map(|fd| PollFd::new(fd, true, false)).into_iter().collect();
                    let _ = poll(&mut wait, Some(end.since(now())));
                }
            }
        }
        false
    })
}

/// The frame that asks who has `target`.
fn question(own: Mac, target: IpAddr) -> Vec<u8> {
    match target {
        IpAddr::V4(target) => arp_probe(own, target),
        IpAddr::V6(target) => solicitation(own, target),
    }
}

/// RFC 5227 2.1.1: an ARP probe: "the 'sender IP address' field MUST be set to all zeroes".
fn arp_probe(own: Mac, target: Ipv4Addr) -> Vec<u8> {
    let mut frame = [Mac::BROADCAST.0, own.0].concat();
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(own.0);
    frame.extend([0; 10]);
    frame.extend(target.octets());
    frame
}

/// RFC 4861 4.3: a solicitation to the target's group, from the link-local address that the station address gives.
fn solicitation(own: Mac, target: Ipv6Addr) -> Vec<u8> {
    let [.., x, y, z] = target.octets();
    let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, x, y, z]);
    let source = own.link_local();
    let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
    message.extend(target.octets());
    message.extend([1, 1]);
    message.extend(own.0);
    let sum = transport_checksum(source.into(), group.into(), 58, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut frame = [[0x33, 0x33, 0xff, x, y, z], own.0].concat();
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, message.len() as u8, 58, 255]);
    frame.extend(source.octets());
    frame.extend(group.octets());
    frame.extend(message);
    frame
}

/// The answer to the question, for our station: an ARP reply, or an advertisement of the target.
fn is_answer(frame: &[u8], own: Mac, target: IpAddr) -> bool {
    let part = |range: std::ops::Range<usize>| frame.get(range).unwrap_or_default();
    part(0..6) == own.0
        && match target {
            IpAddr::V4(target) => {
                part(12..14) == [8, 6] && part(20..22) == [0, 2] && part(28..32) == target.octets()
            }
            IpAddr::V6(target) => {
                part(12..14) == [0x86, 0xdd]
                    && part(20..21) == [58]
                    && part(54..55) == [136]
                    && part(62..78) == target.octets()
            }
        }
}
