//! Changes of texts as splices, counted in UTF-16 code units.
//!
//! Owns the answer to how a text came from one state to another. Where the states share operations,
//! a splice is where its author's letters went; comparing the two texts cannot say which of two
//! equal letters is the new one.
//! Invariant: applied in order, each at its index in the text as spliced so far, the splices make
//! the old text into the new one, and none of them cuts a surrogate pair.

use std::ops::Range;

use automerge::{Automerge, ChangeHash, ObjId, ObjType, Patch, PatchAction, ReadDoc, Value};
use serde::{Deserialize, Serialize};

use crate::entity::Entity;
use crate::id::Hash;
use crate::pointer::Pointer;
use crate::sequence::{Edit, Element, edits, runs};

/// One replaced part of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Splice {
    /// Where it begins.
    pub index: usize,
    /// How many code units go.
    pub remove: usize,
    /// What comes in their place.
    pub insert: String,
}

/// The text after the splices; `None` when they do not fit it.
#[must_use]
pub fn apply(text: &str, splices: &[Splice]) -> Option<String> {
    let mut units: Vec<u16> = text.encode_utf16().collect();
    for splice in splices {
        let end = splice.index.checked_add(splice.remove)?;
        if end > units.len() {
            return None;
        }
        units.splice(splice.index..end, splice.insert.encode_utf16());
    }
    String::from_utf16(&units).ok()
}

/// Why a splice does not fit the text at a pointer; `None` when it does.
#[must_use]
pub fn misfit(
    text: impl IntoIterator<Item = char>,
    splice: &Splice,
    at: &Pointer,
) -> Option<String> {
    let Splice { index, remove, .. } = splice;
    let end = index.saturating_add(*remove);
    let (mut length, mut begins, mut ends) = (0, *index == 0, end == 0);
    for letter in text {
        length += letter.len_utf16();
        begins |= length == *index;
        ends |= length == end;
    }
    let of = format!("of the text at {at}, which has {length} UTF-16 code units");
    if *index > length {
        Some(format!("index is {index}: that is beyond the end {of}"))
    } else if end > length {
        Some(format!(
            "remove is {remove}: from index {index} that reaches beyond the end {of}"
        ))
    } else if !begins {
        Some(format!(
            "index is {index}: that is inside a surrogate pair {of}"
        ))
    } else if !ends {
        Some(format!(
            "remove is {remove}: from index {index} that ends inside a surrogate pair {of}"
        ))
    } else {
        None
    }
}

/// The splices between two texts of which nothing else is known.
#[must_use]
pub fn between(from: &str, to: &str) -> Vec<Splice> {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut splices = Vec::new();
    let (mut units, mut done) = (0, 0);
    for Edit {
        at,
        removed,
        inserted,
    } in edits(&from, &to)
    {
        // `at` counts in the text as edited so far, which equals `to` up to here.
        units += width(&to[done..at]);
        splices.push(Splice {
            index: units,
            remove: width(removed),
            insert: inserted.iter().collect(),
        });
        units += width(inserted);
        done = at + inserted.len();
    }
    splices
}

fn width(chars: &[char]) -> usize {
    chars.iter().map(|c| c.len_utf16()).sum()
}

/// How the texts of an entity came from one state to another.
#[derive(Debug)]
pub struct Texts<'a>(Origin<'a>);

#[derive(Debug)]
enum Origin<'a> {
    /// Nothing but the values is common.
    Values,
    /// The later document holds the earlier state.
    Later {
        doc: &'a Automerge,
        from: Vec<ChangeHash>,
        to: Vec<ChangeHash>,
    },
    /// Both documents hold an earlier state, `common`.
    Beside {
        from: &'a Automerge,
        to: &'a Automerge,
        common: Vec<ChangeHash>,
    },
}

impl<'a> Texts<'a> {
    /// From one state of an entity to another. `common` names heads of a state that both came from,
    /// in case the later one does not hold all of the earlier one.
    #[must_use]
    pub fn between(before: &'a Entity, after: &'a Entity, common: &[Hash]) -> Self {
        if let Ok(from) = after.known_heads(&before.heads()) {
            return Self(Origin::Later {
                doc: after.doc(),
                from,
                to: after.doc().get_heads(),
            });
        }
        let known = (before.known_heads(common), after.known_heads(common));
        Self(match known {
            (Ok(common), Ok(_)) if !common.is_empty() => Origin::Beside {
                from: before.doc(),
                to: after.doc(),
                common,
            },
            _ => Origin::Values,
        })
    }

