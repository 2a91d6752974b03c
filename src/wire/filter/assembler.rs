//! From blocks to instructions: registers, scratch memory, and jumps that reach 255 instructions far.

use std::collections::HashMap;

use super::blocks::{Block, Blocks, Load, Target, Value};
use super::opcode::*;
use super::{Instruction, KEPT};

/// What the registers hold, as far as it is worth knowing.
#[derive(Clone, Debug, Default, PartialEq)]
struct Registers {
    a: Option<Value>,
    /// X is the length of the IPv4 header that begins here.
    x: Option<u32>,
}

/// The instructions of a filter that begins at `entry`. An error says why there are none.
pub(super) fn assemble(blocks: &Blocks, entry: Target) -> Result<Vec<Instruction>, &'static str> {
    let order = blocks.order(entry);
    let mut codes = Vec::with_capacity(order.len());
    let mut before: HashMap<usize, Registers> = HashMap::new();
    for at in &order {
        let Some(block) = blocks.blocks.get(*at) else { continue };
        let mut code = Code { out: Vec::new(), registers: before.remove(at).unwrap_or_default() };
        let operand = code.question(block)?;
        for target in [block.yes, block.no] {
            let Target::Block(next) = target else { continue };
            let now = &code.registers;
            before.entry(next).and_modify(|all| all.keep(now)).or_insert_with(|| now.clone());
        }
        codes.push((block, code.out, operand));
    }
    layout(&order, &codes, entry)
}

impl Registers {
    /// Only what both say.
    fn keep(&mut self, other: &Self) {
        if self.a != other.a {
            self.a = None;
        }
        if self.x != other.x {
            self.x = None;
        }
    }
}

/// The instructions of one block, and what they leave in the registers.
struct Code {
    out: Vec<Instruction>,
    registers: Registers,
}

const TOO_DEEP: &str = "the computation needs more than 16 cells of memory";

impl Code {
    fn push(&mut self, code: u16, k: u32) {
        self.out.push(Instruction { code, jt: 0, jf: 0, k });
    }

    /// Computes both sides of a block's comparison. The jump's other operand: a constant, or X.
    fn question(&mut self, block: &Block) -> Result<(u16, u32), &'static str> {
        let test = &block.test;
        if let Value::Constant(right) = test.right {
            if self.registers.a.as_ref() != Some(&test.left) {
                self.value(&test.left, 0)?;
                self.registers.a = Some(test.left.clone());
            }
            return Ok((K, right));
        }
        self.two(&test.left, &test.right, 0)?;
        Ok((X, 0))
    }

    /// One value in A, the other in X.
    fn two(&mut self, left: &Value, right: &Value, cell: usize) -> Result<(), &'static str> {
        if cell >= MEMORY {
            return Err(TOO_DEEP);
        }
        self.value(right, cell)?;
        self.push(ST, cell as u32);
        self.value(left, cell + 1)?;
        self.push(LDX | MEM, cell as u32);
        self.registers = Registers::default();
        Ok(())
    }

    /// A value in A; cells from `cell` on are free.
    fn value(&mut self, value: &Value, cell: usize) -> Result<(), &'static str> {
        self.registers.a = None;
        match value {
            Value::Constant(number) => self.push(LD | IMM, *number),
            Value::Length => self.push(LD | LEN, 0),
            Value::Load(load) => self.load(load, cell)?,
            Value::Negative(inner) => {
                self.value(inner, cell)?;
                self.push(ALU | NEG, 0);
            }
            Value::Binary(code, left, right) => {
                if let Value::Constant(right) = **right {
                    self.value(left, cell)?;
                    self.push(ALU | code | K, right);
                } else {
                    self.two(left, right, cell)?;
                    self.push(ALU | code | X, 0);
                }
            }
        }
        Ok(())
    }

    fn load(&mut self, load: &Load, cell: usize) -> Result<(), &'static str> {
        let Load { size, behind, at, index } = load;
        if let Some(index) = index {
            self.value(index, cell)?;
            if let Some(header) = behind {
                self.push(LDX | MSH | B, *header);
                self.push(ALU | ADD | X, 0);
            }
            self.push(MISC | TAX, 0);
            self.registers.x = None;
            self.push(LD | IND | size, *at);
            return Ok(());
        }
        let Some(header) = behind else {
            self.push(LD | ABS | size, *at);
            return Ok(());
        };
        if self.registers.x != *behind {
            self.push(LDX | MSH | B, *header);
            self.registers.x = *behind;
        }
        self.push(LD | IND | size, *at);
        Ok(())
    }
}

/// A block, its instructions, and the operand of its jump.
type Coded<'a> = (&'a Block, Vec<Instruction>, (u16, u32));

/// Puts the blocks one behind the other. A conditional jump that reaches too far goes to an unconditional one behind it.
fn layout(order: &[usize], codes: &[Coded<'_>], entry: Target) -> Result<Vec<Instruction>, &'static str> {
    let place: HashMap<usize, usize> = order.iter().enumerate().map(|(index, at)| (*at, index)).collect();
    let mut far = vec![[false; 2]; codes.len()];
    loop {
        let mut starts = Vec::with_capacity(codes.len());
        let mut length = 0;
        for ((_, code, _), far) in codes.iter().zip(&far) {
            starts.push(length);
            length += code.len() + 1 + far.iter().filter(|far| **far).count();
        }
        let address = |target: Target| match target {
            Target::Block(at) => {
                place.get(&at).and_then(|index| starts.get(*index)).copied().unwrap_or(length)
            }
            Target::Accept => length,
            Target::Reject | Target::Open => length + 1,
        };
        if length + 2 > MAX_INSTRUCTIONS {
            return Err("the filter needs more than 4096 instructions");
        }
        let mut out: Vec<Instruction> = Vec::with_capacity(length + 2);
        let mut settled = true;
        for ((block, code, (operand, k)), far) in codes.iter().zip(&mut far) {
            out.extend(code);
            // Counted from behind the conditional jump; the unconditional ones come next.
            let behind = out.len() + 1;
            let mut exits = [0; 2];
            let mut extra = 0;
            for ((exit, far), holds) in exits.iter_mut().zip(&mut *far).zip([true, false]) {
                let distance = address(block.exit(holds)).saturating_sub(behind);
                *exit = if *far { extra } else { distance };
                extra += usize::from(*far);
                if *exit > usize::from(u8::MAX) {
                    (*far, settled) = (true, false);
                }
            }
            let [jt, jf] = exits.map(|exit| u8::try_from(exit).unwrap_or(0));
            out.push(Instruction { code: JMP | block.test.code | operand, jt, jf, k: *k });
            for holds in [true, false].into_iter().zip(&*far).filter(|(_, far)| **far).map(|(holds, _)| holds)
            {
                let distance = address(block.exit(holds)).saturating_sub(out.len() + 1);
                out.push(Instruction { code: JMP | JA, jt: 0, jf: 0, k: distance as u32 });
            }
        }
        if !settled {
            continue;
        }
        let ret = |k| Instruction { code: RET | K, jt: 0, jf: 0, k };
        return Ok(match entry {
            Target::Accept => vec![ret(KEPT)],
            Target::Block(_) => {
                out.extend([ret(KEPT), ret(0)]);
                out
            }
            Target::Reject | Target::Open => vec![ret(0)],
        });
    }
}
