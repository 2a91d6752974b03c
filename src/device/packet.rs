//! An existing interface, through AF_PACKET: a station of our own beside the kernel's on the same wire, or the kernel's own
//! station shared with it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use super::offload::{Offload, SuperFrame};
use super::{Device, SendError, Tally, local_mac};
use crate::base::{Direction, Errno, Error, Frame, Instant, Mac, Pool, Reason};
use crate::sys;
use crate::sys::packet::{BATCH, PacketSocket, Received, VNET_HEADER};

/// An existing Ethernet interface, used beside the kernel: with a station address of our own (the interface is set
/// promiscuous meanwhile) and addresses of our own. Kernel and host share the wire, but don't hear each other on it.
///
/// An interface that is set down or deleted is a link that is down: it is looked after once a second, and comes back by
/// itself. A Wi-Fi interface is of no use: access points take frames of their known stations only.
#[derive(Debug)]
pub struct Packet {
    socket: PacketSocket,
    control: sys::interface::Control,
    /// As the kernel has it.
    kernel_name: String,
    /// As the host has it.
    name: String,
    index: u32,
    mac: Mac,
    mtu: usize,
    /// The station is the kernel's: what the kernel sends is handed up too, as [`Direction::Out`].
    shadow: bool,
    promiscuous: bool,
    /// The wall clock's reading at the zero of the host's, once a frame has told it.
    epoch: Option<Duration>,
    up: bool,
    /// That the link is down has been told.
    told: bool,
    next_look: Instant,
    /// What the last recvmsg(2) brought, virtio-net header first.
    buffer: Box<[u8]>,
    /// When the kernel saw that, since 1970.
    seen: Option<Duration>,
    /// The super-frame in `buffer` that is being cut.
    cutting: Option<Cutting>,
    tally: Tally,
}

#[derive(Debug)]
struct Cutting {
    parts: SuperFrame,
    /// Bytes in the buffer.
    len: usize,
    /// The tag that every segment gets.
    vlan: Option<(u16, u16)>,
    direction: Direction,
}

/// How often the state of the interface is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The longest IP packet, and the headers in front of it.
const BUFFER: usize = VNET_HEADER + 14 + 4 + 65_536;
/// The kernel's queue in front of us: a super-frame counts there with all the pages it was made of.
const RECEIVE_BUFFER: i32 = 16 << 20;
/// Frames passed over in one call, at most: the descriptor stays readable, so the next call goes on.
const PER_CALL: usize = 64;

impl Packet {
    /// Opens the interface `name` of this thread's network namespace.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW, ENODEV if there is no such interface, EINVAL if it is not an Ethernet.
    pub fn open(name: &str) -> Result<Self, Error> {
        let packet = Self::of(name, local_mac(sys::random::random_u64()?), false)?;
        packet.socket.accept_only(packet.mac)?;
        packet.begin()
    }

    /// Opens the interface with the kernel's own station address, to be the kernel's shadow: hands up what comes in for the
    /// kernel, and (as [`Direction::Out`]) what the kernel sends. Frames for other stations only come when
    /// [`Device::set_promiscuous`] asks for them (and where the link brings them anyway).
    ///
    /// The kernel's loopback can be opened so, too: as `kernel-lo`, since every host has a `lo` of its own. Each frame is seen
    /// once there.
    ///
    /// # Errors
    /// As [`Packet::open`].
    pub fn shadow(name: &str) -> Result<Self, Error> {
        Self::of(name, Mac::ZERO, true)?.begin()
    }

    fn of(name: &str, mac: Mac, shadow: bool) -> Result<Self, Error> {
        let control = sys::interface::Control::new()?;
        let cannot = |error: io::Error| cannot_open(name, error);
        let index = control.index(name).map_err(cannot)?;
        let kernel_mac = control.mac(name).map_err(cannot)?;
        let loopback = shadow && control.is_loopback(name);
        if kernel_mac.is_none() && !loopback {
            let detail = format!("{name} is not an Ethernet interface (a host has a loopback of its own)");
            return Err(Errno::EINVAL.with(detail));
        }
        let socket = PacketSocket::new(shadow && !loopback).map_err(cannot)?;
        socket.set_receive_buffer(RECEIVE_BUFFER).map_err(cannot)?;
        Ok(Self {
            socket,
            control,
            kernel_name: name.to_owned(),
            name: if loopback { format!("kernel-{name}") } else { name.to_owned() },
            index,
            mac: if shadow { kernel_mac.unwrap_or(Mac::ZERO) } else { mac },
            mtu: 1500,
            shadow,
            // A station address that the interface does not know of: it must let everything through.
            promiscuous: !shadow,
            epoch: None,
            up: false,
            told: false,
            next_look: Instant::ZERO,
            buffer: vec![0; BUFFER].into(),
            seen: None,
            cutting: None,
            tally: Tally::default(),
        })
    }

