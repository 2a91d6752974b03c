//! What stays different under `run` (`deviations.toml`), played on the kernel and on a host: each says exactly what is true.

use crate::place::{Arm, PYTHON, Place, User, only_kernel};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Deviation {
    what: String,
    linux: String,
    ours: String,
    why: String,
    program: Option<String>,
    test: Option<String>,
}

#[derive(serde::Deserialize)]
struct Deviations {
    deviation: Vec<Deviation>,
}

const PRELUDE: &str = r#"
import errno, select, socket, struct, time

def outcome(call, *arguments):
    try:
        return call(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
"#;

/// True if `file::case` is there.
fn is_a_case(test: &str) -> bool {
    let Some((file, case)) = test.split_once("::") else { return false };
    let text = std::fs::read_to_string(format!("tests/run/{file}.rs")).unwrap_or_default();
    text.contains(&format!("fn {case}("))
}

#[test]
fn what_is_said_to_differ_differs_so() {
    let all: Deviations = toml::from_str(include_str!("deviations.toml")).unwrap();
    let mut wrong = Vec::new();
    for arm in [Arm::Kernel, Arm::Run] {
        if arm == Arm::Run && only_kernel() {
            break;
        }
        let Some(place) = Place::lo(arm, User::Root) else { return };
        for Deviation { what, linux, ours, why, program, test } in &all.deviation {
            assert!(!why.is_empty() && linux != ours, "{what}");
            assert!(
                program.is_some() != test.as_ref().is_some_and(|test| is_a_case(test)),
                "{what}: its test"
            );
            let Some(program) = program else { continue };
            let ended = place.terminal(PYTHON, &["-c", &format!("{PRELUDE}{program}")]).end();
            let expected = if arm == Arm::Kernel { linux } else { ours };
            if (ended.status, ended.out.trim_end()) != (0, expected) {
                wrong.push(format!("{arm:?}: {what}: {expected:?} expected: {ended:?}"));
            }
        }
        place.leave();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
