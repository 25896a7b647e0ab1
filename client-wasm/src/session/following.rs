//! How a session asks for entities and kinds: when they are opened, after each welcome, and again
//! where the server could not serve them or lost step.

use indelible_engine::id::{EntityId, Kind};
use indelible_engine::protocol::{ClientFrame, KindMode, Mode};
use indelible_engine::time::Timestamp;

use super::{REPLICAS, Session};
use crate::error::CallError;
use crate::event::{Event, Fault};
use crate::subscription::Resync;
use crate::subscriptions::Watch;

impl Session {
    /// Follows an entity: `kind/id`, or the kind of a singleton.
    ///
    /// # Errors
    /// [`CallError::Name`].
    pub fn open(&mut self, entity: &str) -> Result<(), CallError> {
        let id: EntityId = entity.parse()?;
        if self.subscriptions.open(&id) && self.handshake.is_ready() {
            self.send_open(&id);
        }
        Ok(())
    }

    /// Follows an entity no longer; its pending edits are dropped.
    pub fn close(&mut self, entity: &str) {
        let Ok(id) = entity.parse() else {
            return;
        };
        if self.subscriptions.close(&id) && self.handshake.is_ready() {
            self.send(&ClientFrame::Close { entity: id });
        }
    }

    /// Reports the whole value of an entity again, because the program could not apply a patch.
    pub fn resync(&mut self, entity: &str) {
        let Ok(id) = entity.parse() else {
            return;
        };
        let subscription = self.subscriptions.get_mut(&id);
        if subscription.is_some_and(|one| one.resync() == Resync::Ask) {
            self.reopen(&id);
        }
    }

    /// Follows the values of all entities of a kind.
    ///
    /// # Errors
    /// [`CallError::Name`].
    pub fn watch(&mut self, kind: &str) -> Result<(), CallError> {
        let kind: Kind = kind.parse()?;
        if self.subscriptions.watch(&kind) && self.handshake.is_ready() {
            self.send_watch(&kind);
        }
        Ok(())
    }

    /// Follows a kind no longer.
    pub fn unwatch(&mut self, kind: &str) {
        let Ok(kind) = kind.parse::<Kind>() else {
            return;
        };
        if !self.subscriptions.unwatch(&kind) || !self.handshake.is_ready() {
            return;
        }
        self.send(&ClientFrame::Unwatch { kind: kind.clone() });
        // Values that came with the watch need a subscription of their own now.
        if self.handshake.mode(&kind) == KindMode::Value {
            for id in self.subscriptions.of_kind(&kind) {
                self.send_open(&id);
            }
        }
    }

    /// Whether values of an entity come with a watch of its kind, so that it needs no own `open`.
    pub(super) fn comes_with_watch(&self, entity: &EntityId) -> bool {
        let watch = self.subscriptions.watch_of(entity.kind());
        self.handshake.mode(entity.kind()) == KindMode::Value && watch.is_some_and(Watch::is_served)
    }

    /// Asks for an entity, from where we have it.
    pub(super) fn send_open(&mut self, id: &EntityId) {
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            subscription.asked();
        }
        let mode = match self.handshake.mode(id.kind()) {
            KindMode::Replica if !REPLICAS => return self.ask_for_full_core(),
            KindMode::Replica => Mode::Replica,
            KindMode::Value => Mode::Value,
            KindMode::None => {
                let fault = self.handshake.unreadable(id.kind(), id.to_string());
                self.lose(id, &fault);
                return;
            }
        };
        if let Some(fault) = self.handshake.misnamed(id) {
            self.lose(id, &fault);
            return;
        }
        if self.comes_with_watch(id) {
            // Who begins to follow late gets what was reported before by asking for the kind again.
            let watch = self.subscriptions.watch_of(id.kind());
            if watch.is_some_and(|watch| watch.has_reported(id)) {
                self.watch_again(id.kind());
            }
            return;
        }
        if let Some(frame) = self.subscriptions.get(id).map(|one| one.open(mode)) {
            self.send(&frame);
        }
    }

    /// Something is asked for that only the full core can give.
    fn ask_for_full_core(&mut self) {
        if !self.needs_full_core {
            self.needs_full_core = true;
            self.events.push_back(Event::NeedsFullCore);
        }
    }

    /// Asks for an entity again on a connection on which it may be open.
    pub(super) fn reopen(&mut self, id: &EntityId) {
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            subscription.lacks();
        }
        if !self.handshake.is_ready() {
            return;
        }
        if !self.comes_with_watch(id) {
            self.send(&ClientFrame::Close { entity: id.clone() });
        }
        self.send_open(id);
    }

    /// Asks for everything again; pending edits are kept if they still apply.
    pub(super) fn start_over(&mut self, id: &EntityId) {
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            subscription.start_over();
            self.reopen(id);
        }
    }

    pub(super) fn watch_again(&mut self, kind: &Kind) {
        self.send(&ClientFrame::Unwatch { kind: kind.clone() });
        self.send_watch(kind);
    }

    pub(super) fn send_watch(&mut self, kind: &Kind) {
        let mode = self.handshake.mode(kind);
        let Some(watch) = self.subscriptions.watch_mut(kind) else {
            return;
        };
        watch.ask(mode != KindMode::None);
        if mode == KindMode::None {
            let fault = self.handshake.unreadable(kind, kind.to_string());
            self.events.push_back(Event::Unwatchable {
                kind: kind.clone(),
                fault,
            });
            return;
        }
        if mode == KindMode::Value {
            // Or each of their patches would arrive twice.
            for id in self.subscriptions.of_kind(kind) {
                self.send(&ClientFrame::Close { entity: id });
            }
        }
        self.send(&ClientFrame::Watch { kind: kind.clone() });
    }

    /// The server does not serve a watch that it has not answered yet.
    pub(super) fn unwatchable(&mut self, kind: &Kind, fault: &Fault) {
        let watch = self.subscriptions.watch_mut(kind);
        if watch.is_some_and(Watch::fail) {
            let (kind, fault) = (kind.clone(), fault.clone());
            self.events.push_back(Event::Unwatchable { kind, fault });
        }
    }

    /// Asks again for what is to be followed and has waited for long enough.
    pub(super) fn follow_due(&mut self, now: Timestamp) {
        for kind in self.subscriptions.watches_due(now) {
            self.send_watch(&kind);
        }
        for id in self.subscriptions.entities_due(now) {
            self.send_open(&id);
        }
    }
}
