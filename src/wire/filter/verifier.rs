//! What a program must fulfil before it may run: bpf_check_classic of Linux, rule by rule.
//!
//! Jumps go forward and end inside, so a program ends after as many steps as it has instructions.

use super::Instruction;
use super::opcode::*;

/// What is wrong with a program, and at which instruction; `None` = nothing.
pub(super) fn fault(program: &[Instruction]) -> Option<(usize, &'static str)> {
    // bpf_check_basics_ok
    let Some(last) = program.last() else { return Some((0, "there are no instructions")) };
    if program.len() > MAX_INSTRUCTIONS {
        return Some((MAX_INSTRUCTIONS, "there are more than 4096 instructions"));
    }
    for (at, instruction) in program.iter().enumerate() {
        if let Some(what) = wrong(instruction, program.len() - at - 1) {
            return Some((at, what));
        }
    }
    if last.code & 7 != RET {
        return Some((program.len() - 1, "the last instruction must be ret"));
    }
    unset_memory(program).map(|at| (at, "a memory cell is read that may not have been written"))
}

/// chk_code_allowed
fn known(code: u16) -> bool {
    let (class, rest) = (code & 7, code & !7);
    match class {
        LD => {
            matches!(code & 0xe0, ABS | IND) && matches!(code & !0xe0, W | H | B)
                || matches!(rest, IMM | MEM | LEN)
        }
        LDX => matches!(rest, IMM | MEM | LEN) || code == LDX | B | MSH,
        ST | STX => rest == 0,
        ALU => rest == NEG || code <= 0xff && rest & !X <= XOR && rest & !X != NEG,
        JMP => rest == JA || matches!(rest & !X, JEQ | JGT | JGE | JSET),
        RET => matches!(rest, K | A),
        _ => matches!(rest, TAX | TXA),
    }
}

/// What is wrong with one instruction, with so many behind it.
fn wrong(instruction: &Instruction, behind: usize) -> Option<&'static str> {
    let Instruction { code, jt, jf, k } = *instruction;
    if !known(code) {
        return Some("there is no such instruction");
    }
    let zero = (code == ALU | DIV | K || code == ALU | MOD | K) && k == 0;
    let shift = (code == ALU | LSH | K || code == ALU | RSH | K) && k >= 32;
    let cell = [ST, STX, LD | MEM, LDX | MEM].contains(&code) && k as usize >= MEMORY;
    let far = match code & 7 {
        JMP if code == JMP | JA => k as usize >= behind,
        JMP => usize::from(jt.max(jf)) >= behind,
        _ => false,
    };
    // An ancillary offset that Linux does not know; beyond a program's eyes otherwise.
    let fact = code & !(H | B) == LD | ABS && k >= SKF_AD_OFF && !is_fact(k);
    let faults = [
        (zero, "division by zero"),
        (shift, "a shift by more than 31 bits"),
        (cell, "there are 16 memory cells"),
        (far, "a jump beyond the end"),
        (fact, "there is no such ancillary offset"),
    ];
    faults.into_iter().find(|(wrong, _)| *wrong).map(|(_, what)| what)
}

/// bpf_anc_helper: SKF_AD_OFF + SKF_AD_*
fn is_fact(k: u32) -> bool {
    let fact = k.wrapping_sub(SKF_AD_OFF);
    fact < SKF_AD_MAX && fact.is_multiple_of(4)
}

/// check_load_and_stores: the first load of a cell that some way to it leaves unwritten.
fn unset_memory(program: &[Instruction]) -> Option<usize> {
    // Cells that are written on all ways to an instruction, as bits; jumps only go forward, so one pass sees them all.
    let mut written = vec![u16::MAX; program.len()];
    let mut now = 0;
    for (at, instruction) in program.iter().enumerate() {
        now &= written.get(at).copied().unwrap_or(0);
        let cell = 1_u16.checked_shl(instruction.k).unwrap_or(0);
        let mut jump = |distance: usize| {
            if let Some(target) = written.get_mut(at + 1 + distance) {
                *target &= now;
            }
        };
        match instruction.code {
            ST | STX => now |= cell,
            code if (code == LD | MEM || code == LDX | MEM) && now & cell == 0 => return Some(at),
            code if code == JMP | JA => {
                jump(instruction.k as usize);
                now = u16::MAX;
            }
            code if code & 7 == JMP => {
                jump(usize::from(instruction.jt));
                jump(usize::from(instruction.jf));
                now = u16::MAX;
            }
            _ => {}
        }
    }
    None
}
