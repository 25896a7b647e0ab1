//! The text of the repository, and how a rule over it fails.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Products, data and other people's code, by name or by path from the root.
const NOT_OURS: [&str; 6] = [
    ".git",
    "node_modules",
    "dist",
    "target",
    "indelible-data",
    "client-wasm/ts/wasm",
];

/// A file of the repository, by its path from the root with `/` between names.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn has_extension(&self, extensions: &[&str]) -> bool {
        self.path
            .rsplit_once('.')
            .is_some_and(|(_, own)| extensions.contains(&own))
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// The lines without their comments. A `//` inside a string counts as one; that only ever
    /// hides the rest of its line.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines()
            .map(|(number, line)| (number, line.split("//").next().unwrap_or(line)))
    }

    /// The places where the code has one of `words`, each standing by itself.
    pub(crate) fn code_with(&self, words: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for (number, line) in self.code() {
            for word in words.iter().filter(|word| has_word(line, word)) {
                found.push(format!("{}:{number}: {word}", self.path));
            }
        }
        found
    }
}

/// Whether `word` occurs with no letter, digit or underscore right before or after it.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(part_of_name);
        let after = line[at + word.len()..]
            .chars()
            .next()
            .is_some_and(part_of_name);
        !(before && word.starts_with(part_of_name) || after && word.ends_with(part_of_name))
    })
}

pub(crate) fn root() -> PathBuf {
    // Asked at run time: a build folder that several clones share would keep the `env!` of one.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    Path::new(&package)
        .parent()
        .expect("the tests lie in the repository")
        .to_owned()
}

/// All text files whose path begins with `prefix`.
pub(crate) fn files(prefix: &str) -> Vec<File> {
    let mut found = Vec::new();
    collect(&root(), "", &mut found);
    found.retain(|file| file.path.starts_with(prefix));
    assert!(
        !found.is_empty(),
        "nothing begins with {prefix}: has it moved?"
    );
    found
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<File>) {
    for entry in fs::read_dir(folder)
        .expect("the repository is readable")
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if NOT_OURS
            .iter()
            .any(|other| *other == name || *other == path)
        {
            continue;
        }
        let kind = entry.file_type().expect("the repository is readable");
        if kind.is_dir() {
            collect(&entry.path(), &format!("{path}/"), found);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            found.push(File { path, text });
        }
    }
}

pub(crate) fn rust(prefix: &str) -> Vec<File> {
    let mut found = files(prefix);
    found.retain(|file| file.has_extension(&["rs"]));
    found
}

/// Fails with every place and the reason.
pub(crate) fn expect_none(places: impl IntoIterator<Item = String>, why: &str) {
    let mut list = String::new();
    for place in places {
        writeln!(list, "  {place}").expect("writing to a string cannot fail");
    }
    assert!(list.is_empty(), "\n{list}why: {why}\n");
}
