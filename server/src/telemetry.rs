//! Logs for people, on standard error.
//!
//! Invariant: what is logged names entities, principals, codes and numbers; never a field's value
//! and never a token. Our own code keeps to that; libraries that log what passes through them are
//! held to a level at which they do not, whatever is asked for.

mod throttle;

use std::io::{IsTerminal, stderr};
use std::sync::OnceLock;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use self::throttle::Throttle;
use crate::config::LOG_LINES_PER_SECOND_MAX;

/// The environment variable that says what is logged, as `debug` or `indelible_server=debug,info`.
pub const LOG_VARIABLE: &str = "INDELIBLE_LOG";

/// Libraries that log frames, headers or operations at their finest level.
const CAPPED: [&str; 7] = [
    "automerge",
    "axum",
    "h2",
    "hyper",
    "hyper_util",
    "tokio_tungstenite",
    "tungstenite",
];

static THROTTLE: OnceLock<Throttle> = OnceLock::new();

/// Starts logging: what [`LOG_VARIABLE`] says, `info` otherwise. Does nothing the second time.
pub fn start() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .with_env_var(LOG_VARIABLE)
        .from_env_lossy();
    let filter = CAPPED.iter().fold(filter, |filter, library| {
        let cap = format!("{library}=info");
        filter.add_directive(cap.parse().expect("a library's name and a level"))
    });
    let throttle = THROTTLE.get_or_init(|| Throttle::new(LOG_LINES_PER_SECOND_MAX));
    let lines = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        // Told on standard error too, which is what cannot be written then: that would panic.
        .log_internal_errors(false)
        .with_filter(throttle.clone());
    let started = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
    match started {
        Ok(()) => throttle.report_always(),
        Err(_) => tracing::debug!("logging was started already"),
    }
}

/// Writes how many lines were left out last, before the process ends.
pub fn finish() {
    if let Some(throttle) = THROTTLE.get() {
        throttle.report();
    }
}
