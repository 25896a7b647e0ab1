//! Every setting of the server, with its unit and its default.
//!
//! What an operator may want to change, or the documentation states, is here, or in [`Limits`] where the
//! engine needs it too. A number that concerns one algorithm alone stands beside it.

mod budgets;
mod exposure;
mod rates;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use indelible_engine::limits::Limits;

use crate::forwarded::TrustedProxies;
use crate::host::HostName;
use crate::origin::Origin;

pub use budgets::BudgetSettings;
pub use exposure::{Exposure, ExposureError, Reach};
pub use rates::{Quota, QuotaSetting, QuotaSettingError, RateSettings, SetTwice};

impl Config {
    /// Bytes of what comes in (bodies, and messages that are long), from all together, until it is
    /// answered: a third of the memory. One alone may have half of them.
    pub(crate) fn incoming_bytes_max(&self) -> usize {
        self.memory_bytes_max / 3
    }

    /// Bytes of answers that wait and of what is cached: the rest.
    pub(crate) fn outgoing_bytes_max(&self) -> usize {
        self.memory_bytes_max - self.incoming_bytes_max()
    }
}

/// The settings of one server.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The directory that holds the store and, unless `token_key` names another, the key file.
    pub data: PathBuf,
    /// Where the schema comes from.
    pub schema: SchemaPlace,
    /// A key file other than the one in the data directory.
    pub token_key: Option<PathBuf>,
    /// Whether an address that others can reach is meant.
    pub exposure: Exposure,
    /// Whether the conveniences of development are on.
    pub mode: Mode,
    /// Origins, besides the server's own, whose pages may connect: `https://example.org`.
    pub allow_origins: Vec<Origin>,
    /// The proxies that are believed where a request came from.
    pub trusted_proxies: TrustedProxies,
    /// How much may be written in a minute.
    pub rates: RateSettings,
    /// Names of the server, besides those of this machine and the address that it listens on. Without
    /// any, requests may name any host; in development, only this machine.
    pub hosts: Vec<HostName>,
    /// What untrusted input may ask for.
    pub limits: Limits,
    /// Bytes that bodies, messages that have not ended, answers that wait and what is cached may take
    /// together.
    pub memory_bytes_max: usize,
    /// How connections are held.
    pub connections: ConnectionSettings,
    /// How entities are held in memory and sent.
    pub relay: RelaySettings,
    /// How much history is in proportion to what is shown.
    pub budgets: BudgetSettings,
    /// How commits are made.
    pub commit: CommitSettings,
    /// How much of what policy refused is kept.
    pub refusals: RefusalSettings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4000),
            data: PathBuf::from("indelible-data"),
            schema: SchemaPlace::Demo,
            token_key: None,
            exposure: Exposure::LoopbackOnly,
            mode: Mode::Production,
            allow_origins: Vec::new(),
            trusted_proxies: TrustedProxies::default(),
            rates: RateSettings::default(),
            hosts: Vec::new(),
            limits: Limits::default(),
            memory_bytes_max: MEMORY_BYTES_MAX,
            connections: ConnectionSettings::default(),
            relay: RelaySettings::default(),
            budgets: BudgetSettings::default(),
            commit: CommitSettings::default(),
            refusals: RefusalSettings::default(),
        }
    }
}

/// Where the schema files lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaPlace {
    /// The demo schema and its content, built into the binary.
    Demo,
    /// A folder with one JSON file per kind, and initial content under `content/`.
    Folder(PathBuf),
}

/// What the server is run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Tokens are the only way to sign in.
    Production,
    /// Pages on this machine may sign in with a name and a role. Loopback addresses only.
    Development,
}

