//! SOL_SOCKET's options that are more than an int in [`Options`].

use std::time::Duration;

use super::bytes::{parse_timeval, sockaddr, timeval, word};
use super::calls::{int, out_of_range, unknown, wrong_length};
use super::{Options, Timestamp};
use crate::base::constants::*;
use crate::base::{Credentials, Errno, IfIndex, Reason, Result, SocketId};
use crate::stack::Stack;
use crate::stack::ports::Stage;
use crate::stack::table::{Entry, Part};
use crate::stack::unix::UnixSocket;

/// SOCK_MIN_SNDBUF and SOCK_MIN_RCVBUF.
const MIN_SEND_BUFFER: usize = 4608;
const MIN_RECV_BUFFER: usize = 2304;
/// What SO_RCVBUFFORCE and SO_SNDBUFFORCE may ask for; twice this is Linux's INT_MAX, rounded down to what we can hold.
const MAX_FORCED: usize = 256 << 20;
/// IFNAMSIZ, with the NUL.
const NAME_LENGTH: usize = 16;

impl Stack {
    /// sk_get_meminfo: rmem, rcvbuf, wmem, sndbuf, forward, queued, options, backlog, drops; four bytes each.
    pub(in crate::stack) fn memory(&self, id: Option<SocketId>, entry: &Entry) -> Vec<u8> {
        let tcp =
            |bytes: fn(&Self, SocketId) -> Result<usize>| id.map_or(0, |id| bytes(self, id).unwrap_or(0));
        let (options, errors) = (&entry.options, entry.errors.charged());
        let (charged, unsent, drops) = match &entry.protocol_part {
            Part::Tcp(_) => (tcp(Self::tcp_readable), tcp(Self::tcp_unsent), 0),
            Part::Packet(packet) => (packet.charged(), 0, packet.dropped()),
            Part::Netlink(netlink) => (netlink.charged(), 0, 0),
            Part::Can(can) => (can.memory().0, 0, can.memory().1),
            Part::Rds(rds) => (rds.charged(), 0, 0),
            _ => entry.queue().map_or((0, 0, 0), |queue| (queue.charged(), 0, queue.dropped())),
        };
        let words = [charged + errors, options.recv_buffer, 0, options.send_buffer, 0, unsent, 0, 0, drops];
        words.iter().flat_map(|v| (*v as u32).to_ne_bytes()).collect()
    }

