//! The files of /proc/sys/net of which the host has something to say, in the kernel's form: what they hold, and setting those that
//! can be set while it lives. Their names begin behind `/proc/sys/`; what is set is all the host's, as in a network namespace.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::options::CONGESTION;
use super::{Config, Stack};
use crate::base::verb::Setting;
use crate::base::{Errno, Reason, Result};

/// Sets numbers that are in range; false if they don't go together.
type SetNumbers = fn(&mut Config, &[i64]) -> bool;

/// What one of them is.
enum Kind {
    Numbers(Vec<i64>),
    Text(String),
}

/// How it is set: numbers of this range, or a word.
enum Change {
    Never,
    Numbers(RangeInclusive<i64>, SetNumbers),
    Word(fn(&mut Config, &str) -> bool),
}

const INT: i64 = i32::MAX as i64;

/// tcp_rmem's and tcp_wmem's first number (SK_MEM_QUANTUM).
const LEAST: usize = 4096;

fn fixed<const N: usize>(values: [usize; N]) -> (Kind, Change) {
    (Kind::Numbers(values.map(|value| value as i64).to_vec()), Change::Never)
}

fn number(value: impl TryInto<i64>, range: RangeInclusive<i64>, set: SetNumbers) -> (Kind, Change) {
    (Kind::Numbers(vec![value.try_into().unwrap_or(INT)]), Change::Numbers(range, set))
}

/// The first of them, in an integer of any type: the range has been looked at.
fn first<T: TryFrom<i64>>(numbers: &[i64], set: impl FnOnce(T)) -> bool {
    let fits = numbers.first().and_then(|n| T::try_from(*n).ok());
    fits.map(set).is_some()
}

