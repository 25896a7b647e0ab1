//! Guards against a code that clients meet and that no page explains, and against pages about
//! codes that are gone. The codes that are sent are those in the sources, so the sources are read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use indelible_engine::schema::Mistake;
use indelible_engine::violation::RefusalCode;
use indelible_server::auth::TokenError;
use indelible_tests::hostile;

fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    Path::new(&package).parent().unwrap().to_owned()
}

/// The text of a module: its own file, where it has one beside its folder, and those in it.
fn sources(folder: &str) -> Vec<String> {
    let own = fs::read_to_string(root().join(format!("{folder}.rs")));
    let mut texts: Vec<String> = own.into_iter().collect();
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

/// The codes of refusals that clients can meet.
fn refusal_codes() -> BTreeSet<String> {
    let codes = RefusalCode::ALL
        .iter()
        .filter(|code| **code != RefusalCode::Preserved);
    codes.map(RefusalCode::to_string).collect()
}

/// The cells of the tables under a heading of a page, row by row.
fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let page = fs::read_to_string(root().join("docs").join(page)).unwrap();
    let section = page
        .split(&format!("# {heading}\n"))
        .nth(1)
        .expect("the heading is there");
    let section = section.split("\n#").next().unwrap();
    let rows = section
        .lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("| ---"));
    let cells = |row: &str| row.split('|').map(|cell| cell.trim().to_owned()).collect();
    rows.map(cells).collect()
}

/// What stands in backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// What stands in backquotes in a column of the tables under a heading of the protocol's page.
fn documented(heading: &str, column: usize) -> BTreeSet<String> {
    let rows = rows("protocol.md", heading);
    let cells = rows.iter().filter_map(|row| row.get(column));
    let words = cells.flat_map(|cell| quoted(cell));
    words
        .filter(|word| is_code(word))
        .map(str::to_owned)
        .collect()
}

/// The identifier that a text begins with.
fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

#[test]
fn every_refusal_code_is_documented() {
    let (sources, page) = (refusal_codes(), documented("Refusals", 2));
    let missing: Vec<_> = sources.difference(&page).collect();
    assert!(missing.is_empty(), "not in docs/protocol.md: {missing:?}");
    let gone: Vec<_> = page.difference(&sources).collect();
    assert!(gone.is_empty(), "documented, but not a code: {gone:?}");
}

#[test]
fn every_refusal_code_is_made_somewhere() {
    let mut used = BTreeSet::new();
    for text in sources("engine/src").iter().chain(&sources("server/src")) {
        let names = text.split("RefusalCode::").skip(1);
        used.extend(names.map(|rest| identifier(rest).to_owned()));
    }
    let unused = |code: &&RefusalCode| !used.contains(&format!("{code:?}"));
    let unused: Vec<_> = RefusalCode::ALL.iter().filter(unused).collect();
    assert!(unused.is_empty(), "nothing is refused with {unused:?}");
}

#[test]
fn every_mistake_in_a_schema_is_documented() {
    let made = Mistake::ALL.map(|mistake| mistake.code().to_owned());
    let codes: BTreeSet<_> = made.iter().cloned().collect();
    assert_eq!(codes.len(), made.len(), "two mistakes have one code");
    let rows = rows("schema.md", "Codes of mistakes");
    let cells = rows.iter().filter_map(|row| row.get(1));
    let page: BTreeSet<_> = cells
        .flat_map(|cell| quoted(cell))
        .map(str::to_owned)
        .collect();
    assert_eq!(page, codes);
}

#[test]
fn every_rule_is_documented() {
    let rules = fs::read_to_string(root().join("engine/src/violation.rs")).unwrap();
    let rules = literals_after(&rules, &["Self(Cow::Borrowed("]);
    let page = documented("Refusals", 1);
    let missing: Vec<_> = rules.difference(&page).collect();
    assert!(missing.is_empty(), "not in docs/protocol.md: {missing:?}");
    // Besides those of the policy: keywords of JSON Schema, and the code of any other refusal.
    let others: Vec<_> = page.difference(&rules).map(String::as_str).collect();
    assert_eq!(others, ["code", "pattern", "required"]);
}

