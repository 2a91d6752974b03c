use super::*;
use crate::base::IfIndex;
use std::process::Command;

/// Control buffers as the kernel fills them: one line of hex each, "flags length bytes".
const KERNEL: &str = r#"
import ctypes, select, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
class Iov(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]
class Msg(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32), ("iov", ctypes.c_void_p),
                ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
                ("flags", ctypes.c_int)]
def take(s, room, flags):
    data, control = ctypes.create_string_buffer(64), ctypes.create_string_buffer(256)
    iov = Iov(ctypes.addressof(data), 64)
    m = Msg(None, 0, ctypes.addressof(iov), 1, ctypes.addressof(control), room, 0)
    assert libc.recvmsg(s.fileno(), ctypes.byref(m), flags) >= 0, ctypes.get_errno()
    print(m.flags & socket.MSG_CTRUNC, m.controllen, control.raw[:m.controllen].hex() or "-")
def dgram(family, host, options):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.bind((host, 0))
    s.settimeout(10)
    for level, name in options:
        s.setsockopt(level, name, 1)
    s.sendto(b"x", s.getsockname())
    select.select([s], [], [])
    for room in range(0, 200):
        take(s, room, socket.MSG_PEEK)
def refused(family, host, level, name):
    gone = socket.socket(family, socket.SOCK_DGRAM)
    gone.bind((host, 0))
    there = gone.getsockname()
    gone.close()
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(level, name, 1)
    s.sendto(b"x", there)
    p = select.poll(); p.register(s, 0); p.poll(10000)
    take(s, 256, socket.MSG_ERRQUEUE)
dgram(socket.AF_INET, "127.0.0.1", [(1, 35), (0, 8), (0, 12), (0, 13)])
dgram(socket.AF_INET6, "::1", [(1, 29), (41, 49), (41, 51), (41, 66)])
refused(socket.AF_INET, "127.0.0.1", 0, 11)
refused(socket.AF_INET6, "::1", 41, 25)
"#;

