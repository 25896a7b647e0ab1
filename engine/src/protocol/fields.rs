//! The fields of all frames, those of clients and those of the server.
//!
//! A message is checked against them before it is decoded, so that errors are in our words, with
//! the frame, the field and the byte, whichever library decodes. Every message that passes can be
//! decoded. Nothing is copied here.

use std::fmt;

use minicbor::Decoder;
use minicbor::data::Type;

use super::FrameError;
use super::form::wrong;
use crate::excerpt::Short;
use crate::id::{EntityId, Kind};
use crate::pointer::Pointer;

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// A number of at most so much.
    Number(u64),
    /// Milliseconds since 1970.
    Time,
    Text,
    /// This many bytes.
    Bytes(u64),
    /// Bytes, however many.
    AnyBytes,
    /// The changes of a proposal, no more than the limits allow.
    Changes,
    Flag,
    Entity,
    Kind,
    Pointer,
    /// One of these texts.
    Choice(&'static [&'static str]),
    List(&'static Self),
    Map(&'static [Field]),
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(max) => write!(f, "a whole number from 0 to {max}"),
            Self::Time => f.write_str("a time, a whole number"),
            Self::Text => f.write_str("a text"),
            Self::Bytes(count) => write!(f, "{count} bytes"),
            Self::AnyBytes => f.write_str("bytes"),
            Self::Changes => f.write_str("a list of bytes"),
            Self::Flag => f.write_str("true or false"),
            Self::Entity => f.write_str("the name of an entity, a text"),
            Self::Kind => f.write_str("the name of a kind, a text"),
            Self::Pointer => f.write_str("a JSON pointer, a text"),
            Self::Choice(texts) => {
                let last = texts.len().saturating_sub(1);
                texts.iter().enumerate().try_for_each(|(index, text)| {
                    let before = match index {
                        0 => "",
                        _ if index == last => " or ",
                        _ => ", ",
                    };
                    write!(f, "{before}{text:?}")
                })
            }
            Self::List(_) => f.write_str("a list"),
            Self::Map(_) => f.write_str("a map"),
        }
    }
}

/// Whether a field has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Required,
    Optional,
    /// Null says the same as nothing.
    Nullable,
}
use Presence::{Nullable, Optional, Required};

