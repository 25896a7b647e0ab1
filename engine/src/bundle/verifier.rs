//! Checks a bundle, line by line; the first fault ends it.
//!
//! A bundle that passes is exactly what a writer makes of an intact ledger: encodings, hashes,
//! chains, the global order, tails and sums. At [`Depth::Admission`], everything in it was rightly
//! admitted too.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::fault::{Fault, Flaw, RecordName};
use super::line::{
    FORMAT, Line, Read, Sum, Tail, VERSION, entry_line, from_base64, refusal_line, root,
};
use super::rerun::{Rerun, RerunContext, rerun};
use super::schemas::Schemas;
use crate::claims::{Holders, Step};
use crate::entity::Entity;
use crate::excerpt::{Short, cut};
use crate::id::{EntityId, GlobalSeq, Hash, LogPlace};
use crate::ledger::{
    Chain, ChainError, REFUSAL_BYTES_MAX, RefusalChain, RefusalRecord, decode, decode_refusal,
};
use crate::limits::Limits;
use crate::policy::{PolicyBook, PolicySource};
use crate::schema;
use crate::time::Timestamp;
use crate::violation::RefusalCode;

/// How much is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// That no record was altered, dropped, inserted or moved.
    Records,
    /// That, and that everything admitted was allowed: admission is run again.
    Admission,
}

/// What a good bundle holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How many policies.
    pub policies: u64,
    /// How many entries.
    pub entries: u64,
    /// How many refusals.
    pub refusals: u64,
    /// How many entities.
    pub entities: u64,
    /// One hash over all records: an auditor who keeps it can recognise a forged bundle later.
    pub root: Hash,
    /// When the bundle says it was made.
    pub made: Timestamp,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Header,
    Policies(u64),
    Entries,
    Refusals,
    Tails,
    Done,
}

/// What is kept of one entity while reading.
#[derive(Debug, Default)]
struct Log {
    chain: Option<Chain>,
    refusals: RefusalChain,
    entity: Option<Entity>,
}

/// Takes the lines of a bundle.
#[derive(Debug)]
pub struct Verifier {
    depth: Depth,
    limits: Limits,
    stage: Stage,
    lines: u64,
    policies: PolicyBook,
    policy: Option<Hash>,
    global: GlobalSeq,
    at: Timestamp,
    logs: BTreeMap<EntityId, Log>,
    tails: BTreeMap<EntityId, Tail>,
    /// The entity of the last refusal or tail.
    last: Option<EntityId>,
    sum: Sum,
    made: Timestamp,
    /// The time of the latest refusal.
    latest: Timestamp,
    schemas: Schemas,
    holders: Holders,
}

/// A flaw, and the record it is in.
struct Found {
    record: Option<Box<RecordName>>,
    flaw: Box<Flaw>,
}

impl Found {
    fn new(record: RecordName, flaw: Flaw) -> Self {
        Self {
            record: Some(Box::new(record)),
            flaw: Box::new(flaw),
        }
    }
}

impl From<Flaw> for Found {
    fn from(flaw: Flaw) -> Self {
        Self {
            record: None,
            flaw: Box::new(flaw),
        }
    }
}

type Checked = Result<(), Found>;

impl Verifier {
    /// A verifier that has read nothing yet. `limits` are those that the changes were judged under.
    #[must_use]
    pub fn new(depth: Depth, limits: Limits) -> Self {
        Self {
            depth,
            limits,
            stage: Stage::Header,
            lines: 0,
            policies: PolicyBook::default(),
            policy: None,
            global: GlobalSeq(0),
            at: Timestamp(i64::MIN),
            logs: BTreeMap::new(),
            tails: BTreeMap::new(),
            last: None,
            sum: Sum::new(),
            made: Timestamp(0),
            latest: Timestamp(0),
            schemas: Schemas::default(),
            holders: Holders::default(),
        }
    }

