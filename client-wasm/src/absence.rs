//! Names that nothing can be followed under, as far as the last welcome tells: of kinds that there are
//! not or that may not be read, and of entities that their kind cannot have.

use indelible_engine::id::{EntityId, Kind};
use indelible_engine::near;
use indelible_engine::protocol::KindMode;

use crate::event::Fault;
use crate::followed::NOT_FOUND;
use crate::session::Session;

impl Session {
    /// Why nothing of a kind may be followed.
    pub(crate) fn unreadable(&self, kind: &Kind, what: String) -> Fault {
        if self.kinds.contains_key(kind) {
            return Fault::new("forbidden", format!("you may not read {what}"));
        }
        let readable = self
            .kinds
            .iter()
            .filter(|(_, report)| report.mode != KindMode::None);
        let none = format!("there is no kind {kind}");
        let message =
            match near::nearest_ascii(kind.as_str(), readable.map(|(kind, _)| kind.as_str())) {
                Some(near) => format!("{none}; did you mean {near}?"),
                None => none,
            };
        Fault::new("no-kind", message)
    }

    /// Why there can be no entity of that name, though there is its kind.
    pub(crate) fn misnamed(&self, id: &EntityId) -> Option<Fault> {
        let kind = id.kind();
        let message = match (self.kinds.get(kind)?.singleton, id.id()) {
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
