//! The server's state of an entity, and the same with our edits: what is shown.
//!
//! Everything that may change what is shown leaves a note here of where, so that a replica that was
//! not touched need not be compared with what was reported of it.

use std::collections::BTreeSet;

use indelible_engine::effects::Effect;
use indelible_engine::entity::{Entity, LoadError};
use indelible_engine::ledger::Logged;
use serde_json::{Map, Value};

/// Where what is shown may have changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Touched {
    Nowhere,
    /// In these fields of the root.
    Fields(BTreeSet<String>),
    Anywhere,
}

impl Touched {
    fn add(&mut self, effects: &[Effect]) {
        let fields = effects.iter().map(|effect| effect.pointer.tokens().first());
        // An effect on the root itself names no field.
        let Some(more) = fields.collect::<Option<Vec<_>>>() else {
            *self = Self::Anywhere;
            return;
        };
        if *self == Self::Nowhere {
            *self = Self::Fields(BTreeSet::new());
        }
        if let Self::Fields(fields) = self {
            fields.extend(more.into_iter().cloned());
        }
    }
}

/// An entity as the server has it and as it is shown.
#[derive(Debug)]
pub(super) struct State {
    /// The log and nothing else.
    confirmed: Entity,
    /// `confirmed` with the pending edits; `None` where there are none.
    local: Option<Entity>,
    stamps: Map<String, Value>,
    touched: Touched,
}

impl State {
    pub(super) fn new(mut confirmed: Entity, stamps: &Map<String, Value>) -> Self {
        confirmed.set_stamps(stamps.clone());
        Self {
            confirmed,
            local: None,
            stamps: stamps.clone(),
            touched: Touched::Anywhere,
        }
    }

    pub(super) fn confirmed(&self) -> &Entity {
        &self.confirmed
    }

    /// The server's state with our edits.
    pub(super) fn shown(&self) -> &Entity {
        self.local.as_ref().unwrap_or(&self.confirmed)
    }

    /// Where it has changed since this was last asked.
    pub(super) fn take_touched(&mut self) -> Touched {
        std::mem::replace(&mut self.touched, Touched::Nowhere)
    }

    /// Takes in entries of the server's log. What is shown follows with [`Self::show`].
    ///
    /// # Errors
    /// When they do not follow; nothing has changed then.
    pub(super) fn advance<'a>(
        &mut self,
        entries: impl IntoIterator<Item = Logged<'a>>,
    ) -> Result<(), LoadError> {
        self.touched = Touched::Anywhere;
        self.confirmed.apply_log(entries)
    }

    /// Takes over the stamps that the server sent with entries.
    pub(super) fn stamp(&mut self, stamps: Map<String, Value>) {
        self.touched = Touched::Anywhere;
        self.confirmed.set_stamps(stamps.clone());
        self.stamps = stamps;
    }

    /// Shows this in the place of the pending edits; `None`: there are none.
    pub(super) fn show(&mut self, local: Option<Entity>) {
        self.touched = Touched::Anywhere;
        self.local = local;
    }

    /// Shows what an edit has made of what is shown now.
    pub(super) fn show_edit(&mut self, edited: Entity, effects: &[Effect]) {
        self.touched.add(effects);
        self.local = Some(self.placed(edited));
    }

    /// The confirmed state with `entry`, which is not in the server's log, on top.
    pub(super) fn with(&self, entry: Logged<'_>) -> Result<Entity, LoadError> {
        let mut entity = self.confirmed.clone();
        entity.apply_log([entry])?;
        Ok(self.placed(entity))
    }

    /// Edits take no place in the log before the server gives them one, and leave no stamp.
    fn placed(&self, mut entity: Entity) -> Entity {
        entity.stand_at(self.confirmed.seq(), self.confirmed.hash());
        entity.set_stamps(self.stamps.clone());
        entity
    }
}
