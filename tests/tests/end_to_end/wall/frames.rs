//! Messages that are not frames, and useless frames: each on a connection of its own, beside somebody who
//! goes on working.

#![allow(
    clippy::print_stdout,
    reason = "the figures of a run are for whoever asked for it"
)]

use indelible_engine::id::EntityId;
use indelible_engine::protocol::{ClientFrame, PROTOCOL_VERSION, ServerFrame, Token};
use indelible_tests::hostile::{self, ADMITTED, CREATOR, FrameCase, RawMessage};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::super::fortress::{Fortress, answer, create};
use super::super::harness::{Client, Replica};

/// No answer is longer than this, however long the attack.
const ANSWER_BYTES_MAX: usize = 4 << 10;

fn code(frame: ServerFrame) -> String {
    match frame {
        ServerFrame::Error { code, .. }
        | ServerFrame::Refused { code, .. }
        | ServerFrame::Gone { code, .. } => code,
        ServerFrame::Admitted { .. } => ADMITTED.to_owned(),
        ServerFrame::Snapshot { .. } | ServerFrame::Value { .. } | ServerFrame::Schema { .. } => {
            "opened".to_owned()
        }
        other => panic!("an answer without a code: {other:?}"),
    }
}

/// Reads up to the answer to a question that was asked behind the attack, or the end.
/// Writes are answered when they are judged, perhaps after the question.
async fn outcome(
    client: &mut Client,
    answers: usize,
) -> Result<(Vec<String>, Option<u16>), String> {
    let mut codes = Vec::new();
    let mut went_on = false;
    while !went_on || codes.len() < answers {
        let bytes = match client.message().await {
            Some(Message::Binary(bytes)) => bytes,
            Some(Message::Close(Some(CloseFrame { code, .. }))) => {
                return Ok((codes, Some(code.into())));
            }
            other => return Err(format!("{codes:?}, then {other:?}")),
        };
        match ServerFrame::decode(&bytes).unwrap() {
            ServerFrame::Gone { entity, .. } if entity == probe() => went_on = true,
            ServerFrame::Welcome { .. } => went_on = true,
            _ if bytes.len() > ANSWER_BYTES_MAX => {
                return Err(format!("an answer of {} bytes", bytes.len()));
            }
            frame => codes.push(code(frame)),
        }
    }
    Ok((codes, None))
}

fn probe() -> EntityId {
    "nothing".parse().unwrap()
}

/// A frame whose answer shows that the connection goes on.
fn question(fortress: &Fortress, greeted: bool) -> Vec<u8> {
    let frame = match greeted {
        true => ClientFrame::Watch {
            kind: probe().kind().clone(),
        },
        false => ClientFrame::Hello {
            protocol: PROTOCOL_VERSION,
            token: Some(Token(fortress.token("mallory"))),
            client: String::new(),
            texts: None,
        },
    };
    frame.encode()
}

async fn run(fortress: &Fortress, case: &FrameCase) -> Result<(), String> {
    let authority = &fortress.process.authority;
    let mut mallory = match case.greeted {
        true => fortress.connect("mallory").await,
        false => Client::raw(authority, None).await.unwrap(),
    };
    let messages = case.messages.iter().map(|message| match message {
        RawMessage::Binary(bytes) => Message::Binary(bytes.0.clone().into()),
        RawMessage::Text(bytes) => {
            Message::Text(String::from_utf8(bytes.0.clone()).unwrap().into())
        }
    });
    let question = Message::Binary(question(fortress, case.greeted).into());
    for message in messages.chain([question]) {
        // The server may have closed on the first bytes of what is too long.
        mallory.try_send_raw(message).await;
    }
    let found = outcome(&mut mallory, case.answers.len()).await?;
    if found != (case.answers.clone(), case.close) {
        let expected = (&case.answers, case.close);
        return Err(format!("{found:?} instead of {expected:?}"));
    }
    Ok(())
}

/// An edit by bob that is admitted and reaches alice.
async fn bob_edits(
    bob: (&mut Client, &mut Replica),
    alice: (&mut Client, &mut Replica),
    text: &str,
) {
    let change = bob.1.put("tagline", text);
    let id = bob.0.propose(&bob.1.entity, vec![change]).await;
    assert_eq!(answer(bob.0, id, Some(&mut *bob.1)).await.code, ADMITTED);
    alice.0.receive(alice.1).await;
    assert_eq!(alice.1.get("tagline").as_deref(), Some(text));
}

#[tokio::test]
async fn what_is_no_frame_ends_its_connection_and_nothing_else() {
    let mut fortress = Fortress::start();
    let entity: EntityId = "thing/frames".parse().unwrap();
    let (mut alice, mut bob) = (
        fortress.connect(CREATOR).await,
        fortress.connect("bob").await,
    );
    create(&mut alice, &entity).await;
    let mut hers = alice.replica("thing/frames").await;
    let mut his = bob.replica("thing/frames").await;
    let cases = hostile::frame_cases();
    assert!(
        cases.len() >= 200,
        "the catalogue shrank to {}",
        cases.len()
    );
    let mut failures = Vec::new();
    for case in &cases {
        bob_edits((&mut bob, &mut his), (&mut alice, &mut hers), &case.name).await;
        if let Err(failure) = run(&fortress, case).await {
            failures.push(format!("{}: {failure}", case.name));
        }
    }
    bob_edits((&mut bob, &mut his), (&mut alice, &mut hers), "after").await;
    let count = failures.len();
    assert!(
        failures.is_empty(),
        "{count} cases:\n{}",
        failures.join("\n")
    );
    fortress.assert_memory_is_bounded();
    let held = fortress.memory_kib();

    let before = fortress.http("bob").get("/api/thing/frames").await;
    fortress.restart();
    let after = fortress.http("bob").get("/api/thing/frames").await;
    assert_eq!(
        (&after.body, after.header("etag")),
        (&before.body, before.header("etag"))
    );
    println!(
        "{} hostile messages; the server held {held} KiB at most",
        cases.len()
    );
}
