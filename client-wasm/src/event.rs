//! What a session tells the program: events and statuses, in the form in which they leave the core.
//!
//! Invariant: plain data that serialises to the JSON that `ts/core.ts` declares.
//! Must never know: how a status comes about.

use indelible_engine::id::{EntityId, Kind};
use indelible_engine::pointer::Pointer;
use indelible_engine::principal::Principal;
use indelible_engine::protocol::{AuthorReport, KindMode, KindReport, Mode};
use indelible_engine::rebase::Dropped;
use indelible_engine::time::Timestamp;
use indelible_engine::violation::{Violation, ViolationReport};
use serde::Serialize;
use serde_json::Value;

/// A stable code and a sentence for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Stable code.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

impl Fault {
    /// A fault with this code and sentence.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
        }
    }

    /// Somebody deleted an entity.
    pub(crate) fn deleted(entity: &EntityId) -> Self {
        Self::new("deleted", format!("{entity} has been deleted"))
    }

    /// Whether it says that there is nothing of a name, or not any more.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self.code.as_str(), "deleted" | "not-found")
    }

    /// Whether it says that something may not be read, or not any more.
    pub(crate) fn ends_access(&self) -> bool {
        let code = self.code.as_str();
        matches!(code, "forbidden" | "no-kind" | "unauthorized" | "principal")
    }
}

/// What we may do with a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KindView {
    /// The kind.
    pub kind: Kind,
    /// Whether it has one entity only.
    pub singleton: bool,
    /// How its entities can be followed.
    pub mode: KindMode,
    /// Whether we may create entities.
    pub create: bool,
    /// Whether we may delete and undelete entities.
    pub delete: bool,
}

impl From<&KindReport> for KindView {
    fn from(report: &KindReport) -> Self {
        Self {
            kind: report.kind.clone(),
            singleton: report.singleton,
            mode: report.mode,
            create: report.create,
            delete: report.delete,
        }
    }
}

/// One rule that an edit broke, as the program sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ViolationView {
    /// Index of the change in its proposal.
    pub change: u32,
    /// Indices of the operations at fault; empty for the whole change.
    pub ops: Vec<u32>,
    /// Where; items of keyed lists are named by their ids.
    pub pointer: Pointer,
    /// The stable code of the rule.
    pub rule: String,
    /// What was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempted: Option<Value>,
    /// What stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<Value>,
    /// Which entity has the value that only one may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<EntityId>,
    /// What the schema states with the keyword that is the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<Value>,
    /// A sentence for people.
    pub message: String,
}

impl From<ViolationReport> for ViolationView {
    fn from(report: ViolationReport) -> Self {
        let value = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        let message = report.sentence();
        Self {
            change: report.change,
            ops: report.ops,
            pointer: report.pointer,
            rule: report.rule,
            attempted: value(report.attempted),
            kept: value(report.kept),
            holder: report.holder,
            bound: value(report.bound),
            message,
        }
    }
}

impl From<Violation> for ViolationView {
    fn from(violation: Violation) -> Self {
        let index = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        let message = violation.to_string();
        Self {
            change: index(violation.change),
            ops: violation.ops.into_iter().map(index).collect(),
            pointer: violation.pointer,
            rule: violation.rule.code().to_owned(),
            attempted: violation.attempted,
            kept: violation.kept,
            holder: violation.holder,
            bound: violation.bound,
            message,
        }
    }
}

/// Something of an edit that is lost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DroppedView {
    /// Where; items of keyed lists are named by their ids.
    pub pointer: Pointer,
    /// `refused`: the server named it. `depends`: it worked on what was dropped. `gone`: others
    /// removed what it worked on. `forbidden`: a rule is against it at its new place. `forgotten`:
    /// the server had acknowledged it, and went back to a state before it.
    pub reason: &'static str,
    /// The stable code of the rule, where one is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The value, increment or element that was written; of a text, what was typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempted: Option<Value>,
    /// Of a text: all of it, as it stood here before something of it was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// For `gone`: who deleted what it belonged to, as far as it is known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<AuthorReport>,
    /// How many operations it stands for.
    pub operations: usize,
}

impl DroppedView {
    /// Whether `next` went on where this one ended.
    pub(crate) fn continues(&self, next: &Self) -> bool {
        let fields = |view: &Self| (view.pointer.clone(), view.reason, view.rule.clone());
        fields(self) == fields(next)
    }
}

impl From<&Dropped> for DroppedView {
    fn from(dropped: &Dropped) -> Self {
        Self {
            pointer: dropped.pointer.clone(),
            reason: dropped.why.code(),
            rule: dropped.why.rule().map(str::to_owned),
            attempted: dropped.attempted.clone(),
            text: None,
            by: None,
            operations: 1,
        }
    }
}

/// A value of ours that did not stand beside one that was written at the same time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConflictView {
    /// Where; items of keyed lists are named by their ids. `$position` and `$deleted` are the place
    /// of an item and whether it is deleted.
    pub pointer: Pointer,
    /// What we wrote; absent where we removed the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mine: Option<Value>,
    /// The current value; absent where it was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stands: Option<Value>,
    /// Who wrote that, as far as it is known here.
    pub by: Option<AuthorReport>,
    /// When the server admitted the later of both.
    pub at: Option<Timestamp>,
}

