//! A session: one connection after the other to one server, and all that is followed over them.
//!
//! Owns what is followed, asked for and pending, and says what to send and what to tell. Bytes and
//! times come in, frames and events go out.
//! Invariant: a function of its seed and its calls. Everything that was not answered when a
//! connection broke is asked again on the next one, under the same id.
//! Must never know: sockets, clocks, randomness, JavaScript.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use indelible_engine::id::{EntityId, Kind, ProposalId};
use indelible_engine::limits::Limits;
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use indelible_engine::protocol::{
    ClientFrame, KindMode, KindReport, PROTOCOL_VERSION, TextForm, Token,
};
use indelible_engine::time::Timestamp;
use serde_bytes::ByteBuf;
use serde_json::Value;

use crate::edit::{Author, EditOptions, Edited, Located, TypedEdit};
use crate::error::CallError;
use crate::event::{Event, Fault, Status, SyncState};
use crate::followed::{Followed, Known, Phase};
use crate::ids::Ids;
use crate::replica::Replica;
use crate::requests::Request;
use crate::subscriptions::Watch;

/// Whether this module has replicas, and Automerge with them.
pub(crate) const REPLICAS: bool = cfg!(feature = "replicas");

/// The code of the fault that a token could not be had.
const NO_TOKEN: &str = "token";

/// A client's end of the protocol.
#[derive(Debug)]
pub struct Session {
    name: String,
    pub(crate) ids: Ids,
    pub(crate) phase: Phase,
    pub(crate) principal: Option<Principal>,
    pub(crate) limits: Limits,
    pub(crate) kinds: BTreeMap<Kind, KindReport>,
    pub(crate) policies: BTreeMap<Kind, Arc<Policy>>,
    pub(crate) followed: BTreeMap<EntityId, Followed>,
    pub(crate) watches: BTreeMap<Kind, Watch>,
    pub(crate) requests: BTreeMap<ProposalId, Request>,
    pub(crate) request_numbers: u32,
    pub(crate) fault: Option<Fault>,
    pub(crate) outgrown: bool,
    /// Until when the server wants no writes.
    pub(crate) paused: Option<Timestamp>,
    outbox: VecDeque<Vec<u8>>,
    pub(crate) events: VecDeque<Event>,
    status: Option<Status>,
}

