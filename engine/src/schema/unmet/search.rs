//! Whether any value is valid at a place.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::place::{Part, Place, members, options};
use crate::pointer::Pointer;
use crate::policy::validator::Validator;
use crate::policy::{Rules, Types};
use crate::schema::name_patterns::spelt_out;
use crate::schema::satisfiable::takes_all;
use crate::value::canonical;

/// So many listed values are tried one by one.
const CANDIDATES_MAX: usize = 1_000;
/// So far what is within a value is followed.
const DEPTH_MAX: usize = 100;
/// So many schemas are looked at for one place.
const PARTS_MAX: usize = 256;

/// The types that keywords distinguish.
const SORTS: [Types; 6] = [
    Types::NULL,
    Types::BOOLEAN,
    Types::STRING,
    Types::NUMBER,
    Types::ARRAY,
    Types::OBJECT,
];

/// Keywords whose meaning does not depend on those beside them.
const INDEPENDENT: [&str; 24] = [
    "$ref",
    "allOf",
    "anyOf",
    "const",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "propertyNames",
    "required",
    "type",
    "uniqueItems",
];

/// What kind of value a place is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Context {
    /// A single value, or one that is kept whole: it is as its schema says, all through.
    Whole,
    /// An object or a list of items, whose parts are places of their own.
    Container,
    /// An item, which is given an id that its author does not write.
    Item,
}

/// No value is valid at a place: the keyword that excludes all, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dead {
    pub(super) at: Pointer,
    pub(super) reason: String,
}

impl Dead {
    pub(super) fn at(at: Pointer, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { at, reason }
    }
}

type Known = HashMap<(Pointer, Types, Context), Option<Dead>>;

pub(super) struct Search<'a> {
    rules: Rules,
    schema: &'a Value,
    /// What was found out before.
    known: Known,
    /// How many places are being looked at, each for the sake of the one before.
    depth: usize,
}

impl<'a> Search<'a> {
    pub(super) fn new(rules: Rules, schema: &'a Value) -> Self {
        let known = Known::new();
        Self {
            rules,
            schema,
            known,
            depth: 0,
        }
    }

