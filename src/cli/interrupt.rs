//! Ctrl-C: a command says what is to be done before the process ends.

use std::sync::atomic::{AtomicBool, Ordering};

use super::exit::Exit;
use crate::sys::signal;

/// The last words are being said.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Returns at once, or never: a command whose work ends because of the interrupt leaves the end to it.
pub(super) fn yield_to_interrupt() {
    while ENDING.load(Ordering::Acquire) {
        std::thread::park();
    }
}

/// Runs `last` at the first SIGINT, SIGTERM or SIGHUP, and ends the process with the exit code that it gives. A second one ends
/// it at once.
pub(super) fn on_interrupt(last: impl FnOnce() -> Exit + Send + 'static) {
    // Without it Ctrl-C ends the process as ever, only without last words.
    let Ok(interrupts) = signal::interrupts() else { return };
    std::thread::spawn(move || {
        if interrupts.next().is_err() {
            return;
        }
        ENDING.store(true, Ordering::Release);
        std::thread::spawn(move || {
            let _ = interrupts.next();
            std::process::exit(i32::from(Exit::Interrupted as u8));
        });
        std::process::exit(i32::from(last() as u8));
    });
}
