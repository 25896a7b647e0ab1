//! What one connection follows and asks for, each checked against its principal's rights.
//!
//! Invariant: what the principal may not read is answered exactly like what does not exist, and
//! before it is looked up whether it exists.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use indelible_engine::id::{EntityId, Epoch, Hash, Kind, ProposalId, Seq, SessionId};
use indelible_engine::near;
use indelible_engine::policy::{Permission, Policies, Policy};
use indelible_engine::principal::Principal;
use indelible_engine::protocol::{
    ClientFrame, KindMode, KindReport, Mode, PROTOCOL_VERSION, ServerFrame, TextForm,
};
use indelible_engine::time::Timestamp;
use indelible_engine::violation::{Refusal, RefusalCode};
use tokio::sync::Semaphore;

use crate::clock;
use crate::config::ConnectionSettings;
use crate::context::Context;
use crate::directory::Directory;
use crate::entity::{
    self, Answer, InFlight, Message, Task, Write, WriteError, WriterSession, name_for_creation,
};
use crate::frames::{self, DELETED, NOT_FOUND};
use crate::json;
use crate::outbox::{ConnectionId, Outbox, Subscriber, Subscription};
use crate::rates::Writer;
use crate::room::Taken;

/// Who asks, and in which form for changes of texts.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) principal: Principal,
    pub(super) address: Option<IpAddr>,
    pub(super) texts: TextForm,
}

/// Whether a principal may write anything at all.
pub(super) fn may_write(policies: &Policies, principal: &Principal) -> bool {
    let permissions = [
        Permission::Create,
        Permission::Edit,
        Permission::Delete,
        Permission::System,
    ];
    let mut policies = policies.iter();
    policies.any(|policy| permissions.iter().any(|one| policy.may(principal, *one)))
}

/// What an entity is found to be.
#[derive(Debug, Clone, Copy)]
enum Known {
    Present,
    /// And what is said of that.
    Absent(&'static str),
}

/// The state of a connection after its handshake.
#[derive(Debug)]
pub(super) struct Session {
    directory: Directory,
    connection: ConnectionId,
    session: Arc<WriterSession>,
    principal: Principal,
    address: Option<IpAddr>,
    texts: TextForm,
    outbox: Arc<Outbox>,
    followed_max: usize,
    /// Writes that may be on their way at a time.
    places: Arc<Semaphore>,
    open: HashMap<EntityId, Mode>,
    watched: HashSet<Kind>,
    schemas: HashSet<Kind>,
}

impl Session {
    pub(super) fn new(
        directory: Directory,
        Asker {
            principal,
            address,
            texts,
        }: Asker,
        outbox: Arc<Outbox>,
        settings: &ConnectionSettings,
    ) -> Self {
        Self {
            connection: directory.next_connection(),
            session: Arc::new(WriterSession::new(
                SessionId(crate::random::bytes()),
                settings.refused_changes_max,
            )),
            directory,
            principal,
            address,
            texts,
            outbox,
            followed_max: settings.open_entities_max,
            places: Arc::new(Semaphore::new(settings.proposals_in_flight_max)),
            open: HashMap::new(),
            watched: HashSet::new(),
            schemas: HashSet::new(),
        }
    }

    pub(super) fn context(&self) -> &Context {
        self.directory.context()
    }

    pub(super) fn connection(&self) -> ConnectionId {
        self.connection
    }

    pub(super) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Answers `hello`.
    pub(super) fn welcome(&self) {
        let kinds = self.context().policies.iter().map(|policy| KindReport {
            kind: policy.kind().clone(),
            singleton: policy.is_singleton(),
            mode: self.mode(policy),
            create: !policy.is_singleton() && policy.may(&self.principal, Permission::Create),
            delete: !policy.is_singleton()
                && policy.readable(&self.principal)
                && policy.may(&self.principal, Permission::Delete),
            policy: policy.hash(),
        });
        self.outbox.answer(frames::encode(&ServerFrame::Welcome {
            protocol: PROTOCOL_VERSION,
            session: self.session.id,
            principal: self.principal.clone(),
            at: clock::now(),
            limits: self.context().limits.clone(),
            kinds: kinds.collect(),
        }));
    }

    fn mode(&self, policy: &Policy) -> KindMode {
        if policy.replica_mode(&self.principal) {
            KindMode::Replica
        } else if policy.readable(&self.principal) {
            KindMode::Value
        } else {
            KindMode::None
        }
    }

