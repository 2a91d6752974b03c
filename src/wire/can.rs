//! CAN frames as Linux lays them out (linux/can.h), and their text: what can-utils' `cansend` takes and `candump -L` prints.
//!
//! ```text
//!   struct can_frame:    | can_id (4, the machine's order) | len | - | - | - | data (8)  |      16 bytes
//!   struct canfd_frame:  | can_id (4, the machine's order) | len | flags | - | - | data (64) |  72 bytes
//! ```

use std::fmt;
use std::str::FromStr;

use crate::base::constants::{
    CAN_EFF_FLAG, CAN_EFF_MASK, CAN_ERR_FLAG, CAN_ERR_MASK, CAN_INV_FILTER, CAN_RTR_FLAG, CAN_SFF_MASK,
    CANFD_FDF, ETH_P_CAN, ETH_P_CANFD,
};
use crate::base::{Errno, Error, Result};

/// sizeof(struct can_frame): the MTU of a classic CAN interface.
pub const CAN_MTU: usize = 16;
/// sizeof(struct canfd_frame): the MTU of a CAN FD interface.
pub const CANFD_MTU: usize = 72;
/// Where the data begins.
const DATA: usize = 8;
/// The lengths that a CAN FD frame's 4 bits can say beyond 8 (ISO 11898-1).
const FD_LENGTHS: [usize; 7] = [12, 16, 20, 24, 32, 48, 64];

/// Which of the two a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Classic,
    Fd,
}

impl Kind {
    /// can_is_can_skb and can_is_canfd_skb; `None` = neither.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        match (bytes.len(), bytes.get(4)?) {
            (CAN_MTU, 0..=8) => Some(Self::Classic),
            (CANFD_MTU, 0..=64) => Some(Self::Fd),
            _ => None,
        }
    }

    /// Bytes of the struct.
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::Classic => CAN_MTU,
            Self::Fd => CANFD_MTU,
        }
    }

    /// ETH_P_*.
    pub(crate) const fn protocol(self) -> u16 {
        match self {
            Self::Classic => ETH_P_CAN,
            Self::Fd => ETH_P_CANFD,
        }
    }
}

/// `can_id` of a frame's bytes.
pub(crate) fn id(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |id| u32::from_ne_bytes(*id))
}

/// A recording's order of the identifier's bytes (LINKTYPE_CAN_SOCKETCAN: big endian) from the machine's, or back; a frame of
/// CAN FD is marked as one.
pub(crate) fn recorded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(first) = bytes.first_chunk_mut() {
        *first = u32::from_ne_bytes(*first).to_be_bytes();
    }
    if let (CANFD_MTU, Some(flags)) = (bytes.len(), bytes.get_mut(5)) {
        *flags |= CANFD_FDF;
    }
    bytes
}

