//! A client: a replica made by Automerge alone, that knows no policy.

use automerge::{ActorId, Automerge, Change, ReadDoc};
use indelible_engine::change::client_actor;
use indelible_engine::time::Timestamp;

use super::dice::Dice;
use super::edits;
use super::forge::{self, Stand};
use super::sites::{Site, sites};
use super::spec::{Author, Spec};

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) author: Author,
    pub(crate) hostile: bool,
    pub(crate) doc: Automerge,
    /// How many entries of the log are in the document.
    pub(crate) seen: usize,
    /// Changes that the server has not been asked about.
    pub(crate) pending: Vec<Vec<u8>>,
    names: usize,
}

impl Client {
    pub(crate) fn new(author: Author, hostile: bool) -> Self {
        Self {
            author,
            hostile,
            doc: Automerge::new(),
            seen: 0,
            pending: Vec::new(),
            names: 0,
        }
    }

    /// Starts over from the server's document, under a new actor.
    pub(crate) fn reload(&mut self, doc: Automerge, seen: usize, actors: usize) {
        let number = u8::try_from(actors % 251).unwrap_or(0);
        let now = Timestamp(1_770_000_000_000 + actors as i64);
        self.doc = doc.with_actor(client_actor(now, [number; 10]));
        self.seen = seen;
        self.pending.clear();
    }

    /// Takes entries of the log, in order; false where the document cannot take them.
    pub(crate) fn receive<'a>(&mut self, entries: impl Iterator<Item = &'a [Vec<u8>]>) -> bool {
        for changes in entries {
            let changes = changes.iter().map(|bytes| {
                Change::try_from(bytes.as_slice()).expect("what was admitted is a change")
            });
            if self.doc.apply_changes(changes).is_err() {
                return false;
            }
            self.seen += 1;
        }
        true
    }

    /// A name for a new item or entry, now and then one that others use too.
    fn name(&mut self, dice: &mut Dice) -> String {
        self.names += 1;
        if dice.percent(15) {
            return format!("e{}", dice.below(6));
        }
        format!("{}-{}", self.author.name, self.names)
    }

    /// One change of honest edits; nothing where the author may write nowhere.
    pub(crate) fn edit(&mut self, spec: &Spec, dice: &mut Dice) {
        let mut names: Vec<String> = (0..3).map(|_| self.name(dice)).collect();
        // Positions in the document shift with each edit, so sites are looked up again for each.
        let all: Vec<Site<'_>> = sites(&self.doc, spec);
        let allowed: Vec<&Site<'_>> = all
            .iter()
            .filter(|site| edits::may(site, self.author))
            .collect();
        if allowed.is_empty() {
            return;
        }
        let mut tx = self.doc.transaction();
        for _ in 0..=dice.below(3) {
            let Some(name) = names.pop() else { break };
            let site = dice.pick(&allowed);
            if site.is_taken(&tx, &name) {
                continue;
            }
            let edited = edits::honest(&mut tx, site, self.author, &name, dice);
            // Only a replica that was meddled with can be in the way of an honest edit.
            if let Err(error) = edited {
                assert!(self.hostile, "{error}: an honest edit at {site:?}");
            }
        }
        let (hash, _) = tx.commit();
        self.commit(hash);
    }

    /// One change that does something somewhere.
    pub(crate) fn meddle(&mut self, spec: &Spec, dice: &mut Dice) {
        let all = sites(&self.doc, spec);
        let mut tx = self.doc.transaction();
        for _ in 0..=dice.below(3) {
            // Automerge itself refuses some of it; the rest goes to the server.
            if let Some(site) = dice.try_pick(&all) {
                let _ = edits::wild(&mut tx, site, dice);
            }
        }
        let (hash, _) = tx.commit();
        self.commit(hash);
    }

    fn commit(&mut self, hash: Option<automerge::ChangeHash>) {
        let change = hash.and_then(|hash| self.doc.get_change_by_hash(&hash));
        self.pending
            .extend(change.map(|change| change.raw_bytes().to_vec()));
    }

    /// A change made by hand.
    pub(crate) fn forge(&self, stand: &Stand<'_>, dice: &mut Dice) -> Vec<u8> {
        let honest = self.pending.last();
        match (dice.below(10), honest) {
            (0..=2, Some(honest)) => forge::altered(honest, stand, dice),
            (3, Some(honest)) => forge::garbled(honest, dice),
            (3, None) => forge::garbled(&forge::forged(stand, dice), dice),
            _ => forge::forged(stand, dice),
        }
    }

    pub(crate) fn actor(&self) -> ActorId {
        self.doc.get_actor().clone()
    }
}
