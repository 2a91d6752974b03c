//! Every command and flag. Help, completions and man pages come from here.
//!
//! | file | what |
//! |---|---|
//! | `craft.rs` | `sockatoo craft` |
//! | `sniff.rs` | `sockatoo sniff` |
//! | `diff.rs` | `sockatoo diff` |
//! | `replay.rs` | `sockatoo replay` |
//! | `send.rs` | what commands that send packets share |
//! | `checksum.rs` | `sockatoo checksum` |
//! | `look.rs` | `sockatoo ss`, `addr`, `route`, `neigh`, `stat` |
//! | `hosts.rs` | `sockatoo up`, `down`, `ls`, and the flags of a host that others join |
//! | `arp.rs` | `sockatoo arp` |
//! | `scan.rs` | `sockatoo scan` |
//! | `run.rs` | `sockatoo run` |
//! | `traceroute.rs` | `sockatoo traceroute` |
//! | `bench.rs` | `sockatoo bench` |
//!
//! Here are the tree, what all commands share, and the flags of the smaller ones.

mod arp;
mod bench;
mod checksum;
mod craft;
mod diff;
mod hosts;
mod look;
mod replay;
mod run;
mod scan;
mod send;
mod sniff;
mod traceroute;

pub(in crate::cli) use arp::ArpArgs;
pub(in crate::cli) use bench::{Bench, BenchArgs, Work, WorkArgs};
pub(in crate::cli) use checksum::ChecksumArgs;
pub(in crate::cli) use craft::{BeginsWith, CraftArgs, Language, ViewArgs};
pub(in crate::cli) use diff::DiffArgs;
pub(in crate::cli) use hosts::{DownArgs, Raw, ServedArgs, UpArgs};
pub(in crate::cli) use look::{OnArgs, SsArgs, StatArgs, WordsArgs};
pub(in crate::cli) use replay::ReplayArgs;
pub(in crate::cli) use run::RunArgs;
pub(in crate::cli) use scan::{Method, ScanArgs};
pub(in crate::cli) use send::{PaceArgs, SendArgs};
pub(in crate::cli) use sniff::{SniffArgs, Way};
pub(in crate::cli) use traceroute::TracerouteArgs;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};

use crate::base::Cidr;
use crate::base::constants::{AF_INET, AF_INET6, AF_UNSPEC};
use crate::device::Impairment;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// A TCP/IP stack of your own, in userspace, with the sockets that you know
#[derive(Debug, Parser)]
#[command(name = "sockatoo", version, styles = STYLES, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "Begin with `sockatoo demo`. Short flags are those of the originals (ping, nc). \
    Exit codes: 0 done, 1 it ran and the answer is no, 2 it could not run, 130 Ctrl-C.")]
