//! The exercises of `examples/`: each does in memory, or beside Linux, what its head promises.
#![allow(clippy::unwrap_used, clippy::print_stdout)]
#![allow(clippy::duplicate_mod)] // each exercise is a program of its own, with what it needs

use std::time::Duration;

macro_rules! exercises {
    ($($name:ident = $path:literal;)*) => {
        $(#[allow(dead_code, unreachable_pub, missing_docs)]
        #[path = $path]
        mod $name;)*
    };
}

exercises! {
    ping_by_hand = "../examples/ping_by_hand.rs";
    traceroute_by_hand = "../examples/traceroute_by_hand.rs";
    spoofed_echo = "../examples/spoofed_echo.rs";
    http_by_hand = "../examples/http_by_hand.rs";
    what_sniffers_hear = "../examples/what_sniffers_hear.rs";
    arp_poisoning = "../examples/arp_poisoning.rs";
    fragments_by_hand = "../examples/fragments_by_hand.rs";
    dhcp_client = "../examples/dhcp_client.rs";
    dns_query = "../examples/dns_query.rs";
    icmp_redirect = "../examples/icmp_redirect.rs";
    record_route = "../examples/record_route.rs";
    path_mtu = "../examples/path_mtu.rs";
    protocol_253 = "../examples/protocol_253.rs";
    rst_injection = "../examples/rst_injection.rs";
    syn_flood = "../examples/syn_flood.rs";
    can_bus = "../examples/can_bus.rs";
    reliable_datagrams = "../examples/reliable_datagrams.rs";
}

/// `None`, and the reason is printed, where namespaces are not allowed.
fn beside_the_kernel<T>(exercise: fn() -> sockatoo::Result<T>) -> Option<T> {
    if let Err(error) = sockatoo::lab::Netns::new() {
        assert!(std::env::var_os("CI").is_none(), "CI must be able to run this: {error}");
        println!("skipped: {error}");
        return None;
    }
    Some(exercise().unwrap())
}

#[test]
fn ping() {
    let replies = ping_by_hand::in_memory().unwrap();
    let seqs: Vec<_> = replies.iter().map(|reply| (reply.seq, reply.ttl)).collect();
    assert_eq!(seqs, [(1, 64), (2, 64), (3, 64)]);
    let times: Vec<_> = replies.iter().map(|reply| reply.time.as_millis()).collect();
    assert!(times[0] > 20, "the first one waits for ARP: {times:?}");
    assert_eq!(times[1..], [20, 20]);
}

#[test]
fn ping_of_the_kernel() {
    let Some(replies) = beside_the_kernel(ping_by_hand::beside_the_kernel) else { return };
    assert!(replies.len() == 3 && replies.iter().all(|reply| reply.ttl == 64), "{replies:?}");
    assert!(replies.iter().all(|reply| reply.time < Duration::from_secs(2)));
}

#[test]
fn traceroute() {
    let hops: Vec<_> =
        traceroute_by_hand::in_memory().unwrap().into_iter().map(|hop| hop.unwrap().to_string()).collect();
    assert_eq!(hops, ["198.51.100.1", "198.51.100.5", "198.51.100.9", "198.51.100.13"]);
}

#[test]
fn an_answer_to_who_has_not_asked() {
    let answer = spoofed_echo::in_memory().unwrap();
    assert_eq!(answer[12..20], [192, 0, 2, 2, 192, 0, 2, 3]);
    assert_eq!(answer[20], 0, "an echo reply");
    assert!(answer.ends_with(b"in carol's name"));
}

#[test]
fn a_page() {
    assert_eq!(http_by_hand::in_memory().unwrap(), "HTTP/1.0 200 OK\r\n\r\nHello, segment by segment!\n");
}

#[test]
fn a_page_of_the_kernel() {
    let Some(page) = beside_the_kernel(http_by_hand::beside_the_kernel) else { return };
    assert!(page.starts_with("HTTP/1.0 200 OK\r\nServer: SimpleHTTP/"), "{page}");
    assert!(page.contains("mod.rs"), "the list of the folder's files: {page}");
}

#[test]
fn sniffers() {
    let [ip, frames] = what_sniffers_hear::in_memory().unwrap();
    let has = |lines: &[String], text: &str| lines.iter().filter(|line| line.contains(text)).count();
    // What arrives; whether anybody wants it does not matter. Of frames there are more.
    assert_eq!(ip.len(), 4, "{ip:#?}");
    assert_eq!(
        (has(&ip, "echo request"), has(&ip, "(bad checksum)"), has(&ip, "echo reply")),
        (1, 1, 0),
        "{ip:#?}"
    );
    let garbled = ip.iter().find(|line| line.ends_with("(bad checksum)")).unwrap();
    assert!(garbled.contains("192.0.2.2.5000"), "{garbled}");
    assert!(has(&frames, "who-has") + has(&frames, "who has") >= 1, "{frames:#?}");
    let marks =
        ["echo reply", "(sent from here)", "(for another station)"].map(|text| has(&frames, text) >= 1);
    assert_eq!(marks, [true; 3], "{frames:#?}");
}