pub(super) type Field = (&'static str, Form, Presence);
/// The name of a frame, and its fields.
pub(super) type Frame = (&'static str, &'static [Field]);

const ID: Field = ("id", Form::Bytes(16), Required);
const ENTITY: Field = ("entity", Form::Entity, Required);
const KIND: Field = ("kind", Form::Kind, Required);
const ANY: Form = Form::Number(u64::MAX);
const COUNT: Form = Form::Number(u32::MAX as u64);
const SIZE: Form = Form::Number(usize::MAX as u64);
const HASH: Form = Form::Bytes(32);
const CODE: Field = ("code", Form::Text, Required);
const VERSION: Field = ("version", Form::Text, Required);
const EPOCH: Field = ("epoch", ANY, Required);
const SEQ: Field = ("seq", ANY, Required);
const AT: Field = ("at", Form::Time, Required);
const NAME: Field = ("name", Form::Text, Nullable);
const STAMPS: Field = ("stamps", Form::Text, Required);

/// The fields of every frame that a client may send.
pub(super) const OF_CLIENTS: [Frame; 12] = [
    (
        "hello",
        &[
            ("protocol", COUNT, Required),
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
            ("mode", Form::Choice(&["replica", "value"]), Required),
            ("epoch", ANY, Nullable),
            ("seq", ANY, Nullable),
            ("hash", HASH, Nullable),
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
            EPOCH,
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

const PRINCIPAL: &[Field] = &[
    ("id", Form::Text, Required),
    NAME,
    ("roles", Form::List(&Form::Text), Optional),
];

const LIMITS: &[Field] = &[
    ("frame_bytes_max", SIZE, Optional),
    ("entity_bytes_max", SIZE, Optional),
    ("changes_per_proposal_max", SIZE, Optional),
    ("operations_per_change_max", SIZE, Optional),
    ("nesting_max", SIZE, Optional),
    ("dependencies_max", SIZE, Optional),
    ("actor_bytes_min", SIZE, Optional),
    ("actor_bytes_max", SIZE, Optional),
    ("actors_per_principal_max", SIZE, Optional),
    ("other_actors_max", SIZE, Optional),
    ("message_bytes_max", SIZE, Optional),
    ("predecessors_per_change_max", SIZE, Optional),
    ("key_bytes_max", SIZE, Optional),
];

const KIND_REPORT: Form = Form::Map(&[
    KIND,
    ("singleton", Form::Flag, Required),
    (
        "mode",
        Form::Choice(&["replica", "value", "none"]),
        Required,
    ),
    ("create", Form::Flag, Required),
    ("delete", Form::Flag, Optional),
    ("policy", HASH, Required),
]);

const ENTRY: Form = Form::Map(&[
    SEQ,
    ("hash", HASH, Required),
    ("proposal", Form::Bytes(16), Nullable),
    ("changes", Form::List(&Form::AnyBytes), Required),
    (
        "by",
        Form::Map(&[("id", Form::Text, Required), NAME]),
        Required,
    ),
    AT,
]);

const VIOLATION: Form = Form::Map(&[
    ("change", COUNT, Required),
    ("ops", Form::List(&COUNT), Required),
    ("pointer", Form::Pointer, Required),
    ("rule", Form::Text, Required),
    ("attempted", Form::Text, Nullable),
    ("kept", Form::Text, Nullable),
    ("holder", Form::Entity, Nullable),
    ("bound", Form::Text, Nullable),
    ("message", Form::Text, Required),
]);

/// The fields of every frame that the server may send.
pub(super) const OF_THE_SERVER: [Frame; 14] = [
    (
        "welcome",
        &[
            ("protocol", COUNT, Required),
            ("session", Form::Bytes(16), Required),
            ("principal", Form::Map(PRINCIPAL), Required),
            AT,
            ("limits", Form::Map(LIMITS), Required),
            ("kinds", Form::List(&KIND_REPORT), Required),
        ],
    ),
    (
        "schema",
        &[
            KIND,
            ("hash", HASH, Required),
            ("text", Form::Text, Required),
            ("rules", COUNT, Nullable),
        ],
    ),
    (
        "snapshot",
        &[
            ENTITY,
            EPOCH,
            SEQ,
            ("hash", HASH, Required),
            ("document", Form::AnyBytes, Required),
            STAMPS,
        ],
    ),
    (
        "entries",
        &[
            ENTITY,
            EPOCH,
            ("entries", Form::List(&ENTRY), Required),
            STAMPS,
        ],
    ),
    (
        "value",
        &[ENTITY, VERSION, ("value", Form::Text, Required), AT],
    ),
    (
        "patch",
        &[ENTITY, VERSION, ("patch", Form::Text, Required), AT],
    ),
    ("watched", &[KIND]),
    ("admitted", &[ID, ENTITY, EPOCH, SEQ]),
    (
        "refused",
        &[
            ID,
            ENTITY,
            ("admitted", COUNT, Required),
            CODE,
            ("violations", Form::List(&VIOLATION), Required),
        ],
    ),
    ("gone", &[ENTITY, CODE]),
    ("reset", &[ENTITY, ("reason", Form::Text, Required)]),
    (
        "error",
        &[
            CODE,
            ("reason", Form::Text, Required),
            ("entity", Form::Entity, Nullable),
            ("id", Form::Bytes(16), Nullable),
            ("retry", ANY, Nullable),
        ],
    ),
    ("ping", &[]),
    ("pong", &[]),
];

/// Whether the decoder, behind the name of a known frame, has the fields that this frame holds.
pub(super) fn check(
    (name, fields): Frame,
    decoder: &mut Decoder<'_>,
    changes_max: usize,
) -> Result<(), FrameError> {
    let at = decoder.position();
    let found = of(decoder);
    let Ok(Some(count)) = decoder.map() else {
        let what = format_args!("{name}: the fields must be a map, not {found}");
        return Err(wrong(at, what));
    };
    let check = Check {
        frame: name,
        changes_max,
    };
    check.fields(None, (fields, count), decoder)
}

/// A place in a frame, for a sentence.
#[derive(Clone, Copy)]
enum Place<'a> {
    Field(&'a str, Option<&'a Self>),
    Item(u64, &'a Self),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name, None) => write!(f, "the field {name}"),
            Self::Field(name, Some(holder)) => write!(f, "the field {name} of {holder}"),
            Self::Item(index, holder) => write!(f, "item {index} of {holder}"),
        }
    }
}

/// The check of one frame.
struct Check<'a> {
    frame: &'a str,
    changes_max: usize,
}

impl Check<'_> {
    /// The fields of a frame, or of a map at a place in it; the decoder is behind their count.
    fn fields(
        &self,
        holder: Option<&Place<'_>>,
        (fields, count): (&'static [Field], u64),
        decoder: &mut Decoder<'_>,
    ) -> Result<(), FrameError> {
        let frame = self.frame;
        let mut seen = 0_u64;
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
            let place = Place::Field(name, holder);
            if seen & (1 << index) != 0 {
                return Err(wrong(at, format_args!("{frame}: {place} comes twice")));
            }
            seen |= 1 << index;
            let (_, form, presence) = fields[index];
            let is_null = decoder.datatype().is_ok_and(|is| is == Type::Null);
            match presence == Nullable && is_null {
                true => skip(decoder)?,
                false => self.value(&place, form, decoder)?,
            }
        }
        let missing = fields
            .iter()
            .enumerate()
            .find(|(index, (.., presence))| *presence == Required && seen & (1 << index) == 0);
        match missing {
            Some((_, (name, ..))) => Err(FrameError::malformed(format_args!(
                "{frame}: {} is missing",
                Place::Field(name, holder)
            ))),
            None => Ok(()),
        }
    }

    fn value(
        &self,
        place: &Place<'_>,
        form: Form,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), FrameError> {
        let frame = self.frame;
        let at = decoder.position();
        let found = of(decoder);
        let must_be = |found: &dyn fmt::Display| {
            let what = format_args!("{frame}: {place} must be {form}, not {found}");
            wrong(at, what)
        };
        let other = |_: minicbor::decode::Error| must_be(&found);
        match form {
            Form::Number(max) => match decoder.u64().map_err(other)? {
                number if number > max => Err(must_be(&number)),
                _ => Ok(()),
            },
            Form::Time => decoder.i64().map(drop).map_err(other),
            Form::Flag => decoder.bool().map(drop).map_err(other),
            Form::Text => decoder.str().map(drop).map_err(other),
            Form::Choice(texts) => match decoder.str().map_err(other)? {
                text if texts.contains(&text) => Ok(()),
                text => Err(must_be(&format_args!("{:?}", Short(text)))),
            },
            Form::Entity | Form::Kind | Form::Pointer => {
                let text = decoder.str().map_err(other)?;
                named(form, text).map_err(|why| wrong(at, format_args!("{frame}: {place}: {why}")))
            }
            Form::Bytes(count) => match decoder.bytes().map_err(other)?.len() as u64 {
                length if length != count => Err(must_be(&length)),
                _ => Ok(()),
            },
            Form::AnyBytes => decoder.bytes().map(drop).map_err(other),
            Form::Changes => {
                let count = decoder.array().map_err(other)?.unwrap_or(0);
                self.check_count(count)?;
                self.items(place, (Form::AnyBytes, count), decoder)
            }
            Form::List(item) => {
                let count = decoder.array().map_err(other)?.unwrap_or(0);
                self.items(place, (*item, count), decoder)
            }
            Form::Map(fields) => {
                let count = decoder.map().map_err(other)?.unwrap_or(0);
                self.fields(Some(place), (fields, count), decoder)
            }
        }
    }

    fn items(
        &self,
        list: &Place<'_>,
        (form, count): (Form, u64),
        decoder: &mut Decoder<'_>,
    ) -> Result<(), FrameError> {
        (0..count).try_for_each(|index| self.value(&Place::Item(index, list), form, decoder))
    }

    /// Whether a proposal may have this many changes.
    fn check_count(&self, changes: u64) -> Result<(), FrameError> {
        let found = usize::try_from(changes).unwrap_or(usize::MAX);
        match found > self.changes_max {
            true => Err(FrameError::TooMany {
                what: "changes",
                found,
                max: self.changes_max,
            }),
            false => Ok(()),
        }
    }
}

/// Why a text is not a name of this form.
fn named(form: Form, text: &str) -> Result<(), String> {
    match form {
        Form::Kind => text.parse::<Kind>().map(drop).map_err(|e| e.to_string()),
        Form::Pointer => text.parse::<Pointer>().map(drop).map_err(|e| e.to_string()),
        _ => text
            .parse::<EntityId>()
            .map(drop)
            .map_err(|e| e.to_string()),
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