impl Session {
    /// A session that is not connected and follows nothing.
    ///
    /// `seed` must be random: ids are drawn from it. `name` tells the server's log who we are.
    pub fn new(seed: [u8; 32], name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ids: Ids::new(seed),
            phase: Phase::Offline,
            principal: None,
            limits: Limits::default(),
            kinds: BTreeMap::new(),
            policies: BTreeMap::new(),
            followed: BTreeMap::new(),
            watches: BTreeMap::new(),
            requests: BTreeMap::new(),
            request_numbers: 0,
            fault: None,
            outgrown: false,
            paused: None,
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            status: None,
        }
    }

    // ---- the connection ----

    /// A socket is being opened.
    pub fn connecting(&mut self) {
        self.phase = Phase::Connecting;
    }

    /// A socket is open.
    pub fn connected(&mut self, token: Option<String>) {
        self.outbox.clear();
        self.paused = None;
        self.phase = Phase::Greeting;
        self.send(&ClientFrame::Hello {
            protocol: PROTOCOL_VERSION,
            token: token.map(Token),
            client: self.name.clone(),
            texts: Some(TextForm::Splices),
        });
    }

    /// There is a fresh token for the same principal.
    pub fn authenticate(&mut self, token: String) {
        if self.phase == Phase::Ready {
            self.fault.take_if(|fault| fault.code == NO_TOKEN);
            self.send(&ClientFrame::Auth {
                token: Token(token),
            });
        }
    }

    /// Something is wrong that the status is to say until the next welcome; a connection goes on.
    pub fn report(&mut self, fault: Fault) {
        self.fault = Some(fault);
    }

    /// Asks the server for a sign of life: any frame is one.
    pub fn ping(&mut self) {
        if self.phase == Phase::Ready {
            self.send(&ClientFrame::Ping {});
        }
    }

    /// There is no socket any more; `fault` says why, where that is worth telling.
    pub fn disconnected(&mut self, fault: Option<Fault>) {
        self.phase = Phase::Offline;
        self.outbox.clear();
        if fault.is_some() {
            self.fault = fault;
        }
        for followed in self.followed.values_mut() {
            followed.disconnected();
        }
        for watch in self.watches.values_mut() {
            watch.complete = false;
            watch.again = None;
            watch.versions.clear();
        }
        for request in self.requests.values_mut() {
            request.sent = false;
        }
    }

    /// The next frame to send. Where there is none, but will be after a wait, an event says when to
    /// ask again.
    pub fn poll_transmit(&mut self, now: Timestamp) -> Option<Vec<u8>> {
        if self.outbox.is_empty() && self.phase == Phase::Ready {
            self.follow_due(now);
            if !self.is_paused(now) {
                self.send_due(now);
            }
        }
        let next = self.outbox.pop_front();
        if next.is_none() {
            self.announce_wait(now);
        }
        next
    }

    /// Everything that happened since the last call.
    pub fn poll_events(&mut self) -> Vec<Event> {
        let phase = self.phase;
        for followed in self.followed.values_mut() {
            self.events.extend(followed.news(false));
            self.events.extend(followed.conflict_news());
            if let Some(status) = followed.status_news(phase) {
                let entity = Some(followed.id.clone());
                self.events.push_back(Event::Status { entity, status });
            }
        }
        let status = self.status();
        if self.status.as_ref() != Some(&status) {
            self.status = Some(status.clone());
            self.events.push_back(Event::Status {
                entity: None,
                status,
            });
        }
        self.events.drain(..).collect()
    }

    // ---- what is followed ----

    /// Follows an entity: `kind/id`, or the kind of a singleton.
    ///
    /// # Errors
    /// [`CallError::Name`].
    pub fn open(&mut self, entity: &str) -> Result<(), CallError> {
        let id = parse::<EntityId>(entity)?;
        if !self.followed.contains_key(&id) {
            self.followed.insert(id.clone(), Followed::new(id.clone()));
            if self.phase == Phase::Ready {
                self.send_open(&id);
            }
        }
        Ok(())
    }

    /// Follows an entity no longer; its pending edits are dropped.
    pub fn close(&mut self, entity: &str) {
        let Ok(id) = parse::<EntityId>(entity) else {
            return;
        };
        if self.followed.remove(&id).is_some() && self.phase == Phase::Ready {
            self.send(&ClientFrame::Close { entity: id });
        }
    }

    /// Tells the whole value of an entity again, because the program lost step with the patches.
    pub fn resync(&mut self, entity: &str) {
        let Ok(id) = parse::<EntityId>(entity) else {
            return;
        };
        let Some(followed) = self.followed.get_mut(&id) else {
            return;
        };
        match followed.known {
            Known::Replica(_) => followed.forget_told(),
            Known::Value { .. } => {
                followed.known = Known::Nothing;
                self.reopen(&id);
            }
            Known::Nothing | Known::Gone(_) => {}
        }
    }

    /// Follows the values of all entities of a kind.
    ///
    /// # Errors
    /// [`CallError::Name`].
    pub fn watch(&mut self, kind: &str) -> Result<(), CallError> {
        let kind = parse::<Kind>(kind)?;
        if !self.watches.contains_key(&kind) {
            self.watches.insert(kind.clone(), Watch::default());
            if self.phase == Phase::Ready {
                self.send_watch(&kind);
            }
        }
        Ok(())
    }

    /// Follows a kind no longer.
    pub fn unwatch(&mut self, kind: &str) {
        let Ok(kind) = parse::<Kind>(kind) else {
            return;
        };
        if self.watches.remove(&kind).is_none() || self.phase != Phase::Ready {
            return;
        }
        self.send(&ClientFrame::Unwatch { kind: kind.clone() });
        // Values that came with the watch need a subscription of their own now.
        if self.mode(&kind) == KindMode::Value {
            for id in self.followed_of(&kind) {
                self.send_open(&id);
            }
        }
    }

    // ---- edits ----

    /// Brings a JSON value into an entity: applied at once, sent as soon as that is possible.
    ///
    /// # Errors
    /// [`CallError`]; with [`CallError::Policy`] the rules that the edit breaks.
    pub fn edit(
        &mut self,
        entity: &str,
        body: &str,
        options: &EditOptions,
        now: Timestamp,
    ) -> Result<Edited, CallError> {
        self.write(entity, now, |replica, author, ordinal| {
            let body: Value = replica.read(body)?;
            replica.edit(author, ordinal, &body, options)
        })
    }

    /// Replaces a part of a text, at the place that the author saw: applied at once, sent as soon as
    /// that is possible. A string that is no text with letters of its own is replaced as a whole.
    ///
    /// # Errors
    /// [`CallError`], as for [`Self::edit`]; [`CallError::Document`] when the place is not there.
    pub fn splice(
        &mut self,
        entity: &str,
        typed: &TypedEdit,
        now: Timestamp,
    ) -> Result<Edited, CallError> {
        self.write(entity, now, |replica, author, ordinal| {
            replica.splice(author, ordinal, typed)
        })
    }

    /// Finds a place in the value of a replica; `None` when there is no replica or no such item.
    pub fn locate(&self, entity: &str, pointer: &str) -> Option<Located> {
        let id = parse::<EntityId>(entity).ok()?;
        let principal = self.principal.as_ref()?;
        match &self.followed.get(&id)?.known {
            Known::Replica(replica) => replica.locate(&pointer.parse().ok()?, principal),
            _ => None,
        }
    }

    pub(crate) fn write(
        &mut self,
        entity: &str,
        now: Timestamp,
        write: impl FnOnce(&mut Replica, &Author<'_>, u64) -> Result<(Edited, bool), CallError>,
    ) -> Result<Edited, CallError> {
        let id = parse::<EntityId>(entity)?;
        let followed = self
            .followed
            .get_mut(&id)
            .ok_or_else(|| CallError::NotOpen(id.to_string()))?;
        // What others did is told before, so that what is told as local is nothing else.
        self.events.extend(followed.news(false));
        let replica = match &mut followed.known {
            Known::Replica(replica) => replica,
            Known::Value { .. } => return Err(CallError::ValueMode(id.to_string())),
            Known::Nothing | Known::Gone(_) => return Err(CallError::NotReady(id.to_string())),
        };
        let Some(principal) = &self.principal else {
            return Err(CallError::NotReady(id.to_string()));
        };
        let fresh = self.ids.draw(now);
        let author = Author {
            principal,
            limits: &self.limits,
            now,
            fresh,
        };
        let (edited, written) = write(replica, &author, followed.edits + 1)?;
        if written {
            followed.edits += 1;
            followed.refusal = None;
            self.events.extend(followed.news(true));
        }
        Ok(edited)
    }

    /// The ordinal of the last edit of an entity; 0: none. `saved` and `refused` events name it.
    pub fn edits(&self, entity: &str) -> u64 {
        let id = parse::<EntityId>(entity).ok();
        id.and_then(|id| self.followed.get(&id))
            .map_or(0, |followed| followed.edits)
    }

    // ---- statuses ----

    /// The status of the whole client.
    pub fn status(&self) -> Status {
        let each: Vec<Status> = self
            .followed
            .values()
            .map(|followed| followed.status(self.phase))
            .collect();
        let busy = !self.requests.is_empty()
            || self
                .watches
                .values()
                .any(|watch| !watch.complete && !watch.failed)
            || each
                .iter()
                .any(|one| matches!(one.state, SyncState::Syncing | SyncState::Connecting));
        let refused = each.iter().any(|one| one.state == SyncState::Refused);
        // Of the whole, the connection is told first: the refused entity tells of itself.
        let state = match self.phase {
            Phase::Offline => SyncState::Offline,
            Phase::Connecting | Phase::Greeting => SyncState::Connecting,
            Phase::Ready if refused => SyncState::Refused,
            Phase::Ready if busy => SyncState::Syncing,
            Phase::Ready => SyncState::Synced,
        };
        Status {
            state,
            pending: each.iter().map(|one| one.pending).sum::<usize>() + self.requests.len(),
            last_sync_time: each.iter().filter_map(|one| one.last_sync_time).max(),
            violations: each.iter().flat_map(|one| one.violations.clone()).collect(),
            dropped: each.into_iter().flat_map(|one| one.dropped).collect(),
            error: self.fault.clone(),
        }
    }

    // ---- sending ----

    pub(crate) fn send(&mut self, frame: &ClientFrame) {
        self.outbox.push_back(frame.encode());
    }

    /// How the principal may follow a kind.
    pub(crate) fn mode(&self, kind: &Kind) -> KindMode {
        self.kinds
            .get(kind)
            .map_or(KindMode::None, |report| report.mode)
    }

    pub(crate) fn followed_of(&self, kind: &Kind) -> Vec<EntityId> {
        self.followed
            .keys()
            .filter(|id| id.kind() == kind)
            .cloned()
            .collect()
    }

    /// Proposals and requests that can be sent now.
    fn send_due(&mut self, now: Timestamp) {
        let mut due = Vec::new();
        for (id, request) in &mut self.requests {
            if !request.sent {
                request.sent = true;
                due.push(request.frame(*id));
            }
        }
        for followed in self
            .followed
            .values_mut()
            .filter(|followed| followed.current)
        {
            let Known::Replica(replica) = &mut followed.known else {
                continue;
            };
            let (epoch, ..) = replica.place();
            let ids = &mut self.ids;
            if let Some(next) = replica.next_proposal(&self.limits, || ids.proposal(now)) {
                due.push(ClientFrame::Propose {
                    id: next.id,
                    entity: followed.id.clone(),
                    epoch,
                    changes: next.changes.into_iter().map(ByteBuf::from).collect(),
                    whole: next.whole,
                });
            }
        }
        for frame in due {
            self.send(&frame);
        }
    }

    /// All kinds that something is followed of.
    pub(crate) fn kinds_in_use(&self) -> BTreeSet<Kind> {
        self.followed
            .keys()
            .map(EntityId::kind)
            .chain(self.watches.keys())
            .cloned()
            .collect()
    }
}

pub(crate) fn parse<T: std::str::FromStr>(name: &str) -> Result<T, CallError>
where
    T::Err: std::fmt::Display,
{
    name.parse()
        .map_err(|error: T::Err| CallError::Name(error.to_string()))
}

pub(crate) fn json_error(error: serde_json::Error) -> CallError {
    CallError::Json(error.to_string())
}