    /// Frames come from now on.
    fn begin(mut self) -> Result<Self, Error> {
        self.bind(self.index).map_err(|error| cannot_open(&self.kernel_name, error))?;
        self.look(Instant::ZERO);
        Ok(self)
    }

    fn bind(&self, index: u32) -> io::Result<()> {
        self.socket.bind(index)?;
        if self.promiscuous { self.socket.set_promiscuous(index, true) } else { Ok(()) }
    }

    /// With the station address given, in place of one drawn at random.
    ///
    /// # Errors
    /// EINVAL for a shadow: it has the kernel's.
    pub fn with_mac(mut self, mac: Mac) -> Result<Self, Error> {
        if self.shadow {
            return Err(
                Errno::EINVAL.with(format!("{} is used with the kernel's station address", self.kernel_name))
            );
        }
        self.socket.accept_only(mac)?;
        self.mac = mac;
        Ok(self)
    }

    /// Looks at the interface; binds to it anew if it has been deleted and made again.
    fn look(&mut self, now: Instant) {
        self.next_look = now + LOOK_EVERY;
        match self.control.index(&self.kernel_name) {
            Ok(index) if index != self.index && self.bind(index).is_ok() => self.index = index,
            Ok(_) => {}
            Err(_) => self.index = 0, // whichever comes under this name is another one
        }
        self.up = self.index != 0 && self.control.is_up(&self.kernel_name);
        if self.up {
            self.told = false;
        }
        if let Ok(mtu) = self.control.mtu(&self.kernel_name) {
            self.mtu = mtu;
        }
        if let Ok(drops) = self.socket.drops() {
            self.tally.add(Reason::DeviceQueueFull, u64::from(drops));
        }
    }

    fn down(&self) -> Error {
        let name = &self.kernel_name;
        Errno::ENETDOWN.because(Reason::LinkDown).detail(if self.index != 0 {
            format!("{name} is down (`ip link set {name} up`)")
        } else {
            format!("{name} was deleted")
        })
    }

    /// What an error of the socket means: for the link, if it says that, else for the frame.
    fn not_sent(&mut self, now: Instant, mut frame: Frame, error: io::Error) -> Result<(), SendError> {
        frame.pull(VNET_HEADER);
        match Error::from(error).errno() {
            Errno::EAGAIN | Errno::EINTR => Err(SendError::Busy(frame)),
            Errno::ENOBUFS | Errno::ENOMEM => {
                self.tally.count(Reason::DeviceQueueFull);
                Ok(())
            }
            Errno::ENETDOWN | Errno::ENXIO | Errno::ENODEV => {
                self.fell(now);
                Err(SendError::Failed(self.down()))
            }
            errno @ Errno::EMSGSIZE => Err(SendError::Failed(errno.because(Reason::DeviceTooLong))),
            errno => Err(SendError::Failed(errno.because(Reason::DeviceFailed))),
        }
    }

    fn fell(&mut self, now: Instant) {
        self.up = false;
        self.next_look = now + LOOK_EVERY;
    }

    /// When the frame in the buffer passed, on the host's clock, of which `now` is the reading. A batch is read at once; the
    /// kernel's own stamps tell its frames apart.
    fn when(&mut self, now: Instant) -> Instant {
        /// A wall clock that is set leaves the host's behind.
        const JUMP: Duration = Duration::from_secs(10);
        let Some(seen) = self.seen else { return now };
        let host = now.since(Instant::ZERO);
        let epoch = self.epoch.filter(|epoch| seen.saturating_sub(*epoch).abs_diff(host) < JUMP);
        let epoch = *self.epoch.insert(epoch.unwrap_or_else(|| seen.saturating_sub(host)));
        Instant::ZERO + seen.saturating_sub(epoch)
    }

    /// The next segment of the super-frame that is being cut.
    fn segment(&mut self, pool: &Pool) -> Option<Frame> {
        let Cutting { parts, len, vlan, direction } = self.cutting.as_mut()?;
        let whole = self.buffer.get(VNET_HEADER..*len)?;
        let Some(mut frame) = parts.segment(whole, pool) else {
            self.cutting = None;
            return None;
        };
        tag(&mut frame, *vlan);
        frame.direction = *direction;
        Some(frame)
    }

    /// What recvmsg(2) brought, as a frame of wire size; `None` if it was none for us (counted).
    fn frame(&mut self, received: &Received, pool: &Pool) -> Option<Frame> {
        if received.outgoing && !self.shadow {
            return None;
        }
        if received.truncated {
            self.tally.count(Reason::DeviceTooLong);
            return None;
        }
        let frame = self.undone(received, pool);
        if frame.is_none() {
            self.tally.count(Reason::DeviceOffload);
        }
        frame
    }

