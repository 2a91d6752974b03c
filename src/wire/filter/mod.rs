//! Filters: libpcap's language, compiled to classic BPF, and the machine that runs it.
//!
//! | file | what |
//! |---|---|
//! | `token.rs` | a text in words; [`FilterError`]'s columns |
//! | `words.rs` | keywords, named numbers, protocols; what was perhaps meant |
//! | `syntax.rs` | the tree of an expression |
//! | `parser.rs` | pcap-filter(7)'s grammar |
//! | `arithmetic.rs` | its computed side: `ip[8] < 5` |
//! | `generator.rs` | the tree becomes questions to a frame, as libpcap asks them |
//! | `headers.rs` | where headers begin, and what moves them: `vlan`, `mpls`, `pppoes` |
//! | `primitives.rs` | hosts, nets, ports, protocols |
//! | `blocks.rs` | questions, put together by `and`, `or`, `not` |
//! | `optimiser.rs` | leaves out what is answered already |
//! | `assembler.rs` | questions become instructions |
//! | `program.rs` | [`Program`]: verified instructions; as bytes, as tcpdump prints them |
//! | `verifier.rs` | what Linux asks of a program before it may run |
//! | `machine.rs` | runs it over a frame and its [`Facts`] |
//! | `opcode.rs` | the numbers of classic BPF |
//!
//! ```text
//! text -> token -> parser -> (syntax) -> generator -> (blocks) -> optimiser -> assembler -> verifier -> Program -> machine
//! ```

mod arithmetic;
mod assembler;
mod blocks;
mod generator;
mod headers;
mod machine;
mod opcode;
mod optimiser;
mod parser;
mod primitives;
mod program;
mod syntax;
mod token;
mod verifier;
mod words;

pub use machine::Facts;
pub use program::{Instruction, Program};
#[cfg(feature = "cli")]
pub(crate) use words::protocol_name;

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

/// What a compiled filter says of a frame that it takes: all of it is kept (libpcap's usual number).
const KEPT: u32 = 262_144;

/// Compiles an expression of pcap-filter(7) for frames of this link type. The empty one takes everything.
///
/// The program says the same of every frame as the one that libpcap compiles (unoptimised: its optimiser lets a frame pass here and
/// there that is too short for a question which it leaves out). What libpcap looks up outside is not known here: hosts' and
/// nets' names, `gateway`, the net's mask for `ip broadcast`; services are the well-known ones. `protochain` and `geneve`
/// are refused. VLAN tags are in the frame's bytes.
///
/// ```
/// use sockatoo::base::LinkType;
/// use sockatoo::wire::filter::{Facts, compile};
/// let filter = compile("udp dst port 53 or (ip[8] < 5 and not net 192.0.2.0/24)", LinkType::Ip)?;
/// let frame = [0x45, 0, 0, 20, 0, 0, 0, 0, 1, 6, 0, 0, 198, 51, 100, 1, 203, 0, 113, 9];
/// assert!(filter.run(&frame, &Facts::of_len(frame.len())) > 0);
/// assert_eq!(compile("tcp prot 80", LinkType::Ip).unwrap_err().hint.unwrap(), "did you mean `port`?");
/// # Ok::<(), sockatoo::wire::filter::FilterError>(())
/// ```
///
/// # Errors
/// Where the text is wrong, how, and what was perhaps meant.
pub fn compile(text: &str, link: LinkType) -> Result<Program, FilterError> {
    let whole = token::Span { column: 0, width: text.chars().count() };
    let mut generator = generator::Generator::new(link);
    let entry = match parser::parse(text)? {
        None => blocks::Target::Accept,
        Some(_) if link == LinkType::Can => {
            return Err(whole.error("the filter language has no words for CAN frames"));
        }
        Some(expression) => {
            let fragment = generator.expression(&expression)?;
            generator.blocks.finish(&fragment)
        }
    };
    let entry = optimiser::optimise(&mut generator.blocks, entry);
    let instructions = assembler::assemble(&generator.blocks, entry).map_err(|what| whole.error(what))?;
    Program::new(instructions).map_err(|error| whole.error(error.to_string()))
}
