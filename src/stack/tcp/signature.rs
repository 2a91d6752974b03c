//! TCP MD5 signatures (RFC 2385; TCP_MD5SIG): every segment to and from an address is signed with a key that both ends know. The
//! engine never sees them: they are put into what leaves, and looked at in what comes.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use md5::{Digest, Md5};

use super::input::Taker;
use super::segment::{Segment, Tuple, make_room};
use super::{Rest, Tcp};
use crate::base::constants::{AF_INET, AF_INET6, IPPROTO_TCP, TCP_MD5SIG_EXT};
use crate::base::{Errno, Frame, IfIndex, Reason, Result, SocketId};
use crate::stack::Stack;
use crate::wire::transport_checksum;

/// RFC 2385 3.0: "Kind=19", "Length=18".
const KIND: u8 = 19;
const LENGTH: u8 = 18;
/// What a signature takes of each segment: the option, and two bytes before it so that it ends at a word's end.
pub(super) const ROOM: usize = 20;
/// A TCP header without options.
const FIXED: usize = 20;

/// struct tcp_md5sig: its size, the longest key, and TCP_MD5SIG_FLAG_*.
const SIZE: usize = 216;
const LONGEST: usize = 80;
const FLAG_PREFIX: u8 = 1;
const FLAG_IFINDEX: u8 = 2;
/// Keys of one socket.
const MOST: usize = 1024;

/// A key, and for whom it is.
#[derive(PartialEq, Eq)]
pub(in crate::stack) struct Key {
    address: IpAddr,
    prefix: u8,
    secret: Box<[u8]>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({}/{})", self.address, self.prefix)
    }
}

/// The keys of a socket.
#[derive(Clone, Debug, Default)]
pub(in crate::stack) struct Keys(Vec<Arc<Key>>);

/// The first `prefix` bits of an address, and its family.
fn network(address: IpAddr, prefix: u8) -> (bool, u128) {
    let (bits, width) = match address {
        IpAddr::V4(a) => (u128::from(a.to_bits()), 32),
        IpAddr::V6(a) => (a.to_bits(), 128),
    };
    (address.is_ipv4(), bits.checked_shr(width - u32::from(prefix).min(width)).unwrap_or(0))
}

impl Keys {
    /// tcp_md5_do_lookup: the key with the longest prefix.
    pub(super) fn find(&self, peer: IpAddr) -> Option<Arc<Key>> {
        let fits = |key: &&Arc<Key>| network(peer, key.prefix) == network(key.address, key.prefix);
        self.0.iter().filter(fits).max_by_key(|key| key.prefix).cloned()
    }

    /// tcp_v4_parse_md5_keys, tcp_v6_parse_md5_keys: a struct tcp_md5sig adds a key, replaces it, or (without one) removes it.
    pub(in crate::stack) fn set(&mut self, name: i32, domain: i32, value: &[u8]) -> Result<()> {
        let wrong = || Errno::EINVAL.because(Reason::OptionValue);
        let value = value.first_chunk::<SIZE>().ok_or_else(|| Errno::EINVAL.because(Reason::OptionLength))?;
        let family = i32::from(u16::from_ne_bytes([value[0], value[1]]));
        if family != domain {
            return Err(wrong());
        }
        let address = match family {
            AF_INET => IpAddr::from([value[4], value[5], value[6], value[7]]),
            AF_INET6 => {
                let mut octets = [0; 16];
                octets.copy_from_slice(&value[8..24]);
                Ipv6Addr::from(octets).to_canonical()
            }
            _ => return Err(wrong()),
        };
        let extended = |flag| name == TCP_MD5SIG_EXT && value[128] & flag != 0;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let prefix = if extended(FLAG_PREFIX) { value[129] } else { whole };
        let length = usize::from(u16::from_ne_bytes([value[130], value[131]]));
        let interface = i32::from_ne_bytes([value[132], value[133], value[134], value[135]]);
        // "dev = dev_get_by_index_rcu(...); if (!l3index) return -EINVAL": nothing here is the master of a VRF.
        if prefix > whole || extended(FLAG_IFINDEX) && interface != 0 {
            return Err(wrong());
        }
        let is_same =
            |key: &Arc<Key>| key.prefix == prefix && network(key.address, prefix) == network(address, prefix);
        let old = self.0.iter().position(is_same);
        if length == 0 {
            let old = old.ok_or_else(|| Errno::ENOENT.because(Reason::OptionValue))?;
            self.0.remove(old);
            return Ok(());
        }
        let secret = value[136..].get(..length.min(LONGEST + 1)).filter(|secret| secret.len() <= LONGEST);
        let secret = secret.ok_or_else(wrong)?.into();
        let key = Arc::new(Key { address, prefix, secret });
        match old {
            Some(old) => self.0[old] = key,
            None if self.0.len() == MOST => return Err(Errno::ENOMEM.because(Reason::OptionValue)),
            None => self.0.push(key),
        }
        Ok(())
    }
}

