//! A CAN bus in a car: an engine's controller tells its speed ten times a second, a panel shows it, a workshop's tester asks, and
//! the tester's frames, with low identifiers, go first.
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
use sockatoo::{Host, Result, Socket, World};

fn main() -> Result<()> {
    in_memory()?.iter().for_each(|line| println!("{line}"));
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

fn on_the_bus(host: &Host) -> Result<Socket> {
    let can = host.socket(AF_CAN, SOCK_RAW, CAN_RAW)?;
    can.bind(("can0",))?;
    Ok(can)
}
