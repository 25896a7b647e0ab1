//! Which modules of its crate, and of the engine, a Rust file imports.
//!
//! Reads `use` items and paths in the code that begin with `crate`, `self`, `super` or the name of
//! a crate of ours. Comments, strings and what is compiled for tests only do not count.

use std::collections::BTreeMap;

use super::{Arrow, Target};
use crate::repository::File;

const ENGINE: &str = "indelible_engine";

/// The arrows that leave the modules of a crate. `folder` is its `src/`, with a slash at the end.
pub(super) fn arrows(folder: &str, files: &[File]) -> Vec<Arrow> {
    let sources: Vec<Source<'_>> = files
        .iter()
        .filter_map(|file| Source::read(folder, file))
        .collect();
    let for_tests: Vec<&[String]> = sources
        .iter()
        .flat_map(|source| source.for_tests.iter().map(Vec::as_slice))
        .collect();
    let from_root: BTreeMap<&str, &str> = sources
        .iter()
        .filter(|source| source.module.is_empty())
        .flat_map(|source| &source.paths)
        .filter_map(|(path, _)| Some((path.last()?.as_str(), path.first()?.as_str())))
        .collect();
    let mut found = Vec::new();
    for source in &sources {
        let Some(own) = source.module.first() else {
            continue;
        };
        if for_tests.iter().any(|test| source.module.starts_with(test)) {
            continue;
        }
        for (path, line) in &source.paths {
            let target = match path.first().map(String::as_str) {
                Some(ENGINE) => Target::Engine(path.get(1).cloned().unwrap_or_default()),
                Some("crate") => {
                    let named = path.get(1).map_or("", String::as_str);
                    let is_module = sources
                        .iter()
                        .any(|source| source.module.first().is_some_and(|own| own == named));
                    let module = if is_module {
                        named
                    } else {
                        from_root.get(named).copied().unwrap_or(named)
                    };
                    Target::Own(module.to_owned())
                }
                _ => continue,
            };
            if target != Target::Own(own.clone()) {
                found.push(Arrow {
                    from: own.clone(),
                    to: target,
                    place: format!("{}:{line}", source.file),
                });
            }
        }
    }
    found
}

/// A file, and the paths that it names.
struct Source<'a> {
    file: &'a str,
    /// Its module, by the names from the root of the crate.
    module: Vec<String>,
    /// Absolute: the first name is `crate` or that of another crate. In the root, where everything
    /// is a child, the first name is that of the child.
    paths: Vec<(Vec<String>, usize)>,
    /// Modules that are declared for tests only.
    for_tests: Vec<Vec<String>>,
}

impl<'a> Source<'a> {
    fn read(folder: &str, file: &'a File) -> Option<Self> {
        let path = file.path.strip_prefix(folder)?.strip_suffix(".rs")?;
        let mut module: Vec<String> = path.split('/').map(str::to_owned).collect();
        if matches!(module.last().map(String::as_str), Some("mod")) || is_root(path) {
            module.pop();
        }
        let mut reader = Reader {
            tokens: tokens(&file.text),
            at: 0,
            module: module.clone(),
            open: Vec::new(),
            depth: 0,
            paths: Vec::new(),
            for_tests: Vec::new(),
        };
        reader.read();
        Some(Self {
            file: &file.path,
            module,
            paths: reader.paths,
            for_tests: reader.for_tests,
        })
    }
}

/// The roots of a library and of a program.
fn is_root(path: &str) -> bool {
    path == "lib" || path == "main"
}

/// The module that a file of this path is part of, below its crate's root.
pub(super) fn module(folder: &str, file: &File) -> Option<String> {
    let path = file.path.strip_prefix(folder)?.strip_suffix(".rs")?;
    let top = path.split('/').next()?;
    (!is_root(path)).then(|| top.to_owned())
}

struct Reader<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    module: Vec<String>,
    /// The depths at which the bodies of inline modules began.
    open: Vec<usize>,
    depth: usize,
    paths: Vec<(Vec<String>, usize)>,
    for_tests: Vec<Vec<String>>,
}

