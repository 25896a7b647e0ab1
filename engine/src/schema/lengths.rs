//! The default bound on strings that the patterns of their own field are matched against. It holds
//! from the fourth version of the rules on, and a maximum in the schema replaces it.

use serde_json::{Map, Value};

use super::gather::Part;
use crate::policy::PATTERN_LENGTH_MAX;
use crate::policy::long_strings::{IN_PLACE, is_bounded};

/// How deep schemas are looked into. A reference that leads back to itself is a mistake.
const DEPTH_MAX: usize = 32;

/// The bound that holds for strings at a place, where a pattern is tried on them and no schema
/// there says how long they may be.
pub(super) fn unstated(root: &Value, parts: &[Part<'_>]) -> Option<u64> {
    let is_stated = parts.iter().any(|part| is_bounded(part.keywords));
    let tries = |part: &Part<'_>| tries_any_length(root, part.keywords, 0);
    let holds = !is_stated && parts.iter().any(tries);
    holds.then_some(PATTERN_LENGTH_MAX)
}

/// Whether a schema holds a pattern without a bound beside or around it.
fn tries_any_length(root: &Value, schema: &Map<String, Value>, depth: usize) -> bool {
    if is_bounded(schema) || depth > DEPTH_MAX {
        return false;
    }
    let target = schema.get("$ref").and_then(Value::as_str);
    let target = target.and_then(|target| root.pointer(target.strip_prefix('#')?));
    let below = IN_PLACE.iter().filter_map(|keyword| schema.get(*keyword));
    let below = below.flat_map(|value| match value {
        Value::Array(schemas) => schemas.as_slice(),
        schema => std::slice::from_ref(schema),
    });
    let mut inside = below.chain(target).filter_map(Value::as_object);
    schema.contains_key("pattern") || inside.any(|inside| tries_any_length(root, inside, depth + 1))
}
