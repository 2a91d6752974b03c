//! clock_gettime(2).

use std::time::Duration;

/// CLOCK_MONOTONIC: time since some moment in the past; never runs backwards.
pub(crate) fn monotonic() -> Duration {
    read(libc::CLOCK_MONOTONIC)
}

/// CLOCK_REALTIME: time since 1970. May jump.
pub(crate) fn realtime() -> Duration {
    read(libc::CLOCK_REALTIME)
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` may be written. The call can't fail for a clock that every Linux has; if it did, `time` stays zero.
    unsafe { libc::clock_gettime(clock, &mut time) };
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_clocks_run() {
        let before = super::monotonic();
        assert!(super::monotonic() >= before && super::realtime().as_secs() > 1_600_000_000);
    }
}
