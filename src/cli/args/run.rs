//! The flags of `sockatoo run`.

use std::ffi::OsString;

use clap::Args;

use super::ServedArgs;

#[derive(Debug, Args)]
pub(in crate::cli) struct RunArgs {
    /// The program and its arguments
    #[arg(value_name = "PROGRAM", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(in crate::cli) program: Vec<OsString>,
    /// Refuse ports below 1024 and raw sockets to programs without privilege, as Linux does
    #[arg(long)]
    pub(in crate::cli) strict: bool,
    #[command(flatten)]
    pub(in crate::cli) served: ServedArgs,
}
