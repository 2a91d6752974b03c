//! `sockatoo demo`: a page is fetched from an HTTP server through our own stack, and what happened on the wire is drawn.
//!
//! | file | what |
//! |---|---|
//! | `kernel.rs` | the other side is this machine's kernel: a namespace, a TAP, python3's http.server |
//! | `memory.rs` | the other side is a second Sockatoo host, at the other end of a cable in memory |
//! | `page.rs` | the page, and the small server where there is no python3 |
//! | `fetch.rs` | the client: our sockets |

mod fetch;
mod kernel;
mod memory;
mod page;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::args::DemoArgs;
use super::exit::Exit;
use super::host;
use super::interrupt::on_interrupt;
use super::say::{self, Trouble};
use crate::base::Cidr;
use crate::device::{Device, Impair};
use crate::driver::Host;
use crate::lab::become_root_in_user_namespace;
use crate::sys::clock;
use crate::sys::privilege::{self, Capability};
use crate::trace::{Ladder, Recorded, Recording};
use crate::wire::{Dissected, Network, Transport, summary};
use fetch::Fetched;

/// Where the page is to be fetched, and by whom.
struct Scene {
    client: Host,
    server: SocketAddr,
    /// `tap` or `memory`.
    kind: &'static str,
    wire: String,
    serving: String,
    /// What stands above the server's column.
    other: &'static str,
    recording: Recording,
    /// Ends the server and removes what was made, when dropped.
    backstage: Arc<Mutex<Option<Backstage>>>,
}

/// What must be cleared away in the end.
type Backstage = Box<dyn Send>;

const PORT: u16 = 8000;

/// Both ends' addresses.
struct Addresses {
    client: Cidr,
    server: Cidr,
}

impl Addresses {
    fn of(args: &DemoArgs) -> Result<Self, Trouble> {
        let (client, server) =
            if args.ipv6 { ("2001:db8::2/64", "2001:db8::1/64") } else { ("192.0.2.2/24", "192.0.2.1/24") };
        Ok(Self { client: client.parse()?, server: server.parse()? })
    }

    fn server(&self) -> SocketAddr {
        SocketAddr::new(self.server.address(), PORT)
    }
}

pub(super) fn run(args: &DemoArgs, as_json: bool) -> Result<Exit, Trouble> {
    let scene = build(args, as_json)?;
    let backstage = scene.backstage.clone();
    on_interrupt(move || {
        drop(backstage.lock().unwrap_or_else(PoisonError::into_inner).take());
        Exit::Interrupted
    });
    if !as_json {
        say::line(format!("{}\n", say::styled("1", "Sockatoo fetches a page over its own TCP/IP stack")));
        fact("wire", &scene.wire);
        fact("server", &scene.serving);
    }
    let fetched = fetch::page(&scene.client, scene.server);
    // What is left to say (the last FIN) is said, and recorded.
    let _ = scene.client.flush(Duration::from_secs(2));
    let frames: Vec<_> = scene.recording.frames().into_iter().filter(belongs).collect();
    scene.client.shutdown();
    drop(scene.backstage.lock().unwrap_or_else(PoisonError::into_inner).take());
    match fetched {
        Ok(fetched) if as_json => tell_json(&scene, &fetched, &frames),
        Ok(fetched) => tell(&scene, &fetched, &frames, args),
        Err(error) => {
            if !as_json {
                picture(&scene, &frames, args);
            }
            return Err(Trouble::from(error).while_("the page did not come").answer());
        }
    }
    Ok(Exit::Ok)
}

/// The kernel as the other side where that is allowed, else two hosts in memory.
fn build(args: &DemoArgs, as_json: bool) -> Result<Scene, Trouble> {
    if let Some(path) = &args.pcap {
        // A file that can't be written is told as such, before anything is built. The scene makes it anew.
        host::pcap(path, clock::realtime())?;
    }
    if args.memory {
        return memory::scene(args);
    }
    if !privilege::has(Capability::SysAdmin) {
        // Now, while there is one thread only. Where it is forbidden, the next step says so.
        let _ = become_root_in_user_namespace();
    }
    kernel::scene(args).or_else(|trouble| {
        if !as_json {
            say::aside(format!(
                "No TAP here ({}): two Sockatoo hosts and a cable in memory instead.",
                trouble.cause
            ));
            say::aside("`sockatoo doctor` tells what is missing.\n");
        }
        memory::scene(args)
    })
}

