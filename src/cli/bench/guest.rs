//! `sockatoo bench run`: the same programs on the kernel's loopback and under `run`, in turns.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Row, Table};
use crate::cli::doctor;
use crate::cli::say::{self, Trouble};

/// What is measured: the worker's word, the table's title, its unit.
const FIGURES: &[(&str, &str, &str)] = &[
    ("bulk", "a stream, client to server", "MB/s"),
    ("receive", "a stream, server to client", "MB/s"),
    ("round-trip", "a stream's round trip, 64 bytes there and back", "a second"),
    ("connect", "connect, request, answer, close", "a second"),
    ("udp", "datagrams there and back, sendto and recvfrom", "a second"),
    ("udp-connected", "the same on a connected socket, send and recv", "a second"),
    ("call", "a call that is trapped: getsockopt", "a second"),
    ("socket", "socket, bind, close", "a second"),
];

/// Every table: those of our own worker, then of programs that are there.
pub(super) fn tables(rounds: u32, quiet: bool) -> Result<Vec<Table>, Trouble> {
    let tell = |what: &str| {
        if !quiet {
            say::aside(format!("measuring {what} ..."));
        }
    };
    let host = format!("bench-{}", std::process::id());
    let arms = [Arm::Kernel, Arm::Run(host)];
    // The first server keeps the host alive until the last figure is taken.
    let servers = [Server::start(&arms[0])?, Server::start(&arms[1])?];
    let mut tables = Vec::new();
    for (kind, title, unit) in FIGURES {
        tell(title);
        let mut best = [0.0_f64; 2];
        for _ in 0..rounds {
            for ((arm, server), best) in arms.iter().zip(&servers).zip(&mut best) {
                *best = best.max(arm.measure(kind, server.port)?);
            }
        }
        tables.push(table(title, unit, best.map(Some)));
    }
    drop(servers);
    tell("redis-benchmark");
    tables.extend(redis(&arms, rounds)?);
    tell("iperf3");
    tables.extend(iperf(&arms)?);
    Ok(tables)
}

fn table(title: &str, unit: &'static str, [kernel, run]: [Option<f64>; 2]) -> Table {
    let rows = vec![
        Row { per_second: kernel, ..Row::new("kernel", "the kernel's loopback", None) },
        Row { per_second: run, ..Row::new("run", "under sockatoo run", Some("kernel")) },
    ];
    Table { title: title.into(), unit, rows }
}

/// On whose sockets.
enum Arm {
    Kernel,
    /// Of the host of this name.
    Run(String),
}

