//! What `sockatoo run` needs of this machine, each tried: a process of ours takes the place of a program, this one that of its
//! supervisor.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::process::{Child, Command, Stdio};

use super::Finding;
use crate::base::{Errno, Error};
use crate::cli::exit::Exit;
use crate::cli::say;
use crate::guest::{self, Stage, Trouble};
use crate::lab::Netns;
use crate::socket::remote::place;
use crate::sys::privilege::{self, Capability};
use crate::sys::{mirror, pidfd};

pub(super) fn look() -> Vec<Finding> {
    let mut findings = vec![folder()];
    let program = Program::start();
    findings.push(calls(&program));
    if let Ok(program) = &program {
        findings.push(descriptors(program));
    }
    findings.push(rings());
    findings
}

/// Where hosts are found.
fn folder() -> Finding {
    let folder = place::folder();
    let taken = place::Lock::take();
    let runtime = std::env::var("XDG_RUNTIME_DIR").unwrap_or_default();
    let because = match runtime.as_str() {
        dir if !dir.is_empty() && folder.starts_with(dir) => String::new(),
        "" => ": XDG_RUNTIME_DIR is not set".into(),
        dir => format!(": {dir} (XDG_RUNTIME_DIR) is not a folder of this user's alone"),
    };
    let folder = folder.display();
    Finding {
        key: "runtime_dir",
        what: "hosts' folder",
        needed: true,
        ok: taken.is_ok(),
        detail: taken.err().map_or_else(|| format!("{folder}{because}"), |error| error.to_string()),
        mend: format!("remove {folder}, or `export XDG_RUNTIME_DIR=DIR`, a folder of your own with mode 700"),
    }
}

/// A program's process, from seccomp(2) on: its calls would stop.
struct Program {
    process: Child,
    /// The listener's number there.
    listener: RawFd,
}

impl Program {
    fn start() -> Result<Self, Error> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["doctor", "--try-listener"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.stderr(Stdio::null()).spawn()?;
        let mut said = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout).read_line(&mut said)?;
        }
        // It ends with its standard input.
        let mut program = Self { process, listener: -1 };
        match said.split_once(' ').map(|(word, number)| (word, number.trim().parse())) {
            Some(("listener", Ok(number))) => program.listener = number,
            Some(("errno", Ok(number))) => return Err(Errno(number).into()),
            _ => return Err(Errno::EPIPE.with("the process that tried it has ended without a word")),
        }
        Ok(program)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Nobody answers it if it makes a call that stops.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The other side of [`Program::start`].
pub(super) fn listener() -> Exit {
    let listener = guest::listen(false);
    match &listener {
        Ok(listener) => say::line(format!("listener {}", listener.as_raw_fd())),
        Err(error) => say::line(format!("errno {}", error.errno().0)),
    }
    let _ = std::io::stdin().read(&mut [0]);
    Exit::Ok
}

/// What `run` would say where it came no further than this.
fn trouble(stage: Stage, error: &Error) -> (String, String) {
    let Trouble { cause, hint, .. } = Trouble::of(stage, error.errno().0, "");
    (cause, hint.unwrap_or_default())
}

fn calls(program: &Result<Program, Error>) -> Finding {
    let (detail, mend) = match program {
        Ok(_) if privilege::has(Capability::SysAdmin) => ("stop, and can be answered".into(), String::new()),
        Ok(_) => {
            ("stop, and can be answered; setuid programs run without their rights".into(), String::new())
        }
        Err(error) => trouble(Stage::Filter, error),
    };
    Finding {
        key: "seccomp_listener",
        what: "programs' calls",
        needed: true,
        ok: program.is_ok(),
        detail,
        mend,
    }
}

fn descriptors(program: &Program) -> Finding {
    let tid = program.process.id() as i32;
    let borrowed =
        pidfd::open_thread(tid).and_then(|process| pidfd::borrow(process.as_fd(), program.listener));
    // security/yama: 1 = one's descendants, 2 = with CAP_SYS_PTRACE, 3 = nobody.
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let scope = scope.trim();
    let (ok, detail, mend) = match borrowed {
        Ok(_) if scope.is_empty() => (true, "can be worked on".into(), String::new()),
        Ok(_) => (true, format!("can be worked on (kernel.yama.ptrace_scope is {scope})"), String::new()),
        Err(error) => {
            let (detail, mend) = trouble(Stage::Borrow, &error.into());
            let mend = match scope {
                "2" => "`sudo sysctl kernel.yama.ptrace_scope=1`".into(),
                "3" => "kernel.yama.ptrace_scope is 3 until the machine is started anew: set it to 1 in /etc/sysctl.d".into(),
                _ => mend,
            };
            (false, detail, mend)
        }
    };
    Finding { key: "pidfd_getfd", what: "programs' descriptors", needed: true, ok, detail, mend }
}

/// Mirror TAPs, for packet rings: one is made in a namespace of its own.
fn rings() -> Finding {
    /// Any that is free there.
    const INDEX: u32 = 7;
    let made = Netns::new().and_then(|namespace| Ok(namespace.run(|| mirror::tap("sockatoo1", INDEX))??));
    let ok = made.is_ok();
    Finding {
        key: "mirror_tap",
        what: "packet rings",
        needed: false,
        ok,
        detail: match made {
            Ok(_) => "work: tcpdump, nmap and all that uses libpcap".into(),
            Err(error) => {
                format!("don't: tcpdump, nmap and others see nothing of a host ({})", error.errno().text())
            }
        },
        mend: "run as root, or under `unshare -Urn`; `sockatoo sniff --on HOST` needs no rights".into(),
    }
}
