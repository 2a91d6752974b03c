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

/// SIOCSIF*: sockios.h.
const SIOCSIFFLAGS: i32 = 0x8914;
const SIOCSIFADDR: i32 = 0x8916;
const SIOCSIFBRDADDR: i32 = 0x891a;
const SIOCSIFNETMASK: i32 = 0x891c;
const SIOCSIFMETRIC: i32 = 0x891e;
const SIOCSIFMTU: i32 = 0x8922;

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

    /// Sets an address of this interface, and looks at all of them.
    fn give(&mut self, fd: Fd, interface: &str, (request, name): (i32, &str), address: &str) {
        let mut asked = [0; 40];
        asked[..interface.len()].copy_from_slice(interface.as_bytes());
        asked[16..18].copy_from_slice(&(AF_INET as u16).to_ne_bytes());
        asked[20..24].copy_from_slice(&address.parse::<std::net::Ipv4Addr>().expect("an address").octets());
        let answer = self.arm.ioctl_bytes(fd, request, &asked).map(drop).map_err(|error| Errno(error).name());
        self.note(format!("{}.ioctl({name}, {interface}, {address}) = {answer:?}", Self::who(fd)));
        for &request in OF_ADDRESSES {
            self.ask(fd, request, "w0");
        }
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

    /// What netdevice(7) sets of IPv4: an address takes its class's mask with it.
    fn setting_an_address(t) in Wire {
        let s = t.udp();
        let w0 = "w0";
        t.give(s, w0, (SIOCSIFADDR, "SIOCSIFADDR"), "198.51.100.7");
        t.give(s, w0, (SIOCSIFNETMASK, "SIOCSIFNETMASK"), "255.255.255.128");
        t.give(s, w0, (SIOCSIFBRDADDR, "SIOCSIFBRDADDR"), "198.51.100.127");
        t.give(s, w0, (SIOCSIFNETMASK, "SIOCSIFNETMASK"), "255.0.255.0");
        t.give(s, w0, (SIOCSIFADDR, "SIOCSIFADDR"), "224.0.0.1");
        t.give(s, "nope0", (SIOCSIFADDR, "SIOCSIFADDR"), "198.51.100.7");
        t.give(s, w0, (SIOCSIFADDR, "SIOCSIFADDR"), "0.0.0.0");
        t.give(s, w0, (SIOCSIFNETMASK, "SIOCSIFNETMASK"), "255.255.255.0");
        t.give(s, w0, (SIOCSIFADDR, "SIOCSIFADDR"), "192.0.2.1");
    }

    fn setting_an_interface(t) in Wire {
        let s = t.udp();
        for (request, name, values) in [
            (SIOCSIFFLAGS, "SIOCSIFFLAGS", [0x1002, 0x1043]),
            (SIOCSIFMTU, "SIOCSIFMTU", [1400, 20]),
            (SIOCSIFMETRIC, "SIOCSIFMETRIC", [1, 0]),
        ] {
            for value in values {
                let asked = [&b"w0"[..], &[0; 14], &i32::to_ne_bytes(value)].concat();
                let answer = t.arm.ioctl_bytes(s, request, &asked).map(drop).map_err(|e| Errno(e).name());
                t.note(format!("ioctl({name}, {value:#x}) = {answer:?}"));
                t.ask(s, (SIOCGIFFLAGS, "SIOCGIFFLAGS"), "w0");
                t.ask(s, (SIOCGIFMTU, "SIOCGIFMTU"), "w0");
            }
        }
    }

    /// arp(7): one that stays, one that is learned, one less; and what it is not.
    fn setting_a_neighbour(t) in Wire {
        const SIOCDARP: i32 = 0x8953;
        const SIOCSARP: i32 = 0x8955;
        let s = t.udp();
        for (name, request, family, host, flags, device) in [
            ("SIOCSARP", SIOCSARP, AF_INET, 77, 6, "w0"),
            ("SIOCSARP", SIOCSARP, AF_INET, 78, 2, ""),
            ("SIOCSARP", SIOCSARP, AF_INET6, 78, 2, "w0"),
            ("SIOCSARP", SIOCSARP, AF_INET, 79, 2, "nope0"),
            ("SIOCSARP", SIOCSARP, AF_INET, 79, 0x22, "w0"),
            ("SIOCDARP", SIOCDARP, AF_INET, 77, 2, "w0"),
            ("SIOCDARP", SIOCDARP, AF_INET, 80, 2, "w0"),
        ] {
            let mut asked = [0; 68];
            asked[..2].copy_from_slice(&(family as u16).to_ne_bytes());
            asked[4..8].copy_from_slice(&[192, 0, 2, host]);
            asked[16] = ARPHRD_ETHER as u8;
            asked[18..24].copy_from_slice(&[2, 0, 0, 0, 0, host]);
            asked[32] = flags;
            asked[52..52 + device.len()].copy_from_slice(device.as_bytes());
            let answer = t.arm.ioctl_bytes(s, request, &asked).map(drop).map_err(|e| Errno(e).name());
            asked[16..36].fill(0);
            asked[52..54].copy_from_slice(b"w0");
            let known = t.arm.ioctl_bytes(s, SIOCGARP, &asked);
            let known = known.map(|bytes| (bytes[18..24].to_vec(), bytes[32])).map_err(|e| Errno(e).name());
            t.note(format!("ioctl({name}, .{host}, {flags:#x}, {device:?}) = {answer:?}; then {known:02x?}"));
        }
    }
}
