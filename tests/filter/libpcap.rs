//! libpcap as judge of the compiler: `tcpdump -ddd` compiles the same expression, our machine runs both programs over the same
//! frames.
//!
//! libpcap's optimiser leaves out questions whose answers it does not need, with the check that the frame is long enough for
//! them; so libpcap differs from itself, with and without `-O`, on frames that are too short. We agree with `-O`, and with the optimised
//! program wherever both of libpcap's agree.

use std::process::Command;

use proptest::prelude::*;
use sockatoo::base::LinkType;
use sockatoo::wire::filter::{Facts, Program, compile};

use crate::frames;
use crate::random::Draw;

/// What libpcap makes of an expression.
enum Theirs {
    /// Unoptimised, and optimised where Linux would run it: offsets that the optimiser computes may become negative.
    Program {
        plain: Program,
        optimised: Option<Program>,
    },
    Refused(String),
}

/// False, with the reason, where there is no tcpdump; a failure where all tests must run.
fn have_tcpdump() -> bool {
    let found = Command::new("tcpdump").arg("--version").output().is_ok();
    assert!(found || std::env::var("CI").as_deref() != Ok("true"), "tcpdump is not installed");
    if !found {
        eprintln!("skipped: tcpdump is not installed");
    }
    found
}

/// What tcpdump -ddd prints.
fn tcpdump(link: LinkType, plain: bool, expression: &str) -> Result<String, String> {
    let mut command = Command::new("tcpdump");
    command.args(plain.then_some("-O"));
    let name = if link == LinkType::Ip { "RAW" } else { "EN10MB" };
    let output = command.args(["-y", name, "-ddd", "--", expression]).output().unwrap();
    let (text, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        return Err(error.trim().trim_start_matches("tcpdump: ").to_string());
    }
    Ok(text.into_owned())
}

fn libpcap(link: LinkType, expression: &str) -> Theirs {
    let plain = match tcpdump(link, true, expression) {
        Ok(text) => text.parse().unwrap_or_else(|wrong| panic!("{expression}: {wrong}: {text}")),
        Err(error) => return Theirs::Refused(error),
    };
    let optimised = match tcpdump(link, false, expression) {
        Ok(text) => text.parse().ok(),
        Err(error) => {
            assert!(error.contains("rejects all packets"), "{expression}: {error}");
            "1\n6 0 0 0".parse().ok()
        }
    };
    Theirs::Program { plain, optimised }
}

/// Asks all about all frames; returns how many passed.
fn same_verdicts(
    link: LinkType,
    expression: &str,
    ours: &Program,
    theirs: &Theirs,
    frames: &[Vec<u8>],
) -> usize {
    let Theirs::Program { plain, optimised } = theirs else { return 0 };
    let mut passed = 0;
    for (n, frame) in frames.iter().enumerate() {
        let facts = Facts { packet_type: [0, 4, 3][n % 3], interface: 3, ..Facts::of_len(frame.len()) };
        let (mine, plain) = (ours.run(frame, &facts), plain.run(frame, &facts));
        let optimised = optimised.as_ref().map_or(plain, |program| program.run(frame, &facts));
        assert_eq!(
            mine, plain,
            "`{expression}` on {link:?} of {frame:02x?}\nours:\n{ours}\nlibpcap's:\n{theirs:?}",
        );
        assert!(
            optimised == plain || frame.len() < 120,
            "libpcap differs from itself in `{expression}` on {frame:02x?}"
        );
        passed += usize::from(mine != 0);
    }
    passed
}

impl std::fmt::Debug for Theirs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Program { plain, .. } => write!(f, "{plain}"),
            Self::Refused(error) => write!(f, "{error}"),
        }
    }
}

