//! Options that are more than an int in [`Options`]: they need the socket, the ports, the interfaces, or have a shape of
//! their own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::calls::{int, out_of_range, unknown, wrong_length};
use super::{Options, Timestamp};
use crate::base::constants::*;
use crate::base::{Errno, IfIndex, Reason, Result, SockAddr, SocketId};
use crate::stack::ip::IpOptions;
use crate::stack::ports::Stage;
use crate::stack::table::{Entry, Part};
use crate::stack::{Hints, Stack};

/// SOCK_MIN_SNDBUF and SOCK_MIN_RCVBUF.
const MIN_SEND_BUFFER: usize = 4608;
const MIN_RECV_BUFFER: usize = 2304;
/// What SO_RCVBUFFORCE and SO_SNDBUFFORCE may ask for; twice this is Linux's INT_MAX, rounded down to what we can hold.
const MAX_FORCED: usize = 256 << 20;
/// TCP_FIN_TIMEOUT_MAX, in seconds.
const MAX_LINGER2: i32 = 120;
/// IFNAMSIZ, with the NUL.
const NAME_LENGTH: usize = 16;

/// struct timeval; zero = never.
fn timeval(timeout: Option<Duration>) -> Vec<u8> {
    let timeout = timeout.unwrap_or_default();
    let seconds = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
    [seconds.to_ne_bytes(), i64::from(timeout.subsec_micros()).to_ne_bytes()].concat()
}

/// sock_set_timeout: EINVAL if short, EDOM if the microseconds are none, negative seconds = at once.
fn parse_timeval(value: &[u8]) -> Result<Option<Duration>> {
    let (Some(seconds), Some(micros)) = (long(value, 0), long(value, 8)) else { return Err(wrong_length()) };
    let Some(micros) = u32::try_from(micros).ok().filter(|micros| *micros < 1_000_000) else {
        return Err(Errno::EDOM.because(Reason::OptionValue));
    };
    match u64::try_from(seconds) {
        Err(_) => Ok(Some(Duration::ZERO)),
        Ok(0) if micros == 0 => Ok(None),
        Ok(seconds) => Ok(Some(Duration::new(seconds, micros * 1000))),
    }
}

fn long(value: &[u8], at: usize) -> Option<i64> {
    Some(i64::from_ne_bytes(value.get(at..at + 8)?.try_into().ok()?))
}

pub(super) fn word(value: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(value.get(at..at + 4)?.try_into().ok()?))
}

pub(super) fn in_addr(value: &[u8], at: usize) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(value.get(at..at + 4)?).ok()?))
}

fn in6_addr(value: &[u8], at: usize) -> Option<Ipv6Addr> {
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(value.get(at..at + 16)?).ok()?))
}

/// struct sockaddr_in or sockaddr_in6.
fn sockaddr(address: SockAddr) -> Vec<u8> {
    let mut bytes = (address.family() as u16).to_ne_bytes().to_vec();
    match address {
        SockAddr::Unspec => {}
        SockAddr::V4(v4) => {
            bytes.extend(v4.port().to_be_bytes());
            bytes.extend(v4.ip().octets());
            bytes.extend([0; 8]);
        }
        SockAddr::V6(v6) => {
            bytes.extend(v6.port().to_be_bytes());
            bytes.extend(v6.flowinfo().to_be_bytes());
            bytes.extend(v6.ip().octets());
            bytes.extend(v6.scope_id().to_ne_bytes());
        }
        // No option's value is a sockaddr_ll or sockaddr_nl.
        SockAddr::Link(_) | SockAddr::Netlink(_) => {}
    }
    bytes
}

/// secs_to_retrans: how many SYN|ACKs (after 1, 2, 4 ... s, at most 120) it takes to wait that long.
fn retransmissions(seconds: i32) -> u32 {
    let (mut count, mut timeout, mut period) = (1, 1, 1);
    while seconds > period && count < 255 {
        count += 1;
        timeout = (timeout * 2).min(120);
        period += timeout;
    }
    if seconds > 0 { count } else { 0 }
}

/// retrans_to_secs.
fn seconds_of(retransmissions: u32) -> u32 {
    (0..retransmissions).map(|n| (1 << n.min(7)).min(120)).sum()
}

