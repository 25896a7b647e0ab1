//! One entity that the program follows, as a replica or as a value, and its status.
//!
//! What the program was told last (`revision`, `status`, `conflicts`) lies here beside what is the
//! case, so that each change is reported once.

use indelible_engine::id::EntityId;
use indelible_engine::protocol::{ClientFrame, KindMode, KindReport, Mode};
use indelible_engine::time::Timestamp;
use serde_json::Value;

use crate::error::CallError;
use crate::event::{
    ConflictView, DroppedView, Event, Fault, NOT_FOUND, Status, SyncState, ViolationView,
};
use crate::handshake::Phase;
use crate::replica::{Author, Edited, News, Replica};

/// What is known of an entity.
#[derive(Debug)]
enum Known {
    /// Nothing yet.
    Nothing,
    /// Its document.
    Replica(Box<Replica>),
    /// Its value, which the program holds, at this version.
    Value { version: String },
    /// It does not exist, or we may not read it.
    Gone(Fault),
}

/// Edits that are lost.
#[derive(Debug, Default)]
struct Refusal {
    /// Why the last of them are.
    fault: Fault,
    violations: Vec<ViolationView>,
    dropped: Vec<DroppedView>,
}

/// What is to be done about an entity before it is asked for on a new connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Revival {
    /// Nothing: what is known is of use.
    Resume,
    /// Its history may not be read any more: its edits are lost.
    Lose,
}

/// What is to be done so that the program gets the whole value again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resync {
    /// Nothing: the next poll reports it, or there is none.
    Nothing,
    /// The server must be asked for it.
    Ask,
}

/// An entity that the program follows.
#[derive(Debug)]
pub(crate) struct Subscription {
    id: EntityId,
    known: Known,
    /// Whether everything missed while disconnected has arrived.
    current: bool,
    /// The last answer to `open` with our place was a reset: the next one asks for everything.
    from_scratch: bool,
    /// When to ask for it again, since the server could not serve it.
    again: Option<Timestamp>,
    /// Whether we had it, and could read it, at some time.
    had: bool,
    /// The ordinal of the last local edit.
    edits: u64,
    /// What the server refused last, until the next edit.
    refusal: Option<Refusal>,
    last_sync: Option<Timestamp>,
    /// The name of the value that was reported last.
    revision: u64,
    /// The status that was reported last.
    status: Option<Status>,
    /// The conflicts that were reported last.
    conflicts: Vec<ConflictView>,
}

impl Subscription {
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

    pub(crate) fn id(&self) -> &EntityId {
        &self.id
    }

    pub(crate) fn replica(&self) -> Option<&Replica> {
        match &self.known {
            Known::Replica(replica) => Some(replica),
            _ => None,
        }
    }

    pub(crate) fn replica_mut(&mut self) -> Option<&mut Replica> {
        match &mut self.known {
            Known::Replica(replica) => Some(replica),
            _ => None,
        }
    }

    /// The replica, where edits may be sent: everything that was missed has arrived.
    pub(crate) fn current_replica_mut(&mut self) -> Option<&mut Replica> {
        if self.current {
            self.replica_mut()
        } else {
            None
        }
    }

    fn pending(&self) -> usize {
        self.replica().map_or(0, Replica::pending)
    }

    /// The ordinal of the last local edit; 0: none.
    pub(crate) fn edits(&self) -> u64 {
        self.edits
    }

    /// What is reported as lost of the edits since the last one that was made.
    pub(crate) fn dropped(&self) -> &[DroppedView] {
        self.refusal
            .as_ref()
            .map_or(&[], |refusal| &refusal.dropped)
    }

    // ---- being asked for ----

    /// The frame that asks for the entity, from where we have it.
    pub(crate) fn open(&self, mode: Mode) -> ClientFrame {
        let (mut epoch, mut seq, mut hash, mut version) = (None, None, None, None);
        match &self.known {
            Known::Replica(replica) if mode == Mode::Replica && !self.from_scratch => {
                let place = replica.place();
                (epoch, seq, hash) = (Some(place.0), Some(place.1), Some(place.2));
            }
            Known::Value { version: known } if mode == Mode::Value && !self.from_scratch => {
                version = Some(known.clone());
            }
            _ => {}
        }
        ClientFrame::Open {
            entity: self.id.clone(),
            mode,
            epoch,
            seq,
            hash,
            version,
        }
    }

