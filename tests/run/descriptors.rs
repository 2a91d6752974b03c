//! What programs do with descriptors, beyond reading and writing: fork, exec, dup, handing them over, waiting for many, being
//! interrupted; and how they end.

use crate::place::{Arm, Place, User, users};

users! {
    /// fork, exec with a connection as stdin, SCM_RIGHTS, dup2.
    fn other_processes_have_them(place) {
        let server = place.python("inherit_server.py");
        server.wait_for("ready");
        let client = place.python("inherit_client.py").end().ok();
        let all = "b'from the child hello'\nb'HELLO'\nb'from the worker hello'\nb'by dup2 hello'\n";
        assert_eq!(client, all);
        server.end().ok()
    }

    /// select, poll, epoll (level, edge) with pipes beside our sockets.
    fn readiness(place) {
        place.python("readiness.py").end().ok()
    }

    /// FIN, RST, linger 0, EPIPE, and SIGPIPE at last.
    fn ends_of_connections(place) {
        let ended = place.python("resets.py").end();
        assert_eq!(ended.status, 128 + libc::SIGPIPE, "{ended:?}");
        ended.out
    }

    /// MSG_OOB, SIGURG, POLLPRI and select's exceptional set, SIOCATMARK, SO_OOBINLINE.
    fn urgent_data(place) {
        place.python("urgent.py").end().ok()
    }

    /// TCP_INQ and SO_RCVLOWAT.
    fn how_much_is_left_and_waited_for(place) {
        place.python("inq.py").end().ok()
    }

    /// Calls on what is not connected; a listener shut down, full, or with connections that were reset.
    fn refusals(place) {
        place.python("refusals.py").end().ok()
    }

    /// ICMP errors reach who sent, once, and wake who waits.
    fn errors_of_datagrams(place) {
        place.python("udp_errors.py").end().ok()
    }

    fn many_messages_at_once(place) {
        place.python("many_messages.py").end().ok()
    }

    /// FIN, or RST if something was left unread. Under run it is the run that is killed.
    fn a_server_that_is_killed(place) {
        let server = place.python("killed_server.py");
        server.wait_for("waiting");
        let client = place.python("killed_client.py");
        server.wait_for("served");
        client.wait_for("hello");
        // SAFETY: takes no pointers; the process is our child, not waited for.
        unsafe { libc::kill(server.pid(), libc::SIGKILL) };
        server.end();
        client.end().ok()
    }

    /// Handlers run while calls wait; exceptions leave them; time limits hold.
    fn signals(place) {
        place.python("signals.py").end().ok()
    }

    fn many_threads(place) {
        place.python("threads.py").end().ok()
    }

    /// What one program leaves unread keeps nothing from the others.
    fn a_program_that_does_not_read(place) {
        place.python("readers.py").end().ok()
    }

    fn pointers_that_lead_nowhere(place) {
        place.python("pointers.py").end().ok()
    }

    fn names_and_interfaces(place) {
        place.python("names.py").end().ok()
    }

    /// Exit status, death by signal, working directory, arguments and standard input are the program's own.
    fn ways_to_end(place) {
        let work = place.work();
        let mut told = String::new();
        for words in ["exit 0", "exit 7", "signal SIGTERM", "signal SIGKILL", "signal SIGINT"] {
            let program = place.python(&format!("exits.py {words}"));
            program.types("typed");
            let ended = program.end();
            told += &format!("{words}: {} {}", ended.status, ended.out.replace(work.to_str().unwrap(), "WORK"));
        }
        told
    }

    /// Ctrl-C in a call that waits: Python's KeyboardInterrupt.
    fn ctrl_c(place) {
        let server = place.python("greet_server.py");
        server.wait_for("waiting");
        let ended = server.interrupt();
        assert!(ended.err.contains("KeyboardInterrupt"), "{ended:?}");
        format!("{} {}", ended.status, ended.out)
    }
}

/// PR_SET_DUMPABLE: without privilege nobody can work on such a program's descriptors. The user hears why, once.
#[test]
fn a_program_that_lets_nobody_look() {
    let Some(place) = Place::lo(Arm::Run, User::Nobody) else { return };
    let program = "import ctypes, socket; ctypes.CDLL(None).prctl(4, 0)\n\
                   for _ in range(3): print(socket.socket().connect_ex(('127.0.0.1', 9)) != 0)";
    let ended = place.terminal("/usr/bin/python3", &["-c", program]).end();
    assert_eq!(ended.out, "True\n".repeat(3), "{ended:?}");
    assert_eq!(ended.err.matches("PR_SET_DUMPABLE").count(), 1, "{ended:?}");
    place.leave();
}
