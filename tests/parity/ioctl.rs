//! ioctl(2): what netdevice(7) and arp(7) ask of a socket, and what sockets have of their own.

use sockatoo::base::Errno;
use sockatoo::base::constants::*;

use crate::arm::Fd;
use crate::dialogue::Dialogue;

/// SIOCGIF*, but for addresses: any socket answers.
const OF_AN_INTERFACE: &[(i32, &str)] = &[
    (SIOCGIFFLAGS, "SIOCGIFFLAGS"),
    (SIOCGIFMTU, "SIOCGIFMTU"),
    (SIOCGIFMETRIC, "SIOCGIFMETRIC"),
    (SIOCGIFINDEX, "SIOCGIFINDEX"),
    (SIOCGIFTXQLEN, "SIOCGIFTXQLEN"),
    (SIOCGIFMAP, "SIOCGIFMAP"),
];

const OF_ADDRESSES: &[(i32, &str)] = &[
    (SIOCGIFADDR, "SIOCGIFADDR"),
    (SIOCGIFDSTADDR, "SIOCGIFDSTADDR"),
    (SIOCGIFBRDADDR, "SIOCGIFBRDADDR"),
    (SIOCGIFNETMASK, "SIOCGIFNETMASK"),
];

impl Dialogue {
    /// An ioctl about the interface of this name: the answer behind the name.
    fn ask(&mut self, fd: Fd, (request, name): (i32, &str), interface: &str) {
        let answer = match self.arm.ioctl_bytes(fd, request, interface.as_bytes()) {
            Ok(bytes) => format!("{:02x?}", &bytes[16..]),
            Err(number) => Errno(number).name().to_owned(),
        };
        self.note(format!("{}.ioctl({name}, {interface}) = {answer}", Self::who(fd)));
    }
}

case! {
    fn about_the_loopback(t) in Lo {
        let s = t.udp();
        for &request in OF_AN_INTERFACE.iter().chain(OF_ADDRESSES) {
            t.ask(s, request, "lo");
        }
        t.ask(s, (SIOCGIFHWADDR, "SIOCGIFHWADDR"), "lo");
    }

    fn about_a_wire(t) in Wire {
        let s = t.tcp();
        // The numbers and the broadcast address are what each side was set up with.
        let set_up = [SIOCGIFINDEX, SIOCGIFBRDADDR];
        for &request in OF_AN_INTERFACE.iter().chain(OF_ADDRESSES).filter(|one| !set_up.contains(&one.0)) {
            t.ask(s, request, "w0");
        }
    }

    fn about_nothing(t) in Lo {
        let s = t.udp();
        for request in [(SIOCGIFADDR, "SIOCGIFADDR"), (SIOCGIFFLAGS, "SIOCGIFFLAGS")] {
            t.ask(s, request, "nope0");
            t.ask(s, request, "");
            t.ask(s, request, "lo:1");
        }
        t.ask(s, (0x89ff, "0x89ff"), "lo");
        t.ask(s, (0x1234, "0x1234"), "lo");
    }

    /// SIOCGIFADDR is AF_INET's and AF_PACKET's.
    fn of_which_families(t) in Lo {
        let six = t.socket(AF_INET6, SOCK_DGRAM, 0);
        let packet = t.socket(AF_PACKET, SOCK_RAW, 0);
        let netlink = t.socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
        for s in [six, packet, netlink] {
            t.ask(s, (SIOCGIFADDR, "SIOCGIFADDR"), "lo");
            t.ask(s, (SIOCGIFNETMASK, "SIOCGIFNETMASK"), "lo");
            t.ask(s, (SIOCGIFINDEX, "SIOCGIFINDEX"), "lo");
        }
    }

    /// The number stands where the answer will: a struct ifreq's name is filled in.
    fn a_name_for_a_number(t) in Lo {
        let s = t.udp();
        for index in [1_u32, 77] {
            let asked = [&[0; 16][..], &index.to_ne_bytes()].concat();
            let answer = t.arm.ioctl_bytes(s, SIOCGIFNAME, &asked).map(|bytes| bytes[..16].to_vec());
            t.note(format!("SIOCGIFNAME of {index}: {answer:?}"));
        }
    }

    fn of_the_queues(t) in Lo {
        let (_, client, server) = t.pair();
        let udp = t.udp();
        let raw = t.socket(AF_INET, SOCK_RAW, 253);
        for s in [client, server] {
            t.ioctl(s, SIOCATMARK);
        }
        for s in [udp, raw] {
            t.ioctl(s, SIOCATMARK);
        }
        let listener = t.listener(7001);
        t.ioctl(listener, SIOCATMARK);
    }

    /// Windows' request, as its tutorials make it of any raw socket.
    fn receive_all(t) in Lo {
        let s = t.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
        t.ioctl(s, SIO_RCVALL);
    }
}
