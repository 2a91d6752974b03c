//! What a host in another process must be able to do for its handle; socket/remote does it.

use std::fmt::Debug;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::Interface;
use super::builder::Names;
use crate::base::verb::{Answer, Patience, Verb};
use crate::base::{Instant, Result, SocketId};
use crate::stack::Census;

/// A host in another process. When the last handle goes, what was made through it is closed there.
pub(crate) trait Far: Debug + Send + Sync {
    /// Does a verb there; what can't be done yet waits there. EINTR if the host ended meanwhile, ENETDOWN if it had before.
    fn perform(&self, verb: Verb, patience: Patience) -> Result<Answer>;
    /// The descriptor of a socket that poll(2) and epoll(7) can wait on.
    fn readiness(&self, socket: SocketId) -> Result<OwnedFd>;
    /// The reading of its clock: the machine's, from its birth on.
    fn now(&self) -> Instant;
    /// The wall clock at the beginning of its clock.
    fn epoch(&self) -> Duration;
    /// What gethostname(2) says there; after its end what it said first.
    fn hostname(&self) -> String;
    fn names(&self) -> Result<Names>;
    fn interfaces(&self) -> Result<Vec<Interface>>;
    fn census(&self) -> Result<Census>;
    fn is_congested(&self) -> Result<bool>;
    /// A number that nobody guesses.
    fn random(&self) -> u64;
    /// Closes what was made through it; calls that wait answer EINTR, later ones ENETDOWN.
    fn leave(&self);
}
