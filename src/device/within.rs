//! What a wrapper leaves to the device within it, method by method.

/// The named methods of [`Device`](super::Device), as the device in field `$within` has them.
macro_rules! left_to {
    ($within:tt: $($method:ident)+) => { $(left_to!(@ $method $within);)+ };
    (@ name $within:tt) => { fn name(&self) -> &str { self.$within.name() } };
    (@ mac $within:tt) => { fn mac(&self) -> $crate::base::Mac { self.$within.mac() } };
    (@ link $within:tt) => { fn link(&self) -> $crate::base::LinkType { self.$within.link() } };
    (@ mtu $within:tt) => { fn mtu(&self) -> usize { self.$within.mtu() } };
    (@ set_clock $within:tt) => {
        fn set_clock(&mut self, born: std::time::Duration) { self.$within.set_clock(born) }
    };
    (@ fd $within:tt) => { fn fd(&self) -> Option<std::os::fd::RawFd> { self.$within.fd() } };
    (@ deadline $within:tt) => {
        fn deadline(&self) -> Option<$crate::base::Instant> { self.$within.deadline() }
    };
    (@ sleeping $within:tt) => { fn sleeping(&mut self, asleep: bool) { self.$within.sleeping(asleep) } };
    (@ is_up $within:tt) => { fn is_up(&self) -> bool { self.$within.is_up() } };
    (@ is_loopback $within:tt) => { fn is_loopback(&self) -> bool { self.$within.is_loopback() } };
    (@ set_promiscuous $within:tt) => {
        fn set_promiscuous(&mut self, on: bool) { self.$within.set_promiscuous(on) }
    };
    (@ notes $within:tt) => {
        fn notes(&mut self, tell: &mut dyn FnMut($crate::base::Reason, u64)) { self.$within.notes(tell) }
    };
}

pub(super) use left_to;
