//! Where programs run: on the kernel, or on a host of ours; as root, or as an ordinary user. A place ends with the proof
//! that nothing of it is left.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sockatoo::lab::Netns;

use crate::terminal::{Ended, Terminal};

const SOCKATOO: &str = env!("CARGO_BIN_EXE_sockatoo");

/// Where programs are.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Debian's; one that somebody else's shell puts before it may be out of an ordinary user's reach.
pub const PYTHON: &str = "/usr/bin/python3";

/// Whose sockets the programs have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    Kernel,
    Run,
}

/// Who starts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    Root,
    /// uid 65534, without any right.
    Nobody,
}

const NOBODY: u32 = 65534;

/// A place with a loopback of its own, and perhaps a wire to the kernel.
pub struct Place {
    pub arm: Arm,
    user: User,
    folder: PathBuf,
    /// In which namespace the programs are.
    netns: Option<Netns>,
    /// The kernel at 192.0.2.1 and 2001:db8::1 on the other end of the wire, where there is one.
    peer: Option<Netns>,
}

/// Reason for which a test can't be; under CI=true a failure.
pub fn skipped(why: impl std::fmt::Display) {
    assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "CI must be able to run this: {why}");
    eprintln!("skipped: {why}");
}

/// The program of `go/`, without libc. For those who have asked for `go`.
pub fn static_go() -> PathBuf {
    static MADE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    let make = || {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-program");
        let made = Command::new("go")
            .args(["build", "-o"])
            .args([
                program.as_os_str(),
                concat!(env!("CARGO_MANIFEST_DIR"), "/tests/run/go/main.go").as_ref(),
            ])
            .env("CGO_ENABLED", "0")
            .env("GO111MODULE", "off")
            .env("GOFLAGS", "")
            .env("HOME", env!("CARGO_TARGET_TMPDIR"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        program
    };
    MADE.get_or_init(make).clone()
}

/// True, or the reason is told.
pub fn has(program: &str) -> bool {
    let found = PATH.split(':').any(|folder| Path::new(folder).join(program).exists());
    if !found {
        skipped(format_args!("{program} is not installed (scripts/test gets it)"));
    }
    found
}

pub fn is_root() -> bool {
    // SAFETY: takes nothing, touches nothing.
    (unsafe { libc::geteuid() }) == 0
}

impl Place {
    /// Its loopback only. `None`, and the reason is told, where that can't be.
    pub fn lo(arm: Arm, user: User) -> Option<Self> {
        if user == User::Nobody && !is_root() {
            skipped("another user's programs can be started by root alone");
            return None;
        }
        let netns = match arm {
            Arm::Kernel => Some(Netns::new().map_err(skipped).ok()?),
            Arm::Run => None,
        };
        Some(Self { arm, user, folder: folder(user), netns, peer: None })
    }

    /// Where the programs' host is 192.0.2.2 and 2001:db8::2, and the kernel is at .1 on a wire: a veth pair for the kernel's
    /// arm, a TAP for ours.
    ///
    /// `flags` are more words for the host.
    pub fn wire(arm: Arm, flags: &str) -> Option<Self> {
        let peer = Netns::new().map_err(skipped).ok()?;
        let netns = match arm {
            Arm::Kernel => {
                let ours = Netns::new().unwrap();
                peer.veth("wire0", &ours, "wire1").unwrap();
                for (netns, interface, n) in [(&peer, "wire0", 1), (&ours, "wire1", 2)] {
                    netns.add_address(interface, &format!("192.0.2.{n}/24")).unwrap();
                    netns.add_address(interface, &format!("2001:db8::{n}/64")).unwrap();
                }
                Some(ours)
            }
            Arm::Run => Some(peer.clone()),
        };
        let place = Self { arm, user: User::Root, folder: folder(User::Root), netns, peer: Some(peer) };
        if arm == Arm::Run {
            let up = format!("up lab --tap wire1 --addr 192.0.2.2/24 --addr 2001:db8::2/64 {flags}");
            place.sockatoo(&up).ok();
            let peer = place.peer();
            for address in ["192.0.2.1/24", "2001:db8::1/64"] {
                peer.add_address("wire1", address).unwrap();
            }
            peer.set_up("wire1").unwrap();
        }
        Some(place)
    }

    /// Two hosts on one wire, whose interfaces are `near0` and `far0`: two namespaces with a veth pair, or hosts of ours whose TAPs a
    /// bridge connects. Each gets an address, if it is not `""`. Programs of the second start by [`Place::far`].
    pub fn lan(arm: Arm, near: &str, far: &str) -> Option<Self> {
        let peer = Netns::new().map_err(skipped).ok()?;
        let both = [("near0", near), ("far0", far)];
        let ip = |netns: &Netns, words: &str| {
            let done = netns.command("ip").args(words.split_whitespace()).env("PATH", PATH).status();
            assert!(done.is_ok_and(|status| status.success()), "ip {words}");
        };
        let netns = match arm {
            Arm::Kernel => {
                let ours = Netns::new().unwrap();
                ours.veth("near0", &peer, "far0").unwrap();
                for (netns, (interface, address)) in [&ours, &peer].into_iter().zip(both) {
                    if !address.is_empty() {
                        netns.add_address(interface, address).unwrap();
                    }
                    netns.set_up(interface).unwrap();
                }
                ours
            }
            Arm::Run => peer.clone(),
        };
        let folder = folder(User::Root);
        let place = Self { arm, user: User::Root, folder, netns: Some(netns), peer: Some(peer) };
        if arm == Arm::Run {
            ip(place.peer(), "link add bridge0 up type bridge mcast_snooping 0");
            for (host, (tap, address)) in ["lab", "far"].into_iter().zip(both) {
                let address = if address.is_empty() { String::new() } else { format!("--addr {address}") };
                place.sockatoo(&format!("up {host} --tap {tap} {address}")).ok();
                ip(place.peer(), &format!("link set {tap} up master bridge0"));
            }
        }
        Some(place)
    }

    /// The kernel on the other end of the wire.
    pub fn peer(&self) -> &Netns {
        self.peer.as_ref().expect("a place with a wire")
    }

    /// Opens a terminal and starts a program of the place in it.
    pub fn terminal(&self, program: &str, arguments: &[&str]) -> Terminal {
        let mut command = match self.arm {
            Arm::Kernel => self.command(program),
            Arm::Run => self.run("lab", program),
        };
        command.args(arguments);
        Terminal::open(command)
    }

    /// The same on the second host of [`Place::lan`].
    pub fn far(&self, program: &str, arguments: &[&str]) -> Terminal {
        let mut command = match self.arm {
            Arm::Kernel => self.prepared(self.peer().command(program)),
            Arm::Run => self.run("far", program),
        };
        command.args(arguments);
        Terminal::open(command)
    }

    fn run(&self, host: &str, program: &str) -> Command {
        let mut command = self.command(SOCKATOO);
        command.args(["run", "--on", host, "--", program]);
        command
    }

    /// One of the Python programs of `python/`, with its arguments.
    pub fn python(&self, words: &str) -> Terminal {
        let mut words = words.split_whitespace();
        let script = format!("{}/tests/run/python/{}", env!("CARGO_MANIFEST_DIR"), words.next().unwrap());
        let copy = self.folder.join("work").join(Path::new(&script).file_name().unwrap());
        // Copied once: another program may be reading it.
        if !copy.exists() {
            fs::copy(&script, &copy).unwrap_or_else(|error| panic!("{script}: {error}"));
        }
        let mut arguments = vec![copy.to_str().unwrap()];
        arguments.extend(words);
        self.terminal(PYTHON, &arguments)
    }

    /// A program of the kernel's side of the wire.
    pub fn peer_terminal(&self, line: &str) -> Terminal {
        let (program, arguments) = words(line);
        let mut command = self.peer().command(program);
        command.args(arguments).current_dir(self.work()).env("PATH", PATH).env("LC_ALL", "C.UTF-8");
        command.env("PYTHONUNBUFFERED", "1").env("PLACE", &self.folder);
        Terminal::open(command)
    }

    /// [`Place::terminal`] for a command line without quotes.
    pub fn line(&self, line: &str) -> Terminal {
        let (program, arguments) = words(line);
        self.terminal(program, &arguments)
    }

    /// `sockatoo` itself, as the place's user.
    pub fn sockatoo(&self, words: &str) -> Ended {
        self.sockatoo_words(&words.split_whitespace().collect::<Vec<_>>())
    }

    /// The same with words that have spaces in them.
    pub fn sockatoo_words(&self, words: &[&str]) -> Ended {
        let mut command = self.command(SOCKATOO);
        command.args(words);
        Terminal::open(command).end()
    }

    /// Where its programs work.
    pub fn work(&self) -> PathBuf {
        self.folder.join("work")
    }

    /// Processes of the place: those that have its folder in their environment.
    pub fn processes(&self) -> Vec<(i32, String)> {
        let marked = self.folder.to_str().unwrap().as_bytes();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            if environment.windows(marked.len()).any(|window| window == marked) {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                found.push((pid, String::from_utf8_lossy(&line).replace('\0', " ")));
            }
        }
        found
    }

    fn command(&self, program: &str) -> Command {
        let start = |program: &str| match &self.netns {
            Some(netns) => netns.command(program),
            None => Command::new(program),
        };
        let command = match self.user {
            User::Root => start(program),
            User::Nobody => {
                let mut command = start("setpriv");
                command.args(["--reuid=65534", "--regid=65534", "--clear-groups", program]);
                command
            }
        };
        self.prepared(command)
    }

    /// With the place's folders and environment.
    fn prepared(&self, mut command: Command) -> Command {
        command
            .current_dir(self.folder.join("work"))
            .env("XDG_RUNTIME_DIR", self.folder.join("runtime"))
            .env("HOME", self.folder.join("work"))
            .env("LC_ALL", "C.UTF-8")
            .env("PATH", PATH)
            .env("PYTHONUNBUFFERED", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env_remove("SOCKATOO_HOST")
            .env_remove("PYTHONPATH");
        command
    }

    /// Ends the host, if it is still there, and fails if anything is left.
    pub fn leave(self) {
        if self.arm == Arm::Run {
            let down = self.sockatoo("down --all");
            assert_eq!(down.status, 0, "{down:?}");
        }
        let end = Instant::now() + Duration::from_secs(30);
        while !self.processes().is_empty() && Instant::now() < end {
            std::thread::yield_now();
        }
        assert!(self.processes().is_empty(), "left behind: {:?}", self.processes());
        let files: Vec<_> = walk(&self.folder.join("runtime"));
        assert!(files.is_empty(), "left behind: {files:?}");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() && self.arm == Arm::Run {
            for look in ["ls", "ss --on lab", "stat --on lab"] {
                let mut command = self.command(SOCKATOO);
                command.args(look.split_whitespace()).stdin(Stdio::null());
                if let Ok(done) = command.output() {
                    eprintln!("--- {look}\n{}", String::from_utf8_lossy(&done.stdout));
                }
            }
        }
        for (pid, _) in self.processes() {
            // SAFETY: takes no pointers; the process is marked as this place's own.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Files and sockets below a folder; folders themselves may stay.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.flat_map(|e| if e.path().is_dir() { walk(&e.path()) } else { vec![e.path()] }).collect()
}

/// A folder of the user's own, with `work` and `runtime` in it.
fn folder(user: User) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("sockatoo-run-{}-{n}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    for (name, mode) in [("work", 0o755), ("runtime", 0o700)] {
        let path = folder.join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        if user == User::Nobody {
            chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    folder
}

/// `SOCKATOO_ARM=kernel`: a new test is first tried there.
pub fn only_kernel() -> bool {
    std::env::var("SOCKATOO_ARM").is_ok_and(|arm| arm == "kernel")
}

/// Plays `body` on the kernel and under `run`, and compares what it tells.
pub fn same(user: User, body: fn(&Place) -> String) {
    let play = |arm| {
        if only_kernel() && arm == Arm::Run {
            return None;
        }
        let place = Place::lo(arm, user)?;
        let told = body(&place);
        place.leave();
        Some(told)
    };
    if let (Some(kernel), Some(ours)) = (play(Arm::Kernel), play(Arm::Run)) {
        assert_eq!(ours, kernel, "ours (left) and the kernel's (right)");
    }
}

fn words(line: &str) -> (&str, Vec<&str>) {
    let mut words = line.split_whitespace();
    (words.next().unwrap(), words.collect())
}

/// Plays `body` over a wire, with the kernel's sockets against the kernel, then with ours. It compares by itself.
pub fn over_a_wire(programs: &[&str], body: impl Fn(&Place)) {
    if !programs.iter().all(|program| has(program)) {
        return;
    }
    for arm in [Arm::Kernel, Arm::Run] {
        if only_kernel() && arm == Arm::Run {
            return;
        }
        let Some(place) = Place::wire(arm, "") else { return };
        eprintln!("on {arm:?}");
        body(&place);
        place.leave();
    }
}

/// Declares tests that are played as root and as an ordinary user.
macro_rules! users {
    ($($(#[$doc:meta])* fn $name:ident($place:ident) $body:block)*) => {$(
        $(#[$doc])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            fn body($place: &$crate::place::Place) -> String $body
            #[test]
            fn root() {
                $crate::place::same($crate::place::User::Root, body);
            }
            #[test]
            fn nobody() {
                $crate::place::same($crate::place::User::Nobody, body);
            }
        }
    )*};
}
pub(crate) use users;
