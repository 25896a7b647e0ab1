//! Guards against fields that are missing here or in the frames, and against refusals that do not say
//! which field of which frame is wrong.

use minicbor::Encoder;

use super::*;
use crate::limits::Limits;
use crate::protocol::{ClientFrame, ServerFrame};

type Pair = (&'static str, Vec<u8>);

fn item(write: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut Encoder::new(&mut bytes));
    bytes
}

fn text(text: &str) -> Vec<u8> {
    item(|to| {
        to.str(text).unwrap();
    })
}

fn bytes(count: usize) -> Vec<u8> {
    item(|to| {
        to.bytes(&vec![7; count]).unwrap();
    })
}

fn map(fields: &[Pair]) -> Vec<u8> {
    let mut all = vec![0xa0 | fields.len() as u8];
    for (name, value) in fields {
        all.extend(text(name));
        all.extend(value);
    }
    all
}

/// A value of the form.
fn good(form: Form) -> Vec<u8> {
    match form {
        Form::Number(_) => vec![1],
        Form::Time => vec![0x20],
        Form::Text => text("whole"),
        Form::Bytes(count) => bytes(count as usize),
        Form::AnyBytes => bytes(3),
        Form::Changes => [&[0x82][..], &bytes(3), &bytes(0)].concat(),
        Form::Flag => vec![0xf5],
        Form::Entity => text("team/jane"),
        Form::Kind => text("team"),
        Form::Pointer => text("/a~1b"),
        Form::Choice(texts) => text(texts[1]),
        Form::List(item) => [&[0x81][..], &good(*item)].concat(),
        Form::Map(fields) => map(&whole(fields)),
    }
}

/// All fields, each with a good value.
fn whole(fields: &'static [Field]) -> Vec<Pair> {
    let fields = fields.iter();
    fields.map(|(name, form, _)| (*name, good(*form))).collect()
}

/// Values of other forms, and of the right type but no sense.
fn bad(form: Form) -> Vec<Vec<u8>> {
    let mut all = vec![vec![0xf9, 0x3c, 0x00], vec![0xf7], vec![0xe0]];
    let nothing = [
        (vec![0x20], matches!(form, Form::Time)),
        (vec![0x81, 0x00], false),
        (vec![0xa0], false),
        (vec![0xa1, 0x61, b'a', 0x00], false),
        (vec![0x01], matches!(form, Form::Number(_) | Form::Time)),
        (vec![0xf4], matches!(form, Form::Flag)),
        (vec![0x80], matches!(form, Form::Changes | Form::List(_))),
        (bytes(1), matches!(form, Form::AnyBytes)),
        (bytes(16), matches!(form, Form::Bytes(16) | Form::AnyBytes)),
        (text("No name!"), matches!(form, Form::Text)),
        (text("team/"), matches!(form, Form::Text)),
    ];
    // Of what is in a list or map, more is said below.
    let holds = matches!(form, Form::List(_) | Form::Map(_));
    let is_within = |one: &[u8]| holds && matches!(one[0], 0x81 | 0xa0 | 0xa1);
    let unfit = nothing
        .into_iter()
        .filter(|(one, fits)| !fits && !is_within(one));
    all.extend(unfit.map(|(one, _)| one));
    match form {
        Form::Number(max) if max < u64::MAX => {
            all.push(item(|to| {
                to.u64(max + 1).unwrap();
            }));
        }
        Form::Time => all.push(item(|to| {
            to.u64(u64::MAX).unwrap();
        })),
        Form::Bytes(count) => all.extend([bytes(count as usize - 1), bytes(count as usize + 1)]),
        Form::Kind => all.push(text("team/jane")),
        Form::Changes => all.push([&[0x82][..], &bytes(3), &text("x")].concat()),
        _ => {}
    }
    all
}

fn frame(name: &str, fields: &[Pair]) -> Vec<u8> {
    [&[0xa1][..], &text(name), &map(fields)].concat()
}

/// Decodes a frame, and encodes it again.
type Again = fn(&[u8]) -> Result<Vec<u8>, FrameError>;

fn of_client(bytes: &[u8]) -> Result<Vec<u8>, FrameError> {
    ClientFrame::decode(bytes, &Limits::default()).map(|frame| frame.encode())
}

fn of_server(bytes: &[u8]) -> Result<Vec<u8>, FrameError> {
    ServerFrame::decode(bytes).map(|frame| frame.encode())
}

/// A map somewhere in a frame: what is to be said of its fields, and the frame with it in its place.
struct Site<'a> {
    name: &'static str,
    holder: String,
    fields: &'static [Field],
    put: &'a dyn Fn(Vec<u8>) -> Vec<u8>,
    again: Again,
}

