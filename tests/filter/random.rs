//! Programs and bytes drawn from a seed.

use sockatoo::wire::filter::Instruction;

/// xorshift64*: the same numbers everywhere.
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    /// From 0 to `n` - 1.
    pub fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n.max(1)
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// All codes that Linux takes but division by X, which would end most programs.
const CODES: &[u16] = &[
    0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x00, 0x60, 0x80, 0x01, 0x61, 0x81, 0xb1, 0x02, 0x03, 0x04, 0x0c,
    0x14, 0x1c, 0x24, 0x2c, 0x34, 0x44, 0x4c, 0x54, 0x5c, 0x64, 0x6c, 0x74, 0x7c, 0x84, 0x94, 0xa4, 0xac,
    0x07, 0x87, 0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x15, 0x25, 0x20, 0x30, 0x28,
];

/// A program of `len` instructions, mostly legal: `bytes` long frames are mostly read inside.
pub fn program(draw: &mut Draw, len: usize, bytes: usize) -> Vec<Instruction> {
    let mut program: Vec<_> = (0..len).map(|at| instruction(draw, len - at, bytes)).collect();
    // Cells must be written before they are read: write some at the beginning.
    for (at, slot) in program.iter_mut().enumerate().take(draw.below(len.min(20))) {
        *slot = Instruction { code: 2 + (draw.next() & 1) as u16, jt: 0, jf: 0, k: at as u32 & 15 };
    }
    program.push(Instruction { code: 0x54, jt: 0, jf: 0, k: draw.pick(&[0xff, 0x3f, 0x1ff, u32::MAX]) });
    program.push(Instruction {
        code: draw.pick(&[0x16, 0x16, 0x16, 0x06]),
        jt: 0,
        jf: 0,
        k: draw.next() & 0xff,
    });
    program
}

fn instruction(draw: &mut Draw, behind: usize, bytes: usize) -> Instruction {
    let code = if draw.one_in(60) { draw.pick(&[0x3c, 0x9c, 0x16, 0x06]) } else { draw.pick(CODES) };
    let small = behind.min(6) + 1;
    let (jt, jf) = if code & 7 == 5 { (draw.below(small) as u8, draw.below(small) as u8) } else { (0, 0) };
    let k = match code & 7 {
        0 | 1 if code & 0xe0 == 0x60 => draw.below(16) as u32,
        0 | 1 if code & 0xe0 == 0x40 && draw.one_in(2) => draw.pick(&[0, 1, u32::MAX, 0u32.wrapping_sub(20)]),
        0 if code & 0xe0 == 0x20 && draw.one_in(12) => {
            // Facts that a socket pair's datagram has: the protocol, the packet type, no VLAN tag; A ^ X.
            0xffff_f000 + draw.pick(&[0, 4, 40, 44, 48, 60])
        }
        0 | 1 => draw.below(bytes + bytes / 20 + 1) as u32,
        2 | 3 => draw.below(16) as u32,
        4 if code & 0xf0 == 0x60 || code & 0xf0 == 0x70 => draw.below(32) as u32,
        5 if code == 5 => draw.below(small) as u32,
        _ if draw.one_in(3) => draw.next(),
        _ => draw.next() & 0xff,
    };
    Instruction { code, jt, jf, k }
}

/// Changes one thing, to something that is often illegal.
pub fn mutate(draw: &mut Draw, program: &mut Vec<Instruction>) {
    let at = draw.below(program.len());
    match draw.below(8) {
        0 => program[at].code = draw.next() as u16 & 0xff,
        1 => program[at].code = draw.next() as u16 & 0x1ff,
        2 => program[at].jt = draw.next() as u8,
        3 => program[at].jf = draw.below(12) as u8,
        4 => {
            program[at].k =
                draw.pick(&[0, 15, 16, 31, 32, 0xffff_f000, 0xffff_f041, 0xffff_f040, 0xffe0_0000, u32::MAX])
        }
        5 => program[at].k = draw.below(program.len() + 2) as u32,
        6 => drop(program.remove(at)),
        _ => program.truncate(at),
    }
}
