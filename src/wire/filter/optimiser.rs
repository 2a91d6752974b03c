//! Fewer questions: what a path through the blocks has already answered is not asked again.
//!
//! Nothing that can be seen changes, also not on frames that are too short: a question is left out only where the bytes that it
//! needs were read before on every way to it.

use std::collections::HashMap;

use super::blocks::{Blocks, Target, Test, Value};
use super::opcode::*;

/// Answers that are remembered on a path; the oldest are forgotten.
const REMEMBERED: usize = 24;

/// Answers that hold on a path: the test, and whether it held.
type Answers = Vec<(Test, bool)>;

/// Shortens all ways, then lets equal blocks be one. Returns where to begin.
pub(super) fn optimise(blocks: &mut Blocks, entry: Target) -> Target {
    let entry = thread(blocks, entry);
    share(blocks, entry)
}

/// Leads each exit past the questions whose answers are known there.
fn thread(blocks: &mut Blocks, entry: Target) -> Target {
    // What holds on all ways to a block, once all of them are known: the order sees to that.
    let mut known: HashMap<usize, Answers> = HashMap::new();
    let entry = lead(blocks, entry, &Vec::new());
    if let Target::Block(at) = entry {
        known.insert(at, Vec::new());
    }
    for at in blocks.order(entry) {
        // Nobody leads here any more.
        let (Some(answers), Some(block)) = (known.remove(&at), blocks.blocks.get(at)) else { continue };
        let block = block.clone();
        for holds in [true, false] {
            let mut here = answers.clone();
            here.push((block.test.clone(), holds));
            if here.len() > REMEMBERED {
                here.remove(0);
            }
            let target = lead(blocks, block.exit(holds), &here);
            if let Some(block) = blocks.blocks.get_mut(at) {
                *block.exit_mut(holds) = target;
            }
            if let Target::Block(next) = target {
                known
                    .entry(next)
                    .and_modify(|all| all.retain(|answer| here.contains(answer)))
                    .or_insert(here);
            }
        }
    }
    entry
}

/// The first question on this way whose answer is not known.
fn lead(blocks: &Blocks, mut target: Target, answers: &Answers) -> Target {
    while let Target::Block(at) = target {
        let Some(block) = blocks.blocks.get(at) else { break };
        let Some(holds) = answer(&block.test, answers) else { break };
        target = block.exit(holds);
    }
    target
}

/// A question's answer, if it follows from others.
fn answer(test: &Test, answers: &Answers) -> Option<bool> {
    let Value::Constant(right) = test.right else { return None };
    if let Value::Constant(left) = test.left {
        return Some(holds(test.code, left, right));
    }
    answers.iter().rev().filter(|(known, _)| known.left == test.left).find_map(|(known, held)| {
        let Value::Constant(other) = known.right else { return None };
        match (known.code, *held) {
            (JEQ, true) => Some(holds(test.code, other, right)),
            (code, held) if code == test.code && other == right => Some(held),
            _ => None,
        }
    })
}

/// A comparison of two numbers.
fn holds(code: u16, left: u32, right: u32) -> bool {
    match code {
        JEQ => left == right,
        JGT => left > right,
        JGE => left >= right,
        _ => left & right != 0,
    }
}

/// Equal questions with equal exits are one.
fn share(blocks: &mut Blocks, entry: Target) -> Target {
    let mut first = HashMap::new();
    let mut instead: HashMap<usize, usize> = HashMap::new();
    let moved = |target: Target, instead: &HashMap<usize, usize>| match target {
        Target::Block(at) => Target::Block(instead.get(&at).copied().unwrap_or(at)),
        other => other,
    };
    for at in blocks.order(entry).into_iter().rev() {
        let Some(block) = blocks.blocks.get_mut(at) else { continue };
        block.yes = moved(block.yes, &instead);
        block.no = moved(block.no, &instead);
        let one = *first.entry(block.clone()).or_insert(at);
        if one != at {
            instead.insert(at, one);
        }
    }
    moved(entry, &instead)
}