/// RFC 2385 2.0: the MD5 of "the TCP pseudo-header", "the TCP header, excluding options, and assuming a checksum of zero", "the TCP
/// segment data (if any)", and the key. `tcp`: the whole segment, of which the first 20 bytes are there.
fn digest(source: IpAddr, destination: IpAddr, tcp: &[u8], header: usize, key: &Key) -> [u8; 16] {
    let mut md5 = Md5::new();
    let len = tcp.len() as u32;
    for address in [source, destination] {
        match address {
            IpAddr::V4(a) => md5.update(a.octets()),
            IpAddr::V6(a) => md5.update(a.octets()),
        }
    }
    match source {
        IpAddr::V4(_) => {
            md5.update([0, IPPROTO_TCP as u8]);
            md5.update((len as u16).to_be_bytes());
        }
        IpAddr::V6(_) => {
            md5.update(len.to_be_bytes());
            md5.update([0, 0, 0, IPPROTO_TCP as u8]);
        }
    }
    md5.update(tcp.get(..16).unwrap_or_default());
    md5.update([0, 0]);
    md5.update(tcp.get(18..20).unwrap_or_default());
    md5.update(tcp.get(header..).unwrap_or_default());
    md5.update(&key.secret);
    md5.finalize().into()
}

/// The signature among a segment's options.
fn signature(tcp: &[u8], header: usize) -> Option<[u8; 16]> {
    let mut rest = tcp.get(20..header)?;
    loop {
        rest = match rest {
            [0, ..] | [] => return None,
            [1, tail @ ..] => tail,
            [KIND, LENGTH, value @ ..] => return value.first_chunk().copied(),
            [_, len, ..] if *len >= 2 => rest.get(usize::from(*len)..)?,
            _ => return None,
        };
    }
}

/// Signs a packet from `tuple.local` to `tuple.remote` that is ready to go; without a key it stays as it is.
pub(super) fn sign(frame: &mut Frame, tuple: &Tuple, key: Option<&Arc<Key>>) {
    let Some(key) = key else { return };
    // Where both don't fit: what other options say (SACK) is of use, the signature is a must.
    let Some(offset) = make_room(frame, ROOM) else { return };
    let tcp = &mut frame.bytes_mut()[offset..];
    tcp[16..18].fill(0);
    let header = usize::from(tcp[12] >> 4) * 4;
    let sum = digest(tuple.local, tuple.remote, tcp, header, key);
    tcp[FIXED..FIXED + 4].copy_from_slice(&[1, 1, KIND, LENGTH]);
    tcp[FIXED + 4..FIXED + ROOM].copy_from_slice(&sum);
    let sum = transport_checksum(tuple.local, tuple.remote, IPPROTO_TCP as u8, tcp);
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
}

impl Tcp {
    /// Whom a segment is for, and the key that its connection has; `None` if it is for nobody who would look at signatures.
    fn signed_for(
        &self,
        rest: &Rest<'_>,
        tuple: &Tuple,
        segment: &Segment,
        interface: IfIndex,
    ) -> Option<(Option<SocketId>, Option<Arc<Key>>)> {
        Some(match self.taker(rest, tuple, segment, interface)? {
            Taker::Flow(flow) => (flow.owner.or(flow.listener), flow.signature.clone()),
            Taker::HalfOpen(half) => (Some(half.listener), half.signature.clone()),
            Taker::Listener(id) => {
                (Some(id), rest.sockets.get(id).ok()?.options.signatures.find(tuple.remote))
            }
        })
    }

    /// tcp_inbound_md5_hash. RFC 2385 2.0: "Upon receiving a signed segment, the receiver must validate it by calculating its own
    /// digest from the same data (using its own key) and comparing the two digest. A failing comparison must result in the
    /// segment being dropped and must not produce any response back to the sender."
    pub(super) fn is_rightly_signed(
        &self,
        rest: &mut Rest<'_>,
        tuple: &Tuple,
        tcp: &[u8],
        segment: &Segment,
        interface: IfIndex,
    ) -> bool {
        let found = signature(tcp, segment.header);
        if found.is_none() && !self.signed {
            return true;
        }
        let Some((socket, key)) = self.signed_for(rest, tuple, segment, interface) else {
            // tcp_v4_send_reset: what is signed is answered only with a key.
            let answered = found.is_none() || self.time_waits.get(tuple).is_some();
            if !answered {
                rest.net.note(Reason::TcpSignatureUnexpected, Some(interface), None);
            }
            return answered;
        };
        let reason = match (key, found) {
            (None, None) => return true,
            (Some(_), None) => Reason::TcpUnsigned,
            (None, Some(_)) => Reason::TcpSignatureUnexpected,
            (Some(key), Some(found)) => {
                if digest(tuple.remote, tuple.local, tcp, segment.header, &key) == found {
                    return true;
                }
                Reason::TcpSignatureWrong
            }
        };
        rest.net.note(reason, Some(interface), socket);
        false
    }

