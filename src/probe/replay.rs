//! A capture is sent: at its own pace, or any other.

use std::net::IpAddr;
use std::time::Duration;

use super::batch::{BATCH, Tally, destination};
use super::neighbour::Patience;
use super::outlet::{Door, Outlet};
use super::pace::{Lateness, Pace};
use super::rewrite::{Mapping, rewrite};
use crate::base::constants::{AF_INET, AF_INET6};
use crate::base::{Instant, LinkType, Result};
use crate::driver::Host;
use crate::trace::Recorded;
use crate::wire::packet::Surroundings;

/// When the frames of a capture are due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tempo {
    /// As they were recorded, so many times as fast (1.0: as fast).
    Recorded(f64),
    /// Evenly.
    Even(Pace),
    /// At once.
    Fast,
}

impl Tempo {
    /// When frame `number` (from 0) is due after the first one, that was recorded `offset` after it.
    pub fn due(&self, number: u64, offset: Duration) -> Duration {
        match self {
            Self::Recorded(speed) if *speed > 0.0 => {
                Duration::try_from_secs_f64(offset.as_secs_f64() / speed).unwrap_or(Duration::MAX)
            }
            Self::Even(pace) => pace.due(number),
            Self::Recorded(_) | Self::Fast => Duration::ZERO,
        }
    }
}

/// What is done to a capture before it is sent.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Its pace.
    pub tempo: Tempo,
    /// Other addresses.
    pub mappings: Vec<Mapping>,
    /// Ethernet headers get the host's station as their source and the next hop's as their destination.
    pub to_wire: bool,
    /// Frames in all, at most.
    pub count: Option<u64>,
    /// Not longer than this.
    pub limit: Option<Duration>,
}

impl Default for Changes {
    fn default() -> Self {
        Self { tempo: Tempo::Recorded(1.0), mappings: Vec::new(), to_wire: false, count: None, limit: None }
    }
}

/// Sends the frames of a capture out of a host, step by step: Ethernet frames on its first wire, IP packets wherever its routes lead.
#[derive(Debug)]
pub struct Replay<I> {
    outlet: Outlet,
    frames: I,
    changes: Changes,
    /// The next one, already taken from the capture.
    next: Option<Recorded>,
    begun: Option<Instant>,
    first: Instant,
    number: u64,
    late: Lateness,
    cut: u64,
    foreign: u64,
    /// For neighbours that are asked for their stations.
    patience: Patience,
}

impl<I: Iterator<Item = Result<Recorded>>> Replay<I> {
    /// Of these frames, a [`crate::trace::Capture`]'s for example.
    pub fn new(host: &Host, frames: I, changes: Changes) -> Self {
        Self {
            outlet: Outlet::new(host, None),
            frames,
            changes,
            next: None,
            begun: None,
            first: Instant::ZERO,
            number: 0,
            late: Lateness::default(),
            cut: 0,
            foreign: 0,
            patience: Patience::default(),
        }
    }

    /// What was sent until now.
    pub const fn tally(&self) -> &Tally {
        self.outlet.tally()
    }

    /// Frames that are not all there (the capture was cut to a length), and frames that this host's wire can't carry.
    pub const fn skipped(&self) -> (u64, u64) {
        (self.cut, self.foreign)
    }

    /// How well the pace was kept.
    pub const fn lateness(&self) -> Lateness {
        self.late
    }

    /// How long it has taken until now.
    pub fn elapsed(&self) -> Duration {
        self.begun.map_or(Duration::ZERO, |begun| self.outlet.host().now().since(begun))
    }

