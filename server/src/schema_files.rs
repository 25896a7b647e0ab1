//! Schema folders: `DIR/*.json`, one schema per kind, and `DIR/content/*.json`, what a fresh store
//! begins with, named after its kind. A singleton's content is its value, another kind's is an
//! object of values by id.
//!
//! Invariant: files are read in the order of their names; what is not JSON is refused with its
//! place.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use indelible_engine::id::Kind;
use indelible_engine::json;
use indelible_engine::near;
use indelible_engine::schema::SchemaSource;
use serde_json::Value;

use crate::config::SchemaPlace;
use crate::demo;

const CONTENT_FOLDER: &str = "content";
/// How the names of Emacs's locks begin: links to nothing, beside the file that is being edited.
const EDITOR_LOCK: &str = ".#";
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Initial content by kind: a singleton's value, or an object of values by id.
pub(crate) type Content = BTreeMap<Kind, Value>;

/// What a schema folder holds.
#[derive(Debug)]
pub(crate) struct Files {
    /// The schemas.
    pub(crate) sources: Vec<SchemaSource>,
    /// What a fresh store begins with.
    pub(crate) content: Content,
    /// What is wrong with content files, and with files that are not text.
    pub(crate) mistakes: Vec<SchemaFilesError>,
    /// What looks like a schema or content and is not read.
    pub(crate) passed_over: Vec<PassedOver>,
}

/// A file or folder that is not read and probably should be.
#[derive(Debug)]
pub(crate) struct PassedOver {
    /// Which, as `team.JSON` or `contents/`.
    pub(crate) file: String,
    /// What it would have to be called, or where it would have to lie.
    pub(crate) reason: String,
}

/// Why a schema folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaFilesError {
    /// A folder or a file cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What has the name of a file or folder that is read is something else.
    #[error("{file} cannot be read: {reason}")]
    Other {
        /// Which, as `team.json` or `content`.
        file: String,
        /// What it is.
        reason: String,
    },
    /// There is no schema.
    #[error("there is no schema (*.json) in {}", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// A file is not text.
    #[error("{file} is not UTF-8: the byte at {at} begins no character (save the file as UTF-8)")]
    Encoding {
        /// The file, as `team.json` or `content/team.json`.
        file: String,
        /// How many bytes of it are UTF-8.
        at: usize,
    },
    /// A file begins with what says that it is UTF-8, and JSON does not have.
    #[error(
        "{file} begins with a byte-order mark, which JSON does not have: save it as \"UTF-8\", not \
         \"UTF-8 with BOM\""
    )]
    ByteOrderMark {
        /// The file, as `team.json` or `content/team.json`.
        file: String,
    },
    /// A content file is not JSON.
    #[error("{file} is not JSON: {reason}")]
    Content {
        /// The file, as `content/team.json`.
        file: String,
        /// Why, with line and column.
        reason: String,
    },
    /// A content file is not named after a kind.
    #[error("{file} is not named after a kind: {reason}")]
    ContentName {
        /// The file, as `content/team.json`.
        file: String,
        /// Why its name is not valid.
        reason: String,
    },
}

/// Reads a schema folder without mistakes in its content files, or takes the demo's.
///
/// # Errors
/// [`SchemaFilesError`].
pub(crate) fn load(place: &SchemaPlace) -> Result<Files, SchemaFilesError> {
    let mut files = read(place)?;
    let first = files.mistakes.drain(..).next();
    first.map_or(Ok(files), Err)
}

