//! Commands that read what may be damaged.

use std::error::Error;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

/// Runs a command that alters nothing. A damaged file can bring the database to give up in the middle
/// of it, by a panic: that is said in a sentence, and not by a trace.
pub(super) fn guarded(
    command: impl FnOnce() -> Result<ExitCode, Box<dyn Error>>,
) -> Result<ExitCode, Box<dyn Error>> {
    let place = Arc::new(Mutex::new(None));
    let found = Arc::clone(&place);
    panic::set_hook(Box::new(move |panic| {
        let at = panic.location().map(ToString::to_string);
        *found.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }));
    let done = panic::catch_unwind(AssertUnwindSafe(command));
    done.unwrap_or_else(|_| {
        let place = place.lock().unwrap_or_else(PoisonError::into_inner);
        let place = place.as_deref().unwrap_or("an unknown place");
        let text = format!(
            "the command gave up at {place}: what it reads is damaged, or this is a mistake in \
             indelible; nothing was altered"
        );
        Err(text.into())
    })
}
