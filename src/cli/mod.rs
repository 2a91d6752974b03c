//! The command tree, its exit codes, and the only printing of the crate.
//!
//! | file | what |
//! |---|---|
//! | `args/` | every command and flag: help, completions and man pages come from here |
//! | `host.rs` | the flags that make a host (`-i`, `--tap`, `--addr` ...), and the host |
//! | `up.rs` | `sockatoo up`: a host in a process of its own |
//! | `down.rs` | `sockatoo down` |
//! | `ls.rs` | `sockatoo ls` |
//! | `demo/` | `sockatoo demo`: a page is fetched, and shown on the wire |
//! | `run.rs` | `sockatoo run`: unmodified programs |
//! | `look/` | `sockatoo ss`, `addr`, `route`, `neigh`, `stat`: looking into a running host |
//! | `ping.rs` | `sockatoo ping` |
//! | `arp.rs` | `sockatoo arp` |
//! | `scan.rs` | `sockatoo scan` |
//! | `targets.rs` | hosts and ports as people write them: networks, ranges, lists |
//! | `traceroute.rs` | `sockatoo traceroute` |
//! | `nc.rs` | `sockatoo nc` |
//! | `craft/` | `sockatoo craft`: packets from an expression, shown in every way, and sent |
//! | `sniff/` | `sockatoo sniff`: frames of wires and files |
//! | `replay.rs` | `sockatoo replay`: a capture is sent |
//! | `diff.rs` | `sockatoo diff`: two captures, field by field |
//! | `packet_json.rs` | a packet with all its fields in JSON |
//! | `bench/` | `sockatoo bench`: our figures beside others' |
//! | `checksum.rs` | `sockatoo checksum`: a sum worked out by hand |
//! | `doctor/` | `sockatoo doctor`: what this machine allows |
//! | `progress.rs` | one line that tells how far it is |
//! | `say.rs` | printing, colours, errors with a hint |
//! | `exit.rs` | the exit codes |
//! | `interrupt.rs` | Ctrl-C |
//!
//! Nobody imports it but `main.rs`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod arp;
mod bench;
mod checksum;
mod craft;
mod demo;
mod diff;
mod doctor;
mod down;
mod exit;
mod host;
mod interrupt;
mod look;
mod ls;
mod nc;
mod packet_json;
mod ping;
mod progress;
mod replay;
mod run;
mod say;
mod scan;
mod sniff;
mod targets;
mod traceroute;
mod up;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Command};
use exit::Exit;
use say::Trouble;

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // To standard output for --help, to standard error for mistakes.
            let _ = error.print();
            return if error.use_stderr() { Exit::Trouble } else { Exit::Ok }.into();
        }
    };
    let json = cli.json;
    let done = match cli.command {
        Command::Demo(args) => demo::run(&args, json),
        Command::Up(args) => up::run(&args, json),
        Command::Down(args) => down::run(&args, json),
        Command::Ls => ls::run(json),
        Command::Run(args) => run::run(&args, json),
        Command::Ss(args) => look::ss::run(&args, json),
        Command::Addr(args) => look::addr::run(&args, json),
        Command::Route(args) => look::route::run(&args, json),
        Command::Neigh(args) => look::neigh::run(&args, json),
        Command::Stat(args) => look::stat::run(&args, json),
        Command::Ping(args) => ping::run(&args, json),
        Command::Arp(args) => arp::run(&args, json),
        Command::Scan(args) => scan::run(&args, json),
        Command::Traceroute(args) => traceroute::run(&args, json),
        Command::Nc(args) => nc::run(&args, json),
        Command::Craft(args) => craft::run(&args, json),
        Command::Sniff(args) => sniff::run(&args, json),
        Command::Replay(args) => replay::run(&args, json),
        Command::Diff(args) => diff::run(&args, json),
        Command::Bench(args) => bench::run(&args, json),
        Command::Checksum(args) => checksum::run(&args, json),
        Command::Doctor(args) => doctor::run(&args, json),
        Command::Completions { shell } => completions(shell),
        Command::Man { dir } => man(&dir),
    };
    interrupt::yield_to_interrupt();
    match done {
        Ok(exit) => exit.into(),
        Err(trouble) => {
            say::trouble(&trouble, json);
            trouble.exit.into()
        }
    }
}

fn completions(shell: clap_complete::Shell) -> Result<Exit, Trouble> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sockatoo", &mut script);
    say::raw(&script);
    Ok(Exit::Ok)
}

fn man(dir: &std::path::Path) -> Result<Exit, Trouble> {
    std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(Cli::command(), dir)).map_err(
        |e| Trouble::new(format!("can't write to {}: {e}", dir.display())).hint("name another directory"),
    )?;
    Ok(Exit::Ok)
}
