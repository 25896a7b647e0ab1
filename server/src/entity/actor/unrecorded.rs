//! Refusals that the store could not record, in the log.

use indelible_engine::ledger::RefusalDraft;

/// Refusals of one commit, and violations of one refusal, that are logged where they cannot be
/// recorded; of the rest only the number is.
const UNRECORDED_LOGGED_MAX: usize = 16;

/// What the store should have recorded, at least in the log: who was refused what, by which rules.
pub(super) fn log_unrecorded(refusals: &[RefusalDraft]) {
    for refusal in refusals.iter().take(UNRECORDED_LOGGED_MAX) {
        let violations = refusal.violations.iter();
        let rules: Vec<_> = violations
            .take(UNRECORDED_LOGGED_MAX)
            .map(|violation| format!("{} at {}", violation.rule, violation.pointer))
            .collect();
        tracing::warn!(
            entity = %refusal.header.entity,
            principal = ?refusal.header.author.id,
            code = refusal.code,
            violations = refusal.violations.len(),
            rules = rules.join(", "),
            "a refusal could not be recorded"
        );
    }
    if let Some(further @ 1..) = refusals.len().checked_sub(UNRECORDED_LOGGED_MAX) {
        tracing::warn!(further, "further refusals could not be recorded");
    }
}
