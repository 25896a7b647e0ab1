//! The check of imports fails where it should: faults are planted in a copy of the files.

use super::{Language, PARTS, Part, page, table};
use crate::repository::{File, files};

/// Every part, with its files and a table that they agree with.
fn each_part(look: impl Fn(&Part, Vec<File>, &str)) {
    let page = page();
    for part in &PARTS {
        look(part, files(part.folder), &page);
    }
}

/// A file beside the others of the part, in a module of its own or in one that is there.
fn planted(part: &Part, name: &str, code: String) -> File {
    let ending = match part.language {
        Language::Rust => "rs",
        Language::TypeScript => "ts",
    };
    File {
        path: format!("{}{name}.{ending}", part.folder),
        text: code,
    }
}

/// Ways to import a module, into a file in a folder of the part.
fn imports_of(part: &Part, module: &str) -> Vec<String> {
    match part.language {
        Language::Rust => vec![
            format!("use crate::{module};"),
            format!("use crate::{{{module}::{{Deep, Deeper}}}};"),
            format!("use super::super::{module}::Thing;"),
            format!("fn f() {{ let quote = '\"'; crate::{module}::thing::<'static>(quote) }}"),
            format!("fn f(x: super::super::{module}::Thing) {{}}"),
            format!("mod inner {{ use super::super::super::{module}::Thing; }}"),
        ],
        Language::TypeScript => vec![
            format!("import {{ Thing }} from '../{module}.js'"),
            format!("import type {{\n  Thing,\n}} from \"../{module}.ts\""),
            format!("export {{ Thing }} from '../{module}'"),
            format!("const thing = await import('../{module}.js')"),
            format!("import '../{module}.js'"),
        ],
    }
}

/// What names a module without importing it.
fn mentions_of(part: &Part, module: &str) -> Vec<String> {
    match part.language {
        Language::Rust => vec![
            format!("// use crate::{module};"),
            format!("/* crate::{module}::Thing */"),
            format!("/// See [crate::{module}::Thing]."),
            format!("const TEXT: &str = r#\"\"crate::{module}::Thing\"#;"),
            format!("const TEXT: &str = \"\\\"crate::{module}::Thing\";"),
            format!("#[cfg(test)]\nmod tests {{ use crate::{module}; }}"),
            format!("#[cfg(test)]\nuse crate::{module};"),
        ],
        Language::TypeScript => vec![
            format!("// import '../{module}.js'"),
            format!(" * import {{ x }} from '../{module}.js'"),
        ],
    }
}

/// The first and the last module of a part's table: the first may import nothing of the last.
fn ends(part: &Part, page: &str) -> (String, String) {
    let rows = table::rows(page, part.heading);
    let [first, .., last] = rows.as_slice() else {
        panic!("{}: the table has rows", part.heading);
    };
    (first.modules[0].clone(), last.modules[0].clone())
}

#[test]
fn a_planted_import_is_found() {
    each_part(|part, mut files, page| {
        let (first, last) = ends(part, page);
        let import = imports_of(part, &last).remove(0);
        files.push(planted(part, &format!("{first}/planted"), import));
        let faults = part.faults(&files, page);
        let wanted = format!("`{first}` imports `{last}`");
        assert!(
            matches!(faults.as_slice(), [fault] if fault.contains(&wanted)),
            "{faults:?}"
        );
    });
}

#[test]
fn every_way_to_import_is_seen_and_no_other_mention() {
    for part in &PARTS {
        let page = table_of(part, ("low", ""), ("high", ""));
        let found = |code: &String| {
            let files = [
                planted(part, "low", String::new()),
                planted(part, "high/planted", code.clone()),
            ];
            part.faults(&files, &page).len()
        };
        for import in &imports_of(part, "low") {
            assert_eq!(found(import), 1, "{import}");
        }
        for mention in &mentions_of(part, "low") {
            assert_eq!(found(mention), 0, "{mention}");
        }
    }
}

#[test]
fn a_planted_import_of_the_engine_is_found() {
    let server = &PARTS[1];
    let page = page();
    let (first, _) = ends(server, &page);
    let mut files = files(server.folder);
    let import = "use indelible_engine::{id, admission::admit};".to_owned();
    files.push(planted(server, &format!("{first}/planted"), import));
    let faults = server.faults(&files, &page);
    let wanted =
        format!("`{first}` imports `admission`, which is not in its column `of the engine`");
    assert!(
        faults.iter().any(|fault| fault.contains(&wanted)),
        "{faults:?}"
    );
}

#[test]
fn a_module_without_a_row_and_a_row_without_a_module_are_found() {
    each_part(|part, mut files, page| {
        files.push(planted(part, "planted", String::new()));
        let faults = part.faults(&files, page);
        assert_eq!(faults, [format!("{}: no row for `planted`", part.heading)]);

        let (first, _) = ends(part, page);
        files.pop();
        files.retain(|file| {
            let path = &file.path[part.folder.len()..];
            path != format!("{first}.rs")
                && !path.starts_with(&format!("{first}."))
                && !path.starts_with(&format!("{first}/"))
        });
        let faults = part.faults(&files, page);
        let wanted = format!("{}: no module `{first}`", part.heading);
        assert!(faults.contains(&wanted), "{faults:?}");
    });
}

/// A table of two modules, each with what it may import.
fn table_of(part: &Part, first: (&str, &str), last: (&str, &str)) -> String {
    let rows = [first, last].map(|(module, cell)| format!("| `{module}` | | {cell} |\n"));
    let head = "| module | owns | may import |\n| --- | --- | --- |\n";
    format!("{}\n\n{head}{}", part.heading, rows.concat())
}

#[test]
fn an_import_of_what_stands_further_down_is_found() {
    for part in &PARTS {
        let import = imports_of(part, "low").remove(0);
        let files = [
            planted(part, "high/planted", import),
            planted(part, "low", String::new()),
        ];
        let faults = part.faults(&files, &table_of(part, ("high", "`low`"), ("low", "")));
        assert!(
            matches!(faults.as_slice(), [fault] if fault.ends_with("does not stand above it")),
            "{faults:?}"
        );
        let sound = table_of(part, ("low", ""), ("high", "`low`"));
        assert_eq!(part.faults(&files, &sound), [""; 0]);
    }
}

#[test]
fn a_row_that_lists_what_nothing_imports_is_found() {
    for part in &PARTS {
        let files = ["low", "high"].map(|module| planted(part, module, String::new()));
        let faults = part.faults(&files, &table_of(part, ("low", ""), ("high", "`low`")));
        let wanted = format!("{}: nothing in `high` imports `low` any more", part.heading);
        assert_eq!(faults, [wanted]);
    }
}
