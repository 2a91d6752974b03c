//! What a host tells of itself: to iproute2's `ip`, unmodified, the same as the kernel tells it; to a person by `ss`, `addr`,
//! `route`, `neigh`, `stat`, `ls`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::place::{Arm, Place, User, only_kernel, over_a_wire};

/// Asked of both, `ip -j` in front.
const ASKED: [&str; 17] = [
    "addr",
    "addr show dev wire1",
    "-4 addr",
    "link",
    "link show wire1",
    "route",
    "-6 route",
    "route show table all",
    "-6 route show table all",
    "route get 192.0.2.1",
    "route get 192.0.2.255",
    "route get 198.51.100.7",
    "route get 127.0.0.1",
    "route get 2001:db8::1",
    "route get 2001:db8:ffff::7",
    "neigh",
    "rule",
];

/// Where the two may differ, at any depth of any answer, and why.
const DIFFERENCES: [(&str, &str); 4] = [
    ("ifindex", "pairs of veths that tests make are numbered from a million"),
    ("link_index", "the kernel's wire is a veth, which has its other end's number"),
    ("link_netnsid", "and its other end's namespace"),
    ("nodad", "the namespace's addresses are added with that flag; a host's are not"),
];

/// The answer with its places as keys, without what differs from one machine to the next.
fn flat(value: &Value, at: &str, all: &mut BTreeMap<String, String>) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(n, item)| flat(item, &format!("{at}[{n}]"), all));
        }
        Value::Object(fields) if !fields.is_empty() => {
            let wanted = |key: &str| DIFFERENCES.iter().all(|(known, _)| *known != key);
            let fields = fields.iter().filter(|(key, _)| wanted(key));
            fields.for_each(|(key, field)| flat(field, &format!("{at}.{key}"), all));
        }
        _ => drop(all.insert(at.to_owned(), value.to_string())),
    }
}

/// Stations, and the addresses that are made of them.
fn unnamed(place: &Place, text: &str) -> String {
    let links: Value = serde_json::from_str(&place.line("ip -j addr show dev wire1").end().ok()).unwrap();
    let mut text = text.replace(links[0]["address"].as_str().unwrap(), "OUR-STATION");
    for own in links[0]["addr_info"].as_array().unwrap() {
        if own["scope"] == "link" {
            text = text.replace(own["local"].as_str().unwrap(), "OUR-LINK-LOCAL");
        }
    }
    let neighbours: Value =
        serde_json::from_str(&place.line("ip -j neigh show 192.0.2.1").end().ok()).unwrap();
    text.replace(neighbours[0]["lladdr"].as_str().unwrap(), "THEIR-STATION")
}

/// Both have the same addresses, are given the same routes by `ip`, and have met the same neighbour.
fn asked(place: &Place) -> BTreeMap<String, String> {
    place.line("ip route add default via 192.0.2.1").end().ok();
    place.line("ip -6 route add default via 2001:db8::1").end().ok();
    place.line("ip route add 203.0.113.0/24 via 192.0.2.1 dev wire1").end().ok();
    place.line("ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev wire1 nud permanent").end().ok();
    place.line("ping -n -q -c 1 192.0.2.1").end().ok();
    place.line("ping -n -q -c 1 2001:db8::1").end().ok();
    let mut all = BTreeMap::new();
    for words in ASKED {
        let told = place.line(&format!("ip -j {words}")).end().ok();
        let told = unnamed(place, &told);
        let mut told: Value = serde_json::from_str(&told).unwrap_or_else(|e| panic!("{words}: {e}: {told}"));
        if words == "neigh" {
            // No order is promised; its link-local one speaks when it likes.
            let rows = told.as_array_mut().unwrap();
            rows.retain(|row| !row["dst"].as_str().unwrap().starts_with("fe80:"));
            rows.sort_by_key(|row| row["dst"].to_string());
        }
        flat(&told, words, &mut all);
    }
    all
}