pub(in crate::cli) struct Cli {
    /// Answer in JSON, one object per line, each with a "version"
    #[arg(long, global = true, display_order = 900)]
    pub(in crate::cli) json: bool,
    #[command(subcommand)]
    pub(in crate::cli) command: Command,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Fetch a page through our own stack, and show what happened on the wire
    #[command(
        after_help = "Makes a network namespace of its own with a TAP in it, starts python3's http.server on the kernel's \
        side, and fetches its page through Sockatoo's sockets. Where that is not allowed, two Sockatoo hosts do the same over a \
        cable in memory. Nothing is left behind."
    )]
    Demo(DemoArgs),
    /// Start a host that other commands and programs join, and that stays
    #[command(mut_arg("interface", |arg| arg.short('i')))]
    #[command(mut_arg("on", |arg| arg.hide(true).conflicts_with("name")))]
    #[command(
        after_help = "A host is a network station of its own: addresses, ports, connections. It lives in a process of its own until \
        `sockatoo down`. Without a wire it has its loopback, and needs no privilege. If it runs already with the same flags, that is \
        fine; with others it is an error. Exit code: 0 it is up, 2 it could not be started."
    )]
    Up(UpArgs),
    /// End hosts, and wait until they are gone
    #[command(
        after_help = "Connections of programs that are still there are reset; those that were closed before have a second to finish. \
        The socket, the TAP and the process are gone when this returns; a recording is complete. Exit code: 0 they are gone, 1 one was \
        not there."
    )]
    Down(DownArgs),
    /// List the hosts that run
    #[command(
        after_help = "A name is what `--on` wants. UP is since when, SOCKETS how many there are, FLAGS are those of `up` and `run`; \
        --json tells more. Try `sockatoo ss --on NAME`, `sockatoo addr --on NAME`."
    )]
    Ls,
    /// Run a program, unmodified, on the sockets of a host of ours
    #[command(mut_arg("interface", |arg| arg.short('i')))]
    #[command(mut_arg("on", |arg| arg.help("The host whose guest the program is: joined if it runs, else started; `new` is one for \
        this run alone [default: $SOCKATOO_HOST, else `default`]")))]
    #[command(
        after_help = "Try `sockatoo run -- python3 server.py` in one terminal and `sockatoo run -- python3 client.py` in another: \
        both are guests of the host `default`, and talk over its 127.0.0.1. `sockatoo ss -tan` looks on. Nothing of the program is \
        changed; it is no sandbox. Its SOCKATOO_HOST is its host, so that `sockatoo` in a shell under `run` speaks of the same. The \
        host ends by itself behind its last program and connection, unless `sockatoo up` has made it stay. \
        Exit code: the program's own (128 and the signal's number, if one ended it), 127 no such program, 126 it can't be run, 2 no host."
    )]
    Run(RunArgs),
    /// Show the sockets and connections of a running host, as ss does
    #[command(
        after_help = "Try `sockatoo ss -tan`. Connections that have outlived their sockets, and those that nobody has accepted yet, \
        are there too. Without -a or -l it shows what is connected."
    )]
    Ss(SsArgs),
    /// Show and change the addresses of a running host, as `ip addr` does
    #[command(after_help = "addr [show [dev IF]] | add CIDR dev IF | del CIDR dev IF | flush dev IF. \
        Try `sockatoo addr add 192.0.2.5/24 dev eth0`.")]
    Addr(WordsArgs),
    /// Show and change the routes of a running host, as `ip route` does
    #[command(
        after_help = "route [show [dev IF]] | add NETWORK [via IP] [dev IF] | replace ... | del NETWORK [via IP] | get IP. \
        Try `sockatoo route add default via 192.0.2.1`."
    )]
    Route(WordsArgs),
    /// Show and change the neighbours of a running host, as `ip neigh` does
    #[command(
        after_help = "neigh [show [dev IF]] | add IP lladdr MAC dev IF | replace ... | del IP dev IF | get IP dev IF | \
        flush [dev IF]. What is added is permanent. Try `sockatoo neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth0`."
    )]
    Neigh(WordsArgs),
    /// Show how often what happened on a running host: drops, refusals, retransmissions
    #[command(
        after_help = "Try `sockatoo stat --why tcp`. Every drop, reset and error of a host has its counter."
    )]
    Stat(StatArgs),
    /// Send echo requests and show who answers how fast, as ping does
    #[command(mut_arg("interface", |arg| arg.short('I')))]
    #[command(
        after_help = "Without a wire the host has its loopback only: `sockatoo ping 127.0.0.1`. The interface is -I here, \
        since ping has another use for -i. Exit code: 0 somebody answered, 1 nobody did, 2 it could not run."
    )]
    Ping(PingArgs),
    /// Find out which ports of hosts are open, as nmap does
    #[command(mut_arg("interface", |arg| arg.short('i')))]
    #[command(
        after_help = "Every target is asked, there or not (nmap's -Pn). What a SYN begins is ended by RST: by our stack, or on \
        the kernel's own station by the kernel. Linux says \"port unreachable\" once a second: so many closed UDP ports take so \
        many seconds, unless --max-retries 0 believes their silence. Exit code: 0 somebody answered, 1 nobody did, 2 it could not run."
    )]
    Scan(ScanArgs),
    /// Show the routers on the way to a host, as traceroute does
    #[command(mut_arg("interface", |arg| arg.short('i')))]
    #[command(
        after_help = "The marks are the original's: !H !N !P no way to host, network, protocol; !X forbidden; !F-N larger than \
        the next link's N bytes; * no answer. Exit code: 0 the host was reached, 1 it was not, 2 it could not run."
    )]
    Traceroute(TracerouteArgs),
    /// Find out who is on our own link, by ARP and neighbour discovery, as arping and arp-scan do
    #[command(mut_arg("interface", |arg| arg.short('I')))]
    #[command(
        after_help = "Try `sockatoo arp -I eth0 192.0.2.0/24`. (DUP!) stands where two stations have one address. The interface is \
        -I here, as arping's. Exit code: 0 somebody answered, 1 nobody did (with -D the other way round), 2 it could not run."
    )]
    Arp(ArpArgs),
    /// Carry standard input and output over TCP or UDP, as netcat does
    #[command(mut_arg("interface", |arg| arg.short('i')))]
    #[command(
        override_usage = "sockatoo nc [OPTIONS] HOST PORT\n       sockatoo nc -l [OPTIONS] [ADDRESS] PORT",
        after_help = "It ends when the other side has sent its last byte. With --json the bytes carried are counted on \
        standard error."
    )]
    Nc(NcArgs),
    /// Build packets from an expression, show them in every way, send them
    #[command(mut_arg("interface", |arg| arg.short('i')))]
    #[command(mut_arg("pcap", |arg| arg
        .help("Write the packets into this file, for Wireshark, tshark or tcpdump; sending, all that went and came")))]
    #[command(
        after_help = "Try `sockatoo craft --explain 'ip(dst=192.0.2.1)/tcp(dport=80, flags=S)'`. What you don't set is filled in \
        (lengths, checksums); what you set stays, right or wrong. Ranges (ttl=1..30) and lists (dport=[22,80]) make many packets. \
        Nothing is sent without --send, --answers, --loop or --flood. With a wire, sources and stations are those of its host. \
        Exit code: 0 all was sent (--answers: somebody answered), 1 not so, 2 trouble."
    )]
    Craft(CraftArgs),
    /// Show the frames of a wire or a file, or write them into one, as tcpdump does
    #[command(mut_arg("interface", |arg| arg.short('i')))]
    #[command(
        after_help = "Try `sockatoo sniff -i eth0 'tcp port 80'`, `sockatoo sniff -r FILE --tree`, `sockatoo sniff -i eth0 -w - | \
        wireshark -k -i -`. The filter is libpcap's language (`man pcap-filter`). Without --addr an interface is watched as the \
        kernel uses it, both directions. Ctrl-C ends it, with statistics and exit code 0."
    )]
    Sniff(SniffArgs),
    /// Send a capture, at its own pace or any other, with other addresses
    #[command(mut_arg("interface", |arg| arg.short('i')))]
    #[command(
        after_help = "Ethernet frames go out on the wire as they are, IP packets (a capture without Ethernet headers) wherever the \
        host's routes lead. Frames that the capture does not hold whole are passed over. Exit code: 0 all was sent, 1 some was \
        not, 2 trouble."
    )]
    Replay(ReplayArgs),
    /// Compare two captures, packet by packet and field by field
    #[command(
        after_help = "Packets are paired by what is in them, so that one more or less does not move the others; times are not \
        compared. Exit code: 0 they are the same, 1 they differ, 2 trouble."
    )]
    Diff(DiffArgs),
    /// Measure, beside the kernel and others, in the same run
    Bench(BenchArgs),
    /// Work out an Internet checksum by hand, step by step
    #[command(
        after_help = "Try `sockatoo checksum 00 01 f2 03 f4 f5 f6 f7` (the example of RFC 1071), or a packet, each of whose \
        checksums is worked out: `sockatoo checksum 'ip(dst=192.0.2.1)/udp(dport=53)/\"hello\"'`. A file that holds \
        hexadecimal is read as such, any other as it is. Exit code: 0, or 1 if a checksum in the packet is wrong."
    )]
    Checksum(ChecksumArgs),
    /// Tell what this machine allows, and the command that mends what is missing
    Doctor(DoctorArgs),
    /// Print a shell's completion script
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a directory
    #[command(hide = true)]
    Man {
        /// Where to
        dir: PathBuf,
    },
}

