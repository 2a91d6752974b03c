//! IP: input, output, routes, source addresses, fragments, ICMP, multicast groups. Called by net.rs and link/.
//!
//! | file | what |
//! |---|---|
//! | `header.rs` | IPv4 and IPv6 headers as bytes, checksums |
//! | `extension.rs` | the walk through IPv6 extension headers |
//! | `input.rs` | a packet from a link: checked, then for us, to be forwarded, or dropped |
//! | `reassembly.rs` | fragments to datagrams |
//! | `forward.rs` | a router's work |
//! | `output.rs` | a packet to a link: header, path, fragments, copies for this host's own members |
//! | `flow_label.rs` | the flow label of an IPv6 packet |
//! | `departure.rs` | packets that wait for their time |
//! | `options.rs` | IPv4's options that a socket sends (IP_OPTIONS) |
//! | `record.rs` | IPv4's options that every host on the way writes into |
//! | `fragment.rs` | datagrams to fragments, identifications |
//! | `route.rs` | the way to a destination |
//! | `route_table.rs` | the table of routes: what a row is, how rows come and go |
//! | `source.rs` | which of our addresses a packet leaves from (RFC 6724) |
//! | `path_mtu.rs` | what is known of the MTU of paths (RFC 1191, RFC 8201) |
//! | `icmp.rs` | ICMP and ICMPv6 in: echo, and who gets the rest |
//! | `icmp_error.rs` | errors out: what may be answered, quotes, rate limits |
//! | `icmp_report.rs` | errors in: what they say about a packet of ours, as errno |
//! | `multicast.rs` | groups that sockets joined; IGMPv2 (RFC 2236) |
//! | `mld.rs` | MLDv2 (RFC 3810) |
//! | `source_filter.rs` | groups that are wanted from some sources alone; IGMPv3 (RFC 3376) |

mod departure;
mod extension;
mod flow_label;
mod forward;
mod fragment;
mod header;
#[cfg(test)]
mod hostile_tests;
mod icmp;
mod icmp_error;
mod icmp_report;
mod input;
mod mld;
mod multicast;
mod options;
mod output;
mod path_mtu;
mod reassembly;
mod record;
mod route;
mod route_table;
#[cfg(test)]
mod routing_tests;
mod source;
mod source_filter;
#[cfg(test)]
mod tests;

pub(super) use departure::Departures;
pub(super) use fragment::Identifications;
pub(super) use header::{Header, V6_LEN, icmpv6_checksum};
pub(super) use icmp_error::ErrorLimit;
pub(crate) use multicast::Group;
pub(super) use options::IpOptions;
pub(super) use path_mtu::PathMtus;
pub(super) use reassembly::Reassembly;
pub(super) use record::{options as options_of, returned as returned_options};
pub(super) use route::Hop;
pub(super) use route_table::{Meant, Placing, RTPROT_KERNEL, Route, RouteKind, RouteOrigin, Routes};
pub(super) use source::LABELS;
pub(super) use source_filter::Filter;
