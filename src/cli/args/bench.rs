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
}

#[derive(Debug, Args)]
pub(in crate::cli) struct BenchCraftArgs {
    /// Rounds of a tenth of a second, of which the best one counts
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(in crate::cli) rounds: u32,
}
