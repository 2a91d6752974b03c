//! getsockopt(2) and setsockopt(2): who has which level, how long a value is, then the table.

use super::table::{
    CAN, DATAGRAM, NETLINK, PACKET, PING, RAW, RDS, Row, TCP, UDP, UDPLITE, UNIX, Value, find,
};
use crate::base::constants::*;
use crate::base::{Errno, Error, Reason, Result, SocketId};
use crate::stack::Stack;
use crate::stack::table::{Entry, Part};

/// ENOPROTOOPT, because no such option exists here.
pub(super) fn unknown() -> Error {
    Errno::ENOPROTOOPT.because(Reason::UnknownOption)
}

/// EINVAL, because of the value's length.
pub(super) fn wrong_length() -> Error {
    Errno::EINVAL.because(Reason::OptionLength)
}

/// EINVAL, because of the value.
pub(super) fn out_of_range() -> Error {
    Errno::EINVAL.because(Reason::OptionValue)
}

/// Which bit of the table's kinds a socket is.
fn kind_of(entry: &Entry) -> u16 {
    match entry.protocol_part {
        Part::Tcp(_) => TCP,
        Part::Udp(_) if entry.protocol == IPPROTO_UDPLITE => UDPLITE,
        Part::Udp(_) => UDP,
        Part::Ping(_) => PING,
        Part::Raw(_) => RAW,
        Part::Packet(_) => PACKET,
        Part::Netlink(_) => NETLINK,
        Part::Can(_) => CAN,
        Part::Rds(_) => RDS,
        Part::Unix(_) => UNIX,
    }
}

/// True if sockets like this one have options of this level.
fn has_level(entry: &Entry, level: i32) -> bool {
    match level {
        SOL_SOCKET => true,
        SOL_PACKET => kind_of(entry) == PACKET,
        SOL_NETLINK => kind_of(entry) == NETLINK,
        SOL_CAN_RAW => kind_of(entry) == CAN && entry.protocol == CAN_RAW,
        SOL_CAN_ISOTP => kind_of(entry) == CAN && entry.protocol == CAN_ISOTP,
        SOL_CAN_J1939 => kind_of(entry) == CAN && entry.protocol == CAN_J1939,
        SOL_RDS => kind_of(entry) == RDS,
        _ if matches!(kind_of(entry), PACKET | NETLINK | CAN | RDS | UNIX) => false,
        // ipv6_setsockopt: "if (level == SOL_IP && sk->sk_type != SOCK_RAW)"
        SOL_IP => !(kind_of(entry) == RAW && entry.domain == AF_INET6),
        SOL_RAW => kind_of(entry) == RAW,
        SOL_ICMPV6 => kind_of(entry) == RAW && entry.domain == AF_INET6,
        SOL_IPV6 => entry.domain == AF_INET6,
        SOL_TCP => kind_of(entry) == TCP,
        SOL_UDP => matches!(kind_of(entry), UDP | UDPLITE),
        SOL_UDPLITE => kind_of(entry) == UDPLITE,
        _ => false,
    }
}

/// udplite_setsockopt: "if (level == SOL_UDP || level == SOL_UDPLITE)", it is all the same.
fn level_of_row(level: i32) -> i32 {
    if level == SOL_UDPLITE { SOL_UDP } else { level }
}

/// raw_setsockopt: "if (level != SOL_CAN_RAW) return -EINVAL", isotp_setsockopt likewise; do_sock_setsockopt, of CAN_BCM:
/// "if (!ops->setsockopt) err = -EOPNOTSUPP".
fn no_level(entry: &Entry) -> Error {
    let errno = if entry.protocol == CAN_BCM { Errno::EOPNOTSUPP } else { Errno::EINVAL };
    errno.because(Reason::UnknownOption)
}

/// Bytes that a value must have at least. do_ip_setsockopt takes a byte for an int, and mostly nothing for 0;
/// do_ipv6_setsockopt takes nothing for 0 here and there; all others want an int.
fn least(level: i32, name: i32) -> usize {
    match (level, name) {
        (
            SOL_IP,
            IP_TTL | IP_FREEBIND | IP_TRANSPARENT | IP_MINTTL | IP_MULTICAST_TTL | IP_MULTICAST_LOOP
            | IP_MULTICAST_ALL,
        ) => 1,
        (SOL_IP, IP_LOCAL_PORT_RANGE) => 4,
        (SOL_IP, _) => 0,
        (SOL_IPV6, IPV6_DONTFRAG | IPV6_AUTOFLOWLABEL | IPV6_RECVFRAGSIZE) => 0,
        _ => 4,
    }
}

