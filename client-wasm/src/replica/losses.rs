//! What is lost of edits, as the program is to see it.

use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{Policy, Shape};
use indelible_engine::rebase::Dropped;
use serde_json::Value;

use crate::event::DroppedView;

/// The reason that is reported of acknowledged edits that the server does not have any more, and the
/// code of the fault.
pub(crate) const FORGOTTEN: &str = "forgotten";

/// What became of pending edits.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// What is in no pending edit any more; empty: everything remains pending.
    pub(crate) dropped: Vec<DroppedView>,
    /// The ordinal of the first edit that lost something.
    pub(crate) first: u64,
    /// The ordinal up to which every edit is either saved or lost as a whole.
    pub(crate) settled: u64,
}

/// What was dropped, with what was typed into a text as one piece. A pointer belongs to the present
/// policy or to that which `shown`, the value with all edits, is under.
pub(super) fn views(
    policy: &Policy,
    (shown_policy, shown): (&Policy, &Value),
    dropped: &[Dropped],
) -> Vec<DroppedView> {
    let is_text = |policy: &Policy, at: &Pointer| {
        let node = policy.find(at).map(|node| policy.node(node));
        node.is_some_and(|node| matches!(node.shape, Shape::Text { .. }))
    };
    let mut views: Vec<DroppedView> = Vec::new();
    for one in dropped {
        let text = is_text(policy, &one.pointer) || is_text(shown_policy, &one.pointer);
        let mut view = DroppedView::from(one);
        match views.last_mut() {
            Some(last) if text && last.continues(&view) => {
                last.operations += 1;
                last.attempted = match (last.attempted.take(), view.attempted) {
                    (Some(Value::String(text)), Some(Value::String(more))) => {
                        Some(Value::String(text + &more))
                    }
                    (None, more) => more,
                    (text, _) => text,
                };
            }
            _ => {
                if text {
                    let whole = shown_policy.value_at(shown, &one.pointer);
                    view.text = whole.and_then(Value::as_str).map(str::to_owned);
                }
                views.push(view);
            }
        }
    }
    views
}
