//! `sbom PACKAGE FILE`: writes what a package of this workspace is compiled from as a bill of
//! materials (CycloneDX 1.6), the same bytes from the same lock file.
//!
//! Listed are the crates that are linked into it, on any platform and with the features that the
//! workspace asks for; not what only builds or tests it. A crate without version, licence or (from
//! a registry) checksum is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::process::{Command, ExitCode};
use std::{env, fs};

use serde_json::{Value, json};

type Failed = Box<dyn Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [package, file] = arguments.as_slice() else {
        eprintln!("sbom PACKAGE FILE");
        return ExitCode::FAILURE;
    };
    match write(package, file) {
        Ok(crates) => {
            eprintln!("» {file}: {crates} crates");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: the bill of materials of {package}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(package: &str, file: &str) -> Result<usize, Failed> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--locked"])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let root = metadata["workspace_root"].as_str().ok_or("no workspace")?;
    let sums = checksums(&fs::read_to_string(format!("{root}/Cargo.lock"))?);
    let bill = bill(&metadata, &sums, package)?;
    let crates = bill["components"].as_array().map_or(0, Vec::len);
    fs::write(file, serde_json::to_string_pretty(&bill)? + "\n")?;
    Ok(crates)
}

/// The checksums of a lock file by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let packages = lock.split("[[package]]").skip(1);
    let sums = packages.filter_map(|package| {
        let said = |key: &str| {
            let mut lines = package.lines();
            let value = lines.find_map(|line| line.strip_prefix(&format!("{key} = ")))?;
            Some(value.trim_matches('"').to_owned())
        };
        Some(((said("name")?, said("version")?), said("checksum")?))
    });
    sums.collect()
}

fn bill(
    metadata: &Value,
    sums: &BTreeMap<(String, String), String>,
    package: &str,
) -> Result<Value, Failed> {
    let by_id = |list: &Value| -> BTreeMap<String, Value> {
        let list = list.as_array().into_iter().flatten();
        list.filter_map(|one| Some((one["id"].as_str()?.to_owned(), one.clone())))
            .collect()
    };
    let packages = by_id(&metadata["packages"]);
    let nodes = by_id(&metadata["resolve"]["nodes"]);
    let (root, _) = packages
        .iter()
        .find(|(_, one)| one["name"] == package)
        .ok_or("there is no such package")?;
    let mut links: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut next = vec![root.as_str()];
    while let Some(id) = next.pop() {
        if links.contains_key(id) {
            continue;
        }
        let of = nodes.get(id).ok_or("a crate is not resolved")?;
        let deps = of["deps"].as_array().into_iter().flatten();
        let linked: BTreeSet<&str> = deps
            .filter(is_linked)
            .filter_map(|d| d["pkg"].as_str())
            .collect();
        next.extend(&linked);
        links.insert(id, linked);
    }
    let mut components = Vec::new();
    let mut references = BTreeMap::new();
    for id in links.keys() {
        let one = packages.get(*id).ok_or("a crate is not described")?;
        references.insert(*id, reference(one));
        if id != root {
            components.push(component("library", one, sums)?);
        }
    }
    let depends = links.iter().map(|(id, on)| {
        let on: Vec<&String> = on.iter().filter_map(|id| references.get(id)).collect();
        json!({ "ref": references.get(id), "dependsOn": on })
    });
    let depends: Vec<Value> = depends.collect();
    let root = packages.get(root).ok_or("the package is not described")?;
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": component("application", root, sums)? },
        "components": components,
        "dependencies": depends,
    }))
}

/// Whether a dependency ends up in the product: not only in its tests or its build script.
fn is_linked(dependency: &&Value) -> bool {
    let kinds = dependency["dep_kinds"].as_array().into_iter().flatten();
    kinds.into_iter().any(|one| one["kind"].is_null())
}

/// A package URL.
fn reference(package: &Value) -> String {
    let said = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
    format!("pkg:cargo/{}@{}", said("name"), said("version"))
}

fn component(
    kind: &str,
    package: &Value,
    sums: &BTreeMap<(String, String), String>,
) -> Result<Value, Failed> {
    let said = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let (name, version, licence) = (said("name"), said("version"), said("license"));
    if version.is_empty() || licence.is_empty() {
        return Err(format!("{name} states no version or no licence").into());
    }
    let mut component = json!({
        "type": kind,
        "bom-ref": reference(package),
        "name": name,
        "version": version,
        // Old manifests have a slash for "or".
        "licenses": [{ "expression": licence.replace('/', " OR ").replace("  ", " ") }],
        "purl": reference(package),
    });
    if !package["source"].is_null() {
        let sum = sums
            .get(&(name.clone(), version))
            .ok_or_else(|| format!("the lock file has no checksum of {name}"))?;
        component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
    }
    if let Some(at) = package["repository"].as_str() {
        component["externalReferences"] = json!([{ "type": "vcs", "url": at }]);
    }
    Ok(component)
}
