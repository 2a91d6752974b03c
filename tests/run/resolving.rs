//! Names: programs ask the name server that their host was given, whatever the machine's own files say.

use std::fs;

use crate::place::{Arm, PYTHON, Place, User, has, only_kernel, static_go};

/// A name server that is a guest of the same host, and an ordinary user.
#[test]
fn programs_ask_the_hosts_name_server() {
    if only_kernel() || !has("go") || !has("getent") {
        return;
    }
    let Some(place) = Place::lo(Arm::Run, User::Nobody) else { return };
    place.sockatoo("up lab --dns 127.0.0.1").ok();
    let server = place.python("dns_server.py www.example 192.0.2.80");
    server.wait_for("waiting");
    assert_eq!(place.line("cat /etc/resolv.conf").end().ok(), "nameserver 127.0.0.1\n");

    let script = "import socket, sys\n\
                  print(socket.gethostbyname('www.example'))\n\
                  print(sorted({a[0] for *_, a in socket.getaddrinfo('www.example', 80, type=socket.SOCK_STREAM)}))\n\
                  try: socket.getaddrinfo('nobody.example', 80)\n\
                  except socket.gaierror as error: print(error.errno == socket.EAI_NONAME)\n\
                  print(socket.gethostbyname('localhost'))";
    let told = place.terminal(PYTHON, &["-c", script]).end().ok();
    assert_eq!(told, "192.0.2.80\n['192.0.2.80']\nTrue\n127.0.0.1\n");
    server.wait_for("asked www.example 1\n").wait_for("asked nobody.example 28\n");

    let told = place.line("getent hosts www.example").end().ok();
    assert!(told.starts_with("192.0.2.80 ") && told.contains("www.example"), "{told}");
    // A resolver of its own, without libc.
    let program = place.work().join("go-program");
    fs::copy(static_go(), &program).unwrap();
    let told = place.terminal(program.to_str().unwrap(), &["find", "www.example"]).end().ok();
    assert_eq!(told, "[192.0.2.80]\n");
    // And ours.
    let told = place.sockatoo("ping --on lab -c 1 www.example").err;
    assert!(told.contains("192.0.2.80: Network is unreachable"), "{told}");
    server.interrupt();
    place.leave();
}
