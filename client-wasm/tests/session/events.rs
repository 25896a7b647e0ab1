//! Guards against events that TypeScript does not read as they are written here: one of each is kept
//! in a file, against which `ts/events.test.ts` checks its types.

use indelible_client::{
    ConflictView, DroppedView, Event, Fault, KindView, Status, SyncState, ViolationView,
};
use indelible_engine::principal::Principal;
use indelible_engine::protocol::{AuthorReport, KindMode, Mode};
use serde_json::{Value, json};

use crate::pair::{JANE, NOW};
use crate::server::entity;

/// The name of each kind of event. When one is added, the compiler points here, and the test to
/// [`examples`].
fn name(event: &Event) -> &'static str {
    match event {
        Event::Welcome { .. } => "welcome",
        Event::Status { .. } => "status",
        Event::Value { .. } => "value",
        Event::Patch { .. } => "patch",
        Event::Gone { .. } => "gone",
        Event::Saved { .. } => "saved",
        Event::Conflicts { .. } => "conflicts",
        Event::Refused { .. } => "refused",
        Event::Item { .. } => "item",
        Event::ItemPatch { .. } => "item-patch",
        Event::ItemGone { .. } => "item-gone",
        Event::Watched { .. } => "watched",
        Event::Unwatchable { .. } => "unwatchable",
        Event::Done { .. } => "done",
        Event::RequestFailed { .. } => "request-failed",
        Event::TokenExpiring => "token-expiring",
        Event::Pause { .. } => "pause",
        Event::NeedsFullCore => "needs-full-core",
        Event::Disconnect { .. } => "disconnect",
    }
}

const NAMES: [&str; 19] = [
    "welcome",
    "status",
    "value",
    "patch",
    "gone",
    "saved",
    "conflicts",
    "refused",
    "item",
    "item-patch",
    "item-gone",
    "watched",
    "unwatchable",
    "done",
    "request-failed",
    "token-expiring",
    "pause",
    "needs-full-core",
    "disconnect",
];

const STATES: [SyncState; 7] = [
    SyncState::Offline,
    SyncState::Connecting,
    SyncState::Syncing,
    SyncState::Synced,
    SyncState::Refused,
    SyncState::Gone,
    SyncState::NoAccess,
];

fn violation() -> ViolationView {
    ViolationView {
        change: 0,
        ops: vec![1],
        pointer: "/name".parse().expect("a pointer"),
        rule: "maxLength".to_owned(),
        attempted: Some(json!("far too long")),
        kept: Some(json!("Jane")),
        holder: Some(entity("team/joe")),
        bound: Some(json!(5)),
        message: "name: at most 5 characters are allowed".to_owned(),
    }
}

fn dropped() -> DroppedView {
    DroppedView {
        pointer: "/bio".parse().expect("a pointer"),
        reason: "gone",
        rule: Some("maxLength".to_owned()),
        attempted: Some(json!("x")),
        text: Some("Hello x".to_owned()),
        by: Some(AuthorReport {
            id: "bob".to_owned(),
            name: Some("Bob".to_owned()),
        }),
        operations: 1,
    }
}

fn status(state: SyncState) -> Status {
    Status {
        state,
        pending: 1,
        last_sync_time: Some(NOW),
        violations: vec![violation()],
        dropped: vec![dropped()],
        error: Some(Fault::new("busy", "later")),
    }
}

/// One event of each kind, with everything that it may have, and then with what may be absent.
fn examples() -> Vec<Event> {
    let jane = || entity(JANE);
    let fault = || Fault::new("not-found", "there is no team/jane");
    let patch =
        || json!([{ "op": "splice", "path": "/bio", "index": 0, "remove": 1, "insert": "x" }]);
    let conflict = ConflictView {
        pointer: "/name".parse().expect("a pointer"),
        mine: Some(json!("J")),
        stands: Some(json!("Jane")),
        by: dropped().by,
        at: Some(NOW),
    };
    let mut all = vec![
        Event::Welcome {
            principal: Principal::new("alice", ["editor"]),
            kinds: vec![KindView {
                kind: jane().kind().clone(),
                singleton: false,
                mode: KindMode::Replica,
                create: true,
                delete: false,
            }],
        },
        Event::Value {
            entity: jane(),
            mode: Mode::Replica,
            value: json!({ "name": "Jane" }),
            revision: Some(1),
        },
        Event::Value {
            entity: jane(),
            mode: Mode::Value,
            value: json!({ "name": "Jane" }),
            revision: None,
        },
        Event::Patch {
            entity: jane(),
            patch: patch(),
            revision: Some(2),
            local: true,
        },
        Event::Patch {
            entity: jane(),
            patch: patch(),
            revision: None,
            local: false,
        },
        Event::Gone {
            entity: jane(),
            fault: fault(),
        },
        Event::Saved {
            entity: jane(),
            edit: 1,
        },
        Event::Conflicts {
            entity: jane(),
            conflicts: vec![
                conflict.clone(),
                ConflictView {
                    mine: None,
                    stands: None,
                    by: None,
                    at: None,
                    ..conflict
                },
            ],
        },
        Event::Refused {
            entity: jane(),
            edit: 1,
            settled: 1,
            violations: vec![
                violation(),
                ViolationView {
                    attempted: None,
                    kept: None,
                    holder: None,
                    bound: None,
                    ..violation()
                },
            ],
            dropped: vec![
                dropped(),
                DroppedView {
                    rule: None,
                    attempted: None,
                    text: None,
                    by: None,
                    ..dropped()
                },
            ],
            fault: fault(),
        },
        Event::Item {
            entity: jane(),
            value: json!({ "name": "Jane" }),
        },
        Event::ItemPatch {
            entity: jane(),
            patch: patch(),
        },
        Event::ItemGone { entity: jane() },
        Event::Watched {
            kind: jane().kind().clone(),
            entities: vec![jane()],
        },
        Event::Unwatchable {
            kind: jane().kind().clone(),
            fault: fault(),
        },
        Event::Done {
            request: 1,
            entity: jane(),
        },
        Event::RequestFailed {
            request: 2,
            violations: vec![violation()],
            fault: fault(),
        },
        Event::TokenExpiring,
        Event::Pause { millis: 2_000 },
        Event::NeedsFullCore,
        Event::Disconnect {
            reason: "unavailable".to_owned(),
        },
        Event::Status {
            entity: None,
            status: Status {
                last_sync_time: None,
                error: None,
                ..status(SyncState::Offline)
            },
        },
    ];
    all.extend(STATES.map(|state| Event::Status {
        entity: Some(jane()),
        status: status(state),
    }));
    all
}

#[test]
fn the_events_of_the_typescript_tests_are_those_of_this_version() {
    let examples = examples();
    for event in &examples {
        let named = serde_json::to_value(event).expect("an event has a JSON form");
        assert_eq!(named["type"], name(event));
    }
    for wanted in NAMES {
        let is_there = examples.iter().any(|event| name(event) == wanted);
        assert!(is_there, "no example of {wanted}");
    }
    let made = serde_json::to_value(&examples).expect("events have a JSON form");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ts/testing/events.json");
    if std::env::var_os("INDELIBLE_BLESS").is_some() {
        let text = serde_json::to_string_pretty(&made).expect("a value has a text") + "\n";
        std::fs::write(path, text).expect("the folder can be written");
    }
    let kept = std::fs::read_to_string(path).expect("the file is in the repository");
    let kept: Value = serde_json::from_str(&kept).expect("it is JSON");
    assert!(
        kept == made,
        "{path} is of another version: INDELIBLE_BLESS=1 writes it again, `npm run format` formats it"
    );
}
