//! `sockatoo up`, `down`, `ls`: hosts that live in a process of their own.

use std::path::Path;

use clap::{Args, ValueEnum};

use super::HostArgs;
use crate::daemon::Publish;

/// The flags that make a host which others join.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct ServedArgs {
    #[command(flatten)]
    pub(in crate::cli) wire: HostArgs,
    /// How literally IP headers are taken that programs write themselves, unless they say it by SO_VERBATIM
    #[arg(long, value_name = "RULE", help_heading = "The host and its wire")]
    pub(in crate::cli) raw: Option<Raw>,
    /// Let the kernel's programs reach a port of the host, as 8080:80: what connects to 127.0.0.1:8080 or [::1]:8080 comes to the
    /// host's port 80; 5353:53/udp is UDP; ADDRESS:8080:80 in place of those two; may be repeated
    #[arg(long, value_name = "[ADDRESS:]PORT:PORT[/udp]", help_heading = "The host and its wire")]
    pub(in crate::cli) publish: Vec<Publish>,
}

/// The values of SO_VERBATIM, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Raw {
    /// As raw(7): length and checksum are always written, identification and source where they are zero
    Linux,
    /// Zeros are filled in, all else goes out as written
    Fill,
    /// Not even zeros are touched
    Verbatim,
}

impl ServedArgs {
    /// The flags as words, the same for all ways to write the same: what a running host tells of itself, and is compared by.
    pub(in crate::cli) fn flags(&self) -> Vec<String> {
        let Self { wire, raw, publish } = self;
        let mut flags = Vec::new();
        let mut flag = |name: &str, value: String| flags.push(format!("--{name}={value}"));
        wire.interface.iter().for_each(|name| flag("if", name.clone()));
        wire.tap.iter().for_each(|name| flag("tap", name.clone()));
        wire.can.iter().for_each(|name| flag("can", name.clone()));
        wire.addr.iter().for_each(|address| flag("addr", address.to_string()));
        wire.gateway.iter().for_each(|gateway| flag("gateway", gateway.to_string()));
        wire.dns.iter().for_each(|server| flag("dns", server.to_string()));
        wire.link.iter().filter(|link| !link.is_none()).for_each(|link| flag("link", link.to_string()));
        // The host's process works in another directory.
        wire.pcap.iter().for_each(|path| flag("pcap", absolute(path)));
        let mut silent = wire.no_rst.clone();
        silent.sort_unstable();
        silent.dedup();
        // 0 is every port.
        silent.truncate(if silent.first() == Some(&0) { 1 } else { usize::MAX });
        silent.iter().for_each(|port| flag("no-rst", port.to_string()));
        publish.iter().for_each(|publish| flag("publish", publish.to_string()));
        if let Some(rule) = raw.and_then(|raw| raw.to_possible_value()) {
            flag("raw", rule.get_name().to_owned());
        }
        flags
    }
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct UpArgs {
    /// What the host is called, for --on [default: $SOCKATOO_HOST, else `default`]
    #[arg(value_name = "NAME")]
    pub(in crate::cli) name: Option<String>,
    /// Be the host's process itself, until Ctrl-C, SIGTERM or `down`: for service managers and for looking on
    #[arg(long)]
    pub(in crate::cli) foreground: bool,
    /// Report on standard output in the form that the starter reads, then let go of the standard descriptors
    #[arg(long, hide = true, requires = "foreground")]
    pub(in crate::cli) detached: bool,
    /// End with the last client, descriptor and connection
    #[arg(long, hide = true, requires = "foreground")]
    pub(in crate::cli) transient: bool,
    #[command(flatten)]
    pub(in crate::cli) served: ServedArgs,
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct DownArgs {
    /// Which hosts [default: $SOCKATOO_HOST, else `default`]
    #[arg(value_name = "NAME", conflicts_with = "all")]
    pub(in crate::cli) names: Vec<String>,
    /// All of this user's
    #[arg(long)]
    pub(in crate::cli) all: bool,
}
