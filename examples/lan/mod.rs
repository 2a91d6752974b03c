//! What several exercises need: a switch in memory, and a namespace where Linux is the other host.
#![allow(dead_code)] // no exercise needs all of it

use std::collections::HashMap;

use sockatoo::device::{Cable, CableConfig, CableEnd};
use sockatoo::driver::HostBuilder;
use sockatoo::lab::{Netns, become_root_in_user_namespace};
use sockatoo::socket::*;
use sockatoo::{Host, LinkAddr, Mac, Result, World};

/// A switch with `N` ports, to be given to hosts as devices: 02:00:00:00:00:01 is the first one's station, and so on.
///
/// It is a host without an address. Its packet socket hears every frame on every port, and sends it out where the station that
/// it is for was last heard, or, as long as that is not known, everywhere else (IEEE 802.1D: learning and flooding).
pub(crate) fn switch<const N: usize>(world: &World) -> Result<[CableEnd; N]> {
    let mut switch = world.host("switch");
    let ports = std::array::from_fn(|number| {
        let (station, port) = Cable::pair(CableConfig::default());
        switch = std::mem::take(&mut switch).device(port.with_name(format!("port{number}"))).ipv4_only();
        station.with_mac(Mac([2, 0, 0, 0, 0, 1 + number as u8]))
    });
    world.spawn(&switch.build()?, |switch| forward(&switch));
    Ok(ports)
}

/// Until the world ends.
fn forward(switch: &Host) -> Result<()> {
    let socket = switch.socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL))?;
    let ports: Vec<_> = switch.interfaces().into_iter().filter(|port| port.name != "lo").collect();
    for port in &ports {
        socket.set_promiscuous(&port.name, true)?;
    }
    let mut learned = HashMap::new();
    loop {
        let (frame, from) = socket.recvfrom(65_535, 0)?;
        let (Some(from), Some((stations, _))) = (from.link(), frame.split_at_checked(12)) else { continue };
        if from.packet_type == PACKET_OUTGOING {
            continue; // our own doing
        }
        let (destination, source) = stations.split_at(6);
        learned.insert(source.to_vec(), from.interface);
        let known = learned.get(destination);
        for port in &ports {
            let index = port.index.0;
            if index != from.interface && known.is_none_or(|known| *known == index) {
                socket.sendto(&frame, 0, LinkAddr::bind(port.index, 0))?;
            }
        }
    }
}

/// A namespace with Linux at 192.0.2.1, and on the other end of its TAP a host of ours, at 192.0.2.2.
///
/// Root may make it, and everybody else where users may be root in a namespace of their own.
pub(crate) fn beside_the_kernel(host: HostBuilder) -> Result<(Netns, Host)> {
    let kernel = Netns::new().or_else(|_| {
        become_root_in_user_namespace()?;
        Netns::new()
    })?;
    let tap = kernel.tap("tap0", &["192.0.2.1/24"])?;
    let host = host.device(tap).ipv4_only().address("192.0.2.2/24")?.build()?;
    Ok((kernel, host))
}
