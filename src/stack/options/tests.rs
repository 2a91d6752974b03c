use std::collections::HashSet;

use super::*;
use crate::base::constants::*;
use crate::base::{Errno, Reason, SocketId};
use crate::stack::Stack;

const KINDS: [(&str, i32, i32, i32); 14] = [
    ("tcp4", AF_INET, SOCK_STREAM, 0),
    ("udp4", AF_INET, SOCK_DGRAM, 0),
    ("ping4", AF_INET, SOCK_DGRAM, IPPROTO_ICMP),
    ("tcp6", AF_INET6, SOCK_STREAM, 0),
    ("udp6", AF_INET6, SOCK_DGRAM, 0),
    ("ping6", AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6),
    ("raw4", AF_INET, SOCK_RAW, 253),
    ("icmp4", AF_INET, SOCK_RAW, IPPROTO_ICMP),
    ("send4", AF_INET, SOCK_RAW, IPPROTO_RAW),
    ("raw6", AF_INET6, SOCK_RAW, 253),
    ("icmp6", AF_INET6, SOCK_RAW, IPPROTO_ICMPV6),
    ("send6", AF_INET6, SOCK_RAW, IPPROTO_RAW),
    ("packet", AF_PACKET, SOCK_RAW, 0),
    ("cooked", AF_PACKET, SOCK_DGRAM, 0),
];

/// What is different here, and is meant to be: the machine's own numbers, and what we do not have.
const OURS: &[(&str, &str)] = &[
    ("PACKET_HDRLEN", "the version stands in the value's own buffer, and Python's is not empty"),
    ("PACKET_VNET_HDR", "no frame has anything left undone"),
    ("PACKET_VNET_HDR_SZ", "no frame has anything left undone"),
    ("IP_MSFILTER", "the group stands in the value's own buffer, and Python's is not empty"),
    ("IPV6_FLOWLABEL_MGR", "the request stands in the value's own buffer, and Python's is not empty"),
    ("SO_SNDBUF", "the default is the host's own"),
    ("SO_RCVBUF", "the default is the host's own"),
    ("SO_RCVLOWAT", "bounded by the receive buffer, whose size is the host's own"),
    ("SO_MEMINFO", "contains the buffers' sizes"),
    ("SO_COOKIE", "a number of the moment"),
    ("SO_NETNS_COOKIE", "a number of the moment"),
    ("TCP_CONGESTION", "the default is the host's own"),
    ("TCP_TIMESTAMP", "a number of the moment"),
    ("TCP_REPAIR", "nobody may repair a connection here"),
    ("TCP_INFO", "as much as is known"),
    ("TCP_CC_INFO", "the kernel's congestion control tells of itself"),
    ("SO_RESERVE_MEM", "no memory control groups"),
    ("IPV6_ADDRFORM", "a socket keeps its family"),
    ("IPV6_2292PKTOPTIONS", "kept unchecked: obsolete since RFC 3542"),
    ("IP_IPSEC_POLICY", "no IPsec"),
    ("IP_XFRM_POLICY", "no IPsec"),
    ("IPV6_IPSEC_POLICY", "no IPsec"),
    ("IPV6_XFRM_POLICY", "no IPsec"),
    ("SO_ATTACH_BPF", "no BPF"),
    ("SO_ATTACH_REUSEPORT_EBPF", "no BPF"),
];

fn row_of(name: &str) -> Option<&'static table::Row> {
    // Two names of one number: the table has the newer one.
    let name = match name {
        "IP_ORIGDSTADDR" => "IP_RECVORIGDSTADDR",
        "IPV6_ADD_MEMBERSHIP" => "IPV6_JOIN_GROUP",
        "IPV6_DROP_MEMBERSHIP" => "IPV6_LEAVE_GROUP",
        name => name,
    };
    table::all().find(|row| row.text == name)
}

