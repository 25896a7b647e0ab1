//! What a session does with each frame from the server.
//!
//! Invariant: no frame makes it panic or forget an edit silently: an edit ends up saved, or refused
//! with an event. What cannot be understood leads to asking again, not to guessing.
//! Must never know: sockets, JavaScript.

use std::sync::Arc;

use indelible_engine::id::{EntityId, Epoch, Hash, Kind, ProposalId, Seq};
use indelible_engine::policy::{Policy, Rules};
use indelible_engine::principal::Principal;
use indelible_engine::protocol::{
    ClientFrame, EntryReport, FrameError, KindMode, KindReport, Mode, PROTOCOL_VERSION, ServerFrame,
};
use indelible_engine::schema::SchemaSource;
use indelible_engine::time::Timestamp;
use serde_json::{Map, Value};

use crate::bad_frame::{BadFrame, json_of, object};
use crate::edit::{Author, FORGOTTEN, Refused, Settled, Snapshot};
use crate::event::{Event, Fault};
use crate::followed::{Known, NOT_FOUND, Phase};
use crate::pause;
use crate::replica::Replica;
use crate::session::{REPLICAS, Session};
use indelible_engine::violation::RefusalCode;

impl Session {
    /// Takes in one frame.
    ///
    /// # Errors
    /// [`BadFrame`]: the connection must be closed; nothing is lost by that.
    pub fn handle_frame(&mut self, bytes: &[u8], now: Timestamp) -> Result<(), BadFrame> {
        let frame = match ServerFrame::decode(bytes) {
            Ok(frame) => frame,
            // A newer server may say more than we understand.
            Err(FrameError::Unknown { .. }) => return Ok(()),
            Err(error) => return Err(BadFrame(error.to_string())),
        };
        if is_service(&frame) {
            self.is_served();
        }
        match frame {
            ServerFrame::Welcome {
                protocol,
                principal,
                limits,
                kinds,
                ..
            } => {
                if protocol != PROTOCOL_VERSION {
                    return Err(BadFrame(format!(
                        "it speaks protocol version {protocol}, and this client {PROTOCOL_VERSION}"
                    )));
                }
                self.limits = limits;
                self.on_welcome(principal, kinds);
            }
            ServerFrame::Schema {
                kind,
                hash,
                text,
                rules,
            } => {
                // Values are shown as they come.
                if REPLICAS {
                    self.on_schema(&kind, hash, rules, text);
                }
            }
            ServerFrame::Snapshot {
                entity,
                epoch,
                seq,
                hash,
                document,
                stamps,
            } => {
                let stamps = object("snapshot: the field stamps", &stamps)?;
                let snapshot = Snapshot {
                    epoch,
                    seq,
                    hash,
                    document: &document,
                    stamps: &stamps,
                };
                self.on_snapshot(&entity, &snapshot, now);
            }
            ServerFrame::Entries {
                entity,
                epoch,
                entries,
                stamps,
            } => {
                self.on_entries(
                    &entity,
                    epoch,
                    &entries,
                    object("entries: the field stamps", &stamps)?,
                    now,
                );
            }
            ServerFrame::Value {
                entity,
                version,
                value,
                ..
            } => {
                self.on_value(
                    &entity,
                    version,
                    json_of("value: the field value", &value)?,
                    now,
                );
            }
            ServerFrame::Patch {
                entity,
                version,
                patch,
                ..
            } => {
                self.on_patch(
                    &entity,
                    version,
                    &json_of("patch: the field patch", &patch)?,
                    now,
                );
            }
            ServerFrame::Watched { kind } => self.on_watched(&kind),
            ServerFrame::Admitted {
                id, entity, seq, ..
            } => {
                self.on_admitted(id, &entity, seq, now);
            }
            ServerFrame::Refused {
                id,
                entity,
                admitted,
                code,
                violations,
            } => {
                let refused = Refused {
                    code: &RefusalCode::from(code.as_str()),
                    admitted,
                    violations: &violations,
                };
                self.on_refused(id, &entity, &refused, now);
            }
            ServerFrame::Gone { entity, code } => {
                let fault = match code.as_str() {
                    "deleted" => Fault::deleted(&entity),
                    NOT_FOUND => {
                        Fault::new(code, format!("there is no {entity} that you may read"))
                    }
                    _ => Fault::new(code, format!("the server does not show {entity} any more")),
                };
                self.on_gone(&entity, &fault);
            }
            ServerFrame::Reset { entity, .. } => self.on_reset(&entity),
            ServerFrame::Ping {} => self.send(&ClientFrame::Pong {}),
            ServerFrame::Pong {} => {}
            ServerFrame::Error {
                code,
                reason,
                entity,
                id,
                retry,
            } => {
                let wait = pause::wait(&code, retry);
                let fault = Fault::new(code, reason);
                match wait.filter(|_| id.is_some() || entity.is_some()) {
                    Some(wait) => self.on_wait(fault, wait, (entity.as_ref(), id), now),
                    None => self.on_error(fault, entity, id),
                }
            }
        }
        Ok(())
    }