impl Site<'_> {
    fn again(&self, fields: &[Pair]) -> Result<Vec<u8>, FrameError> {
        (self.again)(&(self.put)(map(fields)))
    }

    fn reason(&self, fields: &[Pair]) -> String {
        reason(self.again, &(self.put)(map(fields)))
    }

    /// Breaks each field, and those of the maps in it.
    fn check(&self) {
        let whole = whole(self.fields);
        for (index, (field, form, presence)) in self.fields.iter().enumerate() {
            let with = |value: Vec<u8>| {
                let mut fields = whole.clone();
                fields[index].1 = value;
                fields
            };
            let place = format!("the field {field}{}", self.holder);
            let start = format!("{}: {place} must be {form}, not ", self.name);
            for value in bad(*form) {
                let found = self.reason(&with(value));
                let says = found.starts_with(&start)
                    || found.starts_with(&format!("{}: {place}: ", self.name))
                    || found.starts_with(&format!("{}: item 0 of {place} must be", self.name))
                    || found.starts_with(&format!("{}: item 1 of {place} must be", self.name));
                assert!(says && found.contains(", at byte "), "{found}");
            }
            match presence {
                Nullable => assert!(self.again(&with(vec![0xf6])).is_ok(), "{place}"),
                _ => {
                    let found = self.reason(&with(vec![0xf6]));
                    assert!(found.contains("not null"), "{found}");
                }
            }
            let mut without = whole.clone();
            without.remove(index);
            match presence {
                Required => {
                    let says = format!("{}: {place} is missing", self.name);
                    assert_eq!(self.reason(&without), says);
                }
                _ => assert!(self.again(&without).is_ok(), "{place}"),
            }
            let twice = [&whole[..], &[whole[index].clone()]].concat();
            let found = self.reason(&twice);
            let start = format!("{}: {place} comes twice, at byte ", self.name);
            assert!(found.starts_with(&start), "{found}");
            let within = |inner: Vec<u8>| (self.put)(map(&with(inner)));
            self.check_within(&place, *form, &within);
        }
        // Later versions may say more, as often as they like.
        let later = ("later", vec![0x81, 0x81, 0x00]);
        let more = [&[later.clone()][..], &whole[..], &[later][..]].concat();
        assert_eq!(self.again(&more), self.again(&whole));
        let odd = (self.put)(vec![0xa1, 0x00, 0x00]);
        let says = format!(
            "{}: the name of a field must be a text, not a number",
            self.name
        );
        assert!(reason(self.again, &odd).starts_with(&says));
    }

    /// Breaks what a field holds that is a list or a map.
    fn check_within(&self, place: &str, form: Form, put: &dyn Fn(Vec<u8>) -> Vec<u8>) {
        match form {
            Form::Map(fields) => Site {
                name: self.name,
                holder: format!(" of {place}"),
                fields,
                put,
                again: self.again,
            }
            .check(),
            Form::List(one) => {
                let put = |value: Vec<u8>| put([&[0x82][..], &good(*one), &value].concat());
                for value in bad(*one) {
                    let found = reason(self.again, &put(value));
                    let start = format!("{}: item 1 of {place}", self.name);
                    assert!(found.starts_with(&start), "{found}");
                }
                self.check_within(&format!("item 1 of {place}"), *one, &put);
            }
            _ => {}
        }
    }
}

fn reason(again: Again, bytes: &[u8]) -> String {
    match again(bytes) {
        Err(FrameError::Malformed { reason }) => reason,
        other => panic!("{bytes:02x?}: {other:?}"),
    }
}

#[test]
fn every_frame_says_which_field_is_wrong() {
    let of_clients = OF_CLIENTS.iter().map(|frame| (frame, of_client as Again));
    let of_the_server = OF_THE_SERVER
        .iter()
        .map(|frame| (frame, of_server as Again));
    for ((name, fields), again) in of_clients.chain(of_the_server) {
        let encoded = frame(name, &whole(fields));
        let decoded = again(&encoded).expect(name);
        // What is not in this table would be left out of what is decoded.
        assert_eq!(decoded.len(), encoded.len(), "{name}");
        let put = |fields: Vec<u8>| [&[0xa1][..], &text(name), &fields].concat();
        Site {
            name,
            holder: String::new(),
            fields,
            put: &put,
            again,
        }
        .check();
        for (value, found) in [
            (vec![0xf6], "null"),
            (vec![0x80], "a list"),
            (text("x"), "a text"),
        ] {
            let says = format!("{name}: the fields must be a map, not {found}, at byte ");
            let found = reason(again, &put(value));
            assert!(found.starts_with(&says), "{found}");
        }
    }
}
