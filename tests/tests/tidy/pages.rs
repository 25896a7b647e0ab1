//! What pages say of the code is so: the tests, files and modules that they name exist.

use std::fs;

use crate::repository::{expect_none, files, root, rust};

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

/// The pages that say where things are.
const GUIDES: [&str; 4] = [
    "docs/architecture.md",
    "docs/development.md",
    "docs/follow-a-refusal.md",
    "docs/style.md",
];

/// What stands in backticks outside blocks of code.
fn quoted(page: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(page)).expect("the page is there");
    let prose = text.split("```").step_by(2);
    prose
        .flat_map(|part| part.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

#[test]
fn files_that_guides_name_are_there() {
    let all = files("");
    let mut missing = Vec::new();
    for page in GUIDES {
        let named = quoted(page).into_iter().filter(|name| {
            let ending = name.rsplit('.').next().unwrap_or_default();
            name.contains('/')
                && !name.contains([' ', '*', '…'])
                && ["rs", "ts", "js"].contains(&ending)
        });
        for name in named {
            // A part of a path is enough, as in `admission/trial.rs`.
            let ending = format!("/{name}");
            if !all
                .iter()
                .any(|file| file.path == name || file.path.ends_with(&ending))
            {
                missing.push(format!("{page}: {name}"));
            }
        }
    }
    expect_none(
        missing,
        "a newcomer follows these: name a file that there is",
    );
}

#[test]
fn modules_that_the_architecture_points_out_are_there() {
    let all = files("");
    let page = fs::read_to_string(root().join(GUIDES[0])).expect("the page is there");
    let mut missing = Vec::new();
    for section in page.split("\n### `").skip(1) {
        let folder = section.split('`').next().unwrap_or_default();
        let Some((_, inside)) = section.split_once("Inside them, worth knowing:") else {
            continue;
        };
        let rows = inside.lines().filter(|line| line.starts_with("| `"));
        let named = rows.flat_map(|row| {
            let cell = row.split('|').nth(1).unwrap_or_default();
            cell.split('`').skip(1).step_by(2)
        });
        for name in named {
            let paths = [".rs", "/mod.rs"].map(|end| format!("{folder}{name}{end}"));
            if !all.iter().any(|file| paths.contains(&file.path)) {
                missing.push(format!("{folder}{name}"));
            }
        }
    }
    expect_none(
        missing,
        "the page points out modules that are not there (any more)",
    );
}
