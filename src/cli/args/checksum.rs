//! The flags of `sockatoo checksum`.

use clap::Args;

use super::BeginsWith;

#[derive(Debug, Args)]
pub(in crate::cli) struct ChecksumArgs {
    /// Bytes in hexadecimal, a FILE (- is standard input), or a packet expression
    #[arg(value_name = "HEX | FILE | EXPR", required = true)]
    pub(in crate::cli) input: Vec<String>,
    /// The bytes are a packet that begins with this header: each checksum in it, and is it right?
    #[arg(long, value_name = "HEADER")]
    pub(in crate::cli) linktype: Option<BeginsWith>,
    /// Show every word, however many there are
    #[arg(short, long)]
    pub(in crate::cli) all: bool,
}
