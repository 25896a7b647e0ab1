//! A session: one connection after the other to one server, and everything that is followed over
//! them.
//!
//! It is a function of its seed and its calls. What was not answered when a connection broke is asked
//! again on the next one, under the same id.

mod edits;
mod following;
mod inbound;
mod losses;
mod waits;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use indelible_engine::id::{EntityId, Kind};
use indelible_engine::policy::Policy;
use indelible_engine::protocol::{ClientFrame, PROTOCOL_VERSION, TextForm, Token};
use indelible_engine::time::Timestamp;
use serde_bytes::ByteBuf;

use crate::error::CallError;
use crate::event::{Event, Fault, Status, SyncState};
use crate::frame::payload_bytes_max;
use crate::handshake::{Handshake, Phase};
use crate::ids::Ids;
use crate::pause::Pause;
use crate::requests::{Answered, Requests, Wanted};
use crate::subscriptions::Subscriptions;

/// Whether this is the full core, which has replicas, and Automerge with them.
const REPLICAS: bool = cfg!(feature = "replicas");

/// The code of the fault that no token is available.
const NO_TOKEN: &str = "token";

/// A client's end of the protocol.
///
/// # Order of calls
///
/// The caller owns the socket and the clock. There are four kinds of methods:
///
/// 1. **The connection**: [`connecting`](Self::connecting), [`connected`](Self::connected) when the
///    socket is open, [`handle_frame`](Self::handle_frame) for each message, and
///    [`disconnected`](Self::disconnected) when the socket is gone, however far it came; then from the
///    start. The welcome, which makes a connection usable, is a frame.
/// 2. **Following**: [`open`](Self::open), [`close`](Self::close), [`watch`](Self::watch) and
///    [`unwatch`](Self::unwatch), at any time, also offline.
/// 3. **Writing**: [`edit`](Self::edit), [`splice`](Self::splice), [`keep`](Self::keep) and
///    [`bring_back`](Self::bring_back) once an entity has a value; [`create`](Self::create),
///    [`delete`](Self::delete) and [`undelete`](Self::undelete) at any time.
/// 4. **Polling**, after any call of the other kinds: [`poll_events`](Self::poll_events), then
///    [`poll_transmit`](Self::poll_transmit) until it returns nothing, then the events again, since
///    sending may report something (a [pause](Event::Pause)).
///
/// An edit is applied when its call returns; the event with the new value comes with the next poll.
#[derive(Debug)]
pub struct Session {
    name: String,
    ids: Ids,
    handshake: Handshake,
    policies: BTreeMap<Kind, Arc<Policy>>,
    subscriptions: Subscriptions,
    requests: Requests,
    pause: Pause,
    /// What is wrong with the connection, or was with the last one.
    fault: Option<Fault>,
    /// Whether it was reported that the reader core does not suffice.
    needs_full_core: bool,
    outbox: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
    /// The status of the whole that was reported last.
    status: Option<Status>,
}

