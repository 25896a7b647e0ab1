//! Core dumps, which would hold the key and values.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Has the system write no memory of this process to a disk when it fails, and lets no other
/// process of the same user read it. Where a dump is piped to a program, the limit does not count,
/// the second one does.
pub(crate) fn forbid() {
    let limit = Rlimit {
        current: Some(0),
        ..getrlimit(Resource::Core)
    };
    let limited = setrlimit(Resource::Core, limit);
    #[cfg(target_os = "linux")]
    let limited = limited.and(rustix::process::set_dumpable_behavior(
        rustix::process::DumpableBehavior::NotDumpable,
    ));
    if let Err(error) = limited {
        tracing::warn!(%error, "the system may write core dumps, which hold the key");
    }
}
