//! What `indelible serve` says when it listens: where it is, and how to sign in. Only what works
//! with the schema that is served.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use indelible_engine::policy::{Policies, Policy};
use indelible_engine::principal::ROLE_PUBLIC;

use crate::config::Mode;

/// So many kinds are named; of more there would be a page.
const KINDS_MAX: usize = 8;

/// A server that listens.
pub(super) struct Greeting<'a> {
    pub(super) address: SocketAddr,
    /// Whether the demo is served; its pages know no other schema.
    pub(super) demo: bool,
    pub(super) mode: Mode,
    pub(super) policies: &'a Policies,
    pub(super) data: &'a Path,
    pub(super) token_key: Option<&'a Path>,
}

impl Greeting<'_> {
    pub(super) fn lines(&self) -> Vec<String> {
        let address = self.address;
        let mut lines = vec![format!("Indelible is at http://{address}")];
        if self.demo {
            lines.push(format!("  backoffice  http://{address}/demo/admin"));
            lines.push(format!("  site        http://{address}/demo/site"));
        } else {
            lines.push(format!("  clients     ws://{address}/sync"));
            lines.push(format!("  values      {}", self.values()));
        }
        let role = best_role(self.policies);
        if let (Mode::Development, Some(role)) = (self.mode, role) {
            lines.push(self.development(role));
        }
        lines.push(self.token(role));
        lines
    }

    fn values(&self) -> String {
        let kinds: Vec<&str> = self.policies.iter().map(|p| p.kind().as_str()).collect();
        let more = kinds.len().saturating_sub(KINDS_MAX);
        let named = kinds[..kinds.len() - more].join(", ");
        let more = if more == 0 {
            String::new()
        } else {
            format!(" and {more} more")
        };
        format!(
            "http://{}/api/KIND (the kinds: {named}{more})",
            self.address
        )
    }

    fn development(&self, role: &str) -> String {
        let roles = roles(self.policies);
        if self.demo {
            let roles: Vec<&str> = roles.into_iter().collect();
            return format!("Sign in with any name and a role: {}.", roles.join(", "));
        }
        let wanted = serde_json::json!({ "name": "You", "role": role });
        format!(
            "A token for anyone on this machine: curl http://{}/dev/token --json {}",
            self.address,
            quoted(&wanted.to_string())
        )
    }

    fn token(&self, role: Option<&str>) -> String {
        let mut words = vec!["indelible token --sub YOU".to_owned()];
        words.extend(role.map(|role| format!("--role {}", quoted(role))));
        words.push(format!("--data {}", quoted(&self.data.to_string_lossy())));
        words.extend(
            self.token_key
                .map(|key| format!("--token-key {}", quoted(&key.to_string_lossy()))),
        );
        format!("A token to sign in with: {}", words.join(" "))
    }
}

/// The roles that a schema permits anything to, by name.
fn roles(policies: &Policies) -> BTreeSet<&str> {
    policies.iter().flat_map(|policy| lists(policy)).collect()
}

fn lists(policy: &Policy) -> impl Iterator<Item = &str> {
    let all = policy.permissions();
    [
        &all.read,
        &all.create,
        &all.edit,
        &all.delete,
        &all.history,
        &all.restore,
        &all.system,
    ]
    .into_iter()
    .flatten()
    .map(String::as_str)
    .filter(|role| *role != ROLE_PUBLIC)
}

/// The role with which one can do the most of what one comes for: edit, else see. Among equals, the
/// one that may do the least besides.
fn best_role(policies: &Policies) -> Option<&str> {
    let count = |role: &str, of: fn(&Policy, &str) -> bool| {
        policies.iter().filter(|policy| of(policy, role)).count()
    };
    roles(policies).into_iter().max_by_key(|role| {
        let edits = count(role, |policy, role| {
            policy.permissions().edit.contains(role)
        });
        let reads = count(role, |policy, role| {
            policy.permissions().read.contains(role)
        });
        let all: usize = policies
            .iter()
            .map(|policy| lists(policy).filter(|other| other == role).count())
            .sum();
        (edits, reads, Reverse(all), Reverse(*role))
    })
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    //! Guards against a first step that fails: a page or a role that the served schema lacks.

    use indelible_engine::schema::{self, SchemaSource};
    use serde_json::json;

    use super::*;
    use crate::config::SchemaPlace;
    use crate::schema_files;

    fn policies(kinds: &[(&str, serde_json::Value)]) -> Policies {
        let sources: Vec<SchemaSource> = kinds
            .iter()
            .map(|(kind, permissions)| {
                let mut rules = permissions.clone();
                rules["kind"] = json!(kind);
                let text = json!({
                    "type": "object",
                    "properties": { "title": { "type": "string", "maxLength": 9 } },
                    "x-indelible": rules,
                })
                .to_string();
                SchemaSource::new(format!("{kind}.json"), text)
            })
            .collect();
        schema::compile_all(&sources).unwrap()
    }

    fn greeting(demo: bool, mode: Mode, policies: &Policies) -> String {
        let greeting = Greeting {
            address: "127.0.0.1:4000".parse().unwrap(),
            demo,
            mode,
            policies,
            data: Path::new("./my data"),
            token_key: Some(Path::new("/run/it's.key")),
        };
        greeting.lines().join("\n")
    }

    #[test]
    fn the_demo_has_its_pages_and_roles() {
        let files = schema_files::load(&SchemaPlace::Demo).unwrap();
        let policies = schema::compile_all(&files.sources).unwrap();
        let text = greeting(true, Mode::Development, &policies);
        assert!(text.contains("http://127.0.0.1:4000/demo/admin"), "{text}");
        assert!(text.contains("a role: admin, editor, reviews"), "{text}");
        let command = r"indelible token --sub YOU --role editor --data './my data' --token-key '/run/it'\''s.key'";
        assert!(text.contains(command), "{text}");
    }

    #[test]
    fn a_schema_of_one_s_own_has_none_of_the_demo() {
        let policies = policies(&[
            (
                "article",
                json!({ "read": ["public"], "edit": ["chief", "writer"] }),
            ),
            (
                "note",
                json!({ "read": ["reader"], "edit": ["chief"], "delete": ["chief"] }),
            ),
        ]);
        for mode in [Mode::Production, Mode::Development] {
            let text = greeting(false, mode, &policies);
            for absent in ["demo", "editor", "backoffice"] {
                assert!(!text.contains(absent), "{absent} in {text}");
            }
            assert!(text.contains("ws://127.0.0.1:4000/sync"), "{text}");
            assert!(
                text.contains("/api/KIND (the kinds: article, note)"),
                "{text}"
            );
            assert!(text.contains("--role chief"), "{text}");
            let curl = r#"/dev/token --json '{"name":"You","role":"chief"}'"#;
            assert_eq!(text.contains(curl), mode == Mode::Development, "{text}");
        }
    }

    #[test]
    fn where_nobody_edits_a_reader_is_named_and_else_no_role() {
        let read = policies(&[(
            "article",
            json!({ "read": ["reader"], "history": ["auditor"] }),
        )]);
        assert_eq!(best_role(&read), Some("reader"));
        let public = policies(&[("article", json!({ "read": ["public"] }))]);
        assert_eq!(best_role(&public), None);
        let text = greeting(false, Mode::Production, &public);
        assert!(!text.contains("--role"), "{text}");
    }
}
