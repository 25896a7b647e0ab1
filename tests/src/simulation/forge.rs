//! Changes that no client library makes: any operation on any object, on any past, under any actor.
//!
//! A grammar rather than noise: most parts of a forged change are taken from what exists, so that
//! it fails late, in the check that its one wrong part is for, or not at all.

use std::num::NonZeroU64;

use automerge::legacy::{ElementId, Key, MarkData, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, Automerge, Change, ChangeHash, ExpandedChange, ObjId, ObjType, ReadDoc};
use indelible_engine::change::genesis_actor;
use indelible_engine::id::Hash;

use super::dice::Dice;
use super::edits::wild_scalar;
use super::raw::op_of;
use super::spec::NAMES;

/// How Automerge begins an actor id that it derives for itself.
const DERIVED: [u8; 16] = [0x13, 0xb2, 0x23, 0x09, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];

/// All operations of the log, for taking parts from.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    ops: Vec<(OpId, Op)>,
    objects: Vec<(OpId, ObjType)>,
    hashes: Vec<ChangeHash>,
    actors: Vec<ActorId>,
}

impl Catalogue {
    pub(crate) fn add(&mut self, change: &Change) {
        let decoded = change.decode();
        for (index, op) in decoded.operations.into_iter().enumerate() {
            let counter = change.start_op().get() + index as u64;
            let id = OpId::new(counter, change.actor_id());
            if let OpType::Make(kind) = op.action {
                self.objects.push((id.clone(), kind));
            }
            self.ops.push((id, op));
        }
        self.hashes.push(change.hash());
        if !self.actors.contains(change.actor_id()) {
            self.actors.push(change.actor_id().clone());
        }
    }
}

/// Where a forger stands: its own actor, and what it may build on.
pub(crate) struct Stand<'a> {
    pub(crate) doc: &'a Automerge,
    pub(crate) catalogue: &'a Catalogue,
    /// Heads that the document once had, oldest first.
    pub(crate) past_heads: &'a [Vec<ChangeHash>],
    pub(crate) actor: ActorId,
    pub(crate) seq: u64,
}

/// A forged change, or bytes that are none.
pub(crate) fn forged(stand: &Stand<'_>, dice: &mut Dice) -> Vec<u8> {
    let mut expanded = frame(stand, dice);
    let count = 1 + dice.below(4);
    for _ in 0..count {
        let op = operation(stand, &expanded, dice);
        expanded.operations.push(op);
    }
    encode(expanded)
}

/// An honest change with one thing altered.
pub(crate) fn altered(bytes: &[u8], stand: &Stand<'_>, dice: &mut Dice) -> Vec<u8> {
    let Ok(change) = Change::try_from(bytes) else {
        return bytes.to_vec();
    };
    let mut expanded = change.decode();
    let at = dice.below(expanded.operations.len().max(1));
    match dice.below(9) {
        0 => expanded.deps = frame(stand, dice).deps,
        1 => expanded.start_op = frame(stand, dice).start_op,
        2 => expanded.seq += 1 + dice.below(3) as u64,
        3 => expanded.actor_id = actor(stand, dice),
        4 => {
            let again = expanded.operations[at].clone();
            expanded.operations.push(again);
        }
        5 => {
            let op = operation(stand, &expanded, dice);
            expanded.operations.push(op);
        }
        6 => expanded.operations[at].pred = preds(stand, dice).into(),
        7 => expanded.operations[at].action = action(dice),
        _ => {
            expanded.operations.remove(at);
        }
    }
    encode(expanded)
}

/// Bytes altered at random, mostly with the checksum made right again.
pub(crate) fn garbled(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=dice.below(3) {
        let at = dice.below(bytes.len());
        match dice.below(3) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at] = *dice.pick(&[0, 1, 0x7f, 0x80, 0xff]),
            _ => bytes.truncate(at.max(12)),
        }
    }
    if dice.percent(90) && bytes.len() > 9 {
        let checksum = Hash::of(&[&bytes[8..]]);
        bytes[4..8].copy_from_slice(&checksum.0[..4]);
    }
    bytes
}

