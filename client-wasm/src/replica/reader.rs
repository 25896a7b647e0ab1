//! What a session has in the place of replicas in the reader core, for pages that only show values.
//!
//! [`Replica`] has no value, so that everything that only replicas need, Automerge first of all, is
//! not reached and not linked. Its methods are those that a session calls on a real one.

#![allow(
    clippy::needless_pass_by_value,
    clippy::needless_pass_by_ref_mut,
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "the signatures are those of the full core"
)]

use std::sync::Arc;

use indelible_engine::entity::LoadError;
use indelible_engine::id::{EntityId, Epoch, Hash, ProposalId, Seq};
use indelible_engine::limits::Limits;
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use indelible_engine::protocol::EntryReport;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    Author, EditOptions, Edited, Located, Losses, News, Proposed, Refused, Settled, Snapshot,
    TypedEdit,
};
use crate::error::CallError;
use crate::event::{ConflictView, DroppedView};

/// A replica, which does not exist.
#[derive(Debug)]
pub(crate) enum Replica {}

impl Replica {
    pub(crate) fn load(
        id: &EntityId,
        _: &str,
        _: &Arc<Policy>,
        snapshot: &Snapshot<'_>,
    ) -> Result<Self, LoadError> {
        Err(LoadError::Change {
            entity: id.clone(),
            seq: snapshot.seq,
            reason: "this module shows values only".to_owned(),
        })
    }

    pub(crate) fn read<T: DeserializeOwned>(&self, _: &str) -> Result<T, CallError> {
        match *self {}
    }

    pub(crate) fn place(&self) -> (Epoch, Seq, Hash) {
        match *self {}
    }

    pub(crate) fn policy(&self) -> &Arc<Policy> {
        match *self {}
    }

    pub(crate) fn pending(&self) -> usize {
        match *self {}
    }

    pub(crate) fn remember(&mut self, _: u64) {
        match *self {}
    }

    pub(crate) fn apply(
        &mut self,
        _: &[EntryReport],
        _: Map<String, Value>,
        _: &Limits,
    ) -> Result<Settled, LoadError> {
        match *self {}
    }

    pub(crate) fn hidden(&mut self) -> Losses {
        match *self {}
    }

    pub(crate) fn admitted(
        &mut self,
        _: (ProposalId, Seq),
        _: &Limits,
    ) -> Result<Settled, LoadError> {
        match *self {}
    }

    pub(crate) fn is_in_flight(&self, _: ProposalId) -> bool {
        match *self {}
    }

    pub(crate) fn edit(
        &mut self,
        _: &Author<'_>,
        _: u64,
        _: &Value,
        _: &EditOptions,
    ) -> Result<(Edited, bool), CallError> {
        match *self {}
    }

    pub(crate) fn conflicts(&mut self) -> Vec<ConflictView> {
        match *self {}
    }

    pub(crate) fn dismiss(&mut self, _: &Pointer) {
        match *self {}
    }

    pub(crate) fn keep(
        &mut self,
        _: &Author<'_>,
        _: u64,
        _: &Pointer,
    ) -> Result<(Edited, bool), CallError> {
        match *self {}
    }

    pub(crate) fn bring_back(
        &mut self,
        _: &Author<'_>,
        _: u64,
        _: (&str, &[DroppedView]),
    ) -> Result<(Edited, bool), CallError> {
        match *self {}
    }

    pub(crate) fn poll(&mut self) -> Option<News> {
        match *self {}
    }

    pub(crate) fn forget_reported(&mut self) {
        match *self {}
    }

    pub(crate) fn locate(&self, _: &Pointer, _: &Principal) -> Option<Located> {
        match *self {}
    }

    pub(crate) fn splice(
        &mut self,
        _: &Author<'_>,
        _: u64,
        _: &TypedEdit,
    ) -> Result<(Edited, bool), CallError> {
        match *self {}
    }

    pub(crate) fn send_again(&mut self) {
        match *self {}
    }

    pub(crate) fn next_proposal(
        &mut self,
        _: &Limits,
        _: impl FnOnce() -> ProposalId,
    ) -> Option<Proposed> {
        match *self {}
    }

    pub(crate) fn refused(
        &mut self,
        _: &Refused<'_>,
        _: &Author<'_>,
    ) -> Result<(Option<u64>, Losses), LoadError> {
        match *self {}
    }

    pub(crate) fn discard(&mut self, _: &str, _: &Limits) -> Losses {
        match *self {}
    }

    pub(crate) fn reload(
        &mut self,
        _: &Arc<Policy>,
        _: &Snapshot<'_>,
        _: &Author<'_>,
    ) -> Result<(Option<u64>, Losses, Losses), LoadError> {
        match *self {}
    }
}
