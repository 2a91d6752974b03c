//! An error has a number for the program and a reason for the person.

use std::borrow::Cow;
use std::fmt;

use super::Reason;

/// The result of every call that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// A Linux error number, see errno(3). Unknown numbers survive. The negative ones are getaddrinfo(3)'s (Python's `gaierror`
/// counts them the same way).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Errno(pub i32);

macro_rules! errnos {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        impl Errno {
            $(#[doc = $text] pub const $name: Self = Self($number);)*

            /// The name of errno(3), `EUNKNOWN` for a number without one.
            pub const fn name(self) -> &'static str {
                match self.0 { $($number => stringify!($name),)* _ => "EUNKNOWN" }
            }

            /// The words of strerror(3).
            pub const fn text(self) -> &'static str {
                match self.0 { $($number => $text,)* _ => "Unknown error" }
            }
        }
    };
}

errnos! {
    EAI_BADFLAGS = -1, "Bad value for ai_flags";
    EAI_NONAME = -2, "Name or service not known";
    EAI_AGAIN = -3, "Temporary failure in name resolution";
    EAI_FAIL = -4, "Non-recoverable failure in name resolution";
    EAI_NODATA = -5, "No address associated with hostname";
    EAI_FAMILY = -6, "ai_family not supported";
    EAI_SOCKTYPE = -7, "ai_socktype not supported";
    EAI_SERVICE = -8, "Servname not supported for ai_socktype";
    EAI_ADDRFAMILY = -9, "Address family for hostname not supported";
    EAI_MEMORY = -10, "Memory allocation failure";
    EAI_SYSTEM = -11, "System error";
    EAI_OVERFLOW = -12, "Argument buffer overflow";
    EPERM = 1, "Operation not permitted";
    ENOENT = 2, "No such file or directory";
    EINTR = 4, "Interrupted system call";
    EIO = 5, "Input/output error";
    ESRCH = 3, "No such process";
    E2BIG = 7, "Argument list too long";
    ENXIO = 6, "No such device or address";
    EBADF = 9, "Bad file descriptor";
    EAGAIN = 11, "Resource temporarily unavailable";
    ENOMEM = 12, "Cannot allocate memory";
    EACCES = 13, "Permission denied";
    EFAULT = 14, "Bad address";
    EBUSY = 16, "Device or resource busy";
    EEXIST = 17, "File exists";
    ENODEV = 19, "No such device";
    ENOTDIR = 20, "Not a directory";
    EXDEV = 18, "Invalid cross-device link";
    EISDIR = 21, "Is a directory";
    EINVAL = 22, "Invalid argument";
    ENFILE = 23, "Too many open files in system";
    EMFILE = 24, "Too many open files";
    ENOTTY = 25, "Inappropriate ioctl for device";
    ENOSPC = 28, "No space left on device";
    ESPIPE = 29, "Illegal seek";
    EPIPE = 32, "Broken pipe";
    EDOM = 33, "Numerical argument out of domain";
    ERANGE = 34, "Numerical result out of range";
    EDEADLK = 35, "Resource deadlock avoided";
    ENOSYS = 38, "Function not implemented";
    ENOMSG = 42, "No message of desired type";
    ENODATA = 61, "No data available";
    ETIME = 62, "Timer expired";
    ECOMM = 70, "Communication error on send";
    EPROTO = 71, "Protocol error";
    EBADMSG = 74, "Bad message";
    EOVERFLOW = 75, "Value too large for defined data type";
    EBADFD = 77, "File descriptor in bad state";
    EILSEQ = 84, "Invalid or incomplete multibyte or wide character";
    ENOTSOCK = 88, "Socket operation on non-socket";
    EDESTADDRREQ = 89, "Destination address required";
    EMSGSIZE = 90, "Message too long";
    EPROTOTYPE = 91, "Protocol wrong type for socket";
    ENOPROTOOPT = 92, "Protocol not available";
    EPROTONOSUPPORT = 93, "Protocol not supported";
    ESOCKTNOSUPPORT = 94, "Socket type not supported";
    EOPNOTSUPP = 95, "Operation not supported";
    EPFNOSUPPORT = 96, "Protocol family not supported";
    EAFNOSUPPORT = 97, "Address family not supported by protocol";
    EADDRINUSE = 98, "Address already in use";
    EADDRNOTAVAIL = 99, "Cannot assign requested address";
    ENETDOWN = 100, "Network is down";
    ENETUNREACH = 101, "Network is unreachable";
    ENETRESET = 102, "Network dropped connection on reset";
    ECONNABORTED = 103, "Software caused connection abort";
    ECONNRESET = 104, "Connection reset by peer";
    ENOBUFS = 105, "No buffer space available";
    EISCONN = 106, "Transport endpoint is already connected";
    ENOTCONN = 107, "Transport endpoint is not connected";
    ETOOMANYREFS = 109, "Too many references: cannot splice";
    ETIMEDOUT = 110, "Connection timed out";
    ECONNREFUSED = 111, "Connection refused";
    EHOSTDOWN = 112, "Host is down";
    EHOSTUNREACH = 113, "No route to host";
    EALREADY = 114, "Operation already in progress";
    EINPROGRESS = 115, "Operation now in progress";
    ENOTRECOVERABLE = 131, "State not recoverable";
}

