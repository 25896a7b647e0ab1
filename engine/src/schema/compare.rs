//! What a new version of a kind's schema changes, and for whom.
//!
//! Every place that was added, removed or renamed, and every constraint and right that changed, is
//! reported once, at the outermost place that shows it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::Demand;
use crate::pointer::Pointer;
use crate::policy::{
    NodeId, Origin, Permission, Policy, ReadRule, Roles, Shape, Succession, Types, WriteRule,
};
use crate::principal::{Principal, ROLE_PUBLIC};
use crate::value::{canonical, same};

/// How something changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alteration {
    /// The new schema cannot follow the old one.
    Refused,
    /// A place is new.
    Added,
    /// A place is gone; its values are kept in the history.
    Removed,
    /// A place has a new name; its values are carried over.
    Renamed,
    /// Less is allowed than before. Present values stay.
    Tightened,
    /// More is allowed than before.
    Loosened,
    /// Something else changed.
    Altered,
    /// A role gained a right.
    Gained,
    /// A role lost a right.
    Lost,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The place: in the new schema, or in the old one where it is removed; items, elements and
    /// values of open maps are named `*`.
    pub pointer: Pointer,
    /// How it changed.
    pub alteration: Alteration,
    /// The roles whose rights changed; empty if it is not about rights.
    #[serde(skip_serializing_if = "Roles::is_empty")]
    pub roles: Roles,
    /// What changed, for people.
    pub message: String,
}

const PERMISSIONS: [(Permission, &str); 7] = [
    (Permission::Read, "read"),
    (Permission::Create, "create"),
    (Permission::Edit, "edit"),
    (Permission::Delete, "delete"),
    (Permission::History, "see the history of"),
    (Permission::Restore, "restore"),
    (Permission::System, "write the system's fields of"),
];

/// What `new` changes, a later version of the schema of the kind that `old` describes.
///
/// ```
/// use indelible_engine::schema::{self, Alteration, compare};
///
/// let page = |edit: &str, max: u32| {
///     let text = format!(
///         r#"{{ "type": "object", "x-indelible": {{ "kind": "page", "edit": ["{edit}"] }},
///              "properties": {{ "title": {{ "type": "string", "maxLength": {max} }} }} }}"#
///     );
///     schema::compile("page.json", &text).expect("the schema has no mistakes")
/// };
/// let found = compare(&page("editor", 80), &page("editor", 60));
/// assert_eq!(found[0].alteration, Alteration::Tightened);
/// assert_eq!(found[0].message, "maxLength 60 (was 80)");
/// let found = compare(&page("editor", 80), &page("admin", 80));
/// assert!(found.iter().any(|d| d.alteration == Alteration::Lost && d.roles.contains("editor")));
/// ```
#[must_use]
pub fn compare(old: &Policy, new: &Policy) -> Vec<Difference> {
    let succession = Succession::new(old, new);
    let mut comparer = Comparer {
        old,
        new,
        roles: &roles_of(old) | &roles_of(new),
        succession: &succession,
        found: Vec::new(),
    };
    for misfit in &succession.misfits {
        comparer.tell(
            new.place(misfit.node),
            Alteration::Refused,
            misfit.reason.clone(),
        );
    }
    comparer.permissions();
    comparer.demands();
    for (id, _) in new.nodes() {
        match succession.origin(id) {
            Origin::New => comparer.added(id),
            Origin::Kept(source) => comparer.followed(source, id),
            Origin::Renamed(source) => {
                comparer.renamed(source, id);
                comparer.followed(source, id);
            }
        }
    }
    for id in &succession.removed {
        let what = old.node(*id).shape.description();
        let message = format!("{what}; its values leave the entities and stay in the history");
        comparer.tell(old.place(*id), Alteration::Removed, message);
    }
    comparer.found
}

/// Every role that a policy names, and the role of everyone.
fn roles_of(policy: &Policy) -> Roles {
    let given = policy.permissions();
    let lists = [
        &given.read,
        &given.create,
        &given.edit,
        &given.delete,
        &given.history,
        &given.restore,
        &given.system,
    ];
    let mut roles: Roles = lists.into_iter().flatten().cloned().collect();
    for (_, node) in policy.nodes() {
        if let WriteRule::Roles(more) = &node.write {
            roles.extend(more.iter().cloned());
        }
        if let ReadRule::Roles(more) = &node.read {
            roles.extend(more.iter().cloned());
        }
    }
    roles.insert(ROLE_PUBLIC.to_owned());
    roles
}

/// Somebody with one role only.
fn somebody(role: &str) -> Principal {
    Principal::new(format!("somebody with the role {role}"), [role])
}

struct Comparer<'a> {
    old: &'a Policy,
    new: &'a Policy,
    roles: Roles,
    succession: &'a Succession,
    found: Vec<Difference>,
}

