//! The core of the client on a real socket: an editor who may be away.

use std::time::{SystemTime, UNIX_EPOCH};

use indelible_client::{
    ConflictView, EditOptions, Event, Session, Status, SyncState, ViolationView,
};
use indelible_engine::splice::{self, Splice};
use indelible_engine::time::Timestamp;
use json_patch::Patch;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::Client;

/// Somebody who edits one entity.
pub(super) struct Editor {
    session: Session,
    link: Option<Client>,
    entity: String,
    seen: Seen,
}

/// The events that the core has emitted.
#[derive(Default)]
struct Seen {
    value: Value,
    revision: Option<u64>,
    status: Option<Status>,
    saved: u64,
    answers: Vec<(u32, Option<Vec<ViolationView>>)>,
    conflicts: Vec<ConflictView>,
    notices: u32,
}

impl Seen {
    fn hear(&mut self, event: Event) {
        match event {
            Event::Value {
                value, revision, ..
            } => (self.value, self.revision) = (value, revision),
            Event::Patch {
                patch, revision, ..
            } => {
                for operation in patch.as_array().unwrap() {
                    self.take(operation);
                }
                self.revision = revision;
            }
            Event::Status {
                entity: Some(_),
                status,
            } => self.status = Some(status),
            Event::Saved { edit, .. } => self.saved = edit,
            Event::Refused { settled, .. } => self.saved = self.saved.max(settled),
            Event::Conflicts { conflicts, .. } => self.conflicts = conflicts,
            Event::Done { request, .. } => self.answers.push((request, None)),
            Event::RequestFailed {
                request,
                violations,
                ..
            } => self.answers.push((request, Some(violations))),
            Event::TokenExpiring => self.notices += 1,
            Event::Gone { fault, .. } => panic!("it is gone: {fault:?}"),
            Event::Disconnect { reason } => panic!("it breaks off: {reason}"),
            _ => {}
        }
    }

    /// Applies one operation of a patch: of RFC 6902, or a splice of a text.
    fn take(&mut self, operation: &Value) {
        if operation["op"] != "splice" {
            let patch: Patch =
                serde_json::from_value(Value::from(vec![operation.clone()])).unwrap();
            return json_patch::patch(&mut self.value, &patch).unwrap();
        }
        let splice: Splice = serde_json::from_value(operation.clone()).unwrap();
        let text = self.value.pointer_mut(operation["path"].as_str().unwrap());
        let text = text.unwrap();
        *text = Value::from(splice::apply(text.as_str().unwrap(), &[splice]).unwrap());
    }

    fn settled(&self) -> bool {
        let Some(status) = &self.status else {
            return false;
        };
        let told = matches!(status.state, SyncState::Synced | SyncState::Refused);
        told && status.pending == 0
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(since.as_millis().try_into().unwrap())
}

impl Editor {
    /// Follows an entity, without a connection.
    pub(super) fn new(entity: &str, seed: u8) -> Self {
        let mut session = Session::new([seed; 32], "tests");
        session.open(entity).unwrap();
        Self {
            session,
            link: None,
            entity: entity.to_owned(),
            seen: Seen::default(),
        }
    }

    /// Sends to the server, and goes on until everything is emitted and answered.
    pub(super) async fn connect(&mut self, authority: &str, token: Option<String>) {
        self.session.connecting();
        self.link = Some(Client::raw(authority, None).await.unwrap());
        self.session.connected(token);
        self.settle().await;
    }

    /// Waits until the server says that the token ends soon, and presents a fresh one.
    pub(super) async fn refresh(&mut self, token: impl FnOnce() -> String) {
        let before = self.seen.notices;
        self.speak_until(|seen| seen.notices > before).await;
        self.session.authenticate(token());
        self.settle().await;
    }

    /// Goes away; what is edited now waits.
    pub(super) fn disconnect(&mut self) {
        self.link = None;
        self.session.disconnected(None);
        self.listen();
    }

    /// Speaks with the server until nothing is on its way.
    pub(super) async fn settle(&mut self) {
        self.speak_until(Seen::settled).await;
    }

    /// The same until the title is shown, which somebody else wrote.
    pub(super) async fn settle_at(&mut self, title: &Value) {
        let enough = |seen: &Seen| seen.settled() && seen.value["title"] == *title;
        self.speak_until(enough).await;
    }

    async fn speak_until(&mut self, enough: impl Fn(&Seen) -> bool) {
        let link = self.link.as_mut().expect("there is a connection");
        loop {
            while let Some(bytes) = self.session.poll_transmit(now()) {
                link.send_raw(Message::Binary(bytes.into())).await;
            }
            let events = self.session.poll_events();
            events.into_iter().for_each(|event| self.seen.hear(event));
            if enough(&self.seen) {
                return;
            }
            match link.message().await {
                Some(Message::Binary(bytes)) => self.session.handle_frame(&bytes, now()).unwrap(),
                other => panic!("no frame: {other:?}"),
            }
        }
    }

    /// Edits what is shown.
    pub(super) fn edit(&mut self, body: &Value) {
        let options = EditOptions {
            revision: self.seen.revision,
            ..EditOptions::default()
        };
        let body = body.to_string();
        let edited = self.session.edit(&self.entity, &body, &options, now());
        let edited = edited.unwrap();
        assert!(!edited.changed.is_empty() && edited.preserved.is_empty());
        self.listen();
    }

    /// Asks for a new entity.
    pub(super) fn create(&mut self, entity: &str, value: &Value) -> u32 {
        let request = self.session.create(entity, &value.to_string(), now());
        request.unwrap()
    }

    pub(super) fn delete(&mut self, entity: &str) -> u32 {
        self.session.delete(entity, now()).unwrap()
    }

    pub(super) fn undelete(&mut self, entity: &str) -> u32 {
        self.session.undelete(entity, now()).unwrap()
    }

    /// What became of what was asked for, in the order of the answers, when there are as many:
    /// nothing to say of what is done, why of what is not.
    pub(super) async fn answers(&mut self, count: usize) -> Vec<(u32, Option<Vec<ViolationView>>)> {
        self.speak_until(|seen| seen.answers.len() >= count).await;
        std::mem::take(&mut self.seen.answers)
    }

    /// What is shown.
    pub(super) fn value(&self) -> &Value {
        &self.seen.value
    }

    pub(super) fn status(&self) -> &Status {
        self.seen.status.as_ref().expect("a status was told")
    }

    /// How many edits are on disk, or reported as lost.
    pub(super) fn settled(&self) -> u64 {
        self.seen.saved
    }

    /// Values of ours that did not stand beside others.
    pub(super) fn conflicts(&self) -> &[ConflictView] {
        &self.seen.conflicts
    }

    /// Writes ours again.
    pub(super) fn keep(&mut self, pointer: &str) {
        self.session.keep(&self.entity, pointer, now()).unwrap();
        self.listen();
    }

    fn listen(&mut self) {
        let events = self.session.poll_events();
        events.into_iter().for_each(|event| self.seen.hear(event));
    }
}