macro_rules! frames {
    ($($(#[$meta:meta])* $name:ident, $size:ident, $kind:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name([u8; $size]);

        impl $name {
            /// A data frame. An identifier above 0x7ff is an extended one, as one with CAN_EFF_FLAG is. EINVAL: no frame has so
            /// many bytes of data.
            pub fn new(id: u32, data: &[u8]) -> Result<Self> {
                let mut bytes = [0; $size];
                put(&mut bytes, id, data)?;
                Ok(Self(bytes))
            }

            /// The frame that these bytes are. EINVAL.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
                match (Kind::of(bytes), bytes.try_into()) {
                    (Some(Kind::$kind), Ok(bytes)) => Ok(Self(bytes)),
                    _ => Err(Errno::EINVAL.with(concat!("the bytes are no struct ", stringify!($name)))),
                }
            }

            /// What a socket sends and receives.
            pub const fn as_bytes(&self) -> &[u8] {
                &self.0
            }

            /// `can_id`: the identifier with its CAN_*_FLAG.
            pub fn can_id(&self) -> u32 {
                id(&self.0)
            }

            /// The identifier alone, of 11 or 29 bits.
            pub fn id(&self) -> u32 {
                self.can_id() & if self.is_extended() { CAN_EFF_MASK } else { CAN_SFF_MASK }
            }

            /// The identifier has 29 bits.
            pub fn is_extended(&self) -> bool {
                self.can_id() & CAN_EFF_FLAG != 0
            }

            /// The data.
            pub fn data(&self) -> &[u8] {
                data(&self.0)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    )*};
}

frames! {
    /// struct can_frame: up to 8 bytes under an identifier. Its text is that of `cansend`: `123#DEADBEEF`, `1F334455#R`.
    CanFrame, CAN_MTU, Classic;
    /// struct canfd_frame: up to 64 bytes. Its text has the flags behind two `#`: `123##1112233`.
    CanFdFrame, CANFD_MTU, Fd;
}

/// The data that a frame's length says.
pub(crate) fn data(bytes: &[u8]) -> &[u8] {
    let len = bytes.get(4).copied().unwrap_or(0);
    data_of(bytes).get(..len.into()).unwrap_or_default()
}

fn data_of(bytes: &[u8]) -> &[u8] {
    bytes.get(DATA..).unwrap_or_default()
}

fn put(bytes: &mut [u8], id: u32, data: &[u8]) -> Result<()> {
    let standard = id & CAN_EFF_MASK <= CAN_SFF_MASK || id & CAN_ERR_FLAG != 0;
    let id = if standard { id } else { id | CAN_EFF_FLAG };
    let room = bytes.len() - DATA;
    if data.len() > room || (data.len() > 8 && !FD_LENGTHS.contains(&data.len())) {
        return Err(Errno::EINVAL.with(format!("a frame does not carry {} bytes", data.len())));
    }
    bytes[..4].copy_from_slice(&id.to_ne_bytes());
    bytes[4] = data.len() as u8;
    bytes[DATA..DATA + data.len()].copy_from_slice(data);
    Ok(())
}

impl CanFrame {
    /// A remote transmission request: asks for the frame of this identifier, of `len` bytes.
    pub fn remote(id: u32, len: u8) -> Result<Self> {
        let mut frame = Self::new(id | CAN_RTR_FLAG, &[])?;
        if len > 8 {
            return Err(Errno::EINVAL.with(format!("a frame does not carry {len} bytes")));
        }
        frame.0[4] = len;
        Ok(frame)
    }

    /// An error frame: what is wrong (CAN_ERR_BUSOFF and its like, linux/can/error.h).
    pub fn error(class: u32) -> Self {
        let mut bytes = [0; CAN_MTU];
        bytes[..4].copy_from_slice(&(class & CAN_ERR_MASK | CAN_ERR_FLAG).to_ne_bytes());
        bytes[4] = 8;
        Self(bytes)
    }

    /// It asks for a frame and carries none.
    pub fn is_remote(&self) -> bool {
        self.can_id() & CAN_RTR_FLAG != 0
    }

    /// It tells of an error; it was never on the bus.
    pub fn is_error(&self) -> bool {
        self.can_id() & CAN_ERR_FLAG != 0
    }
}

impl CanFdFrame {
    /// With these flags: CANFD_BRS (its data goes at the data bit rate), CANFD_ESI.
    #[must_use]
    pub fn with_flags(mut self, flags: u8) -> Self {
        self.0[5] = flags;
        self
    }

    /// CANFD_*.
    pub fn flags(&self) -> u8 {
        self.0[5]
    }
}

/// sprint_canframe: three digits of a standard identifier, eight of the others.
fn write_id(f: &mut fmt::Formatter<'_>, can_id: u32) -> fmt::Result {
    if can_id & CAN_ERR_FLAG != 0 {
        write!(f, "{:08X}", can_id & (CAN_ERR_MASK | CAN_ERR_FLAG))
    } else if can_id & CAN_EFF_FLAG != 0 {
        write!(f, "{:08X}", can_id & CAN_EFF_MASK)
    } else {
        write!(f, "{:03X}", can_id & CAN_SFF_MASK)
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, data: &[u8], between: &str) -> fmt::Result {
    data.iter().try_for_each(|byte| write!(f, "{between}{byte:02X}"))
}

impl fmt::Display for CanFrame {
    /// `123#DEADBEEF`, as `candump -L`; with `{:#}` as `candump` without it: `123   [4]  DE AD BE EF`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_id(f, self.can_id())?;
        let len = self.0[4];
        match (self.is_remote() && !self.is_error(), f.alternate()) {
            (true, true) => write!(f, "   [{len}]  remote request"),
            (true, false) if len > 0 => write!(f, "#R{len}"),
            (true, false) => write!(f, "#R"),
            (false, true) => {
                write!(f, "   [{len}] ")?;
                write_hex(f, self.data(), " ")
            }
            (false, false) => {
                write!(f, "#")?;
                write_hex(f, self.data(), "")
            }
        }
    }
}

impl fmt::Display for CanFdFrame {
    /// `123##1DEADBEEF`: the flags are the digit behind `##`; with `{:#}` as `candump`: `123  [04]  DE AD BE EF`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_id(f, self.can_id())?;
        if f.alternate() {
            write!(f, "  [{:02}] ", self.data().len())?;
            return write_hex(f, self.data(), " ");
        }
        write!(f, "##{:X}", self.flags() & 0xf)?;
        write_hex(f, self.data(), "")
    }
}

/// parse_canframe: the identifier's digits tell how wide it is: three, or eight.
fn parse_id(text: &str) -> Option<u32> {
    let id = u32::from_str_radix(text, 16).ok()?;
    match text.len() {
        3 => Some(id),
        8 if id & CAN_ERR_FLAG == 0 => Some(id & CAN_EFF_MASK | CAN_EFF_FLAG),
        8 => Some(id),
        _ => None,
    }
}

/// Pairs of hexadecimal digits, with a `.` between them where one likes.
fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.chars().filter(|c| *c != '.').collect();
    let pairs = (0..digits.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}

fn no_frame(text: &str) -> Error {
    Errno::EINVAL.with(format!("`{text}` is no CAN frame (123#DEADBEEF, 12345678#R, 123##1DEADBEEF)"))
}

impl FromStr for CanFrame {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = || {
            let (id, rest) = text.split_once('#')?;
            let id = parse_id(id)?;
            match rest.strip_prefix(['R', 'r']) {
                Some("") => Self::remote(id, 0).ok(),
                Some(len) => Self::remote(id, len.parse().ok()?).ok(),
                None => Self::new(id, &parse_hex(rest)?).ok(),
            }
        };
        parsed().ok_or_else(|| no_frame(text))
    }
}

