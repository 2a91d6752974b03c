//! `sockatoo doctor`: what this machine allows, and the command that mends what is missing. It tries things where it can, in a
//! namespace of its own, and changes nothing.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | the machine: kernel, rights, devices, namespaces, programs |
//! | `run.rs` | what `sockatoo run` needs: programs' calls and descriptors, a place for hosts |
//! | `interface.rs` | `-i IF`: whether frames for a station of our own come back there |

mod interface;
mod run;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::base::constants::{AF_PACKET, SOCK_RAW};
use crate::cli::args::DoctorArgs;
use crate::cli::exit::Exit;
use crate::cli::say::{self, Trouble};
use crate::lab::{Netns, become_root_in_user_namespace};
use crate::sys::descriptor;
use crate::sys::privilege::{self, Capability};

/// One thing that was looked at.
struct Finding {
    /// In JSON.
    key: &'static str,
    what: &'static str,
    /// Without it nothing but hosts in memory works.
    needed: bool,
    ok: bool,
    detail: String,
    /// What mends it.
    mend: String,
}

pub(in crate::cli) fn run(args: &DoctorArgs, as_json: bool) -> Result<Exit, Trouble> {
    if args.try_user_namespace {
        return Ok(if become_root_in_user_namespace().is_ok() { Exit::Ok } else { Exit::No });
    }
    if args.try_listener {
        return Ok(run::listener());
    }
    let mut findings = look();
    if let Some(name) = &args.interface {
        findings.extend(interface::look(name));
    }
    let enough = |findings: &[Finding]| findings.iter().all(|f| f.ok || !f.needed);
    let wires = enough(&findings);
    let guests = run::look();
    let programs = enough(&guests);
    findings.extend(guests);
    let all = wires && programs;
    if as_json {
        let findings: Vec<_> = findings
            .iter()
            .map(|f| json!({ "key": f.key, "ok": f.ok, "needed": f.needed, "detail": f.detail, "mend": (!f.ok).then_some(&f.mend) }))
            .collect();
        say::object(json!({ "ok": all, "wires": wires, "run": programs, "findings": findings }));
    } else {
        findings.iter().for_each(show);
        say::line("");
        say::line(if wires {
            "All that wires need is there: `sockatoo demo` talks with this machine's kernel."
        } else {
            "Hosts in memory and on loopback work all the same: `sockatoo demo --memory`."
        });
        say::line(if programs {
            "All that unmodified programs need is there: `sockatoo run -- PROGRAM`."
        } else {
            "Unmodified programs can't be run on our sockets here: `sockatoo run` would fail."
        });
    }
    Ok(if all { Exit::Ok } else { Exit::No })
}

fn show(finding: &Finding) {
    let mark = match (finding.ok, finding.needed) {
        (true, _) => say::styled("32", "ok"),
        (false, true) => say::styled("1;31", "no"),
        (false, false) => say::styled("33", "no"),
    };
    say::line(format!("{mark}  {:<22} {}", finding.what, finding.detail));
    if !finding.ok {
        say::line(format!("    {} {}", say::styled("36", "mend:"), finding.mend));
    }
}

fn look() -> Vec<Finding> {
    let mut findings = vec![kernel(), root()];
    findings.extend([
        capability("net_admin", Capability::NetAdmin, "CAP_NET_ADMIN", "makes TAPs"),
        capability("net_raw", Capability::NetRaw, "CAP_NET_RAW", "opens existing interfaces (-i IF)"),
    ]);
    findings.push(tun());
    let namespace = Netns::new();
    findings.push(Finding {
        key: "network_namespace",
        what: "network namespace",
        needed: true,
        ok: namespace.is_ok(),
        detail: namespace.as_ref().err().map_or_else(|| "can be made".into(), |e| e.errno().text().into()),
        mend: "run as root, or `unshare -rn sockatoo ...`; in a container: `--cap-add SYS_ADMIN`".into(),
    });
    if let Ok(namespace) = &namespace {
        let tap = namespace.tap("sockatoo0", &["192.0.2.1/24"]);
        findings.push(Finding {
            key: "tap",
            what: "TAP",
            needed: true,
            ok: tap.is_ok(),
            detail: tap.err().map_or_else(|| "made, set up, and gone again".into(), |e| e.to_string()),
            mend: "see /dev/net/tun and CAP_NET_ADMIN above".into(),
        });
        let packet = namespace.run(|| descriptor::socket(AF_PACKET, SOCK_RAW, 0));
        let ok = matches!(packet, Ok(Ok(_)));
        findings.push(Finding {
            key: "af_packet",
            what: "AF_PACKET",
            needed: false,
            ok,
            detail: if ok { "can be opened".into() } else { "can't be opened".into() },
            mend: "run as root; in a container: `--cap-add NET_RAW`".into(),
        });
    }
    findings.push(user_namespace());
    findings.push(program(
        "python3",
        "python3",
        "serves the demo's page; without it the demo has a small server of its own",
    ));
    findings.push(program("ip", "iproute2", "sets interfaces up by hand"));
    findings.push(program("tcpdump", "tcpdump", "reads --pcap files; so do tshark and Wireshark"));
    findings
}

