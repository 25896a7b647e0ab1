//! Finds places for which no value is valid.
//!
//! Owns what can be decided by looking at what the schemas state about one place: bounds that leave
//! nothing between them, options that the rest of the schema refuses, schemas that refuse or take
//! everything. Two patterns that exclude each other, say, are beyond it.
//! Invariant: what is reported is certain; from the third version of the rules on.

use std::collections::BTreeSet;

use serde_json::{Number, Value};

use super::Mistake;
use super::bind::{Binder, Field};
use super::gather::Part;
use crate::pointer::Pointer;
use crate::policy::constraint::count;
use crate::policy::{Constraint, Format, NodeId, Rules, ScalarRule, Shape, Types};
use crate::value::{self, INTEGER_MAX, double};

/// So many numbers are tried one by one.
const NUMBERS_MAX: f64 = 10_000.0;

/// Pairs of counts of which the first must not be greater than the second.
const BOUNDS: [(&str, &str, Types); 3] = [
    ("minLength", "maxLength", Types::STRING),
    ("minItems", "maxItems", Types::ARRAY),
    ("minProperties", "maxProperties", Types::OBJECT),
];

/// A keyword, its place, and the count that it states.
type Stated = (&'static str, Pointer, u64);

impl<'a> Binder<'a, '_> {
    /// Reports what nothing at a place can satisfy.
    pub(super) fn check_satisfiable(&mut self, id: NodeId, parts: &[Part<'a>], types: Types) {
        if self.rules < Rules::V3 {
            return;
        }
        let mut found = Vec::new();
        counts(parts, types, &mut found);
        schemas(parts, types, &mut found);
        match self.nodes[id.index()].as_ref().map(|node| &node.shape) {
            Some(Shape::Scalar(rule) | Shape::Text(rule) | Shape::Counter(rule))
                if !states_options(parts) =>
            {
                numbers(parts, rule, &mut found);
                formats(parts, types, &mut found);
            }
            Some(Shape::List { element }) => self.elements(*element, parts, &mut found),
            Some(Shape::Object { .. }) => self.names(id, parts, &mut found),
            _ => {}
        }
        self.options(id, (parts, types), &mut found);
        for (at, reason) in found {
            self.report.add(Mistake::Contradiction, at, reason);
        }
    }

    /// Whether the default of a list is as long as it has to be, and no longer.
    pub(super) fn check_list_default(&mut self, field: &Field<'a>, values: &[Value], at: &Pointer) {
        if self.rules < Rules::V3 {
            return;
        }
        let length = values.len() as u64;
        let reason = if strongest(&field.parts, "minItems").is_some_and(|(.., n)| length < n) {
            "has fewer elements than minItems asks for"
        } else if strongest(&field.parts, "maxItems").is_some_and(|(.., n)| length > n) {
            "has more elements than maxItems allows"
        } else if says(&field.parts, "uniqueItems", &Value::Bool(true)) && !are_unique(values) {
            "has an element twice, and uniqueItems is true"
        } else {
            return;
        };
        let reason = format!("the default does not fit its own schema: it {reason}");
        self.report.add(Mistake::Default, at.clone(), reason);
    }

    /// `enum` and `const`: one of the options must satisfy everything else.
    fn options(
        &self,
        id: NodeId,
        (parts, types): (&[Part<'_>], Types),
        found: &mut Vec<(Pointer, String)>,
    ) {
        let is_scalar = self.rule_of(id).is_some();
        for part in parts {
            let single = part.keywords.get("const").map(std::slice::from_ref);
            let several = part.keywords.get("enum").and_then(Value::as_array);
            let stated = [("const", single), ("enum", several.map(Vec::as_slice))];
            for (keyword, options) in stated {
                let Some(options) = options else { continue };
                // Told already, one by one.
                let is_told = |option: &Value| !Types::of(option).is_within(types);
                if is_scalar && options.iter().any(is_told) {
                    continue;
                }
                if !options.iter().any(|option| self.fits(id, parts, option)) {
                    let reason = "no value is good here: what the schema says besides allows none \
                                  of these";
                    found.push((part.at.child(keyword), reason.to_owned()));
                }
            }
        }
    }

    /// Whether a value may be valid at a node.
    fn fits(&self, id: NodeId, parts: &[Part<'_>], value: &Value) -> bool {
        let stated = |keyword| strongest(parts, keyword).map(|(.., count)| count);
        let within = |length: usize, least, most| {
            let length = length as u64;
            stated(least).is_none_or(|n| length >= n) && stated(most).is_none_or(|n| length <= n)
        };
        let counted = match value {
            Value::Array(elements) => {
                within(elements.len(), "minItems", "maxItems")
                    && (!says(parts, "uniqueItems", &Value::Bool(true)) || are_unique(elements))
            }
            // What is generated is not counted, so that of an item is not known here.
            Value::Object(entries) if !self.keys.contains_key(&id) => {
                within(entries.len(), "minProperties", "maxProperties")
            }
            _ => true,
        };
        counted && is_option(parts, value) && self.may_hold(id, value)
    }

    /// Whether the node and those below it can hold a value.
    fn may_hold(&self, id: NodeId, value: &Value) -> bool {
        // A node that could not be made has been reported.
        let Some(node) = self.nodes[id.index()].as_ref() else {
            return true;
        };
        match (&node.shape, value) {
            (Shape::Scalar(rule) | Shape::Text(rule) | Shape::Counter(rule), value) => {
                rule.check(value).is_ok()
            }
            (Shape::Atomic(rule), value) => rule.check(value).is_ok(),
            (Shape::Stamp(_), value) => value.is_string(),
            (Shape::Tally, _) => false,
            (Shape::List { element }, Value::Array(elements)) => {
                elements.iter().all(|value| self.may_hold(*element, value))
            }
            (Shape::Keyed { item, .. }, Value::Array(items)) => {
                items.iter().all(|value| self.may_hold(*item, value))
            }
            (
                Shape::Object {
                    properties,
                    additional,
                    ..
                },
                Value::Object(entries),
            ) => {
                let key = self.keys.get(&id);
                let is_there = |(name, child): (&String, &NodeId)| {
                    let child = self.nodes[child.index()].as_ref();
                    entries.contains_key(name)
                        || child.is_none_or(|child| !child.required || child.shape.is_derived())
                };
                properties.iter().all(is_there)
                    && entries.iter().all(|(name, value)| {
                        match properties.get(name).or(additional.as_ref()) {
                            Some(child) => self.may_hold(*child, value),
                            None => key == Some(name),
                        }
                    })
            }
            _ => false,
        }
    }

    /// Lists whose elements are of so few values that there cannot be enough different ones.
    fn elements(&self, element: NodeId, parts: &[Part<'_>], found: &mut Vec<(Pointer, String)>) {
        let (Some(rule), Some((_, at, least))) =
            (self.rule_of(element), strongest(parts, "minItems"))
        else {
            return;
        };
        let most = rule
            .values_max()
            .filter(|_| says(parts, "uniqueItems", &Value::Bool(true)));
        if let Some(most) = most.filter(|most| (*most as u64) < least) {
            let different = match most {
                1 => "is only 1 value for its elements".to_owned(),
                most => format!("are only {most} different elements"),
            };
            let reason =
                format!("no list is that long: uniqueItems is true, and there {different}");
            found.push((at, reason));
        }
    }

    /// Properties that have to be there and cannot be.
    fn names(&self, id: NodeId, parts: &[Part<'_>], found: &mut Vec<(Pointer, String)>) {
        let Some(Shape::Object {
            properties,
            additional,
            ..
        }) = self.nodes[id.index()].as_ref().map(|node| &node.shape)
        else {
            return;
        };
        let key = self.keys.get(&id);
        let stated = parts.iter().filter_map(|part| {
            let names = part.keywords.get("required")?.as_array()?;
            Some((part, names))
        });
        let mut required = BTreeSet::new();
        for (part, names) in stated {
            for (index, name) in names.iter().enumerate() {
                let Some(name) = name
                    .as_str()
                    .filter(|name| key.is_none_or(|key| key != name))
                else {
                    continue;
                };
                required.insert(name);
                if !parts.iter().all(|part| self.may_be_called(part, name)) {
                    let at = part.at.child("required").child(index.to_string());
                    let reason = format!("requires {name:?}, which propertyNames does not allow");
                    found.push((at, reason));
                }
            }
        }
        if let Some((_, at, most)) = strongest(parts, "maxProperties")
            && (required.len() as u64) > most
        {
            let reason = match required.len() {
                1 => "1 property is required here".to_owned(),
                several => format!("{several} properties are required here"),
            };
            found.push((at, reason));
        }
        let there = properties.values().filter(|child| {
            let child = self.nodes[child.index()].as_ref();
            child.is_none_or(|child| !matches!(child.shape, Shape::Tally))
        });
        let there = there.count();
        if let Some((_, at, least)) = strongest(parts, "minProperties")
            && additional.is_none()
            && (there as u64) < least
        {
            let there = match there {
                0 => "no properties".to_owned(),
                1 => "1 property".to_owned(),
                several => format!("{several} properties"),
            };
            let reason = format!("no object has that many: {there} can be there");
            found.push((at, reason));
        }
    }

    fn may_be_called(&self, part: &Part<'_>, name: &str) -> bool {
        let name = Value::from(name);
        match part.keywords.get("propertyNames") {
            Some(Value::Bool(any)) => *any,
            Some(Value::Object(keywords)) => keywords.iter().all(|(keyword, value)| {
                let constraint = Constraint::parse(self.rules, keyword, value);
                constraint.is_none_or(|constraint| constraint.check(&name).is_ok())
            }),
            _ => true,
        }
    }
}

impl ScalarRule {
    /// How many different values there can be at most, where they are few.
    fn values_max(&self) -> Option<usize> {
        let constraints = self.constraints().iter();
        let options = constraints.filter_map(|constraint| match constraint {
            Constraint::Const(_) => Some(1),
            Constraint::Enum(options) => Some(options.len()),
            _ => None,
        });
        let types = match self.types() {
            Types::NULL => Some(1),
            Types::BOOLEAN => Some(2),
            types if types == Types::BOOLEAN.or(Types::NULL) => Some(3),
            _ => None,
        };
        options.chain(types).min()
    }
}

fn states_options(parts: &[Part<'_>]) -> bool {
    let mut parts = parts.iter();
    parts.any(|part| {
        ["const", "enum"]
            .iter()
            .any(|word| part.keywords.contains_key(*word))
    })
}

fn says(parts: &[Part<'_>], keyword: &str, value: &Value) -> bool {
    parts
        .iter()
        .any(|part| part.keywords.get(keyword) == Some(value))
}

/// Whether a value is one of all the options that are stated.
fn is_option(parts: &[Part<'_>], value: &Value) -> bool {
    parts.iter().all(|part| {
        let single = part.keywords.get("const");
        let several = part.keywords.get("enum").and_then(Value::as_array);
        single.is_none_or(|option| value::same(option, value))
            && several.is_none_or(|all| all.iter().any(|option| value::same(option, value)))
    })
}

fn are_unique(values: &[Value]) -> bool {
    let mut seen = BTreeSet::new();
    values
        .iter()
        .all(|value| seen.insert(value::canonical(value)))
}

/// The count of a keyword that binds most: the greatest minimum, the least maximum.
fn strongest(parts: &[Part<'_>], keyword: &'static str) -> Option<Stated> {
    let stated = parts.iter().filter_map(|part| {
        let count = count(part.keywords.get(keyword)?)?;
        Some((keyword, part.at.child(keyword), count))
    });
    match keyword.starts_with("min") {
        true => stated.max_by_key(|(.., count)| *count),
        false => stated.min_by_key(|(.., count)| *count),
    }
}

/// Whether one schema states both bounds the wrong way round, which the vocabulary reports.
fn is_told(parts: &[Part<'_>], (least, most): (&str, &str)) -> bool {
    let number = |part: &Part<'_>, keyword| part.keywords.get(keyword).and_then(Value::as_f64);
    let mut both = parts
        .iter()
        .filter_map(|part| number(part, least).zip(number(part, most)));
    both.any(|(least, most)| least > most)
}

fn counts(parts: &[Part<'_>], types: Types, found: &mut Vec<(Pointer, String)>) {
    for (least, most, of) in BOUNDS {
        if !types.is_within(of) || types == Types::NONE || is_told(parts, (least, most)) {
            continue;
        }
        let (least, most) = (strongest(parts, least), strongest(parts, most));
        if let (Some((word, _, least)), Some((_, at, most))) = (least, most)
            && least > most
        {
            found.push((at, format!("is less than {word}, which is {least}")));
        }
    }
    if !types.is_within(Types::ARRAY) || types == Types::NONE {
        return;
    }
    let most = strongest(parts, "maxItems");
    for part in parts
        .iter()
        .filter(|part| part.keywords.contains_key("contains"))
    {
        let stated = part.keywords.get("minContains").and_then(count);
        let least = stated.unwrap_or(1);
        let (at, reason) = match &most {
            Some((_, at, most)) if *most < least => {
                let noun = if least == 1 { "element" } else { "elements" };
                let reason = format!("contains asks for {least} {noun} or more");
                (at.clone(), reason)
            }
            _ if least > 0 && part.keywords["contains"] == Value::Bool(false) => {
                let reason = "nothing is contained that no value can be".to_owned();
                (part.at.child("contains"), reason)
            }
            _ => continue,
        };
        found.push((at, reason));
    }
}

/// Whether a schema takes every value of these types.
pub(super) fn takes_all(schema: &Value, types: Types) -> bool {
    match schema {
        Value::Bool(any) => *any,
        Value::Object(keywords) => keywords.iter().all(|(keyword, value)| {
            let named = super::vocabulary::type_names(value);
            keyword == "type" && named.is_some_and(|named| types.is_within(named))
        }),
        _ => false,
    }
}

/// Schemas beside which no value is valid.
fn schemas(parts: &[Part<'_>], types: Types, found: &mut Vec<(Pointer, String)>) {
    for part in parts {
        let list = |keyword| part.keywords.get(keyword).and_then(Value::as_array);
        let mut add = |keyword: &str, reason: &str| {
            found.push((
                part.at.child(keyword),
                format!("no value is good here: {reason}"),
            ));
        };
        if part
            .keywords
            .get("not")
            .is_some_and(|not| takes_all(not, types))
        {
            add("not", "what is excluded is everything");
        }
        if list("anyOf").is_some_and(|all| all.iter().all(|one| *one == Value::Bool(false))) {
            add("anyOf", "none of these takes any");
        }
        if let Some(all) = list("oneOf") {
            if all.iter().all(|one| *one == Value::Bool(false)) {
                add("oneOf", "none of these takes any");
            } else if all.iter().filter(|one| takes_all(one, types)).count() > 1 {
                add("oneOf", "more than one of these takes every value");
            }
        }
        let branch = match part.keywords.get("if") {
            Some(all) if takes_all(all, types) => "then",
            Some(Value::Bool(false)) => "else",
            _ => continue,
        };
        if part.keywords.get(branch) == Some(&Value::Bool(false)) {
            add(branch, "it is always asked for and takes none");
        }
    }
}

/// Bounds of numbers that leave none between them.
fn numbers(parts: &[Part<'_>], rule: &ScalarRule, found: &mut Vec<(Pointer, String)>) {
    let types = rule.types();
    let is_number = types.is_within(Types::NUMBER) && types != Types::NONE;
    if !is_number || is_told(parts, ("minimum", "maximum")) {
        return;
    }
    let bounds = |words: [&'static str; 2]| {
        let stated = parts.iter().flat_map(move |part| {
            let stated =
                words.map(|word| Some((word, part, part.keywords.get(word)?.as_number()?)));
            stated.into_iter().flatten()
        });
        stated.map(|(word, part, number)| (double(number), part.at.child(word), word))
    };
    let low = bounds(["exclusiveMinimum", "minimum"]).max_by(|a, b| a.0.total_cmp(&b.0));
    let high = bounds(["maximum", "exclusiveMaximum"]).min_by(|a, b| a.0.total_cmp(&b.0));
    let (integers, most) = (!Types::NUMBER.is_within(types), INTEGER_MAX as f64);
    let range = match (&low, &high, integers) {
        (Some(low), Some(high), _) => (low.0, high.0),
        (Some(low), None, true) => (low.0, most),
        (None, Some(high), true) => (-most, high.0),
        _ => return,
    };
    let steps = parts
        .iter()
        .filter_map(|part| part.keywords.get("multipleOf")?.as_f64());
    let step = match steps.reduce(f64::max) {
        Some(step) => step,
        None if integers => 1.0,
        None => 0.0,
    };
    let is_good = |number: f64| {
        let number = Number::from_f64(number).map(|number| value::normal(&Value::Number(number)));
        number.is_some_and(|number| rule.check(&number).is_ok())
    };
    let is_empty = if range.0 > range.1 {
        true
    } else if step == 0.0 {
        // Between two different doubles there is another, or they are bounds themselves.
        range.0 == range.1 && !is_good(range.0)
    } else if (range.1 - range.0) / step.min(1.0) > NUMBERS_MAX {
        false
    } else {
        let step = if integers { 1.0 } else { step };
        let (first, last) = ((range.0 / step).floor(), (range.1 / step).ceil());
        let tried = (0..=(last - first) as u64).map(|index| (first + index as f64) * step);
        // A product of doubles is not the decimal number that a schema means.
        let decimal = |number: f64| format!("{number:.12e}").parse().unwrap_or(number);
        !tried
            .into_iter()
            .any(|number| is_good(number) || is_good(decimal(number)))
    };
    if is_empty {
        let what = if integers { "integer" } else { "number" };
        let (at, other) = match (low, high) {
            (low, Some(high)) => (high.1, low.map_or("", |low| low.2)),
            (Some(low), None) => (low.1, ""),
            (None, None) => return,
        };
        let reason = match other {
            "" => format!("no {what} is in the range that it leaves"),
            other => format!("no {what} is good by this and by {other}"),
        };
        found.push((at, reason));
    }
}

impl Format {
    /// How many characters its values have at least, and at most.
    pub(super) fn lengths(self) -> (u64, Option<u64>) {
        match self {
            Self::Date => (10, Some(10)),
            Self::Uuid => (36, Some(36)),
            Self::DateTime => (20, None),
            Self::Time => (9, None),
            Self::Ipv4 => (7, Some(15)),
            Self::Ipv6 => (2, Some(45)),
            Self::Email => (3, None),
            Self::Uri => (2, None),
            Self::Hostname => (1, Some(253)),
        }
    }
}

/// Lengths that no value of a format has.
fn formats(parts: &[Part<'_>], types: Types, found: &mut Vec<(Pointer, String)>) {
    if types != Types::STRING {
        return;
    }
    let named = |part: &Part<'_>| Format::named(part.keywords.get("format")?.as_str()?);
    for format in parts.iter().filter_map(named) {
        let (least, most) = format.lengths();
        let name = format.name();
        if let Some((_, at, max)) = strongest(parts, "maxLength")
            && max < least
        {
            let reason = format!("the format {name} takes no fewer than {least} characters");
            found.push((at, reason));
        }
        if let (Some((_, at, min)), Some(most)) = (strongest(parts, "minLength"), most)
            && min > most
        {
            found.push((
                at,
                format!("the format {name} takes at most {most} characters"),
            ));
        }
    }
}