/// How far a replica, a value or the whole client is in step with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncState {
    /// No connection.
    Offline,
    /// A connection is being made, or the first state is on its way.
    Connecting,
    /// Connected, with edits or missed entries on their way.
    Syncing,
    /// In step.
    Synced,
    /// Some edits are lost; until the next edit.
    Refused,
    /// There is nothing to follow: it was deleted, or is not there, as far as we may know. It comes
    /// back by itself.
    Gone,
    /// It may not be read by us, or not any more.
    NoAccess,
}

/// The status of one entity or of the client.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Where things stand.
    pub state: SyncState,
    /// Edits that are not known to be durable on the server.
    pub pending: usize,
    /// When things were last known to be in step.
    pub last_sync_time: Option<Timestamp>,
    /// What the server refused.
    pub violations: Vec<ViolationView>,
    /// What of our edits is lost by that.
    pub dropped: Vec<DroppedView>,
    /// Why it cannot go on by itself.
    pub error: Option<Fault>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// The server has accepted the connection.
    Welcome {
        /// Who it takes us for.
        principal: Principal,
        /// What we may do with each kind.
        kinds: Vec<KindView>,
    },
    /// A status changed.
    Status {
        /// Whose; `None`: the client's.
        entity: Option<EntityId>,
        /// The new status.
        status: Status,
    },
    /// An open entity has a whole new value.
    Value {
        /// Which entity.
        entity: EntityId,
        /// How it is followed.
        mode: Mode,
        /// The value, stamps included.
        value: Value,
        /// Names this value as a base of later edits; replicas only.
        revision: Option<u64>,
    },
    /// The value of an open entity changed.
    Patch {
        /// Which entity.
        entity: EntityId,
        /// RFC 6902, with `splice` for changes of texts.
        patch: Value,
        /// Names the value after the patch as a base of later edits; replicas only.
        revision: Option<u64>,
        /// Whether it is an edit of this program.
        local: bool,
    },
    /// An open entity has no value (any more).
    Gone {
        /// Which entity.
        entity: EntityId,
        /// Why.
        #[serde(flatten)]
        fault: Fault,
    },
    /// Edits are durable on the server.
    Saved {
        /// Of which entity.
        entity: EntityId,
        /// The ordinal of the last of them.
        edit: u64,
    },
    /// Which of our values did not stand beside others has changed.
    Conflicts {
        /// Of which entity.
        entity: EntityId,
        /// All that are not settled.
        conflicts: Vec<ConflictView>,
    },
    /// Something of our edits is lost; what is not listed goes on.
    Refused {
        /// Of which entity.
        entity: EntityId,
        /// The ordinal of the first edit that lost something.
        edit: u64,
        /// The ordinal up to which every edit is either saved or lost as a whole.
        settled: u64,
        /// Which rules they broke.
        violations: Vec<ViolationView>,
        /// Everything that is lost.
        dropped: Vec<DroppedView>,
        /// Why.
        #[serde(flatten)]
        fault: Fault,
    },
    /// An entity of a watched kind has a whole new value.
    Item {
        /// Which entity.
        entity: EntityId,
        /// The value.
        value: Value,
    },
    /// The value of an entity of a watched kind changed.
    ItemPatch {
        /// Which entity.
        entity: EntityId,
        /// RFC 6902, with `splice` for changes of texts.
        patch: Value,
    },
    /// An entity of a watched kind is gone.
    ItemGone {
        /// Which entity.
        entity: EntityId,
    },
    /// All present entities of a watched kind have been told.
    Watched {
        /// Which kind.
        kind: Kind,
        /// The present entities.
        entities: Vec<EntityId>,
    },
    /// A kind cannot be watched.
    Unwatchable {
        /// Which kind.
        kind: Kind,
        /// Why.
        #[serde(flatten)]
        fault: Fault,
    },
    /// A creation, deletion or its undoing is durable on the server.
    Done {
        /// The number that [`create`](crate::Session::create),
        /// [`delete`](crate::Session::delete) or [`undelete`](crate::Session::undelete) gave it.
        request: u32,
        /// Of which entity.
        entity: EntityId,
    },
    /// A creation, deletion or its undoing was refused.
    NotDone {
        /// The number that it was given.
        request: u32,
        /// Which rules it broke.
        violations: Vec<ViolationView>,
        /// Why.
        #[serde(flatten)]
        fault: Fault,
    },
    /// The token of this connection ends soon: a fresh one is to be
    /// [presented](crate::Session::authenticate).
    TokenExpiring,
    /// Something waits to be sent until so many milliseconds are over, as the server asked.
    Pause {
        /// How many.
        millis: i64,
    },
    /// Something that is followed must be a replica, and this module has none: a session of the
    /// whole module is to take over.
    Outgrown,
    /// The connection is of no use and must be made anew.
    Disconnect {
        /// Why, for the log.
        reason: String,
    },
}
