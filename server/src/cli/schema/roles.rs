//! Who may do what: the roles that a schema folder names, and those that are named by mistake.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use indelible_engine::near;
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{Node, Permission, Policy, ReadRule, Roles, Shape, WriteRule};
use indelible_engine::principal::{Principal, ROLE_PUBLIC};
use serde_json::{Map, Value, json};

use super::check::Shown;
use crate::cli::print;
use crate::cli::tables::Table;

/// Each permission with its word in schemas.
const PERMISSIONS: [(&str, Permission); 7] = [
    ("read", Permission::Read),
    ("create", Permission::Create),
    ("edit", Permission::Edit),
    ("delete", Permission::Delete),
    ("history", Permission::History),
    ("restore", Permission::Restore),
    ("system", Permission::System),
];

/// Prints a table of the roles of a kind, and one of the fields that have a rule of their own.
pub(super) fn show(policy: &Policy) -> io::Result<()> {
    let words = PERMISSIONS.map(|(word, _)| word.to_uppercase());
    let heading: Vec<&str> = ["  ROLE"]
        .into_iter()
        .chain(words.iter().map(String::as_str))
        .collect();
    let mut table = Table::new(&heading);
    for role in roles_of(policy) {
        let may = permitted(policy, &role);
        let cells = PERMISSIONS
            .iter()
            .map(|(word, _)| match may.contains(word) {
                true => "yes".to_owned(),
                false => "-".to_owned(),
            });
        table.row([format!("  {role}")].into_iter().chain(cells).collect());
    }
    table.lines().try_for_each(|line| print(&line))?;
    let fields = fields(policy);
    if fields.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["  FIELD", "WRITTEN BY", "READ BY"]);
    for field in fields {
        let place = format!("  {}", field.pointer);
        table.sentence(vec![place, field.written_by, field.read_by]);
    }
    table.lines().try_for_each(|line| print(&line))
}

/// What each role of a kind may do, for programs.
pub(super) fn told(policy: &Policy) -> Value {
    let roles = roles_of(policy).into_iter().map(|role| {
        let may = permitted(policy, &role);
        (role, json!(may))
    });
    Value::Object(roles.collect::<Map<_, _>>())
}

/// The roles that a schema names, and `public`, which every caller has.
fn roles_of(policy: &Policy) -> BTreeSet<String> {
    let named = named(policy).into_iter().map(|(_, role)| role);
    named.chain([ROLE_PUBLIC.to_owned()]).collect()
}

/// The words for what a caller with one role may do.
fn permitted(policy: &Policy, role: &str) -> Vec<&'static str> {
    let somebody = Principal::new("somebody", [role]);
    let may = PERMISSIONS
        .iter()
        .filter(|(_, one)| policy.may(&somebody, *one));
    may.map(|(word, _)| *word).collect()
}

/// A field with a rule of its own.
struct Field {
    pointer: Pointer,
    written_by: String,
    read_by: String,
}

fn fields(policy: &Policy) -> Vec<Field> {
    let differs = |node: &Node| {
        let above = node.parent.map(|parent| policy.node(parent));
        let rules = above.is_some_and(|a| a.write != node.write || a.read != node.read);
        rules || deleters(node).is_some()
    };
    let own = policy.nodes().filter(|(_, node)| differs(node));
    own.map(|(id, node)| Field {
        pointer: policy.place(id),
        written_by: match deleters(node) {
            Some(roles) => {
                format!(
                    "{}; deleted also by {}",
                    written_by(policy, node),
                    listed(roles)
                )
            }
            None => written_by(policy, node),
        },
        read_by: match &node.read {
            ReadRule::Roles(roles) => format!("readers of the kind with {}", listed(roles)),
            ReadRule::Kind => "readers of the kind".to_owned(),
        },
    })
    .collect()
}

/// Who may delete such an item without the right to write all of it.
fn deleters(node: &Node) -> Option<&Roles> {
    match &node.shape {
        Shape::Object { delete, .. } => delete.as_ref(),
        _ => None,
    }
}

fn written_by(policy: &Policy, node: &Node) -> String {
    let services = &policy.permissions().system;
    match &node.write {
        _ if node.shape.is_derived() => "nobody: the server derives it".to_owned(),
        WriteRule::Edit => "editors of the kind".to_owned(),
        WriteRule::Create => "its creator, and then nobody".to_owned(),
        WriteRule::System if services.is_empty() => "the server only".to_owned(),
        WriteRule::System => format!("{}, for the system", listed(services)),
        WriteRule::Roles(roles) => format!("editors of the kind with {}", listed(roles)),
    }
}

