//! TCP between two stacks, in virtual time, over a wire with faults from a seed.

mod attacks;
mod basics;
mod endings;
mod fast_open;
mod hostile;
mod settings;
pub(in crate::stack) mod wire;
