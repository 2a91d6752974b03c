//! Why a packet was dropped, a RST sent, a call refused. Each reason is also the name of a counter.
//!
//! One line each, grouped by the layer that gives it. A new branch that drops or refuses adds its line here first.

macro_rules! reasons {
    ($($(#[$meta:meta])* $name:ident = $key:literal, $text:literal;)*) => {
        /// Why something did not go its usual way.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum Reason { $($(#[$meta])* #[doc = concat!($text, "\n\nCounted as `", $key, "`.")] $name,)* }

        impl Reason {
            /// All of them, in the order of their counters.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The counter's name, as `stat` prints it: `layer.what`.
            pub const fn key(self) -> &'static str {
                match self { $(Self::$name => $key,)* }
            }

            /// One sentence for a person.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

reasons! {
    /// No reason: the number says it all.
    None = "none", "";
    /// The words stand in the error's detail.
    Said = "said", "";

    // link
    LinkDown = "link.down", "the link is down";
    LinkShort = "link.short", "the frame is shorter than its link header";
    LinkOtherHost = "link.other-host", "the frame is addressed to another station";
    LinkUnknownProtocol = "link.unknown-protocol", "the frame carries a protocol that this host does not have";
    DeviceFailed = "device.failed", "the device refused the frame";
    DeviceQueueFull = "device.queue-full", "the device's queue is full";
    DeviceTooLong = "device.too-long", "the frame is longer than the device's MTU allows";
    DeviceOffload = "device.offload", "the frame's offload header does not fit its bytes";
    ImpairLost = "impair.lost", "the link's impairment lost the frame, as it was told to";
    ImpairQueueFull = "impair.queue-full", "too many frames wait for the link's rate or delay";
    RecorderFailed = "recorder.failed", "the recording can't be written any more; traffic goes on without it";
    CanMalformed = "can.malformed", "the bytes are no CAN frame";
    CanBusOff = "can.bus-off", "the controller is off the bus";
    CanFrameTooLong = "can.frame-too-long", "the interface takes classic CAN frames only";
    ArpMalformed = "arp.malformed", "the ARP packet is malformed";
    NdpMalformed = "ndp.malformed", "the NDP message fails the checks of RFC 4861";
    NeighbourFailed = "neighbour.failed", "the neighbour did not answer ARP or NDP";
    NeighbourQueueFull = "neighbour.queue-full", "too many packets already wait for this neighbour";
    NeighbourTableFull = "neighbour.table-full", "the neighbour table is full";
    DuplicateAddress = "ip.duplicate-address", "another station already uses this address (DAD failed)";

    // ip
    IpShort = "ip.short", "the IP packet is shorter than its header says";
    IpMalformed = "ip.malformed", "the IP header is malformed";
    IpChecksum = "ip.checksum", "the IPv4 header checksum is wrong";
    IpNotForUs = "ip.not-for-us", "the packet is addressed to another host, and this one does not forward";
    IpOption = "ip.option", "an option of the IPv4 header is malformed";
    IpSourceRoute = "ip.source-route", "the packet names its own route (source routing is refused)";
    IpUnicastToAll = "ip.unicast-to-all", "a packet for one host came in a frame for all";
    IpTooManyGroups = "ip.too-many-groups", "the interface is a member of too many multicast groups";
    IpMartianSource = "ip.martian-source", "the source address cannot be one (loopback, multicast or broadcast from a wire)";
    IpNoRoute = "ip.no-route", "no route leads to the destination";
    RouteUnreachable = "ip.route-unreachable", "the route to the destination says that it is unreachable";
    RouteProhibited = "ip.route-prohibited", "the route to the destination forbids it";
    RouteBlackhole = "ip.route-blackhole", "the route to the destination is a blackhole";
    IpNoSource = "ip.no-source", "no address of this host fits as a source";
    IpAddressNotOurs = "ip.address-not-ours", "the address is not one of this host's";
    IpTtlExpired = "ip.ttl-expired", "the packet's time to live ran out";
    DepartureTooLate = "ip.departure-too-late", "the packet should leave too far in the future, or too many wait for their time";
    IpTooBig = "ip.too-big", "the packet is larger than the path's MTU and must not be fragmented";
    IpNoProtocol = "ip.no-protocol", "no socket and no protocol of this host takes this protocol number";
    IpExtensionHeader = "ip.extension-header", "an IPv6 extension header is unknown or malformed";
    FragmentOverlap = "fragment.overlap", "fragments of the datagram overlap (refused as RFC 5722 asks)";
    FragmentDuplicate = "fragment.duplicate", "the fragment lies within what is there already";
    FragmentTooBig = "fragment.too-big", "the fragments would make more than 65,535 bytes";
    FragmentTimeout = "fragment.timeout", "fragments of the datagram were still missing when its time ran out";
    FragmentNoMemory = "fragment.no-memory", "too many unfinished datagrams";
    FragmentMalformed = "fragment.malformed", "the fragment's length or offset is impossible";

    // icmp
    IcmpChecksum = "icmp.checksum", "the ICMP checksum is wrong";
    IcmpMalformed = "icmp.malformed", "the ICMP message is malformed";
    IcmpRateLimited = "icmp.rate-limited", "an ICMP error was due, but the rate limit held it back";
    IcmpRedirectIgnored = "icmp.redirect-ignored", "a redirect was ignored: routes change by hand and by router advertisements alone";
    IcmpNetUnreachable = "icmp.net-unreachable", "an ICMP message said: network unreachable";
    IcmpHostUnreachable = "icmp.host-unreachable", "an ICMP message said: host unreachable";
    IcmpPortUnreachable = "icmp.port-unreachable", "an ICMP message said: port unreachable";
    IcmpProtocolUnreachable = "icmp.protocol-unreachable", "an ICMP message said: protocol unreachable";
    IcmpProhibited = "icmp.prohibited", "an ICMP message said: administratively prohibited";
    IcmpFragmentationNeeded = "icmp.fragmentation-needed", "an ICMP message said: too big for the path";
    IcmpTimeExceeded = "icmp.time-exceeded", "an ICMP message said: time exceeded";
    IcmpParameterProblem = "icmp.parameter-problem", "an ICMP message said: parameter problem";
    IcmpNotOurs = "icmp.not-ours", "an ICMP error quotes a packet that no socket of this host sent";

    // tcp
    TcpChecksum = "tcp.checksum", "the TCP checksum is wrong";
    TcpMinTtl = "tcp.min-ttl", "the segment's time to live is less than the socket asks for (IP_MINTTL)";
    TcpUnsigned = "tcp.unsigned", "the segment has no signature, but its socket has a key (TCP_MD5SIG)";
    TcpSignatureUnexpected = "tcp.signature-unexpected", "the segment has a signature (RFC 2385), but its socket has no key";
    TcpSignatureWrong = "tcp.signature-wrong", "the segment's signature is not that of the socket's key (RFC 2385)";
    TcpMalformed = "tcp.malformed", "the TCP header is malformed";
    TcpNoSocket = "tcp.no-socket", "no socket takes the segment; answered with RST";
    TcpRstSilenced = "tcp.rst-silenced", "no socket takes the segment; the RST that was due is switched off (no_rst)";
    TcpNoSyn = "tcp.no-syn", "a listener takes only SYNs; dropped in silence";
    TcpRefused = "tcp.refused", "the peer answered the SYN with RST: nothing listens there";
    TcpReset = "tcp.reset", "the peer sent RST";
    TcpTimedOut = "tcp.timed-out", "no answer after all retransmissions";
    TcpUserTimeout = "tcp.user-timeout", "data stayed unacknowledged longer than TCP_USER_TIMEOUT";
    TcpKeepaliveTimeout = "tcp.keepalive-timeout", "the peer answered none of the keepalive probes";
    TcpBacklogFull = "tcp.backlog-full", "the listener's queue of finished connections is full";
    TcpSynQueueFull = "tcp.syn-queue-full", "the listener has too many half-open connections";
    TcpHalfOpenTimeout = "tcp.half-open-timeout", "the handshake was not finished in time";
    TcpRstOutOfWindow = "tcp.rst-out-of-window", "a RST lies outside the receive window";
    TcpChallengeAck = "tcp.challenge-ack", "a suspicious segment was answered with a challenge ACK (RFC 5961)";
    TcpChallengeLimited = "tcp.challenge-limited", "a challenge ACK was due, but the rate limit held it back";
    TcpOutOfWindow = "tcp.out-of-window", "the segment lies outside the receive window";
    TcpTimeWait = "tcp.time-wait", "the segment belongs to a connection in TIME_WAIT";
    TcpTimeWaitReused = "tcp.time-wait-reused", "a new SYN took over a connection in TIME_WAIT";
    TcpClosedWithData = "tcp.closed-with-data", "closed with unread data: the peer is told by RST";
    TcpLingerZero = "tcp.linger-zero", "closed with SO_LINGER 0: the peer is told by RST";
    TcpDataAfterClose = "tcp.data-after-close", "data arrived after close: the peer is told by RST";
    TcpOrphanTimeout = "tcp.orphan-timeout", "a closed connection's peer stayed silent in FIN_WAIT2";
    TcpAborted = "tcp.aborted", "the connection was given up on this side";
    TcpDestroyed = "tcp.destroyed", "the socket was destroyed by SOCK_DESTROY";
    TcpAddressGone = "tcp.address-gone", "the connection's local address was removed";
    TcpWriteShut = "tcp.write-shut", "this side has shut down writing";
    TcpTooManyFlows = "tcp.too-many-flows", "the host has reached its limit of connections";
    TcpFastRetransmit = "tcp.fast-retransmit", "a segment was sent again after duplicate ACKs";
    TcpRtoRetransmit = "tcp.rto-retransmit", "a segment was sent again after its timer ran out";
    TcpEarlyRetransmit = "tcp.early-retransmit", "a segment was sent again before the engine's own timer (its minimum is 1 s)";

    // udp, ping sockets
    TcpDeferred = "tcp.deferred", "the connection stands, but the listener waits for data (TCP_DEFER_ACCEPT)";
    UdpChecksum = "udp.checksum", "the UDP checksum is wrong";
    UdpCoverage = "udp.coverage", "the checksum of the UDP-Lite datagram covers less than the socket asks for (UDPLITE_RECV_CSCOV)";
    UdpEncapsulated = "udp.encapsulated", "the datagram carries ESP (UDP_ENCAP), and there is no security association";
    UdpSegments = "udp.segments", "datagrams of UDP_SEGMENT need a checksum, and one call makes 128 of them at most";
    UdpMalformed = "udp.malformed", "the UDP header is malformed";
    UdpDestroyed = "udp.destroyed", "the socket was destroyed by SOCK_DESTROY";
    UdpNoSocket = "udp.no-socket", "no socket is bound to the port; answered with ICMP port unreachable";
    PingNoSocket = "ping.no-socket", "no ping socket has the echo reply's identifier";
    PingNotEcho = "ping.not-echo", "a ping socket sends echo requests only";
    SocketFilter = "socket.filter", "the socket's filter refuses the datagram";
    FlowLabel = "socket.flow-label", "the flow label is another socket's, or nobody has asked for it (IPV6_FLOWLABEL_MGR)";
    FilterLocked = "socket.filter-locked", "the socket's filter is locked (SO_LOCK_FILTER)";
    NoFilter = "socket.no-filter", "the socket has no filter";
    ReceiveQueueFull = "socket.receive-queue-full", "the socket's receive buffer is full";
    ErrorQueueFull = "socket.error-queue-full", "the socket's error queue is full";
    SendQueueFull = "socket.send-queue-full", "the socket's send buffer is full";

    // raw sockets
    RawVerbatim = "raw.verbatim", "a raw packet left with a length or checksum that Linux would have overwritten";
    RawChecksum = "raw.checksum", "the checksum that a raw IPv6 socket asked us to verify is wrong";

    // rds
    RdsCongested = "rds.congested", "the receiver's queue is full, as its host has told (its congestion map)";
    RdsMalformed = "rds.malformed", "what came on the connection of two RDS hosts is no RDS message";
    RdsOldSequence = "rds.old-sequence", "the message was here already: it was sent again on a new connection";
    RdsNoSocket = "rds.no-socket", "no RDS socket is bound to the message's port";
    RdsConnectionLost = "rds.connection-lost", "the TCP connection of two RDS hosts has ended; what was not acknowledged is sent again";
    RdsNotCanonical = "rds.not-canonical", "of two RDS hosts the one with the smaller address connects: this connection is given up";
    RdsTooManyPeers = "rds.too-many-peers", "the host talks RDS with as many others as it may";

    // unix
    UnixBacklogFull = "unix.backlog-full", "as many connections wait for accept(2) as the listener takes";
    UnixNoSocket = "unix.no-socket", "no socket of AF_UNIX has this name, or none that listens";
    UnixWrongType = "unix.wrong-type", "the socket of this name is of another type";
    UnixOtherPeer = "unix.other-peer", "the socket is connected to another one, and hears that one alone";
    UnixPeerGone = "unix.peer-gone", "the peer was closed";
    UnixUnread = "unix.unread", "the peer was closed with data that it had not read";
    UnixInFlight = "unix.in-flight", "too many sockets are under way in messages";

    // ISO-TP
    IsotpBusy = "isotp.busy", "another message is still being sent";
    IsotpNoFlow = "isotp.no-flow", "no flow control came from the receiver, or the frame did not leave";
    IsotpSilence = "isotp.silence", "the next frame of the message did not come in time";
    IsotpSerial = "isotp.serial", "a frame of the message is missing";
    IsotpMalformed = "isotp.malformed", "the frame is too short, or not padded as it should be";
    IsotpOverflow = "isotp.overflow", "the receiver has no room for so long a message";

    // J1939
    J1939Lost = "j1939.lost", "the message was not taken, or did not leave";

    // sockets
    NoData = "socket.no-data", "nothing to receive yet";
    NoConnection = "socket.no-connection", "no finished connection waits";
    ConnectStarted = "socket.connect-started", "the handshake has begun";
    ConnectUnderWay = "socket.connect-under-way", "a connect is already under way";
    AlreadyConnected = "socket.already-connected", "the socket is already connected";
    NotConnected = "socket.not-connected", "the socket is not connected";
    NoDestination = "socket.no-destination", "neither connected nor given a destination";
    NotListening = "socket.not-listening", "the socket does not listen";
    Closed = "socket.closed", "the socket is closed";
    WrongKind = "socket.wrong-kind", "this kind of socket does not have this operation";
    WrongFamily = "socket.wrong-family", "the address is of another family than the socket";
    WrongDomain = "socket.wrong-domain", "sockatoo does not have this address family yet";
    WrongType = "socket.wrong-type", "this family does not have this socket type";
    WrongProtocol = "socket.wrong-protocol", "this family and type do not have this protocol";
    AddressInUse = "socket.address-in-use", "another socket has this address and port";
    NoPortsLeft = "socket.no-ports-left", "all ephemeral ports are in use";
    NotBound = "socket.not-bound", "the socket has no address";
    AlreadyBound = "socket.already-bound", "the socket already has an address";
    TooManySockets = "socket.too-many-sockets", "the host has reached its limit of sockets";
    MessageTooLong = "socket.message-too-long", "the datagram is longer than IP can carry";
    BroadcastNotAllowed = "socket.broadcast-not-allowed", "sending to a broadcast address needs SO_BROADCAST";
    UnknownOption = "option.unknown", "Linux has no option of this number at this level";
    OptionStored = "option.stored", "the option is kept and returned, but changes nothing yet";
    AddressLength = "socket.address-length", "the address is too short or too long for its family";
    ControlMalformed = "socket.control-malformed", "a control message is not laid out as its kind has to be";
    OptionLength = "option.length", "the option's value has the wrong length";
    OptionValue = "option.value", "the option's value is out of range";
    OptionReadOnly = "option.read-only", "the option can only be read";
    AlreadyMember = "socket.already-member", "the socket has already joined this group on this interface";
    NotMember = "socket.not-member", "the socket has not joined this group";
    TooManyMemberships = "socket.too-many-memberships", "the socket has joined as many groups as it may";
    NoInterface = "interface.none", "no interface has this name or index";
    TimedOut = "call.timed-out", "the time-out of the call ran out";
    HostShutDown = "call.host-shut-down", "the host is shut down";
    Interrupted = "call.interrupted", "the host was shut down while the call waited";
}

impl Reason {
    /// How many there are: the size of the table of counters.
    pub const COUNT: usize = Self::ALL.len();
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn every_key_is_unique_and_every_index_its_own() {
        let mut keys: Vec<_> = Reason::ALL.iter().map(|r| r.key()).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), Reason::COUNT);
        assert!(Reason::ALL.iter().enumerate().all(|(i, r)| *r as usize == i));
    }
}
