//! getsockopt and setsockopt. Which options there are stands in stack/options.rs; here are only the values' shapes.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::Socket;
use super::remote::connection::unexpected;
use crate::base::verb::{Answer, Verb};
use crate::base::{Errno, Reason, Result};

/// struct linger of SO_LINGER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linger {
    /// Close waits until what was sent has left.
    pub on: bool,
    /// For so many seconds; 0 = close at once, by RST.
    pub seconds: i32,
}

/// What setsockopt(2) takes: a value that knows Linux's layout of itself.
pub trait OptionValue {
    /// The bytes as Linux lays them out.
    fn option_bytes(&self) -> Vec<u8>;
}

impl OptionValue for i32 {
    fn option_bytes(&self) -> Vec<u8> {
        self.to_ne_bytes().to_vec()
    }
}

impl OptionValue for u32 {
    fn option_bytes(&self) -> Vec<u8> {
        self.to_ne_bytes().to_vec()
    }
}

impl OptionValue for bool {
    fn option_bytes(&self) -> Vec<u8> {
        i32::from(*self).option_bytes()
    }
}

impl OptionValue for [u8] {
    fn option_bytes(&self) -> Vec<u8> {
        self.to_vec()
    }
}

impl<const N: usize> OptionValue for [u8; N] {
    fn option_bytes(&self) -> Vec<u8> {
        self.to_vec()
    }
}

impl OptionValue for Vec<u8> {
    fn option_bytes(&self) -> Vec<u8> {
        self.clone()
    }
}

/// The name of an interface or of a congestion control.
impl OptionValue for str {
    fn option_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
}

/// struct linger.
impl OptionValue for Linger {
    fn option_bytes(&self) -> Vec<u8> {
        [i32::from(self.on).to_ne_bytes(), self.seconds.to_ne_bytes()].concat()
    }
}

/// struct timeval of SO_RCVTIMEO and SO_SNDTIMEO: microseconds count, zero is no time-out.
impl OptionValue for Duration {
    fn option_bytes(&self) -> Vec<u8> {
        let seconds = i64::try_from(self.as_secs()).unwrap_or(i64::MAX);
        [seconds.to_ne_bytes(), i64::from(self.subsec_micros()).to_ne_bytes()].concat()
    }
}

/// struct in_addr: IP_MULTICAST_IF.
impl OptionValue for Ipv4Addr {
    fn option_bytes(&self) -> Vec<u8> {
        self.octets().to_vec()
    }
}

/// struct ip_mreq: IP_ADD_MEMBERSHIP, the group and the address of the interface.
impl OptionValue for (Ipv4Addr, Ipv4Addr) {
    fn option_bytes(&self) -> Vec<u8> {
        [self.0.octets(), self.1.octets()].concat()
    }
}

/// struct ipv6_mreq: IPV6_JOIN_GROUP, the group and the interface's index.
impl OptionValue for (Ipv6Addr, u32) {
    fn option_bytes(&self) -> Vec<u8> {
        [&self.0.octets()[..], &self.1.to_ne_bytes()].concat()
    }
}

impl<T: OptionValue + ?Sized> OptionValue for &T {
    fn option_bytes(&self) -> Vec<u8> {
        (**self).option_bytes()
    }
}

/// The duration of a struct timeval.
pub(super) fn duration_of_timeval(bytes: &[u8]) -> Option<Duration> {
    let (seconds, rest) = bytes.split_first_chunk()?;
    let seconds = u64::try_from(i64::from_ne_bytes(*seconds)).ok()?;
    let micros = u64::try_from(i64::from_ne_bytes(*rest.first_chunk()?)).ok()?;
    Some(Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros)))
}

impl Socket {
    /// getsockopt(2) of an option that is a number. `level` is `SOL_SOCKET`, `IPPROTO_TCP`, ...
    ///
    /// # Errors
    /// ENOPROTOOPT (no such option), EOPNOTSUPP (no such level).
    ///
    /// ```
    /// # use sockatoo::{Host, socket::*};
    /// # let host = Host::builder().build()?;
    /// let socket = host.socket(AF_INET, SOCK_STREAM, 0)?;
    /// assert_eq!(socket.getsockopt(SOL_SOCKET, SO_TYPE)?, SOCK_STREAM);
    /// socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, true)?;
    /// assert_eq!(socket.getsockopt(IPPROTO_TCP, TCP_NODELAY)?, 1);
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn getsockopt(&self, level: i32, name: i32) -> Result<i32> {
        let bytes = self.getsockopt_bytes(level, name, size_of::<i32>())?;
        let mut value = [0; size_of::<i32>()];
        for (to, from) in value.iter_mut().zip(&bytes) {
            *to = *from;
        }
        Ok(i32::from_ne_bytes(value))
    }

    /// getsockopt(2): the option's bytes as Linux lays them out, at most `buflen`.
    ///
    /// # Errors
    /// As [`Socket::getsockopt`].
    pub fn getsockopt_bytes(&self, level: i32, name: i32, buflen: usize) -> Result<Vec<u8>> {
        self.option(level, name, buflen, Vec::new())
    }

    /// getsockopt(2) of an option that is told by the value's place what it is asked about: IP_MSFILTER, MCAST_MSFILTER (a group,
    /// and for how many sources there is room), IPV6_FLOWLABEL_MGR, PACKET_HDRLEN (a version). Its bytes as Linux lays them out, at
    /// most as many as `value` has.
    ///
    /// # Errors
    /// As [`Socket::getsockopt`].
    pub fn getsockopt_of(&self, level: i32, name: i32, value: impl OptionValue) -> Result<Vec<u8>> {
        let value = value.option_bytes();
        self.option(level, name, value.len(), value)
    }

    fn option(&self, level: i32, name: i32, room: usize, given: Vec<u8>) -> Result<Vec<u8>> {
        match self.look("getsockopt", |id| Verb::GetOption(id, level, name, room, given))? {
            Answer::Bytes(bytes) => Ok(bytes),
            _ => Err(unexpected()),
        }
    }

    /// setsockopt(2). The value may be a number, a `bool`, a [`Duration`] (struct timeval), a [`Linger`], a name, an address,
    /// or the bytes themselves.
    ///
    /// # Errors
    /// ENOPROTOOPT (no such option or level), EINVAL (wrong length or value), EDOM, ENODEV.
    pub fn setsockopt(&self, level: i32, name: i32, value: impl OptionValue) -> Result<()> {
        let value = value.option_bytes();
        self.verb("setsockopt", |id| Verb::SetOption(id, level, name, value)).map(drop)
    }

    /// SO_ERROR: the pending error, which is forgotten by this.
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> Result<Option<crate::base::Error>> {
        use crate::base::constants::{SO_ERROR, SOL_SOCKET};
        let number = self.getsockopt(SOL_SOCKET, SO_ERROR)?;
        Ok((number != 0).then(|| Errno(number).because(Reason::None)))
    }
}