/// The flags that make a host, the same for every command that needs one. The interface has the short flag `-i`, or `-I` where
/// the original has another use for `-i` (ping).
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "The host and its wire")]
pub(in crate::cli) struct HostArgs {
    /// Act from this running host, see `sockatoo ls`; `new` is one for this command alone [default: $SOCKATOO_HOST, else new]
    #[arg(long, value_name = "HOST")]
    pub(in crate::cli) on: Option<String>,
    /// Use this interface: an existing TAP as a TAP; any other with a station of our own if --addr is given, else as the kernel
    /// stands on it: with its addresses, routes and neighbours
    #[arg(long = "if", id = "interface", value_name = "IF", conflicts_with = "tap")]
    pub(in crate::cli) interface: Option<String>,
    /// Make a TAP of this name, for as long as the command runs
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) tap: Option<String>,
    /// A CAN interface of this name, whose bus is the host's own; NAME=BUS: on a bus that all hosts of this user share that
    /// name it so; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) can: Vec<String>,
    /// Our address on that wire, as 192.0.2.2/24; may be repeated
    #[arg(long, value_name = "CIDR")]
    pub(in crate::cli) addr: Vec<Cidr>,
    /// A router for all that is not on the wire; may be repeated (IPv4, IPv6)
    #[arg(long, value_name = "IP")]
    pub(in crate::cli) gateway: Vec<IpAddr>,
    /// A name server; may be repeated
    #[arg(long, value_name = "IP")]
    pub(in crate::cli) dns: Vec<IpAddr>,
    /// Make the link worse: loss=1%,delay=20ms (and jitter, reorder, duplicate, corrupt, rate, queue, seed)
    #[arg(long, value_name = "FAULTS")]
    pub(in crate::cli) link: Option<Impairment>,
    /// Record every frame into this file, for Wireshark, tshark or tcpdump
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) pcap: Option<PathBuf>,
    /// Never answer a segment by RST if no socket takes it (as a kernel would), or none from or to this port: for
    /// connections made by hand; may be repeated
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    pub(in crate::cli) no_rst: Vec<u16>,
}