impl Comparer<'_> {
    fn tell(&mut self, pointer: Pointer, alteration: Alteration, message: String) {
        self.found.push(Difference {
            pointer,
            alteration,
            roles: Roles::new(),
            message,
        });
    }

    /// Tells who may do something now that they might not, and who may not any more.
    fn rights(
        &mut self,
        pointer: &Pointer,
        before: impl Fn(&Principal) -> bool,
        after: impl Fn(&Principal) -> bool,
        what: &str,
    ) -> bool {
        let mut told = false;
        for (alteration, word) in [(Alteration::Gained, "may"), (Alteration::Lost, "may not")] {
            let concerned = |role: &&String| {
                let somebody = somebody(role);
                let (before, after) = (before(&somebody), after(&somebody));
                before != after && after == (alteration == Alteration::Gained)
            };
            let mut roles: Roles = self.roles.iter().filter(concerned).cloned().collect();
            if alteration == Alteration::Gained && roles.contains(ROLE_PUBLIC) {
                // That is everybody.
                roles.retain(|role| role == ROLE_PUBLIC);
            }
            if !roles.is_empty() {
                told = true;
                self.found.push(Difference {
                    pointer: pointer.clone(),
                    alteration,
                    roles,
                    message: format!("{word} {what}"),
                });
            }
        }
        told
    }

    fn permissions(&mut self) {
        let (old, new) = (self.old, self.new);
        for (permission, word) in PERMISSIONS {
            let what = format!("{word} {}", new.kind());
            let before = |somebody: &Principal| old.may(somebody, permission);
            let after = |somebody: &Principal| new.may(somebody, permission);
            self.rights(&Pointer::root(), before, after, &what);
        }
    }

    /// A place that nothing was at, unless what it lies in is new too.
    fn added(&mut self, id: NodeId) {
        let node = self.new.node(id);
        let outer = node.parent.map(|parent| self.succession.origin(parent));
        if outer == Some(Origin::New) {
            return;
        }
        let mut message = node.shape.description().to_owned();
        match (&node.default, node.required) {
            (Some(default), _) => {
                message.push_str(&format!("; every entity gets {}", canonical(default)));
            }
            (None, true) if !node.shape.is_container() => {
                message.push_str("; required, and absent from every entity until it is written");
            }
            _ => {}
        }
        match &node.write {
            WriteRule::Edit => {}
            // Nobody is ever again in the change that made what exists already.
            WriteRule::Create if !node.shape.is_derived() => {
                message.push_str("; it cannot be written where the object exists already");
            }
            rule => message.push_str(&format!("; written by {rule}")),
        }
        if self.succession.is_narrowed(id) {
            message.push_str(match self.succession.is_dropped(id) {
                true => "; a value that was under this name is dropped",
                false => "; a value that was under this name stays, whoever wrote it",
            });
        }
        self.tell(self.new.place(id), Alteration::Added, message);
    }

    fn renamed(&mut self, source: NodeId, id: NodeId) {
        let (old, new) = (&self.old.node(source).shape, &self.new.node(id).shape);
        let was = self.old.place(source);
        let message = match std::mem::discriminant(old) == std::mem::discriminant(new) {
            true => format!("was {was}"),
            false => format!(
                "was {was}, {}; its values are converted to {}",
                old.description(),
                new.description()
            ),
        };
        self.tell(self.new.place(id), Alteration::Renamed, message);
    }

    /// What changed at a place that stayed or was renamed.
    fn followed(&mut self, source: NodeId, id: NodeId) {
        let (old, new) = (self.old.node(source), self.new.node(id));
        let at = self.new.place(id);
        let outer = old.parent.zip(new.parent);
        let outer = outer.map(|(old, new)| (self.old.node(old), self.new.node(new)));
        let write = (&old.write, &new.write);
        let inherited = outer.is_some_and(|(old, new)| (&old.write, &new.write) == write);
        if write.0 != write.1 && !inherited && !new.shape.is_derived() {
            let policies = (self.old, self.new);
            let told = self.rights(
                &at,
                |somebody| policies.0.rights(somebody).may_write(source),
                |somebody| policies.1.rights(somebody).may_write(id),
                "write it",
            );
            let once = [write.0, write.1].map(|rule| *rule == WriteRule::Create);
            if !told || once[0] != once[1] {
                let alteration = match once {
                    [false, true] => Alteration::Tightened,
                    [true, false] => Alteration::Loosened,
                    _ => Alteration::Altered,
                };
                self.tell(
                    at.clone(),
                    alteration,
                    format!("write {} (was {})", write.1, write.0),
                );
            }
        }
        let dropped = |id: NodeId| self.succession.is_dropped(id);
        if dropped(id) && !new.parent.is_some_and(dropped) {
            let message = "fewer may write it, so the values that are there are dropped";
            self.tell(at.clone(), Alteration::Altered, message.to_owned());
        }
        let read = (&old.read, &new.read);
        let inherited = outer.is_some_and(|(old, new)| (&old.read, &new.read) == read);
        if read.0 != read.1 && !inherited {
            let policies = (self.old, self.new);
            self.rights(
                &at,
                |somebody| policies.0.may_read(somebody, old),
                |somebody| policies.1.may_read(somebody, new),
                "read it",
            );
        }
        if old.default != new.default {
            let default =
                |value: &Option<Value>| value.as_ref().map_or("none".to_owned(), canonical);
            let message = format!(
                "default {} (was {}); what exists stays as it is",
                default(&new.default),
                default(&old.default)
            );
            self.tell(at.clone(), Alteration::Altered, message);
        }
        match (old.unique, new.unique) {
            (false, true) => self.tell(at, Alteration::Tightened, "unique".to_owned()),
            (true, false) => self.tell(at, Alteration::Loosened, "not unique".to_owned()),
            _ => {}
        }
    }

    /// Compares what the two demand of values, place by place.
    fn demands(&mut self) {
        let (old, new) = (by_place(self.old.demands()), by_place(self.new.demands()));
        let none = BTreeMap::new();
        for (id, node) in self.new.nodes() {
            let (Origin::Kept(source) | Origin::Renamed(source)) = self.succession.origin(id)
            else {
                continue;
            };
            // The renaming reports what becomes of values of a different shape.
            let alike = std::mem::discriminant(&self.old.node(source).shape)
                == std::mem::discriminant(&node.shape);
            if !alike && !matches!(node.shape, Shape::Object { .. }) {
                continue;
            }
            let before = old.get(&source).unwrap_or(&none);
            let after = new.get(&id).unwrap_or(&none);
            let mut keywords: Vec<&String> = before.keys().chain(after.keys()).collect();
            keywords.sort();
            keywords.dedup();
            for keyword in keywords {
                let (before, after) = (before.get(keyword), after.get(keyword));
                if before != after {
                    let (alteration, message) = demand(keyword, before, after);
                    self.tell(self.new.place(id), alteration, message);
                }
            }
        }
    }
}

