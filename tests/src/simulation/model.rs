//! What may change, by whom, and what a reader sees: said a second time, without the engine.
//!
//! Guards against a hole in admission: whatever passes it is checked against the rights that the
//! generator of the schema wrote down.

use serde_json::{Map, Number, Value};

use automerge::ScalarValue;

use super::raw::{Entries, Raw, Slot, Slots, winner};
use super::spec::{Author, Field, Object, Shape, Spec};

const POSITION: &str = "$position";
const DELETED: &str = "$deleted";

/// What the model says of an admitted entry.
pub(crate) type Judgement = Result<(), String>;

/// Holds what an entry did against the rights of its author.
pub(crate) fn transition(
    spec: &Spec,
    before: &Entries,
    after: &Entries,
    author: Author,
    creation: bool,
) -> Judgement {
    let model = Model { author };
    model.object(&spec.root, Some(before), after, creation, "")?;
    match &spec.bounds {
        Some(bounds) if !bounds.hold(&present(spec, after)) => {
            Err("the bounds of the whole entity do not hold".to_owned())
        }
        _ => Ok(()),
    }
}

struct Model {
    author: Author,
}

impl Model {
    /// `before` is `None` for an object that the entry made; `fresh` says whether `create` fields
    /// of it may be written.
    fn object(
        &self,
        object: &Object,
        before: Option<&Entries>,
        after: &Entries,
        fresh: bool,
        at: &str,
    ) -> Judgement {
        let gone = before.into_iter().flatten();
        // What the registers of items say is looked at with the items.
        let gone = gone.filter(|(name, _)| !name.starts_with('$'));
        for (name, old) in gone.filter(|(name, _)| !after.contains_key(*name)) {
            let at = format!("{at}/{name}");
            let field = object.field(name).ok_or(format!("{at}: undeclared"))?;
            if field.is_container() {
                return Err(format!("{at}: an object is gone"));
            }
            self.may(field, fresh, &at, old, &[])?;
        }
        for (name, new) in after.iter().filter(|(name, _)| !name.starts_with('$')) {
            let at = format!("{at}/{name}");
            let field = object.field(name).ok_or(format!("{at}: undeclared"))?;
            let old = before.map(|entries| entries.get(name).map_or(&[][..], |slots| slots));
            if let (Shape::Object(_), false) = (&field.shape, object.fields.contains_key(name)) {
                self.dynamic(field, old.unwrap_or(&[]), new, fresh, &at)?;
            } else {
                self.field(field, old, new, fresh, &at)?;
            }
        }
        let declared = object.fields.iter().filter(|(_, field)| {
            let made = field.is_container() || matches!(field.shape, Shape::Counter);
            made && before.is_none()
        });
        for (name, _) in declared {
            if !after.contains_key(name) {
                return Err(format!("{at}/{name}: missing in a new object"));
            }
        }
        Ok(())
    }

    fn field(
        &self,
        field: &Field,
        old: Option<&[Slot]>,
        new: &Slots,
        fresh: bool,
        at: &str,
    ) -> Judgement {
        if old == Some(new) {
            return Ok(());
        }
        if field.is_container() {
            let [slot] = &new[..] else {
                return Err(format!("{at}: a container in conflict"));
            };
            let old = match old {
                None => None,
                Some([one]) if one.op == slot.op => Some(&one.value),
                Some(_) => return Err(format!("{at}: another container stands there")),
            };
            return self.container(field, old, &slot.value, fresh, at);
        }
        self.may(field, fresh, at, old.unwrap_or(&[]), new)?;
        for slot in new {
            let Raw::Scalar(scalar) = &slot.value else {
                return Err(format!("{at}: an object where a scalar belongs"));
            };
            if !field.holds(scalar) {
                return Err(format!("{at}: holds {scalar:?}"));
            }
        }
        Ok(())
    }

    fn container(
        &self,
        field: &Field,
        old: Option<&Raw>,
        new: &Raw,
        fresh: bool,
        at: &str,
    ) -> Judgement {
        match (&field.shape, new) {
            (Shape::Object(object), Raw::Map(after)) => {
                self.object(object, old.map(Raw::entries), after, fresh, at)
            }
            (Shape::Keyed { item, .. }, Raw::Map(after)) => {
                let none = Entries::new();
                let before = old.map_or(&none, Raw::entries);
                if let Some(name) = before.keys().find(|name| !after.contains_key(*name)) {
                    return Err(format!("{at}/{name}: an item is gone"));
                }
                for (id, new) in after {
                    let at = format!("{at}/{id}");
                    let old = before.get(id).map_or(&[][..], |slots| slots);
                    self.item(field, item, old, new, fresh, &at)?;
                }
                Ok(())
            }
            (Shape::List(scalar), Raw::List(elements)) => {
                let held = |slot: &Slot| matches!(&slot.value, Raw::Scalar(s) if scalar.holds(s));
                if !elements.iter().flatten().all(held) {
                    return Err(format!("{at}: a foreign element"));
                }
                self.content(field, old, new, fresh, at)
            }
            (Shape::Text, Raw::Text(text, marks)) => {
                if *marks > 0 || text.contains('\u{fffc}') {
                    return Err(format!("{at}: more than text"));
                }
                self.content(field, old, new, fresh, at)
            }
            _ => Err(format!("{at}: a container of another type")),
        }
    }

