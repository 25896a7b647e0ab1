//! Whether a change fits where it says it comes after: dependencies, actor, seq, counters.
//!
//! Invariant: a change that passes extends the change graph without gaps, under an actor of its
//! author's, with operation ids that are not used elsewhere and never will be.

use std::collections::HashMap;

use automerge::{ActorId, ChangeHash};

use super::operations::Fault;
use super::{Origin, Proposal};
use crate::change::{ActorClass, ParsedChange, server_actor};
use crate::entity::{Document, Standing};
use crate::limits::Limits;
use crate::violation::RefusalCode;

/// One author's concurrent changes take up at most this part of all that there may be.
const HEADS_SHARE: usize = 8;

/// The changes that a document holds, which those of a proposal are to extend.
pub(super) struct Graph<'a> {
    pub(super) standing: &'a Standing,
    pub(super) document: &'a Document,
    pub(super) proposal: &'a Proposal,
    pub(super) limits: &'a Limits,
}

/// What a change can have seen: everything in the document but what is concurrent to it.
pub(super) struct Past {
    /// For each actor with concurrent changes, the first operation counter that is concurrent.
    concurrent: HashMap<ActorId, u64>,
}

impl Past {
    /// Whether an operation of the document lies before the change.
    pub(super) fn holds(&self, counter: u64, actor: &ActorId) -> bool {
        self.concurrent
            .get(actor)
            .is_none_or(|first| counter < *first)
    }
}

fn fault<T>(code: RefusalCode, message: String) -> Result<T, Fault> {
    Err((code, message))
}

/// Checks changes of which each [`joins`] the one before it.
pub(super) fn check_run(graph: &Graph<'_>, changes: &[ParsedChange]) -> Result<Past, Fault> {
    let (first, others) = changes.split_first().expect("a run holds a change");
    let past = check(graph, first)?;
    // What each actor of the run has written last.
    let mut last: HashMap<&ActorId, u64> = HashMap::from([(first.actor(), first.seq())]);
    let is_new = |actor: &ActorId| !graph.document.actors().contains_key(actor);
    let mut new = usize::from(is_new(first.actor()));
    for change in others {
        let actor = change.actor();
        match last.insert(actor, change.seq()) {
            Some(seq) => check_seq(change, seq + 1)?,
            None => {
                check_actor(graph, change, &past, new)?;
                new += usize::from(is_new(actor));
            }
        }
    }
    Ok(past)
}

fn check(graph: &Graph<'_>, change: &ParsedChange) -> Result<Past, Fault> {
    let mut floor = 0;
    for dep in change.deps() {
        match graph.document.doc().get_change_meta_by_hash(dep) {
            Some(meta) => floor = floor.max(meta.max_op),
            None => {
                return fault(
                    RefusalCode::UnknownDeps,
                    format!("change {dep} is not in the log"),
                );
            }
        }
    }
    if change.deps().is_empty() {
        let message = "every change depends on the genesis or on what came after it".to_owned();
        return fault(RefusalCode::UnknownDeps, message);
    }
    check_counters(graph, change, floor)?;
    let heads = heads_beside(graph, change);
    let past = past(graph, change, &heads);
    check_actor(graph, change, &past, 0)?;
    check_heads(graph, &heads)?;
    Ok(past)
}

/// Whether each of `changes` directly follows the one before it, as the parts of one change do.
pub(super) fn is_chain(changes: &[ParsedChange]) -> bool {
    changes.windows(2).all(|pair| follows(&pair[0], &pair[1]))
}

/// Whether the change `after` directly follows `before`, by the same actor: then it fits wherever
/// `before` does. (Only an actor's first change can name an author.)
fn follows(before: &ParsedChange, after: &ParsedChange) -> bool {
    joins(before, after) && after.actor() == before.actor() && after.seq() == before.seq() + 1
}

/// Whether the change `after` was made with `before` as the only head, by any actor.
pub(super) fn joins(before: &ParsedChange, after: &ParsedChange) -> bool {
    after.deps() == [before.hash().into()] && after.start_op() == before.max_op() + 1
}

fn check_counters(graph: &Graph<'_>, change: &ParsedChange, floor: u64) -> Result<(), Fault> {
    let (start, ceiling) = (change.start_op(), graph.document.max_op() + 1);
    if start <= floor || start > ceiling {
        let message = format!(
            "the first operation must be numbered {} to {ceiling}, not {start}",
            floor + 1
        );
        return fault(RefusalCode::StartOp, message);
    }
    Ok(())
}

