//! AF_PACKET sockets, packet(7): whole frames of an existing interface, with what the kernel left undone in them.

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use super::descriptor::{get_option, set_option, setsockopt};
use crate::base::Mac;

/// Bytes of struct virtio_net_hdr: in front of every frame, both ways.
pub(crate) const VNET_HEADER: usize = 10;

/// Frames that one call of [`PacketSocket::send_many`] carries.
pub(crate) const BATCH: usize = 64;

/// A socket for the frames of one interface, non-blocking, each behind a virtio-net header.
#[derive(Debug)]
pub(crate) struct PacketSocket(OwnedFd);

/// What recvmsg(2) says of a frame.
#[derive(Debug)]
pub(crate) struct Received {
    /// Bytes in the buffer, header included.
    pub(crate) len: usize,
    /// The frame was longer than the buffer.
    pub(crate) truncated: bool,
    /// PACKET_OUTGOING: a copy of what this machine sends.
    pub(crate) outgoing: bool,
    /// The VLAN tag that the kernel took out: its TPID and TCI.
    pub(crate) vlan: Option<(u16, u16)>,
    /// SO_TIMESTAMPNS: when the kernel saw it, since 1970.
    pub(crate) time: Option<Duration>,
}

/// Room for the control message that we asked for, aligned as cmsghdr.
#[repr(C, align(8))]
struct Control([u8; 128]);

impl PacketSocket {
    /// A socket that receives nothing yet; `outgoing`: also copies of what others on this machine send. Needs CAP_NET_RAW.
    pub(crate) fn new(outgoing: bool) -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK;
        let socket = super::descriptor::socket(libc::AF_PACKET, kind, 0)?;
        setsockopt(socket.as_fd(), libc::SOL_PACKET, libc::PACKET_VNET_HDR, 1)?;
        setsockopt(socket.as_fd(), libc::SOL_PACKET, libc::PACKET_AUXDATA, 1)?;
        if outgoing {
            // Both directions are looked at, in their order: each frame needs the time at which the kernel saw it.
            setsockopt(socket.as_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        } else {
            // Linux 4.20; before it, `Received::outgoing` tells.
            let _ = setsockopt(socket.as_fd(), libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1);
        }
        Ok(Self(socket))
    }

    /// A socket that only sends on an interface, plain frames without a header in front; `bypass`: past the queueing discipline
    /// and whoever listens on the interface (PACKET_QDISC_BYPASS). Needs CAP_NET_RAW.
    #[cfg(feature = "cli")]
    pub(crate) fn sender(index: u32, bypass: bool) -> io::Result<Self> {
        let socket = Self(super::descriptor::socket(libc::AF_PACKET, libc::SOCK_RAW, 0)?);
        setsockopt(socket.as_fd(), libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, i32::from(bypass))?;
        socket.bind_protocol(index, 0)?;
        Ok(socket)
    }

    /// SO_RCVBUF in bytes, as much as we may.
    pub(crate) fn set_receive_buffer(&self, bytes: i32) -> io::Result<()> {
        setsockopt(self.0.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes)
            .or_else(|_| setsockopt(self.0.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, bytes))
    }

    /// SO_ATTACH_FILTER: only frames for `mac` and for groups come in.
    pub(crate) fn accept_only(&self, mac: Mac) -> io::Result<()> {
        let [a, b, c, d, e, f] = mac.0;
        let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
        let load = |size: u32, at| step(libc::BPF_LD | size | libc::BPF_ABS, 0, 0, at);
        let equal = |k, jt, jf| step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, jt, jf, k);
        let give = |bytes| step(libc::BPF_RET | libc::BPF_K, 0, 0, bytes);
        let mut steps = [
            load(libc::BPF_B, 0),
            step(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 4, 0, 1), // a group: accept
            load(libc::BPF_W, 0),
            equal(u32::from_be_bytes([a, b, c, d]), 0, 3),
            load(libc::BPF_H, 4),
            equal(u32::from(u16::from_be_bytes([e, f])), 0, 1),
            give(u32::MAX),
            give(0),
        ];
        let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
        set_option(self.0.as_fd(), libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
    }

    /// SO_DETACH_FILTER: frames for every station are taken.
    pub(crate) fn accept_all(&self) -> io::Result<()> {
        set_option(self.0.as_fd(), libc::SOL_SOCKET, libc::SO_DETACH_FILTER, &0_i32)
    }

    /// bind(2): every protocol's frames of this interface, from now on.
    pub(crate) fn bind(&self, index: u32) -> io::Result<()> {
        self.bind_protocol(index, libc::ETH_P_ALL as u16)
    }

    fn bind_protocol(&self, index: u32, protocol: u16) -> io::Result<()> {
        let index = i32::try_from(index).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
        // SAFETY: sockaddr_ll is plain data; all zeros is a value of it.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = protocol.to_be();
        address.sll_ifindex = index;
        let length = super::length_of::<libc::sockaddr_ll>();
        // SAFETY: the pointer leads to a sockaddr_ll, of the length given.
        super::check(unsafe { libc::bind(self.0.as_raw_fd(), ptr::from_ref(&address).cast(), length) })
            .map(drop)
    }

