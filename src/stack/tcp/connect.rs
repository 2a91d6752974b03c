//! The active open: connect(2), its outcome, and its undoing.

use std::net::{IpAddr, SocketAddr};

use super::calls::{part, set_part};
use super::flow::{Flow, Settings};
use super::output::Cause;
use super::segment::Tuple;
use super::{Stack, TcpSocket, isn};
use crate::base::{Errno, Reason, Result, SocketId, TcpState};
use crate::stack::ports::{Binding, Space, Stage};
use crate::stack::{Cast, Hints, keyed_hash};

impl Stack {
    /// Chooses source and ephemeral port if not bound; EINPROGRESS. `held`: the SYN waits for data.
    pub(in crate::stack) fn tcp_connect(
        &mut self,
        id: SocketId,
        remote: SocketAddr,
        held: bool,
    ) -> Result<()> {
        match part(&self.sockets, id)? {
            TcpSocket::Fresh => self.tcp_open(id, remote, held),
            TcpSocket::Listening => Err(Errno::EISCONN.because(Reason::AlreadyConnected)),
            TcpSocket::Flow { id: flow, connecting } => {
                let found = self.tcp.flows.get(flow);
                let state = found.map(|flow| (flow.dead, flow.state()));
                // __inet_stream_connect: "if (inet_test_bit(DEFER_CONNECT, sk)) err = is_sendmsg ? -EINPROGRESS : -EISCONN"
                let waits = found.is_some_and(|flow| flow.opening.held);
                match state {
                    _ if !connecting || waits => Err(Errno::EISCONN.because(Reason::AlreadyConnected)),
                    Some((false, TcpState::SynSent | TcpState::SynReceived)) => {
                        Err(Errno::EALREADY.because(Reason::ConnectUnderWay))
                    }
                    Some((false, _)) => {
                        set_part(&mut self.sockets, id, TcpSocket::Flow { id: flow, connecting: false });
                        Ok(())
                    }
                    // inet_stream_connect's sock_error: the outcome if nobody has asked for it yet; a new attempt may follow.
                    Some((true, _)) | None => {
                        let outcome = self.sockets.get_mut(id)?.take_error();
                        self.tcp_undo(id, Reason::TcpAborted)?;
                        outcome.and(Err(Errno::ECONNABORTED.because(Reason::TcpAborted)))
                    }
                }
            }
        }
    }

    fn tcp_open(&mut self, id: SocketId, remote: SocketAddr, waits: bool) -> Result<()> {
        // Linux takes an unspecified destination for this host itself.
        let remote = match remote.ip() {
            IpAddr::V4(a) if a.is_unspecified() => (std::net::Ipv4Addr::LOCALHOST, remote.port()).into(),
            IpAddr::V6(a) if a.is_unspecified() => (std::net::Ipv6Addr::LOCALHOST, remote.port()).into(),
            _ => remote,
        };
        let entry = self.sockets.get(id)?;
        let (device, held) = (entry.device, entry.claim);
        let (direct, any_source) = (entry.options.dont_route, entry.options.transparent);
        let range = entry.options.ports(&self.net.config);
        let scope = match remote {
            SocketAddr::V6(a) if a.scope_id() != 0 => Some(crate::base::IfIndex(a.scope_id())),
            _ => None,
        };
        let bound = entry.local.map(|local| local.ip().to_canonical()).filter(|ip| !ip.is_unspecified());
        let interface = device.or(scope);
        let path = self.net.path(remote.ip(), Hints { interface, source: bound, any_source, direct })?;
        // tcp_v4_connect: no TCP to many.
        if path.cast != Cast::Unicast {
            return Err(Errno::ENETUNREACH.because(Reason::IpNoRoute));
        }
        let local = bound.unwrap_or(path.source);
        if local.is_ipv4() != remote.is_ipv4() {
            return Err(Errno::EAFNOSUPPORT.because(Reason::WrongFamily));
        }
        let (flows, _, waiting) = self.tcp.census();
        if flows + waiting >= self.net.config.max_sockets {
            return Err(Errno::ENOBUFS.because(Reason::TcpTooManyFlows));
        }
        if remote.port() == 0 {
            return Err(Errno::ECONNREFUSED.because(Reason::TcpRefused));
        }
        let tuple = |port| Tuple { local, local_port: port, remote: remote.ip(), remote_port: remote.port() };
        let Self { sockets, ports, tcp, .. } = self;
        let free = |port| {
            let tuple = tuple(port);
            tcp.flows.find(&tuple).is_none()
                && !tcp.half_open.contains(&tuple)
                && tcp.time_waits.get(&tuple).is_none()
        };
        let entry = sockets.get_mut(id)?;
        let claim = match held {
            Some(claim) => {
                // __inet_check_established
                if !free(claim.port) {
                    return Err(Errno::EADDRNOTAVAIL.because(Reason::AddressInUse));
                }
                let binding = Binding { address: local, ..claim.binding };
                let mut claim = claim;
                ports.change(&mut claim, binding);
                claim
            }
            None => {
                let offset = keyed_hash(&self.net.config.secret, (local, remote));
                ports.claim_for_connect(Space::Tcp, entry.binding(local), range, offset, free)?
            }
        };
        let tuple = tuple(claim.port);
        let settings = Settings::of(&entry.options, &self.net.config, remote.ip());
        let signature = entry.options.signatures.find(remote.ip());
        let fast = entry.options.fast_open.clone();
        entry.claim = Some(claim);
        entry.local = Some(SocketAddr::new(local, claim.port));
        entry.remote = Some(remote);
        let now = self.net.now;
        let iss = isn::isn(&tcp.keyed, &tuple, now);
        let Some(connection) = tcp.engine.connect(&tuple, iss, settings.rings, now, &self.net.pool) else {
            self.tcp_unbind(id)?;
            return Err(Errno::EINVAL.because(Reason::NoDestination));
        };
        let hints = Hints { interface, source: Some(local), any_source, direct };
        let mut flow = Flow::new(tuple, connection, settings, hints, (path.link_mtu, path.mtu), now);
        (flow.owner, flow.signature) = (Some(id), signature);
        flow.opening.held = waits;
        if !waits && fast.connect {
            tcp.put_off(&self.net.config, fast.no_cookie, &mut flow);
        }
        let (was, put_off) = (flow.snapshot(), flow.opening.held && !waits);
        let flow = self.tcp.flows.insert(flow);
        set_part(&mut self.sockets, id, TcpSocket::Flow { id: flow, connecting: true });
        if put_off {
            return Ok(());
        }
        let (tcp, mut rest) = self.tcp_and_rest();
        tcp.transmit(&mut rest, flow, was, Cause::Here);
        Err(Errno::EINPROGRESS.because(Reason::ConnectStarted))
    }

