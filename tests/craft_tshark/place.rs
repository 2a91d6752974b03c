//! Our host on a TAP, and the kernel's tcpdump on its other side.

use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use sockatoo::base::{LinkAddr, LinkType};
use sockatoo::lab::Netns;
use sockatoo::socket::*;
use sockatoo::wire::packet::{Dissection, Surroundings};
use sockatoo::{Host, IfIndex, Mac};

const KERNEL: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];
const OURS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2))];
const OUR_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);
/// The frame that says that all others have been sent (IEEE 802: EtherType 0x88b5 is for experiments).
const END: &[u8] = b"\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x02\x88\xb5the end";
/// How long a capture may take: far longer than it does.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Place {
    kernel: Netns,
    kernel_mac: Mac,
    host: Host,
    interface: IfIndex,
}

/// A word why the test is not run; where tests must not be skipped (CI=true), a failure.
fn skipped(why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{why}");
    eprintln!("skipped: {why}");
}

impl Place {
    pub fn new() -> Option<Self> {
        for program in ["tcpdump", "tshark"] {
            if std::process::Command::new(program).arg("--version").output().is_err() {
                skipped(&format!("no {program} here"));
                return None;
            }
        }
        let kernel = match Netns::new() {
            Ok(kernel) => kernel,
            Err(error) => {
                skipped(&error.to_string());
                return None;
            }
        };
        let tap = kernel.tap("tap0", &["192.0.2.1/24", "2001:db8::1/64"]).unwrap();
        let link = kernel.command("ip").args(["-o", "link", "show", "tap0"]).output().unwrap();
        let link = String::from_utf8(link.stdout).unwrap();
        let mac = link.split_whitespace().skip_while(|word| *word != "link/ether").nth(1);
        let kernel_mac: Mac = mac.expect("a station address").parse().unwrap();
        let mut host = Host::builder().device(tap.with_mac(OUR_MAC)).dad_transmits(0);
        for address in ["192.0.2.2/24", "2001:db8::2/64"] {
            host = host.address(address).unwrap();
        }
        for address in KERNEL {
            host = host.neighbour(address, kernel_mac).unwrap();
        }
        let host = host.build().unwrap();
        let interface = host.interfaces().iter().find(|i| i.name == "tap0").expect("our interface").index;
        Some(Self { kernel, kernel_mac, host, interface })
    }

    /// Sends each packet, and gives the frames that the kernel received for them.
    pub fn send_and_capture(&self, packets: &[Dissection]) -> Vec<Vec<u8>> {
        let (mut tcpdump, frames) = self.capture();
        let frame = self.host.socket(AF_PACKET, SOCK_RAW, ETH_P_ALL).unwrap();
        frame.bind(LinkAddr::bind(self.interface, ETH_P_ALL)).unwrap();
        let ip = self.host.socket(AF_INET, SOCK_RAW, IPPROTO_RAW).unwrap();
        let ip6 = self.host.socket(AF_INET6, SOCK_RAW, IPPROTO_RAW).unwrap();
        for socket in [&ip, &ip6] {
            socket.setsockopt(SOL_SOCKET, SO_VERBATIM, 2).unwrap();
        }
        for packet in packets {
            let sent = match packet.link {
                LinkType::Ethernet | LinkType::Can => frame.send(&packet.bytes, 0),
                LinkType::Ip if packet.sections[0].kind.name == "ipv6" => {
                    ip6.sendto(&packet.bytes, 0, (KERNEL[1], 0))
                }
                LinkType::Ip => ip.sendto(&packet.bytes, 0, (KERNEL[0], 0)),
            };
            assert_eq!(sent.unwrap(), packet.bytes.len(), "{:02x?}", packet.bytes);
        }
        frame.send(END, 0).unwrap();
        let captured = frames.recv_timeout(PATIENCE);
        let _ = tcpdump.kill();
        let _ = tcpdump.wait();
        self.pair(packets, captured.expect("the last frame arrives"))
    }

    /// The frame of each packet. What the host says of its own (neighbour discovery, reports of groups) is passed over; a packet
    /// that did not arrive as it was written gets the next frame that nobody else claims.
    fn pair(&self, packets: &[Dissection], captured: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let mut captured = captured.into_iter().peekable();
        let mut strange = Vec::new();
        let mut frames = Vec::new();
        let mut missing = Vec::new();
        for packet in packets {
            let mut ahead = captured.clone();
            match ahead.position(|frame| compare(packet, &frame).is_ok()) {
                Some(at) => {
                    strange.extend(captured.by_ref().take(at));
                    frames.push(captured.next().unwrap_or_default());
                }
                None => {
                    missing.push(frames.len());
                    frames.push(Vec::new());
                }
            }
        }
        strange.extend(captured);
        // The nearest of the strange ones: as long as the packet, with or without an Ethernet header.
        for at in missing {
            let length = packets[at].bytes.len();
            let near = strange.iter().find(|f| f.len() == length || f.len() == length + 14);
            frames[at] = near.cloned().unwrap_or_default();
        }
        frames
    }

    /// tcpdump on the kernel's side; and what it saw until the last frame.
    /// (Its ring has 2 MiB: with the usual snapshot length it would have room for 8 frames.)
    fn capture(&self) -> (Child, mpsc::Receiver<Vec<Vec<u8>>>) {
        let mut command = self.kernel.command("tcpdump");
        command.args("-i tap0 -Q in -n -U --immediate-mode -s 2048 -Z root -w -".split(' '));
        let mut tcpdump = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(tcpdump.stderr.take().unwrap())
            .lines()
            .find_map(|line| line.ok().filter(|line| line.contains("listening on")));
        assert!(said.is_some(), "tcpdump listens");
        let output = tcpdump.stdout.take().unwrap();
        let (done, frames) = mpsc::channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut seen = Vec::new();
            // Of the file's head nothing is asked: tcpdump writes it in the machine's byte order.
            let _ = output.read_exact(&mut [0; 24]);
            while let Ok(frame) = record(&mut output) {
                if frame == END {
                    let _ = done.send(seen);
                    return;
                }
                seen.push(frame);
            }
        });
        (tcpdump, frames)
    }
}

/// A record of a pcap file: seconds, microseconds, bytes that are here, bytes that there were.
fn record(file: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut head = [0; 16];
    file.read_exact(&mut head)?;
    let [_, _, length, _] = *head.as_chunks::<4>().0 else { return Ok(Vec::new()) };
    let mut frame = vec![0; u32::from_ne_bytes(length) as usize];
    file.read_exact(&mut frame)?;
    Ok(frame)
}

/// The frame that the kernel received is the packet that was built; in front of an IP packet stands the link's header.
pub fn compare(built: &Dissection, frame: &[u8]) -> Result<(), String> {
    let header = if built.link == LinkType::Ethernet { 0 } else { 14 };
    match frame.get(header..) {
        Some(bytes) if bytes == built.bytes => Ok(()),
        Some(bytes) => Err(format!("  written  {}\n  arrived  {}", hex(&built.bytes), hex(bytes))),
        None => Err("  it did not arrive".into()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Surroundings for Place {
    fn source(&self, destination: IpAddr) -> Option<IpAddr> {
        Some(OURS[usize::from(destination.is_ipv6())])
    }
    fn stations(&self, _: IpAddr) -> (Option<Mac>, Option<Mac>) {
        (Some(OUR_MAC), Some(self.kernel_mac))
    }
}
