//! What a session does with each frame from the server.
//!
//! No frame makes it panic, or forget an edit silently: an edit ends up saved, or refused with an
//! event. Where a frame does not fit what is here, the session asks again instead of guessing.

use std::sync::Arc;

use indelible_engine::id::{EntityId, Epoch, Hash, Kind, ProposalId, Seq};
use indelible_engine::limits::Limits;
use indelible_engine::policy::{Policy, Rules};
use indelible_engine::principal::Principal;
use indelible_engine::protocol::{
    ClientFrame, EntryReport, FrameError, KindMode, KindReport, Mode, PROTOCOL_VERSION, ServerFrame,
};
use indelible_engine::schema;
use indelible_engine::time::Timestamp;
use indelible_engine::violation::RefusalCode;
use serde_json::{Map, Value};

use super::{REPLICAS, Session};
use crate::event::{Event, Fault, NOT_FOUND};
use crate::frame::{BadFrame, json_of, object};
use crate::pause;
use crate::replica::{FORGOTTEN, Refused, Replica, Settled, Snapshot};
use crate::subscription::Revival;

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
                self.on_welcome(principal, limits, kinds);
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

    fn on_welcome(&mut self, principal: Principal, limits: Limits, kinds: Vec<KindReport>) {
        if self.handshake.is_somebody_else(&principal) {
            self.disown();
        }
        self.fault = None;
        let kinds = self.handshake.welcome(principal.clone(), limits, kinds);
        self.events.push_back(Event::Welcome { principal, kinds });
        for kind in self.subscriptions.watched() {
            self.send_watch(&kind);
        }
        for kind in self.subscriptions.kinds() {
            for id in self.subscriptions.of_kind(&kind) {
                self.revive(&id);
                self.send_open(&id);
            }
        }
    }

    /// Another person must never see or send what the one before left.
    fn disown(&mut self) {
        let fault = Fault::new("principal", "somebody else has signed in");
        for id in self.subscriptions.ids() {
            self.lose(&id, &fault);
            if let Some(subscription) = self.subscriptions.get_mut(&id) {
                subscription.disown();
            }
        }
        for request in self.requests.abandon() {
            let failed = Event::request_failed(request.number, Vec::new(), fault.clone());
            self.events.push_back(failed);
        }
        self.policies.clear();
    }

    /// Prepares an entity for being asked for on a new connection.
    fn revive(&mut self, id: &EntityId) {
        let report = self.handshake.kind(id.kind());
        let subscription = self.subscriptions.get_mut(id);
        if subscription.is_some_and(|one| one.revive(report) == Revival::Lose) {
            let fault = Fault::new("forbidden", "the history may not be read any more");
            self.drop_edits(id, &fault);
            if let Some(subscription) = self.subscriptions.get_mut(id) {
                subscription.forget();
            }
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
        // A newer server may know stricter rules than this client; it refuses what this lets pass.
        let rules = rules.unwrap_or(Rules::V1.number());
        let rules = Rules::from_number(rules).unwrap_or(Rules::LATEST);
        match schema::compile_under(rules, &format!("{kind}.json"), &text) {
            Ok(policy) => {
                self.policies.insert(kind.clone(), Arc::new(policy));
            }
            Err(errors) => {
                let reason = errors.first().map(ToString::to_string).unwrap_or_default();
                let fault = Fault::new("schema", format!("the schema is not understood: {reason}"));
                for id in self.subscriptions.of_kind(kind) {
                    self.lose(&id, &fault);
                }
            }
        }
    }

    fn on_snapshot(&mut self, id: &EntityId, snapshot: &Snapshot<'_>, now: Timestamp) {
        let Some(subscription) = self.subscriptions.get_mut(id) else {
            return;
        };
        let Some(policy) = self.policies.get(id.kind()).cloned() else {
            let fault = Fault::new("schema", "the server sent the entity without its schema");
            self.lose(id, &fault);
            return;
        };
        subscription.has_snapshot();
        let Some(principal) = self.handshake.principal() else {
            return;
        };
        let me = principal.id.clone();
        if subscription.replica().is_some() && self.reload(id, &policy, snapshot, now) {
            return;
        }
        match Replica::load(id, &me, &policy, snapshot) {
            Ok(replica) => {
                if let Some(subscription) = self.subscriptions.get_mut(id) {
                    subscription.replicate(replica, now);
                }
            }
            Err(error) => self.lose(id, &Fault::new("snapshot", error.to_string())),
        }
    }

    /// Takes a replica and its edits to a snapshot. `false`: they cannot be taken there, and the
    /// edits are lost.
    fn reload(
        &mut self,
        id: &EntityId,
        policy: &Arc<Policy>,
        snapshot: &Snapshot<'_>,
        now: Timestamp,
    ) -> bool {
        let fresh = || self.ids.draw(now);
        let author = self.handshake.author(now, fresh);
        let subscription = self.subscriptions.get_mut(id);
        let (Some(author), Some(subscription)) = (author, subscription) else {
            return false;
        };
        let Some(replica) = subscription.replica_mut() else {
            return false;
        };
        let fault = match replica.policy().hash() == policy.hash() {
            true => Fault::new("reset", "the entity was started over on the server"),
            false => Fault::new("schema", "the server has another schema by now"),
        };
        let Ok((saved, losses, forgotten)) = replica.reload(policy, snapshot, &author) else {
            self.drop_edits(id, &fault);
            return false;
        };
        subscription.reached(now);
        self.report_saved(id, saved);
        self.report_losses(id, &fault, Vec::new(), losses);
        let fault = Fault::new(FORGOTTEN, "the server went back to a state before it");
        self.report_losses(id, &fault, Vec::new(), forgotten);
        true
    }

    fn on_entries(
        &mut self,
        id: &EntityId,
        epoch: Epoch,
        entries: &[EntryReport],
        stamps: Map<String, Value>,
        now: Timestamp,
    ) {
        let subscription = self.subscriptions.get_mut(id);
        let Some(subscription) = subscription.filter(|one| !one.awaits_snapshot()) else {
            return;
        };
        let Some(replica) = subscription.replica_mut() else {
            return;
        };
        let settled = if replica.place().0 == epoch {
            replica.apply(entries, stamps, self.handshake.limits()).ok()
        } else {
            None
        };
        let hidden = replica.hidden();
        match settled {
            Some(settled) => {
                subscription.reached(now);
                self.settle(id, settled);
                let fault = Fault::new("gone", "others deleted what it was written into");
                self.report_losses(id, &fault, Vec::new(), hidden);
            }
            None => self.start_over(id),
        }
    }

    fn settle(&mut self, id: &EntityId, settled: Settled) {
        if let Settled::Saved(edit, gone) = settled {
            let fault = Fault::new("gone", "what it was written into has been deleted");
            self.report_losses(id, &fault, Vec::new(), gone);
            self.report_saved(id, Some(edit));
        }
    }

    fn on_reset(&mut self, id: &EntityId) {
        let is_watched = self.subscriptions.watch_of(id.kind()).is_some();
        if is_watched && (id.id().is_none() || self.comes_with_watch(id)) {
            self.watch_again(id.kind());
        }
        let Some(subscription) = self.subscriptions.get_mut(id) else {
            return;
        };
        subscription.reset();
        if !self.comes_with_watch(id) {
            self.reopen(id);
        }
    }

    fn on_value(&mut self, id: &EntityId, version: String, value: Value, now: Timestamp) {
        let by_value = self.handshake.mode(id.kind()) == KindMode::Value;
        if let Some(watch) = self.subscriptions.watch_mut(id.kind()) {
            watch.put(id, &version);
            self.events.push_back(Event::Item {
                entity: id.clone(),
                value: value.clone(),
            });
        }
        let subscription = self.subscriptions.get_mut(id);
        if let Some(subscription) = subscription.filter(|_| by_value) {
            subscription.put_value(version, now);
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
        let watch = self.subscriptions.watch_mut(id.kind());
        if watch.is_some_and(|watch| watch.advance(id, &version)) {
            let (entity, patch) = (id.clone(), patch.clone());
            self.events.push_back(Event::ItemPatch { entity, patch });
        }
        let subscription = self.subscriptions.get_mut(id);
        if subscription.and_then(|one| one.advance_value(version, now)) == Some(true) {
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
        let Some(watch) = self.subscriptions.watch_mut(kind) else {
            return;
        };
        let entities = watch.complete();
        if self.handshake.mode(kind) == KindMode::Value {
            for id in self.subscriptions.of_kind(kind) {
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
        if let Some(request) = self.requests.answered(id) {
            self.grant(request, entity);
            return;
        }
        let Some(subscription) = self.subscriptions.get_mut(entity) else {
            return;
        };
        let Some(replica) = subscription.replica_mut() else {
            return;
        };
        match replica.admitted((id, seq), self.handshake.limits()) {
            Ok(Settled::Nothing) => {}
            Ok(settled) => {
                subscription.reached(now);
                self.settle(entity, settled);
            }
            Err(_) => self.start_over(entity),
        }
    }

    fn on_gone(&mut self, id: &EntityId, fault: &Fault) {
        let report = self.handshake.kind(id.kind());
        let is_singleton = report.is_some_and(|report| report.singleton);
        if id.id().is_none() && !is_singleton {
            // No entity has such a name, so it is said of the watch.
            self.unwatchable(id.kind(), fault);
            return;
        }
        let watch = self.subscriptions.watch_mut(id.kind());
        if watch.is_some_and(|watch| watch.remove(id)) {
            self.events
                .push_back(Event::ItemGone { entity: id.clone() });
        }
        self.lose(id, fault);
    }

    fn on_error(&mut self, fault: Fault, entity: Option<EntityId>, id: Option<ProposalId>) {
        if let Some(request) = id.and_then(|id| self.requests.answered(id)) {
            self.events
                .push_back(Event::request_failed(request.number, Vec::new(), fault));
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
            // An older server that does not know `ping`. It answered, which is all that was asked.
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
