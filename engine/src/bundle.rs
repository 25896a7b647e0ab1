//! The whole ledger as one file that anyone can check without a server: lines of JSON.
//!
//! A [`Writer`] makes the lines; a [`Verifier`] reads them one by one and reports the first invalid
//! one. The format is in `docs/ledger-format.md`.
//!
//! A line has one valid spelling, which follows from its content. The memory of a verifier grows
//! with the number of entities, not with that of entries.
//!
//! ```
//! use std::sync::Arc;
//!
//! use indelible_engine::bundle::{Depth, Verifier, Writer};
//! use indelible_engine::entity::Entity;
//! use indelible_engine::id::{Epoch, GlobalSeq, Hash};
//! use indelible_engine::ledger::EntryKind;
//! use indelible_engine::lifecycle;
//! use indelible_engine::limits::Limits;
//! use indelible_engine::schema;
//! use indelible_engine::time::Timestamp;
//!
//! let text = r#"{ "type": "object", "x-indelible": { "kind": "note" }, "properties": {} }"#;
//! let policy = Arc::new(schema::compile("note.json", text).expect("the schema has no mistakes"));
//! let entity = Entity::genesis(&"note/one".parse()?, Epoch::FIRST, &policy);
//! let entry = lifecycle::genesis(&entity, Timestamp(0)).seal(GlobalSeq(1), Timestamp(0), Hash::ZERO);
//!
//! let (mut writer, mut file) = Writer::new(1);
//! file += &writer.policy(policy.hash(), &policy.record());
//! file += &writer.entry(&entry.bytes, entry.hash)?;
//! file += &writer.finish(Timestamp(0));
//!
//! let verify = |file: &str| {
//!     let mut verifier = Verifier::new(Depth::Admission, Limits::default());
//!     file.split_inclusive('\n').try_for_each(|line| verifier.line(line.as_bytes()))?;
//!     verifier.finish()
//! };
//! assert_eq!(verify(&file).expect("nothing was altered").entries, 1);
//!
//! let altered = file.replace("\"by\":\"system\"", "\"by\":\"nobody\"");
//! let fault = verify(&altered).expect_err("it was altered");
//! assert!(fault.to_string().starts_with("line 3 (note/one, epoch 1, seq 0): "), "{fault}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod fault;
mod line;
mod rerun;
mod schemas;
mod verifier;
mod writer;

pub use fault::{Fault, Flaw, RecordName};
pub use line::{FORMAT, LINE_BYTES_MAX, VERSION};
pub use verifier::{Depth, Report, Verifier};
pub use writer::Writer;
