//! Every Rust file is reached by the compiler: one that no `mod` names is dead, and nothing says so.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::repository::{expect_none, root, rust};

#[test]
fn every_rust_file_is_compiled() {
    let all: BTreeSet<PathBuf> = rust("")
        .into_iter()
        .map(|file| root().join(file.path))
        .collect();
    let mut reached = BTreeSet::new();
    for file in all.iter().filter(|file| is_crate_root(file)) {
        reach(file, true, &mut reached);
    }
    expect_none(
        all.difference(&reached).map(|file| {
            file.strip_prefix(root())
                .unwrap_or(file)
                .display()
                .to_string()
        }),
        "no `mod` leads here, so the compiler never sees it: delete it or declare it",
    );
}

/// What cargo compiles by itself: libraries, programs, build scripts, tests.
fn is_crate_root(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default();
    let folder = file.parent().unwrap_or(file);
    let package = |folder: Option<&Path>| folder.is_some_and(|f| f.join("Cargo.toml").is_file());
    let in_targets = |folder: &Path| {
        let kind = folder.file_name().unwrap_or_default();
        ["tests", "examples", "benches"]
            .iter()
            .any(|target| kind == *target)
            && package(folder.parent())
    };
    let main_of_target = name == "main.rs" && folder.parent().is_some_and(in_targets);
    let declared = folder.parent().is_some_and(|package| {
        let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap_or_default();
        manifest.contains(&format!("path = \"src/{}\"", name.to_string_lossy()))
    });
    let main_or_lib = (name == "main.rs" || name == "lib.rs") && package(folder.parent());
    let build_script = name == "build.rs" && package(Some(folder));
    main_or_lib || declared || build_script || in_targets(folder) || main_of_target
}

/// Follows the `mod` items of a file, as the compiler would.
fn reach(file: &Path, is_root: bool, reached: &mut BTreeSet<PathBuf>) {
    let Ok(text) = fs::read_to_string(file) else {
        return;
    };
    if !reached.insert(file.to_owned()) {
        return;
    }
    let folder = file.parent().unwrap_or(file);
    let owns_folder = is_root || file.file_name().is_some_and(|name| name == "mod.rs");
    let children = if owns_folder {
        folder.to_owned()
    } else {
        file.with_extension("")
    };
    let mut path = None;
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            path = rest.split('"').next().map(|relative| folder.join(relative));
        }
        let visible = line.strip_prefix("pub").map_or(line, |rest| {
            rest.trim_start_matches(|c| c == '(' || c == ')' || char::is_alphabetic(c))
                .trim_start()
        });
        let Some(name) = visible
            .strip_prefix("mod ")
            .and_then(|rest| rest.strip_suffix(';'))
        else {
            continue;
        };
        let plain = children.join(format!("{name}.rs"));
        let nested = children.join(name).join("mod.rs");
        for candidate in path.take().into_iter().chain([plain, nested]) {
            reach(&candidate, false, reached);
        }
    }
}
