//! What sockets there are: `ss`, unmodified, and sock_diag(7) itself say the same of ours as of the kernel's.

use crate::place::{Arm, Place, User, has, only_kernel};

#[test]
fn ss_says_the_same() {
    if !has("ss") {
        return;
    }
    let mut told = Vec::new();
    for arm in [Arm::Kernel, Arm::Run] {
        if arm == Arm::Run && only_kernel() {
            return;
        }
        let Some(place) = Place::lo(arm, User::Root) else { return };
        told.push(place.python("sock_diag.py").end().ok());
        place.leave();
    }
    let [kernel, ours] = &told[..] else { return };
    let different: Vec<_> = kernel
        .lines()
        .filter(|line| !ours.lines().any(|other| other == *line))
        .map(|line| format!("the kernel alone: {line}"))
        .chain(
            ours.lines()
                .filter(|line| !kernel.lines().any(|other| other == *line))
                .map(|line| format!("ours alone: {line}")),
        )
        .collect();
    assert_eq!(ours, kernel, "{}", different.join("\n"));
}
