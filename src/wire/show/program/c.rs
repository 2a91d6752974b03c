//! C on Linux: the bytes, and a raw socket.

use std::fmt::Write;
use std::net::IpAddr;

use super::bytes::{Row, rows};
use super::destination;
use crate::base::LinkType;
use crate::wire::packet::Dissection;

/// The packet as a C program: its bytes with a comment on each field, and a raw socket that sends them (on Linux, as root).
pub fn as_c(packet: &Dissection) -> String {
    let (includes, usage, socket) = match (packet.link, destination(packet)) {
        (LinkType::Ethernet | LinkType::Can, _) => (
            "#include <net/if.h>\n#include <netpacket/packet.h>\n",
            Some("INTERFACE"),
            "    struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(argv[1]) };\n    \
             int s = socket(AF_PACKET, SOCK_RAW, 0);\n"
                .to_string(),
        ),
        (LinkType::Ip, Some(IpAddr::V6(address))) => (
            "#include <arpa/inet.h>\n#include <netinet/in.h>\n",
            None,
            format!(
                "    struct sockaddr_in6 to = {{ .sin6_family = AF_INET6 }};\n    \
                 inet_pton(AF_INET6, \"{address}\", &to.sin6_addr);\n    \
                 // The header is part of the packet: IPPROTO_RAW says so.\n    \
                 int s = socket(AF_INET6, SOCK_RAW, IPPROTO_RAW);\n"
            ),
        ),
        (LinkType::Ip, address) => {
            let known = address.map_or_else(|| "argv[1]".into(), |address| format!("\"{address}\""));
            (
                "#include <arpa/inet.h>\n#include <netinet/in.h>\n",
                address.is_none().then_some("ADDRESS"),
                format!(
                    "    struct sockaddr_in to = {{ .sin_family = AF_INET }};\n    \
                     inet_pton(AF_INET, {known}, &to.sin_addr);\n    \
                     // The header is part of the packet: IPPROTO_RAW says so. Linux writes its total length and its\n    \
                     // checksum anew, and fills in id and source where they are 0.\n    \
                     int s = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);\n"
                ),
            )
        }
    };
    let mut text = format!(
        "// Sends one packet. It needs Linux and the rights of root (CAP_NET_RAW).\n\
         //   gcc -Wall -o packet packet.c && sudo ./packet{}\n{includes}#include <stdio.h>\n#include <sys/socket.h>\n\
         #include <unistd.h>\n\nstatic const unsigned char packet[] = {{\n",
        usage.map(|usage| format!(" {usage}")).unwrap_or_default()
    );
    for row in rows(packet) {
        let _ = match row {
            Row::Layer(title) => writeln!(text, "    // {title}"),
            Row::Bytes(bytes, comment) => {
                let hex: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02x},")).collect();
                let line = format!("    {:<40}// {comment}", hex.join(" "));
                writeln!(text, "{}", line.trim_end_matches(['/', ' ']))
            }
        };
    }
    text.push_str("};\n\nint main(");
    match usage {
        None => text.push_str("void)\n{\n"),
        Some(usage) => {
            let _ = write!(
                text,
                "int argc, char **argv)\n{{\n    if (argc != 2) {{\n        \
                 fprintf(stderr, \"usage: %s {usage}\\n\", argv[0]);\n        return 1;\n    }}\n"
            );
        }
    }
    text.push_str(&socket);
    text.push_str(
        "    if (s < 0) {\n        perror(\"socket\");\n        return 1;\n    }\n    \
         if (sendto(s, packet, sizeof packet, 0, (struct sockaddr *)&to, sizeof to) < 0) {\n        \
         perror(\"sendto\");\n        return 1;\n    }\n    close(s);\n    return 0;\n}\n",
    );
    text
}