/// Reads a schema folder, leaving out and reporting content files with mistakes, or takes the demo's.
///
/// # Errors
/// [`SchemaFilesError`] when there is nothing to read.
pub(crate) fn read(place: &SchemaPlace) -> Result<Files, SchemaFilesError> {
    let (mut mistakes, mut passed_over) = (Vec::new(), Vec::new());
    let (sources, content) = match place {
        SchemaPlace::Demo => (
            demo::SCHEMA.iter().map(demo::DemoFile::source).collect(),
            demo::CONTENT.iter().map(demo::DemoFile::source).collect(),
        ),
        SchemaPlace::Folder(dir) => {
            let sources = read_folder(dir, "", &mut mistakes)?;
            passed_over.extend(other_names(dir, "")?);
            passed_over.extend(other_folders(dir, "")?);
            if sources.is_empty() && mistakes.is_empty() {
                return Err(SchemaFilesError::Empty { path: dir.clone() });
            }
            let content = dir.join(CONTENT_FOLDER);
            let content = if content.is_dir() {
                passed_over.extend(other_names(&content, "content/")?);
                passed_over.extend(other_folders(&content, "content/")?);
                read_folder(&content, "content/", &mut mistakes)?
            } else {
                mistakes.extend(other_than("a folder", &content, CONTENT_FOLDER.to_owned()));
                Vec::new()
            };
            (sources, content)
        }
    };
    let mut files = Files {
        sources,
        content: Content::new(),
        mistakes,
        passed_over,
    };
    for file in content {
        match parse_content(file) {
            Ok((kind, value)) => {
                files.content.insert(kind, value);
            }
            Err(mistake) => files.mistakes.push(mistake),
        }
    }
    Ok(files)
}

