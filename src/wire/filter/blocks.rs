//! A filter as questions: each block computes a value, compares it, and goes on to one of two others.
//!
//! Expressions are put together from [`Fragment`]s: blocks with exits that are still open.

use super::opcode::*;

/// A number that a frame gives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Value {
    Constant(u32),
    /// The frame's length.
    Length,
    Load(Load),
    /// An opcode of BPF_ALU.
    Binary(u16, Box<Self>, Box<Self>),
    Negative(Box<Self>),
}

/// Bytes of the frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Load {
    /// W, H or B.
    pub(super) size: u16,
    /// Counted from the end of the IPv4 header that begins here, whose length is in its first byte.
    pub(super) behind: Option<u32>,
    pub(super) at: u32,
    /// Added to `at`.
    pub(super) index: Option<Box<Value>>,
}

impl Value {
    pub(super) fn load(size: u16, at: u32) -> Self {
        Self::Load(Load { size, behind: None, at, index: None })
    }

    /// An operation; of constants it is done at once. `None` for a division by zero.
    pub(super) fn binary(code: u16, left: Self, right: Self) -> Option<Self> {
        if let (Self::Constant(left), Self::Constant(right)) = (&left, &right) {
            return super::machine::compute(code, *left, *right).map(Self::Constant);
        }
        Some(Self::Binary(code, Box::new(left), Box::new(right)))
    }

    pub(super) fn and(self, mask: u32) -> Self {
        match mask {
            u32::MAX => self,
            _ => Self::Binary(AND, Box::new(self), Box::new(Self::Constant(mask))),
        }
    }
}

/// A comparison: BPF_JEQ, BPF_JGT, BPF_JGE or BPF_JSET.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Test {
    pub(super) left: Value,
    pub(super) code: u16,
    pub(super) right: Value,
}

/// Where a block's exit leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    Open,
    Accept,
    Reject,
    Block(usize),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Block {
    pub(super) test: Test,
    pub(super) yes: Target,
    pub(super) no: Target,
}

impl Block {
    pub(super) fn exit(&self, holds: bool) -> Target {
        if holds { self.yes } else { self.no }
    }

    pub(super) fn exit_mut(&mut self, holds: bool) -> &mut Target {
        if holds { &mut self.yes } else { &mut self.no }
    }
}

/// Blocks with one entry, and the exits that are still open: which block's, and whether its test holds.
#[derive(Debug)]
pub(super) struct Fragment {
    entry: usize,
    yes: Vec<(usize, bool)>,
    no: Vec<(usize, bool)>,
}

impl Fragment {
    pub(super) fn not(self) -> Self {
        Self { entry: self.entry, yes: self.no, no: self.yes }
    }
}

/// All blocks of a filter.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    pub(super) blocks: Vec<Block>,
}

impl Blocks {
    /// One question.
    pub(super) fn test(&mut self, left: Value, code: u16, right: Value) -> Fragment {
        let entry = self.blocks.len();
        self.blocks.push(Block { test: Test { left, code, right }, yes: Target::Open, no: Target::Open });
        Fragment { entry, yes: vec![(entry, true)], no: vec![(entry, false)] }
    }

    pub(super) fn equal(&mut self, left: Value, right: u32) -> Fragment {
        self.test(left, JEQ, Value::Constant(right))
    }

    /// A question whose answer is known.
    pub(super) fn always(&mut self, holds: bool) -> Fragment {
        self.equal(Value::Constant(u32::from(holds)), 1)
    }

    /// The second is asked only if the first holds.
    pub(super) fn and(&mut self, first: Fragment, second: Fragment) -> Fragment {
        self.lead(&first.yes, Target::Block(second.entry));
        Fragment { entry: first.entry, yes: second.yes, no: joined(first.no, second.no) }
    }

    /// The second is asked only if the first does not hold.
    pub(super) fn or(&mut self, first: Fragment, second: Fragment) -> Fragment {
        self.lead(&first.no, Target::Block(second.entry));
        Fragment { entry: first.entry, yes: joined(first.yes, second.yes), no: second.no }
    }

    fn lead(&mut self, exits: &[(usize, bool)], target: Target) {
        for (block, holds) in exits {
            if let Some(block) = self.blocks.get_mut(*block) {
                *block.exit_mut(*holds) = target;
            }
        }
    }

    /// Closes what is open; says where to begin.
    pub(super) fn finish(&mut self, fragment: &Fragment) -> Target {
        self.lead(&fragment.yes, Target::Accept);
        self.lead(&fragment.no, Target::Reject);
        Target::Block(fragment.entry)
    }

    /// The blocks that can be reached from `entry`, each before those that it leads to; what follows a test that holds comes
    /// first.
    pub(super) fn order(&self, entry: Target) -> Vec<usize> {
        let mut seen = vec![false; self.blocks.len()];
        let mut order = Vec::new();
        // What to do: enter a block, or write it down because all behind it is written.
        let mut stack = vec![(entry, false)];
        while let Some((target, done)) = stack.pop() {
            let Target::Block(at) = target else { continue };
            if done {
                order.push(at);
                continue;
            }
            let (Some(seen), Some(block)) = (seen.get_mut(at), self.blocks.get(at)) else { continue };
            if std::mem::replace(seen, true) {
                continue;
            }
            stack.extend([(target, true), (block.yes, false), (block.no, false)]);
        }
        order.reverse();
        order
    }
}

fn joined(mut first: Vec<(usize, bool)>, second: Vec<(usize, bool)>) -> Vec<(usize, bool)> {
    first.extend(second);
    first
}
