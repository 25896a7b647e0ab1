//! Guards against letters that land elsewhere than where their author's caret was, and against
//! reported splices that do not lead from the text that was reported to the one that is shown.

use indelible_client::{EditOptions, Event, TypedEdit};
use indelible_engine::principal::Principal;
use indelible_engine::protocol::ServerFrame;
use indelible_engine::splice::Splice;
use serde_json::{Value, json};

use crate::dice::{Dice, seeds};
use crate::pair::{JANE, NOW, Pair};
use crate::server::{Server, entity};

const BIO: &str = "/bio";

fn splice(index: usize, remove: usize, insert: &str) -> Splice {
    Splice {
        index,
        remove,
        insert: insert.to_owned(),
    }
}

fn op(index: usize, remove: usize, insert: &str) -> Value {
    json!({ "op": "splice", "path": BIO, "index": index, "remove": remove, "insert": insert })
}

impl Pair {
    fn with_bio(text: &str) -> Self {
        let mut server = Server::new();
        server.write(
            &entity(JANE),
            &Principal::system(),
            &json!({ "bio": text }),
            false,
        );
        let mut pair = Self::with(server);
        pair.session.open(JANE).expect("a good name");
        pair.connect();
        pair
    }

    fn bio(&self) -> &str {
        self.value["bio"].as_str().unwrap_or_default()
    }

    fn types(&mut self, at: Splice, revision: Option<u64>) {
        let typed = TypedEdit {
            pointer: BIO.to_owned(),
            splice: at,
            revision,
        };
        let typed = self.session.splice(JANE, &typed, NOW);
        typed.expect("the splice fits and is allowed");
        self.listen();
    }

    fn bob_types(&mut self, at: &Splice) -> ServerFrame {
        let (id, bob) = (entity(JANE), Principal::new("bob", ["editor"]));
        let entry = self.server.splice(&id, &bob, BIO, at);
        self.server.logs[&id].frame(&id, vec![entry])
    }

    /// The operations on the text that were reported since the last call, and whether they are ours.
    fn told(&mut self) -> Vec<(Value, bool)> {
        let told = std::mem::take(&mut self.events).into_iter();
        told.filter_map(|event| match event {
            Event::Patch { patch, local, .. } => Some((patch, local)),
            _ => None,
        })
        .flat_map(|(patch, local)| {
            let ops = patch.as_array().cloned().unwrap_or_default();
            ops.into_iter().map(move |op| (op, local))
        })
        .filter(|(op, _)| op["path"] == BIO)
        .collect()
    }
}

#[test]
fn a_letter_beside_equal_ones_is_told_where_it_was_typed() {
    let mut pair = Pair::with_bio("aaa");
    pair.told();
    pair.types(splice(1, 0, "a"), None);
    assert_eq!(pair.told(), [(op(1, 0, "a"), true)]);
    let entry = pair.bob_types(&splice(0, 1, ""));
    pair.receive(&entry);
    pair.listen();
    assert_eq!(pair.told(), [(op(0, 1, ""), false)]);
    pair.run();
    assert_eq!(pair.told(), [], "what comes back as saved changes nothing");
    assert_eq!(pair.bio(), "aaa");
}

#[test]
fn a_remote_change_in_two_places_is_two_splices() {
    let mut pair = Pair::with_bio("aaaa😀aaaa");
    pair.told();
    let first = pair.bob_types(&splice(2, 0, "aa"));
    let second = pair.bob_types(&splice(10, 1, "a"));
    for frame in [first, second] {
        pair.receive(&frame);
    }
    pair.listen();
    let told = pair.told();
    assert_eq!(told[0], (op(2, 0, "aa"), false));
    let rest: Vec<_> = told[1..]
        .iter()
        .map(|(op, _)| op["index"].clone())
        .collect();
    assert!(
        rest.iter().all(|index| *index == 10 || *index == 11),
        "{told:?}"
    );
}

