//! From settings to a running server, and back to nothing: the order in which parts start and end.
//!
//! Invariant: no request is served before the initial content is in place; on the way out nothing
//! new is taken, connections are closed, what was admitted is committed, and only then it ends.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use indelible_engine::policy::Policies;
use indelible_engine::principal::ROLE_PUBLIC;
use indelible_engine::schema::{self, SchemaError};
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::commit::CommitThread;
use crate::config::{Config, ConnectionSettings, ExposureError, FILES_KEPT, ROOM_RESERVE_BYTES};
use crate::context::{Context, Parts};
use crate::directory::Directory;
use crate::entity;
use crate::http::{self, App, accept};
use crate::keys::{self, KeyError, Keys};
use crate::memory::Memory;
use crate::migration::{self, SchemaChangeError};
use crate::open_files;
use crate::policy_archive;
use crate::room::Room;
use crate::schema_files::{self, Content, PassedOver, SchemaFilesError};
use crate::seeding::{self, SeedingError};
use crate::served_roles::{self, RoleError};
use crate::storage::StoreError;
use crate::storage::redb::RedbStore;

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address may not be served.
    #[error(transparent)]
    Exposure(#[from] ExposureError),
    /// The schema folder cannot be read.
    #[error(transparent)]
    SchemaFiles(#[from] SchemaFilesError),
    /// The schema has mistakes.
    #[error("the schema has mistakes:\n{}", lines(.0))]
    Schema(Vec<SchemaError>),
    /// The key file cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Another process has the store.
    #[error("another indelible is serving this directory ({})", .0.display())]
    InUse(PathBuf),
    /// The store cannot be used.
    #[error("cannot use the store in {}", path.display())]
    Store {
        /// The data directory.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// A limit is set for a role that there is not.
    #[error("a limit cannot be set: {0}")]
    Limit(RoleError),
    /// The entities cannot migrate to the schema.
    #[error(transparent)]
    SchemaChange(#[from] SchemaChangeError),
    /// The initial content cannot be put in place.
    #[error(transparent)]
    Content(#[from] SeedingError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

fn lines(errors: &[SchemaError]) -> String {
    let line = |error: &SchemaError| format!("  {error} [{}]", error.mistake.code());
    let texts: Vec<String> = errors.iter().map(line).collect();
    texts.join("\n")
}

/// No more connections than the process may have files.
fn fit_connections(connections: &mut ConnectionSettings) {
    let Some(files) = open_files::raise() else {
        return;
    };
    let room = files.saturating_sub(FILES_KEPT).max(1);
    if room < connections.connections_max {
        tracing::warn!(
            connections = room,
            files,
            "fewer connections are taken than could be served: the limit of open files is low"
        );
        connections.connections_max = room;
    }
}

fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // So that a server can be started again while connections of the one before are still closing.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}

/// A server that listens and is ready to run.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    app: App,
    commit: CommitThread,
}

impl Server {
    /// Opens the store, puts the initial content in place and listens.
    ///
    /// # Errors
    /// [`ServeError`]; nothing is left running then.
    pub async fn bind(mut config: Config) -> Result<Self, ServeError> {
        config.exposure.check(config.listen, config.mode)?;
        fit_connections(&mut config.connections);
        let files = schema_files::load(&config.schema)?;
        for PassedOver { file, reason } in &files.passed_over {
            tracing::warn!(%file, "not read: {reason}");
        }
        let policies = schema::compile_all(&files.sources).map_err(ServeError::Schema)?;
        let address = config.listen;
        let listen_error = |source| ServeError::Listen { address, source };
        // The address first: a second server that was started by mistake fails at once.
        let backlog = config.connections.backlog;
        let listener = listen(address, backlog).map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;

        keys::check_data_dir(&config.data)?;
        let keys = match &config.token_key {
            Some(path) => {
                let keys = Keys::open(path)?;
                keys::create_data_dir(&config.data)?;
                keys
            }
            None => Keys::open_or_create(&config.data)?,
        };
        let data = config.data.clone();
        let store_error = |source| match source {
            // It says which directory.
            StoreError::InUse { .. } => ServeError::InUse(data.clone()),
            source => ServeError::Store {
                path: data.clone(),
                source,
            },
        };
        let store = RedbStore::open(&config.data, config.refusals).map_err(store_error)?;
        let store = Arc::new(store);
        let known = policy_archive::keep(&*store, &policies).map_err(store_error)?;
        let roles = served_roles::named(policies.iter().map(|policy| &**policy));
        if let Err(error) = served_roles::keep(&config.data, &roles) {
            tracing::warn!(%error, "the names of roles cannot be kept: tokens are made unchecked");
        }
        let limited = config.rates.roles().filter(|role| *role != ROLE_PUBLIC);
        for role in limited {
            served_roles::check(role, Some(&roles)).map_err(ServeError::Limit)?;
        }
        let commit = CommitThread::start(store.clone(), &config.commit).map_err(store_error)?;
        let context = Context::new(Parts {
            policies,
            known,
            limits: config.limits.clone(),
            settings: config.relay.clone(),
            budgets: config.budgets.clone(),
            rates: config.rates.clone(),
            store,
            commit: commit.handle(),
            keys,
            room: Room::new(config.incoming_bytes_max(), ROOM_RESERVE_BYTES),
            memory: Memory::new(config.outgoing_bytes_max()),
        });
        let directory = Directory::new(Arc::clone(&context));
        if let Err(error) = prepare(&directory, files.content, store_error).await {
            directory.end().await;
            commit.stop().await;
            return Err(error);
        }
        let app = App {
            context,
            directory,
            config: Arc::new(config),
            shutdown: CancellationToken::new(),
            connections: TaskTracker::new(),
            turned_away: Arc::default(),
        };
        Ok(Self {
            listener,
            address,
            app,
            commit,
        })
    }

    /// The address that the server listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The policies of all kinds that are served.
    pub(crate) fn policies(&self) -> &Policies {
        &self.app.context.policies
    }

    /// Serves until `shutdown` comes, then ends in order.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self {
            listener,
            app,
            commit,
            ..
        } = self;
        let config = Arc::clone(&app.config);
        let patience = config.connections.shutdown_timeout;
        let (token, connections) = (app.shutdown.clone(), app.connections.clone());
        let directory = app.directory.clone();
        let serving = accept::serve(
            listener,
            (http::router(app), directory.context().memory.clone()),
            config,
            token.clone(),
        );
        let mut serving = tokio::spawn(serving);
        shutdown.await;
        tracing::info!("stopping");
        token.cancel();
        // A request that hangs must not keep the server from ending.
        if timeout(patience, &mut serving).await.is_err() {
            tracing::warn!("requests did not end in time");
            serving.abort();
        }
        connections.close();
        if timeout(patience, connections.wait()).await.is_err() {
            tracing::warn!(open = connections.len(), "connections did not end in time");
        }
        if timeout(patience, directory.end()).await.is_err() {
            tracing::warn!("entities did not end in time");
        }
        // A disk that hangs must not, either; what it was given is then written or not, as after a kill.
        if timeout(patience, commit.stop()).await.is_err() {
            tracing::warn!("the last commit did not end in time");
        }
        tracing::info!("stopped");
    }
}

/// What has to be in the store before anyone is served. First all entities follow the present
/// schemas, since claims follow from their values; the initial content claims values too.
async fn prepare(
    directory: &Directory,
    content: Content,
    store_error: impl Fn(StoreError) -> ServeError,
) -> Result<(), ServeError> {
    migration::run(directory.context()).await?;
    entity::restore_claims(directory.context()).map_err(store_error)?;
    Ok(seeding::seed(directory, content).await?)
}

/// Runs a server until `shutdown` comes.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    let server = Server::bind(config).await?;
    tracing::info!(address = %server.local_addr(), "listening");
    server.run(shutdown).await;
    Ok(())
}
