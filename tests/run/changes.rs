//! What `ip` changes: after each chapter of commands (`python/changes.py`) it shows the same of a host
//! as of the kernel.

use crate::place::{Place, over_a_wire};

/// Line by line; the first difference with the lines in front of it.
fn chapter(name: &str) {
    let told = std::cell::RefCell::new(Vec::new());
    over_a_wire(&["ip", "ping"], |place: &Place| {
        told.borrow_mut().push(place.python(&format!("changes.py {name}")).end().ok());
    });
    let told = told.into_inner();
    let [kernel, ours] = &told[..] else { return };
    if kernel == ours {
        return;
    }
    let mut wrong = String::new();
    for (kernel, ours) in commands(kernel).into_iter().zip(commands(ours)) {
        if kernel != ours {
            wrong += &format!("--- the kernel\n{kernel}--- ours\n{ours}\n");
        }
    }
    panic!("{name}:\n{wrong}");
}

/// Each command with what it says.
fn commands(told: &str) -> Vec<String> {
    let mut all = Vec::new();
    for line in told.lines() {
        if line.starts_with("$ ") || all.is_empty() {
            all.push(String::new());
        }
        if let Some(last) = all.last_mut() {
            *last += &format!("{line}\n");
        }
    }
    all
}

#[test]
fn links() {
    chapter("links");
}

#[test]
fn addresses() {
    chapter("addresses");
}

#[test]
fn routes() {
    chapter("routes");
}

#[test]
fn tables() {
    chapter("tables");
}

#[test]
fn neighbours() {
    chapter("neighbours");
}
