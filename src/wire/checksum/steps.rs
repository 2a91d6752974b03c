//! The sum step by step: what `sockatoo checksum` shows.

/// A word that is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is: `source address, 192.0`; empty if nothing is known.
    pub what: String,
    /// Where it stands in the bytes; `None` of a pseudo header's word, which stands nowhere.
    pub at: Option<usize>,
    /// The word.
    pub word: u16,
    /// True if it is one byte with a zero behind it.
    pub padded: bool,
    /// The sum with it, carries not added back yet.
    pub sum: u64,
}

/// The carries are added back once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// What is above the lower 16 bits.
    pub carry: u64,
    /// The lower 16 bits.
    pub low: u16,
    /// Both added.
    pub sum: u64,
}

/// A checksum worked out by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// The words, in the order in which they are added.
    pub words: Vec<Step>,
    /// Until nothing is above 16 bits.
    pub folds: Vec<Fold>,
    /// The one's complement sum.
    pub sum: u16,
    /// Its complement: the checksum.
    pub checksum: u16,
}

impl Steps {
    /// The sum over bytes of which nothing is known.
    pub fn of(bytes: &[u8]) -> Self {
        let mut steps = Self::default();
        steps.add(bytes, Some(0), |_| String::new());
        steps.finish()
    }

    /// Adds bytes that stand at `at` in the packet (or nowhere), as 16-bit words; `what` names the word at a place in `bytes`.
    pub(crate) fn add(&mut self, bytes: &[u8], at: Option<usize>, what: impl Fn(usize) -> String) {
        let mut sum = self.words.last().map_or(0, |step| step.sum);
        for (n, pair) in bytes.chunks(2).enumerate() {
            let padded = pair.len() == 1;
            let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
            sum += u64::from(word);
            self.words.push(Step { what: what(2 * n), at: at.map(|at| at + 2 * n), word, padded, sum });
        }
    }

    /// Adds the carries back and takes the complement.
    pub(crate) fn finish(mut self) -> Self {
        let mut sum = self.words.last().map_or(0, |step| step.sum);
        while sum > 0xffff {
            let (carry, low) = (sum >> 16, sum as u16);
            sum = carry + u64::from(low);
            self.folds.push(Fold { carry, low, sum });
        }
        self.sum = sum as u16;
        self.checksum = !self.sum;
        self
    }
}