/// True for the options that raw sockets alone have.
fn is_raw(level: i32, name: i32) -> bool {
    matches!(
        (level, name),
        (SOL_RAW | SOL_ICMPV6, _)
            | (SOL_SOCKET, SO_VERBATIM)
            | (SOL_IP, IP_HDRINCL | IP_CSUM_BAD | IP_ROUTER_ALERT)
            | (SOL_IPV6, IPV6_HDRINCL | IPV6_CHECKSUM | IPV6_ROUTER_ALERT)
    )
}

/// The congestion controls that we have; `none` is ours alone.
const CONGESTION: [&str; 3] = ["cubic", "reno", "none"];

/// RFC 3168: the ECN bits of a stream belong to TCP, not to the program.
fn service(entry: &Entry, now: u8, asked: i32) -> u8 {
    let asked = asked as u8;
    if entry.kind == SOCK_STREAM { asked & !3 | now & 3 } else { asked }
}

impl Stack {
    pub(super) fn get_special(&mut self, id: SocketId, level: i32, name: i32, len: usize) -> Result<Vec<u8>> {
        let entry = self.sockets.get(id)?;
        let options = &entry.options;
        let number = match (level, name) {
            _ if is_raw(level, name) => return self.get_raw(id, level, name),
            (SOL_SOCKET, _) => return self.get_socket_level(id, name, len),
            (SOL_PACKET, _) => return self.packet_get_option(id, name, len),
            (SOL_IP, IP_TOS) => i32::from(options.tos),
            (SOL_IP, IP_TTL) => i32::from(options.ttl.unwrap_or(self.net.config.ttl)),
            (SOL_IP, IP_OPTIONS) => return Ok(options.ip_options.bytes().to_vec()),
            (SOL_IP, IP_MTU) => self.path_mtu(entry)?,
            // inet_num: the port; of raw sockets the protocol stands in its place.
            (SOL_IP, IP_PROTOCOL) => entry.local.map_or(0, |local| i32::from(local.port())),
            (SOL_IP, IP_MULTICAST_IF) => {
                let source = options.multicast_source.unwrap_or(Ipv4Addr::UNSPECIFIED);
                i32::from_ne_bytes(source.octets())
            }
            // In network byte order, both.
            (SOL_IP, IP_UNICAST_IF) => options.unicast_interface.map_or(0, |i| i.0.to_be() as i32),
            (SOL_IPV6, IPV6_UNICAST_IF) => options.unicast_interface6.map_or(0, |i| i.0.to_be() as i32),
            (SOL_IPV6, IPV6_UNICAST_HOPS) => i32::from(options.hops.unwrap_or(self.net.config.ttl)),
            (SOL_IPV6, IPV6_MULTICAST_IF) => options.multicast_interface6.map_or(0, |i| i.0 as i32),
            (SOL_IPV6, IPV6_MTU) => self.path_mtu(entry)?,
            (SOL_IPV6, IPV6_PATHMTU) if len < 32 => return Err(wrong_length()),
            (SOL_IPV6, IPV6_PATHMTU) => {
                // struct ip6_mtuinfo: a sockaddr_in6 and the MTU.
                let mut info = vec![0; 28];
                info.extend(self.path_mtu(entry)?.to_ne_bytes());
                return Ok(info);
            }
            (SOL_IPV6, IPV6_V6ONLY) => i32::from(options.v6only),
            (SOL_IPV6, IPV6_TCLASS) => i32::from(options.tclass),
            (SOL_TCP, TCP_MAXSEG) if entry.remote.is_some() => self.tcp_maxseg(id) as i32,
            // RFC 9293 3.7.1: "If an MSS Option is not received ... TCP must assume a default send MSS of 536".
            (SOL_TCP, TCP_MAXSEG) if options.maxseg == 0 => 536,
            (SOL_TCP, TCP_MAXSEG) => i32::from(options.maxseg),
            (SOL_TCP, TCP_LINGER2) if options.linger2 == 0 => self.net.config.fin_timeout.as_secs() as i32,
            (SOL_TCP, TCP_LINGER2) => options.linger2,
            (SOL_TCP, TCP_DEFER_ACCEPT) => options.defer_accept as i32,
            (SOL_TCP, TCP_USER_TIMEOUT) => {
                options.user_timeout.map_or(0, |timeout| timeout.as_millis() as i32)
            }
            (SOL_TCP, TCP_TIMESTAMP) => self.net.now.as_millis() as i32,
            (SOL_TCP, TCP_INFO) => return self.tcp_info(id),
            (SOL_TCP, TCP_CONGESTION) => {
                let mut bytes = options.congestion.as_bytes().to_vec();
                bytes.resize(16, 0);
                return Ok(bytes);
            }
            (SOL_TCP, TCP_ULP) => return Ok(Vec::new()),
            _ => return Err(unknown()),
        };
        Ok(number.to_ne_bytes().to_vec())
    }

