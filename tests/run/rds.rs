//! RDS under `run`, on kernels that have none. There is no kernel's arm.

use crate::place::{Arm, PYTHON, Place, User, skipped};

/// test_socket's cases of RDS, which a kernel without it skips.
#[test]
fn cpython() {
    for user in [User::Root, User::Nobody] {
        let Some(place) = Place::lo(Arm::Run, user) else { continue };
        let told = place.line(&format!("{PYTHON} -m test -v test_socket -m *RDSTest*")).end();
        if told.out.contains("No module named") || told.err.contains("No module named") {
            return skipped("Debian's python3 has not its test suite (scripts/test gets it)");
        }
        let all = told.out.clone() + &told.err;
        assert_eq!(told.status, 0, "{all}");
        let passed =
            all.lines().filter(|line| line.contains("RDSTest.") && line.trim_end().ends_with("... ok"));
        assert_eq!(passed.count(), 8, "{all}");
        assert!(!all.contains("skipped"), "{all}");
        place.leave();
    }
}

/// A program against a peer that writes RDS by hand onto the kernel's TCP.
#[test]
fn a_peer_that_writes_its_headers_by_hand() {
    let Some(place) = Place::wire(Arm::Run, "") else { return };
    let echo = place.python("rds_echo.py");
    echo.wait_for("bound ('192.0.2.2', 4000) ('192.0.2.1', 5000)");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/run/python/rds_peer.py");
    let peer = place.peer_terminal(&format!("{PYTHON} {script}")).end();
    assert_eq!((peer.status, peer.out.trim_end()), (0, "200 once and in order"), "{peer:?}");
    let told = echo.end();
    assert!(told.status == 0 && told.out.trim_end().ends_with("the end"), "{told:?}");
    place.leave();
}