    /// It is being asked for: any wait is over.
    pub(crate) fn asked(&mut self) {
        self.again = None;
    }

    /// It is to be asked for again, unless everything is here.
    pub(crate) fn again(&mut self, until: Timestamp) {
        if !self.current {
            self.again = Some(until);
        }
    }

    pub(crate) fn waits_until(&self) -> Option<Timestamp> {
        self.again
    }

    /// Something is missing until the server has answered once more.
    pub(crate) fn lacks(&mut self) {
        self.current = false;
    }

    /// The next `open` asks for everything.
    pub(crate) fn start_over(&mut self) {
        self.from_scratch = true;
    }

    /// The server lost step. The first time it is asked from where we are: after a mere overflow that
    /// loses nothing. If the server does not know that place either, from scratch.
    pub(crate) fn reset(&mut self) {
        self.from_scratch |= !self.current || matches!(self.known, Known::Nothing);
    }

    /// Whether what arrives is of the old subscription: a reset came, its snapshot did not.
    pub(crate) fn awaits_snapshot(&self) -> bool {
        self.from_scratch
    }

    /// Prepares it for being asked for on a new connection, whose welcome says this of its kind.
    pub(crate) fn revive(&mut self, report: Option<&KindReport>) -> Revival {
        let policy = report.map(|report| report.policy);
        let is_replicated = report.is_some_and(|report| report.mode == KindMode::Replica);
        match &self.known {
            Known::Replica(replica) if is_replicated => {
                // Under another schema, the document has another genesis.
                self.from_scratch |= Some(replica.policy().hash()) != policy;
            }
            Known::Replica(_) => return Revival::Lose,
            Known::Value { .. } if is_replicated => self.forget(),
            Known::Gone(_) => self.known = Known::Nothing,
            Known::Nothing | Known::Value { .. } => {}
        }
        Revival::Resume
    }

    /// Has the whole value reported again.
    pub(crate) fn resync(&mut self) -> Resync {
        match &mut self.known {
            Known::Replica(replica) => replica.forget_reported(),
            Known::Value { .. } => {
                self.known = Known::Nothing;
                return Resync::Ask;
            }
            Known::Nothing | Known::Gone(_) => {}
        }
        Resync::Nothing
    }

    pub(crate) fn disconnected(&mut self) {
        self.current = false;
        self.again = None;
        if let Some(replica) = self.replica_mut() {
            replica.send_again();
        }
    }

    // ---- what is known ----

    /// The connection brought news at `now`, or confirmed that there are none.
    pub(crate) fn reached(&mut self, now: Timestamp) {
        self.current = true;
        self.had = true;
        self.last_sync = Some(now);
    }

    /// A snapshot is here, so that nothing of the old subscription comes any more.
    pub(crate) fn has_snapshot(&mut self) {
        self.from_scratch = false;
    }

    pub(crate) fn replicate(&mut self, replica: Replica, now: Timestamp) {
        self.known = Known::Replica(Box::new(replica));
        self.reached(now);
    }

    /// The program has the value at this version.
    pub(crate) fn put_value(&mut self, version: String, now: Timestamp) {
        self.known = Known::Value { version };
        self.from_scratch = false;
        self.reached(now);
    }

    /// A patch leads to this version; whether it is news. `None`: there is no value to be patched.
    pub(crate) fn advance_value(&mut self, version: String, now: Timestamp) -> Option<bool> {
        let Known::Value { version: known } = &mut self.known else {
            return None;
        };
        let is_news = *known != version;
        *known = version;
        self.reached(now);
        Some(is_news)
    }

    /// Nothing is known of it any more.
    pub(crate) fn forget(&mut self) {
        self.known = Known::Nothing;
        self.current = false;
        self.again = None;
    }