/// packet_setsockopt takes an int and nothing longer for these.
fn is_exact(name: i32) -> bool {
    matches!(
        name,
        PACKET_COPY_THRESH
            | PACKET_VERSION
            | PACKET_RESERVE
            | PACKET_LOSS
            | PACKET_TIMESTAMP
            | PACKET_TX_HAS_OFF
            | PACKET_QDISC_BYPASS
    )
}

/// The first four bytes as an int; of SOL_IP one byte will do; what is missing is 0.
pub(super) fn int(level: i32, value: &[u8]) -> i32 {
    match *value {
        [a, b, c, d, ..] => i32::from_ne_bytes([a, b, c, d]),
        [byte, ..] if level == SOL_IP => i32::from(byte),
        _ => 0,
    }
}

impl Stack {
    /// getsockopt(2): the value's bytes as Linux lays them out, cut to `len`.
    #[cfg(any(feature = "cli", test))]
    pub(crate) fn getsockopt(&mut self, id: SocketId, level: i32, name: i32, len: usize) -> Result<Vec<u8>> {
        self.getsockopt_of(id, level, name, len, &[])
    }

    /// The same of options that are `given`, in the value's place, what they are asked about.
    pub(crate) fn getsockopt_of(
        &mut self,
        id: SocketId,
        level: i32,
        name: i32,
        len: usize,
        given: &[u8],
    ) -> Result<Vec<u8>> {
        let entry = self.sockets.get(id)?;
        // udp_getsockopt looks at both levels, udp_setsockopt at its own alone.
        let level = if kind_of(entry) & (UDP | UDPLITE) != 0 { level_of_row(level) } else { level };
        if !has_level(entry, level) {
            // ip_getsockopt and ipv6_getsockopt differ here.
            return Err(match entry.domain {
                AF_INET | AF_UNIX => Errno::EOPNOTSUPP.because(Reason::UnknownOption),
                AF_CAN => no_level(entry),
                _ => unknown(),
            });
        }
        let row = find(level, name).ok_or_else(unknown)?;
        let stored = entry.options.stored.get(&(level, name));
        let ints = |value: i32| value.to_ne_bytes().to_vec();
        let mut value = match &row.value {
            _ if refuses_reading(row, entry) => return Err(row.refused.1.because(Reason::WrongKind)),
            Value::Field { get, .. } => ints(get(&entry.options)),
            Value::Special | Value::SpecialReadOnly => self.get_special(id, level, name, len, given)?,
            Value::Stored { default, .. } => stored.cloned().unwrap_or_else(|| ints(*default)),
            Value::StoredBytes { default, .. } => stored.cloned().unwrap_or_else(|| default.to_vec()),
            Value::WriteOnly { .. } | Value::WriteOnlyBytes { .. } | Value::WriteOnlySpecial => {
                return Err(unknown());
            }
            Value::ReadOnly(value, _) => ints(*value),
            Value::ReadOnlyEmpty => Vec::new(),
            Value::Refused(errno, _) => return Err(errno.because(Reason::UnknownOption)),
        };
        // do_ip_getsockopt: who has room for a byte only, gets a byte.
        if level == SOL_IP && (1..4).contains(&len) && value.len() == 4 && (0..=255).contains(&int(0, &value))
        {
            value = vec![int(level, &value) as u8];
        }
        value.truncate(len);
        Ok(value)
    }

