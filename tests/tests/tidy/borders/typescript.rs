//! Which files of its folder a TypeScript file imports, types included.

use super::{Arrow, Target};
use crate::repository::File;

/// What precedes the name of an imported file.
const BEFORE: [&str; 3] = ["from ", "import ", "import("];

/// Where the bindings of the WASM modules are written: not sources.
const GENERATED: &str = "wasm";

/// The arrows that leave the files of a folder, which ends with a slash.
pub(super) fn arrows(folder: &str, files: &[File]) -> Vec<Arrow> {
    let mut found = Vec::new();
    for file in files {
        let Some(own) = module(folder, file) else {
            continue;
        };
        for (line, imported) in imports(&file.text) {
            let Some(to) = resolve(folder, &file.path, imported) else {
                continue;
            };
            if to != own && to != GENERATED {
                found.push(Arrow {
                    from: own.clone(),
                    to: Target::Own(to),
                    place: format!("{}:{line}", file.path),
                });
            }
        }
    }
    found
}

/// The module that a file belongs to: a file or a folder in the part's folder. Tests belong to none.
pub(super) fn module(folder: &str, file: &File) -> Option<String> {
    let path = file.path.strip_prefix(folder)?;
    let is_source = file.has_extension(&["ts", "tsx"]) && !path.ends_with(".d.ts");
    let is_test = path.contains(".test.") || path.starts_with("testing/");
    (is_source && !is_test).then(|| top(path).to_owned())
}

fn top(path: &str) -> &str {
    let first = path.split('/').next().unwrap_or(path);
    first.split('.').next().unwrap_or(first)
}

/// What is imported in quotes, with the lines.
fn imports(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    let code = lines.filter(|(_, line)| {
        let line = line.trim_start();
        !line.starts_with("//") && !line.starts_with('*') && !line.starts_with("/*")
    });
    code.flat_map(|(index, line)| {
        BEFORE.into_iter().flat_map(move |before| {
            line.match_indices(before).filter_map(move |(at, _)| {
                let rest = &line[at + before.len()..];
                let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
                rest[1..].split(quote).next().map(|name| (index + 1, name))
            })
        })
    })
}

/// Styles and content, which import nothing themselves.
fn is_data(imported: &str) -> bool {
    imported.ends_with(".css") || imported.ends_with(".json")
}

/// The part that a relative import leads to; what leads out of the folder keeps its path.
fn resolve(folder: &str, importer: &str, imported: &str) -> Option<String> {
    if !imported.starts_with('.') || is_data(imported) {
        return None;
    }
    let mut path: Vec<&str> = importer.split('/').collect();
    path.pop();
    for step in imported.split('/') {
        match step {
            "." => {}
            ".." => {
                path.pop();
            }
            name => path.push(name),
        }
    }
    let path = path.join("/");
    Some(match path.strip_prefix(folder) {
        Some(inside) => top(inside).to_owned(),
        None => path,
    })
}
