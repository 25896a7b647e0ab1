//! Translates the regular expressions of ECMAScript, which JSON Schema uses, to those of the engine
//! that matches them in linear time.
//!
//! The two grammars look alike and differ in places that are easy to miss: `\<`, `[[]`, `[a&&b]`,
//! `.`, `\s`. So a pattern is parsed by ECMAScript's grammar (ECMA-262, with the flag `u`) and
//! written again for the engine. A pattern that the grammar does not accept, that cannot be matched
//! in linear time, or that is too large once compiled, is refused with the place of the error. The
//! second version of the rules accepted more than the grammar does: `]` and `}` by themselves, and
//! `\` before any punctuation.

use std::collections::BTreeSet;
use std::fmt;
use std::iter::Peekable;
use std::str::CharIndices;

use regex_lite::{Regex, RegexBuilder};

#[cfg(feature = "whole-entity")]
use regex_syntax::hir::Look;

use super::Rules;
use super::constraint::Pattern;
#[cfg(feature = "whole-entity")]
use super::constraint::Quick;

/// The size that a compiled pattern may have. Matching takes time in proportion to it.
const COMPILED_BYTES_MAX: usize = 64 * 1024;

/// The size that the quick engine's program may have, Unicode's classes unfolded into bytes.
#[cfg(feature = "whole-entity")]
const QUICK_BYTES_MAX: usize = 4 << 20;

/// How deep groups may be nested.
const GROUPS_DEEP_MAX: usize = 50;

/// White space and line ends, as `\s` means them, for use in a class.
const SPACE: &str = "\\t\\n\\x0B\\x0C\\r \u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\
                     \u{205f}\u{3000}\u{feff}";

/// Everything else: what `\S` means.
const NO_SPACE: &str = "\\x00-\\x08\\x0E-\\x1F!-\u{9f}\u{a1}-\u{167f}\u{1681}-\u{1fff}\
                        \u{200b}-\u{2027}\u{202a}-\u{202e}\u{2030}-\u{205e}\u{2060}-\u{2fff}\
                        \u{3001}-\u{fefe}\u{ff00}-\u{10ffff}";

/// Everything but line ends: what `.` means.
const ANY: &str = "[^\\n\\r\u{2028}\u{2029}]";

/// What may follow a backslash and means itself.
const ESCAPED: &str = "^$\\.*+?()[]{}|/";

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PatternError {
    /// The character that it is about, counted from 0, where it is about one.
    at: Option<usize>,
    reason: String,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this regular expression cannot be used: {}", self.reason)?;
        if let Some(at) = self.at {
            write!(f, ", at character {at}")?;
        }
        f.write_str(
            " (patterns are those of ECMAScript that run in linear time; see docs/schema.md)",
        )
    }
}

/// Compiles a pattern.
pub(crate) fn compile(rules: Rules, text: &str) -> Result<Pattern, PatternError> {
    let translated = match rules {
        Rules::V1 => Translated {
            text: text.to_owned(),
            terms: Vec::new(),
        },
        Rules::V2 => translate(text, Grammar::Lenient)?,
        _ => translate(text, Grammar::Strict)?,
    };
    let regex = built(&translated.text).map_err(|error| PatternError {
        at: translated
            .first_too_large()
            .map(|at| text[..at].chars().count()),
        reason: match translated.terms.is_empty() {
            true => error.to_string(),
            false => {
                let most = COMPILED_BYTES_MAX / 1024;
                format!("once compiled it takes more than {most} KiB")
            }
        },
    })?;
    let pattern = Pattern::new(text, regex);
    #[cfg(feature = "whole-entity")]
    let pattern = pattern.with_quick(match rules {
        // Which were not translated, and mean what the one engine takes them for.
        Rules::V1 => Quick::default(),
        _ => quick(&translated.text),
    });
    Ok(pattern)
}