impl Session {
    /// A session that is not connected and follows nothing.
    ///
    /// `seed` must be random: ids are drawn from it. `name` identifies the client in the server's log.
    pub fn new(seed: [u8; 32], name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ids: Ids::new(seed),
            handshake: Handshake::new(),
            policies: BTreeMap::new(),
            subscriptions: Subscriptions::default(),
            requests: Requests::default(),
            pause: Pause::default(),
            fault: None,
            needs_full_core: false,
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            status: None,
        }
    }

    // ---- the connection ----

    /// A socket is being opened.
    pub fn connecting(&mut self) {
        self.handshake.enter(Phase::Connecting);
    }

    /// A socket is open.
    pub fn connected(&mut self, token: Option<String>) {
        self.outbox.clear();
        self.pause.end();
        self.handshake.enter(Phase::Greeting);
        self.send(&ClientFrame::Hello {
            protocol: PROTOCOL_VERSION,
            token: token.map(Token),
            client: self.name.clone(),
            texts: Some(TextForm::Splices),
        });
    }

    /// There is a fresh token for the same principal.
    pub fn authenticate(&mut self, token: String) {
        if self.handshake.is_ready() {
            self.fault.take_if(|fault| fault.code == NO_TOKEN);
            self.send(&ClientFrame::Auth {
                token: Token(token),
            });
        }
    }

    /// Has the status report a fault until the next welcome; the connection stays as it is.
    pub fn report(&mut self, fault: Fault) {
        self.fault = Some(fault);
    }

    /// Asks the server for a sign of life: any frame is one.
    pub fn ping(&mut self) {
        if self.handshake.is_ready() {
            self.send(&ClientFrame::Ping {});
        }
    }

    /// The socket is gone; `fault` says why, where the status should.
    pub fn disconnected(&mut self, fault: Option<Fault>) {
        self.handshake.enter(Phase::Offline);
        self.outbox.clear();
        if fault.is_some() {
            self.fault = fault;
        }
        self.subscriptions.disconnected();
        self.requests.disconnected();
    }

    // ---- polling ----

    /// The next frame to send. Where there is none, but will be after a wait, an event says when to
    /// poll again.
    pub fn poll_transmit(&mut self, now: Timestamp) -> Option<Vec<u8>> {
        if self.outbox.is_empty() && self.handshake.is_ready() {
            self.follow_due(now);
            if !self.pause.holds(now) {
                self.send_due(now);
            }
        }
        let next = self.outbox.pop_front();
        if next.is_none() {
            self.announce_wait(now);
        }
        next
    }

    /// Everything that happened since the last call. The values of replicas that were not touched since
    /// are not looked at.
    pub fn poll_events(&mut self) -> Vec<Event> {
        let phase = self.handshake.phase();
        for subscription in self.subscriptions.iter_mut() {
            self.events.extend(subscription.poll_value(false));
            self.events.extend(subscription.poll_conflicts());
            self.events.extend(subscription.poll_status(phase));
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

    /// The status of the whole client.
    pub fn status(&self) -> Status {
        let phase = self.handshake.phase();
        let each: Vec<Status> = self
            .subscriptions
            .iter()
            .map(|one| one.status(phase))
            .collect();
        let is_any = |state: &[SyncState]| each.iter().any(|one| state.contains(&one.state));
        let busy = self.requests.len() > 0
            || self.subscriptions.is_watch_waiting()
            || is_any(&[SyncState::Syncing, SyncState::Connecting]);
        // The state of the connection comes first: a refused entity has a status of its own.
        let state = match phase {
            Phase::Offline => SyncState::Offline,
            Phase::Connecting | Phase::Greeting => SyncState::Connecting,
            Phase::Ready if is_any(&[SyncState::Refused]) => SyncState::Refused,
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

    // ---- requests ----

    /// Asks for a new entity: `kind/id`, or the kind alone to let the server pick an id. The answer
    /// is an event with the number that is returned.
    ///
    /// # Errors
    /// [`CallError::Name`], [`CallError::Json`], [`CallError::TooBig`].
    pub fn create(&mut self, entity: &str, value: &str, now: Timestamp) -> Result<u32, CallError> {
        let entity = entity.parse()?;
        serde_json::from_str::<serde::de::IgnoredAny>(value)?;
        let max = payload_bytes_max(self.handshake.limits());
        if value.len() > max {
            return Err(CallError::TooBig {
                bytes: value.len(),
                max,
            });
        }
        Ok(self.request(entity, Wanted::Created(value.to_owned()), now))
    }

    /// Asks for an entity to be deleted. The answer is an event with the number that is returned.
    ///
    /// # Errors
    /// [`CallError::Name`].
    pub fn delete(&mut self, entity: &str, now: Timestamp) -> Result<u32, CallError> {
        Ok(self.request(entity.parse()?, Wanted::Deleted, now))
    }

    /// Asks for the deletion of an entity to be undone. The answer is an event with the number that
    /// is returned.
    ///
    /// # Errors
    /// [`CallError::Name`].
    pub fn undelete(&mut self, entity: &str, now: Timestamp) -> Result<u32, CallError> {
        Ok(self.request(entity.parse()?, Wanted::Undeleted, now))
    }

    fn request(&mut self, entity: EntityId, wanted: Wanted, now: Timestamp) -> u32 {
        let number = self.requests.number();
        if let Some(fault) = self.handshake.never(entity.kind()) {
            self.events
                .push_back(Event::request_failed(number, Vec::new(), fault));
            return number;
        }
        let id = self.ids.proposal(now);
        self.requests.ask(number, id, entity, wanted);
        number
    }

    /// The server granted a request.
    fn grant(&mut self, Answered { number, brings }: Answered, entity: &EntityId) {
        self.events.push_back(Event::Done {
            request: number,
            entity: entity.clone(),
        });
        let subscription = self.subscriptions.get_mut(entity).filter(|_| brings);
        if subscription.is_some_and(|subscription| subscription.may_be_back()) {
            self.reopen(entity);
        }
    }

    // ---- sending ----

    fn send(&mut self, frame: &ClientFrame) {
        self.outbox.push_back(frame.encode());
    }

    /// Sends the requests and proposals that can be sent now.
    fn send_due(&mut self, now: Timestamp) {
        let mut due = self.requests.due();
        for subscription in self.subscriptions.iter_mut() {
            let entity = subscription.id().clone();
            let Some(replica) = subscription.current_replica_mut() else {
                continue;
            };
            let (epoch, ..) = replica.place();
            let (limits, ids) = (self.handshake.limits(), &mut self.ids);
            if let Some(next) = replica.next_proposal(limits, || ids.proposal(now)) {
                due.push(ClientFrame::Propose {
                    id: next.id,
                    entity,
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
}