fn kernel() -> Vec<(bool, Vec<u8>)> {
    let output = Command::new("python3").args(["-c", KERNEL]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let hex = |text: &str| {
        let digits = text.as_bytes().chunks_exact(2);
        digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    };
    text.lines()
        .map(|line| {
            let mut words = line.split(' ');
            let cut = words.next() != Some("0");
            let len: usize = words.next().unwrap().parse().unwrap();
            let bytes: Vec<u8> = hex(words.next().unwrap());
            assert_eq!(bytes.len(), len);
            (cut, bytes)
        })
        .collect()
}

/// The time in the first message: what no other run has again.
fn time(bytes: &[u8], unit: u32) -> Duration {
    let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
    Duration::new(word(16), word(24) as u32 * unit)
}

#[test]
fn received_messages_are_laid_out_byte_for_byte_as_the_kernel_does() {
    let kernel = kernel();
    assert_eq!(kernel.len(), 402);
    let local: IpAddr = Ipv4Addr::LOCALHOST.into();
    let v4 = [
        ControlMessage::TimestampNs(time(&kernel[199].1, 1)),
        ControlMessage::PacketInfo { interface: 1, local, destination: local },
        ControlMessage::Ttl(64),
        ControlMessage::Tos(0),
    ];
    let local: IpAddr = Ipv6Addr::LOCALHOST.into();
    let v6 = [
        ControlMessage::Timestamp(time(&kernel[399].1, 1000)),
        ControlMessage::PacketInfo { interface: 1, local, destination: local },
        ControlMessage::Ttl(64),
        ControlMessage::Tos(0),
    ];
    let from4 = Some(SockAddr::from((Ipv4Addr::LOCALHOST, 1)));
    let from6 = Some(SockAddr::from((Ipv6Addr::LOCALHOST, 1)));
    for (messages, from, seen) in [(&v4, from4, &kernel[..200]), (&v6, from6, &kernel[200..400])] {
        for (room, (cut, bytes)) in seen.iter().enumerate() {
            assert_eq!(encode(messages, from, room), (bytes.clone(), *cut), "room {room}");
        }
    }
    let error = |origin, kind, code, offender: IpAddr| {
        ControlMessage::ExtendedError(ExtendedError {
            errno: Errno::ECONNREFUSED,
            origin,
            kind,
            code,
            info: 0,
            data: 0,
            offender: Some(SocketAddr::new(offender, 0)),
            interface: Some(IfIndex::LO),
        })
    };
    let v4 = error(2, 3, 3, Ipv4Addr::LOCALHOST.into());
    assert_eq!(encode(&[v4], from4, 256), (kernel[400].1.clone(), false));
    let v6 = error(3, 1, 4, Ipv6Addr::LOCALHOST.into());
    assert_eq!(encode(&[v6], from6, 256), (kernel[401].1.clone(), false));
}

fn message(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
    let mut layout = Layout { bytes: Vec::new(), room: 4096, cut: false };
    layout.put(level, kind, data);
    layout.bytes
}

#[test]
fn sent_messages_are_understood() {
    let info = [&2u32.to_ne_bytes()[..], &[192, 0, 2, 1], &[0; 4]].concat();
    let bytes = [
        message(SOL_IP, IP_TTL, &7i32.to_ne_bytes()),
        message(SOL_IP, IP_TOS, &[0x10]),
        message(SOL_IP, IP_TOS, &0x20i32.to_ne_bytes()),
        message(SOL_IP, IP_PKTINFO, &info),
        message(SOL_IPV6, IPV6_HOPLIMIT, &(-1i32).to_ne_bytes()),
        message(SOL_IPV6, IPV6_TCLASS, &9i32.to_ne_bytes()),
        message(SOL_SOCKET, SCM_RIGHTS, &[0; 4]),
        message(4711, 1, b"others pass these over"),
    ]
    .concat();
    let packet_info = ControlMessage::PacketInfo {
        interface: 2,
        local: Ipv4Addr::new(192, 0, 2, 1).into(),
        destination: Ipv4Addr::UNSPECIFIED.into(),
    };
    let wanted = [
        ControlMessage::Ttl(7),
        ControlMessage::Tos(0x10),
        ControlMessage::Tos(0x20),
        packet_info,
        ControlMessage::Tos(9),
    ];
    assert_eq!(decode(&bytes).unwrap(), wanted);
    // A header that is not whole ends the list.
    assert_eq!(decode(&bytes[..24 + 8]).unwrap(), wanted[..1]);
}

#[test]
fn what_is_wrong_is_refused_and_no_length_harms() {
    for wrong in [
        message(SOL_IP, IP_TTL, &0i32.to_ne_bytes()),
        message(SOL_IP, IP_TTL, &256i32.to_ne_bytes()),
        message(SOL_IP, IP_TTL, &[1]),
        message(SOL_IP, IP_PKTINFO, &[0; 11]),
        message(SOL_IP, 99, &[0; 4]),
        message(SOL_IPV6, IPV6_PKTINFO, &[0; 19]),
        message(SOL_IPV6, IPV6_HOPLIMIT, &256i32.to_ne_bytes()),
        message(SOL_SOCKET, SO_RCVBUF, &[0; 4]),
        message(SOL_UDP, UDP_SEGMENT, &[0; 4]),
    ] {
        assert_eq!(decode(&wrong).unwrap_err().errno(), Errno::EINVAL, "{wrong:?}");
    }
    let whole = message(SOL_IP, IP_TTL, &7i32.to_ne_bytes());
    for len in [0, 1, 15, 25, 1 << 31, usize::MAX - 7, usize::MAX] {
        let mut hostile = whole.clone();
        hostile[..8].copy_from_slice(&len.to_ne_bytes());
        assert_eq!(decode(&hostile).unwrap_err().errno(), Errno::EINVAL, "{len}");
        assert!(check_stream(&hostile).is_err());
    }
    assert_eq!(decode(&whole[..15]).unwrap(), []);
}