    /// Serves one frame. What it made of is held in `room` until it is answered.
    pub(super) async fn handle(&mut self, frame: ClientFrame, room: Taken) {
        match frame {
            ClientFrame::Open {
                entity,
                mode: Mode::Replica,
                epoch,
                seq,
                hash,
                ..
            } => {
                let from = match (epoch, seq, hash) {
                    (Some(epoch), Some(seq), Some(hash)) => Some((epoch, seq, hash)),
                    _ => None,
                };
                self.open_replica(entity, from).await;
            }
            ClientFrame::Open {
                entity,
                mode: Mode::Value,
                version,
                ..
            } => {
                self.open_value(entity, version).await;
            }
            ClientFrame::Close { entity } => self.close(&entity).await,
            ClientFrame::Watch { kind } => self.watch(kind).await,
            ClientFrame::Unwatch { kind } => self.unwatch(&kind),
            ClientFrame::Propose {
                id,
                entity,
                epoch,
                changes,
                whole,
            } => {
                let changes = changes.into_iter().map(serde_bytes::ByteBuf::into_vec);
                let task = Task::Propose {
                    epoch,
                    changes: changes.collect(),
                    whole,
                };
                self.propose(id, entity, task, room).await;
            }
            ClientFrame::Create { id, entity, value } => {
                self.create(id, entity, &value, room).await;
            }
            ClientFrame::Delete { id, entity } => {
                let task = Task::Delete { precondition: None };
                self.delete(id, &entity, task, room).await;
            }
            ClientFrame::Undelete { id, entity } => {
                self.delete(id, &entity, Task::Undelete, room).await;
            }
            ClientFrame::Ping {} => self.outbox.answer(frames::encode(&ServerFrame::Pong {})),
            ClientFrame::Pong {} => {}
            ClientFrame::Hello { .. } | ClientFrame::Auth { .. } => {
                self.error(
                    "unexpected",
                    "a client introduces itself once, at the beginning",
                    None,
                    None,
                );
            }
        }
    }

    fn error(&self, code: &str, text: &str, entity: Option<&EntityId>, id: Option<ProposalId>) {
        self.outbox.answer(frames::error(code, text, entity, id));
    }

    fn failed(&self, failure: &WriteError, entity: &EntityId, id: Option<ProposalId>) {
        self.outbox.answer(entity::failed(failure, entity, id));
    }

    fn refuse(&self, entity: &EntityId, id: ProposalId, code: RefusalCode, text: &str) {
        let refusal = Refusal::structural(code, 0, text.to_owned());
        self.outbox.answer(frames::refused(entity, id, &refusal));
    }

    /// The policy of an entity that the principal may read.
    fn readable(&self, entity: &EntityId) -> Option<Arc<Policy>> {
        let policy = self.context().policy_of(entity)?;
        policy.readable(&self.principal).then(|| Arc::clone(policy))
    }

    fn subscriber(&self, subscription: Subscription) -> Subscriber {
        Subscriber {
            connection: self.connection,
            outbox: Arc::clone(&self.outbox),
            subscription: Arc::new(subscription),
            texts: self.texts,
        }
    }

    /// Whether one more thing may be followed; answers if not.
    fn has_room(&self, entity: &EntityId) -> bool {
        let room = self.open.len() + self.watched.len() < self.followed_max;
        if !room {
            let max = self.followed_max;
            let text = format!("this connection follows {max} entities and kinds, and may no more");
            self.error("too-many", &text, Some(entity), None);
        }
        room
    }

    async fn open_replica(&mut self, entity: EntityId, from: Option<(Epoch, Seq, Hash)>) {
        let Some(policy) = self.readable(&entity) else {
            self.outbox.answer(frames::gone(&entity, NOT_FOUND));
            return;
        };
        if !policy.replica_mode(&self.principal) {
            let text = "you may follow this kind as a value only";
            self.error("mode", text, Some(&entity), None);
            return;
        }
        self.close(&entity).await;
        if !self.has_room(&entity) {
            return;
        }
        if self.schemas.insert(policy.kind().clone()) {
            self.outbox.answer(frames::encode(&ServerFrame::Schema {
                kind: policy.kind().clone(),
                hash: policy.hash(),
                text: policy.schema().to_string(),
                rules: Some(policy.rules().number()),
            }));
        }
        let absent = match self.load(&entity).await {
            Some(Known::Absent(absent)) => absent,
            Some(Known::Present) => NOT_FOUND,
            None => return,
        };
        let follow = Message::Follow {
            asker: self.principal.id.clone(),
            subscriber: self.subscriber(Subscription::Entity(entity.clone())),
            from,
            absent,
        };
        self.open.insert(entity.clone(), Mode::Replica);
        self.directory.send(&entity, follow).await;
    }

