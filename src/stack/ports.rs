//! Who has which port: one pure rule, `conflict`, and the registry that asks it.

/// The registry.
#[derive(Debug, Default)]
pub(crate) struct Ports {}
