//! What in a schema folder is probably not meant: keywords without effect that look like others,
//! kinds and fields that look alike, and patterns for texts of any length.

use indelible_engine::near;
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{PATTERN_LENGTH_MAX, Policy, Shape};
use indelible_engine::schema::{
    doubtful_keywords, idle_keywords, unbounded_patterns, unmet_keywords,
};

use super::check::Shown;

/// The warnings about these kinds.
pub(super) fn of(policies: &[&Policy]) -> Vec<Shown> {
    let mut warnings: Vec<Shown> = policies.iter().flat_map(|one| keywords(one)).collect();
    warnings.extend(kinds(policies));
    warnings.extend(policies.iter().flat_map(|one| fields(one)));
    warnings.extend(policies.iter().flat_map(|one| patterns(one)));
    warnings
}

/// The warnings about a kind whose schema has no mistakes: keywords that ask for nothing, rules that
/// its defaults break, and keywords that no value satisfies.
pub(super) fn of_whole(policy: &Policy) -> Vec<Shown> {
    let kind = || policy.kind().to_string();
    let idle = idle_keywords(policy).into_iter();
    let idle = idle.map(|one| {
        let reason = format!("has no effect: {}", one.reason);
        Shown::warning(kind(), one.pointer, "idle", reason)
    });
    let broken = policy.broken_by_defaults().into_iter();
    let broken = broken.map(|(pointer, fault)| {
        let place = match fault.pointer.is_root() {
            true => "an entity".to_owned(),
            false => fault.pointer.to_string(),
        };
        let reason = format!(
            "what begins with nothing but its defaults breaks this from the start: {place} {}",
            fault.message
        );
        Shown::warning(kind(), pointer, "default", reason)
    });
    let unmet = unmet_keywords(policy).into_iter();
    let unmet = unmet.map(|one| {
        let reason = format!("no value is good here: {}", one.reason);
        Shown::warning(kind(), one.pointer, "unmet", reason)
    });
    idle.chain(broken).chain(unmet).collect()
}

fn keywords(policy: &Policy) -> Vec<Shown> {
    let found = doubtful_keywords(policy.schema()).into_iter();
    let shown = found.map(|doubt| {
        let place = match doubt.is_word {
            true => " inside \"x-indelible\"",
            false => "",
        };
        let reason = format!(
            "the keyword {:?} has no effect; is it {:?}{place}?",
            doubt.keyword, doubt.meant
        );
        Shown::warning(policy.kind().to_string(), doubt.pointer, "keyword", reason)
    });
    shown.collect()
}

fn kinds(policies: &[&Policy]) -> Vec<Shown> {
    let mut warnings = Vec::new();
    for (index, policy) in policies.iter().enumerate() {
        let kind = policy.kind().as_str();
        let others = policies[..index].iter().map(|other| other.kind().as_str());
        let alike = |other: &&str| near::is_slip(kind, other) || near::is_plural(kind, other);
        if let Some(other) = others.filter(|other| *other != kind).find(alike) {
            let at = ["x-indelible", "kind"].into_iter().collect();
            let reason =
                format!("the kind {kind:?} looks like the kind {other:?}; are both meant?");
            warnings.push(Shown::warning(kind.to_owned(), at, "lookalike", reason));
        }
    }
    warnings
}

fn fields(policy: &Policy) -> Vec<Shown> {
    let mut warnings = Vec::new();
    for (_, node) in policy.nodes() {
        let Shape::Object { properties, .. } = &node.shape else {
            continue;
        };
        let names: Vec<&String> = properties.keys().collect();
        for (index, name) in names.iter().enumerate() {
            let Some(other) = names[..index]
                .iter()
                .find(|other| near::is_slip(name, other))
            else {
                continue;
            };
            let at: Pointer = policy.node(properties[*name]).schema_pointer.clone();
            let reason =
                format!("the field {name:?} looks like the field {other:?}; are both meant?");
            let kind = policy.kind().to_string();
            warnings.push(Shown::warning(kind, at, "lookalike", reason));
        }
    }
    warnings
}

/// Patterns for which the bound holds that takes the place of one that is not stated.
fn patterns(policy: &Policy) -> Vec<Shown> {
    let nodes = policy.nodes().map(|(_, node)| node);
    let unbounded = nodes.filter_map(|node| match &node.shape {
        Shape::Scalar(rule) | Shape::Text(rule) if rule.has_unbounded_pattern() => {
            Some((node, rule))
        }
        _ => None,
    });
    let fields = unbounded.map(|(node, rule)| match rule.states_pattern() {
        true => node.schema_pointer.child("pattern"),
        false => node.schema_pointer.clone(),
    });
    let shown = fields.chain(unbounded_patterns(policy)).map(|at| {
        let reason = format!(
            "the pattern matches strings of any length, and no \"maxLength\" is stated: at most \
             {PATTERN_LENGTH_MAX} characters are taken; state the \"maxLength\" that is meant"
        );
        Shown::warning(policy.kind().to_string(), at, "unbounded", reason)
    });
    shown.collect()
}
