//! Errors in the syntax of JSON, in sentences: the library reports them in its own terms.

/// What the reader says, and the sentence for it.
const SENTENCES: [(&str, &str); 19] = [
    ("EOF while parsing a list", "the text ends inside a list"),
    (
        "EOF while parsing an object",
        "the text ends inside an object",
    ),
    (
        "EOF while parsing a string",
        "the text ends inside a string",
    ),
    (
        "EOF while parsing a value",
        "the text ends where a value has to be",
    ),
    ("expected `:`", "a colon is missing after a name"),
    (
        "expected `,` or `]`",
        "a comma or the end of the list is missing",
    ),
    (
        "expected `,` or `}`",
        "a comma or the end of the object is missing",
    ),
    ("expected ident", "a word is not true, false or null"),
    ("expected value", "a value has to be here"),
    ("expected `\"`", "a double quote is missing"),
    (
        "invalid escape",
        "a backslash is not followed by an escape that JSON has",
    ),
    (
        "unexpected end of hex escape",
        "half of a surrogate pair is alone",
    ),
    (
        "lone leading surrogate",
        "half of a surrogate pair is alone",
    ),
    ("invalid unicode code point", "it is not UTF-8"),
    (
        "invalid number",
        "a number is not written as JSON writes numbers",
    ),
    (
        "control character",
        "a control character in a string is not escaped",
    ),
    (
        "key must be a string",
        "the name of a member is not in double quotes",
    ),
    ("trailing comma", "no value follows a comma"),
    ("trailing characters", "there is more after the value"),
];

/// The sentence for what the reader says, without its place.
pub(super) fn sentence(reason: &str) -> Option<&'static str> {
    let found = SENTENCES.iter().find(|(said, _)| reason.starts_with(said));
    found.map(|(_, sentence)| *sentence)
}
