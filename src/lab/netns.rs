//! A network namespace that goes away by itself: the kernel as the other host of a test.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::base::{Cidr, Errno, Error, Result};
use crate::device::Tap;
use crate::sys::interface::Control;
use crate::sys::netlink::{LinkWatch, Rtnetlink};
use crate::sys::{namespace, privilege};

/// A network namespace: interfaces, addresses, routes and ports of the kernel's, apart from all others.
///
/// It has no name, and leaves nothing behind: it ends with the last `Netns`, descriptor and program in it. Cloning shares it.
///
/// ```no_run
/// # fn main() -> sockatoo::Result<()> {
/// let kernel = sockatoo::lab::Netns::new()?;
/// let tap = kernel.tap("tap0", &["192.0.2.1/24", "2001:db8::1/64"])?;
/// let listener = kernel.run(|| std::net::TcpListener::bind("192.0.2.1:80"))??;
/// let status = kernel.command("ping").args(["-c", "1", "192.0.2.1"]).status()?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Netns {
    namespace: Arc<OwnedFd>,
}

/// How long the kernel may take to tell of a carrier: usually milliseconds, a second if there were other changes just before.
const CARRIER: Duration = Duration::from_secs(5);

impl Netns {
    /// A new namespace in which only `lo` exists, set up. IPv6 addresses in it are usable at once (no duplicate address
    /// detection).
    ///
    /// # Errors
    /// EPERM without CAP_SYS_ADMIN: run as root, or under `unshare -r` (a user namespace), or call
    /// [`become_root_in_user_namespace`] first.
    pub fn new() -> Result<Self> {
        // A thread of its own: a thread that has left its namespace should not go on with other work.
        let made = thread::scope(|scope| {
            let maker = scope.spawn(|| {
                namespace::unshare_network()?;
                namespace::network()
            });
            maker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        let new = Self { namespace: Arc::new(made.map_err(not_permitted)?) };
        for scope in ["all", "default"] {
            // Where IPv6 is off these don't exist, and need not.
            let _ = new.set(&format!("net/ipv6/conf/{scope}/accept_dad"), "0");
            let _ = new.set(&format!("net/ipv6/conf/{scope}/router_solicitations"), "0");
        }
        new.set_up("lo")?;
        Ok(new)
    }

    /// The namespace in which the calling thread is.
    pub fn current() -> Result<Self> {
        Ok(Self { namespace: Arc::new(namespace::network()?) })
    }

    /// Runs `body` on a thread of its own inside the namespace, waits for it, and returns what it returned. Sockets and TAPs
    /// that it opens stay in the namespace for all their life, wherever they are used.
    ///
    /// # Errors
    /// EPERM if this thread may not enter the namespace.
    ///
    /// # Panics
    /// If `body` does.
    pub fn run<T: Send>(&self, body: impl FnOnce() -> T + Send) -> Result<T> {
        let ran = thread::scope(|scope| {
            let inside = scope.spawn(|| namespace::set_network(self.namespace.as_fd()).map(|()| body()));
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        ran.map_err(not_permitted)
    }

    /// A program that will start inside the namespace.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        namespace::start_in(&mut command, self.namespace.clone());
        command
    }

    /// Makes a TAP in the namespace, whose kernel side is set up and has the addresses given (`192.0.2.1/24`). The host that
    /// takes it is the kernel's neighbour on that wire.
    pub fn tap(&self, name: &str, addresses: &[&str]) -> Result<Tap> {
        let mut tap = self.run(|| Tap::open(name))??;
        tap.bring_up()?;
        for address in addresses {
            self.add_address(name, address)?;
        }
        Ok(tap)
    }

    /// Makes a veth pair, set up and running: `name` in this namespace, `peer_name` in the other.
    pub fn veth(&self, name: &str, peer: &Self, peer_name: &str) -> Result<()> {
        let made = self.run(|| Rtnetlink::new()?.add_veth(name, peer_name, peer.namespace.as_fd()))?;
        made.map_err(|error| because(error, || format!("can't make the veth pair {name}, {peer_name}")))?;
        let ends = [(self, name), (peer, peer_name)];
        let watches = [self.run(LinkWatch::new)??, peer.run(LinkWatch::new)??];
        ends.iter().try_for_each(|(netns, name)| netns.set_up(name))?;
        // The kernel opens a queue only some time after the carrier came: what is sent before is lost. If it never tells, the
        // first to send will.
        for ((netns, name), watch) in ends.iter().zip(watches) {
            watch.wait_running(netns.run(|| Control::new()?.index(name))??, CARRIER)?;
        }
        Ok(())
    }

    /// Gives an interface an address with its prefix (`192.0.2.1/24`).
    pub fn add_address(&self, interface: &str, address: &str) -> Result<()> {
        let cidr: Cidr = address.parse()?;
        let added = self.run(|| Rtnetlink::new()?.add_address(Control::new()?.index(interface)?, cidr))?;
        added.map_err(|error| because(error, || format!("{interface}: can't add the address {address}")))
    }

    /// Adds a route through a gateway; network `default` is all the rest.
    pub fn add_route(&self, network: &str, via: IpAddr) -> Result<()> {
        let cidr = if network == "default" { None } else { Some(network.parse::<Cidr>()?) };
        let added = self.run(|| Rtnetlink::new()?.add_route(cidr, Some(via), 0))?;
        added.map_err(|error| because(error, || format!("can't add the route to {network} via {via}")))
    }

    /// Sets an interface up.
    pub fn set_up(&self, interface: &str) -> Result<()> {
        self.switch(interface, true)
    }

    /// Sets an interface down. Its IPv6 addresses and its routes go with it, as always on Linux.
    pub fn set_down(&self, interface: &str) -> Result<()> {
        self.switch(interface, false)
    }

    fn switch(&self, interface: &str, up: bool) -> Result<()> {
        let set = self.run(|| Control::new()?.set_up(interface, up))?;
        set.map_err(|error| because(error, || format!("{interface}: can't set it up or down")))
    }

    /// Sets an interface's MTU, in bytes.
    pub fn set_mtu(&self, interface: &str, mtu: usize) -> Result<()> {
        let set = self.run(|| Control::new()?.set_mtu(interface, mtu))?;
        set.map_err(|error| because(error, || format!("{interface}: can't set its MTU to {mtu}")))
    }

    /// Deletes an interface; of a veth, both ends.
    pub fn delete(&self, interface: &str) -> Result<()> {
        let deleted = self.run(|| Rtnetlink::new()?.remove_link(Control::new()?.index(interface)?))?;
        deleted.map_err(|error| because(error, || format!("{interface}: can't delete it")))
    }

    /// Sets a sysctl of the namespace: `net.ipv4.ip_forward` (or with slashes) to `1`.
    pub fn set(&self, sysctl: &str, value: &str) -> Result<()> {
        let path = if sysctl.contains('/') { sysctl.to_owned() } else { sysctl.replace('.', "/") };
        let written = self.run(|| fs::write(format!("/proc/sys/{path}"), value))?;
        written.map_err(|error| because(error, || format!("can't set {sysctl} to {value}")))
    }
}

/// Moves the whole process into a user namespace of its own, where it is root: namespaces and TAPs can be made then, without
/// any right outside. To be called at the very beginning of `main`, before there is a second thread.
///
/// # Errors
/// EINVAL if the process has several threads; EPERM or ENOSPC where the system forbids it (Debian's
/// `kernel.unprivileged_userns_clone`, Ubuntu's `kernel.apparmor_restrict_unprivileged_userns`, `user.max_user_namespaces`).
pub fn become_root_in_user_namespace() -> Result<()> {
    let (uid, gid) = (privilege::geteuid(), privilege::getegid());
    namespace::unshare_user().map_err(|error| {
        because(error, || {
            "can't make a user namespace: too late in the program's life (EINVAL), or forbidden here \
             (`sysctl kernel.unprivileged_userns_clone kernel.apparmor_restrict_unprivileged_userns`)"
                .to_owned()
        })
    })?;
    // user_namespaces(7): setgroups must be denied before an unprivileged process may write its gid map.
    let mapped = fs::write("/proc/self/setgroups", "deny")
        .and_then(|()| fs::write("/proc/self/uid_map", format!("0 {uid} 1")))
        .and_then(|()| fs::write("/proc/self/gid_map", format!("0 {gid} 1")));
    mapped.map_err(|error| {
        because(error, || "can't map this user to root in the new user namespace".to_owned())
    })
}

fn because(error: io::Error, detail: impl FnOnce() -> String) -> Error {
    Error::from(error).detail(detail())
}

fn not_permitted(error: io::Error) -> Error {
    let error = Error::from(error);
    if error.errno() == Errno::EPERM {
        return error.detail(
            "a network namespace needs CAP_SYS_ADMIN: run as root, or in a user namespace (`unshare -r`, as in \
             `unshare -r cargo test`)",
        );
    }
    error
}
