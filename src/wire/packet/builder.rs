//! Layers by their names, as functions: `ether() / ipv4().dst("192.0.2.1") / tcp().dport(80) / "hello"`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::{Div, RangeInclusive};

use super::kind::{Field, Kind, Shape};
use super::layer::{Choice, Layer, Packet, Value};
use super::layers::{self, PADDING, PAYLOAD, kind};
use super::value::{fit, raw};
use crate::base::{Errno, Error, Mac};

/// A layer of the table by its name, as [`super::KINDS`] has it: `layer("dns")`. An unknown name is told when it is built.
pub fn layer(name: &str) -> Layer {
    kind(name).map_or_else(
        || Layer {
            wrong: Some(Errno::EINVAL.with(format!("there is no layer `{name}`"))),
            ..Layer::new(&PAYLOAD)
        },
        Layer::new,
    )
}

macro_rules! layers {
    ($($name:ident = $kind:ident, $about:literal;)*) => {
        $(#[doc = $about]
        pub const fn $name() -> Layer {
            Layer::new(&layers::$kind)
        })*
    };
}

layers! {
    ether = ETHER, "Ethernet.";
    dot3 = DOT3, "Ethernet with a length instead of a type (802.3); LLC is behind it.";
    dot1q = DOT1Q, "A VLAN tag; two of them are QinQ.";
    llc = LLC, "LLC.";
    snap = SNAP, "SNAP.";
    arp = ARP, "ARP.";
    ipv4 = IP, "IPv4.";
    icmp = ICMP, "ICMP.";
    ipv6 = IPV6, "IPv6.";
    hop_by_hop = HOP_BY_HOP, "IPv6's options for each router.";
    routing = ROUTING, "IPv6's routing header.";
    fragment = FRAGMENT, "IPv6's fragment header.";
    destopt = DESTINATION, "IPv6's options for the receiver.";
    ah = AH, "Authentication Header.";
    esp = ESP, "Encapsulating Security Payload.";
    tcp = TCP, "TCP.";
    udp = UDP, "UDP.";
}

/// Bytes.
pub fn payload(bytes: impl AsRef<[u8]>) -> Layer {
    raw(bytes.as_ref().to_vec())
}

/// Bytes behind the end that the lengths tell: they count neither in lengths nor in checksums.
pub fn padding(bytes: impl AsRef<[u8]>) -> Layer {
    Layer { kind: &PADDING, ..payload(bytes) }
}

macro_rules! setters {
    ($($name:ident = $about:literal;)*) => {
        /// Fields that many layers have, and those that are set most often. Any other: [`Layer::set`].
        impl Layer {
            $(#[doc = $about]
            #[must_use]
            pub fn $name(self, value: impl Into<Choice>) -> Self {
                self.set(stringify!($name), value)
            })*
        }
    };
}

setters! {
    dst = "Where it goes: an address or a station, by the layer.";
    src = "Where it comes from.";
    ttl = "How many routers may forward it.";
    hlim = "The same of IPv6.";
    tos = "Differentiated services and ECN.";
    id = "Number of a datagram, or of who asks.";
    proto = "Protocol of what is inside.";
    frag = "Place of a fragment in its datagram, in 8 bytes.";
    len = "Its length, as the layer counts it.";
    checksum = "Its checksum.";
    sport = "Port of the sender.";
    dport = "Port of the receiver.";
    seq = "Sequence number.";
    ack = "Acknowledgment number.";
    flags = "Flags: `\"SA\"`, `\"DF\"`, or a number.";
    window = "Window.";
    code = "Code of ICMP.";
    op = "Question or answer of ARP.";
    vlan = "Number of a virtual LAN.";
    options = "Options as bytes, or as layers. One by one: [`Layer::option`].";
}

