//! The same packets by Scapy, if it is there.

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::cli::doctor;
use crate::lab::Netns;

/// Packets that it is asked to send; it takes a second or two for them.
const COUNT: u32 = 1000;
/// Then it is too slow to wait for.
const PATIENCE: Duration = Duration::from_secs(20);
const HOW_TO_GET_IT: &str =
    "Scapy is not there: `pip install scapy` (or `sudo apt-get install python3-scapy`)";

/// What a person would type, and the time it takes: importing not counted.
const PROGRAM: &str = "
import logging, sys, time
logging.disable(logging.CRITICAL)
from scapy.all import Ether, IP, UDP, sendp
station, count = '02:00:00:00:00:99', int(sys.argv[2])
packets = Ether(src=station, dst=station)/IP(src='192.0.2.2', dst='192.0.2.1', ttl=(1, 10))
packets = packets/UDP(sport=1024, dport=(1, count // 10))/b\"sockatoo's packet!\"
begin = time.perf_counter()
sendp(packets, iface=sys.argv[1], verbose=0)
print(count / (time.perf_counter() - begin))
";

/// Packets a second of Scapy's `sendp` on an interface of the namespace; or why there is no figure.
pub(super) fn sendp(netns: &Netns, interface: &str) -> Result<f64, String> {
    let python =
        doctor::find("python3").ok_or("python3 is not there: `sudo apt-get install python3-scapy`")?;
    let mut command = netns.command(python);
    command.args(["-c", PROGRAM, interface, &COUNT.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("python3: {error}"))?;
    let end = Instant::now() + PATIENCE;
    while let Ok(None) = child.try_wait() {
        if Instant::now() > end {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("it took more than {} seconds for {COUNT} packets", PATIENCE.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let (mut said, mut complaint) = (String::new(), String::new());
    let _ = child.stdout.take().map(|mut out| out.read_to_string(&mut said));
    let _ = child.stderr.take().map(|mut err| err.read_to_string(&mut complaint));
    said.trim().parse().map_err(|_| match complaint.contains("No module named 'scapy'") {
        true => HOW_TO_GET_IT.into(),
        false => format!("Scapy did not run: {}", complaint.lines().last().unwrap_or("it said nothing")),
    })
}
