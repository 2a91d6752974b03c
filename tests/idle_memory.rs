//! What an idle connection keeps in memory. Alone in its file: the process is the scale.
#![allow(missing_docs, clippy::unwrap_used)]

use sockatoo::device::{Cable, CableConfig};
use sockatoo::socket::{AF_INET, MSG_DONTWAIT, SOCK_STREAM};
use sockatoo::{Host, Socket};

/// RFC 9293's two ends are both ours here: each connection counts twice.
const CONNECTIONS: usize = 1000;

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn an_idle_connection_keeps_a_few_pages() {
    let (a, b) = Cable::pair(CableConfig::default());
    let host = |end, address| {
        let host = Host::builder().seed(1).device(end).ipv4_only().address(address).unwrap();
        host.embedded().build().unwrap()
    };
    let (client_host, server_host) = (host(a, "192.0.2.1/24"), host(b, "192.0.2.2/24"));
    let drive = || {
        client_host.drive();
        server_host.drive();
    };
    let listener = server_host.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    listener.bind(("192.0.2.2", 7000)).unwrap();
    listener.listen(128).unwrap();
    listener.setblocking(false).unwrap();
    // The second round finds the memory that the first one gave back.
    for round in 0..2 {
        let before = resident();
        let pairs: Vec<(Socket, Socket)> = (0..CONNECTIONS)
            .map(|_| {
                let client = client_host.socket(AF_INET, SOCK_STREAM, 0).unwrap();
                client.setblocking(false).unwrap();
                client.connect_ex(("192.0.2.2", 7000));
                let server = loop {
                    drive();
                    if let Ok((server, _)) = listener.accept() {
                        break server;
                    }
                };
                client.send(&[7; 1024], 0).unwrap();
                let mut buffer = [0; 2048];
                while server.recv_into(&mut buffer, MSG_DONTWAIT).is_err() {
                    drive();
                }
                (client, server)
            })
            .collect();
        let kept = resident().saturating_sub(before) / (2 * CONNECTIONS);
        assert!(kept < 32 * 1024, "round {round}: an end keeps {kept} bytes");
        drop(pairs);
        drive();
    }
}
