//! The one table of socket options: level, name, type, default, who has it.

/// A socket's options.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {}
