//! From an edit to its durable acknowledgement: a real process, a real socket, redb on a real disk.
//!
//! What the relay adds is the whole way, less the transaction of this very edit as the server timed
//! it (its log says), less a round trip over the same socket; it is set against admitting the same
//! change alone, on the same state, on a thread that has slept until then as the server has: a
//! thread that wakes finds the caches cold. The time of a second run at once is printed beside it. All are
//! measured in turn, in one run. `cargo xtask bench ack` runs this.

#![allow(clippy::unwrap_used, reason = "a measurement that fails is none")]
#![allow(clippy::print_stdout, reason = "the figures are the point")]

#[allow(dead_code, reason = "each measurement needs a part of it")]
mod figures;
mod ground;

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Barrier;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, UNIX_EPOCH};

use automerge::transaction::Transactable;
use automerge::{ActorId, Automerge, LoadOptions, ROOT, ReadDoc, TextEncoding};
use figures::{Times, aim, timed};
use ground::{Ground, NOW, Whole};
use indelible_engine::admission::{Proposal, admit};
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch, Hash, LogPlace, ProposalId};
use indelible_engine::ledger::{EntryDraft, EntryKind, Logged, Sealed};
use indelible_engine::lifecycle;
use indelible_engine::limits::Limits;
use indelible_engine::protocol::{ClientFrame, Mode, SUBPROTOCOL, ServerFrame, Token};
use indelible_engine::time::Timestamp;
use indelible_server::auth::Auth;
use indelible_server::config::RefusalSettings;
use indelible_server::keys::{self, Keys};
use indelible_server::storage::redb::RedbStore;
use indelible_server::storage::{Append, Ledger, NewEntry, Snapshot};
use serde_bytes::ByteBuf;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

const AIM: f64 = 1.3;

/// Rounds that are not counted: the first ones find everything cold.
const WARM_UP: usize = 10;

/// Edits on one server: a history of 100 is to stay one of about 100.
const ROUNDS_PER_SERVER: usize = 50;

fn main() {
    if !figures::are_wanted() {
        return;
    }
    println!("edit → durable acknowledgement");
    for (history, servers) in [(100, 8), (10_000, 6), (100_000, 2)] {
        let ground = Ground::new(history, Whole::Free);
        let mut found = Found::default();
        for _ in 0..servers {
            one_server(&ground, &mut found);
        }
        tell(history, &found);
    }
    many_at_once();
}

/// The times of all rounds.
#[derive(Default)]
struct Found {
    whole: Times,
    commit: Times,
    beside: Times,
    trip: Times,
    alone: Times,
    again: Times,
}

fn one_server(ground: &Ground, found: &mut Found) {
    let data = folder();
    let last = fill(&data.path().join("data"), ground);
    let mut server = Process::start(data.path());
    let mut client = Client::connect(&server.authority, data.path(), ground, &last);
    let mut alone = Alone::start(ground);
    for round in 0..WARM_UP + ROUNDS_PER_SERVER {
        let change = small(&mut client.doc, round);
        let proposal = ground.proposal(change.clone());
        let bytes = change.len();
        let edit = timed(|| client.edit(round, change)).0;
        let durable = server.committed();
        let ping = timed(|| client.ping(bytes)).0;
        let (first, again) = alone.admit(proposal);
        if round >= WARM_UP {
            found.whole.push(edit);
            found.commit.push(durable);
            found.beside.push(edit.saturating_sub(durable));
            found.trip.push(ping);
            found.alone.push(first);
            found.again.push(again);
        }
    }
}

