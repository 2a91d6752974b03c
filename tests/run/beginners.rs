//! Programs as beginners write them: client and server, two terminals, 127.0.0.1.

use crate::place::users;

users! {
    /// One greeting, and both end.
    fn greet_once(place) {
        let server = place.python("greet_server.py");
        server.wait_for("waiting");
        let client = place.python("greet_client.py Ada").end().ok();
        assert!(client.contains("Hello, Ada!\nthen b''\n"), "{client}");
        client + &server.end().ok()
    }

    /// A chat that the guest leaves, then one that the server leaves.
    fn chat_until_someone_leaves(place) {
        let mut told = String::new();
        for guest_leaves in [true, false] {
            let server = place.python("chat_server.py");
            server.wait_for("waiting");
            let client = place.python("chat_client.py");
            client.wait_for("connected").types("hello");
            server.wait_for("guest: hello").types("hi there");
            client.wait_for("server: hi there").types(if guest_leaves { "bye" } else { "well?" });
            if !guest_leaves {
                server.wait_for("guest: well?").types("bye");
            }
            told += &(client.end().ok() + &server.end().ok());
        }
        assert!(told.contains("the guest has left") && told.contains("the server has left"), "{told}");
        told
    }

    /// Clients one after the other, until Ctrl-C.
    fn greet_everyone_for_ever(place) {
        let server = place.python("forever_server.py");
        server.wait_for("waiting");
        let mut told = place.python("forever_client.py Ada Grace").end().ok();
        told += &place.python("forever_client.py Edsger").end().ok();
        server.wait_for("greeted Edsger");
        let ended = server.interrupt();
        assert!(ended.out.ends_with("interrupted\n"), "{ended:?}");
        told + &ended.ok()
    }

    /// settimeout, setblocking: accept, recv, sendall, recvfrom.
    fn time_limits(place) {
        place.python("timeouts.py").end().ok()
    }

    /// Datagrams: empty, long, too long, to nobody.
    fn datagrams(place) {
        let server = place.python("udp_server.py");
        server.wait_for("waiting");
        let client = place.python("udp_client.py").end().ok();
        assert!(client.contains("nobody: Connection refused"), "{client}");
        client + &server.end().ok()
    }

    /// connect_ex to open and closed ports; ports that are taken.
    fn scan_ports(place) {
        let told = place.python("ports.py").end().ok();
        assert!(told.contains("closed 111 ECONNREFUSED") && told.contains("open 0 None"), "{told}");
        told
    }

    /// Ten megabytes there (sendfile) and back, over IPv6.
    fn a_file_there_and_back(place) {
        let server = place.python("file_server.py");
        server.wait_for("waiting");
        let client = place.python("file_client.py").end().ok();
        client + &server.end().ok()
    }

    /// Three guests in a room, with select over sockets and keyboards.
    fn a_room_for_many(place) {
        let server = place.python("rooms_server.py");
        server.wait_for("open");
        let mut guests = Vec::new();
        for n in 1..=3 {
            let guest = place.python("rooms_client.py");
            guest.wait_for("in");
            server.wait_for(&format!("guests: {n}"));
            guests.push(guest);
        }
        for n in 0..3 {
            guests[n].types(&format!("I am {n}"));
            for other in (0..3).filter(|other| *other != n) {
                guests[other].wait_for(&format!("heard I am {n}"));
            }
        }
        let mut told = String::new();
        for guest in guests {
            guest.types("bye");
            told += &guest.end().ok();
        }
        told + &server.end().ok()
    }
}
