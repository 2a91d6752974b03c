//! Files of /proc/net about sockets, in the kernel's form: netstat, lsof and psutil read these. `ss` asks sock_diag(7), and these
//! where that has no answer.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use crate::base::constants::{
    AF_INET, AF_INET6, AF_PACKET, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE,
    SOCK_RAW, SOCK_STREAM,
};
use crate::base::{SocketRow, SocketTimer, TcpState};

/// TCP_CLOSE, TCP_ESTABLISHED.
const CLOSE: u8 = TcpState::Closed as u8;
const ESTABLISHED: u8 = TcpState::Established as u8;

/// Which sockets a file lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Table {
    /// AF_*.
    domain: i32,
    /// SOCK_*.
    raw: bool,
    /// IPPROTO_*; of raw sockets all.
    protocol: i32,
}

impl Table {
    /// The file of this name; `None` for one that lists no sockets of ours.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        let (name, domain) = match name.strip_suffix(b"6") {
            Some(name) => (name, AF_INET6),
            None => (name, AF_INET),
        };
        let icmp = if domain == AF_INET { IPPROTO_ICMP } else { IPPROTO_ICMPV6 };
        let (raw, protocol) = match name {
            b"tcp" => (false, IPPROTO_TCP),
            b"udp" => (false, IPPROTO_UDP),
            b"udplite" => (false, IPPROTO_UDPLITE),
            b"icmp" => (false, icmp),
            b"raw" => (true, 0),
            _ => return None,
        };
        Some(Self { domain, raw, protocol })
    }

    fn has(self, row: &SocketRow) -> bool {
        let bound = row.local.is_some_and(|local| local.port() != 0);
        let here = match row.state {
            // tcp4_seq_show: those that only bound are in no table.
            Some(state) => state != TcpState::Closed,
            None => self.raw || bound,
        };
        row.domain == self.domain
            && (row.kind == SOCK_RAW) == self.raw
            && (self.raw || row.protocol == self.protocol)
            && here
    }

    /// What stands in the file.
    pub(super) fn text(self, rows: &[SocketRow]) -> String {
        let tcp = self.protocol == IPPROTO_TCP && !self.raw;
        let end = match self.domain {
            AF_INET => " local_address rem_address   ".to_string(),
            _ => format!(" {:<38}{:<38}", "local_address", "remote_address"),
        };
        let more = if tcp { "" } else { " ref pointer drops" };
        let head = format!("  sl {end}st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode{more}");
        // seq_setwidth: IPv4's lines are as long as the longest.
        let width = match (self.domain, tcp) {
            (AF_INET, true) => 149,
            (AF_INET, false) if !self.raw => 127,
            _ => 0,
        };
        let udp = matches!(self.protocol, IPPROTO_UDP | IPPROTO_UDPLITE) && self.domain == AF_INET;
        let head = if udp { format!(" {head}") } else { head };
        let mut text = format!("{head:<width$}\n");
        for (n, row) in rows.iter().filter(|row| self.has(row)).enumerate() {
            let line = self.line(n, row, tcp);
            let _ = writeln!(text, "{line:<width$}");
        }
        text
    }

    fn line(self, n: usize, row: &SocketRow, tcp: bool) -> String {
        let state = match row.state {
            Some(state) => state as u8,
            None if row.remote.is_some() => ESTABLISHED,
            None => CLOSE,
        };
        let (mut local, mut remote) = (self.shown(row.local), self.shown(row.remote));
        if self.raw {
            local.set_port(u16::try_from(row.protocol).unwrap_or(0));
            remote.set_port(0);
        }
        let SocketTimer { kind, left, tries } = row.timer.unwrap_or_default();
        // USER_HZ is 100.
        let left = left.as_millis() / 10;
        let sent = if state == TcpState::Listen as u8 { 0 } else { row.send_queue };
        let number =
            if tcp || self.raw && self.domain == AF_INET { format!("{n:4}") } else { format!("{n:5}") };
        let begin = format!(
            "{number}: {} {} {state:02X} {sent:08X}:{:08X} {kind:02X}:{left:08X} {tries:08X} {:5} {:8} {}",
            written(local),
            written(remote),
            row.receive_queue,
            row.uid,
            0,
            row.inode,
        );
        match (tcp, row.state) {
            (false, _) => format!("{begin} 2 {:016x} 0", 0),
            // get_timewait4_sock.
            (true, Some(TcpState::TimeWait)) => format!("{begin} 3 {:016x}", 0),
            // The timers and the congestion window of a new connection: what they are now, tcp_info tells.
            (true, _) => format!("{begin} 1 {:016x} 100 0 0 10 0", 0),
        }
    }

    /// An address as sockets of this family have it.
    fn shown(self, end: Option<SocketAddr>) -> SocketAddr {
        let (ip, port) = end.map_or_else(|| (IpAddr::from([0; 4]), 0), |end| (end.ip(), end.port()));
        let ip = match ip {
            IpAddr::V4(ip) if self.domain == AF_INET => IpAddr::V4(ip),
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([0; 16]),
            IpAddr::V4(ip) => ip.to_ipv6_mapped().into(),
            ip => ip,
        };
        SocketAddr::new(ip, port)
    }
}

