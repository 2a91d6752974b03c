//! `sockatoo bench`.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(in crate::cli) struct BenchArgs {
    #[command(subcommand)]
    pub(in crate::cli) what: Bench,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Bench {
    /// Packets built and sent in a second: ours, the kernel's, Scapy's
    #[command(
        after_help = "In network namespaces of its own, with a TAP and a veth pair. It takes about ten seconds; each figure is \
        the best of several short rounds, in which those that are compared take turns. Build with --release before you believe \
        any of it."
    )]
    Craft(BenchCraftArgs),
    /// What `sockatoo run` costs a program: the same programs on the kernel's loopback and under run
    #[command(
        after_help = "Streams, round trips, connections, datagrams, the cost of a call that is trapped; redis-benchmark and iperf3 \
        where they are installed. It takes about a minute; each figure is the best of some rounds, in which both take turns. No \
        rights are needed. Build with --release before you believe any of it."
    )]
    Run(BenchRunArgs),
    /// The program that is measured
    #[command(hide = true)]
    Work(WorkArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct BenchCraftArgs {
    /// Rounds of a tenth of a second, of which the best one counts
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(in crate::cli) rounds: u32,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct BenchRunArgs {
    /// Rounds of a second, of which the best one counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(in crate::cli) rounds: u32,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct WorkArgs {
    /// What to do
    pub(in crate::cli) kind: Work,
    /// The server's port
    pub(in crate::cli) port: Option<u16>,
}

/// What a measured program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum Work {
    Server,
    Reach,
    Bulk,
    Receive,
    RoundTrip,
    Connect,
    Udp,
    UdpConnected,
    Call,
    Socket,
}
