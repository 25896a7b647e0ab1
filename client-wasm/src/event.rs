//! What a session reports to the program: events and statuses, in the form in which they leave the
//! core.
//!
//! They are plain data, read by TypeScript as the JSON that `ts/core.ts` declares. One of each is in
//! `ts/testing/events.json`, which tests on both sides hold themselves to.

use indelible_engine::id::{EntityId, Kind};
use indelible_engine::pointer::Pointer;
use indelible_engine::principal::Principal;
use indelible_engine::protocol::{AuthorReport, KindMode, KindReport, Mode};
use indelible_engine::rebase::Dropped;
use indelible_engine::time::Timestamp;
use indelible_engine::violation::{Violation, ViolationReport};
use serde::Serialize;
use serde_json::Value;

/// The code of what does not exist, as far as we may know.
pub(crate) const NOT_FOUND: &str = "not-found";

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

    /// An entity has been deleted.
    pub(crate) fn deleted(entity: &EntityId) -> Self {
        Self::new("deleted", format!("{entity} has been deleted"))
    }

    /// Whether it says that an entity does not exist, or no longer does.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self.code.as_str(), "deleted" | NOT_FOUND)
    }

    /// Whether it says that we may not read something, or no longer may.
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
    /// The current value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<Value>,
    /// Which entity holds the `unique` value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<EntityId>,
    /// Where the rule is a keyword of the schema: what that says.
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

/// A part of an edit that was discarded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DroppedView {
    /// Where; items of keyed lists are named by their ids.
    pub pointer: Pointer,
    /// `refused`: the server named it. `depends`: it depends on something that was dropped.
    /// `gone`: others removed what it changed. `forbidden`: a rule forbids it on the server's
    /// present state. `forgotten`: the server had acknowledged it, and went back to a state before
    /// it.
    pub reason: &'static str,
    /// The stable code of the rule that was broken, if one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The value, increment or element that was written; of a text, what was typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempted: Option<Value>,
    /// Of a text: all of it, as it was shown here before a part was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// For `gone`: who deleted what it belonged to, as far as it is known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<AuthorReport>,
    /// How many operations it covers.
    pub operations: usize,
}

impl DroppedView {
    /// Whether `next` is a further part of the same thing.
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

/// A value of ours that lost against one that was written at the same time.
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

/// How far a replica, a value or the whole client is in sync with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncState {
    /// No connection.
    Offline,
    /// A connection is being made, or the first state is on its way.
    Connecting,
    /// Connected, with edits or missed entries on their way.
    Syncing,
    /// In sync.
    Synced,
    /// Some edits are lost; until the next edit.
    Refused,
    /// It does not exist, or no longer does, as far as we may know. It comes back by itself.
    Gone,
    /// We may not read it, or no longer may.
    NoAccess,
}

/// The status of one entity or of the client.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The state.
    pub state: SyncState,
    /// Edits that are not known to be durable on the server.
    pub pending: usize,
    /// When it was last known to be in sync.
    pub last_sync_time: Option<Timestamp>,
    /// What the server refused.
    pub violations: Vec<ViolationView>,
    /// What our edits lost by that.
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
        /// Whom it takes us for.
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
    /// An open entity has no value, or no longer has one.
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
    /// The list of our values that lost against others has changed.
    Conflicts {
        /// Of which entity.
        entity: EntityId,
        /// All that are not settled.
        conflicts: Vec<ConflictView>,
    },
    /// Parts of our edits are lost; what is not listed remains pending.
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
    /// All present entities of a watched kind have been reported.
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
    RequestFailed {
        /// The number that it was given.
        request: u32,
        /// Which rules it broke.
        violations: Vec<ViolationView>,
        /// Why.
        #[serde(flatten)]
        fault: Fault,
    },
    /// The token of this connection ends soon: a fresh one must be
    /// [presented](crate::Session::authenticate).
    TokenExpiring,
    /// Something waits to be sent, as the server asked.
    Pause {
        /// For how long.
        millis: i64,
    },
    /// Something that is followed must be a replica, and the reader core has none: a session of the
    /// full core must take over.
    NeedsFullCore,
    /// The connection is unusable: a new one must be made.
    Disconnect {
        /// Why, for the log.
        reason: String,
    },
}

impl Event {
    /// A request was not granted.
    pub(crate) fn request_failed(
        request: u32,
        violations: Vec<ViolationView>,
        fault: Fault,
    ) -> Self {
        Self::RequestFailed {
            request,
            violations,
            fault,
        }
    }
}