/// A translated pattern for an engine that is linear too, and a hundred times as fast on long texts,
/// but too large for a page. If the pattern would take too much memory there, the other one is used.
#[cfg(feature = "whole-entity")]
fn quick(translated: &str) -> Quick {
    // In this engine, the complements of digits and letters are those of Unicode too.
    let [edge] = WORD_EDGES;
    let words = [edge, ('D', "[^0-9]"), ('W', "[^0-9A-Za-z_]")];
    let Some(text) = respelt(translated, &words) else {
        return Quick::default();
    };
    let parsed = regex_syntax::parse(&text).ok();
    let is_bounded = parsed.is_some_and(|parsed| {
        let of = parsed.properties();
        let is_whole =
            of.look_set_prefix().contains(Look::Start) && of.look_set_suffix().contains(Look::End);
        is_whole && of.maximum_len().is_some()
    });
    let regex = regex::RegexBuilder::new(&text)
        .size_limit(QUICK_BYTES_MAX)
        .build()
        .ok();
    Quick { regex, is_bounded }
}

fn built(translated: &str) -> Result<Regex, regex_lite::Error> {
    RegexBuilder::new(translated)
        .size_limit(COMPILED_BYTES_MAX)
        .build()
}

/// Which invalid patterns are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grammar {
    /// What has one reading, as under the second rules.
    Lenient,
    /// Nothing.
    Strict,
}

/// A pattern in the terms of the engine.
struct Translated {
    text: String,
    /// For each term outside groups: where it ends here, and where it begins in the pattern.
    terms: Vec<(usize, usize)>,
}

impl Translated {
    /// The first term up to which the pattern is more than the engine takes.
    fn first_too_large(&self) -> Option<usize> {
        let fits = |(end, _): &(usize, usize)| built(&self.text[..*end]).is_ok();
        let first = self.terms.partition_point(fits);
        self.terms.get(first).map(|(_, at)| *at)
    }
}

/// Writes a pattern of ECMAScript in the terms of the engine.
fn translate(text: &str, grammar: Grammar) -> Result<Translated, PatternError> {
    let mut parser = Parser {
        text,
        grammar,
        rest: text.char_indices().peekable(),
        out: String::with_capacity(text.len()),
        terms: Vec::new(),
        names: BTreeSet::new(),
        depth: 0,
    };
    parser.alternatives()?;
    match parser.rest.peek().copied() {
        None => Ok(Translated {
            text: parser.out,
            terms: parser.terms,
        }),
        Some((at, _)) => Err(parser.error(at, "there is no group to close here")),
    }
}

/// Writes a pattern of property names for the engine of the validator of whole values, whose word
/// edges are Unicode's by default. Patterns that the rules do not accept have been refused by
/// [`compile`].
pub(crate) fn for_names(text: &str) -> Result<String, PatternError> {
    let translated = translate(text, Grammar::Lenient)?.text;
    respelt(&translated, &WORD_EDGES).ok_or_else(|| PatternError {
        at: None,
        reason: "\\B cannot be used in the name of patternProperties".to_owned(),
    })
}

/// How to spell the edge of a word for an engine whose default is Unicode's.
const WORD_EDGES: [(char, &str); 1] = [('b', "(?-u:\\b)")];

/// A translated pattern with some escapes spelt otherwise; `None` if it has `\B`, which cannot be.
fn respelt(translated: &str, words: &[(char, &str)]) -> Option<String> {
    let mut out = String::with_capacity(translated.len());
    let mut rest = translated.chars();
    while let Some(next) = rest.next() {
        if next != '\\' {
            out.push(next);
            continue;
        }
        let escaped = rest.next()?;
        match words.iter().find(|(known, _)| *known == escaped) {
            _ if escaped == 'B' => return None,
            Some((_, word)) => out.push_str(word),
            None => out.extend([next, escaped]),
        }
    }
    Some(out)
}

/// One member of a class.
enum Member {
    /// A character, which may begin or end a range.
    One(char),
    /// A set of characters, as `\d`.
    Set(&'static str),
}

struct Parser<'a> {
    text: &'a str,
    grammar: Grammar,
    rest: Peekable<CharIndices<'a>>,
    out: String,
    terms: Vec<(usize, usize)>,
    names: BTreeSet<&'a str>,
    depth: usize,
}

