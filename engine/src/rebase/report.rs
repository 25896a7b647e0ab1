//! What a rebase dropped, for its author.
//!
//! Invariant: every operation that is in no new change is in the report, once.

use automerge::legacy::{Key, OpType};
use automerge::{Automerge, ScalarValue};
use serde_json::Value;

use super::OpIndex;
use super::objects::Objects;
use super::pending::Pending;
use crate::document::{plain_value, scalar_value};
use crate::pointer::Pointer;
use crate::violation::{Violation, ViolationReport};

/// Operations that a refusal names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedOps {
    /// Which pending change, from 0.
    pub change: usize,
    /// Which of its operations, from 0. Empty: all of them.
    pub ops: Vec<usize>,
    /// The stable code of the rule.
    pub rule: String,
}

impl From<&ViolationReport> for RefusedOps {
    fn from(report: &ViolationReport) -> Self {
        let index = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        Self {
            change: index(report.change),
            ops: report.ops.iter().map(|&op| index(op)).collect(),
            rule: report.rule.clone(),
        }
    }
}

impl From<&Violation> for RefusedOps {
    fn from(violation: &Violation) -> Self {
        Self {
            change: violation.change,
            ops: violation.ops.clone(),
            rule: violation.rule.code().to_owned(),
        }
    }
}

/// Why something was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DropReason {
    /// The refusal names it; the stable code of the rule.
    Refused(String),
    /// It works on an object, element or value that was dropped.
    Depends,
    /// What it works on is not there any more: others removed it.
    Gone,
    /// A rule forbids it at its new place; the stable code of the rule.
    Forbidden(String),
}

impl DropReason {
    /// A stable word for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Depends => "depends",
            Self::Gone => "gone",
            Self::Forbidden(_) => "forbidden",
        }
    }

    /// The rule, where one is to blame.
    #[must_use]
    pub fn rule(&self) -> Option<&str> {
        match self {
            Self::Refused(rule) | Self::Forbidden(rule) => Some(rule),
            Self::Depends | Self::Gone => None,
        }
    }
}

/// Something that was dropped.
#[derive(Debug, Clone, PartialEq)]
pub struct Dropped {
    /// Which pending change, from 0.
    pub change: usize,
    /// Which of its operations, from 0; `None` for a value that was carried over by values, where
    /// one value may come of many operations.
    pub op: Option<usize>,
    /// Where; items of keyed lists are named by their ids.
    pub pointer: Pointer,
    /// The value that was to be written there, or the element or increment that was to be added.
    pub attempted: Option<Value>,
    /// Why.
    pub why: DropReason,
}

/// What is reported of an operation.
pub(super) fn dropped(
    objects: &mut Objects,
    doc: &Automerge,
    pending: &Pending,
    (change, index): OpIndex,
    why: DropReason,
) -> Dropped {
    let op = pending.op((change, index));
    let mapped = objects.mapped(doc, &op.obj);
    let schema_map = &objects.schema_map;
    let (pointer, node) = match &op.key {
        Key::Map(name) => {
            let child = schema_map.child(&mapped, &op.obj, name);
            let new = child.node.map(|node| schema_map.new.node(node));
            let node = new.or_else(|| child.old.map(|node| schema_map.old.node(node)));
            (child.pointer, node)
        }
        Key::Seq(_) => (mapped.pointer, None),
    };
    let value = |scalar: &ScalarValue| match node {
        Some(node) => scalar_value(node, scalar),
        None => plain_value(scalar),
    };
    let attempted = match &op.action {
        OpType::Put(scalar) => value(scalar),
        OpType::Increment(by) => Some(Value::from(*by)),
        _ => None,
    };
    Dropped {
        change,
        op: Some(index),
        pointer,
        attempted,
        why,
    }
}
