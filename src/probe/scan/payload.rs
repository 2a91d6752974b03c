//! What UDP services answer to: without a question that they understand most of them are silent.

/// The root's name servers, as DNS asks (RFC 1035 4.1); mDNS hears it, too.
const DNS: &[u8] = b"\x53\x0c\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01";
/// The time: version 4, client (RFC 5905 7.3).
const NTP: &[u8] = &{
    let mut packet = [0; 48];
    packet[0] = 0xe3;
    packet
};
/// sysDescr.0 of the community "public", version 1 (RFC 1157 4.1).
const SNMP: &[u8] = b"\x30\x26\x02\x01\x00\x04\x06public\xa0\x19\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\x00\x05\x00";
/// The portmapper's procedure 0, which does nothing (RFC 5531 9, RFC 1833 3).
const RPC: &[u8] = b"\x53\x0c\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01\x86\xa0\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";

/// What is sent to a port; nothing where no question is known.
pub(super) const fn payload(port: u16) -> &'static [u8] {
    match port {
        53 | 5353 => DNS,
        111 => RPC,
        123 => NTP,
        161 => SNMP,
        _ => b"",
    }
}