type Parsed<T> = Result<T, PatternError>;

impl<'a> Parser<'a> {
    fn error(&self, at: usize, reason: &str) -> PatternError {
        PatternError {
            at: Some(self.text[..at].chars().count()),
            reason: reason.to_owned(),
        }
    }

    /// Where the next character begins.
    fn place(&mut self) -> usize {
        self.rest.peek().map_or(self.text.len(), |(at, _)| *at)
    }

    fn eat(&mut self, wanted: char) -> bool {
        self.rest.next_if(|(_, found)| *found == wanted).is_some()
    }

    /// Whether the text continues with `wanted`, which is then consumed.
    fn eat_all(&mut self, wanted: &str) -> bool {
        let at = self.place();
        let found = self.text[at..].starts_with(wanted);
        if found {
            while self
                .rest
                .next_if(|(next, _)| *next < at + wanted.len())
                .is_some()
            {}
        }
        found
    }

    fn alternatives(&mut self) -> Parsed<()> {
        loop {
            while let Some((at, next)) = self.rest.peek().copied() {
                match next {
                    '|' | ')' => break,
                    _ => self.term(at, next)?,
                }
            }
            if !self.eat('|') {
                return Ok(());
            }
            self.out.push('|');
        }
    }

    fn term(&mut self, at: usize, next: char) -> Parsed<()> {
        self.rest.next();
        let may_repeat = match next {
            '^' | '$' => {
                self.out.push(next);
                false
            }
            '.' => {
                self.out.push_str(ANY);
                true
            }
            '(' => {
                self.group(at)?;
                true
            }
            '[' => {
                self.class(at)?;
                true
            }
            '\\' if self.eat('b') => {
                self.out.push_str("\\b");
                false
            }
            '\\' if self.eat('B') => {
                self.out.push_str("\\B");
                false
            }
            '\\' => {
                match self.escape(at)? {
                    Member::One(one) => push(&mut self.out, one),
                    Member::Set(set) => {
                        self.out.push('[');
                        self.out.push_str(set);
                        self.out.push(']');
                    }
                }
                true
            }
            '*' | '+' | '?' => return Err(self.error(at, "there is nothing to repeat here")),
            '{' => {
                return Err(self.error(at, "a { that repeats nothing has to be written \\{"));
            }
            ']' | '}' if self.grammar == Grammar::Strict => {
                let reason = format!("a {next} that closes nothing has to be written \\{next}");
                return Err(self.error(at, &reason));
            }
            _ => {
                push(&mut self.out, next);
                true
            }
        };
        self.quantifier(may_repeat)?;
        if self.depth == 0 {
            self.terms.push((self.out.len(), at));
        }
        Ok(())
    }

    fn quantifier(&mut self, may_repeat: bool) -> Parsed<()> {
        let at = self.place();
        let Some((_, next)) = self.rest.peek().copied() else {
            return Ok(());
        };
        let written = match next {
            '*' | '+' | '?' => {
                self.rest.next();
                next.to_string()
            }
            '{' => self.counts(at)?,
            _ => return Ok(()),
        };
        if !may_repeat {
            return Err(self.error(at, "a place in the text cannot be repeated"));
        }
        self.out.push_str(&written);
        if self.eat('?') {
            self.out.push('?');
        }
        Ok(())
    }

    /// `{m}`, `{m,}` or `{m,n}`.
    fn counts(&mut self, at: usize) -> Parsed<String> {
        self.rest.next();
        let least = self.number();
        let (comma, most) = match self.eat(',') {
            true => (true, self.number()),
            false => (false, None),
        };
        let Some(least) = least.filter(|_| self.eat('}')) else {
            return Err(self.error(at, "a { that repeats nothing has to be written \\{"));
        };
        match most {
            Some(most) if most < least => Err(self.error(at, "the numbers are in the wrong order")),
            Some(most) => Ok(format!("{{{least},{most}}}")),
            None if comma => Ok(format!("{{{least},}}")),
            None => Ok(format!("{{{least}}}")),
        }
    }

