//! Flow labels that programs have asked for, and whom they share them with (IPV6_FLOWLABEL_MGR): Linux's ip6_flowlabel.c.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;

use crate::base::constants::{IPV6_FLOWLABEL_MGR, SOCK_STREAM, SOL_IPV6};
use crate::base::{Errno, Error, Instant, Reason, Result, SocketId};
use crate::stack::Stack;
use crate::stack::table::Entry;

/// `flr_action`.
const GET: u8 = 0;
const PUT: u8 = 1;
const RENEW: u8 = 2;
/// `flr_flags`.
const CREATE: u16 = 1;
const EXCLUSIVELY: u16 = 2;
const REFLECT: u16 = 4;
const REMOTE: u16 = 8;
/// `flr_share`.
const NOBODY: u8 = 0;
const EXCLUSIVE: u8 = 1;
const PROCESS: u8 = 2;
const USER: u8 = 3;
const ANYBODY: u8 = 255;
/// FL_MAX_SIZE, FL_MAX_PER_SOCK: of a host, and of a socket without rights.
const MOST: usize = 4096;
const MOST_OF_SOCKET: usize = 32;
/// FL_MIN_LINGER, FL_MAX_LINGER, in seconds.
const LEAST_LINGER: u16 = 6;
const MOST_LINGER: u16 = 60;
/// sizeof(struct in6_flowlabel_req).
const REQUEST: usize = 32;
const LABEL: u32 = 0xf_ffff;

/// Every label that somebody holds, or held a moment ago.
#[derive(Debug, Default)]
pub(crate) struct FlowLabels {
    labels: BTreeMap<u32, Label>,
}

#[derive(Debug)]
struct Label {
    destination: Ipv6Addr,
    share: u8,
    /// Who made it. A stack knows users, and no processes: all that a user runs share as one.
    owner: u32,
    /// Sockets that hold it.
    users: usize,
    linger: Duration,
    expires: Instant,
}

/// struct in6_flowlabel_req.
struct Request {
    destination: Ipv6Addr,
    label: u32,
    action: u8,
    share: u8,
    flags: u16,
    /// Seconds.
    expires: u16,
    linger: u16,
}

fn wrong() -> Error {
    Errno::EINVAL.because(Reason::OptionValue)
}

fn refused(errno: Errno) -> Error {
    errno.because(Reason::FlowLabel)
}

impl Request {
    fn parse(value: &[u8]) -> Result<Self> {
        let value: &[u8; REQUEST] = value.first_chunk().ok_or(Errno::EINVAL.because(Reason::OptionLength))?;
        let [_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, l0, l1, l2, l3, action, share, rest @ ..] =
            *value;
        let [f0, f1, e0, e1, n0, n1, ..] = rest;
        let destination: [u8; 16] = *value.first_chunk().ok_or_else(wrong)?;
        Ok(Self {
            destination: destination.into(),
            label: u32::from_be_bytes([l0, l1, l2, l3]),
            action,
            share,
            flags: u16::from_ne_bytes([f0, f1]),
            expires: u16::from_ne_bytes([e0, e1]),
            linger: u16::from_ne_bytes([n0, n1]),
        })
    }

    /// check_linger.
    fn lasting(seconds: u16, root: bool) -> Result<Duration> {
        if seconds > MOST_LINGER && !root {
            return Err(refused(Errno::EPERM));
        }
        Ok(Duration::from_secs(seconds.max(LEAST_LINGER).into()))
    }
}

impl Label {
    /// fl6_renew.
    fn renew(&mut self, now: Instant, linger: Duration, expires: Duration) {
        self.linger = self.linger.max(linger);
        self.expires = self.expires.max(now + expires.max(self.linger));
    }
}

impl FlowLabels {
    /// ip6_fl_gc: what nobody has held for its time is free again.
    fn collect(&mut self, now: Instant) {
        self.labels.retain(|_, label| label.users > 0 || label.expires > now);
    }

