//! What every record of an entity's log says: entries, refusals, and what history keeps of them.

use minicbor::Decoder;

use super::codec::{self, Cbor, Encoded, RecordError, optional, put_optional_bytes, put_principal};
use crate::id::{EntityId, Hash, LogPlace, ProposalId, SessionId};
use crate::principal::Principal;
use crate::time::Timestamp;

/// Which entity a record is about, who caused it, when, and by which policy it was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Which entity.
    pub entity: EntityId,
    /// The place of an entry; for a refusal, of the last entry before the proposal was judged.
    pub place: LogPlace,
    /// The author's name for the proposal.
    pub proposal: Option<ProposalId>,
    /// The author, with the roles at that time.
    pub author: Principal,
    /// The connection that it came over.
    pub session: Option<SessionId>,
    /// When it was judged; in a sealed record never before the record that comes before it.
    pub at: Timestamp,
    /// The policy it was judged by.
    pub policy_hash: Hash,
}

impl Header {
    /// Writes what follows entity, place and number in every record.
    pub(super) fn write_origin(&self, cbor: &mut Cbor<'_>) -> Encoded {
        put_optional_bytes(cbor, self.proposal.as_ref().map(|id| &id.0[..]))?;
        put_principal(cbor, &self.author)?;
        put_optional_bytes(cbor, self.session.as_ref().map(|id| &id.0[..]))?;
        cbor.i64(self.at.0)?.bytes(&self.policy_hash.0)?.ok()
    }

    /// Reads what [`Self::write_origin`] wrote.
    pub(super) fn read_origin(
        decoder: &mut Decoder<'_>,
        entity: EntityId,
        place: LogPlace,
    ) -> Result<Self, RecordError> {
        Ok(Self {
            entity,
            place,
            proposal: optional(decoder, codec::proposal)?,
            author: codec::principal(decoder)?,
            session: optional(decoder, codec::session)?,
            at: Timestamp(decoder.i64()?),
            policy_hash: codec::hash(decoder)?,
        })
    }
}
