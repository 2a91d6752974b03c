//! Two Sockatoo hosts and a cable in memory: no privilege is needed.

use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::super::args::DemoArgs;
use super::super::say::Trouble;
use super::{Addresses, Scene, client, page};
use crate::base::constants::{AF_INET, AF_INET6};
use crate::device::{Cable, CableConfig};
use crate::driver::Host;
use crate::socket::Server;
use crate::trace::Recording;

/// The other host and the thread that serves on it; ended when dropped.
struct Other {
    host: Host,
    serving: Option<JoinHandle<()>>,
}

impl Drop for Other {
    fn drop(&mut self) {
        // A thread that waits in accept sees EINTR.
        self.host.shutdown();
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

pub(super) fn scene(args: &DemoArgs) -> Result<Scene, Trouble> {
    let addresses = Addresses::of(args)?;
    let (here, there) = Cable::pair(CableConfig::default());
    let recording = Recording::default();
    let other = Host::builder()
        .hostname("other")
        .dad_transmits(0)
        .device(there)
        .address(addresses.server)?
        .build()?;
    let family = if args.ipv6 { AF_INET6 } else { AF_INET };
    let listener = other.create_server(addresses.server(), Server { family, ..Server::default() })?;
    let serving = thread::spawn(move || {
        while let Ok((connection, _)) = listener.accept() {
            // A client that breaks off is its own concern.
            let _ = page::serve(&connection);
            let _ = connection.close();
        }
    });
    let client = client(args, here, addresses.client, &recording)?;
    Ok(Scene {
        client,
        server: addresses.server(),
        kind: "memory",
        wire: "a cable in memory between two Sockatoo hosts".into(),
        serving: format!("a second Sockatoo host, http://{}/", addresses.server()),
        other: "Sockatoo, too",
        recording,
        backstage: Arc::new(Mutex::new(Some(Box::new(Other { host: other, serving: Some(serving) })))),
    })
}
