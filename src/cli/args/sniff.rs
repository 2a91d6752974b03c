//! `sockatoo sniff`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};

use super::{HostArgs, seconds};

#[derive(Debug, Args)]
pub(in crate::cli) struct SniffArgs {
    /// Which frames: libpcap's filter language, as `tcp and dst port 80 and not host 192.0.2.9`; everything without one
    #[arg(value_name = "FILTER")]
    pub(in crate::cli) filter: Vec<String>,
    /// More interfaces to listen on at the same time, each as -i names it
    #[arg(long = "also", value_name = "IF")]
    pub(in crate::cli) also: Vec<String>,
    /// Write the frames into this file, `-` to standard output (for `wireshark -k -i -`): pcapng, or pcap if its name ends so
    #[arg(short = 'w', value_name = "FILE")]
    pub(in crate::cli) write: Option<PathBuf>,
    /// Read the frames of this file (pcap, pcapng) instead of a wire
    #[arg(short = 'r', value_name = "FILE", conflicts_with_all = ["also", "interface", "tap", "addr"])]
    pub(in crate::cli) read: Option<PathBuf>,
    /// With -w: print them, too
    #[arg(long, requires = "write")]
    pub(in crate::cli) print: bool,
    /// Stop after so many frames
    #[arg(short, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(in crate::cli) count: Option<u64>,
    /// Stop after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(in crate::cli) timeout: Option<Duration>,
    /// Keep so many bytes of each frame
    #[arg(short, value_name = "SNAPLEN", default_value_t = 262_144, value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) snaplen: u32,
    /// Only frames of this direction
    #[arg(short = 'Q', value_name = "DIRECTION", default_value = "inout")]
    pub(in crate::cli) direction: Way,
    /// Not promiscuous: no frames for other stations
    #[arg(short = 'p')]
    pub(in crate::cli) no_promiscuous: bool,
    /// Numbers only. They are never looked up here, so this is for those whose fingers type it
    #[arg(short, action = ArgAction::Count)]
    pub(in crate::cli) numeric: u8,
    /// Say more: time to live, identification, length, checksums; -vv every field
    #[arg(short, action = ArgAction::Count)]
    pub(in crate::cli) verbose: u8,
    /// Show the link header
    #[arg(short = 'e')]
    pub(in crate::cli) link_header: bool,
    /// Absolute sequence numbers
    #[arg(short = 'S')]
    pub(in crate::cli) absolute: bool,
    /// The bytes in hexadecimal; -xx with the link header
    #[arg(short = 'x', action = ArgAction::Count)]
    pub(in crate::cli) hex: u8,
    /// The bytes in hexadecimal and ASCII; -XX with the link header
    #[arg(short = 'X', action = ArgAction::Count)]
    pub(in crate::cli) hex_ascii: u8,
    /// The bytes in ASCII
    #[arg(short = 'A')]
    pub(in crate::cli) ascii: bool,
    /// -t no time; -tt seconds since 1970; -ttt since the frame before; -tttt date and time (UTC); -ttttt since the first
    #[arg(short = 't', action = ArgAction::Count)]
    pub(in crate::cli) time: u8,
    /// Every field of each frame, as a tree
    #[arg(long)]
    pub(in crate::cli) tree: bool,
    /// The bytes, with the layers marked
    #[arg(long = "hex")]
    pub(in crate::cli) marked: bool,
    /// Print the filter's program and stop: -d in words, -dd as C, -ddd as numbers
    #[arg(short = 'd', action = ArgAction::Count)]
    pub(in crate::cli) dump: u8,
    /// Write each line at once. It is always so
    #[arg(short = 'l')]
    pub(in crate::cli) line_buffered: bool,
    #[command(flatten)]
    pub(in crate::cli) host: HostArgs,
}

/// Frames of which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Way {
    In,
    Out,
    Inout,
}
