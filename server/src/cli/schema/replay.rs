//! `indelible schema replay`: which edits of the past a schema folder would have refused.

use std::error::Error;
use std::mem;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use indelible_engine::claims::{Claim, Holders, taken_text};
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch, GlobalSeq, Hash, Seq};
use indelible_engine::ledger::{Entry, EntryKind, Logged, decode};
use indelible_engine::migration::Hindsight;
use indelible_engine::policy::{Policies, Policy, PolicyBook};
use indelible_engine::principal::Principal;
use indelible_engine::time::Timestamp;
use indelible_engine::violation::{Rule, Violation};
use serde_json::{Value, json};

use super::{compiled, missing_kinds};
use crate::cli::print;
use crate::cli::tables::{Table, counted, time};
use crate::storage::{Ledger, Place, PolicyTexts, Scope};
use crate::{offline, policy_archive};

/// Entries that are read at a time.
const ENTRIES_AT_ONCE: usize = 1_000;

const EXAMPLES: &str = "\
Examples:
  indelible schema replay ./schema-next --data ./indelible-data
  indelible schema replay ./schema-next --data ./indelible-data --json | jq -r .who | sort | uniq -c";

/// Show which past edits a new version of a schema folder would have refused
///
/// Every edit in the log of a stopped server is judged by the new schemas, on the state at that time
/// and with the roles that its author had then. Judged is what an edit changed, under the names that
/// the new schemas give: an edit on a field that is renamed is one on the new name. Deletions are
/// judged too, and edits that took a `unique` value that another entity had. Kinds that have entities
/// and no schema in the folder are listed on standard error; if the store has none of the folder's
/// kinds, it exits with 1.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Replay {
    /// The schema folder to judge by
    #[arg(value_name = "NEWDIR")]
    folder: PathBuf,

    /// The data directory of a stopped server
    #[arg(long, value_name = "DIR", default_value = "indelible-data")]
    data: PathBuf,

    /// One JSON object a line instead of a table
    #[arg(long)]
    json: bool,
}

impl Replay {
    pub(in crate::cli) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let policies = compiled(&self.folder)?;
        let store = offline::open(&self.data)?;
        let known = policy_archive::compile(&store.policies()?);
        missing_kinds(&*store, &known, (&self.folder, &policies))?;
        let mut past = Past::default();
        past.judge_all(&*store, &policies, &known)?;
        past.settle_claims();
        past.judged.retain(|judged| !judged.violations.is_empty());
        let mut told = past.judged.iter().flat_map(|judged| {
            let violations = judged.violations.iter();
            violations.map(move |violation| (judged, violation))
        });
        if self.json {
            told.try_for_each(|(judged, violation)| {
                print(&document(judged, violation).to_string())
            })?;
            return Ok(ExitCode::SUCCESS);
        }
        let heading = ["WHEN (UTC)", "WHO", "ENTITY", "SEQ", "PLACE", "RULE", "WHY"];
        let mut table = Table::new(&heading).uncut(&[0]);
        told.for_each(|(judged, violation)| table.sentence(row(judged, violation)));
        if !past.judged.is_empty() {
            table.lines().try_for_each(|line| print(&line))?;
        }
        let edits = counted(past.edits, "edit", "edits");
        let refused = past.judged.len();
        print(&format!("{refused} of {edits} would have been refused"))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// An entry that would have been refused, or that changed what its entity claims.
struct Judged {
    global: GlobalSeq,
    entity: EntityId,
    epoch: Epoch,
    seq: Seq,
    kind: EntryKind,
    at: Timestamp,
    author: Principal,
    violations: Vec<Violation>,
    released: Vec<Claim>,
    gained: Vec<Claim>,
}

/// What is known of all entries.
#[derive(Default)]
struct Past {
    judged: Vec<Judged>,
    /// How many edits were judged.
    edits: u64,
}

impl Past {
    fn judge_all(
        &mut self,
        store: &dyn Ledger,
        policies: &Policies,
        known: &PolicyBook,
    ) -> Result<(), Box<dyn Error>> {
        for policy in policies.iter() {
            for (id, head) in store.heads(Scope::Kind(policy.kind()), None, usize::MAX)? {
                let mut walk = Walk {
                    policy,
                    known,
                    entity: None,
                    hindsight: None,
                    claims: Vec::new(),
                };
                let mut epoch = Epoch::FIRST;
                while epoch <= head.epoch {
                    entries(store, &id, epoch, |entry, hash| {
                        self.edits += u64::from(is_edit(entry.kind));
                        self.judged.extend(walk.step(entry, hash)?);
                        Ok(())
                    })?;
                    epoch = epoch.next();
                }
            }
        }
        Ok(())
    }