/// How connections are held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// Connections at a time, WebSockets included; later ones wait to be taken. Fewer where
    /// the system gives the process fewer files.
    pub connections_max: usize,
    /// How many of a hundred of them are kept for those who show a token.
    pub token_seats_percent: usize,
    /// Connections that the system takes before the server does, as far as the system allows.
    pub backlog: u32,
    /// How long the head of a request may take to come, from its first byte.
    pub head_timeout: Duration,
    /// How long the body of a request may take to come.
    pub body_timeout: Duration,
    /// How long a peer may take for the next `answer_bytes_min` bytes of an answer.
    pub answer_timeout: Duration,
    /// Bytes of an answer that have to be taken in that time, unless they are the last.
    pub answer_bytes_min: usize,
    /// How long a request may take from its head to the head of its answer, its body included.
    pub request_timeout: Duration,
    /// How long a connection may rest between requests.
    pub idle_timeout: Duration,
    /// How long a client may take to say hello.
    pub handshake_timeout: Duration,
    /// How often a silent connection is pinged; one that misses two is closed.
    pub ping_interval: Duration,
    /// Bytes that may wait to be sent on one connection.
    pub send_queue_bytes_max: usize,
    /// How long a peer may take for the next part of what is sent ([`PART_BYTES`]) before it is given up.
    pub stuck_timeout: Duration,
    /// Entities that one connection may have open.
    pub open_entities_max: usize,
    /// Proposals of one connection that may wait for their answer.
    pub proposals_in_flight_max: usize,
    /// Frames per second that one connection may send in the long run; more have to wait.
    pub frames_per_second_max: u32,
    /// How long a message may take from its first byte to its last, while it is read.
    pub message_timeout: Duration,
    /// How many bytes of a message make this a second longer.
    pub message_bytes_per_second_min: usize,
    /// Bytes of a message of those who may write nothing, and of the hello.
    pub reader_message_bytes_max: usize,
    /// How long before its token ends a client is notified.
    pub token_notice: Duration,
    /// Refused changes that are remembered per connection, to recognise what depends on them.
    pub refused_changes_max: usize,
    /// How long connections may take to finish when the server stops.
    pub shutdown_timeout: Duration,
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            token_seats_percent: 10,
            backlog: 4_096,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(30),
            answer_bytes_min: 64 << 10,
            request_timeout: Duration::from_secs(60),
            // Proxies keep theirs for a minute or 75 seconds, and have to be the first to close.
            idle_timeout: Duration::from_secs(90),
            handshake_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(20),
            send_queue_bytes_max: 2 << 20,
            stuck_timeout: Duration::from_secs(20),
            open_entities_max: 1_000,
            proposals_in_flight_max: 64,
            frames_per_second_max: 200,
            message_timeout: Duration::from_secs(30),
            message_bytes_per_second_min: 8 << 10,
            reader_message_bytes_max: 64 << 10,
            token_notice: Duration::from_secs(60),
            refused_changes_max: 10_000,
            shutdown_timeout: Duration::from_secs(5),
        }
    }
}

impl ConnectionSettings {
    /// Connections that are kept for those who show a token.
    pub fn token_seats(&self) -> usize {
        self.connections_max
            .saturating_mul(self.token_seats_percent)
            / 100
    }
}

/// How entities are held in memory and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelaySettings {
    /// How long an entity without writes and replicas stays in memory.
    pub idle: Duration,
    /// About how much memory the entities may take together before some of those leave that no client
    /// follows as a replica.
    pub entities_bytes_max: u64,
    /// How long what was encoded for those who came lately is kept for others.
    pub frames_kept: Duration,
    /// Writes to one entity that may wait; further ones wait for room.
    pub mailbox_max: usize,
    /// Writes to one entity that are judged together at most.
    pub batch_max: usize,
    /// Entities that are loaded at a time when a whole kind is needed.
    pub loads_at_once: usize,
    /// Changes since the last snapshot after which one is stored, so that loading stays quick.
    pub snapshot_changes: u64,
    /// Bytes of changes after which one is stored.
    pub snapshot_bytes: usize,
    /// Entries that a resuming replica is sent; one that missed more gets a snapshot.
    pub resume_entries_max: u64,
    /// Bytes of such entries.
    pub resume_bytes_max: usize,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(180),
            entities_bytes_max: 96 << 20,
            frames_kept: Duration::from_secs(5),
            mailbox_max: 256,
            batch_max: 256,
            loads_at_once: 8,
            snapshot_changes: 500,
            snapshot_bytes: 256 << 10,
            resume_entries_max: 2_000,
            resume_bytes_max: 4 << 20,
        }
    }
}

/// How commits are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitSettings {
    /// Requests that share one transaction at most.
    pub requests_per_transaction_max: usize,
    /// Requests that may wait; further ones wait for room.
    pub queue_requests_max: usize,
    /// Below this many free bytes on the data directory's disk, nothing is written any more.
    pub disk_free_bytes_min: u64,
}