    /// setsockopt(2): the value's bytes as Linux lays them out.
    pub(crate) fn setsockopt(&mut self, id: SocketId, level: i32, name: i32, value: &[u8]) -> Result<()> {
        let entry = self.sockets.get_mut(id)?;
        if !has_level(entry, level) {
            return Err(match entry.domain {
                AF_CAN => no_level(entry),
                // do_sock_setsockopt: AF_UNIX has no options of its own.
                AF_UNIX => Errno::EOPNOTSUPP.because(Reason::UnknownOption),
                _ => unknown(),
            });
        }
        let level = level_of_row(level);
        let no_int = matches!(
            (level, name),
            (SOL_SOCKET, SO_BINDTODEVICE) | (SOL_TCP, TCP_CONGESTION | TCP_ULP | TCP_FASTOPEN_KEY)
        );
        if matches!(level, SOL_SOCKET | SOL_TCP | SOL_UDP) && value.len() < 4 && !no_int {
            return Err(wrong_length());
        }
        let row = find(level, name).ok_or_else(unknown)?;
        if row.refused.0 & kind_of(entry) != 0 {
            return Err(row.refused.1.because(Reason::WrongKind));
        }
        let is_int = matches!(row.value, Value::Field { .. } | Value::Stored { .. } | Value::ReadOnly(..));
        if is_int && value.len() < least(level, name) {
            return Err(wrong_length());
        }
        if level == SOL_PACKET && value.len() != 4 && is_exact(name) {
            return Err(wrong_length());
        }
        let number = int(level, value);
        let kept = match &row.value {
            Value::Field { set, .. } => {
                if !set(&mut entry.options, number) {
                    return Err(out_of_range().detail(format!("{} cannot be {number}", row.text)));
                }
                return self.option_changed(id, level, name);
            }
            Value::Special | Value::WriteOnlySpecial => {
                self.set_special(id, level, name, value)?;
                return self.option_changed(id, level, name);
            }
            Value::Stored { fix, .. } => fix(number).ok_or_else(out_of_range)?.to_ne_bytes().to_vec(),
            Value::WriteOnly { fix } => fix(number).ok_or_else(out_of_range)?.to_ne_bytes().to_vec(),
            Value::StoredBytes { none: true, .. } if value.is_empty() => Vec::new(),
            Value::StoredBytes { least, most, .. } | Value::WriteOnlyBytes { least, most } => {
                let fits = (*least..=*most).contains(&value.len());
                if fits { value.to_vec() } else { return Err(wrong_length()) }
            }
            Value::ReadOnly(_, errno) => return Err(errno.because(Reason::OptionReadOnly)),
            Value::SpecialReadOnly | Value::ReadOnlyEmpty => {
                let error = Errno::ENOPROTOOPT.because(Reason::OptionReadOnly);
                return Err(error.detail(format!("{} can only be read", row.text)));
            }
            Value::Refused(_, errno) => return Err(errno.because(Reason::UnknownOption)),
        };
        entry.options.stored.insert((level, name), kept);
        self.net.note(Reason::OptionStored, None, Some(id));
        Ok(())
    }

    /// Those who must act on it at once hear of it.
    fn option_changed(&mut self, id: SocketId, level: i32, name: i32) -> Result<()> {
        let entry = self.sockets.get_mut(id)?;
        let off = match (level, name) {
            (SOL_IP, IP_RECVERR) => !entry.options.recv_error,
            (SOL_IPV6, IPV6_RECVERR) => !entry.options.recv_error6,
            _ => false,
        };
        if off {
            entry.errors.forget();
        }
        if (level, name) == (SOL_UDP, UDP_CORK) {
            return self.udp_uncork(id);
        }
        let tcp = matches!(entry.protocol_part, Part::Tcp(_));
        if matches!((level, name), (SOL_IP, IP_MINTTL) | (SOL_IPV6, IPV6_MINHOPCOUNT)) {
            self.tcp.filtered = true;
        }
        if tcp && matches!(level, SOL_TCP | SOL_SOCKET) {
            self.tcp_option_changed(id, level, name)?;
        }
        Ok(())
    }
}

/// Options that some kinds of sockets can't even read.
fn refuses_reading(row: &Row, entry: &Entry) -> bool {
    let on = match (row.level, row.name) {
        (SOL_SOCKET, SO_PEEK_OFF) => PING | RAW | PACKET,
        (SOL_SOCKET, SO_PASSCRED | SO_PASSSEC) => !UNIX,
        (SOL_SOCKET, SO_TXREHASH) => DATAGRAM | UNIX,
        (SOL_IP, IP_PKTOPTIONS) | (SOL_IPV6, IPV6_2292PKTOPTIONS) => DATAGRAM,
        _ => 0,
    };
    kind_of(entry) & on != 0
}