    fn get_socket_level(&mut self, id: SocketId, name: i32, len: usize) -> Result<Vec<u8>> {
        let entry = self.sockets.get_mut(id)?;
        let options = &entry.options;
        let number = match name {
            SO_ATTACH_FILTER | SO_DETACH_FILTER | SO_LOCK_FILTER => return self.get_filter(id, name, len),
            SO_TYPE => entry.kind,
            SO_PROTOCOL => entry.protocol,
            SO_DOMAIN => entry.domain,
            SO_ERROR => entry.take_error().err().map_or(0, |error| error.errno().0),
            SO_ACCEPTCONN => i32::from(entry.claim.is_some_and(|claim| claim.binding.stage == Stage::Listen)),
            SO_REUSEADDR => i32::from(options.reuse_address),
            SO_REUSEPORT => i32::from(options.reuse_port),
            SO_RCVBUF => options.recv_buffer as i32,
            SO_SNDBUF => options.send_buffer as i32,
            SO_BUF_LOCK => i32::from(options.send_buffer_set) | i32::from(options.recv_buffer_set) << 1,
            SO_RCVLOWAT => i32::try_from(options.recv_lowat).unwrap_or(i32::MAX),
            SO_TIMESTAMP | SO_TIMESTAMP_NEW => {
                i32::from(options.timestamp == Timestamp::Micro && options.timestamp_name == name)
            }
            SO_TIMESTAMPNS | SO_TIMESTAMPNS_NEW => {
                i32::from(options.timestamp == Timestamp::Nano && options.timestamp_name == name)
            }
            SO_BINDTOIFINDEX => entry.device.map_or(0, |device| device.0 as i32),
            SO_LINGER => {
                let on = i32::from(options.linger.is_some()).to_ne_bytes();
                return Ok([on, options.linger_seconds.to_ne_bytes()].concat());
            }
            SO_RCVTIMEO | SO_RCVTIMEO_NEW => return Ok(timeval(options.recv_timeout)),
            SO_SNDTIMEO | SO_SNDTIMEO_NEW => return Ok(timeval(options.send_timeout)),
            SO_BINDTODEVICE => {
                let Some(device) = entry.device else { return Ok(Vec::new()) };
                if len < NAME_LENGTH {
                    return Err(wrong_length());
                }
                let name = self.net.interface_name(device).ok_or(Errno::ENODEV)?;
                return Ok([name.as_bytes(), b"\0"].concat());
            }
            // struct ucred of somebody unknown: pid 0, uid and gid -1.
            SO_PEERCRED => return Ok([0_i32, -1, -1].iter().flat_map(|v| v.to_ne_bytes()).collect()),
            // sk_getsockopt tells every failure of getname so.
            SO_PEERNAME => {
                let peer = self.getpeername(id).map_err(|_| Errno::ENOTCONN.because(Reason::NotConnected))?;
                return Ok(sockaddr(peer));
            }
            SO_COOKIE if len < 8 => return Err(wrong_length()),
            SO_COOKIE => return Ok(id.0.to_ne_bytes().to_vec()),
            SO_NETNS_COOKIE if len != 8 => return Err(wrong_length()),
            SO_NETNS_COOKIE => return Ok(self.net.config.cookie.to_ne_bytes().to_vec()),
            SO_MEMINFO => {
                let (charged, drops) = match &entry.protocol_part {
                    Part::Packet(packet) => (packet.charged(), packet.dropped()),
                    Part::Netlink(netlink) => (netlink.charged(), 0),
                    _ => entry.queue().map_or((0, 0), |queue| (queue.charged(), queue.dropped())),
                };
                let words = [charged, options.recv_buffer, 0, options.send_buffer, 0, 0, 0, 0, drops];
                return Ok(words.iter().flat_map(|v| (*v as u32).to_ne_bytes()).collect());
            }
            _ => return Err(Errno::ENOPROTOOPT.because(Reason::UnknownOption)),
        };
        Ok(number.to_ne_bytes().to_vec())
    }

