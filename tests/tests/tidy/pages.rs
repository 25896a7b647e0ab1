//! What pages say of the code is so: the tests that they name exist.

use std::fs;

use crate::repository::{expect_none, root, rust};

/// The last cells of the tables of a page, from a heading on: they name tests.
fn tests_named(page: &str, heading: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(page)).expect("the page is there");
    let (_, part) = text.split_once(heading).expect("the heading is there");
    let part = part.split("\n## ").next().unwrap_or_default();
    let cells = part.lines().filter_map(|line| {
        let row = line.strip_prefix('|')?.strip_suffix('|')?;
        row.rsplit('|').next()
    });
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names
        .filter(|name| name.contains('_'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn tests_that_pages_name_are_there() {
    let sources = rust("");
    let mut missing = Vec::new();
    for (page, heading) in [
        ("docs/security.md", "## Threats"),
        ("docs/security.md", "## OWASP ASVS 5.0"),
        ("docs/operations.md", "## What is waited for"),
    ] {
        let named = tests_named(page, heading);
        assert!(named.len() > 10, "{page} names tests under {heading:?}");
        for name in named {
            let declared = format!("fn {name}(");
            if !sources.iter().any(|file| file.text.contains(&declared)) {
                missing.push(format!("{page}: {name}"));
            }
        }
    }
    expect_none(
        missing,
        "pages say what shows what they claim: name a test that there is",
    );
}
