//! Who may import whom: the tables of modules in `docs/architecture.md`, held against the code.
//!
//! A table names every module of its part, from those that need nothing to those that need the
//! others, and a module imports only what its row lists, which stands above it: so there are no
//! circles. What a row lists and nothing imports fails too, since readers would believe it.

mod planted;
mod rust;
mod table;
mod typescript;

use std::collections::BTreeSet;
use std::fs;

use crate::repository::{File, expect_none, files, root};
use table::{Permission, Row};

const PAGE: &str = "docs/architecture.md";

/// A folder of sources whose modules have a table.
struct Part {
    /// Of the folder, with a slash at the end.
    folder: &'static str,
    /// Of the section that the table is in.
    heading: &'static str,
    language: Language,
}

#[derive(Clone, Copy)]
enum Language {
    Rust,
    TypeScript,
}

const PARTS: [Part; 5] = [
    Part {
        folder: "engine/src/",
        heading: "### `engine/src/`",
        language: Language::Rust,
    },
    Part {
        folder: "server/src/",
        heading: "### `server/src/`",
        language: Language::Rust,
    },
    Part {
        folder: "client-wasm/src/",
        heading: "### `client-wasm/src/`",
        language: Language::Rust,
    },
    Part {
        folder: "client-wasm/ts/",
        heading: "### `client-wasm/ts/`",
        language: Language::TypeScript,
    },
    Part {
        folder: "server/console/src/",
        heading: "### `server/console/src/`",
        language: Language::TypeScript,
    },
];

/// Imports of what stands further down in its table: circles that are yet to be untied.
const UPWARD: &[(&str, &str, &str)] = &[
    ("engine/src/", "policy", "schema"),
    ("engine/src/", "draft", "entity"),
    ("engine/src/", "entity", "lifecycle"),
    ("engine/src/", "lifecycle", "admission"),
];

/// One module imports another one.
#[derive(Debug, PartialEq)]
struct Arrow {
    from: String,
    to: Target,
    /// The file and line.
    place: String,
}

#[derive(Debug, PartialEq)]
enum Target {
    /// A module of the same part.
    Own(String),
    /// A module of the engine, imported by another crate.
    Engine(String),
}

impl Target {
    fn name(&self) -> &str {
        match self {
            Self::Own(name) | Self::Engine(name) => name,
        }
    }

    fn column(&self) -> &'static str {
        match self {
            Self::Own(_) => "may import",
            Self::Engine(_) => "of the engine",
        }
    }
}

impl Part {
    fn modules(&self, files: &[File]) -> BTreeSet<String> {
        let module = match self.language {
            Language::Rust => rust::module,
            Language::TypeScript => typescript::module,
        };
        files
            .iter()
            .filter_map(|file| module(self.folder, file))
            .collect()
    }

    fn arrows(&self, files: &[File]) -> Vec<Arrow> {
        let mut arrows = match self.language {
            Language::Rust => rust::arrows(self.folder, files),
            Language::TypeScript => typescript::arrows(self.folder, files),
        };
        // Several names of a module in one line.
        arrows.dedup();
        arrows
    }

    /// Where the sources and the table on the page do not agree.
    fn faults(&self, files: &[File], page: &str) -> Vec<String> {
        let rows = table::rows(page, self.heading);
        let mut faults = self.unnamed(files, &rows);
        let arrows = self.arrows(files);
        for arrow in &arrows {
            if let Some(fault) = self.forbidden(arrow, &rows) {
                faults.push(fault);
            }
        }
        for row in &rows {
            self.unused(row, &arrows, &mut faults);
        }
        faults
    }

    /// Modules without a row, and rows without a module.
    fn unnamed(&self, files: &[File], rows: &[Row]) -> Vec<String> {
        let modules = self.modules(files);
        let named: Vec<&String> = rows.iter().flat_map(|row| &row.modules).collect();
        let missing = modules.iter().filter(|module| !named.contains(module));
        let missing = missing.map(|module| format!("{}: no row for `{module}`", self.heading));
        let surplus = named.iter().filter(|module| !modules.contains(**module));
        let surplus = surplus.map(|module| format!("{}: no module `{module}`", self.heading));
        missing.chain(surplus).collect()
    }

    fn forbidden(&self, arrow: &Arrow, rows: &[Row]) -> Option<String> {
        let place = |name: &str| {
            rows.iter()
                .position(|row| row.modules.iter().any(|m| m == name))
        };
        let from = place(&arrow.from)?;
        let to = arrow.to.name();
        let permission = match arrow.to {
            Target::Own(_) => &rows[from].own,
            Target::Engine(_) => &rows[from].engine,
        };
        let listed = match permission {
            Permission::All => true,
            Permission::These(names) => names.iter().any(|name| name == to),
        };
        let why = if !listed {
            format!("is not in its column `{}`", arrow.to.column())
        } else if matches!(arrow.to, Target::Own(_))
            && place(to).is_none_or(|to| to >= from)
            && !UPWARD.contains(&(self.folder, arrow.from.as_str(), to))
        {
            "does not stand above it".to_owned()
        } else {
            return None;
        };
        Some(format!(
            "{}: `{}` imports `{to}`, which {why}",
            arrow.place, arrow.from
        ))
    }

    fn unused(&self, row: &Row, arrows: &[Arrow], faults: &mut Vec<String>) {
        for (permission, is_own) in [(&row.own, true), (&row.engine, false)] {
            let Permission::These(names) = permission else {
                continue;
            };
            for name in names {
                let used = arrows.iter().any(|arrow| {
                    row.modules.contains(&arrow.from)
                        && arrow.to.name() == name
                        && matches!(arrow.to, Target::Own(_)) == is_own
                });
                if !used {
                    let modules = row.modules.join("`, `");
                    faults.push(format!(
                        "{}: nothing in `{modules}` imports `{name}` any more",
                        self.heading
                    ));
                }
            }
        }
    }
}

fn page() -> String {
    fs::read_to_string(root().join(PAGE)).expect("the page is there")
}

#[test]
fn modules_import_what_the_tables_allow() {
    let page = page();
    for part in &PARTS {
        expect_none(
            part.faults(&files(part.folder), &page),
            "docs/architecture.md says who may import whom: change the import, or the table with \
             a reason that a reader would accept",
        );
    }
}

#[test]
fn upward_imports_are_still_there() {
    let gone = UPWARD.iter().filter(|(folder, from, to)| {
        let part = PARTS.iter().find(|part| part.folder == *folder);
        let arrows = part.map_or_else(Vec::new, |part| part.arrows(&files(folder)));
        !arrows
            .iter()
            .any(|arrow| arrow.from == *from && arrow.to == Target::Own((*to).to_owned()))
    });
    expect_none(
        gone.map(|(folder, from, to)| format!("{folder}: {from} → {to}")),
        "this circle is untied: take it off the list",
    );
}
