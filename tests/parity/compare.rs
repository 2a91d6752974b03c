//! Runs a case on both arms and compares the transcripts.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

use serde::Deserialize;
use sockatoo::HostBuilder;
#[cfg(feature = "cli")]
use sockatoo::lab;

use crate::arm::{Arm, Place};
use crate::dialogue::{Dialogue, Ip, Lines};
use crate::kernel::Kernel;
use crate::ours::Ours;

/// A case hangs if it takes longer.
const LIMIT: Duration = Duration::from_secs(30);

/// A place where we differ from Linux on purpose.
#[derive(Debug, Deserialize)]
pub struct Deviation {
    pub title: String,
    pub linux: String,
    pub sockatoo: String,
    pub why: String,
    /// The case that pins it, as `file::case` (both twins) or `file::case::v4`.
    pub test: String,
    /// The lines in which the transcripts differ: the kernel's, ours. "" = no line there.
    #[serde(default)]
    pub lines: Vec<[String; 2]>,
}

#[derive(Debug, Deserialize)]
struct Deviations {
    #[serde(default)]
    deviation: Vec<Deviation>,
}

pub fn deviations() -> Vec<Deviation> {
    let text = include_str!("deviations.toml");
    toml::from_str::<Deviations>(text).expect("deviations.toml").deviation
}