    async fn open_value(&mut self, entity: EntityId, version: Option<String>) {
        if self.readable(&entity).is_none() {
            self.outbox.answer(frames::gone(&entity, NOT_FOUND));
            return;
        }
        self.close(&entity).await;
        if !self.has_room(&entity) {
            return;
        }
        let Some(values) = self.directory.values(entity.kind()) else {
            return;
        };
        let mut subscriber = self.subscriber(Subscription::Entity(entity.clone()));
        loop {
            let absent = match self.load(&entity).await {
                Some(Known::Present) => None,
                Some(Known::Absent(absent)) => Some(absent),
                None => return,
            };
            let known = values.get(&entity).filter(|known| {
                version
                    .as_ref()
                    .is_some_and(|version| self.directory.stands_for(version, known))
            });
            let known = known.as_ref().map(|known| known.version.as_str());
            // A value that is not followed yet may leave in between.
            match values.follow(subscriber, &entity, (known, absent)) {
                Ok(()) => break,
                Err(back) => subscriber = back,
            }
        }
        self.open.insert(entity, Mode::Value);
    }

    /// Makes sure that it is known what an entity is, and gives what is to be said if it is not
    /// there: that it is deleted is for those to know who may undelete it, or may read the past.
    /// Answers if that fails.
    async fn load(&self, entity: &EntityId) -> Option<Known> {
        let policy = self.context().policy_of(entity)?;
        let may_know =
            policy.may(&self.principal, Permission::Delete) || policy.replica_mode(&self.principal);
        let present = self.directory.present(entity, &self.principal).await;
        let known = present.and_then(|present| {
            Ok(match present {
                Some(_) => Known::Present,
                None if may_know && self.directory.is_deleted(entity)? => Known::Absent(DELETED),
                None => Known::Absent(NOT_FOUND),
            })
        });
        match known {
            Ok(known) => Some(known),
            Err(error) => {
                self.failed(&error, entity, None);
                None
            }
        }
    }

    /// Stops following an entity. Dropped half-way, it is still followed.
    async fn close(&mut self, entity: &EntityId) {
        match self.open.get(entity) {
            Some(Mode::Replica) => {
                self.directory
                    .send(entity, Message::Unfollow(self.connection))
                    .await;
            }
            Some(Mode::Value) => {
                if let Some(values) = self.directory.values(entity.kind()) {
                    values.unfollow(self.connection, entity);
                }
            }
            None => {}
        }
        self.open.remove(entity);
    }

    async fn watch(&mut self, kind: Kind) {
        let name = EntityId::singleton(kind.clone());
        let policy = self.context().policy(&kind);
        if !policy.is_some_and(|policy| policy.readable(&self.principal)) {
            self.outbox.answer(frames::gone(&name, NOT_FOUND));
            return;
        }
        if !self.has_room(&name) {
            return;
        }
        match self.directory.gather(&kind, &self.principal).await {
            Ok(Some(gathering)) => {
                gathering.watch(self.subscriber(Subscription::Kind(kind.clone())));
                self.watched.insert(kind);
            }
            Ok(None) => {}
            Err(error) => self.failed(&error, &name, None),
        }
    }

    fn unwatch(&mut self, kind: &Kind) {
        if self.watched.remove(kind)
            && let Some(values) = self.directory.values(kind)
        {
            values.unwatch(self.connection);
        }
    }

    async fn propose(&self, id: ProposalId, entity: EntityId, task: Task, room: Taken) {
        let Some(policy) = self.readable(&entity) else {
            self.refuse(
                &entity,
                id,
                RefusalCode::NotFound,
                "there is no such entity",
            );
            return;
        };
        if !policy.rights(&self.principal).any() {
            self.refuse(&entity, id, RefusalCode::Forbidden, "you may not edit this");
            return;
        }
        if !policy.replica_mode(&self.principal) {
            let text = "this principal may not propose changes, only values over HTTP";
            self.refuse(&entity, id, RefusalCode::Mode, text);
            return;
        }
        if !self.exists_for_write(&entity, id).await {
            return;
        }
        self.write(id, &entity, task, room).await;
    }

