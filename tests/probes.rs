//! traceroute, scan and arp against the kernel, on a TAP in a namespace that the test makes; nmap sees the same ports as we do.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::process::Stdio;

use sockatoo::Host;
use sockatoo::lab::Netns;
use sockatoo::probe::{
    ArpConfig, ArpSweep, PortState, Scan, ScanConfig, ScanMethod, TraceConfig, TraceMethod, Traceroute,
};

const KERNEL: [&str; 2] = ["192.0.2.1", "2001:db8::1"];

/// Port 22 is silent, 23 refuses by ICMP, 24 resets.
const FILTER: &str = "table inet t { chain i { type filter hook input priority 0
tcp dport 22 drop
tcp dport 23 reject with icmpx type admin-prohibited
tcp dport 24 reject with tcp reset
}
}
";

/// The kernel at .1 and ::1 of a TAP, we at .2 and ::2 on its other side. `None`, and the reason is printed, where namespaces are
/// not allowed.
fn wire() -> Option<(Netns, Host)> {
    let kernel = match Netns::new() {
        Ok(kernel) => kernel,
        Err(error) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{error}");
            eprintln!("skipped: {error}");
            return None;
        }
    };
    let tap = kernel.tap("tap0", &["192.0.2.1/24", "2001:db8::1/64"]).unwrap();
    let host = Host::builder().dad_transmits(0).device(tap).address("192.0.2.2/24").unwrap();
    let host = host.address("2001:db8::2/64").unwrap().build().unwrap();
    Some((kernel, host))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn scanned(
    host: &Host,
    target: &str,
    ports: &[u16],
    method: ScanMethod,
) -> BTreeMap<u16, (PortState, &'static str)> {
    let config = ScanConfig { method, ..ScanConfig::default() };
    let ports = Scan::new(host, &[ip(target)], ports, config).unwrap();
    ports.map(|report| report.unwrap()).map(|report| (report.port, (report.state, report.reason))).collect()
}

/// True if the kernel has taken the filter.
fn filter(kernel: &Netns) -> bool {
    let Ok(mut nft) = kernel.command("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn() else {
        return false;
    };
    nft.stdin.take().unwrap().write_all(FILTER.as_bytes()).unwrap();
    nft.wait().unwrap().success()
}

#[test]
fn open_closed_and_filtered_as_nmap_sees_them() {
    let Some((kernel, host)) = wire() else { return };
    let _listener = kernel.run(|| TcpListener::bind("[::]:8080")).unwrap().unwrap();
    if !filter(&kernel) {
        eprintln!("skipped: nft does not work here");
        return;
    }
    let ports = [21, 22, 23, 24, 25, 8080];
    for target in KERNEL {
        let found = scanned(&host, target, &ports, ScanMethod::Syn);
        let closed = (PortState::Closed, "reset");
        let wanted = [
            closed,
            (PortState::Filtered, "no-response"),
            (PortState::Filtered, "admin-prohibited"),
            closed,
            closed,
            (PortState::Open, "syn-ack"),
        ];
        assert_eq!(found, ports.into_iter().zip(wanted).collect(), "{target}");
        let found = scanned(&host, target, &[21, 8080], ScanMethod::Connect);
        assert_eq!(found[&21].0, PortState::Closed);
        assert_eq!(found[&8080].0, PortState::Open);
    }
    // nmap, in another namespace of the same kernel's.
    let other = Netns::new().unwrap();
    kernel.veth("wire0", &other, "wire1").unwrap();
    kernel.add_address("wire0", "198.51.100.1/24").unwrap();
    other.add_address("wire1", "198.51.100.2/24").unwrap();
    let nmap = other
        .command("nmap")
        .args(["-n", "-Pn", "-sS", "-oG", "-", "-p", "21-25,8080", "198.51.100.1"])
        .output();
    let Ok(nmap) = nmap else {
        eprintln!("skipped: no nmap");
        return;
    };
    let said = String::from_utf8_lossy(&nmap.stdout).into_owned();
    for (port, (state, _)) in scanned(&host, KERNEL[0], &ports, ScanMethod::Syn) {
        assert!(
            said.contains(&format!("{port}/{}/tcp", state.name())),
            "{port} is {state:?} to us, to nmap:\n{said}"
        );
    }
}