    /// Takes the next line, with the newline that ends it.
    ///
    /// # Errors
    /// The [`Fault`] that makes the bundle a bad one; what comes after it means nothing.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        self.lines += 1;
        self.take(line).map_err(|found| Fault {
            line: self.lines,
            record: found.record,
            flaw: found.flaw,
        })
    }

    /// Says what the bundle holds, when all its lines were taken.
    ///
    /// # Errors
    /// The [`Fault`] when it is cut off.
    pub fn finish(self) -> Result<Report, Fault> {
        let missing = match self.stage {
            Stage::Header => "the header",
            Stage::Policies(0) | Stage::Entries | Stage::Refusals => "a record or a tail",
            Stage::Policies(_) => "a policy",
            Stage::Tails => "a tail or the trailer",
            Stage::Done => {
                return Ok(Report {
                    policies: self.sum.policies,
                    entries: self.sum.entries,
                    refusals: self.sum.refusals,
                    entities: self.tails.len() as u64,
                    root: root(self.tails.iter()),
                    made: self.made,
                });
            }
        };
        let flaw = match self.lines {
            0 => Flaw::Empty,
            _ => Flaw::End(missing),
        };
        Err(Fault {
            line: self.lines + 1,
            record: None,
            flaw: Box::new(flaw),
        })
    }

    fn take(&mut self, line: &[u8]) -> Checked {
        let read = match self.stage {
            Stage::Header => Read::first(line)?,
            _ => Read::of(line)?,
        };
        match read.line {
            "header" => self.header(&read, line)?,
            "policy" => self.policy(&read, line)?,
            "entry" => self.entry(&read, line)?,
            "refusal" => self.refusal(&read, line)?,
            "tail" => self.tail(&read, line)?,
            // The trailer's own sum covers it.
            "trailer" => return self.trailer(&read, line),
            other => {
                return Err(
                    Flaw::Malformed(format!("no line is called {:?}", Short(other))).into(),
                );
            }
        }
        self.sum.add(line);
        Ok(())
    }

    /// Goes on to a stage, if that may come now.
    fn enter(&mut self, stage: Stage, found: &'static str) -> Checked {
        let open = matches!(
            self.stage,
            Stage::Header | Stage::Policies(1..) | Stage::Done
        );
        if open || stage < self.stage {
            return Err(self.unexpected(found));
        }
        if stage > self.stage {
            self.last = None;
            self.stage = stage;
        }
        Ok(())
    }

    fn unexpected(&self, found: &'static str) -> Found {
        let expected = match self.stage {
            Stage::Header => "the header",
            Stage::Policies(1..) => "a policy",
            Stage::Policies(0) => "a record or a tail",
            Stage::Entries => "an entry, a refusal or a tail",
            Stage::Refusals => "a refusal or a tail",
            Stage::Tails => "a tail or the trailer",
            Stage::Done => "nothing",
        };
        Flaw::Unexpected { found, expected }.into()
    }

    fn header(&mut self, read: &Read<'_>, line: &[u8]) -> Checked {
        if self.stage != Stage::Header {
            return Err(self.unexpected("a header"));
        }
        let version = read.version.unwrap_or(0);
        if version != VERSION {
            return Err(Flaw::Version(version).into());
        }
        let policies = read.policies.unwrap_or(0);
        let header = Line::Header {
            format: FORMAT,
            version,
            policies,
        };
        same(line, header.spell())?;
        self.stage = Stage::Policies(policies);
        Ok(())
    }

    fn policy(&mut self, read: &Read<'_>, line: &[u8]) -> Checked {
        let Stage::Policies(left @ 1..) = self.stage else {
            return Err(self.unexpected("a policy"));
        };
        let (hash, text) = (
            wanted(read.hash, "hash")?,
            wanted(read.text.as_deref(), "text")?,
        );
        same(line, Line::Policy { hash, text }.spell())?;
        if Hash::of(&[text.as_bytes()]) != hash {
            return Err(Flaw::PolicyHash.into());
        }
        if self.policy.is_some_and(|before| before >= hash) {
            let text = "policies must be in the order of their hashes";
            return Err(Flaw::Order(text.to_owned()).into());
        }
        let policy = schema::compile_record(&hash.to_string(), text).map_err(|mistakes| {
            let texts: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            Flaw::Policy(texts.join("; "))
        })?;
        self.policies.insert(Arc::new(policy));
        self.policy = Some(hash);
        self.stage = Stage::Policies(left - 1);
        self.sum.policies += 1;
        Ok(())
    }

    fn entry(&mut self, read: &Read<'_>, line: &[u8]) -> Checked {
        self.enter(Stage::Entries, "an entry")?;
        let (hash, raw) = (wanted(read.hash, "hash")?, wanted(read.raw, "raw")?);
        let bytes = from_base64(raw).ok_or_else(|| Flaw::Malformed("raw is not base64".into()))?;
        let entry = decode(&bytes).map_err(Flaw::from)?;
        let header = &entry.header;
        let place = Some(header.place);
        let at = |flaw| Found::new(RecordName::entry(&header.entity, place), flaw);
        same(line, entry_line(&entry, hash, raw)).map_err(at)?;
        let log = self.logs.entry(header.entity.clone()).or_default();
        let chain = log.chain.get_or_insert_default();
        chain
            .check_decoded(&entry, &bytes, hash)
            .map_err(|error| at(flaw_of(error)))?;
        if entry.global != self.global.next() {
            let text = format!("entry {} follows {}", entry.global, self.global);
            return Err(at(Flaw::Order(text)));
        }
        if header.at < self.at {
            return Err(at(Flaw::Time));
        }
        match self.depth {
            Depth::Records if self.policies.policy(header.policy_hash).is_none() => {
                return Err(at(Flaw::UnknownPolicy(header.policy_hash)));
            }
            Depth::Records => {}
            Depth::Admission => {
                let before = log.entity.take();
                let bench = RerunContext {
                    policies: &self.policies,
                    limits: &self.limits,
                };
                let after = rerun(before, (&entry, hash), &bench).map_err(at)?;
                self.schemas.take(&entry).map_err(at)?;
                settle(&mut self.holders, &header.entity, &after).map_err(at)?;
                log.entity = Some(after.entity);
            }
        }
        (self.global, self.at) = (entry.global, header.at);
        let tail = self.tails.entry(header.entity.clone()).or_default();
        tail.entry = Some((header.place, hash));
        self.sum.entries += 1;
        Ok(())
    }

    fn refusal(&mut self, read: &Read<'_>, line: &[u8]) -> Checked {
        self.enter(Stage::Refusals, "a refusal")?;
        let (hash, raw) = (wanted(read.hash, "hash")?, wanted(read.raw, "raw")?);
        let bytes = from_base64(raw).ok_or_else(|| Flaw::Malformed("raw is not base64".into()))?;
        let record = decode_refusal(&bytes).map_err(Flaw::from)?;
        let header = &record.header;
        let at = |flaw| Found::new(RecordName::refusal(&record), flaw);
        same(line, refusal_line(&record, hash, raw)).map_err(at)?;
        if self.last.as_ref().is_some_and(|last| *last > header.entity) {
            let text = "refusals must be in the order of their entities";
            return Err(at(Flaw::Order(text.to_owned())));
        }
        let log = self.logs.entry(header.entity.clone()).or_default();
        log.refusals
            .check_decoded(&record, &bytes, hash)
            .map_err(|error| at(flaw_of(error)))?;
        let tail = self.tails.entry(header.entity.clone()).or_default();
        plausible(&record, tail, &bytes).map_err(at)?;
        match self.policies.policy(header.policy_hash) {
            None => return Err(at(Flaw::UnknownPolicy(header.policy_hash))),
            Some(policy) if policy.kind() != header.entity.kind() => {
                return Err(at(Flaw::Differs("policy")));
            }
            Some(_) => {}
        }
        self.latest = self.latest.max(header.at);
        (tail.refusals, tail.refusal) = (tail.refusals + 1, Some(hash));
        self.last = Some(header.entity.clone());
        self.sum.refusals += 1;
        Ok(())
    }

    fn tail(&mut self, read: &Read<'_>, line: &[u8]) -> Checked {
        self.enter(Stage::Tails, "a tail")?;
        let Some((entity, tail)) = self.next_tail() else {
            let text = "a tail more than there are entities";
            return Err(Flaw::Order(text.to_owned()).into());
        };
        if read.entity != Some(&*entity.to_string()) {
            let text = format!("the tail of {entity} is expected here");
            return Err(Flaw::Missing(text).into());
        }
        let entity = entity.clone();
        let place = tail.entry.map(|(place, _)| place);
        same(line, tail.line(&entity))
            .map_err(|flaw| Found::new(RecordName::entry(&entity, place), flaw))?;
        self.last = Some(entity);
        Ok(())
    }

    fn next_tail(&self) -> Option<(&EntityId, &Tail)> {
        let after = match &self.last {
            Some(last) => Bound::Excluded(last),
            None => Bound::Unbounded,
        };
        self.tails
            .range::<EntityId, _>((after, Bound::Unbounded))
            .next()
    }

    fn trailer(&mut self, read: &Read<'_>, line: &[u8]) -> Checked {
        self.enter(Stage::Tails, "a trailer")?;
        if let Some((entity, _)) = self.next_tail() {
            let text = format!("the tail of {entity} is expected here");
            return Err(Flaw::Missing(text).into());
        }
        let made = wanted(read.made, "made")?;
        self.made = made
            .parse()
            .map_err(|_| Flaw::Malformed("made is not a time".to_owned()))?;
        if self.made < self.latest.max(self.at) {
            return Err(Flaw::Time.into());
        }
        let trailer = self.sum.trailer(&self.tails, self.made);
        if line != trailer.as_bytes() {
            return Err(Flaw::Sum(trailer.trim_end().to_owned()).into());
        }
        self.stage = Stage::Done;
        Ok(())
    }
}

