//! Programs, runs and hosts that come and go: a thousand one after another, fifty at once, killed ones; nothing is left of
//! them in the host, and nobody hangs.

use std::fs;
use std::time::{Duration, Instant};

use crate::place::{Arm, Place, User, has};
use crate::terminal::Terminal;

/// Memory that a host's process may have more after a thousand programs than before: allocators keep some.
const GROWN: usize = 16 << 20;

/// What a running host says of itself, and what the kernel says of its process.
#[derive(Debug)]
struct Host {
    pid: i32,
    sockets: u64,
    connections: u64,
    clients: u64,
    descriptors: usize,
    resident: usize,
}

fn host(place: &Place) -> Host {
    let told = place.sockatoo("ls --json").ok();
    let host: serde_json::Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
    let number = |key: &str| host[key].as_u64().unwrap_or_else(|| panic!("{key}: {told}"));
    let pid = number("pid") as i32;
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    Host {
        pid,
        sockets: number("sockets"),
        connections: number("connections"),
        clients: number("clients"),
        descriptors: fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count(),
        resident: statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096,
    }
}

/// Descriptors that a host makes when they are first needed, and keeps.
const ONCE: usize = 2;

/// Longest until a host has forgotten connections that failed under programs that hold on to them.
const FORGOTTEN: Duration = Duration::from_secs(120);

/// Waits until the host has as little as before.
fn settles(place: &Place, before: &Host) -> Host {
    let end = Instant::now() + FORGOTTEN;
    loop {
        let now = host(place);
        let fewer = now.sockets <= before.sockets
            && now.connections <= before.connections
            && now.clients <= before.clients;
        if fewer && now.descriptors <= before.descriptors + ONCE {
            return now;
        }
        assert!(Instant::now() < end, "left behind: {before:?} -> {now:?}");
    }
}

fn server(place: &Place) -> Terminal {
    let server = place.python("forever_server.py");
    server.wait_for("waiting");
    server
}

/// Plays `programs` once to warm up, then so many `rounds`.
fn leave_nothing(user: User, rounds: usize, programs: impl Fn(&Place)) {
    let Some(place) = Place::lo(Arm::Run, user) else { return };
    place.sockatoo("up lab").ok();
    let idle = host(&place);
    let serving = server(&place);
    programs(&place);
    let before = host(&place);
    for _ in 0..rounds {
        programs(&place);
    }
    let after = settles(&place, &before);
    assert!(after.resident < before.resident + GROWN, "{before:?} -> {after:?}");
    serving.interrupt();
    let after = settles(&place, &idle);
    assert_eq!((after.sockets, after.connections), (0, 0), "{after:?}");
    place.leave();
}

/// Connections and refused ones, datagrams.
#[test]
fn a_thousand_programs_one_after_another() {
    if has("nc") {
        leave_nothing(User::Root, 10, |place| {
            for _ in 0..50 {
                assert_eq!(place.line("nc -n -z 127.0.0.1 50007").end().status, 0);
                assert_eq!(place.line("nc -n -z 127.0.0.1 9").end().status, 1);
            }
        });
    }
}

/// As an ordinary user.
#[test]
fn fifty_programs_at_once() {
    leave_nothing(User::Nobody, 4, |place| {
        let told = place.python("greetings_client.py 50").end().ok();
        assert_eq!(told, "50 greeted\n");
    });
}

/// A run of its own for each.
#[test]
fn fifty_runs_at_once() {
    leave_nothing(User::Root, 1, |place| {
        let runs: Vec<_> = (0..50).map(|n| place.python(&format!("forever_client.py n{n}"))).collect();
        for (n, run) in runs.into_iter().enumerate() {
            assert_eq!(run.end().ok(), format!("Hello, n{n}\n"));
        }
    });
}

/// SIGKILL for a run: its program and its sockets go with it, and the port is free at once.
#[test]
fn a_run_that_is_killed() {
    let Some(place) = Place::lo(Arm::Run, User::Root) else { return };
    place.sockatoo("up lab").ok();
    let idle = host(&place);
    for _ in 0..3 {
        let serving = server(&place);
        assert_eq!(place.python("forever_client.py Ada").end().ok(), "Hello, Ada\n");
        // SAFETY: takes no pointers; the process is our child, not waited for.
        unsafe { libc::kill(serving.pid(), libc::SIGKILL) };
        serving.end();
        settles(&place, &idle);
    }
    place.leave();
}

/// The host dies: what waits fails, what is connected ends, nothing hangs.
#[test]
fn a_host_that_dies() {
    let Some(place) = Place::lo(Arm::Run, User::Root) else { return };
    let waiting = place.python("greet_server.py");
    waiting.wait_for("waiting");
    let receiving = place.python("udp_server.py");
    receiving.wait_for("waiting");
    let dead = host(&place).pid;
    // SAFETY: takes no pointers; the process is this place's host.
    unsafe { libc::kill(dead, libc::SIGKILL) };
    for program in [waiting, receiving] {
        let ended = program.end();
        assert!(ended.status == 1 && ended.err.contains("OSError"), "{ended:?}");
    }
    // The next ones have a new host.
    let serving = server(&place);
    assert_eq!(place.python("forever_client.py Ada").end().ok(), "Hello, Ada\n");
    assert_ne!(host(&place).pid, dead);
    serving.interrupt();
    place.leave();
}

/// A program writes and exits at once: what it wrote arrives.
#[test]
fn a_program_that_exits_at_once() {
    if !has("nc") {
        return;
    }
    let Some(place) = Place::lo(Arm::Run, User::Root) else { return };
    let listener = place.line("nc -v -n -l 127.0.0.1 7");
    listener.wait_for("Listening");
    let script =
        "import socket,os; s=socket.create_connection(('127.0.0.1',7)); s.sendall(b'x'*200000); os._exit(0)";
    place.terminal(crate::place::PYTHON, &["-c", script]).end().ok();
    assert_eq!(listener.end().ok().len(), 200_000);
    place.leave();
}
