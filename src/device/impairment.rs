//! How bad a link is: `loss=1%,delay=20ms,jitter=2ms,reorder=1%,duplicate=1%,corrupt=0.1%,rate=10mbit,queue=100,seed=7`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::base::{Errno, Error};

/// What happens to the frames of one direction of a link. Chances lie between 0 and 1, one draw per frame. The order is that
/// of a real path: a frame is lost, doubled or corrupted where it enters, waits for the rate, then travels for the delay.
#[derive(Clone, Debug, PartialEq)]
pub struct Impairment {
    /// The chance that a frame is lost.
    pub loss: f64,
    /// The chance that a frame arrives twice.
    pub duplicate: f64,
    /// The chance that one bit behind the link header is turned over.
    pub corrupt: f64,
    /// The chance that a frame is held back by `gap`, so that those sent after it overtake it.
    pub reorder: f64,
    /// By how much a reordered frame is late.
    pub gap: Duration,
    /// How long the way is.
    pub delay: Duration,
    /// The delay varies by up to this much, both ways, evenly. It alone never changes the order.
    pub jitter: Duration,
    /// Bits per second; `None` = without limit.
    pub rate: Option<u64>,
    /// How many frames may wait for the rate; the next is dropped.
    pub queue: usize,
    /// What all draws begin with: the same seed and the same frames at the same times give the same result.
    pub seed: u64,
}

impl Default for Impairment {
    /// A link without a fault.
    fn default() -> Self {
        Self {
            loss: 0.0,
            duplicate: 0.0,
            corrupt: 0.0,
            reorder: 0.0,
            gap: Duration::from_millis(1),
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            rate: None,
            queue: 1000,
            seed: 0,
        }
    }
}

impl Impairment {
    /// True if every frame passes at once and unharmed.
    pub fn is_none(&self) -> bool {
        [self.loss, self.duplicate, self.corrupt, self.reorder].iter().all(|chance| *chance <= 0.0)
            && self.delay.is_zero()
            && self.jitter.is_zero()
            && self.rate.is_none()
    }
}

impl FromStr for Impairment {
    type Err = Error;

    /// `key=value` pairs behind commas. The empty text is a link without a fault.
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut link = Self::default();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = value.trim();
            match key.trim() {
                "loss" => link.loss = chance(pair, value)?,
                "duplicate" => link.duplicate = chance(pair, value)?,
                "corrupt" => link.corrupt = chance(pair, value)?,
                "reorder" => link.reorder = chance(pair, value)?,
                "gap" => link.gap = duration(pair, value)?,
                "delay" => link.delay = duration(pair, value)?,
                "jitter" => link.jitter = duration(pair, value)?,
                "rate" => link.rate = Some(rate(pair, value)?),
                "queue" => link.queue = whole(pair, value, 1, 1_000_000)? as usize,
                "seed" => link.seed = whole(pair, value, 0, u64::MAX)?,
                _ => {
                    return Err(Errno::EINVAL.with(format!(
                        "`{pair}` is no impairment (there are loss, delay, jitter, reorder, gap, duplicate, corrupt, rate, \
                         queue and seed, as in loss=1%,delay=20ms)"
                    )));
                }
            }
        }
        Ok(link)
    }
}

fn wrong(pair: &str, want: &str) -> Error {
    Errno::EINVAL.with(format!("`{pair}`: {want}"))
}

