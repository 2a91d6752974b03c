//! The house rules that a compiler does not hold: which folder may import which, where `unsafe`, printing, the OS's clock and
//! smoltcp may be named, how long a file may be, and that every folder opens with its map.
//!
//! It reads `src/` as text: comments and strings are blanked, test code is left out (`architecture/source.rs`).

#[path = "architecture/source.rs"]
mod source;

use source::{Source, sources};

/// The arrows: a row may import what stands behind it, nothing else. Nobody imports cli/.
const ARROWS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("wire", &["base"]),
    ("sys", &["base"]),
    ("stack", &["base", "wire"]),
    ("trace", &["base", "wire"]),
    ("device", &["base", "wire", "sys", "trace"]),
    ("driver", &["base", "sys", "stack", "device", "trace"]),
    ("socket", &["base", "wire", "sys", "stack", "driver"]),
    ("guest", &["base", "sys", "driver", "socket"]),
    ("daemon", &["base", "wire", "sys", "trace", "driver", "socket"]),
    ("probe", &["base", "wire", "trace", "device", "driver", "socket"]),
    ("lab", &["base", "wire", "sys", "trace", "device", "driver", "socket", "daemon", "guest"]),
    (
        "cli",
        &[
            "base", "wire", "sys", "stack", "trace", "device", "driver", "socket", "guest", "daemon",
            "probe", "lab",
        ],
    ),
];

/// Lines of a file, without its tests.
const LONGEST: usize = 500;

/// What may be named only in some folders: the words, where, and why.
const KEPT_IN: &[(&[&str], &[&str], &str)] = &[
    (&["unsafe"], &["sys"], "give sys/ a safe function named after the call, and call that"),
    (
        &["println!", "eprintln!", "print!", "eprint!", "dbg!", "io::stdout", "io::stderr"],
        &["cli"],
        "return it, or make it an Event; only the command line prints",
    ),
    (
        &["smoltcp"],
        &["stack", "wire"],
        "the engine has one door, stack/tcp/engine.rs; packet views are wire/'s business",
    ),
    (
        &["std::time::Instant", "SystemTime", "Instant::now", "clock_gettime", "sys::clock", "sys::time"],
        &["sys", "driver", "socket", "daemon", "guest", "probe", "lab", "cli"],
        "below driver/ time is an argument (`now: Instant` of base/)",
    ),
];

/// Fails with all that is wrong, not with the first of it.
fn nothing_wrong(wrong: Vec<String>, rule: &str) {
    assert!(wrong.is_empty(), "{rule}\n\n  {}\n", wrong.join("\n  "));
}

#[test]
fn imports_follow_the_arrows() {
    let sources = sources();
    let root = root_names(&sources);
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|s| !s.folder().is_empty()) {
        let folder = source.folder();
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == folder) else {
            wrong.push(format!("src/{folder}/ has no row in ARROWS: say what it may import"));
            continue;
        };
        for (line, name) in source.imports() {
            let target = root.iter().find(|(n, _)| *n == name).map_or(name.as_str(), |(_, f)| f.as_str());
            if target != folder && !allowed.contains(&target) {
                wrong.push(format!(
                    "{}:{line} imports {target}/, but {folder}/ may import only: {}",
                    source.path,
                    if allowed.is_empty() { "nothing".into() } else { allowed.join(" ") }
                ));
            }
        }
    }
    nothing_wrong(
        wrong,
        "an arrow points the wrong way: move the code, or pass what it needs as an argument",
    );
}

/// Which folder a name at the crate's root comes from: `pub use base::{Cidr, Mac}` gives (Cidr, base), (Mac, base).
fn root_names(sources: &[Source]) -> Vec<(String, String)> {
    let lib = sources.iter().find(|s| s.path == "src/lib.rs").expect("src/lib.rs");
    let mut names = Vec::new();
    for statement in lib.code().split(';') {
        let Some((_, path)) = statement.rsplit_once("pub use ") else { continue };
        let Some((folder, rest)) = path.trim().split_once("::") else { continue };
        for name in rest.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|n| !n.is_empty()) {
            names.push((name.to_string(), folder.to_string()));
        }
    }
    names
}

#[test]
fn some_words_stay_in_their_folders() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (words, folders, instead) in KEPT_IN {
            if folders.contains(&source.folder()) {
                continue;
            }
            for word in *words {
                for line in source.lines_with(word) {
                    wrong.push(format!("{}:{line} has `{word}`: {instead}", source.path));
                }
            }
        }
    }
    nothing_wrong(wrong, "a word outside its folders");
}

#[test]
fn files_are_short() {
    let mut wrong = Vec::new();
    for source in sources() {
        let lines = source.lines_without_tests();
        if lines > LONGEST {
            wrong.push(format!("{} has {lines} lines without its tests", source.path));
        }
    }
    nothing_wrong(wrong, &format!("a file over {LONGEST} lines does two things: split it where they meet"));
}

#[test]
fn folders_open_with_their_map() {
    let sources = sources();
    let mut wrong = Vec::new();
    for map in sources.iter().filter(|s| s.name() == "mod.rs") {
        let head: String = map.text.lines().take_while(|l| l.starts_with("//!")).collect();
        let folder = map.path.trim_end_matches("mod.rs");
        if head.is_empty() {
            wrong.push(format!("{} does not open with a map (`//!`, a table: file -> what)", map.path));
            continue;
        }
        for source in sources.iter().filter(|s| s.path.starts_with(folder) && s.path != map.path) {
            let rest = &source.path[folder.len()..];
            let entry = match rest.split_once('/') {
                Some((below, _)) => format!("{below}/"),
                None => rest.to_string(),
            };
            // `options.rs` in the map stands for its folder `options/` too.
            let file = entry.replace('/', ".rs");
            if !head.contains(&entry) && !head.contains(&file) {
                wrong.push(format!("{}: its map does not name `{entry}`", map.path));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    nothing_wrong(wrong, "a stranger reads the map first: one line per file, what lives there");
}

#[test]
fn names_say_what_is_inside() {
    const EMPTY: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "shared", "types"];
    let wrong = sources()
        .iter()
        .filter(|s| s.path.split(['/', '.']).any(|part| EMPTY.contains(&part)))
        .map(|s| s.path.clone())
        .collect();
    nothing_wrong(wrong, "a name that fits everything says nothing: name it after what it does");
}
