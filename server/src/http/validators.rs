//! Entity tags and the conditions that are stated with them (RFC 9110, sections 8.8.3 and 13.1).
//!
//! Invariant: a condition that cannot be read is never taken for none, or for one that holds. What
//! is read with a condition, of `/api` or a page, is answered here.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::entity::Precondition;
use crate::versions::TEXT_BYTES as VERSION_BYTES;

/// What goes at the end of a tag where a proxy has packed the answer.
const PACKED: [&str; 8] = [
    "-gzip",
    "-br",
    "-zstd",
    "-deflate",
    "--gzip",
    "--br",
    "--zstd",
    "--deflate",
];

/// Answers a GET of what has the tag `etag`: by what `make` makes, by 304 where the caller has it,
/// or by 412 where it should be another. What the caller names as a version that `stands_for` that tag
/// is the same.
pub(super) fn read_as(
    headers: &HeaderMap,
    etag: &str,
    stands_for: impl Fn(&str) -> bool,
    make: impl FnOnce() -> Response,
) -> Response {
    match if_match(headers) {
        Err(problem) => return problem.into_response(),
        Ok(Some(Precondition::AtVersion(versions))) => {
            // A weak tag does not match a strong one, even with the same text.
            let is = |version: &String| etag == quoted(version) || stands_for(version);
            if !versions.iter().any(is) {
                return failed().into_response();
            }
        }
        Ok(Some(Precondition::Exists) | None) => {}
    }
    let known = match if_none_match(headers) {
        Ok(known) => known,
        Err(problem) => return problem.into_response(),
    };
    let mut response = match known.is_some_and(|known| known.names(etag, stands_for)) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => make(),
    };
    if let Ok(etag) = HeaderValue::from_str(etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

/// [`read_as`] of what has no other versions.
pub(super) fn read(headers: &HeaderMap, etag: &str, make: impl FnOnce() -> Response) -> Response {
    read_as(headers, etag, |_| false, make)
}

/// A version as an entity tag.
pub(super) fn quoted(version: &str) -> String {
    format!("\"{version}\"")
}

/// The version that a `base` names: as it was sent, or as the tag that it came in. A proxy may have
/// made that weak, or noted in it how it packed the answer; it is the same version.
pub(super) fn version(base: &str) -> String {
    let opaque = match tags(base).as_deref() {
        Some([tag]) => tag.opaque,
        _ => base,
    };
    let mut told = PACKED.iter().filter_map(|end| opaque.strip_suffix(end));
    let told = told.find(|version| version.len() == VERSION_BYTES);
    told.unwrap_or(opaque).to_owned()
}

/// 412: the version differs.
pub(super) fn failed() -> Problem {
    let title = "The entity is at a different version";
    Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "precondition-failed",
        title,
    )
}

/// The condition of a request, if it states one.
///
/// # Errors
/// When the header is neither `*` nor a list of entity tags, or names none. The comparison is the
/// strong one, so where all tags are weak the condition has failed already.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<Precondition>, Problem> {
    let mut lines = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        let text = value.to_str().map_err(|_| malformed("If-Match"))?;
        lines.push(text.trim_matches([' ', '\t']));
    }
    match lines[..] {
        [] => return Ok(None),
        ["*"] => return Ok(Some(Precondition::Exists)),
        _ => {}
    }
    // Several lines are one list (section 5.3).
    let list = lines.join(",");
    let tags = stated(&list).ok_or_else(|| malformed("If-Match"))?;
    if tags.iter().all(|tag| tag.weak) {
        let detail = "a weak tag (W/\"…\") never matches here: name the version in \
                      double quotes, and keep proxies from packing /api, which makes tags weak";
        return Err(failed().detail(detail));
    }
    let strong = tags.into_iter().filter(|tag| !tag.weak);
    let versions = strong.map(|tag| tag.opaque.to_owned()).collect();
    Ok(Some(Precondition::AtVersion(versions)))
}

/// The tags that `If-None-Match` states; none where it is left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Whatever there is.
    Any,
    /// These, without what makes them weak.
    Tags(Vec<String>),
}

