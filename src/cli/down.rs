//! `sockatoo down`: hosts end.

use serde_json::json;

use super::args::DownArgs;
use super::exit::Exit;
use super::say::{self, Trouble};
use super::up::named;
use crate::base::Errno;
use crate::daemon;
use crate::socket::remote::place;

/// `sockatoo down`.
pub(super) fn run(args: &DownArgs, json: bool) -> Result<Exit, Trouble> {
    let names = match (args.all, args.names.is_empty()) {
        (true, _) => place::hosts()?,
        (_, true) => vec![named(None)],
        _ => args.names.clone(),
    };
    let mut exit = Exit::Ok;
    for name in names {
        match daemon::end(&name) {
            Ok(pid) if json => say::object(json!({ "host": name, "pid": pid })),
            Ok(pid) => say::line(format!("{name} is down, process {pid} has ended")),
            // Of all, those that are there are meant.
            Err(error) if args.all && error.errno() == Errno::ENOENT => {}
            Err(error) if error.errno() == Errno::ENOENT => {
                // The others are ended all the same.
                let trouble = Trouble::new(format!("no host `{name}` runs"));
                say::trouble(&trouble.hint("`sockatoo ls` shows those that do"), json);
                exit = Exit::No;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(exit)
}
