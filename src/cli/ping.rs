//! `sockatoo ping`: echo requests through a ping socket (SOCK_DGRAM, IPPROTO_ICMP), with ping's words and exit codes.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::args::{FamilyArgs, PingArgs};
use super::exit::Exit;
use super::host;
use super::interrupt::on_interrupt;
use super::say::{self, Trouble};
use crate::base::constants::*;
use crate::base::{ControlMessage, Errno, Error, Instant, SockAddr};
use crate::driver::Host;
use crate::socket::Socket;
use crate::wire::checksum;

const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST_6: u8 = 128;
const ECHO_REPLY_6: u8 = 129;
/// An echo message's own header.
const HEADER: usize = 8;
/// RFC 791 3.1: no operation, then a record route with room for nine addresses.
const RECORD_ROUTE: [u8; 40] = {
    let mut option = [0; 40];
    (option[0], option[1], option[2], option[3]) = (1, 7, 39, 4);
    option
};
/// How long a flood waits for an answer before it goes on: "or one hundred times per second", ping(8).
const FLOOD: Duration = Duration::from_millis(10);

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
    /// Of a flood, and of -A: what ping tells at the end.
    gaps: bool,
}

/// Least, greatest, sum and sum of squares, in milliseconds.
#[derive(Debug, Default)]
struct Times {
    n: f64,
    min: f64,
    max: f64,
    sum: f64,
    squares: f64,
    /// An average in which old ones fade: each counts an eighth.
    smooth: f64,
}

impl Times {
    fn add(&mut self, ms: f64) {
        self.min = if self.n == 0.0 { ms } else { self.min.min(ms) };
        self.max = self.max.max(ms);
        self.smooth = if self.n == 0.0 { ms } else { self.smooth + (ms - self.smooth) / 8.0 };
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
    let family = FamilyArgs { ipv4: args.family.ipv4 || args.record_route, ..args.family };
    let target = host::address_of(&host, &args.target, family)?;
    if args.record_route && target.is_ipv6() {
        return Err(
            Trouble::new("IPv6 has no record route").hint("`sockatoo traceroute` shows the way there")
        );
    }
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
        gaps: args.flood || args.adaptive,
    }));
    let at_interrupt = tally.clone();
    on_interrupt(move || statistics(&at_interrupt.lock().unwrap_or_else(PoisonError::into_inner), as_json));
    if !as_json {
        let size = args.size;
        say::line(match target {
            IpAddr::V4(_) => {
                let options = if args.record_route { RECORD_ROUTE.len() } else { 0 };
                let whole = usize::from(size) + HEADER + 20 + options;
                format!("PING {} ({target}) {size}({whole}) bytes of data.", args.target)
            }
            IpAddr::V6(_) => format!("PING {}({target}) {size} data bytes", args.target),
        });
    }
    let mut ping = Ping {
        args,
        as_json,
        socket,
        target,
        tally: tally.clone(),
        waiting: HashMap::new(),
        route: Vec::new(),
    };
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
    // A raw socket hears whole datagrams, options included.
    let kind = if args.record_route { SOCK_RAW } else { SOCK_DGRAM };
    let socket = host.socket(family, kind, protocol)?;
    if args.record_route {
        socket.setsockopt(level, IP_OPTIONS, &RECORD_ROUTE[..])?;
    }
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
    /// What was recorded last.
    route: Vec<Ipv4Addr>,
}

