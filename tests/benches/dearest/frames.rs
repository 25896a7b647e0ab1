//! The shapes of frames whose price is looked for.

use automerge::ROOT;
use automerge::transaction::Transactable;
use indelible_engine::id::Epoch;
use indelible_engine::protocol::{ClientFrame, Mode, ServerFrame, TextForm, Token};
use serde_bytes::ByteBuf;
use serde_json::{Value, json};

use super::super::harness::{Client, fresh_actor};
use super::ground::{Ground, Request, keyed, lengthen, long, text};
use super::load::{Load, of, small_changes};
use super::shape::{Shape, shape};

pub(super) const SHAPES: &[Shape] = &[
    shape!("hello", [1_000, 1], [1, 1], [30_000, 1], hello),
    shape!("auth", [1, 1], [1, 1], [1, 1], auth),
    shape!(
        "open of a value, cold",
        [20_000, 1],
        [1_000, 1],
        [900_000, 26],
        open_value
    ),
    shape!(
        "open of a value at an old version",
        [10_000, 2],
        [500, 1],
        [400_000, 64],
        open_version
    ),
    shape!(
        "open of a replica, cold, many changes",
        [500, 1],
        [10, 1],
        [4_000, 1_000],
        join_cold
    ),
    shape!(
        "open of a replica, cold, a keyed list",
        [2_000, 1],
        [100, 1],
        [40_000, 1],
        join_keyed
    ),
    shape!(
        "open of a replica at an old place",
        [200, 4],
        [10, 1],
        [4_000, 1_000],
        join_place
    ),
    shape!("watch, cold", [100, 1_000], [1, 1], [20_000, 8_000], watch),
    shape!("unwatch", [100, 1_000], [1, 1], [20_000, 8_000], unwatch),
    shape!(
        "close of a replica",
        [2_000, 1],
        [100, 1],
        [40_000, 1],
        close
    ),
    shape!(
        "propose many changes",
        [100, 4],
        [1, 1],
        [1_000, 1_000],
        propose
    ),
    shape!(
        "propose changes, the last one refused",
        [100, 2_000],
        [2, 10],
        [1_000, 8_000],
        propose_refused
    ),
    shape!(
        "propose changes of two actors in turn",
        [100, 2_000],
        [2, 10],
        [1_000, 8_000],
        propose_in_turn
    ),
    shape!(
        "propose what joins a long history",
        [2, 2_000],
        [1, 10],
        [1_000, 8_000],
        propose_late
    ),
    shape!(
        "propose to a text followed in splices",
        [10_000, 16],
        [500, 1],
        [400_000, 4_096],
        propose_splices
    ),
    shape!(
        "create a keyed list",
        [2_000, 1],
        [100, 1],
        [60_000, 1],
        create
    ),
    shape!(
        "delete a keyed list",
        [2_000, 1],
        [100, 1],
        [40_000, 1],
        delete
    ),
    shape!(
        "undelete a keyed list",
        [2_000, 1],
        [100, 1],
        [40_000, 1],
        undelete
    ),
];

fn frame(
    client: Client,
    frame: ClientFrame,
    load: Load,
    is_last: fn(&ServerFrame) -> bool,
) -> Request {
    Request::Frame {
        client: Box::new(client),
        frames: vec![frame],
        is_last,
        load,
        followers: Vec::new(),
    }
}

fn greeting(ground: &Ground, client: String, texts: Option<TextForm>) -> ClientFrame {
    ClientFrame::Hello {
        protocol: 1,
        token: Some(Token(ground.token())),
        client,
        texts,
    }
}

async fn hello(ground: &mut Ground, [length, _]: [usize; 2]) -> Request {
    let client = ground.raw().await;
    let brings = Load {
        operations: 0,
        bytes: length,
    };
    let hello = greeting(ground, text(length, 26), None);
    let is_welcome = |answer: &ServerFrame| matches!(answer, ServerFrame::Welcome { .. });
    frame(client, hello, brings, is_welcome)
}

/// A frame that has no answer of its own; the answer to the `ping` behind it shows that it was read.
fn unanswered(client: Client, unanswered: ClientFrame, load: Load) -> Request {
    let is_pong = |answer: &ServerFrame| matches!(answer, ServerFrame::Pong { .. });
    let mut request = frame(client, unanswered, load, is_pong);
    if let Request::Frame { frames, .. } = &mut request {
        frames.push(ClientFrame::Ping {});
    }
    request
}

async fn auth(ground: &mut Ground, _: [usize; 2]) -> Request {
    let client = ground.connect().await;
    let token = Token(ground.token());
    unanswered(client, ClientFrame::Auth { token }, Load::default())
}

async fn close(ground: &mut Ground, [length, a]: [usize; 2]) -> Request {
    let value = keyed(0..length, a);
    let entity = named(ground, &value).await;
    let mut client = ground.connect().await;
    client.replica(&entity).await;
    let entity = entity.parse().unwrap();
    unanswered(client, ClientFrame::Close { entity }, of(&value))
}

