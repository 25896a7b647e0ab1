//! Guards against fields that are missing here or in the frames, and against refusals that do not say
//! which field of which frame is wrong.

use minicbor::Encoder;

use super::*;
use crate::limits::Limits;
use crate::protocol::ClientFrame;

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

/// A value of the form.
fn good(form: Form) -> Vec<u8> {
    match form {
        Form::Number(_) => vec![1],
        Form::Text => text("whole"),
        Form::Bytes(count) => bytes(count as usize),
        Form::Changes => [&[0x82][..], &bytes(3), &bytes(0)].concat(),
        Form::Flag => vec![0xf5],
        Form::Entity => text("team/jane"),
        Form::Kind => text("team"),
        Form::Mode => text("value"),
    }
}

/// Values of other forms, and of the right type but no sense.
fn bad(form: Form) -> Vec<Vec<u8>> {
    let mut all = vec![
        vec![0x20],
        vec![0xf9, 0x3c, 0x00],
        vec![0xf7],
        vec![0xe0],
        vec![0xa0],
        vec![0xa1, 0x61, b'a', 0x00],
        vec![0x81, 0x00],
    ];
    let nothing = [
        (vec![0x01], matches!(form, Form::Number(_))),
        (vec![0xf4], matches!(form, Form::Flag)),
        (vec![0x80], matches!(form, Form::Changes)),
        (bytes(1), false),
        (bytes(16), matches!(form, Form::Bytes(16))),
        (text("No name!"), matches!(form, Form::Text)),
        (text("team/"), matches!(form, Form::Text)),
    ];
    all.extend(
        nothing
            .into_iter()
            .filter(|(_, fits)| !fits)
            .map(|(one, _)| one),
    );
    match form {
        Form::Number(max) if max < u64::MAX => {
            all.push(item(|to| {
                to.u64(max + 1).unwrap();
            }));
        }
        Form::Bytes(count) => all.extend([bytes(count as usize - 1), bytes(count as usize + 1)]),
        Form::Kind => all.push(text("team/jane")),
        Form::Changes => all.push([&[0x82][..], &bytes(3), &text("x")].concat()),
        _ => {}
    }
    all
}

fn frame(name: &str, fields: &[Pair]) -> Vec<u8> {
    let mut all = [&[0xa1][..], &text(name), &[0xa0 | fields.len() as u8]].concat();
    for (name, value) in fields {
        all.extend(text(name));
        all.extend(value);
    }
    all
}

fn decode(bytes: &[u8]) -> Result<ClientFrame, FrameError> {
    ClientFrame::decode(bytes, &Limits::default())
}

fn reason(bytes: &[u8]) -> String {
    match decode(bytes) {
        Err(FrameError::Malformed { reason }) => reason,
        other => panic!("{bytes:02x?}: {other:?}"),
    }
}

#[test]
fn every_frame_says_which_field_is_wrong() {
    for (name, fields) in FRAMES {
        let whole: Vec<Pair> = fields
            .iter()
            .map(|(name, form, _)| (*name, good(*form)))
            .collect();
        let decoded = decode(&frame(name, &whole)).expect(name);
        // What is not in this table would be left out of what is decoded.
        assert_eq!(decoded.encode().len(), frame(name, &whole).len(), "{name}");
        for (index, (field, form, presence)) in fields.iter().enumerate() {
            let with = |value: Vec<u8>| {
                let mut fields = whole.clone();
                fields[index].1 = value;
                frame(name, &fields)
            };
            let start = format!("{name}: the field {field} must be {form}, not ");
            for value in bad(*form) {
                let found = reason(&with(value));
                let says = found.starts_with(&start)
                    || found.starts_with(&format!("{name}: the field {field}: "))
                    || found.starts_with(&format!("{name}: item 0 of the field {field} must be"))
                    || found.starts_with(&format!("{name}: item 1 of the field {field} must be"));
                assert!(says && found.contains(", at byte "), "{found}");
            }
            match presence {
                Nullable => assert!(decode(&with(vec![0xf6])).is_ok(), "{name} {field}"),
                _ => assert!(
                    reason(&with(vec![0xf6])).contains("not null"),
                    "{name} {field}"
                ),
            }
            let mut without = whole.clone();
            without.remove(index);
            match presence {
                Required => assert_eq!(
                    reason(&frame(name, &without)),
                    format!("{name}: the field {field} is missing")
                ),
                _ => assert!(decode(&frame(name, &without)).is_ok(), "{name} {field}"),
            }
            let twice = [&whole[..], &[whole[index].clone()]].concat();
            let found = reason(&frame(name, &twice));
            let start = format!("{name}: the field {field} comes twice, at byte ");
            assert!(found.starts_with(&start), "{found}");
        }
        // Later versions may say more, as often as they like.
        let later = ("later", vec![0x81, 0x81, 0x00]);
        let more = [&[later.clone()][..], &whole[..], &[later][..]].concat();
        assert_eq!(decode(&frame(name, &more)), Ok(decoded));
        for (value, found) in [
            (vec![0xf6], "null"),
            (vec![0x80], "a list"),
            (text("x"), "a text"),
        ] {
            let bytes = [&[0xa1][..], &text(name), &value].concat();
            let says = format!("{name}: the fields must be a map, not {found}, at byte ");
            assert!(reason(&bytes).starts_with(&says), "{}", reason(&bytes));
        }
        let bytes = [&[0xa1][..], &text(name), &[0xa1, 0x00, 0x00]].concat();
        let says = format!("{name}: the name of a field must be a text, not a number, at byte ");
        assert!(reason(&bytes).starts_with(&says));
    }
}
