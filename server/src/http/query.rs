//! The query of a request.
//!
//! Invariant: a parameter that is unknown, empty or repeated is refused with its name:
//! a slip of the pen must not cost what the parameter protects.

use axum::http::Uri;
use indelible_engine::excerpt::Short;
use percent_encoding::percent_decode_str;

use super::problem::Problem;

/// The parameters of a request, each of them known and there once.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the query, of which all but `known` is refused.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let query = Self::of(uri)?;
        for (at, (name, _)) in query.0.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(Problem::bad_request(unknown(name, known)));
            }
            if query.0[..at].iter().any(|(other, _)| other == name) {
                let detail = format!("the parameter {name} is given twice");
                return Err(Problem::bad_request(detail));
            }
        }
        if let Some((name, _)) = query.0.iter().find(|(_, value)| value.trim().is_empty()) {
            let detail = format!("the parameter {name} is empty: give it a value, or leave it out");
            return Err(Problem::bad_request(detail));
        }
        Ok(query)
    }

    /// Reads a query that was checked before.
    ///
    /// # Errors
    /// What of it cannot be read.
    pub(super) fn of(uri: &Uri) -> Result<Self, Problem> {
        let parts = uri.query().unwrap_or_default().split('&');
        let pairs = parts.filter(|part| !part.is_empty()).map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Ok((decoded(name)?, decoded(value)?))
        });
        Ok(Self(pairs.collect::<Result<_, Problem>>()?))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn decoded(text: &str) -> Result<String, Problem> {
    if !is_encoded(text) {
        return Err(Problem::bad_request(format!(
            "in the query, {:?} has a % that is not followed by two hexadecimal digits",
            Short(text)
        )));
    }
    let spaced = text.replace('+', " ");
    let bytes = percent_decode_str(&spaced);
    let text = bytes.decode_utf8().map_err(|_| {
        Problem::bad_request(format!(
            "in the query, {:?} does not stand for UTF-8",
            Short(text)
        ))
    })?;
    Ok(text.into_owned())
}

/// Whether every `%` begins a byte.
pub(super) fn is_encoded(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let digits = after.bytes().take(2);
        digits.filter(u8::is_ascii_hexdigit).count() == 2
    })
}

fn unknown(name: &str, known: &[&str]) -> String {
    let name = Short(name);
    let low = name.to_string().to_lowercase();
    let near = known
        .iter()
        .map(|known| (strsim::osa_distance(&low, known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 2);
    let instead = match (near, known) {
        (_, []) => "none is taken here".to_owned(),
        (Some((_, known)), _) => format!("is it {known}?"),
        (None, known) => format!("taken here: {}", known.join(", ")),
    };
    format!("there is no parameter {name:?}: {instead}")
}

#[cfg(test)]
mod tests {
    //! Guards against parameters that are passed over.
    use super::*;

    fn read(query: &str) -> Result<Query, ()> {
        let uri: Uri = format!("/api/x?{query}").parse().unwrap();
        Query::read(&uri, &["base", "preserve"]).map_err(drop)
    }

    #[test]
    fn queries_are_read() {
        let query = read("base=%22a%22&&preserve=a+b%2Cc").unwrap();
        assert_eq!(query.get("base"), Some("\"a\""));
        assert_eq!(query.get("preserve"), Some("a b,c"));
        assert_eq!(read("").unwrap().get("base"), None);
        for bad in [
            "bsae=1",
            "base",
            "base=",
            "base=+",
            "preserve=&base=1",
            "base=1&base=1",
            "base=%f",
            "base=%zz",
            "base=%ff",
            "%62ase=1&base=2",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_nearest_is_named() {
        assert_eq!(
            unknown("bsae", &["base", "preserve"]),
            "there is no parameter \"bsae\": is it base?"
        );
        assert!(unknown("colour", &["base", "preserve"]).ends_with("taken here: base, preserve"));
        assert!(unknown("x", &[]).ends_with("none is taken here"));
    }
}
