//! What comes with a POST or PUT → what the server reads of it → merge → admission.
//!
//! What the server makes of a body is never refused but by the policy; nothing protected or asked to
//! be preserved changes; the current value makes no change; what is admitted saves and loads.
//!
//! An input is a request in a plain form: a line with method, author and query, lines of headers, an
//! empty line, the body. A base is named by its number.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use indelible_engine::admission::{Origin, Verdict};
use indelible_engine::change::server_actor;
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch};
use indelible_engine::merge::{Base, MergeError, MergeOptions, Merged, Protected, merge};
use indelible_engine::pointer::Pointer;
use indelible_engine::principal::Principal;
use indelible_engine::violation::RefusalCode;
use indelible_server::{Creation, Merging, Replacement};
use serde_json::Value;

use super::stage::{self, POLICY};
use crate::hostile;

/// The entity, and every state that it has been in.
static HISTORY: LazyLock<(Entity, Vec<Base>)> = LazyLock::new(|| {
    let mut entity = stage::created(&hostile::entity_of("fuzz"));
    let mut states = vec![state(&entity)];
    for change in stage::honest_changes(&entity) {
        let bob = hostile::principal(stage::HONEST);
        let verdict = stage::judge(&entity, &bob, vec![change], Origin::Client);
        entity = stage::after(verdict).expect("an honest edit");
        states.push(state(&entity));
    }
    (entity, states)
});

fn state(entity: &Entity) -> Base {
    Base {
        value: entity.presented(),
        heads: entity.heads(),
        earlier: None,
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let content = hostile::content();
    let mut bodies: Vec<String> = content
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{{\"{name}\":{value}}}"))
        .collect();
    let wrong = [
        "{}",
        "[]",
        "",
        "{\"title\":null}",
        "{\"title\":7,\"hits\":-1,\"level\":1e400}",
        "{\"hits\":12,\"total\":9007199254740993,\"views\":3,\"mood\":\"wild\",\"flag\":true}",
        "{\"shape\":{\"w\":1,\"deep\":[[[{\"a\":[]}]]]},\"plate\":\"AB-1\",\"level\":1.0}",
        "{\"items\":[{\"id\":\"i3\"},{\"name\":\"x\",\"tags\":[\"a\"],\"count\":2},{\"id\":\"i1\"}]}",
        "{\"items\":null,\"body\":\"hallo welt\",\"tags\":[\"b\",\"a\",\"b\"],\"prices\":{\"a/b\":0}}",
        "{\"guarded\":[{\"id\":\"g1\",\"worth\":6},{\"name\":\"cup\",\"worth\":0}],\"rating\":3}",
        "{\"$position\":\"a\",\"$deleted\":true,\"items\":[{\"id\":\"$deleted\"}],\"labels\":{\"\":{}}}",
        "{\"title\":\"a\",\"title\":\"b\",\"createdBy\":\"mallory\",\"unknown\":{}}",
    ];
    bodies.extend(wrong.map(str::to_owned));
    bodies.push(content.to_string());
    let heads = [
        "PUT bob\n\n",
        "PUT alice base=2&preserve=title,body,%2Fplace%2Fcity\nif-match: \"a\", W/\"b\"\n\n",
        "PUT bob base=0\nprefer: handling=strict\nidempotency-key: k\n\n",
        "PUT alice remove=title,%2Fitems%2Fi1,%2Flabels%2Fx&preserve=tags\n\n",
        "POST bob id=new\ncontent-type: application/json; charset=utf-8\n\n",
        "POST alice\nif-match: *\n\n",
    ];
    let seeds = bodies.iter().zip(heads.iter().cycle()).chain(
        // The long ones in every way.
        heads
            .iter()
            .flat_map(|head| bodies.iter().rev().take(6).map(move |body| (body, head))),
    );
    seeds
        .map(|(body, head)| format!("{head}{body}").into_bytes())
        .collect()
}

/// A request, decoded from an input.
struct Request<'a> {
    is_creation: bool,
    author: Principal,
    uri: Uri,
    headers: HeaderMap,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    fn of(input: &'a [u8]) -> Option<Self> {
        let end = input.windows(2).position(|pair| pair == b"\n\n")?;
        let mut lines = input[..end].split(|byte| *byte == b'\n');
        let mut words = lines.next()?.splitn(3, |byte| *byte == b' ');
        let is_creation = words.next()? == b"POST";
        let author = match words.next()? {
            b"alice" => "alice",
            _ => stage::HONEST,
        };
        let query = words.next().unwrap_or_default();
        let uri = Uri::try_from([b"/?", query].concat()).ok()?;
        let mut headers = HeaderMap::new();
        for line in lines {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = HeaderName::from_bytes(&line[..colon]).ok()?;
            let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
            headers.append(name, value);
        }
        let json = HeaderValue::from_static("application/json");
        headers.entry(header::CONTENT_TYPE).or_insert(json);
        Some(Self {
            is_creation,
            author: hostile::principal(author),
            uri,
            headers,
            body: &input[end + 2..],
        })
    }
}