    /// PACKET_MR_PROMISC: whether frames for other station addresses than the kernel's come too.
    pub(crate) fn set_promiscuous(&self, index: u32, on: bool) -> io::Result<()> {
        let membership = libc::packet_mreq {
            mr_ifindex: i32::try_from(index).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?,
            mr_type: libc::PACKET_MR_PROMISC as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        let option = if on { libc::PACKET_ADD_MEMBERSHIP } else { libc::PACKET_DROP_MEMBERSHIP };
        set_option(self.0.as_fd(), libc::SOL_PACKET, option, &membership)
    }

    /// recvmsg(2): a virtio-net header and a frame into `buffer`. EAGAIN if there is none, ENETDOWN once when the interface
    /// went down, EINVAL for a frame that a virtio-net header can't describe (it is gone then).
    pub(crate) fn recv(&self, buffer: &mut [u8]) -> io::Result<Received> {
        let mut control = Control([0; 128]);
        // SAFETY: both are plain data; all zeros is a value of them.
        let (mut from, mut message): (libc::sockaddr_ll, libc::msghdr) = unsafe { mem::zeroed() };
        let mut vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        message.msg_name = ptr::from_mut(&mut from).cast();
        message.msg_namelen = super::length_of::<libc::sockaddr_ll>();
        message.msg_iov = &mut vector;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = control.0.len() as _;
        // SAFETY: name, vector and control lead to writable memory of the lengths given, which outlives the call.
        let len = super::count(unsafe { libc::recvmsg(self.0.as_raw_fd(), &mut message, 0) })?;
        Ok(Received {
            len,
            truncated: message.msg_flags & libc::MSG_TRUNC != 0,
            outgoing: from.sll_pkttype == libc::PACKET_OUTGOING,
            vlan: told(&message, libc::SOL_PACKET, libc::PACKET_AUXDATA).and_then(|aux| vlan(&aux)),
            time: told(&message, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS).and_then(since_1970),
        })
    }

    /// PACKET_STATISTICS: frames that found the receive buffer full, since it was last asked.
    pub(crate) fn drops(&self) -> io::Result<u32> {
        let none = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
        let fd = self.0.as_raw_fd();
        let statistics = get_option(fd, libc::SOL_PACKET, libc::PACKET_STATISTICS, none)?;
        Ok(statistics.tp_drops)
    }

    /// sendmmsg(2): a virtio-net header and a frame each, [`BATCH`] of them at most. How many went out; an error is about the
    /// first one.
    pub(crate) fn send_many<'a>(&self, frames: impl Iterator<Item = &'a [u8]>) -> io::Result<usize> {
        // SAFETY: both are plain data; all zeros is a value of them.
        let (mut vectors, mut messages): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) =
            unsafe { mem::zeroed() };
        let mut count = 0;
        for ((frame, vector), message) in frames.zip(&mut vectors).zip(&mut messages) {
            *vector = libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() };
            (message.msg_hdr.msg_iov, message.msg_hdr.msg_iovlen) = (vector, 1);
            count += 1;
        }
        let (fd, messages) = (self.0.as_raw_fd(), messages.as_mut_ptr());
        // SAFETY: the first `count` messages lead to one vector each, and those to frames, which are borrowed for this call;
        // sendmmsg only reads them.
        let sent = unsafe { libc::sendmmsg(fd, messages, count, libc::MSG_NOSIGNAL) };
        super::check(sent).map(|sent| usize::try_from(sent).unwrap_or(0))
    }

    /// send(2): a virtio-net header and a frame.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        super::descriptor::send(self.0.as_fd(), bytes, 0).map(drop)
    }
}

/// Plain data that a control message carries: any bytes are a value of it.
trait Plain: Copy {}
impl Plain for libc::tpacket_auxdata {}
impl Plain for libc::timespec {}

/// The control message of this level and type, if there is a whole one in what recvmsg(2) filled.
fn told<T: Plain>(message: &libc::msghdr, level: i32, kind: i32) -> Option<T> {
    // SAFETY: recvmsg has filled the control buffer that `message` leads to, and its length.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: CMSG_LEN only computes.
    let whole = unsafe { libc::CMSG_LEN(size_of::<T>() as u32) } as usize;
    while !header.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give a whole header within the control buffer.
        let (its_level, its_kind, len) =
            unsafe { ((*header).cmsg_level, (*header).cmsg_type, (*header).cmsg_len as usize) };
        if (its_level, its_kind) == (level, kind) && len >= whole {
            // SAFETY: the message is at least that long, by its length just compared; plain data, of any alignment.
            return Some(unsafe { ptr::read_unaligned(libc::CMSG_DATA(header).cast::<T>()) });
        }
        // SAFETY: `header` is one of this message's.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    None
}

fn since_1970(time: libc::timespec) -> Option<Duration> {
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

fn vlan(aux: &libc::tpacket_auxdata) -> Option<(u16, u16)> {
    const ETH_P_8021Q: u16 = 0x8100;
    if aux.tp_status & libc::TP_STATUS_VLAN_VALID == 0 {
        return None;
    }
    let has_tpid = aux.tp_status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
    Some((if has_tpid { aux.tp_vlan_tpid } else { ETH_P_8021Q }, aux.tp_vlan_tci))
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for PacketSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