fn encode(mut expanded: ExpandedChange) -> Vec<u8> {
    expanded.deps.sort_unstable();
    expanded.deps.dedup();
    expanded.hash = None;
    Change::from(expanded).raw_bytes().to_vec()
}

fn actor(stand: &Stand<'_>, dice: &mut Dice) -> ActorId {
    match dice.below(10) {
        0 => dice.pick(&stand.catalogue.actors).clone(),
        1 => genesis_actor(),
        2 => ActorId::from([0xff; 16]),
        3 => ActorId::from(DERIVED),
        4 => ActorId::from([7; 3]),
        5 | 6 => ActorId::from([1 + dice.below(0xfe) as u8; 16]),
        _ => stand.actor.clone(),
    }
}

/// A change without operations: actor, seq, dependencies, first counter.
fn frame(stand: &Stand<'_>, dice: &mut Dice) -> ExpandedChange {
    let mut deps = match dice.below(20) {
        0..=9 => stand.doc.get_heads(),
        10..=15 => dice.pick(stand.past_heads).clone(),
        16..=17 => vec![*dice.pick(&stand.catalogue.hashes)],
        18 => vec![ChangeHash([dice.below(256) as u8; 32])],
        _ => Vec::new(),
    };
    if dice.percent(10) {
        deps.push(*dice.pick(&stand.catalogue.hashes));
    }
    let max_op = |hash: &ChangeHash| stand.doc.get_change_meta_by_hash(hash).map(|m| m.max_op);
    let floor = deps.iter().filter_map(max_op).max().unwrap_or(0);
    let ceiling = stand
        .doc
        .get_heads()
        .iter()
        .filter_map(max_op)
        .max()
        .unwrap_or(0);
    let start = match dice.below(12) {
        0..=4 => floor + 1,
        5..=9 => ceiling + 1,
        10 => floor.max(1),
        _ => *dice.pick(&[1, ceiling + 2, u64::from(u32::MAX), 1 << 31]),
    };
    let own = dice.percent(80);
    ExpandedChange {
        operations: Vec::new(),
        actor_id: if own {
            stand.actor.clone()
        } else {
            actor(stand, dice)
        },
        hash: None,
        seq: if dice.percent(90) {
            stand.seq
        } else {
            1 + dice.below(4) as u64
        },
        start_op: NonZeroU64::new(start).unwrap_or(NonZeroU64::MIN),
        time: 0,
        message: dice.percent(5).then(|| "indelible genesis".to_owned()),
        deps,
        extra_bytes: Vec::new(),
        author: None,
    }
}

fn action(dice: &mut Dice) -> OpType {
    match dice.below(12) {
        0 | 1 => OpType::Make(*dice.pick(&[ObjType::Map, ObjType::List, ObjType::Text])),
        2 | 3 => OpType::Delete,
        4 => OpType::Increment(*dice.pick(&[1, -1, i64::MAX, i64::MIN])),
        5 => OpType::MarkEnd(true),
        6 => OpType::MarkBegin(MarkData {
            name: "bold".into(),
            value: wild_scalar(dice),
            expand: true,
        }),
        _ => OpType::Put(wild_scalar(dice)),
    }
}

fn preds(stand: &Stand<'_>, dice: &mut Dice) -> Vec<OpId> {
    (0..dice.below(3))
        .map(|_| dice.pick(&stand.catalogue.ops).0.clone())
        .collect()
}

