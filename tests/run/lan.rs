//! Two hosts on one wire, with programs of ours on both: an address by DHCP, names by DNS, discovery by multicast.

use std::fs;

use crate::place::{Arm, PYTHON, Place, has, only_kernel};

/// Plays `body` with two kernels, then with two hosts of ours; what it tells must be the same.
fn between_two(programs: &[&str], near: &str, far: &str, body: impl Fn(&Place) -> String) {
    if !programs.iter().all(|program| has(program)) {
        return;
    }
    let mut told = Vec::new();
    for arm in [Arm::Kernel, Arm::Run] {
        if only_kernel() && arm == Arm::Run {
            return;
        }
        let Some(place) = Place::lan(arm, near, far) else { return };
        eprintln!("on {arm:?}");
        told.push(body(&place));
        place.leave();
    }
    assert_eq!(told[1], told[0], "ours (left) and the kernel's (right)");
}

const DNSMASQ: &str = "no-resolv
no-hosts
no-daemon
user=root
interface=near0
bind-interfaces
dhcp-range=192.0.2.100,192.0.2.150,255.255.255.0,1h
dhcp-option=option:router,192.0.2.1
dhcp-option=option:dns-server,192.0.2.1
address=/lab.example/192.0.2.77
dhcp-authoritative
log-dhcp
log-facility=-
";

/// Debian's script of udhcpc sets the address (busybox's ifconfig), the route (its ip) and /etc/resolv.conf, which is a file of the
/// test's own here.
#[test]
fn an_address_by_dhcp() {
    between_two(&["dnsmasq", "udhcpc", "dig", "ping", "ip"], "192.0.2.1/24", "", |place| {
        let work = place.work();
        let at = work.to_str().unwrap();
        let files = format!("{DNSMASQ}dhcp-leasefile={at}/leases\npid-file={at}/pid\n");
        fs::write(work.join("dnsmasq.conf"), files).unwrap();
        fs::write(work.join("resolv.conf"), "").unwrap();
        let server = place.terminal("dnsmasq", &["-C", "dnsmasq.conf"]);
        server.wait_for("sockets bound exclusively to interface near0");
        let client = "mount --bind resolv.conf /etc/resolv.conf && exec udhcpc -i far0 -f -q -n -t 20 -T 1";
        let told = place.far("unshare", &["-m", "sh", "-c", client]).end();
        assert_eq!(told.status, 0, "{told:?}");
        let said = format!("{}{}", told.out, told.err);
        let address = said.split("lease of ").nth(1).and_then(|rest| rest.split([' ', ',']).next()).unwrap();
        for step in ["DHCPDISCOVER(near0)", "DHCPOFFER(near0)", "DHCPREQUEST(near0)", "DHCPACK(near0)"] {
            server.wait_for(step);
        }
        let far = |words: &str| {
            let mut words = words.split_whitespace();
            place.far(words.next().unwrap(), &words.collect::<Vec<_>>()).end().ok()
        };
        let mut tells = vec![fs::read_to_string(work.join("resolv.conf")).unwrap()];
        tells.push(far("ip -4 -o addr show dev far0"));
        tells.push(far("ip -4 route"));
        assert!(far("ping -c 2 -W 10 192.0.2.1").contains("2 received"));
        tells.push(far("dig +short @192.0.2.1 lab.example"));
        tells.push(far("dig +short +tcp @192.0.2.1 lab.example"));
        let ended = server.interrupt();
        tells.push(format!("dnsmasq ended with {}", ended.status));
        let told: String = tells.join("\n").replace(address, "ADDRESS");
        assert!(told.contains("ADDRESS/24") && told.contains("default via 192.0.2.1 dev far0"), "{told}");
        // An interface's number and iproute2's flags of an address are each world's own.
        told.lines()
            .map(|line| line.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned() + "\n")
            .collect()
    });
}

/// Two on each host offer something, all on the same port; who looks for it finds its own host's and the other's.
#[test]
fn discovery_by_multicast() {
    between_two(&["python3"], "192.0.2.1/24", "192.0.2.2/24", |place| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/run/python/discovery.py");
        let copy = place.work().join("discovery.py");
        fs::copy(script, &copy).unwrap();
        let copy = copy.to_str().unwrap();
        let mut told = String::new();
        for version in ["4", "6"] {
            let mut responders = Vec::new();
            for name in ["anna", "bert"] {
                responders.push(place.terminal(PYTHON, &[copy, "respond", name, version, "near0"]));
            }
            for name in ["carl", "dora"] {
                responders.push(place.far(PYTHON, &[copy, "respond", name, version, "far0"]));
            }
            for responder in &responders {
                responder.wait_for("listens");
            }
            let near = place.terminal(PYTHON, &[copy, "browse", "4", version, "near0"]);
            let far = place.far(PYTHON, &[copy, "browse", "4", version, "far0"]);
            for browser in [near, far] {
                told += &browser.end().ok();
            }
            for responder in responders {
                responder.interrupt();
            }
        }
        told
    });
}
