//! Those who do what the server is for: they follow values, edit replicas, read and put over HTTP.
//! One in twenty asks for much and then takes nothing of it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use automerge::transaction::Transactable;
use automerge::{ROOT, ReadDoc};
use futures_util::SinkExt;
use indelible_engine::id::{EntityId, ProposalId};
use indelible_engine::protocol::{ClientFrame, Mode, SUBPROTOCOL, ServerFrame, Token};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::dearest::ground::Said;
use super::harness::{Client, Http, Replica, connect_to};
use super::town::{BOARD_COUNT, Town, What};

/// Five hundred connections, with those who stall.
const FOLLOWERS: usize = 275;
const EDITORS: usize = 100;
const READERS: usize = 75;
const WRITERS: usize = 25;
const STALLED: usize = 25;

/// About how long each rests between two edits, two looks and two writes.
const EDIT_PAUSE: Duration = Duration::from_secs(4);
const READ_PAUSE: Duration = Duration::from_millis(1_500);
const WRITE_PAUSE: Duration = Duration::from_secs(3);
/// How long somebody who stalls holds a connection.
const STALL: Duration = Duration::from_secs(45);
/// What the system takes for somebody who stalls.
const STALL_BUFFER: u32 = 4_096;

/// A board by its number.
pub(crate) fn board(number: usize) -> EntityId {
    format!("board/b{}", number % BOARD_COUNT).parse().unwrap()
}

/// What an editor's marks are under.
pub(crate) fn editor(number: usize) -> String {
    format!("editor-{number}")
}

/// Where a writer writes to.
pub(crate) fn note(number: usize) -> String {
    format!("/api/note/writer-{number}")
}

