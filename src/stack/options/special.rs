//! Options that are more than an int in [`Options`]: they need the socket, the ports, the interfaces, or have a shape of
//! their own.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::bytes::{in_addr, in6_addr, word};
use super::calls::{int, out_of_range, unknown, wrong_length};
use crate::base::constants::*;
use crate::base::{Errno, IfIndex, Reason, Result, SocketId};
use crate::stack::datagram::priority_of;
use crate::stack::ip::IpOptions;
use crate::stack::table::{Entry, Part};
use crate::stack::{Hints, Stack};

/// TCP_FIN_TIMEOUT_MAX, in seconds.
const MAX_LINGER2: i32 = 120;
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
            | (SOL_SOCKET, SO_VERBATIM | SO_RCVALL)
            | (SOL_IP, IP_HDRINCL | IP_CSUM_BAD | IP_ROUTER_ALERT)
            | (SOL_IPV6, IPV6_HDRINCL | IPV6_CHECKSUM | IPV6_ROUTER_ALERT)
    )
}

/// The congestion controls that we have; `none` is ours alone.
pub(in crate::stack) const CONGESTION: [&str; 3] = ["cubic", "reno", "none"];

/// RFC 3168: the ECN bits of a stream belong to TCP, not to the program.
fn service(entry: &Entry, now: u8, asked: i32) -> u8 {
    let asked = asked as u8;
    if entry.kind == SOCK_STREAM { asked & !3 | now & 3 } else { asked }
}

impl Stack {
    pub(super) fn get_special(
        &mut self,
        id: SocketId,
        level: i32,
        name: i32,
        len: usize,
        given: &[u8],
    ) -> Result<Vec<u8>> {
        let entry = self.sockets.get(id)?;
        let options = &entry.options;
        let number = match (level, name) {
            _ if is_raw(level, name) => return self.get_raw(id, level, name),
            (SOL_SOCKET, _) => return self.get_socket_level(id, name, len),
            (SOL_PACKET, _) => return self.packet_get_option(id, name, len, given),
            (SOL_CAN_RAW, _) => return self.can_raw_get(id, name, len),
            (SOL_RDS, _) => return self.rds_get(id, name, len),
            (SOL_CAN_ISOTP, _) => return self.isotp_get(id, name),
            (SOL_CAN_J1939, _) => return self.j1939_get(id, name),
            (SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS) => return self.netlink_memberships(id),
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
            (SOL_IPV6, IPV6_UNICAST_HOPS) => i32::from(options.hops.unwrap_or(self.net.config.hops)),
            (SOL_IPV6, IPV6_MULTICAST_IF) => options.multicast_interface6.map_or(0, |i| i.0 as i32),
            (SOL_IPV6, IPV6_MTU) => self.path_mtu(entry)?,
            (SOL_IPV6, IPV6_PATHMTU) if len < 32 => return Err(wrong_length()),
            (SOL_IPV6, IPV6_PATHMTU) => {
                // struct ip6_mtuinfo: a sockaddr_in6 and the MTU.
                let mut info = vec![0; 28];
                info.extend(self.path_mtu(entry)?.to_ne_bytes());
                return Ok(info);
            }
            (SOL_IPV6, IPV6_HOPOPTS | IPV6_RTHDRDSTOPTS | IPV6_RTHDR | IPV6_DSTOPTS) => {
                return Ok(options.extensions.get(name));
            }
            (SOL_IP, IP_MSFILTER) | (SOL_IP | SOL_IPV6, MCAST_MSFILTER) => {
                return self.source_filter(id, level, name, given);
            }
            (SOL_IPV6, IPV6_FLOWLABEL_MGR) => return self.told_flow_label(id, given),
            (SOL_IPV6, IPV6_V6ONLY) => i32::from(options.v6only),
            (SOL_IPV6, IPV6_TCLASS) => i32::from(options.tclass),
            (SOL_UDP, UDP_ENCAP) => options.udp.encap,
            (SOL_TCP, TCP_MAXSEG) if entry.remote.is_some() => self.tcp_maxseg(id) as i32,
            // RFC 9293 3.7.1: "If an MSS Option is not received ... TCP must assume a default send MSS of 536".
            (SOL_TCP, TCP_MAXSEG) if options.maxseg == 0 => 536,
            (SOL_TCP, TCP_MAXSEG) => i32::from(options.maxseg),
            (SOL_TCP, TCP_LINGER2) if options.linger2 == 0 => self.net.config.fin_timeout.as_secs() as i32,
            (SOL_TCP, TCP_LINGER2) => options.linger2,
            (SOL_TCP, TCP_DEFER_ACCEPT) => seconds_of(options.defer_accept) as i32,
            (SOL_TCP, TCP_WINDOW_CLAMP) => options.tcp.window_clamp as i32,
            (SOL_TCP, TCP_SAVED_SYN) => return self.tcp_saved_syn(id, len),
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
            (SOL_TCP, TCP_FASTOPEN_KEY) => return Ok(options.fast_open.key.clone()),
            (SOL_TCP, TCP_FASTOPEN | TCP_FASTOPEN_CONNECT | TCP_FASTOPEN_NO_COOKIE) => {
                options.fast_open_number(name)
            }
            _ => return Err(unknown()),
        };
        Ok(number.to_ne_bytes().to_vec())
    }

