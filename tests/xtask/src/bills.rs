//! Bills of materials (SBOM, CycloneDX): what the products are made of, for those who have to find
//! out whether a fault that was found somewhere is in them.

use std::fs;
use std::path::PathBuf;

use crate::npm::{CLIENT, PAGES};
use crate::run::{Failure, Outcome, run};
use crate::workspace::Workspace;

/// Writes them to `target/sbom/`, which it gives.
pub(crate) fn write(workspace: &Workspace) -> Outcome<PathBuf> {
    let folder = workspace.target.join("sbom");
    let failed = || Failure::during(format!("cannot write {}", folder.display()));
    fs::create_dir_all(&folder).map_err(failed())?;
    for package in ["indelible-server", "indelible-client"] {
        let mut cargo = workspace.cargo();
        cargo.args(["run", "--quiet", "--locked", "--package", "xtask"]);
        cargo.args(["--features", "sbom", "--bin", "sbom", "--", package]);
        run(cargo.arg(folder.join(format!("{package}.cdx.json"))))?;
    }
    for (package, name) in [(CLIENT, "npm-package"), (PAGES, "pages")] {
        package.install(workspace)?;
        let file = folder.join(format!("{name}.cdx.json"));
        fs::write(file, package.bill(workspace)?).map_err(failed())?;
    }
    Ok(folder)
}
