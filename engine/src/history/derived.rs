//! What follows from one entry and the log before it: its effects and its conflicts. A store keeps
//! this as a cache.

use automerge::{Change, ChangeHash};
use serde::{Deserialize, Serialize};

use crate::conflicts::{Around, Conflict, conflicts};
use crate::effects::{Effect, effects};
use crate::entity::{Entity, LoadError};
use crate::ledger::{EntryKind, Logged};
use crate::policy::PolicySource;

/// The effects and conflicts of one entry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Derived {
    /// What it changed.
    pub effects: Vec<Effect>,
    /// Which of its writes were made at the same time as another write.
    pub conflicts: Vec<Conflict>,
}

/// What a store has kept of an entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    /// All that follows from it.
    All(Derived),
    /// Its effects alone, as earlier versions kept them.
    Effects(Vec<Effect>),
}

impl Kept {
    /// What was kept. Earlier versions kept no conflicts.
    #[must_use]
    pub fn derived(self) -> Derived {
        match self {
            Self::All(derived) => derived,
            Self::Effects(effects) => Derived {
                effects,
                ..Derived::default()
            },
        }
    }

    /// Whether this is what an entry was found to have done, as far as it was kept.
    #[must_use]
    pub fn agrees(&self, found: &Derived) -> bool {
        match self {
            Self::All(kept) => kept == found,
            Self::Effects(kept) => *kept == found.effects,
        }
    }
}

impl Derived {
    /// As a store keeps it: see `docs/storage-format.md`.
    #[must_use]
    pub fn encode(effects: &[Effect], conflicts: &[Conflict]) -> Vec<u8> {
        #[derive(Serialize)]
        struct Borrowed<'a> {
            effects: &'a [Effect],
            conflicts: &'a [Conflict],
        }
        let borrowed = Borrowed { effects, conflicts };
        serde_json::to_vec(&borrowed).expect("effects and conflicts are plain JSON")
    }

    /// Reads what [`Self::encode`] or an earlier version wrote; `None` for anything else.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Kept> {
        if bytes.first() == Some(&b'[') {
            return serde_json::from_slice(bytes).ok().map(Kept::Effects);
        }
        serde_json::from_slice(bytes).ok().map(Kept::All)
    }

    /// Advances `entity` by one entry of its log and derives what admission derived when the entry
    /// was made.
    ///
    /// A genesis, at an entity that is at it, has the effects that lead to it from nothing.
    ///
    /// # Errors
    /// [`LoadError`] when the entry does not follow or does not apply; the entity is unchanged then.
    pub fn of(
        entity: &mut Entity,
        entry: Logged<'_>,
        policies: &dyn PolicySource,
    ) -> Result<Self, LoadError> {
        let value = match entry.kind {
            EntryKind::Genesis => std::sync::Arc::default(),
            _ => std::sync::Arc::clone(entity.value()),
        };
        let before = entity.doc().get_heads();
        entity.replay([entry], policies)?;
        let conflicts = match entry.kind {
            EntryKind::Changes => of_changes(entity, &before, entry.changes),
            _ => Vec::new(),
        };
        Ok(Self {
            effects: effects(entity.policy(), &value, entity.value()),
            conflicts,
        })
    }
}

fn of_changes(entity: &Entity, before: &[ChangeHash], changes: &[Vec<u8>]) -> Vec<Conflict> {
    let changes = changes.iter().map(Vec::as_slice).map(Change::try_from);
    let changes: Vec<Change> = changes.filter_map(Result::ok).collect();
    let around = Around {
        doc: entity.doc(),
        policy: entity.policy(),
        actors: entity.actors(),
        before,
        after: &entity.doc().get_heads(),
    };
    conflicts(around, &changes.iter().collect::<Vec<_>>())
}

/// Whether an entry's changes were all made with everything before it in sight, which left the
/// document at the heads `before`. Then it has no conflicts.
#[must_use]
pub fn is_sequential(before: &[crate::id::Hash], changes: &[Vec<u8>]) -> bool {
    let changes = changes.iter().map(Vec::as_slice).map(Change::try_from);
    let Ok(changes) = changes.collect::<Result<Vec<Change>, _>>() else {
        return false;
    };
    let before: Vec<ChangeHash> = before.iter().map(|hash| (*hash).into()).collect();
    crate::conflicts::is_sequential(&before, &changes.iter().collect::<Vec<_>>())
}