/// Which addresses are wanted.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(in crate::cli) struct FamilyArgs {
    /// IPv4 only
    #[arg(short = '4', conflicts_with = "ipv6")]
    pub(in crate::cli) ipv4: bool,
    /// IPv6 only
    #[arg(short = '6')]
    pub(in crate::cli) ipv6: bool,
}

impl FamilyArgs {
    /// True if addresses of this family are wanted.
    pub(in crate::cli) const fn wants(self, address: IpAddr) -> bool {
        if address.is_ipv4() { !self.ipv6 } else { !self.ipv4 }
    }

    /// AF_*, for getaddrinfo(3).
    pub(in crate::cli) const fn number(self) -> i32 {
        match (self.ipv4, self.ipv6) {
            (true, _) => AF_INET,
            (_, true) => AF_INET6,
            _ => AF_UNSPEC,
        }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DemoArgs {
    /// Two Sockatoo hosts over a cable in memory, even where more is allowed
    #[arg(long)]
    pub(in crate::cli) memory: bool,
    /// Over IPv6
    #[arg(short = '6', long)]
    pub(in crate::cli) ipv6: bool,
    /// Make the link worse: loss=5%,delay=20ms (and jitter, reorder, duplicate, corrupt, rate, queue, seed)
    #[arg(long, value_name = "FAULTS")]
    pub(in crate::cli) link: Option<Impairment>,
    /// Record every frame into this file, for Wireshark, tshark or tcpdump
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) pcap: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PingArgs {
    /// Whom to ask: a name or an address
    #[arg(value_name = "HOST")]
    pub(in crate::cli) target: String,
    /// Stop after so many requests
    #[arg(short, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(in crate::cli) count: Option<u64>,
    /// Seconds between requests [default: 1]
    #[arg(short, value_name = "SECONDS", value_parser = seconds)]
    pub(in crate::cli) interval: Option<Duration>,
    /// Flood: the next request as soon as all are answered, and after 10 ms at the latest; a dot for each that has no answer yet
    #[arg(short)]
    pub(in crate::cli) flood: bool,
    /// Adapt to the round trip: the next request as soon as the last one is answered
    #[arg(short = 'A')]
    pub(in crate::cli) adaptive: bool,
    /// Record route: show the addresses that up to nine routers have written into the IPv4 header, there and back
    #[arg(short = 'R', conflicts_with = "ipv6")]
    pub(in crate::cli) record_route: bool,
    /// Bytes of data in a request
    #[arg(short, value_name = "BYTES", default_value_t = 56, value_parser = clap::value_parser!(u16).range(..=65_507))]
    pub(in crate::cli) size: u16,
    /// Time to live of the requests
    #[arg(short, value_name = "TTL", value_parser = clap::value_parser!(u8).range(1..))]
    pub(in crate::cli) ttl: Option<u8>,
    /// Seconds to wait for the answer to the last request
    #[arg(short = 'W', value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(in crate::cli) wait: Duration,
    /// Stop after so many seconds, whatever was answered
    #[arg(short = 'w', value_name = "SECONDS", value_parser = seconds)]
    pub(in crate::cli) deadline: Option<Duration>,
    /// Print only the begin and the statistics
    #[arg(short)]
    pub(in crate::cli) quiet: bool,
    /// Type of service, traffic class
    #[arg(short = 'Q', value_name = "TOS")]
    pub(in crate::cli) tos: Option<u8>,
    /// Fragments: do (forbid them), want (forbid them where the path's MTU is known), dont (allow routers to make them)
    #[arg(short = 'M', value_name = "HINT", value_parser = ["do", "want", "dont"])]
    pub(in crate::cli) fragments: Option<String>,
    /// Fill the data with these hexadecimal digits, up to 16 bytes
    #[arg(short = 'p', value_name = "PATTERN", value_parser = pattern)]
    pub(in crate::cli) pattern: Option<Pattern>,
    /// Print the time of day, in seconds since 1970, in front of each line
    #[arg(short = 'D')]
    pub(in crate::cli) timestamps: bool,
    /// Say so when the next request leaves and the last one has no answer yet
    #[arg(short = 'O')]
    pub(in crate::cli) outstanding: bool,
    /// Addresses only (as ever: no names are asked for)
    #[arg(short)]
    pub(in crate::cli) numeric: bool,
    #[command(flatten)]
    pub(in crate::cli) family: FamilyArgs,
    #[command(flatten)]
    pub(in crate::cli) host: HostArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct NcArgs {
    /// HOST PORT to connect to; with -l, [ADDRESS] PORT to listen on
    #[arg(value_name = "HOST PORT", required_unless_present = "source_port", num_args = 1..=2)]
    pub(in crate::cli) target: Vec<String>,
    /// Listen, for one connection (UDP: for the first one who sends)
    #[arg(short)]
    pub(in crate::cli) listen: bool,
    /// UDP in place of TCP
    #[arg(short)]
    pub(in crate::cli) udp: bool,
    /// Shut the sending side down when standard input ends, so that the other side sees the end
    #[arg(short = 'N')]
    pub(in crate::cli) shut: bool,
    /// Say what happens, on standard error
    #[arg(short)]
    pub(in crate::cli) verbose: bool,
    /// Give up connecting, or an idle connection, after so many seconds
    #[arg(short = 'w', value_name = "SECONDS", value_parser = seconds)]
    pub(in crate::cli) wait: Option<Duration>,
    #[command(flatten)]
    pub(in crate::cli) family: FamilyArgs,
    /// Our own port
    #[arg(short = 'p', value_name = "PORT")]
    pub(in crate::cli) source_port: Option<u16>,
    #[command(flatten)]
    pub(in crate::cli) host: HostArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DoctorArgs {
    /// Also ask a neighbour on this interface as a station of our own, and see whether the answer comes
    #[arg(short, long = "if", value_name = "IF")]
    pub(in crate::cli) interface: Option<String>,
    /// Try a user namespace in this process, and say so by the exit code
    #[arg(long, hide = true)]
    pub(in crate::cli) try_user_namespace: bool,
    /// Be a program whose calls stop, say so on standard output, and wait for the end of standard input
    #[arg(long, hide = true)]
    pub(in crate::cli) try_listener: bool,
}

/// The bytes of ping's `-p`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Pattern(pub(in crate::cli) Vec<u8>);

fn pattern(text: &str) -> Result<Pattern, String> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect();
    let digits = digits.filter(|digits| (1..=32).contains(&digits.len()));
    let digits = digits.ok_or("want up to 32 hexadecimal digits, as ff or 00ff")?;
    // A single digit is a byte, as ping reads it.
    Ok(Pattern(digits.chunks(2).map(|two| two.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()))
}

/// Seconds with a fraction.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "want seconds, as 2 or 0.2".to_string())?;
    Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string())
}
