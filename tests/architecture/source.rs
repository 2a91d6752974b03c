//! Rust source as text: its code without comments, strings and tests.

use std::fs;
use std::path::Path;

/// A file of `src/` that is not test code.
pub(crate) struct Source {
    /// From the package's root: `src/wire/mod.rs`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// `text` with comments, strings and `#[cfg(test)]` items blanked; the lines stay where they are.
    code: String,
    tests: usize,
}

/// Every file of `src/`, except the modules that are compiled for tests alone.
pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    files.sort();
    let mut tests = Vec::new();
    let mut sources = Vec::new();
    for file in files {
        let path = file.strip_prefix(root).expect("below the root").display().to_string();
        let text = fs::read_to_string(&file).expect("a source file");
        let (code, lines, modules) = without_tests(&blank(&text));
        for module in modules {
            let place = match file.file_name().and_then(|n| n.to_str()) {
                Some("mod.rs" | "lib.rs" | "main.rs") => {
                    path.rsplit_once('/').expect("a folder").0.to_string()
                }
                _ => path.trim_end_matches(".rs").to_string(),
            };
            tests.push(format!("{place}/{module}.rs"));
            tests.push(format!("{place}/{module}/"));
        }
        sources.push(Source { path, text, code, tests: lines });
    }
    sources.retain(|s| !tests.iter().any(|t| s.path == *t || (t.ends_with('/') && s.path.starts_with(t))));
    assert!(sources.len() > 20, "src/ was not found");
    sources
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

impl Source {
    /// The folder directly below `src/`; empty for `lib.rs` and `main.rs`.
    pub(crate) fn folder(&self) -> &str {
        self.path.split('/').nth(1).filter(|part| !part.ends_with(".rs")).unwrap_or("")
    }

    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or("")
    }

    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    pub(crate) fn lines_without_tests(&self) -> usize {
        self.text.lines().count() - self.tests
    }

    /// The lines where `word` stands as code, not as a part of a longer word.
    pub(crate) fn lines_with(&self, word: &str) -> Vec<usize> {
        places(&self.code, word).map(|at| line(&self.code, at)).collect()
    }

    /// The names that follow `crate::` (in braces too), or as many `super::` as reach the crate's root, with their lines.
    pub(crate) fn imports(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for at in places(&self.code, "crate::") {
            names(&self.code[at + "crate::".len()..], |name| found.push((line(&self.code, at), name)));
        }
        let parts = self.path.split('/').count() - 1;
        let depth = if self.name() == "mod.rs" { parts - 1 } else { parts };
        let up = "super::".repeat(depth);
        for at in places(&self.code, &up) {
            names(&self.code[at + up.len()..], |name| found.push((line(&self.code, at), name)));
        }
        found
    }
}

/// The first names of a path or of a group of paths: `a::b` gives a; `{a::b, c::{d, e}}` gives a and c.
fn names(text: &str, mut found: impl FnMut(String)) {
    let name = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    if !text.starts_with('{') {
        return found(name(text));
    }
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return;
        }
        if depth == 1 && matches!(c, '{' | ',') {
            let name = name(&text[at + 1..]);
            if !name.is_empty() {
                found(name);
            }
        }
    }
}

fn places<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$');
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let ends_open = word.ends_with(|c: char| c.is_alphanumeric());
        let inside = part(code[..at].chars().next_back());
        let goes_on = ends_open && part(code[at + word.len()..].chars().next());
        !inside && !goes_on
    })
}

