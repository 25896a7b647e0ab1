//! How long a connection may say nothing.
//!
//! Invariant: whoever begins a request brings its head in the time for that, counted from its first
//! byte (on a fresh connection, from the start); between requests a connection may rest longer, so
//! that proxies which keep connections open are never cut off in the middle of a request. While a
//! request is being served, bodies and answers have their own limits.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::config::ConnectionSettings;

/// What a connection is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The head of a request is coming.
    Head { until: Instant },
    /// So many requests are being served.
    Served(usize),
    /// There is none.
    Idle { until: Instant },
}

/// The stage of one connection, for all that have to do with it.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    stage: Arc<watch::Sender<Stage>>,
    head: Duration,
    idle: Duration,
}

/// One request that is being served, until its answer is written.
#[derive(Debug)]
pub(super) struct Serving(Patience);

impl Patience {
    /// With a connection that has just been made.
    pub(super) fn new(settings: &ConnectionSettings) -> Self {
        let until = Instant::now() + settings.head_timeout;
        Self {
            stage: Arc::new(watch::Sender::new(Stage::Head { until })),
            head: settings.head_timeout,
            idle: settings.idle_timeout,
        }
    }

    /// Something was read.
    pub(super) fn came(&self) {
        self.stage.send_if_modified(|stage| {
            let idle = matches!(stage, Stage::Idle { .. });
            if idle {
                let until = Instant::now() + self.head;
                *stage = Stage::Head { until };
            }
            idle
        });
    }

    /// Something was written: who takes an answer slowly is not idle.
    pub(super) fn went(&self) {
        self.stage.send_if_modified(|stage| {
            let idle = matches!(stage, Stage::Idle { .. });
            if idle {
                let until = Instant::now() + self.idle;
                *stage = Stage::Idle { until };
            }
            idle
        });
    }

    /// A head is there.
    pub(super) fn begin(&self) -> Serving {
        self.stage.send_modify(|stage| {
            *stage = match stage {
                Stage::Served(others) => Stage::Served(*others + 1),
                _ => Stage::Served(1),
            };
        });
        Serving(self.clone())
    }

    /// Whether no request is being served.
    pub(super) fn is_between(&self) -> bool {
        !matches!(*self.stage.borrow(), Stage::Served(_))
    }

    /// Comes back when it is over.
    pub(super) async fn ended(&self) {
        let mut stage = self.stage.subscribe();
        loop {
            let now = *stage.borrow_and_update();
            let changed = stage.changed();
            let ended = match now {
                Stage::Head { until } | Stage::Idle { until } => tokio::select! {
                    () = sleep_until(until) => true,
                    changed = changed => changed.is_err(),
                },
                Stage::Served(_) => changed.await.is_err(),
            };
            if ended {
                return;
            }
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let Self(patience) = self;
        patience.stage.send_modify(|stage| {
            *stage = match stage {
                Stage::Served(others) if *others > 1 => Stage::Served(*others - 1),
                _ => Stage::Idle {
                    until: Instant::now() + patience.idle,
                },
            };
        });
    }
}

#[cfg(test)]
mod tests {
    //! Guards against connections that are cut off while they rest, or held for heads that never end.
    use super::*;

    fn patience() -> Patience {
        Patience::new(&ConnectionSettings {
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(90),
            ..ConnectionSettings::default()
        })
    }

    async fn lasts(patience: &Patience) -> u64 {
        let begun = Instant::now();
        patience.ended().await;
        begun.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn heads_are_waited_for_from_their_first_byte() {
        let patience = patience();
        assert_eq!(lasts(&patience).await, 30, "a fresh connection");
        let (first, second) = (patience.begin(), patience.begin());
        drop(first);
        patience.came();
        let day = Duration::from_secs(86_400);
        let served = tokio::time::timeout(day, patience.ended()).await;
        assert!(served.is_err(), "a request that is being served");
        drop(second);
        assert_eq!(lasts(&patience).await, 90, "an idle one");
        drop(patience.begin());
        tokio::time::sleep(Duration::from_secs(89)).await;
        patience.came();
        tokio::time::sleep(Duration::from_secs(1)).await;
        patience.came();
        assert_eq!(
            lasts(&patience).await,
            29,
            "the head counts from its first byte"
        );
    }
}
