//! What is asked of entities as wholes: that they be created, deleted, or there again.
//!
//! Invariant: each request is answered by one event, and sent again under its id until it is.
//! Must never know: what becomes of an entity that is followed.

use indelible_engine::id::{EntityId, Kind, ProposalId};
use indelible_engine::protocol::ClientFrame;
use indelible_engine::time::Timestamp;

use crate::edit::FRAME_OVERHEAD_BYTES;
use crate::error::CallError;
use crate::event::{Event, Fault};
use crate::followed::Phase;
use crate::session::{Session, json_error, parse};

/// What is asked of an entity as a whole.
#[derive(Debug)]
enum Wanted {
    Created(String),
    Deleted,
    Undeleted,
}

/// A request about a whole entity that was not answered yet.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) number: u32,
    entity: EntityId,
    wanted: Wanted,
    pub(crate) sent: bool,
}

impl Request {
    /// Whether the entity is there once it is done.
    pub(crate) fn brings(&self) -> bool {
        !matches!(self.wanted, Wanted::Deleted)
    }

    pub(crate) fn frame(&self, id: ProposalId) -> ClientFrame {
        let entity = self.entity.clone();
        match &self.wanted {
            Wanted::Created(value) => {
                let value = value.clone();
                ClientFrame::Create { id, entity, value }
            }
            Wanted::Deleted => ClientFrame::Delete { id, entity },
            Wanted::Undeleted => ClientFrame::Undelete { id, entity },
        }
    }
}

impl Session {
    /// Asks for a new entity: `kind/id`, or the kind alone to let the server pick an id. The answer
    /// is an event with the number that is given back.
    ///
    /// # Errors
    /// [`CallError::Name`], [`CallError::Json`], [`CallError::TooBig`].
    pub fn create(&mut self, entity: &str, value: &str, now: Timestamp) -> Result<u32, CallError> {
        let entity = parse::<EntityId>(entity)?;
        serde_json::from_str::<serde::de::IgnoredAny>(value).map_err(json_error)?;
        let max = self
            .limits
            .frame_bytes_max
            .saturating_sub(FRAME_OVERHEAD_BYTES);
        if value.len() > max {
            return Err(CallError::TooBig {
                bytes: value.len(),
                max,
            });
        }
        Ok(self.request(entity, Wanted::Created(value.to_owned()), now))
    }

    /// Asks for an entity to be deleted. The answer is an event with the number that is given back.
    ///
    /// # Errors
    /// [`CallError::Name`].
    pub fn delete(&mut self, entity: &str, now: Timestamp) -> Result<u32, CallError> {
        Ok(self.request(parse(entity)?, Wanted::Deleted, now))
    }

    /// Asks for the deletion of an entity to be undone. The answer is an event with the number that
    /// is given back.
    ///
    /// # Errors
    /// [`CallError::Name`].
    pub fn undelete(&mut self, entity: &str, now: Timestamp) -> Result<u32, CallError> {
        Ok(self.request(parse(entity)?, Wanted::Undeleted, now))
    }

    fn request(&mut self, entity: EntityId, wanted: Wanted, now: Timestamp) -> u32 {
        self.request_numbers += 1;
        let number = self.request_numbers;
        if let Some(fault) = self.never(entity.kind()) {
            self.events.push_back(Event::NotDone {
                request: number,
                violations: Vec::new(),
                fault,
            });
            return number;
        }
        let request = Request {
            number,
            entity,
            wanted,
            sent: false,
        };
        self.requests.insert(self.ids.proposal(now), request);
        number
    }

    /// Why there is nothing to wait for without a connection: the last one had no such kind. Before
    /// the first one nobody knows, and with one the server says.
    fn never(&self, kind: &Kind) -> Option<Fault> {
        let is_known = self.kinds.is_empty() || self.kinds.contains_key(kind);
        (!is_known && self.phase != Phase::Ready).then(|| self.unreadable(kind, String::new()))
    }
}
