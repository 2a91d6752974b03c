//! CPython's own tests of sockets, on the kernel and under `run`: what passes there passes here, but for the cases that
//! `cpython.toml` names with their reasons. Both ways: a case that is named and passes fails the test too.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::place::{Arm, PYTHON, Place, User, only_kernel, skipped};

/// Longest that a module may take.
const SUITE: Duration = Duration::from_secs(900);

/// Seconds after which it tells by itself where it stands, and ends.
const HANGS: u32 = 600;

/// A module of the package `test`, as the data file has it.
struct Suite {
    name: String,
    user: User,
    arguments: Vec<String>,
    /// Pattern of cases, and why they don't pass.
    expected: Vec<(String, String)>,
}

fn suites() -> Vec<Suite> {
    let data: toml::Table = toml::from_str(include_str!("cpython.toml")).unwrap();
    let suite = |suite: &toml::Value| {
        let text = |key: &str| suite.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        let expected = suite.get("expected").and_then(|value| value.as_table()).cloned().unwrap_or_default();
        Suite {
            name: text("name"),
            user: if text("user") == "nobody" { User::Nobody } else { User::Root },
            arguments: text("arguments").split_whitespace().map(str::to_owned).collect(),
            expected: expected.iter().map(|(k, why)| (k.clone(), why.as_str().unwrap().to_owned())).collect(),
        }
    };
    data["suite"].as_array().unwrap().iter().map(suite).collect()
}

/// What became of each case: `ok`, `skipped`, `failure`, `error`.
type Outcomes = BTreeMap<String, String>;

fn outcomes(place: &Place, suite: &Suite) -> (Outcomes, String) {
    let report = place.work().join("report.xml");
    let mut arguments: Vec<String> = ["-m", "test", "-v", "--timeout"].map(str::to_owned).to_vec();
    arguments.extend([HANGS.to_string(), "--junit-xml".into(), report.to_str().unwrap().into()]);
    arguments.extend(suite.arguments.iter().cloned());
    arguments.push(suite.name.clone());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = place.terminal(PYTHON, &arguments).patient(SUITE).end();
    let told = format!("{}\n{}", ended.out, ended.err);
    assert!(
        report.exists(),
        "{} {:?} has not come to its end (status {}):\n{told}",
        suite.name,
        place.arm,
        ended.status
    );
    let read = "import sys, xml.etree.ElementTree as tree\n\
        for case in tree.parse(sys.argv[1]).iter('testcase'):\n    \
            print(case.get('name'), next((e.tag for e in case if e.tag in ('skipped', 'failure', 'error')), 'ok'))";
    let lines = Command::new(PYTHON).args(["-c", read]).arg(&report).output().unwrap();
    let lines = String::from_utf8(lines.stdout).unwrap();
    let pairs = lines.lines().filter_map(|line| line.rsplit_once(' '));
    let found: Outcomes = pairs.map(|(case, what)| (case.to_owned(), what.to_owned())).collect();
    assert!(!found.is_empty(), "{told}");
    (found, told)
}

/// `*` for any run of characters.
fn matches(pattern: &str, case: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == case,
        Some((head, tail)) => case.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(tail, &rest[at..]))
        }),
    }
}

fn judge(name: &str, user: User) {
    let suite = suites().into_iter().find(|s| s.name == name && s.user == user).unwrap();
    let there = Command::new(PYTHON).args(["-c", &format!("import test.{name}")]).output();
    if !there.is_ok_and(|done| done.status.success()) {
        return skipped("Debian's python3 has not its test suite (scripts/test gets it)");
    }
    let Some(kernel) = Place::lo(Arm::Kernel, user) else { return };
    let (on_the_kernel, _) = outcomes(&kernel, &suite);
    kernel.leave();
    if only_kernel() {
        return;
    }
    let Some(ours) = Place::lo(Arm::Run, user) else { return };
    let (here, told) = outcomes(&ours, &suite);
    ours.leave();

    let passes = |outcomes: &Outcomes, case: &str| outcomes.get(case).is_some_and(|outcome| outcome == "ok");
    let missing = "missing".to_owned();
    let mut wrong = Vec::new();
    for case in on_the_kernel.keys().filter(|case| passes(&on_the_kernel, case)) {
        let expected = suite.expected.iter().find(|(pattern, _)| matches(pattern, case));
        let outcome = here.get(case).unwrap_or(&missing);
        match (outcome == "ok", expected) {
            (false, None) => wrong.push(format!("{outcome}: {case}")),
            (true, Some((pattern, why))) => {
                wrong.push(format!("passes: {case}; take out {pattern:?} ({why})"))
            }
            _ => {}
        }
    }
    for (pattern, _) in &suite.expected {
        if !on_the_kernel.keys().any(|case| matches(pattern, case)) {
            wrong.push(format!("no case here matches {pattern:?}"));
        }
    }
    if !wrong.is_empty() {
        let kept = std::env::temp_dir().join(format!("sockatoo-{name}-{user:?}.log"));
        fs::write(&kept, told).unwrap();
        panic!("{name}: {} cases (their words: {}):\n{}", wrong.len(), kept.display(), wrong.join("\n"));
    }
}

/// Declares a test per suite; that the data file has no others.
macro_rules! suites {
    ($($test:ident: $name:literal $user:ident,)*) => {
        $(
            #[test]
            fn $test() {
                judge($name, User::$user);
            }
        )*
        #[test]
        fn every_suite_of_the_file_is_played() {
            let played = [$(($name, User::$user)),*];
            for suite in suites() {
                assert!(played.contains(&(suite.name.as_str(), suite.user)), "{}", suite.name);
            }
        }
    };
}

suites! {
    socket: "test_socket" Root,
    socket_as_nobody: "test_socket" Nobody,
    asyncio: "test_asyncio" Root,
    ssl: "test_ssl" Root,
    select: "test_select" Root,
    poll: "test_poll" Root,
    epoll: "test_epoll" Root,
    selectors: "test_selectors" Root,
    socketserver: "test_socketserver" Root,
    httplib: "test_httplib" Root,
    ftplib: "test_ftplib" Root,
    timeout: "test_timeout" Root,
}