    pub(super) fn set_special(&mut self, id: SocketId, level: i32, name: i32, value: &[u8]) -> Result<()> {
        let number = int(level, value);
        match (level, name) {
            _ if is_raw(level, name) => return self.set_raw(id, level, name, value),
            (SOL_SOCKET, _) => return self.set_socket_level(id, name, value),
            (SOL_PACKET, _) => return self.packet_set_option(id, name, value),
            (SOL_IP, IP_MULTICAST_IF) => return self.set_multicast_interface(id, value),
            (SOL_IP, IP_ADD_MEMBERSHIP | IP_DROP_MEMBERSHIP) => {
                let group = in_addr(value, 0).ok_or_else(wrong_length)?;
                let address = in_addr(value, 4).ok_or_else(wrong_length)?;
                let interface = word(value, 8).filter(|index| *index != 0).map(IfIndex);
                let interface = self.named_interface(interface, address)?;
                return self.membership(id, group.into(), interface, name == IP_ADD_MEMBERSHIP);
            }
            (SOL_IPV6, IPV6_JOIN_GROUP | IPV6_LEAVE_GROUP) => {
                let group = in6_addr(value, 0).ok_or_else(wrong_length)?;
                let interface = word(value, 16).ok_or_else(wrong_length)?;
                if matches!(self.sockets.get(id)?.protocol_part, Part::Tcp(_)) {
                    return Err(Errno::EPROTO.because(Reason::WrongKind));
                }
                let interface = (interface != 0).then_some(IfIndex(interface));
                return self.membership(id, group.into(), interface, name == IPV6_JOIN_GROUP);
            }
            (_, MCAST_JOIN_GROUP | MCAST_LEAVE_GROUP) => {
                // struct group_req: the interface, padding, a struct sockaddr_storage.
                if value.len() < 136 {
                    return Err(wrong_length());
                }
                let interface = word(value, 0).filter(|index| *index != 0).map(IfIndex);
                let group = match (level, in_addr(value, 12), in6_addr(value, 16)) {
                    (SOL_IP, Some(v4), _) => IpAddr::V4(v4),
                    (_, _, Some(v6)) => IpAddr::V6(v6),
                    _ => return Err(wrong_length()),
                };
                return self.membership(id, group, interface, name == MCAST_JOIN_GROUP);
            }
            (SOL_IP, IP_UNICAST_IF) | (SOL_IPV6, IPV6_UNICAST_IF) => {
                return self.set_unicast_interface(id, level, value);
            }
            (SOL_IPV6, IPV6_MULTICAST_IF) if value.len() < 4 => return Err(wrong_length()),
            (SOL_IPV6, IPV6_MULTICAST_IF) => {
                let interface = (number != 0).then_some(IfIndex(number as u32));
                if let Some(interface) = interface {
                    self.check_device(id, interface)?;
                }
                self.sockets.get_mut(id)?.options.multicast_interface6 = interface;
                return Ok(());
            }
            (SOL_IPV6, _) if value.len() < 4 => return Err(wrong_length()),
            _ => {}
        }
        let entry = self.sockets.get_mut(id)?;
        let byte = u8::try_from(number).ok();
        match (level, name) {
            (SOL_IP, IP_TOS) => entry.options.tos = service(entry, entry.options.tos, number),
            (SOL_IP, IP_OPTIONS) => {
                entry.options.ip_options = IpOptions::new(value).ok_or_else(out_of_range)?;
                if matches!(entry.protocol_part, Part::Tcp(_)) {
                    self.net.note(Reason::OptionStored, None, Some(id));
                }
            }
            (SOL_IP, IP_TTL) => match byte {
                _ if number == -1 && !value.is_empty() => entry.options.ttl = None,
                Some(ttl @ 1..) => entry.options.ttl = Some(ttl),
                _ => return Err(out_of_range()),
            },
            (SOL_IPV6, IPV6_UNICAST_HOPS) => match byte {
                _ if number == -1 => entry.options.hops = None,
                Some(hops) => entry.options.hops = Some(hops),
                None => return Err(out_of_range()),
            },
            (SOL_IPV6, IPV6_TCLASS) => match byte {
                _ if number == -1 => entry.options.tclass = service(entry, entry.options.tclass, 0),
                Some(_) => entry.options.tclass = service(entry, entry.options.tclass, number),
                None => return Err(out_of_range()),
            },
            (SOL_IPV6, IPV6_V6ONLY) => {
                // inet_num is set: the port, and the protocol of raw sockets, from their birth.
                if entry.local.is_some_and(|local| local.port() != 0) {
                    return Err(Errno::EINVAL.because(Reason::AlreadyBound));
                }
                entry.options.v6only = number != 0;
            }
            // RFC 8200 5: "IPv6 requires that every link in the Internet have an MTU of 1280 octets or greater".
            (SOL_IPV6, IPV6_MTU) if number != 0 && number < 1280 => return Err(out_of_range()),
            (SOL_IPV6, IPV6_MTU) => {
                // Fragments are always as large as the path takes.
                entry.options.stored.insert((level, name), value.to_vec());
                self.net.note(Reason::OptionStored, None, Some(id));
            }
            // TCP_MIN_MSS and MAX_TCP_WINDOW.
            (SOL_TCP, TCP_MAXSEG) if number != 0 && !(88..=32_767).contains(&number) => {
                return Err(out_of_range());
            }
            (SOL_TCP, TCP_MAXSEG) => entry.options.maxseg = number as u16,
            (SOL_TCP, TCP_LINGER2) => entry.options.linger2 = number.clamp(-1, MAX_LINGER2),
            (SOL_TCP, TCP_DEFER_ACCEPT) => {
                entry.options.defer_accept = seconds_of(retransmissions(number));
            }
            (SOL_TCP, TCP_USER_TIMEOUT) => match u64::try_from(number) {
                Ok(millis) => {
                    entry.options.user_timeout = (millis > 0).then_some(Duration::from_millis(millis));
                }
                Err(_) => return Err(out_of_range()),
            },
            (SOL_TCP, TCP_CONGESTION) => {
                if value.is_empty() {
                    return Err(wrong_length());
                }
                let end = value.iter().take(15).take_while(|byte| **byte != 0).count();
                let known = CONGESTION.into_iter().find(|name| name.as_bytes() == &value[..end]);
                entry.options.congestion = known.ok_or(Errno::ENOENT.because(Reason::OptionValue))?;
            }
            (SOL_TCP, TCP_ULP) if value.is_empty() => return Err(wrong_length()),
            (SOL_TCP, TCP_ULP) => return Err(Errno::ENOENT.because(Reason::OptionValue)),
            (SOL_TCP, TCP_TIMESTAMP) => return Err(Errno::EPERM.because(Reason::OptionReadOnly)),
            _ => return Err(unknown()),
        }
        Ok(())
    }