/// All who are at work, by what they are.
pub(crate) struct People(Vec<(&'static str, JoinHandle<()>)>);

impl People {
    pub(crate) async fn arrive(town: &Rc<Town>) -> Self {
        let mut people = Vec::new();
        for number in 0..EDITORS {
            let client = connect_to(&town.authority, Some(town.token(&editor(number)))).await;
            let edits = edit(Rc::clone(town), client, number);
            people.push(("an editor", tokio::task::spawn_local(edits)));
        }
        for number in 0..FOLLOWERS {
            let client = connect_to(&town.authority, None).await;
            let follows = follow(Rc::clone(town), client, number);
            people.push(("a follower", tokio::task::spawn_local(follows)));
        }
        for number in 0..READERS {
            let http = Http::to(&town.authority, None);
            let reads = read(Rc::clone(town), http, number);
            people.push(("a reader", tokio::task::spawn_local(reads)));
        }
        for number in 0..WRITERS {
            let http = town.http(&format!("writer-{number}"));
            let writes = write(Rc::clone(town), http, number);
            people.push(("a writer", tokio::task::spawn_local(writes)));
        }
        Self(people)
    }

    /// Lets everybody go; whoever had gone before the server was killed had met what must not be.
    pub(crate) async fn leave(self, town: &Town) {
        for (who, person) in self.0 {
            let has_failed = person.is_finished();
            person.abort();
            if has_failed && person.await.is_err_and(|error| error.is_panic()) {
                town.fault(format!("{who} could not go on"));
            }
        }
    }
}

/// How long somebody rests at a time: from half of the usual pause to one and a half.
fn pause(usual: Duration, number: usize, turn: usize) -> Duration {
    let part = (number * 7_919 + turn * 104_729) % 1_000;
    usual / 2 + usual * u32::try_from(part).unwrap() / 1_000
}

async fn edit(town: Rc<Town>, mut client: Client, number: usize) {
    let mut replica = client.replica(&board(number).to_string()).await;
    let name = editor(number);
    for turn in 0.. {
        rest(&mut client, &mut replica, pause(EDIT_PAUSE, number, turn)).await;
        let mark = format!("{turn}:{}", town.micros());
        let change = replica.change(|doc| {
            let (_, marks) = doc.get(ROOT, "marks").unwrap().unwrap();
            doc.put(&marks, &name, mark.as_str()).unwrap();
        });
        let began = Instant::now();
        let id = client.propose(&replica.entity, vec![change]).await;
        let said = admitted(&mut client, &mut replica, id).await;
        town.note(What::Edit, began.elapsed());
        let mut record = town.record.borrow_mut();
        record.said.push(said);
        record.marks.insert(number, turn);
    }
}

/// Applies what others write until the pause is over.
async fn rest(client: &mut Client, replica: &mut Replica, pause: Duration) {
    let until = tokio::time::Instant::now() + pause;
    while let Ok(frame) = tokio::time::timeout_at(until, client.next()).await {
        replica.apply(&frame);
    }
}

async fn admitted(client: &mut Client, replica: &mut Replica, id: ProposalId) -> Said {
    loop {
        match client.next().await {
            frame @ ServerFrame::Entries { .. } => replica.apply(&frame),
            ServerFrame::Admitted {
                id: of,
                entity,
                epoch,
                seq,
            } if of == id => {
                return Said::Admitted {
                    entity,
                    epoch,
                    seq,
                    id,
                };
            }
            other => panic!("an honest edit was answered with {other:?}"),
        }
    }
}

async fn follow(town: Rc<Town>, mut client: Client, number: usize) {
    let board = board(number);
    client.open(&board, Mode::Value).await;
    loop {
        match client.next().await {
            ServerFrame::Value { .. } => {}
            ServerFrame::Patch { patch, .. } => {
                let patch: Vec<Value> = serde_json::from_str(&patch).unwrap();
                let marks = patch.iter().filter_map(|step| step["value"].as_str());
                let made = marks.filter_map(|mark| mark.split_once(':')?.1.parse().ok());
                made.for_each(|micros| town.note_since(micros));
            }
            other => panic!("a follower was told {other:?}"),
        }
    }
}

async fn read(town: Rc<Town>, http: Http, number: usize) {
    let path = format!("/api/{}", board(number));
    for turn in 0.. {
        tokio::time::sleep(pause(READ_PAUSE, number, turn)).await;
        for (what, path) in [(What::Alive, "/healthz"), (What::Read, path.as_str())] {
            let began = Instant::now();
            let answer = http.get(path).await;
            town.note(what, began.elapsed());
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
    }
}

async fn write(town: Rc<Town>, http: Http, number: usize) {
    let path = note(number);
    let entity: EntityId = path.trim_start_matches("/api/").parse().unwrap();
    let (kind, id) = path.rsplit_once('/').unwrap();
    let made = http
        .post(&format!("{kind}?id={id}"), json!({ "text": "" }))
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    for turn in 0.. {
        tokio::time::sleep(pause(WRITE_PAUSE, number, turn)).await;
        let began = Instant::now();
        let answer = http.put(&path, json!({ "text": turn.to_string() })).await;
        town.note(What::Put, began.elapsed());
        assert_eq!(answer.status, 200, "{}", answer.body);
        let version = answer.body["version"].as_str().unwrap().to_owned();
        let entity = entity.clone();
        let mut record = town.record.borrow_mut();
        record.said.push(Said::Version { entity, version });
        record.notes.insert(number, turn);
    }
}

/// Those who take nothing of what they have asked for: half of them over HTTP. Some wake up, and
/// start over; the server may close any of them.
pub(crate) fn stall(town: &Rc<Town>) -> JoinSet<()> {
    let mut stalled = JoinSet::new();
    for number in 0..STALLED {
        let (authority, token) = (town.authority.clone(), town.token("sleeper"));
        stalled.spawn_local(async move {
            loop {
                let held = match number % 2 {
                    0 => page(&authority).await.map(|stream| (Some(stream), None)),
                    _ => watch(&authority, &token)
                        .await
                        .map(|socket| (None, Some(socket))),
                };
                tokio::time::sleep(STALL).await;
                drop(held);
            }
        });
    }
    stalled
}

async fn narrow(authority: &str) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.set_recv_buffer_size(STALL_BUFFER).ok()?;
    socket.connect(authority.parse().ok()?).await.ok()
}

async fn page(authority: &str) -> Option<TcpStream> {
    let mut stream = narrow(authority).await?;
    let ask = format!("GET /api/note?limit=1000 HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.ok()?;
    Some(stream)
}

/// Follows all that the attackers write.
async fn watch(
    authority: &str,
    token: &str,
) -> Option<tokio_tungstenite::WebSocketStream<TcpStream>> {
    let stream = narrow(authority).await?;
    let url = format!("ws://{authority}/sync");
    let mut request = url.into_client_request().ok()?;
    let protocol = HeaderValue::from_static(SUBPROTOCOL);
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocol);
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream)
        .await
        .ok()?;
    let hello = ClientFrame::Hello {
        protocol: 1,
        token: Some(Token(token.to_owned())),
        client: "tests".into(),
        texts: None,
    };
    let kind = "things".parse().ok()?;
    for frame in [hello, ClientFrame::Watch { kind }] {
        socket
            .send(Message::Binary(frame.encode().into()))
            .await
            .ok()?;
    }
    Some(socket)
}
