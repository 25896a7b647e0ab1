//! The past of an entity: told, shown, compared, and brought back.
//!
//! Owns everything that is read from entries and their effects rather than from a document.
//! Invariant: what it says of a past state equals what the document says at those heads.
//! Must never know: storage (the caller fetches the records that a question needs), who may read.
//!
//! ```
//! # use std::sync::Arc;
//! # use automerge::{transaction::Transactable, ActorId, Automerge, LoadOptions, ReadDoc, ROOT};
//! # use indelible_engine::admission::{Admitted, Origin, Proposal, admit};
//! # use indelible_engine::change::server_actor;
//! # use indelible_engine::effects::{Effect, json_patch};
//! # use indelible_engine::entity::{Entity, Logged};
//! # use indelible_engine::history::words::{Language, differences};
//! # use indelible_engine::history::*;
//! # use indelible_engine::id::{EntityId, Epoch, GlobalSeq, ProposalId, Seq};
//! # use indelible_engine::ledger::EntryDraft;
//! # use indelible_engine::lifecycle;
//! # use indelible_engine::limits::Limits;
//! # use indelible_engine::merge::{MergeOptions, merge};
//! # use indelible_engine::principal::Principal;
//! # use indelible_engine::schema;
//! # use indelible_engine::time::Timestamp;
//! # use serde_json::{Value, json};
//! # let schema = json!({
//! #     "type": "object",
//! #     "x-indelible": { "kind": "page", "create": ["editor"], "edit": ["editor"],
//! #                      "history": ["editor"], "restore": ["editor"] },
//! #     "properties": {
//! #         "title": { "type": "string" },
//! #         "body": { "type": "string", "x-indelible": { "merge": "text" } },
//! #         "rank": { "type": "integer", "x-indelible": { "write": "system" } }
//! #     }
//! # });
//! # let policy = schema::compile("page.json", &schema.to_string()).expect("it has no mistakes");
//! # let policy = Arc::new(policy);
//! # let id: EntityId = "page/home".parse()?;
//! # let mut page = Entity::genesis(&id, Epoch::FIRST, &policy);
//! # let mut records: Vec<Record> = Vec::new();
//! # let mut log = |mut entity: Entity, draft: EntryDraft, effects: Vec<Effect>| {
//! #     let seq = records.len() as u64;
//! #     let previous = entity.hash();
//! #     let sealed = draft.seal(GlobalSeq(seq + 1), Timestamp(seq as i64 * 60_000), previous);
//! #     entity.confirm(Logged::of(&sealed.entry, sealed.hash));
//! #     records.push(Record::of_sealed(&sealed, effects));
//! #     entity
//! # };
//! # page = log(page.clone(), lifecycle::genesis(&page, Timestamp(0)), Vec::new());
//! # let judged = |page: &Entity, author: &Principal, origin, changes: Vec<Vec<u8>>| -> Admitted {
//! #     let proposal = Proposal::new(ProposalId([1; 16]), author.clone(), origin, changes);
//! #     admit(page, &proposal, Timestamp(0), &Limits::default()).admitted.expect("it is allowed")
//! # };
//! # let alice = Principal::new("alice", ["editor"]);
//! # let steps: [(&Principal, Value); 3] = [
//! #     (&alice, json!({ "title": "Welcome", "body": "A page." })),
//! #     (&Principal::system(), json!({ "rank": 1 })),
//! #     (&alice, json!({ "title": "Home", "body": "A fine page." })),
//! # ];
//! # for (author, body) in steps {
//! #     let creation = page.seq() == Seq(0);
//! #     let options = MergeOptions { creation, ..MergeOptions::default() };
//! #     let actor = server_actor(&id, Epoch::FIRST, &author.id);
//! #     let changes = merge(&page, author, &actor, &body, &options)?.changes;
//! #     let origin = if creation { Origin::Creation } else { Origin::Server };
//! #     let (entity, draft, effects) = judged(&page, author, origin, changes).into_parts();
//! #     page = log(entity, draft, effects);
//! # }
//! # let options = LoadOptions::new().text_encoding(automerge::TextEncoding::Utf16CodeUnit);
//! # let loaded = Automerge::load_with_options(&page.document(), options)?;
//! # for (name, title, actor) in [("bob", "Start", 1), ("carol", "Front", 2)] {
//! #     let mut doc = loaded.clone().with_actor(ActorId::from([actor; 16]));
//! #     let mut tx = doc.transaction();
//! #     tx.put(ROOT, "title", title)?;
//! #     tx.commit();
//! #     let change = doc.get_last_local_change().expect("it was made").raw_bytes().to_vec();
//! #     let author = Principal::new(name, ["editor"]);
//! #     let (entity, draft, effects) = judged(&page, &author, Origin::Client, vec![change]).into_parts();
//! #     page = log(entity, draft, effects);
//! # }
//! // `page` was made by alice, ranked by the system, edited by alice, and then by bob and carol at
//! // the same time; `records` are its log, minute by minute.
//! let mut archive = InMemory(&records);
//!
//! // The timeline: the latest two entries, and where to go on.
//! let query = TimelineQuery { entries_max: 2, ..TimelineQuery::default() };
//! let first = timeline(&mut archive, &query)?;
//! assert_eq!(first.records[0].author.id, "carol");
//! assert_eq!(first.next, Some((Epoch::FIRST, Seq(4))));
//!
//! // The state at a time, by whatever is the shortest way.
//! let place = find(&mut archive, &Point::Time("1970-01-01T00:02:30Z".parse()?))?;
//! let mut kept = std::collections::BTreeMap::new();
//! let mut past = Past { archive: &mut archive, checkpoints: &mut kept, policies: &policy };
//! let then = past.state(place, Some(&State::of(&page)))?;
//! assert_eq!(then.presented(), json!({ "title": "Welcome", "body": "A page.", "rank": 1 }));
//!
//! // What is different since, as a JSON Patch and in words.
//! let later = past.state((Epoch::FIRST, Seq(3)), None)?;
//! assert_eq!(json_patch(&policy, &then.presented(), &later.presented()).len(), 2);
//! let told = differences(&policy, then.value(), later.value());
//! assert_eq!(told[0].sentence(Language::English), "Body: “fine ” added after “A ”");
//! assert_eq!(told[1].sentence(Language::English), "Title changed from “Welcome” to “Home”");
//!
//! // Who set what stands: in the text, letter by letter.
//! let blame = past.blame((Epoch::FIRST, Seq(5)))?;
//! let fields = blame.fields();
//! let runs: Vec<_> = fields[0].runs.iter().map(|run| (run.length, run.by.seq.0)).collect();
//! assert_eq!((fields[0].pointer.to_string(), runs), ("/body".to_owned(), vec![(2, 1), (5, 3), (5, 1)]));
//! assert_eq!((fields[1].pointer.to_string(), &*fields[1].by.author), ("/rank".to_owned(), "system"));
//!
//! // Bob and carol wrote the title at the same time; one of them lost.
//! let races = races(&page, &records);
//! let both = [&races[0].stands, &races[0].lost[0]].map(|one| one.by.as_ref().unwrap().author.as_str());
//! assert!(both == ["bob", "carol"] || both == ["carol", "bob"]);
//!
//! // Alice brings the genesis back, as a new change; the rank is not hers, it stays and is told.
//! let empty = past.state((Epoch::FIRST, Seq(0)), None)?;
//! let actor = server_actor(&id, Epoch::FIRST, "alice");
//! let restored = restore(&page, &alice, &actor, &empty, &RestoreScope::Whole)?;
//! assert_eq!(restored.kept[0].to_string(), "/rank");
//! let after = judged(&page, &alice, Origin::Server, restored.changes);
//! assert_eq!(after.entity().presented(), json!({ "rank": 1 }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod apply;
mod archive;
mod blame;
mod checkpoint;
mod deletions;
mod derived;
mod former;
mod had;
mod items;
mod points;
mod races;
mod reach;
mod record;
mod restore;
mod state;
mod timeline;
pub mod words;

pub use apply::{Misfit, apply, undo};
pub use archive::{Archive, InMemory};
pub use blame::{
    Blame, Blamed, Credit, CreditedRun, Former, Later, Loss, former_names, later_name,
};
pub use checkpoint::{Checkpoints, checkpoint};
pub use deletions::Deletions;
pub use derived::{Derived, Kept, is_sequential};
pub use former::name_former_authors;
pub use had::Had;
pub use points::{FindError, Point, PointError, find};
pub use races::{Contender, Race, races};
pub use reach::{Past, ReachError};
pub use record::{Record, effects_of};
pub use restore::{RestoreError, RestoreScope, Restored, restore};
pub use state::{PastError, Place, State};
pub use timeline::{TimelinePage, TimelineQuery, timeline};
