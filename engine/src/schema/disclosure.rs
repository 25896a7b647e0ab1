//! Finds schemas that would disclose values to principals who may not read them.
//!
//! Every refusal and every admission discloses whether a `unique` value is taken. A principal who
//! may try values without the right to read them could find out which exist, one guess at a time.
//! So everybody who can try a unique value must be able to read it.
//!
//! A principal is represented by the fewest roles that permit the attempt: more roles only permit
//! more reading.

use crate::pointer::Pointer;
use crate::policy::{Node, Policy, Roles, WriteRule};
use crate::principal::Principal;

impl Policy {
    /// Mistakes of `unique` fields, with the place of each field in the schema.
    pub(super) fn disclosures(&self) -> Vec<(Pointer, String)> {
        let unique = self
            .nodes()
            .map(|(_, node)| node)
            .filter(|node| node.unique);
        let mistakes = unique.filter_map(|node| {
            let reason = self.blind_creator(node).or_else(|| self.blind_editor(node));
            Some((self.word(node), reason?))
        });
        mistakes.collect()
    }

    /// A principal who may create with this field but not read the kind as a whole. (A field that not
    /// everybody may read makes its kind unreadable for those who may not read it.)
    fn blind_creator(&self, node: &Node) -> Option<String> {
        let open = [WriteRule::Edit, WriteRule::Create];
        let blind = self
            .attempts(&self.permissions().create, node, &open)
            .find(|somebody| !self.readable(somebody))?;
        Some(format!(
            "{} may create and may not read everything of the kind, so that each refusal would \
             disclose a value to them; let them read it, or leave \"unique\" out",
            named(&blind)
        ))
    }

    /// A principal who may change this field but not read it.
    fn blind_editor(&self, node: &Node) -> Option<String> {
        let given = self.permissions();
        let editors: Roles = match node.write {
            WriteRule::System => given.system.clone(),
            _ => given.edit.union(&given.restore).cloned().collect(),
        };
        let blind = self
            .attempts(&editors, node, &[WriteRule::Edit])
            .find(|somebody| !self.may_read(somebody, node))?;
        Some(format!(
            "{} may write this and may not read it, so that each refusal would disclose a value to \
             them; let them read it, or leave \"unique\" out",
            named(&blind)
        ))
    }

    /// The smallest principals with one of the roles `permitted` who may write a field under one of
    /// the rules `open`, or under one that names roles. (A set: the system's roles may be the
    /// permitted ones.)
    fn attempts(
        &self,
        permitted: &Roles,
        node: &Node,
        open: &[WriteRule],
    ) -> impl Iterator<Item = Principal> {
        let further: Vec<Option<&String>> = match &node.write {
            WriteRule::Roles(roles) => roles.iter().map(Some).collect(),
            WriteRule::System => self.permissions().system.iter().map(Some).collect(),
            rule if open.contains(rule) => vec![None],
            _ => Vec::new(),
        };
        let principals: Vec<Principal> = permitted
            .iter()
            .flat_map(|role| {
                further
                    .iter()
                    .map(move |also| Some(role).into_iter().chain(*also))
            })
            .map(|roles| Principal::new("somebody", roles.cloned()))
            .collect();
        principals.into_iter()
    }

    /// The place of the word, where the field states it itself.
    fn word(&self, node: &Node) -> Pointer {
        let word = node.schema_pointer.child("x-indelible").child("unique");
        let stated = self.schema().pointer(&word.to_string()).is_some();
        if stated {
            word
        } else {
            node.schema_pointer.clone()
        }
    }
}

fn named(somebody: &Principal) -> String {
    let roles: Vec<_> = somebody.roles.iter().map(String::as_str).collect();
    match roles[..] {
        ["public"] => "everybody (public)".to_owned(),
        [role] => format!("who has the role {role}"),
        _ => format!("who has the roles {}", roles.join(" and ")),
    }
}

#[cfg(test)]
mod tests {
    //! Guards against schemas that answer questions about values nobody may read, and against
    //! refusing those that do not.
    use serde_json::{Value, json};

    use crate::schema::{self, SchemaSource};