impl FromStr for CanFdFrame {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = || {
            let (id, rest) = text.split_once("##")?;
            let flags = u8::from_str_radix(rest.get(..1)?, 16).ok()?;
            Some(Self::new(parse_id(id)?, &parse_hex(rest.get(1..)?)?).ok()?.with_flags(flags))
        };
        parsed().ok_or_else(|| no_frame(text))
    }
}

/// struct can_filter: a frame passes if `frame & mask == id & mask`; with CAN_INV_FILTER in `id` if not.
///
/// Its text is `candump`'s: `123:7FF`, turned round `123~7FF`; of an identifier with eight digits the mask also asks for
/// CAN_EFF_FLAG.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct CanFilter {
    /// `can_id`.
    pub id: u32,
    /// `can_mask`.
    pub mask: u32,
}

impl CanFilter {
    /// sizeof(struct can_filter).
    pub const SIZE: usize = 8;

    /// The filter as setsockopt(2) takes it (CAN_RAW_FILTER); several are one behind the other.
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[..4].copy_from_slice(&self.id.to_ne_bytes());
        bytes[4..].copy_from_slice(&self.mask.to_ne_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        Self { id: u32::from_ne_bytes([a, b, c, d]), mask: u32::from_ne_bytes([e, f, g, h]) }
    }

    /// can_rcv_list_find and can_rcv_filter: true if a frame with this `can_id` passes.
    pub fn passes(&self, can_id: u32) -> bool {
        const EFF_RTR: u32 = CAN_EFF_FLAG | CAN_RTR_FLAG;
        if can_id & CAN_ERR_FLAG != 0 {
            // "filter for error message frames in extra filterlist": its mask has CAN_ERR_FLAG.
            return self.mask & CAN_ERR_FLAG != 0 && can_id & self.mask & CAN_ERR_MASK != 0;
        }
        if self.mask & CAN_ERR_FLAG != 0 {
            return false;
        }
        let (inverted, mut mask) = (self.id & CAN_INV_FILTER != 0, self.mask);
        // "ensure valid values in can_mask for 'SFF only' frame filtering"
        if mask & CAN_EFF_FLAG != 0 && self.id & CAN_EFF_FLAG == 0 {
            mask &= CAN_SFF_MASK | EFF_RTR;
        }
        (can_id & mask == self.id & mask) != inverted
    }
}

impl fmt::Display for CanFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_id(f, self.id & !CAN_INV_FILTER)?;
        write!(f, "{}", if self.id & CAN_INV_FILTER != 0 { '~' } else { ':' })?;
        if self.id & CAN_EFF_FLAG != 0 {
            write!(f, "{:08X}", self.mask)
        } else {
            write!(f, "{:X}", self.mask)
        }
    }
}

