//! A server on a port of its own, and clients that speak to it over real sockets.

use std::path::{Path, PathBuf};
use std::time::Duration;

use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, LoadOptions, ObjId, ReadDoc, TextEncoding};
use futures_util::{SinkExt, StreamExt};
use indelible_engine::id::{EntityId, Epoch, Hash, ProposalId, Seq};
use indelible_engine::principal::Principal;
use indelible_engine::protocol::{ClientFrame, Mode, SUBPROTOCOL, ServerFrame, Token};
use indelible_engine::time::Timestamp;
use indelible_server::Server;
use indelible_server::auth::Auth;
use indelible_server::config::{Config, SchemaPlace};
use indelible_server::keys::Keys;
use serde_bytes::ByteBuf;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How long anything may take before the test fails: what nothing takes on a machine that has twenty
/// times as much to do as it can, and half of what the runner gives to a test as a whole.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// How long a token lives in tests that wait for its end: seconds, but enough of them for a machine
/// that has much else to do.
pub(crate) const SHORT_LIFE: Duration = Duration::from_secs(6);

/// The schema and content that these tests run on.
pub(crate) fn schema() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end/schema")
}

/// A server in this process.
pub(crate) struct Running {
    pub(crate) authority: String,
    data: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(adjust: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            data: data.path().to_owned(),
            schema: SchemaPlace::Folder(schema()),
            ..Config::default()
        };
        // A test that is about one of these sets it itself.
        let connections = &mut config.connections;
        (connections.head_timeout, connections.handshake_timeout) = (PATIENCE, PATIENCE);
        (connections.body_timeout, connections.idle_timeout) = (PATIENCE, PATIENCE);
        (connections.ping_interval, connections.stuck_timeout) = (PATIENCE, PATIENCE);
        (connections.message_timeout, connections.answer_timeout) = (PATIENCE, PATIENCE);
        connections.request_timeout = PATIENCE;
        adjust(&mut config);
        let server = Server::bind(config).await.unwrap();
        let authority = server.local_addr().to_string();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self {
            authority,
            data,
            stop: Some(stop),
            task,
        }
    }

    /// Stops the server in the ordinary way.
    pub(crate) async fn stop(self) {
        self.stop_and_keep().await;
    }

    /// Stops the server and gives its data directory.
    pub(crate) async fn stop_and_keep(mut self) -> tempfile::TempDir {
        self.stop.take().unwrap().send(()).unwrap();
        let stopped = tokio::time::timeout(PATIENCE, self.task).await;
        stopped.unwrap().unwrap();
        self.data
    }

    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    pub(crate) fn token(&self, id: &str, roles: &[&str]) -> String {
        token(self.data.path(), id, roles, Duration::from_secs(3600))
    }

    pub(crate) fn short_token(&self, id: &str, roles: &[&str], ttl: Duration) -> String {
        token(self.data.path(), id, roles, ttl)
    }

    /// A connection that has said hello and was welcomed.
    pub(crate) async fn connect(&self, id: &str, roles: &[&str]) -> Client {
        connect_to(&self.authority, Some(self.token(id, roles))).await
    }

    pub(crate) async fn connect_anonymously(&self) -> Client {
        connect_to(&self.authority, None).await
    }

    pub(crate) fn http(&self, token: Option<String>) -> Http {
        Http::to(&self.authority, token)
    }

    pub(crate) fn http_as(&self, id: &str, roles: &[&str]) -> Http {
        self.http(Some(self.token(id, roles)))
    }
}

/// A token signed with the key of a data directory.
pub(crate) fn token(data: &Path, id: &str, roles: &[&str], ttl: Duration) -> String {
    let auth = Auth::new(&Keys::open_or_create(data).unwrap());
    auth.issue(&Principal::new(id, roles.iter().copied()), now(), ttl)
        .unwrap()
}

pub(crate) fn now() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    Timestamp(since.as_millis().try_into().unwrap())
}

/// A connection that has been welcomed.
pub(crate) async fn connect_to(authority: &str, token: Option<String>) -> Client {
    let mut client = Client::raw(authority, None).await.unwrap();
    client.hello(token).await;
    match client.next().await {
        ServerFrame::Welcome { .. } => client,
        other => panic!("no welcome: {other:?}"),
    }
}

/// One WebSocket, as a client holds it.
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    proposals: u64,
    salt: [u8; 8],
}

impl Client {
    /// A connection on which nothing was said yet.
    pub(crate) async fn raw(
        authority: &str,
        origin: Option<&str>,
    ) -> Result<Self, tungstenite::Error> {
        let mut request = format!("ws://{authority}/sync").into_client_request()?;
        let headers = request.headers_mut();
        headers.insert(
            "sec-websocket-protocol",
            HeaderValue::from_static(SUBPROTOCOL),
        );
        if let Some(origin) = origin {
            headers.insert("origin", HeaderValue::from_str(origin).unwrap());
        }
        let (socket, _) = connect_async(request).await?;
        let salt = Hash::of(&[format!("{:?}", std::time::Instant::now()).as_bytes()]);
        let salt = *salt.as_bytes().first_chunk().unwrap();
        Ok(Self {
            socket,
            proposals: 0,
            salt,
        })
    }

