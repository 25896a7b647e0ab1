//! A random kind: its schema as text, and what the schema means as the model knows it.
//!
//! The model's knowledge comes from here, never from what the engine compiles: rights, defaults and
//! bounds are written down when the schema is made up.

use std::collections::BTreeMap;

use automerge::ScalarValue;
use serde_json::{Map, Value, json};

use super::dice::Dice;

/// Names of fields, some of them awkward in pointers and patches.
pub(crate) const NAMES: [&str; 14] = [
    "title", "a/b", "m~n", "ü", "0", "body", "x y", "rank", "code", "note", "refs", "parts",
    "shape", "z",
];

/// Who may write, effectively.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    Edit,
    Create,
    System,
    Chief,
}

/// Somebody who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Author {
    pub(crate) name: &'static str,
    /// Whether they may edit the kind at all.
    pub(crate) edits: bool,
    pub(crate) chief: bool,
    /// Whether they write the system's fields in its place.
    pub(crate) serves: bool,
    pub(crate) system: bool,
}

impl Write {
    /// Whether the author may write, to something that is (`fresh`) or is not just being made.
    pub(crate) fn allows(self, author: Author, fresh: bool) -> bool {
        match self {
            Self::Edit => author.edits,
            Self::Create => author.edits && fresh,
            Self::System => author.serves || author.system,
            Self::Chief => author.edits && (author.chief || author.system),
        }
    }

    fn below(self, dice: &mut Dice) -> Self {
        match self {
            Self::Edit if dice.percent(55) => Self::Edit,
            Self::Edit => *dice.pick(&[Self::Create, Self::System, Self::Chief]),
            Self::Create | Self::Chief if dice.percent(80) => self,
            Self::Create | Self::Chief | Self::System => Self::System,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) write: Write,
    pub(crate) shape: Shape,
    pub(crate) default: Option<Value>,
}

#[derive(Debug)]
pub(crate) enum Shape {
    Object(Object),
    Keyed { key: &'static str, item: Box<Field> },
    List(Scalar),
    Text,
    Scalar(Scalar),
    Counter,
    Atomic,
    Stamp(&'static str),
    Tally,
}

#[derive(Debug, Default)]
pub(crate) struct Object {
    pub(crate) fields: BTreeMap<String, Field>,
    /// The values of an open map.
    pub(crate) open: Option<Box<Field>>,
    /// Whether editors may delete it although they may not write all of it.
    pub(crate) deletable: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Scalar {
    Text,
    Nullable,
    Integer,
    Number,
    Boolean,
    Choice,
}

/// Bounds that only the whole entity shows; on the root of strict kinds.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    pub(crate) required: Vec<String>,
    pub(crate) list_items_max: Option<(String, usize)>,
    pub(crate) text_length_max: Option<(String, usize)>,
}

#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) root: Object,
    pub(crate) bounds: Option<Bounds>,
    pub(crate) schema: String,
}

const TEXT_LENGTH_MAX: usize = 12;
const CHOICES: [&str; 3] = ["red", "green", "blue"];

impl Scalar {
    pub(crate) fn random(self, dice: &mut Dice) -> Value {
        match self {
            Self::Text => json!(dice.text(TEXT_LENGTH_MAX)),
            Self::Nullable if dice.percent(30) => Value::Null,
            Self::Nullable => json!(dice.text(4)),
            Self::Integer => json!(dice.below(1006) as i64 - 5),
            Self::Number => json!(dice.below(4000) as f64 / 8.0),
            Self::Boolean => json!(dice.percent(50)),
            Self::Choice => json!(dice.pick(&CHOICES)),
        }
    }

    /// Whether a stored value is one that the schema allows.
    pub(crate) fn holds(self, stored: &ScalarValue) -> bool {
        let whole = |x: f64| x.fract() == 0.0 && (-5.0..=1000.0).contains(&x);
        match (self, stored) {
            (Self::Text, ScalarValue::Str(text)) => text.chars().count() <= TEXT_LENGTH_MAX,
            (Self::Nullable, ScalarValue::Str(_) | ScalarValue::Null)
            | (Self::Number, ScalarValue::Int(_) | ScalarValue::Uint(_))
            | (Self::Boolean, ScalarValue::Boolean(_)) => true,
            (Self::Number, ScalarValue::F64(x)) => x.is_finite(),
            (Self::Integer, ScalarValue::Int(n)) => (-5..=1000).contains(n),
            (Self::Integer, ScalarValue::Uint(n)) => *n <= 1000,
            (Self::Integer, ScalarValue::F64(x)) => whole(*x),
            (Self::Choice, ScalarValue::Str(text)) => CHOICES.contains(&text.as_str()),
            _ => false,
        }
    }

    fn schema(self) -> Value {
        match self {
            Self::Text => json!({ "type": "string", "maxLength": TEXT_LENGTH_MAX }),
            Self::Nullable => json!({ "type": ["string", "null"] }),
            Self::Integer => json!({ "type": "integer", "minimum": -5, "maximum": 1000 }),
            Self::Number => json!({ "type": "number" }),
            Self::Boolean => json!({ "type": "boolean" }),
            Self::Choice => json!({ "type": "string", "enum": CHOICES }),
        }
    }

