//! The flags of `sockatoo scan`: nmap's.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::send::pace;
use super::{FamilyArgs, HostArgs, seconds};
use crate::probe::Pace;

#[derive(Debug, Args)]
pub(in crate::cli) struct ScanArgs {
    /// Whom: names, addresses, networks (192.0.2.0/24), ranges (192.0.2.1-20)
    #[arg(value_name = "TARGET", required = true)]
    pub(in crate::cli) targets: Vec<String>,
    /// Which ports: 22,80,8000-8100, names of services, - for all [default: 1 to 1024 and the known services; of UDP these alone]
    #[arg(short, long, allow_hyphen_values = true)]
    pub(in crate::cli) ports: Option<String>,
    /// How: -sS SYN, -sT whole connections, -sU UDP, -sF FIN, -sN no flags, -sX FIN, PSH and URG
    #[arg(short = 's', value_name = "METHOD", default_value = "S", hide_possible_values = true)]
    pub(in crate::cli) method: Method,
    /// Probes per second, at most: 100, 20k [default: as fast as answers come]
    #[arg(long, value_name = "RATE", value_parser = pace)]
    pub(in crate::cli) rate: Option<Pace>,
    /// How often a probe without answer is repeated
    #[arg(long = "max-retries", value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(..=30))]
    pub(in crate::cli) retries: u8,
    /// Seconds to wait for an answer, as long as none has come; then as long as answers take
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub(in crate::cli) timeout: Duration,
    /// Open ports only
    #[arg(long)]
    pub(in crate::cli) open: bool,
    /// Say what each port's state is known by
    #[arg(long)]
    pub(in crate::cli) reason: bool,
    #[command(flatten)]
    pub(in crate::cli) family: FamilyArgs,
    #[command(flatten)]
    pub(in crate::cli) host: HostArgs,
}

/// The letter behind `-s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(in crate::cli) enum Method {
    S,
    T,
    U,
    F,
    N,
    X,
}
