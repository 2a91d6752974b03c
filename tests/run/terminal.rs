//! A program in a terminal of its own: what it prints is kept line by line, waits are bounded, and it never outlives its test.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest wait for anything. Generous: the machine may be busy.
const BOUND: Duration = Duration::from_secs(60);

/// What a program has printed so far, both streams.
#[derive(Default)]
struct Said {
    out: Vec<u8>,
    err: Vec<u8>,
    /// Streams that have ended.
    ended: usize,
}

/// A running program.
pub struct Terminal {
    what: String,
    child: Child,
    stdin: Option<ChildStdin>,
    said: Arc<(Mutex<Said>, Condvar)>,
    readers: Vec<JoinHandle<()>>,
    bound: Duration,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// As a shell says it: 128 + n for signal n.
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// Standard output of a program that must have succeeded.
    pub fn ok(self) -> String {
        assert_eq!(self.status, 0, "{self:?}");
        self.out
    }
}

impl Terminal {
    /// Starts the program, in a process group of its own as a shell does.
    pub fn open(mut command: Command) -> Self {
        let what = format!("{command:?}");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{what}: {error}"));
        let said = Arc::new((Mutex::new(Said::default()), Condvar::new()));
        let out = reader(child.stdout.take().unwrap(), said.clone(), |said| &mut said.out);
        let err = reader(child.stderr.take().unwrap(), said.clone(), |said| &mut said.err);
        let stdin = child.stdin.take();
        Self { what, child, stdin, said, readers: vec![out, err], bound: BOUND }
    }

    /// Lets everything take longer: programs that are bounded by themselves.
    pub fn patient(mut self, bound: Duration) -> Self {
        self.bound = bound;
        self
    }

    /// Process of the program, or of its `sockatoo run`.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Waits until the program has printed `words`, on either stream.
    pub fn wait_for(&self, words: &str) -> &Self {
        if !self.waits_for(words, self.bound) {
            let said = self.said.0.lock().unwrap();
            panic!("{} has not said {words:?}:\n{}\n{}", self.what, text(&said.out), text(&said.err));
        }
        self
    }

    /// True if the program prints `words` within the time given; false at once if its streams have ended without.
    pub fn waits_for(&self, words: &str, within: Duration) -> bool {
        let (said, news) = &*self.said;
        let missing =
            |said: &mut Said| said.ended < 2 && !contains(&said.out, words) && !contains(&said.err, words);
        let said = news.wait_timeout_while(said.lock().unwrap(), within, missing).unwrap().0;
        contains(&said.out, words) || contains(&said.err, words)
    }

    /// Types a line. A program that has left reads nothing.
    pub fn types(&self, line: &str) -> &Self {
        let mut stdin = self.stdin.as_ref().unwrap();
        let _ = stdin.write_all(format!("{line}\n").as_bytes());
        self
    }

    /// Sends a signal to the program; a `run` hands it on.
    pub fn signal(&self, signal: i32) -> &Self {
        self.kill(self.pid(), signal)
    }

    fn kill(&self, process: i32, signal: i32) -> &Self {
        // SAFETY: takes no pointers; the process, or its group, is that of a child that was not waited for yet.
        assert_eq!(unsafe { libc::kill(process, signal) }, 0, "{}", self.what);
        self
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        drop(self.stdin.take());
        let end = Instant::now() + self.bound;
        // Its streams end when the last process that has them ends; waiting for them is waiting for readiness.
        let (said, news) = &*self.said;
        let mut now = said.lock().unwrap();
        while now.ended < 2 {
            let left = end.saturating_duration_since(Instant::now());
            let (out, err) = (text(&now.out), text(&now.err));
            assert!(!left.is_zero(), "{} does not end:\n{out}\n{err}", self.what);
            now = news.wait_timeout(now, left).unwrap().0;
        }
        drop(now);
        let status = self.child.wait().unwrap();
        let said = said.lock().unwrap();
        let status = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        Ended { status, out: text(&said.out), err: text(&said.err) }
    }

    /// Ends a server: SIGINT, then its end.
    pub fn interrupt(self) -> Ended {
        self.signal(libc::SIGINT);
        self.end()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.kill(-self.pid(), libc::SIGKILL);
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            let said = self.said.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            eprintln!("--- {}\n{}\n{}", self.what, text(&said.out), text(&said.err));
        } else {
            self.readers.drain(..).for_each(|reader| drop(reader.join()));
        }
    }
}

fn reader(
    stream: impl Read + Send + 'static,
    said: Arc<(Mutex<Said>, Condvar)>,
    which: fn(&mut Said) -> &mut Vec<u8>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            which(&mut said.0.lock().unwrap()).append(&mut line);
            said.1.notify_all();
        }
        said.0.lock().unwrap().ended += 1;
        said.1.notify_all();
    })
}

fn contains(said: &[u8], words: &str) -> bool {
    said.windows(words.len()).any(|window| window == words.as_bytes())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