#[test]
fn what_is_typed_on_an_earlier_text_lands_beside_the_same_letters() {
    let mut pair = Pair::with_bio("one three");
    let (before, revision) = (pair.bio().to_owned(), pair.revision);
    let entry = pair.bob_types(&splice(0, 4, "zero "));
    pair.receive(&entry);
    let entry = pair.bob_types(&splice(10, 0, "!"));
    pair.receive(&entry);
    pair.listen();
    assert_eq!((before.as_str(), pair.bio()), ("one three", "zero three!"));
    pair.types(splice(6, 0, "h"), revision);
    pair.types(splice(4, 5, "3"), revision);
    pair.run();
    assert_eq!(pair.bio(), "zero 3h!");
    assert_eq!(pair.value, pair.on_server());
}

#[test]
fn an_edit_tells_what_others_did_before_it_as_theirs() {
    let mut pair = Pair::with_bio("ab");
    pair.told();
    let entry = pair.bob_types(&splice(2, 0, "c"));
    pair.receive(&entry);
    // Nobody has listened in between.
    pair.types(splice(0, 0, "_"), None);
    assert_eq!(pair.told(), [(op(2, 0, "c"), false), (op(0, 0, "_"), true)]);
}

#[test]
fn a_string_that_is_no_text_is_replaced_as_a_whole() {
    let mut pair = Pair::opened();
    let typed = |pointer: &str, at: Splice| TypedEdit {
        pointer: pointer.to_owned(),
        splice: at,
        revision: None,
    };
    let name = typed("/name", splice(4, 0, " D."));
    pair.session.splice(JANE, &name, NOW).expect("allowed");
    let first = pair.value["links"][0]["id"].as_str().expect("an id");
    let url = typed(&format!("/links/{first}/url"), splice(0, 1, "b"));
    pair.session.splice(JANE, &url, NOW).expect("allowed");
    let slogan = typed("/slogan", splice(0, 0, "New"));
    pair.session.splice(JANE, &slogan, NOW).expect("allowed");
    pair.listen();
    assert_eq!(pair.value["name"], "Jane D.");
    assert_eq!(pair.value["links"][0]["url"], "b");
    assert_eq!(pair.value["slogan"], "New");
    let beyond = |pointer: &str, index: usize, remove: usize, units: usize| {
        let end =
            format!("beyond the end of the text at {pointer}, which has {units} UTF-16 code units");
        match remove {
            0 => format!("index is {index}: that is {end}"),
            _ => format!("remove is {remove}: from index {index} that reaches {end}"),
        }
    };
    for (pointer, index, remove, units) in [
        ("/slogan", 999, 0, 3),
        ("/slogan", 1, 99, 3),
        ("/bio", 50, 0, 5),
        ("/bio", 0, 6, 5),
    ] {
        let wrong = typed(pointer, splice(index, remove, "1"));
        let refused = pair.session.splice(JANE, &wrong, NOW).expect_err(pointer);
        assert_eq!(refused.to_string(), beyond(pointer, index, remove, units));
    }
    let beyond_none = typed("/slogn/x", splice(7, 0, "1"));
    let refused = pair.session.splice(JANE, &beyond_none, NOW);
    assert_eq!(
        refused.expect_err("no such field").to_string(),
        "there is nothing at /slogn/x (is it /slogan?)"
    );
    for (pointer, says) in [
        (
            "/slogn",
            "slogn: the schema declares no such field (is it slogan?)",
        ),
        (
            "/number",
            "number: the field is written once, when it is created",
        ),
        ("/links", "what is at /links is a list, not a text"),
        (
            "/createdAt",
            "createdAt: the field is derived from the ledger",
        ),
        ("/bio/x", "there is nothing at /bio/x"),
        ("/none", "none: the schema declares no such field"),
        ("/links/none/url", "there is nothing at /links/none/url"),
        (
            "bio",
            "\"bio\": a JSON pointer must be empty or begin with '/'",
        ),
        ("", "the pointer names the whole value, not a text in it"),
    ] {
        let wrong = typed(pointer, splice(0, 0, "1"));
        let refused = pair.session.splice(JANE, &wrong, NOW).expect_err(says);
        assert_eq!(refused.to_string(), says);
    }
    pair.run();
    assert_eq!(pair.value, pair.on_server());
}

