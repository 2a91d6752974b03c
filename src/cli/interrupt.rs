//! Ctrl-C: a command says what is to be done before the process ends.

use super::exit::Exit;
use crate::sys::signal;

/// Runs `last` at the first SIGINT, SIGTERM or SIGHUP, and ends the process with the exit code that it gives. A second one ends
/// it at once.
pub(super) fn on_interrupt(last: impl FnOnce() -> Exit + Send + 'static) {
    // Without it Ctrl-C ends the process as ever, only without last words.
    let Ok(interrupts) = signal::interrupts() else { return };
    std::thread::spawn(move || {
        if interrupts.next().is_err() {
            return;
        }
        std::thread::spawn(move || {
            let _ = interrupts.next();
            std::process::exit(i32::from(Exit::Interrupted as u8));
        });
        std::process::exit(i32::from(last() as u8));
    });
}
