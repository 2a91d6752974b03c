//! A packet that stands for many, sent at a pace or as fast as the wire takes it.

use std::net::IpAddr;
use std::time::Duration;

use super::batch::{BATCH, Tally};
use super::outlet::{Door, Outlet};
use super::pace::{Clockwork, Lateness, Pace, Ready};
use crate::base::{Instant, Result};
use crate::driver::Host;
use crate::wire::packet::{Packet, Surroundings, Template};

/// How many, how fast, how long.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// Packets per second; `None` = as fast as the wire takes them.
    pub pace: Option<Pace>,
    /// Packets in all, from the beginning again if there are fewer; `None` = each one once.
    pub count: Option<u64>,
    /// Over and over, if there is no `count`.
    pub repeat: bool,
    /// Not longer than this.
    pub limit: Option<Duration>,
    /// What is drawn by chance comes from it.
    pub seed: u64,
}

/// Sends a packet's packets, step by step: see [`Sending::step`].
///
/// ```
/// # use sockatoo::{Host, probe::{Plan, Sending}};
/// let host = Host::builder().build()?;
/// let packet = "ip(src=127.0.0.1, dst=127.0.0.1)/udp(dport=1..1000)".parse()?;
/// let mut sending = Sending::new(&host, &packet, &host, &Plan::default())?;
/// while sending.step()? {}
/// assert_eq!((sending.tally().sent, sending.tally().failed), (1000, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Sending<'a> {
    outlet: Outlet,
    door: Door,
    template: Template<'a>,
    clockwork: Clockwork,
    left: u64,
    limit: Option<Duration>,
}

impl<'a> Sending<'a> {
    /// Packets of `packet` out of `host`; what they don't say of their surroundings comes from `around` (the host itself, or
    /// [`super::Around`], which asks for stations).
    ///
    /// # Errors
    /// EINVAL and EMSGSIZE, of a packet that can't be built or that begins with neither Ethernet nor IP.
    pub fn new(host: &Host, packet: &Packet, around: &'a dyn Surroundings, plan: &Plan) -> Result<Self> {
        let door = Door::of(packet)?;
        let mut template = Template::new(packet, around, plan.seed)?;
        let left = match plan.count {
            Some(count) => count,
            None if plan.repeat => u64::MAX,
            None => template.count(),
        };
        if left > template.count() || plan.repeat {
            template = template.repeat();
        }
        let clockwork = Clockwork::new(plan.pace);
        Ok(Self { outlet: Outlet::new(host, None), door, template, clockwork, left, limit: plan.limit })
    }

    /// What was sent until now.
    pub const fn tally(&self) -> &Tally {
        self.outlet.tally()
    }

    /// How long it has taken until now.
    pub fn elapsed(&self) -> Duration {
        self.clockwork.elapsed(self.outlet.host().now())
    }

    /// How well the pace was kept.
    pub const fn lateness(&self) -> Lateness {
        self.clockwork.late
    }

    /// Waits until all has left, as [`Outlet::finish`].
    ///
    /// # Errors
    /// EINTR or ENETDOWN if the host was shut down.
    pub fn finish(&mut self) -> Result<Vec<IpAddr>> {
        self.outlet.finish()
    }

    /// Sends what is due now (at most some hundred packets), or waits for the next one to be due. False: all is done.
    ///
    /// # Errors
    /// EINTR or ENETDOWN if the host was shut down. What can't be sent is counted in [`Sending::tally`].
    pub fn step(&mut self) -> Result<bool> {
        let now = self.outlet.host().now();
        self.clockwork.begin(now);
        let until = self.limit.map_or(Instant::FAR, |limit| self.clockwork.begun + limit);
        self.outlet.stop_at(until);
        if self.left == 0 || now >= until {
            return Ok(false);
        }
        let most = match self.clockwork.ready(now) {
            Ready::Packets(most) => most.min(self.left).min(BATCH as u64),
            Ready::At(due) => {
                self.outlet.host().sleep(due.min(until).since(now))?;
                return Ok(true);
            }
        };
        for _ in 0..most {
            match self.template.next() {
                None => self.left = 0,
                Some(Ok(packet)) => self.outlet.queue(self.door, packet)?,
                Some(Err(error)) => self.outlet.fail(error),
            }
        }
        self.outlet.flush()?;
        self.clockwork.sent(most);
        self.left = self.left.saturating_sub(most);
        Ok(self.left > 0)
    }
}
