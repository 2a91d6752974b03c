//! `sockatoo ping`: echo requests through a ping socket (SOCK_DGRAM, IPPROTO_ICMP), with ping's words and exit codes.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::args::PingArgs;
use super::exit::Exit;
use super::host;
use super::interrupt::on_interrupt;
use super::say::{self, Trouble};
use crate::base::constants::*;
use crate::base::{ControlMessage, Errno, Error, Instant, SockAddr};
use crate::driver::Host;
use crate::socket::Socket;

const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST_6: u8 = 128;
const ECHO_REPLY_6: u8 = 129;
/// An echo message's own header.
const HEADER: usize = 8;

/// What was counted so far; the interrupt prints it.
#[derive(Debug)]
struct Tally {
    target: String,
    begin: Instant,
    host: Host,
    sent: u64,
    received: u64,
    duplicates: u64,
    errors: u64,
    /// Milliseconds.
    times: Times,
}

/// Least, greatest, sum and sum of squares, in milliseconds.
#[derive(Debug, Default)]
struct Times {
    n: f64,
    min: f64,
    max: f64,
    sum: f64,
    squares: f64,
}

impl Times {
    fn add(&mut self, ms: f64) {
        self.min = if self.n == 0.0 { ms } else { self.min.min(ms) };
        self.max = self.max.max(ms);
        (self.n, self.sum, self.squares) = (self.n + 1.0, self.sum + ms, self.squares + ms * ms);
    }

    fn mean(&self) -> f64 {
        self.sum / self.n
    }

    /// ping's mdev: the root of the mean square distance from the mean.
    fn deviation(&self) -> f64 {
        (self.squares / self.n - self.mean() * self.mean()).max(0.0).sqrt()
    }
}

pub(super) fn run(args: &PingArgs, as_json: bool) -> Result<Exit, Trouble> {
    let host = host::host(&args.host)?;
    let target = host::address_of(&host, &args.target, args.ipv4, args.ipv6)?;
    let socket = open(&host, target, args)?;
    let tally = Arc::new(Mutex::new(Tally {
        target: args.target.clone(),
        begin: host.now(),
        host: host.clone(),
        sent: 0,
        received: 0,
        duplicates: 0,
        errors: 0,
        times: Times::default(),
    }));
    let at_interrupt = tally.clone();
    on_interrupt(move || statistics(&at_interrupt.lock().unwrap_or_else(PoisonError::into_inner), as_json));
    if !as_json {
        let size = args.size;
        say::line(match target {
            IpAddr::V4(_) => {
                let whole = usize::from(size) + HEADER + 20;
                format!("PING {} ({target}) {size}({whole}) bytes of data.", args.target)
            }
            IpAddr::V6(_) => format!("PING {}({target}) {size} data bytes", args.target),
        });
    }
    let mut ping = Ping { args, as_json, socket, target, tally: tally.clone(), waiting: HashMap::new() };
    ping.go()?;
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(statistics(&tally, as_json))
}

fn open(host: &Host, target: IpAddr, args: &PingArgs) -> Result<Socket, Trouble> {
    let (family, protocol, level, ttl, recv_ttl, recv_err) = match target {
        IpAddr::V4(_) => (AF_INET, IPPROTO_ICMP, SOL_IP, IP_TTL, IP_RECVTTL, IP_RECVERR),
        IpAddr::V6(_) => {
            (AF_INET6, IPPROTO_ICMPV6, SOL_IPV6, IPV6_UNICAST_HOPS, IPV6_RECVHOPLIMIT, IPV6_RECVERR)
        }
    };
    let socket = host.socket(family, SOCK_DGRAM, protocol)?;
    socket.setsockopt(level, recv_ttl, true)?;
    socket.setsockopt(level, recv_err, true)?;
    if let Some(value) = args.ttl {
        socket.setsockopt(level, ttl, i32::from(value))?;
    }
    if let Some(tos) = args.tos {
        let name = if target.is_ipv4() { IP_TOS } else { IPV6_TCLASS };
        socket.setsockopt(level, name, i32::from(tos))?;
    }
    if let Some(hint) = &args.fragments {
        // ip(7): the numbers are the same for both versions.
        let rule = match hint.as_str() {
            "do" => IP_PMTUDISC_DO,
            "want" => IP_PMTUDISC_WANT,
            _ => IP_PMTUDISC_DONT,
        };
        let name = if target.is_ipv4() { IP_MTU_DISCOVER } else { IPV6_MTU_DISCOVER };
        socket.setsockopt(level, name, rule)?;
    }
    Ok(socket)
}

struct Ping<'a> {
    args: &'a PingArgs,
    as_json: bool,
    socket: Socket,
    target: IpAddr,
    tally: Arc<Mutex<Tally>>,
    /// When each request was sent that has no answer yet, by the number in the message.
    waiting: HashMap<u16, (u64, Instant)>,
}