/// Addresses are numbers as they stand in memory, four bytes each.
fn written(end: SocketAddr) -> String {
    let octets = match end.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let words = octets.chunks_exact(4).filter_map(|chunk| Some(u32::from_ne_bytes(*chunk.first_chunk()?)));
    let digits: String = words.map(|word| format!("{word:08X}")).collect();
    format!("{digits}:{:04X}", end.port())
}

/// packet_seq_show.
pub(super) fn packet(rows: &[SocketRow]) -> String {
    let mut text = "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n".to_string();
    for row in rows.iter().filter(|row| row.domain == AF_PACKET) {
        let interface = row.device.map_or(0, |device| device.0);
        let _ = writeln!(
            text,
            "{:016x} 3      {:<4} {:04x}   {interface:<5} 1 {:<6} {:<6} {:<6}",
            0, row.kind, row.protocol, row.receive_queue, row.uid, row.inode
        );
    }
    text
}

fn count(rows: &[SocketRow], wanted: impl Fn(&SocketRow) -> bool) -> usize {
    rows.iter().filter(|row| wanted(row)).count()
}

fn is_tcp(row: &SocketRow) -> bool {
    row.kind == SOCK_STREAM && row.protocol == IPPROTO_TCP
}

/// sockstat_seq_show, sockstat6_seq_show. Memory is the host's own affair.
pub(super) fn sockstat(rows: &[SocketRow], domain: i32) -> String {
    let of = |wanted: fn(&SocketRow) -> bool| {
        count(rows, |row| row.domain == domain && row.socket.is_some() && wanted(row))
    };
    let raw = of(|row| row.kind == SOCK_RAW);
    // Those that can be found by a segment; TIME_WAIT is counted apart.
    let idle = [TcpState::Closed, TcpState::TimeWait, TcpState::SynReceived];
    let tcp = count(rows, |row| {
        row.domain == domain && is_tcp(row) && row.state.is_some_and(|state| !idle.contains(&state))
    });
    let udp = of(|row| row.protocol == IPPROTO_UDP && row.kind != SOCK_RAW && row.local.is_some());
    let lite = of(|row| row.protocol == IPPROTO_UDPLITE && row.kind != SOCK_RAW);
    if domain == AF_INET6 {
        return format!(
            "TCP6: inuse {tcp}\nUDP6: inuse {udp}\nUDPLITE6: inuse {lite}\nRAW6: inuse {raw}\nFRAG6: inuse 0 memory 0\n"
        );
    }
    let used = count(rows, |row| row.socket.is_some());
    let time_wait = count(rows, |row| row.state == Some(TcpState::TimeWait));
    let orphans = count(rows, |row| {
        row.socket.is_none() && !matches!(row.state, Some(TcpState::TimeWait | TcpState::SynReceived))
    });
    let all = count(rows, |row| is_tcp(row) && row.state != Some(TcpState::TimeWait));
    format!(
        "sockets: used {used}\nTCP: inuse {tcp} orphan {orphans} tw {time_wait} alloc {all} mem 0\n\
         UDP: inuse {udp} mem 0\nUDPLITE: inuse {lite}\nRAW: inuse {raw}\nFRAG: inuse 0 memory 0\n"
    )
}

/// Connections of which the handshake is done and no end has come (TCP_MIB_CURRESTAB).
pub(super) fn established(rows: &[SocketRow]) -> usize {
    count(rows, |row| matches!(row.state, Some(TcpState::Established | TcpState::CloseWait)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_line_is_the_kernels() {
        assert_eq!(written("127.0.0.1:8080".parse().unwrap()), "0100007F:1F90");
        let mapped = SocketAddr::new(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), 1);
        assert_eq!(written(mapped), "0000000000000000FFFF00000100007F:0001");
        let text = Table::named(b"udp").unwrap().text(&[]);
        assert_eq!(text.len(), 128, "{text:?}");
        assert!(text.starts_with("   sl  local_address rem_address   st tx_queue"), "{text:?}");
        assert_eq!(Table::named(b"tcp").unwrap().text(&[]).len(), 150);
        assert_eq!(Table::named(b"unix"), None);
    }
}
