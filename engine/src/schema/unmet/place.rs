//! All that the schemas of one place state, as a flat list that grows while it is looked through.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::search::Dead;
use crate::pointer::Pointer;
use crate::policy::Types;
use crate::policy::constraint::count;
use crate::schema::vocabulary::type_names;

/// A schema that holds at a place, and where in the file it is.
pub(super) type Part<'a> = (Pointer, &'a Map<String, Value>);

/// A keyword, its place, and the count that it states.
pub(super) type Stated = (Pointer, u64);

/// What holds at a place: a schema, what it refers to, the members of their `allOf`, and whatever else
/// was found to hold with them.
#[derive(Debug, Default)]
pub(super) struct Place<'a> {
    pub(super) parts: Vec<Part<'a>>,
    /// Where one of them is `false`.
    pub(super) never: Option<Pointer>,
    seen: BTreeSet<Pointer>,
}

impl<'a> Place<'a> {
    pub(super) fn at(schema: &'a Value, at: &Pointer) -> Self {
        let mut place = Self::default();
        place.add(schema, at.clone());
        place
    }

    /// Adds what holds where a schema does.
    pub(super) fn add(&mut self, schema: &'a Value, at: Pointer) {
        let mut next = vec![at];
        while let Some(at) = next.pop() {
            if !self.seen.insert(at.clone()) {
                continue;
            }
            let keywords = match schema.pointer(&at.to_string()) {
                Some(Value::Object(keywords)) => keywords,
                Some(Value::Bool(false)) => {
                    self.never.get_or_insert(at);
                    continue;
                }
                _ => continue,
            };
            let target = keywords.get("$ref").and_then(Value::as_str);
            next.extend(target.and_then(|target| target.strip_prefix('#')?.parse().ok()));
            next.extend(members(&at, keywords, "allOf").into_iter().rev());
            self.parts.push((at, keywords));
        }
    }

    /// The types that are left of these, or where none is.
    pub(super) fn types(&self, within: Types) -> Result<Types, Dead> {
        let mut types = within;
        for (at, part) in &self.parts {
            let Some(named) = part.get("type").and_then(type_names) else {
                continue;
            };
            types = types.and(named);
            if types == Types::NONE {
                let reason = "what is stated besides allows no value of this type";
                return Err(Dead::at(at.child("type"), reason));
            }
        }
        Ok(types)
    }

    /// The value of a keyword in each part that has it.
    pub(super) fn stated(&self, keyword: &'a str) -> impl Iterator<Item = (&Pointer, &'a Value)> {
        let parts = self.parts.iter();
        parts.filter_map(move |(at, part)| Some((at, part.get(keyword)?)))
    }

    /// The count of a keyword that binds most: the greatest minimum, the least maximum.
    pub(super) fn strongest(&self, keyword: &'a str) -> Option<Stated> {
        let stated = self.stated(keyword);
        let counts = stated.filter_map(|(at, value)| Some((at.child(keyword), count(value)?)));
        match keyword.starts_with("min") {
            true => counts.max_by_key(|(_, count)| *count),
            false => counts.min_by_key(|(_, count)| *count),
        }
    }

    pub(super) fn says(&self, keyword: &'a str, value: &Value) -> bool {
        self.stated(keyword).any(|(_, stated)| stated == value)
    }
}

/// The places of the schemas that a keyword lists.
pub(super) fn members(at: &Pointer, keywords: &Map<String, Value>, keyword: &str) -> Vec<Pointer> {
    let members = keywords.get(keyword).and_then(Value::as_array);
    let members = 0..members.map_or(0, Vec::len);
    let list = at.child(keyword);
    members.map(|index| list.child(index.to_string())).collect()
}

/// The values that a schema lists, and by which keyword.
pub(super) fn options(keywords: &Map<String, Value>) -> Option<(&'static str, &[Value])> {
    let single = keywords.get("const").map(std::slice::from_ref);
    let several = || Some(("enum", keywords.get("enum")?.as_array()?.as_slice()));
    single.map(|single| ("const", single)).or_else(several)
}