    fn on_welcome(&mut self, principal: Principal, kinds: Vec<KindReport>) {
        if self
            .principal
            .as_ref()
            .is_some_and(|before| before.id != principal.id)
        {
            // Another person must never see or send what the one before left.
            let fault = Fault::new("principal", "somebody else has signed in");
            for id in self.followed.keys().cloned().collect::<Vec<_>>() {
                self.lose(&id, &fault);
                if let Some(followed) = self.followed.get_mut(&id) {
                    followed.refusal = None;
                    followed.had = false;
                }
            }
            for request in std::mem::take(&mut self.requests).into_values() {
                let (request, violations, fault) = (request.number, Vec::new(), fault.clone());
                self.events.push_back(Event::NotDone {
                    request,
                    violations,
                    fault,
                });
            }
            self.policies.clear();
        }
        self.phase = Phase::Ready;
        self.fault = None;
        self.kinds = kinds
            .into_iter()
            .map(|report| (report.kind.clone(), report))
            .collect();
        self.principal = Some(principal.clone());
        let kinds = self.kinds.values().map(Into::into).collect();
        self.events.push_back(Event::Welcome { principal, kinds });
        for kind in self.watches.keys().cloned().collect::<Vec<_>>() {
            self.send_watch(&kind);
        }
        for kind in self.kinds_in_use() {
            for id in self.followed_of(&kind) {
                self.revive(&id);
                self.send_open(&id);
            }
        }
    }

    /// Prepares an entity for being asked for on a new connection.
    fn revive(&mut self, id: &EntityId) {
        let report = self.kinds.get(id.kind());
        let policy = report.map(|report| report.policy);
        let replicated = report.is_some_and(|report| report.mode == KindMode::Replica);
        let Some(followed) = self.followed.get_mut(id) else {
            return;
        };
        match &followed.known {
            Known::Replica(replica) if replicated => {
                // Under another schema, the document has another genesis.
                followed.from_scratch |= Some(replica.policy().hash()) != policy;
            }
            Known::Replica(_) => {
                let fault = Fault::new("forbidden", "the history may not be read any more");
                self.drop_edits(id, &fault);
                self.forget(id);
            }
            Known::Value { .. } if replicated => self.forget(id),
            Known::Gone(_) => followed.known = Known::Nothing,
            Known::Nothing | Known::Value { .. } => {}
        }
    }

    fn forget(&mut self, id: &EntityId) {
        if let Some(followed) = self.followed.get_mut(id) {
            followed.known = Known::Nothing;
            followed.current = false;
            followed.again = None;
            followed.forget_told();
        }
    }

    fn on_schema(&mut self, kind: &Kind, hash: Hash, rules: Option<u32>, text: String) {
        if self
            .policies
            .get(kind)
            .is_some_and(|policy| policy.hash() == hash)
        {
            return;
        }
        let source = SchemaSource {
            file: format!("{kind}.json"),
            text,
        };
        // A newer server is stricter than this client knows how to be; it refuses what this lets pass.
        let rules = rules.unwrap_or(Rules::V1.number());
        let rules = Rules::from_number(rules).unwrap_or(Rules::LATEST);
        match Policy::compile_under(rules, &source) {
            Ok(policy) => {
                self.policies.insert(kind.clone(), Arc::new(policy));
            }
            Err(errors) => {
                let reason = errors.first().map(ToString::to_string).unwrap_or_default();
                let fault = Fault::new("schema", format!("the schema is not understood: {reason}"));
                for id in self.followed_of(kind) {
                    self.lose(&id, &fault);
                }
            }
        }
    }

