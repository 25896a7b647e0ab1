//! Places for the items of a keyed list that are new or move.
//!
//! Invariant: what keeps its place is not written, unless there is no room beside it; many that go
//! to one spot are spread there evenly.

use std::collections::{BTreeMap, HashMap};

use crate::document::Row;
use crate::position;

/// So many items that need a place in one spot get positions that are evenly spaced there. One after
/// the other each would halve the room that is left.
const SPREAD_MIN: usize = 8;

/// Gives positions to the ids of `wanted` that need one, each after its predecessor in `wanted`
/// and before what follows that one now. Without room all items get new positions.
pub(super) fn assign(
    rows: &[Row],
    wanted: &[&str],
    needs: impl Fn(&str) -> bool,
) -> BTreeMap<String, String> {
    let mut line = Line::of(rows.iter().filter(|row| !needs(&row.id)));
    let mut crowded = false;
    let mut rest = wanted;
    while let Some(first) = rest.first() {
        let many = rest.iter().take_while(|id| needs(id)).count();
        let (new, after) = rest.split_at(many);
        if new.is_empty() {
            line.go_behind(first);
            rest = &rest[1..];
            continue;
        }
        rest = after;
        let spread = match line.around() {
            (before, Some(after)) if many >= SPREAD_MIN => {
                position::spread_between(before, Some(after), many)
            }
            _ => None,
        };
        let mut spread = spread.into_iter().flatten();
        for id in new {
            let position = spread.next().or_else(|| match line.around() {
                (Some(before), Some(after)) if before >= after => None,
                (before, after) => position::between(before, after),
            });
            crowded |= position.is_none();
            line.insert(id, position);
        }
    }
    if crowded {
        let ids = line.ids();
        let spread = position::spread(ids.len());
        return ids.into_iter().map(str::to_owned).zip(spread).collect();
    }
    line.inserted()
}

/// Items in order, and a place between two of them: a linked list, since places come in any order.
struct Line<'a> {
    /// Position and id; the first stands for the beginning.
    items: Vec<(String, &'a str)>,
    /// By item: the one that follows.
    next: Vec<Option<usize>>,
    by_id: HashMap<&'a str, usize>,
    /// The item before the place.
    at: usize,
    /// How many items were there from the start.
    there: usize,
}

impl<'a> Line<'a> {
    fn of(rows: impl Iterator<Item = &'a Row>) -> Self {
        let rows = rows.map(|row| (row.position.clone(), row.id.as_str()));
        let items: Vec<(String, &str)> = [(String::new(), "")].into_iter().chain(rows).collect();
        Self {
            next: (1..items.len()).map(Some).chain([None]).collect(),
            by_id: (0..).zip(&items).map(|(at, (_, id))| (*id, at)).collect(),
            at: 0,
            there: items.len(),
            items,
        }
    }

    /// The place right behind an item, if it is there.
    fn go_behind(&mut self, id: &str) {
        self.at = self.by_id.get(id).copied().unwrap_or(self.at);
    }

    /// The positions before and after the place.
    fn around(&self) -> (Option<&str>, Option<&str>) {
        let position = |at: usize| self.items[at].0.as_str();
        let before = (self.at > 0).then(|| position(self.at));
        (before, self.next[self.at].map(position))
    }

    /// Puts an item there; without a position of its own it gets that of the one before.
    fn insert(&mut self, id: &'a str, position: Option<String>) {
        let position = position.unwrap_or_else(|| self.items[self.at].0.clone());
        let new = self.items.len();
        self.items.push((position, id));
        self.next.push(self.next[self.at]);
        self.next[self.at] = Some(new);
        self.at = new;
    }

    fn ids(&self) -> Vec<&'a str> {
        let next = |at: &usize| self.next[*at];
        std::iter::successors(self.next[0], next)
            .map(|at| self.items[at].1)
            .collect()
    }

    /// The positions of the items that were put there.
    fn inserted(self) -> BTreeMap<String, String> {
        let inserted = self.items.into_iter().skip(self.there);
        inserted.map(|(at, id)| (id.to_owned(), at)).collect()
    }
}
