//! Warns of unknown keywords that resemble known ones. JSON Schema takes them for annotations, so
//! they do not keep a schema from loading.

use serde_json::Value;

use super::extension::{self, FIELD_WORDS, ROOT_WORDS};
use super::vocabulary::{EXTENSION, Form, KEYWORDS, find, misspelt};
use crate::near;
use crate::pointer::Pointer;

/// A keyword without effect that looks like one with an effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Where in the file.
    pub pointer: Pointer,
    /// The keyword.
    pub keyword: String,
    /// What it probably was meant to be.
    pub meant: &'static str,
    /// Whether that belongs inside `x-indelible`.
    pub is_word: bool,
}

/// What people write who have other libraries at heart.
const OTHERWISE: [(&str, &str); 8] = [
    ("max", "maximum"),
    ("min", "minimum"),
    ("desc", "description"),
    ("props", "properties"),
    ("regex", "pattern"),
    ("regexp", "pattern"),
    ("defs", "$defs"),
    ("ref", "$ref"),
];

/// The keywords of a schema, wherever a schema is in it, that have no effect and look like one that
/// has. Those that are mistakes are left out.
#[must_use]
pub fn doubtful_keywords(schema: &Value) -> Vec<Doubt> {
    let mut found = Vec::new();
    walk(schema, &Pointer::root(), &mut found);
    found
}

fn walk(schema: &Value, at: &Pointer, found: &mut Vec<Doubt>) {
    let Some(keywords) = schema.as_object() else {
        return;
    };
    for (keyword, value) in keywords {
        let at = at.child(keyword);
        match find(keyword).map(|(form, _)| form) {
            Some(Form::Schema) => walk(value, &at, found),
            Some(Form::Schemas) => {
                for (index, schema) in value.as_array().into_iter().flatten().enumerate() {
                    walk(schema, &at.child(index.to_string()), found);
                }
            }
            Some(Form::SchemasByName) => {
                for (name, schema) in value.as_object().into_iter().flatten() {
                    walk(schema, &at.child(name), found);
                }
            }
            Some(_) => {}
            None if extension::is_word(keyword) || misspelt(keyword).is_some() => {}
            None => {
                if let Some((meant, is_word)) = meant(keyword) {
                    found.push(Doubt {
                        pointer: at,
                        keyword: keyword.clone(),
                        meant,
                        is_word,
                    });
                }
            }
        }
    }
}

/// What a keyword was probably meant to be, and whether that is a word of ours.
fn meant(keyword: &str) -> Option<(&'static str, bool)> {
    // Others mark their own annotations so.
    if keyword.starts_with("x-") {
        return near::nearest(keyword, [EXTENSION]).map(|extension| (extension, false));
    }
    let keyword = keyword.trim_start_matches('$');
    if let Some((_, meant)) = OTHERWISE.iter().find(|(other, _)| *other == keyword) {
        return Some((meant, false));
    }
    let known = KEYWORDS
        .iter()
        .filter(|(_, form, _)| !matches!(form, Form::Refused(_)))
        .map(|(known, ..)| (*known, false));
    let words = ROOT_WORDS.iter().chain(&FIELD_WORDS);
    let words = words.filter(|word| extension::is_word(word));
    let found = known
        .chain(words.map(|word| (*word, true)))
        .filter_map(|(known, is_word)| Some((distance(keyword, known)?, is_word, known)));
    found.min().map(|(_, is_word, known)| (known, is_word))
}

/// As [`near::distance`], stricter with short words, which are close to many others, and also with
/// what is cut short.
fn distance(keyword: &str, known: &str) -> Option<usize> {
    let known = known.trim_start_matches('$');
    let (length, full) = (keyword.chars().count(), known.chars().count());
    if length.min(full) < 3 {
        return None;
    }
    let edits_max = match length.min(full) {
        3 => 0,
        4 | 5 => 1,
        _ => 2,
    };
    let near = near::distance(keyword, known).filter(|distance| *distance <= edits_max);
    let cut = known.to_lowercase().starts_with(&keyword.to_lowercase()) && length * 2 >= full;
    near.or((cut && length > 3).then_some(edits_max + 1))
}

#[cfg(test)]
mod tests {
    //! Guards against rules that are written and never hold, and against warnings about plain
    //! annotations.

    use serde_json::json;

    use super::*;

    fn meant_by(keyword: &str) -> Option<&'static str> {
        let found = doubtful_keywords(&json!({ keyword: 1 }));
        found.first().map(|doubt| doubt.meant)
    }

    #[test]
    fn what_looks_like_a_keyword_is_found() {
        for (keyword, meant) in [
            ("enumm", "enum"),
            ("enums", "enum"),
            ("eunm", "enum"),
            ("Enum", "enum"),
            ("tpye", "type"),
            ("consts", "const"),
            ("itmes", "items"),
            ("thne", "then"),
            ("exclusiveMax", "exclusiveMaximum"),
            ("exclusiveMin", "exclusiveMinimum"),
            ("maxLen", "maxLength"),
            ("max", "maximum"),
            ("desc", "description"),
            ("regex", "pattern"),
            ("unqiue", "unique"),
            ("uniques", "unique"),
            ("indx", "index"),
            ("mrege", "merge"),
            ("stmap", "stamp"),
        ] {
            // Some of them are mistakes already.
            let found = meant_by(keyword).or(misspelt(keyword));
            assert_eq!(found, Some(meant), "{keyword}");
        }
    }

    #[test]
    fn annotations_are_left_alone() {
        for keyword in [
            "order",
            "label",
            "note",
            "unit",
            "hint",
            "help",
            "group",
            "widget",
            "icon",
            "ui",
            "placeholder",
            "errorMessage",
            "discriminator",
            "xml",
            "externalDocs",
            "enumNames",
            "markdownDescription",
            "tsType",
            "options",
            "x-order",
            "x-index",
            "color",
            "style",
            "width",
            "count",
            "step",
            "name",
            "system",
            "locale",
            "category",
            "tags",
        ] {
            assert_eq!(meant_by(keyword), None, "{keyword}");
        }
    }

    #[test]
    fn every_schema_in_a_file_is_looked_at_and_no_value() {
        let schema = json!({
            "properties": { "enumm": { "items": { "allOf": [{ "enumm": [1] }] } } },
            "default": { "enumm": 1 },
            "$defs": { "a": { "if": { "uniqe": true } } },
        });
        let found = doubtful_keywords(&schema);
        let places: Vec<String> = found
            .iter()
            .map(|doubt| doubt.pointer.to_string())
            .collect();
        assert_eq!(
            places,
            ["/$defs/a/if/uniqe", "/properties/enumm/items/allOf/0/enumm"]
        );
        assert!(found[0].is_word && !found[1].is_word);
    }
}