    /// ipv6_flowlabel_exclusive: while somebody has a label for himself, others must have asked for theirs.
    fn must_be_asked_for(&self) -> bool {
        self.labels.values().any(|label| matches!(label.share, EXCLUSIVE | PROCESS | USER))
    }

    /// fl_release.
    fn release(&mut self, label: u32, now: Instant) {
        if let Some(held) = self.labels.get_mut(&label) {
            held.users = held.users.saturating_sub(1);
            held.expires = held.expires.max(now + held.linger);
        }
    }
}

impl Stack {
    /// setsockopt(IPV6_FLOWLABEL_MGR): ipv6_flowlabel_opt.
    pub(in crate::stack) fn set_flow_label(&mut self, id: SocketId, value: &[u8]) -> Result<()> {
        let request = Request::parse(value)?;
        let now = self.net.now;
        self.flow_labels.collect(now);
        let entry = self.sockets.get_mut(id)?;
        if request.flags & REFLECT != 0 && request.action != RENEW {
            // "Can not set IPV6_FL_F_REFLECT if flowlabel_consistency sysctl is enable": it is, and nothing is reflected.
            let put = request.action == PUT;
            return Err(refused(match entry.kind {
                _ if !put => Errno::EPERM,
                SOCK_STREAM => Errno::ESRCH,
                _ => Errno::ENOPROTOOPT,
            }));
        }
        let held = entry.flow_labels.iter().rposition(|label| *label == request.label);
        match (request.action, held) {
            (PUT, None) => Err(refused(Errno::ESRCH)),
            (PUT, Some(at)) => {
                entry.flow_labels.remove(at);
                if entry.options.flow_info & LABEL == request.label {
                    entry.options.flow_info &= !LABEL;
                }
                self.flow_labels.release(request.label, now);
                Ok(())
            }
            (RENEW, _) => {
                let root = entry.uid == 0;
                let label = self.flow_labels.labels.get_mut(&request.label);
                let label = label.filter(|_| held.is_some() || (root && request.share == NOBODY));
                let label = label.ok_or_else(|| refused(Errno::ESRCH))?;
                let linger = Request::lasting(request.linger, root)?;
                label.renew(now, linger, Request::lasting(request.expires, root)?);
                Ok(())
            }
            (GET, _) if value.len() > REQUEST => {
                // The options of a label are headers that all its packets would have.
                Err(wrong().detail("a flow label has no headers of its own here"))
            }
            (GET, _) => self.get_flow_label(id, &request, held.is_some()),
            _ => Err(wrong()),
        }
    }

    /// ipv6_flowlabel_get: a label of one's own, or a share in one.
    fn get_flow_label(&mut self, id: SocketId, request: &Request, held: bool) -> Result<()> {
        let now = self.net.now;
        let entry = self.sockets.get(id)?;
        let (owner, root, own) = (entry.uid, entry.uid == 0, entry.flow_labels.len());
        if request.label & !LABEL != 0 {
            return Err(wrong());
        }
        let linger = Request::lasting(request.linger, root)?;
        let expires = Request::lasting(request.expires, root)?;
        let (to, share) = (request.destination, request.share);
        if to.is_unspecified()
            || to.to_ipv4_mapped().is_some()
            || !matches!(share, EXCLUSIVE..=USER | ANYBODY)
        {
            return Err(wrong());
        }
        if held && request.flags & EXCLUSIVELY != 0 {
            return Err(refused(Errno::EEXIST));
        }
        if let Some(known) = self.flow_labels.labels.get_mut(&request.label).filter(|_| request.label != 0) {
            if request.flags & EXCLUSIVELY != 0 {
                return Err(refused(Errno::EEXIST));
            }
            let others = matches!(known.share, PROCESS | USER) && known.owner != owner;
            if known.share == EXCLUSIVE || known.share != share || others {
                return Err(refused(Errno::EPERM));
            }
            known.renew(now, linger, expires);
            known.users += 1;
            self.sockets.get_mut(id)?.flow_labels.push(request.label);
            return Ok(());
        }
        if request.flags & CREATE == 0 {
            return Err(refused(Errno::ENOENT));
        }
        // mem_check
        let all = self.flow_labels.labels.len();
        if all >= MOST || (all >= MOST_OF_SOCKET && own >= MOST_OF_SOCKET && !root) {
            return Err(refused(Errno::ENOBUFS));
        }
        let label = match request.label {
            // fl_intern: any that is free; there are more of them than may be held.
            0 => loop {
                let label = self.net.random() as u32 & LABEL;
                if label != 0 && !self.flow_labels.labels.contains_key(&label) {
                    break label;
                }
            },
            label => label,
        };
        let mut made =
            Label { destination: to, share, owner, users: 1, linger: Duration::ZERO, expires: now };
        made.renew(now, linger, expires);
        self.flow_labels.labels.insert(label, made);
        self.sockets.get_mut(id)?.flow_labels.push(label);
        Ok(())
    }

