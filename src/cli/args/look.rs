//! `sockatoo ss`, `addr`, `route`, `neigh`, `stat`: looking into a host, with the flags and words of iproute2.

use clap::Args;

use super::FamilyArgs;

/// Which host.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct OnArgs {
    /// The host, by its name [default: $SOCKATOO_HOST, else `default`]
    #[arg(long, value_name = "HOST")]
    pub(in crate::cli) on: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct SsArgs {
    /// TCP
    #[arg(short, long)]
    pub(in crate::cli) tcp: bool,
    /// UDP and ping sockets
    #[arg(short, long)]
    pub(in crate::cli) udp: bool,
    /// Raw sockets
    #[arg(short = 'w', long)]
    pub(in crate::cli) raw: bool,
    /// Packet sockets
    #[arg(short = '0', long)]
    pub(in crate::cli) packet: bool,
    /// Listening ones only
    #[arg(short, long)]
    pub(in crate::cli) listening: bool,
    /// Listening and unconnected ones, too
    #[arg(short, long)]
    pub(in crate::cli) all: bool,
    /// Numbers in place of the names of ports
    #[arg(short, long)]
    pub(in crate::cli) numeric: bool,
    /// The socket's number on its host (which knows no processes)
    #[arg(short, long)]
    pub(in crate::cli) processes: bool,
    /// No headline
    #[arg(short = 'H', long)]
    pub(in crate::cli) no_header: bool,
    #[command(flatten)]
    pub(in crate::cli) family: FamilyArgs,
    #[command(flatten)]
    pub(in crate::cli) on: OnArgs,
}

/// `addr`, `route`, `neigh`: iproute2's words behind the command.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct WordsArgs {
    /// What to do, in iproute2's words; nothing = show
    #[arg(value_name = "WORDS")]
    pub(in crate::cli) words: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) family: FamilyArgs,
    #[command(flatten)]
    pub(in crate::cli) on: OnArgs,
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct StatArgs {
    /// Only those whose name begins so: `tcp`, `ip.reassembly`
    #[arg(value_name = "PREFIX")]
    pub(in crate::cli) prefix: Option<String>,
    /// Explain each in a sentence
    #[arg(long)]
    pub(in crate::cli) why: bool,
    /// Those that never happened, too
    #[arg(short, long)]
    pub(in crate::cli) all: bool,
    #[command(flatten)]
    pub(in crate::cli) on: OnArgs,
}
