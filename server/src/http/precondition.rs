//! The condition that a write states with `If-Match` (RFC 9110, section 13.1.1).
//!
//! Invariant: a condition that cannot be read is never taken for none, or for one that holds.
//!
//! Must not know: which version an entity is at.

use axum::http::{HeaderMap, header};

use super::problem::Problem;
use crate::relay::IfMatch;

/// The condition of a request, if it states one.
///
/// The comparison is the strong one, so weak tags are left out: they never match.
///
/// # Errors
/// When the header is neither `*` nor a list of entity tags.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<IfMatch>, Problem> {
    let mut lines = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        let text = value.to_str().map_err(|_| malformed())?;
        lines.push(text.trim_matches([' ', '\t']));
    }
    match lines[..] {
        [] => return Ok(None),
        ["*"] => return Ok(Some(IfMatch::Any)),
        _ => {}
    }
    // Several lines are one list (section 5.3).
    let list = lines.join(",");
    let tags = tags(&list).ok_or_else(malformed)?;
    let strong = tags.into_iter().filter(|tag| !tag.weak);
    let versions = strong.map(|tag| tag.opaque.to_owned()).collect();
    Ok(Some(IfMatch::Versions(versions)))
}

fn malformed() -> Problem {
    Problem::bad_request("If-Match is * or a list of entity tags, each in double quotes")
}

/// An entity tag (section 8.8.3).
#[derive(Debug, PartialEq, Eq)]
struct Tag<'a> {
    weak: bool,
    opaque: &'a str,
}

/// Reads `#entity-tag`: tags between commas, empty places among them (section 5.6.1).
fn tags(text: &str) -> Option<Vec<Tag<'_>>> {
    let mut tags = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            let weak = rest.starts_with("W/");
            let quoted = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
            let (opaque, after) = quoted.split_once('"')?;
            if opaque.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
                return None;
            }
            tags.push(Tag { weak, opaque });
            rest = after.trim_start_matches([' ', '\t']);
        }
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Some(tags),
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    //! Guards against conditions that hold because they were not understood.
    use axum::http::HeaderValue;

    use super::*;

    fn read(lines: &[&str]) -> Result<Option<IfMatch>, ()> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::IF_MATCH, HeaderValue::from_str(line).unwrap());
        }
        if_match(&headers).map_err(drop)
    }

    #[test]
    fn conditions_are_read() {
        let versions = |tags: &[&str]| {
            let tags = tags.iter().map(|&tag| tag.to_owned()).collect();
            Ok(Some(IfMatch::Versions(tags)))
        };
        for (lines, expected) in [
            (&[][..], Ok(None)),
            (&["*"], Ok(Some(IfMatch::Any))),
            (&[" * "], Ok(Some(IfMatch::Any))),
            (&[r#""a""#], versions(&["a"])),
            (&[r#""a", "b" ,"c""#], versions(&["a", "b", "c"])),
            (&[r#", "a",, "b","#], versions(&["a", "b"])),
            (&[r#""a""#, r#""b", "c""#], versions(&["a", "b", "c"])),
            // A comma, a star or a W inside a tag is a part of it.
            (
                &[r#""a,b", "*", "W/x", """#],
                versions(&["a,b", "*", "W/x", ""]),
            ),
            // Weak tags are read, and match nothing.
            (&[r#"W/"a""#], versions(&[])),
            (&[r#"W/"a", "b""#], versions(&["b"])),
            (&[""], versions(&[])),
        ] {
            assert_eq!(read(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for lines in [
            &["a"][..],
            &[r#"*, "a""#],
            &["*", "*"],
            &[r#""a"#],
            &[r#""a" "b""#],
            &[r#"w/"a""#],
            &[r#"W/ "a""#],
            &["W/*"],
            &[r#""a b""#],
        ] {
            assert_eq!(read(lines), Err(()), "{lines:?}");
        }
    }
}
