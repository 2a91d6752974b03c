//! Names: hosts table, `localhost`, and DNS over Sockatoo's own UDP and TCP, with a small server at the cable's other end.
#![allow(clippy::unwrap_used)]

use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use sockatoo::device::{Cable, CableConfig};
use sockatoo::socket::*;
use sockatoo::wire::dns::{self, Data, Record};
use sockatoo::{Errno, Host, World};

/// A host at 192.0.2.2 whose DNS servers are `servers`, and the host at 192.0.2.1 on the other end of its cable.
fn with_servers(servers: &[&str]) -> (Host, Host) {
    let (left, right) = Cable::pair(CableConfig::default());
    let mut client = Host::builder().hostname("client").dad_transmits(0).device(right);
    client = client.address("192.0.2.2/24").unwrap().address("2001:db8::2/64").unwrap();
    for server in servers {
        client = client.dns(server).unwrap();
    }
    let server = Host::builder().dad_transmits(0).device(left);
    let server = server.address("192.0.2.1/24").unwrap().address("2001:db8::1/64").unwrap();
    (client.build().unwrap(), server.build().unwrap())
}

/// The records of `name` in our zone.
fn records(name: &str, kind: u16) -> Option<Vec<Record>> {
    let record = |name: &str, data| Record { name: name.into(), ttl: 60, data };
    let v4 = |name: &str| record(name, Data::A([198, 51, 100, 7].into()));
    let v6 = |name: &str| record(name, Data::Aaaa("2001:db8::7".parse().unwrap()));
    Some(match (name, kind) {
        ("www.example", dns::TYPE_A) => vec![v4(name)],
        ("www.example", dns::TYPE_AAAA) => vec![v6(name)],
        ("four.example" | "big.example", dns::TYPE_A) => vec![v4(name)],
        ("four.example" | "big.example", _) => vec![],
        ("alias.example", kind) => {
            let mut all = vec![
                record(name, Data::Cname("second.example".into())),
                record("second.example", Data::Cname("www.example".into())),
            ];
            all.extend(records("www.example", kind)?);
            all
        }
        ("circle.example", _) => vec![record(name, Data::Cname(name.into()))],
        ("7.100.51.198.in-addr.arpa", dns::TYPE_PTR) => vec![record(name, Data::Ptr("www.example".into()))],
        _ => return None,
    })
}

fn reply(query: &[u8]) -> Vec<u8> {
    let asked = dns::parse(query).unwrap();
    let question = &asked.questions[0];
    match records(&question.name, question.kind) {
        Some(records) => dns::answer(query, dns::RCODE_NO_ERROR, &records).unwrap(),
        None => dns::answer(query, dns::RCODE_NAME_ERROR, &[]).unwrap(),
    }
}

/// Answers UDP and TCP on port 53, until its host is shut down. What is asked for `big.example` fits in TCP alone.
fn serve(host: &Host) {
    let udp = host.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    udp.bind(("", 53)).unwrap();
    let tcp = host.create_server(("", 53), Server::default()).unwrap();
    thread::spawn(move || {
        while let Ok((query, from)) = udp.recvfrom(512, 0) {
            let mut answer = reply(&query);
            if dns::parse(&query).unwrap().questions[0].name == "big.example" {
                answer[2] |= 2; // TC
                answer.truncate(12 + 13 + 4 + 5); // in the middle of the first record
            }
            // A liar is faster, but does not know the question.
            udp.sendto(&[0; 12], 0, from).unwrap();
            let mut lie = answer.clone();
            lie[0] ^= 0xff;
            udp.sendto(&lie, 0, from).unwrap();
            udp.sendto(&answer, 0, from).unwrap();
        }
    });
    thread::spawn(move || {
        while let Ok((connection, _)) = tcp.accept() {
            while let Ok(length) = connection.recv(2, MSG_WAITALL) {
                let Ok(length) = <[u8; 2]>::try_from(length) else { break };
                let query = connection.recv(u16::from_be_bytes(length).into(), MSG_WAITALL).unwrap();
                let answer = reply(&query);
                let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
                connection.sendall(&[&length[..], &answer].concat(), 0).unwrap();
            }
        }
    });
}

fn addresses(host: &Host, name: &str, family: i32, flags: i32) -> sockatoo::Result<Vec<String>> {
    let found = host.getaddrinfo(Some(name), None, family, SOCK_STREAM, 0, flags)?;
    Ok(found.iter().map(|info| info.address.inet().unwrap().ip().to_string()).collect())
}