fn listed(roles: &Roles) -> String {
    let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
    roles.join(" or ")
}

/// Every naming of a role in a schema, with its place.
fn named(policy: &Policy) -> Vec<(Pointer, String)> {
    let mut found = Vec::new();
    collect(policy.schema(), &Pointer::root(), &mut found);
    found
}

fn collect(value: &Value, at: &Pointer, found: &mut Vec<(Pointer, String)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let at = at.child(name);
                match value {
                    Value::Object(words) if name == "x-indelible" => of_words(words, &at, found),
                    // Values are not schemas.
                    _ if ["const", "default", "enum", "examples"].contains(&name.as_str()) => {}
                    value => collect(value, &at, found),
                }
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                collect(value, &at.child(index.to_string()), found);
            }
        }
        _ => {}
    }
}

fn of_words(words: &Map<String, Value>, at: &Pointer, found: &mut Vec<(Pointer, String)>) {
    for (word, value) in words {
        let roles = value.as_array().into_iter().flatten().enumerate();
        found.extend(roles.filter_map(|(index, role)| {
            let at = at.child(word).child(index.to_string());
            Some((at, role.as_str()?.to_owned()))
        }));
    }
}

/// What people who do not know `public` call all callers.
const EVERYBODY: [&str; 8] = [
    "*",
    "all",
    "any",
    "anonymous",
    "anybody",
    "anyone",
    "everybody",
    "everyone",
];

/// The roles that are named once in the whole folder, or look like another one: what else they may
/// be.
pub(super) fn doubtful<'a>(policies: impl Iterator<Item = &'a Policy>) -> Vec<Shown> {
    let mut places: BTreeMap<String, Vec<(String, Pointer)>> = BTreeMap::new();
    for policy in policies {
        for (at, role) in named(policy) {
            let kind = policy.kind().to_string();
            places.entry(role).or_default().push((kind, at));
        }
    }
    let mut warnings = Vec::new();
    for (role, places_of) in places.iter().filter(|(role, _)| *role != ROLE_PUBLIC) {
        let count = |role: &str| places.get(role).map_or(0, Vec::len);
        let others = || {
            places
                .keys()
                .map(String::as_str)
                .filter(|other| other != role)
        };
        // Of two that look alike, the one that is named more often is probably right.
        let alike = |other: &&str| are_alike(role, other);
        let rarer = |other: &&str| count(other) < count(role);
        let more = |other: &&str| count(other) > count(role);
        let meant = near::nearest(role, [ROLE_PUBLIC])
            .or_else(|| others().filter(more).find(alike))
            .or_else(|| near::nearest(role, others().filter(more)).filter(|_| count(role) == 1));
        // Of two that are named equally often, either may be right.
        let twin = others()
            .filter(|other| !more(other) && !rarer(other))
            .find(alike);
        let reason = if is_word(role, places_of) {
            format!(
                "the role {role:?} is named by \"write\" alone; \"write\": \"create\", without \
                     brackets, is probably meant"
            )
        } else if near::distance(role, "system").is_some() {
            format!(
                "the role {role:?} looks like \"system\", which is not a role: the server may do \
                 everything anyway"
            )
        } else if EVERYBODY.contains(&role.to_lowercase().as_str()) {
            format!("the role {role:?} is had by nobody but by token; everybody has \"public\"")
        } else if count(role) == 1 {
            let near = match (meant, twin) {
                (Some(meant), _) => format!("; is it {meant:?}?"),
                (None, Some(twin)) => format!("; it looks like {twin:?}"),
                (None, None) => String::new(),
            };
            format!("the role {role:?} is named nowhere else in the folder{near}")
        } else if let Some(meant) = meant {
            format!("the role {role:?} looks like another one; is it {meant:?}?")
        } else if let Some(twin) = twin.filter(|twin| role.as_str() < *twin) {
            format!("the roles {role:?} and {twin:?} look alike; are both meant?")
        } else {
            continue;
        };
        let (kind, pointer) = places_of[0].clone();
        warnings.push(Shown::warning(kind, pointer, "role", reason));
    }
    warnings
}

