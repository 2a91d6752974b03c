//! The processes of `sockatoo run`: how a program begins and ends, what is its own, what becomes of its sockets then.
//! (tests/run/ judges what programs do with their sockets.)
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A user's hosts, in a folder of their own; gone with it.
struct Hosts(PathBuf);

impl Hosts {
    fn new() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("sockatoo-basic-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        Self(folder)
    }

    fn sockatoo(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sockatoo"));
        command.args(args).env("XDG_RUNTIME_DIR", &self.0).env_remove("SOCKATOO_HOST").stdin(Stdio::null());
        command
    }

    fn run(&self, program: &[&str]) -> Command {
        self.sockatoo(&[&["run", "--"], program].concat())
    }

    fn sh(&self, script: &str) -> Output {
        self.run(&["sh", "-c", script]).output().unwrap()
    }

    /// A program that goes on; its first line has come.
    fn begin(&self, script: &str) -> (Child, String, impl BufRead + use<>) {
        let mut child = self.run(&["python3", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        (child, line.trim().into(), out)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        let _ = self.sockatoo(&["down", "--all"]).output();
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// Asks until it is so.
fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is() {
        assert!(Instant::now() < end, "not within 30 seconds: {what}");
        std::thread::yield_now();
    }
}

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

/// Its process ends as the program does.
#[test]
fn exit_codes_and_signals_are_the_programs_own() {
    let hosts = Hosts::new();
    assert_eq!(hosts.sh("exit 0").status.code(), Some(0));
    assert_eq!(hosts.sh("exit 7").status.code(), Some(7));
    assert_eq!(hosts.sh("kill -TERM $$").status.signal(), Some(15));
    assert_eq!(hosts.sh("kill -SEGV $$").status.signal(), Some(11));
    let script = hosts.0.join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for (program, code, words) in [
        ("no-such-program", 127, "no such program"),
        ("/etc/passwd", 126, "Permission denied"),
        (script.to_str().unwrap(), 127, "its #! line"),
    ] {
        let done = hosts.run(&[program]).output().unwrap();
        assert_eq!(done.status.code(), Some(code), "{done:?}");
        assert!(text(&done.stderr).contains(words), "{done:?}");
        let done = hosts.sockatoo(&["--json", "run", "--", program]).output().unwrap();
        assert_eq!(done.status.code(), Some(code), "{done:?}");
        let told: serde_json::Value = serde_json::from_slice(&done.stderr).unwrap();
        assert!(told["error"].as_str().unwrap().contains(words), "{told}");
    }
}

/// One that is not there does not keep the others up; nothing is found then, and that is said.
#[test]
fn down_ends_those_that_are_there() {
    let hosts = Hosts::new();
    assert!(hosts.sockatoo(&["up", "one"]).output().unwrap().status.success());
    let done = hosts.sockatoo(&["down", "none", "one"]).output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(text(&done.stderr).contains("no host `none` runs"), "{done:?}");
    let left = hosts.sockatoo(&["ls"]).output().unwrap();
    assert!(text(&left.stderr).starts_with("no host runs") && left.status.success(), "{left:?}");
}

/// Standard descriptors, directory, environment, arguments.
#[test]
fn surroundings_are_the_programs_own() {
    let hosts = Hosts::new();
    let mut command =
        hosts.run(&["sh", "-c", r#"cat; pwd; echo "$WORD" "$1"; echo trouble >&2"#, "sh", "--one two"]);
    command.current_dir("/usr").env("WORD", "word").stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"input\n").unwrap();
    let done = child.wait_with_output().unwrap();
    assert_eq!(text(&done.stdout), "input\n/usr\nword --one two");
    assert_eq!(text(&done.stderr), "trouble");
}

/// Signals that others send to the process in front are the program's.
#[test]
fn signals_reach_the_program() {
    let hosts = Hosts::new();
    for (name, number) in [("SIGTERM", 15), ("SIGINT", 2), ("SIGHUP", 1), ("SIGUSR1", 10)] {
        // A signal between the interpreter's look for one and pause(2) would wait for the next one: a bounded sleep looks again.
        let script = format!(
            "import signal, sys, time\nsignal.signal(signal.{name}, lambda *_: sys.exit(40))\nprint('ready', flush=True)\n\
             while True: time.sleep(1)"
        );
        let (mut child, _, _out) = hosts.begin(&script);
        let killed =
            Command::new("kill").args([format!("-{number}"), child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        assert_eq!(child.wait().unwrap().code(), Some(40), "{name}");
    }
}

/// A nested one is its host's guest already: the program runs in its place. It can't be another host's too.
#[test]
fn a_guest_of_a_guest_is_the_hosts() {
    let hosts = Hosts::new();
    let inner = env!("CARGO_BIN_EXE_sockatoo");
    let done = hosts.run(&[inner, "run", "--", "sh", "-c", "echo $SOCKATOO_HOST; exit 7"]).output().unwrap();
    assert_eq!((done.status.code(), text(&done.stdout)), (Some(7), "default".into()), "{done:?}");
    let done = hosts.run(&[inner, "run", "--", "nothing-of-this-name"]).output().unwrap();
    assert_eq!(done.status.code(), Some(127), "{done:?}");
    let done = hosts.run(&[inner, "run", "--on", "other", "--", "true"]).output().unwrap();
    assert_eq!(done.status.code(), Some(126), "{done:?}");
    assert!(text(&done.stderr).contains("a guest already"), "{done:?}");
    // The doctor tries it, and says the same.
    let done = hosts.run(&[inner, "doctor", "--json"]).output().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let findings = told["findings"].as_array().unwrap();
    let calls = findings.iter().find(|finding| finding["key"] == "seccomp_listener").unwrap();
    assert!(told["run"] == false && calls["mend"].as_str().unwrap().contains("a guest already"), "{told}");
}

const LISTENS: &str = "import os, socket
s = socket.socket(); s.bind(('127.0.0.1', 8080)); s.listen()
";

/// Connects, and says what happened.
const ASKS: &str = "import socket
try: print(socket.create_connection(('127.0.0.1', 8080), 20).recv(9))
except OSError as e: print(type(e).__name__)";

/// The user has the prompt again; what the daemon serves goes on.
#[test]
fn a_program_that_becomes_a_daemon_goes_on() {
    let hosts = Hosts::new();
    let daemon = format!(
        "{LISTENS}
if os.fork(): os._exit(5)
os.setsid()
if os.fork(): os._exit(0)
print(os.getpid(), flush=True)
null = os.open('/dev/null', os.O_RDWR)
for fd in range(3): os.dup2(null, fd)
while True:
    c, _ = s.accept(); c.sendall(b'served'); c.close()
"
    );
    let (mut front, pid, mut out) = hosts.begin(&daemon);
    assert_eq!(front.wait().unwrap().code(), Some(5));
    // Nobody keeps the user's pipe.
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    for _ in 0..2 {
        let asked = hosts.run(&["python3", "-c", ASKS]).output().unwrap();
        assert_eq!(text(&asked.stdout), "b'served'", "{asked:?}");
    }
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    until("the daemon's port is closed", || {
        text(&hosts.run(&["python3", "-c", ASKS]).output().unwrap().stdout) == "ConnectionRefusedError"
    });
}

/// SIGKILL to the process in front: the supervisor goes, and the sockets with it.
#[test]
fn a_run_that_is_killed_takes_its_sockets_with_it() {
    let hosts = Hosts::new();
    let script = format!(
        "{LISTENS}print(os.getpid(), flush=True)\nc, _ = s.accept()\nprint('accepted', flush=True)\nc.recv(1)"
    );
    let (mut front, pid, mut out) = hosts.begin(&script);
    let (mut client, _, mut heard) = hosts.begin(
        "import socket
c = socket.create_connection(('127.0.0.1', 8080)); print('connected', flush=True)
try: print(c.recv(1))
except OSError as e: print(type(e).__name__)",
    );
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "accepted");
    front.kill().unwrap();
    front.wait().unwrap();
    let mut end = String::new();
    heard.read_to_string(&mut end).unwrap();
    // The end of file where nothing was on its way: the reset shows when the client writes.
    assert!(["ConnectionResetError", "b''"].contains(&end.trim()), "{end}");
    client.wait().unwrap();
    until("the program has ended", || !is_alive(&pid));
}

/// What a program wrote before it ended arrives.
#[test]
fn a_program_may_exit_at_once() {
    let hosts = Hosts::new();
    let (mut server, _, mut out) = hosts.begin(&format!(
        "{LISTENS}print('listens', flush=True)
c, _ = s.accept(); total = 0
while piece := c.recv(65536): total += len(piece)
print(total)"
    ));
    let client = "import socket, os
c = socket.create_connection(('127.0.0.1', 8080)); c.sendall(bytes(1 << 20)); os._exit(0)";
    assert!(hosts.run(&["python3", "-c", client]).status().unwrap().success());
    let mut total = String::new();
    out.read_to_string(&mut total).unwrap();
    assert_eq!(total.trim(), "1048576");
    assert!(server.wait().unwrap().success());
}

/// Rights that an ordinary program has not on Linux are granted, unless --strict.
#[test]
fn strict_refuses_what_linux_refuses() {
    let hosts = Hosts::new();
    let script = "import socket
try: socket.socket().bind(('127.0.0.1', 80)); print('bound')
except OSError as e: print(type(e).__name__)
try: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); print('raw')
except OSError as e: print(type(e).__name__)";
    let unprivileged =
        ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--reuid=65534", "--clear-groups"];
    let program = [&unprivileged[..], &["/usr/bin/python3", "-c", script]].concat();
    let told = |flags: &[&str]| {
        let words = [&["run"], flags, &["--"], &program].concat();
        let done = hosts.sockatoo(&words).output().unwrap();
        (text(&done.stdout), text(&done.stderr))
    };
    if text(&Command::new("id").arg("-u").output().unwrap().stdout) != "0" {
        return eprintln!("skipped: only root can start programs of an ordinary user");
    }
    assert_eq!(told(&[]).0, "bound\nraw");
    assert_eq!(told(&["--strict"]).0, "PermissionError\nPermissionError");
}

/// If the host dies its programs see errors, whatever they wait for, and go on.
#[test]
fn a_host_that_dies_is_told() {
    let hosts = Hosts::new();
    let script = format!(
        "{LISTENS}print('listens', flush=True)
try: s.accept()
except OSError as e: print(e.errno)
try: socket.socket()
except OSError as e: print(e.errno)"
    );
    let (mut program, _, mut out) = hosts.begin(&script);
    let listed = text(&hosts.sockatoo(&["ls"]).output().unwrap().stdout);
    let pid = listed.lines().nth(1).and_then(|line| line.split_whitespace().nth(1)).unwrap().to_owned();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    let mut errors = String::new();
    out.read_to_string(&mut errors).unwrap();
    assert_eq!(errors.split_whitespace().collect::<Vec<_>>(), ["100", "100"]);
    assert!(program.wait().unwrap().success());
}
