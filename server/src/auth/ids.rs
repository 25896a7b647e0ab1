//! Ids and names that people would take for others: in histories and tables they are all that one
//! sees.
//!
//! They are not normalised, and letters of several scripts may look alike; what is refused here are
//! characters that show nothing, blanks in ids, and what looks like the ids that the server keeps
//! for itself.

use indelible_engine::principal::RESERVED_IDS;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use unicode_security::confusable_detection::skeleton;

/// Whether an id holds a character that shows nothing, moves others, or is a blank.
pub(super) fn has_hidden(id: &str) -> bool {
    id.chars().any(|c| c.is_whitespace() || is_hidden(c))
}

/// Whether a name or a role holds a character that shows nothing or moves others. Joiners and
/// selectors of variants are for scripts and pictures that need them.
pub(super) fn has_hidden_in_name(name: &str) -> bool {
    let joins = |c| matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}');
    let mut shown = name.chars().filter(|&c| !joins(c) && !c.is_whitespace());
    name.chars().any(|c| is_hidden(c) && !joins(c)) || shown.next().is_none()
}

/// Characters without a shape of their own: format controls, joiners, marks of direction, selectors of
/// variants, tags, fillers and what has no meaning that all agree on.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{e000}'..='\u{f8ff}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
        | '\u{f0000}'..='\u{10ffff}')
}

/// Whether an id or a name is reserved, or looks like a reserved one.
pub(super) fn looks_reserved(text: &str) -> bool {
    let seen = as_drawn(text);
    let seen = seen.trim_matches(|c: char| !c.is_alphanumeric());
    RESERVED_IDS.iter().any(|id| seen == as_drawn(id))
}

/// What a reader sees of a text in passing: letters of no case and without
/// marks, and one for all that are drawn alike (UTS #39).
fn as_drawn(text: &str) -> String {
    let letters = text
        .nfkd()
        .filter(|&c| !is_combining_mark(c) && !is_hidden(c));
    let letters = letters.flat_map(char::to_lowercase);
    let letters: String = letters.map(nearly).collect();
    skeleton(&letters).flat_map(char::to_lowercase).collect()
}

/// The Latin letter that is nearest, where the tables find two letters not near enough, of those
/// that the reserved ids are made of.
fn nearly(c: char) -> char {
    match c {
        'ε' | 'є' => 'e',
        'м' => 'm',
        'п' | 'η' => 'n',
        'τ' | 'т' => 't',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    //! Guards against a principal that is taken for another one.

    use super::*;

    #[test]
    fn ids_that_look_like_others_are_found() {
        for id in [
            "a b",
            " ada",
            "ada ",
            "ada\u{a0}",
            "ada\u{200b}",
            "ad\u{ad}a",
            "\u{202e}ada",
            "ada\u{2066}",
            "ada\u{feff}",
            "ada\u{fe0f}",
            "ada\u{3000}",
            "ada\u{e0041}",
            "ada\u{2028}",
            "ada\u{2800}",
        ] {
            assert!(has_hidden(id), "{id:?}");
        }
        for id in [
            "System",
            "SYSTEM",
            "Anonymous",
            "ѕуѕтем",
            "ｓｙｓｔｅｍ",
            "syѕtem",
            "an0nymous",
            "𝐬𝐲stem",
            "syst℮m",
            "sʏstem",
            "s\u{301}ystem",
            "system.",
            "«System»",
            "s\u{200b}ystem",
        ] {
            assert!(looks_reserved(id), "{id:?}");
        }
        for id in [
            "ada",
            "dev:ada-lovelace",
            "ada@example.org",
            "Zoë",
            "李雷",
            "systems",
            "O'Hara",
            "ада",
        ] {
            assert!(!has_hidden(id) && !looks_reserved(id), "{id:?}");
        }
        for name in [
            "Ada Lovelace",
            "مریم\u{200c}ها",
            "👩\u{200d}💻",
            "Zoë",
            "System Ada",
        ] {
            assert!(
                !has_hidden_in_name(name) && !looks_reserved(name),
                "{name:?}"
            );
        }
        for name in ["\u{202e}ada", "ad\u{ad}a", "\u{200d}", " ", "\u{2800}"] {
            assert!(has_hidden_in_name(name), "{name:?}");
        }
    }
}
