//! The address of a CAN socket.

use std::fmt;

/// struct sockaddr_can: a CAN interface, and what the socket's protocol has beside it.
///
/// ```
/// # use sockatoo::CanAddr;
/// let tester = CanAddr::isotp(2, 0x7e8, 0x7e0);
/// assert_eq!((tester.interface(), tester.rx_id(), tester.tx_id()), (2, 0x7e8, 0x7e0));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct CanAddr {
    interface: u32,
    /// `can_addr`, a union: which of it is meant the socket's protocol says.
    rest: [u8; Self::REST],
    /// Bytes of it that were given.
    given: u8,
}

impl CanAddr {
    /// sizeof of `can_addr`.
    pub(crate) const REST: usize = 16;

    /// Of CAN_RAW and CAN_BCM: the number of an interface ([`super::IfIndex`]); 0 = every CAN interface.
    pub fn new(interface: u32) -> Self {
        Self { interface, ..Self::default() }
    }

    /// Of CAN_ISOTP, `can_addr.tp`: the identifiers of what is received and sent, with their CAN_EFF_FLAG.
    pub fn isotp(interface: u32, rx_id: u32, tx_id: u32) -> Self {
        Self::with_rest(interface, &[rx_id.to_ne_bytes(), tx_id.to_ne_bytes()].concat())
    }

    /// Of CAN_J1939, `can_addr.j1939`: a name (0 = J1939_NO_NAME), what a message is about (J1939_NO_PGN = anything), and an address
    /// (255 = J1939_NO_ADDR: none, or all).
    pub fn j1939(interface: u32, name: u64, pgn: u32, address: u8) -> Self {
        let rest = [&name.to_ne_bytes()[..], &pgn.to_ne_bytes(), &[address, 0, 0, 0]].concat();
        Self::with_rest(interface, &rest)
    }

    /// The bytes of `can_addr` as they are in memory, as many as were given.
    pub(crate) fn with_rest(interface: u32, bytes: &[u8]) -> Self {
        let (mut rest, given) = ([0; Self::REST], bytes.len().min(Self::REST));
        rest.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Self { interface, rest, given: given as u8 }
    }

    /// The bytes of `can_addr` that were given.
    pub(crate) fn rest(&self) -> &[u8] {
        self.rest.get(..usize::from(self.given)).unwrap_or_default()
    }

    /// `can_ifindex`: the number of the interface.
    pub fn interface(&self) -> u32 {
        self.interface
    }

    /// `can_addr.tp.rx_id`.
    pub fn rx_id(&self) -> u32 {
        self.word(0)
    }

    /// `can_addr.tp.tx_id`.
    pub fn tx_id(&self) -> u32 {
        self.word(4)
    }

    /// `can_addr.j1939.name`.
    pub fn name(&self) -> u64 {
        self.rest.first_chunk().map_or(0, |name| u64::from_ne_bytes(*name))
    }

    /// `can_addr.j1939.pgn`.
    pub fn pgn(&self) -> u32 {
        self.word(8)
    }

    /// `can_addr.j1939.addr`.
    pub fn address(&self) -> u8 {
        self.rest[12]
    }

    fn word(&self, at: usize) -> u32 {
        self.rest.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_ne_bytes(*word))
    }
}

impl fmt::Debug for CanAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CanAddr({self})")
    }
}

impl fmt::Display for CanAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CAN interface {}", self.interface)?;
        match self.given {
            0 => Ok(()),
            8 => write!(f, ", {:X} and {:X}", self.rx_id(), self.tx_id()),
            _ => write!(
                f,
                ", name {:016x}, PGN {:05x}, address {:02x}",
                self.name(),
                self.pgn(),
                self.address()
            ),
        }
    }
}
