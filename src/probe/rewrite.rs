//! Other addresses in packets that were captured, their checksums mended.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use crate::base::{Cidr, Errno, Error, LinkType, Mac, Result};
use crate::wire::checksum::update;

/// Exchanges addresses: `192.0.2.1=198.51.100.7`, `192.0.2.0/24=198.51.100.0/24` (each host keeps its number), or station addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// A network for another one of the same size.
    Ip(Cidr, Cidr),
    /// A station for another one.
    Mac(Mac, Mac),
}

impl FromStr for Mapping {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| Errno::EINVAL.with(format!("`{text}`: {why}"));
        let (old, new) = text.split_once('=').ok_or_else(|| {
            wrong("want OLD=NEW, as 192.0.2.1=198.51.100.7 or 192.0.2.0/24=198.51.100.0/24")
        })?;
        if let (Ok(old), Ok(new)) = (old.parse(), new.parse()) {
            return Ok(Self::Mac(old, new));
        }
        let network = |text: &str| -> Result<Cidr> {
            if text.contains('/') {
                return text.parse();
            }
            let address: IpAddr = text.parse().map_err(|_| wrong("no address"))?;
            Cidr::new(address, if address.is_ipv4() { 32 } else { 128 })
        };
        let (old, new) = (network(old)?, network(new)?);
        if old.prefix() != new.prefix() || old.address().is_ipv4() != new.address().is_ipv4() {
            return Err(wrong("both networks must have the same size"));
        }
        Ok(Self::Ip(old, new))
    }
}

impl Mapping {
    fn ip(&self, address: IpAddr) -> Option<IpAddr> {
        let Self::Ip(old, new) = self else { return None };
        if !old.contains(address) {
            return None;
        }
        match (address, new.address()) {
            (IpAddr::V4(address), IpAddr::V4(network)) => {
                let hosts = u32::MAX.checked_shr(new.prefix().into()).unwrap_or(0);
                Some(Ipv4Addr::from_bits(network.to_bits() & !hosts | address.to_bits() & hosts).into())
            }
            (IpAddr::V6(address), IpAddr::V6(network)) => {
                let hosts = u128::MAX.checked_shr(new.prefix().into()).unwrap_or(0);
                let bits = network.to_bits() & !hosts | address.to_bits() & hosts;
                Some(std::net::Ipv6Addr::from_bits(bits).into())
            }
            _ => None,
        }
    }
}

/// Rewrites a packet. A checksum that was right stays right, a wrong one stays wrong, a missing one stays missing: they are mended, not
/// made anew. What an ICMP error quotes, and what stands in data, is left as it is.
pub fn rewrite(link: LinkType, bytes: &mut [u8], mappings: &[Mapping]) {
    let mut at = 0;
    let mut kind = None;
    if link == LinkType::Ethernet {
        for place in [0, 6] {
            rewrite_mac(bytes, place, mappings);
        }
        at = 14;
        let mut word = word_at(bytes, 12);
        // IEEE 802.1Q: tags within tags.
        for _ in 0..4 {
            if matches!(word, Some(0x8100 | 0x88a8 | 0x9100)) {
                word = word_at(bytes, at + 2);
                at += 4;
            }
        }
        kind = word;
    }
    let version = bytes.get(at).map(|byte| byte >> 4);
    match (kind, version) {
        (Some(0x0806), _) => {
            for place in [at + 8, at + 18] {
                rewrite_mac(bytes, place, mappings);
            }
            for place in [at + 14, at + 24] {
                exchange(bytes, place, 4, mappings, &[]);
            }
        }
        (Some(0x0800) | None, Some(4)) => ipv4(bytes, at, mappings),
        (Some(0x86dd) | None, Some(6)) => ipv6(bytes, at, mappings),
        _ => {}
    }
}

fn ipv4(bytes: &mut [u8], at: usize, mappings: &[Mapping]) {
    let Some(&[first, _, _, _, _, _, f0, f1, _, protocol]) = bytes.get(at..at + 10) else { return };
    let payload = at + usize::from(first & 15) * 4;
    let mut sums = vec![at + 10];
    // The transport's checksum is in the first fragment only.
    if u16::from_be_bytes([f0, f1]) & 0x1fff == 0 {
        sums.extend(transport_sum(bytes, payload, protocol));
    }
    for place in [at + 12, at + 16] {
        exchange(bytes, place, 4, mappings, &sums);
    }
}

fn ipv6(bytes: &mut [u8], at: usize, mappings: &[Mapping]) {
    let Some(mut next) = bytes.get(at + 6).copied() else { return };
    let mut payload = at + 40;
    let mut first = true;
    // RFC 8200 4: extension headers, of which a packet has few.
    for _ in 0..16 {
        let Some(&[following, length]) = bytes.get(payload..payload + 2) else { break };
        let length = match next {
            0 | 43 | 60 => (usize::from(length) + 1) * 8,
            44 => {
                first &= word_at(bytes, payload + 2).is_some_and(|offset| offset & 0xfff8 == 0);
                8
            }
            _ => break,
        };
        (next, payload) = (following, payload + length);
    }
    let sums: Vec<usize> = transport_sum(bytes, payload, next).filter(|_| first).into_iter().collect();
    for place in [at + 8, at + 24] {
        exchange(bytes, place, 16, mappings, &sums);
    }
}

