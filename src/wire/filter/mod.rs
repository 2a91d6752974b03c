//! Filters: libpcap's language, compiled to classic BPF, and the machine that runs it.
//!
//! | file | what |
//! |---|---|
//! | `program.rs` | [`Program`]: verified instructions; as bytes, as tcpdump prints them |
//! | `verifier.rs` | what Linux asks of a program before it may run |
//! | `machine.rs` | runs it over a frame and its [`Facts`] |
//! | `opcode.rs` | the numbers of classic BPF |

mod machine;
mod opcode;
mod program;
mod verifier;

pub use machine::Facts;
pub use program::{Instruction, Program};

use std::fmt;

use crate::base::LinkType;

/// What is wrong with a filter, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// The column of the first wrong character, from 0.
    pub column: usize,
    /// How many characters are wrong.
    pub width: usize,
    /// What is wrong.
    pub what: String,
    /// What was meant, or may be written here.
    pub hint: Option<String>,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column + 1, self.what)
    }
}

impl std::error::Error for FilterError {}

/// Compiles an expression of pcap-filter(7) for frames of this link type. The empty one takes everything.
pub fn compile(_text: &str, _link: LinkType) -> Result<Program, FilterError> {
    Err(FilterError { column: 0, width: 0, what: String::new(), hint: None })
}
