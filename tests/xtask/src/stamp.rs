//! Whether something built is still up to date.
//!
//! A stamp is a hash of the *contents* of everything that went into a product, kept beside it once
//! it is built. Times would rebuild the world after every checkout.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::run::{Failure, Outcome};

/// Folders that hold products or other people's code, never sources.
const SKIPPED: [&str; 4] = ["node_modules", "dist", "target", "wasm"];

/// The state of a product's inputs, and where the state it was last built from is kept.
#[derive(Debug)]
pub(crate) struct Stamp {
    file: PathBuf,
    value: String,
}

impl Stamp {
    /// `inputs` are files or folders; what is missing counts as empty.
    pub(crate) fn take(file: PathBuf, inputs: &[PathBuf]) -> Outcome<Self> {
        let mut hasher = DefaultHasher::new();
        for input in inputs {
            hash_tree(input, &mut hasher).map_err(Failure::during(input.display()))?;
        }
        Ok(Self {
            file,
            value: format!("{:016x}", hasher.finish()),
        })
    }

    /// The same inputs, for products that are made in this way.
    pub(crate) fn of(mut self, way: &str) -> Self {
        self.value = format!("{} {way}", self.value);
        self
    }

    /// Whether every product exists and was made from these inputs.
    pub(crate) fn is_fresh(&self, products: &[PathBuf]) -> bool {
        products.iter().all(|product| product.exists())
            && fs::read_to_string(&self.file).is_ok_and(|kept| kept == self.value)
    }

    /// To be called once the products are made.
    pub(crate) fn keep(&self) -> Outcome {
        let write = || {
            if let Some(folder) = self.file.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&self.file, &self.value)
        };
        write().map_err(Failure::during(self.file.display()))
    }
}

fn hash_tree(path: &Path, hasher: &mut DefaultHasher) -> std::io::Result<()> {
    path.hash(hasher);
    if path.is_dir() {
        let mut entries = fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                hash_tree(&entry.path(), hasher)?;
            }
        }
    } else if path.exists() {
        fs::read(path)?.hash(hasher);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stamp over `folder/in`, with the product `folder/out`.
    fn is_fresh(folder: &Path) -> (Stamp, bool) {
        let stamp = Stamp::take(folder.join("stamp"), &[folder.join("in")]).expect("readable");
        let fresh = stamp.is_fresh(&[folder.join("out")]);
        (stamp, fresh)
    }

    #[test]
    fn a_product_is_stale_until_made_and_when_an_input_changes() {
        let folder = std::env::temp_dir().join(format!("indelible-stamp-{}", std::process::id()));
        fs::create_dir_all(folder.join("in/node_modules")).expect("writable");
        fs::write(folder.join("in/source"), "one").expect("writable");
        fs::write(folder.join("out"), "").expect("writable");
        let (stamp, fresh) = is_fresh(&folder);
        assert!(!fresh, "never made");

        stamp.keep().expect("writable");
        assert!(is_fresh(&folder).1, "just made");

        fs::write(folder.join("in/source"), "one").expect("writable");
        fs::write(folder.join("in/node_modules/other"), "").expect("writable");
        assert!(is_fresh(&folder).1, "the same contents, written again");

        fs::rename(folder.join("in/source"), folder.join("in/renamed")).expect("writable");
        assert!(!is_fresh(&folder).1, "a renamed input");

        fs::rename(folder.join("in/renamed"), folder.join("in/source")).expect("writable");
        fs::remove_file(folder.join("out")).expect("writable");
        assert!(!is_fresh(&folder).1, "no product");
        fs::remove_dir_all(&folder).expect("writable");
    }
}