    fn number(&mut self) -> Option<u32> {
        let start = self.place();
        while self.rest.next_if(|(_, c)| c.is_ascii_digit()).is_some() {}
        let end = self.place();
        let digits = &self.text[start..end];
        match digits.is_empty() {
            true => None,
            // More than the engine takes in any case.
            false => Some(digits.parse().unwrap_or(u32::MAX)),
        }
    }

    /// What groups capture is of no interest here, so none captures.
    fn group(&mut self, at: usize) -> Parsed<()> {
        for look in ["?=", "?!", "?<=", "?<!"] {
            if self.eat_all(look) {
                return Err(self.error(at, "look-around does not run in linear time"));
            }
        }
        if self.eat_all("?<") {
            let start = self.place();
            while self.rest.next_if(|(_, c)| is_of_name(*c)).is_some() {}
            let end = self.place();
            let name = &self.text[start..end];
            if name.is_empty() || name.starts_with(char::is_numeric) || !self.eat('>') {
                return Err(self.error(start, "the name of a group consists of letters, digits, _ and $, begins with no digit and ends with >"));
            }
            if !self.names.insert(name) {
                return Err(self.error(start, "another group has this name already"));
            }
        } else if !self.eat_all("?:") && self.rest.peek().is_some_and(|(_, c)| *c == '?') {
            return Err(self.error(at, "there is no such kind of group"));
        }
        self.depth += 1;
        if self.depth > GROUPS_DEEP_MAX {
            let reason = format!("more than {GROUPS_DEEP_MAX} groups are nested");
            return Err(self.error(at, &reason));
        }
        self.out.push_str("(?:");
        self.alternatives()?;
        self.depth -= 1;
        match self.eat(')') {
            true => self.out.push(')'),
            false => return Err(self.error(at, "the group is not closed")),
        }
        Ok(())
    }

    fn class(&mut self, at: usize) -> Parsed<()> {
        self.out.push('[');
        if self.eat('^') {
            self.out.push('^');
        }
        if self.rest.peek().is_some_and(|(_, c)| *c == ']') {
            return Err(self.error(at, "the class is empty"));
        }
        loop {
            let begins = self.place();
            let Some(first) = self.member(at)? else {
                break;
            };
            let at_now = self.place();
            let after = &self.text[at_now..];
            let is_range = after.starts_with('-') && !after.starts_with("-]");
            if !is_range {
                self.push_member(&first);
                continue;
            }
            self.rest.next();
            let last = self.member(at)?;
            let (Member::One(first), Some(Member::One(last))) = (first, last) else {
                return Err(self.error(begins, "a range is from one character to another"));
            };
            if first > last {
                return Err(self.error(begins, "the range is in the wrong order"));
            }
            push(&mut self.out, first);
            self.out.push('-');
            push(&mut self.out, last);
        }
        self.out.push(']');
        Ok(())
    }

    /// The next member of a class; `None` at its end, which is passed over.
    fn member(&mut self, class: usize) -> Parsed<Option<Member>> {
        match self.rest.next() {
            None => Err(self.error(class, "the class is not closed")),
            Some((_, ']')) => Ok(None),
            Some((_, '\\')) if self.eat('b') => Ok(Some(Member::One('\u{8}'))),
            Some((_, '\\')) if self.eat('-') => Ok(Some(Member::One('-'))),
            Some((at, '\\')) => self.escape(at).map(Some),
            Some((_, one)) => Ok(Some(Member::One(one))),
        }
    }

    fn push_member(&mut self, member: &Member) {
        match member {
            Member::One(one) => push(&mut self.out, *one),
            Member::Set(set) => self.out.push_str(set),
        }
    }