#[test]
fn dns_over_udp_and_tcp() {
    let (client, server) = with_servers(&["192.0.2.1"]);
    serve(&server);
    assert_eq!(addresses(&client, "www.example", AF_INET, 0).unwrap(), ["198.51.100.7"]);
    assert_eq!(addresses(&client, "WWW.Example.", AF_INET6, 0).unwrap(), ["2001:db8::7"]);
    // No route leads to 198.51.100.7: the address that can be reached comes first.
    assert_eq!(addresses(&client, "www.example", AF_UNSPEC, 0).unwrap(), ["2001:db8::7", "198.51.100.7"]);
    assert_eq!(addresses(&client, "four.example", AF_UNSPEC, 0).unwrap(), ["198.51.100.7"]);
    assert_eq!(addresses(&client, "big.example", AF_UNSPEC, 0).unwrap(), ["198.51.100.7"]);
    let alias = client.getaddrinfo(Some("alias.example"), Some("http"), AF_INET, 0, 0, AI_CANONNAME).unwrap();
    assert_eq!(
        (alias[0].canonname.as_str(), alias[0].type_, alias[0].proto),
        ("www.example", SOCK_STREAM, IPPROTO_TCP)
    );
    assert_eq!(alias[0].address.to_string(), "198.51.100.7:80");
    assert_eq!(client.gethostbyname("www.example").unwrap().to_string(), "198.51.100.7");
    let HostEntry { name, aliases, addresses: found } = client.gethostbyname_ex("alias.example").unwrap();
    assert_eq!(
        (name.as_str(), aliases),
        ("www.example", vec!["alias.example".into(), "second.example".into()])
    );
    assert_eq!(found, ["198.51.100.7".parse::<IpAddr>().unwrap()]);
    assert_eq!(client.getfqdn("198.51.100.7"), "www.example");
    assert_eq!(
        client.getnameinfo(([198, 51, 100, 7], 443), 0).unwrap(),
        ("www.example".into(), "https".into())
    );
    // The host's own name is its own addresses.
    let own = addresses(&client, "client", AF_UNSPEC, 0).unwrap();
    assert!(own.contains(&"192.0.2.2".to_owned()) && own.contains(&"2001:db8::2".to_owned()), "{own:?}");
    let mapped = addresses(&client, "four.example", AF_INET6, AI_V4MAPPED).unwrap();
    assert_eq!(mapped, ["::ffff:198.51.100.7"]);
    for (name, family, errno) in [
        ("nobody.example", AF_UNSPEC, Errno::EAI_NONAME),
        ("four.example", AF_INET6, Errno::EAI_NODATA),
        ("circle.example", AF_INET, Errno::EAI_FAIL),
        ("a..b", AF_INET, Errno::EAI_NONAME),
    ] {
        assert_eq!(addresses(&client, name, family, 0).unwrap_err().errno(), errno, "{name}");
    }
    let socket = client.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    assert_eq!(socket.connect_ex(("nobody.example", 80)), EAI_NONAME);
}

#[test]
fn the_next_server_is_asked_where_the_first_is_silent() {
    // Nobody is at .9 (the neighbour fails), nothing listens at 2001:db8::1 (refused).
    let (client, server) = with_servers(&["192.0.2.9", "2001:db8::1", "192.0.2.1"]);
    serve(&server);
    assert_eq!(addresses(&client, "www.example", AF_INET, 0).unwrap(), ["198.51.100.7"]);
}

#[test]
fn without_a_server_a_name_is_for_later() {
    let host = Host::builder().build().unwrap();
    let error = addresses(&host, "www.example", AF_UNSPEC, 0).unwrap_err();
    assert_eq!(error.errno(), Errno::EAI_AGAIN);
    assert!(error.why().contains("no DNS server"), "{error}");
}

