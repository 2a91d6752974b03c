//! What commands that send packets share: how many, how fast, how long.

use std::time::Duration;

use clap::Args;

use crate::probe::Pace;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Sending")]
pub(in crate::cli) struct PaceArgs {
    /// Packets per second, evenly: 100, 20k, 1M
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(in crate::cli) rate: Option<f64>,
    /// Stop after this time: 10s, 500ms, 2m
    #[arg(long = "for", id = "for", value_name = "TIME", value_parser = time)]
    pub(in crate::cli) limit: Option<Duration>,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Sending")]
pub(in crate::cli) struct SendArgs {
    /// Send the packets, each once (or --count of them), exactly as they are shown
    #[arg(long)]
    pub(in crate::cli) send: bool,
    /// Send them, and show each with its answer, then those that stayed unanswered (Scapy's sr)
    #[arg(long, conflicts_with_all = ["send", "flood", "repeat"])]
    pub(in crate::cli) answers: bool,
    /// Send them over and over, as fast as the wire takes them
    #[arg(long, conflicts_with_all = ["rate", "send"])]
    pub(in crate::cli) flood: bool,
    /// Send them over and over; what `rand` and --fuzz draw is drawn anew
    #[arg(long = "loop", id = "repeat")]
    pub(in crate::cli) repeat: bool,
    #[command(flatten)]
    pub(in crate::cli) pace: PaceArgs,
    /// Let a flood go on until Ctrl-C on an interface that others use, too
    #[arg(long)]
    pub(in crate::cli) unbounded: bool,
    /// Wait so long for answers to the last packet [default: 2s]
    #[arg(long, value_name = "TIME", value_parser = time, requires = "answers")]
    pub(in crate::cli) timeout: Option<Duration>,
    /// Send what is not answered so many times again
    #[arg(long, value_name = "N", default_value_t = 0, requires = "answers")]
    pub(in crate::cli) retry: u8,
    /// Let our own stack answer what it has no use for with RST; without it, connections can be made by hand
    #[arg(long, conflicts_with = "no_rst")]
    pub(in crate::cli) rst: bool,
}

impl SendArgs {
    /// Anything is to be sent at all.
    pub(in crate::cli) const fn any(&self) -> bool {
        self.send || self.answers || self.flood || self.repeat
    }
}

/// A number with a unit of thousands: `100`, `2.5k`, `1M`.
pub(in crate::cli) fn rate(text: &str) -> Result<f64, String> {
    let units = [("k", 1e3), ("K", 1e3), ("M", 1e6), ("G", 1e9)];
    let unit = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)));
    let (digits, factor) = unit.unwrap_or((text, &1.0));
    let rate = digits.parse::<f64>().map_err(|_| "want a number, as 100, 20k or 1M".to_string())? * factor;
    if rate > 0.0 && rate <= 1e9 { Ok(rate) } else { Err("above 0, at most 1G".into()) }
}

/// The same as a pace.
pub(in crate::cli) fn pace(text: &str) -> Result<Pace, String> {
    Pace::new(rate(text)?).map_err(|error| error.to_string())
}

/// A time with a unit: `10s`, `500ms`, `2m`, `1h`; without one in seconds.
pub(in crate::cli) fn time(text: &str) -> Result<Duration, String> {
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let unit = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)));
    let (digits, factor) = unit.unwrap_or((text, &1.0));
    let number: f64 = digits.trim().parse().map_err(|_| "want a time, as 10s, 500ms or 2m".to_string())?;
    Duration::try_from_secs_f64(number * factor).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_times() {
        assert_eq!((rate("2.5k"), rate("7"), rate("1M")), (Ok(2500.0), Ok(7.0), Ok(1e6)));
        assert!(["0", "-1", "k", "nan", "2G", "inf"].into_iter().all(|wrong| rate(wrong).is_err()));
        let time = |text| time(text).map(|time| time.as_millis());
        assert_eq!(
            (time("10s"), time("500ms"), time("2m"), time("0.5")),
            (Ok(10_000), Ok(500), Ok(120_000), Ok(500))
        );
        assert!(["-1s", "s", "1e300s", "nan"].into_iter().all(|wrong| time(wrong).is_err()));
    }
}