    fn set_socket_level(&mut self, id: SocketId, name: i32, value: &[u8]) -> Result<()> {
        let max = self.net.config.max_buffer;
        let number = int(SOL_SOCKET, value);
        match name {
            SO_BINDTODEVICE => return self.bind_to_device(id, value),
            SO_ATTACH_FILTER | SO_DETACH_FILTER | SO_LOCK_FILTER => return self.set_filter(id, name, value),
            SO_BINDTOIFINDEX => {
                let index = u32::try_from(number).map_err(|_| out_of_range())?;
                self.sockets.get_mut(id)?.device = (index != 0).then_some(IfIndex(index));
                self.rebind(id);
                return Ok(());
            }
            _ => {}
        }
        let entry = self.sockets.get_mut(id)?;
        let tcp = matches!(entry.protocol_part, Part::Tcp(_));
        let options = &mut entry.options;
        // As Linux compares: without a sign, so that -1 asks for all.
        let asked = number as u32 as usize;
        let forced = usize::try_from(number).unwrap_or(0).min(MAX_FORCED);
        match name {
            // sk_is_inet
            SO_REUSEPORT if number != 0 && entry.domain == AF_PACKET => {
                return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
            }
            SO_REUSEADDR | SO_REUSEPORT => {
                let field =
                    if name == SO_REUSEADDR { &mut options.reuse_address } else { &mut options.reuse_port };
                *field = number != 0;
                self.rebind(id);
            }
            SO_RCVBUF => options.set_recv_buffer(asked.min(max)),
            SO_SNDBUF => options.set_send_buffer(asked.min(max)),
            SO_RCVBUFFORCE => options.set_recv_buffer(forced),
            SO_SNDBUFFORCE => options.set_send_buffer(forced),
            SO_BUF_LOCK if !(0..=3).contains(&number) => return Err(out_of_range()),
            SO_BUF_LOCK => {
                options.send_buffer_set = number & 1 != 0;
                options.recv_buffer_set = number & 2 != 0;
            }
            SO_RCVLOWAT => {
                let wanted = usize::try_from(number).unwrap_or(i32::MAX as usize).max(1);
                // tcp_set_rcvlowat: more than the buffer holds would never come.
                options.recv_lowat = if tcp { wanted.min(options.recv_space()) } else { wanted };
            }
            SO_LINGER => {
                let (Some(on), Some(seconds)) = (word(value, 0), word(value, 4)) else {
                    return Err(wrong_length());
                };
                // Switched off, the time is kept.
                if on != 0 {
                    options.linger_seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
                }
                options.linger = (on != 0).then_some(Duration::from_secs(u64::from(seconds)));
            }
            SO_RCVTIMEO | SO_RCVTIMEO_NEW => options.recv_timeout = parse_timeval(value)?,
            SO_SNDTIMEO | SO_SNDTIMEO_NEW => options.send_timeout = parse_timeval(value)?,
            SO_TIMESTAMP | SO_TIMESTAMP_NEW | SO_TIMESTAMPNS | SO_TIMESTAMPNS_NEW => {
                let micro = matches!(name, SO_TIMESTAMP | SO_TIMESTAMP_NEW);
                options.timestamp = match (number, micro) {
                    (0, _) => Timestamp::Off,
                    (_, true) => Timestamp::Micro,
                    (_, false) => Timestamp::Nano,
                };
                options.timestamp_name = name;
            }
            _ => return Err(unknown()),
        }
        Ok(())
    }

