//! JSON text from outside.
//!
//! Invariant: a short text does not hold more values than a server can hold and compare: they
//! are counted before any of them is made. No property occurs twice in an object.

use serde_json::Value;

use crate::config::JSON_VALUES_MAX;

/// Why a text is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JsonError {
    /// It is not JSON, or JSON that readers differ on.
    #[error("it is not JSON as all readers take it: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It holds too much.
    #[error("it holds more than {JSON_VALUES_MAX} values")]
    TooMany,
}

/// Reads a text.
///
/// # Errors
/// [`JsonError`] says what is wrong with it.
pub(crate) fn parse(text: &[u8]) -> Result<Value, JsonError> {
    if values(text) > JSON_VALUES_MAX {
        return Err(JsonError::TooMany);
    }
    Ok(indelible_engine::json::parse(text)?)
}

/// How many values a text holds, if it is JSON: each but the first follows a comma or is the
/// first in a list or a map.
fn values(text: &[u8]) -> usize {
    let (mut count, mut in_string, mut escaped) = (1_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b',' | b'[' | b'{' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    //! Guards against megabytes that expand to gigabytes, and texts that are taken for lists.
    use super::*;

    #[test]
    fn values_are_counted_and_commas_in_texts_are_not() {
        for (text, count) in [
            ("1", 1),
            ("[1,2]", 3),
            (r#"{"a":[{}]}"#, 4),
            (r#"{"a":",,[{\",,"}"#, 2),
        ] {
            assert_eq!(values(text.as_bytes()), count, "{text}");
        }
    }

    #[test]
    fn bounds_hold() {
        let list = |length: usize| format!("[{}0]", "0,".repeat(length - 1));
        assert!(parse(list(JSON_VALUES_MAX - 1).as_bytes()).is_ok());
        let longer = parse(list(JSON_VALUES_MAX).as_bytes());
        assert!(matches!(longer, Err(JsonError::TooMany)));
        let text = format!("\"{}\"", ",".repeat(JSON_VALUES_MAX));
        assert!(parse(text.as_bytes()).is_ok());
        assert!(matches!(parse(b"{"), Err(JsonError::Malformed(_))));
    }
}
