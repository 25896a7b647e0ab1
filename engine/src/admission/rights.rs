//! Who may write under which rule, and how to say that they may not.
//!
//! Invariant: the one place where a write rule is held against a principal.
//! Must never know: documents, operations.

use crate::policy::WriteRule;
use crate::principal::Principal;
use crate::violation::Rule;

/// The rule that keeps `author` from writing under `write`, if any.
pub(crate) fn denied(write: &WriteRule, author: &Principal, fresh: bool) -> Option<Rule> {
    match write {
        WriteRule::Edit => None,
        WriteRule::Create => (!fresh).then_some(Rule::CREATE),
        WriteRule::System => (!author.is_system()).then_some(Rule::SYSTEM),
        WriteRule::Roles(roles) => {
            (!author.is_system() && !author.has_any(roles)).then_some(Rule::WRITE)
        }
    }
}

/// Why a value may not be written, for people.
pub(crate) fn refusal_text(rule: &Rule) -> &'static str {
    if *rule == Rule::CREATE {
        "the field is written once, when it is created"
    } else if *rule == Rule::SYSTEM {
        "the field is written by the system only"
    } else if *rule == Rule::STAMP {
        "the field is derived from the ledger"
    } else if *rule == Rule::TALLY {
        "the field lives beside the document"
    } else {
        "the field may not be written by your roles"
    }
}