fn read_folder(
    dir: &Path,
    prefix: &str,
    mistakes: &mut Vec<SchemaFilesError>,
) -> Result<Vec<SchemaSource>, SchemaFilesError> {
    let io_error = |path: &Path| {
        let path = path.to_owned();
        move |source| SchemaFilesError::Io { path, source }
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(io_error(dir))? {
        let path = entry.map_err(io_error(dir))?.path();
        if path.extension().is_some_and(|end| end == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut sources = Vec::new();
    for path in paths {
        let file = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !path.is_file() {
            if !file.starts_with(EDITOR_LOCK) {
                mistakes.extend(other_than("a file", &path, format!("{prefix}{file}")));
            }
            continue;
        }
        let bytes = fs::read(&path).map_err(io_error(&path))?;
        match String::from_utf8(bytes) {
            Ok(text) if text.starts_with(BYTE_ORDER_MARK) => {
                mistakes.push(SchemaFilesError::ByteOrderMark {
                    file: format!("{prefix}{file}"),
                });
            }
            Ok(text) => sources.push(SchemaSource { file, text }),
            Err(error) => mistakes.push(SchemaFilesError::Encoding {
                file: format!("{prefix}{file}"),
                at: error.utf8_error().valid_up_to(),
            }),
        }
    }
    Ok(sources)
}

/// Why what is at a path cannot be read as `wanted`; `None` where nothing is there.
fn other_than(wanted: &str, path: &Path, file: String) -> Option<SchemaFilesError> {
    let is_link = fs::symlink_metadata(path).ok()?.is_symlink();
    let reason = match fs::metadata(path) {
        Ok(found) if found.is_dir() => format!("it is a directory, not {wanted}"),
        Ok(_) => format!("it is not {wanted}"),
        Err(error) if is_link => {
            let target = fs::read_link(path).unwrap_or_default();
            format!("it is a symbolic link to {}: {error}", target.display())
        }
        Err(error) => error.to_string(),
    };
    Some(SchemaFilesError::Other { file, reason })
}

/// What looks like a schema or content and is not read: files whose names end nearly in `.json`
/// (`.JSON`, `.jsn`, `.json5`), or in `.json.txt`. Hidden files and the backups of editors are none.
fn other_names(dir: &Path, prefix: &str) -> Result<Vec<PassedOver>, SchemaFilesError> {
    let is_other = |path: &Path| is_nearly_json(path) && path.is_file();
    let names = names_in(dir, is_other)?.into_iter();
    let passed_over = names.map(|name| PassedOver {
        file: format!("{prefix}{name}"),
        reason: "the name of a schema or content file ends in .json".to_owned(),
    });
    Ok(passed_over.collect())
}

fn is_nearly_json(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with('.') || name.ends_with(['~', '#']) {
        return false;
    }
    let is_json = |end: &str| end.eq_ignore_ascii_case("json");
    match name.rsplit_once('.') {
        Some((_, "json")) | None => false,
        Some((stem, end)) if end.eq_ignore_ascii_case("txt") => {
            stem.rsplit_once('.').is_some_and(|(_, end)| is_json(end))
        }
        Some((_, end)) => near::distance(end, "json").is_some_and(|edits| edits <= 1),
    }
}

/// Folders that are probably meant to hold the initial content, and those that JSON files lie in.
fn other_folders(dir: &Path, prefix: &str) -> Result<Vec<PassedOver>, SchemaFilesError> {
    let is_other = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_content = prefix.is_empty() && name == CONTENT_FOLDER;
        !is_content && !name.starts_with('.') && path.is_dir()
    };
    let mut passed_over = Vec::new();
    for name in names_in(dir, is_other)? {
        let reason = if prefix.is_empty() && near::nearest(&name, [CONTENT_FOLDER]).is_some() {
            "the folder of the initial content is called content".to_owned()
        } else {
            let is_json = |path: &Path| path.extension().is_some_and(|end| end == "json");
            // A folder that cannot be read does not belong to the schema.
            let files = names_in(&dir.join(&name), is_json).unwrap_or_default();
            let Some(first) = files.first() else {
                continue;
            };
            let more = match files.len() - 1 {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!(
                "{first}{more} in it would have to lie beside the schemas, or as content/KIND.json"
            )
        };
        passed_over.push(PassedOver {
            file: format!("{prefix}{name}/"),
            reason,
        });
    }
    Ok(passed_over)
}

/// The names of what is in a folder and is so, in order.
fn names_in(dir: &Path, is_so: impl Fn(&Path) -> bool) -> Result<Vec<String>, SchemaFilesError> {
    let io_error = |source| SchemaFilesError::Io {
        path: dir.to_owned(),
        source,
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(io_error)? {
        let path = entry.map_err(io_error)?.path();
        if let Some(name) = path.file_name().filter(|_| is_so(&path)) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn parse_content(source: SchemaSource) -> Result<(Kind, Value), SchemaFilesError> {
    let file = format!("{CONTENT_FOLDER}/{}", source.file);
    let name = source.file.trim_end_matches(".json");
    let kind = match Kind::new(name) {
        Ok(kind) => kind,
        Err(error) => {
            return Err(SchemaFilesError::ContentName {
                file,
                reason: error.to_string(),
            });
        }
    };
    match json::parse(source.text.as_bytes()) {
        Ok(value) => Ok((kind, value)),
        Err(error) => Err(SchemaFilesError::Content {
            file,
            reason: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    //! Guards against files that are overlooked or whose mistakes are reported without their place.

    use indelible_engine::schema;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, SchemaPlace) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(CONTENT_FOLDER)).unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let place = SchemaPlace::Folder(dir.path().to_owned());
        (dir, place)
    }

    #[test]
    fn a_folder_is_read_in_order_and_only_its_json() {
        let (_dir, place) = folder(&[
            ("b.json", "{}"),
            ("a.json", "[]"),
            ("notes.md", "#"),
            ("poem.JSON", "{}"),
            ("content/a.json", r#"{"x": 1}"#),
            ("content/b.Json", "{}"),
            ("conten/a.json", "{}"),
            ("pictures/a.json", "{}"),
        ]);
        let files = load(&place).unwrap();
        let passed_over: Vec<_> = files
            .passed_over
            .iter()
            .map(|one| one.file.as_str())
            .collect();
        let expected = ["poem.JSON", "conten/", "pictures/", "content/b.Json"];
        assert_eq!(passed_over, expected);
        let names: Vec<_> = files
            .sources
            .iter()
            .map(|source| source.file.as_str())
            .collect();
        assert_eq!(names, ["a.json", "b.json"]);
        let content: Vec<_> = files
            .content
            .iter()
            .map(|(k, v)| format!("{k} {v}"))
            .collect();
        assert_eq!(content, [r#"a {"x":1}"#]);
    }

    #[test]
    fn mistakes_are_reported_with_their_file() {
        let message = |files: &[(&str, &str)]| load(&folder(files).1).unwrap_err().to_string();
        assert!(message(&[]).starts_with("there is no schema (*.json) in /"));
        let broken = message(&[("a.json", "{}"), ("content/a.json", "{\n,}")]);
        assert!(broken.starts_with("content/a.json is not JSON: ") && broken.contains("line 2"));
        let twice = r#"{"x": {"y": 1, "y": 2}}"#;
        let twice = message(&[("a.json", "{}"), ("content/a.json", twice)]);
        assert!(
            twice.contains("\"y\" appears twice in /x at line 1"),
            "{twice}"
        );
        for marked in ["a.json", "content/a.json"] {
            let marked_text = "\u{feff}{}";
            let said = message(&[("b.json", "{}"), (marked, marked_text)]);
            let expected = format!("{marked} begins with a byte-order mark");
            assert!(said.starts_with(&expected), "{said}");
        }
        let named = message(&[("a.json", "{}"), ("content/A.json", "{}")]);
        assert!(
            named.starts_with("content/A.json is not named after a kind"),
            "{named}"
        );
        let gone = load(&SchemaPlace::Folder("/nowhere/at/all".into())).unwrap_err();
        assert_eq!(gone.to_string(), "cannot read /nowhere/at/all");
    }

    #[test]
    fn what_is_no_file_and_has_the_name_of_one_is_a_mistake() {
        use std::os::unix::fs::symlink;
        let (dir, place) = folder(&[("a.json", "{}"), ("content/a.json", "{}")]);
        let path = |name: &str| dir.path().join(name);
        symlink("me@here.1", path(".#a.json")).unwrap();
        symlink("a.json", path("b.json")).unwrap();
        assert_eq!(load(&place).unwrap().sources.len(), 2);
        for name in ["k.json", "content/k.json"] {
            symlink("nowhere.json", path(name)).unwrap();
        }
        fs::create_dir(path("dir.json")).unwrap();
        let said = || -> Vec<String> {
            let mistakes = read(&place).unwrap().mistakes;
            mistakes.iter().map(ToString::to_string).collect()
        };
        let is_link = "it is a symbolic link to nowhere.json: No such file or directory";
        let expected = [
            "dir.json cannot be read: it is a directory, not a file".to_owned(),
            format!("k.json cannot be read: {is_link} (os error 2)"),
            format!("content/k.json cannot be read: {is_link} (os error 2)"),
        ];
        assert_eq!(said(), expected);
        fs::remove_dir_all(path("content")).unwrap();
        assert_eq!(said(), expected[..2]);
        symlink("nowhere.json", path("content")).unwrap();
        assert_eq!(
            said()[2],
            format!("content cannot be read: {is_link} (os error 2)")
        );
        fs::remove_file(path("content")).unwrap();
        fs::write(path("content"), "").unwrap();
        assert_eq!(said()[2], "content cannot be read: it is not a folder");
        assert!(load(&place).is_err());
    }

    #[test]
    fn the_demo_compiles_and_has_content_for_every_kind() {
        let files = load(&SchemaPlace::Demo).unwrap();
        let policies = schema::compile_all(&files.sources).unwrap();
        let kinds: Vec<_> = policies.iter().map(|policy| policy.kind()).collect();
        let content: Vec<_> = files.content.keys().collect();
        assert_eq!(kinds, content);
        assert_eq!(kinds.len(), 4);
    }
}