impl Layer {
    /// Sets a field, by its name or one of its other spellings. What the layer can't hold is told when it is built.
    ///
    /// ```
    /// use sockatoo::wire::packet::{Nowhere, icmp, ipv4};
    /// let packet = ipv4().dst("192.0.2.1").ttl(3) / icmp().set("type", "echo-request").seq(1) / "hello";
    /// assert_eq!(packet.build(&Nowhere)?.bytes.len(), 33);
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<Choice>) -> Self {
        if let Err(error) = self.try_set(name, value.into()) {
            self.wrong.get_or_insert(error);
        }
        self
    }

    fn try_set(&mut self, name: &str, choice: Choice) -> Result<(), Error> {
        match self.kind.field(name).and_then(|at| self.kind.fields.get(at)) {
            Some(field) => self.put(name, shaped(self.kind, field, choice)?),
            None => self.put(name, choice),
        }
    }

    /// Appends an option by its name, with values for its fields in their order: `tcp().option("mss", 1460)`,
    /// `.option("nop", ())`, `.option("timestamp", (1, 0))`, `ipv4().option("rr", [[0; 3]])`; a question of DNS, too, or a record
    /// of an answer: `layer("dns").option("dnsqr", ("parrot.example", "AAAA"))`.
    #[must_use]
    pub fn option(mut self, name: &str, values: impl Into<Values>) -> Self {
        if let Err(error) = self.try_option(name, values.into().0) {
            self.wrong.get_or_insert(error);
        }
        self
    }

    fn try_option(&mut self, name: &str, values: Vec<Choice>) -> Result<(), Error> {
        let unknown = || Errno::EINVAL.with(format!("{} has no option `{name}`", self.kind.name));
        let mut fields = self.kind.fields.iter();
        let (field, kind) = fields
            .find_map(|field| match field.shape {
                Shape::Layers(kinds) => Some((field.name, kinds.iter().find(|kind| kind.is_called(name))?)),
                _ => None,
            })
            .ok_or_else(unknown)?;
        let mut option = Self::new(kind);
        let mut fields = option.kind.positional();
        for value in values {
            let field =
                fields.next().ok_or_else(|| Errno::EINVAL.with(format!("{name}: too many values")))?;
            option.put(field.name, shaped(option.kind, field, value)?)?;
        }
        let mut all = match self.get(field) {
            Some(Choice::One(Value::Layers(layers))) => layers.clone(),
            _ => Vec::new(),
        };
        all.push(option);
        self.put(field, Choice::One(Value::Layers(all)))
    }

    /// Fields that are not set are drawn by chance, where that leaves a packet that travels (Scapy's `fuzz`).
    #[must_use]
    pub const fn fuzz(mut self) -> Self {
        self.fuzz = true;
        self
    }
}

/// A choice with its values as the field holds them: text is read, and an array is a list where the field wants one.
fn shaped(kind: &Kind, field: &Field, choice: Choice) -> Result<Choice, Error> {
    Ok(match choice {
        Choice::One(value) => Choice::One(fit(kind, field, &value)?),
        Choice::Range(from, to) => Choice::Range(fit(kind, field, &from)?, fit(kind, field, &to)?),
        Choice::Any(choices) => match (field.shape, list(&choices)) {
            (Shape::List(_), Some(values)) => Choice::One(fit(kind, field, &Value::List(values))?),
            _ => Choice::Any(choices.into_iter().map(|c| shaped(kind, field, c)).collect::<Result<_, _>>()?),
        },
        choice => choice,
    })
}

/// The values, if each choice is one.
fn list(choices: &[Choice]) -> Option<Vec<Value>> {
    choices
        .iter()
        .map(|choice| if let Choice::One(value) = choice { Some(value.clone()) } else { None })
        .collect()
}

/// The values of an option's fields: see [`Layer::option`].
#[derive(Clone, Debug)]
pub struct Values(Vec<Choice>);

impl From<()> for Values {
    fn from((): ()) -> Self {
        Self(Vec::new())
    }
}

impl<A: Into<Choice>, B: Into<Choice>> From<(A, B)> for Values {
    fn from((a, b): (A, B)) -> Self {
        Self(vec![a.into(), b.into()])
    }
}

impl<T: Into<Choice>, const N: usize> From<[T; N]> for Values {
    fn from(list: [T; N]) -> Self {
        Self(vec![list.into()])
    }
}

/// What stands for one value: as a value, as a choice, as an option's only value.
macro_rules! values {
    ($($from:ty, $value:ident => $to:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $to
            }
        }
        impl From<$from> for Choice {
            fn from(value: $from) -> Self {
                Self::One(value.into())
            }
        }
        impl From<$from> for Values {
            fn from(value: $from) -> Self {
                Self(vec![value.into()])
            }
        })*
    };
}

values! {
    u8, n => Self::Number(n.into());
    u16, n => Self::Number(n.into());
    u32, n => Self::Number(n.into());
    u64, n => Self::Number(n);
    usize, n => Self::Number(n as u64);
    bool, n => Self::Number(n.into());
    // Text that no field can read: the error names the field and the number.
    i32, n => u64::try_from(n).map_or_else(|_| Self::Name(n.to_string()), Self::Number);
    Mac, mac => Self::Mac(mac);
    Ipv4Addr, address => Self::V4(address);
    Ipv6Addr, address => Self::V6(address);
    IpAddr, address => match address {
        IpAddr::V4(address) => Self::V4(address),
        IpAddr::V6(address) => Self::V6(address),
    };
    &str, text => Self::Name(text.to_owned());
    String, text => Self::Name(text);
    &[u8], bytes => Self::Bytes(bytes.to_vec());
    Vec<u8>, bytes => Self::Bytes(bytes);
    Layer, layer => Self::Layers(vec![layer]);
    Vec<Layer>, layers => Self::Layers(layers);
}

impl<const N: usize> From<&[u8; N]> for Choice {
    fn from(bytes: &[u8; N]) -> Self {
        Self::One(Value::Bytes(bytes.to_vec()))
    }
}