    /// Does what the kernel has left undone.
    fn undone(&mut self, received: &Received, pool: &Pool) -> Option<Frame> {
        let bytes = self.buffer.get_mut(..received.len)?;
        let offload = Offload::parse(bytes)?;
        let direction = if received.outgoing { Direction::Out } else { Direction::In };
        let bytes = bytes.get_mut(VNET_HEADER..)?;
        if offload.is_super() {
            let parts = SuperFrame::parse(offload, bytes)?;
            self.cutting = Some(Cutting { parts, len: received.len, vlan: received.vlan, direction });
            return self.segment(pool);
        }
        let checksum = offload.complete(bytes)?;
        let mut frame = pool.frame(bytes.len());
        frame.bytes_mut().copy_from_slice(bytes);
        frame.checksum = checksum;
        frame.direction = direction;
        tag(&mut frame, received.vlan);
        Some(frame)
    }
}

/// Puts a virtio-net header in front. All zeros: nothing is left undone in this frame.
fn undone_nothing(frame: &mut Frame) {
    frame.push(VNET_HEADER).fill(0);
}

/// IEEE 802.1Q: puts the tag that the kernel took out back behind the station addresses.
fn tag(frame: &mut Frame, vlan: Option<(u16, u16)>) {
    let Some((tpid, tci)) = vlan else { return };
    if frame.len() < 12 {
        return;
    }
    frame.push(4);
    let bytes = frame.bytes_mut();
    bytes.copy_within(4..16, 0);
    bytes[12..14].copy_from_slice(&tpid.to_be_bytes());
    bytes[14..16].copy_from_slice(&tci.to_be_bytes());
}

fn cannot_open(name: &str, error: io::Error) -> Error {
    let error = Error::from(error);
    let detail = match error.errno() {
        Errno::EPERM | Errno::EACCES => format!(
            "{name}: frames of an interface need CAP_NET_RAW: run as root, or `sudo setcap cap_net_raw,cap_net_admin+ep` on \
             the program"
        ),
        Errno::ENODEV => format!("there is no interface {name} (`ip link` lists them)"),
        _ => format!("{name}: can't open it for frames"),
    };
    error.detail(detail)
}

impl Device for Packet {
    fn name(&self) -> &str {
        &self.name
    }

    fn mac(&self) -> Mac {
        self.mac
    }

    fn mtu(&self) -> usize {
        self.mtu
    }

    fn recv(&mut self, now: Instant, pool: &Pool) -> Result<Option<Frame>, Error> {
        if now >= self.next_look {
            self.look(now);
        }
        let mut frame = self.segment(pool);
        for _ in 0..PER_CALL {
            if frame.is_some() {
                break;
            }
            match self.socket.recv(&mut self.buffer) {
                Ok(received) => {
                    self.seen = received.time;
                    frame = self.frame(&received, pool);
                }
                Err(error) => match Error::from(error).errno() {
                    Errno::EAGAIN | Errno::EINTR => break,
                    // A frame that no virtio-net header can describe.
                    Errno::EINVAL => self.tally.count(Reason::DeviceOffload),
                    _ => {
                        self.fell(now);
                        break;
                    }
                },
            }
        }
        if let Some(mut frame) = frame {
            frame.time = self.when(now);
            return Ok(Some(frame));
        }
        if self.up || std::mem::replace(&mut self.told, true) { Ok(None) } else { Err(self.down()) }
    }

    fn send(&mut self, now: Instant, mut frame: Frame) -> Result<(), SendError> {
        undone_nothing(&mut frame);
        match self.socket.send(frame.bytes()) {
            Ok(()) => Ok(()),
            Err(error) => self.not_sent(now, frame, error),
        }
    }

    fn send_many(&mut self, now: Instant, frames: &mut VecDeque<Frame>) -> Result<(), SendError> {
        while frames.len() > 1 {
            let batch = frames.len().min(BATCH);
            frames.iter_mut().take(batch).for_each(undone_nothing);
            let result = self.socket.send_many(frames.iter().take(batch).map(Frame::bytes));
            let sent = *result.as_ref().unwrap_or(&0);
            frames.drain(..sent);
            frames.iter_mut().take(batch - sent).for_each(|frame| frame.pull(VNET_HEADER));
            // Why the next one did not go out, sending it tells.
            if sent < batch
                && let Some(frame) = frames.pop_front()
            {
                self.send(now, frame)?;
            }
        }
        frames.pop_front().map_or(Ok(()), |frame| self.send(now, frame))
    }

    fn fd(&self) -> Option<RawFd> {
        Some(self.socket.as_raw_fd())
    }

    fn deadline(&self) -> Option<Instant> {
        (!self.up).then_some(self.next_look)
    }

    fn is_up(&self) -> bool {
        self.up
    }

    fn set_promiscuous(&mut self, on: bool) {
        // What fails for want of an interface is made up for by `bind`.
        if !self.shadow {
            // The interface hears everything always: the filter alone decides.
            let _ = if on { self.socket.accept_all() } else { self.socket.accept_only(self.mac) };
        } else if on != self.promiscuous {
            self.promiscuous = on;
            let _ = self.socket.set_promiscuous(self.index, on);
        }
    }

    fn notes(&mut self, tell: &mut dyn FnMut(Reason, u64)) {
        self.tally.tell(tell);
    }
}
