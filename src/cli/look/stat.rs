//! `sockatoo stat`: how often each thing happened on a host, layer by layer, and what it means.

use serde_json::json;

use super::Looked;
use crate::base::Reason;
use crate::cli::args::StatArgs;
use crate::cli::exit::Exit;
use crate::cli::say::{self, Trouble};

/// `sockatoo stat`.
pub(in crate::cli) fn run(args: &StatArgs, json: bool) -> Result<Exit, Trouble> {
    let mut host = Looked::on(&args.on)?;
    let mut rows = host.counters()?;
    if args.all {
        let never = Reason::ALL.iter().filter(|reason| !rows.iter().any(|(other, _)| other == *reason));
        let never: Vec<_> = never.map(|reason| (*reason, 0)).collect();
        rows.extend(never);
        rows.sort_by_key(|(reason, _)| *reason as usize);
    }
    let prefix = args.prefix.as_deref().unwrap_or_default();
    rows.retain(|(reason, _)| reason.key().starts_with(prefix));
    let mut last = "";
    for (reason, count) in rows {
        let (layer, name) = reason.key().split_once('.').unwrap_or_else(|| ("", reason.key()));
        if json {
            say::object(json!({ "counter": reason.key(), "count": count, "why": reason.text() }));
            continue;
        }
        if std::mem::replace(&mut last, layer) != layer {
            say::line(layer);
        }
        match args.why {
            true => say::line(format!("{count:>10}  {name}: {}", reason.text())),
            false => say::line(format!("{count:>10}  {name}")),
        }
    }
    Ok(Exit::Ok)
}