async fn unwatch(ground: &mut Ground, at: [usize; 2]) -> Request {
    let Request::Frame {
        mut client,
        frames,
        load,
        ..
    } = watch(ground, at).await
    else {
        unreachable!("a frame was prepared")
    };
    client.send(&frames[0]).await;
    while !matches!(client.next().await, ServerFrame::Watched { .. }) {}
    let kind = "things".parse().unwrap();
    unanswered(*client, ClientFrame::Unwatch { kind }, load)
}

/// An `open` from scratch.
fn open(entity: &str, mode: Mode) -> ClientFrame {
    ClientFrame::Open {
        entity: entity.parse().unwrap(),
        mode,
        epoch: None,
        seq: None,
        hash: None,
        version: None,
    }
}

fn is_value(answer: &ServerFrame) -> bool {
    matches!(
        answer,
        ServerFrame::Value { .. } | ServerFrame::Patch { .. }
    )
}

fn is_snapshot(answer: &ServerFrame) -> bool {
    matches!(answer, ServerFrame::Snapshot { .. })
}

/// A new entity with this value: its name.
async fn named(ground: &mut Ground, value: &Value) -> String {
    let (path, _) = ground.create(value).await;
    path.trim_start_matches("/api/").to_owned()
}

async fn open_value(ground: &mut Ground, [length, period]: [usize; 2]) -> Request {
    let value = json!({ "text": text(length, period) });
    let entity = named(ground, &value).await;
    ground.restart();
    let client = ground.connect().await;
    frame(client, open(&entity, Mode::Value), of(&value), is_value)
}

async fn open_version(ground: &mut Ground, [length, edits]: [usize; 2]) -> Request {
    let before = text(length, length);
    let value = json!({ "text": before });
    let (path, known) = ground.create(&value).await;
    for edit in 0..edits {
        let edited = json!({ "text": format!("{before}{edit}") });
        ground.must("PUT", &path, Some(&edited)).await;
    }
    let mut asked = open(path.trim_start_matches("/api/"), Mode::Value);
    if let ClientFrame::Open { version, .. } = &mut asked {
        *version = Some(known);
    }
    frame(ground.connect().await, asked, of(&value), is_value)
}

async fn join_cold(ground: &mut Ground, at: [usize; 2]) -> Request {
    let entity = long(ground, at).await;
    ground.restart();
    let client = ground.connect().await;
    let loads = small_changes(at[0] * at[1]);
    frame(client, open(&entity, Mode::Replica), loads, is_snapshot)
}

async fn join_keyed(ground: &mut Ground, [length, a]: [usize; 2]) -> Request {
    let value = keyed(0..length, a);
    let entity = named(ground, &value).await;
    ground.restart();
    let client = ground.connect().await;
    frame(
        client,
        open(&entity, Mode::Replica),
        of(&value),
        is_snapshot,
    )
}

async fn join_place(ground: &mut Ground, at: [usize; 2]) -> Request {
    let entity = named(ground, &json!({ "name": "" })).await;
    let mut writer = ground.connect().await;
    let mut replica = writer.replica(&entity).await;
    let mut asked = open(&entity, Mode::Replica);
    if let ClientFrame::Open {
        epoch, seq, hash, ..
    } = &mut asked
    {
        *epoch = Some(Epoch::FIRST);
        *seq = Some(replica.seq);
        *hash = Some(replica.hash);
    }
    lengthen(&mut writer, &mut replica, at).await;
    let loads = small_changes(at[0] * at[1]);
    frame(ground.connect().await, asked, loads, |answer| {
        matches!(
            answer,
            ServerFrame::Entries { .. } | ServerFrame::Snapshot { .. }
        )
    })
}

async fn watch(ground: &mut Ground, [count, length]: [usize; 2]) -> Request {
    let value = json!({ "name": text(length, length) });
    ground.populate(count, &value).await;
    let all = Value::Array(vec![value; ground.there()]);
    let kind = "things".parse().unwrap();
    let client = ground.connect().await;
    frame(client, ClientFrame::Watch { kind }, of(&all), |answer| {
        matches!(answer, ServerFrame::Watched { .. })
    })
}

/// A proposal of these changes.
async fn proposal(
    ground: &Ground,
    entity: &str,
    changes: Vec<Vec<u8>>,
    (operations, before): (usize, &Value),
) -> Request {
    let mut client = ground.connect().await;
    let brings = Load {
        operations,
        bytes: changes.iter().map(Vec::len).sum(),
    };
    let propose = ClientFrame::Propose {
        id: client.next_id(),
        entity: entity.parse().unwrap(),
        epoch: Epoch::FIRST,
        changes: changes.into_iter().map(ByteBuf::from).collect(),
        whole: false,
    };
    frame(client, propose, brings + of(before), is_admitted)
}

