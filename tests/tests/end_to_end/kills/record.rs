//! What the store holds after a kill, against what was said before it.

use std::collections::HashMap;
use std::path::Path;

use indelible_engine::id::{EntityId, GlobalSeq, Hash, Seq};
use indelible_engine::ledger::{Entry, decode, decode_refusal, verify_chain, verify_refusal_chain};
use indelible_server::config::RefusalSettings;
use indelible_server::storage::redb::RedbStore;
use indelible_server::storage::{Ledger, Refusals};

use super::writer::Writer;
use super::{ENTITIES, Relayed, entity};

/// All that was ever relayed, so that every later kill is asked of it again.
#[derive(Default)]
pub(crate) struct Record {
    relayed: HashMap<(EntityId, Seq), Hash>,
}

struct Log {
    entries: HashMap<(EntityId, Seq), (Entry, Hash)>,
    /// Where each change is.
    places: HashMap<(EntityId, Hash), Seq>,
}

impl Record {
    /// Opens the store that a killed server left and compares; tells the writers which of the
    /// proposals that they had no answer to are in the log.
    pub(crate) fn check(&mut self, data: &Path, writers: &mut [Writer], relayed: &[Relayed]) {
        let store = RedbStore::open(data, RefusalSettings::default()).unwrap();
        let log = read(&store);
        for Relayed { entity, seq, hash } in relayed {
            self.relayed.insert((entity.clone(), *seq), *hash);
        }
        for (place, hash) in &self.relayed {
            let (_, found) = log.entries.get(place).expect("what was relayed is there");
            assert_eq!(found, hash, "and is what was relayed: {place:?}");
        }
        let mut refused = 0;
        for writer in writers {
            for said in &writer.acknowledged {
                let place = (writer.entity.clone(), said.seq);
                let (entry, _) = log
                    .entries
                    .get(&place)
                    .expect("what was acknowledged is there");
                assert_eq!(entry.header.proposal, Some(said.id));
                let found = log.places.get(&(writer.entity.clone(), said.change));
                assert_eq!(found, Some(&said.seq), "{}", writer.name);
                let indexed = store.proposal(&writer.name, said.id).unwrap();
                assert_eq!(indexed.map(|place| place.seq), Some(said.seq));
            }
            refused += writer.refused;
            writer.look_up(|entity, change| log.places.get(&(entity.clone(), change)).copied());
        }
        let recorded: usize = (0..ENTITIES).map(|n| refusals(&store, &entity(n))).sum();
        assert!(
            recorded >= refused,
            "{recorded} of {refused} refusals are there"
        );
    }
}

/// The whole ledger, with its orders and chains checked.
fn read(store: &RedbStore) -> Log {
    let feed = store.feed(GlobalSeq(0), usize::MAX).unwrap();
    let mut log = Log {
        entries: HashMap::new(),
        places: HashMap::new(),
    };
    let mut chains: HashMap<EntityId, Vec<(Vec<u8>, Hash)>> = HashMap::new();
    for (index, stored) in feed.into_iter().enumerate() {
        let entry = decode(&stored.bytes).unwrap();
        assert_eq!(
            entry.global.0,
            index as u64 + 1,
            "the global order has no gaps"
        );
        for change in &entry.changes {
            let change = automerge::Change::try_from(&change[..]).unwrap();
            let key = (entry.header.entity.clone(), Hash::from(change.hash()));
            let earlier = log.places.insert(key, entry.header.place.seq);
            assert_eq!(earlier, None, "a change is in the log twice");
        }
        let chain = chains.entry(entry.header.entity.clone()).or_default();
        chain.push((stored.bytes, stored.hash));
        let place = (entry.header.entity.clone(), entry.header.place.seq);
        log.entries.insert(place, (entry, stored.hash));
    }
    for (entity, chain) in chains {
        let last = verify_chain(chain).unwrap();
        let head = store.head(&entity).unwrap();
        assert_eq!(head.map(|head| head.hash), last, "{entity}");
    }
    log
}

/// How many refusals are recorded on an entity; the later ones of a principal stand for many.
fn refusals(store: &RedbStore, entity: &EntityId) -> usize {
    let all = store.refusals(entity, 0, usize::MAX).unwrap();
    let further: u64 = all
        .iter()
        .map(|stored| decode_refusal(&stored.bytes).unwrap().further)
        .sum();
    let count = all.len();
    verify_refusal_chain(all.into_iter().map(|stored| (stored.bytes, stored.hash))).unwrap();
    count + usize::try_from(further).unwrap()
}