    /// The key that a reset to this segment is signed with (tcp_v4_send_reset).
    pub(super) fn key_of_answer(
        &self,
        rest: &Rest<'_>,
        tuple: &Tuple,
        segment: &Segment,
        interface: IfIndex,
    ) -> Option<Arc<Key>> {
        if !self.signed {
            return None;
        }
        self.signed_for(rest, tuple, segment, interface)?.1
    }
}

impl Stack {
    /// TCP_MD5SIG and TCP_MD5SIG_EXT.
    pub(in crate::stack) fn tcp_sign(&mut self, id: SocketId, name: i32, value: &[u8]) -> Result<()> {
        let entry = self.sockets.get_mut(id)?;
        entry.options.signatures.set(name, entry.domain, value)?;
        self.tcp.signed = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::segment::{Bare, Flag, checksum_ok};
    use super::*;
    use crate::base::Pool;
    use crate::wire::checksum;

    /// What Python's hashlib makes of the same bytes.
    #[test]
    fn the_digest_is_that_of_rfc_2385() {
        let pool = Pool::new();
        for (ends, expected) in [
            (["192.0.2.1", "192.0.2.2"], "7057ae6b7065d9a6e2e5274392d21c3c"),
            (["2001:db8::1", "2001:db8::2"], "9212134d5611de37a29d0d9da1772db6"),
        ] {
            let [local, remote] = ends.map(|end| end.parse().unwrap());
            let tuple = Tuple { local, local_port: 179, remote, remote_port: 4000 };
            let turned = Tuple { local: remote, local_port: 4000, remote: local, remote_port: 179 };
            let bare = Bare { seq: 7, ack: Some(9), window: 1000, flag: Flag::None };
            let mut frame = bare.as_if_from_remote_with(&turned, b"update", &pool);
            let key = Arc::new(Key { address: remote, prefix: 32, secret: b"secret".as_slice().into() });
            sign(&mut frame, &tuple, Some(&key));
            let tcp = &frame.bytes()[Segment::offset(frame.bytes())..];
            let segment = Segment::parse(tcp).unwrap();
            assert_eq!((segment.header, segment.payload), (40, 6));
            assert_eq!(&tcp[40..], b"update");
            assert!(checksum_ok(tcp, local, remote));
            let hex: String = signature(tcp, 40).unwrap().iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(hex, expected);
            if local.is_ipv4() {
                assert_eq!(checksum(&frame.bytes()[..20]), 0);
            }
        }
    }

    #[test]
    fn the_longest_prefix_has_the_key() {
        let mut keys = Keys::default();
        let mut value = [0; SIZE];
        value[0] = AF_INET as u8;
        let mut add = |keys: &mut Keys, address: [u8; 4], prefix, key: &[u8]| {
            value[4..8].copy_from_slice(&address);
            (value[128], value[129], value[130]) = (FLAG_PREFIX, prefix, key.len() as u8);
            value[136..136 + key.len()].copy_from_slice(key);
            keys.set(TCP_MD5SIG_EXT, AF_INET, &value)
        };
        add(&mut keys, [0; 4], 0, b"all").unwrap();
        add(&mut keys, [192, 0, 2, 0], 24, b"net").unwrap();
        add(&mut keys, [192, 0, 2, 7], 32, b"one").unwrap();
        let found = |keys: &Keys, peer: &str| keys.find(peer.parse().unwrap()).map(|key| key.secret.to_vec());
        assert_eq!(found(&keys, "192.0.2.7").as_deref(), Some(b"one".as_slice()));
        assert_eq!(found(&keys, "192.0.2.8").as_deref(), Some(b"net".as_slice()));
        assert_eq!(found(&keys, "203.0.113.1").as_deref(), Some(b"all".as_slice()));
        assert_eq!(found(&keys, "2001:db8::1"), None);
        add(&mut keys, [192, 0, 2, 9], 24, b"").unwrap();
        assert_eq!(found(&keys, "192.0.2.8").as_deref(), Some(b"all".as_slice()));
        assert!(add(&mut keys, [192, 0, 2, 9], 24, b"").is_err());
        assert!(add(&mut keys, [192, 0, 2, 9], 33, b"x").is_err());
    }
}
