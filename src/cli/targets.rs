//! Hosts and ports as nmap takes them: names, addresses, networks, ranges; `22,80,8000-8100`.

use std::net::IpAddr;

use super::args::FamilyArgs;
use super::host;
use super::say::Trouble;
use crate::base::{Cidr, services};
use crate::driver::Host;

/// Hosts in one command.
const MOST: usize = 1 << 16;

/// All hosts that these words name, each once, in order. Of an IPv4 network its hosts, without the network's and the broadcast address.
pub(super) fn hosts(host: &Host, words: &[String], family: FamilyArgs) -> Result<Vec<IpAddr>, Trouble> {
    let mut all = Vec::new();
    for word in words {
        let (first, last) = match range(word)? {
            Some(range) => range,
            None => {
                let one = host::address_of(host, word, family)?;
                (one, one)
            }
        };
        let (from, to) = (number(first), number(last));
        if to < from {
            return Err(Trouble::new(format!("`{word}` ends before it begins")));
        }
        if to - from >= MOST as u128 || all.len() + (to - from) as usize >= MOST {
            return Err(Trouble::new(format!("`{word}`: more than {MOST} hosts"))
                .hint("take a smaller network; of IPv6 name the hosts"));
        }
        all.extend((from..=to).map(|n| address(n, first)));
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// First and last address of `192.0.2.0/24`, `192.0.2.1-20`, `192.0.2.1-192.0.2.20`, `192.0.2.1`; `None` of a name.
fn range(word: &str) -> Result<Option<(IpAddr, IpAddr)>, Trouble> {
    if word.contains('/') {
        let net: Cidr = word.parse()?;
        let (first, last) = (number(net.network()), whole(&net));
        // RFC 3021: of two addresses both are hosts'.
        let spare = u128::from(net.address().is_ipv4() && net.prefix() < 31);
        return Ok(Some((address(first + spare, net.address()), address(last - spare, net.address()))));
    }
    if let Ok(one) = word.parse::<IpAddr>() {
        return Ok(Some((one, one)));
    }
    let Some((first, last)) = word.split_once('-') else { return Ok(None) };
    let Ok(first) = first.parse::<IpAddr>() else { return Ok(None) };
    let last = match (last.parse::<IpAddr>(), last.parse::<u8>(), first) {
        (Ok(last), ..) if last.is_ipv4() == first.is_ipv4() => last,
        (_, Ok(byte), IpAddr::V4(v4)) => {
            let [a, b, c, _] = v4.octets();
            IpAddr::from([a, b, c, byte])
        }
        _ => {
            return Err(
                Trouble::new(format!("`{word}` is no range")).hint("as 192.0.2.1-20 or 192.0.2.1-192.0.2.20")
            );
        }
    };
    Ok(Some((first, last)))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn address(number: u128, like: IpAddr) -> IpAddr {
    if like.is_ipv4() {
        std::net::Ipv4Addr::from_bits(number as u32).into()
    } else {
        std::net::Ipv6Addr::from_bits(number).into()
    }
}

/// The last address of a network.
fn whole(net: &Cidr) -> u128 {
    let bits = if net.address().is_ipv4() { 32 } else { 128 };
    let hosts = u32::from(bits - net.prefix());
    number(net.network()) | 1_u128.checked_shl(hosts).map_or(u128::MAX, |n| n - 1)
}

/// `22,80,8000-8100`, `-` (all), `-1024`, `60000-`, names of services.
pub(super) fn ports(text: &str, protocol: &str) -> Result<Vec<u16>, Trouble> {
    let mut all = Vec::new();
    let wrong = |part: &str| {
        Trouble::new(format!("`{part}` is no port")).hint("as `-p 22,80,8000-8100`, `-p http`, `-p-` for all")
    };
    for part in text.split(',') {
        let one = |text: &str, open: u16| match text {
            "" => Ok(open),
            text => {
                text.parse().ok().or_else(|| services::port_of(text, protocol)).ok_or_else(|| wrong(part))
            }
        };
        let range = match one(part, 0) {
            Ok(port) if !part.is_empty() => port..=port,
            _ => match part.split_once('-') {
                Some((first, last)) => one(first, 1)?..=one(last, u16::MAX)?,
                None => return Err(wrong(part)),
            },
        };
        if range.is_empty() {
            return Err(wrong(part));
        }
        all.extend(range);
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranged(word: &str) -> String {
        range(word).unwrap().map_or_else(|| "name".into(), |(a, b)| format!("{a} {b}"))
    }

    #[test]
    fn hosts_as_people_write_them() {
        for (word, wanted) in [
            ("192.0.2.0/24", "192.0.2.1 192.0.2.254"),
            ("192.0.2.77/30", "192.0.2.77 192.0.2.78"),
            ("192.0.2.6/31", "192.0.2.6 192.0.2.7"),
            ("192.0.2.6/32", "192.0.2.6 192.0.2.6"),
            ("192.0.2.6-9", "192.0.2.6 192.0.2.9"),
            ("192.0.2.250-192.0.3.3", "192.0.2.250 192.0.3.3"),
            ("2001:db8::/126", "2001:db8:: 2001:db8::3"),
            ("a-host", "name"),
        ] {
            assert_eq!(ranged(word), wanted, "{word}");
        }
        assert!(range("0.0.0.0/0").unwrap().is_some() && range("::/0").unwrap().is_some());
        assert!(range("192.0.2.1-x").is_err() && range("192.0.2.0/33").is_err());
        let host = Host::builder().build().unwrap();
        assert!(hosts(&host, &["::/0".into()], FamilyArgs::default()).is_err());
        assert!(hosts(&host, &["192.0.0.0/15".into()], FamilyArgs::default()).is_err());
        assert_eq!(
            hosts(&host, &["192.0.2.1-3".into(), "192.0.2.2".into()], FamilyArgs::default()).unwrap().len(),
            3
        );
    }

    #[test]
    fn ports_as_people_write_them() {
        assert_eq!(ports("22,80,8000-8002,http", "tcp").unwrap(), [22, 80, 8000, 8001, 8002]);
        assert_eq!(ports("-", "tcp").unwrap().len(), 65_535);
        assert_eq!(ports("-3", "tcp").unwrap(), [1, 2, 3]);
        assert_eq!(ports("65534-", "tcp").unwrap(), [65_534, 65_535]);
        assert_eq!(ports("http-alt", "tcp").unwrap(), [8080]);
        for wrong in ["", "70000", "5-3", "nothing", "1,,2"] {
            assert!(ports(wrong, "tcp").is_err(), "{wrong}");
        }
    }
}
