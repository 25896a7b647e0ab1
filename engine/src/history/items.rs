//! The items of a keyed list while effects are applied to it one after the other, each about as
//! cheap as in an array.
//!
//! `pieces` hold the items in their order, and no piece is empty but the only one. An insertion or
//! removal shifts at most [`PIECE_MAX`] items. Once items are often looked up by id, `index` says
//! which piece holds an id, and no piece is longer than twice that.

use std::collections::HashMap;

use serde_json::Value;

const PIECE_MAX: usize = 128;
/// Searches from the first item on, before ids are indexed.
const SEARCHES_MAX: u32 = 8;

#[derive(Debug)]
struct Piece {
    number: u32,
    items: Vec<Value>,
}

#[derive(Debug)]
pub(super) struct Items {
    key: String,
    pieces: Vec<Piece>,
    length: usize,
    /// The number of the next piece.
    next: u32,
    searches: u32,
    /// The number of the piece that holds an id.
    index: Option<HashMap<String, u32>>,
}

impl Items {
    pub(super) fn new(key: &str, items: Vec<Value>) -> Self {
        Self {
            key: key.to_owned(),
            length: items.len(),
            pieces: vec![Piece { number: 0, items }],
            next: 1,
            searches: 0,
            index: None,
        }
    }

    pub(super) fn into_array(self) -> Vec<Value> {
        let mut pieces = self.pieces.into_iter().map(|piece| piece.items);
        let mut items = pieces.next().unwrap_or_default();
        pieces.for_each(|more| items.extend(more));
        items
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn get(&self, index: usize) -> Option<&Value> {
        let (piece, offset) = self.place(index)?;
        self.pieces[piece].items.get(offset)
    }

    /// Inserts an item before the one at `index`; `None` if the list is shorter.
    pub(super) fn insert(&mut self, index: usize, item: Value) -> Option<()> {
        let (piece, offset) = match index == self.length {
            true => {
                let last = self.pieces.len() - 1;
                (last, self.pieces[last].items.len())
            }
            false => self.shortened(index)?,
        };
        let held = &mut self.pieces[piece];
        if let (Some(ids), Some(id)) = (&mut self.index, id_of(&item, &self.key)) {
            ids.insert(id.to_owned(), held.number);
        }
        held.items.insert(offset, item);
        let is_long = held.items.len() > 2 * PIECE_MAX;
        self.length += 1;
        if is_long && self.index.is_some() {
            self.halve(piece);
        }
        Some(())
    }

    /// Takes the item at `index` out.
    pub(super) fn remove(&mut self, index: usize) -> Option<Value> {
        let (piece, offset) = self.shortened(index)?;
        let item = self.pieces[piece].items.remove(offset);
        if self.pieces[piece].items.is_empty() && self.pieces.len() > 1 {
            self.pieces.remove(piece);
        }
        self.length -= 1;
        if let (Some(ids), Some(id)) = (&mut self.index, id_of(&item, &self.key)) {
            ids.remove(id);
        }
        Some(item)
    }

    /// The item with an id.
    pub(super) fn named(&mut self, id: &str) -> Option<&mut Value> {
        let (piece, offset) = self.find(id)?;
        self.pieces[piece].items.get_mut(offset)
    }

    /// The index of the item with an id, and the item.
    pub(super) fn indexed(&mut self, id: &str) -> Option<(usize, &Value)> {
        let (piece, offset) = self.find(id)?;
        let before = self.pieces[..piece].iter().map(|piece| piece.items.len());
        let index = before.sum::<usize>() + offset;
        Some((index, self.pieces[piece].items.get(offset)?))
    }

    pub(super) fn is_named(&self, item: &Value, id: &str) -> bool {
        id_of(item, &self.key) == Some(id)
    }

    /// The piece that holds the item at `index`, and where in it.
    fn place(&self, index: usize) -> Option<(usize, usize)> {
        let mut offset = index;
        for (number, piece) in self.pieces.iter().enumerate() {
            if offset < piece.items.len() {
                return Some((number, offset));
            }
            offset -= piece.items.len();
        }
        None
    }

    /// The same, after halving the piece until few items are behind that one.
    fn shortened(&mut self, index: usize) -> Option<(usize, usize)> {
        loop {
            let (piece, offset) = self.place(index)?;
            if self.pieces[piece].items.len() - offset <= 2 * PIECE_MAX {
                return Some((piece, offset));
            }
            self.halve(piece);
        }
    }

    fn halve(&mut self, piece: usize) {
        let number = self.next;
        self.next += 1;
        let held = &mut self.pieces[piece].items;
        let items = held.split_off(held.len() / 2);
        if let Some(index) = &mut self.index {
            for id in items.iter().filter_map(|item| id_of(item, &self.key)) {
                if let Some(piece) = index.get_mut(id) {
                    *piece = number;
                }
            }
        }
        self.pieces.insert(piece + 1, Piece { number, items });
    }

    fn find(&mut self, id: &str) -> Option<(usize, usize)> {
        let key = &self.key;
        let within = |piece: &Piece| {
            let mut items = piece.items.iter();
            items.position(|item| id_of(item, key) == Some(id))
        };
        if self.index.is_none() {
            if self.searches < SEARCHES_MAX {
                self.searches += 1;
                let mut pieces = self.pieces.iter().enumerate();
                return pieces.find_map(|(number, piece)| Some((number, within(piece)?)));
            }
            self.make_index();
        }
        let number = *self.index.as_ref()?.get(id)?;
        let mut pieces = self.pieces.iter();
        let piece = pieces.position(|piece| piece.number == number)?;
        let key = &self.key;
        let mut items = self.pieces[piece].items.iter();
        Some((piece, items.position(|item| id_of(item, key) == Some(id))?))
    }

    fn make_index(&mut self) {
        let mut index = HashMap::with_capacity(self.length);
        let mut pieces = Vec::new();
        let held = std::mem::take(&mut self.pieces).into_iter();
        let mut items = held.flat_map(|piece| piece.items).peekable();
        while items.peek().is_some() || pieces.is_empty() {
            let number = self.next;
            self.next += 1;
            let items: Vec<Value> = items.by_ref().take(PIECE_MAX).collect();
            let ids = items.iter().filter_map(|item| id_of(item, &self.key));
            index.extend(ids.map(|id| (id.to_owned(), number)));
            pieces.push(Piece { number, items });
        }
        self.pieces = pieces;
        self.index = Some(index);
    }
}

fn id_of<'v>(item: &'v Value, key: &str) -> Option<&'v str> {
    item.get(key)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// After any insertions, removals and look-ups, the list is what an array would be.
    #[test]
    fn it_is_an_array() {
        let item = |number: usize| json!({ "id": number.to_string() });
        for (length, searching) in [(0, true), (3, true), (2_000, false), (2_000, true)] {
            let mut array: Vec<Value> = (0..length).map(item).collect();
            let mut items = Items::new("id", array.clone());
            let mut dice = 7_usize;
            for step in 0..3_000 {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let index = (dice >> 33) % (array.len() + 1);
                // Longer for a while, then shorter.
                if (step / 1_000) % 2 == 0 {
                    array.insert(index, item(10_000 + step));
                    items.insert(index, item(10_000 + step)).unwrap();
                } else if index < array.len() {
                    assert_eq!(items.remove(index), Some(array.remove(index)));
                }
                assert_eq!(items.len(), array.len());
                assert_eq!(items.get(index), array.get(index));
                if let (true, Some(item)) = (searching, array.get(index)) {
                    let id = item["id"].as_str().unwrap();
                    assert_eq!(items.indexed(id), Some((index, item)));
                    assert_eq!(items.named(id).as_deref(), Some(item));
                }
            }
            assert_eq!(items.indexed("none"), None);
            assert_eq!(items.insert(array.len() + 1, item(0)), None);
            assert_eq!(items.remove(array.len()), None);
            assert_eq!(items.into_array(), array);
        }
    }
}
