//! Requests about whole entities: to create, delete or undelete one.
//!
//! Each is answered by one event, and sent again under its id until it is.

use std::collections::BTreeMap;

use indelible_engine::id::{EntityId, ProposalId};
use indelible_engine::protocol::ClientFrame;

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// That the entity be created with this value, as JSON.
    Created(String),
    Deleted,
    Undeleted,
}

#[derive(Debug)]
struct Request {
    number: u32,
    entity: EntityId,
    wanted: Wanted,
    sent: bool,
}

impl Request {
    fn frame(&self, id: ProposalId) -> ClientFrame {
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

/// A request that has been answered.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The number that the caller knows it by.
    pub(crate) number: u32,
    /// Whether the entity exists where the request is granted.
    pub(crate) brings: bool,
}

impl From<Request> for Answered {
    fn from(request: Request) -> Self {
        Self {
            number: request.number,
            brings: !matches!(request.wanted, Wanted::Deleted),
        }
    }
}

/// The requests that have not been answered.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    open: BTreeMap<ProposalId, Request>,
    last_number: u32,
}

impl Requests {
    /// A number for the next request; also for one that is refused before it is sent.
    pub(crate) fn number(&mut self) -> u32 {
        self.last_number += 1;
        self.last_number
    }

    /// Keeps a request until it is answered.
    pub(crate) fn ask(&mut self, number: u32, id: ProposalId, entity: EntityId, wanted: Wanted) {
        let request = Request {
            number,
            entity,
            wanted,
            sent: false,
        };
        self.open.insert(id, request);
    }

    /// Removes the request that an answer is about; `None` where the answer is about an edit.
    pub(crate) fn answered(&mut self, id: ProposalId) -> Option<Answered> {
        self.open.remove(&id).map(Into::into)
    }

    /// Gives all of them up.
    pub(crate) fn abandon(&mut self) -> impl Iterator<Item = Answered> + use<> {
        std::mem::take(&mut self.open).into_values().map(Into::into)
    }

    /// The frames of those that have not been sent on this connection; they count as sent then.
    pub(crate) fn due(&mut self) -> Vec<ClientFrame> {
        let unsent = self.open.iter_mut().filter(|(_, request)| !request.sent);
        unsent
            .map(|(id, request)| {
                request.sent = true;
                request.frame(*id)
            })
            .collect()
    }

    /// Has a request sent again; `false` where the id is not one of a request.
    pub(crate) fn send_again(&mut self, id: ProposalId) -> bool {
        let request = self.open.get_mut(&id);
        request.map(|request| request.sent = false).is_some()
    }

    /// Has all of them sent again on the next connection.
    pub(crate) fn disconnected(&mut self) {
        for request in self.open.values_mut() {
            request.sent = false;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }
}
