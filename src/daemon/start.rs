//! How a process comes to a host: it joins one that runs, or starts one.

use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::base::{Errno, Error, Result};
use crate::socket::remote::connection::{absent, call_at};
use crate::socket::remote::{Ask, Connection, Request, place, protocol};
use crate::sys::unix;
use crate::sys::{descriptor, random, session};

/// The name that asks for a host of one's own.
pub(crate) const NEW: &str = "new";

/// Which host is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Its name; [`NEW`] asks for one that nobody else has.
    pub(crate) name: String,
    /// The flags of its wire, as `sockatoo up` takes them; normalised, so that equal means equal. Empty: any host of that name
    /// will do, and one that has to be started has its loopback only.
    pub(crate) flags: Vec<String>,
    /// It stays until `down`; else it ends with its last client, descriptor and connection.
    pub(crate) stays: bool,
}

/// Why there is no host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum NotStarted {
    Error(Error),
    /// What the host's process said, in words.
    Said {
        errno: Option<Errno>,
        cause: String,
        hint: Option<String>,
    },
}

impl From<Error> for NotStarted {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// What a host's process says to who started it, once.
pub(super) type Report = std::result::Result<(), NotStarted>;

/// Ends the host of this name, and waits until its process has ended, whose number it gives. ENOENT if it does not run; ETIMEDOUT
/// if it does not answer.
pub(crate) fn end(name: &str) -> Result<i32> {
    // Without a word of greeting: a host of another version is ended too.
    let fd = call_at(&place::socket_of(name)?).map_err(|error| absent(name, error))?;
    let pid = unix::peer_credentials(fd.as_fd())?.pid;
    let bytes = protocol::encode(&Request { tag: 0, ask: Ask::Down })?;
    protocol::send(fd.as_fd(), &bytes, &[], 0)?;
    let mut answer = [0; 64];
    loop {
        match descriptor::recv(fd.as_fd(), &mut answer, 0) {
            Ok(1..) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(Errno::ETIMEDOUT.with(format!(
                    "the host does not answer: its process is stopped, or hangs; `kill -9 {pid}` ends it"
                )));
            }
            _ => return Ok(pid),
        }
    }
}

/// Joins the host that is wanted; starts it if it does not run. True if it was started.
///
/// It is started as a daemon(7): not a child of this process. A process that gathers its orphans (PR_SET_CHILD_SUBREAPER) should
/// do so only afterwards.
///
/// # Errors
/// EEXIST: a host of that name runs, and has other flags. Else what the host's process says.
pub(crate) fn start(wanted: &Wanted) -> std::result::Result<(Connection, bool), NotStarted> {
    let name = match wanted.name.as_str() {
        NEW => unheard_of()?,
        name => name.to_owned(),
    };
    let mut started = false;
    loop {
        match Connection::join(&name) {
            Ok(mut host) => {
                if !started {
                    agree(&host, wanted)?;
                }
                if wanted.stays && !host.facts().stays {
                    host.call(Ask::Stay, &[])?;
                }
                return Ok((host, started));
            }
            Err(error) if error.errno() != Errno::ENOENT => return Err(error.into()),
            // It was there, and has ended.
            Err(error) if started => return Err(error.into()),
            Err(_) => {}
        }
        match spawn(&name, wanted) {
            Ok(()) => started = true,
            // Somebody else was faster.
            Err(NotStarted::Said { errno: Some(Errno::EADDRINUSE), .. }) => {}
            Err(said) => return Err(said),
        }
    }
}

/// The flags that are wanted are those that the host has.
fn agree(host: &Connection, wanted: &Wanted) -> Result<()> {
    let facts = host.facts();
    if wanted.flags.is_empty() || wanted.flags == facts.flags {
        return Ok(());
    }
    let has = if facts.flags.is_empty() { "no flags".into() } else { format!("`{}`", facts.flags.join(" ")) };
    Err(Errno::EEXIST.with(format!(
        "the host `{name}` runs already, with {has}, not `{}`: leave the flags away to join it, take another by `--on`, or end it by `sockatoo \
         down {name}`",
        wanted.flags.join(" "),
        name = facts.name,
    )))
}

/// A name that no host has.
fn unheard_of() -> Result<String> {
    let mut lot = [0; 6];
    random::getrandom(&mut lot)?;
    Ok(lot.iter().fold("new-".to_owned(), |name, byte| format!("{name}{byte:02x}")))
}

/// Starts the host's process, and hears its report.
fn spawn(name: &str, wanted: &Wanted) -> Report {
    // Where the file that this program was started from is gone, its inode still is there.
    let program = std::env::current_exe().ok().filter(|program| program.exists());
    let mut command = Command::new(program.unwrap_or_else(|| "/proc/self/exe".into()));
    command.arg0("sockatoo").args(["up", "--foreground", "--detached"]);
    if !wanted.stays {
        command.arg("--transient");
    }
    command.args(&wanted.flags).arg("--").arg(name);
    // Its standard output is where it reports; what it has to say meanwhile goes where our own words go.
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    session::detach(&mut command);
    let no_process = |error: std::io::Error| Error::from(error).detail("can't start the host's process");
    let mut child = command.spawn().map_err(no_process)?;
    let mut said = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        // The report ends when its process ends, or goes into the background.
        stdout.take(protocol::LONGEST as u64).read_to_end(&mut said).map_err(no_process)?;
    }
    // The one that the host's process was born from: it has ended already.
    child.wait().map_err(no_process)?;
    match protocol::decode::<Report>(&said) {
        Ok(report) => report,
        Err(_) => Err(Errno::EPIPE.with("the host's process has ended without a word").into()),
    }
}