    pub(super) fn get_socket_level(&mut self, id: SocketId, name: i32, len: usize) -> Result<Vec<u8>> {
        let entry = self.sockets.get_mut(id)?;
        let options = &entry.options;
        let number = match name {
            SO_ATTACH_FILTER | SO_DETACH_FILTER | SO_LOCK_FILTER => return self.get_filter(id, name, len),
            SO_TYPE => entry.kind,
            SO_PROTOCOL => entry.protocol,
            SO_DOMAIN => entry.domain,
            SO_ERROR => entry.take_error().err().map_or(0, |error| error.errno().0),
            SO_ACCEPTCONN => i32::from(
                entry.claim.is_some_and(|claim| claim.binding.stage == Stage::Listen)
                    || entry.unix().is_ok_and(UnixSocket::is_listening),
            ),
            SO_REUSEADDR => i32::from(options.reuse_address),
            SO_REUSEPORT => i32::from(options.reuse_port),
            SO_RCVBUF => options.recv_buffer as i32,
            SO_SNDBUF => options.send_buffer as i32,
            SO_BUF_LOCK => i32::from(options.send_buffer_set) | i32::from(options.recv_buffer_set) << 1,
            SO_RCVLOWAT => i32::try_from(options.recv_lowat).unwrap_or(i32::MAX),
            SO_TIMESTAMP | SO_TIMESTAMP_NEW => {
                i32::from(options.timestamp == Timestamp::Micro && options.timestamp_name == name)
            }
            SO_TIMESTAMPNS | SO_TIMESTAMPNS_NEW => {
                i32::from(options.timestamp == Timestamp::Nano && options.timestamp_name == name)
            }
            SO_BINDTOIFINDEX => entry.device.map_or(0, |device| device.0 as i32),
            SO_LINGER => {
                let on = i32::from(options.linger.is_some()).to_ne_bytes();
                return Ok([on, options.linger_seconds.to_ne_bytes()].concat());
            }
            SO_RCVTIMEO | SO_RCVTIMEO_NEW => return Ok(timeval(options.recv_timeout)),
            SO_SNDTIMEO | SO_SNDTIMEO_NEW => return Ok(timeval(options.send_timeout)),
            SO_BINDTODEVICE => {
                let Some(device) = entry.device else { return Ok(Vec::new()) };
                if len < NAME_LENGTH {
                    return Err(wrong_length());
                }
                let name = self.net.interface_name(device).ok_or(Errno::ENODEV)?;
                return Ok([name.as_bytes(), b"\0"].concat());
            }
            // struct ucred of the peer; of somebody unknown pid 0, uid and gid -1.
            SO_PEERCRED => {
                let peer = entry.unix().map_or(Credentials::UNKNOWN, UnixSocket::peer_credentials);
                let words = [peer.pid as u32, peer.uid, peer.gid];
                return Ok(words.iter().flat_map(|word| word.to_ne_bytes()).collect());
            }
            // sk_getsockopt tells every failure of getname so.
            SO_PEERNAME => {
                let peer = self.getpeername(id).map_err(|_| Errno::ENOTCONN.because(Reason::NotConnected))?;
                let peer = sockaddr(peer);
                // sk_getsockopt: "if (lv < len) return -EINVAL"
                return if peer.len() < len { Err(wrong_length()) } else { Ok(peer) };
            }
            SO_TIMESTAMPING | SO_TIMESTAMPING_NEW => {
                // struct so_timestamping. sk_getsockopt: the new name tells only what was set by it.
                let told = name == SO_TIMESTAMPING || options.timestamping_new;
                let flags = if told { options.timestamping } else { 0 };
                return Ok([flags, 0].iter().flat_map(|word| word.to_ne_bytes()).collect());
            }
            SO_TXTIME => {
                let (clock, flags) = options.transmit_time.unwrap_or_default();
                return Ok([clock.to_ne_bytes(), flags.to_ne_bytes()].concat());
            }
            // An unsigned long, to who has room for it.
            SO_MAX_PACING_RATE if len >= 8 => return Ok(options.pacing_rate.to_ne_bytes().to_vec()),
            SO_MAX_PACING_RATE => u32::try_from(options.pacing_rate).unwrap_or(u32::MAX) as i32,
            SO_COOKIE if len < 8 => return Err(wrong_length()),
            SO_COOKIE => return Ok(id.0.to_ne_bytes().to_vec()),
            SO_NETNS_COOKIE if len != 8 => return Err(wrong_length()),
            SO_NETNS_COOKIE => return Ok(self.net.config.cookie.to_ne_bytes().to_vec()),
            SO_MEMINFO => return Ok(self.memory(Some(id), self.sockets.get(id)?)),
            _ => return Err(Errno::ENOPROTOOPT.because(Reason::UnknownOption)),
        };
        Ok(number.to_ne_bytes().to_vec())
    }

    pub(super) fn set_socket_level(&mut self, id: SocketId, name: i32, value: &[u8]) -> Result<()> {
        let max = self.net.config.max_buffer;
        let number = int(SOL_SOCKET, value);
        match name {
            SO_BINDTODEVICE => return self.bind_to_device(id, value),
            SO_ATTACH_FILTER | SO_DETACH_FILTER | SO_LOCK_FILTER => return self.set_filter(id, name, value),
            SO_ATTACH_REUSEPORT_CBPF => return self.attach_balance(id, value),
            SO_DETACH_REUSEPORT_BPF => return self.detach_balance(id),
            SO_TIMESTAMPING | SO_TIMESTAMPING_NEW => return self.set_timestamping(id, name, value),
            SO_BINDTOIFINDEX => {
                let index = u32::try_from(number).map_err(|_| out_of_range())?;
                self.sockets.get_mut(id)?.device = (index != 0).then_some(IfIndex(index));
                self.rebind(id);
                return Ok(());
            }
            _ => {}
        }
        let entry = self.sockets.get_mut(id)?;
        let tcp = matches!(entry.protocol_part, Part::Tcp(_));
        let options = &mut entry.options;
        // As Linux compares: without a sign, so that -1 asks for all.
        let asked = number as u32 as usize;
        let forced = usize::try_from(number).unwrap_or(0).min(MAX_FORCED);
        match name {
            // sk_is_inet
            SO_REUSEPORT if number != 0 && matches!(entry.domain, AF_PACKET | AF_UNIX) => {
                return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
            }
            SO_REUSEADDR | SO_REUSEPORT => {
                let field =
                    if name == SO_REUSEADDR { &mut options.reuse_address } else { &mut options.reuse_port };
                *field = number != 0;
                self.rebind(id);
            }
            SO_RCVBUF => options.set_recv_buffer(asked.min(max)),
            SO_SNDBUF => options.set_send_buffer(asked.min(max)),
            SO_RCVBUFFORCE => options.set_recv_buffer(forced),
            SO_SNDBUFFORCE => options.set_send_buffer(forced),
            SO_BUF_LOCK if !(0..=3).contains(&number) => return Err(out_of_range()),
            SO_BUF_LOCK => {
                options.send_buffer_set = number & 1 != 0;
                options.recv_buffer_set = number & 2 != 0;
            }
            SO_RCVLOWAT => {
                let wanted = usize::try_from(number).unwrap_or(i32::MAX as usize).max(1);
                // tcp_set_rcvlowat: more than the buffer holds would never come.
                options.recv_lowat = if tcp { wanted.min(options.recv_space()) } else { wanted };
            }
            SO_LINGER => {
                let (Some(on), Some(seconds)) = (word(value, 0), word(value, 4)) else {
                    return Err(wrong_length());
                };
                // Switched off, the time is kept.
                if on != 0 {
                    options.linger_seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
                }
                options.linger = (on != 0).then_some(Duration::from_secs(u64::from(seconds)));
            }
            SO_RCVTIMEO | SO_RCVTIMEO_NEW => options.recv_timeout = parse_timeval(value)?,
            SO_SNDTIMEO | SO_SNDTIMEO_NEW => options.send_timeout = parse_timeval(value)?,
            SO_TIMESTAMP | SO_TIMESTAMP_NEW | SO_TIMESTAMPNS | SO_TIMESTAMPNS_NEW => {
                let micro = matches!(name, SO_TIMESTAMP | SO_TIMESTAMP_NEW);
                options.timestamp = match (number, micro) {
                    (0, _) => Timestamp::Off,
                    (_, true) => Timestamp::Micro,
                    (_, false) => Timestamp::Nano,
                };
                options.timestamp_name = name;
            }
            SO_TXTIME => {
                let (Some(clock), Some(flags), 8) = (word(value, 0), word(value, 4), value.len()) else {
                    return Err(wrong_length());
                };
                // SOF_TXTIME_FLAGS_MASK.
                if flags & !3 != 0 {
                    return Err(out_of_range());
                }
                options.transmit_time = Some((clock as i32, flags));
            }
            SO_MAX_PACING_RATE => {
                options.pacing_rate = match value.first_chunk() {
                    Some(long) => u64::from_ne_bytes(*long),
                    None if number == -1 => u64::MAX,
                    None => u64::from(number as u32),
                };
            }
            _ => return Err(unknown()),
        }
        Ok(())
    }

