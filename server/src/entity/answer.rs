//! Where the outcome of a write goes, and its frame where that is a socket.
//!
//! Invariant: every write is answered exactly once, after its commit.

use std::sync::Arc;

use bytes::Bytes;
use indelible_engine::id::{EntityId, ProposalId};
use indelible_engine::protocol::ServerFrame;
use indelible_engine::violation::Refusal;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::outcome::{Outcome, WriteError};
use crate::config::RETRY_AFTER;
use crate::frames;
use crate::outbox::Outbox;
use crate::room::Taken;

/// What a write of a connection takes until it is answered.
#[derive(Debug)]
#[allow(dead_code, reason = "held")]
pub(crate) struct InFlight {
    /// Among the writes that the connection may have in flight.
    pub(crate) place: OwnedSemaphorePermit,
    /// For what came.
    pub(crate) room: Taken,
}

/// Where the outcome of a write goes.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Onto the socket it came from, behind the entries it caused.
    Socket {
        /// The queue of that socket.
        outbox: Arc<Outbox>,
        /// Freed with the answer.
        in_flight: InFlight,
    },
    /// To the task that waits for it.
    Waiting(oneshot::Sender<Outcome>),
}

/// When an answer is sent to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// At once, on the thread that has it: nobody but its author waits.
    Inline,
    /// By the connection's own task, while further answers are given.
    Queued,
}

impl Answer {
    /// Answers the write `id` to `entity`.
    pub(crate) fn give(
        self,
        entity: &EntityId,
        id: ProposalId,
        outcome: Outcome,
        delivery: Delivery,
    ) {
        match self {
            Self::Socket { outbox, in_flight } => {
                let frame = frame(entity, id, &outcome);
                match delivery {
                    Delivery::Inline => outbox.answer_now(frame),
                    Delivery::Queued => outbox.answer(frame),
                }
                drop(in_flight);
            }
            // The caller may have gone: the write holds all the same.
            Self::Waiting(sender) => drop(sender.send(outcome)),
        }
    }
}

/// The frame of an outcome.
pub(super) fn frame(entity: &EntityId, id: ProposalId, outcome: &Outcome) -> Bytes {
    match outcome {
        Outcome::Written(written) | Outcome::Unchanged(written) => {
            frames::encode(&ServerFrame::Admitted {
                id,
                entity: entity.clone(),
                epoch: written.epoch,
                seq: written.seq,
            })
        }
        Outcome::Refused(refusal) => frames::refused(entity, id, refusal),
        // No verdict: the client asks again.
        Outcome::Failed(failure) if failure.is_passing() => failed(failure, entity, Some(id)),
        Outcome::Failed(failure) => {
            let refusal = Refusal::structural(failure.refusal(), 0, failure.to_string());
            frames::refused(entity, id, &refusal)
        }
    }
}

/// Something cannot be served at present; the frame says when to ask again.
pub(crate) fn failed(failure: &WriteError, entity: &EntityId, id: Option<ProposalId>) -> Bytes {
    let retry = failure.is_passing().then_some(RETRY_AFTER);
    frames::encode(&ServerFrame::Error {
        code: failure.code().to_owned(),
        reason: failure.to_string(),
        entity: Some(entity.clone()),
        id,
        retry: retry.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
    })
}
