//! The command line program; all of it is in `sockatoo::cli`.

fn main() -> std::process::ExitCode {
    sockatoo::cli::main()
}