    fn on_snapshot(&mut self, id: &EntityId, snapshot: &Snapshot<'_>, now: Timestamp) {
        let policy = self.policies.get(id.kind()).cloned();
        let Some(followed) = self.followed.get_mut(id) else {
            return;
        };
        let Some(policy) = policy else {
            self.lose(
                id,
                &Fault::new("schema", "the server sent the entity without its schema"),
            );
            return;
        };
        followed.from_scratch = false;
        let Some(principal) = &self.principal else {
            return;
        };
        let me = principal.id.clone();
        if let Some(replica) = followed.replica() {
            let author = Author {
                principal,
                limits: &self.limits,
                now,
                fresh: self.ids.draw(now),
            };
            let fault = match replica.policy().hash() == policy.hash() {
                true => Fault::new("reset", "the entity was started over on the server"),
                false => Fault::new("schema", "the server has another schema by now"),
            };
            match replica.reload(&policy, snapshot, &author) {
                Ok((saved, mended, forgotten)) => {
                    followed.reached(now);
                    if let Some(edit) = saved {
                        let entity = id.clone();
                        self.events.push_back(Event::Saved { entity, edit });
                    }
                    self.tell_lost(id, &fault, Vec::new(), mended);
                    let fault = Fault::new(FORGOTTEN, "the server went back to a state before it");
                    self.tell_lost(id, &fault, Vec::new(), forgotten);
                    return;
                }
                Err(_) => self.drop_edits(id, &fault),
            }
        }
        match Replica::load(id, &me, &policy, snapshot) {
            Ok(replica) => {
                if let Some(followed) = self.followed.get_mut(id) {
                    followed.known = Known::Replica(Box::new(replica));
                    followed.reached(now);
                }
            }
            Err(error) => self.lose(id, &Fault::new("snapshot", error.to_string())),
        }
    }

    fn on_entries(
        &mut self,
        id: &EntityId,
        epoch: Epoch,
        entries: &[EntryReport],
        stamps: Map<String, Value>,
        now: Timestamp,
    ) {
        let Some(followed) = self.followed.get_mut(id) else {
            return;
        };
        // Between a reset and its snapshot, what still arrives is of the old subscription.
        if followed.from_scratch {
            return;
        }
        let Some(replica) = followed.replica() else {
            return;
        };
        let settled = if replica.place().0 == epoch {
            replica.apply(entries, stamps, &self.limits).ok()
        } else {
            None
        };
        let hidden = replica.hidden();
        match settled {
            Some(settled) => {
                followed.reached(now);
                self.settle(id, settled);
                let fault = Fault::new("gone", "others deleted what it was written into");
                self.tell_lost(id, &fault, Vec::new(), hidden);
            }
            None => self.start_over(id),
        }
    }

    fn settle(&mut self, id: &EntityId, settled: Settled) {
        if let Settled::Saved(edit, gone) = settled {
            let fault = Fault::new("gone", "what it was written into has been deleted");
            self.tell_lost(id, &fault, Vec::new(), gone);
            let entity = id.clone();
            self.events.push_back(Event::Saved { entity, edit });
        }
    }

    /// Asks for everything again; pending edits are kept if they still apply.
    pub(crate) fn start_over(&mut self, id: &EntityId) {
        if let Some(followed) = self.followed.get_mut(id) {
            followed.from_scratch = true;
            self.reopen(id);
        }
    }

    fn on_reset(&mut self, id: &EntityId) {
        if self.watches.contains_key(id.kind()) && (id.id().is_none() || self.comes_with_watch(id))
        {
            let kind = id.kind().clone();
            self.send(&ClientFrame::Unwatch { kind: kind.clone() });
            self.send_watch(&kind);
        }
        let Some(followed) = self.followed.get_mut(id) else {
            return;
        };
        // The first time from where we are: after a mere overflow that loses nothing. If the
        // server does not know that place either, from scratch.
        followed.from_scratch |= !followed.current || matches!(followed.known, Known::Nothing);
        if !self.comes_with_watch(id) {
            self.reopen(id);
        }
    }

    fn on_value(&mut self, id: &EntityId, version: String, value: Value, now: Timestamp) {
        let by_value = self.mode(id.kind()) == KindMode::Value;
        if let Some(watch) = self.watches.get_mut(id.kind()) {
            watch.versions.insert(id.clone(), version.clone());
            self.events.push_back(Event::Item {
                entity: id.clone(),
                value: value.clone(),
            });
        }
        let Some(followed) = self.followed.get_mut(id) else {
            return;
        };
        if by_value {
            followed.known = Known::Value { version };
            followed.from_scratch = false;
            followed.reached(now);
            let (entity, mode) = (id.clone(), Mode::Value);
            self.events.push_back(Event::Value {
                entity,
                mode,
                value,
                revision: None,
            });
        }
    }

    fn on_patch(&mut self, id: &EntityId, version: String, patch: &Value, now: Timestamp) {
        if let Some(watch) = self.watches.get_mut(id.kind())
            && let Some(known) = watch.versions.get_mut(id)
            && *known != version
        {
            known.clone_from(&version);
            let (entity, patch) = (id.clone(), patch.clone());
            self.events.push_back(Event::ItemPatch { entity, patch });
        }
        let Some(followed) = self.followed.get_mut(id) else {
            return;
        };
        let Known::Value { version: known } = &mut followed.known else {
            return;
        };
        let is_new = *known != version;
        *known = version;
        followed.reached(now);
        if is_new {
            let (entity, patch) = (id.clone(), patch.clone());
            self.events.push_back(Event::Patch {
                entity,
                patch,
                revision: None,
                local: false,
            });
        }
    }

