//! Merging keyed lists and open maps of objects: by key, with the fewest moves.
//!
//! Invariant: items that others added since the base stay; an item is never made twice nor
//! removed, only its registers are written.

use std::collections::{BTreeMap, HashMap, HashSet};

use automerge::{ObjId, ObjType};
use serde_json::{Map, Value};

use super::places::assign;
use super::repeats::repeats;
use super::{Merger, Outcome, Source, Target};
use crate::document::{DELETED, POSITION, Row, make_fields};
use crate::id::{Hash, ItemId, check_map_key};
use crate::pointer::Pointer;
use crate::policy::{NodeId, refusal_text, wrong_type};
use crate::sequence::moves;
use crate::violation::{Rule, VIOLATIONS_MAX};

/// A keyed list on its way.
pub(super) struct List<'a> {
    pub(super) object: &'a ObjId,
    /// The list itself.
    pub(super) node: NodeId,
    pub(super) item: NodeId,
    pub(super) key: &'a str,
    pub(super) at: &'a Pointer,
}

/// An item of the body and what it means.
enum Item<'a> {
    /// An item of the list.
    Present(&'a Row, &'a Map<String, Value>),
    /// A new one, under this id.
    New(String, &'a Map<String, Value>),
    /// One that was deleted before the epoch began, with what it is now to hold.
    Anew(String, Map<String, Value>),
}

impl Item<'_> {
    /// Its id, if the list has it.
    fn present(&self) -> Option<&str> {
        match self {
            Self::Present(row, _) => Some(row.id.as_str()),
            Self::New(..) | Self::Anew(..) => None,
        }
    }
}

