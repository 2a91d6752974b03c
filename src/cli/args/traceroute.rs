//! The flags of `sockatoo traceroute`: traceroute(8)'s.

use std::net::IpAddr;
use std::time::Duration;

use clap::Args;

use super::{FamilyArgs, HostArgs, seconds};

#[derive(Debug, Args)]
pub(in crate::cli) struct TracerouteArgs {
    /// Where to: a name or an address
    #[arg(value_name = "HOST")]
    pub(in crate::cli) target: String,
    /// Bytes of a packet, headers included
    #[arg(value_name = "BYTES", value_parser = clap::value_parser!(u16).range(28..), conflicts_with = "mtu")]
    pub(in crate::cli) size: Option<u16>,
    /// Echo requests in place of UDP
    #[arg(short = 'I', long, conflicts_with = "tcp")]
    pub(in crate::cli) icmp: bool,
    /// TCP SYN in place of UDP
    #[arg(short = 'T', long)]
    pub(in crate::cli) tcp: bool,
    /// The port, of UDP the first one [default: 33434, of TCP 80]
    #[arg(short, long)]
    pub(in crate::cli) port: Option<u16>,
    /// Begin at this time to live
    #[arg(short, long = "first", value_name = "TTL", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    pub(in crate::cli) first: u8,
    /// End at this one
    #[arg(short, long = "max-hops", value_name = "TTL", default_value_t = 30, value_parser = clap::value_parser!(u8).range(1..))]
    pub(in crate::cli) max: u8,
    /// Probes for each hop
    #[arg(short, long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=10))]
    pub(in crate::cli) queries: u8,
    /// Seconds to wait for an answer, at most: where others answer, no longer than 3 times what those of the same hop took, or
    /// 10 times what those of a later one did
    #[arg(short, long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub(in crate::cli) wait: Duration,
    /// Probes in flight
    #[arg(short = 'N', long = "sim-queries", value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..))]
    pub(in crate::cli) simultaneous: u8,
    /// Seconds between two probes, at least
    #[arg(short = 'z', long = "send-wait", value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    pub(in crate::cli) pause: Duration,
    /// Our address
    #[arg(short, long, value_name = "IP")]
    pub(in crate::cli) source: Option<IpAddr>,
    /// Type of service, traffic class
    #[arg(short = 't', long, default_value_t = 0)]
    pub(in crate::cli) tos: u8,
    /// Routers may not fragment the packets
    #[arg(short = 'F', long)]
    pub(in crate::cli) dont_fragment: bool,
    /// Find the path's MTU: `F=1400` stands where packets had to shrink
    #[arg(long)]
    pub(in crate::cli) mtu: bool,
    /// Addresses only
    #[arg(short)]
    pub(in crate::cli) numeric: bool,
    #[command(flatten)]
    pub(in crate::cli) family: FamilyArgs,
    #[command(flatten)]
    pub(in crate::cli) host: HostArgs,
}
