//! `sockatoo craft`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{HostArgs, SendArgs};

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct CraftArgs {
    /// The packet, layer by layer: 'ip(dst=192.0.2.1, ttl=1..30)/udp(dport=33434)/"hello"'; Scapy's spelling is understood, too
    #[arg(value_name = "EXPR", required_unless_present_any = ["read", "from_hex"])]
    pub(in crate::cli) expression: Vec<String>,
    /// Take the packets of this capture (pcap or pcapng) instead
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["expression", "from_hex"])]
    pub(in crate::cli) read: Option<PathBuf>,
    /// Take the packet of these hexadecimal digits, or of a pasted hex dump, instead; `-` reads them from standard input
    #[arg(long, value_name = "HEX", num_args = 1.., conflicts_with = "expression")]
    pub(in crate::cli) from_hex: Vec<String>,
    /// What the digits begin with [default: what it looks like]
    #[arg(long, value_name = "TYPE", requires = "from_hex")]
    pub(in crate::cli) linktype: Option<BeginsWith>,
    #[command(flatten)]
    pub(in crate::cli) views: ViewArgs,
    /// Show so many of many packets (10 lines, or 3 packets in full, unless you say); with --pcap, write so many; sending, send
    /// so many in all
    #[arg(short, long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(in crate::cli) count: Option<u64>,
    /// Where `rand` draws from: the same seed gives the same packets
    #[arg(long, default_value_t = 0, conflicts_with_all = ["read", "from_hex"])]
    pub(in crate::cli) seed: u64,
    /// Draw every field that you have not set from this seed, but for lengths and checksums
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seed", "read", "from_hex"])]
    pub(in crate::cli) fuzz: Option<u64>,
    #[command(flatten)]
    pub(in crate::cli) sending: SendArgs,
    #[command(flatten)]
    pub(in crate::cli) host: HostArgs,
}

/// How packets are shown. Without any of these one packet is shown as a line and as a tree, several as lines.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct ViewArgs {
    /// Every field, as a tree
    #[arg(long)]
    pub(in crate::cli) show: bool,
    /// The bytes, with the layers marked
    #[arg(long)]
    pub(in crate::cli) hex: bool,
    /// Every byte: which field it is, and where its value comes from
    #[arg(long)]
    pub(in crate::cli) explain: bool,
    /// The packet as a program, or as an expression that can be edited
    #[arg(long = "as", value_name = "LANGUAGE")]
    pub(in crate::cli) language: Option<Language>,
}

impl ViewArgs {
    /// A person has said how packets are to be shown.
    pub(in crate::cli) const fn any(&self) -> bool {
        self.show || self.hex || self.explain || self.language.is_some()
    }
}

/// What a packet is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Language {
    // An expression, as this command reads it.
    Expr,
    // Python with Scapy, field by field.
    Scapy,
    // Rust with this crate.
    Rust,
    // Python alone: the bytes, explained.
    Python,
    // C: the bytes, explained.
    C,
}

/// What a packet's first byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum BeginsWith {
    Ether,
    Ip,
}
