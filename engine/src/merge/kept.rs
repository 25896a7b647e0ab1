//! Places that a merge leaves as they are, because the caller said so.
//!
//! Invariant: whether a place is among them takes as long as it is deep, however many they are.

use std::collections::HashMap;

use crate::pointer::Pointer;

/// Places to be kept, by what their pointers begin with.
#[derive(Debug, Default)]
pub(super) struct Kept<'a> {
    /// Whether the place that leads here is kept, with all that is in it.
    is_whole: bool,
    inside: HashMap<&'a str, Self>,
}

impl<'a> Kept<'a> {
    pub(super) fn of(places: &'a [Pointer]) -> Self {
        let mut all = Self::default();
        for place in places {
            let tokens = place.tokens().iter();
            let end = tokens.fold(&mut all, |kept, token| {
                kept.inside.entry(token.as_str()).or_default()
            });
            end.is_whole = true;
        }
        all
    }

    /// Whether there are none.
    pub(super) fn is_none(&self) -> bool {
        !self.is_whole && self.inside.is_empty()
    }

    /// Whether a place is kept, or lies in one that is.
    pub(super) fn holds(&self, at: &Pointer) -> bool {
        matches!(self.find(at), Some(Self { is_whole: true, .. }))
    }

    /// Whether a place is kept, or lies in one that is, or one that is lies in it.
    pub(super) fn touches(&self, at: &Pointer) -> bool {
        self.find(at).is_some()
    }

    /// The first kept place on the way to `at`; else what is known of `at` itself.
    fn find(&self, at: &Pointer) -> Option<&Self> {
        let mut tokens = at.tokens().iter();
        let mut kept = self;
        while !kept.is_whole {
            match tokens.next() {
                Some(token) => kept = kept.inside.get(token.as_str())?,
                None => return (!kept.is_none()).then_some(kept),
            }
        }
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_kept_with_what_is_in_them() {
        let places: Vec<Pointer> = ["/items/a/x", "/items/b", "/items/b/y", "/name"]
            .map(|place| place.parse().unwrap())
            .to_vec();
        let kept = Kept::of(&places);
        for at in [
            "",
            "/items",
            "/items/a",
            "/items/a/x",
            "/items/a/x/1",
            "/items/a/z",
            "/items/b",
            "/items/b/y",
            "/items/b/z",
            "/items/c",
            "/name",
            "/other",
        ] {
            let at: Pointer = at.parse().unwrap();
            let holds = places.iter().any(|place| place.contains(&at));
            let lies_in = places.iter().any(|place| at.contains(place));
            assert_eq!(kept.holds(&at), holds, "{at}");
            assert_eq!(kept.touches(&at), holds || lies_in, "{at}");
        }
        let none = Kept::of(&[]);
        assert!(!none.holds(&Pointer::root()) && !none.touches(&Pointer::root()));
        assert!(Kept::of(&[Pointer::root()]).holds(&places[0]));
    }
}