impl Ping<'_> {
    /// Sends, and listens between.
    fn go(&mut self) -> Result<(), Trouble> {
        let host = self.socket.host().clone();
        let end = self.args.deadline.map(|d| host.now() + d);
        let over = |now: Instant| end.is_some_and(|end| now >= end);
        let mut n = 0;
        while self.args.count.is_none_or(|count| n < count) && !over(host.now()) {
            if self.args.outstanding && self.waiting.contains_key(&(n as u16)) && self.tells_each() {
                self.say(format!("no answer yet for icmp_seq={n}"));
            }
            n += 1;
            self.request(n)?;
            let last = self.args.count == Some(n);
            let pause = if last { self.args.wait } else { self.pause() };
            let hurry = last || self.args.interval.is_none() && (self.args.flood || self.args.adaptive);
            let until = end.into_iter().chain([host.now() + pause]).min().unwrap_or(Instant::FAR);
            while !(hurry && self.waiting.is_empty()) && host.now() < until {
                self.listen(until.since(host.now()))?;
            }
        }
        Ok(())
    }

    /// How long it is until the next request, if there is no answer before.
    fn pause(&self) -> Duration {
        let smooth = self.tally().times.smooth;
        match self.args.interval {
            Some(interval) => interval,
            None if self.args.flood => FLOOD,
            None if self.args.adaptive && smooth > 0.0 => {
                Duration::try_from_secs_f64(smooth / 1e3).unwrap_or(FLOOD).max(FLOOD)
            }
            None => Duration::from_secs(1),
        }
    }

    /// Each answer gets a line.
    const fn tells_each(&self) -> bool {
        !self.args.quiet && !self.args.flood && !self.as_json
    }

    /// A flood draws a dot for each request and takes it back with the answer.
    fn dot(&self, mark: &[u8]) {
        if self.args.flood && !self.args.quiet && !self.as_json {
            say::raw(mark);
        }
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
        // The identifier and the checksum are the ping socket's business; a raw one leaves them to us.
        let kind = if self.target.is_ipv4() { ECHO_REQUEST } else { ECHO_REQUEST_6 };
        let seq = n as u16;
        let [high, low] = identifier();
        let mut message = vec![kind, 0, 0, 0, high, low];
        message.extend(seq.to_be_bytes());
        match &self.args.pattern {
            Some(pattern) => message.extend(pattern.0.iter().cycle().take(self.args.size.into())),
            None => message.extend((0..self.args.size).map(|i| i as u8)),
        }
        if self.args.record_route {
            let sum = checksum(&message).to_be_bytes();
            message[2..4].copy_from_slice(&sum);
        }
        self.waiting.insert(seq, (n, self.socket.host().now()));
        self.tally().sent += 1;
        self.dot(b".");
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
                match self.args.record_route {
                    false => self.reply(&message.data, message.address, ttl, &[]),
                    true => self.raw_reply(&message.data, message.address),
                }
                Ok(())
            }
            Err(e) if matches!(e.errno(), Errno::ETIMEDOUT | Errno::EAGAIN) => Ok(()),
            // The network's answer to a request: who said it stands in the error queue.
            Err(e) if self.error_queue() || e.errno() == Errno::EHOSTUNREACH => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// What a raw socket hears: every echo message of the host, with its header.
    fn raw_reply(&mut self, datagram: &[u8], from: SockAddr) {
        let header = datagram.first().map_or(0, |first| usize::from(first & 0xf) * 4);
        let (Some(options), Some(message)) = (datagram.get(20..header), datagram.get(header..)) else {
            return;
        };
        if message.get(4..6) == Some(&identifier()) {
            self.reply(message, from, datagram.get(8).copied(), options);
        }
    }

    fn reply(&mut self, message: &[u8], from: SockAddr, ttl: Option<u8>, options: &[u8]) {
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
            if self.tells_each() {
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
        self.dot(b"\x08 \x08");
        let route = recorded(options);
        if self.as_json && !self.args.flood {
            let mut reply = json!({ "type": "reply", "from": from, "seq": n, "bytes": bytes, "ttl": ttl.parse::<u8>().ok(), "ms": ms });
            if self.args.record_route {
                reply["route"] = json!(route);
            }
            say::object(reply);
        } else if self.tells_each() {
            let same = !route.is_empty() && route == self.route;
            let more = if same { "\t(same route)" } else { "" };
            self.say(format!(
                "{bytes} bytes from {from}: icmp_seq={n} ttl={ttl} time={} ms{more}",
                rounded(ms)
            ));
            if !route.is_empty() && !same {
                let addresses: Vec<_> = route.iter().map(ToString::to_string).collect();
                say::line(format!("RR: \t{}\n", addresses.join("\n\t")));
            }
            self.route = route;
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
        } else if self.args.flood {
            self.dot(b"\x08E");
        } else if !self.args.quiet {
            let seq = n.map_or_else(String::new, |n| format!(" icmp_seq={n}"));
            self.say(format!("From {from}{seq} {what}"));
        }
    }
}

/// Of requests through a raw socket.
fn identifier() -> [u8; 2] {
    (std::process::id() as u16).to_be_bytes()
}

/// RFC 791 3.1: the addresses in a record route option, those in front of its pointer.
fn recorded(mut options: &[u8]) -> Vec<Ipv4Addr> {
    while let [kind, rest @ ..] = options {
        options = match (kind, rest.first()) {
            (0, _) => break,
            (1, _) => rest,
            (7, Some(len)) => {
                let end = rest.get(1).map_or(0, |pointer| pointer.min(len).saturating_sub(1));
                let addresses = options.get(3..end.into()).unwrap_or_default().chunks_exact(4);
                return addresses.filter_map(|a| Some(Ipv4Addr::from(*a.first_chunk::<4>()?))).collect();
            }
            (_, Some(len)) => options.get(usize::from(*len).max(2)..).unwrap_or_default(),
            (_, None) => break,
        };
    }
    Vec::new()
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
            // iputils: the gap from one request to the next, and the smoothed time.
            let gaps = (tally.gaps && *sent > 1).then(|| {
                let gap = tally.host.now().since(tally.begin).as_secs_f64() * 1e3 / (*sent - 1) as f64;
                format!(", ipg/ewma {gap:.3}/{:.3} ms", times.smooth)
            });
            let gaps = gaps.unwrap_or_default();
            say::line(format!("rtt min/avg/max/mdev = {min:.3}/{avg:.3}/{max:.3}/{mdev:.3} ms{gaps}"));
        }
    }
    if *received > 0 { Exit::Ok } else { Exit::No }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_routes() {
        let route = [1, 7, 11, 8, 192, 0, 2, 1, 0, 0, 0, 0];
        assert_eq!(recorded(&route), [Ipv4Addr::new(192, 0, 2, 1)]);
        // No address, no room, nothing behind the option's kind, lengths that lie.
        for none in
            [&RECORD_ROUTE[..], &[7, 3, 4], &[7], &[7, 255, 255], &[0, 7, 7, 8, 1, 1, 1, 1], &[68, 0, 7]]
        {
            assert_eq!(recorded(none), [] as [Ipv4Addr; 0], "{none:?}");
        }
        assert_eq!(recorded(&[7, 255, 255, 1, 2, 3, 4]), [] as [Ipv4Addr; 0]);
    }
}