    /// sock_set_timestamping: an int, or a struct so_timestamping.
    fn set_timestamping(&mut self, id: SocketId, name: i32, value: &[u8]) -> Result<()> {
        /// SOF_TIMESTAMPING_MASK.
        const KNOWN: i32 = 0x7_ffff;
        let flags = int(SOL_SOCKET, value);
        let entry = self.sockets.get_mut(id)?;
        let asked = |flag: i32| flags & flag != 0;
        let tcp = matches!(entry.protocol_part, Part::Tcp(_));
        let begins = asked(SOF_TIMESTAMPING_OPT_ID)
            && entry.options.timestamping & SOF_TIMESTAMPING_OPT_ID as u32 == 0;
        let wrong = flags & !KNOWN != 0
            || asked(SOF_TIMESTAMPING_OPT_ID_TCP) && !asked(SOF_TIMESTAMPING_OPT_ID)
            // Bytes of a stream can't be counted before there is one.
            || begins && tcp && entry.remote.is_none()
            || asked(SOF_TIMESTAMPING_OPT_STATS) && !asked(SOF_TIMESTAMPING_OPT_TSONLY)
            // There is no hardware clock to bind to.
            || asked(SOF_TIMESTAMPING_BIND_PHC);
        if wrong {
            return Err(out_of_range());
        }
        if begins {
            entry.errors.stamp_key = 0;
        }
        entry.options.timestamping = flags as u32;
        entry.options.timestamping_new = name == SO_TIMESTAMPING_NEW;
        Ok(())
    }

    /// SO_BINDTODEVICE: a name, or nothing to be free again.
    fn bind_to_device(&mut self, id: SocketId, value: &[u8]) -> Result<()> {
        let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(&name[..name.len().min(NAME_LENGTH - 1)]);
        let device = if name.is_empty() {
            None
        } else {
            let found = self.net.interface_by_name(&name);
            Some(found.ok_or_else(|| {
                Errno::ENODEV.because(Reason::NoInterface).detail(format!("no interface is called {name}"))
            })?)
        };
        self.sockets.get_mut(id)?.device = device;
        self.rebind(id);
        Ok(())
    }
}

impl Options {
    /// SO_RCVBUF: Linux doubles the value, for its own bookkeeping.
    fn set_recv_buffer(&mut self, asked: usize) {
        self.recv_buffer = (asked * 2).max(MIN_RECV_BUFFER);
        self.recv_buffer_set = true;
    }

    /// SO_SNDBUF: doubled too.
    fn set_send_buffer(&mut self, asked: usize) {
        self.send_buffer = (asked * 2).max(MIN_SEND_BUFFER);
        self.send_buffer_set = true;
    }
}
