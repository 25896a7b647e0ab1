//! Carrying over by values what was written to a document that shares no operations with this one.
//!
//! Owns the places where a rebase cannot go by operation ids: whole entities (another epoch or
//! genesis), fields that are stored in another form now, and objects that are made again (another author
//! else's has their name, or another schema declares other containers for them).
//! Invariant: what the two versions agree in is not touched; protected fields stay and are reported.

use automerge::{ActorId, ObjId};
use serde_json::{Map, Value};

use super::{
    Absent, Base, MergeError, MergeOptions, Merged, Merger, Outcome, Protected, Seen, Source,
    Target, write,
};
use crate::document::POSITION;
use crate::entity::Entity;
use crate::limits::Limits;
use crate::pointer::Pointer;
use crate::policy::{NodeId, Shape, refusal_text};
use crate::principal::Principal;

/// A keyed list or open map, and the name of an object in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holder<'a> {
    pub(crate) object: &'a ObjId,
    pub(crate) node: NodeId,
    pub(crate) at: &'a Pointer,
    pub(crate) name: &'a str,
}

/// An item or map entry at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Version {
    pub(crate) value: Map<String, Value>,
    pub(crate) position: Option<String>,
    pub(crate) deleted: bool,
}

/// What to leave alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CarryOptions<'a> {
    /// What to do with values for fields that the author may not write.
    pub(crate) protected: Protected,
    /// More places to keep as they are.
    pub(crate) preserve: &'a [Pointer],
    /// What one change may hold.
    pub(crate) limits: &'a Limits,
}

fn options(base: Option<Value>, care: CarryOptions<'_>) -> MergeOptions {
    MergeOptions {
        protected: care.protected,
        absent: match base {
            Some(_) => Absent::Removed,
            None => Absent::Stays,
        },
        preserve: care.preserve.to_vec(),
        base: base.map(|value| Base {
            value,
            heads: Vec::new(),
            earlier: None,
        }),
        limits: care.limits.clone(),
        ..MergeOptions::default()
    }
}

/// Makes the edit that `writes` makes of what was written elsewhere: of a whole object, or of its
/// difference from a `base`.
fn carry(
    entity: &Entity,
    by: (&Principal, &ActorId),
    (base, seen): (Option<Value>, Seen<'_>),
    care: CarryOptions<'_>,
    writes: impl FnOnce(&mut Merger<'_>) -> Outcome,
) -> Result<Merged, MergeError> {
    let options = options(base, care);
    write(entity, by, (&options, seen), |merger| {
        merger.source = match options.base {
            Some(_) => Source::Edits,
            None => Source::Object,
        };
        writes(merger)
    })
}

/// Makes the edit that brings the difference of two values, of an entity elsewhere, into this one.
/// Its author had not seen what is at the places `unseen`.
pub(crate) fn carry_value(
    entity: &Entity,
    by: (&Principal, &ActorId),
    (base, body): (&Value, &Value),
    (unseen, care): (&[Pointer], CarryOptions<'_>),
) -> Result<Merged, MergeError> {
    let from = (Some(base.clone()), Seen::Value(base, unseen));
    carry(entity, by, from, care, |merger| merger.root(body))
}

/// Makes the edit that brings an object made elsewhere (no `base`), or the difference of two of
/// its versions, to its place in this entity.
pub(crate) fn carry_object(
    entity: &Entity,
    by: (&Principal, &ActorId),
    holder: &Holder<'_>,
    (base, body): (Option<&Version>, &Version),
    care: CarryOptions<'_>,
) -> Result<Merged, MergeError> {
    let value = base.map(|base| Value::Object(base.value.clone()));
    carry(entity, by, (value, Seen::Heads(None)), care, |merger| {
        merger.version(holder, base, body)
    })
}

/// Makes the edit that brings the difference of two values of some fields of an object elsewhere
/// to an object of this entity: its id, its place in the schema, and its name.
pub(crate) fn carry_fields(
    entity: &Entity,
    by: (&Principal, &ActorId),
    (object, node, at): (&ObjId, NodeId, &Pointer),
    (base, body): (&Map<String, Value>, &Map<String, Value>),
    care: CarryOptions<'_>,
) -> Result<Merged, MergeError> {
    let value = Some(Value::Object(base.clone()));
    carry(entity, by, (value, Seen::Heads(None)), care, |merger| {
        let target = Target {
            object,
            node,
            at,
            fresh: merger.is_new(object),
        };
        merger.object(&target, body, Some(base))
    })
}

impl Merger<'_> {
    /// Whether an object comes into being with what is being written: `create` fields of it may be
    /// written. A rebase writes as an actor of its own, so what that made is a part of it.
    pub(super) fn is_new(&self, object: &ObjId) -> bool {
        let is_own =
            |object: &ObjId| matches!(object, ObjId::Id(_, actor, _) if actor == self.actor);
        self.draft.is_own(object) || (self.source != Source::Body && is_own(object))
    }

    fn version(&mut self, holder: &Holder<'_>, base: Option<&Version>, body: &Version) -> Outcome {
        let Some(child) = self.policy.child(holder.node, holder.name) else {
            return Ok(());
        };
        let at = holder.at.child(holder.name);
        let found = self.draft.get(holder.object, holder.name)?;
        let Some((_, object)) = found else {
            // It was never seen, so it need not be there to be deleted.
            if body.deleted {
                return Ok(());
            }
            let target = Target {
                object: holder.object,
                node: holder.node,
                at: holder.at,
                fresh: false,
            };
            let position = body.position.as_ref();
            return self.make_item(&target, holder.name, child, &body.value, position);
        };
        let was_deleted = match base {
            Some(base) => base.deleted,
            None => self.reader.is_deleted(&object),
        };
        if was_deleted && !body.deleted {
            self.undelete(&object, child, &at, &Map::new())?;
        }
        let target = Target {
            object: &object,
            node: child,
            at: &at,
            fresh: self.is_new(&object),
        };
        let nothing = Map::new();
        let old = base.map_or(&nothing, |base| &base.value);
        self.object(&target, &body.value, Some(old))?;
        if let Some(base) = base
            && base.position != body.position
        {
            self.place(holder, &object, body.position.as_deref())?;
        }
        if body.deleted && !was_deleted {
            self.delete_item(&object, child, &at)?;
        }
        Ok(())
    }

    fn place(&mut self, holder: &Holder<'_>, object: &ObjId, position: Option<&str>) -> Outcome {
        let list = self.policy.node(holder.node);
        let (Shape::Keyed { .. }, Some(position)) = (&list.shape, position) else {
            return Ok(());
        };
        if let Some(rule) = self.rights.denied(holder.node, false) {
            let message = refusal_text(&rule);
            self.protect(holder.at, rule, message, None, None);
            return Ok(());
        }
        self.draft.put(object, POSITION, position)
    }
}
