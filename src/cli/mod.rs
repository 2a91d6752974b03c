//! The command tree, its exit codes, and the only printing of the crate.

/// Runs the command line.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