    pub(crate) async fn hello(&mut self, token: Option<String>) {
        let token = token.map(Token);
        self.send(&ClientFrame::Hello {
            protocol: 1,
            token,
            client: "tests".into(),
            texts: None,
        })
        .await;
    }

    pub(crate) async fn send(&mut self, frame: &ClientFrame) {
        self.send_raw(Message::Binary(frame.encode().into())).await;
    }

    pub(crate) async fn send_raw(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// The next message other than pings; `None` when the connection has ended.
    pub(crate) async fn message(&mut self) -> Option<Message> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            match next.expect("the server says something in time") {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                None | Some(Err(_)) => return None,
            }
        }
    }

    /// The next frame; fails when the connection ends instead.
    pub(crate) async fn next(&mut self) -> ServerFrame {
        match self.message().await {
            Some(Message::Binary(bytes)) => ServerFrame::decode(&bytes).unwrap(),
            other => panic!("no frame: {other:?}"),
        }
    }

    /// The next frame; nothing when the connection has ended.
    pub(crate) async fn try_next(&mut self) -> Option<ServerFrame> {
        match self.message().await {
            Some(Message::Binary(bytes)) => Some(ServerFrame::decode(&bytes).unwrap()),
            _ => None,
        }
    }

    /// Sends a frame; whether it went out.
    pub(crate) async fn try_send(&mut self, frame: &ClientFrame) -> bool {
        self.try_send_raw(Message::Binary(frame.encode().into()))
            .await
    }

    pub(crate) async fn try_send_raw(&mut self, message: Message) -> bool {
        self.socket.send(message).await.is_ok()
    }

    /// Sends many messages at once; whether all went out.
    pub(crate) async fn try_send_all(&mut self, messages: impl Iterator<Item = Message>) -> bool {
        for message in messages {
            if self.socket.feed(message).await.is_err() {
                return false;
            }
        }
        self.socket.flush().await.is_ok()
    }

    /// Skips frames until the connection is closed, and gives the code.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        loop {
            match self.message().await {
                Some(Message::Close(Some(CloseFrame { code, .. }))) => return Some(code.into()),
                None | Some(Message::Close(None)) => return None,
                Some(_) => {}
            }
        }
    }

    /// Checks that the server has nothing to say: everything it had to say would have come before
    /// the answer to a question that is asked now.
    pub(crate) async fn hears_nothing(&mut self) {
        let entity: EntityId = "nothing/here".parse().unwrap();
        self.open(&entity, Mode::Value).await;
        match self.next().await {
            ServerFrame::Gone { entity: gone, .. } if gone == entity => {}
            other => panic!("the server says {other:?}"),
        }
    }

    pub(crate) async fn open(&mut self, entity: &EntityId, mode: Mode) {
        let entity = entity.clone();
        let (epoch, seq, hash, version) = (None, None, None, None);
        self.send(&ClientFrame::Open {
            entity,
            mode,
            epoch,
            seq,
            hash,
            version,
        })
        .await;
    }

    pub(crate) fn next_id(&mut self) -> ProposalId {
        self.proposals += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.salt);
        id[8..].copy_from_slice(&self.proposals.to_be_bytes());
        ProposalId(id)
    }

    pub(crate) async fn propose(&mut self, entity: &EntityId, changes: Vec<Vec<u8>>) -> ProposalId {
        let id = self.next_id();
        self.propose_as(id, entity, changes).await;
        id
    }

    pub(crate) async fn propose_as(
        &mut self,
        id: ProposalId,
        entity: &EntityId,
        changes: Vec<Vec<u8>>,
    ) {
        self.propose_parts(id, entity, changes, false).await;
    }

    /// Changes that are said to be one edit, or not.
    pub(crate) async fn propose_parts(
        &mut self,
        id: ProposalId,
        entity: &EntityId,
        changes: Vec<Vec<u8>>,
        whole: bool,
    ) {
        let changes = changes.into_iter().map(ByteBuf::from).collect();
        let (entity, epoch) = (entity.clone(), Epoch::FIRST);
        self.send(&ClientFrame::Propose {
            id,
            entity,
            epoch,
            changes,
            whole,
        })
        .await;
    }

    /// Opens a replica from scratch.
    pub(crate) async fn replica(&mut self, name: &str) -> Replica {
        let entity: EntityId = name.parse().unwrap();
        self.open(&entity, Mode::Replica).await;
        loop {
            match self.next().await {
                ServerFrame::Schema { .. } => {}
                ServerFrame::Snapshot {
                    entity: of,
                    seq,
                    hash,
                    document,
                    ..
                } if of == entity => {
                    return Replica::new(entity, &document, seq, hash);
                }
                other => panic!("no snapshot: {other:?}"),
            }
        }
    }

    /// Opens a value and gives it with its version.
    pub(crate) async fn value(&mut self, name: &str) -> (Value, String) {
        self.open(&name.parse().unwrap(), Mode::Value).await;
        match self.next().await {
            ServerFrame::Value { value, version, .. } => {
                (serde_json::from_str(&value).unwrap(), version)
            }
            other => panic!("no value: {other:?}"),
        }
    }

    /// Waits for the `entries` frame of a replica and applies it.
    pub(crate) async fn receive(&mut self, replica: &mut Replica) {
        let frame = self.next().await;
        replica.apply(&frame);
    }

    /// Proposes, and waits for the own entries and the acknowledgement.
    pub(crate) async fn write(&mut self, replica: &mut Replica, changes: Vec<Vec<u8>>) -> Seq {
        let id = self.propose(&replica.entity, changes).await;
        self.receive(replica).await;
        self.admitted(id).await
    }

    pub(crate) async fn admitted(&mut self, id: ProposalId) -> Seq {
        match self.next().await {
            ServerFrame::Admitted { id: of, seq, .. } if of == id => seq,
            other => panic!("not admitted: {other:?}"),
        }
    }

    /// Waits for a refusal: its code, and pointer and rule of each violation. The rule of a refusal
    /// that is not by policy is its code, as the page about the protocol says.
    pub(crate) async fn refused(&mut self, id: ProposalId) -> (String, Vec<(String, String)>) {
        match self.next().await {
            ServerFrame::Refused {
                id: of,
                code,
                violations,
                ..
            } if of == id => {
                let all = violations
                    .into_iter()
                    .map(|v| (v.pointer.to_string(), v.rule));
                let all: Vec<_> = all.collect();
                if code != "policy" {
                    assert_eq!(all, [(String::new(), code.clone())]);
                }
                (code, all)
            }
            other => panic!("not refused: {other:?}"),
        }
    }
}

