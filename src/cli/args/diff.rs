//! `sockatoo diff`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(in crate::cli) struct DiffArgs {
    /// A capture: pcap or pcapng
    #[arg(value_name = "A.pcap")]
    pub(in crate::cli) a: PathBuf,
    /// Another one
    #[arg(value_name = "B.pcap")]
    pub(in crate::cli) b: PathBuf,
    /// Leave fields or layers out of the comparison: ip.id,tcp.checksum,ether; may be repeated
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    pub(in crate::cli) ignore: Vec<String>,
    /// Say only whether they differ, by the exit code
    #[arg(short, long)]
    pub(in crate::cli) quiet: bool,
}