impl Ping<'_> {
    /// Sends, and listens between.
    fn go(&mut self) -> Result<(), Trouble> {
        let host = self.socket.host().clone();
        let end = self.args.deadline.map(|d| host.now() + d);
        let over = |now: Instant| end.is_some_and(|end| now >= end);
        let mut n = 0;
        while self.args.count.is_none_or(|count| n < count) && !over(host.now()) {
            if self.args.outstanding
                && self.waiting.contains_key(&(n as u16))
                && !self.as_json
                && !self.args.quiet
            {
                self.say(format!("no answer yet for icmp_seq={n}"));
            }
            n += 1;
            self.request(n)?;
            let last = self.args.count == Some(n);
            let pause = if last { self.args.wait } else { self.args.interval };
            let until = end.into_iter().chain([host.now() + pause]).min().unwrap_or(Instant::FAR);
            while (!last || !self.waiting.is_empty()) && host.now() < until {
                self.listen(until.since(host.now()))?;
            }
        }
        Ok(())
    }

    /// A line, with the time in front if it is wanted.
    fn say(&self, line: String) {
        if self.args.timestamps {
            let now = self.socket.host().wall_clock();
            say::line(format!("[{}.{:06}] {line}", now.as_secs(), now.subsec_micros()));
        } else {
            say::line(line);
        }
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request(&mut self, n: u64) -> Result<(), Trouble> {
        // The identifier and the checksum are the ping socket's business.
        let kind = if self.target.is_ipv4() { ECHO_REQUEST } else { ECHO_REQUEST_6 };
        let seq = n as u16;
        let mut message = vec![kind, 0, 0, 0, 0, 0];
        message.extend(seq.to_be_bytes());
        match &self.args.pattern {
            Some(pattern) => message.extend(pattern.0.iter().cycle().take(self.args.size.into())),
            None => message.extend((0..self.args.size).map(|i| i as u8)),
        }
        self.waiting.insert(seq, (n, self.socket.host().now()));
        self.tally().sent += 1;
        match self.socket.sendto(&message, 0, SocketAddr::new(self.target, 0)) {
            Ok(_) => Ok(()),
            // What an earlier request caused, or the way that is gone for now: counted, and tried again.
            Err(e)
                if matches!(
                    e.errno(),
                    Errno::EHOSTUNREACH | Errno::ECONNREFUSED | Errno::ENETDOWN | Errno::ENOBUFS
                ) =>
            {
                self.waiting.remove(&seq);
                self.failed(n, &e);
                Ok(())
            }
            Err(e) => Err(Trouble::from(e).while_(self.target)),
        }
    }

    /// Waits for one message, and tells it.
    fn listen(&mut self, patience: Duration) -> Result<(), Trouble> {
        self.socket.settimeout(Some(patience.max(Duration::from_micros(1))))?;
        match self.socket.recvmsg(usize::from(u16::MAX), 0) {
            Ok(message) => {
                let ttl = message
                    .control
                    .iter()
                    .find_map(|c| if let ControlMessage::Ttl(ttl) = c { Some(*ttl) } else { None });
                self.reply(&message.data, message.address, ttl);
                Ok(())
            }
            Err(e) if matches!(e.errno(), Errno::ETIMEDOUT | Errno::EAGAIN) => Ok(()),
            // The network's answer to a request: who said it stands in the error queue.
            Err(e) if self.error_queue() || e.errno() == Errno::EHOSTUNREACH => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    fn reply(&mut self, message: &[u8], from: SockAddr, ttl: Option<u8>) {
        let Some((&[kind, _, _, _, _, _, s0, s1], data)) = message.split_first_chunk::<HEADER>() else {
            return;
        };
        if !matches!(kind, ECHO_REPLY | ECHO_REPLY_6) {
            return;
        }
        let seq = u16::from_be_bytes([s0, s1]);
        let now = self.socket.host().now();
        let from = from.inet().map_or(self.target, |a| a.ip());
        let (bytes, ttl) = (data.len() + HEADER, ttl.map_or_else(|| "?".into(), |t| t.to_string()));
        let Some((n, sent)) = self.waiting.remove(&seq) else {
            self.tally().duplicates += 1;
            if !self.args.quiet && !self.as_json {
                self.say(format!("{bytes} bytes from {from}: icmp_seq={seq} ttl={ttl} (DUP!)"));
            }
            return;
        };
        // To the nanosecond, as it was measured.
        let ms = (now.since(sent).as_nanos() as f64) / 1e6;
        let mut tally = self.tally();
        tally.received += 1;
        tally.times.add(ms);
        drop(tally);
        if self.as_json {
            say::object(
                json!({ "type": "reply", "from": from, "seq": n, "bytes": bytes, "ttl": ttl.parse::<u8>().ok(), "ms": ms }),
            );
        } else if !self.args.quiet {
            self.say(format!("{bytes} bytes from {from}: icmp_seq={n} ttl={ttl} time={} ms", rounded(ms)));
        }
    }

    /// Tells what stands in the error queue; false if nothing does.
    fn error_queue(&mut self) -> bool {
        let mut any = false;
        while let Ok(message) = self.socket.recvmsg(usize::from(u16::MAX), MSG_ERRQUEUE | MSG_DONTWAIT) {
            any = true;
            let seq = message.data.get(6..8).map(|b| u16::from_be_bytes([b[0], b[1]]));
            let known = seq.and_then(|seq| self.waiting.remove(&seq)).map(|(n, _)| n);
            for control in &message.control {
                let ControlMessage::ExtendedError(error) = control else { continue };
                let from = error.offender.map_or_else(|| "this host".into(), |a| a.ip().to_string());
                self.unreachable(known, &from, words(error.origin, error.kind, error.code, error.errno));
            }
        }
        any
    }

    fn failed(&mut self, n: u64, error: &Error) {
        self.unreachable(Some(n), "this host", error.errno().text().into());
    }

    fn unreachable(&mut self, n: Option<u64>, from: &str, what: String) {
        self.tally().errors += 1;
        if self.as_json {
            say::object(json!({ "type": "error", "from": from, "seq": n, "error": what }));
        } else if !self.args.quiet {
            let seq = n.map_or_else(String::new, |n| format!(" icmp_seq={n}"));
            self.say(format!("From {from}{seq} {what}"));
        }
    }
}

/// What ping says about an ICMP error. `origin` 1 is this host itself.
fn words(origin: u8, kind: u8, code: u8, errno: Errno) -> String {
    match (origin, kind, code) {
        (2, 3, 0) => "Destination Net Unreachable".into(),
        (2, 3, 1) => "Destination Host Unreachable".into(),
        (2, 3, 2) => "Destination Protocol Unreachable".into(),
        (2, 3, 3) => "Destination Port Unreachable".into(),
        (2, 3, 4) => "Frag needed and DF set".into(),
        (2, 3, 9 | 10 | 13) => "Packet filtered".into(),
        (2, 11, 0) => "Time to live exceeded".into(),
        (3, 3, 0) => "Time exceeded: Hop limit".into(),
        (3, 1, 0) => "Destination unreachable: No route".into(),
        (3, 1, 1) => "Destination unreachable: Administratively prohibited".into(),
        (3, 1, 3) => "Destination unreachable: Address unreachable".into(),
        (3, 1, 4) => "Destination unreachable: Port unreachable".into(),
        (1, ..) if errno == Errno::EHOSTUNREACH => "Destination Host Unreachable".into(),
        _ => errno.text().into(),
    }
}

/// As many digits as ping shows: three significant ones, three behind the point at most.
fn rounded(ms: f64) -> String {
    match ms {
        ..1.0 => format!("{ms:.3}"),
        ..10.0 => format!("{ms:.2}"),
        ..100.0 => format!("{ms:.1}"),
        _ => format!("{ms:.0}"),
    }
}

/// Prints the figures; gives ping's exit code: 0 if anybody answered.
fn statistics(tally: &Tally, as_json: bool) -> Exit {
    let Tally { sent, received, duplicates, errors, times, .. } = tally;
    let lost = if *sent == 0 { 0.0 } else { 100.0 * (sent.saturating_sub(*received)) as f64 / *sent as f64 };
    let took = tally.host.now().since(tally.begin).as_millis() as u64;
    if as_json {
        let rtt = (*received > 0).then(
            || json!({ "min": times.min, "avg": times.mean(), "max": times.max, "mdev": times.deviation() }),
        );
        say::object(json!({
            "type": "statistics", "target": tally.target, "sent": sent, "received": received, "duplicates": duplicates,
            "errors": errors, "loss_percent": lost, "ms": took, "rtt_ms": rtt,
        }));
    } else {
        let more = [(*duplicates, "duplicates"), (*errors, "errors")];
        let more: String =
            more.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!(", +{n} {what}")).collect();
        say::line(format!("\n--- {} ping statistics ---", tally.target));
        say::line(format!(
            "{sent} packets transmitted, {received} received{more}, {}% packet loss, time {took}ms",
            (lost * 1e4).round() / 1e4
        ));
        if *received > 0 {
            let (min, avg, max, mdev) = (times.min, times.mean(), times.max, times.deviation());
            say::line(format!("rtt min/avg/max/mdev = {min:.3}/{avg:.3}/{max:.3}/{mdev:.3} ms"));
        }
    }
    if *received > 0 { Exit::Ok } else { Exit::No }
}
