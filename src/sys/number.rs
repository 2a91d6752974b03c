//! The numbers of the calls that programs make about sockets, SYS_*, of the architecture at hand.

macro_rules! numbers {
    ($($name:ident = $call:ident;)*) => { $(pub(crate) const $name: i64 = libc::$call as i64;)* };
}

numbers! {
    SOCKET = SYS_socket; BIND = SYS_bind; LISTEN = SYS_listen; CONNECT = SYS_connect; ACCEPT = SYS_accept;
    ACCEPT4 = SYS_accept4; GETSOCKNAME = SYS_getsockname; GETPEERNAME = SYS_getpeername; SHUTDOWN = SYS_shutdown;
    GETSOCKOPT = SYS_getsockopt; SETSOCKOPT = SYS_setsockopt; SENDTO = SYS_sendto; SENDMSG = SYS_sendmsg;
    SENDMMSG = SYS_sendmmsg; RECVFROM = SYS_recvfrom; RECVMSG = SYS_recvmsg; RECVMMSG = SYS_recvmmsg;
    IOCTL = SYS_ioctl; OPENAT = SYS_openat; OPENAT2 = SYS_openat2; IO_URING_SETUP = SYS_io_uring_setup;
}

/// open(2) and creat(2), where the architecture has them.
#[cfg(target_arch = "x86_64")]
pub(crate) const OPEN: Option<i64> = Some(libc::SYS_open);
#[cfg(target_arch = "x86_64")]
pub(crate) const CREAT: Option<i64> = Some(libc::SYS_creat);
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const OPEN: Option<i64> = None;
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const CREAT: Option<i64> = None;

/// How a 32-bit program on the same kernel asks for sockets: i386's socketcall and socket, ARM's socket.
pub(crate) const NARROW_SOCKETS: [u32; 2] =
    if cfg!(target_arch = "aarch64") { [281, 281] } else { [102, 359] };