type Demands = BTreeMap<String, Vec<Value>>;

fn by_place(demands: Vec<Demand>) -> BTreeMap<NodeId, Demands> {
    let mut places: BTreeMap<NodeId, Demands> = BTreeMap::new();
    for demand in demands {
        let place = places.entry(demand.node).or_default();
        place
            .entry(demand.keyword.into_owned())
            .or_default()
            .push(demand.value);
    }
    places
}

/// How one keyword demands something else.
fn demand(
    keyword: &str,
    before: Option<&Vec<Value>>,
    after: Option<&Vec<Value>>,
) -> (Alteration, String) {
    let text = |values: &Vec<Value>| {
        let texts: Vec<String> = values.iter().map(canonical).collect();
        texts.join(" and ")
    };
    match (before, after) {
        (None, Some(after)) => (
            Alteration::Tightened,
            format!("{keyword} {} (new)", text(after)),
        ),
        (Some(before), None) => {
            let message = format!("{keyword} no longer (was {})", text(before));
            (Alteration::Loosened, message)
        }
        (before, after) => {
            let (before, after) = (before.into_iter().flatten(), after.into_iter().flatten());
            let (before, after): (Vec<_>, Vec<_>) =
                (before.cloned().collect(), after.cloned().collect());
            let direction = match (&before[..], &after[..]) {
                ([before], [after]) => direction(keyword, before, after),
                _ => Alteration::Altered,
            };
            (
                direction,
                format!("{keyword} {} (was {})", text(&after), text(&before)),
            )
        }
    }
}

/// Whether the later value of a keyword allows less than the former, or more.
fn direction(keyword: &str, before: &Value, after: &Value) -> Alteration {
    let by = |tighter: bool| match tighter {
        true => Alteration::Tightened,
        false => Alteration::Loosened,
    };
    let within = |inner: &Value, outer: &Value| {
        let (Some(inner), Some(outer)) = (inner.as_array(), outer.as_array()) else {
            return false;
        };
        inner
            .iter()
            .all(|value| outer.iter().any(|other| same(value, other)))
    };
    if let (Some(before), Some(after)) = (before.as_f64(), after.as_f64()) {
        return match keyword {
            _ if keyword.starts_with("max") || keyword == "exclusiveMaximum" => by(after < before),
            _ if keyword.starts_with("min") || keyword == "exclusiveMinimum" => by(after > before),
            _ => Alteration::Altered,
        };
    }
    match keyword {
        "type" => match (types(before), types(after)) {
            (before, after) if after.is_within(before) => Alteration::Tightened,
            (before, after) if before.is_within(after) => Alteration::Loosened,
            _ => Alteration::Altered,
        },
        "enum" if within(after, before) => Alteration::Tightened,
        "enum" if within(before, after) => Alteration::Loosened,
        "required" if within(before, after) => Alteration::Tightened,
        "required" if within(after, before) => Alteration::Loosened,
        "uniqueItems" => by(after == &Value::Bool(true)),
        _ => Alteration::Altered,
    }
}

fn types(names: &Value) -> Types {
    let named = |name: &Value| name.as_str().and_then(Types::named).unwrap_or(Types::NONE);
    match names {
        Value::Array(names) => names.iter().map(named).fold(Types::NONE, Types::or),
        name => named(name),
    }
}