    /// getsockopt(IPV6_FLOWLABEL_MGR): ipv6_flowlabel_opt_get. The label that connect(2) was given, if the socket holds it.
    pub(in crate::stack) fn told_flow_label(&self, id: SocketId, given: &[u8]) -> Result<Vec<u8>> {
        let request = Request::parse(given)?;
        if request.action != GET {
            return Err(wrong());
        }
        let mut told = vec![0; REQUEST];
        if request.flags & REMOTE != 0 {
            return Ok(told);
        }
        let entry = self.sockets.get(id)?;
        let number = entry.options.flow_info & LABEL;
        let held = self.flow_labels.labels.get(&number).filter(|_| entry.flow_labels.contains(&number));
        let label = held.ok_or_else(|| refused(Errno::ENOENT))?;
        let seconds = |time: Duration| u16::try_from(time.as_secs()).unwrap_or(u16::MAX).to_ne_bytes();
        told[..16].copy_from_slice(&label.destination.octets());
        told[16..20].copy_from_slice(&number.to_be_bytes());
        told[21] = label.share;
        told[24..26].copy_from_slice(&seconds(label.expires.since(self.net.now)));
        told[26..28].copy_from_slice(&seconds(label.linger));
        Ok(told)
    }

    /// What setsockopt(2) has written back into its value: of IPV6_FLOWLABEL_MGR, which label it is that was asked for as any.
    pub(in crate::stack) fn newest_flow_label(
        &self,
        id: SocketId,
        level: i32,
        name: i32,
        value: &[u8],
    ) -> Option<Vec<u8>> {
        let request =
            Request::parse(value).ok().filter(|_| (level, name) == (SOL_IPV6, IPV6_FLOWLABEL_MGR))?;
        let label = self
            .sockets
            .get(id)
            .ok()?
            .flow_labels
            .last()
            .filter(|_| (request.action, request.label) == (GET, 0))?;
        Some([&value[..16], &label.to_be_bytes(), &value[20..]].concat())
    }

    /// What closes with its socket (fl6_free_socklist).
    pub(in crate::stack) fn release_flow_labels(&mut self, id: SocketId) {
        let Ok(entry) = self.sockets.get_mut(id) else { return };
        for label in std::mem::take(&mut entry.flow_labels) {
            self.flow_labels.release(label, self.net.now);
        }
    }

    /// fl6_sock_lookup: may the socket send with this label (sin6_flowinfo, IPV6_FLOWINFO)? EINVAL.
    pub(in crate::stack) fn may_label(&self, entry: &Entry, flow_info: u32) -> Result<()> {
        let label = flow_info & LABEL;
        if label != 0 && !entry.flow_labels.contains(&label) && self.flow_labels.must_be_asked_for() {
            return Err(Errno::EINVAL.because(Reason::FlowLabel));
        }
        Ok(())
    }
}