    /// The mistakes of a kind with these permissions and the words of its field `code`.
    fn mistakes(permissions: Value, code: Value) -> Vec<String> {
        let mut root = permissions;
        root["kind"] = json!("k");
        let schema = json!({
            "type": "object",
            "x-indelible": root,
            "properties": {
                "name": { "type": "string" },
                "secret": { "type": "string", "x-indelible": { "read": ["admin", "editor"] } },
                "code": { "type": "string", "x-indelible": code },
            },
        });
        let source = SchemaSource::new("k.json", schema.to_string());
        let errors = schema::compile_all(&[source]).err().unwrap_or_default();
        errors.iter().map(ToString::to_string).collect()
    }

    fn assert_refused(permissions: Value, code: Value, who: &str) {
        let found = mistakes(permissions, code);
        let at = "k.json at /properties/code/x-indelible/unique: ";
        let told = [at, who, " may "].concat();
        assert!(
            found.len() == 1 && found[0].starts_with(&told),
            "{told}: {found:?}"
        );
    }

    #[test]
    fn creators_read_the_kind() {
        let unique = || json!({ "unique": true });
        for word in ["edit", "create"] {
            let code = json!({ "unique": true, "write": word });
            let guests = json!({ "edit": ["editor"], "create": ["editor", "guest"] });
            assert_refused(guests, code, "who has the role guest");
        }
        let anybody = json!({ "edit": ["editor"], "create": ["public"] });
        assert_refused(anybody, unique(), "everybody (public)");
        // What they may not read is another field, which hides the whole kind from them.
        let reader = json!({ "read": ["public"], "edit": ["editor"], "create": ["guest"] });
        assert_refused(reader, unique(), "who has the role guest");
        let with_role = json!({ "unique": true, "write": ["office"] });
        let guests = json!({ "edit": ["editor"], "create": ["guest"] });
        assert_refused(guests, with_role, "who has the roles guest and office");
    }

    #[test]
    fn writers_read_the_field() {
        let code = json!({ "unique": true, "read": ["admin"] });
        let permissions = json!({ "read": ["public"], "edit": ["editor", "admin"] });
        assert_refused(permissions, code, "who has the role editor");
        let code = json!({ "unique": true, "read": ["admin"], "write": ["office"] });
        let permissions = json!({ "restore": ["editor"] });
        assert_refused(permissions, code, "who has the roles editor and office");
    }

    #[test]
    fn services_read_what_they_write() {
        let code = || json!({ "unique": true, "write": "system" });
        let blind = json!({ "edit": ["editor"], "system": ["reviews"] });
        assert_refused(blind, code(), "who has the role reviews");
        let hidden = json!({ "unique": true, "write": "system", "read": ["editor"] });
        let reader = json!({ "read": ["public"], "system": ["reviews"] });
        assert_refused(reader, hidden, "who has the role reviews");
        let maker = json!({ "read": ["reviews"], "create": ["guest"], "system": ["reviews"] });
        assert_refused(maker, code(), "who has the roles guest and reviews");
    }

    #[test]
    fn what_tells_nothing_new_is_taken() {
        let good = [
            (
                json!({ "edit": ["editor", "admin"], "create": ["editor", "admin"] }),
                json!({ "unique": true }),
            ),
            // Whoever may write it may read it, with whatever role else.
            (
                json!({ "edit": ["editor", "guest"] }),
                json!({ "unique": true, "read": ["admin"], "write": ["admin"] }),
            ),
            // Editors cannot try what only creators set, and nobody what the server sets.
            (
                json!({ "edit": ["editor", "admin"], "create": ["admin"] }),
                json!({ "unique": true, "read": ["admin"], "write": "create" }),
            ),
            (
                json!({ "edit": ["editor"], "create": ["guest"] }),
                json!({ "unique": true, "write": "system" }),
            ),
            // A service that reads what it writes.
            (
                json!({ "read": ["reviews"], "system": ["reviews"], "create": ["editor"] }),
                json!({ "unique": true, "write": "system", "read": ["reviews", "editor"] }),
            ),
            (
                json!({ "edit": ["editor"], "create": ["guest"] }),
                json!({ "index": true }),
            ),
        ];
        for (permissions, code) in good {
            let found = mistakes(permissions.clone(), code.clone());
            assert!(found.is_empty(), "{permissions} {code}: {found:?}");
        }
    }
}
