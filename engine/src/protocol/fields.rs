//! What the frames of clients hold.
//!
//! A message is held against this before it is decoded, so that what is wrong is said in our words,
//! with the frame, the field and the byte, whichever library decodes.
//!
//! Invariant: what passes is decoded; nothing is taken into memory here.
//! Must never know: what a frame leads to.

use std::fmt;

use minicbor::Decoder;
use minicbor::data::Type;

use super::FrameError;
use super::form::wrong;
use crate::id::{EntityId, Kind};

/// What a field holds.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// A number of at most so much.
    Number(u64),
    Text,
    /// Bytes, so many.
    Bytes(u64),
    Changes,
    Flag,
    Entity,
    Kind,
    Mode,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(max) => write!(f, "a whole number from 0 to {max}"),
            Self::Text => f.write_str("a text"),
            Self::Bytes(count) => write!(f, "{count} bytes"),
            Self::Changes => f.write_str("a list of bytes"),
            Self::Flag => f.write_str("true or false"),
            Self::Entity => f.write_str("the name of an entity, a text"),
            Self::Kind => f.write_str("the name of a kind, a text"),
            Self::Mode => f.write_str("\"replica\" or \"value\""),
        }
    }
}

/// Whether a field has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Required,
    Optional,
    /// Null says the same as nothing.
    Nullable,
}
use Presence::{Nullable, Optional, Required};

