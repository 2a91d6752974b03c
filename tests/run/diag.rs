//! What there is, and what changes: `ss`, `netstat`, sock_diag(7), /proc/net and the groups of rtnetlink(7) say the same of a host as
//! of the kernel.

use crate::place::{Arm, Place, User, has, only_kernel, over_a_wire};

/// Line by line; what one arm alone says is told.
fn same(told: &[String]) {
    let [kernel, ours] = told else { return };
    let alone = |one: &str, other: &str| {
        let lines = one.lines().filter(|line| !other.lines().any(|there| there == *line));
        lines.map(|line| format!("  {line}\n")).collect::<String>()
    };
    assert_eq!(
        ours,
        kernel,
        "the kernel alone:\n{}ours alone:\n{}",
        alone(kernel, ours),
        alone(ours, kernel)
    );
}

#[test]
fn ss_says_the_same() {
    if !has("ss") || !has("netstat") {
        return;
    }
    let mut told = Vec::new();
    for arm in [Arm::Kernel, Arm::Run] {
        if arm == Arm::Run && only_kernel() {
            return;
        }
        let Some(place) = Place::lo(arm, User::Root) else { return };
        told.push(place.python("sock_diag.py").end().ok());
        place.leave();
    }
    same(&told);
}

/// Who listens to the groups hears of what `ip` changes, and of neighbours.
#[test]
fn listeners_hear_the_same() {
    let told = std::cell::RefCell::new(Vec::new());
    over_a_wire(&["ip", "ping"], |place| told.borrow_mut().push(place.python("monitor.py").end().ok()));
    same(&told.into_inner());
}

/// /proc/sys/net is the host's: what programs write there, the host does, and the namespace that they are in hears nothing of it.
#[test]
fn sysctls_are_the_hosts() {
    let told = std::cell::RefCell::new(Vec::new());
    over_a_wire(&["ping"], |place| {
        told.borrow_mut().push(place.python("sysctl.py").end().ok());
        if place.arm == Arm::Run {
            let files = ["ip_default_ttl", "ip_forward", "icmp_echo_ignore_all", "ip_local_port_range"];
            let files = files.map(|file| format!("/proc/sys/net/ipv4/{file}"));
            let held = place.peer().command("cat").args(files).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&held.stdout), "64\n0\n0\n32768\t60999\n");
        }
    });
    same(&told.into_inner());
}
