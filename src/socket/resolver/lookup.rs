//! A name's addresses: `localhost`, the host's own name, the hosts table, DNS, in this order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::dns::{self, Answer};
use super::facts;
use crate::base::Result;
use crate::driver::Host;
use crate::wire::dns::{TYPE_A, TYPE_AAAA};

/// Which families are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Families {
    pub(super) v4: bool,
    pub(super) v6: bool,
}

impl Families {
    pub(super) fn has(self, address: IpAddr) -> bool {
        if address.is_ipv4() { self.v4 } else { self.v6 }
    }
}

/// The canonical name, the aliases that lead to it, and the addresses, in no particular order.
pub(super) fn addresses(host: &Host, name: &str, families: Families) -> Result<Answer> {
    if let Some(addresses) = known_here(host, name, families) {
        return Ok(Answer { canonical: name.to_owned(), addresses, ..Answer::default() });
    }
    let mut kinds = Vec::with_capacity(2);
    if families.v4 {
        kinds.push(TYPE_A);
    }
    if families.v6 {
        kinds.push(TYPE_AAAA);
    }
    dns::ask(host, name, &kinds)
}

/// What needs no question to anybody. `None`: the name is not known here; an empty list never.
fn known_here(host: &Host, name: &str, families: Families) -> Option<Vec<IpAddr>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let wanted = |found: Vec<IpAddr>| {
        let found: Vec<_> = found.into_iter().filter(|&a| families.has(a)).collect();
        (!found.is_empty()).then_some(found)
    };
    // The table may say otherwise, so it comes first.
    if let Some(found) = wanted(facts::by_name(host, name)) {
        return Some(found);
    }
    // RFC 6761 6.3: "localhost." and names below it are the loopback, and are asked of nobody.
    let lower = name.to_ascii_lowercase();
    if lower == "localhost" || lower.ends_with(".localhost") {
        return wanted(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]);
    }
    if name.eq_ignore_ascii_case(&host.gethostname()) {
        let own: Vec<IpAddr> = facts::own_addresses(host).into_iter().filter(|a| !a.is_loopback()).collect();
        return wanted(own).or_else(|| wanted(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]));
    }
    None
}