    async fn exists_for_write(&self, entity: &EntityId, id: ProposalId) -> bool {
        match self.directory.present(entity, &self.principal).await {
            Ok(Some(_)) => true,
            Ok(None) => {
                self.refuse(entity, id, RefusalCode::NotFound, "there is no such entity");
                false
            }
            Err(error) => {
                self.failed(&error, entity, Some(id));
                false
            }
        }
    }

    /// That there is no such kind, with the nearest one of those that there are for the principal.
    fn no_kind(&self, kind: &Kind) -> String {
        let may = |policy: &&Arc<Policy>| {
            policy.readable(&self.principal) || policy.may(&self.principal, Permission::Create)
        };
        let policies = self.context().policies.iter().filter(may);
        match near::nearest(kind.as_str(), policies.map(|policy| policy.kind().as_str())) {
            Some(near) => format!("there is no kind {kind}; did you mean {near}?"),
            None => format!("there is no kind {kind}"),
        }
    }

    async fn create(&self, id: ProposalId, entity: EntityId, value: &str, room: Taken) {
        let refuse = |code, text: &str| self.refuse(&entity, id, code, text);
        let policy = self.context().policy(entity.kind());
        let Some(policy) = policy.filter(|policy| policy.may(&self.principal, Permission::Create))
        else {
            let known = policy.is_some_and(|policy| policy.readable(&self.principal));
            return match known {
                true => refuse(RefusalCode::Forbidden, "you may not create this"),
                false => refuse(RefusalCode::NotFound, &self.no_kind(entity.kind())),
            };
        };
        let entity = match name_for_creation(policy, entity.id(), &self.principal, id) {
            Ok(entity) => entity,
            Err(error) => return refuse(RefusalCode::BadId, &error.to_string()),
        };
        let value = match json::parse(value.as_bytes()) {
            Ok(value) => value,
            Err(error) => return refuse(RefusalCode::Malformed, &format!("the value: {error}")),
        };
        let task = Task::Create {
            value,
            claimed: None,
        };
        self.write(id, &entity, task, room).await;
    }

    /// Deletes, or undeletes.
    async fn delete(&self, id: ProposalId, entity: &EntityId, task: Task, room: Taken) {
        match self.readable(entity) {
            None => self.refuse(entity, id, RefusalCode::NotFound, "there is no such entity"),
            Some(policy) if !policy.may(&self.principal, Permission::Delete) => {
                let text = match task {
                    Task::Undelete => "you may not undelete this",
                    _ => "you may not delete this",
                };
                self.refuse(entity, id, RefusalCode::Forbidden, text);
            }
            Some(_) => self.write(id, entity, task, room).await,
        }
    }

    async fn write(&self, id: ProposalId, entity: &EntityId, task: Task, room: Taken) {
        let writer = Writer {
            principal: &self.principal,
            address: self.address,
        };
        let creates = matches!(task, Task::Create { .. });
        if let Err(exhausted) = self.context().rates.enter(writer, creates) {
            self.outbox
                .answer(frames::rate_limited(entity, id, &exhausted));
            return;
        }
        // Whoever has too many on the way waits here, and is not read from meanwhile.
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.expect("nobody closes the semaphore");
        let outbox = Arc::clone(&self.outbox);
        let write = Write {
            id,
            author: self.principal.clone(),
            session: Some(Arc::clone(&self.session)),
            address: self.address,
            task,
            answer: Answer::Socket {
                outbox,
                in_flight: InFlight { place, room },
            },
        };
        self.directory
            .send(entity, Message::Write(Box::new(write)))
            .await;
    }

    /// Says until when what it writes is judged.
    pub(super) fn ends_at(&self, end: Timestamp) {
        self.session.ends_at(end);
    }

    /// Stops following everything.
    pub(super) async fn leave(mut self) {
        for kind in std::mem::take(&mut self.watched) {
            if let Some(values) = self.directory.values(&kind) {
                values.unwatch(self.connection);
            }
        }
        let open: Vec<_> = self.open.keys().cloned().collect();
        for entity in open {
            self.close(&entity).await;
        }
    }
}
