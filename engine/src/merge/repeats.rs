//! Whether a body only repeats what it was made from.

use serde_json::{Map, Value};

use crate::value::same;

/// Whether a body says of an object only what its base said. With `whole`, what it lacks counts.
pub(super) fn repeats(body: &Map<String, Value>, base: &Map<String, Value>, whole: bool) -> bool {
    (!whole || base.keys().all(|name| body.contains_key(name)))
        && body.iter().all(|(name, value)| match base.get(name) {
            Some(base) => repeats_value(value, base, whole),
            None => value.is_null(),
        })
}

pub(crate) fn repeats_value(body: &Value, base: &Value, whole: bool) -> bool {
    match (body, base) {
        (Value::Object(body), Value::Object(base)) => repeats(body, base, whole),
        (Value::Array(body), Value::Array(base)) => {
            body.len() == base.len()
                && body
                    .iter()
                    .zip(base)
                    .all(|(body, base)| repeats_value(body, base, whole))
        }
        _ => same(body, base),
    }
}
