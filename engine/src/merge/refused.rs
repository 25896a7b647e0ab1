//! What a merge does not write: places that are kept as they are, and what is refused.
//!
//! Invariant: nothing that is not written goes unsaid.

use serde_json::Value;

use super::{Merger, Protected, Target};
use crate::pointer::Pointer;
use crate::policy::{ScalarFault, refusal_text};
use crate::value::normal;
use crate::violation::{Rule, VIOLATIONS_MAX, Violation};

impl Merger<'_> {
    /// Reports a field that is not for writing, unless the body repeats its value.
    pub(super) fn derived(
        &mut self,
        at: &Pointer,
        rule: Rule,
        value: &Value,
        present: Option<Value>,
        base: Option<Option<&Value>>,
    ) {
        if present.as_ref() == Some(value) || base == Some(Some(value)) {
            return;
        }
        let message = refusal_text(&rule);
        self.protect(at, rule, message, Some(value), present);
    }

    /// Whether the caller wants a place to stay as it is.
    pub(super) fn is_preserved(&self, at: &Pointer) -> bool {
        self.kept.holds(at)
    }

    /// Whether the caller wants a field to stay as it is; says so.
    pub(super) fn keeps(&mut self, target: &Target<'_>, name: &str) -> bool {
        if self.kept.is_none() {
            return false;
        }
        let at = target.at.child(name);
        let keeps = self.is_preserved(&at);
        if keeps {
            self.preserved.push(at);
        }
        keeps
    }

    /// Whether the caller wants a place to stay as it is, or one that it lies in or that lies in it.
    pub(super) fn holds_preserved(&self, at: &Pointer) -> bool {
        self.kept.touches(at)
    }

    /// Keeps a protected field and says so, or refuses.
    pub(super) fn protect(
        &mut self,
        at: &Pointer,
        rule: Rule,
        message: &str,
        attempted: Option<&Value>,
        kept: Option<Value>,
    ) {
        match self.options.protected {
            Protected::Keep => {
                self.preserved.push(at.clone());
                if self.attempts.len() < VIOLATIONS_MAX {
                    let attempt = violation(at, rule, message, attempted, kept);
                    self.attempts.push(attempt);
                }
            }
            Protected::Refuse => self.refuse(at, rule, message, attempted, kept),
        }
    }

    pub(super) fn refuse(
        &mut self,
        at: &Pointer,
        rule: Rule,
        message: &str,
        attempted: Option<&Value>,
        kept: Option<Value>,
    ) {
        self.add(|| violation(at, rule, message, attempted, kept));
    }

    /// Refuses what breaks a keyword of the schema.
    pub(super) fn refuse_fault(
        &mut self,
        at: &Pointer,
        fault: ScalarFault,
        attempted: Option<&Value>,
        kept: Option<Value>,
    ) {
        self.add(|| {
            let rule = Rule::keyword(fault.keyword);
            let bound = fault.bound;
            let violation = violation(at, rule, &fault.message, attempted, kept);
            Violation { bound, ..violation }
        });
    }

    /// Refuses a name that the object at `target` does not declare.
    pub(super) fn refuse_undeclared(&mut self, target: &Target<'_>, name: &str) {
        let policy = self.policy;
        self.add(|| {
            let message = policy.undeclared(target.node, target.at, name);
            let at = target.at.child(name);
            violation(&at, Rule::UNKNOWN_FIELD, &message, None, None)
        });
    }

    /// A body with more faults than are reported is refused like one with these.
    fn add(&mut self, violation: impl FnOnce() -> Violation) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(violation());
        }
    }
}

pub(crate) fn violation(
    at: &Pointer,
    rule: Rule,
    message: &str,
    attempted: Option<&Value>,
    kept: Option<Value>,
) -> Violation {
    Violation {
        change: 0,
        ops: Vec::new(),
        pointer: at.clone(),
        rule,
        attempted: attempted.map(normal),
        kept,
        holder: None,
        bound: None,
        message: message.to_owned(),
    }
}
