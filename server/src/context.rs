//! What the entities, connections and requests of one server share.
//!
//! It knows neither entities nor who is connected: everything that does can be given it.

use std::sync::Arc;

use indelible_engine::id::{EntityId, Kind};
use indelible_engine::limits::Limits;
use indelible_engine::policy::{Policies, Policy, PolicyBook};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::Auth;
use crate::commit::CommitHandle;
use crate::config::{BudgetSettings, RateSettings, RelaySettings};
use crate::keys::Keys;
use crate::memory::Memory;
use crate::rates::Rates;
use crate::room::Room;
use crate::storage::Store;
use crate::versions::Versions;
use crate::work::Work;

/// What is shared by all parts of a running server.
#[derive(Debug)]
pub(crate) struct Context {
    /// The policies of all kinds.
    pub(crate) policies: Policies,
    /// These, and all earlier ones.
    pub(crate) known: Arc<PolicyBook>,
    /// Limits on proposed changes.
    pub(crate) limits: Limits,
    /// How entities are held in memory and sent.
    pub(crate) settings: RelaySettings,
    /// How long a history may be in proportion to the value.
    pub(crate) budgets: BudgetSettings,
    /// How much each principal and address has written lately.
    pub(crate) rates: Rates,
    /// Where entries are read.
    pub(crate) store: Arc<dyn Store>,
    /// Where entries are written.
    pub(crate) commit: CommitHandle,
    /// Checks and issues tokens.
    pub(crate) auth: Auth,
    /// Seals and opens versions.
    pub(crate) versions: Versions,
    /// Slots for work that takes the processor for long.
    pub(crate) work: Work,
    /// The memory for what comes in.
    pub(crate) room: Room,
    /// The memory for what waits to go out, and for what is cached.
    pub(crate) memory: Memory,
    /// What runs in the background.
    tasks: TaskTracker,
    closing: CancellationToken,
}

/// What a context is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The policies of all kinds.
    pub(crate) policies: Policies,
    /// These, and all earlier ones.
    pub(crate) known: PolicyBook,
    /// Limits on proposed changes.
    pub(crate) limits: Limits,
    /// How entities are held in memory and sent.
    pub(crate) settings: RelaySettings,
    /// How long a history may be in proportion to the value.
    pub(crate) budgets: BudgetSettings,
    /// How much may be written in a minute.
    pub(crate) rates: RateSettings,
    /// Where entries are read.
    pub(crate) store: Arc<dyn Store>,
    /// Where entries are written.
    pub(crate) commit: CommitHandle,
    /// The keys that tokens are signed and versions are sealed with.
    pub(crate) keys: Keys,
    /// The memory for what comes in.
    pub(crate) room: Room,
    /// The memory for what waits to go out, and for what is cached.
    pub(crate) memory: Memory,
}

impl Context {
    /// A context in which nothing runs yet but what relieves its memory.
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let Parts {
            policies,
            known,
            limits,
            settings,
            budgets,
            rates,
            store,
            commit,
            keys,
            room,
            memory,
        } = parts;
        let context = Arc::new(Self {
            policies,
            known: Arc::new(known),
            limits,
            settings,
            budgets,
            rates: Rates::new(rates),
            store,
            commit,
            auth: Auth::new(&keys),
            versions: Versions::new(&keys),
            work: Work::new(),
            room,
            memory,
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        });
        let relieving = context.memory.clone().relieve_always();
        let closing = context.closing.clone();
        context.spawn(async move { closing.run_until_cancelled(relieving).await });
        context
    }

    /// The policy of a kind, if there is such a kind.
    pub(crate) fn policy(&self, kind: &Kind) -> Option<&Arc<Policy>> {
        self.policies.get(kind)
    }

    /// The policy of an entity, if its name fits its kind: singletons have no id, all others have
    /// one.
    pub(crate) fn policy_of(&self, entity: &EntityId) -> Option<&Arc<Policy>> {
        self.policy(entity.kind())
            .filter(|policy| policy.is_singleton() == entity.id().is_none())
    }

    /// Runs a task in the background; [`end`](Self::end) waits for it.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn(task)
    }

    /// Cancelled when tasks that go on for ever have to end.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// Ends what runs for ever, and waits until everything in the background has ended.
    pub(crate) async fn end(&self) {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
