//! The numbers of classic BPF: what an instruction's code is made of (linux/bpf_common.h, linux/filter.h).

// Classes.
pub(super) const LD: u16 = 0x00;
pub(super) const LDX: u16 = 0x01;
pub(super) const ST: u16 = 0x02;
pub(super) const STX: u16 = 0x03;
pub(super) const ALU: u16 = 0x04;
pub(super) const JMP: u16 = 0x05;
pub(super) const RET: u16 = 0x06;
pub(super) const MISC: u16 = 0x07;

// Sizes of a load.
pub(super) const W: u16 = 0x00;
pub(super) const H: u16 = 0x08;
pub(super) const B: u16 = 0x10;

// Where a load comes from.
pub(super) const IMM: u16 = 0x00;
pub(super) const ABS: u16 = 0x20;
pub(super) const IND: u16 = 0x40;
pub(super) const MEM: u16 = 0x60;
pub(super) const LEN: u16 = 0x80;
pub(super) const MSH: u16 = 0xa0;

// Arithmetic.
pub(super) const ADD: u16 = 0x00;
pub(super) const SUB: u16 = 0x10;
pub(super) const MUL: u16 = 0x20;
pub(super) const DIV: u16 = 0x30;
pub(super) const OR: u16 = 0x40;
pub(super) const AND: u16 = 0x50;
pub(super) const LSH: u16 = 0x60;
pub(super) const RSH: u16 = 0x70;
pub(super) const NEG: u16 = 0x80;
pub(super) const MOD: u16 = 0x90;
pub(super) const XOR: u16 = 0xa0;

// Jumps.
pub(super) const JA: u16 = 0x00;
pub(super) const JEQ: u16 = 0x10;
pub(super) const JGT: u16 = 0x20;
pub(super) const JGE: u16 = 0x30;
pub(super) const JSET: u16 = 0x40;

// The other operand: the constant, or X; what RET gives: the constant, or A.
pub(super) const K: u16 = 0x00;
pub(super) const X: u16 = 0x08;
pub(super) const A: u16 = 0x10;

// Copies between the registers.
pub(super) const TAX: u16 = 0x00;
pub(super) const TXA: u16 = 0x80;

/// BPF_MAXINSNS: instructions of a program.
pub(super) const MAX_INSTRUCTIONS: usize = 4096;
/// BPF_MEMWORDS: cells of scratch memory.
pub(super) const MEMORY: usize = 16;

/// Offsets from here on are no bytes but facts about the frame (SKF_AD_*).
pub(super) const SKF_AD_OFF: u32 = -0x1000_i32 as u32;
/// Offsets from here on count from the network header.
pub(super) const SKF_NET_OFF: u32 = -0x10_0000_i32 as u32;
/// Offsets from here on count from the link header.
pub(super) const SKF_LL_OFF: u32 = -0x20_0000_i32 as u32;

pub(super) const SKF_AD_PROTOCOL: u32 = 0;
pub(super) const SKF_AD_PKTTYPE: u32 = 4;
pub(super) const SKF_AD_IFINDEX: u32 = 8;
pub(super) const SKF_AD_MARK: u32 = 20;
pub(super) const SKF_AD_HATYPE: u32 = 28;
pub(super) const SKF_AD_ALU_XOR_X: u32 = 40;
pub(super) const SKF_AD_VLAN_TAG: u32 = 44;
pub(super) const SKF_AD_VLAN_TAG_PRESENT: u32 = 48;
pub(super) const SKF_AD_RANDOM: u32 = 56;
pub(super) const SKF_AD_VLAN_TPID: u32 = 60;
/// The end of the facts; every fourth number below it is one.
pub(super) const SKF_AD_MAX: u32 = 64;
