//! Pages of docs/ that scripts make are those that the scripts make now. SOCKATOO_BLESS=1 writes them.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::process::Command;

/// The script, asked for this; `None`, and a word, if there is no python3 here.
fn asked(script: &str, what: &str) -> Option<()> {
    let Ok(output) = Command::new("python3").args([script, what]).output() else {
        assert!(std::env::var_os("CI").is_none(), "CI has python3");
        eprintln!("skipped: there is no python3");
        return None;
    };
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
    assert!(output.status.success(), "{script} {what}: {said}(SOCKATOO_BLESS=1 writes the page anew)");
    Some(())
}

fn is_current(script: &str) {
    if std::env::var_os("SOCKATOO_BLESS").is_some() {
        asked(script, "--page");
    }
    asked(script, "--check");
}

#[test]
fn the_page_of_pythons_socket_module() {
    is_current("scripts/coverage");
}

#[test]
fn the_page_of_deviations() {
    is_current("scripts/deviations");
}
