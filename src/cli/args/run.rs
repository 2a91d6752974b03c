//! The flags of `sockatoo run`.

use std::ffi::OsString;

use clap::Args;

use super::ServedArgs;

#[derive(Debug, Args)]
pub(in crate::cli) struct RunArgs {
    /// The host whose guest the program is: joined if it runs, else started; `new` is one for this run alone [default:
    /// $SOCKATOO_HOST, else `default`]
    #[arg(long, value_name = "HOST")]
    pub(in crate::cli) on: Option<String>,
    /// Refuse ports below 1024 and raw sockets to programs without privilege, as Linux does
    #[arg(long)]
    pub(in crate::cli) strict: bool,
    #[command(flatten)]
    pub(in crate::cli) served: ServedArgs,
    /// The program and its arguments
    #[arg(value_name = "PROGRAM", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(in crate::cli) program: Vec<OsString>,
}