    /// The content of a text or list.
    fn content(
        &self,
        field: &Field,
        old: Option<&Raw>,
        new: &Raw,
        fresh: bool,
        at: &str,
    ) -> Judgement {
        let allowed = field.write.allows(self.author, fresh)
            || old == Some(new)
            || old.is_none() && (is_empty(new) || field.is_default(new));
        if allowed {
            Ok(())
        } else {
            Err(format!("{at}: {old:?} became {new:?}"))
        }
    }

    /// An item of a keyed list.
    fn item(
        &self,
        list: &Field,
        item: &Field,
        old: &[Slot],
        new: &Slots,
        fresh: bool,
        at: &str,
    ) -> Judgement {
        let position = |slots: &[Slot]| {
            let entries = winner(slots).map(|slot| slot.value.entries().clone());
            entries.and_then(|mut entries| entries.remove(POSITION))
        };
        let (from, to) = (position(old), position(new));
        if from != to && !list.write.allows(self.author, fresh) {
            return Err(format!("{at}: moved"));
        }
        let good = |slot: &Slot| {
            matches!(&slot.value, Raw::Scalar(ScalarValue::Str(text))
            if !text.is_empty() && text.len() <= 128 && !text.ends_with('0')
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        };
        if !to.is_some_and(|slots| !slots.is_empty() && slots.iter().all(good)) {
            return Err(format!("{at}: no good position"));
        }
        if !list.write.allows(self.author, fresh) && old.is_empty() {
            return Err(format!("{at}: added"));
        }
        self.dynamic(item, old, new, fresh, at)
    }

    /// An item of a keyed list or an object in an open map.
    fn dynamic(
        &self,
        field: &Field,
        old: &[Slot],
        new: &Slots,
        fresh: bool,
        at: &str,
    ) -> Judgement {
        if old == new {
            return Ok(());
        }
        let ([slot], Some(object)) = (&new[..], field.object()) else {
            return Err(format!("{at}: made twice"));
        };
        let Raw::Map(after) = &slot.value else {
            return Err(format!("{at}: not an object"));
        };
        let before = match old {
            [] => None,
            [one] if one.op == slot.op => Some(one.value.entries()),
            _ => return Err(format!("{at}: replaced")),
        };
        if before.is_none() && !field.write.allows(self.author, true) {
            return Err(format!("{at}: made"));
        }
        let deleted = before.and_then(|entries| entries.get(DELETED));
        if deleted != after.get(DELETED) && !field.deletable_by(self.author) {
            return Err(format!("{at}: deleted or undeleted"));
        }
        let fresh = before.is_none() || fresh;
        self.object(object, before, after, fresh, at)
    }

    /// Whether the author may turn `old` into `new` at a field that holds one value.
    fn may(&self, field: &Field, fresh: bool, at: &str, old: &[Slot], new: &[Slot]) -> Judgement {
        let only_default =
            fresh && !new.is_empty() && new.iter().all(|slot| field.is_default(&slot.value));
        let empty_counter = fresh
            && old.is_empty()
            && matches!(field.shape, Shape::Counter)
            && field.default.is_none()
            && new
                .iter()
                .all(|slot| plain(&slot.value) == Some(Value::from(0)));
        if field.write.allows(self.author, fresh) || only_default || empty_counter {
            return Ok(());
        }
        Err(format!(
            "{at}: {old:?} became {new:?} under {:?}",
            field.write
        ))
    }
}

impl Field {
    /// Whether the change that makes the object around it makes an object here.
    pub(crate) fn is_container(&self) -> bool {
        matches!(
            self.shape,
            Shape::Object(_) | Shape::Keyed { .. } | Shape::List(_) | Shape::Text
        )
    }

    fn holds(&self, scalar: &ScalarValue) -> bool {
        match (&self.shape, scalar) {
            (Shape::Scalar(kind), scalar) => kind.holds(scalar),
            (Shape::Counter, ScalarValue::Counter(_)) => true,
            (Shape::Atomic, ScalarValue::Str(text)) => {
                serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object())
            }
            _ => false,
        }
    }

