//! What a session asks to follow: entities and kinds, when they are opened, after each welcome, and again
//! where the server could not serve them or lost step.
//!
//! Must never know: what the values are.

use std::collections::BTreeMap;

use indelible_engine::id::{EntityId, Kind};
use indelible_engine::protocol::{ClientFrame, KindMode, Mode};
use indelible_engine::time::Timestamp;

use crate::event::{Event, Fault};
use crate::followed::{Known, Phase};
use crate::pause::is_over;
use crate::session::{REPLICAS, Session};

/// A kind that is watched.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Versions of the entities that were told since `watch` was last sent.
    pub(crate) versions: BTreeMap<EntityId, String>,
    /// Whether all present entities have been told on this connection.
    pub(crate) complete: bool,
    /// Whether the server does not serve it.
    pub(crate) failed: bool,
    /// When to ask for it again, since the server could not serve it.
    pub(crate) again: Option<Timestamp>,
}

impl Session {
    /// Whether values of an entity come with a watch of its kind, so that it needs no own `open`.
    pub(crate) fn comes_with_watch(&self, entity: &EntityId) -> bool {
        self.mode(entity.kind()) == KindMode::Value
            && self
                .watches
                .get(entity.kind())
                .is_some_and(|watch| !watch.failed)
    }

    /// Asks for an entity, from where we have it.
    pub(crate) fn send_open(&mut self, id: &EntityId) {
        if let Some(followed) = self.followed.get_mut(id) {
            followed.again = None;
        }
        let mode = match self.mode(id.kind()) {
            KindMode::Replica if !REPLICAS => return self.outgrow(),
            KindMode::Replica => Mode::Replica,
            KindMode::Value => Mode::Value,
            KindMode::None => {
                let fault = self.unreadable(id.kind(), id.to_string());
                self.lose(id, &fault);
                return;
            }
        };
        if let Some(fault) = self.misnamed(id) {
            self.lose(id, &fault);
            return;
        }
        if self.comes_with_watch(id) {
            // Asking for the kind again is how a late-comer gets what the others were told.
            let kind = id.kind().clone();
            let told = |watch: &Watch| watch.complete || watch.versions.contains_key(id);
            if self.watches.get(&kind).is_some_and(told) {
                self.send(&ClientFrame::Unwatch { kind: kind.clone() });
                self.send_watch(&kind);
            }
            return;
        }
        let Some(followed) = self.followed.get(id) else {
            return;
        };
        let fresh = followed.from_scratch;
        let (mut epoch, mut seq, mut hash, mut version) = (None, None, None, None);
        match &followed.known {
            Known::Replica(replica) if mode == Mode::Replica && !fresh => {
                let place = replica.place();
                (epoch, seq, hash) = (Some(place.0), Some(place.1), Some(place.2));
            }
            Known::Value { version: known } if mode == Mode::Value && !fresh => {
                version = Some(known.clone());
            }
            _ => {}
        }
        self.send(&ClientFrame::Open {
            entity: id.clone(),
            mode,
            epoch,
            seq,
            hash,
            version,
        });
    }

    /// Something is asked for that this module cannot give.
    fn outgrow(&mut self) {
        if !self.outgrown {
            self.outgrown = true;
            self.events.push_back(Event::Outgrown);
        }
    }

    /// Asks for an entity anew on a connection that may know it as open.
    pub(crate) fn reopen(&mut self, id: &EntityId) {
        if let Some(followed) = self.followed.get_mut(id) {
            followed.current = false;
        }
        if self.phase != Phase::Ready {
            return;
        }
        if !self.comes_with_watch(id) {
            self.send(&ClientFrame::Close { entity: id.clone() });
        }
        self.send_open(id);
    }

    pub(crate) fn send_watch(&mut self, kind: &Kind) {
        let mode = self.mode(kind);
        let by_value = mode == KindMode::Value;
        let Some(watch) = self.watches.get_mut(kind) else {
            return;
        };
        watch.complete = false;
        watch.again = None;
        watch.failed = mode == KindMode::None;
        watch.versions.clear();
        if watch.failed {
            let fault = self.unreadable(kind, kind.to_string());
            self.events.push_back(Event::Unwatchable {
                kind: kind.clone(),
                fault,
            });
            return;
        }
        if by_value {
            // Or each of their patches would arrive twice.
            for id in self.followed_of(kind) {
                self.send(&ClientFrame::Close { entity: id });
            }
        }
        self.send(&ClientFrame::Watch { kind: kind.clone() });
    }

    /// The server does not serve a watch that it has not answered yet.
    pub(crate) fn unwatchable(&mut self, kind: &Kind, fault: &Fault) {
        let Some(watch) = self.watches.get_mut(kind).filter(|watch| !watch.complete) else {
            return;
        };
        watch.failed = true;
        let (kind, fault) = (kind.clone(), fault.clone());
        self.events.push_back(Event::Unwatchable { kind, fault });
    }

    /// The name of a kind stands for its only entity, or for a watch: whichever was not answered.
    pub(crate) fn follow_again(&mut self, entity: &EntityId, until: Timestamp) {
        let watch = self.watches.get_mut(entity.kind());
        let watch = watch.filter(|watch| entity.id().is_none() && !watch.complete && !watch.failed);
        if let Some(watch) = watch {
            watch.again = Some(until);
        }
        let followed = self.followed.get_mut(entity);
        if let Some(followed) = followed.filter(|followed| !followed.current) {
            followed.again = Some(until);
        }
    }

    /// Asks again for what is to be followed and has waited for long enough.
    pub(crate) fn follow_due(&mut self, now: Timestamp) {
        let is_due = |again: Option<Timestamp>| again.is_some_and(|until| is_over(until, now));
        let watches = self.watches.iter().filter(|(_, watch)| is_due(watch.again));
        for kind in watches.map(|(kind, _)| kind.clone()).collect::<Vec<_>>() {
            self.send_watch(&kind);
        }
        let followed = self.followed.values().filter(|one| is_due(one.again));
        for id in followed.map(|one| one.id.clone()).collect::<Vec<_>>() {
            self.send_open(&id);
        }
    }
}
