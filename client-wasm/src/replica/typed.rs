//! Texts of a replica: how places in them are found, and what is typed into them.

use indelible_engine::merge::{self, Absent, TextEdit, may_edit};
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{Policy, Shape};
use indelible_engine::principal::Principal;
use indelible_engine::splice::{apply, misfit};
use serde_json::Value;

use super::{Author, EditOptions, Edited, Located, Replica, TypedEdit};
use crate::error::CallError;

impl Replica {
    /// Where a pointer points in what is shown; `None` when it names an item that is not there.
    pub(crate) fn locate(&self, at: &Pointer, principal: &Principal) -> Option<Located> {
        let (pointer, path) = places(self.policy(), &self.shown().presented(), at)?;
        let write = may_edit(self.policy(), principal, &pointer);
        Some(Located {
            pointer,
            path,
            write,
        })
    }

    /// Replaces a part of a text: shown at once and pending, like [`Self::edit`].
    pub(crate) fn splice(
        &mut self,
        author: &Author<'_>,
        ordinal: u64,
        typed: &TypedEdit,
    ) -> Result<(Edited, bool), CallError> {
        let at: Pointer = typed
            .pointer
            .parse()
            .map_err(|why| CallError::Name(format!("{:?}: {why}", typed.pointer)))?;
        let base = typed
            .revision
            .map(|revision| self.followed(revision, &Value::Null))
            .transpose()?
            .map(|followed| followed.base);
        let shown = self.shown().presented();
        let seen = base.as_ref().map_or(&shown, |base| &base.value);
        let gone = || nothing(self.policy(), &at);
        let (pointer, _) = places(self.policy(), &shown, &at).ok_or_else(gone)?;
        let shape = self.policy().find(&pointer).map(|node| {
            let policy = self.policy();
            &policy.node(node).shape
        });
        if !matches!(shape, Some(Shape::Text { .. })) {
            let (_, path) = places(self.policy(), seen, &pointer).ok_or_else(gone)?;
            let body = replaced(seen, &path, typed, &at, self.policy())?;
            let options = EditOptions {
                absent: Absent::Removed,
                revision: typed.revision,
                ..EditOptions::default()
            };
            return self.edit(author, ordinal, &body, &options);
        }
        let actor = *self.actor.get_or_insert(author.fresh);
        let edit = TextEdit {
            at: &pointer,
            splice: &typed.splice,
            base: base.as_ref().map(|base| base.heads.as_slice()),
            limits: author.limits,
        };
        let merged = merge::splice(self.shown(), author.principal, &actor.into(), &edit);
        self.take_in(author, ordinal, merged?)
    }
}

/// A pointer with the ids of items, and with their indices.
fn places(policy: &Policy, value: &Value, at: &Pointer) -> Option<(Pointer, Pointer)> {
    let (mut pointer, mut path) = (Pointer::root(), Pointer::root());
    let mut node = Some(policy.root());
    let mut value = Some(value);
    for token in at.tokens() {
        let shape = node.map(|node| &policy.node(node).shape);
        match (shape, value) {
            (Some(Shape::Keyed { key, .. }), Some(Value::Array(items))) => {
                let id = |item: &Value| item.get(key).and_then(Value::as_str).map(str::to_owned);
                let named = items
                    .iter()
                    .position(|item| id(item).as_deref() == Some(token));
                let index = named.or_else(|| token.parse().ok())?;
                let item = items.get(index)?;
                pointer.push(id(item)?);
                path.push(index.to_string());
                value = Some(item);
            }
            (Some(Shape::Keyed { .. }), _) => return None,
            (_, inside) => {
                pointer.push(token.clone());
                path.push(token.clone());
                value = inside.and_then(|inside| match inside {
                    Value::Array(items) => items.get(token.parse::<usize>().ok()?),
                    other => other.get(token),
                });
            }
        }
        node = node.and_then(|node| policy.child(node, token));
    }
    Some((pointer, path))
}

/// The error that there is no text at a place. A field that the schema does not have is named with
/// the one that was probably meant.
fn nothing(policy: &Policy, at: &Pointer) -> CallError {
    let (mut way, mut node) = (Pointer::root(), policy.root());
    for token in at.tokens() {
        let Some(child) = policy.child(node, token) else {
            if let Some(near) = policy.meant(node, &way, token) {
                return CallError::Document(format!("there is nothing at {at} (is it {near}?)"));
            }
            break;
        };
        way.push(token.clone());
        node = child;
    }
    CallError::Document(format!("there is nothing at {at}"))
}

/// The value with a part of one of its strings replaced. An absent string counts as empty, if the
/// policy knows the place.
fn replaced(
    value: &Value,
    path: &Pointer,
    typed: &TypedEdit,
    at: &Pointer,
    policy: &Policy,
) -> Result<Value, CallError> {
    let gone = || nothing(policy, at);
    let other = |found: &Value| {
        let kind = match found {
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Array(_) => "a list",
            _ => "an object",
        };
        CallError::Document(format!("what is at {at} is {kind}, not a text"))
    };
    let mut value = value.clone();
    let (Some(above), Some(name)) = (path.parent(), path.last()) else {
        return Err(CallError::Document(
            "the pointer names the whole value, not a text in it".to_owned(),
        ));
    };
    let parent = value.pointer_mut(&above.to_string()).ok_or_else(gone)?;
    let found = match &*parent {
        Value::Object(fields) => fields.get(name),
        Value::Array(items) => name.parse().ok().and_then(|index: usize| items.get(index)),
        _ => return Err(gone()),
    };
    let text = match found {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(found) => return Err(other(found)),
    };
    let fits = apply(&text, std::slice::from_ref(&typed.splice));
    let text = fits.ok_or_else(|| match misfit(text.chars(), &typed.splice, at) {
        Some(why) if found.is_some() || policy.find(at).is_some() => CallError::Document(why),
        _ => gone(),
    })?;
    match parent {
        Value::Object(fields) => drop(fields.insert(name.to_owned(), Value::String(text))),
        Value::Array(items) => {
            let index: Option<usize> = name.parse().ok();
            let item = index.and_then(|index| items.get_mut(index));
            *item.ok_or_else(gone)? = Value::String(text);
        }
        _ => return Err(gone()),
    }
    Ok(value)
}
