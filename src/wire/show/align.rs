//! Which item of one sequence is which of another: so that a packet more in one capture does not make all behind it differ.
//!
//! Items that occur once in both sequences, in the same order, are the anchors (the "patience" way of diff programs). Between two
//! anchors a window moves over both sequences, in which the pairing with the greatest likeness is found. Work and memory grow
//! with the length, not with its square.

use std::collections::HashMap;

/// What becomes of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    /// Both sequences have it, the same or changed.
    Both(usize, usize),
    /// Only the first one has it.
    A(usize),
    /// Only the second one has it.
    B(usize),
}

/// Items of a window.
const WINDOW: usize = 64;
/// Less alike than this (of 100), two items are no pair.
const ALIKE: u32 = 50;
/// What a pair of equal items is worth.
const EQUAL: u32 = 200;

/// Pairs the items of two sequences up, each given as a number that is the same for equal items. `likeness` of two that are not
/// equal is 0 to 100; it is asked for items that are near to each other.
pub fn align(a: &[u64], b: &[u64], likeness: impl FnMut(usize, usize) -> u32) -> Vec<Pair> {
    let mut aligner = Aligner { a, b, likeness, pairs: Vec::with_capacity(a.len().max(b.len())) };
    let (mut at, mut bt) = (0, 0);
    for (i, j) in anchors(a, b) {
        aligner.between((at, i), (bt, j));
        aligner.pairs.push(Pair::Both(i, j));
        (at, bt) = (i + 1, j + 1);
    }
    aligner.between((at, a.len()), (bt, b.len()));
    aligner.pairs
}

/// The items that occur once in both: the longest run of them that is in the same order in both.
fn anchors(a: &[u64], b: &[u64]) -> Vec<(usize, usize)> {
    // Where an item is, if it is there once.
    let once = |items: &[u64]| {
        let mut places: HashMap<u64, Option<usize>> = HashMap::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            places.entry(*item).and_modify(|place| *place = None).or_insert(Some(at));
        }
        places
    };
    let (in_a, in_b) = (once(a), once(b));
    let place = |item: &u64| Some((in_a.get(item).copied()??, in_b.get(item).copied()??));
    let both: Vec<(usize, usize)> = a.iter().filter_map(place).collect();
    // Patience: piles whose tops rise; each card remembers the top of the pile before its own.
    let mut tops: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(both.len());
    for (card, (_, j)) in both.iter().enumerate() {
        let pile = tops.partition_point(|top| both[*top].1 < *j);
        before.push(pile.checked_sub(1).map(|pile| tops[pile]));
        match tops.get_mut(pile) {
            Some(top) => *top = card,
            None => tops.push(card),
        }
    }
    let mut run = Vec::with_capacity(tops.len());
    let mut card = tops.last().copied();
    while let Some(at) = card {
        run.push(both[at]);
        card = before[at];
    }
    run.reverse();
    run
}

struct Aligner<'a, L> {
    a: &'a [u64],
    b: &'a [u64],
    likeness: L,
    pairs: Vec<Pair>,
}