impl Default for CommitSettings {
    fn default() -> Self {
        Self {
            requests_per_transaction_max: 256,
            queue_requests_max: 1_024,
            disk_free_bytes_min: 128 << 20,
        }
    }
}

/// How much of what policy refused is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusalSettings {
    /// Refusals kept in full per principal, entity and epoch; the rest is only counted.
    pub kept_per_principal_max: u64,
}

impl Default for RefusalSettings {
    fn default() -> Self {
        Self {
            kept_per_principal_max: 1_000,
        }
    }
}

/// Files that are left for other things than connections: the store, its directory, standard streams.
pub const FILES_KEPT: usize = 64;

/// Lines that one place in the code may write to the log in a second; the others are counted.
pub const LOG_LINES_PER_SECOND_MAX: u32 = 20;

/// How long a token lives unless something else is asked for.
pub const TOKEN_TTL_DEFAULT: Duration = Duration::from_secs(8 * 60 * 60);

/// How long a token may live at most.
pub const TOKEN_TTL_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// How far the clocks of who issues and who checks a token may be apart.
pub const TOKEN_LEEWAY: Duration = Duration::from_secs(10);

/// Bytes of a token, above which it is not even looked at.
pub const TOKEN_BYTES_MAX: usize = 8 << 10;

/// Bytes of a principal's id.
pub const PRINCIPAL_ID_BYTES_MAX: usize = 128;

/// Bytes of a principal's display name.
pub const PRINCIPAL_NAME_BYTES_MAX: usize = 128;

/// Bytes of a role's name.
pub const ROLE_BYTES_MAX: usize = 64;

/// Roles that one principal may have.
pub const ROLES_MAX: usize = 64;

/// Memory that the store may use for caching pages, in bytes.
pub const STORE_CACHE_BYTES: usize = 64 << 20;

/// Bytes of changes above which entries go on in another frame. One entry is never split.
pub const ENTRIES_FRAME_BYTES_MAX: usize = 1 << 20;

/// Entities in a page of a collection, unless something else is asked for.
pub const PAGE_DEFAULT: usize = 100;

/// Entities in a page of a collection.
pub const PAGE_MAX: usize = 1_000;

/// Bytes of the values in a page of a collection, after which it ends.
pub const PAGE_BYTES: usize = 4 << 20;

/// Pages whose values are read from the store at a time.
pub const PAGES_AT_ONCE: usize = 8;

/// Bytes of an `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// Values that a JSON text from outside may hold, over HTTP or in `create`.
pub const JSON_VALUES_MAX: usize = 1_100_000;

/// Bytes of a body. JSON may spell a text in many more bytes than it has in an entity: a million
/// characters are up to twelve million bytes, escaped.
pub const BODY_BYTES_MAX: usize = 16 << 20;

/// Bytes that bodies, messages that have not ended, answers that wait and what is cached may take
/// together.
pub const MEMORY_BYTES_MAX: usize = 192 << 20;

/// Bytes of what comes in that one at a time may have beside those, so that no request waits for one
/// who waits.
pub const ROOM_RESERVE_BYTES: usize = BODY_BYTES_MAX;

/// How long an answer waits for memory.
pub const MEMORY_WAIT: Duration = Duration::from_secs(5);

/// After how long what cannot be served at present may be asked for again.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Bytes of a long frame that are written at a time, and copied for the transport.
pub const PART_BYTES: usize = 16 << 10;

/// Bytes that are read from a WebSocket at a time, and held for it while nothing comes.
pub const SOCKET_READ_BYTES: usize = 4 << 10;

/// Bytes of a body that is too big which are taken in and thrown away, so that its sender gets to
/// read why.
pub const BODY_REST_BYTES_MAX: usize = 64 << 20;

/// Bytes of the rest of a body that are read after its request was answered, so that the connection
/// can take the next one.
pub const UNREAD_BYTES_MAX: usize = 64 << 10;

/// How long that rest is waited for.
pub const UNREAD_WAIT: Duration = Duration::from_millis(500);

/// Fields that a PUT may ask to preserve.
pub const PRESERVE_MAX: usize = 1_000;
