//! Places that hold a list: of objects, keyed by id, or of scalars.

use serde_json::Value;

use super::Mistake;
use super::bind::{Binder, Field, Place, inner_place};
use super::extension::Merge;
use super::gather::{Source, gather};
use super::scalar;
use crate::policy::{NodeName, Shape, Types};

/// The property that presents an item's id, unless the schema names another.
const KEY_DEFAULT: &str = "id";

impl<'a> Binder<'a, '_> {
    pub(super) fn array(&mut self, field: &Field<'a>) -> Option<(Shape, Option<Value>)> {
        let sources: Vec<_> = field
            .parts
            .iter()
            .filter_map(|part| {
                let items = part.keywords.get("items")?;
                Some(part.inner(items, part.at.child("items")))
            })
            .collect();
        let atomic = "or say \"merge\": \"atomic\" to replace the list as one";
        if sources.is_empty() {
            let reason = format!("say what the list holds by items, {atomic}");
            self.report.add(Mistake::Type, field.at.clone(), reason);
            return None;
        }
        let parts = gather(self.root, sources.clone(), self.report);
        match scalar::types(&parts) {
            Some(Types::OBJECT) => self.keyed(field, sources),
            Some(types) if types.is_within(Types::SCALARS) && types != Types::NONE => {
                self.list(field, sources)
            }
            Some(_) => {
                let reason = format!(
                    "a list holds either objects or scalars; wrap what it is to hold in an object, {atomic}"
                );
                self.report
                    .add(Mistake::Type, sources[0].at.clone(), reason);
                None
            }
            None => {
                if !parts.is_empty() {
                    let reason = "say which type the items have: \"type\": …";
                    self.report
                        .add(Mistake::Type, sources[0].at.clone(), reason);
                }
                None
            }
        }
    }

    fn keyed(
        &mut self,
        field: &Field<'a>,
        sources: Vec<Source<'a>>,
    ) -> Option<(Shape, Option<Value>)> {
        self.permit(
            field,
            &["write", "narrowed", "read", "was", "merge", "key"],
            "a list of objects",
        );
        if let Some(word) = &field.extension.merge
            && word.value != Merge::Keyed
        {
            let reason = "a list of objects merges as \"keyed\" or \"atomic\"";
            self.report.add(Mistake::Merge, word.at.clone(), reason);
        }
        for (value, at) in field.all("uniqueItems") {
            if value == &Value::Bool(true) {
                let reason = "every item has an id of its own, so no two are ever equal";
                self.report.add(Mistake::Misplaced, at, reason);
            }
        }
        let default = self.empty_default(field, &Value::Array(Vec::new()));
        let key = field.extension.key.as_ref().map(|word| word.value.clone());
        let key = key.unwrap_or_else(|| KEY_DEFAULT.to_owned());
        let item = self.bind(Place {
            sources,
            name: NodeName::Item,
            in_collection: true,
            key: Some(key.clone()),
            ..inner_place(field)
        });
        Some((Shape::Keyed { item, key }, default))
    }

    fn list(
        &mut self,
        field: &Field<'a>,
        sources: Vec<Source<'a>>,
    ) -> Option<(Shape, Option<Value>)> {
        self.permit(
            field,
            &["write", "narrowed", "read", "was", "merge"],
            "a list of scalars",
        );
        if let Some(word) = &field.extension.merge
            && word.value != Merge::List
        {
            let reason = "a list of scalars merges as \"list\" or \"atomic\"";
            self.report.add(Mistake::Merge, word.at.clone(), reason);
        }
        let element = self.bind(Place {
            sources,
            name: NodeName::Element,
            in_collection: true,
            ..inner_place(field)
        });
        let default = self.list_default(field, element);
        Some((Shape::List { element }, default))
    }
}
