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
