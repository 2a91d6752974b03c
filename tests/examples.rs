//! The exercises of `examples/`: each does in memory, or beside Linux, what its head promises.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

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