fn chance(pair: &str, value: &str) -> Result<f64, Error> {
    let percent = value.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    match percent {
        Some(percent) if (0.0..=100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err(wrong(pair, "want per cent between 0% and 100%, as 0.5%")),
    }
}

/// Units of time, in nanoseconds. Longer names first: `5ms` ends in `s` too.
const TIMES: [(&str, f64); 4] = [("ms", 1e6), ("us", 1e3), ("ns", 1.0), ("s", 1e9)];
/// Units of rate, in bits per second.
const RATES: [(&str, f64); 4] = [("gbit", 1e9), ("mbit", 1e6), ("kbit", 1e3), ("bit", 1.0)];

fn duration(pair: &str, value: &str) -> Result<Duration, Error> {
    match in_units(value, &TIMES) {
        Some(nanos) if nanos <= 3600e9 => Ok(Duration::from_nanos(nanos as u64)),
        _ => Err(wrong(pair, "want a time up to an hour, with its unit (s, ms, us, ns), as 20ms")),
    }
}

fn rate(pair: &str, value: &str) -> Result<u64, Error> {
    match in_units(value, &RATES) {
        Some(bits) if (1.0..=1e13).contains(&bits) => Ok(bits as u64),
        _ => Err(wrong(pair, "want bits per second, with their unit (gbit, mbit, kbit, bit), as 10mbit")),
    }
}

fn in_units(value: &str, units: &[(&str, f64)]) -> Option<f64> {
    let (number, unit) = units.iter().find_map(|(name, unit)| Some((value.strip_suffix(name)?, unit)))?;
    number.trim().parse::<f64>().ok().filter(|number| *number >= 0.0).map(|number| number * unit)
}

fn whole(pair: &str, value: &str, min: u64, max: u64) -> Result<u64, Error> {
    match value.parse() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(wrong(pair, &format!("want a whole number from {min} to {max}"))),
    }
}

impl fmt::Display for Impairment {
    /// The text that gives this impairment when parsed; what is as usual is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = Self::default();
        let mut pairs = Vec::new();
        let chances = [
            ("loss", self.loss),
            ("duplicate", self.duplicate),
            ("corrupt", self.corrupt),
            ("reorder", self.reorder),
        ];
        pairs
            .extend(chances.iter().filter(|(_, c)| *c > 0.0).map(|(key, c)| format!("{key}={}%", c * 100.0)));
        let times = [
            ("gap", self.gap, usual.gap),
            ("delay", self.delay, usual.delay),
            ("jitter", self.jitter, usual.jitter),
        ];
        pairs.extend(times.iter().filter(|(_, d, u)| d != u).map(|(key, d, _)| format!("{key}={d:?}")));
        pairs.extend(self.rate.map(|rate| match rate {
            _ if rate % 1_000_000 == 0 => format!("rate={}mbit", rate / 1_000_000),
            _ if rate % 1_000 == 0 => format!("rate={}kbit", rate / 1_000),
            _ => format!("rate={rate}bit"),
        }));
        if self.queue != usual.queue {
            pairs.push(format!("queue={}", self.queue));
        }
        if self.seed != usual.seed {
            pairs.push(format!("seed={}", self.seed));
        }
        // Duration writes microseconds with the Greek letter.
        f.write_str(&pairs.join(",").replace("µs", "us"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let text = "loss=1%,duplicate=2%,corrupt=0.5%,reorder=50%,gap=3ms,delay=20ms,jitter=2ms,rate=10mbit,queue=100,seed=7";
        let link: Impairment = text.parse().unwrap();
        assert_eq!((link.loss, link.delay, link.rate), (0.01, Duration::from_millis(20), Some(10_000_000)));
        assert_eq!(link.to_string(), text);
        assert_eq!("delay=1500us".parse::<Impairment>().unwrap().to_string(), "delay=1.5ms");
        assert_eq!(
            "delay=2us,rate=1.5kbit".parse::<Impairment>().unwrap().to_string(),
            "delay=2us,rate=1500bit"
        );
        assert!("".parse::<Impairment>().unwrap().is_none() && !link.is_none());
    }

    #[test]
    fn wrong_text_is_told_what_is_wanted() {
        for (text, want) in [
            ("los=1%", "there are loss"),
            ("loss=1", "per cent"),
            ("loss=101%", "per cent"),
            ("loss=NaN%", "per cent"),
            ("delay=20", "unit"),
            ("delay=-1ms", "unit"),
            ("delay=inf s", "an hour"),
            ("delay", "unit"),
            ("rate=0mbit", "bits per second"),
            ("queue=0", "from 1 to"),
            ("seed=x", "whole number"),
        ] {
            let error = text.parse::<Impairment>().unwrap_err();
            assert_eq!(error.errno(), Errno::EINVAL);
            assert!(error.why().contains(want) && error.why().contains(text), "{text}: {error}");
        }
    }
}
