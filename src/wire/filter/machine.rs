//! The machine of classic BPF: two registers, sixteen cells, and a frame to look at.

use super::opcode::*;
use super::{Instruction, Program};

/// What a filter may ask of a frame beside its bytes (SKF_AD_*). What is not here (SKF_AD_NLATTR, _NLATTR_NEST, _MARK, _QUEUE,
/// _RXHASH, _CPU, _PAY_OFFSET) is 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// Bytes on the wire, from `start` on (BPF_LEN); the bytes given may be fewer.
    pub len: usize,
    /// Where offset 0 of the program is in the bytes: what is in front of it can only be seen by SKF_NET_OFF and SKF_LL_OFF.
    pub start: usize,
    /// ETH_P_* (SKF_AD_PROTOCOL).
    pub protocol: u16,
    /// PACKET_* (SKF_AD_PKTTYPE).
    pub packet_type: u8,
    /// The interface's index (SKF_AD_IFINDEX).
    pub interface: u32,
    /// ARPHRD_* (SKF_AD_HATYPE).
    pub hardware: u16,
    /// SO_MARK of its sender (SKF_AD_MARK).
    pub mark: u32,
    /// The VLAN tag that is not in the bytes, if there is one: TPID and TCI (SKF_AD_VLAN_TPID, _VLAN_TAG, _VLAN_TAG_PRESENT).
    pub vlan: Option<(u16, u16)>,
    /// Where the network header begins in the bytes (SKF_NET_OFF).
    pub network: usize,
    /// Where the link header begins in the bytes (SKF_LL_OFF), beyond their end if it is not there; cooked sockets have it in
    /// front of what they see.
    pub link: usize,
    /// For SKF_AD_RANDOM.
    pub random: u32,
}

impl Facts {
    /// Of a frame of which nothing is known but its bytes (a capture file's), `len` of them on the wire.
    pub fn of_len(len: usize) -> Self {
        Self { len, ..Self::default() }
    }

    /// A fact by its number, `SKF_AD_OFF +`.
    fn get(&self, fact: u32) -> u32 {
        match fact {
            SKF_AD_PROTOCOL => self.protocol.into(),
            SKF_AD_PKTTYPE => self.packet_type.into(),
            SKF_AD_IFINDEX => self.interface,
            SKF_AD_HATYPE => self.hardware.into(),
            SKF_AD_MARK => self.mark,
            SKF_AD_VLAN_TAG => self.vlan.map_or(0, |(_, tci)| tci.into()),
            SKF_AD_VLAN_TAG_PRESENT => self.vlan.is_some().into(),
            SKF_AD_VLAN_TPID => self.vlan.map_or(0, |(tpid, _)| tpid.into()),
            SKF_AD_RANDOM => self.random,
            _ => 0,
        }
    }

    /// Where an offset of the program is in the bytes (bpf_internal_load_pointer_neg_helper).
    fn place(&self, offset: u32) -> Option<usize> {
        let (base, offset) = match offset {
            0..=0x7fff_ffff => (self.start, offset),
            SKF_NET_OFF.. => (self.network, offset - SKF_NET_OFF),
            SKF_LL_OFF.. => (self.link, offset - SKF_LL_OFF),
            _ => return None,
        };
        base.checked_add(offset as usize)
    }

    /// `N` bytes at an offset, big-endian.
    #[inline]
    fn load<const N: usize>(&self, bytes: &[u8], offset: u32) -> Option<u32> {
        let loaded: &[u8; N] = bytes.get(self.place(offset)?..)?.first_chunk()?;
        Some(loaded.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }
}

impl Program {
    /// Runs it: how many bytes of the frame to keep; 0 = none of it. A load beyond the end gives 0, and so does a division by X = 0.
    pub fn run(&self, bytes: &[u8], facts: &Facts) -> u32 {
        run(self.instructions(), bytes, facts).unwrap_or(0)
    }
}

const ABS_H: u16 = ABS | H;
const ABS_B: u16 = ABS | B;
const IND_H: u16 = IND | H;
const IND_B: u16 = IND | B;

/// `None` where Linux ends a program with 0. Each step goes forward (the verifier has seen to it), so it ends.
fn run(program: &[Instruction], bytes: &[u8], facts: &Facts) -> Option<u32> {
    let (mut a, mut x, mut memory) = (0_u32, 0_u32, [0_u32; MEMORY]);
    let mut at = 0;
    loop {
        let Instruction { code, jt, jf, k } = *program.get(at)?;
        at += 1;
        let operand = if code & X == 0 { k } else { x };
        match code & 7 {
            LD => {
                a = match code & !7 {
                    ABS | ABS_H | ABS_B if k >= SKF_AD_OFF => fact(facts, k, a, x),
                    ABS => facts.load::<4>(bytes, k)?,
                    ABS_H => facts.load::<2>(bytes, k)?,
                    ABS_B => facts.load::<1>(bytes, k)?,
                    IND => facts.load::<4>(bytes, x.wrapping_add(k))?,
                    IND_H => facts.load::<2>(bytes, x.wrapping_add(k))?,
                    IND_B => facts.load::<1>(bytes, x.wrapping_add(k))?,
                    LEN => u32::try_from(facts.len).unwrap_or(u32::MAX),
                    MEM => *memory.get(k as usize)?,
                    _ => k,
                }
            }
            LDX => {
                x = match code & 0xe0 {
                    MSH => 4 * (facts.load::<1>(bytes, k)? & 0xf),
                    LEN => u32::try_from(facts.len).unwrap_or(u32::MAX),
                    MEM => *memory.get(k as usize)?,
                    _ => k,
                }
            }
            ST => *memory.get_mut(k as usize)? = a,
            STX => *memory.get_mut(k as usize)? = x,
            ALU => a = compute(code & 0xf0, a, operand)?,
            JMP => {
                let holds = match code & 0xf0 {
                    JEQ => a == operand,
                    JGT => a > operand,
                    JGE => a >= operand,
                    JSET => a & operand != 0,
                    _ => {
                        at = at.checked_add(k as usize)?;
                        continue;
                    }
                };
                at += usize::from(if holds { jt } else { jf });
            }
            RET => return Some(if code & A == 0 { k } else { a }),
            _ if code & TXA == 0 => x = a,
            _ => a = x,
        }
    }
}

/// A load from SKF_AD_OFF on: a fact, or the one instruction that hides there.
fn fact(facts: &Facts, k: u32, a: u32, x: u32) -> u32 {
    match k - SKF_AD_OFF {
        SKF_AD_ALU_XOR_X => a ^ x,
        fact => facts.get(fact),
    }
}

/// Shifts count modulo 32, as Linux's machine does.
pub(super) fn compute(operation: u16, a: u32, operand: u32) -> Option<u32> {
    Some(match operation {
        ADD => a.wrapping_add(operand),
        SUB => a.wrapping_sub(operand),
        MUL => a.wrapping_mul(operand),
        DIV => a.checked_div(operand)?,
        MOD => a.checked_rem(operand)?,
        OR => a | operand,
        AND => a & operand,
        XOR => a ^ operand,
        LSH => a.wrapping_shl(operand),
        RSH => a.wrapping_shr(operand),
        _ => a.wrapping_neg(),
    })
}
