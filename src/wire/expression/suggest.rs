//! What was meant, where a name is not known.

use crate::wire::packet::{KINDS, Kind, Shape};

/// Are these the same to a person: capitals, `-` and `_` aside?
pub(super) fn same(a: &str, b: &str) -> bool {
    let letters = |text: &str| -> Vec<u8> {
        text.bytes().filter(|c| !b"-_ ".contains(c)).map(|c| c.to_ascii_lowercase()).collect()
    };
    letters(a) == letters(b)
}

/// `did you mean tcp?`, if one of the names is near to what was written.
pub(super) fn nearest<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    Some(format!("did you mean {}?", near(written, names, 2)?))
}

/// The name that is nearest to what was written, at most so many mistakes away.
fn near<'a>(written: &str, names: impl Iterator<Item = &'a str>, most: usize) -> Option<&'a str> {
    let written = written.to_ascii_lowercase();
    // Of a short word a third may be wrong: else anything is near to it.
    let most = most.min(written.chars().count().max(3) / 3);
    let distances = names.map(|name| (distance(&written, &name.to_ascii_lowercase()), name));
    distances.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, n)| n)
}

/// What was meant with the name of a layer.
pub(super) fn layer(written: &str) -> Option<String> {
    let names =
        KINDS.iter().flat_map(|kind| [kind.name, kind.scapy].into_iter().chain(kind.aliases.to_vec()));
    let option = || {
        let holds = |shape| matches!(shape, Shape::Layers(kinds) if kinds.iter().any(|k| named(k, written)));
        let with =
            |kind: &&Kind| Some((kind.name, kind.fields.iter().find(|field| holds(field.shape))?.name));
        let all: Vec<_> = KINDS.iter().filter_map(with).collect();
        let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
        let (name, field) = all.first()?;
        Some(format!("{}: {name}({field}=[{written}])", have(&names)?))
    };
    let all = || format!("layers are: {}", KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", "));
    option().or_else(|| nearest(written, names)).or_else(|| Some(all()))
}

/// What was meant with the name of a field of this kind of layer.
pub(super) fn field(kind: &Kind, written: &str) -> Option<String> {
    let names = || kind.fields.iter().flat_map(|f| std::iter::once(f.name).chain(f.aliases.iter().copied()));
    let elsewhere = || {
        let others: Vec<_> = KINDS.iter().filter(|k| k.field(written).is_some()).map(|k| k.name).collect();
        have(&others)
    };
    let meant = |near: &str| format!("did you mean {near}?");
    near(written, names(), 1)
        .map(meant)
        .or_else(elsewhere)
        .or_else(|| near(written, names(), 2).map(meant))
        .or_else(|| Some(format!("it has: {}", list(kind.fields.iter().map(|f| f.name))?)))
}

/// `ip has it`, `ip and ipv6 have it`; of many, the first few.
fn have(names: &[&str]) -> Option<String> {
    match names {
        [] => None,
        [one] => Some(format!("{one} has it")),
        [some @ .., last] => Some(format!("{} and {last} have it", some[..some.len().min(4)].join(", "))),
    }
}

/// `a, b, c`; none if there are too many or none.
pub(super) fn list<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<_> = names.take(25).collect();
    (!names.is_empty() && names.len() < 25).then(|| names.join(", "))
}

/// Is this kind called so, capitals aside?
pub(super) fn named(kind: &Kind, written: &str) -> bool {
    let names = [kind.name, kind.scapy];
    names.iter().chain(kind.aliases).any(|name| same(name, written))
}

/// How many letters must be added, left out, changed, or swapped with their neighbour (optimal string alignment distance).
/// Long words, which no name is near to, are not looked at.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(40).collect(), b.chars().take(40).collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("tcp", "tpc"), 1);
        assert_eq!(distance("chksum", "checksum"), 2);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn short_words_are_near_to_little() {
        assert_eq!(nearest("tpc", ["udp", "tcp"].into_iter()).as_deref(), Some("did you mean tcp?"));
        assert_eq!(nearest("xyz", ["udp", "tcp"].into_iter()), None);
        assert!(same("Echo_Request", "echo-request") && !same("a", "b"));
    }
}