fn is_admitted(answer: &ServerFrame) -> bool {
    matches!(answer, ServerFrame::Admitted { .. })
}

async fn changes_of(ground: &mut Ground, before: Value, [count, width]: [usize; 2]) -> Request {
    let entity = named(ground, &before).await;
    let mut maker = ground.connect().await;
    let mut replica = maker.replica(&entity).await;
    let list = replica.object("list");
    let make = |n: usize| {
        replica.change(|doc| {
            for m in 0..width {
                let element = i64::try_from(n * width + m).unwrap();
                doc.insert(&list, 0, element).unwrap();
            }
            doc.put(ROOT, "name", n.to_string()).unwrap();
        })
    };
    let changes = (0..count).map(make).collect();
    proposal(ground, &entity, changes, (count * (width + 1), &before)).await
}

async fn propose(ground: &mut Ground, [count, width]: [usize; 2]) -> Request {
    let width = width.min(200_000 / count.max(1)).max(1);
    changes_of(ground, json!({ "list": [] }), [count, width]).await
}

async fn propose_late(ground: &mut Ground, [count, length]: [usize; 2]) -> Request {
    let before = json!({ "list": (0..length * 10).collect::<Vec<_>>() });
    changes_of(ground, before, [count, 1]).await
}

async fn propose_refused(ground: &mut Ground, [count, length]: [usize; 2]) -> Request {
    let before = json!({ "list": (0..length * 10).collect::<Vec<_>>() });
    let entity = named(ground, &before).await;
    let mut maker = ground.connect().await;
    let mut replica = maker.replica(&entity).await;
    let mut changes: Vec<Vec<u8>> = (1..count)
        .map(|n| replica.put("name", &n.to_string()))
        .collect();
    changes.push(replica.put("secret", "mine"));
    proposal(ground, &entity, changes, (count, &before)).await
}

async fn propose_in_turn(ground: &mut Ground, [count, length]: [usize; 2]) -> Request {
    let before = json!({ "list": (0..length * 10).collect::<Vec<_>>() });
    let entity = named(ground, &before).await;
    let mut maker = ground.connect().await;
    let mut replica = maker.replica(&entity).await;
    let actors = [fresh_actor(), fresh_actor()];
    let make = |n: usize| {
        replica.doc.set_actor(actors[n % 2].clone());
        replica.put("name", &n.to_string())
    };
    let changes: Vec<Vec<u8>> = (0..count).map(make).collect();
    proposal(ground, &entity, changes, (count, &before)).await
}

async fn propose_splices(ground: &mut Ground, [length, every]: [usize; 2]) -> Request {
    let before = json!({ "text": text(length, length) });
    let entity = named(ground, &before).await;
    let mut maker = ground.connect().await;
    let mut replica = maker.replica(&entity).await;
    let letters = replica.object("text");
    // A change holds 10,000 operations, each letter takes two.
    let places: Vec<usize> = (0..length).step_by(every).collect();
    let edit = |places: &[usize]| {
        replica.change(|doc| {
            for &place in places {
                doc.splice_text(&letters, place, 1, "X").unwrap();
            }
        })
    };
    let changes = places.chunks(4_000).map(edit).collect();
    let operations = 2 * places.len();
    let mut request = proposal(ground, &entity, changes, (operations, &before)).await;
    let mut follower = ground.raw().await;
    let hello = greeting(ground, "follower".to_owned(), Some(TextForm::Splices));
    follower.send(&hello).await;
    follower.next().await;
    follower.value(&entity).await;
    if let Request::Frame { followers, .. } = &mut request {
        followers.push(follower);
    }
    request
}

async fn create(ground: &mut Ground, [length, a]: [usize; 2]) -> Request {
    let value = keyed(0..length, a);
    let mut client = ground.connect().await;
    let create = ClientFrame::Create {
        id: client.next_id(),
        entity: "things".parse().unwrap(),
        value: value.to_string(),
    };
    frame(client, create, of(&value), is_admitted)
}

async fn delete(ground: &mut Ground, [length, a]: [usize; 2]) -> Request {
    let value = keyed(0..length, a);
    let entity = named(ground, &value).await.parse().unwrap();
    let mut client = ground.connect().await;
    let id = client.next_id();
    let delete = ClientFrame::Delete { id, entity };
    frame(client, delete, of(&value), is_admitted)
}

async fn undelete(ground: &mut Ground, [length, a]: [usize; 2]) -> Request {
    let value = keyed(0..length, a);
    let (path, _) = ground.create(&value).await;
    ground.must("DELETE", &path, None).await;
    let entity = path.trim_start_matches("/api/").parse().unwrap();
    let mut client = ground.connect().await;
    let id = client.next_id();
    let undelete = ClientFrame::Undelete { id, entity };
    frame(client, undelete, of(&value), is_admitted)
}