/// A document as a client that knows no policy would hold it.
pub(crate) struct Replica {
    pub(crate) entity: EntityId,
    pub(crate) seq: Seq,
    pub(crate) hash: Hash,
    pub(crate) doc: AutoCommit,
}

impl Replica {
    pub(crate) fn new(entity: EntityId, document: &[u8], seq: Seq, hash: Hash) -> Self {
        let options = LoadOptions::new().text_encoding(TextEncoding::Utf16CodeUnit);
        let doc = AutoCommit::load_with_options(document, options).unwrap();
        Self {
            entity,
            seq,
            hash,
            doc: doc.with_actor(fresh_actor()),
        }
    }

    pub(crate) fn apply(&mut self, frame: &ServerFrame) {
        let ServerFrame::Entries {
            entity, entries, ..
        } = frame
        else {
            panic!("not entries: {frame:?}")
        };
        assert_eq!(*entity, self.entity);
        for entry in entries {
            assert_eq!(entry.seq, self.seq.next());
            let changes = entry.changes.iter();
            let changes = changes.map(|bytes| automerge::Change::try_from(&bytes[..]).unwrap());
            self.doc.apply_changes(changes).unwrap();
            (self.seq, self.hash) = (entry.seq, entry.hash);
        }
    }

    /// Makes one change and gives its bytes.
    pub(crate) fn change(&mut self, make: impl FnOnce(&mut AutoCommit)) -> Vec<u8> {
        make(&mut self.doc);
        self.doc.commit();
        self.doc
            .get_last_local_change()
            .unwrap()
            .raw_bytes()
            .to_vec()
    }

    /// Puts a value at the root.
    pub(crate) fn put(&mut self, name: &str, value: &str) -> Vec<u8> {
        self.change(|doc| doc.put(automerge::ROOT, name, value).unwrap())
    }

    pub(crate) fn object(&self, name: &str) -> ObjId {
        self.doc.get(automerge::ROOT, name).unwrap().unwrap().1
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.doc.text(self.object(name)).unwrap()
    }

    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let (value, _) = self.doc.get(automerge::ROOT, name).unwrap()?;
        Some(value.into_string().unwrap())
    }
}

/// An actor id in the layout that honest clients use.
pub(crate) fn fresh_actor() -> ActorId {
    ActorId::from(uuid::Uuid::now_v7().as_bytes().to_vec())
}

/// HTTP with a token.
pub(crate) struct Http {
    client: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// Status, headers and JSON body of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl Http {
    pub(crate) fn to(authority: &str, token: Option<String>) -> Self {
        Self {
            client: reqwest::Client::new(),
            base: format!("http://{authority}"),
            token,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, &[], Some(body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, &[], Some(body)).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let body = body.map(|body| body.to_string());
        self.send_text(method, path, headers, body).await
    }

    /// The same with any text for a body.
    pub(crate) async fn send_text(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let response = self.ask(method, path, headers, body).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer {
            status,
            headers,
            body,
        }
    }

    /// The same without a look at the answer but for its status and length.
    pub(crate) async fn send_blindly(
        &self,
        method: &str,
        path: &str,
        body: Option<String>,
    ) -> (u16, usize) {
        let mut response = self.ask(method, path, &[], body).await;
        let mut bytes = 0;
        while let Some(part) = response.chunk().await.unwrap() {
            bytes += part.len();
        }
        (response.status().as_u16(), bytes)
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> reqwest::Response {
        let method = method.parse::<reqwest::Method>().unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        request = request.timeout(PATIENCE);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        request.send().await.unwrap()
    }
}
