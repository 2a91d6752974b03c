//! `sockatoo traceroute`: the way to a host, in traceroute's words.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

use super::args::TracerouteArgs;
use super::exit::Exit;
use super::host;
use super::interrupt::on_interrupt;
use super::say::{self, Trouble};
use crate::driver::Host;
use crate::probe::{Hop, Refusal, TraceAnswer, TraceConfig, TraceMethod, Traceroute};
use crate::socket::{NI_NAMEREQD, NI_NUMERICSERV};

pub(super) fn run(args: &TracerouteArgs, as_json: bool) -> Result<Exit, Trouble> {
    if args.first > args.max {
        return Err(Trouble::new("it begins behind its end").hint("`-f` is at most what `-m` is"));
    }
    let host = host::host(&args.host)?;
    let target = host::address_of(&host, &args.target, args.family)?;
    let config = config(args);
    let (most, size) = (args.max, config.size);
    let mut trace = Traceroute::new(&host, target, config).map_err(|e| Trouble::from(e).while_(target))?;
    on_interrupt(|| Exit::Interrupted);
    if !as_json {
        let bytes = if args.mtu { trace.size() } else { size };
        say::line(format!("traceroute to {} ({target}), {most} hops max, {bytes} byte packets", args.target));
    }
    let mut reached = false;
    for hop in trace.by_ref() {
        let hop = hop?;
        reached |= hop.answers.iter().flatten().any(|a| is_there(a, target));
        if as_json {
            say::object(
                json!({ "type": "hop", "ttl": hop.ttl, "answers": hop.answers.iter().map(in_json).collect::<Vec<_>>() }),
            );
        } else {
            say::line(line(&hop, target, |ip| if args.numeric { None } else { name(&host, ip) }));
        }
    }
    if as_json {
        let mtu = args.mtu.then_some(trace.size());
        say::object(
            json!({ "type": "end", "target": target, "source": trace.source(), "reached": reached, "mtu": mtu }),
        );
    }
    Ok(if reached { Exit::Ok } else { Exit::No })
}

fn config(args: &TracerouteArgs) -> TraceConfig {
    let method = match (args.icmp, args.tcp) {
        (true, _) => TraceMethod::Icmp,
        (_, true) => TraceMethod::Tcp,
        _ => TraceMethod::Udp,
    };
    let usual = TraceConfig::default();
    TraceConfig {
        method,
        port: args.port.unwrap_or_else(|| method.port()),
        first: args.first,
        last: args.max,
        queries: args.queries,
        wait: args.wait,
        simultaneous: args.simultaneous.into(),
        pause: args.pause,
        source: args.source,
        tos: args.tos,
        dont_fragment: args.dont_fragment,
        size: args.size.map_or(usual.size, usize::from),
        mtu: args.mtu,
    }
}

/// The target has taken the probe, or refused it by itself.
fn is_there(answer: &TraceAnswer, target: IpAddr) -> bool {
    answer.from == target && answer.refusal != Some(Refusal::TimeExceeded)
}

fn name(host: &Host, ip: IpAddr) -> Option<String> {
    host.getnameinfo(SocketAddr::new(ip, 0), NI_NAMEREQD | NI_NUMERICSERV).ok().map(|(name, _)| name)
}

/// ` 1  192.0.2.1  0.123 ms  0.120 ms *`: an address stands where it is another than before.
fn line(hop: &Hop, target: IpAddr, name: impl Fn(IpAddr) -> Option<String>) -> String {
    let mut text = format!("{:2} ", hop.ttl);
    let mut last = None;
    for answer in &hop.answers {
        let Some(answer) = answer else {
            text += " *";
            continue;
        };
        if last != Some(answer.from) {
            last = Some(answer.from);
            text += &match name(answer.from) {
                Some(name) => format!(" {name} ({})", answer.from),
                None => format!(" {}", answer.from),
            };
        }
        if let Some(mtu) = answer.mtu {
            text += &format!("  F={mtu}");
        }
        text += &format!("  {:.3} ms", answer.time.as_secs_f64() * 1e3);
        if let Some(mark) = answer.refusal.and_then(|refusal| mark(refusal, answer.from == target)) {
            text += &format!(" {mark}");
        }
    }
    text
}

/// traceroute(8)'s marks. That the target refuses the port is what was hoped for.
fn mark(refusal: Refusal, by_target: bool) -> Option<String> {
    Some(match refusal {
        Refusal::TimeExceeded => return None,
        Refusal::Port if by_target => return None,
        Refusal::Port => "!3".into(),
        Refusal::TooBig(0) => "!F".into(),
        Refusal::TooBig(mtu) => format!("!F-{mtu}"),
        Refusal::Network => "!N".into(),
        Refusal::Host => "!H".into(),
        Refusal::Protocol => "!P".into(),
        Refusal::SourceRoute => "!S".into(),
        Refusal::Prohibited => "!X".into(),
        Refusal::Other(code) => format!("!{code}"),
    })
}

fn in_json(answer: &Option<TraceAnswer>) -> Value {
    answer.as_ref().map_or(Value::Null, |answer| {
        let ms = answer.time.as_secs_f64() * 1e3;
        let error = answer.refusal.map(|refusal| match refusal {
            Refusal::TimeExceeded => "time exceeded".to_owned(),
            Refusal::TooBig(mtu) => format!("too big, mtu {mtu}"),
            Refusal::Port => "port unreachable".to_owned(),
            Refusal::Network => "network unreachable".to_owned(),
            Refusal::Host => "host unreachable".to_owned(),
            Refusal::Protocol => "protocol unreachable".to_owned(),
            Refusal::SourceRoute => "source route failed".to_owned(),
            Refusal::Prohibited => "prohibited".to_owned(),
            Refusal::Other(code) => format!("unreachable, code {code}"),
        });
        json!({ "from": answer.from, "ms": ms, "error": error, "mtu": answer.mtu })
    })
}