#[test]
fn a_woman_in_the_middle() {
    let [before, poisoned, cured] = arp_poisoning::in_memory().unwrap();
    assert_eq!(before, [""; 0]);
    assert_eq!(poisoned, ["two: the parrot is pining"]);
    assert_eq!(cured, [""; 0]);
}

#[test]
fn fragments() {
    let (answers, overlaps) = fragments_by_hand::in_memory().unwrap();
    let whole = || Some("Who wants a cracker, eh?".to_owned());
    // What lies within what is there is taken for a copy of it (inet_frag_queue_insert: IPFRAG_DUP).
    assert_eq!(answers, [whole(), None, whole()]);
    assert_eq!(overlaps, 2, "the one that overlaps, and the one after it");
    let Some(of_the_kernel) = beside_the_kernel(fragments_by_hand::beside_the_kernel) else { return };
    assert_eq!(of_the_kernel, answers);
}

#[test]
fn an_address_for_who_has_none() {
    assert_eq!(dhcp_client::in_memory().unwrap().to_string(), "192.0.2.100");
}

#[test]
fn addresses_of_a_name() {
    let addresses: Vec<_> = dns_query::in_memory().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["198.51.100.7", "198.51.100.8"]);
}

#[test]
fn who_believes_a_redirect() {
    assert_eq!(icmp_redirect::in_memory().unwrap(), 1);
    let Some(way) = beside_the_kernel(icmp_redirect::beside_the_kernel) else { return };
    assert!(way.contains("via 192.0.2.3"), "{way}");
}

#[test]
fn who_wrote_into_a_packet() {
    let way = ["192.0.2.2", "198.51.100.1", "198.51.100.2", "198.51.100.2", "192.0.2.1", "192.0.2.2"];
    let route = record_route::in_memory().unwrap();
    assert_eq!(route.iter().map(ToString::to_string).collect::<Vec<_>>(), way);
    let Some(through_the_kernel) = beside_the_kernel(record_route::beside_the_kernel) else { return };
    assert_eq!(through_the_kernel, route);
}

#[test]
fn how_large_a_packet_may_be() {
    let sizes = |steps: &[(usize, String)]| steps.iter().map(|(size, _)| *size).collect::<Vec<_>>();
    let steps = path_mtu::in_memory().unwrap();
    assert_eq!(sizes(&steps), [1500, 1400, 1006]);
    assert!(steps[1].1.starts_with("198.51.100.2:0 says"), "{steps:?}");
    assert_eq!(steps[2].1, "203.0.113.2:0 answers");
    let Some(through_the_kernel) = beside_the_kernel(path_mtu::beside_the_kernel) else { return };
    assert_eq!(sizes(&through_the_kernel), [1500, 1006]);
}

#[test]
fn an_experiment() {
    assert_eq!(protocol_253::in_memory().unwrap(), "HELLO");
}

#[test]
fn a_reset_at_the_right_place() {
    assert_eq!(rst_injection::in_memory().unwrap(), [None, Some(sockatoo::Errno::ECONNRESET)]);
}

#[test]
fn a_flood_finds_its_bound() {
    let [flooded, later] = syn_flood::in_memory().unwrap();
    assert_eq!((flooded.half_open, flooded.flows), (1024, 0), "as many as there is room for");
    assert_eq!(later.half_open, 0, "{later:?}");
}

#[test]
fn a_bus() {
    let heard = can_bus::in_memory().unwrap();
    let frames: Vec<_> = heard.iter().map(|line| line.split_once("ms  ").unwrap().1).collect();
    assert_eq!(
        frames,
        ["301   [2]  03 20", "010   [1]  3E", "301   [2]  03 B6", "301   [2]  04 B0"],
        "{heard:?}"
    );
    // A bit until it is decided, 63 of the frame, 8 us each.
    assert_eq!(heard[0].split_whitespace().next(), Some("0.51"), "{heard:?}");
    assert_eq!(can_bus::diagnosis().unwrap(), "W0L000051T2123456");
}

#[test]
fn messages_of_rds() {
    let from =
        |address: &str| (1..=3).map(move |n| format!("{address}:4000: message {n}")).collect::<Vec<_>>();
    assert_eq!(reliable_datagrams::in_memory().unwrap(), [from("192.0.2.2"), from("198.51.100.2")].concat());
}