/// Status and code of every problem that is made under `server/src/http`.
fn problems() -> BTreeSet<(String, String)> {
    let mut problems = BTreeSet::new();
    let outcomes = fs::read_to_string(root().join("server/src/entity/outcome.rs")).unwrap();
    let code_of = |variant: &str| {
        let arm = outcomes.split(&format!("Self::{variant}")).nth(1).unwrap();
        arm.split('"').nth(1).unwrap().to_owned()
    };
    for text in sources("server/src/http") {
        for call in ["Problem::new(", "Self::new("] {
            for (at, _) in text.match_indices(call) {
                let arguments = text[at + call.len()..].trim_start();
                if arguments.starts_with("status, error.code()") {
                    continue; // Read below, where the statuses are.
                }
                let status = identifier(arguments.strip_prefix("StatusCode::").unwrap());
                let rest = arguments.split_once(',').unwrap().1.trim_start();
                let code = rest
                    .strip_prefix('"')
                    .and_then(|rest| rest.split('"').next());
                let code = code.unwrap_or_else(|| panic!("a code in {arguments:.80}"));
                problems.insert((status.to_owned(), code.to_owned()));
            }
        }
        for arm in text.split("WriteError::").skip(1) {
            if let Some((variant, rest)) = arm.split_once("=> titled(")
                && !variant.contains("=>")
            {
                let status = identifier(rest.trim_start().strip_prefix("StatusCode::").unwrap());
                problems.insert((status.to_owned(), code_of(identifier(variant))));
            }
        }
    }
    problems
}

/// The name that Rust has for a status.
fn status_name(number: &str) -> String {
    let status = reqwest::StatusCode::from_bytes(number.as_bytes()).unwrap();
    let reason = status.canonical_reason().unwrap();
    reason.to_uppercase().replace(' ', "_")
}

#[test]
fn every_problem_is_documented() {
    let mut page = BTreeSet::new();
    for row in rows("http.md", "Problems") {
        if let [_, status, codes, ..] = &row[..]
            && status != "status"
        {
            let codes = quoted(codes).map(|code| (status_name(status), code.to_owned()));
            page.extend(codes);
        }
    }
    let made = problems();
    assert!(made.len() > 20, "{made:?}");
    let missing: Vec<_> = made.difference(&page).collect();
    assert!(missing.is_empty(), "not in docs/http.md: {missing:?}");
    let gone: Vec<_> = page.difference(&made).collect();
    assert!(gone.is_empty(), "documented, but nowhere made: {gone:?}");
}

#[test]
fn every_way_to_close_is_documented() {
    let connection = sources("server/src/connection").concat();
    let number = |name: &str| {
        let constant = connection.split(&format!("const {name}: u16 = ")).nth(1);
        constant.unwrap().split(';').next().unwrap().to_owned()
    };
    let mut made = BTreeSet::new();
    for (at, call) in connection.match_indices("End::gone(\"") {
        let reason = connection[at + call.len()..].split('"').next().unwrap();
        made.insert((number("ABNORMAL"), reason.to_owned()));
    }
    for (at, call) in connection.match_indices("End::new(") {
        let arguments = connection[at + call.len()..].trim_start();
        let (code, rest) = arguments.split_once(',').unwrap();
        let code = match code.strip_prefix("close_code::") {
            Some(name) => number(name),
            None => code.to_owned(),
        };
        let reason = rest.trim_start().trim_start_matches("format!(");
        let reason = match reason.strip_prefix('"') {
            // Of a reason that says which rule was broken, what it begins with.
            Some(literal) => literal.split(['"', '{']).next().unwrap(),
            // What is wrong with a token has many sentences; the page shows one of them.
            None => {
                assert!(rest.trim_start().starts_with("why"), "{rest}");
                &TokenError::Expired.text()
            }
        };
        made.insert((code, reason.to_owned()));
    }
    assert!(made.len() > 10, "{made:?}");
    let mut page = BTreeSet::new();
    for row in rows("protocol.md", "Closing") {
        let reasons = row.get(2).map(|cell| quoted(cell)).into_iter().flatten();
        page.extend(reasons.map(|reason| (row[1].clone(), reason.to_owned())));
    }
    assert_eq!(made, page);
}

#[test]
fn every_error_code_is_documented() {
    let mut codes = BTreeSet::new();
    for text in sources("server/src/connection") {
        codes.extend(literals_after(
            &text,
            &["frames::error(", "self.error(", "refuse(\"", ".error("],
        ));
    }
    let elsewhere = [
        "busy",
        "hello-expected",
        "protocol",
        "rate-limited",
        "unavailable",
    ];
    codes.extend(elsewhere.map(str::to_owned));
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
        "operations-limit",
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
