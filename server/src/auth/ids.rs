//! Ids that people would take for others: in histories and tables an id is all that one sees.
//!
//! Ids are not normalised, and letters of several scripts may look alike; what is refused here are
//! characters that show nothing, blanks, and what looks like the ids that the server keeps for itself.

use indelible_engine::principal::is_reserved_id;

/// Whether an id holds a character that shows nothing, moves others, or is a blank.
pub(super) fn has_hidden(id: &str) -> bool {
    id.chars().any(|c| c.is_whitespace() || is_hidden(c))
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

/// Whether an id is one of those that nobody can sign in with, or looks like one.
pub(super) fn looks_reserved(id: &str) -> bool {
    let plain: String = id.chars().flat_map(char::to_lowercase).map(plain).collect();
    is_reserved_id(&plain)
}

/// The Latin letter that a letter is drawn like, of those that the reserved ids are made of.
fn plain(c: char) -> char {
    match c {
        // Full width.
        '\u{ff41}'..='\u{ff5a}' => {
            let letter = u32::from(c) - 0xff41 + u32::from('a');
            char::from_u32(letter).unwrap_or(c)
        }
        'а' | 'α' => 'a',
        'е' | 'ё' | 'ε' => 'e',
        'м' => 'm',
        'п' => 'n',
        'о' | 'ο' | '0' => 'o',
        'ѕ' | 'ꜱ' | 'ſ' => 's',
        'т' | 'τ' => 't',
        'υ' => 'u',
        'у' | 'ү' | 'γ' => 'y',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    //! Guards against somebody who signs in and is taken for somebody else.

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
    }
}
