//! `indelible schema replay`: which edits of the past a schema folder would have refused.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use indelible_engine::entity::{Entity, Logged};
use indelible_engine::id::{EntityId, Epoch, Hash, Seq};
use indelible_engine::ledger::{Entry, EntryKind, decode};
use indelible_engine::migration::Hindsight;
use indelible_engine::policy::{Policies, Policy, PolicyBook};
use indelible_engine::violation::Violation;
use serde_json::{Value, json};

use super::compiled;
use crate::cli::print;
use crate::cli::tables::{Table, counted, time};
use crate::storage::{Place, Scope, Store};
use crate::{known_policies, stopped};

/// Entries that are read at a time.
const ENTRIES_AT_ONCE: usize = 1_000;

const EXAMPLES: &str = "\
Examples:
  indelible schema replay ./schema-next --data ./indelible-data
  indelible schema replay ./schema-next --data ./indelible-data --json | jq -r .who | sort | uniq -c";

/// Tell which past edits a new version of a schema folder would have refused
///
/// Every edit in the log of a stopped server is judged by the new schemas, on the state at that time
/// and with the roles that its author had then. Judged is what an edit changed, under the names that
/// the new schemas give: an edit on a field that is renamed is one on the new name.
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

/// How much was judged and found.
#[derive(Debug, Default)]
struct Count {
    edits: u64,
    refused: u64,
}

impl Replay {
    pub(in crate::cli) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let policies = compiled(&self.folder)?;
        let store = stopped::open(&self.data)?;
        let known = known_policies::compile(&store.policies()?);
        let mut count = Count::default();
        let heading = ["WHEN (UTC)", "WHO", "ENTITY", "SEQ", "PLACE", "RULE", "WHY"];
        let mut table = Table::new(&heading).uncut(&[0]);
        let mut tell = |entry: &Entry, violation: &Violation| {
            if self.json {
                return print(&told(entry, violation).to_string());
            }
            let place = match violation.pointer.is_root() {
                true => "(the entity)".to_owned(),
                false => violation.pointer.to_string(),
            };
            table.sentence(vec![
                time(entry.at),
                entry.author.id.clone(),
                entry.entity.to_string(),
                entry.seq.to_string(),
                place,
                violation.rule.code().to_owned(),
                violation.message.clone(),
            ]);
            Ok(())
        };
        judge_all(&store, &policies, &known, &mut count, &mut tell)?;
        if !self.json {
            if count.refused > 0 {
                table.lines().try_for_each(|line| print(&line))?;
            }
            let edits = counted(count.edits, "edit", "edits");
            print(&format!(
                "{} of {edits} would have been refused",
                count.refused
            ))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

type Tell<'a> = dyn FnMut(&Entry, &Violation) -> std::io::Result<()> + 'a;

fn judge_all(
    store: &dyn Store,
    policies: &Policies,
    known: &PolicyBook,
    count: &mut Count,
    tell: &mut Tell<'_>,
) -> Result<(), Box<dyn Error>> {
    for policy in policies.iter() {
        for (id, head) in store.heads(Scope::Kind(policy.kind()), None, usize::MAX)? {
            let mut walk = Walk {
                policy,
                known,
                entity: None,
                hindsight: None,
            };
            let mut epoch = Epoch::FIRST;
            while epoch <= head.epoch {
                entries(store, &id, epoch, |entry, hash| {
                    let violations = walk.step(entry, hash)?;
                    count.edits += u64::from(entry.kind == EntryKind::Changes);
                    count.refused += u64::from(!violations.is_empty());
                    violations
                        .iter()
                        .try_for_each(|violation| tell(entry, violation))?;
                    Ok(())
                })?;
                epoch = epoch.next();
            }
        }
    }
    Ok(())
}

/// Goes through the entries of an epoch.
fn entries(
    store: &dyn Store,
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
            seq = entry.seq.next();
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
}

impl Walk<'_> {
    /// Takes one entry; gives what the schema would have refused of it.
    fn step(&mut self, entry: &Entry, hash: Hash) -> Result<Vec<Violation>, Box<dyn Error>> {
        let logged = Logged::of(entry, hash);
        let after = match self.entity.take() {
            None => Entity::begin(&entry.entity, logged, self.known)?,
            Some(mut entity) => {
                entity.replay([logged], self.known)?;
                entity
            }
        };
        let place = |error| format!("{} at entry {}: {error}", entry.entity, entry.seq);
        let found = match &mut self.hindsight {
            Some(hindsight) if entry.kind == EntryKind::Changes => {
                hindsight.judge(&after, &entry.author).map_err(place)?
            }
            Some(hindsight) => {
                hindsight.pass(&after).map_err(place)?;
                Vec::new()
            }
            None => {
                let hindsight = Hindsight::new(&after, self.policy).map_err(place)?;
                self.hindsight = Some(hindsight);
                Vec::new()
            }
        };
        self.entity = Some(after);
        Ok(found)
    }
}

fn told(entry: &Entry, violation: &Violation) -> Value {
    json!({
        "entity": entry.entity.to_string(),
        "epoch": entry.epoch.0,
        "seq": entry.seq.0,
        "when": entry.at.to_rfc3339(),
        "who": entry.author.id,
        "roles": entry.author.roles,
        "pointer": violation.pointer.to_string(),
        "rule": violation.rule.code(),
        "message": violation.message,
    })
}