    /// It does not exist, or not for us.
    pub(crate) fn gone(&mut self, fault: Fault) {
        self.forget();
        self.known = Known::Gone(fault);
    }

    /// It may exist again; `false` where it was not gone.
    pub(crate) fn may_be_back(&mut self) -> bool {
        let was_gone = matches!(self.known, Known::Gone(_));
        if was_gone {
            self.known = Known::Nothing;
        }
        was_gone
    }

    /// Somebody else has signed in, who learns nothing of what was here before.
    pub(crate) fn disown(&mut self) {
        self.refusal = None;
        self.had = false;
    }

    /// What a fault means to a program that had the entity: a server does not say to everybody that
    /// what does not exist was deleted, but what was there and could be read is gone in no other way.
    pub(crate) fn in_view(&self, fault: &Fault) -> Fault {
        match fault.code == NOT_FOUND && self.had {
            true => Fault::deleted(&self.id),
            false => fault.clone(),
        }
    }

    // ---- edits ----

    /// Makes a local edit; says what came of it, and whether anything was written.
    pub(crate) fn edit(
        &mut self,
        author: &Author<'_>,
        write: impl FnOnce(&mut Replica, &Author<'_>, u64) -> Result<(Edited, bool), CallError>,
    ) -> Result<(Edited, bool), CallError> {
        let ordinal = self.edits + 1;
        let replica = self.editable()?;
        let (edited, is_written) = write(replica, author, ordinal)?;
        if is_written {
            self.edits = ordinal;
            self.refusal = None;
        }
        Ok((edited, is_written))
    }

    /// The replica that an edit goes into, or why there is none.
    pub(crate) fn editable(&mut self) -> Result<&mut Replica, CallError> {
        let name = || self.id.to_string();
        match &mut self.known {
            Known::Replica(replica) => Ok(replica),
            Known::Value { .. } => Err(CallError::ValueMode(name())),
            Known::Nothing | Known::Gone(_) => Err(CallError::NotReady(name())),
        }
    }

    /// Adds to what is lost. Nobody has dealt with what was lost before, as long as no edit is made.
    pub(crate) fn lose(
        &mut self,
        fault: &Fault,
        violations: &[ViolationView],
        dropped: &[DroppedView],
    ) {
        let refusal = self.refusal.get_or_insert_with(Refusal::default);
        refusal.fault = fault.clone();
        refusal.violations.extend(violations.iter().cloned());
        refusal.dropped.extend(dropped.iter().cloned());
    }

    // ---- reporting ----

    /// The event for what changed in the replica since the last one. `local`: whether that was an
    /// edit of the program.
    pub(crate) fn poll_value(&mut self, local: bool) -> Option<Event> {
        let Known::Replica(replica) = &mut self.known else {
            return None;
        };
        let news = replica.poll()?;
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
    pub(crate) fn poll_conflicts(&mut self) -> Option<Event> {
        let replica = self.replica_mut();
        let conflicts = replica.map_or_else(Vec::new, Replica::conflicts);
        if self.conflicts == conflicts {
            return None;
        }
        self.conflicts.clone_from(&conflicts);
        let entity = self.id.clone();
        Some(Event::Conflicts { entity, conflicts })
    }

    /// The status, where it has changed since it was last reported.
    pub(crate) fn poll_status(&mut self, phase: Phase) -> Option<Event> {
        let status = self.status(phase);
        if self.status.as_ref() == Some(&status) {
            return None;
        }
        self.status = Some(status.clone());
        let entity = Some(self.id.clone());
        Some(Event::Status { entity, status })
    }

    /// The status as it is now.
    pub(crate) fn status(&self, phase: Phase) -> Status {
        let refusal = self.refusal.as_ref();
        Status {
            state: self.state(phase),
            pending: self.pending(),
            last_sync_time: self.last_sync,
            violations: refusal.map_or_else(Vec::new, |refusal| refusal.violations.clone()),
            dropped: self.dropped().to_vec(),
            error: self.fault(),
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

    /// Why there is no entity, or why edits were lost where no violation says it.
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
}