fn tell(history: usize, found: &Found) {
    for (name, part) in [("median", 0.5), ("quietest tenth", 0.1)] {
        let [whole, commit, beside, trip, alone, again] = [
            &found.whole,
            &found.commit,
            &found.beside,
            &found.trip,
            &found.alone,
            &found.again,
        ]
        .map(|times| times.quantile(part));
        // The commit differs from edit to edit, so each is taken from its own edit.
        let relay = beside - trip;
        let ratio = relay / alone;
        println!(
            "  history {history:>6}, {name:<14}: edit → ack {whole:>8.1} µs, its commit \
             {commit:>7.1} µs, without it {beside:>8.1} µs − round trip {trip:>6.1} µs = \
             {relay:>8.1} µs   admit alone {alone:>8.1} µs (again {again:>8.1} µs)   ratio \
             {ratio:.2} {}",
            aim(ratio, AIM),
        );
    }
}

/// Clients that write as fast as they are answered, to a few entities.
const WRITERS: usize = 20;
const ENTITIES: usize = 5;
const EDITS_EACH: usize = 100;

/// What many get who share transactions.
fn many_at_once() {
    let ground = Ground::new(0, Whole::Free);
    let data = folder();
    let last = fill(&data.path().join("data"), &ground);
    let server = Process::start_with(data.path(), "error");
    let started = Barrier::new(WRITERS);
    let writer = |number: usize| {
        let mut client = Client::connect(&server.authority, data.path(), &ground, &last);
        let entity = format!("thing/{}", number % ENTITIES).parse().unwrap();
        client.move_to(entity, number);
        started.wait();
        let began = Instant::now();
        let mut times = Vec::new();
        for round in 0..EDITS_EACH {
            let change = small(&mut client.doc, round);
            times.push(timed(|| client.edit(number << 32 | round, change)).0);
        }
        (began.elapsed(), times)
    };
    let done: Vec<_> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| scope.spawn(move || writer(number)))
            .collect();
        writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .collect()
    });
    let longest = done.iter().map(|(whole, _)| *whole).max().unwrap();
    let mut times = Times::default();
    for time in done.into_iter().flat_map(|(_, times)| times) {
        times.push(time);
    }
    println!(
        "  {WRITERS} clients on {ENTITIES} entities: {:.0} edits acknowledged per second, each in \
         {:.1} µs (median), 99 % in {:.1} µs",
        (WRITERS * EDITS_EACH) as f64 / longest.as_secs_f64(),
        times.median(),
        times.quantile(0.99),
    );
}

/// Admission without a server: a thread that keeps the same entity and sleeps in between.
struct Alone {
    proposals: Option<Sender<Proposal>>,
    times: Receiver<(Duration, Duration)>,
    thread: Option<JoinHandle<()>>,
}

impl Alone {
    fn start(ground: &Ground) -> Self {
        let (proposals, received) = mpsc::channel::<Proposal>();
        let (sender, times) = mpsc::channel();
        let mut entity = ground.entity.clone();
        let thread = thread::spawn(move || {
            let limits = Limits::default();
            for proposal in received {
                let (first, verdict) = timed(|| admit(&entity, &proposal, NOW, &limits));
                let (again, second) = timed(|| admit(&entity, &proposal, NOW, &limits));
                assert!(verdict.refused.is_none() && second.refused.is_none());
                let (mut after, draft, _) = verdict.admitted.unwrap().into_parts();
                after.confirm(Logged {
                    kind: draft.kind,
                    place: LogPlace::new(draft.header.place.epoch, draft.header.place.seq),
                    hash: Hash::ZERO,
                    at: NOW,
                    author: &draft.header.author.id,
                    policy_hash: draft.header.policy_hash,
                    claimed: None,
                    changes: &draft.changes,
                });
                entity = after;
                sender.send((first, again)).unwrap();
            }
        });
        Self {
            proposals: Some(proposals),
            times,
            thread: Some(thread),
        }
    }

