//! Addresses of AF_UNIX sockets, unix(7): names of one host, which lead to no file system.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Errno, Error, Reason, Result};

/// The bytes of `sun_path`.
const ROOM: usize = 108;

/// struct sockaddr_un, unix(7): a path, an abstract name, or none. The names are those of the methods of
/// `std::os::unix::net::SocketAddr`.
///
/// A path is a name like any other: no file is made, looked at or removed, and the name ends with its socket.
///
/// ```
/// use sockatoo::UnixAddr;
/// assert_eq!(UnixAddr::from_pathname("/run/it.sock")?.to_string(), "/run/it.sock");
/// assert_eq!(UnixAddr::from_abstract_name("it")?.to_string(), "@it");
/// assert_eq!(UnixAddr::from_bytes(b"\0it")?, UnixAddr::from_abstract_name("it")?);
/// assert!(UnixAddr::UNNAMED.is_unnamed());
/// # Ok::<(), sockatoo::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "serde_bytes::ByteBuf", into = "serde_bytes::ByteBuf")]
pub struct UnixAddr {
    len: u8,
    bytes: [u8; ROOM],
}

impl UnixAddr {
    /// No name: what a socket has that was not bound. To bind it means "any abstract name" (autobind).
    pub const UNNAMED: Self = Self { len: 0, bytes: [0; ROOM] };

    /// What `sun_path` holds: a path, up to its first NUL; an abstract name behind a NUL; nothing.
    ///
    /// # Errors
    /// EINVAL for more than 108 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let wrong = || {
            let reason = Errno::EINVAL.because(Reason::AddressLength);
            reason.detail(format!("a name of AF_UNIX has at most {ROOM} bytes"))
        };
        if bytes.len() > ROOM {
            return Err(wrong());
        }
        // unix_mkname_bsd: a path ends at its first NUL.
        let bytes = match bytes.first() {
            Some(0) | None => bytes,
            Some(_) => bytes.split(|byte| *byte == 0).next().unwrap_or(bytes),
        };
        let mut address = Self::UNNAMED;
        address.bytes.get_mut(..bytes.len()).ok_or_else(wrong)?.copy_from_slice(bytes);
        address.len = bytes.len() as u8;
        Ok(address)
    }

    /// A path.
    ///
    /// # Errors
    /// EINVAL if it is empty, longer than 108 bytes, or has a NUL.
    pub fn from_pathname(path: impl AsRef<Path>) -> Result<Self> {
        let bytes = path.as_ref().as_os_str().as_bytes();
        if bytes.is_empty() || bytes.contains(&0) {
            return Err(Errno::EINVAL.with("a path is not empty and has no NUL"));
        }
        Self::from_bytes(bytes)
    }

    /// An abstract name; any bytes.
    ///
    /// # Errors
    /// EINVAL for more than 107 bytes.
    pub fn from_abstract_name(name: impl AsRef<[u8]>) -> Result<Self> {
        Self::from_bytes(&[b"\0", name.as_ref()].concat())
    }

    /// The bytes that `sun_path` has, without the NUL behind a path.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The path, if it is one.
    pub fn as_pathname(&self) -> Option<&Path> {
        let path = self.as_bytes();
        path.first().is_some_and(|first| *first != 0).then(|| Path::new(OsStr::from_bytes(path)))
    }

    /// The abstract name without its NUL, if it is one.
    pub fn as_abstract_name(&self) -> Option<&[u8]> {
        self.as_bytes().strip_prefix(b"\0")
    }

    /// True if it is no name.
    pub const fn is_unnamed(&self) -> bool {
        self.len == 0
    }
}

impl TryFrom<serde_bytes::ByteBuf> for UnixAddr {
    type Error = Error;

    /// What comes from another process may be anything.
    fn try_from(bytes: serde_bytes::ByteBuf) -> Result<Self> {
        Self::from_bytes(&bytes)
    }
}

impl From<UnixAddr> for serde_bytes::ByteBuf {
    fn from(address: UnixAddr) -> Self {
        Self::from(address.as_bytes().to_vec())
    }
}

/// As ss(8): the path, `@` and the abstract name (its NULs are `@` too), `*` for none.
impl fmt::Display for UnixAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_bytes() {
            [] => f.write_str("*"),
            [0, name @ ..] => {
                let name: Vec<u8> = name.iter().map(|byte| if *byte == 0 { b'@' } else { *byte }).collect();
                write!(f, "@{}", String::from_utf8_lossy(&name))
            }
            path => f.write_str(&String::from_utf8_lossy(path)),
        }
    }
}

impl fmt::Debug for UnixAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_sun_path_says() {
        let path = UnixAddr::from_bytes(b"/run/x\0rest").unwrap();
        assert_eq!((path.as_pathname(), path.as_abstract_name()), (Some(Path::new("/run/x")), None));
        let name = UnixAddr::from_bytes(b"\0a\0b").unwrap();
        assert_eq!((name.as_pathname(), name.as_abstract_name()), (None, Some(&b"a\0b"[..])));
        assert_eq!((name.to_string(), UnixAddr::UNNAMED.to_string()), ("@a@b".into(), "*".into()));
        assert!(UnixAddr::from_bytes(&[b'x'; 108]).is_ok() && UnixAddr::from_bytes(&[b'x'; 109]).is_err());
        assert!(UnixAddr::from_pathname("").is_err() && UnixAddr::from_abstract_name([b'x'; 108]).is_err());
        let bytes = postcard::to_stdvec(&name).unwrap();
        assert_eq!(postcard::from_bytes::<UnixAddr>(&bytes).unwrap(), name);
        let long = postcard::to_stdvec(serde_bytes::Bytes::new(&[1; 200])).unwrap();
        assert!(postcard::from_bytes::<UnixAddr>(&long).is_err());
    }
}