/// strtoul_lenient, base 0: decimal, or hexadecimal after `0x`.
fn parsed(word: &str) -> Option<i64> {
    match word.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

impl Stack {
    /// Reads one. ENOENT: there is nothing of this name, or the host has nothing to say of it.
    pub(super) fn sysctl(&self, name: &str) -> Result<Setting> {
        let (kind, change) = self.sysctl_entry(name).ok_or(Errno::ENOENT.because(Reason::UnknownOption))?;
        let mut text = match kind {
            Kind::Numbers(values) => values.iter().map(ToString::to_string).collect::<Vec<_>>().join("\t"),
            Kind::Text(text) => text,
        };
        text.push('\n');
        Ok(Setting { text, may_change: !matches!(change, Change::Never) })
    }

    /// Sets one. ENOENT; EACCES for one that only tells; EINVAL.
    pub(super) fn set_sysctl(&mut self, name: &str, text: &str) -> Result<()> {
        let (kind, change) = self.sysctl_entry(name).ok_or(Errno::ENOENT.because(Reason::UnknownOption))?;
        let config = &mut self.net.config;
        let mut words = text.split_whitespace();
        let set = match (kind, change) {
            (_, Change::Never) => return Err(Errno::EACCES.because(Reason::OptionReadOnly)),
            (Kind::Numbers(mut values), Change::Numbers(range, set)) => {
                // __do_proc_dointvec: as many as there are; those that are not given stay.
                let mut given = 0;
                for value in &mut values {
                    let Some(word) = words.next() else { break };
                    let number = parsed(word).filter(|number| range.contains(number));
                    *value = number.ok_or(Errno::EINVAL.because(Reason::OptionValue))?;
                    given += 1;
                }
                given > 0 && set(config, &values)
            }
            (_, Change::Word(set)) => words.next().is_some_and(|word| set(config, word)),
            (Kind::Text(_), Change::Numbers(..)) => false,
        };
        if set { Ok(()) } else { Err(Errno::EINVAL.because(Reason::OptionValue)) }
    }

    fn sysctl_entry(&self, name: &str) -> Option<(Kind, Change)> {
        let config = &self.net.config;
        let name = name.strip_prefix("net/")?;
        if let Some(rest) = name.strip_prefix("ipv4/conf/") {
            let (interface, name) = rest.split_once('/')?;
            return self.sysctl_of_interface(interface, name, false);
        }
        if let Some(rest) = name.strip_prefix("ipv6/conf/") {
            let (interface, name) = rest.split_once('/')?;
            return self.sysctl_of_interface(interface, name, true);
        }
        Some(match name {
            "core/somaxconn" => number(config.somaxconn, 0..=INT, |c, n| first(n, |n| c.somaxconn = n)),
            "core/rmem_default" => fixed([config.recv_buffer]),
            "core/wmem_default" => fixed([config.send_buffer]),
            "core/rmem_max" | "core/wmem_max" => fixed([config.max_buffer]),
            "ipv4/ip_forward" => number(config.forward, -INT..=INT, |c, n| {
                c.forward = n != [0];
                true
            }),
            "ipv4/ip_default_ttl" => number(config.ttl, 1..=255, |c, n| first(n, |n| c.ttl = n)),
            "ipv4/ip_local_port_range" => {
                let (least, most) = config.port_range;
                let set: SetNumbers = |c, n| match *n {
                    [least, most] if least <= most => {
                        first(&[least], |n| c.port_range.0 = n) && first(&[most], |n| c.port_range.1 = n)
                    }
                    _ => false,
                };
                (Kind::Numbers(vec![least.into(), most.into()]), Change::Numbers(1..=65535, set))
            }
            "ipv4/icmp_echo_ignore_all" => number(!config.echo, 0..=1, |c, n| {
                c.echo = n == [0];
                true
            }),
            "ipv6/icmp/echo_ignore_all" => number(!config.echo6, 0..=1, |c, n| {
                c.echo6 = n == [0];
                true
            }),
            "ipv4/icmp_msgs_per_sec" => {
                number(config.icmp_per_second, 0..=INT, |c, n| first(n, |n| c.icmp_per_second = n))
            }
            "ipv4/tcp_rmem" => fixed([LEAST, config.tcp_recv_buffer, config.max_buffer]),
            "ipv4/tcp_wmem" => fixed([LEAST, config.tcp_send_buffer, config.max_buffer]),
            "ipv4/tcp_max_syn_backlog" => {
                number(config.max_syn_backlog, 0..=INT, |c, n| first(n, |n| c.max_syn_backlog = n))
            }
            "ipv4/tcp_syn_retries" => {
                number(config.syn_retries, 1..=127, |c, n| first(n, |n| c.syn_retries = n))
            }
            "ipv4/tcp_synack_retries" => {
                number(config.synack_retries, 0..=255, |c, n| first(n, |n| c.synack_retries = n))
            }
            "ipv4/tcp_fastopen" => {
                number(config.tcp_fastopen, 0..=INT, |c, n| first(n, |n| c.tcp_fastopen = n))
            }
            "ipv4/tcp_retries2" => number(config.retries, 0..=255, |c, n| first(n, |n| c.retries = n)),
            "ipv4/tcp_fin_timeout" => number(config.fin_timeout.as_secs() as u32, 0..=INT, |c, n| {
                first(n, |n| c.fin_timeout = Duration::from_secs(n))
            }),
            "ipv4/tcp_congestion_control" => {
                let set = |c: &mut Config, word: &str| {
                    let known = CONGESTION.iter().find(|name| **name == word);
                    known.map(|name| c.congestion = name).is_some()
                };
                (Kind::Text(config.congestion.into()), Change::Word(set))
            }
            "ipv4/tcp_available_congestion_control" | "ipv4/tcp_allowed_congestion_control" => {
                (Kind::Text(CONGESTION.join(" ")), Change::Never)
            }
            // What the engine does: it scales windows and acknowledges selectively; it knows no timestamps, no ECN, no cookies.
            "ipv4/tcp_window_scaling" | "ipv4/tcp_sack" => fixed([1]),
            "ipv4/tcp_timestamps" | "ipv4/tcp_ecn" | "ipv4/tcp_syncookies" => fixed([0]),
            _ => return None,
        })
    }

    /// Of an interface, of `all`, or of `default`.
    fn sysctl_of_interface(&self, interface: &str, name: &str, v6: bool) -> Option<(Kind, Change)> {
        let config = &self.net.config;
        let all = interface == "all";
        let link = self.net.interfaces().iter().find(|link| link.name == interface);
        if link.is_none() && !all && interface != "default" {
            return None;
        }
        let forwards = if v6 { config.forward6 } else { config.forward };
        Some(match name {
            // The host forwards on all of its interfaces, or on none.
            "forwarding" if all && v6 => number(forwards, -INT..=INT, |c, n| {
                c.forward6 = n != [0];
                true
            }),
            "forwarding" if all => number(forwards, -INT..=INT, |c, n| {
                c.forward = n != [0];
                true
            }),
            "forwarding" => fixed([forwards.into()]),
            "disable_ipv6" if v6 => fixed([0]),
            "hop_limit" if v6 => fixed([config.hops.into()]),
            "accept_ra" | "autoconf" if v6 => fixed([config.slaac.into()]),
            "dad_transmits" if v6 => fixed([config.dad_transmits.into()]),
            "mtu" if v6 => fixed([link.map_or(1280, |link| link.mtu)]),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack() -> Stack {
        Stack::new(Config::default())
    }

    #[test]
    fn what_is_set_is_read_again_and_holds() {
        let mut stack = stack();
        for (name, set, read) in [
            ("net/ipv4/ip_forward", "1\n", "1\n"),
            ("net/ipv4/ip_default_ttl", " 0x21 rest", "33\n"),
            ("net/ipv4/ip_local_port_range", "2000 3000", "2000\t3000\n"),
            ("net/ipv4/ip_local_port_range", "2500", "2500\t3000\n"),
            ("net/ipv4/tcp_congestion_control", "reno\n", "reno\n"),
            ("net/ipv6/conf/all/forwarding", "1", "1\n"),
        ] {
            stack.set_sysctl(name, set).unwrap();
            assert_eq!(
                stack.sysctl(name).unwrap(),
                Setting { text: read.into(), may_change: true },
                "{name}"
            );
        }
        assert_eq!(stack.sysctl("net/ipv4/conf/lo/forwarding").unwrap().text, "1\n");
        let config = &stack.net.config;
        assert_eq!((config.ttl, config.hops, config.port_range), (33, 64, (2500, 3000)));
        assert!(config.forward && config.forward6);
    }

    #[test]
    fn what_cannot_be_is_refused_and_changes_nothing() {
        let mut stack = stack();
        for (name, text, errno) in [
            ("net/ipv4/ip_default_ttl", "0", Errno::EINVAL),
            ("net/ipv4/ip_default_ttl", "256", Errno::EINVAL),
            ("net/ipv4/ip_default_ttl", "", Errno::EINVAL),
            ("net/ipv4/ip_default_ttl", "99999999999999999999", Errno::EINVAL),
            ("net/ipv4/ip_forward", "x", Errno::EINVAL),
            ("net/ipv4/ip_local_port_range", "3000 2000", Errno::EINVAL),
            ("net/ipv4/ip_local_port_range", "0 2000", Errno::EINVAL),
            ("net/ipv4/tcp_congestion_control", "hui", Errno::EINVAL),
            ("net/core/rmem_max", "1", Errno::EACCES),
            ("net/ipv6/conf/lo/forwarding", "1", Errno::EACCES),
            ("net/ipv6/conf/none0/forwarding", "1", Errno::ENOENT),
            ("net/ipv4/nothing", "1", Errno::ENOENT),
            ("", "", Errno::ENOENT),
        ] {
            assert_eq!(stack.set_sysctl(name, text).unwrap_err().errno(), errno, "{name} {text}");
        }
        let config = &stack.net.config;
        assert_eq!((config.ttl, config.port_range, config.forward), (64, (32_768, 60_999), false));
    }
}
