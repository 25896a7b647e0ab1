//! How long a connection may say nothing.
//!
//! Invariant: the head of a request comes in the time for that, counted from its first
//! byte (on a fresh connection, from the start); between requests a connection may rest longer, so
//! that proxies which keep connections open are never cut off in the middle of a request. An answer
//! has to be taken, so many bytes in a time; bodies have their own limit.

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

/// What a connection is about, and what it takes.
#[derive(Debug, Clone, Copy)]
struct State {
    stage: Stage,
    /// Until when the peer has to take more of what is being written, and how much, where it takes
    /// less than is there.
    slow: Option<(Instant, usize)>,
}

/// The state of one connection, for all that have to do with it.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    state: Arc<watch::Sender<State>>,
    head: Duration,
    idle: Duration,
    answer: Duration,
    answer_bytes_min: usize,
}

/// One request that is being served, until its answer is written.
#[derive(Debug)]
pub(super) struct Serving(Patience);

impl Patience {
    /// With a connection that has just been made.
    pub(super) fn new(settings: &ConnectionSettings) -> Self {
        let until = Instant::now() + settings.head_timeout;
        let state = State {
            stage: Stage::Head { until },
            slow: None,
        };
        Self {
            state: Arc::new(watch::Sender::new(state)),
            head: settings.head_timeout,
            idle: settings.idle_timeout,
            answer: settings.answer_timeout,
            answer_bytes_min: settings.answer_bytes_min,
        }
    }

    /// Something was read.
    pub(super) fn came(&self) {
        self.state.send_if_modified(|state| {
            let idle = matches!(state.stage, Stage::Idle { .. });
            if idle {
                let until = Instant::now() + self.head;
                state.stage = Stage::Head { until };
            }
            idle
        });
    }

    /// So many bytes were written, all that there were or fewer: who takes an answer slowly is not
    /// idle, but has to take it.
    pub(super) fn went(&self, bytes: usize, all: bool) {
        self.state.send_if_modified(|state| {
            if let Some((_, left)) = &mut state.slow {
                *left = left.saturating_sub(bytes);
                if all || *left == 0 {
                    state.slow = None;
                }
            }
            let idle = matches!(state.stage, Stage::Idle { .. });
            if idle {
                let until = Instant::now() + self.idle;
                state.stage = Stage::Idle { until };
            }
            idle
        });
    }

    /// The peer takes nothing more now.
    pub(super) fn stuck(&self) {
        self.state.send_if_modified(|state| {
            let begins = state.slow.is_none();
            if begins {
                state.slow = Some((Instant::now() + self.answer, self.answer_bytes_min));
            }
            begins
        });
    }

    /// A head is there.
    pub(super) fn begin(&self) -> Serving {
        self.state.send_modify(|state| {
            state.stage = match state.stage {
                Stage::Served(others) => Stage::Served(others + 1),
                _ => Stage::Served(1),
            };
        });
        Serving(self.clone())
    }

    /// Whether no request is being served.
    pub(super) fn is_between(&self) -> bool {
        !matches!(self.state.borrow().stage, Stage::Served(_))
    }

    /// Comes back when it is over.
    pub(super) async fn ended(&self) {
        let mut state = self.state.subscribe();
        loop {
            let State { stage, slow } = *state.borrow_and_update();
            let stage = match stage {
                Stage::Head { until } | Stage::Idle { until } => Some(until),
                Stage::Served(_) => None,
            };
            let slow = slow.map(|(until, _)| until);
            let changed = state.changed();
            let Some(until) = stage.into_iter().chain(slow).min() else {
                if changed.await.is_err() {
                    return;
                }
                continue;
            };
            tokio::select! {
                () = sleep_until(until) => {}
                changed = changed => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
            }
            // Progress need not wake a task.
            let is_slow = state
                .borrow()
                .slow
                .is_some_and(|(until, _)| until <= Instant::now());
            if is_slow || stage == Some(until) {
                return;
            }
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let Self(patience) = self;
        patience.state.send_modify(|state| {
            state.stage = match state.stage {
                Stage::Served(others) if others > 1 => Stage::Served(others - 1),
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

    #[tokio::test(start_paused = true)]
    async fn an_answer_has_to_be_taken() {
        let patience = patience();
        let _serving = patience.begin();
        patience.stuck();
        patience.stuck();
        assert_eq!(lasts(&patience).await, 30, "nothing is taken");

        let patience = self::patience();
        let _serving = patience.begin();
        let reading = async |bytes: usize| {
            for _ in 0..10 {
                patience.stuck();
                tokio::time::sleep(Duration::from_secs(10)).await;
                patience.went(bytes, false);
            }
        };
        tokio::select! {
            () = reading(32 << 10) => {}
            () = patience.ended() => panic!("64 KiB in 20 s are enough"),
        }
        patience.went(1, true);
        let day = Duration::from_secs(86_400);
        let ended = tokio::time::timeout(day, patience.ended()).await;
        assert!(ended.is_err(), "all was taken");
        let trickling = tokio::time::Instant::now();
        tokio::select! {
            () = reading(1) => panic!("bytes for the sake of them"),
            () = patience.ended() => {}
        }
        assert_eq!(trickling.elapsed().as_secs(), 30);
    }
}
