//! A TAP device: the kernel at the other end of the wire.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use tun_tap::{Iface, Mode};

use super::{Device, SendError, Tally, local_mac};
use crate::base::{Direction, Errno, Error, Frame, Instant, Mac, Pool, Reason};
use crate::sys;
use crate::sys::netlink::LinkWatch;

/// A TAP, plain: frames as they are on a wire, one per read and write, their checksums complete.
///
/// The kernel's side of it is an interface with a station address of its own; the host on this side has another, drawn at
/// random. A TAP that is set down or deleted is a link that is down: it is looked after once a second, and comes back by
/// itself when the interface does.
#[derive(Debug)]
pub struct Tap {
    iface: Iface,
    /// Asks in the TAP's own namespace, wherever this device is used.
    control: sys::interface::Control,
    name: String,
    mac: Mac,
    mtu: usize,
    /// The descriptor belongs to an interface that exists.
    attached: bool,
    /// The interface is set up.
    up: bool,
    /// That the link is down has been told.
    told: bool,
    next_look: Instant,
    tally: Tally,
}

/// How long the kernel may take to open the queue of an interface that has got its carrier: usually milliseconds.
const CARRIER: Duration = Duration::from_secs(2);
/// How often the state of the interface is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Ethernet header, one VLAN tag, and a byte more: a frame that fills the buffer was longer than it may be.
const LINK_BYTES: usize = 14 + 4 + 1;

impl Tap {
    /// Opens the TAP `name` of this thread's network namespace, or makes it, to stay for as long as it is open; `%d` in the
    /// name stands for a free number. A new one is not set up: see [`Tap::bring_up`].
    ///
    /// # Errors
    /// EPERM without the right to it, ENOENT without /dev/net/tun, EBUSY if another program has it open, EINVAL if an
    /// interface of that name is not a TAP.
    pub fn open(name: &str) -> Result<Self, Error> {
        if name.is_empty()
            || name.len() > 15
            || name.contains(|c: char| c == '/' || c == '\0' || c.is_whitespace())
        {
            return Err(Errno::EINVAL
                .with(format!("`{name}` can't be the name of an interface (1 to 15 characters)")));
        }
        let control = sys::interface::Control::new()?;
        let watch = if control.is_up(name) { LinkWatch::new().ok() } else { None };
        let iface = Iface::without_packet_info(name, Mode::Tap).map_err(|error| cannot_open(name, error))?;
        sys::tap::set_nonblocking(&iface)?;
        if let Some(watch) = watch
            && !control.is_running(name)
        {
            // To be opened is a TAP's carrier. The kernel opens its queue some time after: what it answers before is lost, the
            // first ARP reply as a rule, and the first connection would wait a second.
            let _ = watch.wait_running(control.index(name)?, CARRIER);
        }
        let mut tap = Self {
            name: iface.name().to_owned(),
            control,
            mac: local_mac(sys::random::random_u64()?),
            mtu: 1500,
            iface,
            attached: true,
            up: false,
            told: false,
            next_look: Instant::ZERO,
            tally: Tally::default(),
        };
        tap.look(Instant::ZERO);
        Ok(tap)
    }

    /// With the station address given, in place of one drawn at random.
    #[must_use]
    pub fn with_mac(mut self, mac: Mac) -> Self {
        self.mac = mac;
        self
    }

    /// Sets the kernel's side up. Needs CAP_NET_ADMIN.
    pub fn bring_up(&mut self) -> Result<(), Error> {
        self.control.set_up(&self.name, true).map_err(|error| cannot(&self.name, "set it up", error))?;
        self.look(Instant::ZERO);
        Ok(())
    }

    /// Sets the MTU of both sides, in bytes. Needs CAP_NET_ADMIN.
    pub fn set_mtu(&mut self, mtu: usize) -> Result<(), Error> {
        self.control.set_mtu(&self.name, mtu).map_err(|error| cannot(&self.name, "set its MTU", error))?;
        self.mtu = mtu;
        Ok(())
    }

    /// True if an interface of this name exists in this thread's network namespace, and is a TAP.
    pub fn exists(name: &str) -> bool {
        sys::interface::Control::new().is_ok_and(|control| control.is_tap(name))
    }

    /// Looks at the interface; attaches to it again if it had been deleted and is there again.
    fn look(&mut self, now: Instant) {
        self.next_look = now + LOOK_EVERY;
        if !self.attached && self.control.index(&self.name).is_ok() {
            self.attached = sys::tap::attach(&self.iface, &self.name).is_ok();
        }
        self.up = self.attached && self.control.is_up(&self.name);
        if self.up {
            self.told = false;
        }
        if let Ok(mtu) = self.control.mtu(&self.name) {
            self.mtu = mtu;
        }
    }

