//! Who may import whom: the tables of modules in `docs/architecture.md`, compared with the code.
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
        for (place, row) in rows.iter().enumerate() {
            let own: Vec<&Arrow> = arrows
                .iter()
                .filter(|arrow| row.modules.contains(&arrow.from))
                .collect();
            let above = &rows[..place];
            let wrong =
                |arrow: &&Arrow| forbidden(arrow, row).or_else(|| self.upward(arrow, above));
            faults.extend(own.iter().filter_map(wrong));
            faults.extend(self.unused(row, &own));
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

    /// What a row lists although its modules do not import it.
    fn unused(&self, row: &Row, arrows: &[&Arrow]) -> Vec<String> {
        let columns = [
            (&row.own, Target::Own as fn(String) -> Target),
            (&row.engine, Target::Engine),
        ];
        let listed = columns
            .into_iter()
            .flat_map(|(permission, target)| match permission {
                Permission::All => Vec::new(),
                Permission::These(names) => names.iter().cloned().map(target).collect(),
            });
        let unused = listed.filter(|target| arrows.iter().all(|arrow| arrow.to != *target));
        let module = row.modules.join("`, `");
        unused
            .map(|target| {
                let name = target.name();
                format!(
                    "{}: nothing in `{module}` imports `{name}` any more",
                    self.heading
                )
            })
            .collect()
    }

    /// An import of a module that does not stand above.
    fn upward(&self, arrow: &Arrow, above: &[Row]) -> Option<String> {
        let Target::Own(to) = &arrow.to else {
            return None;
        };
        let stands_above = above.iter().any(|row| row.modules.contains(to));
        (!stands_above).then(|| {
            format!(
                "{}: `{}` imports `{to}`, which does not stand above it",
                arrow.place, arrow.from
            )
        })
    }
}

/// An import that its row does not list.
fn forbidden(arrow: &Arrow, row: &Row) -> Option<String> {
    let (permission, column) = match arrow.to {
        Target::Own(_) => (&row.own, "may import"),
        Target::Engine(_) => (&row.engine, "of the engine"),
    };
    let name = arrow.to.name();
    let is_listed = match permission {
        Permission::All => true,
        Permission::These(names) => names.iter().any(|listed| listed == name),
    };
    (!is_listed).then(|| {
        format!(
            "{}: `{}` imports `{name}`, which is not in its column `{column}`",
            arrow.place, arrow.from
        )
    })
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
