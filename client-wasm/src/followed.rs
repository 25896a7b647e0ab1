//! One entity that the program follows, in whichever mode, and its status.
//!
//! Invariant: what the program was told (`told`, `revision`, `status`) and what is the case lie side
//! by side here, so that each change is told once.
//! Must never know: frames, other entities.

use indelible_engine::id::EntityId;
use indelible_engine::protocol::Mode;
use indelible_engine::time::Timestamp;
use serde_json::Value;

use crate::edit::News;
use crate::event::{ConflictView, DroppedView, Event, Fault, Status, SyncState, ViolationView};
use crate::replica::Replica;

/// The code of what is not there, as far as we may know.
pub(crate) const NOT_FOUND: &str = "not-found";

/// What is known of an entity.
#[derive(Debug)]
pub(crate) enum Known {
    /// Nothing yet.
    Nothing,
    /// Its document.
    Replica(Box<Replica>),
    /// Its value, which the program holds, at this version.
    Value { version: String },
    /// That it is not there, or not for us.
    Gone(Fault),
}

/// Whether the connection is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing is being tried.
    Offline,
    /// A socket is being opened.
    Connecting,
    /// `hello` is sent, `welcome` is not here.
    Greeting,
    /// Welcomed.
    Ready,
}

/// Edits that are lost.
#[derive(Debug, Default)]
pub(crate) struct Refusal {
    /// Why the last of them are.
    pub(crate) fault: Fault,
    pub(crate) violations: Vec<ViolationView>,
    pub(crate) dropped: Vec<DroppedView>,
}

/// An entity that the program follows.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) id: EntityId,
    pub(crate) known: Known,
    /// Whether everything missed while disconnected has arrived.
    pub(crate) current: bool,
    /// The last answer to `open` with our place was a reset: the next one asks for everything.
    pub(crate) from_scratch: bool,
    /// When to ask for it again, since the server could not serve it.
    pub(crate) again: Option<Timestamp>,
    /// Whether it was there, and ours to read, at some time.
    pub(crate) had: bool,
    /// The ordinal of the last local edit.
    pub(crate) edits: u64,
    /// What the server refused last, until the next edit.
    pub(crate) refusal: Option<Refusal>,
    last_sync: Option<Timestamp>,
    revision: u64,
    status: Option<Status>,
    /// The conflicts that the program was told of.
    conflicts: Vec<ConflictView>,
}

impl Followed {
    pub(crate) fn new(id: EntityId) -> Self {
        Self {
            id,
            known: Known::Nothing,
            current: false,
            from_scratch: false,
            again: None,
            had: false,
            edits: 0,
            refusal: None,
            last_sync: None,
            revision: 0,
            status: None,
            conflicts: Vec::new(),
        }
    }

    pub(crate) fn replica(&mut self) -> Option<&mut Replica> {
        match &mut self.known {
            Known::Replica(replica) => Some(replica),
            _ => None,
        }
    }

    pub(crate) fn pending(&self) -> usize {
        match &self.known {
            Known::Replica(replica) => replica.pending(),
            _ => 0,
        }
    }

    /// The connection brought news at `now`, or confirmed that there are none.
    pub(crate) fn reached(&mut self, now: Timestamp) {
        self.current = true;
        self.had = true;
        self.last_sync = Some(now);
    }

    /// What a fault comes to for who had the entity: a server does not say to everybody that what is
    /// not there was deleted, but what was there and may be read is gone in no other way.
    pub(crate) fn in_view(&self, fault: &Fault) -> Fault {
        match fault.code == NOT_FOUND && self.had {
            true => Fault::deleted(&self.id),
            false => fault.clone(),
        }
    }

    pub(crate) fn disconnected(&mut self) {
        self.current = false;
        self.again = None;
        if let Some(replica) = self.replica() {
            replica.send_again();
        }
    }

    /// The event that tells what changed in the replica since it was last told. `local`: whether
    /// that was an edit of the program.
    pub(crate) fn news(&mut self, local: bool) -> Option<Event> {
        let Known::Replica(replica) = &mut self.known else {
            return None;
        };
        let news = replica.news()?;
        self.revision += 1;
        replica.remember(self.revision);
        let (entity, revision) = (self.id.clone(), Some(self.revision));
        Some(match news {
            News::Whole(value) => Event::Value {
                entity,
                mode: Mode::Replica,
                value,
                revision,
            },
            News::Changes(patch) => Event::Patch {
                entity,
                patch: serde_json::to_value(patch).unwrap_or(Value::Null),
                revision,
                local,
            },
        })
    }

    /// The event that lists the conflicts, where they have changed since the last one.
    pub(crate) fn conflict_news(&mut self) -> Option<Event> {
        let conflicts = self.replica().map_or_else(Vec::new, Replica::conflicts);
        if self.conflicts == conflicts {
            return None;
        }
        self.conflicts.clone_from(&conflicts);
        let entity = self.id.clone();
        Some(Event::Conflicts { entity, conflicts })
    }

    /// The whole value must be told again.
    pub(crate) fn forget_told(&mut self) {
        if let Some(replica) = self.replica() {
            replica.forget_told();
        }
    }

    fn state(&self, phase: Phase) -> SyncState {
        let unsaved = self.pending() > 0;
        match (&self.known, phase) {
            _ if self.refusal.is_some() => SyncState::Refused,
            (_, Phase::Offline) => SyncState::Offline,
            (Known::Gone(fault), _) if fault.ends_access() => SyncState::NoAccess,
            (Known::Gone(_), _) => SyncState::Gone,
            (_, Phase::Connecting | Phase::Greeting) | (Known::Nothing, _) => SyncState::Connecting,
            _ if self.current && !unsaved => SyncState::Synced,
            _ => SyncState::Syncing,
        }
    }

    /// The status as it is now.
    pub(crate) fn status(&self, phase: Phase) -> Status {
        Status {
            state: self.state(phase),
            pending: self.pending(),
            last_sync_time: self.last_sync,
            violations: match &self.refusal {
                Some(refusal) => refusal.violations.clone(),
                None => Vec::new(),
            },
            dropped: match &self.refusal {
                Some(refusal) => refusal.dropped.clone(),
                None => Vec::new(),
            },
            error: self.fault(),
        }
    }

    /// Why the entity cannot be had, or why edits were lost where no violation says it.
    fn fault(&self) -> Option<Fault> {
        if let Known::Gone(fault) = &self.known {
            return Some(fault.clone());
        }
        let refusal = self.refusal.as_ref()?;
        if !refusal.violations.is_empty() {
            return None;
        }
        let is_over = match self.known {
            Known::Nothing | Known::Gone(_) => false,
            Known::Value { .. } => refusal.fault.is_absence(),
            Known::Replica(_) => refusal.fault.is_absence() || refusal.fault.ends_access(),
        };
        Some(match is_over {
            true => Fault::new(
                "gone",
                "edits were lost while this was not there to be edited",
            ),
            false => refusal.fault.clone(),
        })
    }

    /// The status, if it is another one than was last told.
    pub(crate) fn status_news(&mut self, phase: Phase) -> Option<Status> {
        let status = self.status(phase);
        if self.status.as_ref() == Some(&status) {
            return None;
        }
        self.status = Some(status.clone());
        Some(status)
    }
}