/// The client on its device: faults and recorders around it, its address, no waiting for duplicate addresses.
fn client(
    args: &DemoArgs,
    device: impl Device + 'static,
    address: Cidr,
    recording: &Recording,
) -> Result<Host, Trouble> {
    let epoch = clock::realtime();
    let mut builder =
        Host::builder().hostname("sockatoo").dad_transmits(0).device(device).address(address)?;
    if let Some(link) = &args.link {
        builder = builder.wrap(|device| Impair::new(device, link.clone()));
    }
    builder = builder.record(recording.clone());
    if let Some(path) = &args.pcap {
        builder = builder.record(host::pcap(path, epoch)?);
    }
    Ok(builder.build()?)
}

/// True of frames that belong to the fetching; the others are a kernel's habits (multicast reports, router solicitations).
fn belongs(recorded: &Recorded) -> bool {
    match Dissected::of(recorded.link, &recorded.bytes).network {
        Network::Arp(_) => true,
        Network::Ip(ip) => match ip.transport {
            Transport::Tcp(_) => true,
            Transport::Icmp(icmp) if ip.source.is_ipv4() => ip.protocol == 1 && icmp.echo.is_none(),
            // A kernel also asks for its own address, to see whether it is alone with it.
            Transport::Icmp(icmp) => {
                matches!(icmp.kind, 1..=4 | 135 | 136)
                    && !icmp.text.ends_with(&format!("who has {}", ip.source))
            }
            _ => false,
        },
        _ => false,
    }
}

fn fact(name: &str, text: &str) {
    say::line(format!("  {}  {text}", say::styled("32", format!("{name:>7}"))));
}

fn tell(scene: &Scene, fetched: &Fetched, frames: &[Recorded], args: &DemoArgs) {
    let said = |d: Duration| match d.as_millis() {
        ..1000 => format!("{:.2} ms", d.as_secs_f64() * 1e3),
        _ => format!("{:.2} s", d.as_secs_f64()),
    };
    fact(
        "page",
        &format!(
            "{}, {} bytes in {} (connected after {})",
            fetched.status,
            fetched.body.len(),
            said(fetched.total),
            said(fetched.connected)
        ),
    );
    say::line("");
    for line in String::from_utf8_lossy(&fetched.body).lines().take(6) {
        say::line(format!("  {} {line}", say::styled("2", "│")));
    }
    say::line(format!("  {} …\n", say::styled("2", "│")));
    picture(scene, frames, args);
}

fn picture(scene: &Scene, frames: &[Recorded], args: &DemoArgs) {
    say::line(format!(
        "{}\n",
        say::styled("1", format!("What happened on the wire: {} frames", frames.len()))
    ));
    let ladder = Ladder::of(frames)
        .width(say::width())
        .colour(say::colours())
        .name(own_address(scene), "Sockatoo")
        .name(scene.server.ip(), scene.other);
    say::line(ladder);
    if let Some(path) = &args.pcap {
        say::line(format!("All frames are in {0}: `tshark -r {0}`", path.display()));
    }
}

/// The client's address.
fn own_address(scene: &Scene) -> IpAddr {
    if scene.server.is_ipv4() {
        [192, 0, 2, 2].into()
    } else {
        std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2).into()
    }
}

fn tell_json(scene: &Scene, fetched: &Fetched, frames: &[Recorded]) {
    let frames: Vec<_> = frames
        .iter()
        .map(|f| {
            json!({
                "seconds": f.time.as_nanos() as f64 / 1e9,
                "direction": format!("{:?}", f.direction).to_lowercase(),
                "bytes": f.wire_len,
                "summary": summary(f.link, &f.bytes),
            })
        })
        .collect();
    say::object(json!({
        "type": "demo", "wire": scene.kind, "server": scene.serving, "status": fetched.status,
        "bytes": fetched.body.len(), "connect_ms": fetched.connected.as_secs_f64() * 1e3,
        "total_ms": fetched.total.as_secs_f64() * 1e3, "frames": frames,
    }));
}
