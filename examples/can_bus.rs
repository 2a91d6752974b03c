//! A CAN bus in a car: an engine's controller tells its speed ten times a second, a panel shows it, a workshop's tester asks, and
//! the tester's frames, with low identifiers, go first. Then the tester asks for the vehicle's number: an answer of many frames, by
//! ISO-TP.
//!
//! ```text
//! cargo run --example can_bus     # three hosts on a bus, in memory
//! ```
//!
//! Who sends on a CAN bus names no receiver: the identifier says what a frame is about, and everybody hears it. Two that begin
//! at the same time compare their identifiers bit by bit; the lower one goes on, the other waits. Nothing is lost.
#![allow(clippy::print_stdout)] // a program for the terminal

use std::time::Duration;

use sockatoo::device::{CanBus, CanBusConfig};
use sockatoo::socket::*;
use sockatoo::wire::{CanFilter, CanFrame};
use sockatoo::{CanAddr, Host, Result, Socket, World};

fn main() -> Result<()> {
    in_memory()?.iter().for_each(|line| println!("{line}"));
    println!("           the vehicle is {}", diagnosis()?);
    Ok(())
}

/// What the panel hears, with the time in milliseconds.
pub(crate) fn in_memory() -> Result<Vec<String>> {
    let world = World::new(1);
    let bus = CanBus::with(CanBusConfig { bitrate: Some(125_000), ..CanBusConfig::default() });
    let engine = world.host("engine").can("can0", bus.port()).build()?;
    let panel = world.host("panel").can("can0", bus.port()).build()?;
    let tester = world.host("tester").can("can0", bus.port()).build()?;

    // The panel wants the engine's frames (300 to 30F) and the tester's (010), and nothing else.
    let screen = on_the_bus(&panel)?;
    let filters = ["300:7F0", "010:7FF"].map(|text| text.parse::<CanFilter>().map(CanFilter::to_bytes));
    let filters = filters.into_iter().collect::<Result<Vec<_>>>()?.concat();
    screen.setsockopt(SOL_CAN_RAW, CAN_RAW_FILTER, filters.as_slice())?;
    screen.settimeout(Some(Duration::from_secs(1)))?;

    world.spawn(&engine, |engine| {
        let can = on_the_bus(&engine)?;
        for speed in [800_u16, 950, 1200] {
            can.send(CanFrame::new(0x301, &speed.to_be_bytes())?.as_bytes(), 0)?;
            can.send(CanFrame::new(0x5ff, b"chatter")?.as_bytes(), 0)?;
            engine.sleep(Duration::from_millis(100))?;
        }
        Ok::<_, sockatoo::Error>(())
    });
    world.spawn(&tester, |tester| {
        let can = on_the_bus(&tester)?;
        // At the engine's own moment, and with the lower identifier.
        tester.sleep(Duration::from_millis(100))?;
        can.send("010#3E".parse::<CanFrame>()?.as_bytes(), 0)
    });
    (0..4)
        .map(|_| {
            let frame = CanFrame::from_bytes(&screen.recv(16, 0)?)?;
            Ok(format!("{:>6.2} ms  {frame:#}", panel.now().as_nanos() as f64 / 1e6))
        })
        .collect()
}

/// The vehicle's number, as an engine's controller tells it (UDS, ISO 14229: service 22, data identifier F190).
pub(crate) fn diagnosis() -> Result<String> {
    let world = World::new(1);
    let bus = CanBus::with(CanBusConfig { bitrate: Some(500_000), ..CanBusConfig::default() });
    let engine = world.host("engine").can("can0", bus.port()).build()?;
    let tester = world.host("tester").can("can0", bus.port()).build()?;
    let channel = |host: &Host, rx_id, tx_id| {
        let channel = host.socket(AF_CAN, SOCK_DGRAM, CAN_ISOTP)?;
        channel.bind(CanAddr::isotp(host.if_nametoindex("can0")?, rx_id, tx_id))?;
        Ok::<_, sockatoo::Error>(channel)
    };
    let (asks, answers) = (channel(&tester, 0x7e8, 0x7e0)?, channel(&engine, 0x7e0, 0x7e8)?);
    world.spawn(&engine, move |_| {
        let mut answer = answers.recv(4095, 0)?;
        // 0x40 more than the service that was asked for: it was done.
        if let Some(service) = answer.first_mut() {
            *service += 0x40;
        }
        answer.extend(b"W0L000051T2123456");
        // Twenty bytes: the stack sends a first frame, waits for the tester's flow control, and sends the others.
        answers.send(&answer, 0)
    });
    asks.send(&[0x22, 0xf1, 0x90], 0)?;
    let answer = asks.recv(4095, 0)?;
    Ok(String::from_utf8_lossy(answer.get(3..).unwrap_or_default()).into_owned())
}

fn on_the_bus(host: &Host) -> Result<Socket> {
    let can = host.socket(AF_CAN, SOCK_RAW, CAN_RAW)?;
    can.bind(("can0",))?;
    Ok(can)
}
