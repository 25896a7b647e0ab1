//! Guards against a code that clients meet and that no page explains, and against pages about
//! codes that are gone. What leaves is what stands in the sources, so the sources are read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use indelible_tests::hostile;

fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    Path::new(&package).parent().unwrap().to_owned()
}

fn sources(folder: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                texts.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    texts
}

fn is_code(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// The string literals that come first after each of `calls`, spaces and references aside.
fn literals_after(text: &str, calls: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for call in calls {
        for (at, _) in text.match_indices(call) {
            let rest = text[at + call.len()..].trim_start();
            let literal = rest
                .strip_prefix('"')
                .and_then(|rest| rest.split('"').next());
            found.extend(literal.filter(|text| is_code(text)).map(str::to_owned));
        }
    }
    found
}

/// Codes that refusals carry, wherever in the sources they are made.
fn refusal_codes() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for text in sources("engine/src/admission") {
        codes.extend(literals_after(&text, &["fault(", "structural("]));
    }
    let change = fs::read_to_string(root().join("engine/src/change.rs")).unwrap();
    let arms = change.split("pub fn code(&self)").nth(1).unwrap();
    codes.extend(literals_after(arms.split("\n}\n").next().unwrap(), &["=>"]));
    for text in sources("server/src/relay") {
        codes.extend(literals_after(
            &text,
            &[
                "structural(",
                "refuse(&entity, id,",
                "refuse(entity, id,",
                "=> refuse(",
            ],
        ));
        if let Some(arms) = text.split("impl WriteError {").nth(1) {
            let arms = arms.split("\n}\n").next().unwrap();
            codes.extend(literals_after(arms, &["=>"]));
        }
    }
    codes.insert("policy".to_owned());
    // These two say what became of a condition that only HTTP can state; the last is an `error`.
    for elsewhere in ["precondition-failed", "unknown-base", "unavailable"] {
        assert!(codes.remove(elsewhere), "{elsewhere} is gone");
    }
    codes
}

/// What stands in backquotes in the last column, or in the first, of the table under a heading.
fn documented(heading: &str, column: usize) -> BTreeSet<String> {
    let page = fs::read_to_string(root().join("docs/protocol.md")).unwrap();
    let section = page
        .split(&format!("# {heading}\n"))
        .nth(1)
        .expect("the heading is there");
    let section = section.split("\n#").next().unwrap();
    let rows = section
        .lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("| ---"));
    let cells = rows.filter_map(|row| row.split('|').nth(column));
    let words = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    words
        .filter(|word| is_code(word))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_refusal_code_is_documented() {
    let (sources, page) = (refusal_codes(), documented("Refusals", 2));
    let missing: Vec<_> = sources.difference(&page).collect();
    assert!(missing.is_empty(), "not in docs/protocol.md: {missing:?}");
    let gone: Vec<_> = page.difference(&sources).collect();
    assert!(gone.is_empty(), "documented, but nowhere made: {gone:?}");
}

#[test]
fn every_rule_is_documented() {
    let rules = fs::read_to_string(root().join("engine/src/violation.rs")).unwrap();
    let rules = literals_after(&rules, &["Self(Cow::Borrowed("]);
    let page = documented("Refusals", 1);
    let missing: Vec<_> = rules.difference(&page).collect();
    assert!(missing.is_empty(), "not in docs/protocol.md: {missing:?}");
}

#[test]
fn every_error_code_is_documented() {
    let mut codes = BTreeSet::new();
    for text in sources("server/src/relay") {
        codes.extend(literals_after(
            &text,
            &["frames::error(", "self.error(", "refuse(\"", ".error("],
        ));
    }
    codes.extend(["hello-expected", "protocol", "unavailable"].map(str::to_owned));
    let page = documented("Errors", 1);
    assert_eq!(codes, page);
}

#[test]
fn the_catalogue_meets_every_code_that_a_change_can_meet() {
    let mut met: BTreeSet<_> = hostile::cases()
        .into_iter()
        .map(|case| case.expect.code)
        .collect();
    // These take a connection or a store (the tests through sockets meet them), or, `inapplicable`,
    // a change that Automerge fails on in spite of all checks.
    let elsewhere = [
        "bad-id",
        "depends-on-refused",
        "entity-size",
        "epoch",
        "exists",
        "id-reused",
        "inapplicable",
        "internal",
        "mode",
        "not-found",
        "repeated",
    ];
    met.extend(elsewhere.map(str::to_owned));
    met.remove(hostile::ADMITTED);
    let (sources, missing) = (
        refusal_codes(),
        |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>(),
    );
    assert_eq!(
        missing(&sources, &met),
        Vec::<String>::new(),
        "no case meets them"
    );
    assert_eq!(
        missing(&met, &sources),
        Vec::<String>::new(),
        "cases expect what is not there"
    );
}
