//! Fragments back to datagrams (RFC 815's idea: a buffer and what is covered of it), in bounded memory.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use super::header::{V6_LEN, seal_v4};
use super::icmp_error;
use crate::base::{Checksum, Frame, IfIndex, Reason};
use crate::stack::Net;
use crate::stack::net::{Datagram, Timer};

/// Bytes that unfinished datagrams may hold (ipfrag_high_thresh).
const HIGH: usize = 4 * 1024 * 1024;
/// Unfinished datagrams.
const MAX: usize = 1024;

/// Which datagram a fragment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) identification: u32,
    /// IPv4's; of IPv6 it does not count (RFC 8200 4.5), 0.
    pub(super) protocol: u8,
}

/// Where a fragment belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment {
    /// Its first byte's place in the datagram's payload.
    pub(super) offset: usize,
    pub(super) more: bool,
    /// Bytes of the header that the datagram keeps (IPv6: in front of the fragment header).
    pub(super) header: usize,
    /// Where the fragment's data begin.
    pub(super) data: usize,
    /// IPv6: where the field stands that names the fragment header.
    pub(super) named_at: usize,
}

/// An unfinished datagram.
#[derive(Debug)]
struct Partial {
    key: Key,
    interface: IfIndex,
    /// The payload as far as it came; holes hold zeros.
    payload: Frame,
    /// Covered stretches: begin -> end. Neighbours are merged.
    covered: BTreeMap<usize, usize>,
    /// The payload's length, known from the last fragment.
    total: Option<usize>,
    /// The first fragment, its payload cut off: what it knows is the datagram's.
    first: Option<(Datagram, Fragment)>,
    /// Bytes that came with the first fragment: what an ICMP error quotes.
    first_bytes: usize,
    /// Bytes of the largest packet.
    largest: usize,
    /// Fragments overlapped: what still comes is dropped too.
    refused: bool,
}

/// The unfinished datagrams.
#[derive(Debug, Default)]
pub(in crate::stack) struct Reassembly {
    serials: HashMap<Key, u64>,
    /// By age.
    partials: BTreeMap<u64, Partial>,
    bytes: usize,
    next: u64,
}

impl Partial {
    /// Takes a fragment's data. FragmentDuplicate: passed over; another error refuses the whole datagram.
    fn add(&mut self, fragment: Fragment, data: &[u8]) -> Result<(), Reason> {
        let (start, end) = (fragment.offset, fragment.offset + data.len());
        // ip_frag_queue, ip6_frag_queue: "if (end == offset)", the datagram is given up.
        if data.is_empty() {
            return Err(Reason::FragmentMalformed);
        }
        let beyond = match self.total {
            Some(total) => end > total || (!fragment.more && end != total),
            None => !fragment.more && self.payload.len() > end,
        };
        if beyond {
            return Err(Reason::FragmentMalformed);
        }
        if !fragment.more {
            self.total = Some(end);
        }
        let before = self.covered.range(..=start).next_back().map(|(s, e)| (*s, *e));
        let after = self.covered.range(start + 1..).next().map(|(s, e)| (*s, *e));
        // RFC 5722's erratum 3089, inet_frag_queue_insert: what lies within what is there is passed over, whatever its bytes are.
        if before.is_some_and(|(_, e)| end <= e) {
            return Err(Reason::FragmentDuplicate);
        }
        // RFC 5722 4: "When reassembling an IPv6 datagram, if one or more its constituent fragments is determined to be an
        // overlapping fragment, the entire datagram (and any constituent fragments, including those not yet received) MUST be
        // silently discarded." Linux does so with IPv4 too.
        if before.is_some_and(|(_, e)| e > start) || after.is_some_and(|(s, _)| s < end) {
            return Err(Reason::FragmentOverlap);
        }
        if self.payload.len() < end {
            self.payload.resize(end);
        }
        self.payload.bytes_mut()[start..end].copy_from_slice(data);
        let begin = match before {
            Some((s, e)) if e == start => s,
            _ => start,
        };
        let finish = match after {
            Some((s, e)) if s == end => {
                self.covered.remove(&s);
                e
            }
            _ => end,
        };
        self.covered.insert(begin, finish);
        Ok(())
    }

    fn is_whole(&self) -> bool {
        self.first.is_some() && self.total.is_some_and(|total| self.covered.get(&0) == Some(&total))
    }

    /// The datagram: the first fragment's header in front of all the data.
    fn into_datagram(self) -> Option<Datagram> {
        let (first, fragment) = self.first?;
        let mut frame = self.payload;
        let payload = frame.len();
        frame.push(fragment.header).copy_from_slice(first.frame.bytes().get(..fragment.header)?);
        frame.time = first.frame.time;
        frame.direction = first.frame.direction;
        frame.belongs_with(&first.frame);
        frame.checksum = Checksum::Unverified;
        let (header, _) = frame.bytes_mut().split_at_mut(fragment.header);
        if first.destination.is_ipv4() {
            header[2..4].copy_from_slice(&((fragment.header + payload) as u16).to_be_bytes());
            header[6..8].fill(0);
            seal_v4(header);
        } else {
            let length = (fragment.header - V6_LEN + payload) as u16;
            header[4..6].copy_from_slice(&length.to_be_bytes());
            // RFC 8200 4.5: the last header of the unfragmentable part names what the first fragment's header named.
            *header.get_mut(fragment.named_at)? = first.protocol;
        }
        let fragment_size = u32::try_from(self.largest).ok();
        Some(Datagram { frame, header: fragment.header, fragment_size, ..first })
    }

