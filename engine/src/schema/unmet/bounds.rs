//! Bounds that leave no value of a type.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::place::Place;
use super::search::{Context, Dead, Search};
use crate::pointer::Pointer;
use crate::policy::constraint::count;
use crate::policy::{Format, Types};
use crate::schema::satisfiable::takes_all;
use crate::value::{canonical, double};

/// How near to a whole number a quotient counts as one: more than doubles are off.
const CLOSE: f64 = 1e-6;

impl<'a> Place<'a> {
    /// Whether a count is to be greater than it may be.
    fn counts(&self, [least, most]: [&'static str; 2]) -> Result<(), Dead> {
        let (Some((_, min)), Some((at, max))) = (self.strongest(least), self.strongest(most))
        else {
            return Ok(());
        };
        match min > max {
            true => Err(Dead::at(
                at,
                format!("is less than {least}, which is {min}"),
            )),
            false => Ok(()),
        }
    }

    /// Whether so much is asked for by a count, when there can be no more than `most`.
    fn reaches(&self, least: &'static str, most: u64, what: &str) -> Result<(), Dead> {
        match self.strongest(least) {
            Some((at, min)) if min > most => Err(Dead::at(
                at,
                format!("asks for {min}, and there can be {most} {what}"),
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn strings(&self) -> Result<(), Dead> {
        self.counts(["minLength", "maxLength"])?;
        let formats = self.stated("format");
        let formats = formats.filter_map(|(_, name)| Format::named(name.as_str()?));
        for format in formats {
            let (least, most) = format.lengths();
            let name = format.name();
            match (self.strongest("minLength"), self.strongest("maxLength")) {
                (_, Some((at, max))) if max < least => {
                    let reason =
                        format!("the format {name} takes no fewer than {least} characters");
                    return Err(Dead::at(at, reason));
                }
                (Some((at, min)), _) if most.is_some_and(|most| min > most) => {
                    let reason = format!("the format {name} takes fewer characters");
                    return Err(Dead::at(at, reason));
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn numbers(&self, types: Types) -> Result<(), Dead> {
        let low = self.bound(["minimum", "exclusiveMinimum"], |a, b| a > b);
        let high = self.bound(["maximum", "exclusiveMaximum"], |a, b| a < b);
        let (Some(low), Some(high)) = (low, high) else {
            return Ok(());
        };
        let is_open = low.is_exclusive || high.is_exclusive;
        let is_empty = low.number > high.number || (low.number == high.number && is_open);
        let step = match types {
            Types::INTEGER => Some(1.0),
            _ => {
                let steps = self.stated("multipleOf");
                let steps = steps.filter_map(|(_, step)| step.as_f64());
                steps.reduce(f64::max)
            }
        };
        let misses = |step: f64| {
            let (first, last) = (low.number / step, high.number / step);
            let off = |is_exclusive: bool| if is_exclusive { CLOSE } else { -CLOSE };
            (first + off(low.is_exclusive)).ceil() > (last - off(high.is_exclusive)).floor()
        };
        match is_empty || step.is_some_and(misses) {
            true => {
                let reason = format!("no number is good by this and by {}", low.keyword);
                Err(Dead::at(high.at, reason))
            }
            false => Ok(()),
        }
    }

    /// The bound that binds most.
    fn bound(
        &self,
        keywords: [&'static str; 2],
        binds: impl Fn(f64, f64) -> bool,
    ) -> Option<Bound> {
        let mut found: Option<Bound> = None;
        for (keyword, is_exclusive) in keywords.into_iter().zip([false, true]) {
            for (at, value) in self.stated(keyword) {
                let Some(number) = value.as_number().map(double) else {
                    continue;
                };
                let is_stronger = found.as_ref().is_none_or(|found| {
                    binds(number, found.number) || (number == found.number && is_exclusive)
                });
                if is_stronger {
                    found = Some(Bound {
                        number,
                        is_exclusive,
                        keyword,
                        at: at.child(keyword),
                    });
                }
            }
        }
        found
    }

    /// Names that have to be there, each with where that is said: those that others bring along too.
    pub(super) fn required(&self) -> Vec<(&'a str, Pointer)> {
        let mut names: Vec<(&str, Pointer)> = Vec::new();
        for (at, list) in self.stated("required") {
            push_names(&mut names, list, &at.child("required"));
        }
        let mut index = 0;
        while let Some((name, _)) = names.get(index).cloned() {
            for (at, lists) in self.stated("dependentRequired") {
                if let Some(list) = lists.get(name) {
                    let at = at.child("dependentRequired").child(name);
                    push_names(&mut names, list, &at);
                }
            }
            index += 1;
        }
        names
    }

    /// The only names that there can be, where a schema says which.
    fn closed_names(&self) -> Option<Vec<&'a str>> {
        let is_closed = |(_, part): &&(Pointer, &'a Map<String, Value>)| {
            part.get("additionalProperties") == Some(&Value::Bool(false))
                && !part.contains_key("patternProperties")
        };
        let (_, part) = self.parts.iter().find(is_closed)?;
        let named = part.get("properties").and_then(Value::as_object);
        let named = named.into_iter().flatten();
        let allowed = named.filter(|(_, schema)| **schema != Value::Bool(false));
        Some(allowed.map(|(name, _)| name.as_str()).collect())
    }

    /// How many elements lists have schemas of their own for, and how many there can be at all where a
    /// schema takes no more.
    fn prefix(&self) -> (u64, Option<u64>) {
        let mut longest = 0;
        let mut most = None;
        for (_, part) in &self.parts {
            let prefix = part.get("prefixItems").and_then(Value::as_array);
            let length = prefix.map_or(0, Vec::len) as u64;
            longest = longest.max(length);
            if part.get("items") == Some(&Value::Bool(false)) {
                most = Some(most.map_or(length, |most: u64| most.min(length)));
            }
        }
        (longest, most)
    }
}

/// A bound of numbers.
struct Bound {
    number: f64,
    is_exclusive: bool,
    keyword: &'static str,
    at: Pointer,
}

fn push_names<'a>(names: &mut Vec<(&'a str, Pointer)>, list: &'a Value, at: &Pointer) {
    for (index, name) in list.as_array().into_iter().flatten().enumerate() {
        if let Some(name) = name.as_str()
            && !names.iter().any(|(known, _)| *known == name)
        {
            names.push((name, at.child(index.to_string())));
        }
    }
}

impl<'a> Search<'a> {
    pub(super) fn lists(&mut self, place: &Place<'a>, context: Context) -> Result<(), Dead> {
        place.counts(["minItems", "maxItems"])?;
        let (prefix, most) = place.prefix();
        if let Some(most) = most {
            place.reaches("minItems", most, "elements")?;
        }
        let least = place.strongest("minItems").map_or(0, |(_, least)| least);
        if least > prefix
            && let Some(dead) = self.dead_elements(place)
        {
            return Err(dead);
        }
        if context != Context::Whole {
            return Ok(());
        }
        self.different(place, prefix)?;
        self.contained(place, prefix)
    }

    /// Why there can be no element behind those that have schemas of their own.
    fn dead_elements(&mut self, place: &Place<'a>) -> Option<Dead> {
        let items: Vec<Pointer> = place
            .stated("items")
            .map(|(at, _)| at.child("items"))
            .collect();
        items
            .iter()
            .find_map(|at| self.dead(at, Types::ALL, Context::Whole))
    }

    /// Lists whose elements are of so few values that there cannot be enough different ones.
    fn different(&self, place: &Place<'a>, prefix: u64) -> Result<(), Dead> {
        if !place.says("uniqueItems", &Value::Bool(true)) {
            return Ok(());
        }
        let items = place.stated("items").map(|(at, _)| at.child("items"));
        let few = items.filter_map(|at| {
            let items = self.place(&at);
            let types = items.types(Types::ALL).ok()?;
            let (_, listed) = self.candidates(&items, types)?;
            let good = listed.iter().filter(|one| Types::of(one).is_within(types));
            let different: BTreeSet<String> = good.map(canonical).collect();
            Some(different.len() as u64)
        });
        match few.min() {
            Some(few) => place.reaches("minItems", few + prefix, "different elements"),
            None => Ok(()),
        }
    }

    /// Elements that have to be there and that the list does not take, or takes too many of.
    fn contained(&mut self, place: &Place<'a>, prefix: u64) -> Result<(), Dead> {
        let elements: Vec<Pointer> = place
            .stated("items")
            .map(|(at, _)| at.child("items"))
            .collect();
        for (at, part) in &place.parts {
            let Some(contains) = part.get("contains") else {
                continue;
            };
            let number = |keyword: &str| part.get(keyword).and_then(count);
            let (least, most) = (number("minContains").unwrap_or(1), number("maxContains"));
            let at = at.child("contains");
            if let (Some(most), true) = (most, takes_all(contains, Types::ALL)) {
                place.reaches("minItems", most, "elements that are contained")?;
            }
            if least == 0 {
                continue;
            }
            if let Some((longest, max)) =
                place.strongest("maxItems").filter(|(_, max)| *max < least)
            {
                let reason = format!("contains asks for {least} or more, and this allows {max}");
                return Err(Dead::at(longest, reason));
            }
            if self.dead(&at, Types::ALL, Context::Whole).is_some() {
                return Err(Dead::at(at, "asks for an element that nothing can be"));
            }
            let both = [&elements[..], std::slice::from_ref(&at)].concat();
            if prefix == 0 && self.dead_together(&both).is_some() {
                return Err(Dead::at(at, "asks for an item that the list does not take"));
            }
            self.enough(place, (&at, &both), least)?;
        }
        Ok(())
    }

    /// Elements that are asked for several times, and have to be different.
    fn enough(
        &self,
        place: &Place<'a>,
        (at, both): (&Pointer, &[Pointer]),
        least: u64,
    ) -> Result<(), Dead> {
        if !place.says("uniqueItems", &Value::Bool(true)) {
            return Ok(());
        }
        let mut element = Place::default();
        for at in both {
            element.add(self.schema(), at.clone());
        }
        let listed = self.candidates(&element, Types::ALL);
        let different = listed.map(|(_, listed)| listed.iter().map(canonical).collect());
        match different.map(|all: BTreeSet<String>| all.len() as u64) {
            Some(few) if few < least => {
                let reason = format!("asks for {least} different elements, and there can be {few}");
                Err(Dead::at(at.clone(), reason))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn objects(&mut self, place: &Place<'a>, context: Context) -> Result<(), Dead> {
        if context == Context::Item {
            return Ok(());
        }
        place.counts(["minProperties", "maxProperties"])?;
        let required = place.required();
        for (name, at) in &required {
            self.requirable(place, name, at, context)?;
        }
        if let Some((at, max)) = place.strongest("maxProperties")
            && (required.len() as u64) > max
        {
            let reason = format!(
                "is less than the {} properties that are required",
                required.len()
            );
            return Err(Dead::at(at, reason));
        }
        let closed = place.closed_names().map(|names| names.len() as u64);
        let named = self.names_max(place);
        match closed.into_iter().chain(named).min() {
            Some(most) => place.reaches("minProperties", most, "properties"),
            None => Ok(()),
        }
    }

    /// Whether a property can be there that has to be.
    fn requirable(
        &mut self,
        place: &Place<'a>,
        name: &str,
        at: &Pointer,
        context: Context,
    ) -> Result<(), Dead> {
        let refusing = |keyword: &str| {
            let reason = format!("requires {name:?}, which {keyword} does not allow");
            Err(Dead::at(at.clone(), reason))
        };
        let mut declared = Vec::new();
        for (holder, part) in &place.parts {
            if let Some(keyword) = refuses(part, name) {
                return refusing(keyword);
            }
            if part.contains_key("propertyNames")
                && !self.takes(&holder.child("propertyNames"), &name.into())
            {
                return refusing("propertyNames");
            }
            let named = part.get("properties");
            if named.is_some_and(|named| named.get(name).is_some()) {
                declared.push(holder.child("properties").child(name));
            }
        }
        match self.dead_together(&declared) {
            Some(dead) if context == Context::Whole => Err(dead),
            _ => Ok(()),
        }
    }

    /// How many names there can be, where a schema says so of them.
    fn names_max(&mut self, place: &Place<'a>) -> Option<u64> {
        let names: Vec<Pointer> = place
            .stated("propertyNames")
            .map(|(at, _)| at.child("propertyNames"))
            .collect();
        let counts = names.iter().filter_map(|at| {
            if self.dead(at, Types::STRING, Context::Whole).is_some() {
                return Some(0);
            }
            let (_, listed) = self.candidates(&self.place(at), Types::STRING)?;
            let good = listed.iter().filter(|name| name.is_string());
            Some(good.map(canonical).collect::<BTreeSet<_>>().len() as u64)
        });
        counts.min()
    }
}

/// The keyword by which a schema refuses a property of this name.
fn refuses(part: &Map<String, Value>, name: &str) -> Option<&'static str> {
    let declared = part.get("properties").and_then(|named| named.get(name));
    match declared {
        Some(Value::Bool(false)) => Some("properties"),
        Some(_) => None,
        None if part.contains_key("patternProperties") => None,
        None => {
            let is_closed = part.get("additionalProperties") == Some(&Value::Bool(false));
            is_closed.then_some("additionalProperties")
        }
    }
}