#[test]
fn ip_says_the_same() {
    let answers = std::cell::RefCell::new(Vec::new());
    over_a_wire(&["ip", "ping"], |place| answers.borrow_mut().push(asked(place)));
    let answers = answers.into_inner();
    let [kernel, ours] = &answers[..] else { return };
    let all: std::collections::BTreeSet<_> = kernel.keys().chain(ours.keys()).collect();
    let said =
        |answer: &BTreeMap<String, String>, key: &str| answer.get(key).cloned().unwrap_or_else(|| "-".into());
    let different: Vec<_> = all.into_iter().filter(|key| kernel.get(*key) != ours.get(*key)).collect();
    let told: Vec<_> = different
        .iter()
        .map(|key| format!("ip -j {key}: the kernel's {}, ours {}", said(kernel, key), said(ours, key)))
        .collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

/// As a person sees it, in words and in JSON. SOCKATOO_BLESS=1 writes it anew.
#[test]
fn what_a_person_sees() {
    if only_kernel() {
        return;
    }
    let Some(place) = Place::wire(Arm::Run, "--gateway 192.0.2.1 --gateway 2001:db8::1") else { return };
    place.sockatoo("neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev wire1 --on lab").ok();
    let program = place.python("every_kind.py");
    program.wait_for("ready");
    let host: Value = serde_json::from_str(place.sockatoo("ls --json").ok().lines().next().unwrap()).unwrap();
    let wire = &host["interfaces"][1];
    let local = wire["addresses"].as_array().unwrap().iter().map(|cidr| cidr.as_str().unwrap());
    let local = local.filter(|cidr| cidr.starts_with("fe80:")).collect::<Vec<_>>()[0].trim_end_matches("/64");
    let mut seen = String::new();
    for words in [
        "ss",
        "ss -a",
        "ss -tln",
        "ss -uan",
        "ss -w -a -H",
        "ss -a --json",
        "addr",
        "addr --json",
        "addr show dev wire1 -4",
        "route",
        "route -6",
        "route --json",
        "route get 198.51.100.7",
        "neigh show nud permanent",
        "neigh show nud permanent --json",
        "stat tcp",
        "stat tcp --why",
        "stat tcp --json",
    ] {
        let told = place.sockatoo(&format!("{words} --on lab")).ok();
        let told = told.replace(wire["mac"].as_str().unwrap(), "STATION").replace(local, "LINK-LOCAL");
        seen += &format!("$ sockatoo {words}\n{told}\n");
    }
    // Its process, how long it runs, and its sockets: that the refused one was closed is noticed within a second.
    let table = place.sockatoo("ls").ok();
    for line in table.lines() {
        let mut cells: Vec<_> = line.split_whitespace().filter(|cell| !cell.starts_with("fe80:")).collect();
        if cells[0] == "lab" {
            (cells[1], cells[2], cells[3]) = ("N", "T", "M");
        }
        seen += &format!("{}\n", cells.join(" "));
    }
    program.end().ok();
    place.leave();
    let path = format!("{}/tests/run/looks.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("SOCKATOO_BLESS").is_some() {
        std::fs::write(&path, &seen).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        wanted == seen,
        "{path} holds another view; now it is\n{seen}\n(SOCKATOO_BLESS=1 writes it anew)"
    );
}

/// In a shell under `run`, `sockatoo` means the host of the shell, of whatever name.
#[test]
fn a_shell_looks_at_its_own_host() {
    let Some(place) = Place::lo(Arm::Run, User::Nobody) else { return };
    place.sockatoo("up other").ok();
    let listener =
        "import socket; s = socket.create_server(('127.0.0.1', 50007)); print('ready', flush=True); input()";
    for host in ["named", "new"] {
        let sockatoo = env!("CARGO_BIN_EXE_sockatoo");
        let script = format!(
            "echo $SOCKATOO_HOST\n{sockatoo} ss -Htln\n{sockatoo} ping -q -c 1 -i 0 127.0.0.1 | grep -c ' 0% packet loss'",
        );
        let words = [
            "run",
            "--on",
            host,
            "--",
            crate::place::PYTHON,
            "-c",
            &format!(
                "import subprocess, sys; {}",
                listener.replace("input()", "subprocess.run(['sh', '-c', sys.argv[1]])")
            ),
            &script,
        ];
        let told = place.sockatoo_words(&words).ok();
        let lines: Vec<_> = told.lines().collect();
        assert!(lines[1] == host || host == "new" && lines[1].starts_with("new-"), "{told}");
        assert!(lines[2].starts_with("LISTEN") && lines[2].contains("127.0.0.1:50007"), "{told}");
        assert_eq!(lines[3], "1", "{told}");
    }
    place.leave();
}

/// Whoever is asked: the host's interfaces are all that there are, though the namespace has others.
#[test]
fn the_interfaces_of_the_namespace_are_not_the_hosts() {
    let told = std::cell::RefCell::new(Vec::new());
    over_a_wire(&["ping", "nmap"], |place| {
        place.peer().veth("extra0", place.peer(), "extra1").unwrap();
        place.line("ping -n -q -c 1 192.0.2.1").end().ok();
        told.borrow_mut().push(place.python("proc_net.py").end().ok());
        let scan = place.line("nmap -n -Pn -sS -p 9 192.0.2.1").end().ok();
        assert!(scan.contains("9/tcp closed discard"), "{scan}");
    });
    let told = told.into_inner();
    let [kernel, ours] = &told[..] else { return };
    assert_eq!(ours, kernel, "ours (left) and the kernel's (right)");
}
