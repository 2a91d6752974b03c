//! Programs of classic BPF, and their forms: bytes of struct sock_filter, tcpdump's `-d`, `-dd` and `-ddd`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::opcode::*;
use super::verifier;
use crate::base::{Errno, Error};

/// struct sock_filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// BPF_LD | BPF_W | BPF_ABS ...
    pub code: u16,
    /// Instructions to skip if the jump's condition holds.
    pub jt: u8,
    /// And if not.
    pub jf: u8,
    /// The constant.
    pub k: u32,
}

/// A program that passed the verifier: it ends, and reads nothing that is not there. Clones share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    instructions: Arc<[Instruction]>,
}

impl Program {
    /// Verifies a program as Linux does (bpf_check_classic). EINVAL, with the instruction and what is wrong with it.
    ///
    /// ```
    /// use sockatoo::wire::filter::{Facts, Instruction, Program};
    /// let keep_60 = Program::new(vec![Instruction { code: 6, jt: 0, jf: 0, k: 60 }])?;
    /// assert_eq!(keep_60.run(b"bytes", &Facts::of_len(5)), 60);
    /// assert_eq!(keep_60.to_string(), "(000) ret      #60");
    /// assert!(Program::new(Vec::new()).is_err());
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn new(instructions: Vec<Instruction>) -> Result<Self, Error> {
        match verifier::fault(&instructions) {
            None => Ok(Self { instructions: instructions.into() }),
            Some((at, what)) => Err(Errno::EINVAL.with(format!("instruction {at}: {what}"))),
        }
    }

    /// From the bytes of an array of struct sock_filter, 8 each in the machine's byte order (what `sock_fprog.filter` points to).
    /// EINVAL.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (chunks, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() || chunks.len() > MAX_INSTRUCTIONS {
            return Err(Errno::EINVAL.with("a program is 1 to 4096 instructions of 8 bytes each"));
        }
        let instruction = |&[c0, c1, jt, jf, k0, k1, k2, k3]: &[u8; 8]| Instruction {
            code: u16::from_ne_bytes([c0, c1]),
            jt,
            jf,
            k: u32::from_ne_bytes([k0, k1, k2, k3]),
        };
        Self::new(chunks.iter().map(instruction).collect())
    }

    /// The bytes of an array of struct sock_filter, as [`Program::from_bytes`] reads them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes = |i: &Instruction| {
            let ([c0, c1], [k0, k1, k2, k3]) = (i.code.to_ne_bytes(), i.k.to_ne_bytes());
            [c0, c1, i.jt, i.jf, k0, k1, k2, k3]
        };
        self.instructions.iter().flat_map(bytes).collect()
    }

    /// The instructions.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// As `tcpdump -ddd` prints it: the number of instructions, then each in decimal. [`str::parse`] reads it back.
    pub fn decimal(&self) -> String {
        let line = |i: &Instruction| format!("{} {} {} {}\n", i.code, i.jt, i.jf, i.k);
        format!("{}\n{}", self.instructions.len(), self.instructions.iter().map(line).collect::<String>())
    }

    /// As `tcpdump -dd` prints it: the rows of an array in C.
    pub fn c_rows(&self) -> String {
        let row = |i: &Instruction| format!("{{ {:#x}, {}, {}, {:#010x} }},\n", i.code, i.jt, i.jf, i.k);
        self.instructions.iter().map(row).collect()
    }
}

/// Reads what `tcpdump -ddd` prints; also in one line with commas, as iptables' bpf match and `nfbpf_compile` have it.
impl FromStr for Program {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |what: String| Errno::EINVAL.with(what);
        let mut lines = text.split(['\n', ',']).map(str::trim).filter(|line| !line.is_empty());
        let count = lines.next().unwrap_or_default();
        let count = count.parse::<usize>().ok().filter(|count| *count <= MAX_INSTRUCTIONS);
        let count = count.ok_or_else(|| wrong("the first line must be the number of instructions".into()))?;
        let mut instructions = Vec::with_capacity(count);
        for line in lines.take(MAX_INSTRUCTIONS + 1) {
            instructions.push(parse(line).ok_or_else(|| wrong(format!("`{line}` must be: code jt jf k")))?);
        }
        if instructions.len() != count {
            return Err(wrong(format!("{count} instructions announced, {} given", instructions.len())));
        }
        Self::new(instructions)
    }
}

fn parse(line: &str) -> Option<Instruction> {
    let mut words = line.split_whitespace();
    let instruction = Instruction {
        code: words.next()?.parse().ok()?,
        jt: words.next()?.parse().ok()?,
        jf: words.next()?.parse().ok()?,
        k: words.next()?.parse().ok()?,
    };
    words.next().is_none().then_some(instruction)
}

/// As `tcpdump -d` prints it: an instruction a line, jumps with the number of their target.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, instruction) in self.instructions.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            line(f, at, *instruction)?;
        }
        Ok(())
    }
}

/// One instruction in words (bpf_image of libpcap).
fn line(f: &mut fmt::Formatter<'_>, at: usize, Instruction { code, jt, jf, k }: Instruction) -> fmt::Result {
    let signed = k as i32;
    let size = match code & 0x18 {
        H => "ldh",
        B => "ldb",
        _ => "ld",
    };
    let hex_or_x = if code & X == 0 { format!("#0x{k:x}") } else { "x".into() };
    let number_or_x = if code & X == 0 { format!("#{signed}") } else { "x".into() };
    let (name, operand) = match (code & 7, code & 0xe0) {
        (LD, ABS) => (size, format!("[{signed}]")),
        (LD, IND) => (size, format!("[x + {signed}]")),
        (LD, LEN) => ("ld", "#pktlen".into()),
        (LDX, LEN) => ("ldx", "#pktlen".into()),
        (LDX, MSH) => ("ldxb", format!("4*([{signed}]&0xf)")),
        (LD, MEM) => ("ld", format!("M[{k}]")),
        (LDX, MEM) => ("ldx", format!("M[{k}]")),
        (LD, _) => ("ld", format!("#0x{k:x}")),
        (LDX, _) => ("ldx", format!("#0x{k:x}")),
        (ST, _) => ("st", format!("M[{k}]")),
        (STX, _) => ("stx", format!("M[{k}]")),
        (RET, _) if code & A == 0 => ("ret", format!("#{signed}")),
        (RET, _) => ("ret", String::new()),
        (MISC, _) if code & TXA == 0 => ("tax", String::new()),
        (MISC, _) => ("txa", String::new()),
        (JMP, _) => match code & 0xf0 {
            JEQ => ("jeq", hex_or_x),
            JGT => ("jgt", hex_or_x),
            JGE => ("jge", hex_or_x),
            JSET => ("jset", hex_or_x),
            _ => ("ja", format!("{}", at + 1 + k as usize)),
        },
        _ => match code & 0xf0 {
            ADD => ("add", number_or_x),
            SUB => ("sub", number_or_x),
            MUL => ("mul", number_or_x),
            DIV => ("div", number_or_x),
            MOD => ("mod", number_or_x),
            LSH => ("lsh", number_or_x),
            RSH => ("rsh", number_or_x),
            AND => ("and", hex_or_x),
            OR => ("or", hex_or_x),
            XOR => ("xor", hex_or_x),
            _ => ("neg", String::new()),
        },
    };
    if code & 7 == JMP && code & 0xf0 != JA {
        let (yes, no) = (at + 1 + usize::from(jt), at + 1 + usize::from(jf));
        return write!(f, "({at:03}) {name:<8} {operand:<16} jt {yes}\tjf {no}");
    }
    write!(f, "({at:03}) {name:<8} {operand}")
}