    fn on_watched(&mut self, kind: &Kind) {
        let Some(watch) = self.watches.get_mut(kind) else {
            return;
        };
        watch.complete = true;
        let entities: Vec<EntityId> = watch.versions.keys().cloned().collect();
        if self.mode(kind) == KindMode::Value {
            for id in self.followed_of(kind) {
                if !entities.contains(&id) {
                    self.lose(&id, &Fault::new(NOT_FOUND, format!("there is no {id}")));
                }
            }
        }
        self.events.push_back(Event::Watched {
            kind: kind.clone(),
            entities,
        });
    }

    fn on_admitted(&mut self, id: ProposalId, entity: &EntityId, seq: Seq, now: Timestamp) {
        if let Some(request) = self.requests.remove(&id) {
            let (brings, request, entity) = (request.brings(), request.number, entity.clone());
            self.events.push_back(Event::Done {
                request,
                entity: entity.clone(),
            });
            if brings
                && let Some(followed) = self.followed.get_mut(&entity)
                && matches!(followed.known, Known::Gone(_))
            {
                followed.known = Known::Nothing;
                self.reopen(&entity);
            }
            return;
        }
        let Some(followed) = self.followed.get_mut(entity) else {
            return;
        };
        let Some(replica) = followed.replica() else {
            return;
        };
        match replica.admitted((id, seq), &self.limits) {
            Ok(Settled::Nothing) => {}
            Ok(settled) => {
                followed.reached(now);
                self.settle(entity, settled);
            }
            Err(_) => self.start_over(entity),
        }
    }

    /// The entity is not there (any more), or not for us.
    pub(crate) fn lose(&mut self, id: &EntityId, fault: &Fault) {
        let Some(fault) = self.followed.get(id).map(|one| one.in_view(fault)) else {
            return;
        };
        self.drop_edits(id, &fault);
        self.forget(id);
        if let Some(followed) = self.followed.get_mut(id) {
            followed.known = Known::Gone(fault.clone());
            let entity = id.clone();
            self.events.push_back(Event::Gone { entity, fault });
        }
    }

    fn on_gone(&mut self, id: &EntityId, fault: &Fault) {
        let singleton = self
            .kinds
            .get(id.kind())
            .is_some_and(|report| report.singleton);
        if id.id().is_none() && !singleton {
            // No entity has such a name, so it is said of the watch.
            self.unwatchable(id.kind(), fault);
            return;
        }
        if let Some(watch) = self.watches.get_mut(id.kind())
            && watch.versions.remove(id).is_some()
        {
            self.events
                .push_back(Event::ItemGone { entity: id.clone() });
        }
        self.lose(id, fault);
    }

    fn on_error(&mut self, fault: Fault, entity: Option<EntityId>, id: Option<ProposalId>) {
        if let Some(request) = id.and_then(|id| self.requests.remove(&id)) {
            let (request, violations) = (request.number, Vec::new());
            self.events.push_back(Event::NotDone {
                request,
                violations,
                fault,
            });
            return;
        }
        match entity {
            // No verdict on the proposal: it is asked again, with the patience of reconnecting.
            Some(_) if id.is_some() => {
                self.events.push_back(Event::Disconnect {
                    reason: fault.code.clone(),
                });
                self.fault = Some(fault);
            }
            Some(entity) => {
                if entity.id().is_none() {
                    self.unwatchable(entity.kind(), &fault);
                }
                self.lose(&entity, &fault);
            }
            None if fault.code == TOKEN_EXPIRING => self.events.push_back(Event::TokenExpiring),
            // An older server that knows no `ping`. It answered, which is all that was asked.
            None if fault.code == "unknown-frame" => {}
            None => self.fault = Some(fault),
        }
    }
}

/// The code of the server's notice that the token of this connection ends soon.
const TOKEN_EXPIRING: &str = "token-expiring";

/// Whether a frame shows that the server does what it is asked to.
fn is_service(frame: &ServerFrame) -> bool {
    matches!(
        frame,
        ServerFrame::Snapshot { .. }
            | ServerFrame::Entries { .. }
            | ServerFrame::Value { .. }
            | ServerFrame::Watched { .. }
            | ServerFrame::Admitted { .. }
            | ServerFrame::Refused { .. }
    )
}
