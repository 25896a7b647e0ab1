//! Who has written how much lately, and whether that leaves room for more.
//!
//! Writes are counted where they come in; operations and bytes are charged when they are known, and
//! a writer in debt waits until it is paid off. So no single write is ever too big for a quota.
//!
//! Invariant: the memory is bounded however many principals and addresses there are; of those that
//! are forgotten first, the quotas were nearly full again.

mod level;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indelible_engine::principal::Principal;
use tokio::time::Instant;

use crate::config::{Quota, RateSettings};

pub(crate) use level::{Level, Rate};

const MINUTE: Duration = Duration::from_secs(60);

/// Quotas in use that are remembered.
const KEYS_MAX: usize = 100_000;

/// As many as are remembered before it is looked whether some are full again.
const KEYS_MIN: usize = 1_024;

/// How many bits of an address of version 6 name a network: one customer has them all.
const IPV6_NETWORK_BITS: u32 = 64;

/// Whose quotas a write counts against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'a> {
    /// Who writes.
    pub(crate) principal: &'a Principal,
    /// The address, if callers have different ones.
    pub(crate) address: Option<IpAddr>,
}

/// A quota is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "more than {per_minute} {} in a minute: try again in {} s",
    quota.unit(),
    self.seconds()
)]
pub(crate) struct Exhausted {
    pub(crate) quota: Quota,
    pub(crate) per_minute: u64,
    /// How long until there is some of it again.
    pub(crate) wait: Duration,
}

impl Exhausted {
    /// The stable code.
    pub(crate) const CODE: &'static str = "rate-limited";

    /// The wait in milliseconds, at least one.
    pub(crate) fn millis(&self) -> u64 {
        u64::try_from(self.wait.as_millis())
            .unwrap_or(u64::MAX)
            .max(1)
    }

    /// The wait in whole seconds, at least one.
    pub(crate) fn seconds(&self) -> u64 {
        self.millis().div_ceil(1_000)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Who {
    Principal(String),
    Address(IpAddr),
}

/// A quota of one principal or address. Those with other roles at the same address have another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    who: Who,
    quota: Quota,
    per_minute: NonZeroU64,
}

impl Key {
    fn rate(&self) -> Rate {
        Rate::new(self.per_minute.get(), MINUTE, MINUTE)
    }
}

#[derive(Debug, Clone, Copy)]
struct Used {
    level: Level,
    /// When it was logged that it is used up.
    noted: Option<Instant>,
}

/// What was written lately.
#[derive(Debug)]
pub(crate) struct Rates {
    settings: RateSettings,
    used: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    levels: HashMap<Key, Used>,
    /// At how many it is looked which are full.
    crowded: usize,
}

impl Rates {
    /// Nothing was written yet.
    pub(crate) fn new(settings: RateSettings) -> Self {
        Self {
            settings,
            used: Mutex::new(Table {
                levels: HashMap::new(),
                crowded: KEYS_MIN,
            }),
        }
    }

    /// Counts one write, unless a quota that it counts against is used up.
    ///
    /// # Errors
    /// [`Exhausted`], with the longest wait; nothing is counted then.
    pub(crate) fn enter(&self, writer: Writer<'_>, creates: bool) -> Result<(), Exhausted> {
        self.enter_at(writer, creates, Instant::now())
    }