    fn any(dice: &mut Dice) -> Self {
        *dice.pick(&[
            Self::Text,
            Self::Nullable,
            Self::Integer,
            Self::Number,
            Self::Boolean,
            Self::Choice,
        ])
    }
}

/// Some canonical JSON object, for atomic fields.
pub(crate) fn atom(dice: &mut Dice) -> Value {
    json!({ "a": dice.below(9), "b": [dice.percent(50), "x"] })
}

impl Field {
    /// A value that the schema allows here; `None` where a value is no single thing.
    pub(crate) fn random_leaf(&self, dice: &mut Dice) -> Option<Value> {
        match &self.shape {
            Shape::Scalar(scalar) => Some(scalar.random(dice)),
            Shape::Counter => Some(json!(dice.below(100))),
            Shape::Atomic => Some(atom(dice)),
            Shape::Text => Some(json!(dice.text(8))),
            Shape::List(scalar) => {
                let count = dice.below(4);
                Some((0..count).map(|_| scalar.random(dice)).collect())
            }
            _ => None,
        }
    }

    pub(crate) fn object(&self) -> Option<&Object> {
        match &self.shape {
            Shape::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Whether the author may delete an object of this field: may write all of it, `create`
    /// counting as `edit`, or may delete it by name.
    pub(crate) fn deletable_by(&self, author: Author) -> bool {
        let named = self.object().is_some_and(|o| o.deletable) && author.edits && !author.system;
        let whole = self.write.allows(author, true);
        named
            || whole
                && match &self.shape {
                    Shape::Object(object) => object
                        .fields
                        .values()
                        .chain(object.open.as_deref())
                        .all(|field| field.deletable_by(author)),
                    Shape::Keyed { item, .. } => item.deletable_by(author),
                    _ => true,
                }
    }

    fn random(dice: &mut Dice, depth: usize, parent: Write) -> Self {
        let write = parent.below(dice);
        let shape = match dice.below(if depth < 2 { 16 } else { 11 }) {
            0..=4 => Shape::Scalar(Scalar::any(dice)),
            5..=6 => Shape::Text,
            7..=8 => Shape::List(Scalar::any(dice)),
            9 => Shape::Counter,
            10 => Shape::Atomic,
            11..=12 => Shape::Object(Object::random(dice, depth + 1, write)),
            13..=14 => {
                let item_write = write.below(dice);
                let mut object = Object::random(dice, depth + 1, item_write);
                object.open = None;
                let item = Self::of(item_write, Shape::Object(object));
                let key = *dice.pick(&["id", "ref"]);
                Shape::Keyed {
                    key,
                    item: Box::new(item.without(key)),
                }
            }
            _ => {
                let entry_write = write.below(dice);
                let entry = match dice.below(3) {
                    0 => Shape::Scalar(Scalar::any(dice)),
                    1 => Shape::Atomic,
                    _ => Shape::Object(Object::random(dice, depth + 1, entry_write)),
                };
                let fields = match dice.percent(30) {
                    true => Object::random(dice, depth + 1, write).fields,
                    false => BTreeMap::new(),
                };
                Shape::Object(Object {
                    fields,
                    open: Some(Box::new(Self::of(entry_write, entry))),
                    deletable: false,
                })
            }
        };
        let mut field = Self::of(write, shape);
        let may_have_default = !matches!(field.shape, Shape::Object(_) | Shape::Keyed { .. });
        if may_have_default && dice.percent(30) {
            field.default = field.random_leaf(dice);
        }
        field
    }

    fn of(write: Write, shape: Shape) -> Self {
        Self {
            write,
            shape,
            default: None,
        }
    }

    fn without(mut self, name: &str) -> Self {
        if let Shape::Object(object) = &mut self.shape {
            object.fields.remove(name);
        }
        self
    }

    fn schema(&self, parent: Write) -> Value {
        let mut marks = Map::new();
        let mut schema = match &self.shape {
            Shape::Object(object) => object.schema(self.write, &mut marks),
            Shape::Keyed { key, item } => {
                marks.insert("key".to_owned(), json!(key));
                json!({ "type": "array", "items": item.schema(self.write) })
            }
            Shape::List(scalar) => json!({ "type": "array", "items": scalar.schema() }),
            Shape::Text => mark(&mut marks, "merge", "text", "string"),
            Shape::Counter => mark(&mut marks, "merge", "counter", "integer"),
            Shape::Atomic => mark(&mut marks, "merge", "atomic", "object"),
            Shape::Scalar(scalar) => scalar.schema(),
            Shape::Stamp(stamp) => mark(&mut marks, "stamp", stamp, "string"),
            Shape::Tally => {
                marks.insert("tally".to_owned(), json!(true));
                json!({ "type": "integer" })
            }
        };
        if self.write != parent {
            let word = match self.write {
                Write::Edit => json!("edit"),
                Write::Create => json!("create"),
                Write::System => json!("system"),
                Write::Chief => json!(["chief"]),
            };
            marks.insert("write".to_owned(), word);
        }
        if let Some(default) = &self.default {
            schema["default"] = default.clone();
        }
        if !marks.is_empty() {
            schema["x-indelible"] = Value::Object(marks);
        }
        schema
    }
}

fn mark(marks: &mut Map<String, Value>, word: &str, value: &str, kind: &str) -> Value {
    marks.insert(word.to_owned(), json!(value));
    json!({ "type": kind })
}

impl Object {
    fn random(dice: &mut Dice, depth: usize, write: Write) -> Self {
        let count = 1 + dice.below(if depth == 0 { 9 } else { 3 });
        let fields = (0..count)
            .map(|_| {
                let name = (*dice.pick(&NAMES)).to_owned();
                (name, Field::random(dice, depth, write))
            })
            .collect();
        Self {
            fields,
            open: None,
            deletable: dice.percent(25),
        }
    }

    fn schema(&self, write: Write, marks: &mut Map<String, Value>) -> Value {
        let properties: Map<String, Value> = self
            .fields
            .iter()
            .map(|(name, field)| (name.clone(), field.schema(write)))
            .collect();
        let mut schema = json!({ "type": "object", "properties": properties });
        if let Some(open) = &self.open {
            schema["additionalProperties"] = open.schema(write);
        }
        // Only what can be deleted says who may delete it; the caller of nested objects drops it.
        if self.deletable {
            marks.insert("delete".to_owned(), json!(["editor"]));
        }
        schema
    }

    /// The spec at a name, declared or open.
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.get(name).or(self.open.as_deref())
    }

    /// Takes the right to delete from objects that cannot be deleted.
    fn settle(&mut self) {
        for field in self.fields.values_mut().chain(self.open.as_deref_mut()) {
            match &mut field.shape {
                Shape::Object(object) => object.settle(),
                Shape::Keyed { item, .. } => {
                    if let Shape::Object(object) = &mut item.shape {
                        object.settle();
                    }
                }
                _ => {}
            }
        }
        for field in self.fields.values_mut() {
            if let Shape::Object(object) = &mut field.shape {
                object.deletable = false;
            }
        }
    }
}

impl Spec {
    pub(crate) fn random(dice: &mut Dice) -> Self {
        let mut root = Object::random(dice, 0, Write::Edit);
        root.deletable = false;
        root.settle();
        for (name, shape) in [
            ("made", Shape::Stamp("created-at")),
            ("maker", Shape::Stamp("updated-by")),
            ("views", Shape::Tally),
        ] {
            if dice.percent(50) {
                root.fields
                    .insert(name.to_owned(), Field::of(Write::Edit, shape));
            }
        }
        let bounds = dice.percent(25).then(|| Bounds::random(&root));
        let mut schema = root.schema(Write::Edit, &mut Map::new());
        if let Some(bounds) = &bounds {
            bounds.apply(&mut schema);
        }
        schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        schema["x-indelible"] = json!({
            "kind": "thing", "read": ["public"], "create": ["editor"], "edit": ["editor"],
            "delete": ["editor"], "history": ["editor"], "restore": ["editor"],
            "system": ["robot"]
        });
        Self {
            root,
            bounds,
            schema: schema.to_string(),
        }
    }
}

impl Bounds {
    /// Bounds that the genesis satisfies.
    fn random(root: &Object) -> Self {
        let mut bounds = Self::default();
        for (name, field) in &root.fields {
            match &field.shape {
                Shape::Scalar(_) if field.default.is_some() => bounds.required.push(name.clone()),
                Shape::List(_) => bounds.list_items_max = Some((name.clone(), 4)),
                Shape::Text => bounds.text_length_max = Some((name.clone(), 16)),
                _ => {}
            }
        }
        bounds
    }

    fn apply(&self, schema: &mut Value) {
        if !self.required.is_empty() {
            schema["required"] = json!(self.required);
        }
        if let Some((name, max)) = &self.list_items_max {
            schema["properties"][name]["maxItems"] = json!(max);
        }
        if let Some((name, max)) = &self.text_length_max {
            schema["properties"][name]["maxLength"] = json!(max);
        }
    }

    /// Whether a presented value keeps within them.
    pub(crate) fn hold(&self, value: &Map<String, Value>) -> bool {
        let length = |name: &str| {
            value
                .get(name)
                .and_then(Value::as_array)
                .map_or(0, Vec::len)
        };
        let characters = |name: &str| {
            let text = value.get(name).and_then(Value::as_str);
            text.map_or(0, |text| text.chars().count())
        };
        self.required.iter().all(|name| value.contains_key(name))
            && self
                .list_items_max
                .iter()
                .all(|(name, max)| length(name) <= *max)
            && self
                .text_length_max
                .iter()
                .all(|(name, max)| characters(name) <= *max)
    }
}
