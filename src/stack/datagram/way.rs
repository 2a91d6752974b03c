//! The way of a datagram out: source, interface, header fields, fragments or EMSGSIZE.

use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::address::{WithScope, needs_scope};
use super::asked::Asked;
use super::extensions::Extensions;
use crate::base::constants::{
    IP_PMTUDISC_DO, IP_PMTUDISC_DONT, IP_PMTUDISC_INTERFACE, IP_PMTUDISC_OMIT, IP_PMTUDISC_PROBE,
    IP_PMTUDISC_WANT, MSG_DONTROUTE,
};
use crate::base::{ControlMessage, Errno, Frame, IfIndex, Instant, Reason, Result, SocketId};
use crate::stack::table::Entry;
use crate::stack::{Cast, Hints, IpHead, Path, SendTo, Stack};

/// A datagram's way out, once all questions are answered.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(crate) destination: SocketAddr,
    pub(crate) path: Path,
    pub(crate) head: IpHead,
    pub(crate) hints: Hints,
    pub(crate) asked: Asked,
    /// IPv6 extension headers.
    pub(in crate::stack) extensions: Extensions,
    /// IPV6_DONTFRAG.
    whole_only: bool,
}

impl Outgoing {
    /// The MTU that this socket's datagrams obey: the path's, or, by its IP_MTU_DISCOVER, the first link's.
    pub(in crate::stack) fn mtu(&self, entry: &Entry) -> usize {
        let discover = entry.mtu_discover(self.head.destination);
        if by_device(discover) { self.path.link_mtu } else { self.path.mtu }
    }
}

/// ip_sk_use_pmtu: IP_MTU_DISCOVER's values that have no use for the path's MTU.
fn by_device(discover: i32) -> bool {
    matches!(discover, IP_PMTUDISC_PROBE | IP_PMTUDISC_INTERFACE | IP_PMTUDISC_OMIT)
}

/// True for the local addresses that can't be a source: a socket bound to one of them hears it only.
fn is_source(address: IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && address != IpAddr::V4(Ipv4Addr::BROADCAST)
}

