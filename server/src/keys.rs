//! The key file: one secret from which everything that this server signs or seals is derived.
//!
//! The file holds one line of hexadecimal digits, at least 32 bytes' worth (`openssl rand -hex 32`).
//! Tokens are signed with these bytes as they are, so that another service that has the file's
//! content can issue them; every other key is derived from them with HKDF-SHA256 (RFC 5869).
//!
//! Invariant: a key file is complete and private (mode 0600) from the moment it can be seen; an
//! existing one is never overwritten. A secret never appears in `Debug` output or in an error.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hkdf::Hkdf;
use sha2::Sha256;

/// The key file's name in the data directory.
pub const KEY_FILE: &str = "token.key";

const SECRET_BYTES_MIN: usize = 32;
const FILE_BYTES_MAX: u64 = 4 << 10;

/// The secret of one server.
#[derive(Clone)]
pub struct Keys {
    secret: Vec<u8>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Reading, making or protecting the file failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: "read", "create".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file's content is not a key.
    #[error(
        "{} must hold one line of at least 64 hexadecimal digits (openssl rand -hex 32)",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// Everybody can write to the directory.
    #[error(
        "everybody on this machine can write to {dir}, and so could replace the store and the key: \
         chmod 700 {dir}",
        dir = path.display()
    )]
    Open {
        /// The directory.
        path: PathBuf,
    },
    /// It is probably a schema folder.
    #[error(
        "{} holds {file} and neither a key nor a store: it looks like a schema folder. Name the data \
         directory of a server, or a new one",
        path.display()
    )]
    Schema {
        /// The directory.
        path: PathBuf,
        /// A file in it.
        file: String,
    },
    /// The system gave no randomness.
    #[error("no randomness for a new key: {0}")]
    Random(getrandom::Error),
}

fn io_error<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> KeyError + 'a {
    move |source| KeyError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

/// Makes the data directory, readable by its owner only, if it does not exist.
///
/// # Errors
/// When it cannot be made.
pub fn create_data_dir(dir: &Path) -> Result<(), KeyError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(io_error("create", dir))
}

/// Refuses a data directory in which every user may put and replace files: the store and the key would
/// be theirs.
///
/// # Errors
/// When it is one, or cannot be looked at.
pub(crate) fn check_data_dir(dir: &Path) -> Result<(), KeyError> {
    let metadata = match fs::metadata(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        metadata => metadata.map_err(io_error("look at", dir))?,
    };
    let mode = metadata.permissions().mode();
    if mode & 0o002 != 0 {
        return Err(KeyError::Open {
            path: dir.to_owned(),
        });
    }
    if mode & 0o020 != 0 {
        tracing::warn!(path = %dir.display(), "its group can write to the data directory: chmod g-w it");
    }
    Ok(())
}

/// The name of a file in a directory that looks like a schema: a server writes none that ends so.
fn schema_in(dir: &Path) -> Option<String> {
    let names = fs::read_dir(dir)
        .ok()?
        .flatten()
        .map(|entry| entry.file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".json")).min()
}

impl Keys {
    /// Reads the key file of a data directory; makes both if they are not there.
    ///
    /// # Errors
    /// When they can be neither read nor made, or the file holds no key.
    pub fn open_or_create(dir: &Path) -> Result<Self, KeyError> {
        let path = dir.join(KEY_FILE);
        match Self::open(&path) {
            Err(KeyError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            done => return done,
        }
        create_data_dir(dir)?;
        if let Some(file) = schema_in(dir) {
            let path = dir.to_owned();
            return Err(KeyError::Schema { path, file });
        }
        create_file(dir, &path)?;
        Self::open(&path)
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// When it cannot be read or holds no key.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let read = || -> io::Result<Option<String>> {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            if metadata.len() > FILE_BYTES_MAX {
                return Ok(None);
            }
            if metadata.permissions().mode() & 0o077 != 0 {
                tracing::warn!(path = %path.display(), "others can read the key file: chmod 600 it");
            }
            io::read_to_string(file).map(Some)
        };
        let text = read().map_err(io_error("read", path))?;
        let secret = text.and_then(|text| from_hex(text.trim()));
        match secret {
            Some(secret) if secret.len() >= SECRET_BYTES_MIN => Ok(Self { secret }),
            _ => Err(KeyError::Malformed {
                path: path.to_owned(),
            }),
        }
    }

    /// The bytes that sign tokens.
    pub(crate) fn token_secret(&self) -> &[u8] {
        &self.secret
    }

    /// A key of 32 bytes for one purpose, unrelated to the keys for other purposes.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(Some(b"indelible"), &self.secret)
            .expand(purpose.as_bytes(), &mut key)
            .expect("HKDF-SHA256 gives out up to 8160 bytes");
        key
    }
}

/// Writes a new key beside the place where it belongs and links it there: a reader sees no
/// file or a whole one, and of two processes that do this at once one wins and both use its key.
fn create_file(dir: &Path, path: &Path) -> Result<(), KeyError> {
    let mut random = [0; SECRET_BYTES_MIN + 8];
    getrandom::fill(&mut random).map_err(KeyError::Random)?;
    let (secret, suffix) = random.split_at(SECRET_BYTES_MIN);
    let draft = dir.join(format!(".{KEY_FILE}.{}", to_hex(suffix)));
    let written =
        write_private(&draft, &format!("{}\n", to_hex(secret))).map_err(io_error("create", &draft));
    let linked = written.and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        done => done.map_err(io_error("create", path)),
    });
    let removed = fs::remove_file(&draft).map_err(io_error("remove", &draft));
    linked.and(removed)?;
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(io_error("sync", dir))
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok();
    text.as_bytes().chunks_exact(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    //! Guards against keys that others can read, that change under a running server, or that leak.

    use super::*;

    #[test]
    fn the_key_is_made_once_and_private() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b");
        let first = Keys::open_or_create(&dir).unwrap();
        let second = Keys::open_or_create(&dir).unwrap();
        assert_eq!(first.secret, second.secret);
        assert_eq!(first.secret.len(), 32);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(&dir.join(KEY_FILE)), 0o600);
        assert_eq!(
            fs::read_dir(&dir).unwrap().count(),
            1,
            "the draft was left behind"
        );
        assert!(!format!("{first:?}").contains(&to_hex(&first.secret)[..8]));
    }

    #[test]
    fn processes_that_start_together_use_one_key() {
        let root = tempfile::tempdir().unwrap();
        let keys: Vec<Keys> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| Keys::open_or_create(root.path()).unwrap()))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(keys.windows(2).all(|pair| pair[0].secret == pair[1].secret));
    }

    #[test]
    fn what_is_not_a_key_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("k");
        for bad in [
            "",
            "00",
            "zz",
            &"0".repeat(62),
            &"0".repeat(65),
            &"g".repeat(64),
        ] {
            fs::write(&path, bad).unwrap();
            assert!(
                matches!(Keys::open(&path), Err(KeyError::Malformed { .. })),
                "{bad:?}"
            );
        }
        fs::write(&path, format!(" {}\n\n", "aB".repeat(40))).unwrap();
        assert_eq!(Keys::open(&path).unwrap().secret, vec![0xab; 40]);
    }

    #[test]
    fn derived_keys_differ_by_purpose() {
        let keys = Keys {
            secret: vec![7; 32],
        };
        assert_ne!(keys.derive("a"), keys.derive("b"));
        assert_ne!(keys.derive("a").as_slice(), keys.token_secret());
    }
}