/// An operation, more often than not one that Automerge would take.
fn operation(stand: &Stand<'_>, change: &ExpandedChange, dice: &mut Dice) -> Op {
    if dice.percent(35) {
        return repeated(stand, dice);
    }
    let own = |index: usize| OpId::new(change.start_op.get() + index as u64, &change.actor_id);
    let (obj, kind) = match dice.below(12) {
        0 | 1 => (ObjectId::Root, ObjType::Map),
        2 => (
            ObjectId::Id(own(dice.below(change.operations.len() + 2))),
            *dice.pick(&[ObjType::Map, ObjType::Text]),
        ),
        3 => (
            ObjectId::Id(dice.pick(&stand.catalogue.ops).0.clone()),
            ObjType::List,
        ),
        _ => match dice.try_pick(&stand.catalogue.objects) {
            Some((id, kind)) => (ObjectId::Id(id.clone()), *kind),
            None => (ObjectId::Root, ObjType::Map),
        },
    };
    let fits = dice.percent(95);
    let sequence = kind.is_sequence() == fits;
    let (key, insert) = if sequence {
        let elements: Vec<&OpId> = stand
            .catalogue
            .ops
            .iter()
            .filter(|(_, op)| op.insert && (op.obj == obj || !fits))
            .map(|(id, _)| id)
            .collect();
        match dice.try_pick(&elements) {
            Some(id) if dice.percent(80) => {
                (Key::Seq(ElementId::Id((*id).clone())), dice.percent(50))
            }
            _ => (Key::Seq(ElementId::Head), dice.percent(95)),
        }
    } else {
        let keys: Vec<&Key> = stand
            .catalogue
            .ops
            .iter()
            .filter(|(_, op)| op.obj == obj && op.key.is_map_key())
            .map(|(_, op)| &op.key)
            .collect();
        match dice.try_pick(&keys) {
            Some(key) if dice.percent(70) => ((*key).clone(), false),
            _ => (Key::Map((*dice.pick(&NAMES)).into()), dice.percent(2)),
        }
    };
    let action = match kind {
        ObjType::Text if dice.percent(60) => OpType::Put("x".into()),
        _ => action(dice),
    };
    let pred = match (&key, dice.below(10)) {
        (_, 0) => preds(stand, dice),
        (_, 1) => Vec::new(),
        (Key::Seq(ElementId::Id(id)), _) if !insert => vec![id.clone()],
        (Key::Seq(_), _) => Vec::new(),
        (Key::Map(key), _) => standing(stand.doc, &obj, key),
    };
    Op {
        action,
        obj,
        key,
        pred: pred.into(),
        insert,
    }
}

/// An operation that was made before, once more or with a little difference.
fn repeated(stand: &Stand<'_>, dice: &mut Dice) -> Op {
    let (id, op) = dice.pick(&stand.catalogue.ops);
    let mut op = op.clone();
    let id = id.clone();
    match dice.below(6) {
        0 => op.pred = vec![id].into(),
        1 => op.action = OpType::Delete,
        2 => op.action = action(dice),
        3 => op.pred = preds(stand, dice).into(),
        4 => {
            if let Key::Map(key) = &op.key {
                op.pred = standing(stand.doc, &op.obj, key).into();
                op.action = OpType::Put(wild_scalar(dice));
            }
        }
        _ => {}
    }
    op
}

/// The operations whose values stand at a key now.
fn standing(doc: &Automerge, object: &ObjectId, key: &str) -> Vec<OpId> {
    let object = match object {
        ObjectId::Root => automerge::ROOT,
        ObjectId::Id(id) => ObjId::Id(id.counter(), id.actor().clone(), 0),
    };
    // Automerge itself panics when it is asked for an operation beyond 32 bits.
    let counts = op_of(&object).0 <= u64::from(u32::MAX);
    if !(counts && matches!(doc.object_type(&object), Ok(ObjType::Map))) {
        return Vec::new();
    }
    let found = doc.get_all(&object, key).unwrap_or_default();
    found
        .iter()
        .map(|(_, id)| op_of(id))
        .map(|(counter, actor)| OpId::new(counter, &actor))
        .collect()
}
