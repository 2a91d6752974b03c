//! The fuzz targets without a fuzzer: each runs over its seeds (`fuzz/corpus/`) and over mutations of them, the same in every run.
//!
//! `SOCKATOO_FULL=1` makes forty times as many.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

#[path = "../fuzz/targets.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// xorshift64*
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize
    }

    fn below(&mut self, n: usize) -> usize {
        self.next() % n.max(1)
    }
}

/// The seeds of a target, in the order of their names.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seeds: Vec<_> = files
        .map(|file| file.unwrap())
        .map(|file| (file.file_name().to_string_lossy().into_owned(), std::fs::read(file.path()).unwrap()))
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{} is empty", folder.display());
    seeds
}

/// A few changes, of the kinds that fuzzers make.
fn mutate(draw: &mut Draw, data: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=draw.below(4) {
        let at = draw.below(data.len());
        let length = draw.below(data.len() - at + 1).min(64);
        match draw.below(9) {
            _ if data.is_empty() => data.push(draw.next() as u8),
            0 => data[at] ^= 1 << draw.below(8),
            1 => data[at] = draw.next() as u8,
            2 => data[at] = [0, 1, 0x7f, 0x80, 0xff, b'(', b'[', b'/', b'0'][draw.below(9)],
            3 => drop(data.drain(at..at + length)),
            4 => {
                let copy = data[at..at + length].to_vec();
                data.splice(at..at, copy);
            }
            5 => data.truncate(at),
            6 => {
                let from = draw.below(other.len());
                let to = other.len().min(from + draw.below(64));
                data.splice(at..at, other[from..to].iter().copied());
            }
            7 => data.insert(at, draw.next() as u8),
            _ => data[at] = data[at].wrapping_add([1, 0xff, 16][draw.below(3)]),
        }
    }
    data.truncate(4096);
}

/// Runs a target over its seeds and `rounds` mutations of them.
fn run(name: &str, rounds: usize) {
    let (_, target) = targets::TARGETS.iter().find(|(target, _)| *target == name).unwrap();
    let seeds = seeds(name);
    let rounds = if std::env::var_os("SOCKATOO_FULL").is_some() { rounds * 40 } else { rounds };
    let mut draw = Draw(0x5eed);
    let mut slowest = Duration::ZERO;
    let mut one = |words: &str, data: &[u8]| {
        let begin = Instant::now();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(data))) {
            let text: String =
                data.iter().flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from).collect();
            panic!(
                "{name}, {words}, of b\"{text}\": {}",
                panic.downcast_ref::<String>().map_or("", String::as_str)
            );
        }
        slowest = slowest.max(begin.elapsed());
    };
    for (file, data) in &seeds {
        one(file, data);
    }
    for round in 0..rounds {
        let mut data = seeds[draw.below(seeds.len())].1.clone();
        let other = &seeds[draw.below(seeds.len())].1;
        mutate(&mut draw, &mut data, other);
        one(&format!("mutation {round}"), &data);
    }
    // Generous, for a busy machine: what takes so long for 4 KB has no bound.
    assert!(slowest < Duration::from_secs(20), "one input took {slowest:?}");
}

#[test]
fn every_target_is_run_here() {
    let tests = include_str!("fuzz_corpus.rs");
    for (name, _) in targets::TARGETS {
        assert!(tests.contains(&format!("run(\"{name}\", ")), "{name}");
        assert!(
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/fuzz_targets/{name}.rs")).exists(),
            "{name}"
        );
    }
}

#[test]
fn dissector() {
    run("dissector", 8000);
}

#[test]
fn expression() {
    run("expression", 8000);
}

#[test]
fn filter() {
    run("filter", 20_000);
}

#[test]
fn bpf() {
    run("bpf", 40_000);
}

#[test]
fn stack() {
    run("stack", 3000);
}

#[test]
fn reassembly() {
    run("reassembly", 1500);
}

#[test]
fn capture() {
    run("capture", 5000);
}