impl Errno {
    /// Another name of [`Errno::EAGAIN`] on Linux.
    pub const EWOULDBLOCK: Self = Self::EAGAIN;

    /// This number as an error, with its reason.
    pub const fn because(self, reason: Reason) -> Error {
        Error { errno: self, reason, detail: None }
    }

    /// This number as an error, with a reason of the moment's own words.
    pub fn with(self, detail: impl Into<Cow<'static, str>>) -> Error {
        Error { errno: self, reason: Reason::Said, detail: Some(Box::new(detail.into())) }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name())
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[Errno {}] {}", self.0, self.text())
    }
}

/// What went wrong: the number that the kernel would have given, and why.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Error {
    errno: Errno,
    reason: Reason,
    /// Boxed, so that the common `Err(EAGAIN)` stays two words.
    detail: Option<Box<Cow<'static, str>>>,
}

impl Error {
    /// The number, for the program.
    pub const fn errno(&self) -> Errno {
        self.errno
    }

    /// The reason, as a name that programs can compare and `stat` counts.
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// The same error with words of the moment (a port, a file's name, what to do next).
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(Box::new(detail.into()));
        self
    }

    /// The reason, for the person; empty where the number says it all.
    pub fn why(&self) -> &str {
        match &self.detail {
            Some(detail) => detail,
            None => self.reason.text(),
        }
    }

    /// True if the host is shut down: it was so while the call waited (EINTR), or before (ENETDOWN).
    pub(crate) fn is_shutdown(&self) -> bool {
        matches!(self.reason, Reason::Interrupted | Reason::HostShutDown)
    }

    /// True for the two answers that mean "later": EAGAIN and EINPROGRESS.
    pub fn would_block(&self) -> bool {
        matches!(self.errno, Errno::EAGAIN | Errno::EINPROGRESS)
    }
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        errno.because(Reason::None)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => Errno(number).into(),
            None => Errno::EIO.with(error.to_string()),
        }
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        // Keeps `raw_os_error()` for programs that compare it.
        Self::from_raw_os_error(error.errno.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.errno.name())?;
        if !self.why().is_empty() {
            write!(f, " ({})", self.why())?;
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.errno)?;
        if !self.why().is_empty() {
            write!(f, ": {}", self.why())?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_a_number_and_a_reason() {
        let error = Errno::ECONNREFUSED.because(Reason::TcpRefused);
        assert_eq!(error.errno().0, 111);
        assert_eq!(
            error.to_string(),
            format!("[Errno 111] Connection refused: {}", Reason::TcpRefused.text())
        );
        assert_eq!(std::io::Error::from(error).raw_os_error(), Some(111));
    }

    #[test]
    fn a_number_without_a_name_survives() {
        assert_eq!(Errno(4242).name(), "EUNKNOWN");
        assert_eq!(Error::from(std::io::Error::from_raw_os_error(4242)).errno(), Errno(4242));
    }

    #[test]
    fn errors_are_small() {
        assert!(size_of::<Error>() <= 16);
    }
}
