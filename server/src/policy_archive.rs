//! Every policy that this data directory has ever been served under, by hash: entries name the one
//! they were judged by, and can be read only with it.
//!
//! Invariant: the text of a policy is on disk before anything is judged by it.

use std::sync::Arc;

use indelible_engine::policy::{Policies, PolicyBook};
use indelible_engine::schema;

use crate::storage::{PolicyText, PolicyTexts, StoreResult};

/// Keeps the present policies in the store; gives all that are known there.
///
/// # Errors
/// When the store cannot be read or written.
pub(crate) fn keep(store: &dyn PolicyTexts, present: &Policies) -> StoreResult<PolicyBook> {
    let kept = store.policies()?;
    let news: Vec<PolicyText> = present
        .iter()
        .filter(|policy| kept.iter().all(|text| text.hash != policy.hash()))
        .map(|policy| PolicyText {
            hash: policy.hash(),
            text: policy.record(),
        })
        .collect();
    if !news.is_empty() {
        store.keep_policies(&news)?;
    }
    let mut book = compile(&kept);
    book.extend(present.iter().cloned());
    Ok(book)
}

/// The policies of these texts. One that this version does not understand any more is left out, and
/// logged; entities under it cannot be loaded.
pub(crate) fn compile(texts: &[PolicyText]) -> PolicyBook {
    let compiled = texts.iter().filter_map(|text| {
        match schema::compile_record(&format!("policy {}", text.hash), &text.text) {
            Ok(policy) => Some(Arc::new(policy)),
            Err(mistakes) => {
                let reasons: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
                let reason = reasons.join("; ");
                tracing::error!(policy = %text.hash, reason, "a kept policy does not compile");
                None
            }
        }
    });
    compiled.collect()
}

#[cfg(test)]
mod tests {
    //! Guards against entries whose policy is forgotten when the schema changes.

    use indelible_engine::policy::PolicySource;
    use indelible_engine::schema::SchemaSource;

    use super::*;
    use crate::config::RefusalSettings;
    use crate::storage::redb::RedbStore;

    fn policies(max_length: u32) -> Policies {
        let text = format!(
            r#"{{ "type": "object", "x-indelible": {{ "kind": "note", "edit": ["editor"] }},
                 "properties": {{ "text": {{ "type": "string", "maxLength": {max_length} }} }} }}"#
        );
        schema::compile_all(&[SchemaSource::new("note.json", text)]).unwrap()
    }

    #[test]
    fn policies_of_the_past_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let refusals = RefusalSettings {
            kept_per_principal_max: 1,
        };
        let store = RedbStore::open(dir.path(), refusals).unwrap();
        let (old, new) = (policies(5), policies(6));
        let hash = |policies: &Policies| policies.iter().next().unwrap().hash();
        assert_eq!(keep(&store, &old).unwrap().iter().count(), 1);
        drop(store);
        let store = RedbStore::open(dir.path(), refusals).unwrap();
        let book = keep(&store, &new).unwrap();
        assert_eq!(book.iter().count(), 2);
        for policies in [&old, &new] {
            let found = book.policy(hash(policies)).unwrap();
            assert_eq!(found.hash(), hash(policies));
        }
        assert_eq!(keep(&store, &old).unwrap().iter().count(), 2);
    }
}