#[test]
fn compiled_expressions_say_what_libpcaps_say() {
    if !have_tcpdump() {
        return;
    }
    let expressions: Vec<_> =
        include_str!("expressions.txt").lines().filter(|l| !l.starts_with('#')).collect();
    let corpora = [(LinkType::Ethernet, frames::ethernet()), (LinkType::Ip, frames::ip())];
    assert!(expressions.len() >= 150 && corpora.iter().all(|(_, frames)| frames.len() >= 200));
    let (mut asked, mut silent) = (0, Vec::new());
    for line in expressions {
        let (expression, only) =
            line.strip_suffix(" E").map_or((line, false), |expression| (expression, true));
        for (link, frames) in corpora.iter().take(if only { 1 } else { 2 }) {
            let theirs = libpcap(*link, expression);
            if let Theirs::Refused(error) = &theirs {
                panic!("libpcap refuses `{expression}` on {link:?}: {error}");
            }
            let ours = compile(expression, *link).unwrap_or_else(|error| panic!("`{expression}`: {error:?}"));
            let passed = same_verdicts(*link, expression, &ours, &theirs, frames);
            asked += 1;
            if *link == LinkType::Ethernet && (passed == 0 || passed == frames.len()) {
                silent.push(expression);
            }
        }
    }
    // A question that all or none of the frames answer alike tells little.
    assert!(silent.len() * 10 < asked, "no fair question: {silent:?}");
}

#[test]
fn our_programs_are_about_as_short_as_libpcaps() {
    if !have_tcpdump() {
        return;
    }
    let (mut ours, mut theirs) = (0, 0);
    for line in include_str!("expressions.txt").lines().filter(|line| !line.starts_with('#')) {
        let expression = line.strip_suffix(" E").unwrap_or(line);
        let Theirs::Program { optimised: Some(program), .. } = libpcap(LinkType::Ethernet, expression) else {
            continue;
        };
        let own = compile(expression, LinkType::Ethernet).unwrap();
        (ours, theirs) = (ours + own.instructions().len(), theirs + program.instructions().len());
    }
    assert!(ours * 10 <= theirs * 13, "{ours} instructions, libpcap {theirs}");
}

#[test]
fn printed_programs_look_as_tcpdumps() {
    if !have_tcpdump() {
        return;
    }
    for expression in
        ["tcp[((tcp[12:1] & 0xf0) >> 2):4] = 5", "ip[8] * 3 % len > 1 and not vlan", "udp portrange 1-5"]
    {
        let program: Program = tcpdump(LinkType::Ethernet, true, expression).unwrap().parse().unwrap();
        for (flag, ours) in
            [("-d", format!("{program}\n")), ("-dd", program.c_rows()), ("-ddd", program.decimal())]
        {
            let output =
                Command::new("tcpdump").args(["-O", "-y", "EN10MB", flag, expression]).output().unwrap();
            let theirs = String::from_utf8_lossy(&output.stdout);
            let lines = |text: &str| text.lines().map(|line| line.trim_end().to_string()).collect::<Vec<_>>();
            assert_eq!(lines(&ours), lines(&theirs), "{flag}");
        }
    }
}

/// An expression drawn from the grammar.
fn expression(draw: &mut Draw, depth: usize) -> String {
    if depth > 0 && draw.one_in(2) {
        let (left, right) = (expression(draw, depth - 1), expression(draw, depth - 1));
        return match draw.below(6) {
            0 => format!("not {left}"),
            1 => format!("({left}) or ({right})"),
            2 => format!("not ({left} or {right})"),
            3 => format!("({left} and {right})"),
            4 => format!("{left} and {right}"),
            _ => format!("{left} or {right}"),
        };
    }
    let protocol = draw.pick(&["", "tcp ", "udp ", ""]);
    let direction = draw.pick(&["", "src ", "dst ", "src or dst ", "src and dst "]);
    match draw.below(9) {
        0 => draw
            .pick(&["ip", "ip6", "arp", "tcp", "udp", "icmp", "icmp6", "sctp", "esp", "ip multicast"])
            .into(),
        1 => format!(
            "{protocol}{direction}port {}",
            draw.pick(&["80", "53", "http", "(80 or 443)", "22 or 25"])
        ),
        2 => format!("{protocol}{direction}portrange {}", draw.pick(&["1-100", "50-60", "443"])),
        3 => format!(
            "{direction}host {}",
            draw.pick(&["192.0.2.1", "198.51.100.7", "2001:db8::1", "192.0.2.9 or 10.0.0.1"])
        ),
        4 => format!("{direction}net {}", draw.pick(&["192.0.2.0/24", "2001:db8::/32", "10", "192.0.2"])),
        5 => format!("ip proto {}", draw.below(60)),
        6 => format!("{} {}", draw.pick(&["less", "greater"]), draw.below(120)),
        _ => {
            let (left, right) = (number(draw, 3), number(draw, 2));
            format!("{left} {} {right}", draw.pick(&["=", "!=", "<", ">", "<=", ">="]))
        }
    }
}