    pub(super) fn schema(&self) -> &'a Value {
        self.schema
    }

    pub(super) fn place(&self, at: &Pointer) -> Place<'a> {
        Place::at(self.schema, at)
    }

    pub(super) fn get(&self, at: &Pointer) -> Option<&'a Value> {
        self.schema.pointer(&at.to_string())
    }

    /// A place, and those within a value that is kept whole.
    pub(super) fn places(&self, at: &Pointer, context: Context) -> Vec<Pointer> {
        let mut places = vec![at.clone()];
        if context != Context::Whole {
            return places;
        }
        let mut index = 0;
        while let Some(at) = places.get(index) {
            for (at, part) in self.place(at).parts {
                for inner in within(&at, part) {
                    // That nothing may be there is no slip where it is said so.
                    let is_said = self.get(&inner) == Some(&Value::Bool(false));
                    if !is_said && !places.contains(&inner) {
                        places.push(inner);
                    }
                }
            }
            index += 1;
        }
        places
    }

    /// Why no value of these types is valid at a place, if none is.
    pub(super) fn dead(&mut self, at: &Pointer, within: Types, context: Context) -> Option<Dead> {
        let key = (at.clone(), within, context);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        if self.depth == DEPTH_MAX {
            return None;
        }
        // What leads back to itself is not decided by itself.
        self.known.insert(key.clone(), None);
        self.depth += 1;
        let found = self.look(std::slice::from_ref(at), within, context).err();
        self.depth -= 1;
        self.known.insert(key, found.clone());
        found
    }

    /// Why no value is valid at several places at once, if none is.
    pub(super) fn dead_together(&mut self, all: &[Pointer]) -> Option<Dead> {
        if let [at] = all {
            return self.dead(at, Types::ALL, Context::Whole);
        }
        if self.depth == DEPTH_MAX || all.is_empty() {
            return None;
        }
        self.depth += 1;
        let found = self.look(all, Types::ALL, Context::Whole).err();
        self.depth -= 1;
        found
    }

    fn look(&mut self, all: &[Pointer], within: Types, context: Context) -> Result<(), Dead> {
        let mut place = Place::default();
        for at in all {
            place.add(self.schema, at.clone());
        }
        let mut index = 0;
        while index < place.parts.len().min(PARTS_MAX) {
            let types = place.types(within)?;
            let part = place.parts[index].clone();
            self.narrow(&mut place, &part, (types, context))?;
            index += 1;
        }
        if let Some(at) = place.never {
            return Err(Dead::at(at, "false lets no value pass"));
        }
        let types = place.types(within)?;
        if context == Context::Whole
            && let Some((from, candidates)) = self.candidates(&place, types)
        {
            return self.try_all(all, types, (from, &candidates));
        }
        self.by_type(&place, types, context)
    }

    /// Tries the only values that there can be.
    fn try_all(
        &self,
        all: &[Pointer],
        types: Types,
        (from, candidates): (Pointer, &[Value]),
    ) -> Result<(), Dead> {
        if candidates.len() > CANDIDATES_MAX {
            return Ok(());
        }
        let judges: Vec<Validator> = all.iter().filter_map(|at| self.judge(at)).collect();
        let is_good = |one: &Value| {
            let is_taken = || judges.iter().all(|judge| judge.faults(one).is_empty());
            Types::of(one).is_within(types) && is_taken()
        };
        match candidates.iter().any(is_good) {
            true => Ok(()),
            false => {
                let reason = "what the schema says besides allows none of these";
                Err(Dead::at(from, reason))
            }
        }
    }

    /// The keywords at a place that nothing satisfies: whatever the value is, or, where the schema
    /// leaves its type open, no value of the type that they speak about.
    pub(super) fn keywords(&mut self, at: &Pointer, within: Types, context: Context) -> Vec<Dead> {
        if let Some(dead) = self.dead(at, within, context) {
            return vec![dead];
        }
        let place = self.place(at);
        if place.types(within) != Ok(Types::ALL) {
            return Vec::new();
        }
        let each = SORTS.map(|sort| self.of_sort(&place, (sort, Types::ALL), context));
        each.into_iter().filter_map(Result::err).collect()
    }

    /// Each of the types has to be impossible.
    fn by_type(&mut self, place: &Place<'a>, types: Types, context: Context) -> Result<(), Dead> {
        let mut first = None;
        for sort in SORTS.into_iter().filter(|sort| !sort.is_disjoint(types)) {
            match self.of_sort(place, (sort, types), context) {
                Ok(()) => return Ok(()),
                Err(dead) => first = first.or(Some(dead)),
            }
        }
        first.map_or(Ok(()), Err)
    }

    fn of_sort(
        &mut self,
        place: &Place<'a>,
        (sort, types): (Types, Types),
        context: Context,
    ) -> Result<(), Dead> {
        match sort {
            Types::STRING => place.strings(),
            Types::NUMBER => place.numbers(types.and(Types::NUMBER)),
            Types::ARRAY => self.lists(place, context),
            Types::OBJECT => self.objects(place, context),
            _ => Ok(()),
        }
    }

    /// Looks at the keywords of a part that hold schemas for the same value: adds what has to hold
    /// with them, or says that nothing can.
    fn narrow(
        &mut self,
        place: &mut Place<'a>,
        (at, part): &Part<'a>,
        (types, context): (Types, Context),
    ) -> Result<(), Dead> {
        if let Some(not) = part.get("not")
            && (takes_all(not, types) || is_implied(not, place))
        {
            let reason = "what is excluded is everything that the schema allows";
            return Err(Dead::at(at.child("not"), reason));
        }
        for keyword in ["anyOf", "oneOf"] {
            let branches = members(at, part, keyword);
            if branches.is_empty() {
                continue;
            }
            let alive = self.alive((keyword, &branches), types, context);
            match &alive[..] {
                [] => {
                    let reason = match keyword {
                        "anyOf" => "nothing satisfies any of these",
                        _ => "nothing satisfies exactly one of these",
                    };
                    return Err(Dead::at(at.child(keyword), reason));
                }
                [only] => place.add(self.schema, only.clone()),
                _ => {}
            }
        }
        if types.is_within(Types::OBJECT) {
            self.dependents(place, (at, part));
        }
        self.conditions(place, (at, part), (types, context))
    }

    /// Adds what holds with properties that have to be there.
    fn dependents(&self, place: &mut Place<'a>, (at, part): (&Pointer, &Map<String, Value>)) {
        let dependent = part.get("dependentSchemas").and_then(Value::as_object);
        for (name, _) in place.required() {
            if dependent.is_some_and(|schemas| schemas.contains_key(name)) {
                let inner = at.child("dependentSchemas").child(name);
                place.add(self.schema, inner);
            }
        }
    }

    /// The branches that a value may satisfy; of `oneOf`, not those that are there twice.
    fn alive(
        &mut self,
        (keyword, branches): (&str, &[Pointer]),
        types: Types,
        context: Context,
    ) -> Vec<Pointer> {
        let schemas = branches.iter().map(|at| self.get(at).map(canonical));
        let schemas: Vec<Option<String>> = schemas.collect();
        let has_twin = |index: usize| {
            let mut others = schemas.iter().enumerate();
            others.any(|(other, schema)| other != index && *schema == schemas[index])
        };
        let all = branches.iter().enumerate();
        let alive = all.filter(|(index, at)| {
            let is_possible = keyword == "anyOf" || !has_twin(*index);
            is_possible && self.dead(at, types, context).is_none()
        });
        alive.map(|(_, at)| at.clone()).collect()
    }

    /// `if`, of which one outcome may be impossible: then the other one holds.
    fn conditions(
        &mut self,
        place: &mut Place<'a>,
        (at, part): (&Pointer, &Map<String, Value>),
        (types, context): (Types, Context),
    ) -> Result<(), Dead> {
        let Some(condition) = part.get("if") else {
            return Ok(());
        };
        let mut is_dead = |keyword: &str| {
            let is_there = part.contains_key(keyword);
            is_there && self.dead(&at.child(keyword), types, context).is_some()
        };
        let never = is_dead("if") || is_dead("then");
        let holds = takes_all(condition, types) || is_implied(condition, place);
        let always = holds || is_dead("else");
        match (never, always) {
            (true, true) => {
                let reason = "neither then nor else leaves a value";
                return Err(Dead::at(at.child("if"), reason));
            }
            (true, false) => place.add(self.schema, at.child("else")),
            (false, true) => {
                place.add(self.schema, at.child("if"));
                place.add(self.schema, at.child("then"));
            }
            (false, false) => {}
        }
        Ok(())
    }

    /// The only values that there can be at a place, where they are listed, and where they are.
    pub(super) fn candidates(
        &self,
        place: &Place<'a>,
        types: Types,
    ) -> Option<(Pointer, Vec<Value>)> {
        let parts = place.parts.iter();
        let listed = parts.filter_map(|(at, part)| {
            let (keyword, options) = options(part)?;
            Some((at.child(keyword), options))
        });
        if let Some((at, options)) = listed.min_by_key(|(_, options)| options.len()) {
            return Some((at, options.to_vec()));
        }
        if types.is_within(Types::NULL.or(Types::BOOLEAN)) {
            let (at, _) = place.parts.first()?;
            return Some((at.clone(), vec![Value::Null, false.into(), true.into()]));
        }
        let mut lists = place.parts.iter().flat_map(|(at, part)| {
            ["anyOf", "oneOf"].map(|keyword| (at.child(keyword), members(at, part, keyword)))
        });
        lists.find_map(|(at, branches)| {
            let branches = branches.iter();
            let each = branches.map(|at| {
                let branch = self.place(at);
                let (_, options) = branch.parts.iter().find_map(|(_, part)| options(part))?;
                Some(options.to_vec())
            });
            let each: Option<Vec<Vec<Value>>> = each.collect();
            Some((at, each.filter(|each| !each.is_empty())?.concat()))
        })
    }

    /// What judges values at a place.
    pub(super) fn judge(&self, at: &Pointer) -> Option<Validator> {
        let mut schema = self.get(at)?.as_object()?.clone();
        if let Some(definitions) = self.schema.get("$defs") {
            schema.insert("$defs".to_owned(), definitions.clone());
        }
        Validator::new(self.rules, &spelt_out(&Value::Object(schema))).ok()
    }

    /// Whether a value may be valid at a place.
    pub(super) fn takes(&self, at: &Pointer, value: &Value) -> bool {
        match self.get(at) {
            Some(Value::Bool(any)) => *any,
            _ => self
                .judge(at)
                .is_none_or(|judge| judge.faults(value).is_empty()),
        }
    }
}

/// The schemas within a value: of properties and of elements.
fn within(at: &Pointer, part: &Map<String, Value>) -> Vec<Pointer> {
    let single = ["items", "additionalProperties"].into_iter();
    let single = single.filter(|keyword| part.contains_key(*keyword));
    let mut all: Vec<Pointer> = single.map(|keyword| at.child(keyword)).collect();
    all.extend(members(at, part, "prefixItems"));
    for keyword in ["properties", "patternProperties"] {
        let named = part.get(keyword).and_then(Value::as_object);
        let named = named.into_iter().flat_map(Map::keys);
        all.extend(named.map(|name| at.child(keyword).child(name)));
    }
    all
}

/// Whether whatever satisfies all parts of a place satisfies a schema: each of its keywords stands in
/// one of them.
fn is_implied(schema: &Value, place: &Place<'_>) -> bool {
    let Some(keywords) = schema.as_object() else {
        return false;
    };
    keywords.iter().all(|(keyword, value)| {
        INDEPENDENT.contains(&keyword.as_str()) && place.says(keyword, value)
    })
}
