//! How many lines of one cause the log takes.
//!
//! Invariant: of the lines that one place in the code writes, so many are written in a second and the
//! others are counted; every line is written or counted, and the counts are written in their turn.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata};
use tracing_subscriber::layer::{Context, Filter};

/// What the counts are written under: they are never left out themselves.
const TARGET: &str = "indelible::left_out";

/// For how long lines are counted together.
const WINDOW: Duration = Duration::from_secs(1);

/// Characters of a line by which the ones left out are recognised.
const QUOTED_CHARS_MAX: usize = 100;

/// Counts lines by the places that write them. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Throttle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    per_window: u32,
    causes: Mutex<HashMap<Identifier, Cause>>,
}

#[derive(Debug)]
struct Cause {
    since: Instant,
    written: u32,
    left_out: u64,
    level: Level,
    /// The first line that was left out.
    like: String,
}

impl Throttle {
    /// Lets so many lines of each place through in a second.
    pub(super) fn new(per_second: u32) -> Self {
        Self(Arc::new(Shared {
            per_window: per_second,
            causes: Mutex::default(),
        }))
    }

    fn causes(&self) -> MutexGuard<'_, HashMap<Identifier, Cause>> {
        let causes = self.0.causes.lock();
        causes.unwrap_or_else(PoisonError::into_inner)
    }

    fn admits(&self, event: &Event<'_>) -> bool {
        let metadata = event.metadata();
        if metadata.target() == TARGET {
            return true;
        }
        let now = Instant::now();
        let mut causes = self.causes();
        let cause = causes
            .entry(metadata.callsite())
            .or_insert_with(|| Cause::new(now, *metadata.level()));
        if now.duration_since(cause.since) >= WINDOW {
            (cause.since, cause.written) = (now, 0);
        }
        if cause.written < self.0.per_window {
            cause.written += 1;
            return true;
        }
        if cause.left_out == 0 {
            cause.like.clear();
            event.record(&mut Message(&mut cause.like));
        }
        cause.left_out += 1;
        false
    }

    /// Writes how many lines were left out since this was done last.
    pub(super) fn report(&self) {
        let mut left_out = Vec::new();
        for cause in self.causes().values_mut().filter(|one| one.left_out > 0) {
            let like = std::mem::take(&mut cause.like);
            left_out.push((cause.level, std::mem::take(&mut cause.left_out), like));
        }
        for (level, lines, like) in left_out {
            const TEXT: &str = "further lines like this were left out";
            match level {
                Level::ERROR => tracing::error!(target: TARGET, lines, like, "{TEXT}"),
                Level::WARN => tracing::warn!(target: TARGET, lines, like, "{TEXT}"),
                Level::INFO => tracing::info!(target: TARGET, lines, like, "{TEXT}"),
                _ => tracing::debug!(target: TARGET, lines, like, "{TEXT}"),
            }
        }
    }

    /// Reports from now on, as long as the process runs.
    pub(super) fn report_always(&self) {
        let throttle = self.clone();
        let reporting = move || {
            loop {
                thread::sleep(WINDOW);
                throttle.report();
            }
        };
        let started = thread::Builder::new()
            .name("log".to_owned())
            .spawn(reporting);
        if let Err(error) = started {
            tracing::warn!(%error, "lines that are left out of the log are not counted");
        }
    }
}

impl Cause {
    fn new(since: Instant, level: Level) -> Self {
        Self {
            since,
            written: 0,
            left_out: 0,
            level,
            like: String::new(),
        }
    }
}

impl<S> Filter<S> for Throttle {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        self.admits(event)
    }
}

/// Takes the beginning of a line's text.
struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let text = format!("{value:?}");
            self.0.extend(text.chars().take(QUOTED_CHARS_MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    //! Guards against a log that strangers fill, and against lines that are neither there nor counted.

    use std::io;

    use tracing_subscriber::Layer as _;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Debug, Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn of_ten_thousand_lines_few_are_written_and_the_others_counted() {
        const PER_SECOND: u32 = 20;
        let (lines, throttle) = (Lines::default(), Throttle::new(PER_SECOND));
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .with_filter(throttle.clone());
        let began = Instant::now();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            for n in 0..10_000 {
                tracing::info!(n, "a stranger knocks");
            }
            tracing::info!("something else");
            throttle.report();
            throttle.report();
        });
        let windows = u32::try_from(began.elapsed().as_secs()).unwrap() + 1;
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let knocks = text
            .lines()
            .filter(|line| line.contains("a stranger knocks n="));
        let knocks = knocks.count();
        assert!(knocks <= (PER_SECOND * windows) as usize, "{knocks}");
        assert!(text.contains("something else"), "{text}");
        let counts: Vec<_> = text
            .lines()
            .filter(|line| line.contains("further lines like this were left out"))
            .collect();
        let rest = format!("lines={} like=\"a stranger knocks\"", 10_000 - knocks);
        assert_eq!(counts.len(), 1, "{text}");
        assert!(counts[0].contains(&rest), "{counts:?}");
    }
}