    /// connect(2) with AF_UNSPEC: RST, back to a fresh socket.
    pub(in crate::stack) fn tcp_disconnect(&mut self, id: SocketId) -> Result<()> {
        let aborts = self.tcp_flow(id).is_some_and(|flow| {
            use TcpState::{CloseWait, Established, FinWait1, FinWait2, SynReceived, SynSent};
            let state = flow.state();
            !flow.dead
                && matches!(state, SynSent | SynReceived | Established | FinWait1 | FinWait2 | CloseWait)
        });
        if let TcpSocket::Listening = part(&self.sockets, id)? {
            let (tcp, mut rest) = self.tcp_and_rest();
            tcp.stop_listening(&mut rest, id);
        }
        self.tcp_undo(id, Reason::TcpAborted)?;
        if aborts {
            // tcp_disconnect leaves this behind.
            self.sockets.get_mut(id)?.error = Some(Errno::ECONNRESET.because(Reason::TcpAborted));
        }
        Ok(())
    }

    /// tcp_abort: RST, and the socket finds ECONNABORTED; a listener is none any more.
    pub(in crate::stack) fn tcp_abort(&mut self, id: SocketId) -> Result<()> {
        let told = || Errno::ECONNABORTED.because(Reason::TcpDestroyed);
        match part(&self.sockets, id)? {
            TcpSocket::Fresh => {}
            TcpSocket::Listening => self.tcp_disconnect(id)?,
            TcpSocket::Flow { id: flow_id, .. } => {
                let (tcp, mut rest) = self.tcp_and_rest();
                let Some(flow) = tcp.flows.get_mut(flow_id).filter(|flow| !flow.dead) else { return Ok(()) };
                rest.net.note(Reason::TcpDestroyed, None, Some(id));
                let was = flow.snapshot();
                flow.connection.abort();
                tcp.transmit(&mut rest, flow_id, was, Cause::Here);
                if tcp.flows.get(flow_id).is_some_and(|flow| !flow.dead) {
                    tcp.end(&mut rest, flow_id, None);
                }
            }
        }
        self.set_pending_error(id, told());
        Ok(())
    }

    /// Takes the connection away; the socket is as it was before connect.
    fn tcp_undo(&mut self, id: SocketId, reason: Reason) -> Result<()> {
        if let TcpSocket::Flow { id: flow, .. } = part(&self.sockets, id)? {
            let (tcp, mut rest) = self.tcp_and_rest();
            tcp.abort(&mut rest, flow, reason);
        }
        set_part(&mut self.sockets, id, TcpSocket::Fresh);
        self.ready.wake(id);
        self.tcp_unbind(id)
    }

    /// Gives back what connect chose; what bind chose stays.
    fn tcp_unbind(&mut self, id: SocketId) -> Result<()> {
        let Self { sockets, ports, .. } = self;
        let entry = sockets.get_mut(id)?;
        entry.remote = None;
        (entry.read_shut, entry.write_shut) = (false, false);
        let any = entry.any_address();
        let Some(mut claim) = entry.claim.take() else { return Ok(()) };
        if !entry.port_chosen {
            entry.local = None;
            ports.release(claim);
            return Ok(());
        }
        if !entry.address_chosen {
            entry.local = Some(SocketAddr::new(any, claim.port));
        }
        let address = entry.local.map_or(any, |local| local.ip().to_canonical());
        let binding = Binding { address, stage: Stage::Open, ..claim.binding };
        ports.change(&mut claim, binding);
        entry.claim = Some(claim);
        Ok(())
    }
}