    /// Looks in the order of the whole log who took what another one had.
    fn settle_claims(&mut self) {
        self.judged.sort_by_key(|judged| judged.global);
        let mut holders = Holders::default();
        for judged in &mut self.judged {
            let entity = &judged.entity;
            judged
                .released
                .iter()
                .for_each(|claim| holders.release(entity, claim));
            for claim in &judged.gained {
                if let Some(holder) = holders
                    .other(entity, claim)
                    .filter(|_| is_edit(judged.kind))
                {
                    judged.violations.push(Violation {
                        change: 0,
                        ops: Vec::new(),
                        pointer: claim.pointer.clone(),
                        rule: Rule::UNIQUE,
                        attempted: Some(claim.value.clone()),
                        kept: None,
                        holder: Some(holder.clone()),
                        bound: None,
                        message: taken_text(holder),
                    });
                }
                holders.hold(entity, claim);
            }
        }
    }
}

/// Whether a principal made it, rather than the server itself.
fn is_edit(kind: EntryKind) -> bool {
    match kind {
        EntryKind::Changes | EntryKind::Deleted | EntryKind::Undeleted => true,
        EntryKind::Genesis | EntryKind::Epoch | EntryKind::Policy => false,
    }
}

/// Goes through the entries of an epoch.
fn entries(
    store: &dyn Ledger,
    id: &EntityId,
    epoch: Epoch,
    mut each: impl FnMut(&Entry, Hash) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut seq = Seq(0);
    loop {
        let from = Place {
            entity: id.clone(),
            epoch,
            seq,
        };
        let stored = store.entries(&from, ENTRIES_AT_ONCE)?;
        if stored.is_empty() {
            return Ok(());
        }
        for record in stored {
            let entry = decode(&record.bytes)?;
            seq = entry.header.place.seq.next();
            each(&entry, record.hash)?;
        }
    }
}

/// One entity on its way through its log, as it was and as it would have been.
struct Walk<'a> {
    policy: &'a Arc<Policy>,
    known: &'a PolicyBook,
    entity: Option<Entity>,
    hindsight: Option<Hindsight>,
    /// What it would have claimed.
    claims: Vec<Claim>,
}

impl Walk<'_> {
    /// Takes one entry; gives what there is to report of it.
    fn step(&mut self, entry: &Entry, hash: Hash) -> Result<Option<Judged>, Box<dyn Error>> {
        let logged = Logged::of(entry, hash);
        let after = match self.entity.take() {
            None => Entity::begin(&entry.header.entity, logged, self.known)?,
            Some(mut entity) => {
                entity.replay([logged], self.known)?;
                entity
            }
        };
        let place = |error| {
            format!(
                "{} at entry {}: {error}",
                entry.header.entity, entry.header.place.seq
            )
        };
        let mut violations = Vec::new();
        let hindsight = match &mut self.hindsight {
            Some(hindsight) => {
                let judged = hindsight.judge(&after, entry.kind, &entry.header.author);
                violations = judged.map_err(place)?;
                hindsight
            }
            none => none.insert(Hindsight::new(&after, self.policy).map_err(place)?),
        };
        self.entity = Some(after);
        let claims = hindsight.claims();
        let before = mem::replace(&mut self.claims, claims);
        let only_in = |some: &[Claim], others: &[Claim]| -> Vec<Claim> {
            let mut some = some.to_vec();
            some.retain(|claim| !others.contains(claim));
            some
        };
        let released = only_in(&before, &self.claims);
        let gained = only_in(&self.claims, &before);
        let quiet = violations.is_empty() && released.is_empty() && gained.is_empty();
        Ok((!quiet).then(|| Judged {
            global: entry.global,
            entity: entry.header.entity.clone(),
            epoch: entry.header.place.epoch,
            seq: entry.header.place.seq,
            kind: entry.kind,
            at: entry.header.at,
            author: entry.header.author.clone(),
            violations,
            released,
            gained,
        }))
    }
}

fn row(judged: &Judged, violation: &Violation) -> Vec<String> {
    let place = match violation.pointer.is_root() {
        true => "(the entity)".to_owned(),
        false => violation.pointer.to_string(),
    };
    vec![
        time(judged.at),
        judged.author.id.clone(),
        judged.entity.to_string(),
        judged.seq.to_string(),
        place,
        violation.rule.code().to_owned(),
        violation.message.clone(),
    ]
}

fn document(judged: &Judged, violation: &Violation) -> Value {
    json!({
        "entity": judged.entity.to_string(),
        "epoch": judged.epoch.0,
        "seq": judged.seq.0,
        "when": judged.at.to_rfc3339(),
        "who": judged.author.id,
        "roles": judged.author.roles,
        "pointer": violation.pointer.to_string(),
        "rule": violation.rule.code(),
        "message": violation.message,
    })
}