/// Where a checksum stands that counts the addresses, too.
fn transport_sum(bytes: &[u8], at: usize, protocol: u8) -> Option<usize> {
    match protocol {
        6 => Some(at + 16),
        // RFC 768: "An all zero transmitted checksum value means that the transmitter generated no checksum".
        17 => Some(at + 6).filter(|place| word_at(bytes, *place) != Some(0)),
        58 => Some(at + 2),
        _ => None,
    }
}

/// Puts the new address in the place of the old one, and mends the checksums at these places.
fn exchange(bytes: &mut [u8], at: usize, length: usize, mappings: &[Mapping], sums: &[usize]) {
    let Some(old) = bytes.get(at..at + length).map(<[u8]>::to_vec) else { return };
    let address: IpAddr = match (<[u8; 4]>::try_from(&old[..]), <[u8; 16]>::try_from(&old[..])) {
        (Ok(v4), _) => v4.into(),
        (_, Ok(v6)) => v6.into(),
        _ => return,
    };
    let Some(new) = mappings.iter().find_map(|mapping| mapping.ip(address)) else { return };
    let new = match new {
        IpAddr::V4(new) => new.octets().to_vec(),
        IpAddr::V6(new) => new.octets().to_vec(),
    };
    if let Some(room) = bytes.get_mut(at..at + length) {
        room.copy_from_slice(&new);
    }
    for place in sums {
        let Some(mut sum) = word_at(bytes, *place) else { continue };
        for (old, new) in old.chunks_exact(2).zip(new.chunks_exact(2)) {
            sum = update(sum, u16::from_be_bytes([old[0], old[1]]), u16::from_be_bytes([new[0], new[1]]));
        }
        if let Some(room) = bytes.get_mut(*place..*place + 2) {
            room.copy_from_slice(&sum.to_be_bytes());
        }
    }
}

fn rewrite_mac(bytes: &mut [u8], at: usize, mappings: &[Mapping]) {
    let Some(room) = bytes.get_mut(at..at + 6) else { return };
    for mapping in mappings {
        if let Mapping::Mac(old, new) = mapping
            && room == old.0
        {
            room.copy_from_slice(&new.0);
            return;
        }
    }
}

fn word_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|word| u16::from_be_bytes([word[0], word[1]]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::packet::{Nowhere, Packet};

    fn map(texts: &[&str]) -> Vec<Mapping> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_rewritten_is_what_is_built() {
        let mappings = map(&[
            "192.0.2.0/24=198.51.100.0/24",
            "2001:db8::1=2001:db8:7::9",
            "02:00:00:00:00:01=02:00:00:00:00:09",
        ]);
        let long = "ipv6(src=2001:db8::1, dst=2001:db8::2)";
        let new_long = "ipv6(src=2001:db8:7::9, dst=2001:db8::2)";
        for rest in [
            "tcp(sport=1, dport=2)/'data'",
            "udp()/'odd'",
            "udp(checksum=0)",
            "tcp(checksum=7)",
            "icmp()",
            "sctp()",
        ] {
            for (old, new) in [
                ("ip(src=192.0.2.7, dst=192.0.2.200)", "ip(src=198.51.100.7, dst=198.51.100.200)"),
                ("ip(src=192.0.2.7, dst=203.0.113.1)", "ip(src=198.51.100.7, dst=203.0.113.1)"),
                (
                    "ether(src=02:00:00:00:00:01)/dot1q()/ip(src=192.0.2.7, dst=203.0.113.1)",
                    "ether(src=02:00:00:00:00:09)/dot1q()/ip(src=198.51.100.7, dst=203.0.113.1)",
                ),
                (long, new_long),
            ] {
                let build = |front: &str| {
                    let packet = format!("{front}/{rest}").parse::<Packet>();
                    packet.ok().map(|packet| packet.build(&Nowhere).unwrap())
                };
                let (Some(mut old), Some(new)) = (build(old), build(new)) else { continue };
                rewrite(old.link, &mut old.bytes, &mappings);
                // A checksum that was set is mended all the same: it is as wrong as before.
                let set = rest.contains("checksum=7");
                assert!(set || old.bytes == new.bytes, "{rest}: {:02x?} {:02x?}", old.bytes, new.bytes);
            }
        }
        let mut arp =
            "ether()/arp(psrc=192.0.2.1, pdst=192.0.2.2)".parse::<Packet>().unwrap().build(&Nowhere).unwrap();
        rewrite(arp.link, &mut arp.bytes, &mappings);
        assert_eq!(
            (&arp.bytes[28..32], &arp.bytes[38..42]),
            (&[198, 51, 100, 1][..], &[198, 51, 100, 2][..])
        );
    }

    #[test]
    fn mistakes() {
        for wrong in
            ["192.0.2.1", "192.0.2.1=x", "192.0.2.0/24=198.51.100.0/25", "192.0.2.1=2001:db8::1", "="]
        {
            assert_eq!(wrong.parse::<Mapping>().unwrap_err().errno(), Errno::EINVAL, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..120), ether: bool) {
            let link = if ether { LinkType::Ethernet } else { LinkType::Ip };
            rewrite(link, &mut bytes, &map(&["0.0.0.0/0=192.0.2.0/0", "::/0=2001:db8::/0"]));
        }
    }
}
