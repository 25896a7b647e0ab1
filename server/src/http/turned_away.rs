//! What the log says of those who get no connection, so that an operator learns why.
//!
//! Invariant: each reason is logged at most once a minute, and there are never more reasons
//! remembered than the table holds: strangers choose them.
//!
//! Must not know: who is let in.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use tokio::time::Instant;

use crate::origin::Origin;

/// How long a reason is not logged again.
const PAUSE: Duration = Duration::from_secs(60);

/// Reasons that are remembered; all others share one.
const REASONS_MAX: usize = 100;

/// Characters of a header that the log quotes.
const QUOTED_CHARS_MAX: usize = 100;

/// What was logged when.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway(Mutex<HashMap<String, Instant>>);

impl TurnedAway {
    /// A page of another origin wanted to connect.
    pub(crate) fn origin(&self, headers: &HeaderMap) {
        let named: Vec<String> = headers
            .get_all(header::ORIGIN)
            .iter()
            .map(|origin| String::from_utf8_lossy(origin.as_bytes()).into_owned())
            .collect();
        let named: String = named.join(", ").chars().take(QUOTED_CHARS_MAX).collect();
        if !self.is_due(&named) {
            return;
        }
        match named.parse::<Origin>() {
            Ok(origin) => tracing::warn!(
                "pages of {origin} may not connect; if they should: --allow-origin {origin}"
            ),
            Err(_) => tracing::warn!(
                origin = named,
                "a page without an origin of its own may not connect; files and sandboxed frames have none"
            ),
        }
    }

    /// Something that is no WebSocket handshake came where one is expected, or one with a fault.
    pub(crate) fn handshake(&self, fault: &'static str) {
        if self.is_due(fault) {
            tracing::warn!(
                "a request for /sync was refused: {fault}; if a proxy stands before the server, it has \
                 to pass WebSocket upgrades"
            );
        }
    }

    fn is_due(&self, reason: &str) -> bool {
        let mut known = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Instant::now();
        known.retain(|_, at| now.duration_since(*at) < PAUSE);
        // Whoever makes up origins is logged under one, and drowns no other one.
        let reason = match known.len() < REASONS_MAX || known.contains_key(reason) {
            true => reason,
            false => "",
        };
        let due = !known.contains_key(reason);
        if due {
            known.insert(reason.to_owned(), now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    //! Guards against refusals that nobody learns of, and against a log that strangers fill.

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reason_is_due_once_a_minute() {
        let away = TurnedAway::default();
        assert!(away.is_due("https://a.example"));
        assert!(!away.is_due("https://a.example"));
        assert!(away.is_due("https://b.example"));
        tokio::time::advance(PAUSE - Duration::from_secs(1)).await;
        assert!(!away.is_due("https://a.example"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(away.is_due("https://a.example"));
    }

    #[tokio::test(start_paused = true)]
    async fn made_up_origins_fill_neither_memory_nor_log() {
        let away = TurnedAway::default();
        let due = (0..10_000).filter(|n| away.is_due(&format!("https://{n}.example")));
        assert_eq!(due.count(), REASONS_MAX + 1);
        assert!(away.0.lock().unwrap().len() <= REASONS_MAX + 1);
    }
}