impl Arm {
    fn command(&self, program: &str) -> Result<Command, Trouble> {
        let own = std::env::current_exe().map_err(|e| Trouble::new(format!("where is this program? {e}")))?;
        let mut command = match self {
            Self::Kernel => Command::new(if program.is_empty() { own.as_os_str() } else { program.as_ref() }),
            Self::Run(host) => {
                let mut command = Command::new(&own);
                command.args(["run", "--on", host, "--"]);
                command.arg(if program.is_empty() { own.as_os_str() } else { program.as_ref() });
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Ok(command)
    }

    /// One figure of our own worker.
    fn measure(&self, kind: &str, port: u16) -> Result<f64, Trouble> {
        let mut command = self.command("")?;
        command.args(["bench", "work", kind, &port.to_string()]);
        let out = command.output().map_err(|e| Trouble::new(format!("the worker did not start: {e}")))?;
        let said = String::from_utf8_lossy(&out.stdout);
        said.trim().parse().map_err(|_| Trouble::new(format!("the worker `{kind}` said {said:?}, no figure")))
    }
}

/// Our own server, until it is dropped.
struct Server {
    child: Child,
    /// Its end is the server's.
    _stdin: Option<ChildStdin>,
    port: u16,
}

impl Server {
    fn start(arm: &Arm) -> Result<Self, Trouble> {
        let mut command = arm.command("")?;
        command.args(["bench", "work", "server"]).stdin(Stdio::piped());
        let mut child =
            command.spawn().map_err(|e| Trouble::new(format!("the server did not start: {e}")))?;
        let stdin = child.stdin.take();
        let mut line = String::new();
        let read = child.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
        match (read, line.trim().parse()) {
            (Some(Ok(_)), Ok(port)) => Ok(Self { child, _stdin: stdin, port }),
            _ => Err(Trouble::new("the server did not tell its port")),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self._stdin = None;
        let _ = self.child.wait();
    }
}

/// How long a program may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);
const REDIS_PORT: u16 = 26_379;
const IPERF_PORT: u16 = 25_201;

fn absent(title: &str, unit: &'static str, program: &str, package: &str) -> Table {
    let mut table = table(title, unit, [None, None]);
    if let Some(row) = table.rows.first_mut() {
        row.note = Some(format!("{program} is not there: `sudo apt-get install {package}`"));
    }
    table
}

/// A server that is no worker of ours: started, waited for, killed at the end.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        crate::sys::signal::terminate(self.0.id());
        let _ = self.0.wait();
    }
}

fn serve(arm: &Arm, program: &str, args: &[&str], port: u16) -> Result<Peer, Trouble> {
    let mut command = arm.command(program)?;
    command.args(args).stdout(Stdio::null());
    let peer = Peer(command.spawn().map_err(|e| Trouble::new(format!("{program} did not start: {e}")))?);
    let end = Instant::now() + PATIENCE;
    loop {
        let there = match arm {
            Arm::Kernel => TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok(),
            Arm::Run(_) => arm.measure("reach", port).is_ok(),
        };
        if there {
            return Ok(peer);
        }
        if Instant::now() > end {
            return Err(Trouble::new(format!("{program} does not listen on port {port}")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn output(arm: &Arm, program: &str, args: &[&str]) -> Result<String, Trouble> {
    let mut command = arm.command(program)?;
    let out = command.args(args).output();
    let out = out.map_err(|e| Trouble::new(format!("{program} did not start: {e}")))?;
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// GET and SET by 50 clients.
fn redis(arms: &[Arm; 2], rounds: u32) -> Result<Vec<Table>, Trouble> {
    const TITLE: &str = "redis-benchmark, 50 clients: ";
    if doctor::find("redis-server").is_none() || doctor::find("redis-benchmark").is_none() {
        return Ok(vec![absent(&format!("{TITLE}GET"), "a second", "redis-server", "redis")]);
    }
    let port = REDIS_PORT.to_string();
    let mut best = [[0.0_f64; 2]; 2];
    for (arm, best) in arms.iter().zip(&mut best) {
        let args =
            ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"];
        let _server = serve(arm, "redis-server", &args, REDIS_PORT)?;
        for _ in 0..rounds.min(3) {
            let said =
                output(arm, "redis-benchmark", &["-p", &port, "-n", "40000", "-t", "get,set", "--csv"])?;
            for (kind, best) in ["\"GET\"", "\"SET\""].iter().zip(best.iter_mut()) {
                let line = said.lines().find(|line| line.starts_with(kind));
                let figure =
                    line.and_then(|line| line.split(',').nth(1)?.trim_matches('"').parse::<f64>().ok());
                *best = best.max(figure.unwrap_or(0.0));
            }
        }
    }
    let [kernel, run] = best;
    let row = |at: usize| [Some(kernel[at]), Some(run[at])];
    Ok(vec![
        table(&format!("{TITLE}GET"), "a second", row(0)),
        table(&format!("{TITLE}SET"), "a second", row(1)),
    ])
}

/// One TCP stream each way.
fn iperf(arms: &[Arm; 2]) -> Result<Vec<Table>, Trouble> {
    if doctor::find("iperf3").is_none() {
        return Ok(vec![absent("iperf3, one stream", "MB/s", "iperf3", "iperf3")]);
    }
    let port = IPERF_PORT.to_string();
    let mut figures = [[None; 2]; 2];
    for (arm, figures) in arms.iter().zip(&mut figures) {
        let _server = serve(arm, "iperf3", &["-s", "-p", &port], IPERF_PORT)?;
        for (way, figure) in [None, Some("-R")].iter().zip(figures) {
            let args = ["-c", "127.0.0.1", "-p", &port, "-t", "1", "-J"];
            let args: Vec<&str> = args.iter().copied().chain(*way).collect();
            let said = output(arm, "iperf3", &args)?;
            let read = serde_json::from_str::<serde_json::Value>(&said).ok();
            *figure = read
                .and_then(|v| v["end"]["sum_received"]["bits_per_second"].as_f64())
                .map(|bits| bits / 8e6);
        }
    }
    let [kernel, run] = figures;
    Ok(vec![
        table("iperf3, one stream", "MB/s", [kernel[0], run[0]]),
        table("iperf3 -R, one stream", "MB/s", [kernel[1], run[1]]),
    ])
}