fn number(draw: &mut Draw, depth: usize) -> String {
    if depth > 0 && draw.one_in(2) {
        let (left, right) = (number(draw, depth - 1), number(draw, depth - 1));
        let sign = draw.pick(&["+", "-", "*", "&", "|", "^", "/", "%"]);
        return if draw.one_in(3) {
            format!("({left} {sign} {right})")
        } else {
            format!("{left} {sign} {right}")
        };
    }
    let size = draw.pick(&["", ":1", ":2", ":4"]);
    match draw.below(5) {
        0 => draw.below(300).to_string(),
        1 => format!("{:#x}", draw.next() & draw.pick(&[0xff, 0xffff, u32::MAX])),
        2 => "len".into(),
        _ => {
            let protocol = draw.pick(&["ip", "tcp", "udp", "icmp", "ip6", "ether"]);
            let index = if depth > 0 && draw.one_in(5) {
                number(draw, depth - 1)
            } else {
                draw.below(24).to_string()
            };
            format!("{protocol}[{index}{size}]")
        }
    }
}

#[test]
fn drawn_expressions_say_what_libpcaps_say() {
    if !have_tcpdump() {
        return;
    }
    let corpora = [(LinkType::Ethernet, frames::ethernet()), (LinkType::Ip, frames::ip())];
    let mut draw = Draw::new(11);
    let (mut compared, mut refused) = (0, Vec::new());
    while compared < 200 {
        let expression = expression(&mut draw, 3);
        let (link, frames) = &corpora[usize::from(draw.one_in(3))];
        let theirs = libpcap(*link, &expression);
        match (compile(&expression, *link), &theirs) {
            (Ok(ours), Theirs::Program { .. }) => {
                same_verdicts(*link, &expression, &ours, &theirs, frames);
                compared += 1;
            }
            (Err(_), Theirs::Refused(_)) => {}
            // libpcap runs out of registers earlier, and takes `/ (0 + 1)` for a division by zero.
            (Ok(_), Theirs::Refused(error)) => refused.push(error.clone()),
            (Err(error), Theirs::Program { .. }) => panic!("`{expression}`: {error:?}, libpcap: {theirs:?}"),
        }
    }
    assert!(refused.len() < 20, "{refused:?}");
}

/// What both refuse, and what we point at: the text, the wrong part, a word of the hint.
#[test]
fn errors_point_at_what_is_wrong() {
    let cases = [
        ("tcp prot 80", "prot", "`port`"),
        ("tpc", "tpc", "`tcp`"),
        ("host 192.0.2.1 adn port 80", "adn", "`and`"),
        ("host 192.0.2.300", "192.0.2.300", ""),
        ("net 192.0.2.1/24", "192.0.2.1/24", ""),
        ("net 10/8", "/", "10.0.0.0/8"),
        ("port 70000", "70000", ""),
        ("tcp and", "", ""),
        ("(tcp", "(", ""),
        ("tcp)", ")", ""),
        ("ip[0:3] = 1", "3", ""),
        ("ip[8]", "", "compare"),
        ("host example.com", "example.com", "address"),
        ("ip proto tcp", "tcp", "\\tcp"),
        ("tcp udp", "udp", "`and`"),
        ("ip6 protochain 6", "protochain", ""),
        ("gateway 192.0.2.1", "gateway", ""),
        ("ip[0] / 0 = 1", "ip[0] / 0", ""),
        ("ip[0] << 32 = 1", "ip[0] << 32", ""),
        ("vlan 5000", "vlan 5000", ""),
        ("192.0.2.1", "192.0.2.1", "`host`"),
        ("tcp & udp", "&", ""),
        ("udp port http", "http", ""),
        ("port 80-90", "80-90", "portrange"),
        ("ether host 192.0.2.1", "192.0.2.1", ""),
        ("08 = 1", "08", ""),
        ("tcp $ udp", "$", ""),
        ("type mgt", "type", ""),
    ];
    for (text, wrong, hint) in cases {
        let error = compile(text, LinkType::Ethernet).expect_err(text);
        let found: String = text.chars().skip(error.column).take(error.width).collect();
        assert_eq!(found, wrong, "{text}: {error:?}");
        assert!(error.hint.clone().unwrap_or_default().contains(hint), "{text}: {error:?}");
        if have_tcpdump() {
            assert!(
                tcpdump(LinkType::Ethernet, true, text).is_err() || wrong == "protochain",
                "libpcap takes `{text}`"
            );
        }
    }
}