impl From<Value> for Choice {
    fn from(value: Value) -> Self {
        Self::One(value)
    }
}

impl<T: Into<Value>> From<RangeInclusive<T>> for Choice {
    fn from(range: RangeInclusive<T>) -> Self {
        let (from, to) = range.into_inner();
        Self::Range(from.into(), to.into())
    }
}

impl<T: Into<Self>, const N: usize> From<[T; N]> for Choice {
    fn from(list: [T; N]) -> Self {
        Self::Any(list.into_iter().map(Into::into).collect())
    }
}

/// `a / b`: b is inside of a.
macro_rules! slash {
    ($([$($generic:tt)*] $right:ty, $value:ident => $layers:expr;)*) => {
        $(impl<$($generic)*> Div<$right> for Packet {
            type Output = Self;
            fn div(mut self, $value: $right) -> Self {
                self.layers.extend($layers);
                self
            }
        }
        impl<$($generic)*> Div<$right> for Layer {
            type Output = Packet;
            fn div(self, inside: $right) -> Packet {
                Packet::from(self) / inside
            }
        })*
    };
}

slash! {
    [] Layer, layer => [layer];
    [] Packet, packet => packet.layers;
    [] &str, text => [payload(text)];
    [] String, text => [payload(text)];
    [] &[u8], bytes => [payload(bytes)];
    [] Vec<u8>, bytes => [payload(bytes)];
    [const N: usize] &[u8; N], bytes => [payload(bytes)];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::packet::Nowhere;

    fn bytes(packet: impl Into<Packet>) -> Vec<u8> {
        packet.into().build(&Nowhere).unwrap().bytes
    }

    fn wrong(packet: impl Into<Packet>) -> String {
        packet.into().build(&Nowhere).unwrap_err().to_string()
    }

    #[test]
    fn setters_take_what_people_write() {
        let syn = || tcp().dport(80).flags("SA");
        assert_eq!(bytes(syn()), bytes(tcp().dport("80").flags(0x12)));
        assert_eq!(
            bytes(ipv4().dst("192.0.2.1").flags("DF")),
            bytes(ipv4().dst(Ipv4Addr::new(192, 0, 2, 1)).flags(2))
        );
        assert_eq!(bytes(ipv4().flags("MF+DF")), bytes(ipv4().flags(3)));
        assert_eq!(bytes(icmp().set("type", "echo-reply")), bytes(icmp().set("type", 0)));
        assert_eq!(bytes(ipv4().ttl(1..=30)), bytes(ipv4().ttl(1)));
        assert_eq!(bytes(tcp().dport([22, 80])), bytes(tcp().dport(22)));
        assert_eq!(bytes(ipv4() / tcp() / "hello"), bytes(ipv4() / tcp() / b"hello"));
    }

    #[test]
    fn options_one_by_one() {
        let options = tcp()
            .option("mss", 1460)
            .option("nop", ())
            .option("wscale", 7)
            .option("SAckOK", ())
            .option("timestamp", (1, 2))
            .option("sack", [5u32, 9]);
        let expected = b"\x02\x04\x05\xb4\x01\x03\x03\x07\x04\x02\x08\x0a\0\0\0\x01\0\0\0\x02\x05\x0a\0\0\0\x05\0\0\0\x09";
        assert_eq!(bytes(options)[20..50], expected[..]);
        let route = bytes(ipv4().option("rr", (4, ["0.0.0.0", "192.0.2.9"])));
        assert_eq!(route[20..], *b"\x07\x0b\x04\0\0\0\0\xc0\0\x02\x09\0");
        let question = bytes(layer("dns").option("dnsqr", ("a.example", "AAAA")));
        assert_eq!(question[4..], *b"\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\x1c\0\x01");
        let answer = bytes(layer("dns").option("cname", "a.example"));
        assert_eq!(answer[4..12], *b"\0\0\0\x01\0\0\0\0");
    }

    #[test]
    fn what_does_not_fit_is_told_when_it_is_built() {
        assert!(wrong(ipv4().ttl(300)).contains("ip.ttl is 0..255, not 300"), "{}", wrong(ipv4().ttl(300)));
        assert!(wrong(ipv4().ttl(-3)).contains("ip.ttl is 0..255, not `-3`"));
        assert!(wrong(ipv4().dst("nobody")).contains("ip.dst is an IPv4 address, not `nobody`"));
        assert!(wrong(ipv4().dport(80)).contains("ip has no field `dport`"));
        assert!(wrong(tcp().option("rr", ())).contains("tcp has no option `rr`"));
        assert!(wrong(icmp().set("type", 3).seq(1)).contains("icmp has no seq if type is 3"));
        assert!(wrong(ipv4() / payload(vec![0; 65_536])).contains("ip.len"));
        assert!(wrong(layer("ipx")).contains("there is no layer `ipx`"));
    }
}