    /// What follows the backslash at `at`.
    fn escape(&mut self, at: usize) -> Parsed<Member> {
        let Some((_, next)) = self.rest.next() else {
            return Err(self.error(at, "there is nothing after the \\"));
        };
        let one = match next {
            'd' => return Ok(Member::Set("0-9")),
            'D' => return Ok(Member::Set("\\D")),
            'w' => return Ok(Member::Set("0-9A-Za-z_")),
            'W' => return Ok(Member::Set("\\W")),
            's' => return Ok(Member::Set(SPACE)),
            'S' => return Ok(Member::Set(NO_SPACE)),
            't' => '\t',
            'n' => '\n',
            'v' => '\u{b}',
            'f' => '\u{c}',
            'r' => '\r',
            '0' if !self.rest.peek().is_some_and(|(_, c)| c.is_ascii_digit()) => '\0',
            'c' => match self.rest.next_if(|(_, c)| c.is_ascii_alphabetic()) {
                Some((_, letter)) => char::from(letter as u8 % 32),
                None => return Err(self.error(at, "\\c wants a letter")),
            },
            'x' => match self.digits(2).and_then(char::from_u32) {
                Some(one) => one,
                None => return Err(self.error(at, "\\x wants two hexadecimal digits")),
            },
            'u' => self.unicode(at)?,
            '0' => {
                let reason = "\\0 with digits behind it is an octal escape, which cannot be used: \
                              write \\x and two hexadecimal digits";
                return Err(self.error(at, reason));
            }
            'k' | '1'..='9' => {
                return Err(self.error(at, "what a group matched cannot be asked for again"));
            }
            'p' | 'P' => return Err(self.error(at, "classes of Unicode cannot be used")),
            '<' | '>' => {
                let reason = format!("\\{next} has several meanings: write {next}");
                return Err(self.error(at, &reason));
            }
            _ if ESCAPED.contains(next) => next,
            _ if next.is_ascii_punctuation() && next != '_' => {
                if self.grammar == Grammar::Strict {
                    let reason = format!("\\{next} is not an escape: write {next}");
                    return Err(self.error(at, &reason));
                }
                next
            }
            _ => return Err(self.error(at, &format!("\\{next} means nothing"))),
        };
        Ok(Member::One(one))
    }

    /// `\uHHHH`, two of them for a surrogate pair, or `\u{H…}`.
    fn unicode(&mut self, at: usize) -> Parsed<char> {
        if self.eat('{') {
            let start = self.place();
            while self.rest.next_if(|(_, c)| c.is_ascii_hexdigit()).is_some() {}
            let end = self.place();
            let number = u32::from_str_radix(&self.text[start..end], 16).ok();
            let one = number.and_then(char::from_u32).filter(|_| self.eat('}'));
            return one.ok_or_else(|| self.error(at, "\\u{…} is not a character"));
        }
        let Some(first) = self.digits(4) else {
            return Err(self.error(at, "\\u wants four hexadecimal digits"));
        };
        if let Some(one) = char::from_u32(first) {
            return Ok(one);
        }
        let second = match first < 0xdc00 && self.eat_all("\\u") {
            true => self.digits(4),
            false => None,
        };
        let pair = second.filter(|second| (0xdc00..0xe000).contains(second));
        let one = pair.map(|second| 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
        one.and_then(char::from_u32)
            .ok_or_else(|| self.error(at, "half of a surrogate pair is not a character"))
    }

    /// A number of this many hexadecimal digits.
    fn digits(&mut self, count: usize) -> Option<u32> {
        let mut number = 0;
        for _ in 0..count {
            let (_, digit) = self.rest.next_if(|(_, c)| c.is_ascii_hexdigit())?;
            number = number * 16 + digit.to_digit(16)?;
        }
        Some(number)
    }
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Writes one character, in or outside a class.
fn push(out: &mut String, one: char) {
    if "\\.+*?()|[]{}^$#&-~".contains(one) {
        out.push('\\');
    }
    out.push(one);
}

#[cfg(test)]
mod tests;
