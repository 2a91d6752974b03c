//! `sockatoo run`: an unmodified program as a host's guest.

use super::args::RunArgs;
use super::exit::Exit;
use super::say::{self, Trouble};
use super::up;
use crate::guest::{self, Plan};
use crate::sys::process::{self, Ended};

/// Does not come back where the program has run: the process ends as the program did.
pub(super) fn run(args: &RunArgs, json: bool) -> Result<Exit, Trouble> {
    let (host, _) = up::start(&up::named(args.served.wire.on.as_deref()), &args.served, false)?;
    let mut words = args.program.iter().cloned();
    let program = words.next().unwrap_or_default();
    let plan = Plan { host, program, args: words.collect(), strict: args.strict };
    match guest::run(plan, &|text| say::aside(format_args!("sockatoo: {text}"))) {
        Ok(Ended::Code(code)) => process::exit_now(code),
        Ok(Ended::Signal(signal)) => process::end_by(signal),
        Err(trouble) => {
            let guest::Trouble { cause, hint, code } = trouble;
            say::trouble(&Trouble { hint, ..Trouble::new(cause) }, json);
            process::exit_now(code)
        }
    }
}