pub(crate) fn run(data: &[u8]) {
    let Some(request) = Request::of(data) else {
        return;
    };
    let Request {
        author,
        uri,
        headers,
        ..
    } = &request;
    let body = Ok(request.body.to_vec().into());
    if request.is_creation {
        if let Ok(asked) = Creation::read(author, uri, headers, body) {
            create(author, &asked);
        }
    } else if let Ok(asked) = Replacement::read(&POLICY, author, uri, headers, body) {
        replace(author, asked.merging);
    }
}

fn create(author: &Principal, asked: &Creation) {
    assert!(asked.value.is_object());
    let name = asked.name.as_deref().unwrap_or("picked");
    let Ok(id) = EntityId::new(POLICY.kind().clone(), Some(name)) else {
        return;
    };
    let genesis = Entity::genesis(&id, Epoch::FIRST, &POLICY);
    let options = MergeOptions {
        creation: true,
        ..MergeOptions::default()
    };
    let Some(merged) = merged(&genesis, author, &asked.value, &options) else {
        return;
    };
    let changes = merged.changes;
    let verdict = stage::judge(&genesis, author, changes, Origin::Creation);
    if let Some(entity) = after(verdict) {
        lives(&entity, author);
    }
}

fn replace(author: &Principal, asked: Merging) {
    assert!(asked.body.is_object());
    let (entity, states) = &*HISTORY;
    let base = match asked.base.as_deref().map(str::parse::<usize>) {
        None => None,
        Some(Ok(at)) if at < states.len() => Some(states[at].clone()),
        Some(_) => return,
    };
    let options = MergeOptions {
        protected: asked.protected,
        preserve: asked.preserve.clone(),
        remove: asked.remove.clone(),
        base,
        ..MergeOptions::default()
    };
    let Some(merged) = merged(entity, author, &asked.body, &options) else {
        return;
    };
    if merged.changes.is_empty() {
        return;
    }
    let verdict = stage::judge(entity, author, merged.changes, Origin::Server);
    let Some(after) = after(verdict) else { return };
    let (old, new) = (entity.presented(), after.presented());
    for place in &asked.preserve {
        assert_eq!(found(&new, place), found(&old, place), "preserved {place}");
    }
    if !author.roles.contains("chief") {
        assert_eq!(
            crate::hostile::protected(&after),
            crate::hostile::protected(entity)
        );
    }
    lives(&after, author);
}

/// The value at a place; items are found by their id.
fn found<'v>(value: &'v Value, place: &Pointer) -> Option<&'v Value> {
    place.tokens().iter().try_fold(value, |at, token| match at {
        Value::Object(map) => map.get(token),
        Value::Array(items) => items.iter().find(|item| item["id"] == token.as_str()),
        _ => None,
    })
}

/// The change of a merge, unless the body breaks rules.
fn merged(
    entity: &Entity,
    author: &Principal,
    body: &Value,
    options: &MergeOptions,
) -> Option<Merged> {
    let actor = server_actor(entity.id(), entity.epoch(), &author.id);
    match merge(entity, author, &actor, body, options) {
        Ok(merged) => Some(merged),
        Err(MergeError::Refused(violations)) => {
            assert!(!violations.is_empty());
            None
        }
        Err(error) => panic!("{error}: {body}"),
    }
}

/// The entity with what was admitted; what the server made is refused by the policy or not at all.
fn after(verdict: Verdict) -> Option<Entity> {
    if let Some(refused) = &verdict.refused {
        assert_eq!(refused.code, RefusalCode::Policy, "{refused:?}");
        assert!(!refused.violations.is_empty());
    }
    stage::after(verdict)
}

/// It saves, loads and can be edited; and putting its current value changes nothing.
fn lives(entity: &Entity, author: &Principal) {
    stage::lives(entity);
    let options = MergeOptions {
        protected: Protected::Keep,
        ..MergeOptions::default()
    };
    let again = merged(entity, author, &entity.presented(), &options);
    let again = again.expect("what stands breaks no rules");
    assert!(again.changes.is_empty(), "{}", entity.presented());
}