fn hex(result: crate::base::Result<Vec<u8>>) -> String {
    match result {
        Ok(bytes) if bytes.is_empty() => "-".into(),
        Ok(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Err(error) => error.errno().name().into(),
    }
}

/// The same questions as scripts/kernel-options asks the kernel, in the same order.
fn ask(stack: &mut Stack, kind: &(&str, i32, i32, i32), row: &table::Row) -> String {
    let ints = [0, 1, 2, 5, 120, 255, 256, 1500, 65_536, -1_i32, -2].map(|n| n.to_ne_bytes().to_vec());
    let mut said = Vec::new();
    let id = stack.socket(kind.1, kind.2, kind.3).unwrap();
    // Python gives a buffer of that length.
    said.push(hex(stack.getsockopt_of(id, row.level, row.name, 64, &[0; 64])));
    said.push(hex(stack.getsockopt_of(id, row.level, row.name, 1, &[0])));
    stack.close(id).unwrap();
    for value in [vec![], vec![1]].into_iter().chain(ints) {
        let id = stack.socket(kind.1, kind.2, kind.3).unwrap();
        said.push(match stack.setsockopt(id, row.level, row.name, &value) {
            Ok(()) => hex(stack.getsockopt_of(id, row.level, row.name, 64, &[0; 64])),
            Err(error) => format!("!{}", error.errno().name()),
        });
        stack.close(id).unwrap();
    }
    said.join(" ")
}

#[test]
fn every_option_says_what_the_kernel_says() {
    let mut stack = Stack::new(Config::default());
    let mut wrong = Vec::new();
    let mut seen = 0;
    for line in include_str!("linux.txt").lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once(' ').unwrap();
        let (kinds, kernel) = rest.split_once(' ').unwrap();
        let Some(row) = row_of(name) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        if OURS.iter().any(|(ours, _)| *ours == name) {
            continue;
        }
        for kind in KINDS.iter().filter(|kind| kinds == "all" || kinds.split(',').any(|k| k == kind.0)) {
            let ours = ask(&mut stack, kind, row);
            seen += 1;
            if ours != kernel {
                wrong.push(format!("{name} {}\n  kernel {kernel}\n  ours   {ours}", kind.0));
            }
        }
    }
    assert!(seen > 1000, "{seen}");
    assert!(wrong.is_empty(), "{} of {seen} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Whatever is set: no arithmetic overflows.
#[test]
fn extreme_numbers() {
    let mut stack = Stack::new(Config::default());
    for (_, domain, kind, protocol) in KINDS.iter().copied() {
        for row in table::all() {
            let id = stack.socket(domain, kind, protocol).unwrap();
            for value in [i32::MIN, i32::MIN + 1, i32::MAX] {
                let _ = stack.setsockopt(id, row.level, row.name, &value.to_ne_bytes());
                let _ = stack.getsockopt_of(id, row.level, row.name, 4, &[0; 4]);
            }
            stack.close(id).unwrap();
        }
    }
}

#[test]
fn the_table_has_every_option_once() {
    let unique: HashSet<_> = table::all().map(|row| (row.level, row.name)).collect();
    assert_eq!(unique.len(), table::all().count());
    for (name, why) in OURS {
        assert!(row_of(name).is_some() && !why.is_empty(), "{name}");
    }
}

fn tcp() -> (Stack, SocketId) {
    let mut stack = Stack::new(Config::default());
    let id = stack.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    (stack, id)
}

#[test]
fn buffers_are_doubled_and_bounded() {
    let (mut stack, id) = tcp();
    for (asked, told) in [(0_i32, 2304), (1500, 3000), (65_536, 131_072), (-1, 8 * 1024 * 1024)] {
        stack.setsockopt(id, SOL_SOCKET, SO_RCVBUF, &asked.to_ne_bytes()).unwrap();
        let got = stack.getsockopt(id, SOL_SOCKET, SO_RCVBUF, 4).unwrap();
        assert_eq!(i32::from_ne_bytes(got.try_into().unwrap()), told);
    }
    let options = &stack.sockets.get(id).unwrap().options;
    assert_eq!(options.recv_space(), 4 * 1024 * 1024);
    assert_eq!(options.send_space(), Config::default().tcp_send_buffer);
}

#[test]
fn structures_keep_their_layout() {
    let (mut stack, id) = tcp();
    let mut set = |name, value: &[u8]| stack.setsockopt(id, SOL_SOCKET, name, value).map_err(|e| e.errno());
    let time = |seconds: i64, micros: i64| [seconds.to_ne_bytes(), micros.to_ne_bytes()].concat();
    assert_eq!(set(SO_LINGER, &[1, 0, 0, 0, 5, 0, 0, 0]), Ok(()));
    assert_eq!(set(SO_LINGER, &[1, 0, 0, 0]), Err(Errno::EINVAL));
    assert_eq!(set(SO_RCVTIMEO, &time(1, 500_000)), Ok(()));
    assert_eq!(set(SO_RCVTIMEO, &time(1, 1_000_000)), Err(Errno::EDOM));
    assert_eq!(set(SO_RCVTIMEO, &time(1, 0)[..8]), Err(Errno::EINVAL));
    assert_eq!(set(SO_SNDTIMEO, &time(-1, 0)), Ok(()));
    let options = stack.sockets.get(id).unwrap().options.clone();
    assert_eq!(options.linger, Some(Duration::from_secs(5)));
    assert_eq!(options.recv_timeout, Some(Duration::from_millis(1500)));
    assert_eq!(options.send_timeout, Some(Duration::ZERO));
    assert_eq!(stack.getsockopt(id, SOL_SOCKET, SO_RCVTIMEO, 16).unwrap(), time(1, 500_000));
    assert_eq!(stack.getsockopt(id, SOL_SOCKET, SO_LINGER, 8).unwrap(), [1, 0, 0, 0, 5, 0, 0, 0]);
    stack.setsockopt(id, SOL_SOCKET, SO_RCVTIMEO, &time(0, 0)).unwrap();
    assert_eq!(stack.sockets.get(id).unwrap().options.recv_timeout, None);
}

#[test]
fn timestamps_exclude_each_other() {
    let (mut stack, id) = tcp();
    let on = 1_i32.to_ne_bytes();
    stack.setsockopt(id, SOL_SOCKET, SO_TIMESTAMP, &on).unwrap();
    stack.setsockopt(id, SOL_SOCKET, SO_TIMESTAMPNS, &on).unwrap();
    assert_eq!(stack.getsockopt(id, SOL_SOCKET, SO_TIMESTAMP, 4).unwrap(), [0; 4]);
    assert_eq!(stack.getsockopt(id, SOL_SOCKET, SO_TIMESTAMPNS, 4).unwrap(), on);
}

#[test]
fn congestion_controls_have_names() {
    let (mut stack, id) = tcp();
    assert!(stack.getsockopt(id, SOL_TCP, TCP_CONGESTION, 16).unwrap().starts_with(b"cubic\0"));
    stack.setsockopt(id, SOL_TCP, TCP_CONGESTION, b"reno").unwrap();
    assert_eq!(stack.getsockopt(id, SOL_TCP, TCP_CONGESTION, 4).unwrap(), b"reno");
    let error = stack.setsockopt(id, SOL_TCP, TCP_CONGESTION, b"bbr\0").unwrap_err();
    assert_eq!(error.errno(), Errno::ENOENT);
    assert_eq!(stack.sockets.get(id).unwrap().options.congestion, "reno");
}

#[test]
fn unknown_options_and_levels() {
    let (mut stack, id) = tcp();
    let one = 1_i32.to_ne_bytes();
    let errno = |result: crate::base::Result<()>| result.unwrap_err().errno();
    assert_eq!(errno(stack.setsockopt(id, SOL_SOCKET, 9999, &one)), Errno::ENOPROTOOPT);
    assert_eq!(errno(stack.setsockopt(id, SOL_TCP, 9999, &one)), Errno::ENOPROTOOPT);
    assert_eq!(errno(stack.setsockopt(id, 9999, 1, &one)), Errno::ENOPROTOOPT);
    assert_eq!(stack.getsockopt(id, 9999, 1, 4).unwrap_err().errno(), Errno::EOPNOTSUPP);
    assert_eq!(stack.getsockopt(id, SOL_IP, 9999, 4).unwrap_err().errno(), Errno::ENOPROTOOPT);
    let six = stack.socket(AF_INET6, SOCK_STREAM, 0).unwrap();
    assert_eq!(stack.getsockopt(six, 9999, 1, 4).unwrap_err().errno(), Errno::ENOPROTOOPT);
}

#[test]
fn what_is_only_stored_is_counted() {
    let (mut stack, id) = tcp();
    stack.setsockopt(id, SOL_SOCKET, SO_DEBUG, &1_i32.to_ne_bytes()).unwrap();
    assert_eq!(stack.getsockopt(id, SOL_SOCKET, SO_DEBUG, 4).unwrap(), 1_i32.to_ne_bytes());
    stack.setsockopt(id, SOL_TCP, TCP_NODELAY, &[1, 0, 0, 0]).unwrap();
    assert_eq!(stack.net.log.count(Reason::OptionStored), 1);
}
