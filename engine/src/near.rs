//! Guesses which name was probably meant, for messages.
//!
//! The most frequent mistakes are case, separators, a plural and two letters in the wrong order, so
//! names that differ only by these are near whatever their length; others by the number of edits.
//! Nothing may be decided by the result, since a later version may measure otherwise.

/// Names with more edits between them are not near.
const EDITS_MAX: usize = 2;

/// How far two names are from each other, `None` where neither is meant by the other: 0 where they
/// differ only in case and separators.
///
/// ```
/// use indelible_engine::near::distance;
/// assert_eq!(distance("Created_At", "createdAt"), Some(0));
/// assert_eq!(distance("review", "reviews"), Some(1));
/// assert_eq!(distance("title", "colour"), None);
/// ```
#[must_use]
pub fn distance(word: &str, other: &str) -> Option<usize> {
    between(folded(word), folded(other))
}

/// The distance of two names without case and separators.
fn between(word: String, other: String) -> Option<usize> {
    if word == other {
        return Some(0);
    }
    if singular(&word) == singular(&other) {
        return Some(1);
    }
    let (length, other_length) = (word.chars().count(), other.chars().count());
    // So many edits it takes at least; names may be long, and counting them takes the product.
    if length.abs_diff(other_length) > EDITS_MAX {
        return None;
    }
    let distance = strsim::osa_distance(&word, &other);
    let near = distance <= EDITS_MAX && distance * 2 < other_length;
    near.then_some(distance)
}

/// Whether two names differ only in case and separators, or by two letters that changed places: what
/// nobody does on purpose.
#[must_use]
pub fn is_slip(word: &str, other: &str) -> bool {
    let (word, other) = (folded(word), folded(other));
    word == other || is_transposed(&word, &other)
}

/// Whether one of two names is the plural of the other.
#[must_use]
pub fn is_plural(word: &str, other: &str) -> bool {
    let (word, other) = (folded(word), folded(other));
    word != other && singular(&word) == singular(&other)
}

/// The candidate that is nearest to a word, if any is near.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let found = candidates
        .into_iter()
        .filter_map(|candidate| Some((distance(word, candidate)?, candidate)));
    found.min().map(|(_, candidate)| candidate)
}

/// As [`nearest`], of names in ASCII, such as those of kinds: without the tables of Unicode, which
/// are large for a page.
#[must_use]
pub fn nearest_ascii<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let found = candidates
        .into_iter()
        .filter_map(|candidate| Some((distance_ascii(word, candidate)?, candidate)));
    found.min().map(|(_, candidate)| candidate)
}

/// As [`distance`], of names as [`nearest_ascii`] takes them.
pub(crate) fn distance_ascii(word: &str, other: &str) -> Option<usize> {
    let folded = |word: &str| letters(word).map(|c| c.to_ascii_lowercase()).collect();
    between(folded(word), folded(other))
}

fn folded(word: &str) -> String {
    letters(word).flat_map(char::to_lowercase).collect()
}

fn letters(word: &str) -> impl Iterator<Item = char> {
    let letters = word.chars();
    letters.filter(|c| !matches!(c, '-' | '_' | ' ' | '.'))
}

/// The word without the end of an English plural.
fn singular(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() > 1) {
        return format!("{stem}y");
    }
    let ends = ["sses", "shes", "ches", "xes"];
    if ends.iter().any(|end| word.ends_with(end)) {
        return word[..word.len() - 2].to_owned();
    }
    match word.strip_suffix('s') {
        Some(stem) if stem.len() > 2 && !stem.ends_with('s') => stem.to_owned(),
        _ => word.to_owned(),
    }
}

fn is_transposed(word: &str, other: &str) -> bool {
    let (word, other): (Vec<char>, Vec<char>) = (word.chars().collect(), other.chars().collect());
    let first = word.iter().zip(&other).position(|(a, b)| a != b);
    let Some(at) = first.filter(|_| word.len() == other.len() && word.len() > 3) else {
        return false;
    };
    at + 1 < word.len()
        && (word[at], word[at + 1]) == (other[at + 1], other[at])
        && word[at + 2..] == other[at + 2..]
}

#[cfg(test)]
mod tests {
    //! Guards against names that are passed over because they differ in another way than by letters,
    //! and against names that are taken for each other although both are meant.

    use super::*;

    #[test]
    fn what_people_get_wrong_is_near() {
        for (word, other) in [
            ("Editor", "editor"),
            ("EDITORS", "editor"),
            ("created_at", "createdAt"),
            ("revews", "reviews"),
            ("reveiws", "reviews"),
            ("category", "categories"),
            ("box", "boxes"),
            ("edtor", "editor"),
            ("pubilc", "public"),
        ] {
            assert_eq!(nearest(word, ["other", other]), Some(other), "{word}");
            let ascii = nearest_ascii(word, ["other", other]);
            assert_eq!(ascii, Some(other), "{word}");
        }
        for (word, other) in [("team", "settings"), ("a", "b"), ("ab", "cd"), ("", "x")] {
            assert_eq!(nearest(word, [other]), None, "{word}");
        }
    }

    #[test]
    fn slips_are_told_from_other_names() {
        for (word, other) in [
            ("Editor", "editor"),
            ("site-admin", "site_admin"),
            ("edtior", "editor"),
        ] {
            assert!(is_slip(word, other) && is_slip(other, word), "{word}");
        }
        for (word, other) in [
            ("auditor", "editor"),
            ("form", "from2"),
            ("class", "clas"),
            ("on", "no"),
        ] {
            assert!(!is_slip(word, other), "{word}");
        }
        assert!(is_plural("Editors", "editor") && is_plural("city", "cities"));
        assert!(!is_plural("editor", "Editor") && !is_plural("clas", "class"));
    }
}