impl Reader<'_> {
    fn text(&self, ahead: usize) -> &str {
        self.tokens
            .get(self.at + ahead)
            .map_or("", |token| token.text)
    }

    fn read(&mut self) {
        while self.at < self.tokens.len() {
            match self.text(0) {
                "#" if self.text(1) == "[" => self.attribute(),
                "{" => {
                    self.depth += 1;
                    self.at += 1;
                }
                "}" => {
                    if self.open.last() == Some(&self.depth) {
                        self.open.pop();
                        self.module.pop();
                    }
                    self.depth = self.depth.saturating_sub(1);
                    self.at += 1;
                }
                "mod" if self.text(2) == "{" => {
                    let name = self.text(1).to_owned();
                    self.module.push(name);
                    self.depth += 1;
                    self.open.push(self.depth);
                    self.at += 3;
                }
                // Elsewhere than in an item it says what a returned type captures.
                "use" if self.text(1) != "<" => {
                    self.at += 1;
                    self.tree(&[]);
                }
                _ => self.path(),
            }
        }
    }

    /// Passes over an attribute, and over its item where that is for tests only.
    fn attribute(&mut self) {
        let start = self.at + 2;
        self.at = self.end_of("[", "]");
        let words: Vec<&str> = self.tokens[start..self.at - 1]
            .iter()
            .map(|token| token.text)
            .collect();
        let tests_only = words.starts_with(&["cfg", "(", "test"])
            || words.starts_with(&["cfg", "(", "all", "(", "test"]);
        if tests_only {
            self.skip_item();
        }
    }

    fn skip_item(&mut self) {
        while self.text(0) == "#" {
            self.at = self.end_of("[", "]");
        }
        while self.at < self.tokens.len() {
            match self.text(0) {
                "mod" if self.text(2) == ";" => {
                    let mut module = self.module.clone();
                    module.push(self.text(1).to_owned());
                    self.for_tests.push(module);
                    self.at += 3;
                    return;
                }
                "use" => {
                    while !matches!(self.text(0), ";" | "") {
                        self.at += 1;
                    }
                    return;
                }
                "{" => {
                    self.at = self.end_of("{", "}");
                    return;
                }
                ";" => return,
                _ => self.at += 1,
            }
        }
    }

    /// Where the next pair of brackets ends: the place after it.
    fn end_of(&self, open: &str, close: &str) -> usize {
        let mut depth = 0;
        for (index, token) in self.tokens.iter().enumerate().skip(self.at) {
            if token.text == open {
                depth += 1;
            } else if token.text == close {
                depth -= 1;
                if depth == 0 {
                    return index + 1;
                }
            }
        }
        self.tokens.len()
    }

    /// One branch of a `use`, from behind what is common to it and its siblings.
    fn tree(&mut self, before: &[String]) {
        let mut path = before.to_vec();
        let line = self.tokens.get(self.at).map_or(0, |token| token.line);
        while self.at < self.tokens.len() {
            match self.text(0) {
                "{" => {
                    self.at += 1;
                    while !matches!(self.text(0), "}" | "") {
                        self.tree(&path);
                        if self.text(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "," | "}" | ";" => break,
                "::" => self.at += 1,
                "as" => self.at += 2,
                name => {
                    path.push(name.to_owned());
                    self.at += 1;
                }
            }
        }
        self.keep(path, line);
    }

    /// A path in the code, or any other token.
    fn path(&mut self) {
        let line = self.tokens[self.at].line;
        let continues = self.at > 0 && self.tokens[self.at - 1].text == "::";
        let begins = matches!(self.text(0), "crate" | "self" | "super" | ENGINE);
        if continues || !begins || self.text(1) != "::" {
            self.at += 1;
            return;
        }
        let mut path = vec![self.text(0).to_owned()];
        self.at += 1;
        while self.text(0) == "::" && self.text(1).starts_with(is_of_name) {
            path.push(self.text(1).to_owned());
            self.at += 2;
        }
        self.keep(path, line);
    }

    /// Makes a path absolute, if it leads anywhere in a crate of ours.
    fn keep(&mut self, mut path: Vec<String>, line: usize) {
        let mut module = self.module.clone();
        match path.first().map(String::as_str) {
            Some("crate" | ENGINE) => self.paths.push((path, line)),
            Some("self" | "super") => {
                while let Some("self" | "super") = path.first().map(String::as_str) {
                    if path.remove(0) == "super" {
                        module.pop();
                    }
                }
                module.insert(0, "crate".to_owned());
                module.append(&mut path);
                self.paths.push((module, line));
            }
            _ if self.module.is_empty() => self.paths.push((path, line)),
            _ => {}
        }
    }
}

struct Token<'a> {
    text: &'a str,
    line: usize,
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Names, `::` and other characters one by one; without comments, texts and lifetimes.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if let Some(length) = text_length(rest) {
            length
        } else if rest.starts_with("::") {
            found.push(Token { text: "::", line });
            2
        } else if is_of_name(first) {
            let length = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
            found.push(Token {
                text: &rest[..length],
                line,
            });
            length
        } else {
            let length = first.len_utf8();
            if !first.is_whitespace() {
                found.push(Token {
                    text: &rest[..length],
                    line,
                });
            }
            length
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    found
}

/// How long the string, character or lifetime at the beginning is, if there is one.
fn text_length(rest: &str) -> Option<usize> {
    let bare = rest.trim_start_matches(['b', 'c']);
    let prefix = rest.len() - bare.len();
    if prefix <= 1 && bare.starts_with('r') {
        let hashes = bare[1..].chars().take_while(|c| *c == '#').count();
        let body = &bare[1 + hashes..];
        if let Some(inside) = body.strip_prefix('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
            return Some(prefix + 1 + hashes + 1 + length);
        }
    }
    if prefix <= 1 && bare.starts_with('"') {
        return Some(prefix + quoted(bare, '"'));
    }
    if prefix <= 1 && bare.starts_with('\'') {
        let mut inside = bare.chars().skip(1);
        let one = inside.next();
        let closed = one == Some('\\') || inside.next() == Some('\'');
        return Some(prefix + if closed { quoted(bare, '\'') } else { 1 });
    }
    None
}

/// From one quote to the next one that no backslash stands before.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + 1;
        }
    }
    rest.len()
}