/// Declares cases: `case! { fn name(t) in Lo { ... } }` runs once, with AF_INET; `twins!` runs with both families.
macro_rules! case {
    ($($(#[$doc:meta])* fn $name:ident($t:ident) in $place:ident $body:block)*) => {$(
        $(#[$doc])*
        #[test]
        fn $name() {
            fn body($t: &mut $crate::dialogue::Dialogue) $body
            let name = concat!(module_path!(), "::", stringify!($name));
            $crate::compare::run(name, $crate::arm::Place::$place, $crate::dialogue::Ip::V4, body);
        }
    )*};
}

/// Declares cases that run over IPv4 and over IPv6.
macro_rules! twins {
    ($($(#[$doc:meta])* fn $name:ident($t:ident) in $place:ident $body:block)*) => {$(
        $(#[$doc])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            fn body($t: &mut $crate::dialogue::Dialogue) $body
            #[test]
            fn v4() {
                let name = concat!(module_path!(), "::v4");
                $crate::compare::run(name, $crate::arm::Place::$place, $crate::dialogue::Ip::V4, body);
            }
            #[test]
            fn v6() {
                let name = concat!(module_path!(), "::v6");
                $crate::compare::run(name, $crate::arm::Place::$place, $crate::dialogue::Ip::V6, body);
            }
        }
    )*};
}

/// The transcript of a case on an arm. `None`: namespaces are not allowed here.
fn transcript(
    place: Place,
    ip: Ip,
    make: fn(Place) -> io::Result<Box<dyn Arm>>,
    body: fn(&mut Dialogue),
) -> io::Result<Vec<String>> {
    let lines = Lines::default();
    let (done, finished) = mpsc::channel();
    let shared = lines.clone();
    std::thread::spawn(move || {
        let result = make(place).map(|arm| {
            let spoken = catch_unwind(AssertUnwindSafe(|| body(&mut Dialogue::new(arm, ip, shared.clone()))));
            if let Err(panic) = spoken {
                let words = panic.downcast_ref::<String>().map(String::as_str);
                let words = words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?");
                shared.lock().expect("lines").push(format!("PANIC: {words}"));
            }
        });
        let _ = done.send(result);
    });
    match finished.recv_timeout(LIMIT) {
        Ok(result) => result?,
        Err(_) => lines.lock().expect("lines").push(format!("HANGS in the call after this, for {LIMIT:?}")),
    }
    let lines = lines.lock().expect("lines").clone();
    Ok(lines)
}

/// Runs a case on both arms; panics with the whole dialogue if they differ.
pub fn run(name: &str, place: Place, ip: Ip, body: fn(&mut Dialogue)) {
    let name = name.strip_prefix("parity::").unwrap_or(name);
    let kernel = match transcript(place, ip, |place| Ok(Box::new(Kernel::new(place)?)), body) {
        Ok(lines) => lines,
        Err(error) => {
            let ci = std::env::var("CI").is_ok_and(|v| v == "true");
            assert!(!ci, "the kernel's arm needs network namespaces: {error}");
            eprintln!("skipped {name}: needs network namespaces (run as root): {error}");
            return;
        }
    };
    let broken = kernel.iter().any(|l| l.starts_with("PANIC") || l.starts_with("HANGS"));
    if broken || std::env::var("SOCKATOO_PARITY").is_ok_and(|v| v == "kernel") {
        println!("{name}, as the kernel says it:\n  {}", kernel.join("\n  "));
        assert!(!broken, "{name}: the case itself is broken");
        return;
    }
    let ours = transcript(place, ip, |place| Ok(Box::new(Ours::new(place, HostBuilder::build)?)), body);
    compare(name, &kernel, &ours.expect("our arm"));
    // The serving side is the command line's.
    #[cfg(feature = "cli")]
    let remote = transcript(place, ip, |place| Ok(Box::new(Ours::new(place, lab::served)?)), body);
    #[cfg(feature = "cli")]
    compare(&format!("{name} (asked in another process)"), &kernel, &remote.expect("our remote arm"));
}

fn compare(title: &str, kernel: &[String], ours: &[String]) {
    let rows = align(kernel, ours);
    let name = title.split(' ').next().unwrap_or(title);
    let twin = name.strip_suffix("::v4").or_else(|| name.strip_suffix("::v6")).unwrap_or(name);
    let allowed: Vec<Deviation> =
        deviations().into_iter().filter(|d| d.test == name || d.test == twin).collect();
    let mut differs = 0;
    let mut used = vec![false; allowed.iter().map(|d| d.lines.len()).sum()];
    let mut story = String::new();
    for (left, right) in &rows {
        let mut mark = ' ';
        if left != right {
            let pairs = allowed.iter().flat_map(|d| &d.lines);
            let known = pairs.enumerate().find(|(_, [l, r])| l == left && r == right);
            match known {
                Some((at, _)) => {
                    used[at] = true;
                    mark = '~';
                }
                None => {
                    differs += 1;
                    mark = '>';
                }
            }
        }
        if left == right {
            story += &format!("  {left}\n");
        } else {
            story += &format!("{mark} kernel   | {left}\n{mark} sockatoo | {right}\n");
        }
    }
    assert!(differs == 0, "{title}: {differs} lines differ\n{story}");
    let stale = used.iter().filter(|u| !**u).count();
    assert!(stale == 0, "{title}: {stale} lines of its deviations do not differ any more\n{story}");
}

/// Puts equal lines beside each other: the longest common subsequence, what is between them row by row.
fn align(a: &[String], b: &[String]) -> Vec<(String, String)> {
    let mut best = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            best[i][j] =
                if a[i] == b[j] { best[i + 1][j + 1] + 1 } else { best[i + 1][j].max(best[i][j + 1]) };
        }
    }
    let mut rows = Vec::new();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            flush(&mut rows, &mut left, &mut right);
            rows.push((a[i].clone(), b[j].clone()));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && best[i + 1][j] >= best[i][j + 1]) {
            left.push(a[i].clone());
            i += 1;
        } else {
            right.push(b[j].clone());
            j += 1;
        }
    }
    flush(&mut rows, &mut left, &mut right);
    rows
}

fn flush(rows: &mut Vec<(String, String)>, left: &mut Vec<String>, right: &mut Vec<String>) {
    let n = left.len().max(right.len());
    left.resize(n, String::new());
    right.resize(n, String::new());
    rows.extend(left.drain(..).zip(right.drain(..)));
}

#[test]
fn every_deviation_says_why_and_names_its_test() {
    let sources = concat!(include_str!("main.rs"), include_str!("bind_table.rs"));
    for deviation in deviations() {
        let d = &deviation;
        for text in [&d.title, &d.linux, &d.sockatoo, &d.why] {
            assert!(!text.trim().is_empty(), "{}: something is empty", d.title);
        }
        // What this kernel may not have a case of ours alone pins.
        if let Some(case) = d.test.strip_prefix("can.rs::") {
            assert!(include_str!("../can.rs").contains(&format!("fn {case}()")), "{}: no {case}", d.title);
            continue;
        }
        let file = d.test.split("::").next().unwrap_or_default();
        assert!(sources.contains(&format!("mod {file};")), "{}: no file {file}.rs", d.title);
        assert!(!d.lines.is_empty(), "{}: no lines", d.title);
    }
}
