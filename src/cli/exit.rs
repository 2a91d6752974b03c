//! The exit codes, the same for every command.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    /// It did what it was asked.
    Ok = 0,
    /// It ran, and the answer is no: nobody answered, the connection was refused.
    No = 1,
    /// It could not run: wrong flags, missing rights, a name that can't be resolved.
    Trouble = 2,
    /// Somebody pressed Ctrl-C: 128 and SIGINT's number, as shells have it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        (exit as u8).into()
    }
}