fn line(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// `text` with comments, strings and character literals turned to blanks.
pub(crate) fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let end = match at(i) {
            '/' if at(i + 1) == '/' => (i..chars.len()).find(|&j| at(j) == '\n').unwrap_or(chars.len()),
            '/' if at(i + 1) == '*' => block_comment(&chars, i),
            '"' => string(&chars, i),
            'r' if matches!(at(i + 1), '"' | '#') && !word_before(&chars, i) => raw_string(&chars, i),
            'b' if at(i + 1) == 'r' && matches!(at(i + 2), '"' | '#') => raw_string(&chars, i + 1),
            // A lifetime has no closing quote: `'a`, but not `'a'` or `'\n'`.
            '\'' if at(i + 1) == '\\' => (i + 3..chars.len()).find(|&j| at(j) == '\'').unwrap_or(i) + 1,
            '\'' if at(i + 2) == '\'' => i + 3,
            _ => i,
        };
        if end == i {
            out.push(at(i));
            i += 1;
        } else {
            out.extend(chars[i..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            i = end;
        }
    }
    out
}

fn word_before(chars: &[char], i: usize) -> bool {
    i > 0 && (chars[i - 1].is_alphanumeric() || chars[i - 1] == '_') && chars[i - 1] != 'b'
}

fn block_comment(chars: &[char], start: usize) -> usize {
    let (mut depth, mut i) = (0, start);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i.min(chars.len())
}

fn string(chars: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

/// `r#name` is not a string: nothing is blanked then.
fn raw_string(chars: &[char], start: usize) -> usize {
    let hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    let open = start + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return start;
    }
    let closes = |i: usize| {
        chars[i] == '"' && chars[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    (open + 1..chars.len()).find(|&i| closes(i)).map_or(chars.len(), |i| i + 1 + hashes)
}

/// Blanked code without its `#[cfg(test)]` items, how many lines they had, and the modules that are files of their own.
pub(crate) fn without_tests(code: &str) -> (String, usize, Vec<String>) {
    let (mut out, mut lines, mut modules) = (code.to_string(), 0, Vec::new());
    for mark in ["#[cfg(test)]", "#[cfg(all(test"] {
        while let Some(start) = out.find(mark) {
            let item = &out[start..];
            let end = item_end(item);
            if let Some(rest) = item[..end].strip_suffix(';').and_then(|i| i.split_once("mod ")) {
                modules.push(rest.1.trim().to_string());
            }
            lines += item[..end].matches('\n').count() + 1;
            let blanks: String = item[..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
            out.replace_range(start..start + end, &blanks);
        }
    }
    (out, lines, modules)
}

/// Where an item ends: behind its `;`, or behind the brace that closes it.
fn item_end(item: &str) -> usize {
    let mut depth = 0i32;
    for (at, c) in item.char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth -= 1;
                if depth == 0 && c == '}' {
                    return at + 1;
                }
            }
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    item.len()
}

#[test]
fn comments_and_strings_are_blank() {
    let code =
        blank("a // unsafe\n\"unsafe \\\" unsafe\" /* /* unsafe */ */ b r#\"unsafe\"# 'x' '\\'' &'a c");
    assert!(!code.contains("unsafe") && !code.contains('x'), "{code}");
    assert!(code.starts_with("a ") && code.contains(" b ") && code.ends_with("&'a c"), "{code}");
}

#[test]
fn tests_are_left_out() {
    let code =
        "use a;\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod more {\n fn f() { g([1; 2]); }\n}\nfn h() {}\n";
    let (left, lines, modules) = without_tests(code);
    assert_eq!((lines, modules), (6, vec!["tests".to_string()]));
    assert_eq!(left.split_whitespace().collect::<Vec<_>>(), ["use", "a;", "fn", "h()", "{}"]);
}

#[test]
fn imports_are_found() {
    let source =
        |path: &str, code: &str| Source { path: path.into(), text: code.into(), code: code.into(), tests: 0 };
    let found =
        source("src/a/b.rs", "use crate::{c::d, e::{f, g}};\nuse super::i;\nlet x = super::super::h::j;")
            .imports();
    assert_eq!(found, [(1, "c".into()), (1, "e".into()), (3, "h".into())]);
    assert_eq!(source("src/a/mod.rs", "use super::h::j;").imports(), [(1, "h".to_string())]);
}
