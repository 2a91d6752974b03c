//! Hosts in processes of their own, from outside: `up`, `down`, `ls`, what happens when several start one at the same time, when
//! one is killed, and that nothing is left behind. As this user, and as one without any privilege.
#![cfg(feature = "cli")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use sockatoo::lab::Netns;

/// A user's runtime directory of a test's own, and the program; what is left of hosts is ended with it.
struct User {
    runtime: PathBuf,
    program: PathBuf,
    /// setpriv(1)'s, if it is not the one who runs the test.
    uid: Option<u32>,
}

const NOBODY: u32 = 65534;

impl User {
    fn new(uid: Option<u32>) -> Self {
        static USERS: AtomicU32 = AtomicU32::new(0);
        let number = USERS.fetch_add(1, Ordering::Relaxed);
        let runtime = PathBuf::from(format!("/tmp/sk-test-{}-{number}", std::process::id()));
        fs::create_dir(&runtime).expect("a directory");
        fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700)).expect("its mode");
        let mut program = PathBuf::from(env!("CARGO_BIN_EXE_sockatoo"));
        if let Some(uid) = uid {
            // Where it was built, this user may not be allowed to go.
            program = runtime.join("program");
            fs::copy(env!("CARGO_BIN_EXE_sockatoo"), &program).expect("a copy");
            chown(&runtime, Some(uid), Some(uid)).expect("another owner");
        }
        Self { runtime, program, uid }
    }

    /// This user, and one without privilege if we may become one.
    fn all() -> Vec<Self> {
        let me = Self::new(None);
        let root = fs::metadata(&me.runtime).expect("it").uid() == 0;
        if root { vec![me, Self::new(Some(NOBODY))] } else { vec![me] }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = match self.uid {
            None => Command::new(&self.program),
            Some(uid) => {
                let mut command = Command::new("setpriv");
                command.arg(format!("--reuid={uid}")).arg(format!("--regid={uid}")).arg("--clear-groups");
                command.arg(&self.program);
                command
            }
        };
        command
            .args(args)
            .stdin(Stdio::null())
            .env("XDG_RUNTIME_DIR", &self.runtime)
            .env_remove("SOCKATOO_HOST");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the program starts")
    }

    /// It must succeed; what it printed.
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// It must fail with this code; what it said.
    fn fails(&self, args: &[&str], code: i32) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        String::from_utf8(output.stderr).expect("UTF-8")
    }

    fn ls(&self) -> Vec<Value> {
        self.ok(&["ls", "--json"]).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    fn pid(&self, host: &str) -> u32 {
        let rows = self.ls();
        let row =
            rows.iter().find(|row| row["host"] == host).unwrap_or_else(|| panic!("no {host} in {rows:?}"));
        row["pid"].as_u64().expect("a number") as u32
    }

    /// The folder of the hosts, which exists while there is one.
    fn folder(&self) -> PathBuf {
        self.runtime.join("sockatoo")
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = self.run(&["down", "--all"]);
        let _ = fs::remove_dir_all(&self.runtime);
    }
}

/// Waits until the process has ended: it is nobody's child that we could wait for.
fn gone(pid: u32) {
    until("the process ends", || {
        // One that has ended and is not yet buried has no descriptors.
        fs::read_dir(format!("/proc/{pid}/fd")).map_or(true, |fds| fds.count() == 0)
    });
}

fn signal(which: &str, pid: u32) {
    assert!(Command::new("kill").args([which, &pid.to_string()]).status().expect("kill").success());
}

fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "waited in vain: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_host_is_up_until_it_is_down() {
    for user in User::all() {
        assert!(user.ok(&["up", "h1"]).starts_with("h1 is up, process "));
        assert!(user.ok(&["up", "h1"]).starts_with("h1 is up already, process "));
        let rows = user.ls();
        assert_eq!(rows.len(), 1);
        let row = &rows[0];
        assert_eq!((row["host"].as_str(), row["stays"].as_bool()), (Some("h1"), Some(true)));
        assert_eq!(row["interfaces"][0]["addresses"][0], "127.0.0.1/8");
        assert_eq!((row["clients"].as_u64(), row["sockets"].as_u64()), (Some(0), Some(0)));
        let pid = user.pid("h1");
        assert!(user.ok(&["ls"]).lines().nth(1).expect("a row").starts_with("h1 "));
        assert!(user.ok(&["down", "h1"]).contains("has ended"));
        gone(pid);
        assert!(!user.folder().exists(), "the folder is left behind");
        assert!(user.fails(&["down", "h1"], 1).contains("no host `h1` runs"));
        assert!(user.ls().is_empty());
    }
}

/// Nobody's child, no terminal, no directory that it holds, its own session: daemon(7).
#[test]
fn it_lives_by_itself() {
    for user in User::all() {
        user.ok(&["up"]);
        let pid = user.pid("default");
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
        let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
        let (parent, session, terminal) = (fields[1], fields[3], fields[4]);
        assert_ne!(parent, std::process::id().to_string());
        assert_ne!(session, pid.to_string(), "it could get a terminal");
        assert_eq!(terminal, "0");
        assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).expect("cwd"), PathBuf::from("/"));
        for fd in 0..3 {
            let leads = fs::read_link(format!("/proc/{pid}/fd/{fd}")).expect("a descriptor");
            assert_eq!(leads, PathBuf::from("/dev/null"));
        }
    }
}