    /// How long it takes, and how long at once again.
    fn admit(&mut self, proposal: Proposal) -> (Duration, Duration) {
        self.proposals.as_ref().unwrap().send(proposal).unwrap();
        self.times.recv().unwrap()
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        drop(self.proposals.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

/// A folder on the disk of the build, which is a real one where that of `/tmp` may be memory.
fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// One more small edit of a document.
fn small(doc: &mut Automerge, round: usize) -> Vec<u8> {
    let mut tx = doc.transaction();
    tx.put(ROOT, "field-07", format!("edit {round:07}"))
        .unwrap();
    let (hash, _) = tx.commit();
    let change = doc.get_change_by_hash(&hash.unwrap()).unwrap();
    change.raw_bytes().to_vec()
}

/// Makes the store that the server is to open: the history as one entry, and a snapshot of it.
fn fill(data: &Path, ground: &Ground) -> Sealed {
    keys::create_data_dir(data).unwrap();
    let store = RedbStore::open(data, RefusalSettings::default()).unwrap();
    let mut entity = ground.entity.clone();
    let genesis = lifecycle::genesis(
        &Entity::genesis(entity.id(), Epoch::FIRST, entity.policy()),
        NOW,
    );
    let mut history = EntryDraft {
        kind: EntryKind::Changes,
        changes: ground.changes.clone(),
        heads: entity.heads(),
        ..genesis.clone()
    };
    history.header.place = genesis.header.place.next();
    history.header.author = ground.author.clone();
    let mut request = Append::new(entity.id().clone());
    request
        .entries
        .extend([genesis, history].map(|draft| NewEntry {
            draft,
            effects: None,
        }));
    let mut appended = store.append(&[request]).unwrap().remove(0).unwrap();
    let last = appended.entries.pop().unwrap();
    entity.confirm(Logged::of(&last.entry, last.hash));
    let mut request = Append::new(entity.id().clone());
    request.snapshot = Some(Snapshot {
        epoch: entity.epoch(),
        seq: entity.seq(),
        document: entity.to_snapshot().unwrap(),
        state: Vec::new(),
    });
    store.append(&[request]).unwrap().remove(0).unwrap();
    last
}

/// The server, and what its commit thread says.
struct Process {
    child: Child,
    authority: String,
    log: Lines<BufReader<ChildStderr>>,
}

impl Process {
    fn start(folder: &Path) -> Self {
        Self::start_with(folder, "error,indelible_server::commit=debug")
    }

    fn start_with(folder: &Path, log: &str) -> Self {
        let schema = folder.join("schema");
        fs::create_dir(&schema).unwrap();
        fs::write(schema.join("thing.json"), ground::schema(Whole::Free)).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_indelible-under-test"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.join("data"))
            .arg("--schema")
            .arg(schema)
            .env("INDELIBLE_LOG", log)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let authority = lines
            .map_while(Result::ok)
            .find_map(|line| {
                let address = line.split("http://").nth(1)?;
                let end = address.find(|c: char| c == '/' || c.is_whitespace());
                Some(address[..end.unwrap_or(address.len())].to_owned())
            })
            .expect("the server says where it listens");
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self {
            child,
            authority,
            log,
        }
    }

    /// How long the next transaction with an entry in it took, from its first look at the disk.
    fn committed(&mut self) -> Duration {
        let field = |line: &str, name: &str| -> Option<u64> {
            let rest = line.split(&format!("{name}=")).nth(1)?;
            rest.split_whitespace().next()?.parse().ok()
        };
        loop {
            let line = self.log.next().unwrap().unwrap();
            if field(&line, "entries").is_some_and(|entries| entries > 0) {
                return Duration::from_micros(field(&line, "duration_us").unwrap());
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn proposal_id(number: usize) -> ProposalId {
    let hash = Hash::of(&[&number.to_be_bytes()]);
    ProposalId(*hash.as_bytes().first_chunk().unwrap())
}

/// A replica on a blocking socket.
struct Client {
    socket: WebSocket<TcpStream>,
    entity: EntityId,
    doc: Automerge,
}

impl Client {
    fn connect(authority: &str, folder: &Path, ground: &Ground, last: &Sealed) -> Self {
        let stream = TcpStream::connect(authority).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut request = format!("ws://{authority}/sync")
            .into_client_request()
            .unwrap();
        request.headers_mut().insert(
            "sec-websocket-protocol",
            HeaderValue::from_static(SUBPROTOCOL),
        );
        let (socket, _) = tungstenite::client(request, stream).unwrap();
        let mut client = Self {
            socket,
            entity: ground.entity.id().clone(),
            doc: ground.doc.clone(),
        };
        let auth = Auth::new(&Keys::open_or_create(&folder.join("data")).unwrap());
        let since = UNIX_EPOCH.elapsed().unwrap().as_millis();
        let now = Timestamp(since.try_into().unwrap());
        let hour = Duration::from_secs(3600);
        client.send(&ClientFrame::Hello {
            protocol: 1,
            token: Some(Token(auth.issue(&ground.author, now, hour).unwrap())),
            client: "bench".to_owned(),
            texts: None,
        });
        client.send(&ClientFrame::Open {
            entity: ground.entity.id().clone(),
            mode: Mode::Replica,
            epoch: Some(Epoch::FIRST),
            seq: Some(last.entry.header.place.seq),
            hash: Some(last.hash),
            version: None,
        });
        client.until(|frame| matches!(frame, ServerFrame::Entries { .. }));
        client
    }

    fn send(&mut self, frame: &ClientFrame) {
        let message = Message::Binary(frame.encode().into());
        self.socket.send(message).unwrap();
    }

    fn until(&mut self, wanted: impl Fn(&ServerFrame) -> bool) -> ServerFrame {
        loop {
            if let Message::Binary(bytes) = self.socket.read().unwrap() {
                let frame = ServerFrame::decode(&bytes).unwrap();
                if wanted(&frame) {
                    return frame;
                }
                let fine = matches!(
                    frame,
                    ServerFrame::Welcome { .. }
                        | ServerFrame::Schema { .. }
                        | ServerFrame::Entries { .. }
                );
                assert!(fine, "{frame:?}");
            }
        }
    }

    /// Goes over to another entity, which is made if nobody has yet, as the given actor.
    fn move_to(&mut self, entity: EntityId, number: usize) {
        let id = proposal_id(number << 32 | EDITS_EACH);
        self.send(&ClientFrame::Create {
            id,
            entity: entity.clone(),
            value: "{}".to_owned(),
        });
        self.until(|frame| match frame {
            ServerFrame::Admitted { id: of, .. } | ServerFrame::Refused { id: of, .. } => *of == id,
            _ => false,
        });
        self.send(&ClientFrame::Open {
            entity: entity.clone(),
            mode: Mode::Replica,
            epoch: None,
            seq: None,
            hash: None,
            version: None,
        });
        let snapshot = self.until(|frame| matches!(frame, ServerFrame::Snapshot { .. }));
        let ServerFrame::Snapshot { document, .. } = snapshot else {
            unreachable!("it was waited for");
        };
        let options = LoadOptions::new().text_encoding(TextEncoding::Utf16CodeUnit);
        self.doc = Automerge::load_with_options(&document, options).unwrap();
        self.doc
            .set_actor(ActorId::from([u8::try_from(number).unwrap() + 1; 16]));
        self.entity = entity;
    }

    /// Proposes a change and waits until it is admitted.
    fn edit(&mut self, round: usize, change: Vec<u8>) {
        let id = proposal_id(round);
        self.send(&ClientFrame::Propose {
            id,
            entity: self.entity.clone(),
            epoch: Epoch::FIRST,
            changes: vec![ByteBuf::from(change)],
            whole: false,
        });
        self.until(|frame| matches!(frame, ServerFrame::Admitted { id: of, .. } if *of == id));
    }

    /// One round trip of as many bytes.
    fn ping(&mut self, bytes: usize) {
        let payload = vec![7; bytes.min(125)];
        self.socket.send(Message::Ping(payload.into())).unwrap();
        while !matches!(self.socket.read().unwrap(), Message::Pong(_)) {}
    }
}
