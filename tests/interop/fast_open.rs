//! TCP Fast Open (RFC 7413) between the kernel and us: each takes the other's SYN with its data.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use sockatoo::Socket;
use sockatoo::socket::{MSG_FASTOPEN, MSG_WAITALL, SOCK_STREAM, TCP_FASTOPEN, TCP_INFO};

use crate::wire::{Wire, bounded, twins, wire_with};

/// IPPROTO_TCP as a level.
const SOL_TCP: i32 = 6;

/// The kernel's end, in Python: Fast Open is on; `{body}` does the rest.
fn kernels(wire: &Wire, body: &str) -> Child {
    let script = format!(
        r#"
import socket
open("/proc/sys/net/ipv4/tcp_fastopen", "w").write("3")
{body}
"#
    );
    let mut python = wire.kernel.command("python3");
    python.args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap()
}

/// TCPI_OPT_SYN_DATA: the data came, or went, with the SYN.
fn is_carried(socket: &Socket) -> bool {
    socket.getsockopt_bytes(SOL_TCP, TCP_INFO, 6).unwrap()[5] & 32 != 0
}

twins! {
    fn the_kernel_listens(ip) {
        bounded(60, wire_with(|host| host), move |wire| {
            let body = format!(
                "s = socket.socket({})
s.bind(('', 7000)); s.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 5); s.listen(); print('ready', flush=True)
for n in range(2):
    c, _ = s.accept()
    print(c.recv(100).decode(), c.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 6)[5] >> 5 & 1, flush=True)
    c.sendall(b'answer'); c.close()",
                ip.family()
            );
            let mut kernels = kernels(wire, &body);
            let mut lines = BufReader::new(kernels.stdout.take().unwrap()).lines().map(Result::unwrap);
            assert_eq!(lines.next().unwrap(), "ready");
            for (data, carried) in [("for a cookie", false), ("with the cookie", true)] {
                let socket = wire.host.socket(ip.family(), SOCK_STREAM, 0).unwrap();
                let sent = socket.sendto(data.as_bytes(), MSG_FASTOPEN, (ip.kernel(), 7000)).unwrap();
                assert_eq!(sent, data.len());
                assert_eq!(socket.recv(6, MSG_WAITALL).unwrap(), b"answer");
                assert_eq!(is_carried(&socket), carried);
                assert_eq!(lines.next().unwrap(), format!("{data} {}", u8::from(carried)));
            }
            assert!(kernels.wait().unwrap().success());
        });
    }

    fn we_listen(ip) {
        bounded(60, wire_with(|host| host.tcp_fastopen(3)), move |wire| {
            let listener = wire.host.socket(ip.family(), SOCK_STREAM, 0).unwrap();
            listener.bind((ip.ours(), 7000)).unwrap();
            listener.setsockopt(SOL_TCP, TCP_FASTOPEN, 5).unwrap();
            listener.listen(5).unwrap();
            let body = format!(
                "for data in (b'for a cookie', b'with the cookie'):
    s = socket.socket({})
    s.sendto(data, socket.MSG_FASTOPEN, ('{}', 7000))
    assert s.recv(6, socket.MSG_WAITALL) == b'answer'
    print(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 6)[5] >> 5 & 1, flush=True)
    s.close()",
                ip.family(),
                ip.ours()
            );
            let mut kernels = kernels(wire, &body);
            let mut lines = BufReader::new(kernels.stdout.take().unwrap()).lines().map(Result::unwrap);
            for (data, carried) in [("for a cookie", false), ("with the cookie", true)] {
                let (socket, _) = listener.accept().unwrap();
                assert_eq!(socket.recv(100, 0).unwrap(), data.as_bytes());
                assert_eq!(is_carried(&socket), carried);
                socket.sendall(b"answer", 0).unwrap();
                assert_eq!(lines.next().unwrap(), u8::from(carried).to_string());
            }
            assert!(kernels.wait().unwrap().success());
        });
    }
}