type Field = (&'static str, Form, Presence);

const ID: Field = ("id", Form::Bytes(16), Required);
const ENTITY: Field = ("entity", Form::Entity, Required);
const KIND: Field = ("kind", Form::Kind, Required);
const ANY: Form = Form::Number(u64::MAX);

/// The fields of every frame that a client may send.
const FRAMES: [(&str, &[Field]); 12] = [
    (
        "hello",
        &[
            ("protocol", Form::Number(u32::MAX as u64), Required),
            ("token", Form::Text, Nullable),
            ("client", Form::Text, Optional),
            ("texts", Form::Text, Nullable),
        ],
    ),
    ("auth", &[("token", Form::Text, Required)]),
    (
        "open",
        &[
            ENTITY,
            ("mode", Form::Mode, Required),
            ("epoch", ANY, Nullable),
            ("seq", ANY, Nullable),
            ("hash", Form::Bytes(32), Nullable),
            ("version", Form::Text, Nullable),
        ],
    ),
    ("close", &[ENTITY]),
    ("watch", &[KIND]),
    ("unwatch", &[KIND]),
    (
        "propose",
        &[
            ID,
            ENTITY,
            ("epoch", ANY, Required),
            ("changes", Form::Changes, Required),
            ("whole", Form::Flag, Optional),
        ],
    ),
    ("create", &[ID, ENTITY, ("value", Form::Text, Required)]),
    ("delete", &[ID, ENTITY]),
    ("undelete", &[ID, ENTITY]),
    ("ping", &[]),
    ("pong", &[]),
];

/// Whether a client may send a frame of that name.
pub(super) fn is_known(name: &str) -> bool {
    FRAMES.iter().any(|(known, _)| *known == name)
}

/// Whether the decoder, behind the name of a known frame, has the fields that this frame holds.
pub(super) fn check(
    frame: &str,
    decoder: &mut Decoder<'_>,
    changes_max: usize,
) -> Result<(), FrameError> {
    let fields = FRAMES.iter().find(|(known, _)| *known == frame);
    let fields = fields.map_or(&[][..], |(_, fields)| *fields);
    let at = decoder.position();
    let found = of(decoder);
    let Ok(Some(count)) = decoder.map() else {
        let what = format_args!("{frame}: the fields must be a map, not {found}");
        return Err(wrong(at, what));
    };
    let mut seen = vec![false; fields.len()];
    for _ in 0..count {
        let at = decoder.position();
        let found = of(decoder);
        let Ok(name) = decoder.str() else {
            let what = format_args!("{frame}: the name of a field must be a text, not {found}");
            return Err(wrong(at, what));
        };
        let Some(index) = fields.iter().position(|(known, ..)| *known == name) else {
            skip(decoder)?;
            continue;
        };
        if std::mem::replace(&mut seen[index], true) {
            return Err(wrong(
                at,
                format_args!("{frame}: the field {name} comes twice"),
            ));
        }
        check_value(frame, fields[index], decoder, changes_max)?;
    }
    let missing = fields.iter().zip(seen);
    let missing = missing.filter(|((_, _, presence), seen)| *presence == Required && !seen);
    match missing.map(|((name, ..), _)| name).next() {
        Some(name) => Err(FrameError::malformed(format_args!(
            "{frame}: the field {name} is missing"
        ))),
        None => Ok(()),
    }
}

fn check_value(
    frame: &str,
    (name, form, presence): Field,
    decoder: &mut Decoder<'_>,
    changes_max: usize,
) -> Result<(), FrameError> {
    let at = decoder.position();
    let found = of(decoder);
    let must_be = |found: &dyn fmt::Display| {
        let what = format_args!("{frame}: the field {name} must be {form}, not {found}");
        wrong(at, what)
    };
    if presence == Nullable && decoder.datatype().is_ok_and(|is| is == Type::Null) {
        return skip(decoder);
    }
    let other = |_: minicbor::decode::Error| must_be(&found);
    match form {
        Form::Number(max) => match decoder.u64().map_err(other)? {
            number if number > max => Err(must_be(&number)),
            _ => Ok(()),
        },
        Form::Flag => decoder.bool().map(drop).map_err(other),
        Form::Text => decoder.str().map(drop).map_err(other),
        Form::Mode => match decoder.str().map_err(other)? {
            "replica" | "value" => Ok(()),
            text => Err(must_be(&format_args!("{text:?}"))),
        },
        Form::Entity | Form::Kind => {
            let text = decoder.str().map_err(other)?;
            let parsed = match form {
                Form::Kind => text.parse::<Kind>().map(drop),
                _ => text.parse::<EntityId>().map(drop),
            };
            parsed.map_err(|error| wrong(at, format_args!("{frame}: the field {name}: {error}")))
        }
        Form::Bytes(count) => match decoder.bytes().map_err(other)?.len() as u64 {
            length if length != count => Err(must_be(&length)),
            _ => Ok(()),
        },
        Form::Changes => {
            let count = decoder.array().map_err(other)?.unwrap_or(0);
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            if count > changes_max {
                return Err(FrameError::TooMany {
                    what: "changes",
                    found: count,
                    max: changes_max,
                });
            }
            (0..count).try_for_each(|index| {
                let at = decoder.position();
                let found = of(decoder);
                decoder.bytes().map(drop).map_err(|_| {
                    let what = format_args!(
                        "{frame}: item {index} of the field {name} must be bytes, not {found}"
                    );
                    wrong(at, what)
                })
            })
        }
    }
}

/// Steps over a value, which the form of the message has shown to be sound.
fn skip(decoder: &mut Decoder<'_>) -> Result<(), FrameError> {
    let at = decoder.position();
    decoder
        .skip()
        .map_err(|_| wrong(at, "a value that is not well-formed"))
}

/// What comes next, for a sentence.
pub(super) fn of(decoder: &Decoder<'_>) -> &'static str {
    match decoder.datatype() {
        Ok(Type::Bool) => "a boolean",
        Ok(Type::Null) => "null",
        Ok(Type::Undefined) => "undefined",
        Ok(Type::U8 | Type::U16 | Type::U32 | Type::U64) => "a number",
        Ok(Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int) => "a negative number",
        Ok(Type::F16 | Type::F32 | Type::F64) => "a floating-point number",
        Ok(Type::Bytes | Type::BytesIndef) => "bytes",
        Ok(Type::String | Type::StringIndef) => "a text",
        Ok(Type::Array | Type::ArrayIndef) => "a list",
        Ok(Type::Map | Type::MapIndef) => "a map",
        Ok(_) => "a simple value",
        Err(_) => "the end of the bytes",
    }
}

#[cfg(test)]
mod tests;