    fn is_default(&self, value: &Raw) -> bool {
        self.default.is_some() && self.shown(value) == self.default.as_ref().map(normal)
    }

    /// The value of one leaf as a reader sees it.
    fn shown(&self, value: &Raw) -> Option<Value> {
        match (&self.shape, value) {
            (Shape::Atomic, Raw::Scalar(ScalarValue::Str(text))) => serde_json::from_str(text).ok(),
            (Shape::List(_), Raw::List(elements)) => elements
                .iter()
                .filter_map(|slots| plain(&winner(slots)?.value))
                .map(Some)
                .collect(),
            (Shape::Text, Raw::Text(text, _)) => Some(Value::from(text.as_str())),
            (_, value) => plain(value),
        }
    }
}

fn is_empty(value: &Raw) -> bool {
    match value {
        Raw::Scalar(_) => false,
        Raw::Map(entries) => entries.is_empty(),
        Raw::List(elements) => elements.is_empty(),
        Raw::Text(text, _) => text.is_empty(),
    }
}

fn plain(value: &Raw) -> Option<Value> {
    let Raw::Scalar(scalar) = value else {
        return None;
    };
    Some(match scalar {
        ScalarValue::Str(text) => Value::from(text.as_str()),
        ScalarValue::Int(n) => Value::from(*n),
        ScalarValue::Uint(n) => Value::from(*n),
        ScalarValue::F64(x) => normal(&Number::from_f64(*x).map(Value::Number)?),
        ScalarValue::Counter(counter) => Value::from(i64::from(counter)),
        ScalarValue::Boolean(b) => Value::from(*b),
        ScalarValue::Null => Value::Null,
        _ => return None,
    })
}

/// Whole numbers are integers, however they were written.
pub(crate) fn normal(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(x) if x.fract() == 0.0 && x.abs() < 9e15 => Value::from(x as i64),
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(normal).collect(),
        other => other.clone(),
    }
}

/// The value that a reader sees, without stamps.
pub(crate) fn present(spec: &Spec, entries: &Entries) -> Map<String, Value> {
    let required: &[String] = match &spec.bounds {
        Some(bounds) => &bounds.required,
        None => &[],
    };
    fields(&spec.root, entries, required)
}

fn fields(object: &Object, entries: &Entries, required: &[String]) -> Map<String, Value> {
    let mut shown = Map::new();
    for (name, slots) in entries {
        let (Some(field), Some(slot)) = (object.field(name), winner(slots)) else {
            continue;
        };
        let dynamic = !object.fields.contains_key(name);
        let value = match (&field.shape, &slot.value) {
            (Shape::Object(inner), Raw::Map(entries)) => {
                if dynamic && is_deleted(entries) {
                    continue;
                }
                let map = fields(inner, entries, &[]);
                (dynamic || !map.is_empty()).then_some(Value::Object(map))
            }
            (Shape::Keyed { item, key }, Raw::Map(entries)) => {
                let items = items(item, key, entries);
                (!items.is_empty()).then_some(Value::Array(items))
            }
            (_, value) if is_empty(value) && !required.contains(name) => None,
            (_, value) => field.shown(value),
        };
        if let Some(value) = value {
            shown.insert(name.clone(), value);
        }
    }
    shown
}

fn is_deleted(entries: &Entries) -> bool {
    let register = entries.get(DELETED).and_then(|slots| winner(slots));
    register.is_some_and(|slot| slot.value == Raw::Scalar(ScalarValue::Boolean(true)))
}

fn items(item: &Field, key: &str, entries: &Entries) -> Vec<Value> {
    let Some(object) = item.object() else {
        return Vec::new();
    };
    let mut rows: Vec<(String, &String, &Entries)> = entries
        .iter()
        .filter_map(|(id, slots)| Some((id, winner(slots)?.value.entries())))
        .filter(|(_, entries)| !is_deleted(entries))
        .map(|(id, entries)| {
            let place = entries.get(POSITION).and_then(|slots| winner(slots));
            let place = place.and_then(|slot| plain(&slot.value));
            let place = place.and_then(|value| value.as_str().map(str::to_owned));
            (place.unwrap_or_default(), id, entries)
        })
        .collect();
    rows.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    rows.into_iter()
        .map(|(_, id, entries)| {
            let mut shown = fields(object, entries, &[]);
            shown.insert(key.to_owned(), Value::from(id.as_str()));
            Value::Object(shown)
        })
        .collect()
}