#[test]
fn a_place_is_found_by_id_and_by_index() {
    let pair = Pair::opened();
    let second = pair.value["links"][1]["id"].as_str().expect("an id");
    let by_id = format!("/links/{second}/url");
    for pointer in [by_id.as_str(), "/links/1/url"] {
        let found = pair.session.locate(JANE, pointer).expect("it is there");
        assert_eq!(found.pointer.to_string(), by_id);
        assert_eq!(found.path.to_string(), "/links/1/url");
        assert!(found.write);
    }
    let number = pair.session.locate(JANE, "/number").expect("it is there");
    assert!(!number.write);
    assert_eq!(pair.session.locate(JANE, "/links/none/url"), None);
}

impl Dice {
    /// A place between the letters of a text.
    fn place(&mut self, text: &str) -> usize {
        let places: Vec<usize> = std::iter::once(0)
            .chain(text.chars().scan(0, |units, c| {
                *units += c.len_utf16();
                Some(*units)
            }))
            .collect();
        places[self.below(places.len())]
    }

    fn splice(&mut self, text: &str, letters: &mut Letters) -> Splice {
        let (one, other) = (self.place(text), self.place(text));
        let (start, end) = (one.min(other), one.max(other).min(one.min(other) + 4));
        // Nobody cuts a letter in two.
        let end = if is_place(text, end) { end } else { end - 1 };
        let remove = if self.below(3) == 0 { end - start } else { 0 };
        // As many letters as go would, where all are equal, change nothing that anybody sees.
        let typed = match remove {
            0 => self.below(3) + 1,
            1 => self.below(2) * 3,
            _ => self.below(2),
        };
        let wide = remove == 0 && self.below(4) == 0;
        let insert = (0..typed).map(|_| letters.next(wide)).collect();
        Splice {
            index: start,
            remove,
            insert,
        }
    }
}

fn is_place(text: &str, at: usize) -> bool {
    let units: Vec<u16> = text.encode_utf16().take(at).collect();
    String::from_utf16(&units).is_ok()
}

/// Letters that are all different, or all the same, of the same widths.
struct Letters {
    equal: bool,
    count: u32,
}

impl Letters {
    fn next(&mut self, wide: bool) -> char {
        self.count += 1;
        let first = if wide { 0x3_0000 } else { 0x4e00 };
        let number = if self.equal { 0 } else { self.count };
        char::from_u32(first + number).expect("a letter")
    }
}

