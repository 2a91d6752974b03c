//! The flags of `sockatoo arp`: arping's, for one host or a whole net.

use std::net::IpAddr;
use std::time::Duration;

use clap::Args;

use super::send::pace;
use super::{FamilyArgs, HostArgs, seconds};
use crate::probe::Pace;

#[derive(Debug, Args)]
pub(in crate::cli) struct ArpArgs {
    /// Whom to ask for, on our own link: addresses, networks (192.0.2.0/24), ranges (192.0.2.1-20), names; with -U or -A, which
    /// of our own addresses to announce
    #[arg(value_name = "TARGET", required = true)]
    pub(in crate::cli) targets: Vec<String>,
    /// Ask so many times, also those who have answered, and show every answer [default: up to 3 times, until answered]
    #[arg(short, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) count: Option<u32>,
    /// Seconds from one round to the next, with -c
    #[arg(short, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub(in crate::cli) interval: Duration,
    /// Stop after so many seconds, whatever was answered
    #[arg(short = 'w', value_name = "SECONDS", value_parser = seconds)]
    pub(in crate::cli) deadline: Option<Duration>,
    /// Seconds to wait for answers behind the last question
    #[arg(short = 'W', value_name = "SECONDS", default_value = "0.5", value_parser = seconds)]
    pub(in crate::cli) wait: Duration,
    /// Is the address taken? Ask without a source, as one who wants it; exit code 1 if somebody has it
    #[arg(short = 'D', long, conflicts_with_all = ["source", "announce", "answer"])]
    pub(in crate::cli) detect: bool,
    /// Announce an address of our own: gratuitous ARP, a question (IPv6: an advertisement)
    #[arg(short = 'U', long)]
    pub(in crate::cli) announce: bool,
    /// The same as an ARP answer
    #[arg(short = 'A', conflicts_with = "announce")]
    pub(in crate::cli) answer: bool,
    /// Our address in the questions
    #[arg(short, long, value_name = "IP")]
    pub(in crate::cli) source: Option<IpAddr>,
    /// Questions per second: 100, 20k
    #[arg(long, value_name = "RATE", default_value = "1000", value_parser = pace)]
    pub(in crate::cli) rate: Pace,
    #[command(flatten)]
    pub(in crate::cli) family: FamilyArgs,
    #[command(flatten)]
    pub(in crate::cli) host: HostArgs,
}