impl<L: FnMut(usize, usize) -> u32> Aligner<'_, L> {
    /// What is between two anchors: from..to of both.
    fn between(&mut self, (mut i, end_a): (usize, usize), (mut j, end_b): (usize, usize)) {
        loop {
            while i < end_a && j < end_b && self.a[i] == self.b[j] {
                self.pairs.push(Pair::Both(i, j));
                (i, j) = (i + 1, j + 1);
            }
            if i == end_a || j == end_b {
                break;
            }
            let (rows, columns) = ((end_a - i).min(WINDOW), (end_b - j).min(WINDOW));
            let whole = i + rows == end_a && j + columns == end_b;
            let half = (i + WINDOW / 2, j + WINDOW / 2);
            for pair in self.window((i, rows), (j, columns)) {
                match pair {
                    Pair::Both(x, y) => (i, j) = (x + 1, y + 1),
                    Pair::A(x) => i = x + 1,
                    Pair::B(y) => j = y + 1,
                }
                self.pairs.push(pair);
                // Near the window's end a better partner may stand outside: the next window decides.
                if !whole && (i >= half.0 || j >= half.1) {
                    break;
                }
            }
        }
        self.pairs.extend((i..end_a).map(Pair::A));
        self.pairs.extend((j..end_b).map(Pair::B));
    }

    /// The best pairing of so many items from these places on.
    fn window(&mut self, (i, rows): (usize, usize), (j, columns): (usize, usize)) -> Vec<Pair> {
        // What the pairing of all items behind a place is worth, and what a pair there is worth.
        let mut best = vec![[0_u32; WINDOW + 1]; rows + 1];
        let mut pair = vec![[0_u32; WINDOW]; rows];
        for x in (0..rows).rev() {
            for y in (0..columns).rev() {
                let worth = if self.a[i + x] == self.b[j + y] {
                    EQUAL
                } else {
                    Some((self.likeness)(i + x, j + y)).filter(|alike| *alike >= ALIKE).unwrap_or(0)
                };
                pair[x][y] = worth;
                let with = if worth > 0 { best[x + 1][y + 1] + worth } else { 0 };
                best[x][y] = with.max(best[x + 1][y]).max(best[x][y + 1]);
            }
        }
        let (mut x, mut y, mut path) = (0, 0, Vec::with_capacity(rows + columns));
        while x < rows || y < columns {
            if x < rows && y < columns && pair[x][y] > 0 && best[x][y] == best[x + 1][y + 1] + pair[x][y] {
                path.push(Pair::Both(i + x, j + y));
                (x, y) = (x + 1, y + 1);
            } else if x < rows && (y == columns || best[x][y] == best[x + 1][y]) {
                path.push(Pair::A(i + x));
                x += 1;
            } else {
                path.push(Pair::B(j + y));
                y += 1;
            }
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Pair::{A, B, Both};
    use super::*;

    #[test]
    fn one_more_moves_the_others() {
        assert_eq!(align(&[1, 2, 3], &[1, 9, 2, 3], |_, _| 0), [Both(0, 0), B(1), Both(1, 2), Both(2, 3)]);
        assert_eq!(align(&[1, 9, 2], &[1, 2], |_, _| 0), [Both(0, 0), A(1), Both(2, 1)]);
        // The same item many times.
        assert_eq!(align(&[7, 7, 7], &[7, 7], |_, _| 0), [Both(0, 0), Both(1, 1), A(2)]);
        assert_eq!(align(&[], &[4], |_, _| 0), [B(0)]);
    }

    #[test]
    fn what_is_changed_is_still_a_pair() {
        // Tens say what it is, ones what was changed in it.
        let alike = |a: &[u64], b: &[u64], x: usize, y: usize| if a[x] / 10 == b[y] / 10 { 90 } else { 10 };
        let (a, b) = ([10, 20, 30, 40], [11, 31, 41, 51]);
        assert_eq!(
            align(&a, &b, |x, y| alike(&a, &b, x, y)),
            [Both(0, 0), A(1), Both(2, 1), Both(3, 2), B(3)]
        );
    }

    #[test]
    fn long_sequences_of_changed_items_with_one_more() {
        let a: Vec<u64> = (0..2000).map(|n| n * 10).collect();
        let mut b: Vec<u64> = (0..2000).map(|n| n * 10 + 1).collect();
        b.insert(1000, 7);
        let mut asked = 0;
        let pairs = align(&a, &b, |x, y| {
            asked += 1;
            if a[x] / 10 == b[y] / 10 && b[y] != 7 { 90 } else { 0 }
        });
        assert_eq!(pairs.iter().filter(|pair| matches!(pair, Both(..))).count(), 2000);
        assert!(pairs.contains(&B(1000)), "the packet more is found");
        assert!(asked < 2000 * 300, "work grows with the length: {asked}");
    }

    proptest! {
        #[test]
        fn every_item_is_told_of_once_and_in_order(
            a in prop::collection::vec(0u64..20, 0..200), b in prop::collection::vec(0u64..20, 0..200)
        ) {
            let pairs = align(&a, &b, |x, y| ((a[x] ^ b[y]) * 9 % 101) as u32);
            let in_a: Vec<_> = pairs.iter().filter_map(|p| match p { Both(x, _) | A(x) => Some(*x), B(_) => None }).collect();
            let in_b: Vec<_> = pairs.iter().filter_map(|p| match p { Both(_, y) | B(y) => Some(*y), A(_) => None }).collect();
            prop_assert_eq!(in_a, (0..a.len()).collect::<Vec<_>>());
            prop_assert_eq!(in_b, (0..b.len()).collect::<Vec<_>>());
        }
    }
}
