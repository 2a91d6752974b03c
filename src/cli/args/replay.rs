//! `sockatoo replay`.

use std::path::PathBuf;

use clap::Args;

use super::{HostArgs, PaceArgs};
use crate::probe::Mapping;

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct ReplayArgs {
    /// The capture: pcap or pcapng, of Ethernet frames or IP packets
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
    /// So many times as fast as it was recorded: 2, 0.5
    #[arg(long, value_name = "FACTOR", value_parser = speed, conflicts_with_all = ["rate", "fast"])]
    pub(in crate::cli) speed: Option<f64>,
    /// As fast as the wire takes it
    #[arg(short = 't', long, conflicts_with = "rate")]
    pub(in crate::cli) fast: bool,
    /// Send it so many times
    #[arg(long = "loop", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(in crate::cli) times: u64,
    /// Stop after so many frames in all
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(in crate::cli) count: Option<u64>,
    /// Exchange addresses: 192.0.2.1=198.51.100.7, nets of the same size, stations; checksums are mended; may be repeated
    #[arg(long = "map", value_name = "OLD=NEW")]
    pub(in crate::cli) mappings: Vec<Mapping>,
    /// From our station, to the station of the next hop on this wire, in place of those where it was recorded
    #[arg(long)]
    pub(in crate::cli) to_wire: bool,
    #[command(flatten)]
    pub(in crate::cli) pace: PaceArgs,
    #[command(flatten)]
    pub(in crate::cli) host: HostArgs,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "want a number, as 2 or 0.5".to_string())?;
    if speed.is_finite() && speed > 0.0 { Ok(speed) } else { Err("above 0".into()) }
}
