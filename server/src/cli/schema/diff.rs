//! `indelible schema diff`: what a new version of a schema folder changes, for whom, and for which
//! of the entities that are there.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use indelible_engine::claims::{Claim, Holders, held_by, taken_text};
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Kind};
use indelible_engine::migration::{MigrationError, Obstacle, migrate};
use indelible_engine::policy::{Fault, Policies, Policy};
use indelible_engine::schema::{Alteration, Difference, compare};
use serde_json::{Value, json};

use super::narrowed::{self, Written};
use super::{compiled, missing_kinds};
use crate::cli::print;
use crate::cli::tables::{Table, counted};
use crate::entity;
use crate::storage::{Ledger, PolicyTexts, Presence, Scope};
use crate::{clock, offline, policy_archive};

const EXAMPLES: &str = "\
Examples:
  indelible schema diff ./schema ./schema-next
  indelible schema diff ./schema ./schema-next --data ./indelible-data
  indelible schema diff ./schema ./schema-next --json | jq '.kinds[].differences'";

/// Show what a new version of a schema folder changes, and for whom
///
/// Fields that are added, removed and renamed, constraints that allow less or more, and for every
/// role what it may do that it might not before, and the other way round. With --data also which
/// entities of a stopped server cannot migrate, which become invalid, and which hold values that
/// fewer may write, with their authors. Kinds that have entities and no schema in NEW are listed on
/// standard error. Exits with 1 if the new schemas cannot follow the old ones, or if the store has
/// none of their kinds.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Diff {
    /// The schema folder as it is
    #[arg(value_name = "OLD")]
    old: PathBuf,

    /// The schema folder as it shall be
    #[arg(value_name = "NEW")]
    new: PathBuf,

    /// The data directory of a stopped server: look at the entities in it too
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// One JSON document instead of text
    #[arg(long)]
    json: bool,
}

/// What changed about one kind.
struct Changed {
    kind: String,
    differences: Vec<Difference>,
}

/// An entity that the new schema does not leave as good as it is.
struct Concerned {
    entity: EntityId,
    /// What keeps it from going over.
    obstacles: Vec<Obstacle>,
    /// What is wrong with it afterwards that was not before.
    faults: Vec<Fault>,
    /// Its values that fewer may write afterwards.
    narrowed: Vec<Written>,
}

/// What was seen of the entities in a store.
struct Seen {
    concerned: Vec<Concerned>,
    /// The kinds of entities that were not looked at, since the folder has no schema of theirs.
    missing: Vec<Kind>,
}

impl Concerned {
    fn is_any(&self) -> bool {
        !(self.obstacles.is_empty() && self.faults.is_empty() && self.narrowed.is_empty())
    }
}

