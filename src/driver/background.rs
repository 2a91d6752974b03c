//! The background thread: drives the host while no call waits, so that it answers pings, acknowledges and retransmits.
//!
//! It is started when a host first needs it, and ends with the host. While calls come and go it only dozes, a millisecond at a
//! time, and nobody wakes it at each release; once a millisecond has passed without a wait (or at once, while a readiness
//! descriptor is out) it takes the role and sleeps on the devices itself. While one call waits for long, it is parked.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::role::{Background, Driver};
use super::state::{PollSet, Shared, State};
use super::wait::{DOZE, drive};

/// How long a host goes on without a handle, so that what was sent before, and the FINs, can still be acknowledged or sent
/// again. It ends earlier when all its connections have ended.
const GRACE: Duration = Duration::from_secs(5);

/// Starts the thread if there is none and the host may have one. Without a thread (the system has none to give) only waiting
/// calls drive.
pub(super) fn start(shared: &Shared, state: &mut State) {
    if !shared.background || shared.seat.is_some() || state.role.has_background() || state.closed {
        return;
    }
    let Some(strong) = shared.itself.upgrade() else { return };
    let name = format!("{} stack", state.stack.net.config.hostname);
    if let Ok(handle) = thread::Builder::new().name(name).spawn(move || run(&strong)) {
        state.role.set_background(handle.thread().clone());
    }
}

/// The last handle is gone.
pub(super) fn orphan(shared: &Arc<Shared>) {
    let mut state = shared.lock();
    if has_ended(&state) {
        state.close();
        return;
    }
    state.orphan_until = Some(shared.now() + GRACE);
    start(shared, &mut state);
    if state.role.has_background() {
        state.role.rouse_background();
    } else {
        state.close();
    }
}

/// True if nothing is left that a peer must hear.
fn has_ended(state: &State) -> bool {
    state.closed || state.ports.len() <= 1 || state.stack.census().flows == 0
}

fn run(shared: &Shared) {
    let mut polls = PollSet::default();
    let mut state = shared.lock();
    while !state.closed {
        if let Some(until) = state.orphan_until
            && (until <= shared.now() || has_ended(&state))
        {
            state.close();
            break;
        }
        let watch = state.readiness.is_out() || state.orphan_until.is_some();
        match state.role.background_turn(watch) {
            Background::Drive => {
                let until = state.orphan_until;
                let now;
                (state, now) = drive(shared, state, Driver::Background, until, &mut polls);
                state.settle(now);
            }
            Background::Doze => {
                drop(state);
                thread::park_timeout(DOZE);
                state = shared.lock();
            }
            Background::Park => {
                drop(state);
                thread::park();
                state = shared.lock();
            }
        }
    }
}