/// What the caller says that it has.
///
/// # Errors
/// When the header is neither `*` nor a list of entity tags, or names none.
pub(super) fn if_none_match(headers: &HeaderMap) -> Result<Option<Known>, Problem> {
    let lines = headers.get_all(header::IF_NONE_MATCH).iter();
    // A tag may hold bytes beyond ASCII; none of ours does.
    let lines: Vec<_> = lines
        .map(|line| String::from_utf8_lossy(line.as_bytes()))
        .collect();
    if lines.is_empty() {
        return Ok(None);
    }
    let list = lines.join(",");
    if list.trim_matches([' ', '\t']) == "*" {
        return Ok(Some(Known::Any));
    }
    let tags = stated(&list).ok_or_else(|| malformed("If-None-Match"))?;
    let tags = tags.into_iter().map(|tag| tag.opaque.to_owned());
    Ok(Some(Known::Tags(tags.collect())))
}

impl Known {
    /// Whether the tag, or an equivalent version, is among them, by the weak comparison.
    fn names(&self, etag: &str, stands_for: impl Fn(&str) -> bool) -> bool {
        let is = |tag: &String| quoted(tag) == etag.trim_start_matches("W/") || stands_for(tag);
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(is),
        }
    }
}

fn malformed(field: &str) -> Problem {
    Problem::bad_request(format!(
        "{field} is * or a list of entity tags, each in double quotes"
    ))
}

/// An entity tag (section 8.8.3).
#[derive(Debug, PartialEq, Eq)]
struct Tag<'a> {
    weak: bool,
    opaque: &'a str,
}

/// The tags of a condition: one at least, for a variable that was not set makes a header without any.
fn stated(text: &str) -> Option<Vec<Tag<'_>>> {
    tags(text).filter(|tags| !tags.is_empty())
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
    use super::*;

    fn condition(lines: &[&str]) -> Result<Option<Precondition>, ()> {
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
            Ok(Some(Precondition::AtVersion(tags)))
        };
        for (lines, expected) in [
            (&[][..], Ok(None)),
            (&["*"], Ok(Some(Precondition::Exists))),
            (&[" * "], Ok(Some(Precondition::Exists))),
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
            (&[r#"W/"a", "b""#], versions(&["b"])),
        ] {
            assert_eq!(condition(lines), expected, "{lines:?}");
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
            &[""],
            &[" , "],
            &["", ""],
            // It could never hold.
            &[r#"W/"a""#],
        ] {
            assert_eq!(condition(lines), Err(()), "{lines:?}");
        }
    }

    #[test]
    fn what_the_caller_has_is_known() {
        for (lines, strong, weak) in [
            (&[][..], false, false),
            (&[r#""a""#], true, true),
            (&[r#"W/"a""#], true, true),
            (&[r#""x", W/"a""#], true, true),
            (&[r#""x""#, r#""y", "a""#], true, true),
            (&["*"], true, true),
            (&[r#""x,a""#, r#""*""#], false, false),
            (&["\"\u{e9}\""], false, false),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                let line = HeaderValue::from_bytes(line.as_bytes()).unwrap();
                headers.append(header::IF_NONE_MATCH, line);
            }
            let known = if_none_match(&headers).unwrap();
            let names = |etag: &str| {
                known
                    .as_ref()
                    .is_some_and(|known| known.names(etag, |_| false))
            };
            assert_eq!(names(r#""a""#), strong, "{lines:?}");
            assert_eq!(names(r#"W/"a""#), weak, "{lines:?}");
        }
        for malformed in [
            "a",
            r#""a" "a""#,
            r#""a"#,
            r#"w/"a""#,
            r#"*, "a""#,
            "\"a b\"",
            "",
            " ,",
        ] {
            let line = HeaderValue::from_str(malformed).unwrap();
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, line)]);
            assert!(if_none_match(&headers).is_err(), "{malformed}");
        }
    }

    #[test]
    fn a_base_is_a_version_or_the_tag_that_it_came_in() {
        let told = "v".repeat(VERSION_BYTES);
        for base in [
            told.clone(),
            format!("\"{told}\""),
            format!("W/\"{told}\""),
            format!("\"{told}-gzip\""),
            format!("W/\"{told}-br\""),
        ] {
            assert_eq!(version(&base), told, "{base}");
        }
        for other in ["a-gzip", r#""a", "b""#] {
            assert_eq!(version(other), other);
        }
    }
}