    /// SO_BINDTODEVICE: a name, or nothing to be free again.
    fn bind_to_device(&mut self, id: SocketId, value: &[u8]) -> Result<()> {
        let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(&name[..name.len().min(NAME_LENGTH - 1)]);
        let device = if name.is_empty() {
            None
        } else {
            let found = self.net.interface_by_name(&name);
            Some(found.ok_or_else(|| {
                Errno::ENODEV.because(Reason::NoInterface).detail(format!("no interface is called {name}"))
            })?)
        };
        self.sockets.get_mut(id)?.device = device;
        self.rebind(id);
        Ok(())
    }

    /// EINVAL if the socket is bound to another device, ENODEV if there is none of this index.
    pub(super) fn check_device(&self, id: SocketId, interface: IfIndex) -> Result<()> {
        if self.sockets.get(id)?.device.is_some_and(|device| device != interface) {
            return Err(out_of_range());
        }
        self.net.interface_name(interface).map(|_| ()).ok_or(Errno::ENODEV.because(Reason::NoInterface))
    }

    /// IP_UNICAST_IF, IPV6_UNICAST_IF: an index in network byte order.
    fn set_unicast_interface(&mut self, id: SocketId, level: i32, value: &[u8]) -> Result<()> {
        let index = u32::from_be(word(value, 0).ok_or_else(wrong_length)?);
        let interface = (index != 0).then_some(IfIndex(index));
        if let Some(interface) = interface {
            let found = self.net.interface_name(interface);
            found.ok_or(Errno::EADDRNOTAVAIL.because(Reason::NoInterface))?;
        }
        let options = &mut self.sockets.get_mut(id)?.options;
        if level == SOL_IP {
            options.unicast_interface = interface
        } else {
            options.unicast_interface6 = interface
        }
        Ok(())
    }

    /// The path's MTU as IP_MTU tells it: of connected sockets only.
    fn path_mtu(&self, entry: &Entry) -> Result<i32> {
        let remote = entry.remote.ok_or(Errno::ENOTCONN.because(Reason::NotConnected))?;
        let hints = Hints { interface: entry.device, source: entry.local.map(|local| local.ip()) };
        let mtu = self.net.path(remote.ip(), hints)?.mtu;
        // IP_MAX_MTU: IPv4's total length has 16 bits, whatever the link takes.
        let most = if remote.is_ipv4() { 0xffff } else { usize::MAX };
        Ok(i32::try_from(mtu.min(most)).unwrap_or(i32::MAX))
    }
}

impl Options {
    /// SO_RCVBUF: Linux doubles the value, for its own bookkeeping.
    fn set_recv_buffer(&mut self, asked: usize) {
        self.recv_buffer = (asked * 2).max(MIN_RECV_BUFFER);
        self.recv_buffer_set = true;
    }

    /// SO_SNDBUF: doubled too.
    fn set_send_buffer(&mut self, asked: usize) {
        self.send_buffer = (asked * 2).max(MIN_SEND_BUFFER);
        self.send_buffer_set = true;
    }
}