    /// The splices that make the text at a pointer (with the ids of items), `from`, into `to`.
    pub(crate) fn splices(&self, at: &Pointer, from: &str, to: &str) -> Vec<Splice> {
        let exact = match &self.0 {
            Origin::Values => None,
            Origin::Later {
                doc,
                from: before,
                to: after,
            } => later(doc, at, before, after),
            Origin::Beside {
                from: before,
                to: after,
                common,
            } => beside((before, after), at, common, (from, to)),
        };
        exact
            .filter(|splices| apply(from, splices).as_deref() == Some(to))
            .unwrap_or_else(|| between(from, to))
    }
}

fn later(
    doc: &Automerge,
    at: &Pointer,
    from: &[ChangeHash],
    to: &[ChangeHash],
) -> Option<Vec<Splice>> {
    let object = text_at(doc, at, Some(from))?;
    // A text that was made again since has none of the old letters.
    if text_at(doc, at, None)? != object {
        return None;
    }
    splices(doc, &object, from, to)
}

/// The text object that a pointer names.
fn text_at(doc: &Automerge, at: &Pointer, heads: Option<&[ChangeHash]>) -> Option<ObjId> {
    let mut object = automerge::ROOT;
    let mut found = ObjType::Map;
    for token in at.tokens() {
        let stored = match heads {
            Some(heads) => doc.get_at(&object, token.as_str(), heads),
            None => doc.get(&object, token.as_str()),
        };
        (found, object) = match stored.ok()?? {
            (Value::Object(shape), inside) => (shape, inside),
            (Value::Scalar(_), _) => return None,
        };
    }
    (found == ObjType::Text).then_some(object)
}

fn splices(
    doc: &Automerge,
    object: &ObjId,
    from: &[ChangeHash],
    to: &[ChangeHash],
) -> Option<Vec<Splice>> {
    let patches = doc.diff_obj(object, from, to, false).ok()?;
    patches.into_iter().map(splice).collect()
}

fn splice(patch: Patch) -> Option<Splice> {
    match patch.action {
        PatchAction::SpliceText { index, value, .. } => Some(Splice {
            index,
            remove: 0,
            insert: value.make_string(),
        }),
        PatchAction::DeleteSeq { index, length } => Some(Splice {
            index,
            remove: length,
            insert: String::new(),
        }),
        _ => None,
    }
}

/// One letter of a text that came from a common state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letter {
    /// It was there, at this index.
    Kept(usize),
    /// It came since.
    Written(char),
}

impl Element for Letter {
    fn numbered(old: &[Self], new: &[Self]) -> (Vec<u32>, Vec<u32>) {
        // No text has as many letters as there are numbers beside those of letters.
        let after_letters = u32::from(char::MAX) + 1;
        let number = |letter: &Self| match *letter {
            Self::Kept(index) => {
                after_letters.saturating_add(u32::try_from(index).unwrap_or(u32::MAX))
            }
            Self::Written(char) => u32::from(char),
        };
        let numbers = |letters: &[Self]| letters.iter().map(number).collect();
        (numbers(old), numbers(new))
    }
}

/// The letters that both texts have from the common state stay; between them, what was written on
/// either side is compared: the same edits, made once more.
fn beside(
    (before, after): (&Automerge, &Automerge),
    at: &Pointer,
    common: &[ChangeHash],
    (from, to): (&str, &str),
) -> Option<Vec<Splice>> {
    let letters = |doc: &Automerge, text: &str| {
        let object = text_at(doc, at, Some(common))
            .filter(|object| text_at(doc, at, None).as_ref() == Some(object))?;
        let base = doc.text_at(&object, common).ok()?;
        let splices = splices(doc, &object, common, &doc.get_heads())?;
        letters(&base, &splices, text).map(|letters| (object, letters))
    };
    let (old_object, old) = letters(before, from)?;
    let (new_object, new) = letters(after, to)?;
    (old_object == new_object).then(|| aligned(&old, &new, (from, to)))
}

/// The letters of `text`, which `splices` made of `base`.
fn letters(base: &str, splices: &[Splice], text: &str) -> Option<Vec<Letter>> {
    let mut units: Vec<Option<usize>> = (0..base.encode_utf16().count()).map(Some).collect();
    for splice in splices {
        let range = splice.index..splice.index.checked_add(splice.remove)?;
        if range.end > units.len() {
            return None;
        }
        units.splice(range, splice.insert.encode_utf16().map(|_| None));
    }
    let mut at = 0;
    let mut letters = Vec::with_capacity(units.len());
    for char in text.chars() {
        letters.push(match units.get(at)? {
            Some(index) => Letter::Kept(*index),
            None => Letter::Written(char),
        });
        at += char.len_utf16();
    }
    (at == units.len()).then_some(letters)
}

