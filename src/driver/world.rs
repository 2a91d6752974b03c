//! Hosts, cables and threads in virtual time.

use std::sync::Arc;

use super::shared::Shared;
use crate::base::{Instant, Result, SocketId};
use crate::stack::Stack;

/// Hosts, cables and threads in virtual time.
#[derive(Clone, Debug)]
pub struct World {}

/// A host's place in a world.
#[derive(Clone, Debug)]
pub(super) struct Seat {}

impl Seat {
    pub(super) fn take(&self, _host: &Arc<Shared>) {}
}

pub(super) fn wait<T>(
    _shared: &Shared,
    _seat: &Seat,
    _sockets: &[SocketId],
    _deadline: Option<Instant>,
    _attempt: impl FnMut(&mut Stack) -> Option<T>,
) -> Result<Option<T>> {
    todo!()
}