    /// What an error of the descriptor means: for the link, if it says that, else for the frame.
    fn failed(&mut self, now: Instant, error: io::Error) -> Error {
        let error = Error::from(error);
        match error.errno() {
            Errno::EBADFD => self.attached = false,
            Errno::EIO | Errno::ENETDOWN => {}
            _ => return error.errno().because(Reason::DeviceFailed),
        }
        self.up = false;
        self.next_look = now + LOOK_EVERY;
        self.down()
    }

    fn down(&self) -> Error {
        let name = &self.name;
        Errno::ENETDOWN.because(Reason::LinkDown).detail(if self.attached {
            format!("{name} is down (`ip link set {name} up`)")
        } else {
            format!("{name} was deleted")
        })
    }
}

/// The error with what could not be done, and what to do about it.
fn cannot(name: &str, what: &str, error: io::Error) -> Error {
    let error = Error::from(error);
    let hint = if error.errno() == Errno::EPERM { ": it needs CAP_NET_ADMIN (root)" } else { "" };
    let detail = format!("{name}: can't {what}{hint}");
    error.detail(detail)
}

fn cannot_open(name: &str, error: io::Error) -> Error {
    let error = Error::from(error);
    let detail = match error.errno() {
        Errno::EACCES => "/dev/net/tun may not be opened by this user: run as root, or `sudo chmod 666 /dev/net/tun` (as most \
                          systems have it; a TAP needs CAP_NET_ADMIN all the same)"
            .to_owned(),
        Errno::EPERM => format!(
            "{name}: opening a TAP needs CAP_NET_ADMIN: run as root, or have root make one for you: \
             `sudo ip tuntap add {name} mode tap user $USER && sudo ip link set {name} up`"
        ),
        Errno::ENOENT | Errno::ENODEV | Errno::ENXIO => {
            "there is no /dev/net/tun: `sudo modprobe tun` (in a container: `--device /dev/net/tun`)"
                .to_owned()
        }
        Errno::EBUSY => format!("{name}: another program has this TAP open"),
        Errno::EINVAL => format!("{name}: an interface of this name exists and is not a plain TAP"),
        _ => format!("{name}: can't open it as a TAP"),
    };
    error.detail(detail)
}

fn errno(error: &io::Error) -> Errno {
    Errno(error.raw_os_error().unwrap_or(Errno::EIO.0))
}

impl Device for Tap {
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
        while self.attached {
            let mut frame = pool.frame(self.mtu + LINK_BYTES);
            match self.iface.recv(frame.bytes_mut()) {
                Ok(n) if n == frame.len() => {
                    // Cut short: the interface's MTU has grown. The next one finds room.
                    self.tally.count(Reason::DeviceTooLong);
                    self.look(now);
                }
                Ok(n) => {
                    frame.truncate(n);
                    (frame.time, frame.direction) = (now, Direction::In);
                    return Ok(Some(frame));
                }
                Err(error) if matches!(errno(&error), Errno::EAGAIN | Errno::EINTR) => break,
                Err(error) => {
                    // Whatever it says, nothing can be read: tried again at the next look.
                    self.failed(now, error);
                    self.up = false;
                    break;
                }
            }
        }
        if self.up || std::mem::replace(&mut self.told, true) { Ok(None) } else { Err(self.down()) }
    }

    fn send(&mut self, now: Instant, frame: Frame) -> Result<(), SendError> {
        if !self.attached {
            return Err(SendError::Failed(self.down()));
        }
        match self.iface.send(frame.bytes()) {
            Ok(_) => {
                self.up = true;
                Ok(())
            }
            Err(error) => match errno(&error) {
                Errno::EAGAIN | Errno::EINTR => Err(SendError::Busy(frame)),
                Errno::ENOBUFS | Errno::ENOMEM => {
                    self.tally.count(Reason::DeviceQueueFull);
                    Ok(())
                }
                _ => Err(SendError::Failed(self.failed(now, error))),
            },
        }
    }

    fn fd(&self) -> Option<RawFd> {
        // A descriptor without an interface is always "ready", with an error.
        self.attached.then(|| self.iface.as_raw_fd())
    }

    fn deadline(&self) -> Option<Instant> {
        (!self.up).then_some(self.next_look)
    }

    fn is_up(&self) -> bool {
        self.up
    }

    fn notes(&mut self, tell: &mut dyn FnMut(Reason, u64)) {
        self.tally.tell(tell);
    }
}