fn kernel() -> Finding {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map(|n| n.trim().parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Finding {
        key: "kernel",
        what: "Linux",
        needed: true,
        ok: version >= (4, 18),
        detail: release.trim().into(),
        mend: "4.18 or later is wanted".into(),
    }
}

fn root() -> Finding {
    let uid = privilege::geteuid();
    Finding {
        key: "root",
        what: "user",
        needed: false,
        ok: uid == 0,
        detail: if uid == 0 { "root".into() } else { format!("number {uid}, not root") },
        mend: "`sudo sockatoo ...`, or give the program what it needs: `sudo setcap cap_net_admin,cap_net_raw,cap_sys_admin+ep \
               $(command -v sockatoo)`"
            .into(),
    }
}

fn capability(key: &'static str, capability: Capability, what: &'static str, why: &'static str) -> Finding {
    let ok = privilege::has(capability);
    let name = what.to_lowercase();
    Finding {
        key,
        what,
        needed: capability == Capability::NetAdmin,
        ok,
        detail: why.into(),
        mend: format!(
            "run as root, or `sudo setcap {name}+ep $(command -v sockatoo)`; in a container: `--cap-add {}`",
            what.trim_start_matches("CAP_")
        ),
    }
}

fn tun() -> Finding {
    let path = "/dev/net/tun";
    let opened = fs::OpenOptions::new().read(true).write(true).open(path);
    let mend = match &opened {
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            "run as root, or `sudo chmod 666 /dev/net/tun`"
        }
        _ => {
            "`sudo modprobe tun`, or `sudo mkdir -p /dev/net && sudo mknod /dev/net/tun c 10 200`; in a container: `--device /dev/net/tun`"
        }
    };
    Finding {
        key: "dev_net_tun",
        what: path,
        needed: true,
        ok: opened.is_ok(),
        detail: opened.err().map_or_else(|| "can be opened".into(), |e| e.to_string()),
        mend: mend.into(),
    }
}

/// Tried by another process of this program: it can't be undone.
fn user_namespace() -> Finding {
    let tried = std::env::current_exe().and_then(|program| {
        let mut probe = Command::new(program);
        probe
            .args(["doctor", "--try-user-namespace"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        probe.status()
    });
    let ok = tried.is_ok_and(|status| status.success());
    Finding {
        key: "user_namespace",
        what: "user namespace",
        needed: false,
        ok,
        detail: if ok {
            "lets users without rights make namespaces and TAPs".into()
        } else {
            "is forbidden".into()
        },
        mend: "`sudo sysctl kernel.unprivileged_userns_clone=1` (Debian), `sudo sysctl \
               kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu)"
            .into(),
    }
}

fn program(name: &'static str, package: &str, why: &str) -> Finding {
    let found = find(name);
    Finding {
        key: name,
        what: name,
        needed: false,
        ok: found.is_some(),
        detail: found.map_or_else(|| why.into(), |path| path.display().to_string()),
        mend: format!("`sudo apt-get install {package}`"),
    }
}

/// Where a program is, as a shell would find it.
pub(in crate::cli) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(more).map(|dir| dir.join(name)).find(|file| file.is_file())
}