impl Diff {
    pub(in crate::cli) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let (old, new) = (compiled(&self.old)?, compiled(&self.new)?);
        let kinds = changed(&old, &new);
        let concerned = match &self.data {
            Some(data) => Some(look(data, (&self.new, &new))?),
            None => None,
        };
        if self.json {
            print(&serde_json::to_string_pretty(&document(
                &kinds,
                concerned.as_ref().map(|seen| &*seen.concerned),
            ))?)?;
        } else {
            show(&kinds)?;
            if let Some(seen) = &concerned {
                show_entities(seen)?;
            }
        }
        let refused = |changed: &Changed| {
            let mut all = changed.differences.iter();
            all.any(|difference| difference.alteration == Alteration::Refused)
        };
        let stuck = |concerned: &Concerned| !concerned.obstacles.is_empty();
        let bad = kinds.iter().any(refused)
            || concerned.iter().flat_map(|seen| &seen.concerned).any(stuck);
        Ok(if bad {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}

fn changed(old: &Policies, new: &Policies) -> Vec<Changed> {
    let whole = |policy: &Policy, alteration, message: &str| Changed {
        kind: policy.kind().to_string(),
        differences: vec![Difference {
            pointer: Default::default(),
            alteration,
            roles: Default::default(),
            message: message.to_owned(),
        }],
    };
    let mut kinds = Vec::new();
    for policy in old.iter() {
        match new.get(policy.kind()) {
            None => {
                let message = "the kind; its entities are kept and out of reach";
                kinds.push(whole(policy, Alteration::Removed, message));
            }
            Some(later) => {
                let differences = compare(policy, later);
                if !differences.is_empty() {
                    let kind = policy.kind().to_string();
                    kinds.push(Changed { kind, differences });
                }
            }
        }
    }
    let news = new.iter().filter(|policy| old.get(policy.kind()).is_none());
    kinds.extend(news.map(|policy| whole(policy, Alteration::Added, "the kind")));
    kinds.sort_by(|a, b| a.kind.cmp(&b.kind));
    kinds
}

/// Takes every entity over without writing anything, and looks at what comes of it.
fn look(data: &Path, (folder, new): (&Path, &Policies)) -> Result<Seen, Box<dyn Error>> {
    let store = offline::open(data)?;
    let known = policy_archive::compile(&store.policies()?);
    let missing = missing_kinds(&*store, &known, (folder, new))?;
    let mut concerned = Vec::new();
    for policy in new.iter() {
        let (mut claims, mut of_kind) = (Claims::default(), Vec::new());
        for (id, head) in store.heads(Scope::Kind(policy.kind()), None, usize::MAX)? {
            if head.presence == Presence::Unborn {
                continue;
            }
            if let Some(loaded) = entity::load(&*store, &id, &known)? {
                let mut one = fate(&loaded.entity, policy, &mut claims)?;
                one.narrowed = narrowed::written(&*store, &loaded.entity, policy, &known)?;
                of_kind.push(one);
            }
        }
        for one in &mut of_kind {
            one.faults.extend(claims.doubles(&one.entity));
        }
        of_kind.retain(Concerned::is_any);
        concerned.append(&mut of_kind);
    }
    Ok(Seen { concerned, missing })
}

/// What the entities of a kind claim, before and after.
#[derive(Default)]
struct Claims {
    before: Holders,
    after: Holders,
    by_entity: BTreeMap<EntityId, Vec<Claim>>,
}

impl Claims {
    fn add(&mut self, before: &Entity, after: &Entity) {
        let id = before.id();
        let old = held_by(before);
        old.iter().for_each(|claim| self.before.hold(id, claim));
        let claims = held_by(after);
        claims.iter().for_each(|claim| self.after.hold(id, claim));
        self.by_entity.insert(id.clone(), claims);
    }

    /// What an entity has that becomes unique while another one has it too.
    fn doubles(&self, id: &EntityId) -> Vec<Fault> {
        let claims = self.by_entity.get(id).into_iter().flatten();
        let doubles = claims.filter_map(|claim| {
            let other = self.after.other(id, claim)?;
            let is_new = self.before.other(id, claim).is_none();
            is_new.then(|| Fault::new(claim.pointer.clone(), "unique", taken_text(other)))
        });
        doubles.collect()
    }
}

/// What keeps an entity from going over, or what is wrong with it then that was not before.
fn fate(
    entity: &Entity,
    policy: &Arc<Policy>,
    claims: &mut Claims,
) -> Result<Concerned, Box<dyn Error>> {
    let mut concerned = Concerned {
        entity: entity.id().clone(),
        obstacles: Vec::new(),
        faults: Vec::new(),
        narrowed: Vec::new(),
    };
    let before = entity.policy().check_whole(&entity.presented());
    match migrate(entity, policy, clock::now()) {
        Ok(None) => {}
        Ok(Some(step)) => {
            claims.add(entity, step.entity());
            concerned.faults = policy.check_whole(&step.entity().presented());
            concerned.faults.retain(|fault| {
                let same =
                    |old: &&Fault| old.pointer == fault.pointer && old.keyword == fault.keyword;
                before.iter().find(same).is_none()
            });
        }
        Err(MigrationError::Schema(obstacles) | MigrationError::Values(obstacles)) => {
            concerned.obstacles = obstacles;
        }
        Err(error @ MigrationError::Document(_)) => return Err(error.into()),
    }
    Ok(concerned)
}

fn document(kinds: &[Changed], concerned: Option<&[Concerned]>) -> Value {
    let kinds: Vec<Value> = kinds
        .iter()
        .map(|changed| json!({ "kind": changed.kind, "differences": changed.differences }))
        .collect();
    let mut document = json!({ "kinds": kinds });
    if let Some(concerned) = concerned {
        let told =
            |pointer: String, message: &str| json!({ "pointer": pointer, "message": message });
        let entity = |concerned: &Concerned| {
            let obstacles = concerned.obstacles.iter();
            let faults = concerned.faults.iter();
            json!({
                "entity": concerned.entity.to_string(),
                "cannot": obstacles
                    .map(|o| told(o.pointer.to_string(), &o.reason))
                    .collect::<Vec<_>>(),
                "invalid": faults
                    .map(|f| told(f.pointer.to_string(), &f.message))
                    .collect::<Vec<_>>(),
                "narrowed": concerned.narrowed.iter().map(Written::object).collect::<Vec<_>>(),
            })
        };
        document["entities"] = concerned.iter().map(entity).collect();
    }
    document
}

fn show(kinds: &[Changed]) -> Result<(), Box<dyn Error>> {
    if kinds.is_empty() {
        print("nothing is another")?;
    }
    for Changed { kind, differences } in kinds {
        let mut table = Table::new(&["  PLACE", "CHANGE", "FOR", "WHAT"]);
        for difference in differences {
            let place = match difference.pointer.is_root() {
                true => format!("  {kind}"),
                false => format!("  {}", difference.pointer),
            };
            let change = match serde_json::to_value(difference.alteration) {
                Ok(Value::String(word)) => word,
                _ => String::new(),
            };
            let roles: Vec<&str> = difference.roles.iter().map(String::as_str).collect();
            table.sentence(vec![
                place,
                change,
                roles.join(", "),
                difference.message.clone(),
            ]);
        }
        print(kind)?;
        table.lines().try_for_each(|line| print(&line))?;
    }
    Ok(())
}

fn show_entities(Seen { concerned, missing }: &Seen) -> Result<(), Box<dyn Error>> {
    if concerned.is_empty() {
        let which = match missing.is_empty() {
            true => "every entity",
            false => "every entity of the kinds in the folder",
        };
        print(&format!(
            "{which} can migrate, none becomes invalid, and none has a value that fewer may write"
        ))?;
        return Ok(());
    }
    let mut table = Table::new(&["  ENTITY", "WHAT", "PLACE", "WHY"]);
    for one in concerned {
        let stuck = one.obstacles.iter();
        let stuck = stuck.map(|o| ("cannot migrate", &o.pointer, &o.reason));
        let faults = one.faults.iter();
        let faults = faults.map(|f| ("becomes invalid", &f.pointer, &f.message));
        let rows = stuck
            .chain(faults)
            .map(|(what, at, why)| (what, at, why.clone()));
        let narrowed = one.narrowed.iter();
        let narrowed = narrowed.map(|one| (one.what(), &one.value.pointer, one.why()));
        for (what, pointer, why) in rows.chain(narrowed) {
            let entity = format!("  {}", one.entity);
            table.sentence(vec![entity, what.to_owned(), pointer.to_string(), why]);
        }
    }
    print(&counted(concerned.len() as u64, "entity", "entities"))?;
    table.lines().try_for_each(|line| print(&line))?;
    Ok(())
}
