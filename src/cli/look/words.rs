//! iproute2's words, one after another: a command, what it is about, then keys with a value each.

use std::str::FromStr;

use crate::cli::say::Trouble;

/// The words that are left.
pub(super) struct Words<'a> {
    object: &'static str,
    words: &'a [String],
    at: usize,
}

impl<'a> Words<'a> {
    pub(super) fn new(object: &'static str, words: &'a [String]) -> Self {
        Self { object, words, at: 0 }
    }

    /// The command, which may be cut short as for `ip`; none is the first of `commands`. Each has its names.
    pub(super) fn command(&mut self, commands: &[&[&'static str]]) -> Result<&'static str, Trouble> {
        let first = || commands.first().and_then(|names| names.first()).copied().unwrap_or_default();
        let Some(word) = self.next() else { return Ok(first()) };
        let found = commands.iter().find(|names| names.iter().any(|name| name.starts_with(word)));
        found.and_then(|names| names.first().copied()).ok_or_else(|| {
            let known: Vec<_> = commands.iter().filter_map(|names| names.first().copied()).collect();
            self.wrong(format!("`{word}` is no command of `{}`", self.object))
                .hint(format!("one of {}", known.join(", ")))
        })
    }

    pub(super) fn next(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at)?;
        self.at += 1;
        Some(word)
    }

    /// The next word, which must be there.
    pub(super) fn want(&mut self, what: &str) -> Result<&'a str, Trouble> {
        let end =
            || Trouble::new(format!("{what} is missing behind `{} {}`", self.object, self.words.join(" ")));
        let word = self.words.get(self.at).ok_or_else(end)?;
        self.at += 1;
        Ok(word)
    }

    /// The next word as a value.
    pub(super) fn value<T: FromStr>(&mut self, what: &str) -> Result<T, Trouble> {
        let word = self.want(what)?;
        word.parse().map_err(|_| self.wrong(format!("`{word}` is not {what}")))
    }

    /// A mistake in the word that was taken last.
    pub(super) fn wrong(&self, cause: impl Into<String>) -> Trouble {
        let at = self.at.saturating_sub(1);
        let width = |words: &[String]| words.iter().map(|word| word.chars().count() + 1).sum::<usize>();
        let column = self.object.len() + 1 + width(self.words.get(..at).unwrap_or_default());
        let len = self.words.get(at).map_or(1, |word| word.chars().count());
        Trouble::new(cause).at(format!("{} {}", self.object, self.words.join(" ")), column, len)
    }

    /// A key that the object does not have.
    pub(super) fn unknown(&self, key: &str) -> Trouble {
        self.wrong(format!("`{key}` is a word that sockatoo's `{}` does not know", self.object))
    }
}
