//! Classic BPF: struct sock_filter, verified before it is accepted, and the machine that runs it.

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

/// A program that passed the verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    instructions: Vec<Instruction>,
}

/// What a filter may ask of a frame beside its bytes (SKF_AD_*).
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// Bytes on the wire (BPF_LEN); the bytes given may be fewer.
    pub len: usize,
    /// ETH_P_* (SKF_AD_PROTOCOL).
    pub protocol: u16,
    /// PACKET_* (SKF_AD_PKTTYPE).
    pub packet_type: u8,
    /// The interface's index (SKF_AD_IFINDEX).
    pub interface: u32,
    /// ARPHRD_* (SKF_AD_HATYPE).
    pub hardware: u16,
    /// Where the network header begins in the bytes (SKF_NET_OFF).
    pub network: usize,
    /// Where the link header begins in the bytes (SKF_LL_OFF); cooked sockets have it in front of what they see.
    pub link: usize,
    /// For SKF_AD_RANDOM.
    pub random: u32,
}

impl Program {
    /// Verifies a program as Linux does (bpf_check_classic). EINVAL.
    pub fn new(_instructions: Vec<Instruction>) -> Result<Self, Error> {
        Err(Errno::EINVAL.into())
    }

    /// The instructions.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// Runs it: how many bytes of the frame to keep; 0 = none of it. A load beyond the end gives 0.
    pub fn run(&self, _bytes: &[u8], _facts: &Facts) -> u32 {
        0
    }
}
