//! What happens in one step of a case: somebody edits, proposes, forges, reconnects or merges.

use std::sync::Arc;

use indelible_engine::admission::Origin;
use indelible_engine::change::server_actor;
use indelible_engine::id::Epoch;
use indelible_engine::merge::{Absent, Base, MergeError, MergeOptions, Protected, merge};
use indelible_engine::time::Timestamp;
use serde_json::{Map, Value};

use super::bodies;
use super::forge::Stand;
use super::spec::Author;
use super::world::{World, principal};

const SYSTEM: Author = Author {
    name: "system",
    edits: true,
    chief: false,
    serves: false,
    system: true,
};

impl World {
    pub(crate) fn create(&mut self) {
        let spec = Arc::clone(&self.spec);
        let author = self.clients[0].author;
        let mut body = self.last().value.clone();
        body.append(&mut bodies::creation(&spec.root, &mut self.dice));
        if spec
            .bounds
            .as_ref()
            .is_some_and(|bounds| !bounds.hold(&body))
        {
            return;
        }
        let options = MergeOptions {
            creation: true,
            protected: Protected::Keep,
            ..MergeOptions::default()
        };
        let changes = self.merged(author, &body, &options).expect("a good body");
        if !changes.is_empty() {
            let whole = self.submit(author, Origin::Creation, changes);
            assert_eq!(whole, None, "a good creation");
        }
    }

    pub(crate) fn step(&mut self) {
        self.now = Timestamp(self.now.0 + 7);
        let client = self.dice.below(self.clients.len());
        let hostile = self.clients[client].hostile;
        match self.dice.below(20) {
            0 => self.reload(client),
            1 => self.restart(),
            2..=4 => self.receive(client),
            5..=7 => self.put(client),
            8..=13 if !hostile => self.edit(client),
            _ if !hostile => self.propose(client),
            _ => self.attack(client),
        }
    }

    fn edit(&mut self, client: usize) {
        let spec = Arc::clone(&self.spec);
        self.clients[client].edit(&spec, &mut self.dice);
    }

    fn propose(&mut self, client: usize) {
        if self.clients[client].pending.is_empty() {
            self.edit(client);
        }
        let changes = std::mem::take(&mut self.clients[client].pending);
        if changes.is_empty() {
            return;
        }
        let author = self.clients[client].author;
        let Some(refused) = self.submit(author, Origin::Client, changes) else {
            return;
        };
        // Others were faster, or the whole would be out of bounds; nothing else stops the honest.
        let known = ["exists", "counter", "maximum", "minimum", "type"];
        let whole = ["required", "maxItems", "maxLength"];
        let expected = |rule: &String| {
            known.contains(&rule.as_str())
                || self.spec.bounds.is_some() && whole.contains(&rule.as_str())
        };
        assert!(
            !refused.is_empty() && refused.iter().all(expected),
            "an honest proposal of {author:?} is refused: {refused:?}\n{}",
            self.spec.schema
        );
        self.count("honest refused");
        self.reload(client);
    }

    fn attack(&mut self, client: usize) {
        let spec = Arc::clone(&self.spec);
        for _ in 0..=self.dice.below(2) {
            let meddler = &mut self.clients[client];
            if self.dice.percent(60) {
                meddler.meddle(&spec, &mut self.dice);
            } else {
                meddler.edit(&spec, &mut self.dice);
            }
        }
        let mut changes = Vec::new();
        if self.dice.percent(60) {
            let forger = &self.clients[client];
            let past_heads: Vec<_> = self.records.iter().map(|r| r.heads.clone()).collect();
            let next = 1 + self.forgers.get(&forger.actor()).copied().unwrap_or(0);
            for seq in (next..).take(1 + self.dice.below(2)) {
                let stand = Stand {
                    doc: &self.mirror,
                    catalogue: &self.catalogue,
                    past_heads: &past_heads,
                    actor: forger.actor(),
                    seq,
                };
                changes.push(forger.forge(&stand, &mut self.dice));
            }
        }
        let forger = &mut self.clients[client];
        if changes.is_empty() || self.dice.percent(20) {
            changes.splice(0..0, std::mem::take(&mut forger.pending));
        }
        if changes.is_empty() {
            return;
        }
        let author = forger.author;
        let refused = self.submit(author, Origin::Client, changes);
        self.count(if refused.is_some() {
            "attacks refused"
        } else {
            "attacks admitted"
        });
        if self.dice.percent(50) {
            self.reload(client);
        }
    }

    /// The server writes a value for somebody.
    fn put(&mut self, client: usize) {
        let spec = Arc::clone(&self.spec);
        let author = if self.dice.percent(15) {
            SYSTEM
        } else {
            self.clients[client].author
        };
        let at = self.records.len() - 1 - self.dice.below(self.records.len().min(6));
        let base = &self.records[at];
        let protected = if self.dice.percent(70) {
            Protected::Keep
        } else {
            Protected::Refuse
        };
        let mut options = MergeOptions {
            protected,
            ..MergeOptions::default()
        };
        let body = if self.dice.percent(50) {
            bodies::part(&spec.root, &self.last().value.clone(), &mut self.dice)
        } else {
            options.base = Some(Base {
                value: Value::Object(base.value.clone()),
                heads: base.heads.iter().map(|&head| head.into()).collect(),
                earlier: None,
            });
            if self.dice.percent(50) {
                options.absent = Absent::Removed;
                bodies::whole(&spec.root, &base.value, &mut self.dice)
            } else {
                bodies::part(&spec.root, &base.value, &mut self.dice)
            }
        };
        let before = self.last().value.clone();
        let changes = match self.merged(author, &body, &options) {
            Ok(changes) => changes,
            Err(MergeError::Refused(violations)) => {
                let rules: Vec<&str> = violations.iter().map(|v| v.rule.code()).collect();
                // An item that was deleted since is not left out in silence.
                let bounds = ["maximum", "minimum", "counter", "delete"];
                assert!(
                    protected == Protected::Refuse || rules.iter().all(|r| bounds.contains(r)),
                    "{violations:?} in {body:?}"
                );
                return self.count("merges refused");
            }
            Err(error) => panic!("{error}: {body:?}"),
        };
        let refused = match changes.is_empty() {
            true => None,
            false => self.submit(author, Origin::Server, changes),
        };
        if refused.is_some() {
            let known = [
                "counter",
                "maximum",
                "minimum",
                "required",
                "maxItems",
                "maxLength",
            ];
            let expected = refused
                .iter()
                .flatten()
                .all(|rule| known.contains(&rule.as_str()));
            assert!(
                expected,
                "what merge wrote for {author:?} is refused: {refused:?}\n{body:?}\n{}",
                self.spec.schema
            );
            return self.count("merges refused");
        }
        self.count("merges");
        if options.base.is_none() && protected == Protected::Keep {
            let after = &self.last().value;
            bodies::merged(&spec.root, author, &body, (&before, after), "");
        }
    }

    fn merged(
        &self,
        author: Author,
        body: &Map<String, Value>,
        options: &MergeOptions,
    ) -> Result<Vec<Vec<u8>>, MergeError> {
        let principal = principal(author);
        let actor = server_actor(&self.id, Epoch::FIRST, &principal.id);
        let body = Value::Object(body.clone());
        let merged = merge(&self.entity, &principal, &actor, &body, options)?;
        Ok(merged.changes)
    }
}
