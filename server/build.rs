//! Makes the folder of the built pages exist, so that a clean clone compiles without them.

use std::path::Path;

fn main() {
    let dist = Path::new("console/dist");
    if let Err(error) = std::fs::create_dir_all(dist) {
        println!("cargo::error=cannot create {}: {error}", dist.display());
    }
    println!("cargo::rerun-if-changed={}", dist.display());
}
