//! Guards against patches that do not lead from the value that was reported to the one that is shown:
//! something that changes a replica without the next poll noticing it.

use indelible_client::EditOptions;
use indelible_engine::merge::Absent;
use indelible_engine::principal::Principal;
use indelible_engine::protocol::ServerFrame;
use serde_json::{Value, json};

use crate::dice::{Dice, seeds};
use crate::pair::{JANE, NOW, Pair};
use crate::server::entity;

/// A body that writes something at random, made from `value`.
fn body(dice: &mut Dice, value: &Value) -> Value {
    let word = |dice: &mut Dice| format!("w{}", dice.below(5));
    match dice.below(8) {
        0 => json!({ "name": word(dice) }),
        1 => json!({ "slogan": word(dice) }),
        2 => json!({ "slogan": null }),
        3 => {
            let mut bio = value["bio"].as_str().unwrap_or_default().to_owned();
            bio.insert(0, 'x');
            json!({ "bio": bio, "name": word(dice) })
        }
        _ => {
            let mut links = value["links"].as_array().cloned().unwrap_or_default();
            match dice.below(4) {
                0 => links.push(json!({ "url": word(dice), "story": word(dice) })),
                1 if !links.is_empty() => drop(links.remove(dice.below(links.len()))),
                2 => links.reverse(),
                _ => {
                    for link in &mut links {
                        link["url"] = json!(word(dice));
                    }
                }
            }
            json!({ "links": links, "slogan": word(dice) })
        }
    }
}

/// The same, as one whole value that lacks a field.
fn without(dice: &mut Dice, value: &Value) -> Value {
    let mut body = value.clone();
    let fields = body.as_object_mut().expect("an object");
    fields.remove(["slogan", "links", "bio"][dice.below(3)]);
    body
}

#[test]
fn patches_lead_to_what_is_shown() {
    for seed in 1..=seeds() {
        let mut dice = Dice::new(seed.wrapping_mul(0xa076_1d64_78bd_642f));
        let mut pair = Pair::opened();
        let (id, bob) = (entity(JANE), Principal::new("bob", ["editor"]));
        let mut held: Vec<ServerFrame> = Vec::new();
        for step in 0..40 {
            match dice.below(12) {
                0..=3 => {
                    pair.listen();
                    let whole = dice.below(4) == 0;
                    let (body, absent) = match whole {
                        true => (without(&mut dice, &pair.value), Absent::Removed),
                        false => (body(&mut dice, &pair.value), Absent::Stays),
                    };
                    let options = EditOptions {
                        absent,
                        ..EditOptions::default()
                    };
                    let edited = pair.session.edit(JANE, &body.to_string(), &options, NOW);
                    edited.unwrap_or_else(|error| panic!("seed {seed}: {body}: {error}"));
                }
                4..=6 => {
                    let mut body = body(&mut dice, &pair.on_server());
                    // Something must differ, or there is no entry.
                    body["name"] = json!(format!("bob {step}"));
                    let entry = pair.server.write(&id, &bob, &body, false);
                    held.push(pair.server.logs[&id].frame(&id, vec![entry]));
                }
                7 => {
                    for frame in held.drain(..) {
                        pair.receive(&frame);
                    }
                }
                8 => {
                    held.clear();
                    pair.session.disconnected(None);
                    pair.connect();
                }
                9 => {
                    held.clear();
                    pair.receive(&ServerFrame::Reset {
                        entity: id.clone(),
                        reason: "slow-consumer".to_owned(),
                    });
                    pair.run();
                }
                10 if held.is_empty() => {
                    // Some of the next proposal is refused.
                    pair.server.refuse_next = Some(u32::try_from(dice.below(2)).expect("small"));
                    pair.server.refusals = 1;
                    pair.run();
                }
                _ if held.is_empty() => pair.run(),
                _ => {}
            }
            if dice.below(3) > 0 {
                pair.listen();
                let patched = pair.value.clone();
                if dice.below(2) == 0 {
                    pair.session.resync(JANE);
                    pair.listen();
                    assert_eq!(patched, pair.value, "seed {seed}, step {step}");
                }
            }
        }
        pair.session.disconnected(None);
        pair.connect();
        assert_eq!(pair.value, pair.on_server(), "seed {seed}");
    }
}
