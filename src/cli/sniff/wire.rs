//! The wires that are listened on: a host and a packet socket for each.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant as Clock};

use crate::base::constants::*;
use crate::base::{Direction, Error, IfIndex, Instant, LinkAddr, Reason};
use crate::cli::args::{HostArgs, SniffArgs};
use crate::cli::host;
use crate::cli::say::Trouble;
use crate::driver::{Host, Interface};
use crate::socket::{Captured, Socket};
use crate::wire::filter::Program;

/// Frames taken out of a socket at once.
const BATCH: usize = 256;
/// Batches on their way to the sink.
const BATCHES: usize = 64;
/// The sockets' queues, in bytes: what waits while the sink is busy.
const QUEUE: i32 = 32 << 20;

/// A wire that is listened on.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) name: String,
    host: Host,
    socket: Socket,
    /// The wall-clock time at which the host's clock began, since 1970.
    epoch: Duration,
}

/// The wires of the flags, each filtered.
pub(super) fn open(args: &SniffArgs, program: &Program) -> Result<Vec<Wire>, Trouble> {
    let mut wires = Vec::new();
    let anywhere = HostArgs { interface: None, ..args.host.clone() };
    if args.host.on.is_some()
        && let Some(host) = host::joined(&anywhere)?
    {
        // Of a running host -i and --also name its own interfaces; without them it is the one that was made last.
        let names: Vec<&String> = args.host.interface.iter().chain(&args.also).collect();
        let known = host.interfaces();
        let chosen = |known: &&Interface| names.contains(&&known.name);
        let mut chosen: Vec<&Interface> = known.iter().filter(chosen).collect();
        if let Some(name) = names.iter().find(|name| !known.iter().any(|known| &known.name == **name)) {
            let known: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
            return Err(Trouble::new(format!("the host has no interface `{name}`"))
                .hint(format!("it has {}", known.join(", "))));
        }
        if chosen.is_empty() {
            chosen.extend(known.last());
        }
        for interface in chosen {
            wires.push(Wire::open(host.clone(), &interface.name, interface.index, args, program)?);
        }
        return Ok(wires);
    }
    // `sniff -i any` is tcpdump's way to say: all of them.
    let more = args.also.iter().map(|name| (Some(name.clone()), true));
    for (name, other) in std::iter::once((args.host.interface.clone(), false)).chain(more) {
        let mut one = args.host.clone();
        one.interface = name;
        if other {
            one.tap = None;
        }
        let host = host::host(&one)?;
        let interface =
            host.interfaces().into_iter().next_back().ok_or_else(|| Trouble::new("no interface"))?;
        wires.push(Wire::open(host, &interface.name, interface.index, args, program)?);
    }
    Ok(wires)
}

impl Wire {
    fn open(
        host: Host,
        name: &str,
        index: IfIndex,
        args: &SniffArgs,
        program: &Program,
    ) -> Result<Self, Error> {
        let socket = host.socket(AF_PACKET, SOCK_RAW, 0)?;
        socket.setsockopt(SOL_SOCKET, SO_RCVBUFFORCE, QUEUE)?;
        socket.attach_filter(program)?;
        if !args.no_promiscuous && index != IfIndex::LO {
            let index = index.0.to_ne_bytes();
            let kind = (PACKET_MR_PROMISC as u16).to_ne_bytes();
            // struct packet_mreq
            let request = [&index[..], &kind, &[0; 10]].concat();
            socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request[..])?;
        }
        socket.bind(LinkAddr::bind(index, ETH_P_ALL))?;
        let epoch = host.wall_clock().saturating_sub(host.now().since(Instant::ZERO));
        Ok(Self { name: name.to_string(), host, socket, epoch })
    }

    /// A time of the host's clock since 1970.
    pub(super) fn wall_clock(&self, time: Instant) -> Instant {
        time + self.epoch
    }

    /// PACKET_STATISTICS: frames that passed the filter, and those of them that found the queue full. Once.
    pub(super) fn statistics(&self) -> (u64, u64) {
        let bytes = self.socket.getsockopt_bytes(SOL_PACKET, PACKET_STATISTICS, 8).unwrap_or_default();
        let number = |at: usize| {
            let bytes = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, |bytes| u64::from(u32::from_ne_bytes(bytes)))
        };
        (number(0), number(4))
    }

    /// Frames that the kernel dropped in front of us.
    pub(super) fn device_drops(&self) -> u64 {
        self.host.count(Reason::DeviceQueueFull)
    }
}

/// Which way a frame goes, seen from the station that is listened on.
pub(super) fn direction(captured: &Captured) -> Direction {
    match captured.address.packet_type {
        PACKET_OUTGOING => Direction::Out,
        _ => Direction::In,
    }
}

/// Frames of all wires as they come.
pub(super) struct Batches(Receiver<Result<(usize, Vec<Captured>), Error>>);

/// Starts a thread for each wire.
pub(super) fn batches(wires: &Arc<Vec<Wire>>) -> Batches {
    let (sender, receiver) = sync_channel(BATCHES);
    for number in 0..wires.len() {
        let (sender, wires) = (sender.clone(), wires.clone());
        std::thread::spawn(move || {
            loop {
                let batch = wires[number].socket.capture(BATCH);
                let failed = batch.is_err();
                if sender.send(batch.map(|batch| (number, batch))).is_err() || failed {
                    return;
                }
            }
        });
    }
    Batches(receiver)
}

impl Batches {
    /// The next frames and the number of their wire; `None` at the deadline.
    pub(super) fn next(&self, deadline: Option<Clock>) -> Result<Option<(usize, Vec<Captured>)>, Error> {
        let next = match deadline {
            None => self.0.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(deadline) => self.0.recv_timeout(deadline.saturating_duration_since(Clock::now())),
        };
        next.map_or(Ok(None), |batch| batch.map(Some))
    }
}
