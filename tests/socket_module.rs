//! Python's socket module, name by name: nothing is missing, and the numbers are Python's.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// docs/socket-module/python-3.11.txt: the names that have a number.
fn pythons() -> BTreeMap<String, i64> {
    let text = fs::read_to_string("docs/socket-module/python-3.11.txt").unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(' '))
        .map(|(name, value)| (name.into(), value.parse().unwrap()))
        .collect()
}

/// The literals of src/base/constants.rs and what is beside it.
fn ours() -> BTreeMap<String, i64> {
    let mut found = BTreeMap::new();
    let families = fs::read_dir("src/base/constants").unwrap().map(|entry| entry.unwrap().path());
    for file in families.chain(["src/base/constants.rs".into()]) {
        let text = fs::read_to_string(file).unwrap();
        let code: String = text.lines().map(|line| line.split("//").next().unwrap()).collect();
        for statement in code.split([';', '{']) {
            let Some((name, value)) = statement.rsplit(':').next().unwrap().split_once(" = ") else {
                continue;
            };
            if let Some(value) = number(&value.replace('_', "")) {
                found.insert(name.trim().to_owned(), value);
            }
        }
    }
    found
}

/// A literal's value; `None` for an expression.
fn number(text: &str) -> Option<i64> {
    match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(digits), _) => i64::from_str_radix(digits, 16).ok(),
        (_, Some(digits)) => i64::from_str_radix(digits, 8).ok(),
        _ => text.parse().ok(),
    }
}

/// EBADF, EAGAIN and EWOULDBLOCK are [`sockatoo::Errno`]'s.
fn differences(python: &BTreeMap<String, i64>, all: bool) -> Vec<String> {
    let ours = ours();
    let errors = ["EBADF", "EAGAIN", "EWOULDBLOCK"];
    python
        .iter()
        .filter(|(name, value)| match ours.get(*name) {
            Some(number) => number != *value,
            None => all && !errors.contains(&name.as_str()),
        })
        .map(|(name, value)| format!("{name}: Python {value}, here {:?}", ours.get(name)))
        .collect()
}

#[test]
fn the_constants_are_those_of_python_3_11() {
    let python = pythons();
    assert!(python.len() > 300, "{}", python.len());
    assert_eq!(differences(&python, true), Vec::<String>::new());
}

/// Whatever Python this machine has: what it knows beside is its own.
#[test]
fn the_constants_are_those_of_this_machines_python() {
    let script = "import socket\nfor n in dir(socket):\n v = getattr(socket, n)\n \
                  if n[0].isupper() and isinstance(v, int) and not isinstance(v, (type, bool)): print(n, int(v))";
    let Ok(output) = Command::new("python3").args(["-c", script]).output() else {
        assert!(std::env::var_os("CI").is_none(), "CI has python3");
        println!("skipped: there is no python3");
        return;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let live: BTreeMap<String, i64> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(n, v)| (n.into(), v.parse().unwrap()))
        .collect();
    assert!(live.len() > 100, "{text}");
    assert_eq!(differences(&live, false), Vec::<String>::new());
}

#[test]
fn no_name_is_missing() {
    let Ok(output) = Command::new("python3").arg("scripts/coverage").output() else {
        assert!(std::env::var_os("CI").is_none(), "CI has python3");
        println!("skipped: there is no python3");
        return;
    };
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
    assert!(output.status.success(), "{said}");
}