/// Checks a refusal, as far as its own record and the entity's log show.
fn plausible(record: &RefusalRecord, tail: &Tail, bytes: &[u8]) -> Result<(), Flaw> {
    if bytes.len() > REFUSAL_BYTES_MAX {
        return Err(Flaw::Malformed("a refusal is not that long".to_owned()));
    }
    if !RefusalCode::from(record.code.as_str()).is_recorded() {
        return Err(Flaw::Differs("code"));
    }
    if record.violations_total < record.violations.len() as u64 {
        return Err(Flaw::Differs("number of violations"));
    }
    let judged = record.header.place;
    let there = match tail.entry {
        Some((last, _)) => judged >= LogPlace::FIRST && judged <= last,
        None => judged == LogPlace::FIRST,
    };
    if !there {
        let text = "it was judged after an entry that is not in the log";
        return Err(Flaw::Order(text.to_owned()));
    }
    Ok(())
}

fn same(line: &[u8], spelt: String) -> Result<(), Flaw> {
    if line == spelt.as_bytes() {
        return Ok(());
    }
    const SHOWN_CHARS: usize = 400;
    let shown = cut(spelt.trim_end(), SHOWN_CHARS);
    Err(Flaw::Spelling(shown.into_owned()))
}

fn wanted<T>(field: Option<T>, name: &str) -> Result<T, Flaw> {
    field.ok_or_else(|| Flaw::Malformed(format!("it has no {name}")))
}

fn flaw_of(error: ChainError) -> Flaw {
    match error {
        ChainError::Record { source, .. } => Flaw::Record(source),
        ChainError::Hash { .. } => Flaw::Hash,
        ChainError::Previous { .. } => Flaw::Previous,
        ChainError::Time { .. } => Flaw::Time,
        ChainError::Order { .. } => Flaw::Order("it is not the next of its entity".to_owned()),
        ChainError::Entity { .. } => Flaw::Differs("entity"),
    }
}

/// Continues with what an entry claimed and released; it may not claim what another entity holds.
fn settle(holders: &mut Holders, entity: &EntityId, after: &Rerun) -> Result<(), Flaw> {
    for step in &after.steps {
        match step {
            Step::Release(claim) => holders.release(entity, claim),
            Step::Gain(claim) => {
                if let Some(holder) = holders.other(entity, claim) {
                    let text = format!("unique: {holder} has this value of {}", claim.pointer);
                    return Err(Flaw::Refused(text));
                }
                holders.hold(entity, claim);
            }
        }
    }
    let carried = after.carried.iter();
    carried.for_each(|claim| holders.hold(entity, claim));
    Ok(())
}