/// `new` actors come before it that the document does not know.
fn check_actor(
    graph: &Graph<'_>,
    change: &ParsedChange,
    past: &Past,
    new: usize,
) -> Result<(), Fault> {
    let author = &graph.proposal.author;
    let actor = change.actor();
    let server = || server_actor(graph.standing.id(), graph.standing.epoch(), &author.id);
    let allowed = match graph.proposal.origin {
        Origin::Client | Origin::Edit => ActorClass::of(actor) == ActorClass::Client,
        Origin::Server | Origin::Creation => *actor == server(),
    };
    if !allowed {
        return fault(
            RefusalCode::ActorReserved,
            format!("actor {actor} is not for clients to use"),
        );
    }
    if change
        .claimed_author()
        .is_some_and(|named| named != author.id.as_bytes())
    {
        let message = "the change names another author than the one who sent it".to_owned();
        return fault(RefusalCode::Author, message);
    }
    let expected = match graph.document.actors().get(actor) {
        Some(state) if state.principal != author.id => {
            return fault(
                RefusalCode::ActorTaken,
                format!("actor {actor} belongs to somebody else"),
            );
        }
        Some(state) => {
            let last = ChangeHash::from(state.last);
            let seen = change.deps().contains(&last)
                || graph
                    .document
                    .doc()
                    .get_change_meta_by_hash(&last)
                    .is_some_and(|meta| past.holds(meta.max_op, actor));
            if !seen {
                let message = format!("it does not depend on {last}, the actor's change before");
                return fault(RefusalCode::OwnPast, message);
            }
            state.seq + 1
        }
        None => {
            let actors = graph.document.actors().values();
            let mine = actors.filter(|state| state.principal == author.id).count() + new;
            let max = graph.limits.actors_per_principal_max;
            if mine >= max {
                let message = format!(
                    "{} has used {mine} actors on this entity, when {max} are allowed",
                    author.id
                );
                return fault(RefusalCode::ActorLimit, message);
            }
            1
        }
    };
    check_seq(change, expected)
}

fn check_seq(change: &ParsedChange, expected: u64) -> Result<(), Fault> {
    if change.seq() == expected {
        return Ok(());
    }
    let message = format!(
        "the actor's next change has seq {expected}, not {}",
        change.seq()
    );
    fault(RefusalCode::Seq, message)
}

/// Heads of the document that stay heads beside the change.
fn heads_beside(graph: &Graph<'_>, change: &ParsedChange) -> Vec<ChangeHash> {
    let mut heads = graph.document.doc().get_heads();
    // Dependencies are sorted: the parser saw to it.
    heads.retain(|head| change.deps().binary_search(head).is_err());
    heads
}

/// Keeps concurrency within what one change can depend on: an edit names all heads, so with more of
/// them no edit would be possible any more. One author may take up a part of it only.
fn check_heads(graph: &Graph<'_>, beside: &[ChangeHash]) -> Result<(), Fault> {
    let max = graph.limits.dependencies_max;
    let author = &graph.proposal.author.id;
    let own = || {
        let states = graph.document.actors().values();
        states
            .filter(|state| state.principal == *author)
            .filter(|state| beside.contains(&ChangeHash::from(state.last)))
            .count()
    };
    let own_max = max / HEADS_SHARE;
    let (found, whose, allowed) = match beside.len() {
        all if all >= max => (all, "", max),
        all if all >= own_max && own() >= own_max => (own(), "of the same author ", own_max),
        _ => return Ok(()),
    };
    let message = format!(
        "it leaves {found} changes {whose}beside it that it does not depend on, when fewer than \
         {allowed} are allowed; catch up first"
    );
    fault(RefusalCode::HeadsLimit, message)
}

fn past(graph: &Graph<'_>, change: &ParsedChange, heads: &[ChangeHash]) -> Past {
    let mut concurrent: HashMap<ActorId, u64> = HashMap::new();
    if !heads.is_empty() {
        for meta in graph.document.doc().get_changes_meta(change.deps()) {
            let first = concurrent
                .entry(meta.actor.into_owned())
                .or_insert(u64::MAX);
            *first = (*first).min(meta.start_op);
        }
    }
    Past { concurrent }
}