fn aligned(old: &[Letter], new: &[Letter], (from, to): (&str, &str)) -> Vec<Splice> {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut splices = Vec::new();
    let mut units = 0;
    let mut done = 0;
    let mut gap = |old_gap: Range<usize>, new_gap: Range<usize>| {
        for run in runs(&old[old_gap.clone()], &new[new_gap.clone()]) {
            let gone = old_gap.start + run.old.start..old_gap.start + run.old.end;
            let come = new_gap.start + run.new.start..new_gap.start + run.new.end;
            units += width(&to[done..come.start]);
            splices.push(Splice {
                index: units,
                remove: width(&from[gone]),
                insert: to[come.clone()].iter().collect(),
            });
            units += width(&to[come.clone()]);
            done = come.end;
        }
    };
    let (mut old_start, mut new_start) = (0, 0);
    let mut others = kept(new).peekable();
    for (old_at, index) in kept(old) {
        while others.next_if(|(_, other)| *other < index).is_some() {}
        if let Some((new_at, _)) = others.next_if(|(_, other)| *other == index) {
            gap(old_start..old_at, new_start..new_at);
            (old_start, new_start) = (old_at + 1, new_at + 1);
        }
    }
    gap(old_start..old.len(), new_start..new.len());
    splices
}

/// The letters from the common state: where each is, and where it was.
fn kept(letters: &[Letter]) -> impl Iterator<Item = (usize, usize)> {
    let places = letters.iter().enumerate();
    places.filter_map(|(at, letter)| match letter {
        Letter::Kept(index) => Some((at, *index)),
        Letter::Written(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splices_by_value_lead_from_one_text_to_the_other() {
        for (from, to, count) in [
            ("", "", 0),
            ("same", "same", 0),
            ("", "a😀", 1),
            ("a😀", "", 1),
            ("one 😀 three", "1 😀 3", 2),
            ("a😀b", "a😁b", 1),
        ] {
            let splices = between(from, to);
            assert_eq!(splices.len(), count, "{from:?} → {to:?}: {splices:?}");
            assert_eq!(apply(from, &splices).as_deref(), Some(to));
        }
    }

    #[test]
    fn what_does_not_fit_is_no_text() {
        let cut = |index, remove| Splice {
            index,
            remove,
            insert: String::new(),
        };
        for splice in [
            cut(4, 0),
            cut(0, 4),
            cut(usize::MAX, 2),
            cut(0, 2),
            cut(2, 0),
        ] {
            let fits = apply("a😀", std::slice::from_ref(&splice));
            assert_eq!(fits.is_some(), splice == cut(2, 0), "{splice:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let at: Pointer = "/bio".parse().expect("a pointer");
        for (index, remove, says) in [
            (3, 0, None),
            (0, 3, None),
            (1, 2, None),
            (4, 0, Some("index is 4: that is beyond the end")),
            (
                0,
                4,
                Some("remove is 4: from index 0 that reaches beyond the end"),
            ),
            (
                3,
                usize::MAX,
                Some("remove is 18446744073709551615: from index 3 that reaches beyond the end"),
            ),
            (2, 0, Some("index is 2: that is inside a surrogate pair")),
            (
                1,
                1,
                Some("remove is 1: from index 1 that ends inside a surrogate pair"),
            ),
        ] {
            let insert = String::new();
            let splice = Splice {
                index,
                remove,
                insert,
            };
            let full = says
                .map(|says| format!("{says} of the text at /bio, which has 3 UTF-16 code units"));
            assert_eq!(misfit("a😀".chars(), &splice, &at), full);
        }
    }

    #[test]
    fn letters_of_the_common_state_stay() {
        use Letter::{Kept, Written};
        let old = [Kept(0), Written('x'), Kept(1), Kept(2)];
        let new = [Kept(0), Kept(1), Written('x'), Written('y'), Kept(3)];
        let splices = aligned(&old, &new, ("axaa", "aaxya"));
        assert_eq!(apply("axaa", &splices).as_deref(), Some("aaxya"));
        let places: Vec<_> = splices.iter().map(|s| (s.index, s.remove)).collect();
        assert_eq!(places, [(1, 1), (2, 1)]);
    }
}