#[test]
fn ten_start_one() {
    for user in User::all() {
        let starters: Vec<Child> = (0..10)
            .map(|_| {
                user.command(&["up", "race", "--json"]).stdout(Stdio::piped()).spawn().expect("it starts")
            })
            .collect();
        let mut pids = Vec::new();
        let mut started = 0;
        for starter in starters {
            let output = starter.wait_with_output().expect("it ends");
            assert!(output.status.success(), "{output:?}");
            let row: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            pids.push(row["pid"].as_u64());
            started += usize::from(row["started"] == true);
        }
        pids.dedup();
        assert_eq!((pids.len(), started), (1, 1), "{pids:?}");
    }
}

#[test]
fn flags_that_contradict_are_an_error_that_shows_its_own() {
    let user = User::new(None);
    user.ok(&["up", "h", "--link", "delay=1000us", "--no-rst=80", "--no-rst"]);
    // The same, written otherwise.
    user.ok(&["up", "h", "--no-rst", "--link=delay=1ms,loss=0%"]);
    let said = user.fails(&["up", "h", "--link", "delay=2ms"], 2);
    assert!(said.contains("`--link=delay=1ms --no-rst=0`") && said.contains("`--link=delay=2ms`"), "{said}");
}

/// The starter says what the host's process says.
#[test]
fn a_host_that_cant_be_is_told_why() {
    for user in User::all() {
        let said = user.fails(&["up", "h", "--if", "no-such-if", "--addr", "192.0.2.1/24"], 2);
        assert!(said.contains("no-such-if"), "{said}");
        assert!(user.fails(&["up", "no/name"], 2).contains("can't be a host's name"));
        assert!(user.fails(&["up", "h", "--addr", "192.0.2.1/24"], 2).contains("need a wire"));
        assert!(!user.folder().exists(), "something is left behind");
    }
}

#[test]
fn one_that_was_killed_does_no_harm_to_the_next() {
    for user in User::all() {
        user.ok(&["up", "h"]);
        let pid = user.pid("h");
        signal("-KILL", pid);
        gone(pid);
        assert!(user.folder().join("h.sock").exists());
        assert!(user.ls().is_empty());
        user.ok(&["up", "h"]);
        assert_ne!(user.pid("h"), pid);
    }
}