#[test]
fn names_that_need_no_server() {
    let host =
        Host::builder().hostname("parrot").hosts_entry("printer", "192.0.2.50").unwrap().build().unwrap();
    assert_eq!(addresses(&host, "localhost", AF_UNSPEC, 0).unwrap(), ["::1", "127.0.0.1"]);
    assert_eq!(addresses(&host, "a.localhost", AF_INET, 0).unwrap(), ["127.0.0.1"]);
    assert_eq!(addresses(&host, "Printer", AF_INET, 0).unwrap(), ["192.0.2.50"]);
    assert_eq!(addresses(&host, "127.1", AF_UNSPEC, 0).unwrap(), ["127.0.0.1"]);
    assert!(addresses(&host, "parrot", AF_UNSPEC, 0).is_ok());
    let printer: IpAddr = "192.0.2.50".parse().unwrap();
    let entry = host.gethostbyaddr(printer).unwrap();
    assert_eq!((entry.name.as_str(), entry.aliases.len(), entry.addresses), ("printer", 0, vec![printer]));
    assert_eq!(host.gethostbyaddr("printer").unwrap().name, "printer");
    assert_eq!(host.gethostbyaddr("192.0.2.51").unwrap_err().errno(), Errno::EAI_NONAME);
    assert_eq!(host.gethostbyname("").unwrap().to_string(), "0.0.0.0");
    assert_eq!(host.gethostbyname("<broadcast>").unwrap().to_string(), "255.255.255.255");
    assert_eq!(host.gethostbyname_ex("127.1").unwrap().addresses, ["127.0.0.1".parse::<IpAddr>().unwrap()]);
    assert_eq!(host.gethostbyname_ex("::1").unwrap_err().errno(), Errno::EAI_ADDRFAMILY);
    assert_eq!((host.getfqdn(""), host.getfqdn("192.0.2.50")), ("localhost".into(), "printer".into()));
    host.sethostname("bird.example").unwrap();
    assert_eq!((host.gethostname(), host.getfqdn("")), ("bird.example".into(), "localhost".into()));
    assert_eq!(host.sethostname(&"x".repeat(65)).unwrap_err().errno(), Errno::EINVAL);
    let scoped = host.getaddrinfo(Some("fe80::1%lo"), Some("80"), AF_INET6, SOCK_STREAM, 0, 0).unwrap();
    assert_eq!(scoped[0].address.to_string(), "[fe80::1%1]:80");
}

#[test]
fn hints_and_their_errors() {
    let host = Host::builder().build().unwrap();
    let ask =
        |name, port, family, type_, proto, flags| host.getaddrinfo(name, port, family, type_, proto, flags);
    let errno = |result: sockatoo::Result<Vec<AddrInfo>>| result.unwrap_err().errno();
    assert_eq!(errno(ask(None, None, 0, 0, 0, 0)), Errno::EAI_NONAME);
    assert_eq!(errno(ask(Some("127.0.0.1"), None, 99, 0, 0, 0)), Errno::EAI_FAMILY);
    assert_eq!(errno(ask(Some("127.0.0.1"), None, 0, 99, 0, 0)), Errno::EAI_SOCKTYPE);
    assert_eq!(errno(ask(Some("127.0.0.1"), None, 0, 0, 0, 1 << 20)), Errno::EAI_BADFLAGS);
    assert_eq!(errno(ask(Some("127.0.0.1"), Some("nonsense"), 0, 0, 0, 0)), Errno::EAI_SERVICE);
    assert_eq!(errno(ask(Some("127.0.0.1"), Some("70000"), 0, 0, 0, 0)), Errno::EAI_SERVICE);
    assert_eq!(errno(ask(Some("localhost"), None, 0, 0, 0, AI_NUMERICHOST)), Errno::EAI_NONAME);
    assert_eq!(errno(ask(Some("::1"), None, AF_INET, 0, 0, 0)), Errno::EAI_ADDRFAMILY);
    let passive: Vec<_> = ask(None, Some("53"), 0, SOCK_DGRAM, 0, AI_PASSIVE).unwrap();
    let passive: Vec<_> = passive.iter().map(|info| info.address.to_string()).collect();
    assert_eq!(passive, ["0.0.0.0:53", "[::]:53"]);
    // As the libc: a stream, a datagram and a raw entry where nothing is asked for.
    let kinds: Vec<_> = ask(Some("127.0.0.1"), Some("80"), 0, 0, 0, 0).unwrap();
    let kinds: Vec<_> = kinds.iter().map(|info| (info.type_, info.proto)).collect();
    assert_eq!(kinds, [(SOCK_STREAM, IPPROTO_TCP), (SOCK_DGRAM, IPPROTO_UDP), (SOCK_RAW, 0)]);
}

#[test]
fn a_silent_server_is_asked_twice() {
    let world = World::new(7);
    let server = world.host("server").build().unwrap();
    let client = world.host("client").dns("192.0.2.1").unwrap().build().unwrap();
    world.cable(&server, &client, "delay=10ms").unwrap().addresses("192.0.2.1/24", "192.0.2.2/24").unwrap();
    let listener = world.spawn(&server, |host| {
        let socket = host.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
        socket.bind(("", 53)).unwrap();
        socket.settimeout(Some(Duration::from_secs(60))).unwrap();
        std::iter::from_fn(|| socket.recv(512, 0).ok()).count()
    });
    let asker = world.spawn(&client, |host| {
        let before = host.now();
        let error = host.gethostbyname("www.example").unwrap_err();
        (error.errno(), host.now().since(before))
    });
    world.run().unwrap();
    // resolv.conf(5): two attempts of five seconds.
    assert_eq!(asker.join(), (Errno::EAI_AGAIN, Duration::from_secs(10)));
    assert_eq!(listener.join(), 2);
}