/// Whether a role is probably the word of `"write": "create"`, written as a list.
fn is_word(role: &str, places: &[(String, Pointer)]) -> bool {
    let is_write = |(_, at): &(String, Pointer)| at.to_string().rsplit('/').nth(1) == Some("write");
    near::distance(role, "create").is_some_and(|edits| edits <= 1) && places.iter().all(is_write)
}

/// Whether one of two roles is probably the other one misspelt. Roles that differ by a digit or in
/// their last letter (`editor-a`, `editor-b`) are numbered on purpose, and so may be those that differ
/// in a word of one letter.
fn are_alike(role: &str, other: &str) -> bool {
    const LETTERS_MIN: usize = 5;
    if near::is_slip(role, other) || near::is_plural(role, other) {
        return true;
    }
    let is_separator = |c: char| !c.is_alphanumeric();
    let (words, others) = (role.split(is_separator), other.split(is_separator));
    if words.clone().count() != others.clone().count() {
        return false;
    }
    let mut differing = words.zip(others).filter(|(word, other)| word != other);
    let (Some((word, other)), None) = (differing.next(), differing.next()) else {
        return false;
    };
    let (word, other): (Vec<char>, Vec<char>) = (word.chars().collect(), other.chars().collect());
    let (short, long) = if word.len() < other.len() {
        (word, other)
    } else {
        (other, word)
    };
    let first = short.iter().zip(&long).take_while(|(a, b)| a == b).count();
    let rest = long.len() - short.len();
    if rest > 1 || short.len() < LETTERS_MIN || first == 0 || first + 1 >= long.len() {
        return false;
    }
    let is_letter = |at: usize, word: &[char]| word.get(at).is_some_and(|c| c.is_alphabetic());
    is_letter(first, &long)
        && is_letter(first, &short)
        && short[first + 1 - rest..] == long[first + 1..]
}

#[cfg(test)]
mod tests {
    //! Guards against roles that are misspelt unnoticed, and against blaming the right one.
    use indelible_engine::schema;

    use super::*;

    #[test]
    fn slips_are_alike_and_roles_with_numbers_are_not() {
        for (role, other) in [
            ("editor", "Editor"),
            ("editor", "edtior"),
            ("editor", "editors"),
            ("editor", "edtor"),
            ("editor", "edittor"),
            ("editor", "editar"),
            ("site-editor", "site-edtor"),
        ] {
            assert!(are_alike(role, other) && are_alike(other, role), "{other}");
        }
        for (role, other) in [
            ("editor", "auditor"),
            ("reader", "leader"),
            ("editor1", "editor2"),
            ("editor", "editor2"),
            ("editor-a", "editor-b"),
            ("team-a-lead", "team-b-lead"),
            ("team12lead", "team13lead"),
            ("use", "user"),
            ("a", ""),
        ] {
            assert!(
                !are_alike(role, other) && !are_alike(other, role),
                "{other}"
            );
        }
    }

    /// The warnings about a kind whose `edit` and `create` name these roles.
    fn told(edit: &[&str], create: &[&str]) -> Vec<String> {
        let schema = json!({
            "type": "object", "properties": { "a": { "type": "string" } },
            "x-indelible": { "kind": "k", "edit": edit, "create": create }
        });
        let policy = schema::compile("k.json", &schema.to_string()).unwrap();
        let found = doubtful([&policy].into_iter());
        let reason = |one: &Shown| {
            let shown = serde_json::to_value(one).unwrap();
            shown["reason"].as_str().unwrap().to_owned()
        };
        found.iter().map(reason).collect()
    }

    #[test]
    fn the_rarer_of_two_roles_is_doubted_and_of_equals_neither() {
        assert_eq!(told(&["editor"], &["editor"]), [""; 0]);
        let pair = ["editor", "edtior"];
        assert_eq!(
            told(&pair, &pair),
            [r#"the roles "editor" and "edtior" look alike; are both meant?"#]
        );
        let pair = ["edtor", "editor"];
        assert_eq!(
            told(&pair, &pair),
            [r#"the roles "editor" and "edtor" look alike; are both meant?"#]
        );
        assert_eq!(
            told(&pair, &["editor"]),
            [r#"the role "edtor" is named nowhere else in the folder; is it "editor"?"#]
        );
        assert_eq!(
            told(&["edtor"], &["editor"]),
            [
                r#"the role "editor" is named nowhere else in the folder; it looks like "edtor""#,
                r#"the role "edtor" is named nowhere else in the folder; it looks like "editor""#,
            ]
        );
    }
}