#[test]
fn sigterm_ends_it_cleanly() {
    for user in User::all() {
        let mut host = user
            .command(&["up", "--foreground", "f", "--json"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        BufReader::new(host.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let row: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(row["pid"].as_u64(), Some(user.pid("f").into()));
        assert!(user.fails(&["up", "--foreground", "f"], 2).contains("a host `f` runs already"));
        let pid = user.pid("f").to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
        assert!(host.wait().expect("it ends").success());
        assert!(!user.folder().exists(), "something is left behind");
    }
}

/// One that `run` made ends when nobody needs it.
#[test]
fn a_transient_host_ends_by_itself() {
    let user = User::new(None);
    let mut host = user
        .command(&["up", "--foreground", "--transient", "t"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    assert!(host.wait().expect("it ends").success());
    assert!(!user.folder().exists());
}

/// Who may write into the folder's parent can't make another user's host of himself.
#[test]
fn a_folder_of_somebody_else_is_not_used() {
    let user = User::new(None);
    fs::create_dir(user.folder()).expect("a folder");
    fs::set_permissions(user.folder(), fs::Permissions::from_mode(0o777)).expect("its mode");
    let trap = UnixListener::bind(user.folder().join("h.sock")).expect("a socket");
    for command in ["up", "down", "ls"] {
        let args: &[&str] = if command == "ls" { &["ls"] } else { &[command, "h"] };
        assert!(user.fails(args, 2).contains("only this user may open"), "{command}");
    }
    drop(trap);
    // A runtime directory that can't be used is not: su(1) leaves one of another user.
    fs::set_permissions(&user.runtime, fs::Permissions::from_mode(0o777)).expect("its mode");
    let elsewhere = user.run(&["ls", "--json"]);
    assert!(elsewhere.status.success() || !elsewhere.stderr.is_empty(), "{elsewhere:?}");
    fs::set_permissions(&user.runtime, fs::Permissions::from_mode(0o700)).expect("its mode");
}

/// The wire is there while the host is; the kernel's ping is answered; the recording is complete when `down` returns.
#[test]
fn a_host_on_a_tap() {
    let Ok(kernel) = Netns::new() else {
        // Without privilege there is no TAP.
        return;
    };
    let user = User::new(None);
    let capture = user.runtime.join("h.pcap");
    let run = |args: &[&str]| {
        let mut command = kernel.command(&user.program);
        command.args(args).stdin(Stdio::null()).env("XDG_RUNTIME_DIR", &user.runtime);
        let output = command.output().expect("the program starts");
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let path = capture.to_str().expect("UTF-8");
    run(&["up", "h", "--tap", "sk0", "--addr", "192.0.2.2/24", "--pcap", path]);
    kernel.add_address("sk0", "192.0.2.1/24").expect("an address");
    let ping = kernel.command("ping").args(["-c", "1", "-W", "10", "192.0.2.2"]).output().expect("ping");
    assert!(ping.status.success(), "{ping:?}");
    let row: Value = serde_json::from_str(run(&["ls", "--json"]).trim()).expect("JSON");
    assert_eq!(row["interfaces"][1]["addresses"][0], "192.0.2.2/24");
    assert_eq!(row["recording"].as_str(), Some(path));
    run(&["down", "h"]);
    let links = kernel.command("ip").args(["link", "show", "sk0"]).output().expect("ip");
    assert!(!links.status.success(), "the TAP is left behind");
    // The capture's header, and at least an ARP exchange and an echo exchange behind it.
    assert!(fs::metadata(&capture).expect("a recording").len() > 24 + 4 * (16 + 42));
}

/// Connects a hundred times to the socket, and prints how many were hung up on.
const CROWD: &str = r#"
import select, socket, sys
crowd = []
for _ in range(100):
    crowd.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    crowd[-1].connect(sys.argv[1])
crowd[-1].settimeout(20)
assert crowd[-1].recv(1) == b""
print(len(select.select(crowd, [], [], 0)[0]) >= 60)
"#;

/// Whoever comes to a host that has no descriptor to spare is told so; the host does not turn in circles about it.
#[test]
fn a_host_without_descriptors_hangs_up() {
    let user = User::new(None);
    let up = ["-c", "ulimit -n 40; exec \"$0\" up full"];
    let mut shell = Command::new("sh");
    shell.args(up).arg(&user.program).env("XDG_RUNTIME_DIR", &user.runtime).stdin(Stdio::null());
    assert!(shell.output().expect("sh").status.success());
    let crowd = Command::new("python3").args(["-c", CROWD]).arg(user.folder().join("full.sock")).output();
    let crowd = crowd.expect("python3");
    assert_eq!(String::from_utf8_lossy(&crowd.stdout), "True\n", "{crowd:?}");
    // The crowd has gone: the host serves as before.
    assert_eq!(user.ls()[0]["host"], "full");
    user.ok(&["down", "full"]);
}

/// A host that is stopped (SIGSTOP, a debugger) keeps no other command waiting for ever.
#[test]
fn a_host_that_does_not_answer_is_told() {
    let user = User::new(None);
    user.ok(&["up", "awake"]);
    user.ok(&["up", "asleep"]);
    let pid = user.pid("asleep");
    signal("-STOP", pid);
    let listed = user.run(&["ls"]);
    let said = user.fails(&["run", "--on", "asleep", "--", "true"], 2);
    let down = user.fails(&["down", "asleep"], 2);
    signal("-CONT", pid);
    assert!(
        listed.status.success() && String::from_utf8_lossy(&listed.stdout).contains("awake"),
        "{listed:?}"
    );
    for said in [&String::from_utf8_lossy(&listed.stderr), said.as_str()] {
        assert!(said.contains("does not answer"), "{said}");
    }
    assert!(down.contains(&format!("kill -9 {pid}")), "{down}");
    gone(pid);
}

/// Set for a process that joins the host of this name.
const JOINS: &str = "SOCKATOO_TEST_JOINS";

/// AF_UNIX tells of the process that calls, not of the host's: this test starts itself again as such a process.
#[test]
fn credentials_are_those_of_the_process_that_calls() {
    use sockatoo::Host;
    use sockatoo::socket::*;

    if let Ok(name) = std::env::var(JOINS) {
        let host = Host::join(&name).expect("the host");
        let listener = host.socket(AF_UNIX, SOCK_STREAM, 0).expect("a socket");
        listener.bind("\0here").expect("a name");
        listener.listen(1).expect("it listens");
        let client = host.socket(AF_UNIX, SOCK_STREAM, 0).expect("a socket");
        client.connect("\0here").expect("a connection");
        let (server, _) = listener.accept().expect("it");
        let (one, other) = host.socketpair(None, SOCK_STREAM, 0).expect("two");
        for socket in [&client, &server, &one] {
            assert_eq!(socket.peer_credentials().expect("them").pid, std::process::id() as i32);
        }
        one.setsockopt(SOL_SOCKET, SO_PASSCRED, 1).expect("it is asked for");
        other.sendall(b"who", 0).expect("it is sent");
        let message = one.recvmsg(10, 0).expect("it comes");
        let ControlMessage::Credentials(who) = message.control[0] else { panic!("{message:?}") };
        assert_eq!((who.pid, Some(who)), (std::process::id() as i32, one.peer_credentials().ok()));
        return;
    }
    let user = User::new(None);
    user.ok(&["up", "h1"]);
    let again = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "credentials_are_those_of_the_process_that_calls"])
        .env("XDG_RUNTIME_DIR", &user.runtime)
        .env(JOINS, "h1")
        .output()
        .expect("it starts");
    let told = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && told.contains("1 passed"), "{again:?}");
}