    pub(super) fn set_special(&mut self, id: SocketId, level: i32, name: i32, value: &[u8]) -> Result<()> {
        let number = int(level, value);
        match (level, name) {
            _ if is_raw(level, name) => return self.set_raw(id, level, name, value),
            (SOL_SOCKET, _) => return self.set_socket_level(id, name, value),
            (SOL_PACKET, _) => return self.packet_set_option(id, name, value),
            (SOL_CAN_RAW, _) => return self.can_raw_set(id, name, value),
            (SOL_RDS, _) => return self.rds_set(id, name, value),
            (SOL_CAN_ISOTP, _) => return self.isotp_set(id, name, value),
            (SOL_TCP, TCP_MD5SIG | TCP_MD5SIG_EXT) => return self.tcp_sign(id, name, value),
            (SOL_CAN_J1939, _) => return self.j1939_set(id, name, value),
            (SOL_TCP, TCP_FASTOPEN | TCP_FASTOPEN_CONNECT | TCP_FASTOPEN_KEY | TCP_FASTOPEN_NO_COOKIE) => {
                return self.tcp_set_fast_open(id, name, number, value);
            }
            (SOL_NETLINK, _) => return self.netlink_membership(id, number, name == NETLINK_ADD_MEMBERSHIP),
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
            (
                SOL_IP,
                IP_BLOCK_SOURCE | IP_UNBLOCK_SOURCE | IP_ADD_SOURCE_MEMBERSHIP | IP_DROP_SOURCE_MEMBERSHIP,
            )
            | (
                SOL_IP | SOL_IPV6,
                MCAST_BLOCK_SOURCE
                | MCAST_UNBLOCK_SOURCE
                | MCAST_JOIN_SOURCE_GROUP
                | MCAST_LEAVE_SOURCE_GROUP,
            ) => return self.set_source(id, level, name, value),
            (SOL_IP, IP_MSFILTER) | (SOL_IP | SOL_IPV6, MCAST_MSFILTER) => {
                return self.set_source_filter(id, level, name, value);
            }
            (SOL_IP, IP_UNICAST_IF) | (SOL_IPV6, IPV6_UNICAST_IF) => {
                return self.set_unicast_interface(id, level, value);
            }
            (SOL_IPV6, IPV6_HOPOPTS | IPV6_RTHDRDSTOPTS | IPV6_RTHDR | IPV6_DSTOPTS) => {
                return self.sockets.get_mut(id)?.options.extensions.set(name, value);
            }
            (SOL_IPV6, IPV6_FLOWLABEL_MGR) => return self.set_flow_label(id, value),
            (SOL_IPV6, IPV6_PKTINFO) => {
                // struct in6_pktinfo; do_ipv6_setsockopt keeps the address, which nothing ever asks for.
                let index = word(value, 16).ok_or_else(wrong_length)?;
                let entry = self.sockets.get_mut(id)?;
                if entry.device.is_some_and(|device| device != IfIndex(index)) {
                    return Err(out_of_range());
                }
                entry.options.sticky_interface6 = (index != 0).then_some(IfIndex(index));
                return Ok(());
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
            (SOL_IP, IP_TOS) => {
                let tos = service(entry, entry.options.tos, number);
                // __ip_sock_set_tos: a new one brings its priority along.
                if tos != entry.options.tos {
                    (entry.options.tos, entry.options.priority) = (tos, priority_of(tos));
                }
            }
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
            (SOL_UDP, UDP_ENCAP) if !matches!(number, 0 | UDP_ENCAP_ESPINUDP | UDP_ENCAP_L2TPINUDP) => {
                return Err(unknown());
            }
            (SOL_UDP, UDP_ENCAP) => entry.options.udp.encap = number,
            // TCP_MIN_MSS and MAX_TCP_WINDOW.
            (SOL_TCP, TCP_MAXSEG) if number != 0 && !(88..=32_767).contains(&number) => {
                return Err(out_of_range());
            }
            (SOL_TCP, TCP_MAXSEG) => entry.options.maxseg = number as u16,
            // tcp_set_window_clamp: half of SOCK_MIN_RCVBUF at least; there is no way back to none on a connection.
            (SOL_TCP, TCP_WINDOW_CLAMP) if number == 0 && entry.remote.is_some() => {
                return Err(out_of_range());
            }
            (SOL_TCP, TCP_WINDOW_CLAMP) => {
                entry.options.tcp.window_clamp = if number == 0 { 0 } else { number.max(2304 / 2) as u32 };
            }
            (SOL_TCP, TCP_LINGER2) => entry.options.linger2 = number.clamp(-1, MAX_LINGER2),
            (SOL_TCP, TCP_DEFER_ACCEPT) => {
                entry.options.defer_accept = retransmissions(number);
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
        let hints = Hints {
            interface: entry.device,
            source: entry.local.map(|local| local.ip()),
            direct: entry.options.dont_route,
            any_source: entry.options.transparent,
        };
        let mtu = self.net.path(remote.ip(), hints)?.mtu;
        // IP_MAX_MTU: IPv4's total length has 16 bits, whatever the link takes.
        let most = if remote.is_ipv4() { 0xffff } else { usize::MAX };
        Ok(i32::try_from(mtu.min(most)).unwrap_or(i32::MAX))
    }
}
