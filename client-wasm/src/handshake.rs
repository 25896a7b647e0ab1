//! The connection's stage, and what the last welcome said: who we are, what the server takes, and
//! which kinds there are for us.
//!
//! What a welcome said outlives its connection: while offline, edits go on under the same principal
//! and limits.

use std::collections::BTreeMap;

use indelible_engine::id::{EntityId, Kind};
use indelible_engine::limits::Limits;
use indelible_engine::near;
use indelible_engine::principal::Principal;
use indelible_engine::protocol::{KindMode, KindReport};
use indelible_engine::time::Timestamp;

use crate::event::{Fault, KindView, NOT_FOUND};
use crate::replica::Author;

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing is being tried.
    Offline,
    /// A socket is being opened.
    Connecting,
    /// `hello` is sent, `welcome` has not arrived.
    Greeting,
    /// Welcomed.
    Ready,
}

/// The stage of the connection and the last welcome.
#[derive(Debug)]
pub(crate) struct Handshake {
    phase: Phase,
    principal: Option<Principal>,
    limits: Limits,
    kinds: BTreeMap<Kind, KindReport>,
}

impl Handshake {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Offline,
            principal: None,
            limits: Limits::default(),
            kinds: BTreeMap::new(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Whether this is a different person than the one of the last welcome.
    pub(crate) fn is_somebody_else(&self, principal: &Principal) -> bool {
        let before = self.principal.as_ref();
        before.is_some_and(|before| before.id != principal.id)
    }

    /// Takes over what a welcome says; from here on the connection is ready.
    pub(crate) fn welcome(
        &mut self,
        principal: Principal,
        limits: Limits,
        kinds: Vec<KindReport>,
    ) -> Vec<KindView> {
        self.phase = Phase::Ready;
        self.principal = Some(principal);
        self.limits = limits;
        self.kinds = kinds
            .into_iter()
            .map(|report| (report.kind.clone(), report))
            .collect();
        self.kinds.values().map(Into::into).collect()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }

    /// Who edits now; `None` before the first welcome. `fresh` draws an actor.
    pub(crate) fn author(
        &self,
        now: Timestamp,
        fresh: impl FnOnce() -> [u8; 16],
    ) -> Option<Author<'_>> {
        let principal = self.principal.as_ref()?;
        Some(Author {
            principal,
            limits: &self.limits,
            now,
            fresh: fresh(),
        })
    }

    /// What the server said of a kind.
    pub(crate) fn kind(&self, kind: &Kind) -> Option<&KindReport> {
        self.kinds.get(kind)
    }

    /// How the principal may follow a kind.
    pub(crate) fn mode(&self, kind: &Kind) -> KindMode {
        self.kind(kind).map_or(KindMode::None, |report| report.mode)
    }

    /// Why a request about a kind need not wait for a connection: the last welcome had no such kind.
    /// Before the first welcome that is not known, and on a connection the server answers.
    pub(crate) fn never(&self, kind: &Kind) -> Option<Fault> {
        let is_known = self.kinds.is_empty() || self.kinds.contains_key(kind);
        (!is_known && !self.is_ready()).then(|| self.unreadable(kind, String::new()))
    }

    /// Why nothing of a kind may be followed.
    pub(crate) fn unreadable(&self, kind: &Kind, what: String) -> Fault {
        if self.kinds.contains_key(kind) {
            return Fault::new("forbidden", format!("you may not read {what}"));
        }
        let readable = self
            .kinds
            .iter()
            .filter(|(_, report)| report.mode != KindMode::None)
            .map(|(kind, _)| kind.as_str());
        let none = format!("there is no kind {kind}");
        let message = match near::nearest_ascii(kind.as_str(), readable) {
            Some(near) => format!("{none}; did you mean {near}?"),
            None => none,
        };
        Fault::new("no-kind", message)
    }

    /// Why no entity can have that name, although its kind exists.
    pub(crate) fn misnamed(&self, id: &EntityId) -> Option<Fault> {
        let kind = id.kind();
        let message = match (self.kind(kind)?.singleton, id.id()) {
            (false, None) => format!(
                "{kind} is a kind with many entities: give the id of one, as in {kind}/ID, or follow \
                 all of them as a collection"
            ),
            (true, Some(_)) => {
                format!("there is one entity of the kind {kind}, and its name is {kind} alone")
            }
            _ => return None,
        };
        Some(Fault::new(NOT_FOUND, message))
    }
}