/// Two typists whose frames come late: what is reported, by place and length.
fn typed_by_two(seed: u64, equal: bool) -> Vec<(usize, usize, usize, bool)> {
    let mut dice = Dice::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut letters = Letters { equal, count: 0 };
    let start: String = (0..8).map(|at| letters.next(at % 4 == 0)).collect();
    let mut pair = Pair::with_bio(&start);
    pair.told();
    let mut held: Vec<ServerFrame> = Vec::new();
    let mut all = Vec::new();
    for _ in 0..30 {
        match dice.below(5) {
            0 | 1 => {
                let at = dice.splice(pair.bio(), &mut letters);
                pair.types(at, None);
            }
            2 => {
                let text = pair.on_server()["bio"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                let mut at = dice.splice(&text, &mut letters);
                // What comes and what goes at once could cancel each other where all are equal.
                if seed.is_multiple_of(2) {
                    at.remove = 0;
                } else {
                    at.insert.clear();
                }
                if at.remove > 0 || !at.insert.is_empty() {
                    held.push(pair.bob_types(&at));
                }
            }
            3 => {
                for frame in held.drain(..) {
                    pair.receive(&frame);
                }
                pair.listen();
            }
            _ if held.is_empty() => pair.run(),
            _ => {}
        }
        let told = pair.told().into_iter();
        all.extend(told.map(|(op, local)| {
            let number = |name: &str| op[name].as_u64().unwrap_or_default() as usize;
            let insert = op["insert"]
                .as_str()
                .unwrap_or_default()
                .encode_utf16()
                .count();
            (number("index"), number("remove"), insert, local)
        }));
    }
    for frame in held {
        pair.receive(&frame);
    }
    pair.run();
    assert_eq!(pair.value, pair.on_server(), "seed {seed}");
    all
}

#[test]
fn where_letters_go_does_not_depend_on_what_letters_they_are() {
    for seed in 1..=seeds() {
        let (different, equal) = (typed_by_two(seed, false), typed_by_two(seed, true));
        assert_eq!(different, equal, "seed {seed}");
    }
}

/// Everything that can happen to a text in one client, in random order.
#[test]
fn told_splices_lead_to_what_is_shown() {
    for seed in 1..=seeds() {
        let mut dice = Dice::new(seed.wrapping_mul(0xd134_2543_de82_ef95));
        let mut letters = Letters {
            equal: seed % 2 == 0,
            count: 0,
        };
        let mut pair = Pair::with_bio("Hello 😀 world");
        let mut revisions: Vec<(u64, String)> = Vec::new();
        let mut field = "bio";
        let mut renewed = false;
        for step in 0..40 {
            let bio = pair.value[field].as_str().unwrap_or_default().to_owned();
            let (text, revision) = match revisions.get(dice.below(revisions.len() * 4)) {
                Some((revision, text)) => (text.clone(), Some(*revision)),
                None => (bio.clone(), None),
            };
            let id = entity(JANE);
            match dice.below(14) {
                0..=3 => {
                    let typed = TypedEdit {
                        pointer: format!("/{field}"),
                        splice: dice.splice(&text, &mut letters),
                        revision,
                    };
                    // A base of another life of the entity is refused.
                    let edited = pair.session.splice(JANE, &typed, NOW);
                    assert!(
                        edited.is_ok() || revision.is_some(),
                        "seed {seed}: {edited:?}"
                    );
                }
                4 => {
                    let body = json!({ field: format!("{bio}{}", letters.next(true)) });
                    let options = EditOptions::default();
                    let edited = pair.session.edit(JANE, &body.to_string(), &options, NOW);
                    edited.expect("allowed");
                }
                5..=7 => {
                    let on_server = pair.on_server()[field]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned();
                    let at = dice.splice(&on_server, &mut letters);
                    let bob = Principal::new("bob", ["editor"]);
                    let place = format!("/{field}");
                    let entry = pair.server.splice(&id, &bob, &place, &at);
                    if dice.below(3) > 0 {
                        let frame = pair.server.logs[&id].frame(&id, vec![entry]);
                        pair.receive(&frame);
                    }
                }
                8 => {
                    // Some of the next proposal is refused.
                    pair.server.refuse_next = Some(u32::try_from(dice.below(2)).expect("small"));
                    pair.server.refusals = 1;
                    pair.run();
                }
                9 => {
                    pair.session.disconnected(None);
                    pair.connect();
                }
                10 => {
                    pair.receive(&ServerFrame::Reset {
                        entity: id,
                        reason: "slow-consumer".to_owned(),
                    });
                    pair.run();
                }
                11 if dice.below(4) == 0 && !renewed => {
                    renewed = true;
                    let body = pair.on_server();
                    let mut kept = json!({ "name": "Jane", "number": "E-1" });
                    kept[field] = json!(format!("{}·", body[field].as_str().unwrap_or_default()));
                    pair.session.disconnected(None);
                    pair.server.begin_epoch(&id, &kept);
                    pair.connect();
                }
                12 if dice.below(4) == 0 && field == "bio" => {
                    pair.session.disconnected(None);
                    pair.server.migrate(&json!({
                        "name": { "type": "string", "maxLength": 20 },
                        "slogan": { "type": "string" },
                        "about": { "type": "string", "x-indelible": { "merge": "text", "was": "bio" } },
                        "number": { "type": "string", "x-indelible": { "write": "create" } },
                    }));
                    field = "about";
                    pair.connect();
                }
                _ => pair.run(),
            }
            pair.listen();
            if let Some(revision) = pair.revision {
                let text = pair.value[field].as_str().unwrap_or_default().to_owned();
                revisions.push((revision, text));
            }
            if dice.below(2) == 0 {
                let told = pair.value.clone();
                pair.session.resync(JANE);
                pair.listen();
                assert_eq!(told, pair.value, "seed {seed}, step {step}");
            }
        }
        pair.session.disconnected(None);
        pair.connect();
        assert_eq!(pair.value, pair.on_server(), "seed {seed}");
    }
}