/// All slices one behind the other.
pub(crate) fn gather(to: &mut [u8], from: &[IoSlice<'_>]) {
    let mut at = 0;
    for slice in from {
        let end = (at + slice.len()).min(to.len());
        to[at..end].copy_from_slice(&slice[..end - at]);
        at = end;
    }
}

impl Stack {
    /// Finds a datagram's way: source, interface, header fields, as the socket's options and the call's control messages say.
    pub(in crate::stack) fn datagram_way(
        &mut self,
        id: SocketId,
        to: SocketAddr,
        how: &SendTo<'_>,
    ) -> Result<Outgoing> {
        let entry = self.sockets.get(id)?;
        let options = &entry.options;
        let mut asked = Asked::of(entry);
        // ipv6_can_nonlocal_bind: of IPv6, who may bind to any address may send from it.
        let any_source = options.transparent || options.freebind && to.is_ipv6();
        let (mut extensions, mut whole_only) = (Extensions::default(), options.dont_fragment6);
        let mut flow_info = match (how.to, to) {
            (None, _) => options.flow_info,
            (_, SocketAddr::V6(v6)) if options.flow_info_send => v6.flowinfo(),
            _ => 0,
        };
        let (mut ttl, mut tos) = (None, options.service(to.ip()));
        let scope = match to {
            SocketAddr::V6(v6) if needs_scope(v6.ip()) && v6.scope_id() != 0 => Some(IfIndex(v6.scope_id())),
            _ => None,
        };
        let sticky = options.sticky_interface6.filter(|_| to.is_ipv6() && scope.is_none());
        if sticky.is_some_and(|sticky| self.net.interface_name(sticky).is_none()) {
            return Err(Errno::ENETUNREACH.because(Reason::NoInterface));
        }
        let mut interface = entry.device.or(sticky);
        let mut source = entry.local.map(|local| local.ip()).filter(|local| is_source(*local));
        for message in how.control {
            asked.take(entry, &self.net.config, message)?;
            match *message {
                ControlMessage::Ttl(0) if to.is_ipv4() => {
                    return Err(Errno::EINVAL.because(Reason::OptionValue));
                }
                ControlMessage::Ttl(value) => ttl = Some(value),
                ControlMessage::Tos(value) => tos = value,
                ControlMessage::FlowInfo(value) => flow_info = value,
                ControlMessage::DontFragment(value) => whole_only = value,
                ControlMessage::Ipv6 { name, ref bytes } if to.is_ipv6() => extensions.take(name, bytes)?,
                ControlMessage::PacketInfo { interface: wanted, local, .. } => {
                    if wanted != 0 {
                        let wanted = IfIndex(wanted);
                        if interface.is_some_and(|bound| bound != wanted) {
                            return Err(Errno::EINVAL.because(Reason::NoInterface));
                        }
                        self.net.interface_name(wanted).ok_or(Errno::ENODEV.because(Reason::NoInterface))?;
                        interface = Some(wanted);
                    }
                    let local = local.to_canonical();
                    if !local.is_unspecified() && local.is_ipv4() == to.is_ipv4() {
                        if !any_source && !self.net.is_local(local) {
                            let errno = if to.is_ipv4() { Errno::ENETUNREACH } else { Errno::EINVAL };
                            return Err(errno.because(Reason::IpAddressNotOurs));
                        }
                        source = Some(local);
                    }
                }
                _ => {}
            }
        }
        let source = source.filter(|source| source.is_ipv4() == to.is_ipv4());
        // "0.0.0.0" and "::" mean this host: the address that the socket has, else the loopback.
        let destination = match to.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => source.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        if to.is_ipv6() {
            self.may_label(entry, flow_info)?;
        }
        if let (Some(scope), Some(bound)) = (scope, interface)
            && scope != bound
        {
            return Err(Errno::EINVAL.because(Reason::NoInterface));
        }
        // RFC 3493 knows no such flag for IPv6, and Linux passes it over.
        let direct = to.is_ipv4() && (options.dont_route || how.flags & MSG_DONTROUTE != 0);
        let mut hints = Hints { interface: interface.or(scope), source, any_source, direct };
        if destination.is_multicast() {
            let (by_option, from) = match destination {
                IpAddr::V4(_) => (options.multicast_interface, options.multicast_source.map(IpAddr::V4)),
                IpAddr::V6(_) => (options.multicast_interface6, None),
            };
            hints.interface = hints.interface.or(by_option);
            hints.source = hints.source.or(from);
        } else if hints.interface.is_none() {
            hints.interface = match destination {
                IpAddr::V4(_) => options.unicast_interface,
                IpAddr::V6(_) => options.unicast_interface6,
            };
        }
        let path = self.net.path(destination, hints)?;
        if path.cast == Cast::Broadcast && !options.broadcast {
            return Err(Errno::EACCES.because(Reason::BroadcastNotAllowed));
        }
        let ttl = ttl.unwrap_or_else(|| match (path.cast, destination) {
            (Cast::Multicast, IpAddr::V4(_)) => options.multicast_ttl,
            (Cast::Multicast, IpAddr::V6(_)) => options.multicast_hops,
            _ => options.unicast_ttl(&self.net.config, destination),
        });
        // ip6_datagram_send_ctl: with headers of its own, a datagram has none of the socket's.
        if destination.is_ipv6() && extensions.is_empty() {
            extensions = options.extensions.clone();
        }
        let head = IpHead {
            source: path.source,
            destination,
            protocol: u8::try_from(entry.protocol).unwrap_or(0),
            ttl,
            tos,
            dont_fragment: false,
            ignore_path_mtu: false,
            flow_label: options.label(flow_info),
            loop_multicast: match destination {
                IpAddr::V4(_) => options.multicast_loop,
                IpAddr::V6(_) => options.multicast_loop6,
            },
        };
        Ok(Outgoing {
            destination: SocketAddr::new(destination, to.port()).with_scope_of(to),
            path,
            head,
            hints,
            asked,
            extensions,
            whole_only,
        })
    }

    /// What sock_alloc_send_skb asks before every datagram: a pending error first, then whether writing is shut down.
    pub(in crate::stack) fn may_send(&mut self, id: SocketId) -> Result<()> {
        let entry = self.sockets.get_mut(id)?;
        entry.take_error()?;
        if entry.write_shut {
            return Err(Errno::EPIPE.because(Reason::Closed));
        }
        Ok(())
    }

    /// Decides on fragments (IP_MTU_DISCOVER) and hands the datagram, transport header included, to the lower half.
    pub(in crate::stack) fn datagram_out(
        &mut self,
        id: SocketId,
        mut frame: Frame,
        mut way: Outgoing,
    ) -> Result<()> {
        let entry = self.sockets.get(id)?;
        let discover = entry.mtu_discover(way.head.destination);
        let v4 = way.head.destination.is_ipv4();
        // IPv4 counts its own header in the total length of 16 bits, IPv6 does not.
        let options = if v4 { entry.options.ip_options.bytes().len() } else { 0 };
        let (header, most) =
            if v4 { (20 + options, 65_535) } else { (40 + way.extensions.len(), 65_535 + 40) };
        let length = header + frame.len();
        let device_only = by_device(discover);
        let mtu = way.mtu(entry);
        // ip_sk_ignore_df
        let may_cut = matches!(discover, IP_PMTUDISC_DONT | IP_PMTUDISC_WANT | IP_PMTUDISC_OMIT);
        let whole_only = !v4 && way.whole_only;
        if length > most || (length > mtu && (!may_cut || whole_only)) {
            if let (true, IpAddr::V6(to)) = (whole_only && entry.options.recv_path_mtu, way.head.destination)
            {
                // ipv6_local_rxpmtu
                let told = mtu.saturating_sub(way.extensions.len());
                self.sockets.get_mut(id)?.path_mtu = Some((to, u32::try_from(told).unwrap_or(u32::MAX)));
            }
            return Err(self.too_long(id, way.destination, mtu));
        }
        // __ip_make_skb: DF by WANT only on what fits.
        way.head.dont_fragment = match discover {
            IP_PMTUDISC_DO | IP_PMTUDISC_PROBE => true,
            IP_PMTUDISC_WANT => v4 && length <= mtu,
            _ => false,
        };
        way.head.ignore_path_mtu = device_only;
        if !v4 && !way.extensions.is_empty() {
            let (first, headers) = way.extensions.chain(way.head.protocol);
            frame.push(headers.len()).copy_from_slice(&headers);
            way.head.protocol = first;
        }
        if options == 0 {
            return self.depart(id, frame, way.asked, |net, frame| net.send(frame, way.head, way.hints));
        }
        let clock = self.net.config.epoch + self.net.now.since(Instant::ZERO);
        let asked = &self.sockets.get(id)?.options.ip_options;
        let options = asked.build(way.head.source, way.head.destination, clock, &|address| {
            self.net.is_local(address.into())
        });
        // A source route's first hop stands in the header, the destination at the route's end.
        way.head.destination = asked.first_hop().map_or(way.head.destination, IpAddr::V4);
        self.depart(id, frame, way.asked, |net, frame| {
            net.send_with_options(frame, way.head, way.hints, &options)
        })
    }
}