impl Merger<'_> {
    pub(super) fn keyed(
        &mut self,
        list: &List<'_>,
        body: &[Value],
        base: Option<&[Value]>,
        fresh: bool,
    ) -> Outcome {
        let (rows, shown) = self.reader_rows(list);
        let shown: HashMap<&str, &Map<String, Value>> =
            rows.iter().map(|row| row.id.as_str()).zip(&shown).collect();
        let known: HashMap<&str, &Row> = rows.iter().map(|row| (row.id.as_str(), row)).collect();
        let order: Vec<&str> = match base {
            Some(base) => base
                .iter()
                .filter_map(|item| item.get(list.key)?.as_str())
                .collect(),
            None => rows.iter().map(|row| row.id.as_str()).collect(),
        };
        let base: Option<HashMap<&str, &Value>> = base.map(|items| by_id(items, list.key));
        let Some(items) = self.sort_out(list, body, &known, base.as_ref()) else {
            return Ok(());
        };
        self.delete_absent(list, &rows, &items, base.as_ref())?;
        let places = self.places(list, &rows, &items, &order, fresh);
        let holder = Target {
            object: list.object,
            node: list.node,
            at: list.at,
            fresh,
        };
        for item in &items {
            match item {
                Item::Present(row, value) => {
                    let at = list.at.child(&row.id);
                    if row.deleted {
                        self.draft.put(&row.object, DELETED, false)?;
                    }
                    if let Some(position) = places.get(row.id.as_str()) {
                        self.draft.put(&row.object, POSITION, position.as_str())?;
                    }
                    let old = base.as_ref().map(|base| base.get(row.id.as_str()).copied());
                    let old = old.flatten().and_then(Value::as_object);
                    let like = old.or_else(|| shown.get(row.id.as_str()).copied());
                    if !row.deleted && self.is_no_edit(list.key, &at, value, like) {
                        continue;
                    }
                    let target = Target {
                        object: &row.object,
                        node: list.item,
                        at: &at,
                        fresh: fresh || self.is_new(&row.object),
                    };
                    self.object(&target, value, old)?;
                }
                Item::New(id, value) => {
                    let Some(position) = places.get(id.as_str()) else {
                        continue;
                    };
                    self.make_item(&holder, id, list.item, value, Some(position))?;
                }
                Item::Anew(id, value) => {
                    let Some(position) = places.get(id.as_str()) else {
                        continue;
                    };
                    let content = (value, Some(position));
                    self.make_anew(&holder, id, list.item, content)?;
                }
            }
        }
        let written: HashSet<&str> = items.iter().filter_map(Item::present).collect();
        for row in rows.iter().filter(|row| !row.deleted) {
            let stays = !written.contains(row.id.as_str());
            if let Some(position) = places.get(row.id.as_str()).filter(|_| stays) {
                self.draft.put(&row.object, POSITION, position.as_str())?;
            }
        }
        Ok(())
    }

    /// Whether a deleted item or entry that the body has is to be undeleted. It is unless the body
    /// merely repeats what its base had: then the deletion came later and is the only edit.
    fn revives(
        &mut self,
        node: NodeId,
        at: &Pointer,
        body: &Map<String, Value>,
        base: Option<Option<&Value>>,
    ) -> bool {
        let may = self.rights.may_delete(node);
        if self.source != Source::Body {
            // Edits made elsewhere to what others deleted here.
            self.preserved.push(at.clone());
            return false;
        }
        if self.is_preserved(at) {
            self.preserved.push(at.clone());
            return false;
        }
        let whole = self.is_whole();
        if !self.options.revive
            && let Some(Some(Value::Object(base))) = base
            && repeats(body, base, whole)
        {
            return false;
        }
        if may {
            return true;
        }
        if self.options.revive {
            self.preserved.push(at.clone());
            return false;
        }
        // Never kept silently: all of what the body has there would be lost.
        let message = "it was deleted; undeleting it needs the right to write every field of it";
        let value = Value::Object(body.clone());
        self.refuse(at, Rule::DELETE, message, Some(&value), None);
        false
    }

    /// The items of the list as they were before this merge, and what they present.
    fn reader_rows(&self, list: &List<'_>) -> (Vec<Row>, Vec<Map<String, Value>>) {
        if self.draft.is_own(list.object) {
            return (Vec::new(), Vec::new());
        }
        let registers = self.draft.registers();
        let rows = self
            .reader
            .read_rows_for(list.object, Some(list.item), |object, field| {
                registers.take(object, field);
            });
        rows.into_iter().unzip()
    }

    /// Whether an item of the body says, but for its key, what the item that it is compared with
    /// does, so that there is no need to look at its fields in the document one by one.
    fn is_no_edit(
        &self,
        key: &str,
        at: &Pointer,
        body: &Map<String, Value>,
        like: Option<&Map<String, Value>>,
    ) -> bool {
        let earlier = self.options.base.as_ref();
        let is_earlier = earlier.is_some_and(|base| base.earlier.is_some());
        let is_same = like.is_some_and(|like| {
            let fields = |map: &Map<String, Value>| map.len() - usize::from(map.contains_key(key));
            let mut said = body.iter().filter(|(name, _)| *name != key);
            fields(like) == fields(body) && said.all(|(name, value)| like.get(name) == Some(value))
        });
        is_same && !is_earlier && !self.holds_preserved(at)
    }

    /// Matches the body's items with those of the list; `None` after a fault.
    fn sort_out<'b>(
        &mut self,
        list: &List<'_>,
        body: &'b [Value],
        known: &HashMap<&str, &'b Row>,
        base: Option<&HashMap<&str, &Value>>,
    ) -> Option<Vec<Item<'b>>> {
        let faults = self.violations.len();
        let mut items = Vec::with_capacity(body.len());
        let mut seen = HashSet::new();
        for (index, value) in body.iter().enumerate() {
            let at = list.at.child(index.to_string());
            let Value::Object(map) = value else {
                let fault = wrong_type(&self.policy.node(list.item).shape);
                self.refuse_fault(&at, fault, Some(value), None);
                continue;
            };
            let id = match map.get(list.key) {
                None => {
                    let id = self.new_id(list, index);
                    self.unnamed.note(list.at, &id, index);
                    items.push(Item::New(id, map));
                    continue;
                }
                Some(Value::String(id)) if ItemId::new(id.as_str()).is_ok() => id.as_str(),
                // Not taken for a new item: what lost the id of an item must not delete the item.
                Some(other) => {
                    let at = at.child(list.key);
                    let message = "an item id is a string of 1 to 64 ASCII letters, digits, '_' or \
                                   '-'; a new item needs none";
                    self.refuse(&at, Rule::NAME, message, Some(other), None);
                    continue;
                }
            };
            if !seen.insert(id) {
                let message = "two items of the list have this id";
                self.refuse(&at, Rule::EXISTS, message, map.get(list.key), None);
                continue;
            }
            let had = base.and_then(|base| base.get(id).copied());
            match known.get(id) {
                Some(row) => {
                    let base = base.map(|_| had);
                    if !row.deleted || self.revives(list.item, &list.at.child(id), map, base) {
                        items.push(Item::Present(row, map));
                    }
                }
                None if self.makes_named() => items.push(Item::New(id.to_owned(), map)),
                // One that the base had, and the document not, was deleted in an epoch that is over.
                None if self.held_formerly(&list.at.child(id), had).is_some() => {
                    items.extend(self.anew(list, (id, map), base.map(|_| had)));
                }
                None => {
                    let message = "the list never held an item with this id";
                    let at = at.child(list.key);
                    self.refuse(&at, Rule::UNKNOWN_ITEM, message, map.get(list.key), None);
                }
            }
        }
        // Once no more faults are reported, it is not known whether there were any.
        (self.violations.len() == faults && faults < VIOLATIONS_MAX).then_some(items)
    }

    /// An item that was deleted before the epoch began, if it is to be there again.
    fn anew<'b>(
        &mut self,
        list: &List<'_>,
        (id, body): (&str, &Map<String, Value>),
        base: Option<Option<&Value>>,
    ) -> Option<Item<'b>> {
        let at = list.at.child(id);
        let revives = self.revives(list.item, &at, body, base);
        let held = self
            .held_formerly(&at, base.flatten())
            .filter(|_| revives)?;
        let value = self.remade((list.item, &at), held, (body, base.flatten()));
        Some(Item::Anew(id.to_owned(), value))
    }

    /// An id that no other item has: from the actor, its next operation and the place in the body.
    fn new_id(&self, list: &List<'_>, index: usize) -> String {
        let next = self.entity.operations() + 1 + self.draft.len() as u64;
        let hash = Hash::of(&[
            b"indelible/item\0",
            self.actor.to_bytes(),
            &next.to_be_bytes(),
            &(index as u64).to_be_bytes(),
            list.at.to_string().as_bytes(),
        ]);
        hash.to_string()[..20].to_owned()
    }

    /// Deletes the items that the body lacks; with a base, only those that the base had.
    fn delete_absent(
        &mut self,
        list: &List<'_>,
        rows: &[Row],
        items: &[Item<'_>],
        base: Option<&HashMap<&str, &Value>>,
    ) -> Outcome {
        let kept: HashSet<&str> = items.iter().filter_map(Item::present).collect();
        for row in rows
            .iter()
            .filter(|row| !row.deleted && !kept.contains(row.id.as_str()))
        {
            if base.is_none_or(|base| base.contains_key(row.id.as_str())) {
                self.delete_item(&row.object, list.item, &list.at.child(&row.id))?;
            }
        }
        Ok(())
    }

    /// Sets the register of an item or map entry.
    pub(super) fn delete_item(&mut self, object: &ObjId, node: NodeId, at: &Pointer) -> Outcome {
        // What is in it would go with it.
        if self.holds_preserved(at) {
            self.preserved.push(at.clone());
            return Ok(());
        }
        if self.rights.may_delete(node) {
            return self.draft.put(object, DELETED, true);
        }
        let message = "deleting it needs the right to write every field of it";
        self.protect(at, Rule::DELETE, message, None, None);
        Ok(())
    }

    /// A declared object, or an entry of an open map.
    pub(super) fn nested(
        &mut self,
        target: &Target<'_>,
        name: &str,
        child: NodeId,
        body: &Map<String, Value>,
        base: Option<Option<&Map<String, Value>>>,
    ) -> Outcome {
        let at = target.at.child(name);
        let found = self
            .draft
            .get(target.object, name)?
            .map(|(_, object)| object);
        if let Some(object) = found {
            if self.policy.is_dynamic(child) && self.reader.is_deleted(&object) {
                let entry = Target {
                    object: &object,
                    node: child,
                    at: &at,
                    fresh: false,
                };
                return self.revive(&entry, body, base);
            }
            // What the base lacks had nothing in it, even if others have made or filled it since.
            let nothing = Map::new();
            let base = base.map(|base| base.unwrap_or(&nothing));
            let fresh = target.fresh || self.is_new(&object);
            return self.object(
                &Target {
                    object: &object,
                    node: child,
                    at: &at,
                    fresh,
                },
                body,
                base,
            );
        }
        // What was deleted before this epoch began is not in its document.
        let base = base.map(|base| base.map(|base| Value::Object(base.clone())));
        let base = base.as_ref().map(Option::as_ref);
        if !self.policy.is_dynamic(child) || self.held_formerly(&at, base.flatten()).is_none() {
            return self.make(target, name, child, body);
        }
        let revives = self.revives(child, &at, body, base);
        match self.held_formerly(&at, base.flatten()).filter(|_| revives) {
            Some(held) => {
                let value = self.remade((child, &at), held, (body, base.flatten()));
                self.make_anew(target, name, child, (&value, None))
            }
            None => Ok(()),
        }
    }

    /// Brings a deleted entry of an open map back with the body's values, if that is an edit.
    fn revive(
        &mut self,
        target: &Target<'_>,
        body: &Map<String, Value>,
        base: Option<Option<&Map<String, Value>>>,
    ) -> Outcome {
        let old = base.map(|base| base.map(|base| Value::Object(base.clone())));
        let known = old.as_ref().map(Option::as_ref);
        if !self.revives(target.node, target.at, body, known) {
            return Ok(());
        }
        self.draft.put(target.object, DELETED, false)?;
        self.object(target, body, base.flatten())
    }

    /// Brings a deleted item or entry back that was undeleted elsewhere, with the body's values.
    pub(super) fn undelete(
        &mut self,
        object: &ObjId,
        node: NodeId,
        at: &Pointer,
        body: &Map<String, Value>,
    ) -> Outcome {
        if !self.rights.may_delete(node) {
            let message = "undeleting it needs the right to write every field of it";
            let mut value = body.clone();
            if let (Some(key), Some(id)) = (self.policy.presented_key(node), at.last()) {
                value.insert(key.to_owned(), id.into());
            }
            self.protect(at, Rule::DELETE, message, Some(&Value::Object(value)), None);
            return Ok(());
        }
        self.draft.put(object, DELETED, false)?;
        self.object(
            &Target {
                object,
                node,
                at,
                fresh: false,
            },
            body,
            None,
        )
    }

    /// Makes an entry of an open map.
    pub(super) fn make(
        &mut self,
        target: &Target<'_>,
        name: &str,
        child: NodeId,
        body: &Map<String, Value>,
    ) -> Outcome {
        if check_map_key(name).is_err() {
            let message = "a map key is 1 to 128 bytes of plain text";
            self.refuse(&target.at.child(name), Rule::NAME, message, None, None);
            return Ok(());
        }
        self.make_item(target, name, child, body, None)
    }

    pub(super) fn make_item(
        &mut self,
        target: &Target<'_>,
        name: &str,
        child: NodeId,
        body: &Map<String, Value>,
        position: Option<&String>,
    ) -> Outcome {
        let at = target.at.child(name);
        // Adding takes the right to write the list or map, and that to write such objects.
        let holder = self.rights.denied(target.node, target.fresh);
        let rule = holder.or_else(|| self.rights.denied(child, true));
        if let Some(rule) = rule {
            let message = refusal_text(&rule);
            let value = Value::Object(body.clone());
            self.protect(&at, rule, message, Some(&value), None);
            return Ok(());
        }
        let object = self.draft.put_object(target.object, name, ObjType::Map)?;
        if let Some(position) = position {
            self.draft.put(&object, POSITION, position.as_str())?;
        }
        let (policy, rights) = (self.policy, self.rights);
        make_fields(&mut self.draft, &object, policy, child, &|field| {
            body.get(field).is_some_and(|value| !value.is_null())
                && policy
                    .child(child, field)
                    .is_some_and(|node| rights.denied(node, true).is_none())
        })?;
        self.object(
            &Target {
                object: &object,
                node: child,
                at: &at,
                fresh: true,
            },
            body,
            None,
        )
    }

    /// New positions for the items that are new or move, by id; for all when there is no room.
    fn places(
        &mut self,
        list: &List<'_>,
        rows: &[Row],
        items: &[Item<'_>],
        order: &[&str],
        fresh: bool,
    ) -> BTreeMap<String, String> {
        let wanted: Vec<&str> = items
            .iter()
            .map(|item| match item {
                Item::Present(row, _) => row.id.as_str(),
                Item::New(id, _) | Item::Anew(id, _) => id.as_str(),
            })
            .collect();
        let moved: HashSet<&str> = moves(order, &wanted).into_iter().copied().collect();
        let present: HashSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let rule = self.rights.denied(list.node, fresh);
        let may_move = rule.is_none();
        if let Some(rule) = rule.filter(|_| !moved.is_empty()) {
            let message = refusal_text(&rule);
            let order = Value::from(wanted);
            self.protect(list.at, rule, message, Some(&order), None);
            return BTreeMap::new();
        }
        let mut places = assign(rows, &wanted, |id| {
            moved.contains(id) || !present.contains(id)
        });
        // Nor to make room for a new one.
        places.retain(|id, _| may_move || !present.contains(id.as_str()));
        places
    }
}

fn by_id<'a>(items: &'a [Value], key: &str) -> HashMap<&'a str, &'a Value> {
    items
        .iter()
        .filter_map(|item| Some((item.get(key)?.as_str()?, item)))
        .collect()
}