    /// The first fragment as it came, for a quote.
    fn quote(&self) -> Option<Vec<u8>> {
        let (first, _) = self.first.as_ref()?;
        let mut quote = first.frame.bytes().to_vec();
        quote.extend(self.payload.bytes().iter().take(self.first_bytes));
        Some(quote)
    }
}

impl Reassembly {
    fn remove(&mut self, serial: u64) -> Option<Partial> {
        let partial = self.partials.remove(&serial)?;
        self.serials.remove(&partial.key);
        self.bytes -= partial.payload.len();
        Some(partial)
    }
}

impl Net {
    /// Takes a fragment; the whole datagram if it was the last one missing.
    pub(super) fn reassemble(
        &mut self,
        key: Key,
        fragment: Fragment,
        datagram: Datagram,
    ) -> Option<Datagram> {
        let interface = datagram.interface;
        let mut data = datagram.frame.bytes().get(fragment.data..).unwrap_or_default();
        // ip_frag_queue: what is over a whole unit is cut off ("end &= ~7"). Of IPv6 the caller has refused it.
        if fragment.more {
            data = &data[..data.len() & !7];
        }
        // RFC 791 3.1: the total length is a field of 16 bits.
        let most = if key.destination.is_ipv4() { 65_535 } else { 65_535 + V6_LEN };
        if fragment.header + fragment.offset + data.len() > most {
            self.drop_in(Reason::FragmentTooBig, interface);
            return None;
        }
        let serial = self.partial(key, interface);
        let reassembly = &mut self.reassembly;
        let partial = reassembly.partials.get_mut(&serial)?;
        partial.largest = partial.largest.max(datagram.frame.len());
        let before = partial.payload.len();
        let result = if partial.refused { Err(Reason::FragmentOverlap) } else { partial.add(fragment, data) };
        if let Err(reason) = result {
            if reason == Reason::FragmentDuplicate {
                self.drop_in(reason, interface);
                return None;
            }
            partial.refused = true;
            partial.payload = Frame::copy_of(&[]);
            partial.covered.clear();
            partial.first = None;
            reassembly.bytes -= before;
            self.drop_in(reason, interface);
            return None;
        }
        if fragment.offset == 0 && partial.first.is_none() {
            partial.first_bytes = data.len();
            let mut first = datagram;
            first.frame.truncate(fragment.data);
            partial.first = Some((first, fragment));
        }
        reassembly.bytes += partial.payload.len() - before;
        if partial.is_whole() {
            self.timers.cancel(Timer::Reassembly(serial));
            return self.reassembly.remove(serial)?.into_datagram();
        }
        while self.reassembly.bytes > HIGH || self.reassembly.partials.len() > MAX {
            let Some((&oldest, _)) = self.reassembly.partials.first_key_value() else { break };
            self.timers.cancel(Timer::Reassembly(oldest));
            self.reassembly.remove(oldest);
            self.drop_in(Reason::FragmentNoMemory, interface);
        }
        None
    }

    /// The unfinished datagram of this key, new if there is none.
    fn partial(&mut self, key: Key, interface: IfIndex) -> u64 {
        if let Some(serial) = self.reassembly.serials.get(&key) {
            return *serial;
        }
        let reassembly = &mut self.reassembly;
        reassembly.next += 1;
        let serial = reassembly.next;
        let partial = Partial {
            key,
            interface,
            payload: self.pool.frame(0),
            covered: BTreeMap::new(),
            total: None,
            first: None,
            first_bytes: 0,
            largest: 0,
            refused: false,
        };
        reassembly.serials.insert(key, serial);
        reassembly.partials.insert(serial, partial);
        // RFC 8200 4.5: 60 seconds; Linux's ipfrag_time of IPv4: 30.
        let patience = Duration::from_secs(if key.destination.is_ipv4() { 30 } else { 60 });
        self.timers.set(Timer::Reassembly(serial), self.now + patience);
        serial
    }

    /// The time of an unfinished datagram ran out.
    pub(in crate::stack) fn reassembly_due(&mut self, serial: u64) {
        let Some(partial) = self.reassembly.remove(serial) else { return };
        self.drop_in(Reason::FragmentTimeout, partial.interface);
        // RFC 792: "If fragment zero is not available then no time exceeded need be sent at all."
        if let Some(quote) = partial.quote() {
            self.icmp_error(icmp_error::REASSEMBLY_TIMEOUT, &quote, partial.interface);
        }
    }

    /// Unfinished datagrams, and the bytes that they hold.
    #[cfg(test)]
    pub(super) fn unfinished(&self) -> (usize, usize) {
        (self.reassembly.partials.len(), self.reassembly.bytes)
    }
}