impl FromStr for CanFilter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = || {
            let (inverted, (id, mask)) = match (text.split_once(':'), text.split_once('~')) {
                (Some(pair), _) => (0, pair),
                (None, pair) => (CAN_INV_FILTER, pair?),
            };
            let number = |text: &str| u32::from_str_radix(text, 16).ok();
            // candump: "if (*(ptr + 8) == ':') rfilter[numfilter].can_id |= CAN_EFF_FLAG".
            let wide = if id.len() == 8 { CAN_EFF_FLAG } else { 0 };
            Some(Self { id: number(id)? | inverted | wide, mask: number(mask)? & !CAN_ERR_FLAG })
        };
        parsed().ok_or_else(|| Errno::EINVAL.with(format!("`{text}` is no CAN filter (123:7FF, 123~7FF)")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_read_and_write_what_can_utils_do() {
        for text in ["123#", "123#DEADBEEF", "7FF#R", "7FF#R5", "1F334455#1122334455667788", "00000123#01"] {
            let frame: CanFrame = text.parse().unwrap();
            assert_eq!(frame.to_string(), text);
            assert_eq!(CanFrame::from_bytes(frame.as_bytes()).unwrap(), frame);
        }
        for text in ["123##0", "123##1DEADBEEF", "12345678##3000102030405060708090A0B"] {
            assert_eq!(text.parse::<CanFdFrame>().unwrap().to_string(), text);
        }
        let frame: CanFrame = "5AA#DE.AD.BE.EF".parse().unwrap();
        assert_eq!(format!("{frame:#}"), "5AA   [4]  DE AD BE EF");
        assert_eq!((frame.id(), frame.data()), (0x5aa, &[0xde, 0xad, 0xbe, 0xef][..]));
        assert_eq!(CanFrame::error(CAN_ERR_FLAG | 0x40).to_string(), "20000040#0000000000000000");
        for wrong in ["", "123", "12#00", "123#0", "123#112233445566778899", "123#xy", "123#R9", "123#é0"] {
            assert!(wrong.parse::<CanFrame>().is_err(), "{wrong}");
        }
        assert!("123##1112233445566778899".parse::<CanFdFrame>().is_err(), "9 bytes are no length");
        assert!(CanFrame::new(CAN_EFF_FLAG, &[]).is_ok_and(|frame| frame.is_extended()));
    }

    #[test]
    fn a_frame_is_its_struct() {
        let frame = CanFrame::new(0x123, b"\x01\x02").unwrap();
        assert_eq!(
            frame.as_bytes(),
            [&0x123_u32.to_ne_bytes()[..], &[2, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0]].concat()
        );
        assert_eq!(Kind::of(&[0; 16]), Some(Kind::Classic));
        assert_eq!(Kind::of(&[9; 16]), None);
        assert_eq!(
            (Kind::of(&[64; 72]), Kind::of(&[65; 72]), Kind::of(&[0; 17])),
            (Some(Kind::Fd), None, None)
        );
        assert_eq!(recorded(frame.as_bytes())[..4], [0, 0, 1, 0x23]);
    }

    #[test]
    fn filters_pass_what_can_rcv_filter_delivers() {
        let filter = |text: &str| text.parse::<CanFilter>().unwrap();
        assert!(filter("123:7FF").passes(0x123) && !filter("123:7FF").passes(0x124));
        assert!(filter("123:7FF").passes(0x123 | CAN_EFF_FLAG), "the mask does not ask for the flag");
        assert!(!filter("123:C00007FF").passes(0x123 | CAN_EFF_FLAG));
        assert!(!filter("123:C00007FF").passes(0x123 | CAN_RTR_FLAG));
        assert!(!filter("123~7FF").passes(0x123) && filter("123~7FF").passes(0x124));
        assert!(filter("000:0").passes(0x1234_5678 | CAN_EFF_FLAG));
        assert!(!filter("000:0").passes(CAN_ERR_FLAG | 4), "errors are another list");
        let errors = CanFilter { id: 0, mask: 0x40 | CAN_ERR_FLAG };
        assert!(
            errors.passes(CAN_ERR_FLAG | 0x44) && !errors.passes(CAN_ERR_FLAG | 4) && !errors.passes(0x40)
        );
        for text in ["123:7FF", "123~7F0", "12345678:1FFFFFFF"] {
            assert_eq!(filter(text).to_string(), text);
        }
    }
}
