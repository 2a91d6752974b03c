//! The scan by connections, as any program makes them: no packet of our own, every rule of TCP.

use std::net::SocketAddr;
use std::time::Duration;

use super::window::Window;
use super::{Place, Plan, PortReport, PortState, Reports, ScanConfig};
use crate::base::constants::*;
use crate::base::{Errno, Instant, Result};
use crate::driver::Host;
use crate::socket::{Linger, PollFd, Socket, poll};

/// Connections begun at once: each has buffers of its own.
const MOST: usize = 256;

#[derive(Debug)]
pub(super) struct Connects {
    host: Host,
    /// As long as all the repetitions of the other scans take together: TCP repeats its SYN by itself.
    longest: Duration,
    window: Window,
    waiting: Vec<(Socket, Place, Instant)>,
}

impl Connects {
    pub(super) fn new(host: &Host, config: ScanConfig) -> Self {
        Self {
            host: host.clone(),
            longest: config.timeout * (u32::from(config.retries) + 1),
            window: Window::new(host.now(), config.pace),
            waiting: Vec::new(),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn step(&mut self, plan: &mut Plan, reports: &mut Reports) -> Result<()> {
        let now = self.host.now();
        let room = MOST.saturating_sub(self.waiting.len());
        for _ in 0..self.window.allowed(now, self.waiting.len()).min(room) {
            let Some(place) = plan.take() else { break };
            let Some(ip) = plan.target(place.0) else { continue };
            let socket = self.host.socket(if ip.is_ipv4() { AF_INET } else { AF_INET6 }, SOCK_STREAM, 0)?;
            // Closed by RST: a scan leaves no TIME_WAIT.
            socket.setsockopt(SOL_SOCKET, SO_LINGER, Linger { on: true, seconds: 0 })?;
            socket.setblocking(false)?;
            match socket.connect(SocketAddr::new(ip, place.1)) {
                Err(e) if e.errno() == Errno::EINPROGRESS => self.waiting.push((socket, place, now)),
                done => self.settle(plan, place, now, done.map_err(|e| e.errno()).err(), reports)?,
            }
        }
        if self.waiting.is_empty() {
            let pause = self.window.due().since(now);
            return if plan.is_done() || !reports.is_empty() { Ok(()) } else { self.host.sleep(pause) };
        }
        let mut until = self.waiting.iter().map(|(_, _, begun)| *begun + self.longest).min().unwrap_or(now);
        if !plan.is_done() && self.waiting.len() < MOST && self.window.has_room(self.waiting.len()) {
            until = until.min(self.window.due());
        }
        let mut watched: Vec<_> =
            self.waiting.iter().map(|(socket, ..)| PollFd::new(socket, POLLOUT)).collect();
        poll(&mut watched, Some(until.since(now)))?;
        let ready: Vec<bool> = watched.iter().map(|w| w.revents != 0).collect();
        let now = self.host.now();
        let mut ready = ready.into_iter();
        for (socket, place, begun) in std::mem::take(&mut self.waiting) {
            let is_ready = ready.next() == Some(true);
            if is_ready {
                let error = socket.take_error()?.map(|e| e.errno());
                self.settle(plan, place, begun, error, reports)?;
            } else if begun + self.longest <= now {
                self.settle(plan, place, begun, Some(Errno::ETIMEDOUT), reports)?;
            } else {
                self.waiting.push((socket, place, begun));
            }
        }
        Ok(())
    }

    fn settle(
        &mut self,
        plan: &Plan,
        place: Place,
        begun: Instant,
        error: Option<Errno>,
        reports: &mut Reports,
    ) -> Result<()> {
        let (state, reason) = match error {
            None => (PortState::Open, "syn-ack"),
            Some(Errno::ECONNREFUSED) => (PortState::Closed, "conn-refused"),
            Some(Errno::ETIMEDOUT) => (PortState::Filtered, "no-response"),
            Some(Errno::EHOSTUNREACH) => (PortState::Filtered, "host-unreach"),
            Some(Errno::ENETUNREACH) => (PortState::Filtered, "net-unreach"),
            Some(Errno::EACCES | Errno::EPERM) => (PortState::Filtered, "admin-prohibited"),
            Some(Errno::ECONNRESET) => (PortState::Closed, "reset"),
            Some(error) => return Err(error.into()),
        };
        let time = self.host.now().since(begun);
        let answered = !matches!(state, PortState::Filtered);
        self.window.grow();
        let Some(target) = plan.target(place.0) else { return Ok(()) };
        reports.push_back(PortReport {
            target,
            port: place.1,
            state,
            reason,
            time: answered.then_some(time),
        });
        Ok(())
    }
}
