use std::collections::HashMap;

use super::*;

#[derive(serde::Deserialize)]
struct File {
    table: Vec<Table>,
}

#[derive(serde::Deserialize)]
struct Table {
    proto: String,
    first: String,
    first_reuse: String,
    second_reuse: String,
    rows: HashMap<String, String>,
}

const ADDRESSES: [&str; 8] =
    ["0.0.0.0", "127.0.0.1", "127.0.0.2", "::", ":: only", "::1", "::ffff:0.0.0.0", "::ffff:127.0.0.1"];

fn binding(address: &str, reuse: &str) -> Binding {
    let ip: IpAddr = address.trim_end_matches(" only").parse().unwrap();
    Binding {
        address: ip.to_canonical(),
        v6only: address.ends_with("only"),
        device: None,
        reuse_address: reuse.contains("addr"),
        reuse_port: reuse.contains("port"),
        uid: 0,
        stage: Stage::Open,
        by_connect: false,
    }
}

/// The kernel wrote the file; here the pure rule must say the same in every cell.
#[test]
fn the_rule_says_what_the_kernel_says() {
    let text = include_str!("../../../tests/parity/bind_table.toml");
    let file: File = toml::from_str(text).unwrap();
    let mut cells = 0;
    let mut wrong = Vec::new();
    for table in &file.table {
        let space = if table.proto == "tcp" { Space::Tcp } else { Space::Udp };
        for (row, verdicts) in &table.rows {
            for (column, verdict) in ADDRESSES.iter().zip(verdicts.split_whitespace()) {
                let mut ports = Ports::default();
                let mut first = binding(row, &table.first_reuse);
                if table.first.starts_with("listen") {
                    first.stage = Stage::Listen;
                }
                ports.claim(space, 7000, first).unwrap();
                let second = binding(column, &table.second_reuse);
                let said = match ports.claim(space, 7000, second) {
                    Err(_) => "b",
                    Ok(_) if space == Space::Udp => ".",
                    Ok(mut claim) => {
                        match ports.try_change(&mut claim, Binding { stage: Stage::Listen, ..second }) {
                            Ok(()) => ".",
                            Err(_) => "l",
                        }
                    }
                };
                cells += 1;
                if said != verdict {
                    let Table { proto, first, first_reuse, second_reuse, .. } = table;
                    wrong.push(format!(
                        "{proto} {first} {row} [{first_reuse}], then {column} [{second_reuse}]: kernel {verdict}, we {said}"
                    ));
                }
            }
        }
    }
    assert!(cells > 1000, "{cells}");
    assert!(wrong.is_empty(), "{} of {cells}:\n{}", wrong.len(), wrong.join("\n"));
}

/// What the file has no column for: users, devices, TIME_WAIT, ping identifiers.
#[test]
fn users_devices_and_time_wait() {
    let shared = binding("0.0.0.0", "port");
    let other_user = Binding { uid: 1000, ..shared };
    assert!(!conflict(Space::Tcp, &shared, &shared) && conflict(Space::Tcp, &shared, &other_user));
    assert!(!conflict(Space::Tcp, &shared, &Binding { stage: Stage::TimeWait, ..other_user }));
    assert!(conflict(Space::Udp, &shared, &other_user));

    let plain = binding("192.0.2.1", "");
    let on = |n| Binding { device: Some(IfIndex(n)), ..plain };
    for space in [Space::Tcp, Space::Udp] {
        assert!(conflict(space, &plain, &on(2)) && conflict(space, &on(2), &on(2)));
        assert!(!conflict(space, &on(3), &on(2)));
    }
    // A connection in TIME_WAIT holds the port of a server that did not ask for SO_REUSEADDR.
    let waiting = Binding { stage: Stage::TimeWait, ..plain };
    assert!(conflict(Space::Tcp, &binding("0.0.0.0", ""), &waiting));
    assert!(conflict(Space::Tcp, &binding("0.0.0.0", "addr"), &waiting));
    let waiting = Binding { reuse_address: true, ..waiting };
    assert!(!conflict(Space::Tcp, &binding("0.0.0.0", "addr"), &waiting));

    assert!(conflict(Space::Ping, &binding("127.0.0.1", ""), &binding("::1", "addr")));
    assert!(!conflict(Space::Ping, &binding("127.0.0.1", "addr"), &binding("127.0.0.1", "addr")));
}

#[test]
fn equal_claims_are_counted_and_all_are_given_back() {
    let mut ports = Ports::default();
    let flow = binding("192.0.2.1", "addr");
    let claim = Claim { space: Space::Tcp, port: 80, binding: flow };
    let mut claims: Vec<_> = (0..10_000).map(|_| ports.hold(claim)).collect();
    assert_eq!((ports.len(), ports.holders[&(Space::Tcp, 80)].len()), (10_000, 1));
    ports.change(&mut claims[7], Binding { stage: Stage::TimeWait, ..flow });
    assert_eq!(ports.holders[&(Space::Tcp, 80)].len(), 2);
    for claim in claims {
        ports.release(claim);
    }
    assert!(ports.holders.is_empty() && ports.len() == 0);
    ports.release(claim);
    assert_eq!(ports.len(), 0);
}

#[test]
fn ephemeral_ports_run_out_with_the_right_errno() {
    let mut ports = Ports::default();
    let any = binding("0.0.0.0", "addr port");
    let range = (40_000, 40_009);
    let mut taken: Vec<_> =
        (0..10).map(|_| ports.claim_any(Space::Udp, any, range, 12_345).unwrap().port).collect();
    taken.sort_unstable();
    assert_eq!(taken, (40_000..=40_009).collect::<Vec<_>>());
    // Whatever the two would share by SO_REUSEADDR, port 0 never gives a port that somebody has.
    assert_eq!(ports.claim_any(Space::Udp, any, range, 0).unwrap_err().errno(), Errno::EADDRINUSE);
    // The other protocol's ports are its own; connect shares a port between peers, never with a bound one.
    let claim = ports.claim_for_connect(Space::Tcp, any, (40_000, 40_000), 0, |_| true).unwrap();
    assert!(ports.claim_for_connect(Space::Tcp, any, (40_000, 40_000), 0, |_| true).is_ok());
    let refused = ports.claim_for_connect(Space::Tcp, any, (40_000, 40_000), 0, |_| false).unwrap_err();
    assert_eq!(refused.errno(), Errno::EADDRNOTAVAIL);
    assert!(claim.binding.by_connect);
    ports.claim(Space::Tcp, 40_001, any).unwrap();
    assert!(ports.claim_for_connect(Space::Tcp, any, (40_001, 40_001), 0, |_| true).is_err());
}