#[test]
fn deep_and_long_filters_are_refused_or_compiled() {
    for n in [1, 20, 31, 33, 500, 20_000] {
        let deep = [
            format!("{}tcp{}", "(".repeat(n), ")".repeat(n)),
            format!("{}1{} = 1", "ip[".repeat(n), "]".repeat(n)),
            format!("{}1 = 1", "-".repeat(n)),
            format!("{}tcp", "not ".repeat(n)),
            format!("len{} = 1", " ^ len".repeat(n)),
            format!("len{} = 1", " + len".repeat(n)),
            format!("host {}1.2.3.4{}", "(".repeat(n), ")".repeat(n)),
            format!("1 = {}1{}", "(".repeat(n), ")".repeat(n)),
            "(".repeat(n),
            "vlan and ".repeat(n) + "ip",
            "pppoes and ".repeat(n) + "ip",
        ];
        for text in deep {
            let _ = compile(&text, LinkType::Ethernet);
        }
    }
    // Long jumps: more than 255 instructions from the first question to the end.
    let hosts: Vec<_> = (0..600).map(|n| format!("10.0.{}.{}", n / 250, n % 250)).collect();
    let text = format!("ip src host {} or ip6", hosts.join(" or "));
    let program = compile(&text, LinkType::Ip).unwrap();
    assert!(program.instructions().len() > 600);
    let mut packet = [0_u8; 40];
    packet[0] = 0x60;
    assert!(program.run(&packet, &Facts::of_len(40)) > 0);
    packet[0] = 0x45;
    assert_eq!(program.run(&packet, &Facts::of_len(40)), 0);
    packet[12..16].copy_from_slice(&[10, 0, 2, 99]);
    assert!(program.run(&packet, &Facts::of_len(40)) > 0);
    let all: Vec<_> = (0..9000).map(|n| n.to_string()).collect();
    assert!(compile(&format!("port {}", all.join(" or ")), LinkType::Ip).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_compiled_or_refused(text in "\\PC{0,60}") {
        let _ = compile(&text, LinkType::Ethernet);
    }

    #[test]
    fn words_of_the_language_in_any_order_are_compiled_or_refused(words in prop::collection::vec(prop::sample::select(vec![
        "host", "net", "port", "portrange", "src", "dst", "or", "and", "not", "!", "(", ")", "[", "]", ":", "tcp", "udp", "ip",
        "ip6", "ether", "vlan", "mpls", "pppoes", "80", "0x1f", "192.0.2.1", "2001:db8::1", "/", "24", "=", "<", ">=", "-", "+", "*",
        "%", "^", "&", "|", "<<", "len", "proto", "\\tcp", "1-2", "http", "byte", "less", "multicast", "mask", "4294967295", "::",
        "1:2:3:4:5:6", "icmp", "icmptype", "iso", "atalk", "ipx", "inbound",
    ]), 0..14)) {
        for link in [LinkType::Ethernet, LinkType::Ip] {
            if let Ok(program) = compile(&words.join(" "), link) {
                program.run(&[0x45; 60], &Facts::of_len(60));
            }
        }
    }
}