    fn enter_at(&self, writer: Writer<'_>, creates: bool, now: Instant) -> Result<(), Exhausted> {
        let one = |quota| match quota {
            Quota::Writes | Quota::AddressWrites => 1,
            Quota::Creations | Quota::AddressCreations => u64::from(creates),
            Quota::Operations | Quota::Bytes | Quota::AddressBytes => 0,
        };
        let asks =
            |quota: &Quota| creates || !matches!(quota, Quota::Creations | Quota::AddressCreations);
        let keys: Vec<Key> = self
            .keys(writer, Quota::ALL.into_iter().filter(asks))
            .collect();
        let mut table = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = keys.iter().filter_map(|key| {
            let wait = table.levels.get(key)?.level.wait(key.rate(), now);
            (!wait.is_zero()).then_some((key, wait))
        });
        if let Some((key, wait)) = waits.max_by_key(|(_, wait)| *wait) {
            table.note(key, writer, now);
            return Err(Exhausted {
                quota: key.quota,
                per_minute: key.per_minute.get(),
                wait,
            });
        }
        for key in keys {
            let tokens = one(key.quota);
            table.take(key, tokens, now);
        }
        Ok(())
    }

    /// Charges operations that were brought, whatever became of them.
    pub(crate) fn charge_operations(&self, writer: Writer<'_>, operations: u64) {
        self.charge(writer, &[Quota::Operations], operations);
    }

    /// Charges bytes that the log takes.
    pub(crate) fn charge_bytes(&self, writer: Writer<'_>, bytes: usize) {
        self.charge(writer, &[Quota::Bytes, Quota::AddressBytes], bytes as u64);
    }

    fn charge(&self, writer: Writer<'_>, quotas: &[Quota], tokens: u64) {
        let now = Instant::now();
        let mut table = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        for key in self.keys(writer, quotas.iter().copied()) {
            table.take(key, tokens, now);
        }
    }

    /// The quotas that a write counts against, as far as they are bounded.
    fn keys<'a>(
        &'a self,
        Writer { principal, address }: Writer<'a>,
        quotas: impl Iterator<Item = Quota> + 'a,
    ) -> impl Iterator<Item = Key> + 'a {
        quotas.filter_map(move |quota| {
            let who = match quota {
                Quota::AddressWrites | Quota::AddressCreations | Quota::AddressBytes => {
                    Who::Address(network(address?))
                }
                _ => Who::Principal(principal.id.clone()),
            };
            Some(Key {
                who,
                quota,
                per_minute: self.settings.amount(principal, quota)?,
            })
        })
    }
}

impl Table {
    fn take(&mut self, key: Key, tokens: u64, now: Instant) {
        if tokens == 0 {
            return;
        }
        let rate = key.rate();
        if let Some(used) = self.levels.get_mut(&key) {
            used.level.take(rate, tokens, now);
            return;
        }
        if self.levels.len() >= self.crowded {
            self.thin(now);
        }
        let mut level = Level::full(now);
        level.take(rate, tokens, now);
        self.levels.insert(key, Used { level, noted: None });
    }

    /// Forgets what is full again; if that is not enough, the half that will be first.
    fn thin(&mut self, now: Instant) {
        self.levels.retain(|_, used| !used.level.is_full(now));
        if self.levels.len() >= KEYS_MAX {
            let mut times: Vec<Instant> = self
                .levels
                .values()
                .map(|used| used.level.full_at())
                .collect();
            let middle = times.len() / 2;
            let (_, median, _) = times.select_nth_unstable(middle);
            let median = *median;
            self.levels.retain(|_, used| used.level.full_at() > median);
        }
        self.crowded = (self.levels.len() * 2).clamp(KEYS_MIN, KEYS_MAX);
    }

    /// Logs that a quota is used up, once a minute.
    fn note(&mut self, key: &Key, writer: Writer<'_>, now: Instant) {
        let Some(used) = self.levels.get_mut(key) else {
            return;
        };
        if used.noted.is_some_and(|at| now - at < MINUTE) {
            return;
        }
        used.noted = Some(now);
        tracing::warn!(
            principal = ?writer.principal.id,
            address = writer.address.map(tracing::field::display),
            limit = key.quota.name(),
            per_minute = key.per_minute,
            "writes are refused for a while; others like it are not logged for a minute"
        );
    }
}

/// Whom an address identifies: of version 6, one customer has a whole network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mask = u128::MAX << (128 - IPV6_NETWORK_BITS);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests;
