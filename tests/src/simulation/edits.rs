//! What clients do to their documents: honest edits that their author may make, and wild ones.

use automerge::transaction::{Transactable, Transaction};
use automerge::{AutomergeError, ObjId, ObjType, ReadDoc, ScalarValue};
use indelible_engine::value::canonical;
use serde_json::Value;

use super::dice::Dice;
use super::sites::{Site, What};
use super::spec::{Author, Field, NAMES, Object, Shape};

type Edited = Result<(), AutomergeError>;

/// The scalar that stores a JSON value.
pub(crate) fn stored(field: &Field, value: &Value) -> ScalarValue {
    match (&field.shape, value) {
        (Shape::Atomic, value) => canonical(value).into(),
        (Shape::Counter, value) => ScalarValue::counter(value.as_i64().unwrap_or(0)),
        (_, value) => plain(value),
    }
}

fn plain(value: &Value) -> ScalarValue {
    match value {
        Value::Null => ScalarValue::Null,
        Value::Bool(b) => (*b).into(),
        Value::Number(n) => match n.as_i64() {
            Some(n) => ScalarValue::Int(n),
            None => ScalarValue::F64(n.as_f64().unwrap_or(0.0)),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(_) | Value::Object(_) => ScalarValue::Null,
    }
}

fn position(dice: &mut Dice) -> String {
    let digits = b"0123456789ABCXYZabcxyz";
    let length = dice.below(3);
    let mut text: String = (0..length)
        .map(|_| char::from(*dice.pick(digits)))
        .collect();
    text.push(char::from(*dice.pick(&digits[1..])));
    text
}

/// What an honest client may do at a site.
pub(crate) fn may(site: &Site<'_>, author: Author) -> bool {
    match site.what {
        What::Leaf(field) => {
            let derived = matches!(field.shape, Shape::Stamp(_) | Shape::Tally);
            !derived && field.write.allows(author, false)
        }
        What::Text(field) | What::List(field) => field.write.allows(author, false),
        What::NewItem(list, item) => {
            list.write.allows(author, false) && item.write.allows(author, true)
        }
        What::Item(list, item) => list.write.allows(author, false) || item.deletable_by(author),
        What::NewEntry(own, entry) => match entry.object() {
            Some(_) => own.allows(author, false) && entry.write.allows(author, true),
            None => entry.write.allows(author, false),
        },
        What::Entry(entry) => entry.deletable_by(author),
    }
}

/// One honest edit at a site where the author [`may`] write.
pub(crate) fn honest(
    tx: &mut Transaction<'_>,
    site: &Site<'_>,
    author: Author,
    new_name: &str,
    dice: &mut Dice,
) -> Edited {
    let object = &site.object;
    match site.what {
        What::Leaf(field) => {
            let name = site.name.as_deref().unwrap_or_default();
            leaf(tx, object, name, field, dice)
        }
        What::Text(_) => splice(tx, object, dice),
        What::List(field) => list(tx, object, field, dice),
        What::NewItem(_, item) => {
            let made = tx.put_object(object, new_name, ObjType::Map)?;
            tx.put(&made, "$position", position(dice))?;
            fill(tx, &made, item.object(), author, dice)
        }
        What::Item(list, item) => {
            let move_it = list.write.allows(author, false);
            if move_it && (dice.percent(50) || !item.deletable_by(author)) {
                return tx.put(object, "$position", position(dice));
            }
            tx.put(object, "$deleted", dice.percent(60))
        }
        What::NewEntry(_, entry) => match (&entry.shape, entry.random_leaf(dice)) {
            (Shape::Object(inner), _) => {
                let made = tx.put_object(object, new_name, ObjType::Map)?;
                fill(tx, &made, Some(inner), author, dice)
            }
            (_, Some(value)) => tx.put(object, new_name, stored(entry, &value)),
            (_, None) => Ok(()),
        },
        What::Entry(_) => tx.put(object, "$deleted", dice.percent(60)),
    }
}

fn leaf(
    tx: &mut Transaction<'_>,
    object: &ObjId,
    name: &str,
    field: &Field,
    dice: &mut Dice,
) -> Edited {
    if let Shape::Counter = field.shape {
        return tx.increment(object, name, dice.below(9) as i64 - 4);
    }
    if dice.percent(15) && tx.get(object, name)?.is_some() {
        return tx.delete(object, name);
    }
    match field.random_leaf(dice) {
        Some(value) => tx.put(object, name, stored(field, &value)),
        None => Ok(()),
    }
}

/// A splice that begins and ends between characters.
fn splice(tx: &mut Transaction<'_>, object: &ObjId, dice: &mut Dice) -> Edited {
    let text = tx.text(object)?;
    let mut ends = vec![0];
    for character in text.chars() {
        ends.push(ends[ends.len() - 1] + character.len_utf16());
    }
    let from = dice.below(ends.len());
    let to = from + dice.below((ends.len() - from).min(4));
    let removed = isize::try_from(ends[to] - ends[from]).unwrap_or(0);
    tx.splice_text(object, ends[from], removed, &dice.text(4))
}

fn list(tx: &mut Transaction<'_>, object: &ObjId, field: &Field, dice: &mut Dice) -> Edited {
    let Shape::List(scalar) = &field.shape else {
        return Ok(());
    };
    let length = tx.length(object);
    let value = plain(&scalar.random(dice));
    match dice.below(4) {
        0 if length > 0 => tx.delete(object, dice.below(length)),
        1 if length > 0 => tx.put(object, dice.below(length), value),
        _ => tx.insert(object, dice.below(length + 1), value),
    }
}

/// Makes everything that a new object declares, with some values.
pub(crate) fn fill(
    tx: &mut Transaction<'_>,
    made: &ObjId,
    object: Option<&Object>,
    author: Author,
    dice: &mut Dice,
) -> Edited {
    let Some(object) = object else { return Ok(()) };
    for (name, field) in &object.fields {
        let own = field.write.allows(author, true);
        let value = if own && dice.percent(50) {
            field.random_leaf(dice)
        } else {
            field.default.clone()
        };
        let name = name.as_str();
        match (&field.shape, value) {
            (Shape::Object(inner), _) => {
                let inner_made = tx.put_object(made, name, ObjType::Map)?;
                fill(tx, &inner_made, Some(inner), author, dice)?;
            }
            (Shape::Keyed { .. }, _) => {
                tx.put_object(made, name, ObjType::Map)?;
            }
            (Shape::Text, value) => {
                let text = tx.put_object(made, name, ObjType::Text)?;
                if let Some(value) = value.as_ref().and_then(Value::as_str) {
                    tx.splice_text(&text, 0, 0, value)?;
                }
            }
            (Shape::List(_), value) => {
                let list = tx.put_object(made, name, ObjType::List)?;
                let elements = value.as_ref().and_then(Value::as_array);
                for (index, element) in elements.into_iter().flatten().enumerate() {
                    tx.insert(&list, index, plain(element))?;
                }
            }
            (Shape::Counter, value) => {
                tx.put(made, name, stored(field, &value.unwrap_or_default()))?;
            }
            (_, Some(value)) => tx.put(made, name, stored(field, &value))?,
            (_, None) => {}
        }
    }
    Ok(())
}

/// Values that no honest client writes, and some that it does.
pub(crate) fn wild_scalar(dice: &mut Dice) -> ScalarValue {
    match dice.below(14) {
        0 => ScalarValue::Null,
        1 => ScalarValue::Boolean(dice.percent(50)),
        2 => ScalarValue::Int(dice.below(20) as i64),
        3 => ScalarValue::Int(i64::MAX - dice.below(2) as i64),
        4 => ScalarValue::Uint(u64::MAX - dice.below(2) as u64),
        5 => ScalarValue::F64(f64::NAN),
        6 => ScalarValue::F64(f64::INFINITY),
        7 => ScalarValue::Timestamp(7),
        8 => ScalarValue::counter(1 << 60),
        9 => ScalarValue::Bytes(vec![1, 2, 3]),
        10 => ScalarValue::Unknown {
            type_code: 13,
            bytes: vec![9],
        },
        11 => "\u{fffc}".into(),
        12 => "red".into(),
        _ => dice.text(20).into(),
    }
}

fn wild_type(dice: &mut Dice) -> ObjType {
    *dice.pick(&[ObjType::Map, ObjType::List, ObjType::Text, ObjType::Table])
}

/// Some edit at a site, whoever makes it and whether it makes sense or not.
pub(crate) fn wild(tx: &mut Transaction<'_>, site: &Site<'_>, dice: &mut Dice) -> Edited {
    let object = &site.object;
    let registers = ["$position", "$deleted", "$genesis", "id", "ref"];
    let name = match &site.name {
        Some(name) if dice.percent(70) => name.clone(),
        _ if dice.percent(40) => (*dice.pick(&registers)).to_owned(),
        _ => (*dice.pick(&NAMES)).to_owned(),
    };
    let name = name.as_str();
    // A site of a text or list names its own object; its holder is reached by other sites.
    let sequence = tx.object_type(object)?.is_sequence();
    let length = tx.length(object);
    match dice.below(9) {
        _ if sequence => match dice.below(6) {
            0 if length > 0 => tx.delete(object, dice.below(length)),
            1 => tx.insert_object(object, 0, wild_type(dice)).map(|_| ()),
            2 if length > 0 => tx.put(object, dice.below(length), wild_scalar(dice)),
            3 => tx.splice_text(object, dice.below(length + 1), 0, &dice.text(3)),
            4 if length > 1 => {
                let mark = automerge::marks::Mark::new("bold".into(), wild_scalar(dice), 0, 1);
                tx.mark(object, mark, automerge::marks::ExpandMark::Both)
            }
            _ => tx.insert(object, dice.below(length + 1), wild_scalar(dice)),
        },
        0 => tx.delete(object, name),
        1 => tx.put_object(object, name, wild_type(dice)).map(|_| ()),
        // Not so much that Automerge's own sum overflows here, before the server is asked.
        2 => tx.increment(object, name, 1 << 54),
        3 => tx.put(object, name, true),
        4 => {
            let made = tx.put_object(object, name, ObjType::Map)?;
            let inner = *dice.pick(&NAMES);
            tx.put(&made, inner, wild_scalar(dice))
        }
        _ => tx.put(object, name, wild_scalar(dice)),
    }
}