    /// Sends what is due now, or waits for the next frame to be due. False: all is sent.
    ///
    /// # Errors
    /// The capture's (EINVAL: it is cut short), EINTR or ENETDOWN if the host was shut down. What can't be sent is counted.
    pub fn step(&mut self) -> Result<bool> {
        let now = self.outlet.host().now();
        let until = match (self.begun, self.changes.limit) {
            (Some(begun), Some(limit)) => begun + limit,
            _ => Instant::FAR,
        };
        self.outlet.stop_at(until);
        for _ in 0..BATCH {
            if self.changes.count.is_some_and(|count| self.number >= count) || now >= until {
                self.outlet.flush()?;
                return Ok(false);
            }
            let frame = match self.next.take().map(Ok).or_else(|| self.frames.next()) {
                Some(Ok(frame)) => frame,
                None => {
                    self.outlet.flush()?;
                    return Ok(false);
                }
                Some(Err(error)) => {
                    self.outlet.flush()?;
                    return Err(error);
                }
            };
            let begun = *self.begun.get_or_insert_with(|| {
                self.first = frame.time;
                now
            });
            let due = begun + self.changes.tempo.due(self.number, frame.time.since(self.first));
            if due > now {
                self.next = Some(frame);
                self.outlet.flush()?;
                self.outlet.host().sleep(due.min(until).since(self.outlet.host().now()))?;
                return Ok(true);
            }
            if self.changes.tempo != Tempo::Fast {
                // Late in a capture's own pace is late: nothing is put off.
                let _ = self.late.note(now.since(due));
            }
            self.number += 1;
            self.send(frame)?;
        }
        self.outlet.flush()?;
        Ok(true)
    }

    fn send(&mut self, frame: Recorded) -> Result<()> {
        let Recorded { link, mut bytes, wire_len, .. } = frame;
        if bytes.len() < wire_len {
            self.cut += 1;
            return Ok(());
        }
        if link == LinkType::Ethernet && self.outlet.interface() == crate::base::IfIndex::LO {
            self.foreign += 1;
            return Ok(());
        }
        rewrite(link, &mut bytes, &self.changes.mappings);
        if self.changes.to_wire && link == LinkType::Ethernet {
            to_wire(self.outlet.host(), &mut bytes, &mut self.patience)?;
        }
        self.outlet.queue(Door::of_bytes(link, &bytes), &bytes)
    }

    /// Waits until all has left, as [`Outlet::finish`].
    ///
    /// # Errors
    /// EINTR or ENETDOWN if the host was shut down.
    pub fn finish(&mut self) -> Result<Vec<IpAddr>> {
        self.outlet.finish()
    }
}

/// The stations of this wire in the place of those where it was recorded. A frame for a group or for all stays so; what is not IP has
/// its source changed only.
fn to_wire(host: &Host, bytes: &mut [u8], patience: &mut Patience) -> Result<()> {
    let own = host.interfaces().get(1).map(|wire| wire.mac);
    let to = match bytes.get(12..14) {
        Some([0x08, 0x00]) => bytes.get(14..).and_then(|packet| destination(AF_INET, packet)),
        Some([0x86, 0xdd]) => bytes.get(14..).and_then(|packet| destination(AF_INET6, packet)),
        _ => None,
    };
    if let (Some(own), Some(room)) = (own, bytes.get_mut(6..12)) {
        room.copy_from_slice(&own.0);
    }
    let is_group = bytes.first().is_some_and(|byte| byte & 1 != 0);
    if let Some(to) = to.filter(|_| !is_group) {
        if let Some(hop) = host.next_hop(to).filter(|hop| !hop.known) {
            patience.find(host, hop, Instant::FAR)?;
        }
        if let (Some(mac), Some(room)) = (host.stations(to).1, bytes.get_mut(..6)) {
            room.copy_from_slice(&mac.0);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tempos() {
        let (second, even) = (Duration::from_secs(1), Tempo::Even(Pace::new(10.0).unwrap()));
        assert_eq!(Tempo::Recorded(1.0).due(7, second), second);
        assert_eq!(Tempo::Recorded(4.0).due(7, second), Duration::from_millis(250));
        assert_eq!(Tempo::Recorded(0.5).due(7, second), Duration::from_secs(2));
        assert_eq!(
            (even.due(7, second), Tempo::Fast.due(7, second)),
            (Duration::from_millis(700), Duration::ZERO)
        );
        assert_eq!(Tempo::Recorded(f64::MIN_POSITIVE).due(7, second), Duration::MAX);
        assert_eq!(Tempo::Recorded(f64::NAN).due(7, second), Duration::ZERO);
    }
}