#[test]
fn all_ports_of_the_kernel() {
    let Some((kernel, host)) = wire() else { return };
    let listeners =
        kernel.run(|| [1, 7777, 65_535].map(|port| TcpListener::bind(("192.0.2.1", port)).unwrap())).unwrap();
    let all: Vec<u16> = (1..=u16::MAX).collect();
    let found = scanned(&host, KERNEL[0], &all, ScanMethod::Syn);
    let open: Vec<_> = found.iter().filter(|(_, (state, _))| *state != PortState::Closed).collect();
    let wanted = [1, 7777, 65_535].map(|port| (port, (PortState::Open, "syn-ack")));
    assert_eq!((found.len(), open), (65_535, wanted.iter().map(|(port, state)| (port, state)).collect()));
    drop(listeners);
}

#[test]
fn udp_ports_of_the_kernel() {
    let Some((kernel, host)) = wire() else { return };
    let silent = kernel.run(|| UdpSocket::bind("[::]:5000")).unwrap().unwrap();
    for target in KERNEL {
        let found = scanned(&host, target, &[4999, 5000], ScanMethod::Udp);
        let wanted =
            [(4999, (PortState::Closed, "port-unreach")), (5000, (PortState::OpenOrFiltered, "no-response"))];
        assert_eq!(found, wanted.into(), "{target}");
    }
    drop(silent);
}

/// ip-sysctl: icmp_ratelimit, one message in so many milliseconds; the kernel's own is 1000.
#[test]
fn closed_udp_ports_of_a_kernel_that_limits_its_errors() {
    let Some((kernel, host)) = wire() else { return };
    let limited = kernel.run(|| std::fs::write("/proc/sys/net/ipv4/icmp_ratelimit", "50")).unwrap();
    limited.unwrap();
    let silent = kernel.run(|| UdpSocket::bind("192.0.2.1:5010")).unwrap().unwrap();
    let ports: Vec<u16> = (5001..=5080).collect();
    let found = scanned(&host, KERNEL[0], &ports, ScanMethod::Udp);
    let open: Vec<_> = found.iter().filter(|(_, (state, _))| *state != PortState::Closed).collect();
    assert_eq!((found.len(), open), (80, vec![(&5010, &(PortState::OpenOrFiltered, "no-response"))]));
    drop(silent);
}

#[test]
fn the_way_to_the_kernel() {
    let Some((_kernel, host)) = wire() else { return };
    for target in KERNEL {
        for method in [TraceMethod::Udp, TraceMethod::Icmp, TraceMethod::Tcp] {
            let config = TraceConfig { method, port: method.port(), ..TraceConfig::default() };
            let hops: Vec<_> =
                Traceroute::new(&host, ip(target), config).unwrap().map(|hop| hop.unwrap()).collect();
            assert_eq!((hops.len(), hops[0].last), (1, true), "{method:?}: {hops:?}");
            assert_eq!(hops[0].answers[0].unwrap().from, ip(target), "{method:?}");
        }
    }
}

#[test]
fn the_kernel_has_its_addresses() {
    let Some((_kernel, host)) = wire() else { return };
    let net: Vec<IpAddr> = (1..=254).map(|n| [192, 0, 2, n].into()).collect();
    for targets in [net, vec![ip("2001:db8::1"), ip("2001:db8::77")]] {
        let found: Vec<_> =
            ArpSweep::new(&host, &targets, ArpConfig::default()).unwrap().map(|s| s.unwrap()).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].address, targets[0]);
    }
}
